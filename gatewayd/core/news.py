"""What shops are told of, by webhook and in their list of events: names that are never changed once they are out.

A change of the public status of a payment, a refund or an invoice is news, and so is a person's being needed or having
looked. The name is a past participle of what happened, mostly the status itself.
"""

from typing import Final

from gatewayd.core.refunds import Refund, RefundStatus, moved
from gatewayd.core.status import Status

CREATED: Final = "payment.created"
REOPENED: Final = "payment.reopened"
"""It was processing, and the bank's word was that nothing is paid: the customer can still pay."""
CAPTURE_DUE: Final = "payment.capture_due"
"""It is authorized, and its shop will soon be too late to capture it."""
REVIEW_RAISED: Final = "payment.review_raised"
REVIEW_RESOLVED: Final = "payment.review_resolved"

REFUND_CREATED: Final = "refund.created"

INVOICES: Final = (
    "invoice.created",
    "invoice.paid",
    "invoice.cancelled",
    "invoice.expired",
    "invoice.reversed",
)
"""What is told of invoices: each is its event's `notice`."""

_OF_STATUS: Final = {status: f"payment.{status}" for status in Status}
_STATUS_OF: Final = {name: status for status, name in _OF_STATUS.items()} | {
    CREATED: Status.PENDING,
    REOPENED: Status.PENDING,
}

NEWS: Final = (
    CREATED,
    REOPENED,
    *(name for status, name in _OF_STATUS.items() if status is not Status.PENDING),
    CAPTURE_DUE,
    REVIEW_RAISED,
    REVIEW_RESOLVED,
    REFUND_CREATED,
    *(f"refund.{status}" for status in RefundStatus if status is not RefundStatus.PENDING),
    *INVOICES,
)
"""All that a webhook can be asked for."""


def news_of(before: Status | None, after: Status) -> str:
    """What a payment's change from one public status to another is called; None is before it was there."""
    if after is Status.PENDING:
        return CREATED if before is None else REOPENED
    return _OF_STATUS[after]


def news_of_refunds(before: tuple[Refund, ...], now: tuple[Refund, ...]) -> list[str]:
    """What is told of refunds that are new, or are called otherwise outside than before."""
    return [
        f"refund.{refund.status}" if refund.number <= len(before) else REFUND_CREATED
        for refund in moved(before, now)
    ]


def is_of_refund(name: str) -> bool:
    """Whether this news is about the refund that something happened to last."""
    return name.startswith("refund.")


def is_of_invoice(name: str) -> bool:
    """Whether this news is about an invoice, and no payment."""
    return name.startswith("invoice.")


def status_told(name: str) -> Status | None:
    """The status that this news tells of; None if it is about something else."""
    return _STATUS_OF.get(name)
