"""Reads a journal for `gatewayd replay`: its draws, in order, to the ways of drawing that are compared."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Final

from gatewayd.core import events as ev
from gatewayd.io.journal_verify import Progress
from gatewayd.io.sqlite_schema import connect_to_read
from gatewayd.journal.codec import decode
from gatewayd.routing.evidence import Estimate
from gatewayd.routing.replay import Replay, Way

EVENTS_AT_ONCE: Final = 5_000
BLOCK_SECONDS: Final = 1_800.0
"""An outage lasts about so long: payments within it are not independent of each other."""
BLOCKS: Final = 24
"""At least so many blocks, also where a journal is only some hours long."""
KINDS: Final = frozenset(
    kind.__name__
    for kind in (
        ev.StartRequested,
        ev.Started,
        ev.StartLost,
        ev.StartRefused,
        ev.Returned,
        ev.VerifyRequested,
        ev.Verified,
        ev.VerifyRefused,
        ev.VerifyLost,
    )
)
_SPAN: Final = (
    "SELECT coalesce(max(seq), 0), coalesce(min(at_ms), 0), coalesce(max(at_ms), 0) FROM events"
    " WHERE at_ms >= ?"
)
_EVENTS: Final = (
    "SELECT seq, number, kind, at_ms, body FROM events WHERE seq > ? AND seq <= ? AND at_ms >= ?"
    " ORDER BY seq LIMIT ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of it."""

    estimates: Mapping[str, Estimate | None]
    draws: int
    no_choice: int
    too_young: int
    untold: int


def replay(
    path: Path,
    ways: Mapping[str, Way],
    *,
    since_ms: int = 0,
    progress: Progress = lambda _what, _done, _all: None,
) -> Replayed:
    """Compare `ways` on everything that began since then; the daemon may go on. UnusableStore."""
    with closing(connect_to_read(path)) as db:
        last, first_ms, last_ms = db.execute(_SPAN, (since_ms,)).fetchone()
        block = min(BLOCK_SECONDS, max(1.0, (last_ms - first_ms) / 1000 / BLOCKS))
        played = Replay(ways, until=last_ms / 1000, block_seconds=block)
        for seq, number, kind, at_ms, body in _rows(db, last, since_ms):
            if kind in KINDS:
                played.see(at_ms, number, decode(kind, at_ms, body, None))
            progress("events", seq, last)
    return Replayed(
        estimates={name: found.estimate() for name, found in played.evidence.items()},
        draws=played.draws,
        no_choice=played.no_choice,
        too_young=played.too_young,
        untold=played.untold,
    )


def gateways(path: Path) -> tuple[str, ...]:
    """The gateways that a journal's payments were sent to."""
    with closing(connect_to_read(path)) as db:
        rows = db.execute(
            "SELECT DISTINCT json_extract(CAST(body AS TEXT), '$.gateway') FROM events"
            " WHERE kind = 'StartRequested'"
        )
        return tuple(sorted(name for (name,) in rows if name))


def _rows(db: Connection, last: int, since_ms: int) -> Iterator[tuple[int, int, str, int, bytes]]:
    seq = 0
    while rows := db.execute(_EVENTS, (seq, last, since_ms, EVENTS_AT_ONCE)).fetchall():
        yield from rows
        seq = rows[-1][0]
