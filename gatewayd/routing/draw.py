"""Weighted-random choice without replacement, with exactly known chances of being drawn first."""

import math
import random
from collections.abc import Sequence
from typing import Final

GOLDEN: Final = (math.sqrt(5) - 1) / 2
"""The step that spreads points over a circle most evenly."""


class Dice:
    """Draws orders. The first of each is drawn by a golden-ratio sequence from a random start instead of by
    independent throws: each gateway comes first exactly as often as its weight says, but the payments in any half
    minute are spread far more evenly, so that a gateway used near its capacity is not overrun by chance.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._point = rng.random()

    def order(self, weights: Sequence[float], later: Sequence[float]) -> list[int]:
        """Indices in the order drawn: the first by `weights`, the others one after the other by `later`.

        All weights are above zero.
        """
        if len(weights) == 1:
            return [0]
        self._point = (self._point + GOLDEN) % 1.0
        rest = self._point * sum(weights)
        first = len(weights) - 1
        for index, weight in enumerate(weights):
            rest -= weight
            if rest < 0.0:
                first = index
                break
        # the smallest of independent exponential times with rate w falls on each with chance w / sum: sorting them is
        # drawing without replacement
        # (written out, because for sixty gateways expovariate's calls are a fifth of a ranking)
        chance, log = self._rng.random, math.log
        times = [
            (-log(1.0 - chance()) / weight, index)
            for index, weight in enumerate(later)
            if index != first
        ]
        times.sort()
        return [first, *[index for _, index in times]]
