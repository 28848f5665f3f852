"""The journal's store in SQLite: the one connection that writes, and the only checkpointer.

Rules:

* Used by one thread at a time. `synchronous=FULL`: what `write` returned from is on the disk.
* An I/O error is never retried, because a failed fsync leaves the kernel's pages marked clean: it raises `StoreError`
  and the process stops. A full disk is the exception: SQLite has rolled back by itself, the ballast file makes room,
  and it is tried once more.
* The write-ahead log is folded back passively and between batches, never while somebody waits for one.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from gatewayd.core.delivery import Delivery, Standing
from gatewayd.io import sqlite_invoices
from gatewayd.io import sqlite_posting as posting
from gatewayd.io import sqlite_receipts as receipts
from gatewayd.io import sqlite_schema as schema
from gatewayd.journal import chain
from gatewayd.journal.store import (
    IDEMPOTENCY_KEPT_MS,
    NO_SEARCHES,
    OWN_NUMBER,
    RECEIPTS_COMPARED_MS,
    Append,
    Guard,
    GuardKind,
    Holder,
    Row,
    Search,
    Searches,
    StoreError,
)

CHECKPOINT_PAGES: Final = 2_000
"""The write-ahead log is folded back from about this length (8 MB): a step of about ten milliseconds."""
PAGES_PER_COMMIT: Final = 6
"""What every commit writes anew, however small; with half a page an event this is near what was measured."""
PAGE_BYTES: Final = 4_096
FORGET_AT_ONCE: Final = 500
"""Old idempotency keys, and old receipts, deleted in one step; each is a page of its own."""
ORDERS_LOOKED_AT: Final = 1_000
"""Numbers are given before their events are written, so that the last event need not hold the highest."""

LINK_KEY_BYTES: Final = 32
WRITER_BYTES: Final = 6

_SET = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"
_INSERT_EVENT = (
    "INSERT INTO events (seq, writer, number, version, kind, at_ms, body, private, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_KIND = "INSERT OR IGNORE INTO kinds (kind) VALUES (?)"
_INSERT_PRIVATE = "INSERT INTO private (number, version, salt, body) VALUES (?, ?, ?, ?)"
_UPSERT_PAYMENT = (
    "INSERT INTO payments (number, is_open) VALUES (?, ?)"
    " ON CONFLICT (number) DO UPDATE SET is_open = excluded.is_open"
)
_INSERT_GUARD = (
    "INSERT OR IGNORE INTO guards (kind, key, number, detail, at_ms, version)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_FIND_GUARD = "SELECT number, detail, version FROM guards WHERE kind = ? AND key = ?"
_DROP_GUARD = "DELETE FROM guards WHERE kind = ? AND key = ? AND number = ?"
_FORGET_GUARDS = (
    "DELETE FROM guards WHERE kind = 'idempotency' AND key IN"
    " (SELECT key FROM guards INDEXED BY guards_to_forget"
    " WHERE kind = 'idempotency' AND at_ms < ? ORDER BY at_ms LIMIT ?)"
)
_UNSEARCHED = f"SELECT number FROM events NOT INDEXED WHERE seq > ? AND number <> {OWN_NUMBER}"  # noqa: S608 - a number
_OWN_VERSION = f"SELECT coalesce(max(version), 0) FROM events WHERE number = {OWN_NUMBER}"  # noqa: S608 - a number
_INSERT_NOTICE = "INSERT INTO outbox (number, version, shop, type, at_ms) VALUES (?, ?, ?, ?, ?)"
UPSERT_SEARCH: Final = (
    "INSERT INTO search"
    " (number, shop, order_id, status, gateway, amount, created_ms, needs_review)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (number) DO UPDATE SET status = excluded.status, gateway = excluded.gateway,"
    " needs_review = excluded.needs_review"
)
ROWS: Final = (
    "SELECT e.version, e.kind, e.at_ms, e.body, p.body, coalesce(p.salt, x''), e.number"
    " FROM events e LEFT JOIN private p ON p.number = e.number AND p.version = e.version"
)
"""The fields of a `Row`, and the payment's number."""
ROWS_OF_ONE: Final = f"{ROWS} WHERE e.number = ? ORDER BY e.version"
_OF_SOME = " WHERE e.number IN (SELECT value FROM json_each(?))"
ROWS_OF_SOME: Final = f"{ROWS}{_OF_SOME} ORDER BY e.number, e.version"
_OF_OPEN = " WHERE e.number IN (SELECT number FROM payments WHERE is_open = 1)"
OPEN_ROWS: Final = f"{ROWS}{_OF_OPEN} ORDER BY e.number, e.version"
_LAST_ROWS = (
    "SELECT version, kind, at_ms, body FROM events"
    " WHERE kind IN (SELECT value FROM json_each(?)) ORDER BY seq DESC LIMIT ?"
)

