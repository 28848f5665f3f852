"""A shop gives money back, at every bank: by a reverse, by refunds, or by a person; and what happens in between."""

from typing import Any

import pytest

from gatewayd.core.refunds import REFUNDS_MAX, RefundState
from gatewayd.core.terms import Operation
from gatewayd.simulator.faults import Kind
from tests.refund_stage import (
    DAY_SECONDS,
    ask_back,
    at_rest,
    goes_wrong,
    later,
    ledger,
    made,
    paid,
    refund_stage,
    shown,
)
from tests.web_stage import LIVE_KEY, OTHER_KEY, Web

REVERSES = ("saman", "parsian", "zarinpal", "zibal")
REFUNDS = ("mellat", "zarinpal", "zibal")
NEITHER_IN_PARTS = ("saman", "parsian", "sadad")
HALF = 75_000


@pytest.mark.parametrize("gateway", REVERSES)
async def test_all_of_it_is_reversed_while_the_bank_still_does(gateway: str) -> None:
    async with refund_stage(gateway) as web:
        payment = await paid(web)
        refund = await made(web, payment, reason="sold out")
        assert ("pending", None, 150_000, "sold out") == (
            refund["status"],
            refund["kind"],
            refund["amount"],
            refund["reason"],
        )
        await at_rest(web, payment)
        refund, payment = await shown(web, refund), await web.show(payment)
        row = ledger(web)

    assert ("succeeded", "reversal") == (refund["status"], refund["kind"])
    assert refund["returns_by"] is not None
    assert ("reversed", "returned") == (payment["status"], payment["money"])
    assert (150_000, 0) == (payment["refunded_amount"], payment["refundable_amount"])
    assert [refund] == payment["refunds"]
    assert (True, 0) == (row["reversed"], row["refunded"])


@pytest.mark.parametrize("gateway", REFUNDS)
async def test_parts_are_refunded_where_the_bank_does(gateway: str) -> None:
    async with refund_stage(gateway) as web:
        payment = await paid(web)
        first = await made(web, payment, amount=50_000)
        second = await made(web, payment, amount=30_000)
        await later(web, payment, 3_600)
        refunds = [await shown(web, refund) for refund in (first, second)]
        payment, row = await web.show(payment), ledger(web)

    assert [("succeeded", "refund")] * 2 == [(each["status"], each["kind"]) for each in refunds]
    assert ("paid", 80_000, 70_000) == (
        payment["status"],
        payment["refunded_amount"],
        payment["refundable_amount"],
    )
    assert (False, 80_000) == (row["reversed"], row["refunded"])


@pytest.mark.parametrize("gateway", NEITHER_IN_PARTS)
async def test_what_no_bank_does_is_a_persons_with_what_finance_needs(gateway: str) -> None:
    iban = "IR820540102680020817909002"
    async with refund_stage(gateway) as web:
        payment = await paid(web)
        refund = await made(web, payment, amount=50_000, iban=iban)
        await at_rest(web, payment)
        refund, after = await shown(web, refund), await web.show(payment)
        (session,) = web.banks.book

    assert ("manual_required", "manual") == (refund["status"], refund["kind"])
    needs = refund["needs"]
    assert (iban, 50_000, False) == (needs["iban"], needs["amount_rial"], needs["ask_bank_first"])
    assert "cannot give it back" in needs["why"]
    assert int(session.order) == needs["bank_order"]
    assert (payment["ref_num"], payment["rrn"], payment["card"]) == (
        needs["ref_num"],
        needs["rrn"],
        needs["card"],
    )
    assert after["needs_review"]
    assert ("paid", 0, 100_000) == (
        after["status"],
        after["refunded_amount"],
        after["refundable_amount"],
    )


async def test_after_the_banks_window_all_of_it_is_refunded() -> None:
    async with refund_stage("zarinpal") as web:
        payment = await paid(web)
        web.clock.now += 1_800
        refund = await made(web, payment)
        await at_rest(web, payment)
        refund, row = await shown(web, refund), ledger(web)
        payment = await web.show(payment)

    assert ("succeeded", "refund") == (refund["status"], refund["kind"])
    assert (False, 150_000) == (row["reversed"], row["refunded"])
    assert ("paid", "returned", 150_000) == (
        payment["status"],
        payment["money"],
        payment["refunded_amount"],
    )


