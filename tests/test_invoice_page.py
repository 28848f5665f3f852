"""The page of an invoice: what people read there, who is told what, and that only its button does anything."""

from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from gatewayd.core.settings import InvoiceSettings, ShopLimits
from gatewayd.web.dates import moment, until
from gatewayd.web.ports import TURNSTILE
from tests.hook_stage import hook_stage, hooks, receiver
from tests.invoice_stage import (
    LINES,
    begin,
    bill,
    look,
    pay,
    pay_at,
    payments_of,
    press,
    press_anyway,
    settled,
)
from tests.test_nothing_leaks import leaks, text_of
from tests.web_stage import DEMO, OTHER, Web, all_gateways, web_stage


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with web_stage() as stage:
        yield stage


async def test_the_page_says_what_is_to_be_paid_in_persian(web: Web) -> None:
    made = await bill(web, due_at="2025-03-01", order_id="1042", payer={"name": "سارا"})
    page = await web.ask("GET", made["pay_url"])
    assert 200 == page.status
    for said in (
        '<html lang="fa" dir="rtl">',
        "چای بهاره",
        "<td>۲</td>",
        "<td>۶٬۰۰۰</td>",
        "<td>۱۲٬۰۰۰</td>",
        "مبلغ‌ها به تومان است.",
        "۱۱ اسفند ۱۴۰۳",
        "سارا",
        '<bdi dir="ltr">1042</bdi>',
        ">پرداخت</button>",
    ):
        assert said in page.text, said
    assert "noindex" == page.headers["X-Robots-Tag"]
    assert "no-store" == page.headers["Cache-Control"]


async def test_the_same_in_english(web: Web) -> None:
    made = await bill(web, due_at="2025-03-01T18:30:00+03:30", locale="en")
    page = await web.ask("GET", made["pay_url"])
    for said in (
        '<html lang="en" dir="ltr">',
        "Amounts are in toman.",
        "<td>12,000</td>",
        "1 March 2025, 18:30 Tehran time",
        ">Pay</button>",
    ):
        assert said in page.text, said
    persian = await web.ask("GET", f"{made['pay_url']}?lang=fa")
    assert '<html lang="fa" dir="rtl">' in persian.text


async def test_amounts_that_are_not_whole_toman_are_told_in_rial(web: Web) -> None:
    made = await bill(web, lines=[{"name": "x", "quantity": 3, "unit_price": 50_001}], locale="en")
    page = await web.ask("GET", made["pay_url"])
    assert "Amounts are in rial." in page.text
    assert "<td>50,001</td>" in page.text


async def test_whoever_chooses_a_language_keeps_it(web: Web) -> None:
    made = await bill(web)
    page = await web.ask("GET", f"{made['pay_url']}?lang=en")
    sent = await web.submit(page.forms[0], page=made["pay_url"])
    handover = await web.ask("GET", sent.headers["Location"])
    assert '<html lang="en"' in handover.text
    back = await web.come_back(web.play(handover.forms[0]))
    assert "This invoice is paid" in (await web.ask("GET", back.headers["Location"])).text


async def test_what_a_shop_writes_is_text_and_nothing_else(web: Web) -> None:
    wild = "<script>alert(1)</script>"
    made = await bill(
        web,
        lines=[{"name": wild, "unit_price": 150_000}],
        description=wild,
        order_id="a<b>&c",
        payer={"name": wild},
    )
    page = await web.ask("GET", made["pay_url"])
    assert "<script>" not in page.text
    assert "a&lt;b&gt;&amp;c" in page.text


async def test_looking_begins_nothing(web: Web) -> None:
    made = await bill(web)
    for method in ("GET", "HEAD", "GET"):
        assert 200 == (await web.ask(method, made["pay_url"])).status
    assert [] == await payments_of(web, made)
    assert 405 == (await web.ask("PUT", made["pay_url"])).status


@pytest.mark.parametrize("code", ["zzzzzzzzzzzz", "0", "x" * 500, "%D9%BE", "baf8q5g6zzw"])
async def test_an_address_that_is_nobodys_gets_an_honest_page(web: Web, code: str) -> None:
    for method in ("GET", "POST"):
        page = await web.ask(method, f"/i/{code}")
        assert 404 == page.status
        assert "این نشانی معتبر نیست" in page.text
    assert 2 == web.tally.counts["forged invoice"]


