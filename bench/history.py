"""Makes a journal with a long past, straight into the file: millions of finished payments within minutes.

Each is a copy of one that the journal itself recorded, under its own number, time, order and references; the hash chain
is whole. Nine in ten were paid, the others were cancelled.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.lives import FIRST_MS, created, creation_guards, is_finished, life, started
from gatewayd.core import events as ev
from gatewayd.engine.ids import number_floor
from gatewayd.io.sqlite_store import UPSERT_SEARCH, SqliteStore, search_values
from gatewayd.journal import chain
from gatewayd.journal.journal import Journal, order_guard, reference_guard, replay, search_of
from gatewayd.journal.store import Append, GuardKind, Row, Search

SHOP: Final = "demo"
GATEWAYS: Final = ("saman", "mellat", "parsian", "zarinpal")
EVERY_MS: Final = 8_000
"""Between two payments: two million are half a year."""
AT_ONCE: Final = 20_000
CANCELLED_EVERY: Final = 10
_EVENT: Final = (
    "INSERT INTO events (seq, writer, number, version, kind, at_ms, body, private, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A payment as the journal wrote it."""

    rows: tuple[Row, ...]
    search: Search
    first_ms: int


def patterns() -> Sequence[Pattern]:
    """One paid payment of each gateway, and one that was cancelled."""
    found = []
    for number, gateway in enumerate(GATEWAYS):
        steps = [tuple(_ours(event, gateway) for event in events) for events, _ in life(number + 1)]
        found.append(_recorded(number + 1, steps))
    first = _ours(created(9), GATEWAYS[0])
    closing_event = ev.Closed(at_ms=FIRST_MS + 60_000, why=ev.Closing.CANCELLED_BY_PAYER)
    return [*found, _recorded(9, [(first,), (closing_event,)])]


def _ours(event: ev.Event, gateway: str) -> ev.Event:
    """The same for the shop and the gateways of config/simulated.yaml."""
    match event:
        case ev.Created():
            return replace(event, shop=SHOP, key="demo", test=True)
        case ev.StartRequested():
            return replace(event, gateway=gateway)
        case _:
            return event


def _recorded(number: int, steps: Sequence[tuple[ev.Event, ...]]) -> Pattern:
    journal = Journal(is_finished=is_finished, make_salt=os.urandom)
    rows: list[Row] = []
    for events in steps:
        journal.append(number, *events)
        rows += (row for append in journal.take_batch(1) for row in append.rows)
        journal.batch_landed([None])
    payment = replay(number, rows)
    assert payment is not None, "it has events"
    return Pattern(tuple(rows), search_of(payment), rows[0].at_ms)


def make_past(path: Path, payments: int) -> None:
    """A new journal at `path` with so many finished payments."""
    SqliteStore(path, ballast_bytes=0, make_secret=os.urandom).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;")
        writer = db.execute("SELECT CAST(value AS TEXT) FROM meta WHERE key = 'writer'").fetchone()
        filling = _Filling(db, writer[0], patterns())
        for first in range(0, payments, AT_ONCE):
            filling.add(range(first, min(payments, first + AT_ONCE)))
            _tell(first, payments)
        filling.end()
        db.executescript("PRAGMA journal_mode = WAL;")


def _tell(done: int, of: int) -> None:
    """Tell how far it is, now and then."""
    if done % (10 * AT_ONCE) == 0:
        print(f"  {done:,} of {of:,} payments", flush=True)


