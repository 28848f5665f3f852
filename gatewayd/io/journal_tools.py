"""What operators do with a journal as a file: export, back up, restore, build its search columns anew.

Rules:

* Exporting and backing up go on beside a daemon that writes; restoring and building anew need the journal's lock.
* Nothing is ever overwritten. A file appears under its name only when it is whole, checked and on the disk, and for
  nobody else to read.
* A restored journal writes under a new name of its own, so that the chains of two lives of one journal never look as
  if they were one. Whatever the old life did after the backup is not in the new one: banks must be asked for it.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Any, BinaryIO, Final

import orjson

from gatewayd.io import journal_verify, sqlite_invoices
from gatewayd.io.boot import lock_path
from gatewayd.io.filelock import FileLock
from gatewayd.io.journal_verify import Problem, Progress, Verified
from gatewayd.io.ownership import give_to_owner
from gatewayd.io.sqlite_receipts import COMPARED_KEY
from gatewayd.io.sqlite_schema import UnusableStore, connect_to_read, prepare
from gatewayd.io.sqlite_store import ROWS, UPSERT_SEARCH, by_payment, new_writer, search_values
from gatewayd.journal.codec import UnknownEvent
from gatewayd.journal.invoices import columns_of, replay_invoice
from gatewayd.journal.journal import DamagedJournal, replay, search_of
from gatewayd.journal.store import OWN_NUMBER, InvoiceColumns, Search

EVENTS_AT_ONCE: Final = 5_000
PAGES_AT_ONCE: Final = 256
"""One megabyte between two pauses."""
PAUSE_SECONDS: Final = 0.002
"""Leaves the disk to the daemon in between."""
ROWS_AT_ONCE: Final = 1_000

_EXPORTED = (
    "SELECT e.seq, e.writer, e.number, e.version, e.kind, e.at_ms, e.body, e.private, e.hash,"
    " p.salt, p.body"
    " FROM events e LEFT JOIN private p ON p.number = e.number AND p.version = e.version"
    " WHERE e.seq > ? AND e.seq <= ? ORDER BY e.seq LIMIT ?"
)
_ALL_ROWS = f"{ROWS} WHERE e.number <> {OWN_NUMBER} ORDER BY e.number, e.version"
_IN_THE_WAY: Final = ("", "-wal", "-shm", "-journal")


class NotDone(Exception):
    """Why it was not done; the text is for the operator."""


class Damaged(NotDone):
    """The journal is not whole."""

    def __init__(self, path: Path, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join([f"{path} is not whole:", *map(str, problems)]))
        self.problems = problems


def export(
    path: Path,
    out: BinaryIO,
    *,
    private: bool = False,
    progress: Progress = lambda _what, _done, _all: None,
) -> int:
    """Write every event as a line of JSON, in the order of the whole journal; how many they were.

    `private` adds payers' data and banks' raw fields with the salts that bind them; without it only their digests.
    """
    with closing(connect_to_read(path)) as db:
        last = db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
        seq = count = 0
        while rows := db.execute(_EXPORTED, (seq, last, EVENTS_AT_ONCE)).fetchall():
            out.writelines(_line(row, private=private) for row in rows)
            seq, count = rows[-1][0], count + len(rows)
            progress("events", seq, last)
        return count


def backup(
    path: Path,
    target: Path,
    *,
    progress: Progress = lambda _what, _done, _all: None,
    pause: Callable[[], None] = lambda: time.sleep(PAUSE_SECONDS),
) -> None:
    """A copy of the journal as it is now, in one file; the daemon may go on. NotDone, UnusableStore, OSError."""
    with _made(target) as unfinished, closing(connect_to_read(path)) as source:
        _copy(source, unfinished, progress, pause)


def restore(
    source: Path,
    target: Path,
    *,
    progress: Progress = lambda _what, _done, _all: None,
    make_secret: Callable[[int], bytes] = token_bytes,
) -> Verified:
    """Make a backup the journal, after looking at all of it. NotDone, Damaged, Locked, UnusableStore, OSError."""
    connect_to_read(source).close()
    with FileLock(lock_path(target)):
        for ending in _IN_THE_WAY:
            there = target.with_name(target.name + ending)
            if there.exists():
                raise NotDone(f"{there} is there already; move it away first")
        verified = journal_verify.verify(source, progress=progress)
        if verified.problems:
            raise Damaged(source, verified.problems)
        with _made(target) as unfinished:
            with closing(connect_to_read(source)) as copied:
                _copy(copied, unfinished, progress, lambda: None)
            with closing(sqlite3.connect(unfinished, isolation_level=None)) as db:
                new_writer(db, make_secret)
        return verified


def rebuild_search(path: Path, *, progress: Progress = lambda _what, _done, _all: None) -> int:
    """Build the search columns anew from the events; how many payments there are. Locked, UnusableStore."""
    connect_to_read(path).close()
    with FileLock(lock_path(path)), closing(sqlite3.connect(path, isolation_level=None)) as db:
        prepare(db)  # it may be an older one's
        total = db.execute("SELECT count(*) FROM payments").fetchone()[0]
        done = 0
        db.execute("BEGIN IMMEDIATE")
        for table in ("search", "invoices", "invoice_payments", "receipts"):
            db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own words
        # the daemon finds the receipts again, in its own time
        db.execute("DELETE FROM meta WHERE key = ?", (COMPARED_KEY,))
        for found in _searches(db):
            if isinstance(found, InvoiceColumns):
                sqlite_invoices.write(db, [found])
            else:
                db.execute(UPSERT_SEARCH, search_values(found))
                if found.invoice:
                    sqlite_invoices.write_payments(db, [found])
            done += 1
            if done % ROWS_AT_ONCE == 0 or done == total:
                progress("payments", done, total)
        db.execute(
            "INSERT OR REPLACE INTO meta (key, value)"
            " SELECT 'searched', CAST(CAST(coalesce(max(seq), 0) AS TEXT) AS BLOB) FROM events"
        )
        db.execute("COMMIT")
        return done


# --- pieces


def _line(row: tuple[Any, ...], *, private: bool) -> bytes:
    seq, writer, number, version, kind, at_ms, body, digest, link, salt, private_body = row
    line: dict[str, object] = {
        "seq": seq,
        "writer": writer,
        "number": number,
        "version": version,
        "kind": kind,
        "at_ms": at_ms,
        "body": orjson.Fragment(body),
        "private_digest": digest.hex() if digest is not None else None,
        "hash": link.hex(),
    }
    if private and private_body is not None:
        line |= {"private": orjson.Fragment(private_body), "salt": salt.hex()}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _searches(db: sqlite3.Connection) -> Iterator[Search | InvoiceColumns]:
    try:
        for number, rows in by_payment(db.execute(_ALL_ROWS)):
            invoice = replay_invoice(number, rows)
            if invoice is not None:
                yield columns_of(invoice)
                continue
            payment = replay(number, rows)
            assert payment is not None, "it has events"
            yield search_of(payment)
    except (DamagedJournal, UnknownEvent) as error:
        raise UnusableStore(f"the journal is damaged: {error}") from error


def _copy(
    source: sqlite3.Connection, target: Path, progress: Progress, pause: Callable[[], None]
) -> None:
    """Copy a snapshot into `target` as one plain file, and look at it."""

    def stepped(_status: int, left: int, pages: int) -> None:
        progress("pages", pages - left, pages)
        pause()

    # a snapshot that is held from here on: otherwise every commit of the daemon would begin the copy anew
    source.execute("BEGIN")
    source.execute("SELECT count(*) FROM meta").fetchone()
    with closing(sqlite3.connect(target, isolation_level=None)) as db:
        source.backup(db, pages=PAGES_AT_ONCE, progress=stepped)
        source.execute("COMMIT")
        db.execute("PRAGMA journal_mode = DELETE")
        found = [line for (line,) in db.execute("PRAGMA quick_check(10)")]
    if found != ["ok"]:
        raise Damaged(target, tuple(Problem(what=line) for line in found))


@contextmanager
def _made(target: Path) -> Iterator[Path]:
    """A file to be filled; under its own name, and on the disk, only if the block ends well."""
    if target.exists():
        raise NotDone(f"{target} is there already")
    unfinished = target.with_name(target.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        give_to_owner(file, target.parent)
    finally:
        os.close(file)
    try:
        yield unfinished
        _sync(unfinished)
        _name(unfinished, target)
        _sync(target.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def _name(unfinished: Path, target: Path) -> None:
    """Give the file its name, unless somebody has taken it meanwhile."""
    try:
        target.hardlink_to(unfinished)
    except FileExistsError:
        raise NotDone(f"{target} is there already") from None
    except OSError:  # a file system without links, such as a stick's
        if target.exists():
            raise NotDone(f"{target} is there already") from None
        unfinished.rename(target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
