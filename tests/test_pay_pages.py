"""The customer on our pages: handed over by a form, never twice by accident, and told the truth in trouble."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from gatewayd.core.terms import Operation
from gatewayd.simulator.faults import Fault, Kind
from gatewayd.web import customer
from tests.page_reading import Form
from tests.stage import DRIVERS
from tests.web_stage import DEMO, OTHER, QUICK, Answer, Web, all_gateways, web_stage

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with web_stage() as stage:
        yield stage


class Outline(HTMLParser):
    """What matters of a page: its tags, and the attributes of those that do something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


def is_page(answer: Answer, status: int, *texts: str, comes_back: bool = False) -> None:
    """The answer is a page of ours with these texts; only a waiting page comes back by itself."""
    assert (status, "text/html; charset=utf-8") == (answer.status, answer.headers["Content-Type"])
    assert ("no-store", "origin", POLICY) == tuple(
        answer.headers[name]
        for name in ("Cache-Control", "Referrer-Policy", "Content-Security-Policy")
    )
    assert "Set-Cookie" not in answer.headers
    shown = answer.text.replace("\N{NO-BREAK SPACE}", " ")
    assert [] == [text for text in texts if text not in shown]
    outline = Outline(answer.text)
    assert not {"a", "iframe", "img", "style", "base"} & set(outline.tags)
    assert comes_back == any("http-equiv" in each for each in outline.of("meta"))
    assert [] == [name for _, each in outline.found for name in each if name.startswith("on")]
    (html,) = outline.of("html")
    assert ("rtl" if html["lang"] == "fa" else "ltr") == html["dir"]


async def press(web: Web, page: Answer, action: str) -> Answer:
    """The button of the form that does this."""
    (form,) = [form for form in page.forms if form.fields.get("action") == action]
    return await web.submit(form)


def fail(web: Web, kind: Kind, *, driver: str = "*") -> None:
    fault = Fault(driver=driver, kind=kind, operation=Operation.START)
    web.banks.faults.add(fault, web.clock.now)


# --- the hand-over


@pytest.mark.parametrize("name", DRIVERS)
async def test_a_customer_is_handed_over_by_the_first_form_of_a_page(web: Web, name: str) -> None:
    payment = await web.create(gateways=[name])
    page = await web.ask("GET", payment["pay_url"])
    is_page(page, 200, "۱۵٬۰۰۰ تومان (۱۵۰٬۰۰۰ ریال)", payment["order_id"], payment["tracking_code"])
    outline = Outline(page.text)
    (form,), (script,), (button,) = (outline.of(tag) for tag in ("form", "script", "button"))
    assert f"http://127.0.0.1:9100/{name}/" in form["action"]
    assert form["method"] == ("post" if name in {"saman", "mellat"} else "get")
    assert {"src", "defer"} == script.keys()
    assert {"type": "submit"} == button
    assert [("", "")] == page.forms[0].buttons
    paid = await web.come_back(web.play(page.forms[0]))
    assert (303, "paid") == (paid.status, paid.location.query["status"])


async def test_the_script_is_ours_and_only_sends_the_form(web: Web) -> None:
    page = await web.ask("GET", (await web.create())["pay_url"])
    (script,), (sheet,) = (Outline(page.text).of(tag) for tag in ("script", "link"))
    for path, kind in ((script["src"], "text/javascript"), (sheet["href"], "text/css")):
        assert re.fullmatch(r"/assets/\w+\.[0-9a-f]{12}\.(js|css)", path)
        file = await web.ask("GET", path)
        assert (200, f"{kind}; charset=utf-8") == (file.status, file.headers["Content-Type"])
        assert "immutable" in file.headers["Cache-Control"]
        assert "nosniff" == file.headers["X-Content-Type-Options"]
    code = (await web.ask("GET", script["src"])).text
    assert 'document.getElementById("handover").submit();' in code
    assert "http" not in code
    assert 'id="handover"' in page.text


async def test_what_a_shop_sends_is_text_on_the_page_and_never_markup() -> None:
    shop = replace(DEMO, title="کفش </bdi><script>x()</script>")
    async with web_stage(shops=(shop, OTHER)) as web:
        payment = await web.create(order_id='"><script>x()</script>')
        page = await web.ask("GET", payment["pay_url"])
        is_page(page, 200, "&lt;script&gt;x()&lt;/script&gt;")
        assert 1 == len(Outline(page.text).of("script"))