async def test_a_bank_that_refuses_the_reverse_is_asked_to_refund() -> None:
    async with refund_stage("zarinpal") as web:
        payment = await paid(web)
        web.banks.dialects["zarinpal"]._switch["reverse"] = "no_ip"  # type: ignore[attr-defined]  # a registration that expired
        refund = await made(web, payment)
        await later(web, payment, 3_600)
        refund = await shown(web, refund)

    assert ("succeeded", "refund") == (refund["status"], refund["kind"])


async def test_the_rest_of_what_was_refunded_in_part_is_not_reversed() -> None:
    async with refund_stage("zibal") as web:
        payment = await paid(web)
        await made(web, payment, amount=1_000)
        rest = await made(web, payment)
        await later(web, payment, 3_600)
        rest, row = await shown(web, rest), ledger(web)

    assert (149_000, "refund") == (rest["amount"], rest["kind"])
    assert (False, 150_000) == (row["reversed"], row["refunded"])


# --- answers that do not come


async def test_a_lost_answer_is_asked_for_and_the_refund_not_repeated() -> None:
    async with refund_stage("zibal") as web:
        payment = await paid(web)
        goes_wrong(web, Kind.DROP_REPLY)
        refund = await made(web, payment, amount=HALF)
        found = await at_rest(web, payment)
        assert RefundState.IN_DOUBT is found.refunds[0].state
        assert "pending" == (await shown(web, refund))["status"]
        await later(web, payment, 3_600)
        refund, row = await shown(web, refund), ledger(web)

    assert "succeeded" == refund["status"]
    assert HALF == row["refunded"]


async def test_a_request_that_the_bank_says_it_never_got_is_sent_again() -> None:
    async with refund_stage("zibal") as web:
        payment = await paid(web)
        goes_wrong(web, Kind.HTML)
        refund = await made(web, payment, amount=HALF)
        await later(web, payment, 30)
        assert 0 == ledger(web)["refunded"]
        web.banks.faults.clear()
        found = await later(web, payment, 3_600)
        refund, row = await shown(web, refund), ledger(web)

    assert "succeeded" == refund["status"]
    assert (HALF, 2) == (row["refunded"], found.refunds[0].calls)


async def test_a_bank_that_cannot_be_reached_is_asked_again_later() -> None:
    async with refund_stage("mellat") as web:
        payment = await paid(web)
        goes_wrong(web, Kind.REFUSE)
        refund = await made(web, payment, amount=HALF)
        await later(web, payment, 600)
        assert "pending" == (await shown(web, refund))["status"]
        web.banks.faults.clear()
        await later(web, payment, 600)
        refund, row = await shown(web, refund), ledger(web)

    assert ("succeeded", HALF) == (refund["status"], row["refunded"])


@pytest.mark.parametrize("gateway", ["mellat", "zarinpal"])
async def test_a_bank_that_cannot_say_what_it_did_is_never_asked_twice(gateway: str) -> None:
    async with refund_stage(gateway) as web:
        payment = await paid(web)
        goes_wrong(web, Kind.DROP_REPLY)
        refund = await made(web, payment, amount=HALF)
        found = await later(web, payment, 3_600)
        refund, row = await shown(web, refund), ledger(web)

    assert "manual_required" == refund["status"]
    assert refund["needs"]["ask_bank_first"]
    assert refund["needs"]["refund_order"] is not None
    assert (1, HALF) == (found.refunds[0].calls, row["refunded"])


async def test_all_of_it_refunded_without_an_answer_is_found_by_the_banks_word() -> None:
    async with refund_stage("zarinpal") as web:
        payment = await paid(web)
        web.clock.now += 1_800
        goes_wrong(web, Kind.DROP_REPLY)
        refund = await made(web, payment)
        await later(web, payment, 600)
        refund, row = await shown(web, refund), ledger(web)

    assert ("succeeded", 150_000) == (refund["status"], row["refunded"])


