"""Where a sale stands decides what simulated Mellat answers: its table of states, and its windows."""

from collections.abc import Callable
from typing import Any

import pytest

from gatewayd.core.secret import Secret
from gatewayd.core.terms import (
    Claim,
    CodeClass,
    Finding,
    GivenBack,
    Inquiry,
    Order,
    Receipt,
    Redirect,
    Refusal,
)
from gatewayd.gateways.mellat import Mellat as Driver
from gatewayd.simulator.bank import Session, State
from tests.banks import CALLBACK, MORNING
from tests.mellat_bank import Mellat, sold
from tests.soap_bank import CANCELLED

HOUR = 3600.0


def requested(bank: Mellat) -> Session:
    return bank.find(bank.start())


def cancelled(bank: Mellat) -> Session:
    token = bank.start()
    bank.act(token, CANCELLED)
    return bank.find(token)


def verified(bank: Mellat) -> Session:
    session = sold(bank)
    assert bank.about("bpVerifyRequest", session) == "0"
    return session


def settled(bank: Mellat) -> Session:
    session = verified(bank)
    assert bank.about("bpSettleRequest", session) == "0"
    return session


def reversed_by_us(bank: Mellat) -> Session:
    session = verified(bank)
    assert bank.about("bpReversalRequest", session) == "0"
    return session


def reversed_by_itself(bank: Mellat) -> Session:
    session = sold(bank)
    bank.now += 20 * 60 + 1
    return bank.find(session.token)


STATES: dict[str, Callable[[Mellat], Session]] = {
    "requested": requested,
    "cancelled": cancelled,
    "sold": sold,
    "verified": verified,
    "settled": settled,
    "reversed_by_us": reversed_by_us,
    "reversed_by_itself": reversed_by_itself,
}
TABLE = {
    "bpVerifyRequest": ("42", "42", "0", "43", "43", "48", "48"),
    "bpSettleRequest": ("42", "42", "44", "0", "45", "48", "48"),
    "bpVerifySettleRequest": ("42", "42", "0", "43", "45", "48", "48"),
    "bpInquiryRequest": ("42", "42", "44", "0", "45", "48", "48"),
    "bpReversalRequest": ("42", "42", "44", "0", "45", "48", "48"),
    "bpRefundRequest": ("42", "42", "46", "46", "0", "48", "48"),
}
"""The answers in the order of `STATES`."""


@pytest.mark.parametrize(
    ("operation", "state", "code"),
    [
        (operation, state, code)
        for operation, codes in TABLE.items()
        for state, code in zip(STATES, codes, strict=True)
    ],
)
def test_the_table_of_states(operation: str, state: str, code: str) -> None:
    bank = Mellat()
    session = STATES[state](bank)
    more = {"refundAmount": "1000"} if operation == "bpRefundRequest" else {}
    before, answer = session.state, bank.about(operation, session, **more)
    assert code == answer.partition(",")[0]
    if code != "0" and operation != "bpVerifySettleRequest":
        assert before is session.state


def test_repeats_change_nothing() -> None:
    bank = Mellat()
    session = sold(bank)
    answers = [bank.about("bpVerifyRequest", session) for _ in range(3)]
    answers += [bank.about("bpSettleRequest", session) for _ in range(3)]
    assert ["0", "43", "43", "0", "45", "45"] == answers


@pytest.mark.parametrize("state", [sold, verified])
def test_verify_and_settle_in_one_call_settles(state: Callable[[Mellat], Session]) -> None:
    bank = Mellat()
    session = state(bank)
    bank.about("bpVerifySettleRequest", session)
    assert (State.SETTLED, True) == (session.state, session.verified)


def test_the_bank_checks_the_pair_of_order_and_reference() -> None:
    bank = Mellat()
    cheap, dear = sold(bank, orderId="1"), sold(bank, orderId="2")
    assert bank.about("bpVerifyRequest", dear, saleReferenceId=cheap.ref_num) == "42"
    assert bank.about("bpVerifyRequest", dear, saleOrderId="1") == "42"
    other = {"terminalId": "7654322", "userName": "shop02", "userPassword": "abc"}
    assert bank.about("bpVerifyRequest", dear, **other) == "42"
    assert bank.about("bpVerifyRequest", dear, userPassword="guess") == "24"
    assert dear.state is State.PAID


def test_a_sale_s_own_number_may_be_any_number_of_a_call() -> None:
    bank = Mellat()
    session = sold(bank)
    assert bank.about("bpVerifyRequest", session, orderId="77") == "0"
    assert bank.about("bpSettleRequest", session, orderId="77") == "0"


@pytest.mark.parametrize(
    ("state", "answer"),
    [("requested", "42"), ("cancelled", "42"), ("sold", "0,{0}"), ("settled", "0,{0}")],
)
def test_a_lost_return_s_reference_can_be_asked_for(state: str, answer: str) -> None:
    bank = Mellat()
    session = STATES[state](bank)
    asked = bank.ask("bpSaleReferenceIdRequest", orderId="9", saleOrderId=session.order)
    assert answer.format(session.ref_num) == asked


# --- windows


def test_an_unverified_sale_goes_back_after_twenty_minutes() -> None:
    bank = Mellat()
    session = sold(bank)
    bank.now += 20 * 60
    assert bank.about("bpInquiryRequest", session) == "44"
    bank.now += 1
    assert bank.about("bpVerifyRequest", session) == "48"
    assert (State.AUTO_REVERSED, True, False) == (session.state, session.reversed, session.verified)


