"""What the comparison of journal and banks' book says of every case, the worst ones first."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core import events as ev
from gatewayd.core.money import Currency
from gatewayd.core.payment import Attempt, Payment
from gatewayd.core.plan import BANKS_RETURN_MS
from gatewayd.core.refunds import Refund, RefundState
from gatewayd.core.states import State
from gatewayd.core.status import Status
from gatewayd.core.terms import Redirect
from gatewayd.demo.compare import REASONS, Fault, Finding, Place, Sum, compare
from gatewayd.gateways.contract import Driver
from tests.stage import plain_drivers

DRIVERS: Mapping[str, Driver] = plain_drivers()
AMOUNT = 1_500_000
NOW_MS = 1_750_000_000_000
NUMBER = 172_163_200_000


def attempt(state: State, gateway: str = "saman", number: int = 1, **more: Any) -> Attempt:
    """An attempt that has a token, unless its state says that it got none."""
    redirect = Redirect(token=f"token{number}", url="https://bank.example/pay", method="get")
    started = state not in {State.STARTING, State.NOT_STARTED}
    fields: dict[str, Any] = {
        "number": number,
        "gateway": gateway,
        "bank_order": 7_000 + number,
        "settles": gateway == "mellat",
        "state": state,
        "began_ms": NOW_MS,
        "changed_ms": NOW_MS,
        "redirect": redirect if started else None,
        "handed_ms": NOW_MS if started else None,
    }
    return Attempt(**fields | more)


def payment(*attempts: Attempt, **more: Any) -> Payment:
    """A payment with these attempts."""
    fields: dict[str, Any] = {
        "number": NUMBER,
        "shop": "demo",
        "key": "demo",
        "test": True,
        "order_id": "A1",
        "amount": AMOUNT,
        "currency": Currency.IRR,
        "return_url": "https://shop.example/",
        "locale": "fa",
        "created_ms": NOW_MS,
        "expires_ms": NOW_MS + 1_200_000,
        "attempts": attempts,
    }
    return Payment(**fields | more)


def row(state: str, driver: str = "saman", number: int = 1, **more: Any) -> dict[str, Any]:
    """The bank's session of that attempt."""
    return {
        "driver": driver,
        "terminal": "1",
        "token": f"token{number}",
        "order": 7_000 + number,
        "amount": AMOUNT,
        "state": state,
        "verified": state in {"verified", "settled"},
        "reversed": state in {"reversed", "auto_reversed"},
        "refunded": 0,
        "created_at": NOW_MS / 1000,
        **more,
    }


def only(*attempts: Attempt, ledger: list[dict[str, Any]], **more: Any) -> Finding | None:
    """The one finding about one payment; None where there is none."""
    found = compare([payment(*attempts, **more)], ledger, DRIVERS).findings
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    ("state", "gateway", "bank", "fault"),
    [
        (State.WITH_PAYER, "saman", "verified", Fault.TAKEN_NOT_PAID),
        (State.LAPSED, "sadad", "verified", Fault.TAKEN_NOT_PAID),
        (State.GIVEN_BACK, "mellat", "settled", Fault.TAKEN_NOT_PAID),
        (State.NOT_STARTED, "saman", "verified", Fault.TAKEN_NOT_PAID),
        (State.VERIFIED, "saman", "paid", Fault.PAID_NOT_TAKEN),
        (State.VERIFIED, "saman", "declined", Fault.PAID_NOT_TAKEN),
        (State.VERIFIED, "saman", "created", Fault.PAID_NOT_TAKEN),
        (State.SETTLED, "mellat", "verified", Fault.PAID_NOT_TAKEN),
        (State.SETTLED, "mellat", "expired", Fault.PAID_NOT_TAKEN),
        (State.SETTLING, "mellat", "with_payer", Fault.PAID_NOT_TAKEN),
        (State.VERIFIED, "saman", "auto_reversed", Fault.PAID_AND_RETURNED),
        (State.SETTLED, "mellat", "reversed", Fault.PAID_AND_RETURNED),
        (State.LAPSED, "zarinpal", "paid", Fault.HELD_AND_FORGOTTEN),
        (State.GIVEN_BACK, "zarinpal", "paid", Fault.HELD_AND_FORGOTTEN),
    ],
)
def test_a_contradiction_is_found(state: State, gateway: str, bank: str, fault: Fault) -> None:
    finding = only(attempt(state, gateway), ledger=[row(bank, gateway)])
    assert finding is not None
    assert (Place.UNACCOUNTED, fault) == (finding.place, finding.fault)
    assert (NUMBER, AMOUNT, REASONS[fault]) == (finding.payment, finding.amount, finding.why)


