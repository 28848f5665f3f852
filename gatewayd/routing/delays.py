"""How long payers take to come back: the part of those who do that is back within a given time.

Learnt only from payments that have left the window, for those have had their whole time; counting returns as they
come would make the curve too short whenever traffic grows. Each gateway's curve leans on everybody's until it has
seen enough of its own, and everybody's on a usual one.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

from gatewayd.routing.window import BUCKET_SECONDS, WINDOW_SECONDS

CELLS: Final = int(WINDOW_SECONDS // BUCKET_SECONDS)
MEDIAN: Final = 70.0
SIGMA: Final = 0.8
"""The usual curve: a log-normal time to find the card, wait for the one-time password and type it."""
USUAL_WEIGHT: Final = 30.0
"""Returns that the usual curve counts for among all gateways' own."""
POOL_WEIGHT: Final = 50.0
"""Returns that the curve of all counts for in one gateway's."""
MEMORY_SECONDS: Final = 7_200.0
"""How long returns are remembered: habits change with the time of day."""


def usual(age: float) -> float:
    """The usual curve, before anything was learnt; `age` in seconds."""
    return 0.5 * math.erfc(-math.log(max(age, 1e-3) / MEDIAN) / (SIGMA * math.sqrt(2.0)))


def _usual_shape() -> list[float]:
    edges = [usual(cell * BUCKET_SECONDS) for cell in range(CELLS + 1)]
    return [(edges[cell + 1] - edges[cell]) / edges[-1] for cell in range(CELLS)]


USUAL_SHAPE: Final = _usual_shape()


class Delays:
    """Counted return times of one gateway or of all, in cells of ten seconds."""

    def __init__(self) -> None:
        self.counts = [0.0] * CELLS
        self.total = 0.0

    def learn(self, delays: Iterable[int]) -> None:
        """Return times of payments that left the window, in cells; later ones than the window are left out."""
        for cell in delays:
            if cell < CELLS:
                self.counts[cell] += 1.0
                self.total += 1.0

    def fade(self, seconds: float) -> None:
        """Lets `seconds` pass."""
        if not self.total:
            return
        kept = math.exp(-seconds / MEMORY_SECONDS)
        self.counts = [count * kept for count in self.counts]
        self.total *= kept

    def shape(self, prior: list[float], weight: float) -> list[float]:
        """The part of the returns that falls in each cell, leaning on `prior` with a weight of so many returns."""
        total = self.total + weight
        return [
            (count + weight * part) / total for count, part in zip(self.counts, prior, strict=True)
        ]

    def dump(self) -> list[float]:
        """What a restart should know."""
        return [round(count, 3) for count in self.counts]

    def load(self, dump: Iterable[float]) -> None:
        """Takes up what `dump` gave."""
        self.counts = ([float(count) for count in dump] + [0.0] * CELLS)[:CELLS]
        self.total = sum(self.counts)


def curve(shape: Iterable[float]) -> list[float]:
    """The part of the returns that has come by the beginning of each cell, and by the end of the last: 1."""
    return [0.0, *accumulate(shape)]


def ripe(curve: list[float], age: float) -> float:
    """The part of the returns that has come `age` seconds after the payment began."""
    cell, rest = divmod(age / BUCKET_SECONDS, 1.0)
    index = int(cell)
    if index >= CELLS:
        return 1.0
    return curve[index] + rest * (curve[index + 1] - curve[index])


def median(curve: list[float]) -> float:
    """Seconds within which half of the returns have come."""
    cell = bisect_left(curve, 0.5)
    if not 0 < cell <= CELLS:
        return MEDIAN
    before, after = curve[cell - 1], curve[cell]
    return (cell - 1 + (0.5 - before) / (after - before)) * BUCKET_SECONDS
