"""Returns that lie: another's reference, token, order or amount, or nothing at all; none of them is ever paid."""

import pytest

from gatewayd.core.states import State
from gatewayd.core.status import Status
from gatewayd.core.terms import Operation
from gatewayd.engine.views import Back, Choice, View
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
        await shop.come_back(back, **says_paid(shop, driver))
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
        assert [f"pay_{number}"] == [line["payment"] for line in shop.log.of("review raised")]
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