@pytest.mark.parametrize(
    ("state", "gateway", "bank", "place"),
    [
        (State.VERIFIED, "saman", "verified", Place.KEPT),
        (State.SETTLED, "mellat", "settled", Place.KEPT),
        (State.LAPSED, "saman", "auto_reversed", Place.RETURNED),
        (State.GIVEN_BACK, "zarinpal", "reversed", Place.RETURNED),
        (State.WITH_PAYER, "saman", "paid", Place.RETURNING),
        (State.LAPSED, "mellat", "paid", Place.RETURNING),
        (State.WITH_PAYER, "parsian", "paid", Place.TO_BE_ASKED),
        (State.WITH_PAYER, "zarinpal", "paid", Place.TO_BE_ASKED),
        (State.IN_DOUBT, "saman", "paid", Place.IN_DOUBT),
        (State.VERIFYING, "saman", "verified", Place.IN_DOUBT),
        (State.VERIFIED, "mellat", "verified", Place.IN_DOUBT),
        (State.SETTLING, "mellat", "settled", Place.IN_DOUBT),
        (State.SETTLING, "mellat", "auto_reversed", Place.IN_DOUBT),
        (State.OWED, "zarinpal", "verified", Place.IN_DOUBT),
        (State.RETURNING, "zarinpal", "verified", Place.IN_DOUBT),
        (State.REVERSING, "saman", "verified", Place.IN_DOUBT),
        (State.IN_REVIEW, "zarinpal", "paid", Place.IN_REVIEW),
        (State.IN_REVIEW, "saman", "verified", Place.IN_REVIEW),
    ],
)
def test_money_has_its_place(state: State, gateway: str, bank: str, place: Place) -> None:
    finding = only(attempt(state, gateway), ledger=[row(bank, gateway)])
    assert finding is not None
    assert (place, None) == (finding.place, finding.fault)


@pytest.mark.parametrize("bank", ["created", "with_payer", "cancelled", "declined", "expired"])
@pytest.mark.parametrize("state", [State.WITH_PAYER, State.LAPSED, State.VERIFYING])
def test_where_no_money_was_taken_there_is_nothing_to_say(bank: str, state: State) -> None:
    assert only(attempt(state), ledger=[row(bank)]) is None


def test_a_second_taking_for_a_paid_payment_is_called_that() -> None:
    kept, other = attempt(State.VERIFIED), attempt(State.LAPSED, "sadad", 2)
    found = compare([payment(kept, other)], [row("verified"), row("verified", "sadad", 2)], DRIVERS)
    assert [Fault.TAKEN_TWICE] == [each.fault for each in found.discrepancies]
    assert not found.settled


def test_money_of_a_closed_payment_is_given_back_by_the_bank_or_asked_for_where_it_is_held() -> (
    None
):
    closed = {"closed": ev.Closing.CANCELLED_BY_PAYER}
    parsian = only(attempt(State.WITH_PAYER, "parsian"), ledger=[row("paid", "parsian")], **closed)
    held = only(attempt(State.WITH_PAYER, "zarinpal"), ledger=[row("paid", "zarinpal")], **closed)
    assert parsian is not None
    assert held is not None
    assert (Place.RETURNING, Place.TO_BE_ASKED) == (parsian.place, held.place)


def test_what_goes_back_by_itself_has_a_time_with_and_without_the_journals_word() -> None:
    traits = DRIVERS["saman"].traits
    window_ms = (traits.token_life_seconds + traits.verify_within_seconds) * 1000
    absent = only(attempt(State.WITH_PAYER), ledger=[row("paid")])
    lapsed = only(attempt(State.LAPSED, returns_by_ms=NOW_MS + 5), ledger=[row("paid")])
    assert absent is not None
    assert lapsed is not None
    assert (NOW_MS + window_ms + BANKS_RETURN_MS, NOW_MS + 5) == (absent.by_ms, lapsed.by_ms)


