"""What the reader alone promises, beyond what every store's reader does."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from gatewayd.io.sqlite_lists import FOUND_MAX
from gatewayd.io.sqlite_reader import CONNECTIONS, SqliteReader
from gatewayd.journal.filters import Filter
from gatewayd.journal.store import Search, Searches, TooSlow
from tests.journals import begin, live, opened, sql

MAIN = "main"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def columns(numbers: range, *, status: str = "pending") -> Searches:
    return Searches(
        tuple(
            Search(
                number=number,
                shop=MAIN,
                order_id=f"o{number}",
                status=status,
                gateway="saman",
                amount=1_000,
                created_ms=number,
                needs_review=True,
            )
            for number in numbers
        )
    )


async def test_what_has_just_landed_is_seen_at_once(path: Path) -> None:
    with opened(path) as store:
        async with SqliteReader(path) as reader:
            for number in range(1, 6):
                begin(store, [number])
                assert 3 == len(await reader.rows(number))
                assert list(range(1, number + 1)) == await reader.open_numbers()


async def test_many_readings_at_a_time_wait_for_each_other(path: Path) -> None:
    with opened(path) as store:
        live(store, range(1, 21))
        async with SqliteReader(path) as reader:
            found = await asyncio.gather(*(reader.rows(number) for number in range(1, 21)))
    assert [7] * 20 == [len(rows) for rows in found]


async def test_an_answer_has_an_end_whatever_was_asked_for(path: Path) -> None:
    with opened(path) as store:
        store.write([], columns(range(1, FOUND_MAX + 100)))
        async with SqliteReader(path) as reader:
            assert FOUND_MAX == len(await reader.find(Filter(shop=MAIN, limit=10**9)))
            assert FOUND_MAX == len(await reader.in_review(10**9))


ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


async def test_a_reading_that_takes_too_long_is_broken_off_and_the_next_is_not(path: Path) -> None:
    with opened(path) as store:
        live(store, [1])
        async with SqliteReader(path, seconds_max=0.0) as reader:
            with pytest.raises(TooSlow):
                await reader._fetch(ENDLESS)
            for _ in range(CONNECTIONS):
                assert 7 == len(await reader.rows(1))


async def test_nothing_can_be_written_through_it(path: Path) -> None:
    with opened(path):
        async with SqliteReader(path) as reader:
            with pytest.raises(Exception, match="readonly"):
                await reader._fetch("DELETE FROM events")


@pytest.mark.parametrize(
    ("given", "index"),
    [
        ({}, "search_by_shop"),
        ({"status": "paid"}, "search_by_status"),
        ({"gateway": "saman"}, "search_by_gateway"),
        ({"status": "paid", "gateway": "saman"}, "search_by_status_and_gateway"),
        ({"status": "paid", "gateway": "saman", "order_id": "o"}, "search_by_order"),
    ],
)
async def test_every_search_goes_by_an_index_and_a_range_of_numbers(
    path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], index: str
) -> None:
    with opened(path):
        async with SqliteReader(path) as reader:
            asked: list[tuple[str, tuple[object, ...]]] = []

            async def explain(query: str, *values: object) -> list[object]:
                asked.append((query, values))
                return []

            monkeypatch.setattr(reader, "_fetch", explain)
            wanted = Filter(
                shop=MAIN, created_from_ms=10**12, created_to_ms=2 * 10**12, limit=5, **given
            )
            await reader.find(wanted)
        ((query, values),) = asked
        ((*_, plan),) = sql(path, f"EXPLAIN QUERY PLAN {query}", *values)
    assert f"INDEX {index} (" in plan
    assert "number>? AND number<?" in plan


async def test_the_sizes_of_the_files_are_counted(path: Path) -> None:
    with opened(path) as store:
        live(store, [1])
        async with SqliteReader(path) as reader:
            counts = await reader.counts()
    assert 4_096 <= counts.file_bytes
    assert 4_096 < counts.log_bytes


async def test_a_whole_file_is_found_whole_and_a_broken_one_is_not(path: Path) -> None:
    with opened(path) as store:
        live(store, [1])
        async with SqliteReader(path) as reader:
            assert [] == await reader.quick_check()
    break_page(path, 4)
    async with SqliteReader(path) as reader:
        assert [] != await reader.quick_check()


def break_page(path: Path, page: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[page * 4_096 : (page + 1) * 4_096] = b"\xa5" * 4_096
    path.write_bytes(raw)


def threads_begun_since(before: set[threading.Thread]) -> set[threading.Thread]:
    return set(threading.enumerate()) - before


def ended(threads: set[threading.Thread]) -> bool:
    """Whether they have, or do without anything else happening."""
    for thread in threads:
        thread.join(10)
    return not any(thread.is_alive() for thread in threads)


async def test_closing_it_ends_its_threads(path: Path) -> None:
    before = set(threading.enumerate())
    with opened(path):
        async with SqliteReader(path):
            begun = threads_begun_since(before)
        assert CONNECTIONS == len(begun)
        assert ended(begun)


async def test_a_journal_that_is_not_there_leaves_no_thread_behind(path: Path) -> None:
    before = set(threading.enumerate())
    with pytest.raises(Exception, match="unable to open"):
        await SqliteReader(path).__aenter__()
    assert ended(threads_begun_since(before))
