"""What browsers bring back: repeated, late, from two tabs, garbled and forged; only the bank's word makes it paid."""

import asyncio

import pytest

from gatewayd.core.status import Money, Status, money_of, returns_by_ms
from gatewayd.core.terms import Operation
from gatewayd.engine.views import Back, GoesBack
from gatewayd.simulator.bank import State as AtBank
from gatewayd.simulator.faults import Kind
from gatewayd.simulator.payers import Outcome
from tests.shop import Clock, Shop, on_virtual_time
from tests.stage import DRIVERS, plain_drivers

HOUR = 3_600.0
every_driver = pytest.mark.parametrize("driver", DRIVERS)


# --- repeated


@every_driver
@on_virtual_time
async def test_a_return_that_hits_twenty_times_at_once_is_verified_once(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        views = await asyncio.gather(*(shop.come_back(back) for _ in range(20)))
        assert {Back} == {type(view) for view in views}
        assert {Status.PAID} == {shop.status(number)}
        assert 1 == shop.calls(Operation.VERIFY)
        assert 1 == shop.kinds(number).count("Returned")
        assert 19 == shop.engine.returns.repeated
        await shop.rest()
        shop.assert_settled(number)


@every_driver
@on_virtual_time
async def test_a_return_that_comes_again_after_the_end_changes_nothing(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        await shop.come_back(back)
        kinds = shop.kinds(number)
        await shop.wait(10 * HOUR)
        assert isinstance(await shop.come_back(back), Back)
        assert kinds == shop.kinds(number)
        assert isinstance(await shop.come_back(back, extra="field"), Back)
        assert Status.PAID is shop.status(number)
        await shop.wait(10 * HOUR)
        assert 1 == shop.calls(Operation.VERIFY)
        shop.assert_settled(number)
        shop.assert_finished(number)


@on_virtual_time
async def test_twenty_different_returns_are_kept_and_then_only_counted() -> None:
    async with Shop("sadad") as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number), Outcome.DECLINE)
        for place in range(30):
            await shop.come_back(back, made_up=str(place))
        assert 20 == shop.kinds(number).count("Returned")
        assert 10 == shop.engine.returns.repeated
        assert Status.PENDING is shop.status(number)


class Ticking(Clock):
    """A millisecond passes with every look."""

    def monotonic(self) -> float:
        self.skipped += 0.001
        return super().monotonic()


@every_driver
@on_virtual_time
async def test_a_claim_is_verified_in_the_same_breath_however_long_deciding_takes(
    driver: str,
) -> None:
    shop = Shop(driver)
    shop.clock = Ticking()
    async with shop:
        number = await shop.create()
        await shop.come_back(shop.go(await shop.arrive(number)))
        came_ms = {row.kind: row.at_ms for row in shop.store.read(number)}
        assert came_ms["Returned"] == came_ms["VerifyRequested"]
        assert Status.PAID is shop.status(number)


# --- answers that are lost


@every_driver
@pytest.mark.parametrize("ending", [103, 106], ids=["reply_cut", "html_first"])
@on_virtual_time
async def test_a_verify_whose_reply_is_lost_is_asked_again_and_paid_once(
    driver: str, ending: int
) -> None:
    async with Shop(driver) as shop:
        number = await shop.create(150_000_000 + ending)
        view = await shop.pay(number)
        assert isinstance(view, Back)
        assert Status.PAID is shop.status(number)
        assert 2 == shop.kinds(number).count("VerifyRequested")
        await shop.rest()
        shop.assert_settled(number)
        shop.assert_finished(number)


@every_driver
@on_virtual_time
async def test_a_verify_that_hangs_sends_the_customer_back_in_time_and_ends_paid(
    driver: str,
) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        shop.fault(Kind.HANG, Operation.VERIFY)
        began = shop.clock.monotonic()
        view = await shop.come_back(back)
        assert 8 <= shop.clock.monotonic() - began < 8.5
        assert isinstance(view, Back)
        assert Status.PROCESSING is shop.status(number)
        shop.mend()
        await shop.wait(30)
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)


@on_virtual_time
async def test_a_settle_whose_reply_is_lost_is_repeated_until_the_bank_says_settled() -> None:
    async with Shop("mellat") as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        shop.fault(Kind.DROP_REPLY, Operation.SETTLE)
        await shop.come_back(back)
        assert Status.PROCESSING is shop.status(number)
        shop.mend()
        await shop.wait(120)
        assert Status.PAID is shop.status(number)
        assert AtBank.SETTLED is shop.session(number).state
        shop.assert_finished(number)