def test_other_amounts_are_a_contradiction_in_both_directions() -> None:
    wrong = only(attempt(State.VERIFIED), ledger=[row("verified", amount=AMOUNT // 10)])
    refunded = only(attempt(State.VERIFIED), ledger=[row("verified", refunded=10_000)])
    assert wrong is not None
    assert refunded is not None
    assert (Fault.AMOUNT_DIFFERS, Fault.REFUND_DIFFERS) == (wrong.fault, refunded.fault)


def refund(state: RefundState, amount: int) -> Refund:
    return Refund(
        number=1,
        attempt=1,
        amount=amount,
        state=state,
        created_ms=NOW_MS,
        changed_ms=NOW_MS,
        key="k1",
    )


def test_refunds_that_both_know_are_taken_off_both_sums() -> None:
    found = compare(
        [payment(attempt(State.VERIFIED), refunds=(refund(RefundState.SUCCEEDED, 10_000),))],
        [row("verified", refunded=10_000)],
        DRIVERS,
    )
    assert found.settled
    assert (AMOUNT - 10_000, AMOUNT - 10_000) == (found.journal_rial, found.ledger_rial)


def test_money_that_was_given_back_by_a_refund_went_back() -> None:
    finding = only(
        attempt(State.GIVEN_BACK, "zibal"), ledger=[row("verified", "zibal", refunded=AMOUNT)]
    )
    assert finding is not None
    assert Place.RETURNED is finding.place


@pytest.mark.parametrize("bank", ["paid", "verified", "settled"])
def test_money_of_an_unknown_order_is_a_contradiction(bank: str) -> None:
    (finding,) = compare([], [row(bank, "mellat")], DRIVERS).discrepancies
    assert (Fault.UNKNOWN_TO_JOURNAL, "mellat") == (finding.fault, finding.gateway)


def test_an_unknown_session_without_money_is_nobodys_business() -> None:
    assert () == compare([], [row("created"), row("auto_reversed")], DRIVERS).findings


def test_money_under_a_token_that_no_payer_was_given_is_unknown_to_the_journal() -> None:
    found = compare(
        [payment(attempt(State.VERIFIED))],
        [row("verified"), row("verified", token="another")],
        DRIVERS,
    )
    assert [Fault.UNKNOWN_TO_JOURNAL] == [each.fault for each in found.discrepancies]


def test_a_token_that_the_bank_never_gave_is_a_contradiction() -> None:
    finding = only(attempt(State.WITH_PAYER), ledger=[])
    assert finding is not None
    assert Fault.UNKNOWN_TO_BANK is finding.fault


@pytest.mark.parametrize("state", [State.STARTING, State.NOT_STARTED])
def test_an_attempt_without_a_token_need_not_be_at_the_bank(state: State) -> None:
    assert only(attempt(state), ledger=[]) is None
    assert only(attempt(state), ledger=[row("created")]) is None


def test_sums_are_by_gateway_and_by_status() -> None:
    second = payment(
        attempt(State.SETTLED, "mellat", 2), number=NUMBER + 1, captured_ms=NOW_MS, amount=2_000_000
    )
    found = compare(
        [payment(attempt(State.VERIFIED), captured_ms=NOW_MS), second, payment(number=NUMBER + 2)],
        [row("verified"), row("settled", "mellat", 2, amount=2_000_000)],
        DRIVERS,
    )
    sums = {"saman": Sum(1, AMOUNT), "mellat": Sum(1, 2_000_000)}
    assert (sums, sums) == (found.journal, found.ledger)
    assert {
        Status.PAID: Sum(2, AMOUNT + 2_000_000),
        Status.PENDING: Sum(1, AMOUNT),
    } == found.statuses
    assert found.settled
    assert Sum(2, 2 * AMOUNT) != found.sum_at(Place.KEPT)


def test_two_gateways_of_one_driver_are_told_apart_by_the_order() -> None:
    drivers = {"a": DRIVERS["saman"], "b": DRIVERS["saman"]}
    found = compare(
        [payment(attempt(State.VERIFIED, "b"), captured_ms=NOW_MS)], [row("verified")], drivers
    )
    assert found.settled
    assert {"b": Sum(1, AMOUNT)} == found.ledger


def test_doubt_is_no_contradiction_but_not_settled_either() -> None:
    found = compare([payment(attempt(State.IN_DOUBT))], [row("paid")], DRIVERS)
    assert () == found.discrepancies
    assert not found.settled


STATES = st.sampled_from(State)
BANK_STATES = st.sampled_from(
    [
        "created",
        "with_payer",
        "cancelled",
        "declined",
        "paid",
        "verified",
        "settled",
        "reversed",
        "auto_reversed",
        "expired",
    ]
)


@given(state=STATES, bank=BANK_STATES, gateway=st.sampled_from(sorted(DRIVERS)))
def test_sums_never_differ_without_a_finding_that_says_why(
    state: State, bank: str, gateway: str
) -> None:
    found = compare([payment(attempt(state, gateway))], [row(bank, gateway)], DRIVERS)
    if found.journal_rial != found.ledger_rial:
        assert found.discrepancies or found.at(Place.IN_DOUBT) or found.at(Place.IN_REVIEW)
    money = bank in {"paid", "verified", "settled"}
    if money:
        assert 1 == len(found.findings)