class _Filling:
    """The state between two batches: where the chain ends."""

    def __init__(self, db: sqlite3.Connection, writer: str, patterns: Sequence[Pattern]) -> None:
        self._db = db
        self._writer = writer
        self._paid, self._cancelled = patterns[:-1], patterns[-1]
        self._seq = 0
        self._hash = chain.GENESIS
        self._kinds = {row.kind for pattern in patterns for row in pattern.rows}

    def add(self, numbers: range) -> None:
        """These payments of the past."""
        db = self._db
        chosen = [(at, self._pattern(at), number_floor(FIRST_MS + at * EVERY_MS)) for at in numbers]
        db.execute("BEGIN")
        db.executemany(_EVENT, self._events(chosen))
        db.executemany(
            "INSERT INTO private (number, version, salt, body) VALUES (?, ?, ?, ?)",
            (
                (number, row.version, row.salt, row.private)
                for _, pattern, number in chosen
                for row in pattern.rows
                if row.private is not None
            ),
        )
        db.executemany(
            "INSERT INTO payments (number, is_open) VALUES (?, 0)", ((n,) for _, _, n in chosen)
        )
        db.executemany(UPSERT_SEARCH, (self._search(at, p, n) for at, p, n in chosen))
        db.executemany(
            "INSERT INTO guards (kind, key, number, detail, at_ms) VALUES (?, ?, ?, '', ?)",
            self._guards(chosen),
        )
        db.executemany(
            "INSERT INTO outbox (number, version, shop, type, at_ms) VALUES (?, ?, ?, ?, ?)",
            (
                (n, len(p.rows), p.search.shop, f"payment.{p.search.status}", FIRST_MS + at)
                for at, p, n in chosen
            ),
        )
        db.execute("COMMIT")

    def end(self) -> None:
        """What the journal notes beside the events."""
        db = self._db
        db.executemany(
            "INSERT OR IGNORE INTO kinds (kind) VALUES (?)", ((kind,) for kind in self._kinds)
        )
        for key in ("searched", "tail"):
            value = str(self._seq).encode()
            db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def _pattern(self, at: int) -> Pattern:
        if at % CANCELLED_EVERY == CANCELLED_EVERY - 1:
            return self._cancelled
        return self._paid[at % len(self._paid)]

    def _events(self, chosen: Sequence[tuple[int, Pattern, int]]) -> Iterator[tuple[object, ...]]:
        writer = self._writer
        for at, pattern, number in chosen:
            later = FIRST_MS + at * EVERY_MS - pattern.first_ms
            before, now = f'"{pattern.search.order_id}"'.encode(), f'"past-{at}"'.encode()
            for row in pattern.rows:
                body = row.body.replace(before, now) if row.version == 1 else row.body
                self._seq += 1
                digest = (
                    chain.private_digest(row.salt, row.private) if row.private is not None else None
                )
                at_ms = row.at_ms + later
                self._hash = chain.link(
                    self._hash,
                    writer=writer,
                    seq=self._seq,
                    number=number,
                    version=row.version,
                    kind=row.kind,
                    at_ms=at_ms,
                    body=body,
                    private=digest,
                )
                yield (
                    *(self._seq, writer, number, row.version),
                    *(row.kind, at_ms, body, digest, self._hash),
                )

    def _search(self, at: int, pattern: Pattern, number: int) -> tuple[object, ...]:
        search = replace(
            pattern.search,
            number=number,
            order_id=f"past-{at}",
            created_ms=FIRST_MS + at * EVERY_MS,
        )
        return search_values(search)

    def _guards(self, chosen: Sequence[tuple[int, Pattern, int]]) -> Iterator[tuple[object, ...]]:
        for at, pattern, number in chosen:
            if pattern is self._cancelled:
                continue
            order = order_guard(SHOP, f"past-{at}", test=True)
            reference = reference_guard(pattern.search.gateway, f"GmshtyjwK{at}")
            for guard in (order, reference):
                yield guard.kind, guard.key, number, FIRST_MS + at * EVERY_MS


def make_open(path: Path, payments: int, *, handed_over: bool) -> None:
    """A new journal with so many open payments, created only or with their payers at a bank."""
    store = SqliteStore(path, ballast_bytes=0, make_secret=os.urandom)
    journal = Journal(is_finished=is_finished, make_salt=os.urandom)
    now_ms = int(time.time() * 1000)
    batch: list[Append] = []
    for index in range(payments):
        number = number_floor(now_ms) + index
        gateway = GATEWAYS[index % len(GATEWAYS)]
        first = replace(
            created(index + 1), shop=SHOP, key="demo", test=True, expires_ms=now_ms + 3_600_000
        )
        events: list[ev.Event] = [replace(first, at_ms=now_ms)]
        if handed_over:
            events += [_ours(event, gateway) for event in started(index + 1, now_ms)]
        guards = [each for each in creation_guards(index + 1) if each.kind is GuardKind.ORDER]
        journal.append(number, *events, takes=tuple(guards))
        batch += journal.take_batch(1)
        journal.batch_landed([None])
        if len(batch) == AT_ONCE:
            store.write(batch, journal.take_searches(AT_ONCE))
            batch = []
    store.write(batch, journal.take_searches(AT_ONCE))
    store.close()
