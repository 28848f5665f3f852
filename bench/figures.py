"""What the benches compute from what they saw: percentiles, when customers arrive, and where the knee is.

Pure: nothing here measures anything.

* The knee is the highest offered rate at which the answers still keep up: at least `KEEPS_UP` of what was offered is
  finished, and the slowest hundredth of every step stays below `LATE_SECONDS`. It is found by raising the rate by half
  until it does not hold, and then by halving the interval until it is known to a twelfth.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

KEEPS_UP: Final = 0.95
"""Arrivals are random: of a short stage a few hundredths are always still under way."""
LATE_SECONDS: Final = 0.25
"""From here on a queue has formed that does not get shorter by itself."""
RAISE: Final = 1.5
KNOWN_TO: Final = 1.08


def quantile(values: Sequence[float], part: float) -> float:
    """The least value that at least `part` of them do not exceed; 0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def arrivals(rng: random.Random, rate: float, seconds: float) -> Iterator[float]:
    """When customers come, in seconds from the start: at `rate` a second on average, none knowing of another."""
    at = rng.expovariate(rate)
    while at < seconds:
        yield at
        at += rng.expovariate(rate)


@dataclass(frozen=True, slots=True)
class Stage:
    """What became of one offered rate."""

    offered: float
    """Payments a second."""
    finished: float
    """Payments a second that came to their end."""
    late_seconds: float
    """What the slowest hundredth of the slowest step took."""

    @property
    def keeps_up(self) -> bool:
        """Whether this is below the knee."""
        return self.finished >= KEEPS_UP * self.offered and self.late_seconds <= LATE_SECONDS


def knee(stages: Sequence[Stage]) -> float:
    """The highest offered rate that was kept up with below every one that was not; 0 for none."""
    failed = min((stage.offered for stage in stages if not stage.keeps_up), default=math.inf)
    kept = [stage.offered for stage in stages if stage.keeps_up and stage.offered < failed]
    return max(kept, default=0.0)


def next_rate(stages: Sequence[Stage], first: float) -> float | None:
    """What to offer next; None once the knee is known."""
    if not stages:
        return first
    failed = min((stage.offered for stage in stages if not stage.keeps_up), default=math.inf)
    kept = knee(stages)
    if not kept:
        return failed / RAISE
    if math.isinf(failed):
        return kept * RAISE
    return None if failed <= kept * KNOWN_TO else math.sqrt(kept * failed)


def histogram_counts(text: str, name: str) -> dict[float, float]:
    """Of a Prometheus text: how many observations were at most each bound of a histogram without labels."""
    found: dict[float, float] = {}
    for line in text.splitlines():
        if line.startswith(f'{name}_bucket{{le="'):
            bound, _, count = line[len(name) + 12 :].partition('"} ')
            found[float(bound)] = float(count)
    return found


def metric_sum(text: str, name: str, *labels: str) -> float:
    """Of a Prometheus text: the sum over all series of `name` that have all of these labels (`operation="start"`)."""
    total = 0.0
    for line in text.splitlines():
        if line.startswith((f"{name} ", f"{name}{{")) and all(label in line for label in labels):
            total += float(line.rpartition(" ")[2])
    return total
