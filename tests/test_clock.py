"""A wall clock that is set is noticed; one that is merely slow is not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.engine.ports import Clock
from gatewayd.io.clock import JUMP_SECONDS, JumpWatch, SystemClock


def test_the_systems_clock_is_the_engines_clock() -> None:
    clock: Clock = SystemClock()

    assert time.time() - 60 < clock.wall() < time.time() + 60  # noqa: TID251  # the real one is meant
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.parametrize("jump", [-86_400.0, -5.1, 5.1, 3600.0])
def test_a_clock_that_is_set_is_noticed_once(jump: float) -> None:
    watch = JumpWatch(1000.0, 50.0)

    assert watch.look(1001.0, 51.0) is None
    assert jump == pytest.approx(watch.look(1011.0 + jump, 61.0))
    assert watch.look(1012.0 + jump, 62.0) is None


def test_a_sleep_of_the_whole_machine_is_a_jump() -> None:
    watch = JumpWatch(1000.0, 50.0)

    assert 600.0 == pytest.approx(watch.look(1601.0, 51.0))


@given(steps=st.lists(st.tuples(st.floats(0, 1e6), st.floats(-4.9, 4.9)), max_size=50))
def test_small_corrections_pass_however_many_they_are(steps: list[tuple[float, float]]) -> None:
    watch = JumpWatch(1.8e9, 0.0)
    wall, monotonic = 1.8e9, 0.0
    for seconds, correction in steps:
        wall, monotonic = wall + seconds + correction, monotonic + seconds

        assert watch.look(wall, monotonic) is None


@given(jump=st.floats(-1e9, 1e9), seconds=st.floats(0, 1e6))
def test_what_is_told_is_how_far_it_jumped(jump: float, seconds: float) -> None:
    told = JumpWatch(2e9, 7.0).look(2e9 + seconds + jump, 7.0 + seconds)

    if abs(jump) > JUMP_SECONDS + 1e-3:
        assert jump == pytest.approx(told, abs=1e-3)
    elif abs(jump) < JUMP_SECONDS - 1e-3:
        assert told is None
