"""What customers and shops meet, with every driver at its simulated bank: one story a test."""

import asyncio

import pytest

from gatewayd.core.settings import PaymentSettings
from gatewayd.core.status import Status
from gatewayd.core.terms import Operation
from gatewayd.engine.views import Back, Choice, HandOver, NoGateway, Nothing, Offer, Wait
from gatewayd.gateways.contract import Reply
from gatewayd.simulator.bank import State
from gatewayd.simulator.faults import Kind
from gatewayd.simulator.payers import Outcome
from gatewayd.simulator.speech import json_reply
from tests.shop import Sent, Shop, handed, on_virtual_time
from tests.stage import DRIVERS, plain_drivers

HOUR = 3_600.0
every_driver = pytest.mark.parametrize("driver", DRIVERS)


@every_driver
@on_virtual_time
async def test_a_customer_pays_and_goes_back_to_the_shop(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        view = await shop.pay(number)
        assert isinstance(view, Back)
        assert shop.payment(number) == view.payment
        assert Status.PAID is shop.status(number)
        assert 1 == shop.calls(Operation.VERIFY)
        await shop.rest()
        shop.assert_settled(number)
        shop.assert_finished(number)


@every_driver
@on_virtual_time
async def test_a_paid_payment_stays_paid_for_days(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        await shop.pay(number)
        shop.forget_calls()
        await shop.wait(100 * HOUR)
        assert [] == shop.sent
        shop.assert_settled(number)
        assert isinstance(await shop.engine.cashier.arrive(number), Back)


@every_driver
@on_virtual_time
async def test_a_cancel_at_the_bank_closes_the_payment_at_once(driver: str) -> None:
    async with Shop(driver, "saman" if driver != "saman" else "mellat") as shop:
        number = await shop.create(gateways=(driver,))
        view = await shop.come_back(shop.go(await shop.arrive(number), Outcome.CANCEL))
        assert isinstance(view, Back)
        assert Status.CANCELLED is shop.status(number)
        assert isinstance(await shop.engine.cashier.arrive(number), Back)
        await shop.wait(3 * HOUR)
        shop.assert_settled(number)
        shop.assert_finished(number)


@pytest.mark.parametrize("driver", [name for name in DRIVERS if name != "zarinpal"])
@on_virtual_time
async def test_after_a_decline_another_gateway_is_offered_and_pays(driver: str) -> None:
    """But not at ZarinPal, whose return says only that it was not paid: that counts as cancelled."""
    async with Shop(driver, "mellat" if driver != "mellat" else "saman") as shop:
        number = await first_at(shop, driver)
        view = await shop.come_back(shop.go(await shop.arrive(number), Outcome.DECLINE))
        assert isinstance(view, Offer)
        assert Status.PENDING is shop.status(number)
        second = handed(await shop.engine.cashier.try_another(number))
        assert driver != second.attempt.gateway
        assert isinstance(await shop.come_back(shop.go(second)), Back)
        assert Status.PAID is shop.status(number)
        await shop.wait(3 * HOUR)
        shop.assert_settled(number)
        shop.assert_finished(number)


async def first_at(shop: Shop, driver: str) -> int:
    """A payment whose first attempt goes to this gateway, though others would take it too."""
    for gateway in shop.gateways:
        if gateway.name != driver:
            shop.engine.router.force(shop.clock.monotonic(), gateway.name, "open")
    number = await shop.create()
    await shop.arrive(number)
    for gateway in shop.gateways:
        shop.engine.router.force(shop.clock.monotonic(), gateway.name, "auto")
    return number


@on_virtual_time
async def test_a_shop_may_want_no_offers() -> None:
    async with Shop("saman", "mellat", offer_retry=False) as shop:
        number = await shop.create()
        view = await shop.come_back(shop.go(await shop.arrive(number), Outcome.DECLINE))
        assert isinstance(view, Back)
        assert Status.FAILED is shop.status(number)


@on_virtual_time
async def test_where_no_other_gateway_is_left_a_declined_payer_may_try_the_same_again() -> None:
    async with Shop("saman") as shop:
        number = await shop.create()
        view = await shop.come_back(shop.go(await shop.arrive(number), Outcome.DECLINE))
        assert isinstance(view, Offer)
        assert not view.another
        assert Status.PENDING is shop.status(number)
        second = handed(await shop.engine.cashier.try_another(number))
        assert isinstance(await shop.come_back(shop.go(second)), Back)
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)


@pytest.mark.parametrize("end", ["gives up", "goes away"])
@on_virtual_time
async def test_a_declined_payment_fails_when_its_payer_gives_up_or_its_time_is_over(
    end: str,
) -> None:
    async with Shop("saman") as shop:
        number = await shop.create()
        await shop.come_back(shop.go(await shop.arrive(number), Outcome.DECLINE))
        if end == "gives up":
            assert isinstance(await shop.engine.cashier.give_up(number), Back)
        else:
            await shop.wait(0.4 * HOUR)
            assert isinstance(await shop.engine.cashier.arrive(number), Back)
        assert Status.FAILED is shop.status(number)
        shop.assert_settled(number)


@on_virtual_time
async def test_a_customer_who_gives_up_after_a_decline_has_failed() -> None:
    async with Shop("saman", "mellat") as shop:
        number = await shop.create()
        await shop.come_back(shop.go(await shop.arrive(number), Outcome.DECLINE))
        assert isinstance(await shop.engine.cashier.give_up(number), Back)
        assert Status.FAILED is shop.status(number)


@every_driver
@on_virtual_time
async def test_a_customer_who_gives_up_without_a_no_has_cancelled(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        await shop.arrive(number)
        assert isinstance(await shop.engine.cashier.give_up(number), Back)
        assert Status.CANCELLED is shop.status(number)


@pytest.mark.parametrize("driver", ["parsian", "sadad", "zarinpal", "zibal", "saman"])
@on_virtual_time
async def test_a_customer_who_paid_and_gives_up_has_paid_where_the_bank_can_be_asked(
    driver: str,
) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        shop.go(await shop.arrive(number))
        await shop.engine.cashier.give_up(number)
        await shop.rest()
        assert Status.PAID is shop.status(number)


# --- the page before the bank


@on_virtual_time
async def test_a_reload_hands_over_the_same_token_and_later_gives_a_choice() -> None:
    async with Shop("saman", "mellat") as shop:
        number = await shop.create()
        first = await shop.arrive(number)
        kinds = shop.kinds(number)
        await asyncio.sleep(19)
        again = await shop.arrive(number)
        assert first.attempt.token == again.attempt.token
        assert kinds == shop.kinds(number)  # a reload writes nothing
        await asyncio.sleep(5)
        choice = await shop.engine.cashier.arrive(number)
        assert isinstance(choice, Choice)
        assert choice.another
        same = handed(await shop.engine.cashier.go_on(number))
        assert first.attempt.token == same.attempt.token
        assert 1 == shop.calls(Operation.START)


@on_virtual_time
async def test_windows_that_open_at_once_join_one_start() -> None:
    async with Shop() as shop:
        number = await shop.create()
        views = await asyncio.gather(*(shop.arrive(number) for _ in range(10)))
        assert {1} == {view.attempt.number for view in views}
        assert 1 == shop.calls(Operation.START)


@pytest.mark.parametrize("later", [0.0, 0.02])
@on_virtual_time
async def test_a_double_click_on_another_gateway_begins_one_attempt(later: float) -> None:
    async with Shop("sadad", "zibal", "parsian") as shop:
        number = await shop.create()
        await shop.arrive(number)
        await asyncio.sleep(30)
        shop.commit_seconds = 0.05

        async def click(after: float) -> HandOver:
            await asyncio.sleep(after)
            return handed(await shop.engine.cashier.try_another(number))

        one, two = await asyncio.gather(click(0), click(later))
        assert one.attempt.number == two.attempt.number == 2
        assert 2 == shop.calls(Operation.START)


@on_virtual_time
async def test_who_wants_another_gateway_while_one_is_being_asked_joins_that() -> None:
    """Though the first bank, which is asked before, needs longer to answer than the second to give a token."""

    async def slowly(sent: Sent) -> None:
        await asyncio.sleep(0.5 if sent.operation is Operation.INQUIRE else 0.3)

    async with Shop("zibal", "mellat", "saman") as shop:
        number = await first_at(shop, "zibal")
        shop.hook = slowly
        clicking = asyncio.gather(shop.engine.cashier.try_another(number))
        await shop.until_sent(Operation.START)
        second = handed(await shop.engine.cashier.try_another(number))
        (first,) = await clicking
        assert handed(first).attempt.number == second.attempt.number == 2


@on_virtual_time
async def test_another_gateway_is_one_that_was_not_tried_yet() -> None:
    async with Shop("mellat", "saman", drivers={"saman": plain_drivers()["saman"]}) as shop:
        for _ in range(8):
            number = await shop.create()
            first = await shop.arrive(number)
            second = handed(await shop.engine.cashier.try_another(number))
            assert first.attempt.gateway != second.attempt.gateway


@on_virtual_time
async def test_nobody_pays_again_while_a_person_must_look() -> None:
    """Saman's panel verified it first: nothing says that this reference was this order's."""
    async with Shop("saman", "mellat") as shop:
        number = await first_at(shop, "saman")
        back = shop.go(await shop.arrive(number))
        shop.banks.book.verify(shop.session(number), shop.clock.wall())
        view = await shop.come_back(back)
        assert isinstance(view, Back)
        assert isinstance(await shop.engine.cashier.arrive(number), Wait)
        assert isinstance(await shop.engine.cashier.try_another(number), Wait)
        assert 1 == shop.calls(Operation.START)


@on_virtual_time
async def test_an_expired_payment_leads_back_and_begins_nothing() -> None:
    async with Shop() as shop:
        number = await shop.create(expires_in_seconds=60)
        await shop.wait(61)
        assert isinstance(await shop.engine.cashier.arrive(number), Back)
        assert Status.EXPIRED is shop.status(number)
        assert [] == shop.sent
        shop.assert_finished(number)


@on_virtual_time
async def test_what_there_is_not_is_nothing() -> None:
    async with Shop("saman") as shop:
        cashier = shop.engine.cashier
        assert [Nothing()] * 4 == [
            await cashier.arrive(7),
            await cashier.go_on(7),
            await cashier.try_another(7),
            await cashier.give_up(7),
        ]
        assert Nothing() == await cashier.returned(7, 1, {})
        assert await cashier.cancel(7) is None
        number = await shop.create()
        assert Nothing() == await cashier.returned(number, 1, {"State": "OK"})
        assert 0 == len(shop.engine.journal) - 1


@on_virtual_time
async def test_an_order_is_open_once_and_free_again_after_a_failure() -> None:
    async with Shop("saman") as shop:
        first = await shop.create(order_id="o-1")
        with pytest.raises(AssertionError, match=f"number={first}"):
            await shop.create(order_id="o-1")
        await shop.come_back(shop.go(await shop.arrive(first), Outcome.DECLINE))
        await shop.engine.cashier.give_up(first)
        second = await shop.create(order_id="o-1")
        await shop.pay(second)
        with pytest.raises(AssertionError, match=f"number={second}"):
            await shop.create(order_id="o-1")


# --- the token step


@every_driver
@on_virtual_time
async def test_a_gateway_that_fails_is_passed_over_within_one_hand_over(driver: str) -> None:
    async with Shop() as shop:
        shop.fault(Kind.ERROR500, Operation.START, driver)
        for gateway in shop.gateways:
            if gateway.name not in {driver, "saman", "mellat"}:
                shop.engine.router.force(shop.clock.monotonic(), gateway.name, "open")
        number = await shop.create()
        view = await shop.arrive(number)
        assert driver != view.attempt.gateway
        assert Status.PENDING is shop.status(number)


@on_virtual_time
async def test_five_gateways_fail_and_the_sixth_is_found_in_time() -> None:
    async with Shop() as shop:
        for driver in DRIVERS[:5]:
            shop.fault(Kind.REFUSE, Operation.START, driver)
        number = await shop.create()
        view = await shop.arrive(number)
        assert DRIVERS[5] == view.attempt.gateway
        await shop.come_back(shop.go(view))
        assert Status.PAID is shop.status(number)


@pytest.mark.parametrize("kind", [Kind.REFUSE, Kind.HANG, Kind.HTML, Kind.DROP_REPLY])
@on_virtual_time
async def test_where_no_gateway_gives_a_token_the_payment_stays_open(kind: Kind) -> None:
    async with Shop() as shop:
        shop.fault(kind, Operation.START)
        number = await shop.create()
        began = shop.clock.monotonic()
        assert isinstance(await shop.engine.cashier.arrive(number), NoGateway)
        assert shop.clock.monotonic() - began < 9
        assert Status.PENDING is shop.status(number)
        shop.mend()
        await shop.arrive(number)


@on_virtual_time
async def test_a_token_that_the_bank_gives_twice_is_handed_over_once() -> None:
    async with Shop("sadad", "mellat") as shop:
        first = await shop.arrive(await first_at(shop, "sadad"))
        again = json_reply({"ResCode": "0", "Token": first.attempt.token, "Description": ""})

        async def repeat_itself(sent: Sent) -> Reply | None:
            return again if sent.gateway == "sadad" else None

        shop.hook = repeat_itself
        for _ in range(6):
            view = await shop.arrive(await shop.create())
            assert "mellat" == view.attempt.gateway
        assert shop.calls(Operation.START, "sadad") > 1


@on_virtual_time
async def test_an_outage_does_not_use_up_a_payments_tries() -> None:
    async with Shop() as shop:
        shop.fault(Kind.REFUSE, Operation.START)
        number = await shop.create()
        for _ in range(5):
            assert isinstance(await shop.engine.cashier.arrive(number), NoGateway)
        shop.mend()
        await shop.pay(number)
        assert Status.PAID is shop.status(number)


@on_virtual_time
async def test_a_customer_gets_so_many_tries_and_no_more() -> None:
    settings = {"payments": PaymentSettings(attempts_max=2)}
    async with Shop("saman", "mellat", "sadad", settings=settings) as shop:
        number = await shop.create()
        await shop.arrive(number)
        handed(await shop.engine.cashier.try_another(number))
        assert isinstance(await shop.engine.cashier.try_another(number), NoGateway)
        await asyncio.sleep(30)
        choice = await shop.engine.cashier.arrive(number)
        assert isinstance(choice, Choice)
        assert not choice.another


# --- the shop stops it


@on_virtual_time
async def test_a_cancel_of_a_payment_that_nobody_paid_is_done_at_once() -> None:
    async with Shop("saman") as shop:
        number = await shop.create()
        await shop.arrive(number)
        payment = await shop.engine.cashier.cancel(number)
        assert payment is not None
        assert Status.CANCELLED is shop.status(number)
        kinds = shop.kinds(number)
        await shop.engine.cashier.cancel(number)
        assert kinds == shop.kinds(number)  # once is enough


@on_virtual_time
async def test_a_cancel_while_a_token_is_asked_for_hands_nobody_over() -> None:
    async with Shop("saman") as shop:
        number = await shop.create()
        arriving = asyncio.gather(shop.engine.cashier.arrive(number))
        await shop.until_sent(Operation.START)
        await shop.engine.cashier.cancel(number)
        assert Status.CANCELLED is shop.status(number)
        (view,) = await arriving
        assert isinstance(view, Back)


@every_driver
@on_virtual_time
async def test_a_cancel_after_the_payment_changes_nothing(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        await shop.pay(number)
        await shop.engine.cashier.cancel(number)
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)


@every_driver
@on_virtual_time
async def test_a_cancel_while_the_verify_is_out_is_reversed_or_stays_paid(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        coming = asyncio.gather(shop.come_back(back))
        await shop.until_sent(Operation.VERIFY)
        payment = await shop.engine.cashier.cancel(number)
        assert payment is not None
        assert Status.PROCESSING is shop.status(number)
        await coming
        await shop.rest()
        session = shop.session(number)
        if driver != "sadad":  # which never reverses
            assert shop.status(number) in {Status.REVERSED, Status.CANCELLED}
            assert session.reversed or session.refunded == session.amount
        else:
            assert Status.PAID is shop.status(number)
            assert State.VERIFIED is session.state
            assert shop.payment(number).reviews
        shop.assert_settled(number)
        await shop.wait(HOUR)
        shop.assert_finished(number)


@on_virtual_time
async def test_a_customer_who_comes_while_the_bank_is_asked_waits() -> None:
    async with Shop("saman", "mellat") as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        shop.fault(Kind.HANG, Operation.VERIFY)
        view = await shop.come_back(back)
        assert isinstance(view, Back)
        assert Status.PROCESSING is shop.status(number)
        for call in (shop.engine.cashier.arrive, shop.engine.cashier.try_another):
            assert isinstance(await call(number), Wait)
        assert isinstance(await shop.engine.cashier.give_up(number), Back)
        assert Status.PROCESSING is shop.status(number)
        shop.mend()
        await shop.wait(60)
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)
