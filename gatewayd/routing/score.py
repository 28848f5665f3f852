"""How good a gateway is just now, from what happened to its payments: a number from 0 to 1.

The score is the chance that a payer who is sent there comes back, times the chance that a payment which the payer
completed is really taken. What payers do themselves (cancel, a wrong PIN, no balance) and what their banks do counts
only as having come back. Few payments say little: the score starts from a usual level and moves with evidence.
"""

import math
from typing import Final

from gatewayd.routing.window import BUCKET_SECONDS, Window

RETURNS_USUAL: Final = 0.9
"""The part of payers who come back at all, before anything was seen."""
TAKEN_USUAL: Final = 0.95
PRIOR: Final = 20.0
"""How many payments the usual level weighs."""
DELAY_MEDIAN: Final = 70.0
DELAY_SIGMA: Final = 0.8
STEEPNESS: Final = 25
"""Weights go with the score's 25th power: in proportion to the score itself they would be nearly equal."""


def matured(age: float) -> float:
    """The part of the payers who come back that is back within `age` seconds."""
    return 0.5 * math.erfc(-math.log(max(age, 1.0) / DELAY_MEDIAN) / (DELAY_SIGMA * math.sqrt(2)))


def score(window: Window, now: float) -> float:
    """The score at `now`, between 0 and 1."""
    expected = returned = paid = failed = 0.0
    for bucket in window.buckets:
        age = now - bucket.index * BUCKET_SECONDS
        expected += bucket.started * matured(age)
        returned += bucket.returned
        paid += bucket.paid
        failed += bucket.failed
    returns = min(1.0, (returned + PRIOR * RETURNS_USUAL) / (expected + PRIOR))
    return returns * (paid + PRIOR * TAKEN_USUAL) / (paid + failed + PRIOR)


def weights(scores: list[float]) -> list[float]:
    """What the dice are loaded with; the best has 1, none has 0."""
    best = max(scores)
    return [max(1e-3, (value / best) ** STEEPNESS) for value in scores]
