"""The router's small parts: return times, draws, the meter of a contract, and filling by worth."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.routing import delays, shares
from gatewayd.routing.ceiling import GROWTH
from gatewayd.routing.delays import CELLS, USUAL_SHAPE, Delays
from gatewayd.routing.draw import Dice
from gatewayd.routing.meter import Meter
from gatewayd.routing.settings import Limits, RoutingSettings
from gatewayd.routing.window import Window


def test_the_usual_curve_has_half_of_the_returns_at_its_median_and_all_in_the_end() -> None:
    curve = delays.curve(USUAL_SHAPE)
    assert 0.5 == pytest.approx(delays.ripe(curve, 70.0), abs=0.01)
    assert 0.0 == delays.ripe(curve, 0.0)
    assert 1.0 == delays.ripe(curve, 600.0)
    assert 1.0 == delays.ripe(curve, 10_000.0)


def test_a_slow_bank_is_known_by_its_own_returns() -> None:
    slow = Delays()
    slow.learn([20] * 500 + [CELLS + 5])
    curve = delays.curve(slow.shape(USUAL_SHAPE, 50.0))
    assert delays.ripe(curve, 150.0) < 0.1
    assert delays.ripe(curve, 250.0) > 0.9
    assert 500.0 == slow.total
    slow.fade(delays.MEMORY_SECONDS)
    assert 500.0 / math.e == pytest.approx(slow.total)
    again = Delays()
    again.load(slow.dump())
    assert slow.total == pytest.approx(again.total, abs=0.01)


def test_the_first_is_spread_evenly_and_the_rest_are_drawn_without_replacement() -> None:
    dice = Dice(random.Random(3))
    weights = [0.5, 0.3, 0.2]
    orders = [dice.order(weights, [1.0, 1.0, 3.0]) for _ in range(3_000)]
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    for start in range(0, 3_000, 100):
        first = Counter(order[0] for order in orders[start : start + 100])
        assert all(abs(first[index] - 100 * weights[index]) <= 3 for index in range(3))
    second = Counter(order[1] for order in orders if order[0] == 0)
    assert 0.25 == pytest.approx(second[1] / sum(second.values()), abs=0.04)


def test_promised_places_lapse_and_calls_use_them_up() -> None:
    meter = Meter(Limits(max_in_flight=2))
    meter.promise(0.0)
    meter.promise(1.0)
    assert "max_in_flight" == meter.full(1.0)
    assert "" == meter.full(10.0)
    meter.promise(10.0)
    meter.called(10.5)
    assert "" == meter.full(10.5)


def test_a_second_choice_counts_against_the_calls_per_second_too() -> None:
    meter = Meter(Limits(max_tps=1.0))
    assert "" == meter.full(5.0)
    meter.called(5.0)
    assert "max_tps" == meter.full(5.1)
    assert "" == meter.full(6.0)


def test_amounts_of_a_day_outlive_a_restart_and_then_pass() -> None:
    meter = Meter(Limits(daily_amount=1_000))
    meter.add(100.0, 700)
    again = Meter(Limits(daily_amount=1_000))
    again.load(0.0, meter.dump(200.0), elapsed=3_600.0)
    assert "daily_amount" == again.full(0.0, 400)
    assert "" == again.full(0.0, 300)
    assert "" == again.full(83_500.0, 400)


def test_the_window_keeps_ten_minutes_in_few_buckets() -> None:
    window = Window()
    for second in range(2_000):
        window.begin(float(second))
        window.leave(float(second))
    assert len(window.buckets) <= 62
    assert 10 == window.buckets[0].started


def test_filling_gives_the_better_its_tested_rate_first_and_the_next_the_rest() -> None:
    boundless = [math.inf] * 3
    rates = shares.fill([0.9, 0.6, 0.1], [1.0, 5.0, 5.0], boundless, 5.0)
    assert GROWTH * (0.9 / 0.6) ** 3 == pytest.approx(rates[0])
    assert [5.0 - rates[0], 0.0] == pytest.approx(rates[1:])


def test_a_slightly_better_one_gets_slightly_more() -> None:
    rates = shares.fill([0.9, 0.88], [1.0, 1.0], [math.inf] * 2, 3.0)
    assert (0.9 / 0.88) ** 3 == pytest.approx(rates[0] / rates[1])


def test_what_is_above_a_ceiling_goes_to_the_others() -> None:
    assert [0.5, 1.9] == pytest.approx(shares.fill([0.9, 0.88], [1.0, 1.0], [0.5, math.inf], 2.4))


def test_with_all_at_their_ceilings_everybody_carries_more_in_proportion() -> None:
    assert [2.0, 4.0] == pytest.approx(shares.fill([0.9, 0.8], [1.0, 1.0], [1.0, 2.0], 6.0))


@given(
    st.lists(
        st.tuples(st.floats(0.0, 1.0), st.floats(1e-9, 10.0), st.floats(1e-6, 10.0)),
        min_size=1,
        max_size=8,
    ),
    st.floats(0.001, 50.0),
)
def test_filling_places_every_payment_once(
    rows: list[tuple[float, float, float]], total: float
) -> None:
    rates = shares.fill(
        [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], total
    )
    assert total == pytest.approx(sum(rates))
    assert all(rate >= -1e-9 for rate in rates)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        RoutingSettings(attempt_seconds=-1.0)
