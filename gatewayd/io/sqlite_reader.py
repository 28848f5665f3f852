"""Reads the journal while it is written: lists, single payments, notices, counts.

Rules:

* Read-only connections, which never checkpoint; a reading that takes too long is broken off with `TooSlow`, because as
  long as it lasts the write-ahead log cannot be folded back.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiosqlite
import orjson

from gatewayd.core.invoices import Paid
from gatewayd.io import sqlite_invoices
from gatewayd.io import sqlite_receipts as receipts
from gatewayd.io.sqlite_lists import FOUND_MAX, invoices_query, payments_query
from gatewayd.io.sqlite_schema import BUSY_SECONDS, address
from gatewayd.io.sqlite_store import ROWS_OF_ONE, ROWS_OF_SOME, by_payment
from gatewayd.journal.filters import Filter
from gatewayd.journal.store import (
    RECEIPTS_COMPARED_MS,
    Counts,
    Guard,
    GuardKind,
    Holder,
    Notice,
    Row,
    Sighting,
    Sightings,
    Told,
    TooSlow,
)

CONNECTIONS: Final = 2
"""One for a long list, one for everything quick beside it."""
SECONDS_MAX: Final = 2.0
"""What one reading may take."""
STEPS_BETWEEN_LOOKS: Final = 20_000
"""Of SQLite's machine, between two looks at the clock: about a millisecond."""
OPEN_MAX: Final = 1_000_000
NUMBER_MAX: Final = 2**62
"""Above every number."""
CACHE_KIB: Final = 4_096

_HOLDER: Final = "SELECT number, detail, version FROM guards WHERE kind = ? AND key = ?"
_IN_REVIEW: Final = "SELECT number FROM search WHERE needs_review = 1 ORDER BY number LIMIT ?"
_OPEN: Final = "SELECT number FROM payments WHERE is_open = 1 ORDER BY number LIMIT ?"
_NOTICES: Final = (
    "SELECT seq, number, version, shop, type, at_ms FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?"
)
_NOTICES_OF_SHOP: Final = (
    "SELECT seq, number, version, shop, type, at_ms FROM outbox"
    " WHERE shop = ? AND seq > ? ORDER BY seq LIMIT ?"
)
_COUNTS: Final = (
    "SELECT (SELECT coalesce(max(seq), 0) FROM events),"
    " (SELECT count(*) FROM payments WHERE is_open = 1),"
    " (SELECT count(*) FROM search WHERE needs_review = 1)"
)


