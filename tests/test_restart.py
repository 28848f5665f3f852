"""A process that dies at any step of a payment, and the next one that finds only what was on disk.

Every await is a step, and so is every commit that landed without anybody being told. Whoever was there comes again or
never; either way bank and journal agree in the end, and who paid once has paid once.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gatewayd.core.states import State
from gatewayd.core.status import Status
from gatewayd.core.terms import Operation
from gatewayd.engine.views import Back, Choice, HandOver, NoGateway, Offer, View
from gatewayd.simulator.faults import Kind
from gatewayd.simulator.inprocess import Return
from gatewayd.simulator.payers import Outcome
from gatewayd.world.loop import VirtualLoop
from tests.shop import Shop, handed, on_virtual_time
from tests.stage import DRIVERS

HOUR = 3_600.0
STEPS_MAX = 600
DIED_OFTEN = 15
"""Fewer deaths than this, and the story was not what it should have been."""


@dataclass
class Scene:
    """What the people outside know and hold; it outlives the process."""

    shop: Shop
    amount: int = 150_000
    number: int | None = None
    back: Return | None = None
    cancelled: bool = False

    async def ordered(self) -> int:
        """The shop's order; who does not know whether it arrived looks before asking again."""
        if self.number is None:
            self.number = next((number for number, _ in self.shop.store.read_open()), None)
        if self.number is None:
            self.number = await self.shop.create(self.amount)
        return self.number

    async def paid(self, outcome: Outcome = Outcome.PAID) -> View | None:
        """The customer's way to the end, from wherever it broke off."""
        number = await self.ordered()
        if self.back is None:
            view = await self.shop.engine.cashier.arrive(number)
            if isinstance(view, Choice):
                view = await self.shop.engine.cashier.go_on(number)
            if not isinstance(view, HandOver):
                return view
            self.back = self.shop.go(view, outcome)
        return await self.shop.come_back(self.back)

    async def stopped(self) -> None:
        """The shop does not want it any more."""
        await self.shop.engine.cashier.cancel(await self.ordered())
        self.cancelled = True


Story = Callable[[Scene], Coroutine[Any, Any, None]]


async def dies_at(step: int, scene: Scene, story: Story) -> bool:
    """Play the story in a process that dies at this step, and start a new one; False if the story ended before."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    dead = asyncio.Event()

    def die() -> None:
        scene.shop.die()
        dead.set()

    loop.interrupt(step, die)
    playing, dying = loop.create_task(story(scene)), loop.create_task(dead.wait())
    await asyncio.wait({playing, dying}, return_when=asyncio.FIRST_COMPLETED)
    loop.interrupt(0, lambda: None)
    died = dead.is_set()
    for task in (playing, dying):
        task.cancel()
    await asyncio.wait({playing, dying})
    if died:
        await scene.shop.restart()
    else:
        playing.result()
    return died


def at_every_step(
    with_death_at: Callable[[int], Coroutine[Any, Any, bool]], *, stride: int
) -> None:
    """Let the process die at one step after the other, each time anew, until it lives to the story's end."""
    for deaths, step in enumerate(range(1, STEPS_MAX, stride)):
        loop = VirtualLoop()
        try:
            died = loop.run(with_death_at(step))
        finally:
            loop.close()
        if not died:
            assert deaths >= DIED_OFTEN
            return
    raise AssertionError("the story never ends")


async def all_is_right(scene: Scene) -> None:
    """Hours later everything is in order and over."""
    await scene.shop.wait(3 * HOUR)
    if scene.number is not None:
        scene.shop.assert_settled(scene.number)
        scene.shop.assert_finished(scene.number)


# --- one payment


async def pays(scene: Scene) -> None:
    await scene.paid()


@pytest.mark.parametrize("driver", DRIVERS)
def test_who_pays_and_comes_again_has_paid_whenever_the_process_died(driver: str) -> None:
    async def with_death_at(step: int) -> bool:
        async with Shop(driver) as shop:
            scene = Scene(shop)
            died = await dies_at(step, scene, pays)
            await scene.paid()
            assert scene.number is not None
            assert Status.PAID is shop.status(scene.number)
            await all_is_right(scene)
            return died

    at_every_step(with_death_at, stride=2)


@pytest.mark.parametrize("driver", DRIVERS)
def test_who_pays_and_never_comes_again_has_paid_or_gets_it_back(driver: str) -> None:
    async def with_death_at(step: int) -> bool:
        async with Shop(driver) as shop:
            scene = Scene(shop)
            died = await dies_at(step, scene, pays)
            await all_is_right(scene)
            if driver != "mellat" and scene.back is not None:  # which alone cannot be asked
                assert scene.number is not None
                assert Status.PAID is shop.status(scene.number)
            return died

    at_every_step(with_death_at, stride=3)


