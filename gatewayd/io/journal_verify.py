"""Looks whether a journal is whole: the file, the hash chain, every payment's life and what is derived from it.

It reads in small slices, each a moment's snapshot, so that a daemon that writes meanwhile is not held up. Search
columns follow their events within a second; those of newer events are not compared. What a chain cannot show by itself,
events cut off at its end, is betrayed by what was derived from them, and by the end that was noted every half second.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gatewayd.core.payment import Payment
from gatewayd.io.sqlite_invoices import invoice_values, payment_values
from gatewayd.io.sqlite_schema import connect_to_read
from gatewayd.io.sqlite_store import search_values
from gatewayd.journal import chain
from gatewayd.journal.codec import UnknownEvent, decode
from gatewayd.journal.invoices import columns_of, replay_invoice
from gatewayd.journal.journal import DamagedJournal, replay_one, search_of
from gatewayd.journal.store import FIRST_OF_INVOICE, OWN_NUMBER, Row

EVENTS_AT_ONCE: Final = 5_000
PAYMENTS_AT_ONCE: Final = 500
PROBLEMS_MAX: Final = 100
"""More are not told: somebody will look at the first."""

Progress = Callable[[str, int, int], None]
"""Called with what is being looked at (`chain`, `payments`), how many events of it are done, and of how many."""

_EVENTS = (
    "SELECT e.seq, e.writer, e.number, e.version, e.kind, e.at_ms, e.body, e.private, e.hash,"
    " p.salt, p.body"
    " FROM events e LEFT JOIN private p ON p.number = e.number AND p.version = e.version"
    " WHERE e.seq > ? ORDER BY e.seq LIMIT ?"
)
_NUMBERS = "SELECT DISTINCT number FROM events WHERE number > ? ORDER BY number LIMIT ?"
_LIVES = (
    "SELECT e.number, e.seq, e.version, e.kind, e.at_ms, e.body, p.body"
    " FROM events e LEFT JOIN private p ON p.number = e.number AND p.version = e.version"
    " WHERE e.number BETWEEN ? AND ? ORDER BY e.number, e.version"
)
_SEARCH = (
    "SELECT number, shop, order_id, status, gateway, amount, created_ms, needs_review"
    " FROM search WHERE number BETWEEN ? AND ?"
)
_HAS_INVOICES = "SELECT count(*) FROM sqlite_master WHERE name = 'invoices'"
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
_INVOICES = (
    "SELECT number, shop, order_id, status, wanted, look_ms, created_ms FROM invoices"
    " WHERE number BETWEEN ? AND ?"
)
_INVOICE_PAYMENTS = (
    "SELECT invoice, number, status, amount FROM invoice_payments WHERE invoice = ? AND number = ?"
)
_OPEN = "SELECT number, is_open FROM payments WHERE number BETWEEN ? AND ?"
_SEARCHED = "SELECT coalesce((SELECT CAST(value AS TEXT) FROM meta WHERE key = 'searched'), '0')"
_TAIL = "SELECT coalesce((SELECT CAST(value AS TEXT) FROM meta WHERE key = 'tail'), '0')"
_LAST = "SELECT coalesce(max(seq), 0) FROM events"
_BY_NUMBER = "SELECT 1 FROM events e WHERE e.number = t.number"
_BY_EVENT = f"{_BY_NUMBER} AND e.version = t.version"
_DERIVED = {
    "payments": ("a payment", _BY_NUMBER),
    "search": ("search columns", _BY_NUMBER),
    "guards": ("a guard", _BY_NUMBER),
    "outbox": ("a notice", _BY_EVENT),
    "private": ("a private part", _BY_EVENT),
    "receipts": ("a receipt", _BY_NUMBER),
    "invoices": ("a row of invoices", _BY_NUMBER),
    "invoice_payments": ("a row of invoice_payments", _BY_NUMBER),
}
"""Tables whose rows must not outlive their events, with what one of their rows is called, and its events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is not as it was written."""

    what: str
    seq: int | None = None
    """The event in the order of the whole journal."""
    number: int | None = None
    """The payment."""

    def __str__(self) -> str:
        place = [f"event {self.seq}"] if self.seq is not None else []
        place += [f"payment {self.number}"] if self.number is not None else []
        return f"{', '.join(place)}: {self.what}" if place else self.what


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was looked at, and what is wrong with it."""

    events: int
    payments: int
    erased: int
    """Private parts that were erased, which is no problem."""
    problems: tuple[Problem, ...]
    """At most `PROBLEMS_MAX`; empty if the journal is whole."""


