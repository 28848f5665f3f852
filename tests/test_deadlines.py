"""The wall clock as deadlines see it: it may bring them nearer, never further."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gatewayd.engine.deadlines import Deadlines


@dataclass
class Clock:
    at: float = 1_000.0
    ran: float = 50.0

    def wall(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.ran

    def go(self, seconds: float, *, set_by: float = 0.0) -> None:
        self.ran += seconds
        self.at += seconds + set_by


def test_it_goes_with_the_wall() -> None:
    clock = Clock()
    deadlines = Deadlines(clock)
    clock.go(1.5)
    assert 1_001_500 == deadlines.now_ms()


def test_a_clock_that_is_set_forth_brings_deadlines_nearer() -> None:
    clock = Clock()
    deadlines = Deadlines(clock)
    clock.go(1.0, set_by=3_600.0)
    assert 4_601_000 == deadlines.now_ms()


def test_a_clock_that_is_set_back_moves_no_deadline_away() -> None:
    clock = Clock()
    deadlines = Deadlines(clock)
    clock.go(1.0, set_by=-600.0)
    assert 1_001_000 == deadlines.now_ms()
    clock.go(10.0)
    assert 1_011_000 == deadlines.now_ms()


def test_when_the_wall_has_caught_up_it_goes_with_the_wall_again() -> None:
    clock = Clock()
    deadlines = Deadlines(clock)
    clock.go(0.0, set_by=-5.0)
    assert 1_000_000 == deadlines.now_ms()
    clock.go(1.0, set_by=9.0)
    assert 1_005_000 == deadlines.now_ms()


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-1e4, 1e4)), max_size=30))
def test_it_never_goes_back_and_never_more_slowly_than_time(
    steps: list[tuple[float, float]],
) -> None:
    clock = Clock()
    deadlines = Deadlines(clock)
    last = deadlines.now_ms()
    for seconds, set_by in steps:
        clock.go(seconds, set_by=set_by)
        now = deadlines.now_ms()
        assert now >= last + int(seconds * 1_000) - 1
        assert now >= int(clock.wall() * 1_000)
        last = now