async def test_a_code_may_be_typed_as_it_is_read_out(web: Web) -> None:
    made = await bill(web)
    code = made["pay_url"].rpartition("/")[2]
    spoken = f"{code[:4]}-{code[4:8]}-{code[8:]}".upper()
    assert 200 == (await web.ask("GET", f"/i/{spoken}")).status
    assert 200 == (await web.ask("GET", f"/I/{spoken.upper()}")).status


async def test_a_customer_who_comes_back_reads_how_it_went(web: Web) -> None:
    made = await bill(web, payments="many")
    back = await pay(web, made)
    (payment,) = await payments_of(web, made)
    told = await web.ask("GET", back.headers["Location"])
    assert payment["tracking_code"] in told.text
    assert "این صورت‌حساب پرداخت شده است" in told.text
    web.all_do("cancel")
    again = await pay_at(web, await begin(web, await bill(web)))
    assert "پرداخت انجام نشد" in (await web.ask("GET", again.headers["Location"])).text


async def test_nobody_reads_of_another_customers_payment(web: Web) -> None:
    made, other = await bill(web, payments="many"), await bill(web)
    back = await pay(web, made)
    (payment,) = await payments_of(web, made)
    query = dict(back.location.query)
    for wrong in (
        {"payment_id": payment["id"]},
        {**query, "signature": "0" * 64},
        {**query, "signature": "é"},
        {**query, "timestamp": "1"},
        {**query, "status": "failed"},
        {**query, "status": "sold"},
        {**query, "payment_id": other["id"].replace("inv_", "pay_")},
        {**query, "payment_id": "pay_999"},
    ):
        page = await web.ask("GET", web_url(made["pay_url"], wrong))
        assert 200 == page.status
        assert payment["tracking_code"] not in page.text, wrong
    elsewhere = await web.ask("GET", web_url(other["pay_url"], query))
    assert payment["tracking_code"] not in elsewhere.text


def web_url(base: str, query: dict[str, str]) -> str:
    return f"{base}?{urlencode(query)}"


async def test_an_invoice_that_has_ended_says_how_and_has_no_button(web: Web) -> None:
    for ending, said in (("cancelled", "لغو شده"), ("expired", "به پایان رسیده")):
        made = await bill(web, due_at="2025-02-12")
        if ending == "cancelled":
            path = f"/v1/invoices/{made['id']}/cancel"
            await web.call("POST", path, headers={"Idempotency-Key": "k"})
        else:
            web.clock.now += 200_000
        page = await web.ask("GET", made["pay_url"])
        assert said in page.text
        assert [] == page.forms


# --- how much


async def test_while_new_payments_are_refused_the_button_waits_and_who_is_paying_does_not(
    web: Web,
) -> None:
    fresh, begun = await bill(web), await bill(web)
    form = (await web.ask("GET", fresh["pay_url"])).forms[0]
    there = await begin(web, begun)
    web.why_not.append("disk nearly full")
    page = await web.submit(form, page=fresh["pay_url"])
    assert 503 == page.status
    assert "چند لحظه در صف بمانید" in page.text
    assert "Retry-After" in page.headers
    assert there == await begin(web, begun)
    assert 503 == (await web.call("POST", "/v1/invoices", {"lines": LINES})).status
    web.why_not.clear()
    assert [] == await payments_of(web, fresh)
    assert 303 == (await web.submit(form, page=fresh["pay_url"])).status


