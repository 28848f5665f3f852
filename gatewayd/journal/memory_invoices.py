"""The columns of invoices and of their payments in memory, as the store on disk keeps them in tables."""

from collections.abc import Iterable, Sequence

from gatewayd.core.invoices import DOUBTFUL, LIVE, InvoiceStatus, Paid
from gatewayd.core.status import HOLDS_ORDER, Status
from gatewayd.journal.filters import Filter
from gatewayd.journal.store import InvoiceColumns, Search


class Shelf:
    """One per store in memory."""

    def __init__(self) -> None:
        self._invoices: dict[int, InvoiceColumns] = {}
        self._payments: dict[int, dict[int, Search]] = {}

    def put(self, rows: Iterable[InvoiceColumns]) -> None:
        """Columns that have changed."""
        self._invoices.update((row.number, row) for row in rows)

    def put_payments(self, rows: Iterable[Search]) -> None:
        """The search columns of payments, of which those of invoices are kept."""
        for row in rows:
            if row.invoice:
                self._payments.setdefault(row.invoice, {})[row.number] = row

    def find(self, wanted: Filter) -> list[int]:
        """See `InvoiceReader.find_invoices`."""
        found = (row.number for row in self._invoices.values() if wanted.fits(row))
        return sorted(found, reverse=True)[: wanted.limit]

    def paid_of(self, invoices: Sequence[int]) -> dict[int, Paid]:
        """See `InvoiceReader.paid_of`."""
        return {
            invoice: _paid(self._payments[invoice].values())
            for invoice in invoices
            if invoice in self._payments
        }

    def payments_of(self, invoice: int, before_number: int | None, limit: int) -> list[int]:
        """See `InvoiceReader.payments_of`."""
        numbers = sorted(self._payments.get(invoice, ()), reverse=True)
        return [n for n in numbers if before_number is None or n < before_number][:limit]

    def open_of(self, invoice: int) -> int:
        """See `InvoiceReader.open_of`."""
        return sum(row.status in LIVE for row in self._payments.get(invoice, {}).values())

    def orders_taken(self, invoice: int) -> set[str]:
        """See `InvoiceReader.orders_taken`."""
        rows = self._payments.get(invoice, {}).values()
        return {row.order_id for row in rows if row.status in HOLDS_ORDER}

    def to_look_at(self, now_ms: int, after: tuple[int, int], limit: int) -> list[tuple[int, int]]:
        """See `InvoiceReader.invoices_to_look_at`."""
        open_ones = (row for row in self._invoices.values() if row.status == InvoiceStatus.OPEN)
        due = ((row.look_ms, row.number) for row in open_ones if row.look_ms <= now_ms)
        return sorted(each for each in due if each > after)[:limit]

    def behind(self, after_number: int, limit: int) -> list[int]:
        """See `InvoiceReader.invoices_behind`."""
        paid = self.paid_of([number for number in self._invoices if number > after_number])
        return sorted(
            number for number, now in paid.items() if _is_behind(self._invoices.get(number), now)
        )[:limit]


def _is_behind(row: InvoiceColumns | None, paid: Paid) -> bool:
    """Whether its payments have come to something that it does not say."""
    if row is None:
        return False
    if row.status == InvoiceStatus.PAID:
        return not paid.payments
    return row.status == InvoiceStatus.OPEN and 0 < row.wanted <= paid.payments


def _paid(rows: Iterable[Search]) -> Paid:
    rows = list(rows)
    paid = [row for row in rows if row.status == Status.PAID]
    return Paid(
        payments=len(paid),
        amount=sum(row.amount for row in paid),
        live=sum(row.status in LIVE for row in rows),
        doubtful=sum(row.status in DOUBTFUL for row in rows),
        latest=max((row.number for row in rows if row.status in HOLDS_ORDER), default=None),
    )
