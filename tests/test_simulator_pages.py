"""The pages that payers see work without scripts, and nothing that came from outside is markup."""

from gatewayd.core.terms import Redirect
from gatewayd.simulator.bank import Session
from gatewayd.simulator.pages import BANK_NAMES, auto_post_page, message_page, payment_page
from gatewayd.simulator.registry import DIALECTS
from tests.page_reading import read_forms

NASTY = """"><script>alert('x')</script>&amp;"""


def session(amount: int = 1_500_005, order: str = "42") -> Session:
    return Session(
        driver="saman",
        terminal="13579246",
        token="5f0c",
        order=order,
        amount=amount,
        callback_url="https://shop.example/",
        created_at=0,
    )


def test_every_bank_has_a_name() -> None:
    assert set(DIALECTS) <= set(BANK_NAMES)


def test_the_payment_page_shows_bank_and_amount_and_has_four_buttons() -> None:
    page = payment_page(session(), action="/go", card="6219861034529007")
    (form,) = read_forms(page)
    assert "پرداخت الکترونیک سامان" in page
    assert "1,500,005" in page
    assert "150,000.5" in page
    assert ("post", "/go") == (form.method, form.action)
    assert {"driver": "saman", "token": "5f0c", "card": "6219861034529007"} == form.fields
    choices = [("choice", word) for word in ("paid", "decline", "cancel", "leave")]
    assert choices == form.buttons


def test_whole_toman_are_shown_whole() -> None:
    page = payment_page(session(amount=150_000), action="/go", card="")
    assert '<bdi dir="ltr">15,000</bdi>' in page


def test_the_way_back_is_a_form_with_a_visible_button_and_a_script_that_submits_it() -> None:
    fields = {"RefNum": "a+b/c=", "State": "OK"}
    redirect = Redirect(
        token="t", url="https://shop.example/cb?own=1&x=2", method="post", fields=fields
    )
    page = auto_post_page(redirect, bank="سامان")
    (form,) = read_forms(page)
    assert ("post", "https://shop.example/cb?own=1&x=2") == (form.method, form.action)
    assert fields == form.fields
    assert [("", "")] == form.buttons
    assert "<script>document.forms[0].submit()</script>" in page


def test_what_came_from_outside_is_text() -> None:
    redirect = Redirect(token="t", url=NASTY, method="post", fields={NASTY: NASTY})
    (form,) = read_forms(auto_post_page(redirect, bank=NASTY))
    assert (NASTY, {NASTY: NASTY}) == (form.action, form.fields)
    for page in (
        auto_post_page(redirect, bank=NASTY),
        payment_page(session(order=NASTY), action="/go", card=NASTY),
        message_page(NASTY, bank=NASTY),
    ):
        assert "<script>alert" not in page
