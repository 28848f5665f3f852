"""What a face's payment meets at every bank: nothing is taken before its shop's verify, and all that is by it."""

import asyncio

import pytest

from gatewayd.core import events as ev
from gatewayd.core.payment import Payment
from gatewayd.core.status import Money, Status, money_of
from gatewayd.core.terms import Capture, Operation
from gatewayd.engine.capturing import Answer, Stage, Verdict, stage_of
from gatewayd.engine.views import Back, Choice
from gatewayd.gateways.contract import Reply
from gatewayd.simulator.bank import State
from gatewayd.simulator.payers import Outcome
from tests.shop import Sent, Shop, on_virtual_time
from tests.stage import DRIVERS

HOUR = 3_600.0
TAKING = (Operation.VERIFY, Operation.SETTLE)
every_driver = pytest.mark.parametrize("driver", DRIVERS)


async def ordered(shop: Shop, **more: object) -> int:
    """A payment as a face makes it."""
    fields: dict[str, object] = {
        "capture": Capture.ON_VERIFY,
        "face": "zarinpal",
        "holds_order": False,
        **more,
    }
    return await shop.create(**fields)  # type: ignore[arg-type]


async def verified(shop: Shop, number: int, **more: int) -> Verdict:
    answer = await shop.engine.capturing.verify(number, **more)
    assert isinstance(answer, Answer)
    assert answer.payment == shop.payment(number), "what is answered is on the disk"
    return answer.verdict


def taken(shop: Shop) -> int:
    """Calls that could have taken money."""
    return sum(shop.calls(operation) for operation in TAKING)


def why(payment: Payment) -> ev.Closing | None:
    return payment.closed


