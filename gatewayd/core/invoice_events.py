"""What happens to an invoice, beside what happens to the payments that are made for it.

An invoice is journaled like a payment, under a number of its own. Its payments are journaled for themselves: they and
the guards that they hold say whether it can be paid again. What stands here is what nobody could read off them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gatewayd.core.happening import Event
from gatewayd.core.money import Currency


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceEvent(Event):
    """Something that happened to an invoice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceCreated(InvoiceEvent):
    """A shop wants this paid, by whoever has its address. `private`: lines, payer, description, metadata."""

    notice = "invoice.created"
    shop: str
    key: str
    """The id of the API key that made it."""
    order_id: str
    """Of its payments; the invoice's own id where the shop has given none."""
    amount: int
    """Rial, of each payment."""
    currency: Currency
    expires_ms: int
    """No payment begins at this time or later."""
    due_ms: int | None = None
    """By when it should be paid; later it is overdue."""
    wanted: int = 1
    """So many payments, and it is paid; 0: as many as come."""
    return_url: str = ""
    """Where its customers go back to; empty: to its own page."""
    test: bool = False
    locale: str = "fa"
    gateways: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    private: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceCancelRequested(InvoiceEvent):
    """Its shop wants no payment for it any more; those that were begun end first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceEnded(InvoiceEvent):
    """It takes no further payment. These are the payments that were paid then, and all their money."""

    payments: int
    amount: int
    """Rial."""
    latest: int = 0
    """The number of the last payment that was open or paid; 0: there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePaid(InvoiceEnded):
    """All payments that are wanted are paid."""

    notice = "invoice.paid"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceCancelled(InvoiceEnded):
    """Its shop has stopped it."""

    notice = "invoice.cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceExpired(InvoiceEnded):
    """Its time is over."""

    notice = "invoice.expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceReversed(InvoiceEnded):
    """It was paid, and all of that was given back."""

    notice = "invoice.reversed"


OF_INVOICES: Final[tuple[type[InvoiceEvent], ...]] = (
    InvoiceCreated,
    InvoiceCancelRequested,
    InvoicePaid,
    InvoiceCancelled,
    InvoiceExpired,
    InvoiceReversed,
)
"""All kinds."""
