"""Who gets how much: the best gateways as much as they are trusted to carry, then the next, within their contracts.

Each payment goes where it is worth most. What one more payment a second is worth at a gateway is its value, times the
chance that there is still room for it: certain up to the rate it was tested at, then falling with the third root of
the rate. Filling up by that worth gives a gateway that is little better than the rest a little more, one that is much
better at once much more (overrunning it would cost nothing), and sends what nobody has room for where it hurts least.
As values are only estimates, this is done for many draws of what they may be, and the mean is taken.
"""

import random
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist
from typing import Final

from gatewayd.routing.ceiling import GROWTH
from gatewayd.routing.settings import Limits

DRAWS: Final = 16
"""Draws of what the values may be: each gateway's are the same sixteen quantiles, in an order of its own."""
DRAWS_LEAST: Final = 4
DRAWN_MOST: Final = 160
"""Values drawn in all, so that the work stays well under a millisecond with many gateways too."""
ROOT: Final = 3
"""The chance that there is room falls with this root of the rate above the tested one."""
VALUE_LEAST: Final = 1e-3

HALVINGS: Final = 60
"""Halvings of the interval in which the scale is sought: finer than floats can tell."""
SHARE_LEAST: Final = 1e-6
"""No gateway's share is zero: whoever is left alone must be drawable."""


def draws(gateways: int, rng: random.Random) -> list[list[float]]:
    """For each draw, each gateway's deviation from its estimate in standard deviations."""
    count = max(DRAWS_LEAST, min(DRAWS, DRAWN_MOST // max(1, gateways)))
    columns = [rng.sample(_quantiles(count), count) for _ in range(gateways)]
    return [[column[draw] for column in columns] for draw in range(count)]


@cache
def _quantiles(count: int) -> tuple[float, ...]:
    normal = NormalDist()
    return tuple([normal.inv_cdf((draw + 0.5) / count) for draw in range(count)])


def fill(
    values: Sequence[float], tested: Sequence[float], ceilings: Sequence[float], total: float
) -> list[float]:
    """Rates that sum to `total`, each payment where it is worth most.

    `tested` are the rates that gateways were seen to carry, `ceilings` the most they may get; where all are at their
    ceilings the rest is shared out in proportion to them.
    """
    rates = [0.0] * len(values)
    free = sorted(range(len(values)), key=values.__getitem__, reverse=True)
    left = total
    while free and left > 0.0:
        _pour(values, tested, free, left, rates)
        over = [index for index in free if rates[index] > ceilings[index]]
        if not over:
            return rates
        for index in over:
            rates[index] = ceilings[index]
            left -= ceilings[index]
        free = [index for index in free if index not in over]
    carried = sum(rates)
    return [rate * total / carried for rate in rates] if carried > 0.0 else rates


def _pour(
    values: Sequence[float],
    tested: Sequence[float],
    free: list[int],
    left: float,
    rates: list[float],
) -> None:
    """Fills `left` into the gateways `free`, best first, into `rates`; nobody has a ceiling here.

    At worth w a gateway of value v >= w takes GROWTH x tested x (v / w) ** ROOT. From the best downwards gateways
    join as the worth sinks to their values; the last to join takes what is left.
    """
    for index in free:
        rates[index] = 0.0
    sum_ = 0.0
    for place, index in enumerate(free):
        value = values[index]
        power = (value if value > VALUE_LEAST else VALUE_LEAST) ** ROOT  # noqa: FURB136 - run often
        if sum_ >= left * power:
            break
        own = GROWTH * tested[index] * power
        if sum_ + own >= left * power:
            rates[index] = left - sum_ / power
            for earlier in free[:place]:
                rates[earlier] /= power
            return
        rates[index] = own  # at worth 1, until it is known what worth it comes to
        sum_ += own
    for index in free:
        rates[index] = rates[index] * left / sum_


def within(wanted: Sequence[float], limits: Sequence[Limits]) -> list[float]:
    """Shares that sum to one, as near to `wanted` (any scale) as `min_share` and `max_share` allow.

    Bounds that cannot all hold give way in proportion.
    """
    total = sum(want * limit.weight for want, limit in zip(wanted, limits, strict=True)) or 1.0
    shares = [
        max(SHARE_LEAST, want * limit.weight / total)
        for want, limit in zip(wanted, limits, strict=True)
    ]
    low = [max(SHARE_LEAST, limit.min_share) for limit in limits]
    high = [limit.max_share for limit in limits]
    if not all(
        bottom <= share <= top for bottom, share, top in zip(low, shares, high, strict=True)
    ):
        shares = _clamped(shares, low, high)
    total = sum(shares)
    return [share / total for share in shares]


def _clamped(shares: list[float], low: list[float], high: list[float]) -> list[float]:
    """The shares scaled by one number and then clamped, so that they sum to one where that can be."""
    small, large = 0.0, 1.0 / SHARE_LEAST
    clamped = shares
    for _ in range(HALVINGS):
        scale = (small + large) / 2
        clamped = [
            min(top, max(bottom, scale * share))
            for bottom, share, top in zip(low, shares, high, strict=True)
        ]
        if sum(clamped) < 1.0:
            small = scale
        else:
            large = scale
    return clamped