@every_driver
@on_virtual_time
async def test_the_customer_goes_back_at_once_and_nothing_is_taken(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await ordered(shop)
        view = await shop.pay(number)
        assert isinstance(view, Back)
        assert Status.PROCESSING is shop.status(number)
        assert Stage.PAID is stage_of(view.payment)
        await shop.rest()
        assert 0 == taken(shop)


@every_driver
@on_virtual_time
async def test_the_shops_verify_takes_the_money_and_a_second_finds_it_done(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await ordered(shop)
        await shop.pay(number)
        assert Verdict.CAPTURED is await verified(shop, number, amount=150_000)
        assert Status.PAID is shop.status(number)
        calls = taken(shop)
        assert Verdict.ALREADY is await verified(shop, number, amount=150_000)
        assert calls == taken(shop)
        await shop.wait(3 * HOUR)
        shop.assert_settled(number)
        shop.assert_finished(number)


@every_driver
@on_virtual_time
async def test_two_verifies_at_once_are_one(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await ordered(shop)
        await shop.pay(number)
        both = await asyncio.gather(verified(shop, number), verified(shop, number))
        assert [Verdict.ALREADY, Verdict.CAPTURED] == sorted(both)
        assert 1 == shop.calls(Operation.VERIFY)


@every_driver
@on_virtual_time
async def test_what_no_shop_verifies_goes_back(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await ordered(shop)
        handover = await shop.arrive(number)
        await shop.come_back(shop.go(handover))
        await shop.wait(5 * HOUR)
        assert Status.EXPIRED is shop.status(number)
        assert ev.Closing.NOT_CAPTURED is why(shop.payment(number))
        assert money_of(shop.payment(number)) in {Money.RETURNING, Money.RETURNED}
        assert Verdict.NOT_PAID is await verified(shop, number)
        shop.assert_finished(number)
        session = shop.session(number)
        assert session.state in {State.AUTO_REVERSED, State.REVERSED}


@every_driver
@on_virtual_time
async def test_a_verify_with_another_amount_never_takes_anything(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await ordered(shop)
        await shop.pay(number)
        assert Verdict.WRONG_AMOUNT is await verified(shop, number, amount=149_999)
        await shop.rest()
        assert 0 == taken(shop)
        assert Verdict.CAPTURED is await verified(shop, number, amount=150_000)
        assert Verdict.WRONG_AMOUNT is await verified(shop, number, amount=150_001)


@every_driver
@on_virtual_time
async def test_a_cancel_at_the_bank_closes_it_and_no_verify_revives_it(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await ordered(shop)
        view = await shop.come_back(shop.go(await shop.arrive(number), Outcome.CANCEL))
        assert isinstance(view, Back)
        assert Status.CANCELLED is shop.status(number)
        assert Stage.FAILED is stage_of(view.payment)
        assert Verdict.NOT_PAID is await verified(shop, number)
        await shop.wait(3 * HOUR)
        shop.assert_finished(number)


@on_virtual_time
async def test_after_a_decline_the_customer_goes_back_to_the_shop_and_no_other_bank_is_offered() -> (
    None
):
    async with Shop("saman", "mellat") as shop:
        number = await ordered(shop, gateways=("saman", "mellat"))
        view = await shop.come_back(shop.go(await shop.arrive(number), Outcome.DECLINE))
        assert isinstance(view, Back)
        assert Status.FAILED is shop.status(number)


@every_driver
@on_virtual_time
async def test_a_verify_before_anybody_paid_says_so_and_a_later_one_takes_the_money(
    driver: str,
) -> None:
    async with Shop(driver) as shop:
        number = await ordered(shop)
        assert Verdict.NOT_PAID is await verified(shop, number)
        handover = await shop.arrive(number)
        assert Verdict.NOT_PAID is await verified(shop, number)
        assert shop.payment(number).waits, "its word was spent"
        await shop.come_back(shop.go(handover))
        await shop.rest()
        assert Status.PROCESSING is shop.status(number)
        assert Verdict.CAPTURED is await verified(shop, number)


@pytest.mark.parametrize("driver", ["parsian", "sadad", "zarinpal", "zibal"])
@on_virtual_time
async def test_a_payer_who_never_came_back_is_found_by_the_shops_verify(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await ordered(shop)
        shop.go(await shop.arrive(number))
        assert Verdict.CAPTURED is await verified(shop, number)
        assert Status.PAID is shop.status(number)


@pytest.mark.parametrize("driver", DRIVERS)
@on_virtual_time
async def test_a_payer_who_never_came_back_is_not_verified_without_the_shop(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await ordered(shop)
        shop.go(await shop.arrive(number))
        await shop.wait(5 * HOUR)
        assert Status.EXPIRED is shop.status(number)
        session = shop.session(number)
        assert session.state in {State.AUTO_REVERSED, State.REVERSED}
        assert not session.verified or session.reversed


@every_driver
@on_virtual_time
async def test_a_lost_answer_is_not_known_and_the_next_verify_finds_it_taken(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await ordered(shop, amount=150_103)  # the first answer to a verify is cut off
        await shop.pay(number)
        assert Verdict.UNKNOWN is await verified(shop, number, seconds=0)
        await shop.wait(60)
        assert Verdict.ALREADY is await verified(shop, number)
        assert Status.PAID is shop.status(number)
        await shop.wait(3 * HOUR)
        shop.assert_settled(number)


@every_driver
@on_virtual_time
async def test_a_crash_after_the_word_takes_the_money_once(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await ordered(shop)
        await shop.pay(number)

        async def dies(sent: Sent) -> Reply | None:
            if sent.operation is Operation.VERIFY:
                shop.die()
                await asyncio.sleep(60)
            return None

        shop.hook = dies
        loop = asyncio.get_running_loop()
        asking = loop.create_task(shop.engine.capturing.verify(number))
        await asyncio.sleep(1)
        asking.cancel()
        shop.hook = None
        await shop.restart()
        await shop.wait(60)
        assert Verdict.ALREADY is await verified(shop, number)
        await shop.wait(3 * HOUR)
        shop.assert_settled(number)


@every_driver
@on_virtual_time
async def test_a_crash_before_the_word_takes_nothing(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await ordered(shop)
        await shop.pay(number)
        await shop.restart(after=5)
        await shop.rest()
        assert Status.PROCESSING is shop.status(number)
        assert 0 == taken(shop)
        assert Verdict.CAPTURED is await verified(shop, number)


@every_driver
@on_virtual_time
async def test_the_shops_list_of_what_it_has_not_verified(driver: str) -> None:
    async with Shop(driver) as shop:
        first, second, third = [await ordered(shop, order_id="the same") for _ in range(3)]
        for number in (first, second):
            await shop.pay(number)
        await shop.rest()

        def listed(limit: int = 100, *, test: bool = True) -> list[int]:
            found = shop.engine.capturing.unverified("demo", test=test, limit=limit)
            return [payment.number for payment in found]

        assert [second, first] == listed()
        assert [second] == listed(1)
        assert [] == listed(test=False)
        await verified(shop, second)
        assert [first] == listed()
        assert shop.payment(third).waits


@pytest.mark.parametrize("driver", ["zarinpal", "zibal"])
@on_virtual_time
async def test_an_inquiry_of_the_shop_asks_the_bank_and_takes_nothing(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await ordered(shop)
        handover = await shop.arrive(number)
        payment = await shop.engine.capturing.ask(number)
        assert payment is not None
        assert Stage.PENDING is stage_of(payment)
        shop.go(handover)
        payment = await shop.engine.capturing.ask(number)
        assert payment is not None
        assert Stage.PAID is stage_of(payment)
        assert 0 == taken(shop)
        assert Verdict.CAPTURED is await verified(shop, number)


@every_driver
@on_virtual_time
async def test_a_claim_that_the_bank_does_not_confirm_is_not_paid(driver: str) -> None:
    """Whoever says that he paid and did not is sent back to the shop like anybody; the shop's verify is told no."""
    async with Shop(driver) as shop:
        number = await ordered(shop, amount=150_105)
        other = await ordered(shop)
        honest = shop.go(await shop.arrive(other))
        assert honest is not None
        liar = shop.go(await shop.arrive(number), Outcome.DECLINE)
        assert liar is not None
        token = shop.payment(number).attempts[0].token
        order = str(shop.payment(number).attempts[0].bank_order)
        theirs = {str(shop.payment(other).attempts[0].token): str(token)}
        theirs[str(shop.payment(other).attempts[0].bank_order)] = order
        forged = {name: theirs.get(text, text) for name, text in honest.fields.items()}
        forged = {
            name: str(shop.payment(number).amount) if text == "150000" else text
            for name, text in forged.items()
        }
        view = await shop.come_back(liar, **forged)
        assert isinstance(view, Back | Choice)
        assert Verdict.CAPTURED is not await verified(shop, number)
        await shop.wait(5 * HOUR)
        assert Verdict.NOT_PAID is await verified(shop, number)
        assert Status.PAID is not shop.status(number)


@on_virtual_time
async def test_nobody_verifies_what_is_not_there() -> None:
    async with Shop("saman") as shop:
        assert await shop.engine.capturing.verify(12_345) is None
        assert await shop.engine.capturing.ask(12_345) is None
