"""Group commit: what leaves when, on a loop whose time passes only while everybody waits."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from bench.lives import FIRST_MS, created, creation_guards, is_finished
from gatewayd.core import events as ev
from gatewayd.engine.pump import (
    GATHER_SECONDS,
    MANY_APPENDS,
    SEARCH_EVERY_SECONDS,
    SEARCHES_MAX,
    Pump,
)
from gatewayd.journal.journal import Journal, Ticket
from gatewayd.journal.memory import Fault, MemoryStore
from gatewayd.journal.store import NO_SEARCHES, Append, Holder, Searches, StoreError

PACE = 0.002
FSYNC = 0.010


class _Patient(selectors.DefaultSelector):
    """Waits by moving the time on."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits, and for nothing"
        self.passed += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes only while everybody waits."""

    def __init__(self) -> None:
        self._patient = _Patient()
        super().__init__(self._patient)

    def time(self) -> float:
        return self._patient.passed

    def work(self, seconds: float) -> None:
        """What is done in this turn takes so long."""
        self._patient.passed += seconds


class Scene:
    """A journal, a pump and a store that takes its time."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.journal = Journal(is_finished=is_finished, make_salt=bytes)
        self.began: list[float] = []
        self.batches: list[tuple[int, int]] = []
        """Of every commit: appends and search rows."""
        self.commits: list[tuple[int, float]] = []
        self.in_flight = 0
        self.fsync_seconds = FSYNC
        self.pump = Pump(
            self.journal,
            self._write,
            self,
            pace_seconds=PACE,
            on_commit=lambda events, seconds: self.commits.append((events, seconds)),
        )

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return self.monotonic()

    async def _write(
        self, appends: Sequence[Append], searches: Searches = NO_SEARCHES
    ) -> list[Holder | None]:
        assert 0 == self.in_flight, "one batch in flight"
        self.in_flight += 1
        self.began.append(round(self.monotonic(), 6))
        self.batches.append((len(appends), len(searches.rows)))
        await asyncio.sleep(self.fsync_seconds)
        self.in_flight -= 1
        return self.store.write(appends, searches)

    def create(self, number: int) -> Ticket:
        return self.journal.append(number, created(number))

    async def landed(self, ticket: Ticket) -> None:
        event = asyncio.Event()
        ticket.when_done(event.set)
        await event.wait()


def played(story: Callable[[Scene], Coroutine[Any, Any, None]]) -> Scene:
    """The scene after the story, with everything landed."""

    async def play() -> Scene:
        scene = Scene()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(scene.pump.run())
            await story(scene)
            scene.pump.stop()
            await running
        return scene

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(play())


def test_the_first_event_leaves_at_once() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(1)
        await scene.landed(scene.create(1))

    assert 1.0 == played(story).began[0]


def test_what_comes_while_a_batch_is_out_leaves_together_when_it_has_landed() -> None:
    async def story(scene: Scene) -> None:
        scene.create(1)
        await asyncio.sleep(FSYNC / 2)
        for number in (2, 3, 4):
            scene.create(number)
        await scene.landed(scene.create(5))

    scene = played(story)
    assert [0.0, FSYNC] == scene.began[:2]
    assert [1, 4] == [appends for appends, _ in scene.batches[:2]]


def test_two_batches_leave_no_closer_together_than_the_pace() -> None:
    async def story(scene: Scene) -> None:
        scene.fsync_seconds = 0.0
        for number in range(1, 5):
            await scene.landed(scene.create(number))

    assert [0.0, PACE, 2 * PACE, 3 * PACE] == played(story).began[:4]


def test_on_a_disk_slower_than_the_pace_nobody_waits_beside() -> None:
    async def story(scene: Scene) -> None:
        for number in range(1, 4):
            await scene.landed(scene.create(number))

    assert [0.0, FSYNC, 2 * FSYNC] == played(story).began[:3]


@pytest.mark.parametrize(
    ("at_once", "following"), [(MANY_APPENDS, 2), (MANY_APPENDS - 1, 1)], ids=["many", "few"]
)
def test_only_after_many_the_next_batch_waits_for_what_comes_a_turn_later(
    at_once: int, following: int
) -> None:
    async def story(scene: Scene) -> None:
        tickets = [scene.create(number) for number in range(1, at_once + 1)]
        await scene.landed(tickets[-1])
        scene.create(at_once + 1)
        await asyncio.sleep(0)
        await scene.landed(scene.create(at_once + 2))

    assert [at_once, following] == [appends for appends, _ in played(story).batches[:2]]


