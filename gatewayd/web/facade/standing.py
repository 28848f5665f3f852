"""How a payment stands in the words that both services share."""

from enum import StrEnum
from typing import Final

from gatewayd.core.payment import Attempt, Payment
from gatewayd.core.states import State
from gatewayd.core.status import Status, status_of


class Standing(StrEnum):
    """Where a face's payment is."""

    OPEN = "open"
    """Nobody has said that it is paid, and it can still be."""
    PAID = "paid"
    """It may be paid, and nobody has verified it."""
    VERIFIED = "verified"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"
    REVERSED = "reversed"
    """The money went back, or goes back by itself because nobody verified it in time."""


_OVER: Final = {
    Status.CANCELLED: Standing.CANCELLED,
    Status.FAILED: Standing.FAILED,
    Status.EXPIRED: Standing.EXPIRED,
}


def standing_of(payment: Payment) -> Standing:
    """The payment's standing."""
    status = status_of(payment)
    match status:
        case Status.PAID:
            gone = payment.refunded >= payment.amount
            return Standing.REVERSED if gone else Standing.VERIFIED
        case Status.REVERSED:
            return Standing.REVERSED
        case Status.PENDING:
            return Standing.OPEN
        case Status.CANCELLED | Status.FAILED | Status.EXPIRED:
            return Standing.REVERSED if any(map(_went_back, payment.attempts)) else _OVER[status]
        case Status.PROCESSING | Status.AUTHORIZED:
            return Standing.PAID


def _went_back(attempt: Attempt) -> bool:
    """Whether the payer's money was taken and goes back."""
    lapsed = attempt.state is State.LAPSED and attempt.doubt_ms is not None
    return lapsed or attempt.state in {State.GIVEN_BACK, State.RETURNING, State.OWED}