def test_a_verified_sale_can_be_reversed_for_three_hours_from_the_verify() -> None:
    bank = Mellat()
    session = sold(bank)
    bank.now += 19 * 60
    assert bank.about("bpVerifyRequest", session) == "0"
    bank.now += 3 * HOUR
    assert bank.about("bpReversalRequest", session) == "0"
    assert (State.REVERSED, True) == (session.state, session.reversed)


@pytest.mark.parametrize(
    ("unsettled", "settle", "state"),
    [("settle", "45", State.SETTLED), ("reverse", "48", State.AUTO_REVERSED)],
)
def test_what_is_never_settled_ends_after_three_hours_as_the_switch_says(
    unsettled: str, settle: str, state: State
) -> None:
    bank = Mellat(unsettled=unsettled)
    session = verified(bank)
    bank.now += 3 * HOUR + 1
    assert settle == bank.about("bpSettleRequest", session)
    assert state is session.state
    assert session.reversed is (unsettled == "reverse")


def test_a_token_lives_fifteen_minutes() -> None:
    bank = Mellat()
    session = requested(bank)
    bank.now += 15 * 60 + 1
    assert not bank.banks.book.arrive(session, bank.now)
    assert "415" == bank.banks.dialects["mellat"].send_back(session, bank.now).fields["ResCode"]


# --- refunds


def test_refunds_are_partial_and_never_exceed_the_sale() -> None:
    bank = Mellat()
    session = settled(bank)

    def refund(order: str, amount: str) -> str:
        return bank.about("bpRefundRequest", session, orderId=order, refundAmount=amount)

    code, _, reference = refund("2000000001", "50000").partition(",")
    assert ("0", True) == (code, reference.isdecimal())
    assert refund("2000000001", "50000") == "41"
    assert refund("2000000002", "100001") == "19"
    assert refund("2000000003", "0") == "25"
    assert refund("2000000004", "100000").startswith("0,")
    assert refund("2000000005", "1") == "19"
    assert session.refunded == session.amount


@pytest.mark.parametrize("operation", ["bpRefundInquiryRequest", "bpRefundVerifyRequest"])
def test_a_refund_is_found_by_both_its_numbers(operation: str) -> None:
    bank = Mellat()
    session = settled(bank)
    answer = bank.about("bpRefundRequest", session, orderId="2000000001", refundAmount="1000")
    found: dict[str, Any] = {
        "orderId": "3",
        "refundOrderId": "2000000001",
        "refundReferenceId": answer.partition(",")[2],
    }
    assert bank.ask(operation, **found) == "0"
    assert bank.ask(operation, **(found | {"refundOrderId": "2000000002"})) == "49"
    assert bank.ask(operation, **(found | {"refundReferenceId": "1"})) == "49"


# --- the driver against it

DRIVER = Driver(
    terminal_id=7654321,
    username="shop01",
    password=Secret("12345678"),
    base_url="http://bank.example/mellat",
)
ORDER = Order(bank_order=42, amount=150_000, callback_url=CALLBACK, made_at=MORNING)


def paid(bank: Mellat) -> tuple[str, Claim, Receipt]:
    """What the driver holds when the payer has paid and come back."""
    redirect = bank.run(DRIVER.start(ORDER))
    assert isinstance(redirect, Redirect)
    assert bank.find(redirect.token) is bank.open_page(redirect)
    claim = DRIVER.read_return(bank.act(redirect.token).fields)
    return redirect.token, claim, Receipt(ref_num=claim.reference)


def test_the_driver_takes_a_payment_and_refunds_a_part() -> None:
    bank = Mellat()
    token, claim, receipt = paid(bank)
    assert (CodeClass.OK, token, 42, 150_000) == (
        claim.outcome,
        claim.token,
        claim.bank_order,
        claim.amount,
    )
    assert receipt == bank.run(DRIVER.verify(ORDER, token, claim))
    found = Inquiry(finding=Finding.VERIFIED, receipt=receipt, reference=claim.reference)
    assert found == bank.run(DRIVER.inquire(ORDER, token, claim))
    assert receipt == bank.run(DRIVER.settle(ORDER, token, receipt))
    refused = bank.run(DRIVER.reverse(ORDER, token, receipt))
    assert Refusal(cause=CodeClass.UNKNOWN, code="45") == refused
    given = bank.run(DRIVER.refund(ORDER, token, receipt, 50_000, 77))
    assert isinstance(given, GivenBack)
    assert given == bank.run(DRIVER.inquire_refund(ORDER, token, receipt, 50_000, 77, given))
    assert (State.SETTLED, 50_000) == (bank.find(token).state, bank.find(token).refunded)


def test_the_driver_s_repeats_say_already() -> None:
    bank = Mellat()
    token, claim, receipt = paid(bank)
    for flow in (DRIVER.verify(ORDER, token, claim), DRIVER.settle(ORDER, token, receipt)):
        assert receipt == bank.run(flow)
    for again in (DRIVER.verify(ORDER, token, claim), DRIVER.settle(ORDER, token, receipt)):
        outcome = bank.run(again)
        assert isinstance(outcome, Receipt)
        assert outcome.already


def test_the_driver_gives_a_verified_payment_back() -> None:
    bank = Mellat()
    token, claim, receipt = paid(bank)
    assert receipt == bank.run(DRIVER.verify(ORDER, token, claim))
    assert GivenBack() == bank.run(DRIVER.reverse(ORDER, token, receipt))
    assert GivenBack(already=True) == bank.run(DRIVER.reverse(ORDER, token, receipt))
    refused = Refusal(cause=CodeClass.NOT_PAID, code="48")
    assert refused == bank.run(DRIVER.verify(ORDER, token, claim))
    assert refused == bank.run(DRIVER.settle(ORDER, token, receipt))
    assert bank.find(token).reversed