T = TypeVar("T")


class SqliteStore:
    """Fulfils `journal.store.Store`."""

    def __init__(
        self, path: Path, *, ballast_bytes: int, make_secret: Callable[[int], bytes]
    ) -> None:
        """Open or make the file. UnusableStore, or StoreError where the disk fails."""
        self.path = path
        self._ballast = path.with_name(path.name + ".ballast")
        self._ballast_bytes = ballast_bytes
        try:
            _make_file(path)
            self._db = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=schema.BUSY_SECONDS
            )
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot open the journal: {error}") from error
        try:
            schema.prepare(self._db)
            if self.named("writer") is None:
                new_writer(self._db, make_secret)
            self.writer = self._one("SELECT CAST(value AS TEXT) FROM meta WHERE key = 'writer'")
            if self.named("link_key") is None:
                self._set("link_key", make_secret(LINK_KEY_BYTES))
            self.link_key: bytes = self._one("SELECT value FROM meta WHERE key = 'link_key'")
            self._seq = self._one("SELECT coalesce(max(seq), 0) FROM events")
            self._hash: bytes = self._one(
                "SELECT coalesce((SELECT hash FROM events WHERE writer = ? ORDER BY seq DESC LIMIT 1), ?)",
                (self.writer, chain.GENESIS),
            )
            self._kinds = frozenset(kind for (kind,) in self._db.execute("SELECT kind FROM kinds"))
        except sqlite3.Error as error:
            self._db.close()
            if schema.unfit(error):
                raise schema.UnusableStore(f"{path} cannot be read: {error}") from error
            raise StoreError(f"cannot open the journal: {error}") from error
        except schema.UnusableStore:
            self._db.close()
            raise
        self._log_pages = 0
        self._failed = False
        self._lay_ballast()

    # --- writing

    def write(
        self, appends: Sequence[Append], searches: Searches = NO_SEARCHES
    ) -> list[Holder | None]:
        """See `Store.write`."""
        return self._durably(lambda: self._write(appends, searches))

    def note(self, kind: str, at_ms: int, body: bytes) -> None:
        """See `Store.note`."""

        def work() -> None:
            row = Row(self._one(_OWN_VERSION) + 1, kind, at_ms, body)
            self._write([Append(number=OWN_NUMBER, rows=(row,), is_open=None)], NO_SEARCHES)

        self._durably(work)

    def name(self, key: str, value: bytes) -> None:
        """Keep a small value beside the journal. StoreError if the disk fails."""
        self._durably(lambda: self._set(key, value))

    def tidy(self, now_ms: int) -> None:
        """Small work for a quiet moment: forget old keys and receipts, lay ballast again where there is room."""
        self._log_pages += self._durably(lambda: self._forget(now_ms))
        self._lay_ballast()

    def _forget(self, now_ms: int) -> int:
        before_ms = now_ms - IDEMPOTENCY_KEPT_MS
        keys = self._db.execute(_FORGET_GUARDS, (before_ms, FORGET_AT_ONCE)).rowcount
        return keys + receipts.forget(self._db, now_ms - RECEIPTS_COMPARED_MS, FORGET_AT_ONCE)

    def fold_back(self) -> None:
        """Fold the write-ahead log back into the file, if it has grown long. StoreError if the disk fails."""
        if self._log_pages < CHECKPOINT_PAGES:
            return
        self._log_pages = 0
        try:
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            if _is_full(error):
                return  # the log keeps everything, and it is tried again later
            self._failed = True
            raise StoreError(f"the journal cannot be folded back: {error}") from error

    def _durably(self, work: Callable[[], T]) -> T:
        """Do `work` in one transaction, once more if the disk was full and the ballast made room."""
        try:
            try:
                return self._in_transaction(work)
            except sqlite3.OperationalError as error:
                if not _is_full(error) or not self._drop_ballast():
                    raise
                return self._in_transaction(work)
        except sqlite3.Error as error:
            self._failed = True
            raise StoreError(f"the journal cannot be written: {error}") from error

    def _in_transaction(self, work: Callable[[], T]) -> T:
        seq, tail, kinds = self._seq, self._hash, self._kinds
        try:
            self._db.execute("BEGIN IMMEDIATE")
            result = work()
            self._db.execute("COMMIT")
        except BaseException:
            self._seq, self._hash, self._kinds = seq, tail, kinds
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")  # SQLite may have done so by itself
            raise
        return result

    def _write(self, appends: Sequence[Append], searches: Searches) -> list[Holder | None]:
        db, before = self._db, self._seq
        results: list[Holder | None] = []
        events: list[tuple[object, ...]] = []
        private: list[tuple[object, ...]] = []
        opened: list[tuple[int, bool]] = []
        notices: list[tuple[object, ...]] = []
        for append in appends:
            holder = self._take(append) if append.takes else None
            results.append(holder)
            if holder is not None:
                continue
            number = append.number
            for guard in append.releases:
                db.execute(_DROP_GUARD, (guard.kind, guard.key, number))
            for row in append.rows:
                digest = None
                if row.private is not None:
                    digest = chain.private_digest(row.salt, row.private)
                    private.append((number, row.version, row.salt, row.private))
                events.append(self._linked(number, row, digest))
            if append.is_open is not None:
                opened.append((number, append.is_open))
            notices.extend((number, n.version, n.shop, n.type, n.at_ms) for n in append.notices)
        db.executemany(_INSERT_EVENT, events)
        if private:
            db.executemany(_INSERT_PRIVATE, private)
        if opened:
            db.executemany(_UPSERT_PAYMENT, opened)
        if notices:
            db.executemany(_INSERT_NOTICE, notices)
        if searches.rows:
            db.executemany(UPSERT_SEARCH, map(search_values, searches.rows))
            of_invoices = [row for row in searches.rows if row.invoice]
            if of_invoices:
                sqlite_invoices.write_payments(db, of_invoices)
        if searches.invoices:
            held = {a.number for a, holder in zip(appends, results, strict=True) if holder}
            sqlite_invoices.write(db, (row for row in searches.invoices if row.number not in held))
        for changes in searches.posting:
            posting.write(db, changes)
        if searches.receipts:
            receipts.write(db, searches.receipts)
        if searches.compared is not None:
            self._set(receipts.COMPARED_KEY, str(searches.compared).encode())
        if searches.complete:
            self._set("searched", str(before).encode())
            self._set("tail", str(self._seq).encode())  # so that what is cut off later is missed
        size = sum(len(row.body) + len(row.private or b"") for a in appends for row in a.rows)
        self._log_pages += (
            PAGES_PER_COMMIT
            + len(events) // 2
            + len(searches.rows)
            + len(searches.posting)
            + len(searches.receipts) // 2
            + size // PAGE_BYTES
        )
        return results

    def _linked(self, number: int, row: Row, digest: bytes | None) -> tuple[object, ...]:
        """The next event of the chain, as it is inserted."""
        if row.kind not in self._kinds:
            self._db.execute(_INSERT_KIND, (row.kind,))
            self._kinds |= {row.kind}
        self._seq += 1
        self._hash = chain.link(
            self._hash,
            writer=self.writer,
            seq=self._seq,
            number=number,
            version=row.version,
            kind=row.kind,
            at_ms=row.at_ms,
            body=row.body,
            private=digest,
        )
        return (
            self._seq,
            self.writer,
            number,
            row.version,
            row.kind,
            row.at_ms,
            row.body,
            digest,
            self._hash,
        )

    def _take(self, append: Append) -> Holder | None:
        """Take the append's guards, or say who holds one of them; then none is taken."""
        for guard in append.takes:
            found = self._db.execute(_FIND_GUARD, (guard.kind, guard.key)).fetchone()
            if found is not None and (
                found[0] != append.number or guard.kind is GuardKind.IDEMPOTENCY
            ):
                held = Guard(kind=guard.kind, key=guard.key, detail=found[1])
                return Holder(guard=held, number=found[0], version=found[2])
        at_ms, version = append.rows[0].at_ms, append.rows[-1].version
        for guard in append.takes:
            self._db.execute(
                _INSERT_GUARD,
                (guard.kind, guard.key, append.number, guard.detail, at_ms, version),
            )
        return None

    # --- reading, for the start of the process

    def read(self, number: int) -> list[Row]:
        """See `Store.read`."""
        rows = self._db.execute(ROWS_OF_ONE, (number,))
        return [Row(*row[:6]) for row in rows]

    def read_open(self) -> Iterator[tuple[int, list[Row]]]:
        """See `Store.read_open`."""
        self._db.execute(f"PRAGMA cache_size = -{schema.START_CACHE_KIB}")
        try:
            yield from by_payment(self._db.execute(OPEN_ROWS))
        finally:
            self._db.execute(f"PRAGMA cache_size = -{schema.CACHE_KIB}")

    def last_number(self) -> int:
        """See `Store.last_number`."""
        found: int = self._one("SELECT coalesce(max(number), 0) FROM payments")
        return found

    def unsearched(self) -> list[int]:
        """See `Store.unsearched`."""
        known = int(self.named("searched") or b"0")
        found = self._db.execute(_UNSEARCHED, (known,))
        return sorted({number for (number,) in found})

    def take_receivers(self, names: Iterable[str]) -> list[tuple[Standing, list[Delivery]]]:
        """See `Store.take_receivers`."""
        return self._durably(lambda: posting.take(self._db, list(names)))

    def last_at_ms(self) -> int:
        """The wall clock as the last event has it; 0 before the first."""
        found: int = self._one(
            "SELECT coalesce((SELECT at_ms FROM events ORDER BY seq DESC LIMIT 1), 0)"
        )
        return found

    def last_rows(self, kinds: Sequence[str]) -> list[Row]:
        """See `Store.last_rows`."""
        rows = self._db.execute(_LAST_ROWS, (orjson.dumps(kinds).decode(), ORDERS_LOOKED_AT))
        return [Row(*row) for row in rows]

    @property
    def kinds(self) -> frozenset[str]:
        """Every kind of event that was ever written here."""
        return self._kinds

    def named(self, key: str) -> bytes | None:
        """A value that was kept beside the journal."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def close(self) -> None:
        """Note the end, fold everything back and close; after a failure only close."""
        if not self._failed:
            with suppress(sqlite3.Error):
                self._set("tail", str(self._seq).encode())
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()

    # --- pieces

    def _one(self, query: str, values: tuple[object, ...] = ()) -> Any:
        return self._db.execute(query, values).fetchone()[0]

    def _set(self, key: str, value: bytes) -> None:
        self._db.execute(_SET, (key, value))

    def _lay_ballast(self) -> None:
        """Keep a file that can be dropped, where it leaves as much room again as it takes."""
        if not self._ballast_bytes or self._ballast.exists():
            return
        with suppress(OSError):
            disk = os.statvfs(self.path.parent)
            if disk.f_bavail * disk.f_frsize < 2 * self._ballast_bytes:
                return
            descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._ballast_bytes)
            except OSError:
                self._ballast.unlink()
            finally:
                os.close(descriptor)

    def _drop_ballast(self) -> bool:
        try:
            self._ballast.unlink()
        except OSError:
            return False
        return True


def new_writer(db: sqlite3.Connection, make_secret: Callable[[int], bytes]) -> None:
    """Give whoever writes to this journal from now on a name, and thereby a hash chain, of its own."""
    db.execute(_SET, ("writer", make_secret(WRITER_BYTES).hex().encode()))


def by_payment(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, list[Row]]]:
    """What a query of `ROWS` in the order of payments gives, payment by payment."""
    for number, events in groupby(rows, key=lambda row: row[6]):
        yield number, [Row(*row[:6]) for row in events]


def search_values(search: Search) -> tuple[object, ...]:
    """What `UPSERT_SEARCH` takes."""
    return (
        search.number,
        search.shop,
        search.order_id,
        search.status,
        search.gateway,
        search.amount,
        search.created_ms,
        search.needs_review,
    )


def _make_file(path: Path) -> None:
    """Make the file, for nobody else to read, where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
