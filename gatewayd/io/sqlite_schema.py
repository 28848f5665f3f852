"""The journal's tables in SQLite, and the checks before they are used.

`events` is the journal itself: append-only, one row per event, never changed. Everything else is either beside it
(`private`, which may be erased; `guards`; `outbox`; `receivers` and their `deliveries`) or derived from it and
rebuildable (`payments`, `search`, `receipts`, `invoices`, `invoice_payments`, `kinds`).
"""

import os
import sqlite3
from pathlib import Path
from typing import Final

from gatewayd.io import sqlite_invoices

APPLICATION_ID: Final = 0x67774A31
"""`gwJ1`: no other program's database is ever taken for a journal, or written into."""
SCHEMA_VERSION: Final = 6
SQLITE_MIN: Final = (3, 37, 0)
"""STRICT tables came with it."""
BUSY_SECONDS: Final = 5.0
"""How long a connection waits for another's lock; only opening and closing ever take one that others wait for."""
LOG_BYTES_KEPT: Final = 67_108_864
"""The write-ahead log's file is cut back to this once a long reader has let go of it."""
CACHE_KIB: Final = 16_384
NOT_YOURS: Final = (
    "this user may not read it; do this as the user that the daemon runs as, or as root"
)
_UNFIT: Final = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})
START_CACHE_KIB: Final = 1_024
"""While open payments are read at a start, from one end to the other: what is read then is not read again."""

_BY_STATUS_AND_GATEWAY: Final = (
    "CREATE INDEX search_by_status_and_gateway ON search (shop, status, gateway, number);"
)
_POSTING: Final = """
CREATE TABLE receivers (
    name TEXT PRIMARY KEY,            -- shop/receiver
    cursor INTEGER NOT NULL,          -- what is in the outbox up to here is settled, or in `deliveries`
    failing_since_ms INTEGER,
    disabled_ms INTEGER,
    why TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE deliveries (
    receiver TEXT NOT NULL,
    seq INTEGER NOT NULL,             -- of the outbox
    number INTEGER NOT NULL,
    version INTEGER NOT NULL,
    type TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    first_ms INTEGER,
    PRIMARY KEY (receiver, seq)
) STRICT, WITHOUT ROWID;
"""
_RECEIPTS = """
CREATE TABLE receipts (
    gateway TEXT NOT NULL,
    reference TEXT NOT NULL,          -- as the bank's receipt names the payment
    number INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (gateway, reference, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipts_to_forget ON receipts (at_ms);
"""
TABLES: Final = (
    """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,          -- the order of everything in this store
    writer TEXT NOT NULL,             -- whose hash chain this row belongs to
    number INTEGER NOT NULL,          -- the payment
    version INTEGER NOT NULL,         -- its order within the payment, from 1 without gaps
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    private BLOB,                     -- salted digest of the row in `private`, if there is one
    hash BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_of_payment ON events (number, version);
CREATE TABLE private (
    number INTEGER NOT NULL,
    version INTEGER NOT NULL,
    salt BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (number, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE payments (number INTEGER PRIMARY KEY, is_open INTEGER NOT NULL) STRICT;
CREATE INDEX payments_open ON payments (number) WHERE is_open = 1;
CREATE TABLE kinds (kind TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE guards (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    number INTEGER NOT NULL,
    detail TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1, -- of the payment, with which it was taken
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX guards_to_forget ON guards (at_ms) WHERE kind = 'idempotency';
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    number INTEGER NOT NULL,
    version INTEGER NOT NULL,
    shop TEXT NOT NULL,
    type TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_of_shop ON outbox (shop, seq);
CREATE TABLE search (
    number INTEGER PRIMARY KEY,
    shop TEXT NOT NULL,
    order_id TEXT NOT NULL,
    status TEXT NOT NULL,
    gateway TEXT NOT NULL,
    amount INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    needs_review INTEGER NOT NULL
) STRICT;
CREATE INDEX search_by_shop ON search (shop, number);
CREATE INDEX search_by_order ON search (shop, order_id, number);
CREATE INDEX search_by_status ON search (shop, status, number);
CREATE INDEX search_by_gateway ON search (shop, gateway, number);
CREATE INDEX search_in_review ON search (number) WHERE needs_review = 1;
"""
    + _POSTING
    + _BY_STATUS_AND_GATEWAY
    + _RECEIPTS
    + sqlite_invoices.TABLES
)

