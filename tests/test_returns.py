"""What browsers bring back: repeated, late, from two tabs, garbled and forged; only the bank's word makes it paid."""

import asyncio

import pytest

from gatewayd.core.states import State
from gatewayd.core.status import Money, Status, money_of, returns_by_ms
from gatewayd.core.terms import Operation
from gatewayd.engine.views import Back, Choice, Offer, View
from gatewayd.simulator.bank import State as AtBank
from gatewayd.simulator.faults import Kind
from gatewayd.simulator.payers import Outcome
from tests.shop import Shop, on_virtual_time
from tests.stage import DRIVERS

HOUR = 3_600.0
every_driver = pytest.mark.parametrize("driver", DRIVERS)
TOKEN_FIELDS = {
    "saman": "Token",
    "mellat": "RefId",
    "parsian": "Token",
    "sadad": "Token",
    "zarinpal": "Authority",
    "zibal": "trackId",
}
ORDER_FIELDS = {
    "saman": "ResNum",
    "mellat": "SaleOrderId",
    "parsian": "OrderId",
    "sadad": "OrderId",
    "zibal": "orderId",
}
AMOUNT_FIELDS = {"saman": "Amount", "mellat": "FinalAmount", "parsian": "Amount"}
TERMINAL_FIELDS = {"saman": "TerminalId"}
REFERENCE_FIELDS = {"saman": "RefNum", "mellat": "SaleReferenceId"}


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
        assert Status.FAILED is shop.status(number)


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
        assert isinstance(view, Back)
        assert Status.CANCELLED is shop.status(number)
        await shop.wait(3 * HOUR)
        assert Status.CANCELLED is shop.status(number)
        session = shop.session(number)
        assert session.reversed or session.refunded == session.amount
        shop.assert_settled(number)
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


@pytest.mark.parametrize("driver", ["saman", "mellat"])
@on_virtual_time
async def test_one_reference_pays_for_one_payment(driver: str) -> None:
    """A payer takes the reference of a first payment to a second one of the same amount."""
    async with Shop(driver) as shop:
        first = await shop.create()
        paid = shop.go(await shop.arrive(first))
        await shop.come_back(paid)
        second = await shop.create()
        other = shop.go(await shop.arrive(second), Outcome.CANCEL)
        assert paid is not None
        assert other is not None
        shop.forget_calls()
        order = shop.payment(second).attempts[0].bank_order
        token = shop.payment(second).attempts[0].token
        await shop.come_back(
            other,
            **{
                **paid.fields,
                ORDER_FIELDS[driver]: str(order),
                TOKEN_FIELDS[driver]: token if TOKEN_FIELDS[driver] in paid.fields else None,
            },
        )
        await shop.wait(60)
        assert 0 == shop.calls(Operation.VERIFY)
        assert ["a return brought the reference that", f"pay_{first}"] == [
            shop.payment(second).reviews[0][:35],
            shop.payment(second).reviews[0].split()[6],
        ]
        await shop.wait(3 * HOUR)
        assert shop.status(second) in {Status.FAILED, Status.EXPIRED}
        assert Status.PAID is shop.status(first)
        shop.assert_settled(first)
        shop.assert_settled(second)


@pytest.mark.parametrize("driver", ["saman", "mellat"])
@on_virtual_time
async def test_a_reference_that_another_payment_holds_is_waited_for(driver: str) -> None:
    """A thief brings it first. Mellat's verify names the order, so he gets his no and the owner is paid.

    Saman's does not: one of the two is paid by it, and the other comes before a person.
    """
    async with Shop(driver) as shop:
        owners, thiefs = await shop.create(), await shop.create()
        paid = shop.go(await shop.arrive(owners))
        other = shop.go(await shop.arrive(thiefs), Outcome.CANCEL)
        assert paid is not None
        shop.fault(Kind.HANG, Operation.VERIFY)
        attempt = shop.payment(thiefs).attempts[0]
        stolen = {
            **paid.fields,
            ORDER_FIELDS[driver]: str(attempt.bank_order),
            TOKEN_FIELDS[driver]: attempt.token if TOKEN_FIELDS[driver] in paid.fields else None,
        }
        await shop.come_back(other, **stolen)
        writes = shop.writes
        await shop.come_back(paid)
        assert shop.writes - writes < 30  # it looks again every three seconds, not all the time
        assert "VerifyRequested" in shop.kinds(thiefs)
        assert "Returned" == shop.kinds(owners)[-1]
        assert State.IN_DOUBT is shop.payment(owners).attempts[0].state
        shop.mend()
        await shop.wait(3 * HOUR)
        if driver == "mellat":
            assert Status.PAID is shop.status(owners)
            assert Status.FAILED is shop.status(thiefs)
            shop.assert_settled(owners)
            shop.assert_settled(thiefs)
        else:
            assert Status.PAID is shop.status(thiefs)
            assert Status.FAILED is shop.status(owners)
            assert shop.payment(owners).reviews


# --- garbled and forged


@every_driver
@on_virtual_time
async def test_an_empty_return_does_not_shut_out_the_genuine_one(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        handover = await shop.arrive(number)
        empty = shop.go(handover)
        assert empty is not None
        view = await shop.come_back(empty, **dict.fromkeys(empty.fields))
        assert isinstance(view, Back | Choice)
        await shop.come_back(empty)
        await shop.wait(60)
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)