@pytest.mark.parametrize("driver", ["saman", "mellat", "sadad", "zarinpal"])
def test_a_process_that_died_while_an_answer_was_lost_asks_again(driver: str) -> None:
    async def with_death_at(step: int) -> bool:
        async with Shop(driver) as shop:
            scene = Scene(shop, amount=150_000_103)
            died = await dies_at(step, scene, pays)
            await scene.paid()
            await all_is_right(scene)
            assert scene.number is not None
            assert Status.PAID is shop.status(scene.number)
            return died

    at_every_step(with_death_at, stride=4)


@pytest.mark.parametrize("driver", ["mellat", "zarinpal"])
def test_a_process_that_dies_again_while_it_recovers_recovers(driver: str) -> None:
    async def with_deaths_at(step: int) -> bool:
        async with Shop(driver) as shop:
            scene = Scene(shop)
            died = await dies_at(step, scene, pays)
            await dies_at(7 + step % 5, scene, pays)
            await scene.paid()
            await all_is_right(scene)
            assert scene.number is not None
            assert Status.PAID is shop.status(scene.number)
            return died

    at_every_step(with_deaths_at, stride=3)


# --- more than one attempt, and shops that change their mind


async def declined_then_pays(scene: Scene) -> None:
    view = await scene.paid(Outcome.DECLINE)
    if isinstance(view, Offer):
        assert scene.number is not None
        scene.back = scene.shop.go(
            handed(await scene.shop.engine.cashier.try_another(scene.number))
        )
        await scene.paid()


def test_who_was_declined_and_pays_elsewhere_pays_once_whenever_the_process_died() -> None:
    async def with_death_at(step: int) -> bool:
        async with Shop("saman", "mellat") as shop:
            scene = Scene(shop)
            died = await dies_at(step, scene, declined_then_pays)
            await scene.paid()
            await all_is_right(scene)
            return died

    at_every_step(with_death_at, stride=3)


async def pays_at_two(scene: Scene) -> None:
    """In one tab and then in another, and comes back from both."""
    number = await scene.ordered()
    cashier = scene.shop.engine.cashier
    first = await cashier.arrive(number)
    if isinstance(first, HandOver):
        await asyncio.sleep(30)
        second = await cashier.try_another(number)
        scene.back = scene.shop.go(first)
        if isinstance(second, HandOver):
            await scene.shop.come_back(scene.shop.go(second))
    await scene.paid()


@pytest.mark.parametrize("pair", [("zarinpal", "mellat"), ("saman", "sadad"), ("zibal", "parsian")])
def test_who_pays_at_two_banks_pays_once_whenever_the_process_died(pair: tuple[str, str]) -> None:
    async def with_death_at(step: int) -> bool:
        async with Shop(*pair) as shop:
            scene = Scene(shop)
            died = await dies_at(step, scene, pays_at_two)
            await scene.paid()
            await all_is_right(scene)
            return died

    at_every_step(with_death_at, stride=5)


async def stopped_while_asked(scene: Scene) -> None:
    """The shop cancels while the bank is being asked."""

    async def stop() -> None:
        await scene.shop.until_sent(Operation.VERIFY)
        await scene.stopped()

    async with asyncio.TaskGroup() as people:
        people.create_task(stop())
        people.create_task(pays(scene))


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_a_shop_stopped_is_given_back_or_stays_paid_whenever_the_process_died(
    driver: str,
) -> None:
    async def with_death_at(step: int) -> bool:
        async with Shop(driver) as shop:
            scene = Scene(shop)
            died = await dies_at(step, scene, stopped_while_asked)
            await scene.paid()
            await all_is_right(scene)
            assert scene.number is not None
            if scene.cancelled and driver != "sadad":  # which takes nothing back
                assert shop.status(scene.number) in {Status.CANCELLED, Status.REVERSED}
            elif not shop.payment(scene.number).stopping:
                assert Status.PAID is shop.status(scene.number)
            return died

    at_every_step(with_death_at, stride=4)


# --- named deaths


@on_virtual_time
async def test_a_start_that_a_crash_cut_off_is_safe_elsewhere_and_its_number_never_used_again() -> (
    None
):
    async with Shop("saman") as shop:
        number = await shop.create()
        arriving = asyncio.gather(shop.engine.cashier.arrive(number), return_exceptions=True)
        await shop.until_sent(Operation.START)
        await shop.restart()
        arriving.cancel()
        await shop.rest()
        first = shop.payment(number).attempts[0]
        assert State.NOT_STARTED is first.state
        await shop.pay(number)
        second = shop.payment(number).attempts[1]
        assert second.bank_order > first.bank_order
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)