async def test_under_load_who_only_looks_is_asked_to_come_again_and_who_has_paid_is_not(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await bill(web)
    back = await pay(web, made)

    async def full(_kind: int) -> bool:
        return False

    monkeypatch.setattr(web.app[TURNSTILE], "enter", full)
    looking = await web.ask("GET", made["pay_url"])
    assert (503, 1) == (looking.status, web.tally.counts["asked to wait"])
    assert 200 == (await web.ask("GET", back.headers["Location"])).status


async def test_the_shops_rate_holds_for_what_its_invoices_begin() -> None:
    slow = replace(DEMO, limits=ShopLimits(payments_per_minute=2))
    async with web_stage(shops=(slow, OTHER)) as web:
        made = [await bill(web) for _ in range(3)]
        for each in made[:2]:
            await begin(web, each)
        for _ in range(5):
            await begin(web, made[0])  # it is there already, and counts for nothing
        assert 503 == (await press(web, made[2])).status
        web.clock.now += 60
        await begin(web, made[2])


async def test_one_address_begins_so_many_payments_in_a_minute_and_a_trusted_proxy_any() -> None:
    few = InvoiceSettings(begun_per_minute=2)
    for proxies, statuses in ((), [303, 303, 503, 503]), (("127.0.0.1",), [303] * 4):
        async with web_stage(invoices=few, trusted_proxies=proxies) as web:
            made = await bill(web, payments="many")
            assert statuses == [(await press_anyway(web, made)).status for _ in range(4)]
            assert len(await payments_of(web, made)) == statuses.count(303)
            web.clock.now += 60
            assert 303 == (await press_anyway(web, made)).status


async def test_behind_a_proxy_each_customer_has_a_rate_of_his_own() -> None:
    few = InvoiceSettings(begun_per_minute=1)
    async with web_stage(invoices=few, trusted_proxies=("127.0.0.1",)) as web:
        made = await bill(web, payments="many")
        found = [
            await web.ask("POST", made["pay_url"], data=b"", headers={"X-Forwarded-For": address})
            for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1")
        ]
        assert [303, 303, 503] == [each.status for each in found]


async def test_so_many_payments_of_one_invoice_are_open_at_a_time() -> None:
    async with web_stage(invoices=InvoiceSettings(open_max=2)) as web:
        made = await bill(web, payments="many")
        begun = [await press_anyway(web, made) for _ in range(2)]
        await web.engine.pump.searched()
        full = await press_anyway(web, made)
        assert (409, []) == (full.status, full.forms)
        await pay_at(web, web.base + begun[0].headers["Location"])
        await web.engine.pump.searched()
        assert 303 == (await press_anyway(web, made)).status


async def test_where_no_gateway_takes_it_any_more_the_page_says_so() -> None:
    async with web_stage(only=["saman"]) as web:
        made = await bill(web)
        async with web_stage(
            gateways=tuple(replace(each, retired=True) for each in all_gateways()),
            only=["saman"],
            store=web.disk.store.crash(),
            clock=web.clock,
        ) as after:
            url = made["pay_url"].replace(web.base, after.base)
            answer = await press_anyway(after, {"pay_url": url})
            assert (409, []) == (answer.status, answer.forms)
            assert "درگاهی برای این پرداخت در دسترس نیست" in answer.text


# --- who is told


async def test_receivers_of_webhooks_are_told_of_invoices() -> None:
    async with hooks() as there, hook_stage(receiver(there.url), only=["saman"]) as web:
        made = await bill(web)
        await pay(web, made)
        await settled(web)
        await there.until(lambda: "invoice.paid" in there.types())
        assert ["invoice.created", "invoice.paid"] == there.types(made)
        told = [each["data"] for each in there.taken if each["type"] == "invoice.paid"]
        assert [await look(web, made)] == told
        assert 0 == there.forged


async def test_neither_log_nor_page_tells_what_must_not_leave(web: Web) -> None:
    name, mobile, email = "Leila Ahmadi", "09121234567", "someone@shop.example"
    made = await bill(web, payer={"name": name, "mobile": mobile, "email": email})
    page = await web.ask("GET", made["pay_url"])
    await pay(web, made)
    web.all_do("cancel")
    await pay(web, await bill(web, payer={"mobile": mobile}))
    await settled(web)
    said = text_of(web.log)
    assert [] == leaks(said, web)
    assert "invoice paid" in said
    assert mobile not in page.text
    assert email not in page.text


# --- dates


@pytest.mark.parametrize(
    ("at", "persian", "english"),
    [
        (1_742_502_600, "۳۰ اسفند ۱۴۰۳", "20 March 2025"),
        (1_742_502_599, "۳۰ اسفند ۱۴۰۳، ساعت ۲۳:۵۹", "20 March 2025, 23:59 Tehran time"),
        (1_742_589_000, "۱ فروردین ۱۴۰۴", "21 March 2025"),
        (1_773_951_060, "۲۸ اسفند ۱۴۰۴، ساعت ۲۳:۴۱", "19 March 2026, 23:41 Tehran time"),
    ],
)
def test_a_day_ends_at_midnight_and_is_read_as_that_day(
    at: int, persian: str, english: str
) -> None:
    assert (persian, english) == (until(at * 1_000, "fa"), until(at * 1_000, "en"))


def test_a_moment_is_told_to_the_minute() -> None:
    assert "۲۲ بهمن ۱۴۰۳، ساعت ۱۸:۱۱" == moment(1_739_198_466_000, "fa")