def verify(
    path: Path,
    *,
    progress: Progress = lambda _what, _done, _all: None,
    is_finished: Callable[[Payment], bool] | None = None,
) -> Verified:
    """Look at all of it. `is_finished`, if given, says what the mark of open payments must be.

    UnusableStore where there is no journal that this program knows.
    """
    with closing(connect_to_read(path)) as db:
        return _Look(db, progress, is_finished).all()


class _Look:
    """One look at a journal."""

    def __init__(
        self,
        db: sqlite3.Connection,
        progress: Progress,
        is_finished: Callable[[Payment], bool] | None,
    ) -> None:
        self._db = db
        self._progress = progress
        self._is_finished = is_finished
        self._problems: list[Problem] = []
        self._events = self._payments = self._erased = 0

    def all(self) -> Verified:
        """Every check in turn."""
        try:
            self._file()
            self._chain()
            self._lives()
            self._left_over()
        except sqlite3.DatabaseError as error:
            self._problem(f"the file cannot be read on: {error}")
        return Verified(
            events=self._events,
            payments=self._payments,
            erased=self._erased,
            problems=tuple(self._problems[:PROBLEMS_MAX]),
        )

    # --- the file

    def _file(self) -> None:
        for (line,) in self._db.execute("PRAGMA quick_check(10)"):
            if line != "ok":
                self._problem(f"the file: {line}")

    # --- the chain

    def _chain(self) -> None:
        last = self._one(_LAST)
        tails: dict[str, bytes] = {}
        seq = 0
        while rows := self._db.execute(_EVENTS, (seq, EVENTS_AT_ONCE)).fetchall():
            for row in rows:
                if row[0] != seq + 1:
                    self._problem(f"events {seq + 1} to {row[0] - 1} are missing", seq=row[0])
                seq = row[0]
                self._linked(row, tails)
                self._events += 1
            self._progress("chain", min(seq, last), last)
        tail = int(self._one(_TAIL))
        if tail > seq:
            self._problem(f"events {seq + 1} to {tail} are missing at the end")

    def _linked(self, row: tuple[Any, ...], tails: dict[str, bytes]) -> None:
        seq, writer, number, version, kind, at_ms, body, digest, stored, salt, private = row
        due = chain.link(
            tails.get(writer, chain.GENESIS),
            writer=writer,
            seq=seq,
            number=number,
            version=version,
            kind=kind,
            at_ms=at_ms,
            body=body,
            private=digest,
        )
        if due != stored:
            what = "the hash does not fit: it was changed, or what this writer wrote before it was"
            self._problem(what, seq=seq, number=number)
        tails[writer] = stored
        if digest is not None and private is None:
            self._erased += 1
        elif private is not None and chain.private_digest(salt, private) != digest:
            self._problem(
                "the private part is not the one that was written", seq=seq, number=number
            )

    # --- the payments

    def _lives(self) -> None:
        done, number = 0, -1
        while True:
            with self._snapshot():
                numbers = [n for (n,) in self._db.execute(_NUMBERS, (number, PAYMENTS_AT_ONCE))]
                if not numbers:
                    return
                first, number = numbers[0], numbers[-1]
                searched = int(self._one(_SEARCHED))
                found = {row[0]: row for row in self._db.execute(_SEARCH, (first, number))}
                is_open = dict(self._db.execute(_OPEN, (first, number)))
                lives = self._db.execute(_LIVES, (first, number)).fetchall()
                if self._one(_HAS_INVOICES):  # not in an older program's
                    invoices = self._db.execute(_INVOICES, (first, number))
                    found |= {row[0]: row for row in invoices}
            for life in _grouped(lives):
                done += len(life)
                if life[0][0] == OWN_NUMBER:
                    self._own(life)
                else:
                    self._payments += 1
                    self._life(life, searched, found, is_open)
            self._progress("payments", min(done, self._events), self._events)

    def _life(
        self,
        life: list[tuple[Any, ...]],
        searched: int,
        found: dict[int, tuple[Any, ...]],
        is_open: dict[int, int],
    ) -> None:
        """One payment: replayed, and compared with what is derived from it."""
        number = life[0][0]
        if life[0][3] == FIRST_OF_INVOICE:
            self._invoice(life, found, is_open)
            return
        payment: Payment | None = None
        for _, seq, version, kind, at_ms, body, private in life:
            try:
                payment = replay_one(payment, number, Row(version, kind, at_ms, body, private))
            except (DamagedJournal, UnknownEvent) as error:
                self._problem(str(error), seq=seq, number=number)
                return
        assert payment is not None, "a life has events"
        if number not in is_open:
            self._problem("it is not among the payments", number=number)
        elif self._is_finished and bool(is_open[number]) is self._is_finished(payment):
            state = "finished" if is_open[number] else "open"
            self._problem(f"it is {state} and not marked so", number=number)
        newest = max(row[1] for row in life)
        if newest <= searched and found.get(number) != search_values(search_of(payment)):
            self._problem("its search columns do not fit its events", number=number)
        search = search_of(payment)
        if search.invoice and newest <= searched:
            row = self._db.execute(_INVOICE_PAYMENTS, (search.invoice, number)).fetchone()
            if row != payment_values(search):
                self._problem("its invoice's columns do not fit its events", number=number)

    def _invoice(
        self,
        life: list[tuple[Any, ...]],
        found: dict[int, tuple[Any, ...]],
        is_open: dict[int, int],
    ) -> None:
        """One invoice: the same; its columns land with its events."""
        number, seq = life[0][0], life[-1][1]
        try:
            invoice = replay_invoice(number, [Row(*each[2:]) for each in life])
        except (DamagedJournal, UnknownEvent) as error:
            self._problem(str(error), seq=seq, number=number)
            return
        assert invoice is not None, "it begins as one"
        if is_open.get(number) != 0:
            self._problem("it is not among what is no open payment", number=number)
        if found.get(number) != invoice_values(columns_of(invoice)):
            self._problem("its columns do not fit its events", number=number)

    def _own(self, life: list[tuple[Any, ...]]) -> None:
        """What happened to the journal itself: nothing is derived from it, but none may be missing."""
        for due, (number, seq, version, kind, at_ms, body, _) in enumerate(life, 1):
            try:
                decode(kind, at_ms, body, None)
            except UnknownEvent as error:
                self._problem(str(error), seq=seq)
            if version != due:
                self._problem(f"version {version} where {due} is due", seq=seq, number=number)
                return

    def _left_over(self) -> None:
        """What was derived from events that are gone; an older program's journal has not all of the tables."""
        there = {name for (name,) in self._db.execute(_TABLES)}
        for table in sorted(_DERIVED.keys() & there):
            what, events = _DERIVED[table]
            query = f"SELECT number FROM {table} t WHERE NOT EXISTS ({events}) LIMIT 10"  # noqa: S608 - our own words
            for (number,) in self._db.execute(query):
                self._problem(f"{what} is left of events that are missing", number=number)

    # --- pieces

    def _problem(self, what: str, *, seq: int | None = None, number: int | None = None) -> None:
        if len(self._problems) < PROBLEMS_MAX:
            self._problems.append(Problem(what=what, seq=seq, number=number))

    def _one(self, query: str) -> Any:
        return self._db.execute(query).fetchone()[0]

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Inside, everything is read as of one moment."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")


def _grouped(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of one payment together; they come in its order."""
    life: list[tuple[Any, ...]] = []
    for row in rows:
        if life and life[0][0] != row[0]:
            yield life
            life = []
        life.append(row)
    if life:
        yield life
