"""What a payment is called outside, where its money is, and by when it is back."""

import pytest

from gatewayd.core import events as ev
from gatewayd.core.payment import Payment, apply
from gatewayd.core.states import State
from gatewayd.core.status import (
    Money,
    Status,
    last_no,
    money_of,
    money_of_attempt,
    returns_by_ms,
    status_of,
)
from tests.histories import (
    CANCELLED,
    DAYS_LATER,
    SECOND,
    T0,
    begun,
    created,
    further,
    in_state,
    life,
    only,
)

AT = T0 + 60 * SECOND
ASKED = ("Started", "Returned:claim", "VerifyRequested:keep")
KEPT = (*ASKED, "Verified")
STOP = ev.CancelRequested(at_ms=AT)


def close(why: ev.Closing) -> ev.Closed:
    return ev.Closed(at_ms=AT, why=why)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((), Status.PENDING),
        (("Started",), Status.PENDING),
        (("Started", "Returned:no"), Status.PENDING),
        (("Started", "Returned:claim"), Status.PROCESSING),
        (ASKED, Status.PROCESSING),
        ((*ASKED, "VerifyLost"), Status.PROCESSING),
        ((*ASKED, "VerifyRefused"), Status.PENDING),
        (KEPT, Status.PAID),
        ((*KEPT, "ReverseRequested"), Status.PAID),
        ((*KEPT, "ReverseRequested", "Reversed"), Status.REVERSED),
        ((*ASKED, "Mismatched"), Status.PENDING),
        ((*ASKED, STOP), Status.PROCESSING),
        ((*ASKED, STOP, "Verified"), Status.PROCESSING),
        ((*ASKED, STOP, "Verified", ev.CancelRefused(at_ms=AT)), Status.PAID),
        ((*ASKED, STOP, "Verified", "ReverseRequested", "Reversed"), Status.REVERSED),
        (("Started", "Lapsed"), Status.PENDING),
    ],
)
def test_the_status_of_a_payment_with_one_attempt(
    steps: tuple[str | ev.Event, ...], expected: Status
) -> None:
    assert expected is status_of(life(*steps))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((), Status.PROCESSING),
        (("SettleRequested",), Status.PROCESSING),
        (("SettleRequested", "SettleLost"), Status.PROCESSING),
        (("SettleRequested", "Settled"), Status.PAID),
        (("SettleRequested", "SettleRefused"), Status.PENDING),
    ],
)
def test_where_the_bank_settles_paid_is_said_after_that(
    steps: tuple[str, ...], expected: Status
) -> None:
    assert expected is status_of(life(*KEPT, *steps, settles=True))


@pytest.mark.parametrize(
    ("why", "expected"),
    [
        (ev.Closing.CANCELLED_BY_PAYER, Status.CANCELLED),
        (ev.Closing.CANCELLED_BY_SHOP, Status.CANCELLED),
        (ev.Closing.GIVEN_UP, Status.FAILED),
        (ev.Closing.FAILED, Status.FAILED),
        (ev.Closing.EXPIRED, Status.EXPIRED),
    ],
)
def test_a_closed_payment_says_why_whatever_comes_back_afterwards(
    why: ev.Closing, expected: Status
) -> None:
    payment = life("Started", close(why))
    assert expected is status_of(payment)
    assert expected is status_of(further(payment, "Returned:claim"))


def test_an_authorized_payment_does_not_exist_without_manual_capture() -> None:
    reachable = {
        status_of(in_state(state, settles=settles)) for state in State for settles in (True, False)
    }
    assert Status.AUTHORIZED not in reachable


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((), Money.NONE),
        (("StartLost",), Money.NONE),
        (("Started",), Money.NONE),
        (("Started", "Returned:claim"), Money.UNKNOWN),
        (("Started", "Asked:paid"), Money.UNKNOWN),
        (ASKED, Money.UNKNOWN),
        (KEPT, Money.OURS),
        ((*KEPT, "ReverseRequested"), Money.RETURNING),
        ((*KEPT, "ReverseRequested", "Reversed"), Money.RETURNED),
        ((*ASKED, "Mismatched"), Money.RETURNING),
        ((*ASKED, "Mismatched:already"), Money.UNKNOWN),
        (("Started", "Lapsed"), Money.UNKNOWN),
        (("Started", "Returned:no", "Lapsed"), Money.NONE),
        (("Started", "Returned:claim", "Lapsed"), Money.RETURNING),
    ],
)
def test_where_the_money_of_an_attempt_is(steps: tuple[str, ...], expected: Money) -> None:
    assert expected is money_of_attempt(only(life(*steps)))


def test_what_the_bank_says_is_paid_and_nobody_asked_for_is_at_the_bank() -> None:
    found = in_state(State.IN_DOUBT, doubt_ms=T0)
    assert Money.AT_BANK is money_of(found)


def two(first: tuple[str, ...], second: tuple[str, ...]) -> Payment:
    payment = apply(life("Started"), begun(AT, 2))
    payment = further(payment, "Started", *second, attempt=2)
    return further(payment, *first)


def test_the_money_of_a_payment_is_the_kept_attempts() -> None:
    payment = two(("Returned:claim",), ("Returned:claim", "VerifyRequested:keep", "Verified"))
    assert Money.OURS is money_of(payment)
    assert returns_by_ms(further(payment, "Lapsed")) is None


def test_else_it_is_the_least_certain_of_all() -> None:
    assert Money.UNKNOWN is money_of(two(("Returned:claim",), ("Returned:no",)))
    assert Money.RETURNING is money_of(two(("Returned:claim", "Lapsed"), ("Returned:no",)))
    assert Money.NONE is money_of(two((), ("Returned:no",)))
    assert Money.NONE is money_of(apply(None, created(), number=1))


def test_money_that_goes_back_says_by_when() -> None:
    assert DAYS_LATER == returns_by_ms(life("Started", "Returned:claim", "Lapsed"))
    assert DAYS_LATER == returns_by_ms(life(*KEPT, "ReverseRequested", "Reversed"))


def test_where_no_money_is_missing_nothing_is_to_come_back() -> None:
    assert returns_by_ms(life("Started")) is None
    assert returns_by_ms(life("Started", "Returned:no", "Lapsed")) is None
    assert returns_by_ms(life(*KEPT)) is None


def test_the_last_no_is_that_of_the_latest_attempt_with_its_payer() -> None:
    declined = life("Started", "Returned:no")
    assert only(declined) == last_no(declined)
    assert last_no(life("Started")) is None
    assert last_no(life("StartLost")) is None
    assert last_no(apply(declined, begun(AT, 2))) is None
    cancelled = life("Started", CANCELLED(AT, 1))
    assert only(cancelled) == last_no(cancelled)
