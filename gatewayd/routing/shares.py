"""From what each gateway should get to what its contract lets it get: preferences and bounds on shares."""

from collections.abc import Sequence
from typing import Final

from gatewayd.routing.settings import Limits

HALVINGS: Final = 60
"""Halvings of the interval in which the scale is sought: finer than floats can tell."""
SHARE_LEAST: Final = 1e-6
"""No gateway's share is zero: whoever is left alone must be drawable."""


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
