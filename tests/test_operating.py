"""What operators may order, and what is refused with its reason."""

import asyncio
from collections.abc import Awaitable

import pytest

from gatewayd.core.states import State
from gatewayd.core.status import Status, needs_review
from gatewayd.core.terms import Operation
from gatewayd.engine.operating import Refused
from gatewayd.engine.refunding import Wanted
from gatewayd.simulator.faults import Kind
from gatewayd.simulator.payers import Outcome
from tests.shop import Shop, handed, on_virtual_time
from tests.stage import DRIVERS, plain_drivers

BY = {"by": "ops", "reason": "the customer called"}


async def refused(order: Awaitable[str]) -> str:
    with pytest.raises(Refused) as why:
        await order
    return str(why.value)


@pytest.mark.parametrize("driver", ["parsian", "sadad", "zarinpal", "zibal", "saman"])
@on_virtual_time
async def test_a_bank_that_can_be_asked_is_asked_and_what_it_found_is_kept(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        shop.go(await shop.arrive(number))
        assert "attempts: 1 at" in await shop.engine.operating.ask(number, **BY)
        await shop.rest()
        assert Status.PAID is shop.status(number)
        assert "OperatorActed" in shop.kinds(number)
        shop.assert_settled(number)


@on_virtual_time
async def test_what_cannot_be_asked_is_refused() -> None:
    async with Shop("mellat") as shop:
        number = await shop.create()
        await shop.arrive(number)
        operating = shop.engine.operating
        assert "no attempt of it can be asked about" in await refused(operating.ask(number, **BY))
        assert "no such payment" in await refused(operating.ask(7, **BY))
        assert "OperatorActed" not in shop.kinds(number)


@on_virtual_time
async def test_no_order_makes_one_reference_pay_twice() -> None:
    """A claim that waits for the reference which another payment holds is not verified by hand either."""
    async with Shop("saman", drivers=plain_drivers()) as shop:
        owners, others = await shop.create(), await shop.create()
        paid = shop.go(await shop.arrive(owners))
        other = shop.go(await shop.arrive(others), Outcome.DECLINE)
        assert paid is not None
        attempt = shop.payment(others).attempts[0]
        shop.fault(Kind.REFUSE, Operation.VERIFY)
        await shop.come_back(paid)
        stolen = {**paid.fields, "ResNum": str(attempt.bank_order), "Token": attempt.token}
        await shop.come_back(other, **stolen)
        shop.mend()
        shop.forget_calls()
        assert State.IN_DOUBT is shop.payment(others).attempts[0].state
        await refused(shop.engine.operating.ask(others, **BY))
        assert 0 == shop.calls(Operation.VERIFY)
        await shop.wait(90)
        assert Status.PAID is shop.status(owners)
        assert Status.PAID is not shop.status(others)


@on_virtual_time
async def test_nothing_is_asked_by_a_verify_while_another_attempt_may_be_paid() -> None:
    async with Shop("sadad", "mellat") as shop:
        shop.engine.router.force(shop.clock.monotonic(), "mellat", "open")
        number = await shop.create()
        await shop.arrive(number)
        shop.engine.router.force(shop.clock.monotonic(), "mellat", "auto")
        second = handed(await shop.engine.cashier.try_another(number))
        shop.fault(Kind.HANG, Operation.VERIFY)
        await shop.come_back(shop.go(second))
        asked = shop.calls(Operation.VERIFY, "sadad")
        await refused(shop.engine.operating.ask(number, **BY))  # its call is out
        await asyncio.sleep(3)
        shop.mend()
        assert "is paid" in await shop.engine.operating.ask(number, **BY)
        assert asked == shop.calls(Operation.VERIFY, "sadad")


@pytest.mark.parametrize("driver", [name for name in DRIVERS if name not in {"sadad", "mellat"}])
@on_virtual_time
async def test_a_paid_payment_is_reversed_where_the_bank_reverses(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        await shop.pay(number)
        assert "is reversed" in await shop.engine.operating.reverse(number, **BY)
        assert Status.REVERSED is shop.status(number)
        shop.assert_settled(number)
        await shop.wait(7_200)
        assert Status.REVERSED is shop.status(number)
        shop.assert_finished(number)


@pytest.mark.parametrize("driver", ["sadad", "mellat"])
@on_virtual_time
async def test_a_paid_payment_that_the_bank_does_not_reverse_stays_paid(driver: str) -> None:
    """Sadad has no reverse; Mellat has none once it is settled."""
    async with Shop(driver) as shop:
        number = await shop.create()
        await shop.pay(number)
        if driver == "sadad":
            order = shop.engine.operating.reverse(number, **BY)
            assert "does not reverse" in await refused(order)
        else:
            assert "is paid" in await shop.engine.operating.reverse(number, **BY)
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)


@on_virtual_time
async def test_a_reverse_whose_answer_is_lost_is_shown_to_a_person_and_can_be_repeated() -> None:
    async with Shop("saman") as shop:
        number = await shop.create()
        await shop.pay(number)
        shop.fault(Kind.DROP_REPLY, Operation.REVERSE)
        await shop.engine.operating.reverse(number, **BY)
        assert ("a reverse was left without an answer",) == shop.payment(number).reviews
        shop.mend()
        assert "is reversed" in await shop.engine.operating.reverse(number, **BY)
        shop.assert_settled(number)


@on_virtual_time
async def test_an_order_about_a_gateway_that_is_gone_is_refused_with_the_reason() -> None:
    async with Shop("saman", "zibal") as shop:
        number = await shop.create()
        await shop.pay(number)
        gone = shop.payment(number).attempts[0].gateway
        operating = shop.engine.operating
        operating._gateways = {k: v for k, v in operating._gateways.items() if k != gone}
        assert f"{gone} is not in the configuration" in await refused(
            operating.reverse(number, **BY)
        )
        assert "no attempt of it can be asked about" in await refused(operating.ask(number, **BY))


@on_virtual_time
async def test_reviews_are_resolved_once_with_who_and_why() -> None:
    async with Shop("saman") as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        shop.banks.book.verify(shop.session(number), shop.clock.wall())
        await shop.come_back(back)
        assert shop.payment(number).reviews
        await shop.engine.operating.resolve(number, **BY)
        assert () == shop.payment(number).reviews
        assert "nothing about it" in await refused(shop.engine.operating.resolve(number, **BY))


@on_virtual_time
async def test_what_a_person_should_look_at_is_listed_first_also_when_it_has_ended() -> None:
    async with Shop("saman") as shop:
        ended, waiting = await shop.create(), await shop.create()
        back = shop.go(await shop.arrive(ended))
        shop.banks.book.verify(shop.session(ended), shop.clock.wall())
        await shop.come_back(back)
        (review,) = shop.log.of("review raised")
        assert f"pay_{ended}" == review["payment"]
        await shop.wait(7_200)
        assert shop.engine.journal.get(ended) is None  # nothing is left to be done about it
        fresh = await shop.create()
        operating = shop.engine.operating
        rows = await operating.payments(10, shop.store.in_review(10))
        assert [f"pay_{ended}", f"pay_{fresh}"] == [row["payment"] for row in rows]
        assert rows[0]["reviews"]
        await operating.resolve(ended, **BY)
        await shop.wait(1)
        rows = await operating.payments(10, [ended, waiting])
        assert [f"pay_{fresh}"] == [row["payment"] for row in rows]


@on_virtual_time
async def test_a_refund_by_hand_is_no_review_and_has_a_list_of_its_own() -> None:
    async with Shop("sadad") as shop:
        number = await shop.create()
        await shop.come_back(shop.go(await shop.arrive(number)))
        operating, refunding = shop.engine.operating, shop.engine.refunding
        await refunding.create(number, Wanted(amount=None, key="k1"))
        await shop.wait(60)
        assert needs_review(shop.payment(number))
        assert [] == await operating.payments(10, [number])
        assert [number] == [each.payment.number for each in await refunding.unfinished([number])]
        assert "a refund of it waits" in await refused(operating.resolve(number, **BY))


@on_virtual_time
async def test_a_stopping_daemon_takes_no_orders() -> None:
    async with Shop("sadad") as shop:
        number = await shop.create()
        await shop.arrive(number)
        shop.engine.stop()
        assert "stopping" in await refused(shop.engine.operating.ask(number, **BY))
        assert "VerifyRequested" not in shop.kinds(number)


@on_virtual_time
async def test_open_payments_are_listed_by_urgency_and_told_as_stories_without_secrets() -> None:
    async with Shop("saman") as shop:
        waiting, asked = await shop.create(), await shop.create()
        shop.fault(Kind.REFUSE, Operation.VERIFY)
        await shop.come_back(shop.go(await shop.arrive(asked)))
        rows = await shop.engine.operating.payments(10, [])
        assert [f"pay_{asked}", f"pay_{waiting}"] == [row["payment"] for row in rows]
        assert "verify to keep" == rows[0]["next"]
        told = await shop.engine.operating.story(asked)
        assert told is not None
        token = shop.payment(asked).attempts[0].token
        assert token is not None
        assert token not in str(told)
        assert await shop.engine.operating.story(7) is None
