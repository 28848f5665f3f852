"""Invoices through the API: what may be asked for, what is answered, and that one is never paid twice nor lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gatewayd.core.settings import ShopLimits
from gatewayd.core.terms import Operation
from gatewayd.simulator.faults import Fault, Kind
from tests.invoice_stage import (
    LINES,
    TOTAL,
    begin,
    bill,
    events_of,
    look,
    pay,
    pay_at,
    payments_of,
    press,
    press_anyway,
    settled,
)
from tests.web_stage import (
    DEMO,
    LIVE_KEY,
    OTHER,
    OTHER_KEY,
    PATIENCE_SECONDS,
    QUICK,
    Web,
    web_stage,
)

DAY_SECONDS = 86_400


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with web_stage() as stage:
        yield stage


async def refused(web: Web, **changes: Any) -> dict[str, str]:
    """An invoice that is not taken: the code by field."""
    answer = await web.call("POST", "/v1/invoices", {"lines": LINES} | changes)
    assert 422 == answer.status, answer.text
    return {each["path"]: each["code"] for each in answer.json["errors"]}


# --- making one


async def test_an_invoice_is_what_was_asked_for(web: Web) -> None:
    made = await bill(
        web,
        currency="IRT",
        lines=[{"name": "Tea", "quantity": 3, "unit_price": 5_000, "discount": 1_000, "tax": 500}],
        description="Spring",
        order_id="1042",
        due_at="2025-03-01T10:00:00+03:30",
        expires_at="2025-03-05T00:00:00Z",
        return_url="https://shop.example/done",
        metadata={"cart": 7},
        locale="en",
        payer={"name": "Sara"},
    )
    assert ("open", 14_500, "IRT", 145_000) == (
        made["status"],
        made["amount"],
        made["currency"],
        made["amount_rial"],
    )
    line = {"quantity": 3, "unit_price": 5_000, "discount": 1_000, "tax": 500, "amount": 14_500}
    assert [{"name": "Tea", **line}] == made["lines"]
    assert ("1042", {"cart": 7}, "en") == (made["order_id"], made["metadata"], made["locale"])
    assert "2025-03-01T06:30:00.000Z" == made["due_at"]
    assert "2025-03-05T00:00:00.000Z" == made["expires_at"]
    assert made == await look(web, made)
    assert "Sara" not in str(made)


async def test_an_amount_needs_no_lines(web: Web) -> None:
    made = await bill(web, lines=[], amount=200_000)
    assert (200_000, []) == (made["amount"], made["lines"])


async def test_a_date_ends_at_midnight_in_tehran(web: Web) -> None:
    made = await bill(web, due_at="2025-03-01")
    assert "2025-03-01T20:30:00.000Z" == made["due_at"] == made["expires_at"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"lines": []}, {"lines": "request_invalid"}),
        ({"amount": TOTAL + 1}, {"amount": "amount_mismatch"}),
        ({"lines": [{"name": "x", "unit_price": 999}]}, {"lines": "amount_out_of_range"}),
        ({"lines": [{"name": "x", "unit_price": 10**12}]}, {"lines": "amount_out_of_range"}),
        ({"lines": [{"name": "", "unit_price": 5_000}]}, {"lines.0.name": "request_invalid"}),
        ({"lines": [{"unit_price": 5_000}]}, {"lines.0.name": "request_invalid"}),
        (
            {"lines": [{"name": "x", "unit_price": 5_000, "discount": 5_001}]},
            {"lines.0.discount": "request_invalid"},
        ),
        (
            {"lines": [{"name": "x", "unit_price": 5_000, "quantity": 0}]},
            {"lines.0.quantity": "request_invalid"},
        ),
        (
            {"lines": [{"name": "x", "unit_price": 5_000, "quantity": 1.5}]},
            {"lines.0.quantity": "request_invalid"},
        ),
        ({"lines": LINES * 51}, {"lines": "request_invalid"}),
        ({"payments_max": 3}, {"payments_max": "request_invalid"}),
        ({"payments": "many", "payments_max": 1}, {"payments_max": "request_invalid"}),
        ({"payments": "many", "payments_max": 1_001}, {"payments_max": "request_invalid"}),
        ({"payments": "some"}, {"payments": "request_invalid"}),
        ({"due_at": "yesterday"}, {"due_at": "request_invalid"}),
        ({"due_at": "2025-03-01T10:00:00"}, {"due_at": "request_invalid"}),
        ({"due_at": "2025-02-01"}, {"due_at": "request_invalid"}),
        ({"expires_at": "2025-02-11T14:41:06Z"}, {"expires_at": "request_invalid"}),
        ({"expires_at": "2027-02-11"}, {"expires_at": "request_invalid"}),
        ({"expires_at": "9999-12-31"}, {"expires_at": "request_invalid"}),
        ({"due_at": "2025-03-02", "expires_at": "2025-03-01"}, {"due_at": "request_invalid"}),
        ({"order_id": "x" * 91}, {"order_id": "request_invalid"}),
        ({"return_url": "https://evil.example/"}, {"return_url": "request_invalid"}),
        ({"gateways": ["nowhere"]}, {"gateways": "gateway_unknown"}),
        ({"methods": ["wallet"]}, {"methods": "no_gateway"}),
        ({"colour": 1}, {"colour": "request_invalid"}),
    ],
)
async def test_what_is_wrong_is_refused_by_its_field(
    web: Web, changes: dict[str, Any], complaint: dict[str, str]
) -> None:
    assert complaint == await refused(web, **changes)


async def test_a_shops_limits_hold_for_invoices() -> None:
    small = replace(DEMO, limits=ShopLimits(amount_max=100_000))
    async with web_stage(shops=(small, OTHER)) as web:
        assert {"lines": "amount_out_of_range"} == await refused(web)


async def test_a_key_makes_one_invoice(web: Web) -> None:
    key = {"Idempotency-Key": "i-1"}
    first, second = [
        await web.call("POST", "/v1/invoices", {"lines": LINES}, headers=key) for _ in range(2)
    ]
    assert (201, 201) == (first.status, second.status)
    assert first.json == second.json
    assert "true" == second.headers["Idempotent-Replayed"]
    other = await web.call("POST", "/v1/invoices", {"amount": 5_000}, headers=key)
    assert (422, "idempotency_key_reused") == (other.status, other.json["code"])
    assert 1 == len((await web.call("GET", "/v1/invoices")).json["data"])


async def test_nobody_elses_invoice_is_found(web: Web) -> None:
    made = await bill(web)
    payment = await web.create()
    one = f"/v1/invoices/{made['id']}"
    for key in (OTHER_KEY, LIVE_KEY):
        for method, path in (("GET", one), ("POST", f"{one}/cancel"), ("GET", f"{one}/payments")):
            answer = await web.call(method, path, key=key, headers={"Idempotency-Key": "k"})
            assert (404, "invoice_not_found") == (answer.status, answer.json["code"])
        assert [] == (await web.call("GET", "/v1/invoices", key=key)).json["data"]
    number = made["id"].removeprefix("inv_")
    assert 404 == (await web.call("GET", f"/v1/payments/pay_{number}")).status
    assert 404 == (await web.call("GET", f"/v1/refunds/rfd_{number}_1")).status
    other = payment["id"].removeprefix("pay_")
    assert 404 == (await web.call("GET", f"/v1/invoices/inv_{other}")).status


async def test_lists_are_newest_first_and_go_on(web: Web) -> None:
    made = [(await bill(web, order_id=f"o-{order}"))["id"] for order in range(5)]
    first = (await web.call("GET", "/v1/invoices?limit=3")).json
    assert (made[:1:-1], True) == ([each["id"] for each in first["data"]], first["has_more"])
    rest = (await web.call("GET", f"/v1/invoices?starting_after={made[2]}")).json
    assert (made[1::-1], False) == ([each["id"] for each in rest["data"]], rest["has_more"])
    (found,) = (await web.call("GET", "/v1/invoices?order_id=o-3")).json["data"]
    assert made[3] == found["id"]
    assert 5 == len((await web.call("GET", "/v1/invoices?status=open")).json["data"])
    assert [] == (await web.call("GET", "/v1/invoices?status=paid")).json["data"]
    for wrong in ("status=processing", "colour=1", "starting_after=pay_1", "limit=0"):
        assert 422 == (await web.call("GET", f"/v1/invoices?{wrong}")).status


# --- one payment


async def test_a_customer_pays_an_invoice(web: Web) -> None:
    made = await bill(web, metadata={"cart": 7})
    back = await pay(web, made)
    assert 303 == back.status
    assert back.headers["Location"].startswith(f"{made['pay_url']}?payment_id=pay_")
    page = await web.ask("GET", back.headers["Location"])
    seen = await look(web, made)
    (payment,) = await payments_of(web, made)
    assert ("paid", 1, TOTAL, payment["id"]) == (
        seen["status"],
        seen["payments_paid"],
        seen["paid_amount"],
        seen["payment_id"],
    )
    assert ("paid", made["id"], {"cart": 7}) == (
        payment["status"],
        payment["invoice_id"],
        payment["metadata"],
    )
    assert payment["tracking_code"] in page.text
    await settled(web)
    assert ["invoice.created", "invoice.paid"] == await events_of(web, made)
    assert [made["id"]] == [
        each["id"] for each in (await web.call("GET", "/v1/invoices?status=paid")).json["data"]
    ]
    assert None is not (await look(web, made))["paid_at"]


async def test_a_customer_goes_back_to_the_shop_that_wants_it(web: Web) -> None:
    made = await bill(web, return_url="https://shop.example/done?x=1", order_id="1042")
    back = await pay(web, made)
    assert back.headers["Location"].startswith("https://shop.example/done?x=1&payment_id=pay_")
    assert "1042" == back.location.query["order_id"]


async def test_however_often_the_button_is_pressed_there_is_one_payment(web: Web) -> None:
    made = await bill(web)
    page = await web.ask("GET", made["pay_url"])
    pressed = await asyncio.gather(
        *(web.submit(page.forms[0], page=made["pay_url"]) for _ in range(10))
    )
    assert 1 == len({each.headers["Location"] for each in pressed})
    assert 1 == len(await payments_of(web, made))
    assert await begin(web, made) == web.base + pressed[0].headers["Location"]
    assert 1 == len(await payments_of(web, made))


async def test_what_is_paid_is_not_paid_again(web: Web) -> None:
    made = await bill(web)
    form = (await web.ask("GET", made["pay_url"])).forms[0]
    await pay(web, made)
    late = await web.submit(form, page=made["pay_url"])
    assert (303, f"{made['pay_url']}?lang=fa") == (
        late.status,
        web.base + late.headers["Location"],
    )
    assert 1 == len(await payments_of(web, made))


async def test_a_payment_that_failed_makes_room_for_another(web: Web) -> None:
    made = await bill(web)
    first = await begin(web, made)
    web.all_do("cancel")
    back = await pay_at(web, first)
    assert "cancelled" == back.location.query["status"]
    page = await web.ask("GET", back.headers["Location"])
    assert 1 == len(page.forms)
    assert "open" == (await look(web, made))["status"]
    web.all_do("paid")
    await pay(web, made)
    assert "paid" == (await look(web, made))["status"]
    assert ["paid", "cancelled"] == [each["status"] for each in await payments_of(web, made)]


async def test_a_second_attempt_that_is_paid_late_goes_back_and_is_not_counted(web: Web) -> None:
    made = await bill(web, gateways=["saman", "zarinpal"])
    pay_url = await begin(web, made)
    first = await web.hand_over({"pay_url": pay_url})
    web.clock.now += 30
    choice = await web.ask("GET", pay_url)
    another = next(form for form in choice.forms if form.fields.get("action") == "another")
    second = (await web.submit(another, page=pay_url)).forms[0]
    await web.come_back(web.play(second))
    await web.come_back(web.play(first))
    seen = await look(web, made)
    assert ("paid", 1, TOTAL) == (seen["status"], seen["payments_paid"], seen["paid_amount"])


async def test_while_a_payment_is_in_doubt_the_invoice_says_so_and_takes_no_other() -> None:
    async with web_stage(only=["saman"], engine=QUICK) as web:
        made = await bill(web)
        form = await web.hand_over({"pay_url": await begin(web, made)})
        fault = Fault(driver="*", kind=Kind.DROP_REPLY, operation=Operation.VERIFY)
        web.banks.faults.add(fault, web.clock.now)
        back = await web.come_back(web.play(form))
        assert "processing" == back.location.query["status"]
        page = await web.ask("GET", back.headers["Location"])
        assert "processing" == (await look(web, made))["status"]
        assert ["get"] == [each.method for each in page.forms]
        sent = await press_anyway(web, made)
        assert str(sent.location.path).startswith("/pay/")
        assert 1 == len(await payments_of(web, made))
        number = int((await payments_of(web, made))[0]["tracking_code"])
        async with web.engine.records.holding(number):
            web.banks.faults.clear()
            web.clock.now += 5
            await web.engine.records.until(
                number, lambda payment: payment.captured_ms is not None, PATIENCE_SECONDS
            )
        assert "paid" == (await look(web, made))["status"]


async def test_an_order_that_the_shop_lets_pay_otherwise_is_not_paid_by_its_invoice(
    web: Web,
) -> None:
    made = await bill(web, order_id="1042")
    payment = await web.create(order_id="1042")
    answer = await press(web, made)
    assert 409 == answer.status
    assert [] == await payments_of(web, made)
    await web.pay(payment)
    assert "open" == (await look(web, made))["status"]
    assert 409 == (await press(web, made)).status


# --- many payments


@pytest.fixture
async def counting() -> AsyncIterator[Web]:
    """Pages have names of their own."""
    counter = iter(range(1, 10_000))
    async with web_stage(make_salt=lambda size: next(counter).to_bytes(size)) as stage:
        yield stage


async def test_an_invoice_for_many_is_paid_by_as_many_as_come(counting: Web) -> None:
    web = counting
    made = await bill(web, payments="many")
    for _ in range(3):
        await pay(web, made)
    seen = await look(web, made)
    assert ("open", 3, 3 * TOTAL, None) == (
        seen["status"],
        seen["payments_paid"],
        seen["paid_amount"],
        seen["payments_max"],
    )
    assert 3 == len(await payments_of(web, made))


async def test_a_page_for_many_makes_one_payment_until_that_has_ended(counting: Web) -> None:
    web = counting
    made = await bill(web, payments="many")
    form = (await web.ask("GET", made["pay_url"])).forms[0]
    first, second = await asyncio.gather(
        *(web.submit(form, page=made["pay_url"]) for _ in range(2))
    )
    assert first.headers["Location"] == second.headers["Location"]
    web.all_do("cancel")
    await pay_at(web, web.base + first.headers["Location"])
    third = await web.submit(form, page=made["pay_url"])
    assert third.headers["Location"] != first.headers["Location"]


async def test_an_invoice_for_so_many_takes_no_more(counting: Web) -> None:
    web = counting
    made = await bill(web, payments="many", payments_max=3, order_id="seat")
    form = (await web.ask("GET", made["pay_url"])).forms[0]
    begun = [
        await web.ask("POST", made["pay_url"], data={**form.fields, "once": f"{place:02x}"})
        for place in range(6)
    ]
    assert [303, 303, 303, 409, 409, 409] == [each.status for each in begun]
    assert {"seat/1", "seat/2", "seat/3"} == {
        each["order_id"] for each in await payments_of(web, made)
    }
    for each in begun[:3]:
        await pay_at(web, web.base + each.headers["Location"])
    seen = await look(web, made)
    assert ("paid", 3, 3 * TOTAL) == (seen["status"], seen["payments_paid"], seen["paid_amount"])
    await settled(web)
    assert ["invoice.created", "invoice.paid"] == await events_of(web, made)


async def test_a_place_that_was_not_paid_is_free_again(counting: Web) -> None:
    web = counting
    made = await bill(web, payments="many", payments_max=2)
    await pay(web, made)
    web.all_do("cancel")
    await pay(web, made)
    web.all_do("paid")
    await pay(web, made)
    seen = await look(web, made)
    assert ("paid", 2) == (seen["status"], seen["payments_paid"])
