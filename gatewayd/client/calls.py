"""The daemon's calls as values: where each goes, what it carries, and what its answer is.

Every call that moves or stops money carries an idempotency key: the caller's, or one that is made for it. Its repeats
carry the same, for they are the same value.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote, urlencode

from gatewayd.client.shapes import (
    Event,
    Gateway,
    Invoice,
    InvoiceFilters,
    InvoiceInput,
    Page,
    Payment,
    PaymentFilters,
    PaymentInput,
    Refund,
    RefundInput,
    Resending,
)

T = TypeVar("T")

PAGE_LIMIT: Final = 100
"""The most that the daemon gives at once."""
_KEY: Final = re.compile(r"[\x21\x23-\x7e]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """A request whose good answer is a T."""

    method: str
    target: str
    """Path and query, below the daemon's address."""
    body: bytes = field(default=b"", repr=False)
    key: str | None = None
    """The idempotency key."""

    @property
    def changes_something(self) -> bool:
        """Whether a lost answer leaves in doubt what has happened."""
        return self.method != "GET"


def create_payment(wanted: PaymentInput, key: str) -> Call[Payment]:
    """A new payment."""
    return Call(method="POST", target="/v1/payments", body=_json(wanted), key=_checked(key))


def get_payment(payment_id: str) -> Call[Payment]:
    """A payment as it is now."""
    return Call(method="GET", target=f"/v1/payments/{_part(payment_id)}")


def list_payments(
    filters: PaymentFilters, after: str | None, limit: int = PAGE_LIMIT
) -> Call[Page[Payment]]:
    """Payments, newest first, older than `after`."""
    return Call(
        method="GET",
        target=_query("/v1/payments", {**filters, "limit": limit, "starting_after": after}),
    )


def capture_payment(payment_id: str, amount: int | None, key: str) -> Call[Payment]:
    """Take the money of an authorized payment, whole."""
    body = b"" if amount is None else _json({"amount": amount})
    target = f"/v1/payments/{_part(payment_id)}/capture"
    return Call(method="POST", target=target, body=body, key=_checked(key))


def cancel_payment(payment_id: str, key: str) -> Call[Payment]:
    """Stop a payment, or undo it while its bank does that."""
    target = f"/v1/payments/{_part(payment_id)}/cancel"
    return Call(method="POST", target=target, key=_checked(key))


def create_refund(payment_id: str, wanted: RefundInput, key: str) -> Call[Refund]:
    """Give back some of a paid payment, or all that is left."""
    target = f"/v1/payments/{_part(payment_id)}/refunds"
    return Call(method="POST", target=target, body=_json(wanted), key=_checked(key))


def list_refunds(payment_id: str) -> Call[Page[Refund]]:
    """A payment's refunds, newest first."""
    return Call(method="GET", target=f"/v1/payments/{_part(payment_id)}/refunds")


def get_refund(refund_id: str) -> Call[Refund]:
    """A refund as it is now."""
    return Call(method="GET", target=f"/v1/refunds/{_part(refund_id)}")


def create_invoice(wanted: InvoiceInput, key: str) -> Call[Invoice]:
    """A new invoice."""
    return Call(method="POST", target="/v1/invoices", body=_json(wanted), key=_checked(key))


def get_invoice(invoice_id: str) -> Call[Invoice]:
    """An invoice as it is now."""
    return Call(method="GET", target=f"/v1/invoices/{_part(invoice_id)}")


def list_invoices(
    filters: InvoiceFilters, after: str | None, limit: int = PAGE_LIMIT
) -> Call[Page[Invoice]]:
    """Invoices, newest first, older than `after`."""
    return Call(
        method="GET",
        target=_query("/v1/invoices", {**filters, "limit": limit, "starting_after": after}),
    )


def cancel_invoice(invoice_id: str, key: str) -> Call[Invoice]:
    """Take no further payment for it."""
    target = f"/v1/invoices/{_part(invoice_id)}/cancel"
    return Call(method="POST", target=target, key=_checked(key))


def list_invoice_payments(
    invoice_id: str, after: str | None, limit: int = PAGE_LIMIT
) -> Call[Page[Payment]]:
    """An invoice's payments, newest first, older than `after`."""
    path = f"/v1/invoices/{_part(invoice_id)}/payments"
    return Call(method="GET", target=_query(path, {"limit": limit, "starting_after": after}))


def list_gateways() -> Call[Page[Gateway]]:
    """The shop's gateways as the router sees them."""
    return Call(method="GET", target="/v1/gateways")


def list_events(after: str | None, limit: int = PAGE_LIMIT) -> Call[Page[Event]]:
    """What happened after the event `after`, in order."""
    return Call(method="GET", target=_query("/v1/events", {"after": after, "limit": limit}))


def replay_events(after: str | None) -> Call[Resending]:
    """Webhooks of everything after the event `after` once more."""
    body = b"" if after is None else _json({"after": after})
    return Call(method="POST", target="/v1/events/replay", body=body)


def resend_event(event_id: str) -> Call[Resending]:
    """The webhook of one event once more."""
    return Call(method="POST", target=f"/v1/events/{_part(event_id)}/resend")


def next_after(page: Page[Any]) -> str | None:
    """Where the next page of a list begins; None after the last."""
    if not page["has_more"] or not page["data"]:
        return None
    return str(page["data"][-1]["id"])


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()


def _part(name: str) -> str:
    """One part of a path. An empty one, or dots, would be another address."""
    if name in {"", ".", ".."}:
        raise ValueError("an id is wanted")
    return quote(name, safe="")


def _query(path: str, fields: Mapping[str, object]) -> str:
    return (
        f"{path}?{urlencode({name: value for name, value in fields.items() if value is not None})}"
    )


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(
            "an idempotency key is 1 to 255 printable ASCII characters without blanks or quotes"
        )
    return key
