"""How well a gateway does under how much load: a capacity shows as a level that is lower where more was sent.

A gateway that is overrun by a little for a long time looks as if that were its usual level, for nothing falls any
more. But the half minutes in which it happened to get less still did well: so what happened is also kept by load, and
a capacity is believed when a level that falls in proportion beyond it explains everything clearly better than one
level for all loads. Old evidence fades, so that a capacity that has grown is found out by trying again.
"""

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Final, NamedTuple

RATIO: Final = 1.2
"""From one class of loads to the next: a capacity is found to within a tenth."""
MEMORY_SECONDS: Final = 1_800.0
"""Within an hour a capacity that is not hit again is doubted."""
CERTAIN: Final = 6.0
"""In natural logarithms of likelihood: four hundred to one, as there are several capacities to choose from."""
LEAST: Final = 20.0
"""Payments under less load that must be known before more of it can be blamed."""
FORGOTTEN: Final = 0.1
"""Payments below which a class of loads is dropped."""
LEVEL_MOST: Final = 0.995
_LOG_RATIO: Final = math.log(RATIO)


class _Class(NamedTuple):
    """Payments under about the same load."""

    load: float
    """Payments per second, on average."""
    tried: float
    good: float


class Load:
    """One gateway's outcomes by load."""

    def __init__(self) -> None:
        self._tried: dict[int, float] = {}
        self._good: dict[int, float] = {}
        self._load: dict[int, float] = {}
        """By class; load times payments."""

    def learn(self, load: float, tried: float, good: float) -> None:
        """Of `tried` payments under `load` payments per second, so many were good."""
        if load > 0.0 and tried > 0.0:
            which = math.floor(math.log(load) / _LOG_RATIO)
            self._tried[which] = self._tried.get(which, 0.0) + tried
            self._good[which] = self._good.get(which, 0.0) + good
            self._load[which] = self._load.get(which, 0.0) + tried * load

    def fade(self, seconds: float) -> None:
        """Lets `seconds` pass."""
        if not self._tried:
            return
        kept = math.exp(-seconds / MEMORY_SECONDS)
        for which in list(self._tried):
            self._tried[which] *= kept
            self._good[which] *= kept
            self._load[which] *= kept
            if self._tried[which] < FORGOTTEN:
                del self._tried[which], self._good[which], self._load[which]

    def capacity(self) -> tuple[float, float] | None:
        """The capacity in payments per second, and the level below it; None where nothing speaks for one."""
        classes = [
            _Class(self._load[which] / tried, tried, self._good[which])
            for which, tried in sorted(self._tried.items())
        ]
        tried = sum([each.tried for each in classes])
        good = sum([each.good for each in classes])
        if len(classes) < 2 or not 0.0 < good < tried:  # noqa: PLR2004 - one load is compared with another
            return None
        flat = _likely(classes, good / tried, math.inf)
        found, best, below = None, flat + CERTAIN, 0.0
        for lower, upper in pairwise(classes):
            below += lower.tried
            if below < LEAST:
                continue
            for capacity in (lower.load, math.sqrt(lower.load * upper.load)):
                carried = sum([each.tried * min(1.0, capacity / each.load) for each in classes])
                level = min(LEVEL_MOST, good / carried)
                likely = _likely(classes, level, capacity)
                if likely > best:
                    found, best = (capacity, level), likely
        return found

    def dump(self) -> list[list[float]]:
        """What a restart should know."""
        return [
            [which, tried, self._good[which], self._load[which]]
            for which, tried in self._tried.items()
        ]

    def load(self, dump: Iterable[Iterable[float]]) -> None:
        """Takes up what `dump` gave."""
        for which, tried, good, load in dump:
            self._tried[int(which)], self._good[int(which)] = float(tried), float(good)
            self._load[int(which)] = float(load)


def _likely(classes: Iterable[_Class], level: float, capacity: float) -> float:
    """The logarithm of how likely the outcomes are at this level and capacity."""
    log, total = math.log, 0.0
    for load, tried, good in classes:
        chance = level * min(1.0, capacity / load)
        total += good * log(chance) + (tried - good) * log(1.0 - chance)
    return total
