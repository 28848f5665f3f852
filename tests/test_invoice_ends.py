"""How an invoice ends: by its time, by its shop's word, by what its payments come to, and across crashes."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gatewayd.core.status import FINAL, Status, status_of
from gatewayd.core.terms import Operation
from gatewayd.simulator.faults import Fault, Kind
from tests.invoice_stage import (
    TOTAL,
    again,
    begin,
    bill,
    events_of,
    invoicing,
    look,
    pay,
    payments_of,
    press_anyway,
    settled,
)
from tests.web_stage import PATIENCE_SECONDS, QUICK, Web, web_stage

DAY_SECONDS = 86_400


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with web_stage() as stage:
        yield stage


@pytest.fixture
async def counting() -> AsyncIterator[Web]:
    """Pages have names of their own."""
    counter = iter(range(1, 10_000))
    async with web_stage(make_salt=lambda size: next(counter).to_bytes(size)) as stage:
        yield stage


# --- time


async def test_an_invoice_whose_time_is_over_is_not_paid(web: Web) -> None:
    made = await bill(web, due_at="2025-02-12")
    form = (await web.ask("GET", made["pay_url"])).forms[0]
    web.clock.now += 2 * DAY_SECONDS
    assert "expired" == (await look(web, made))["status"]
    page = await web.ask("GET", made["pay_url"])
    assert [] == page.forms
    assert 303 == (await web.submit(form, page=made["pay_url"])).status
    assert [] == await payments_of(web, made)
    await settled(web)
    assert ["invoice.created", "invoice.expired"] == await events_of(web, made)
    assert 1 == len((await web.call("GET", "/v1/invoices?status=expired")).json["data"])


async def test_a_due_date_before_the_end_makes_it_overdue_and_no_more(web: Web) -> None:
    made = await bill(web, due_at="2025-02-12", expires_at="2025-02-20")
    assert not made["overdue"]
    web.clock.now += 2 * DAY_SECONDS
    seen = await look(web, made)
    assert ("open", True) == (seen["status"], seen["overdue"])
    await pay(web, made)
    assert ("paid", False) == (
        (await look(web, made))["status"],
        (await look(web, made))["overdue"],
    )


async def test_a_payment_that_was_begun_in_time_still_counts(web: Web) -> None:
    made = await bill(web, expires_at="2025-02-11T14:45:00Z")
    pay_url = await begin(web, made)
    form = await web.hand_over({"pay_url": pay_url})
    web.clock.now += 600
    await settled(web)
    assert "open" == (await look(web, made))["status"]
    await web.come_back(web.play(form))
    assert "paid" == (await look(web, made))["status"]
    await settled(web)
    assert ["invoice.created", "invoice.paid"] == await events_of(web, made)


# --- stopping it


async def cancel(web: Web, made: dict[str, Any], key: str = "c-1") -> Any:
    return await web.call(
        "POST", f"/v1/invoices/{made['id']}/cancel", headers={"Idempotency-Key": key}
    )


async def test_a_cancelled_invoice_is_not_paid(web: Web) -> None:
    made = await bill(web)
    form = (await web.ask("GET", made["pay_url"])).forms[0]
    first = await cancel(web, made)
    assert (200, "cancelled") == (first.status, first.json["status"])
    same = await cancel(web, made)
    assert (first.json, "true") == (same.json, same.headers["Idempotent-Replayed"])
    assert [] == (await web.ask("GET", made["pay_url"])).forms
    assert 303 == (await web.submit(form, page=made["pay_url"])).status
    assert [] == await payments_of(web, made)
    assert ["invoice.created", "invoice.cancelled"] == await events_of(web, made)
    other = await cancel(web, made, "c-2")
    assert (200, "cancelled") == (other.status, other.json["status"])


async def test_cancelling_stops_the_payment_that_was_begun(web: Web) -> None:
    made = await bill(web)
    form = await web.hand_over({"pay_url": await begin(web, made)})
    answer = await cancel(web, made)
    assert (200, "cancelled") == (answer.status, answer.json["status"])
    await web.come_back(web.play(form))
    (payment,) = await payments_of(web, made)
    assert "cancelled" == payment["status"]
    assert ("cancelled", 0) == (
        (await look(web, made))["status"],
        (await look(web, made))["payments_paid"],
    )


async def test_an_invoice_for_many_ends_when_those_who_began_have(counting: Web) -> None:
    web = counting
    made = await bill(web, payments="many")
    await pay(web, made)
    form = await web.hand_over({"pay_url": await begin(web, made)})
    answer = await cancel(web, made)
    assert (200, "processing") == (answer.status, answer.json["status"])
    assert "get" == (await web.ask("GET", made["pay_url"])).forms[0].method
    await web.come_back(web.play(form))
    await settled(web)
    seen = await look(web, made)
    assert ("cancelled", 2, 2 * TOTAL) == (
        seen["status"],
        seen["payments_paid"],
        seen["paid_amount"],
    )
    assert ["invoice.created", "invoice.cancelled"] == await events_of(web, made)


async def test_what_is_paid_or_over_cannot_be_cancelled(web: Web) -> None:
    made = await bill(web)
    await pay(web, made)
    answer = await cancel(web, made)
    assert (409, "invoice_not_open", "paid") == (
        answer.status,
        answer.json["code"],
        answer.json["invoice_status"],
    )
    missing = await web.call("POST", f"/v1/invoices/{made['id']}/cancel")
    assert (400, "idempotency_key_missing") == (missing.status, missing.json["code"])


async def test_what_was_paid_and_given_back_is_reversed_and_stays_closed() -> None:
    async with web_stage(only=["saman"]) as web:
        made = await bill(web)
        await pay(web, made)
        await settled(web)
        (payment,) = await payments_of(web, made)
        undone = await web.call(
            "POST", f"/v1/payments/{payment['id']}/cancel", headers={"Idempotency-Key": "x"}
        )
        assert (200, "reversed") == (undone.status, undone.json["status"])
        assert "reversed" == (await look(web, made))["status"]
        assert [] == (await web.ask("GET", made["pay_url"])).forms
        await settled(web)
        assert 303 == (await press_anyway(web, made)).status
        assert 1 == len(await payments_of(web, made))


async def test_an_invoice_that_is_stopped_while_the_bank_is_silent_waits_for_its_word() -> None:
    async with web_stage(only=["saman"], engine=QUICK) as web:
        made = await bill(web)
        form = await web.hand_over({"pay_url": await begin(web, made)})
        fault = Fault(driver="*", kind=Kind.DROP_REPLY, operation=Operation.VERIFY)
        web.banks.faults.add(fault, web.clock.now)
        await web.come_back(web.play(form))
        answer = await cancel(web, made)
        assert (200, "processing") == (answer.status, answer.json["status"])
        assert ["invoice.created"] == await events_of(web, made)
        (payment,) = await payments_of(web, made)
        number = int(payment["tracking_code"])
        async with web.engine.records.holding(number):
            web.banks.faults.clear()
            web.clock.now += 5
            ended = await web.engine.records.until(
                number, lambda now: status_of(now) in FINAL, PATIENCE_SECONDS
            )
        assert Status.REVERSED is status_of(ended), "what arrived was given back"
        await settled(web)
        assert "cancelled" == (await look(web, made))["status"]
        assert ["invoice.created", "invoice.cancelled"] == await events_of(web, made)


# --- crashes


async def test_wherever_it_crashes_one_payment_is_made_and_paid() -> None:
    lost, batches = 0, 1
    while lost < batches:
        async with web_stage(only=["saman"]) as web:
            made = await bill(web)
            await web.hand_over({"pay_url": await begin(web, made)})
            await web.engine.pump.searched()
            batches = web.disk.store.batches
            async with again(web, lost=lost, only=["saman"]) as after:
                await paid_after_all(web, after, made, lost)
        lost += 1
    assert batches > 3


async def paid_after_all(web: Web, after: Web, made: dict[str, Any], lost: int) -> None:
    """The customer comes to the daemon that follows, and pays there."""
    there = made | {"pay_url": made["pay_url"].replace(web.base, after.base)}
    if 404 == (await after.call("GET", f"/v1/invoices/{made['id']}")).status:
        assert lost == web.disk.store.batches - 1, "all but the crash of its own batch finds it"
        return
    before = [each["id"] for each in await payments_of(after, there)]
    back = after.play(await after.hand_over({"pay_url": await begin(after, there)}))
    await after.come_back(replace(back, url=back.url.replace(web.base, after.base)))
    await settled(after)
    (payment,) = await payments_of(after, there)
    seen = await look(after, there)
    assert ("paid", "paid", 1) == (payment["status"], seen["status"], seen["payments_paid"])
    assert before in ([], [payment["id"]])
    assert 1 == (await events_of(after, there)).count("invoice.paid")
    assert 303 == (await press_anyway(after, there)).status
    assert 1 == len(await payments_of(after, there))


async def test_what_a_crash_leaves_of_an_invoice_is_what_memory_would_have_said() -> None:
    async with web_stage(only=["saman"]) as web:
        made = [await bill(web), await bill(web, payments="many"), await bill(web)]
        for each in made[:2]:
            await pay(web, each)
        await cancel(web, made[2])
        await settled(web)
        await web.engine.pump.searched()
        said = [await look(web, each) for each in made]
        listed = (await web.call("GET", "/v1/invoices")).json["data"]
        async with again(web, only=["saman"]) as after:
            known = [
                {**(await look(after, each)), "pay_url": there["pay_url"]}
                for each, there in zip(made, said, strict=True)
            ]
            assert said == known
            assert [each["id"] for each in listed] == [
                each["id"] for each in (await after.call("GET", "/v1/invoices")).json["data"]
            ]


@pytest.mark.parametrize("lost", [0, 1])
async def test_after_a_crash_the_button_leads_to_the_payment_that_is_there(lost: int) -> None:
    async with web_stage(only=["saman"]) as web:
        made = await bill(web)
        pay_url = await begin(web, made)
        form = await web.hand_over({"pay_url": pay_url})
        async with again(web, only=["saman"]) as after:
            made_there = made | {"pay_url": made["pay_url"].replace(web.base, after.base)}
            assert pay_url.replace(web.base, after.base) == await begin(after, made_there)
            back = after.play(form)
            moved = back.url.replace(web.base, after.base)
            await after.ask("POST", moved, data=dict(back.fields))
            assert ("paid", 1) == (
                (await look(after, made))["status"],
                len(await payments_of(after, made)),
            )


async def test_a_crash_before_it_was_written_down_loses_no_paid_invoice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with web_stage(only=["saman"]) as web:
        made = await bill(web)
        monkeypatch.setattr(invoicing(web), "moved", lambda _payment: None)  # it ends just before
        await pay(web, made)
        await web.engine.pump.searched()
        assert ["invoice.created"] == await events_of(web, made)
        async with again(web, only=["saman"]) as after:
            assert "paid" == (await look(after, made))["status"]
            await settled(after)
            assert ["invoice.created", "invoice.paid"] == await events_of(after, made)


async def test_a_crash_before_it_was_written_down_loses_no_invoice_that_was_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with web_stage(only=["saman"]) as web:
        made = await bill(web)
        await pay(web, made)
        await settled(web)
        monkeypatch.setattr(invoicing(web), "moved", lambda _payment: None)  # it ends just before
        (payment,) = await payments_of(web, made)
        path, key = f"/v1/payments/{payment['id']}/cancel", {"Idempotency-Key": "x"}
        await web.call("POST", path, headers=key)
        await web.engine.pump.searched()
        assert ["invoice.created", "invoice.paid"] == await events_of(web, made)
        async with again(web, only=["saman"]) as after:
            await settled(after)
            assert "reversed" == (await look(after, made))["status"]
            assert "invoice.reversed" in await events_of(after, made)