class _Connection:
    """A connection and the time at which what it does is broken off."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        self.db = db
        self.ends = 0.0

    def is_late(self) -> bool:
        """Called by SQLite every so many steps."""
        return time.monotonic() > self.ends


class SqliteReader:
    """Fulfils `engine.reading.Reader`; made inside a running event loop, used inside `async with`."""

    def __init__(self, path: Path, *, seconds_max: float = SECONDS_MAX) -> None:
        self._path = path
        self._seconds_max = seconds_max
        self._all: list[aiosqlite.Connection] = []
        self._free: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()

    async def __aenter__(self) -> Self:
        try:
            for _ in range(CONNECTIONS):
                connection = _Connection(await self._open())
                await connection.db.set_progress_handler(connection.is_late, STEPS_BETWEEN_LOOKS)
                self._free.put_nowait(connection)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; each has a thread that would keep the process alive."""
        while self._all:
            await self._all.pop().close()

    # --- one payment

    async def rows(self, number: int) -> list[Row]:
        """See `Reader.rows`."""
        return [Row(*row[:6]) for row in await self._fetch(ROWS_OF_ONE, number)]

    async def rows_of(self, numbers: Sequence[int]) -> dict[int, list[Row]]:
        """See `Reader.rows_of`."""
        found = await self._fetch(ROWS_OF_SOME, orjson.dumps(numbers).decode())
        return dict(by_payment(found))

    async def holder(self, kind: GuardKind, key: str) -> Holder | None:
        """See `Reader.holder`."""
        for number, detail, version in await self._fetch(_HOLDER, kind, key):
            guard = Guard(kind=kind, key=key, detail=detail)
            return Holder(guard=guard, number=number, version=version)
        return None

    # --- lists

    async def find(self, wanted: Filter) -> list[int]:
        """See `Reader.find`."""
        query, values = payments_query(wanted)
        return [number for (number,) in await self._fetch(query, *values)]

    async def in_review(self, limit: int) -> list[int]:
        """See `Reader.in_review`."""
        return [number for (number,) in await self._fetch(_IN_REVIEW, min(limit, FOUND_MAX))]

    async def notices(self, after_seq: int, shop: str | None, limit: int) -> list[Told]:
        """See `Reader.notices`."""
        limit = min(limit, FOUND_MAX)
        found = (
            await self._fetch(_NOTICES, after_seq, limit)
            if shop is None
            else await self._fetch(_NOTICES_OF_SHOP, shop, after_seq, limit)
        )
        return [Told(seq, number, Notice(*notice)) for seq, number, *notice in found]

    async def open_numbers(self) -> list[int]:
        """See `Reader.open_numbers`."""
        return [number for (number,) in await self._fetch(_OPEN, OPEN_MAX)]

    # --- receipts

    async def receipts(self, after: int | None, since_ms: int) -> Sightings:
        """See `Reader.receipts`."""
        if after is None:
            ((after,),) = await self._fetch(receipts.COMPARED)
        ((upto,),) = await self._fetch(receipts.UPTO, after, receipts.EVENTS_AT_ONCE)
        if upto == after:
            return Sightings((), upto)
        found = await self._fetch(receipts.SIGHTINGS, after, upto, since_ms)
        return Sightings(tuple(Sighting(*row) for row in found), upto)

    async def twice(self, sightings: Sequence[Sighting]) -> list[tuple[Sighting, int]]:
        """See `Reader.twice`."""
        found = await self._fetch(receipts.TWICE, RECEIPTS_COMPARED_MS, receipts.as_json(sightings))
        return [(sightings[place], other) for place, other in found if other is not None]

    # --- invoices

    async def find_invoices(self, wanted: Filter) -> list[int]:
        """See `InvoiceReader.find_invoices`."""
        query, values = invoices_query(wanted)
        return [number for (number,) in await self._fetch(query, *values)]

    async def paid_of(self, invoices: Sequence[int]) -> dict[int, Paid]:
        """See `InvoiceReader.paid_of`."""
        found = await self._fetch(sqlite_invoices.PAID_OF, orjson.dumps(invoices).decode())
        return sqlite_invoices.paid_by_invoice(found)

    async def payments_of(
        self, invoice: int, *, before_number: int | None = None, limit: int
    ) -> list[int]:
        """See `InvoiceReader.payments_of`."""
        above = NUMBER_MAX if before_number is None else before_number
        query = sqlite_invoices.PAYMENTS_OF
        found = await self._fetch(query, invoice, above, min(limit, FOUND_MAX))
        return [number for (number,) in found]

    async def open_of(self, invoice: int) -> int:
        """See `InvoiceReader.open_of`."""
        ((found,),) = await self._fetch(sqlite_invoices.OPEN_OF, invoice)
        return int(found)

    async def orders_taken(self, invoice: int) -> set[str]:
        """See `InvoiceReader.orders_taken`."""
        found = await self._fetch(sqlite_invoices.ORDERS_TAKEN, invoice)
        return {order_id for (order_id,) in found}

    async def invoices_to_look_at(
        self, now_ms: int, after: tuple[int, int], limit: int
    ) -> list[tuple[int, int]]:
        """See `InvoiceReader.invoices_to_look_at`."""
        query = sqlite_invoices.TO_LOOK_AT
        found = await self._fetch(query, now_ms, *after, min(limit, FOUND_MAX))
        return [(look_ms, number) for look_ms, number in found]

    async def invoices_behind(self, after_number: int, limit: int) -> list[int]:
        """See `InvoiceReader.invoices_behind`."""
        query = sqlite_invoices.BEHIND
        found = await self._fetch(query, after_number, min(limit, FOUND_MAX))
        return [number for (number,) in found]

    # --- the whole

    async def counts(self) -> Counts:
        """See `Reader.counts`."""
        ((events, open_payments, in_review),) = await self._fetch(_COUNTS)
        return Counts(
            events=events,
            open_payments=open_payments,
            in_review=in_review,
            file_bytes=_size(self._path),
            log_bytes=_size(self._path.with_name(f"{self._path.name}-wal")),
        )

    async def quick_check(self) -> list[str]:
        """What SQLite finds wrong with the file, at most ten findings; takes seconds per gigabyte, without a limit."""
        db = await self._open()
        try:
            found = await db.execute_fetchall("PRAGMA quick_check(10)")
        except sqlite3.DatabaseError as error:
            return [str(error)]
        finally:
            self._all.remove(db)
            await db.close()
        lines = [str(line) for (line,) in found]
        return [] if lines == ["ok"] else lines

    # --- pieces

    async def _open(self) -> aiosqlite.Connection:
        db = await aiosqlite.connect(
            address(self._path), uri=True, isolation_level=None, timeout=BUSY_SECONDS
        )
        self._all.append(db)
        await db.execute_fetchall(f"PRAGMA cache_size = -{CACHE_KIB}")
        await db.execute_fetchall("PRAGMA mmap_size = 0")
        return db

    async def _fetch(self, query: str, *values: object) -> Iterable[Any]:
        async with self._lease() as connection:
            connection.ends = time.monotonic() + self._seconds_max
            try:
                return await connection.db.execute_fetchall(query, values)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    raise TooSlow(f"a reading took longer than {self._seconds_max:g} s") from None
                raise

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[_Connection]:
        connection = await self._free.get()
        try:
            yield connection
        finally:
            self._free.put_nowait(connection)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