UPGRADES: Final = (
    "ALTER TABLE guards ADD COLUMN version INTEGER NOT NULL DEFAULT 1;",
    _POSTING,
    _BY_STATUS_AND_GATEWAY,
    _RECEIPTS,
    sqlite_invoices.TABLES,
)
"""What makes of each schema, from the first on, the next one; events are never touched."""


class UnusableStore(Exception):
    """The file cannot be used as a journal; the text says why and what to do."""


def unfit(error: sqlite3.Error) -> bool:
    """Whether this speaks of what is in the file, and not of the disk: no database, or a damaged one."""
    return getattr(error, "sqlite_errorcode", None) in _UNFIT


def address(path: Path) -> str:
    """By which SQLite opens this file for reading only."""
    return f"{path.resolve().as_uri()}?mode=ro"


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A read-only connection to a journal, in use or not. UnusableStore if it is none, or is not there."""
    if not is_there(path) or not path.is_file():
        raise UnusableStore(f"there is no journal at {path}")
    if not os.access(path, os.R_OK):
        raise UnusableStore(f"{path}: {NOT_YOURS}")
    try:
        connection = sqlite3.connect(
            address(path), uri=True, isolation_level=None, timeout=BUSY_SECONDS
        )
        try:
            check(connection)
            if _number(connection, "user_version") == 0:
                raise UnusableStore(f"{path} is empty")
            connection.execute("PRAGMA mmap_size = 0")
        except BaseException:
            connection.close()
            raise
    except sqlite3.DatabaseError as error:
        raise UnusableStore(f"{path} cannot be read: {error}") from None
    return connection


def is_there(path: Path) -> bool:
    """Whether there is anything; UnusableStore where this user may not even see that."""
    try:
        return path.exists()
    except PermissionError:
        raise UnusableStore(f"{path}: {NOT_YOURS}") from None


def prepare(connection: sqlite3.Connection) -> None:
    """Set the connection up for durable writing; make the tables where they are missing, or bring them up to date.

    UnusableStore if this cannot be a journal; nothing was changed then.
    """
    check(connection)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise UnusableStore("the journal's file system cannot do WAL; put it on a local disk")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA mmap_size = 0")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES_KEPT}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    version = _number(connection, "user_version")
    if version != SCHEMA_VERSION:
        missing = "".join(UPGRADES[version - 1 :]) if version else TABLES
        connection.executescript(
            f"BEGIN IMMEDIATE; {missing}"
            f" PRAGMA application_id = {APPLICATION_ID};"
            f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )


def check(connection: sqlite3.Connection) -> None:
    """UnusableStore if this file is neither empty nor a journal that this program knows."""
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        wanted = ".".join(map(str, SQLITE_MIN[:2]))
        raise UnusableStore(
            f"SQLite {sqlite3.sqlite_version} is too old: {wanted} or newer is needed"
        )
    application, version = (
        _number(connection, "application_id"),
        _number(connection, "user_version"),
    )
    if (application, version) == (0, 0):
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise UnusableStore("the file is another program's database, not a journal")
    elif application != APPLICATION_ID:
        raise UnusableStore("the file is another program's database, not a journal")
    elif not 0 < version <= SCHEMA_VERSION:
        raise UnusableStore(
            f"the journal has schema {version}, this program knows {SCHEMA_VERSION}:"
            " use the gatewayd that wrote it, or a newer one"
        )


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    found = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    assert isinstance(found, int)
    return found