def test_after_many_the_next_batch_takes_along_what_comes_turn_by_turn() -> None:
    async def story(scene: Scene) -> None:
        tickets = [scene.create(number) for number in range(1, MANY_APPENDS + 1)]
        await scene.landed(tickets[-1])
        for number in range(100, 150):
            scene.create(number)
            await asyncio.sleep(0)

    assert [MANY_APPENDS, 50] == [appends for appends, _ in played(story).batches[:2]]


def test_what_never_stops_coming_holds_a_batch_up_for_a_limited_time_only() -> None:
    turn_seconds = 0.001

    async def story(scene: Scene) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        tickets = [scene.create(number) for number in range(1, MANY_APPENDS + 1)]
        await scene.landed(tickets[-1])
        for number in range(100, 300):
            scene.create(number)
            loop.work(turn_seconds)
            await asyncio.sleep(0)

    first, second, *_ = played(story).began
    assert GATHER_SECONDS <= second - first <= GATHER_SECONDS + 2 * turn_seconds


def test_search_columns_leave_by_themselves_half_a_second_after_their_events() -> None:
    async def story(scene: Scene) -> None:
        await scene.landed(scene.create(1))
        await asyncio.sleep(2 * SEARCH_EVERY_SECONDS)
        assert not scene.journal.has_searches

    scene = played(story)
    assert [(1, 0), (0, 1)] == scene.batches
    assert 0.0 == scene.began[0]
    assert scene.began[1] == pytest.approx(SEARCH_EVERY_SECONDS, abs=FSYNC)


def test_under_steady_load_search_columns_ride_along_twice_a_second() -> None:
    async def story(scene: Scene) -> None:
        for number in range(1, 201):
            await scene.landed(scene.create(number))
        scene.fsync_seconds = 0.0

    riding = [(appends, rows) for appends, rows in played(story).batches if rows]
    assert 4 <= len(riding) <= 6, "2 seconds of load, and what was left at the end"
    assert all(appends == 1 for appends, _ in riding[:3])
    assert 200 == sum(rows for _, rows in riding)


def test_many_search_columns_leave_in_portions_one_after_the_other() -> None:
    async def story(scene: Scene) -> None:
        for number in range(1, SEARCHES_MAX + 11):
            scene.create(number)
        await asyncio.sleep(2 * SEARCH_EVERY_SECONDS)

    assert [0, SEARCHES_MAX, 10] == [rows for _, rows in played(story).batches]


def test_nothing_is_written_while_nothing_happens() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(3_600)

    assert [] == played(story).batches


def test_a_conflict_is_told_to_its_own_caller() -> None:
    conflicts: list[Holder | None] = []

    async def story(scene: Scene) -> None:
        tickets = [
            scene.journal.append(n, created(n), takes=creation_guards(1)[1:]) for n in (1, 2)
        ]
        for ticket in tickets:
            await scene.landed(ticket)
        conflicts.extend(ticket.conflict for ticket in tickets)

    played(story)
    assert [None, Holder(guard=creation_guards(1)[1], number=1)] == conflicts


def test_stopping_lands_what_is_queued_with_its_search_columns_and_without_the_pace() -> None:
    async def story(scene: Scene) -> None:
        scene.fsync_seconds = 0.0
        await scene.landed(scene.create(1))
        scene.create(2)

    scene = played(story)
    assert [0.0, 0.0] == scene.began
    assert [1, 2] == scene.store.open_numbers()
    assert 2 == sum(rows for _, rows in scene.batches)


def test_every_commit_is_told_with_its_events_and_its_time() -> None:
    async def story(scene: Scene) -> None:
        scene.create(1)
        note = ev.ReviewRaised(at_ms=FIRST_MS, reason="x")
        await scene.landed(scene.journal.append(1, note, note))

    (events, seconds), *_ = played(story).commits
    assert 3 == events
    assert pytest.approx(FSYNC) == seconds


@pytest.mark.parametrize("fault", Fault)
def test_a_disk_that_fails_ends_the_pump_and_nobody_is_told_that_anything_landed(
    fault: Fault,
) -> None:
    async def play() -> Scene:
        scene = Scene()
        scene.store.fail_next(fault)
        ticket = scene.create(1)
        with pytest.raises(StoreError):
            await scene.pump.run()
        assert not ticket.done
        return scene

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        scene = runner.run(play())
    assert (fault is Fault.AFTER) == bool(scene.store.crash().read(1))