@on_virtual_time
async def test_a_claim_on_disk_is_verified_by_the_next_process_without_its_payer() -> None:
    async with Shop("mellat") as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        coming = asyncio.gather(shop.come_back(back), return_exceptions=True)
        await shop.until_sent(Operation.VERIFY)
        await shop.restart(after=60)
        coming.cancel()
        await shop.wait(10)
        assert Status.PAID is shop.status(number)
        assert "VerifyLost" in shop.kinds(number)
        shop.assert_settled(number)


@on_virtual_time
async def test_a_machine_that_was_off_beyond_the_banks_time_finds_the_money_gone_back() -> None:
    async with Shop("saman") as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        shop.fault(Kind.REFUSE, Operation.VERIFY)
        await shop.come_back(back)
        await shop.restart(after=2 * HOUR)
        shop.mend()
        await shop.wait(10)
        assert shop.status(number) in {Status.EXPIRED, Status.FAILED}
        assert shop.session(number).reversed
        shop.assert_finished(number)


@on_virtual_time
async def test_an_orderly_stop_ends_what_is_in_flight_and_begins_nothing() -> None:
    async with Shop("sadad") as shop:
        number, other = await shop.create(), await shop.create()
        back = shop.go(await shop.arrive(number))
        coming = asyncio.gather(shop.come_back(back))
        await shop.until_sent(Operation.VERIFY)
        shop.engine.stop()
        assert isinstance(await shop.engine.cashier.arrive(other), NoGateway)
        await coming
        await asyncio.wait([shop._task])
        shop._task.result()
        assert Status.PAID is shop.status(number)
        assert shop.engine.journal.is_idle
        assert 1 == shop.calls(Operation.START)
        await shop.restart()
        await shop.pay(other)
        assert Status.PAID is shop.status(other)


@on_virtual_time
async def test_a_return_to_a_stopping_process_is_on_disk_and_the_next_ones_to_verify() -> None:
    async with Shop("sadad") as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        shop.engine.stop()
        coming = asyncio.gather(shop.come_back(back), return_exceptions=True)
        await asyncio.sleep(1)
        assert (
            "Returned" == shop.kinds(number)[-1]
        )  # and nothing that was never sent counts as lost
        await shop.restart()
        coming.cancel()
        await shop.rest()
        assert Status.PAID is shop.status(number)
        assert "VerifyLost" not in shop.kinds(number)


@on_virtual_time
async def test_a_retired_gateway_ends_what_it_began_and_begins_nothing() -> None:
    async with Shop("saman", "mellat") as shop:
        number = await shop.create(gateways=("saman",))
        back = shop.go(await shop.arrive(number))
        saman, mellat = shop.gateways
        shop.gateways = (replace(saman, retired=True), mellat)
        await shop.restart()
        await shop.come_back(back)
        assert Status.PAID is shop.status(number)
        for _ in range(5):
            assert "mellat" == (await shop.arrive(await shop.create())).attempt.gateway


@on_virtual_time
async def test_a_finished_payment_of_a_gateway_that_is_gone_is_still_shown() -> None:
    async with Shop("saman", "mellat") as shop:
        paid = await shop.create(gateways=("saman",))
        await shop.pay(paid)
        cancelled = await shop.create(gateways=("saman",))
        await shop.arrive(cancelled)
        await shop.engine.cashier.cancel(cancelled)
        await shop.rest()
        shop.gateways = shop.gateways[1:]
        await shop.restart()
        for number, status in ((paid, Status.PAID), (cancelled, Status.CANCELLED)):
            assert isinstance(await shop.engine.cashier.arrive(number), Back)
            assert status is shop.status(number)


@on_virtual_time
async def test_numbers_go_on_growing_when_the_clock_is_set_back_over_a_restart() -> None:
    async with Shop("saman") as shop:
        first = await shop.create()
        await shop.restart()
        shop.clock.wall_off = -24 * HOUR
        second = await shop.create()
        assert second > first
        await shop.pay(second)
        assert Status.PAID is shop.status(second)


@on_virtual_time
async def test_a_clock_that_was_wrong_for_a_moment_does_not_spoil_what_banks_are_told() -> None:
    """Deadlines do not go back with it; a bank that compares dates would refuse every payment until they met again."""
    async with Shop("mellat") as shop:
        await shop.arrive(await shop.create())
        shop.clock.wall_off = 24 * HOUR
        await shop.arrive(await shop.create())
        shop.clock.wall_off = 0.0
        await shop.arrive(await shop.create())
        bodies = [each.call.body for each in shop.sent]
        days = [re.findall(rb"<localDate>(\d+)</localDate>", body) for body in bodies]
        assert [[b"20250211"], [b"20250212"], [b"20250211"]] == days
