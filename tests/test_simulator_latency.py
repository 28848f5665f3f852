"""How long the banks take, as text and as draws."""

import random

import pytest

from gatewayd.simulator.latency import AT_ONCE, Latency


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("0", 0, 0),
        ("0ms", 0, 0),
        ("50ms", 0.05, 0.05),
        ("50-200ms", 0.05, 0.2),
        ("0.2s", 0.2, 0.2),
        (" 1-2.5s ", 1, 2.5),
    ],
)
def test_a_latency_is_read(text: str, low: float, high: float) -> None:
    assert Latency(low, high) == Latency.parse(text)


@pytest.mark.parametrize(
    "text", ["", "50", "50m", "fast", "50-ms", "-50ms", "1.2.3s", "200-50ms", "601s", "1-2-3ms"]
)
def test_a_latency_that_makes_no_sense_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"latency: '{text}'"):
        Latency.parse(text)


def test_draws_stay_in_the_range() -> None:
    rng = random.Random(1)
    drawn = [Latency(0.05, 0.2).draw(rng) for _ in range(1000)]
    assert 0.05 <= min(drawn) < 0.06
    assert 0.19 < max(drawn) <= 0.2
    assert 0 == AT_ONCE.draw(rng)