# --- late and absent


@every_driver
@on_virtual_time
async def test_a_payer_who_comes_back_after_the_banks_deadline_is_not_paid(driver: str) -> None:
    """The amount tells the bank to deliver its return too late; held money is verified all the same."""
    async with Shop(driver, switches={"zarinpal": {"unverified": "auto_reverse"}}) as shop:
        number = await shop.create(150_000_107)
        await shop.pay(number)
        await shop.wait(3 * HOUR)
        assert shop.status(number) in {Status.FAILED, Status.EXPIRED, Status.PENDING}
        assert shop.session(number).reversed
        await shop.wait(24 * HOUR)
        shop.assert_settled(number)
        shop.assert_finished(number)


@every_driver
@on_virtual_time
async def test_a_return_after_the_payment_is_over_is_never_kept(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        handover = await shop.arrive(number)
        await shop.engine.cashier.cancel(number)
        view = await shop.come_back(shop.go(handover))
        assert isinstance(view, GoesBack)
        assert Status.CANCELLED is shop.status(number)
        await shop.wait(3 * HOUR)
        assert Status.CANCELLED is shop.status(number)
        session = shop.session(number)
        assert session.reversed or session.refunded == session.amount
        shop.assert_settled(number)
        shop.assert_finished(number)


@pytest.mark.parametrize("driver", ["saman", "mellat"])
@on_virtual_time
async def test_a_browser_that_comes_back_hours_after_the_expiry_asks_no_bank(driver: str) -> None:
    async with Shop(driver, drivers=plain_drivers()) as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        await shop.wait(3 * HOUR)
        assert Status.EXPIRED is shop.status(number)
        assert isinstance(await shop.come_back(back), GoesBack)
        await shop.wait(HOUR)
        assert Status.EXPIRED is shop.status(number)
        assert 0 == shop.calls(Operation.VERIFY)
        assert Money.RETURNING is money_of(shop.payment(number))
        shop.assert_finished(number)


@every_driver
@on_virtual_time
async def test_a_payer_who_pays_after_the_payments_own_time_has_paid(driver: str) -> None:
    """Its time ends new attempts; who is at the bank has the bank's time."""
    async with Shop(driver) as shop:
        number = await shop.create(expires_in_seconds=60)
        handover = await shop.arrive(number)
        await shop.wait(300)
        await shop.come_back(shop.go(handover))
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)


@pytest.mark.parametrize("driver", ["saman", "parsian", "sadad", "zarinpal", "zibal"])
@on_virtual_time
async def test_a_payer_who_paid_and_never_came_back_is_found(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        shop.go(await shop.arrive(number))
        await shop.wait(HOUR)
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)
        shop.assert_finished(number)


@on_virtual_time
async def test_where_the_bank_cannot_be_asked_the_money_goes_back_by_itself() -> None:
    async with Shop("mellat") as shop:
        number = await shop.create()
        shop.go(await shop.arrive(number))
        await shop.wait(2 * HOUR)
        assert Status.EXPIRED is shop.status(number)
        assert Money.UNKNOWN is money_of(shop.payment(number))
        by_ms = returns_by_ms(shop.payment(number))
        assert by_ms is not None
        assert by_ms > shop.clock.wall() * 1000
        assert shop.session(number).reversed
        shop.assert_finished(number)


@every_driver
@on_virtual_time
async def test_a_payer_who_left_without_paying_expires(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        shop.go(await shop.arrive(number), Outcome.LEAVE)
        await shop.wait(2 * HOUR)
        assert shop.status(number) in {Status.EXPIRED, Status.FAILED}
        shop.assert_settled(number)
        shop.assert_finished(number)


# --- two tabs


@every_driver
@on_virtual_time
async def test_the_same_return_from_two_tabs_with_other_fields_pays_once(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        views = await asyncio.gather(
            shop.come_back(back), shop.come_back(back, tab="2"), shop.come_back(back, tab="3")
        )
        assert {Back} == {type(view) for view in views}
        assert Status.PAID is shop.status(number)
        assert 3 == shop.kinds(number).count("Returned")
        await shop.wait(3 * HOUR)
        assert 1 == shop.calls(Operation.VERIFY)
        shop.assert_settled(number)
        shop.assert_finished(number)
