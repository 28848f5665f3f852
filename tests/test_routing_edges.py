"""The router at the edges of its interface: nothing known, nothing left, words out of order, hours of silence."""

import random
from collections.abc import Hashable

import pytest

from gatewayd.routing.breaker import BreakerState
from gatewayd.routing.router import Limits, Router, RoutingSettings


def router(count: int = 3) -> Router:
    names = [f"gateway-{number}" for number in range(count)]
    return Router({name: Limits() for name in names}, RoutingSettings(), rng=random.Random(1))


def counts(known: Router, now: float, name: str = "gateway-0") -> tuple[int, int, int, int]:
    health = known.snapshot(now)[name]
    return health.started, health.returned, health.paid, health.failed


def test_names_that_are_not_configured_are_never_ranked() -> None:
    known = router()
    assert ("gateway-1",) == known.rank(0.0, ["gateway-1", "unknown"]).order
    ranking = known.rank(0.0, {"unknown"})
    assert ((), {}, "none") == (ranking.order, dict(ranking.probability), ranking.reason)


def test_with_all_forced_open_nothing_is_ranked_and_the_rest_goes_on() -> None:
    known = router()
    for number in range(3):
        known.force(0.0, f"gateway-{number}", "open")
    assert () == known.rank(0.0).order
    known.started(1.0, 1, "gateway-0", ok=True)
    known.returned(2.0, 1, "paid")
    assert {BreakerState.FORCED_OPEN} == {each.breaker for each in known.snapshot(3.0).values()}
    known.force(4.0, "gateway-2", "auto")
    assert ("gateway-2",) == known.rank(4.0).order


def test_what_comes_back_before_it_began_or_without_having_begun_passes_unheard() -> None:
    known = router()
    known.returned(0.0, 1, "paid")
    known.verified(0.0, 1, ok=False)
    known.started(1.0, 1, "gateway-0", ok=True)
    assert (1, 0, 0, 0) == counts(known, 1.0)


@pytest.mark.parametrize("outcome", ["paid", "payer", "issuer", "gateway"])
def test_what_comes_back_twice_counts_once(outcome: str) -> None:
    known = router()
    known.started(0.0, 1, "gateway-0", ok=True)
    known.returned(1.0, 1, outcome)
    once = counts(known, 1.0)
    known.returned(1.0, 1, outcome)
    assert once == counts(known, 1.0)


def test_a_receipt_without_a_return_counts_as_both_and_a_no_without_one_as_neither() -> None:
    known = router()
    for attempt, ok in ((1, True), (2, False)):
        known.started(0.0, attempt, "gateway-0", ok=True)
        known.verified(5.0, attempt, ok=ok)
    assert (2, 1, 1, 0) == counts(known, 5.0)


def test_an_attempt_that_begins_again_is_a_new_one() -> None:
    known = router()
    known.started(0.0, 1, "gateway-0", ok=True)
    known.started(0.0, 1, "gateway-1", ok=True)
    known.returned(1.0, 1, "paid")
    assert (1, 0, 0, 0) == counts(known, 1.0)
    assert (1, 1, 1, 0) == counts(known, 1.0, "gateway-1")


def test_everything_may_happen_at_the_same_time() -> None:
    known = router()
    for attempt in range(100):
        first = known.rank(7.0).order[0]
        known.started(7.0, attempt, first, ok=True)
        known.returned(7.0, attempt, "paid")
    assert 100 == sum(counts(known, 7.0, f"gateway-{number}")[0] for number in range(3))


@pytest.mark.parametrize("begin", [0.0, 1e6, 4e9])
def test_hours_of_silence_are_passed_over_and_what_was_known_fades(begin: float) -> None:
    known = router()
    now = begin
    for attempt in range(300):
        now += 1.0
        known.started(now, attempt, f"gateway-{attempt % 3}", ok=True, seconds=0.2)
        known.returned(now, attempt, "gateway" if attempt % 3 == 0 else "paid")
    bad = known.rank(now).probability["gateway-0"]
    for _ in range(3):
        now += 12 * 3_600.0
        assert 1.0 == pytest.approx(sum(known.rank(now).probability.values()))
    assert bad < 0.1
    assert known.rank(now).probability["gateway-0"] > 2 * bad
    assert (0, 0, 0, 0) == counts(known, now)


@pytest.mark.parametrize("count", [1, 2, 60])
def test_any_number_of_gateways_is_ranked(count: int) -> None:
    known = router(count)
    waiting: list[Hashable] = []
    for attempt in range(400):
        now = attempt * 0.5
        ranking = known.rank(now)
        assert count == len(set(ranking.order))
        assert 1.0 == pytest.approx(sum(ranking.probability.values()))
        known.started(now, attempt, ranking.order[0], ok=attempt % 7 > 0)
        waiting.append(attempt)
        if len(waiting) > 50:
            known.returned(now, waiting.pop(0), "paid")


def test_one_gateway_is_used_whatever_happens_to_it() -> None:
    known = router(1)
    for attempt in range(200):
        known.started(attempt / 10, attempt, "gateway-0", ok=attempt % 2 > 0)
        known.returned(attempt / 10, attempt, "gateway")
        ranking = known.rank(attempt / 10)
        assert (("gateway-0",), 1.0) == (ranking.order, ranking.probability["gateway-0"])


def test_no_gateway_at_all_ranks_nothing() -> None:
    known = router(0)
    assert () == known.rank(0.0).order
    assert {} == known.snapshot(1.0)
    again = router(0)
    again.restore(1.0, known.state(1.0))