async def test_the_page_speaks_the_language_of_the_payment(web: Web) -> None:
    payment = await web.create(locale="en")
    headers = {"Accept-Language": "fa"}
    page = await web.ask("GET", payment["pay_url"], headers=headers)
    is_page(page, 200, "15,000 toman (150,000 rial)", "Go to the payment page", '<html lang="en"')


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("GET", {"Sec-Purpose": "prefetch"}),
        ("GET", {"Sec-Purpose": "prefetch;prerender"}),
        ("GET", {"Purpose": "prefetch"}),
        ("GET", {"X-Purpose": "preview"}),
        ("GET", {"X-Moz": "prefetch"}),
    ],
)
async def test_who_only_looks_ahead_starts_nothing(
    web: Web, method: str, headers: dict[str, str]
) -> None:
    payment = await web.create()
    answer = await web.ask(method, payment["pay_url"], headers=headers)
    assert ("no-store", b"") == (answer.headers["Cache-Control"], answer.body)
    assert [] == (await web.show(payment))["attempts"]
    await web.hand_over(payment)
    assert 1 == len((await web.show(payment))["attempts"])


# --- again


async def test_a_reload_within_20_seconds_hands_over_the_same_token(web: Web) -> None:
    payment = await web.create()
    first = await web.hand_over(payment)
    web.clock.now += 20
    assert first == await web.hand_over(payment)
    assert 1 == len((await web.show(payment))["attempts"])


async def test_many_windows_at_once_are_handed_the_same_token(web: Web) -> None:
    payment = await web.create()
    forms = await asyncio.gather(*(web.hand_over(payment) for _ in range(8)))
    assert 1 == len({(form.action, *form.fields.items()) for form in forms})
    assert 1 == len((await web.show(payment))["attempts"])


async def later(web: Web, payment: dict[str, Any]) -> tuple[Form, Answer]:
    """The hand-over, and the page that is shown when the customer opens the address again later."""
    first = await web.hand_over(payment)
    web.clock.now += 21
    page = await web.ask("GET", payment["pay_url"])
    is_page(page, 200, "پرداخت شما ناتمام است", "دوباره پرداخت نکنید")
    return first, page


async def test_later_the_customer_has_the_choice(web: Web) -> None:
    _, page = await later(web, await web.create())
    assert ["go_on", "another", "leave"] == [form.fields["action"] for form in page.forms]
    assert [] == Outline(page.text).of("script")


async def test_he_may_go_on_where_he_was(web: Web) -> None:
    payment = await web.create()
    first, page = await later(web, payment)
    again = await press(web, page, "go_on")
    is_page(again, 200)
    assert [first] == again.forms
    assert 1 == len((await web.show(payment))["attempts"])


async def test_he_may_take_another_gateway(web: Web) -> None:
    payment = await web.create(gateways=["saman", "mellat"])
    first, page = await later(web, payment)
    other = (await press(web, page, "another")).forms[0]
    assert first.action != other.action
    back = await web.come_back(web.play(other))
    assert "paid" == back.location.query["status"]
    assert ["saman", "mellat"] == sorted(
        (each["gateway"] for each in (await web.show(payment))["attempts"]), reverse=True
    )


async def test_he_may_go_back_to_the_shop(web: Web) -> None:
    payment = await web.create()
    _, page = await later(web, payment)
    back = await press(web, page, "leave")
    assert (303, "shop.example", "cancelled") == (
        back.status,
        back.location.host,
        back.location.query["status"],
    )


async def test_without_another_gateway_none_is_offered(web: Web) -> None:
    _, page = await later(web, await web.create(gateways=["saman"]))
    assert ["go_on", "leave"] == [form.fields["action"] for form in page.forms]


@pytest.mark.parametrize("data", [b"", b"action=fly", b"{}", b"\xff" * 70_000])
async def test_a_button_that_we_do_not_have_is_like_opening_the_page(web: Web, data: bytes) -> None:
    payment = await web.create()
    first = await web.hand_over(payment)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    page = await web.ask("POST", payment["pay_url"], data=data, headers=headers)
    is_page(page, 200)
    assert [first] == page.forms


