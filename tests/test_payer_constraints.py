"""Who may pay, and where the money goes: only banks that enforce it are asked, and what they name is compared."""

import pytest

from gatewayd.core.secret import Secret
from gatewayd.core.status import Money, Status, money_of, needs_review
from gatewayd.core.terms import Capture, Operation, Split
from gatewayd.engine.views import Back, NoGateway, Offer
from gatewayd.gateways.contract import Driver
from gatewayd.gateways.mellat import Mellat
from gatewayd.gateways.sadad import Sadad
from gatewayd.gateways.saman import Saman
from gatewayd.simulator.bank import State
from gatewayd.simulator.inprocess import open_page, returned
from gatewayd.simulator.payers import Decision, Outcome
from tests.shop import Shop, on_virtual_time
from tests.stage import NOWHERE, plain_drivers

HOUR = 3_600.0
CARD, OTHER = "6219861034529007", "5022291000005995"
STRANGERS = "6219861034529995"
IBAN = "IR710570029971601460641001"
NATIONAL_ID, MOBILE = "0012345679", "09121234567"
CHECKING: dict[str, Driver] = {
    "mellat": Mellat(
        terminal_id=7654321,
        username="shop01",
        password=Secret("12345678"),
        national_id_key=Secret("133457799BBCDFF1"),
        base_url=f"{NOWHERE}/mellat",
    ),
    "saman": Saman(
        terminal_id="13579246",
        card_lock=True,
        multi_settlement=True,
        base_url=f"{NOWHERE}/saman",
    ),
    "sadad": Sadad(
        merchant_id="000000140300001",
        terminal_id="Z9X8C7V6",
        key=Secret("ASNFZ4mrze/+3LqYdlQyEA8eLTxLWml4"),
        settlement_iban=IBAN,
        base_url=f"{NOWHERE}/sadad",
    ),
}
WISHES = {
    "national_id": {"payer": {"national_id": NATIONAL_ID}},
    "mobile": {"payer": {"mobile": MOBILE, "check_mobile": True}},
    "cards": {"payer": {"allowed_cards": [CARD, OTHER]}},
    "one card": {"payer": {"allowed_cards": [CARD]}},
}
ENFORCING = {
    "national_id": {"mellat", "sadad", "zibal"},
    "mobile": {"sadad", "zibal"},
    "cards": {"saman", "zibal"},
    "one card": {"saman", "zarinpal", "zibal"},
    "splits": {"saman", "sadad", "zarinpal", "zibal"},
}


def pays_with(shop: Shop, number: int, card: str) -> dict[str, str] | None:
    """The payer types this card at the bank; what the browser brings back."""
    attempt = shop.payment(number).attempts[-1]
    assert attempt.redirect is not None
    now = shop.clock.wall()
    session = open_page(shop.banks, attempt.redirect, now)
    back = returned(shop.banks.act(session, Decision(outcome=Outcome.PAID), now, card=card))  # type: ignore[arg-type]
    return None if back is None else dict(back.fields)


@pytest.mark.parametrize("wish", ENFORCING)
@on_virtual_time
async def test_a_wish_is_routed_only_to_banks_that_enforce_it(wish: str) -> None:
    async with Shop(drivers=CHECKING) as shop:
        met = set()
        for _ in range(60):
            if wish == "splits":
                number = await shop.create(splits=(Split(iban=IBAN, amount=50_000),))
            else:
                number = await shop.create(private=WISHES[wish])
            met.add((await shop.arrive(number)).attempt.gateway)
        assert ENFORCING[wish] == met


@pytest.mark.parametrize("wish", WISHES)
@on_virtual_time
async def test_where_no_bank_enforces_it_no_payment_begins(wish: str) -> None:
    async with Shop("parsian", drivers=plain_drivers()) as shop:
        number = await shop.create(private=WISHES[wish])
        assert isinstance(await shop.engine.cashier.arrive(number), NoGateway)
        assert 0 == shop.calls(Operation.START)


@pytest.mark.parametrize(
    ("wish", "driver"),
    [(wish, driver) for wish in WISHES for driver in sorted(ENFORCING[wish])],
)
@on_virtual_time
async def test_the_simulated_bank_enforces_it(wish: str, driver: str) -> None:
    async with Shop(driver, drivers=CHECKING) as shop:
        number = await shop.create(private=WISHES[wish])
        await shop.arrive(number)
        wrong = pays_with(shop, number, STRANGERS)
        assert State.DECLINED is shop.session(number).state
        assert wrong is not None
        place = number, shop.payment(number).attempts[-1].number
        view = await shop.engine.cashier.returned(*place, wrong)
        assert isinstance(view, Back | Offer)
        again = await shop.create(private=WISHES[wish])
        await shop.arrive(again)
        right = pays_with(shop, again, CARD)
        assert right is not None
        await shop.engine.cashier.returned(again, 1, right)
        assert Status.PAID is shop.status(again)


@pytest.mark.parametrize("driver", ["saman", "zarinpal", "zibal"])
@on_virtual_time
async def test_money_from_another_card_is_given_back_and_never_kept(driver: str) -> None:
    """Also where the bank let it pass: here it says afterwards that another card has paid."""
    async with Shop(driver, drivers={"saman": CHECKING["saman"]}) as shop:
        number = await shop.create(private=WISHES["one card"])
        await shop.arrive(number)
        fields = pays_with(shop, number, CARD)
        assert fields is not None
        shop.session(number).card = OTHER
        await shop.engine.cashier.returned(number, 1, fields)
        await shop.wait(6 * HOUR)
        payment = shop.payment(number)
        assert Status.PAID is not shop.status(number)
        assert payment.captured_ms is None
        assert needs_review(payment)
        assert "verified, but the card differs" in payment.reviews
        assert Money.RETURNED is money_of(payment)
        session = shop.session(number)
        assert session.state is State.REVERSED or session.refunded == session.amount
        shop.assert_settled(number)


@on_virtual_time
async def test_a_capture_of_money_from_another_card_is_given_back() -> None:
    async with Shop("zibal") as shop:
        number = await shop.create(private=WISHES["one card"], capture=Capture.MANUAL)
        await shop.arrive(number)
        fields = pays_with(shop, number, CARD)
        assert fields is not None
        await shop.engine.cashier.returned(number, 1, fields)
        assert Status.AUTHORIZED is shop.status(number)
        shop.session(number).card = OTHER
        await shop.engine.capturing.capture(number)
        await shop.wait(6 * HOUR)
        assert Status.FAILED is shop.status(number)
        kinds = shop.kinds(number)
        assert "Mismatched" in kinds
        assert "Verified" not in kinds
        shop.assert_settled(number)


@pytest.mark.parametrize("driver", sorted(ENFORCING["splits"]))
@on_virtual_time
async def test_a_payment_in_parts_is_paid(driver: str) -> None:
    async with Shop(driver, drivers=CHECKING) as shop:
        splits = (Split(iban=IBAN, amount=50_000), Split(iban=IBAN, amount=20_000))
        number = await shop.create(splits=splits)
        await shop.pay(number)
        assert Status.PAID is shop.status(number)
