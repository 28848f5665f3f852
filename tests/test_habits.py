"""Who paid by a gateway before is offered it again, and nobody else learns of it."""

import orjson

from gatewayd.core.payment import Payment
from gatewayd.engine.habits import Habits
from tests.shop import Shop, on_virtual_time
from tests.stage import DRIVERS

MOBILE = "09123456789"


def why(shop: Shop, number: int) -> str:
    """Why the first gateway was drawn, as it is journaled."""
    rows = shop.store.read(number)
    found = next(orjson.loads(row.body) for row in rows if row.kind == "StartRequested")
    return str(found["reason"])


async def paid_by(shop: Shop, gateway: str, mobile: str = MOBILE) -> Payment:
    number = await shop.create(gateways=(gateway,), private={"payer": {"mobile": mobile}})
    await shop.pay(number)
    return shop.payment(number)


@on_virtual_time
async def test_a_returning_payer_is_offered_the_page_that_worked() -> None:
    async with Shop(*DRIVERS) as shop:
        await paid_by(shop, "sadad")
        number = await shop.create(private={"payer": {"mobile": MOBILE}})
        await shop.arrive(number)
        assert "favourite" == why(shop, number)
        stranger = await shop.create(private={"payer": {"mobile": "09120000000"}})
        await shop.arrive(stranger)
        assert "weights" == why(shop, stranger)
        nobody = await shop.create()
        await shop.arrive(nobody)
        assert "weights" == why(shop, nobody)


@on_virtual_time
async def test_no_mobile_is_kept_and_so_many_payers_at_most() -> None:
    async with Shop("sadad") as shop:
        payments = [await paid_by(shop, "sadad", f"0912345678{digit}") for digit in range(5)]
        habits = Habits(b"key", payers_max=3)
        for payment in payments:
            habits.paid(payment)
        assert ["", "", "sadad", "sadad", "sadad"] == [habits.favourite(each) for each in payments]
        assert 3 == len(habits)
        assert all(b"0912" not in digest for digest in habits._by_payer)
        assert "" == Habits(b"key").favourite(payments[0])
        other = Habits(b"another key")
        other.paid(payments[4])
        assert not set(other._by_payer) & set(habits._by_payer)