@pytest.mark.parametrize("gateway", REVERSES)
async def test_a_reverse_without_an_answer_is_asked_for_until_there_is_one(gateway: str) -> None:
    async with refund_stage(gateway) as web:
        payment = await paid(web)
        goes_wrong(web, Kind.DROP_REPLY, Operation.REVERSE)
        goes_wrong(web, Kind.DROP_REPLY)  # Zibal reverses by its refund service
        refund = await made(web, payment)
        await at_rest(web, payment)
        assert "pending" == (await shown(web, refund))["status"]
        assert 422 == (await ask_back(web, payment)).status
        web.banks.faults.clear()
        await later(web, payment, 600)
        refund, payment, row = await shown(web, refund), await web.show(payment), ledger(web)

    assert ("succeeded", "reversed") == (refund["status"], payment["status"])
    assert row["reversed"]
    assert not payment["needs_review"]


async def test_a_bank_that_is_silent_for_a_day_is_left_to_a_person() -> None:
    async with refund_stage("zibal") as web:
        payment = await paid(web)
        web.clock.now += DAY_SECONDS
        goes_wrong(web, Kind.DROP_REPLY)
        goes_wrong(web, Kind.ERROR500, Operation.INQUIRE)
        refund = await made(web, payment)
        await later(web, payment, DAY_SECONDS + 600)
        refund = await shown(web, refund)

    assert "manual_required" == refund["status"]
    assert refund["needs"]["ask_bank_first"]


@pytest.mark.parametrize(("state", "status"), [("queued", "processing"), ("failed", None)])
async def test_what_a_bank_carries_out_later_is_asked_about_until_it_has(
    state: str, status: str | None
) -> None:
    async with refund_stage("zibal") as web:
        payment = await paid(web)
        switch: dict[str, str] = web.banks.dialects["zibal"]._switch  # type: ignore[attr-defined]  # how it stands there
        switch["refund_state"] = state
        refund = await made(web, payment, amount=HALF)
        await later(web, payment, 3_600)
        if status is not None:
            assert status == (await shown(web, refund))["status"]
            switch["refund_state"] = "done"
            await later(web, payment, 2 * 3_600)
        refund = await shown(web, refund)

    if state == "failed":
        assert "says now that it did not happen" in refund["needs"]["why"]
    else:
        assert "succeeded" == refund["status"]


async def test_a_bank_that_answers_that_it_will_not_is_not_pestered() -> None:
    async with refund_stage("zibal") as web:
        payment = await paid(web)
        refund = await made(web, payment, amount=1)  # below the bank's least
        found = await later(web, payment, 3_600)
        refund = await shown(web, refund)

    assert "manual_required" == refund["status"]
    assert (False, 1) == (refund["needs"]["ask_bank_first"], found.refunds[0].calls)
    assert refund["needs"]["answer"] is not None


# --- what is refused


async def test_more_than_is_left_is_refused_with_what_is_left() -> None:
    async with refund_stage("zibal") as web:
        payment = await paid(web)
        await made(web, payment, amount=100_000)
        answer = await ask_back(web, payment, {"amount": 50_001})
        nothing = await ask_back(web, payment, {"amount": 50_000})
        and_all = await ask_back(web, payment)

    assert (422, "amount_exceeds_refundable") == (answer.status, answer.json["code"])
    assert ("amount", 50_000, 50_000) == (
        answer.json["param"],
        answer.json["refundable_amount"],
        answer.json["refundable_amount_rial"],
    )
    assert 201 == nothing.status
    assert (422, 0) == (and_all.status, and_all.json["refundable_amount"])


async def test_toman_are_toman_in_and_out() -> None:
    async with refund_stage("zibal") as web:
        payment = await paid(web, amount=15_000, currency="IRT")
        refund = await made(web, payment, amount=5_000)
        answer = await ask_back(web, payment, {"amount": 10_001})
        await later(web, payment, 60)
        payment, row = await web.show(payment), ledger(web)

    assert (5_000, "IRT", 50_000) == (refund["amount"], refund["currency"], refund["amount_rial"])
    assert (10_000, 100_000) == (
        answer.json["refundable_amount"],
        answer.json["refundable_amount_rial"],
    )
    assert (5_000, 10_000, 50_000) == (
        payment["refunded_amount"],
        payment["refundable_amount"],
        row["refunded"],
    )


