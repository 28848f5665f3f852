"""Two attempts at one payment: one is kept at most, the other's money goes back, whoever comes first."""

import asyncio
from itertools import permutations

import pytest

from gatewayd.core.states import State
from gatewayd.core.status import Money, Status, money_of, returns_by_ms
from gatewayd.core.terms import Operation
from gatewayd.engine.views import Back, Choice, GoesBack, HandOver, Offer, Wait
from gatewayd.gateways.contract import Driver
from gatewayd.simulator.faults import Kind
from gatewayd.simulator.payers import Outcome
from tests.shop import Shop, handed, on_virtual_time
from tests.stage import DRIVERS, plain_drivers

HOUR = 3_600.0
PAIRS = list(permutations(DRIVERS, 2))
every_pair = pytest.mark.parametrize(("one", "other"), PAIRS)


async def two(shop: Shop, one: str, other: str) -> tuple[int, HandOver, HandOver]:
    """A payment at the first gateway and then, because the customer wanted another, at the second."""
    now = shop.clock.monotonic()
    for gateway in shop.gateways:
        if gateway.name != one:
            shop.engine.router.force(now, gateway.name, "open")
    number = await shop.create()
    first = await shop.arrive(number)
    assert one == first.attempt.gateway
    for gateway in shop.gateways:
        shop.engine.router.force(now, gateway.name, "auto")
    await asyncio.sleep(30)
    assert isinstance(await shop.engine.cashier.arrive(number), Choice)
    second = handed(await shop.engine.cashier.try_another(number))
    assert other == second.attempt.gateway
    return number, first, second


@every_pair
@on_virtual_time
async def test_of_two_attempts_that_are_both_paid_the_first_to_come_back_is_kept(
    one: str, other: str
) -> None:
    async with Shop(one, other) as shop:
        number, first, second = await two(shop, one, other)
        late = shop.go(first)
        assert isinstance(await shop.come_back(shop.go(second)), Back)
        assert Status.PAID is shop.status(number)
        assert isinstance(await shop.come_back(late), GoesBack)
        await shop.wait(3 * HOUR)
        payment = shop.payment(number)
        assert payment.kept is not None
        assert other == payment.kept.gateway
        assert Status.PAID is shop.status(number)
        assert not payment.reviews
        shop.assert_settled(number)
        shop.assert_finished(number)
        known = payment.attempts[0].state is State.GIVEN_BACK  # by us, or the bank says that it did
        assert known is (one in {"zarinpal", "zibal"})
        assert payment.attempts[0].returns_by_ms is not None


@every_pair
@on_virtual_time
async def test_two_attempts_that_come_back_together_pay_once(one: str, other: str) -> None:
    async with Shop(one, other) as shop:
        number, first, second = await two(shop, one, other)
        backs = shop.go(first), shop.go(second)
        await asyncio.gather(*(shop.come_back(back) for back in backs))
        assert Status.PAID is shop.status(number)
        await shop.wait(3 * HOUR)
        assert Status.PAID is shop.status(number)
        assert not shop.payment(number).reviews
        shop.assert_settled(number)
        shop.assert_finished(number)


@pytest.mark.parametrize("held", [True, False], ids=["held", "auto_reverse"])
@on_virtual_time
async def test_a_payer_who_pays_twice_and_closes_the_first_tab_gets_that_back(held: bool) -> None:
    """The bank that keeps what nobody verifies is asked; the other gives it back by itself."""
    one = "zarinpal" if held else "saman"
    async with Shop(one, "mellat") as shop:
        number, first, second = await two(shop, one, "mellat")
        shop.go(first)
        await shop.come_back(shop.go(second))
        await shop.wait(3 * HOUR)
        assert Status.PAID is shop.status(number)
        assert Money.OURS is money_of(shop.payment(number))
        session = shop.session(number, 1)
        assert session.reversed
        assert session.verified is held
        shop.assert_settled(number)
        shop.assert_finished(number)


@on_virtual_time
async def test_the_second_waits_while_the_first_is_unknown_and_is_left_to_lapse_in_time() -> None:
    async with Shop("saman", "mellat") as shop:
        number, first, second = await two(shop, "saman", "mellat")
        shop.fault(Kind.HANG, Operation.VERIFY, "saman")
        await shop.come_back(shop.go(first))
        claimed = shop.clock.monotonic()
        assert isinstance(await shop.come_back(shop.go(second)), Back)
        await shop.wait(18.5 * 60)
        assert State.IN_DOUBT is shop.payment(number).attempts[1].state
        await shop.wait(60)
        assert shop.clock.monotonic() - claimed < 20 * 60
        assert State.LAPSED is shop.payment(number).attempts[1].state
        assert 0 == shop.calls(Operation.VERIFY, "mellat")
        shop.mend()
        await shop.wait(5 * 60)
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)
        await shop.wait(3 * HOUR)
        shop.assert_finished(number)


