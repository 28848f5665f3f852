"""What can be read of a journal while it is written: the port, and its fulfilment on a store in memory."""

from collections.abc import Sequence
from typing import Protocol

from gatewayd.core.invoices import Paid
from gatewayd.journal.filters import Filter
from gatewayd.journal.memory import MemoryStore
from gatewayd.journal.store import Counts, GuardKind, Holder, Row, Sighting, Sightings, Told


class InvoiceReader(Protocol):
    """What can be read of invoices. Every answer is bounded; TooSlow if it takes too long."""

    async def find_invoices(self, wanted: Filter) -> list[int]:
        """Invoices that fit, newest first."""

    async def paid_of(self, invoices: Sequence[int]) -> dict[int, Paid]:
        """What has become of the payments of these invoices; those that have none are left out."""

    async def payments_of(
        self, invoice: int, *, before_number: int | None = None, limit: int
    ) -> list[int]:
        """An invoice's payments, newest first, at most `limit`."""

    async def open_of(self, invoice: int) -> int:
        """How many of an invoice's payments are open."""

    async def orders_taken(self, invoice: int) -> set[str]:
        """The orders that an invoice's payments hold: those that are open or paid."""

    async def invoices_to_look_at(
        self, now_ms: int, after: tuple[int, int], limit: int
    ) -> list[tuple[int, int]]:
        """Open invoices whose time is over or that were stopped, with that time, in its order, after this one."""

    async def invoices_behind(self, after_number: int, limit: int) -> list[int]:
        """Open invoices all of whose payments are paid, and paid ones of which none is any more.

        Nobody has written that down yet.
        """


class Reader(InvoiceReader, Protocol):
    """What can be read of a journal while it is written. Every answer is bounded; TooSlow if it takes too long."""

    async def rows(self, number: int) -> list[Row]:
        """The events of one payment, oldest first; empty if there is none."""

    async def rows_of(self, numbers: Sequence[int]) -> dict[int, list[Row]]:
        """The events of several payments, oldest first; those that there are none of are left out."""

    async def find(self, wanted: Filter) -> list[int]:
        """Payments that fit, newest first."""

    async def in_review(self, limit: int) -> list[int]:
        """Payments that a person should look at, oldest first, at most `limit`."""

    async def holder(self, kind: GuardKind, key: str) -> Holder | None:
        """Who has this guard; None if it is free."""

    async def notices(self, after_seq: int, shop: str | None, limit: int) -> list[Told]:
        """Notices after the one numbered `after_seq`, in order, at most `limit`; of one shop, or of all."""

    async def open_numbers(self) -> list[int]:
        """The payments that still need something, oldest first."""

    async def receipts(self, after: int | None, since_ms: int) -> Sightings:
        """The banks' receipts after a place in the order of the whole journal, in a part of it of limited length.

        Those before `since_ms` are left out. None: after what was compared before, by whichever process.
        """

    async def twice(self, sightings: Sequence[Sighting]) -> list[tuple[Sighting, int]]:
        """Those whose reference was seen at another payment of that gateway within the time compared; the latest one.

        They are written down already, like those that they are compared with.
        """

    async def counts(self) -> Counts:
        """How much there is."""


class MemoryReader:
    """Fulfils `Reader` on a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def rows(self, number: int) -> list[Row]:
        """See `Reader.rows`."""
        return self._store.read(number)

    async def rows_of(self, numbers: Sequence[int]) -> dict[int, list[Row]]:
        """See `Reader.rows_of`."""
        return {number: rows for number in numbers if (rows := self._store.read(number))}

    async def find(self, wanted: Filter) -> list[int]:
        """See `Reader.find`."""
        return self._store.find(wanted)

    async def in_review(self, limit: int) -> list[int]:
        """See `Reader.in_review`."""
        return self._store.in_review(limit)

    async def holder(self, kind: GuardKind, key: str) -> Holder | None:
        """See `Reader.holder`."""
        return self._store.holder(kind, key)

    async def notices(self, after_seq: int, shop: str | None, limit: int) -> list[Told]:
        """See `Reader.notices`."""
        return self._store.notices(after_seq, shop, limit)

    async def open_numbers(self) -> list[int]:
        """See `Reader.open_numbers`."""
        return self._store.open_numbers()

    async def receipts(self, after: int | None, since_ms: int) -> Sightings:
        """See `Reader.receipts`."""
        return self._store.receipts(after, since_ms)

    async def twice(self, sightings: Sequence[Sighting]) -> list[tuple[Sighting, int]]:
        """See `Reader.twice`."""
        return self._store.twice(sightings)

    async def counts(self) -> Counts:
        """See `Reader.counts`."""
        return self._store.counts()

    # --- invoices

    async def find_invoices(self, wanted: Filter) -> list[int]:
        """See `InvoiceReader.find_invoices`."""
        return self._store.invoices.find(wanted)

    async def paid_of(self, invoices: Sequence[int]) -> dict[int, Paid]:
        """See `InvoiceReader.paid_of`."""
        return self._store.invoices.paid_of(invoices)

    async def payments_of(
        self, invoice: int, *, before_number: int | None = None, limit: int
    ) -> list[int]:
        """See `InvoiceReader.payments_of`."""
        return self._store.invoices.payments_of(invoice, before_number, limit)

    async def open_of(self, invoice: int) -> int:
        """See `InvoiceReader.open_of`."""
        return self._store.invoices.open_of(invoice)

    async def orders_taken(self, invoice: int) -> set[str]:
        """See `InvoiceReader.orders_taken`."""
        return self._store.invoices.orders_taken(invoice)

    async def invoices_to_look_at(
        self, now_ms: int, after: tuple[int, int], limit: int
    ) -> list[tuple[int, int]]:
        """See `InvoiceReader.invoices_to_look_at`."""
        return self._store.invoices.to_look_at(now_ms, after, limit)

    async def invoices_behind(self, after_number: int, limit: int) -> list[int]:
        """See `InvoiceReader.invoices_behind`."""
        return self._store.invoices.behind(after_number, limit)
