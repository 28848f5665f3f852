"""The writer's thread: whoever waits is answered, whatever happens."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from gatewayd.io.sqlite_store import SqliteStore
from gatewayd.io.store_thread import StoreThread
from gatewayd.journal.store import (
    IDEMPOTENCY_KEPT_MS,
    NO_SEARCHES,
    Append,
    Guard,
    GuardKind,
    Holder,
    Row,
    Searches,
    StoreError,
)
from tests.journals import counted

NOW_MS = 1_750_000_000_000


class Odd(SqliteStore):
    """A store whose writing and folding back can be made to fail, or to wait."""

    before_write: Callable[[], object] = staticmethod(lambda: None)
    before_fold: Callable[[], object] = staticmethod(lambda: None)

    def write(
        self, appends: Sequence[Append], searches: Searches = NO_SEARCHES
    ) -> list[Holder | None]:
        self.before_write()
        return super().write(appends, searches)

    def fold_back(self) -> None:
        self.before_fold()
        super().fold_back()


@contextmanager
def running(path: Path) -> Iterator[tuple[Odd, StoreThread]]:
    store = Odd(path, ballast_bytes=0, make_secret=counted)
    thread = StoreThread(store, lambda: NOW_MS + IDEMPOTENCY_KEPT_MS + 2)
    try:
        yield store, thread
    finally:
        thread.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def one(number: int, *takes: Guard) -> list[Append]:
    return [Append(number=number, rows=(Row(1, "Created", NOW_MS, b"{}"),), takes=takes)]


async def test_writes_are_answered_in_their_order(path: Path) -> None:
    guard = Guard(kind=GuardKind.ORDER, key="o")
    with running(path) as (store, thread):
        answers = await asyncio.gather(*(thread.write(one(n, guard)) for n in (1, 2)))
        assert [[None], [Holder(guard=guard, number=1)]] == answers
        assert 1 == len(store.read(1))


async def test_small_values_can_be_kept_and_read(path: Path) -> None:
    with running(path) as (_, thread):
        assert None is await thread.named("router")
        await thread.name("router", b"{}")
        assert b"{}" == await thread.named("router")


async def test_old_keys_are_forgotten_between_writes(path: Path) -> None:
    key = Guard(kind=GuardKind.IDEMPOTENCY, key="k")
    with running(path) as (_, thread):
        await thread.write(one(1, key))
        await thread.tidy()
        assert [None] == await thread.write(one(2, key))


async def test_the_loop_goes_on_while_the_disk_is_slow(path: Path) -> None:
    go_on = threading.Event()
    with running(path) as (store, thread):
        store.before_write = go_on.wait
        writing = asyncio.ensure_future(thread.write(one(1)))  # noqa: TID251 - awaited below
        await asyncio.sleep(0)
        assert not writing.done()
        go_on.set()
        assert [None] == await writing


async def test_a_failing_disk_is_told_to_everybody_from_there_on(path: Path) -> None:
    def fail() -> None:
        raise StoreError("the disk failed")

    with running(path) as (store, thread):
        store.before_write = fail
        with pytest.raises(StoreError, match="the disk failed"):
            await thread.write(one(1))
        del store.before_write
        with pytest.raises(StoreError, match="the disk failed"):
            await thread.write(one(2))
        assert [] == store.read(2)


async def test_a_bug_on_the_thread_is_a_failed_store_and_nobody_waits_for_ever(path: Path) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with running(path) as (store, thread):
        store.before_write = fail
        with pytest.raises(StoreError, match="ZeroDivisionError"):
            await thread.write(one(1))


async def test_a_failure_between_two_writes_meets_the_next(path: Path) -> None:
    folding = threading.Event()

    def fail() -> None:
        folding.set()
        raise StoreError("cannot be folded back")

    with running(path) as (store, thread):
        store.before_fold = fail
        assert [None] == await thread.write(one(1))
        assert await asyncio.to_thread(folding.wait, 30), "quiet moments are used"
        with pytest.raises(StoreError, match="cannot be folded back"):
            await thread.name("router", b"{}")


async def test_a_caller_who_gives_up_changes_nothing(path: Path) -> None:
    go_on = threading.Event()
    with running(path) as (store, thread):
        store.before_write = go_on.wait
        writing = asyncio.ensure_future(thread.write(one(1)))  # noqa: TID251 - awaited below
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        go_on.set()
        assert [None] == await thread.write(one(2))
        assert [1, 1] == [len(store.read(number)) for number in (1, 2)]


async def test_closing_writes_what_was_queued(path: Path) -> None:
    with running(path) as (_, thread):
        writing = asyncio.ensure_future(thread.write(one(1)))  # noqa: TID251 - awaited below
        await asyncio.sleep(0)
    await writing
    with running(path) as (store, _):
        assert 1 == len(store.read(1))