@on_virtual_time
async def test_the_second_is_verified_once_the_first_has_its_no() -> None:
    async with Shop("sadad", "saman") as shop:
        number, first, second = await two(shop, "sadad", "saman")
        declined = shop.go(first, Outcome.DECLINE)
        shop.fault(Kind.HANG, Operation.VERIFY, "sadad")
        await shop.come_back(declined, rescode="0", switchrescode=None, ResCode="0")
        await shop.come_back(shop.go(second))
        assert Status.PROCESSING is shop.status(number)
        shop.mend()
        await shop.wait(120)
        assert Status.PAID is shop.status(number)
        assert State.VERIFIED is shop.payment(number).attempts[1].state
        shop.assert_settled(number)


@on_virtual_time
async def test_held_money_of_a_second_attempt_comes_before_a_person_when_the_first_stays_unknown() -> (
    None
):
    async with Shop("saman", "zarinpal") as shop:
        number, first, second = await two(shop, "saman", "zarinpal")
        shop.fault(Kind.HANG, Operation.VERIFY, "saman")
        await shop.come_back(shop.go(first))
        await shop.come_back(shop.go(second))
        await shop.wait(20 * 60)
        assert State.IN_REVIEW is shop.payment(number).attempts[1].state
        assert shop.payment(number).reviews
        assert not shop.session(number, 2).verified
        shop.mend()
        await shop.wait(5 * 60)
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)


# --- before another attempt


@pytest.mark.parametrize("driver", ["saman", "parsian", "sadad", "zarinpal", "zibal"])
@on_virtual_time
async def test_who_has_paid_and_wants_another_gateway_is_told_that_he_has_paid(driver: str) -> None:
    async with Shop(driver, "mellat") as shop:
        shop.engine.router.force(shop.clock.monotonic(), "mellat", "open")
        number = await shop.create()
        shop.go(await shop.arrive(number))
        shop.engine.router.force(shop.clock.monotonic(), "mellat", "auto")
        await asyncio.sleep(30)
        view = await shop.engine.cashier.try_another(number)
        assert isinstance(view, Back | Wait)
        await shop.rest()
        assert Status.PAID is shop.status(number)
        assert 1 == shop.calls(Operation.START)
        shop.assert_settled(number)


@pytest.mark.parametrize("driver", ["parsian", "sadad", "zarinpal", "zibal", "saman"])
@pytest.mark.parametrize("kind", [Kind.HANG, Kind.REFUSE, Kind.ERROR500])
@on_virtual_time
async def test_no_answer_about_an_earlier_attempt_is_no_leave_for_another(
    driver: str, kind: Kind
) -> None:
    async with Shop(driver, "mellat") as shop:
        shop.engine.router.force(shop.clock.monotonic(), "mellat", "open")
        number = await shop.create()
        first = await shop.arrive(number)
        shop.engine.router.force(shop.clock.monotonic(), "mellat", "auto")
        await asyncio.sleep(30)
        shop.fault(kind, driver=driver)
        began = shop.clock.monotonic()
        assert isinstance(await shop.engine.cashier.try_another(number), Wait)
        assert shop.clock.monotonic() - began < 2.5
        assert 1 == len(shop.payment(number).attempts)
        shop.mend()
        await shop.wait(120)
        assert isinstance(handed(await shop.engine.cashier.try_another(number)), HandOver)
        await shop.come_back(shop.go(first))
        assert Status.PAID is shop.status(number)


@on_virtual_time
async def test_two_earlier_attempts_that_only_a_verify_can_ask_are_asked_in_turn() -> None:
    async with Shop("parsian", "sadad", "mellat") as shop:
        number, first, _ = await two_of_three(shop)
        shop.go(first)
        await asyncio.sleep(30)
        view = await shop.engine.cashier.try_another(number)
        assert isinstance(view, Back)
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)


@on_virtual_time
async def test_two_earlier_attempts_that_nobody_paid_leave_the_way_free_for_a_third() -> None:
    async with Shop("parsian", "sadad", "mellat") as shop:
        number, _, _ = await two_of_three(shop)
        await asyncio.sleep(30)
        third = handed(await shop.engine.cashier.try_another(number))
        assert 3 == third.attempt.number
        assert 2 == shop.calls(Operation.VERIFY, "parsian")
        assert 1 == shop.calls(Operation.VERIFY, "sadad")
        await shop.come_back(shop.go(third))
        assert Status.PAID is shop.status(number)


async def two_of_three(shop: Shop) -> tuple[int, HandOver, HandOver]:
    shop.engine.router.force(shop.clock.monotonic(), "mellat", "open")
    shop.engine.router.force(shop.clock.monotonic(), "sadad", "open")
    number = await shop.create()
    first = await shop.arrive(number)
    shop.engine.router.force(shop.clock.monotonic(), "sadad", "auto")
    await asyncio.sleep(30)
    second = handed(await shop.engine.cashier.try_another(number))
    shop.engine.router.force(shop.clock.monotonic(), "mellat", "auto")
    assert ["parsian", "sadad"] == [first.attempt.gateway, second.attempt.gateway]
    return number, first, second


