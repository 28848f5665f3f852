"""The same refund asked for again, and many at once: one key one refund, and never more than was paid."""

import asyncio

from gatewayd.engine.refunding import Made, Wanted
from gatewayd.journal.store import Guard, GuardKind
from gatewayd.simulator.faults import Fault, Kind
from tests.refund_stage import ask_back, later, ledger, made, paid, refund_stage

HALF = 75_000


async def test_the_same_key_refunds_once_and_is_answered_the_same() -> None:
    async with refund_stage("mellat") as web:
        payment = await paid(web)
        first = await ask_back(web, payment, {"amount": HALF}, key="one")
        await later(web, payment, 600)
        again = await ask_back(web, payment, {"amount": HALF}, key="one")
        other_body = await ask_back(web, payment, {"amount": 1_000}, key="one")
        no_key = await web.call("POST", f"/v1/payments/{payment['id']}/refunds", {"amount": 1})
        row = ledger(web)

    assert (201, first.json) == (again.status, again.json)
    assert "true" == again.headers["Idempotent-Replayed"]
    assert (422, "idempotency_key_reused") == (other_body.status, other_body.json["code"])
    assert (400, "idempotency_key_missing") == (no_key.status, no_key.json["code"])
    assert HALF == row["refunded"]


async def test_however_many_ask_at_once_the_sum_is_not_more_than_was_paid() -> None:
    async with refund_stage("mellat") as web:
        payment = await paid(web)
        answers = await asyncio.gather(
            *(ask_back(web, payment, {"amount": 40_000}) for _ in range(20))
        )
        await later(web, payment, 600)
        payment, row = await web.show(payment), ledger(web)

    assert [201] * 3 + [422] * 17 == sorted(answer.status for answer in answers)
    assert (120_000, 30_000) == (payment["refunded_amount"], payment["refundable_amount"])
    assert 120_000 == row["refunded"]


async def test_who_waits_for_another_finds_the_payment_that_memory_let_go_of_meanwhile() -> None:
    async with refund_stage("sadad") as web:
        payment = await paid(web)
        number = int(payment["id"].removeprefix("pay_"))

        async def ask(place: int) -> object:
            key = Guard(kind=GuardKind.IDEMPOTENCY, key=f"demo|refund|{place}", detail="body")
            return await web.engine.refunding.create(number, Wanted(amount=4_000, key="k1"), key)

        answers = await asyncio.gather(*(ask(place) for place in range(100, 110)))

    assert 10 == sum(isinstance(answer, Made) for answer in answers), answers


async def test_a_part_that_is_on_its_way_back_is_not_taken_for_all_of_it() -> None:
    async with refund_stage("mellat") as web:
        payment = await paid(web)
        number = int(payment["id"].removeprefix("pay_"))
        web.banks.faults.add(Fault(driver="mellat", kind=Kind.ERROR500), web.clock.now)
        await made(web, payment, amount=HALF)
        web.banks.faults.clear()
        undone = await web.engine.refunding.undo(number, key="zarinpal", seconds=15.0)
        await later(web, payment, 600)
        row = ledger(web)

    assert undone is False
    assert HALF == row["refunded"]


async def test_nobody_hears_that_it_does_not_go_back_before_that_has_landed() -> None:
    """Of two that ask at once, one finds what the other has just written."""
    async with refund_stage("sadad") as web:
        payment = await paid(web)
        number = int(payment["id"].removeprefix("pay_"))
        await web.engine.refunding.create(number, Wanted(amount=None, key="zarinpal"))
        await later(web, payment, 600)

        async def undo() -> tuple[bool | None, bool]:
            undone = await web.engine.refunding.undo(number, key="zarinpal", seconds=15.0)
            return undone, web.engine.journal.landed_at(number) is None

        async with web.engine.records.holding(number):
            first, second = await asyncio.gather(undo(), undo())

    assert ((False, True), (False, True)) == (first, second)


async def test_every_change_of_a_refund_is_told() -> None:
    async with refund_stage("zibal") as web:
        payment = await paid(web)
        await made(web, payment, amount=HALF)
        await later(web, payment, 600)
        answer = await web.call("GET", "/v1/events?limit=100")

    told = [each for each in answer.json["data"] if each["type"].startswith("refund.")]
    assert ["refund.created", "refund.processing", "refund.succeeded"] == [
        each["type"] for each in told
    ]
    assert ["pending", "processing", "succeeded"] == [each["data"]["status"] for each in told]
    assert {"refund"} == {each["data"]["object"] for each in told}
