"""The bench's world is fair: the same payers for every policy, the same result on every run, bounds that bound."""

import dataclasses
import random

import pytest

from bench.routing_peers import POLICIES
from bench.routing_simulation import Bank, Result, play
from bench.routing_worlds import MAKERS, World, world


def played(name: str, policy: str, seconds: float = 600.0) -> Result:
    made = dataclasses.replace(world(name, 2.0, 1), seconds=seconds)
    bank = Bank(made)
    return play(made, POLICIES[policy](len(bank.loads), random.Random(1), bank), bank, 1)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_sees_the_same_payers_and_plays_the_same_twice(policy: str) -> None:
    first, second = played("stable", policy), played("stable", policy)
    assert first == second
    assert played("stable", "static").payments == first.payments


@pytest.mark.parametrize("policy", POLICIES)
def test_no_policy_beats_what_is_achievable(policy: str) -> None:
    assert played("one_good", policy).success <= played("one_good", "oracle").success + 1e-9


def test_the_router_is_better_than_equal_shares_where_gateways_differ() -> None:
    ours, equal = played("one_good", "gatewayd", 1_800.0), played("one_good", "static", 1_800.0)
    assert ours.success > equal.success + 0.05


@pytest.mark.parametrize("name", MAKERS)
def test_every_world_begins_at_once_and_has_chances_for_levels(name: str) -> None:
    made: World = world(name, 5.0, 3)
    assert 0.0 == made.segments[0].start
    starts = [segment.start for segment in made.segments]
    assert sorted(set(starts)) == starts
    for segment in made.segments:
        for level in (segment.token, segment.page, segment.switch):
            assert all(0.0 <= chance <= 1.0 for chance in level)


def test_beyond_its_capacity_a_bank_takes_no_more_than_that() -> None:
    made = world("capacity", 5.0, 0)
    bank = Bank(made)
    for number in range(1_000):
        bank.send(number / 10.0, 0)
    assert 10.0 == pytest.approx(bank.load(99.9, 0), rel=0.05)
    assert 1.6 * 0.961 == pytest.approx(bank.load(99.9, 0) * bank.taken(99.9, 0))
