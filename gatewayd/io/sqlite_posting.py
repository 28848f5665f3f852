"""Where the deliveries of webhooks are kept in SQLite: how each receiver stands, and what is not settled yet."""

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple
from typing import Final

from gatewayd.core.delivery import Changes, Delivery, Standing

_UPSERT_RECEIVER: Final = (
    "INSERT OR REPLACE INTO receivers (name, cursor, failing_since_ms, disabled_ms, why)"
    " VALUES (?, ?, ?, ?, ?)"
)
_UPSERT_DELIVERY: Final = (
    "INSERT OR REPLACE INTO deliveries"
    " (receiver, seq, number, version, type, at_ms, due_ms, tries, first_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SETTLE: Final = "DELETE FROM deliveries WHERE receiver = ? AND seq = ?"
_RECEIVER: Final = "SELECT cursor, failing_since_ms, disabled_ms, why FROM receivers WHERE name = ?"
_UNSETTLED: Final = (
    "SELECT seq, number, version, type, at_ms, due_ms, tries, first_ms FROM deliveries"
    " WHERE receiver = ? ORDER BY seq"
)


def write(db: sqlite3.Connection, changes: Changes) -> None:
    """Write down what has changed of one receiver, within a transaction."""
    standing = changes.standing
    db.execute(_UPSERT_RECEIVER, _values(standing))
    if changes.unsettled:
        db.executemany(
            _UPSERT_DELIVERY, ((standing.name, *astuple(each)) for each in changes.unsettled)
        )
    if changes.settled:
        db.executemany(_SETTLE, ((standing.name, seq) for seq in changes.settled))


def take(db: sqlite3.Connection, names: Sequence[str]) -> list[tuple[Standing, list[Delivery]]]:
    """See `Store.take_receivers`; within a transaction."""
    for (name,) in db.execute("SELECT name FROM receivers").fetchall():
        if name not in names:
            db.execute("DELETE FROM receivers WHERE name = ?", (name,))
            db.execute("DELETE FROM deliveries WHERE receiver = ?", (name,))
    (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM outbox").fetchone()
    found = []
    for name in names:
        row = db.execute(_RECEIVER, (name,)).fetchone()
        standing = Standing(name=name, cursor=last)
        if row is None:
            db.execute(_UPSERT_RECEIVER, _values(standing))
        else:
            cursor, failing_since_ms, disabled_ms, why = row
            standing = Standing(
                name=name,
                cursor=cursor,
                failing_since_ms=failing_since_ms,
                disabled_ms=disabled_ms,
                why=why,
            )
        found.append((standing, [Delivery(*each) for each in db.execute(_UNSETTLED, (name,))]))
    return found


def _values(standing: Standing) -> tuple[object, ...]:
    return (
        standing.name,
        standing.cursor,
        standing.failing_since_ms,
        standing.disabled_ms,
        standing.why,
    )