@every_driver
@on_virtual_time
async def test_an_empty_return_of_an_unpaid_payment_is_never_paid(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number), Outcome.DECLINE)
        assert back is not None
        await shop.come_back(back, **dict.fromkeys(back.fields))
        await shop.wait(3 * HOUR)
        assert shop.status(number) in {Status.FAILED, Status.EXPIRED, Status.CANCELLED}
        shop.assert_settled(number)
        shop.assert_finished(number)


def says_paid(shop: Shop, driver: str) -> dict[str, str]:
    """What the browser of a payer who paid brings, but for what names the payment."""
    return {
        "saman": {"State": "OK", "Status": "2", "RefNum": "madeUpRefNum123"},
        "mellat": {"ResCode": "0", "SaleReferenceId": "123456789012"},
        "parsian": {"status": "0", "RRN": "123456789012"},
        "sadad": {"ResCode": "0"},
        "zarinpal": {"Status": "OK"},
        "zibal": {"success": "1", "status": "2"},
    }[driver]


@every_driver
@pytest.mark.parametrize("outcome", [Outcome.DECLINE, Outcome.CANCEL])
@on_virtual_time
async def test_a_return_that_lies_about_being_paid_is_never_paid(
    driver: str, outcome: Outcome
) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number), outcome)
        view = await shop.come_back(back, **says_paid(shop, driver))
        assert not isinstance(view, Offer)
        assert Status.PAID is not shop.status(number)
        await shop.wait(3 * HOUR)
        assert shop.status(number) in {Status.FAILED, Status.EXPIRED, Status.CANCELLED}
        shop.assert_settled(number)
        shop.assert_finished(number)


async def forged(shop: Shop, driver: str, fields: dict[str, str]) -> tuple[int, View]:
    """A payer who has not paid brings a return that says paid, with these fields wrong."""
    number = await shop.create()
    handover = await shop.arrive(number)
    attempt = handover.attempt
    right = {TOKEN_FIELDS[driver]: attempt.token}
    if driver in ORDER_FIELDS:
        right[ORDER_FIELDS[driver]] = str(attempt.bank_order)
    said = {
        name: value
        for name, value in {**says_paid(shop, driver), **right, **fields}.items()
        if value is not None
    }
    return number, await shop.engine.cashier.returned(number, 1, said)


@pytest.mark.parametrize(
    ("driver", "field"),
    [
        pair
        for fields in (TOKEN_FIELDS, ORDER_FIELDS, AMOUNT_FIELDS, TERMINAL_FIELDS)
        for pair in fields.items()
    ],
)
@on_virtual_time
async def test_a_return_that_does_not_fit_its_attempt_asks_no_bank_and_shuts_nobody_out(
    driver: str, field: str
) -> None:
    async with Shop(driver) as shop:
        number, view = await forged(shop, driver, {field: "987654321"})
        assert isinstance(view, Choice)
        assert 0 == shop.calls(Operation.VERIFY)
        assert Status.PENDING is shop.status(number)
        assert 1 == len(shop.payment(number).reviews)
        handover = await shop.arrive(number)
        await shop.come_back(shop.go(handover))
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)


@every_driver
@on_virtual_time
async def test_another_orders_token_is_foreign(driver: str) -> None:
    """One pays for one order and brings its return to another of the same amount."""
    async with Shop(driver) as shop:
        mine, other = await shop.create(), await shop.create()
        paid = shop.go(await shop.arrive(mine))
        assert paid is not None
        await shop.arrive(other)
        await shop.engine.cashier.returned(other, 1, paid.fields)
        await shop.rest()
        assert Status.PAID is not shop.status(other)
        await shop.come_back(paid)
        assert Status.PAID is shop.status(mine)
        await shop.wait(3 * HOUR)
        assert Status.PAID is not shop.status(other)
        shop.assert_settled(mine)
        shop.assert_settled(other)


@pytest.mark.parametrize("driver", ["saman", "sadad", "zibal"])
@on_virtual_time
async def test_a_bank_that_took_another_amount_is_not_paid_and_gives_it_back(driver: str) -> None:
    """Where the bank's receipt says what it took; the others compare the amount themselves."""
    async with Shop(driver) as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        shop.session(number).amount -= 10_000
        await shop.come_back(back)
        await shop.wait(3 * HOUR)
        assert shop.status(number) in {Status.FAILED, Status.EXPIRED}
        assert shop.payment(number).reviews
        session = shop.session(number)
        assert session.reversed is (driver != "sadad")  # which takes nothing back
        shop.assert_finished(number)


@every_driver
@on_virtual_time
async def test_what_the_panel_verified_first_is_paid_where_the_token_binds_it(driver: str) -> None:
    async with Shop(driver, switches={"parsian": {"confirm_again": "-1533"}}) as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        session = shop.session(number)
        shop.banks.book.verify(session, shop.clock.wall())
        await shop.come_back(back)
        await shop.wait(3 * HOUR)
        if driver in {"sadad", "zarinpal", "zibal"}:
            assert Status.PAID is shop.status(number)
        else:
            assert Status.PAID is not shop.status(number)
            assert shop.payment(number).reviews
        shop.assert_settled(number)