@on_virtual_time
async def test_earlier_attempts_are_asked_also_when_the_latest_never_began() -> None:
    """The customer reloads after a try at which no gateway gave a token; meanwhile the first was paid."""
    async with Shop("zibal", "mellat") as shop:
        shop.engine.router.force(shop.clock.monotonic(), "mellat", "open")
        number = await shop.create()
        first = await shop.arrive(number)
        shop.engine.router.force(shop.clock.monotonic(), "mellat", "auto")
        await asyncio.sleep(30)
        shop.fault(Kind.REFUSE, Operation.START)
        await shop.engine.cashier.try_another(number)
        shop.go(first)
        shop.mend()
        view = await shop.engine.cashier.arrive(number)
        assert isinstance(view, Back | Wait)
        await shop.rest()
        assert Status.PAID is shop.status(number)


# --- things at the same time


@on_virtual_time
async def test_a_return_while_a_second_token_is_asked_for_sends_nobody_to_pay_again() -> None:
    async with Shop("saman", "mellat", drivers={"saman": plain_saman()}) as shop:
        shop.engine.router.force(shop.clock.monotonic(), "mellat", "open")
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        assert back is not None
        shop.engine.router.force(shop.clock.monotonic(), "mellat", "auto")
        trying = asyncio.gather(shop.engine.cashier.try_another(number))
        await shop.until_sent(Operation.START)
        await shop.come_back(back)
        (view,) = await trying
        assert isinstance(view, Back | Wait)
        await shop.rest()
        assert Status.PAID is shop.status(number)
        await shop.wait(3 * HOUR)
        shop.assert_settled(number)


@on_virtual_time
async def test_a_return_while_tokens_are_asked_for_ends_the_asking() -> None:
    names = ("saman", "mellat", "sadad", "zibal")
    async with Shop(*names, drivers={"saman": plain_saman()}) as shop:
        for name in names[1:]:
            shop.engine.router.force(shop.clock.monotonic(), name, "open")
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        for name in names[1:]:
            shop.engine.router.force(shop.clock.monotonic(), name, "auto")
        shop.fault(Kind.ERROR500, Operation.START)
        trying = asyncio.gather(shop.engine.cashier.try_another(number))
        await shop.until_sent(Operation.START)
        await shop.come_back(back)
        (view,) = await trying
        assert isinstance(view, Back | Wait)
        assert 2 == len(shop.payment(number).attempts)
        assert Status.PAID is shop.status(number)


@on_virtual_time
async def test_a_return_of_the_first_while_the_payer_is_at_the_second_bank_is_paid() -> None:
    async with Shop("mellat", "saman") as shop:
        number, first, second = await two(shop, "mellat", "saman")
        await shop.come_back(shop.go(first))
        assert Status.PAID is shop.status(number)
        view = await shop.come_back(shop.go(second))
        assert isinstance(view, GoesBack)
        await shop.wait(3 * HOUR)
        assert Status.PAID is shop.status(number)
        assert shop.session(number, 2).reversed
        shop.assert_settled(number)


@on_virtual_time
async def test_a_payer_who_cancels_the_first_while_at_the_second_goes_on_there() -> None:
    async with Shop("mellat", "saman") as shop:
        number, first, second = await two(shop, "mellat", "saman")
        view = await shop.come_back(shop.go(first, Outcome.CANCEL))
        assert isinstance(view, Choice)
        assert Status.PENDING is shop.status(number)
        await shop.come_back(shop.go(second))
        assert Status.PAID is shop.status(number)


@on_virtual_time
async def test_a_declined_payer_is_offered_gateways_until_he_pays() -> None:
    async with Shop("saman", "mellat", "sadad") as shop:
        number = await shop.create()
        view = await shop.come_back(shop.go(await shop.arrive(number), Outcome.DECLINE))
        tried = []
        while isinstance(view, Offer):
            handover = handed(await shop.engine.cashier.try_another(number))
            tried.append(handover.attempt.gateway)
            outcome = Outcome.DECLINE if len(tried) < 2 else Outcome.PAID
            view = await shop.come_back(shop.go(handover, outcome))
        assert 2 == len(set(tried))
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)


@on_virtual_time
async def test_money_of_two_lapsed_attempts_says_by_when_it_is_back() -> None:
    async with Shop("mellat", "saman", drivers={"saman": plain_saman()}) as shop:
        number, first, second = await two(shop, "mellat", "saman")
        shop.go(first)
        shop.go(second)
        await shop.wait(3 * HOUR)
        assert Status.EXPIRED is shop.status(number)
        assert shop.session(number, 1).reversed
        assert shop.session(number, 2).reversed
        assert returns_by_ms(shop.payment(number)) is not None


def plain_saman() -> Driver:
    """Without the call by which it could be asked."""
    return plain_drivers()["saman"]
