"""A capacity is found where more load did worse, and nowhere else."""

import json
import random

import pytest

from gatewayd.routing.load import FORGOTTEN, MEMORY_SECONDS, Load


def sent(known: Load, load: float, tried: int, level: float, dice: random.Random) -> None:
    known.learn(load, tried, sum(dice.random() < level for _ in range(tried)))


def test_a_level_that_falls_with_the_load_shows_the_capacity_and_the_level_below_it() -> None:
    known, dice = Load(), random.Random(1)
    for _ in range(30):
        for load in (1.2, 1.6, 2.2, 2.6, 3.0):
            sent(known, load, 10, 0.95 * min(1.0, 2.0 / load), dice)
    found = known.capacity()
    assert found is not None
    capacity, level = found
    assert 2.0 == pytest.approx(capacity, rel=0.1)
    assert 0.95 == pytest.approx(level, abs=0.03)


@pytest.mark.parametrize("level", [0.5, 0.95, 1.0])
def test_one_level_for_all_loads_shows_none(level: float) -> None:
    for seed in range(20):
        known, dice = Load(), random.Random(seed)
        for _ in range(30):
            for load in (0.5, 1.0, 2.0, 4.0):
                sent(known, load, 10, level, dice)
        assert known.capacity() is None


def test_one_load_alone_shows_nothing_and_neither_do_a_few_payments() -> None:
    known = Load()
    assert known.capacity() is None
    known.learn(2.0, 500, 300)
    assert known.capacity() is None
    known.learn(1.0, 10, 10)
    assert known.capacity() is None
    known.learn(1.0, 30, 30)
    assert known.capacity() is not None


def test_where_nothing_is_good_no_load_is_to_blame() -> None:
    known = Load()
    known.learn(1.0, 50, 0)
    known.learn(3.0, 50, 0)
    assert known.capacity() is None


def test_a_worse_level_under_little_load_is_no_capacity() -> None:
    known = Load()
    known.learn(0.5, 200, 100)
    known.learn(3.0, 500, 480)
    assert known.capacity() is None


def test_what_is_not_hit_again_is_forgotten_within_hours_and_takes_no_room() -> None:
    known = Load()
    known.learn(1.0, 200, 190)
    known.learn(3.0, 200, 120)
    assert known.capacity() is not None
    known.fade(2.0 * MEMORY_SECONDS)
    assert known.capacity() is None
    known.fade(10.0 * MEMORY_SECONDS)
    assert [] == known.dump()
    assert FORGOTTEN < 1.0


def test_a_restart_keeps_it() -> None:
    known, again = Load(), Load()
    known.learn(1.0, 200, 190)
    known.learn(3.0, 200, 120)
    again.load(json.loads(json.dumps(known.dump())))
    assert known.capacity() == again.capacity()
