"""When somebody sets the wall clock, the journal says so ever after, in its chain."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from gatewayd.core.events import ClockJumped, Event
from gatewayd.io.boot import left_open
from gatewayd.io.journal_tools import backup, export, rebuild_search, restore
from gatewayd.io.journal_verify import verify
from gatewayd.io.jumps import APART_SECONDS, Jumps
from gatewayd.io.sqlite_reader import SqliteReader
from gatewayd.io.store_thread import StoreThread
from gatewayd.journal.journal import DamagedJournal, replay
from gatewayd.journal.recovery import take_over
from gatewayd.journal.store import OWN_NUMBER, Row
from tests.journals import begin, journal, live, opened, sql


@dataclass
class Place:
    """A clock, a journal and a log in one."""

    skew: float = 0.0
    now: float = 0.0
    noted: list[Event] = field(default_factory=list)
    told: list[float] = field(default_factory=list)

    def wall(self) -> float:
        return 1_000.0 + self.now + self.skew

    def monotonic(self) -> float:
        return self.now

    async def note(self, event: Event) -> None:
        self.noted.append(event)

    def info(self, event: str, **fields: Any) -> None:
        self.told.append(fields["seconds"])

    warning = error = info


@pytest.mark.parametrize("seconds", [-3_600.0, 5.5])
async def test_a_jump_is_told_and_written_down_once(seconds: float) -> None:
    place = Place()
    jumps = Jumps(place, place, place)
    place.skew, place.now = seconds, 10.0
    await jumps.look()
    await jumps.look()
    at_ms = int(1_000 * (1_010.0 + seconds))
    assert [ClockJumped(at_ms=at_ms, seconds=seconds)] == place.noted
    assert [seconds] == place.told


async def test_without_a_jump_nothing_is_written() -> None:
    place = Place()
    jumps = Jumps(place, place, place)
    for place.now in range(1, 10):
        place.skew += 4.0
        await jumps.look()
    assert [] == place.noted


async def test_a_clock_that_is_set_every_second_is_one_event_a_minute() -> None:
    place = Place()
    jumps = Jumps(place, place, place)
    for place.now in range(1, 122):
        place.skew += 10.0
        await jumps.look()
    assert 121 == len(place.told)
    written = [event for event in place.noted if isinstance(event, ClockJumped)]
    assert [1, 60, 60] == [event.times for event in written]
    assert 1_210.0 == sum(event.seconds for event in written)
    assert APART_SECONDS == 60.0


# --- in the file


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A journal of two finished payments and an open one, whose clock was set twice meanwhile."""
    path = tmp_path / "journal.db"
    with opened(path) as store:
        live(store, [1])
        store.note("ClockJumped", 2_000, b'{"seconds":7.5}')
        live(store, [2])
        begin(store, [3])
    with opened(path) as store:
        store.note("ClockJumped", 1_000, b'{"seconds":-3600.0,"times":2}')
    return path


def test_a_jump_is_in_the_chain_and_no_payment(path: Path) -> None:
    verified = verify(path)
    assert () == verified.problems
    assert (19, 3) == (verified.events, verified.payments)
    assert [(1,), (2,), (3,)] == sql(path, "SELECT number FROM payments")
    with opened(path) as store:
        memory = journal()
        take_over(store, memory)
        assert [3] == memory.numbers()
        assert 3 == store.last_number()
        assert [1_000, -3_600.0] == [
            store.last_at_ms(),
            orjson.loads(store.read(0)[1].body)["seconds"],
        ]
    assert {"main": 1} == left_open(path).payments


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE events SET body = x'7b7d' WHERE number = 0 AND version = 1", "hash"),
        ("UPDATE events SET at_ms = 3000 WHERE number = 0 AND version = 1", "hash"),
        ("DELETE FROM events WHERE number = 0 AND version = 1", "version 2 where 1 is due"),
        ("DELETE FROM events WHERE number = 0 AND version = 2", "missing at the end"),
    ],
)
def test_a_jump_that_was_changed_or_taken_out_is_seen(path: Path, change: str, says: str) -> None:
    sql(path, change)
    assert says in " ".join(map(str, verify(path).problems))


def test_jumps_are_exported_backed_up_and_restored_like_all_else(
    path: Path, tmp_path: Path
) -> None:
    out = io.BytesIO()
    assert 19 == export(path, out)
    jumps = [line for line in map(orjson.loads, out.getvalue().splitlines()) if line["number"] == 0]
    assert [7.5, -3_600.0] == [line["body"]["seconds"] for line in jumps]
    copy, back = tmp_path / "copy.db", tmp_path / "back.db"
    backup(path, copy)
    assert () == restore(copy, back).problems
    with opened(back) as store:
        store.note("ClockJumped", 4_000, b'{"seconds":9.0}')
        assert [1, 2, 3] == [row.version for row in store.read(OWN_NUMBER)]
    assert () == verify(back).problems
    assert 3 == rebuild_search(back)
    assert () == verify(back).problems


async def test_search_columns_are_not_wanted_of_it_and_receipts_not_looked_for(path: Path) -> None:
    with opened(path) as store:
        store.note("ClockJumped", 4_000, b'{"seconds":9.0}')
        assert OWN_NUMBER not in store.unsearched()
    async with SqliteReader(path) as reader:
        part = await reader.receipts(None, 0)
        assert (20, {1, 2}) == (part.upto, {each.number for each in part.found})


async def test_the_journals_thread_writes_it(tmp_path: Path) -> None:
    with opened(tmp_path / "other.db") as store:
        thread = StoreThread(store, lambda: 0)
        await thread.note(ClockJumped(at_ms=5, seconds=6.5))
        thread.close()
    with opened(tmp_path / "other.db") as store:
        assert [Row(1, "ClockJumped", 5, b'{"seconds":6.5}')] == store.read(OWN_NUMBER)


def test_it_makes_no_payment(path: Path) -> None:
    with opened(path) as store, pytest.raises(DamagedJournal):
        replay(OWN_NUMBER, store.read(OWN_NUMBER))
