"""How many payments a shop may make: a bucket per shop that a minute fills, and that every new payment takes from."""

import math
from collections.abc import Callable
from typing import Final

from aiohttp import web

from gatewayd.core.settings import ShopSettings

MINUTE_SECONDS: Final = 60.0


class Rates:
    """The buckets of all shops; a shop without a limit has none."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: dict[str, tuple[float, float]] = {}
        """What was left in each, and when."""

    def take(self, shop: ShopSettings) -> int | None:
        """Take one; None if there was one, else after how many seconds there will be."""
        most = shop.limits.payments_per_minute
        if most is None:
            return None
        now = self._monotonic()
        left, then = self._buckets.get(shop.name, (float(most), now))
        left = min(float(most), left + (now - then) * most / MINUTE_SECONDS)
        if left < 1:
            return math.ceil((1 - left) * MINUTE_SECONDS / most)
        self._buckets[shop.name] = left - 1, now
        return None

    def give_back(self, shop: ShopSettings) -> None:
        """What was taken made no payment."""
        if shop.name in self._buckets:
            left, then = self._buckets[shop.name]
            self._buckets[shop.name] = left + 1, then


RATES: web.AppKey[Rates] = web.AppKey("rates", Rates)