async def test_what_is_not_paid_is_not_refunded() -> None:
    async with refund_stage("saman") as web:
        payment = await web.create()
        answer = await ask_back(web, payment)
        other = await paid(web)
        await made(web, other)
        await at_rest(web, other)
        again = await ask_back(web, other)

    assert (409, "payment_not_paid", "pending") == (
        answer.status,
        answer.json["code"],
        answer.json["payment_status"],
    )
    assert (409, "payment_not_paid", "reversed") == (
        again.status,
        again.json["code"],
        again.json["payment_status"],
    )


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -5}, "amount"),
        ({"amount": "5"}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"reason": 5}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"iban": "IR1"}, "iban"),
        ({"why": "x"}, "why"),
    ],
)
async def test_a_field_that_is_wrong_is_named(document: dict[str, Any], path: str) -> None:
    async with refund_stage("saman") as web:
        payment = await paid(web)
        answer = await ask_back(web, payment, document)
        refunds = (await web.show(payment))["refunds"]

    assert (422, path, []) == (answer.status, answer.json["param"], refunds)


async def test_other_shops_and_keys_see_nothing() -> None:
    async with refund_stage("mellat") as web:
        payment = await paid(web)
        refund = await made(web, payment, amount=HALF)
        for key in (OTHER_KEY, LIVE_KEY):
            one = await web.call("GET", f"/v1/refunds/{refund['id']}", key=key)
            assert (404, "refund_not_found") == (one.status, one.json["code"])
            several = await web.call("GET", f"/v1/payments/{payment['id']}/refunds", key=key)
            assert 404 == several.status
        for wrong in ("rfd_1_1", f"{refund['id']}9", "rfd_x", payment["id"]):
            assert 404 == (await web.call("GET", f"/v1/refunds/{wrong}")).status


async def test_refunds_are_listed_newest_first() -> None:
    async with refund_stage("mellat") as web:
        payment = await paid(web)
        made_here = [await made(web, payment, amount=1_000 + place) for place in range(3)]
        answer = await web.call("GET", f"/v1/payments/{payment['id']}/refunds")

    assert [each["id"] for each in reversed(made_here)] == [
        each["id"] for each in answer.json["data"]
    ]
    assert ("list", False) == (answer.json["object"], answer.json["has_more"])


async def test_a_payment_has_so_many_refunds_and_no_more() -> None:
    async with refund_stage("saman") as web:
        payment = await paid(web)
        for _ in range(REFUNDS_MAX):
            await made(web, payment, amount=1)
        answer = await ask_back(web, payment, {"amount": 1})

    assert (409, "too_many_refunds") == (answer.status, answer.json["code"])


# --- a person


async def finish(web: Web, refund: dict[str, Any], *, done: bool) -> None:
    _, number, place = refund["id"].split("_")
    await web.engine.refunding.resolve(
        int(number), int(place), done=done, by="sara", reason="seen", reference="PAYA 7"
    )


async def test_a_person_says_that_it_went_back() -> None:
    async with refund_stage("sadad") as web:
        payment = await paid(web)
        refund = await made(web, payment)
        await at_rest(web, payment)
        await finish(web, refund, done=True)
        refund, payment = await shown(web, refund), await web.show(payment)

    assert ("succeeded", "manual", "PAYA 7") == (
        refund["status"],
        refund["kind"],
        refund["reference"],
    )
    assert (150_000, False, "returned") == (
        payment["refunded_amount"],
        payment["needs_review"],
        payment["money"],
    )


async def test_a_person_says_that_it_does_not_go_back_and_it_may_be_asked_for_again() -> None:
    async with refund_stage("sadad") as web:
        payment = await paid(web)
        refund = await made(web, payment)
        await at_rest(web, payment)
        assert 422 == (await ask_back(web, payment)).status
        await finish(web, refund, done=False)
        refund = await shown(web, refund)
        again = await ask_back(web, payment)

    assert ("failed", 201) == (refund["status"], again.status)
