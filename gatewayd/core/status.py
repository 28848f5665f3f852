"""What a payment is called outside: its public status, where its money is, and by when it is back.

The first status that fits holds, in the order of the rules below. `cancelled`, `failed` and `expired` are final, and so
is `paid` but for a reversal.
"""

from enum import StrEnum

from gatewayd.core.events import Closing
from gatewayd.core.payment import Attempt, Payment
from gatewayd.core.refunds import RefundState
from gatewayd.core.states import KEPT, UNKNOWN, State
from gatewayd.core.terms import Capture


class Status(StrEnum):
    """The public status of a payment."""

    PENDING = "pending"
    PROCESSING = "processing"
    AUTHORIZED = "authorized"
    PAID = "paid"
    REVERSED = "reversed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"


class Money(StrEnum):
    """Where the payer's money is, as far as we know."""

    UNKNOWN = "unknown"
    AT_BANK = "at_bank"
    OURS = "ours"
    RETURNING = "returning"
    RETURNED = "returned"
    NONE = "none"


FINAL = frozenset({Status.CANCELLED, Status.FAILED, Status.EXPIRED, Status.REVERSED})
HOLDS_ORDER = frozenset({Status.PENDING, Status.PROCESSING, Status.AUTHORIZED, Status.PAID})
"""While a payment is one of these, its order cannot be paid by another."""

_CLOSED = {
    Closing.CANCELLED_BY_PAYER: Status.CANCELLED,
    Closing.CANCELLED_BY_SHOP: Status.CANCELLED,
    Closing.GIVEN_UP: Status.FAILED,
    Closing.FAILED: Status.FAILED,
    Closing.EXPIRED: Status.EXPIRED,
    Closing.NOT_CAPTURED: Status.EXPIRED,
}
_MONEY_OF_STATE = {
    State.STARTING: Money.NONE,
    State.NOT_STARTED: Money.NONE,
    State.WITH_PAYER: Money.NONE,
    State.IN_DOUBT: Money.UNKNOWN,
    State.VERIFYING: Money.UNKNOWN,
    State.VERIFIED: Money.OURS,
    State.SETTLING: Money.OURS,
    State.SETTLED: Money.OURS,
    State.REVERSING: Money.RETURNING,
    State.VERIFYING_TO_RETURN: Money.UNKNOWN,
    State.OWED: Money.RETURNING,
    State.RETURNING: Money.RETURNING,
    State.GIVEN_BACK: Money.RETURNED,
    State.IN_REVIEW: Money.UNKNOWN,
    State.LAPSED: Money.UNKNOWN,
}


def status_of(payment: Payment) -> Status:
    """The public status."""
    kept, unknown = None, False
    for attempt in payment.attempts:  # in one go: it is asked twenty times in a payment's life
        state = attempt.state
        if state in KEPT:
            kept = attempt
            break
        if state in UNKNOWN:
            unknown = True
    if payment.captured_ms is not None and kept is None:
        return Status.REVERSED
    if payment.hold is not None and is_authorized(payment):
        return Status.AUTHORIZED
    if kept is not None:
        stopping = payment.stopping and not payment.stop_refused
        taken = kept.captured or payment.captured_ms is not None  # paid until it has gone back
        return Status.PAID if taken and not stopping else Status.PROCESSING
    if payment.closed is not None:
        return _CLOSED[payment.closed]
    return Status.PROCESSING if unknown else Status.PENDING


def is_authorized(payment: Payment) -> bool:
    """Whether the shop may take the money: proven, not taken, and nothing has been asked for but its word."""
    hold = payment.hold
    if hold is None or not hold.authorized or hold.asked_ms is not None:
        return False
    if payment.stopping or payment.closed is not None:
        return False
    attempt = payment.attempt(hold.authorized)
    return (
        attempt is not None
        and attempt.state in {State.IN_DOUBT, State.VERIFIED}
        and not attempt.giving_back
    )


def is_claimed(payment: Payment) -> bool:
    """Whether a face's payment is said to be paid and waits for its shop's verify: the customer may go."""
    return (
        payment.hold is not None
        and payment.hold.capture is Capture.ON_VERIFY
        and payment.waits
        and payment.can_keep
        and any(attempt.state is State.IN_DOUBT for attempt in payment.attempts)
    )


def money_of_attempt(attempt: Attempt) -> Money:
    """Where this attempt's money is."""
    if attempt.state is State.IN_DOUBT and attempt.claim is None and not attempt.explained:
        return Money.AT_BANK  # the bank itself said so, and nobody has asked for it
    if attempt.state is State.LAPSED and attempt.doubt_ms is not None:
        return Money.RETURNING
    if attempt.state is State.LAPSED and attempt.no is not None:
        return Money.NONE  # the last word of the bank or the browser was a no
    return _MONEY_OF_STATE[attempt.state]


def money_of(payment: Payment) -> Money:
    """The kept attempt's money, else the first of unknown, at_bank, returning, returned, none."""
    if payment.hold is not None and is_authorized(payment):
        return Money.AT_BANK
    kept = payment.kept
    if kept is not None:
        gone = payment.refunds and payment.refunded == payment.amount
        return Money.RETURNED if gone else money_of_attempt(kept)
    found = {money_of_attempt(attempt) for attempt in payment.attempts} - {Money.NONE}
    return next((money for money in Money if money in found), Money.NONE) if found else Money.NONE


def is_in_vain(payment: Payment, attempt: Attempt) -> bool:
    """Whether money that a payer may have paid by this attempt is not kept: it came too late, or twice."""
    kept = payment.kept
    late = kept is None and payment.closed is not None and payment.captured_ms is None
    twice = kept is not None and kept.number != attempt.number
    return (late or twice) and money_of_attempt(attempt) is not Money.NONE


def returns_by_ms(payment: Payment) -> int | None:
    """By when money that was taken and not kept is back, wall clock in milliseconds; None where none is missing."""
    if payment.kept is not None:
        return None
    times = [
        attempt.returns_by_ms
        for attempt in payment.attempts
        if attempt.returns_by_ms is not None and money_of_attempt(attempt) is not Money.NONE
    ]
    return max(times, default=None)


def needs_review(payment: Payment) -> bool:
    """Whether a person should look."""
    if not payment.refunds:  # asked after every event
        return bool(payment.reviews)
    by_hand = any(refund.state is RefundState.MANUAL for refund in payment.refunds)
    return by_hand or bool(payment.reviews)


def last_no(payment: Payment) -> Attempt | None:
    """The latest attempt if its last word was a definite no from bank or browser."""
    latest = payment.latest
    if latest is None or latest.state is not State.WITH_PAYER or latest.no is None:
        return None
    return latest