# --- the end


async def test_a_paid_payment_leads_back_to_the_shop(web: Web) -> None:
    payment = await web.create()
    first = await web.pay(payment)
    for method in ("GET", "POST"):
        again = await web.ask(method, payment["pay_url"])
        assert (303, first.headers["Location"]) == (again.status, again.headers["Location"])


async def test_an_expired_payment_begins_nothing(web: Web) -> None:
    payment = await web.create(expires_in=60)
    web.clock.now += 61
    web.engine.tending.consider(int(payment["tracking_code"]))
    back = await web.ask("GET", payment["pay_url"])
    assert (303, "expired") == (back.status, back.location.query["status"])
    assert [] == (await web.show(payment))["attempts"]


# --- trouble


async def test_a_gateway_that_gives_no_token_is_passed_over_unseen(web: Web) -> None:
    fail(web, Kind.ERROR500, driver="saman")
    payments = [await web.create(gateways=["saman", "mellat"]) for _ in range(4)]
    forms = [await web.hand_over(payment) for payment in payments]
    assert ["/mellat/"] * 4 == [form.action[len("http://127.0.0.1:9100") :][:8] for form in forms]


async def test_when_no_gateway_answers_nothing_is_lost(web: Web) -> None:
    fail(web, Kind.REFUSE)
    payment = await web.create()
    page = await web.ask("GET", payment["pay_url"])
    is_page(page, 503, "درگاه‌های پرداخت پاسخ نمی‌دهند", "مبلغی از حساب شما کم نشد")
    leave, again = page.forms
    assert ("leave", "get", {}) == (leave.fields["action"], again.method, again.fields)
    web.banks.faults.clear()
    handed = await web.submit(again)
    is_page(handed, 200)
    assert "paid" == (await web.come_back(web.play(handed.forms[0]))).location.query["status"]


async def test_a_declined_customer_is_offered_another_gateway(web: Web) -> None:
    web.all_do("decline")
    payment = await web.create(gateways=["saman", "mellat"])
    page = await web.pay(payment)
    is_page(page, 200, "پرداخت انجام نشد", "۷۲ ساعت")
    back, another = page.forms
    assert ("leave", "another") == (back.fields["action"], another.fields["action"])
    web.all_do("paid")
    handed = await web.submit(another)
    paid = await web.come_back(web.play(handed.forms[0]))
    assert (303, "paid") == (paid.status, paid.location.query["status"])
    assert 2 == len((await web.show(payment))["attempts"])


async def test_a_declined_customer_who_goes_back_has_failed(web: Web) -> None:
    web.all_do("decline")
    payment = await web.create()
    page = await web.pay(payment)
    back = await web.submit(page.forms[0])
    assert (303, "failed") == (back.status, back.location.query["status"])
    assert "failed" == (await web.show(payment))["status"]


async def test_a_shop_may_do_without_the_offer() -> None:
    async with web_stage(shops=(replace(DEMO, offer_retry=False), OTHER), mix="decline") as web:
        back = await web.pay(await web.create())
        assert (303, "failed") == (back.status, back.location.query["status"])


async def test_who_cancels_at_the_bank_is_back_at_once(web: Web) -> None:
    web.all_do("cancel")
    back = await web.pay(await web.create())
    assert (303, "cancelled") == (back.status, back.location.query["status"])


async def test_while_a_banks_word_is_out_nobody_is_asked_to_pay_again() -> None:
    async with web_stage(engine=QUICK) as web:
        payment = await web.create(amount=150_103)  # the reply to the first verify is cut
        back = await web.pay(payment)
        assert (303, "processing") == (back.status, back.location.query["status"])
        page = await web.ask("GET", payment["pay_url"])
        is_page(page, 200, "در حال بررسی پرداخت", "دوباره پرداخت نکنید")
        assert ["get", "post"] == [form.method for form in page.forms]
        left = await press(web, page, "leave")
        assert (303, "processing") == (left.status, left.location.query["status"])
        web.clock.now += 2
        web.engine.tending.consider(int(payment["tracking_code"]))
        await web.engine.tending.until_idle(int(payment["tracking_code"]), {1})
        assert "paid" == (await web.show(payment))["status"]


# --- addresses that are not ours


