"""Journals on disk for tests: filled with lives, looked into by plain SQL, and cut as a power failure would."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from bench.lives import FIRST_MS, created, creation_guards, is_finished, life, started
from gatewayd.core.payment import Payment
from gatewayd.io.sqlite_store import SqliteStore
from gatewayd.journal.journal import Journal, replay

MANY = 10_000


def counted(count: int) -> bytes:
    """No secret, and the same every time."""
    return bytes(range(count))


@contextmanager
def opened(path: Path, *, ballast_bytes: int = 0) -> Iterator[SqliteStore]:
    """The store, closed in the end."""
    store = SqliteStore(path, ballast_bytes=ballast_bytes, make_secret=counted)
    try:
        yield store
    finally:
        store.close()


def journal() -> Journal:
    """A journal for lives."""
    return Journal(is_finished=is_finished, make_salt=counted)


def land(memory: Journal, store: SqliteStore) -> None:
    """One batch with its search columns."""
    batch = memory.take_batch(MANY)
    memory.batch_landed(store.write(batch, memory.take_searches(MANY)))


def live(store: SqliteStore, numbers: Iterable[int]) -> None:
    """Whole lives, which end with kept money; a batch for each step, and one for the last search columns."""
    memory, ids = journal(), list(numbers)
    for steps in zip(*map(life, ids), strict=True):
        for number, (events, takes) in zip(ids, steps, strict=True):
            memory.append(number, *events, takes=takes)
        land(memory, store)
    land(memory, store)


def begin(store: SqliteStore, numbers: Iterable[int]) -> None:
    """Lives up to the token: open payments."""
    memory = journal()
    for number in numbers:
        memory.append(number, created(number), takes=creation_guards(number))
    land(memory, store)
    for number in memory.numbers():
        memory.append(number, *started(number, FIRST_MS + number + 900))
    land(memory, store)
    land(memory, store)


def payments(store: SqliteStore) -> dict[int, Payment]:
    """Every payment as its events make it."""
    with closing(sqlite3.connect(store.path)) as db:
        numbers = [
            number
            for (number,) in db.execute("SELECT DISTINCT number FROM events WHERE number > 0")
        ]
    found = {number: replay(number, store.read(number)) for number in numbers}
    return {number: payment for number, payment in found.items() if payment is not None}


def sql(path: Path, statement: str, *values: object) -> list[Any]:
    """Behind the store's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return db.execute(statement, values).fetchall()
