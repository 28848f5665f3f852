"""What the benches compute from what they saw; nothing here is timed."""

import math
import random
from collections.abc import Callable
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.charts import charts, scale
from bench.figures import (
    KNOWN_TO,
    Stage,
    arrivals,
    histogram_counts,
    knee,
    metric_sum,
    next_rate,
    quantile,
)
from bench.floor import EMPTY, FLOOR, OURS, ratios

finite = st.floats(0, 1e6)


# --- percentiles


def test_the_median_of_an_even_number_is_the_lower_of_the_two_in_the_middle() -> None:
    assert 2 == quantile([4, 1, 3, 2], 0.5)


def test_p99_of_a_hundred_is_the_second_highest_and_of_ninety_nine_the_highest() -> None:
    assert 98 == quantile(range(100), 0.99)
    assert 98 == quantile(range(99), 0.99)


def test_of_nothing_every_percentile_is_nothing() -> None:
    assert 0.0 == quantile([], 0.99)


@given(st.lists(finite, min_size=1), st.floats(0.01, 1.0))
def test_so_many_do_not_exceed_a_percentile_and_with_any_lesser_value_they_would_not_be_enough(
    values: list[float], part: float
) -> None:
    found = quantile(values, part)
    assert found in values
    assert sum(value <= found for value in values) >= part * len(values) - 1e-9
    assert sum(value < found for value in values) < part * len(values)


# --- arrivals


@given(st.integers(0, 1_000), st.floats(1, 500), st.floats(0.1, 5))
def test_arrivals_are_in_order_and_within_the_time(seed: int, rate: float, seconds: float) -> None:
    at = list(arrivals(random.Random(seed), rate, seconds))
    assert sorted(at) == at
    assert all(0 < each < seconds for each in at)


def test_arrivals_come_at_their_rate_and_as_irregularly_as_people_do() -> None:
    at = list(arrivals(random.Random(5), 200, 500))
    gaps = [later - earlier for earlier, later in pairwise(at)]
    mean = sum(gaps) / len(gaps)
    spread = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert abs(len(at) - 100_000) < 4 * math.sqrt(100_000)  # four standard deviations of Poisson
    assert 0.98 < spread / mean < 1.02  # of exponential gaps it is 1, of a metronome 0


# --- the knee


def server_with(true_knee: float) -> Callable[[float], Stage]:
    """Keeps up below its knee; beyond it finishes as many as at it, and late."""

    def stage(rate: float) -> Stage:
        return Stage(rate, min(rate, true_knee), 0.01 if rate <= true_knee else 2.0)

    return stage


@given(st.floats(5, 20_000), st.floats(10, 1_000))
def test_the_knee_is_found_wherever_it_is_and_wherever_the_search_begins(
    true_knee: float, first: float
) -> None:
    serve, stages = server_with(true_knee), list[Stage]()
    while (rate := next_rate(stages, first)) is not None:
        assert rate not in {stage.offered for stage in stages}
        stages.append(serve(rate))
        assert len(stages) < 40
    assert true_knee / KNOWN_TO <= knee(stages) <= true_knee


def test_a_stage_that_keeps_up_beyond_one_that_did_not_is_luck() -> None:
    good, bad, luck = Stage(100, 100, 0.01), Stage(150, 120, 1.0), Stage(160, 160, 0.01)
    assert 100 == knee([good, bad, luck])


def test_who_finishes_all_but_too_late_has_not_kept_up() -> None:
    assert not Stage(100, 100, 1.0).keeps_up
    assert not Stage(100, 90, 0.01).keeps_up
    assert Stage(100, 96, 0.2).keeps_up


# --- Prometheus' text

TEXT = """\
# HELP commit_events Events in one commit.
commit_events_bucket{le="1.0"} 3.0
commit_events_bucket{le="+Inf"} 5.0
commit_events_count 5.0
commit_events_sum 11.0
calls_sum{gateway="saman",operation="start"} 1.5
calls_sum{gateway="zibal",operation="start"} 2.5
calls_sum{gateway="zibal",operation="verify"} 8.0
"""


def test_a_metric_is_summed_over_the_series_that_have_the_labels() -> None:
    assert 11.0 == metric_sum(TEXT, "commit_events_sum")
    assert 4.0 == metric_sum(TEXT, "calls_sum", 'operation="start"')
    assert 2.5 == metric_sum(TEXT, "calls_sum", 'operation="start"', 'gateway="zibal"')
    assert 0.0 == metric_sum(TEXT, "calls")


def test_a_histogram_is_read_with_its_bounds() -> None:
    assert {1.0: 3.0, math.inf: 5.0} == histogram_counts(TEXT, "commit_events")


# --- ratios and pictures


def test_ratios_are_taken_within_a_round_so_that_a_slow_hour_does_not_count() -> None:
    def one_round(ours: float, floor: float) -> dict[str, dict[str, float]]:
        costs = {EMPTY: 50.0, OURS: ours, FLOOR: floor}
        return {name: {"cpu_us_per_payment": us} for name, us in costs.items()}

    found = ratios([one_round(500, 1_000), one_round(4_000, 5_000), one_round(600, 1_000)])
    assert (0.6, 1.0) == (found[OURS], found[FLOOR])


@given(finite)
def test_an_axis_reaches_its_highest_value_in_a_few_round_steps(most: float) -> None:
    step, top = scale(most)
    assert top >= most * (1 - 1e-12)
    assert 1 <= round(top / step) <= 6


@pytest.mark.parametrize("line", [[], [(0.0, 0.0)], [(0.0, 1.0), (10.0, 250.0)]])
def test_a_picture_is_well_formed_whatever_was_seen(line: list[tuple[float, float]]) -> None:
    picture = charts([("a < b", "seconds", {"p99": line})])
    assert "svg" in ET.fromstring(picture).tag