@pytest.mark.parametrize(
    "name",
    ["1", "161448066000", "161448066000.", "161448066000.00000000000000000000", "%00", "x" * 500],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unsigned_address_is_honestly_unknown_and_counted(
    web: Web, method: str, name: str
) -> None:
    answer = await web.ask(method, f"/pay/{name}")
    is_page(answer, 404, "این نشانی معتبر نیست")
    assert {"forged pay": 1} == web.tally.counts
    assert [] == web.log.lines


async def test_the_unknown_page_speaks_the_browsers_language(web: Web) -> None:
    headers = {"Accept-Language": "en-GB,en;q=0.8"}
    is_page(await web.ask("GET", "/pay/1", headers=headers), 404, "not valid", 'dir="ltr"')


async def test_a_wrong_method_gets_a_page_too(web: Web) -> None:
    answer = await web.ask("PUT", (await web.create())["pay_url"])
    is_page(answer, 405)
    assert {"GET", "HEAD", "POST"} == set(answer.headers["Allow"].split(","))


async def test_browsers_that_ask_for_an_icon_get_no_error(web: Web) -> None:
    assert 204 == (await web.ask("GET", "/favicon.ico")).status


async def test_a_failure_of_ours_is_a_page_with_a_way_on(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: int) -> None:
        raise RuntimeError("inside")

    payment = await web.create()
    with monkeypatch.context() as patch:
        patch.setattr(web.engine.cashier, "arrive", broken)
        page = await web.ask("GET", payment["pay_url"], headers={"Accept-Language": "en"})
    is_page(page, 500, "One moment, please")
    assert "inside" not in page.text
    assert 1 == len(web.log.of("request failed"))
    is_page(await web.submit(page.forms[0]), 200)


@pytest.mark.parametrize("action", ["", "another", "leave", "go_on"])
async def test_while_nothing_can_be_recorded_the_customer_is_told_so(
    action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer, "NOT_RECORDED_SECONDS", 0.0)
    quick = replace(QUICK, start_deadline_seconds=0.6)
    async with web_stage(engine=quick) as web:
        payment = await web.create()
        web.disk.free.clear()
        page = await web.ask("POST", payment["pay_url"], data={"action": action})
        is_page(page, 503, "چند لحظه صبر کنید")
        web.disk.free.set()
        again = await web.submit(page.forms[0])
        assert (303 if action == "leave" else 200) == again.status
        assert "pending" == (await web.show(payment))["status"] or action == "leave"


# --- gateways with hosts of their own


async def test_a_gateway_is_reached_from_the_host_that_its_contract_registered() -> None:
    ours, theirs = all_gateways()[:2]
    async with web_stage(
        gateways=(ours, replace(theirs, public_url="https://pay.theirs.example"))
    ) as web:
        payment = await web.create(gateways=[theirs.name])
        moved = await web.ask("GET", payment["pay_url"])
        path = moved.location.path
        assert (303, "https://pay.theirs.example", {"here": "1"}) == (
            moved.status,
            str(moved.location.origin()),
            dict(moved.location.query),
        )
        there = {"Host": "pay.theirs.example"}
        page = await web.ask("GET", f"{path}?here=1", headers=there)
        is_page(page, 200)
        assert 1 == len((await web.show(payment))["attempts"])
        # a proxy that does not tell the host must not send anybody round in circles
        is_page(await web.ask("GET", f"{path}?here=1"), 200)
        bank = web.banks.book.find(theirs.name, page.forms[0].fields["RefId"], web.clock.now)
        assert bank is not None
        assert bank.callback_url.startswith("https://pay.theirs.example/return/")


async def test_from_there_the_customer_is_brought_back_for_a_gateway_without_its_own() -> None:
    ours, theirs = all_gateways()[:2]
    async with web_stage(
        gateways=(ours, replace(theirs, public_url="https://pay.theirs.example"))
    ) as web:
        payment = await web.create(gateways=[ours.name])
        path = payment["pay_url"].removeprefix(web.base)
        moved = await web.ask("GET", path, headers={"Host": "PAY.theirs.example"})
        assert (303, f"{web.base}{path}?here=1") == (moved.status, moved.headers["Location"])
        for host in (web.base.removeprefix("http://"), "localhost:8080"):
            is_page(await web.ask("GET", path, headers={"Host": host}), 200)
