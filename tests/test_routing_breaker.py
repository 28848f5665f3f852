"""A gateway's breaker: what opens it, what closes it, and what is too old to do either."""

import random

import pytest

from gatewayd.routing.breaker import WARMTH_LEAST, Breaker, BreakerState, Failure
from gatewayd.routing.settings import RoutingSettings


@pytest.fixture
def breaker() -> Breaker:
    return Breaker(RoutingSettings(breaker_jitter=0.0), random.Random(1))


def fail(breaker: Breaker, now: float, times: int = 3, seconds: float = 0.0) -> None:
    for _ in range(times):
        breaker.failed(now, seconds)


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not(breaker: Breaker) -> None:
    fail(breaker, 1.0, times=2)
    breaker.succeeded(1.5, 0.1)
    fail(breaker, 2.0, times=2)
    assert BreakerState.CLOSED is breaker.state(2.0)
    fail(breaker, 3.0, times=1)
    assert BreakerState.OPEN is breaker.state(3.0)


def test_after_its_pause_one_trial_is_let_through_and_closes_it(breaker: Breaker) -> None:
    fail(breaker, 0.0)
    assert 5.0 == breaker.retry_after(0.0)
    assert BreakerState.OPEN is breaker.state(4.9)
    assert BreakerState.HALF_OPEN is breaker.state(5.0)
    assert breaker.slot_free(5.0)
    breaker.take_slot(5.0)
    assert not breaker.slot_free(5.1)
    breaker.succeeded(5.3, 0.3)
    assert BreakerState.CLOSED is breaker.state(5.3)


def test_a_trial_nobody_started_gives_its_slot_back_after_ten_seconds(breaker: Breaker) -> None:
    fail(breaker, 0.0)
    assert BreakerState.HALF_OPEN is breaker.state(5.0)
    breaker.take_slot(5.0)
    assert not breaker.slot_free(14.9)
    assert breaker.slot_free(15.0)


def test_pauses_double_up_to_a_limit_while_trials_fail(breaker: Breaker) -> None:
    now, pauses = 0.0, []
    fail(breaker, now)
    for _ in range(6):
        pauses.append(breaker.retry_after(now))
        now += breaker.retry_after(now)
        assert BreakerState.HALF_OPEN is breaker.state(now)
        breaker.failed(now, 0.0)
    assert [5.0, 10.0, 20.0, 40.0, 80.0, 80.0] == pauses


def test_a_breaker_that_stayed_closed_begins_with_the_first_pause_again(breaker: Breaker) -> None:
    fail(breaker, 0.0)
    breaker.state(5.0)
    breaker.failed(5.0, 0.0)
    breaker.state(15.0)
    breaker.succeeded(15.0, 0.0)
    fail(breaker, 100.0)
    assert 20.0 == breaker.retry_after(100.0)
    breaker.state(120.0)
    breaker.succeeded(120.0, 0.0)
    fail(breaker, 240.0)
    assert 5.0 == breaker.retry_after(240.0)


def test_failures_that_began_before_the_last_change_are_not_held_against_it(
    breaker: Breaker,
) -> None:
    fail(breaker, 0.0)
    breaker.state(5.0)
    breaker.succeeded(6.0, 0.5)
    fail(breaker, 7.0, times=5, seconds=8.0)
    assert BreakerState.CLOSED is breaker.state(7.0)
    fail(breaker, 7.0, times=3, seconds=0.5)
    assert BreakerState.OPEN is breaker.state(7.0)


def test_a_success_that_began_before_it_opened_does_not_close_it(breaker: Breaker) -> None:
    fail(breaker, 10.0)
    breaker.succeeded(16.0, 7.0)
    assert BreakerState.HALF_OPEN is breaker.state(16.0)


def test_a_last_resort_call_that_succeeds_closes_an_open_one(breaker: Breaker) -> None:
    fail(breaker, 0.0)
    breaker.succeeded(2.0, 0.5)
    assert BreakerState.CLOSED is breaker.state(2.0)


def test_failures_while_open_do_not_prolong_the_pause(breaker: Breaker) -> None:
    fail(breaker, 0.0)
    fail(breaker, 4.0, times=10)
    assert BreakerState.HALF_OPEN is breaker.state(5.0)


@pytest.mark.parametrize("forced", [BreakerState.FORCED_OPEN, BreakerState.FORCED_CLOSED])
def test_a_forced_state_stays_whatever_happens_until_it_is_given_back(
    breaker: Breaker, forced: BreakerState
) -> None:
    breaker.force(0.0, forced)
    fail(breaker, 1.0, times=5)
    breaker.succeeded(1.0, 0.0)
    assert forced is breaker.state(1_000.0)
    breaker.force(1_000.0, None)
    assert BreakerState.CLOSED is breaker.state(1_000.0)


def test_jitter_spreads_the_pauses_within_its_bounds() -> None:
    pauses = set()
    for seed in range(20):
        breaker = Breaker(RoutingSettings(), random.Random(seed))
        fail(breaker, 0.0)
        pauses.add(breaker.retry_after(0.0))
    assert 20 == len(pauses)
    assert all(4.0 <= pause <= 6.0 for pause in pauses)


def test_a_restart_goes_on_with_the_rest_of_the_pause(breaker: Breaker) -> None:
    fail(breaker, 100.0)
    later = Breaker(RoutingSettings(breaker_jitter=0.0), random.Random(1))
    later.load(7.0, breaker.dump(101.0), elapsed=1.5)
    assert BreakerState.OPEN is later.state(7.0)
    assert 2.5 == later.retry_after(7.0)
    assert BreakerState.HALF_OPEN is later.state(9.5)


@pytest.mark.parametrize(
    ("failure", "row"), [(Failure.UNREACHED, 2), (Failure.UNANSWERED, 3), (Failure.REFUSED, 6)]
)
def test_what_cannot_be_reached_is_cut_off_sooner_than_what_answers(
    breaker: Breaker, failure: Failure, row: int
) -> None:
    for _ in range(row - 1):
        breaker.failed(1.0, 0.1, failure)
    assert BreakerState.CLOSED is breaker.state(1.0)
    breaker.failed(1.0, 0.1, failure)
    assert BreakerState.OPEN is breaker.state(1.0)


def test_after_a_trial_that_succeeded_the_share_comes_back_slowly(breaker: Breaker) -> None:
    assert 1.0 == breaker.warmth(0.0)
    fail(breaker, 0.0)
    breaker.state(5.0)
    breaker.succeeded(5.0, 0.0)
    assert [WARMTH_LEAST, 0.5, 1.0] == [breaker.warmth(at) for at in (5.0, 20.0, 35.0)]
    breaker.force(6.0, None)
    assert 1.0 == breaker.warmth(6.0)
