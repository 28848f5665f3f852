"""Invoices in the journal: from rows to an invoice, from an event to what is queued, and the columns it is found by.

An invoice is never kept in memory: whoever needs one reads its events. Its columns land with them in one transaction.
"""

from collections.abc import Callable, Iterable, Sequence

from gatewayd.core import invoice_events as iv
from gatewayd.core.invoices import Invoice, apply
from gatewayd.core.states import IllegalTransition
from gatewayd.journal import codec
from gatewayd.journal.journal import SALT_BYTES, DamagedJournal, side
from gatewayd.journal.store import (
    FIRST_OF_INVOICE,
    Append,
    Guard,
    InvoiceColumns,
    Notice,
    Row,
)


def replay_invoice(number: int, rows: Iterable[Row]) -> Invoice | None:
    """The invoice that these events make; None for none, and for those of a payment. Raises as `replay` does."""
    invoice: Invoice | None = None
    for row in rows:
        if invoice is None and row.kind != FIRST_OF_INVOICE:
            return None
        event = codec.decode(row.kind, row.at_ms, row.body, row.private)
        try:
            if not isinstance(event, iv.InvoiceEvent):
                raise IllegalTransition(f"{event.trigger} of an invoice")
            invoice = apply(invoice, event, number=number)
        except IllegalTransition as error:
            raise DamagedJournal(f"invoice {number}, version {row.version}: {error}") from None
        if invoice.version != row.version:
            raise DamagedJournal(
                f"invoice {number}: version {row.version} where {invoice.version} is due"
            )
    return invoice


def invoice_as_of(number: int, rows: Sequence[Row], version: int) -> Invoice:
    """The invoice as it was with this version; `rows` are all of its events."""
    invoice = replay_invoice(number, rows[:version])
    assert invoice is not None, "a guard or a notice lands with its events"
    return invoice


def recorded(
    invoice: Invoice | None,
    number: int,
    events: Sequence[iv.InvoiceEvent],
    make_salt: Callable[[int], bytes],
    takes: tuple[Guard, ...] = (),
) -> tuple[Invoice, Append]:
    """The invoice after these events, and what is to be written of them. IllegalTransition."""
    rows: list[Row] = []
    notices: list[Notice] = []
    for event in events:
        invoice = apply(invoice, event, number=number)
        kind, body, private = codec.encode(event)
        salt = make_salt(SALT_BYTES) if private is not None else b""
        rows.append(Row(invoice.version, kind, event.at_ms, body, private, salt))
        if event.notice:
            whose = side(invoice.shop, test=invoice.test)
            notices.append(Notice(invoice.version, whose, event.notice, event.at_ms))
    assert invoice is not None, "an append has events"
    is_new = rows[0].version == 1
    append = Append(
        number=number,
        rows=tuple(rows),
        takes=takes,
        is_open=False if is_new else None,  # it is no open payment, but its number is taken
        notices=tuple(notices),
    )
    return invoice, append


def columns_of(invoice: Invoice) -> InvoiceColumns:
    """The columns that this invoice is found by."""
    look_ms = invoice.expires_ms if invoice.takes_payments else invoice.created_ms
    return InvoiceColumns(
        number=invoice.number,
        shop=side(invoice.shop, test=invoice.test),
        order_id=invoice.order_id,
        status=str(invoice.status),
        wanted=invoice.wanted,
        look_ms=look_ms,
        created_ms=invoice.created_ms,
    )
