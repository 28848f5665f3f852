"""What the world plays beside payments: clocks that jump, a journal that is verified; broken engines are caught.

A deliberately broken engine is one function changed, and is caught within 200 worlds, counted from 0. So that this is
quick, they are gone through from near the seed at which it was caught when the test was written; the others follow.
"""

from collections import Counter
from dataclasses import replace

import pytest

from gatewayd.core.events import ClockJumped, Event
from gatewayd.io import jumps
from gatewayd.io.clock import JumpWatch
from gatewayd.io.jumps import Jumps
from gatewayd.io.sqlite_store import SqliteStore
from gatewayd.world.machine import Life
from gatewayd.world.options import Options
from gatewayd.world.run import run_world

SEEDS_MAX = 200


def caught(rules: set[str], options: Options, near: int = 0) -> bool:
    """Whether one of these rules is seen to be broken within 200 worlds, of which `near` is looked at first."""
    return any(
        rules & {violation.rule for violation in run_world(seed, options).violations}
        for seed in (*range(near, SEEDS_MAX), *range(near))
    )


def met(seeds: range, options: Options) -> Counter[str]:
    """What happened in these worlds, in which no rule is broken."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        report = run_world(seed, options)
        assert () == report.violations, report.repeat
        counts.update(report.counts)
    return counts


# --- the wall clock

RESTLESS = Options(payments=4, clock_jumps_an_hour=12.0, journal_verified=1.0)


def test_every_jump_of_the_clock_is_written_whatever_befalls_process_and_disk() -> None:
    seen = met(range(6), replace(RESTLESS, crashes=8, fsync_errors_an_hour=2.0, slow_disk=0.2))
    assert seen["clock_jump"] > 50
    assert seen["clock_jumps_again"]
    assert 6 == seen["journal_verified"]


def test_a_watch_that_sees_no_jump_back_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    look = JumpWatch.look

    def forth(self: JumpWatch, wall: float, monotonic: float) -> float | None:
        return max(0.0, look(self, wall, monotonic) or 0.0) or None

    monkeypatch.setattr(JumpWatch, "look", forth)
    assert caught({"clock"}, RESTLESS)


def test_a_watch_that_forgets_the_second_jump_in_a_minute_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look = Jumps.look

    async def forgetful(self: Jumps) -> None:
        await look(self)
        self._seconds, self._times = 0.0, 0

    monkeypatch.setattr(Jumps, "look", forgetful)
    assert caught({"clock"}, replace(RESTLESS, clock_jumps_again=1.0))


def test_a_watch_that_waits_for_hours_before_it_writes_again_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jumps, "APART_SECONDS", 7_200.0)
    assert caught({"clock"}, RESTLESS)


def test_a_jump_that_is_only_told_and_never_written_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def note(_: Life, event: Event) -> None:
        assert isinstance(event, ClockJumped)

    monkeypatch.setattr(Life, "note", note)
    assert caught({"clock"}, RESTLESS)


def test_a_jump_that_is_not_in_the_chain_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    linked = SqliteStore._linked

    def loose(self: SqliteStore, number: int, *args: object) -> tuple[object, ...]:
        before = self._hash
        row = linked(self, number, *args)  # type: ignore[arg-type]  # passed on as they came
        if not number:
            self._hash = before
        return row

    monkeypatch.setattr(SqliteStore, "_linked", loose)
    assert caught({"verify"}, RESTLESS)
