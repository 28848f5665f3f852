"""Where the references of banks' receipts are kept in SQLite, to find one that two payments have.

They are found in the events, some seconds later and by the readers' connections, so that no payment waits for it.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Final

import orjson

from gatewayd.journal.store import Sighting

COMPARED_KEY: Final = "compared"
EVENTS_AT_ONCE: Final = 1_000
"""Looked at in one reading: some milliseconds of another thread's time, perhaps on the loop's core, and then of the
writer's; ten times as many at once were seen in the slowest thousandth of customers."""

COMPARED: Final = "SELECT coalesce((SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM meta WHERE key = 'compared'), 0)"
UPTO: Final = "SELECT max(?1, min(?1 + ?2, (SELECT coalesce(max(seq), 0) FROM events)))"
SIGHTINGS: Final = (
    "SELECT json_extract(CAST(s.body AS TEXT), '$.gateway'),"
    " coalesce(json_extract(CAST(v.body AS TEXT), '$.receipt.rrn'),"
    " json_extract(CAST(v.body AS TEXT), '$.receipt.ref_num')) AS reference, v.number, v.at_ms"
    " FROM events v CROSS JOIN events s ON s.number = v.number AND s.kind = 'StartRequested'"
    " AND json_extract(CAST(s.body AS TEXT), '$.attempt')"
    " = json_extract(CAST(v.body AS TEXT), '$.attempt')"
    " WHERE v.seq > ? AND v.seq <= ? AND v.kind IN ('Verified', 'Mismatched') AND v.at_ms >= ?"
    " AND trim(reference, '0') <> '' ORDER BY v.seq"
)
"""The fields of a `Sighting`. A number of nothing but zeros is a bank's way of giving none."""
TWICE: Final = (
    "SELECT j.key, (SELECT r.number FROM receipts r"
    " WHERE r.gateway = json_extract(j.value, '$[0]')"
    " AND r.reference = json_extract(j.value, '$[1]')"
    " AND r.number <> json_extract(j.value, '$[2]')"
    " AND abs(r.at_ms - json_extract(j.value, '$[3]')) <= ?1"
    " ORDER BY r.number DESC LIMIT 1)"
    " FROM json_each(?2) j"
)
_INSERT: Final = (
    "INSERT OR IGNORE INTO receipts (gateway, reference, number, at_ms) VALUES (?, ?, ?, ?)"
)
_FORGET: Final = (
    "DELETE FROM receipts WHERE (gateway, reference, number) IN"
    " (SELECT gateway, reference, number FROM receipts INDEXED BY receipts_to_forget"
    " WHERE at_ms < ? ORDER BY at_ms LIMIT ?)"
)


_plain: Final = attrgetter(*(each.name for each in fields(Sighting)))
"""A sighting as a tuple; `astuple`, which looks for values within values, costs twenty times as much."""


def write(db: sqlite3.Connection, sightings: Sequence[Sighting]) -> None:
    """Write these down, within a transaction; those that are there already stay."""
    db.executemany(_INSERT, map(_plain, sightings))


def forget(db: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """Forget the oldest of those before then, at most `limit`; how many they were."""
    return db.execute(_FORGET, (before_ms, limit)).rowcount


def as_json(sightings: Sequence[Sighting]) -> str:
    """What `TWICE` takes."""
    return orjson.dumps([_plain(each) for each in sightings]).decode()
