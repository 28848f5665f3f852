"""How many payments a shop, or a visitor without a key, may make: a bucket that a minute fills, and each takes from."""

import math
from collections.abc import Callable
from typing import Final

from aiohttp import web

from gatewayd.core.settings import ShopSettings
from gatewayd.web.addresses import Addresses
from gatewayd.web.asked import Request

MINUTE_SECONDS: Final = 60.0
VISITORS_MAX: Final = 10_000
"""Addresses remembered before those are forgotten that have not come for a minute: a megabyte."""


class _Buckets:
    """Buckets by name."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: dict[str, tuple[float, float]] = {}
        """What was left in each, and when."""

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, most: int) -> int | None:
        """Take one; None if there was one, else after how many seconds there will be."""
        now = self._monotonic()
        left, then = self._buckets.get(name, (float(most), now))
        left = min(float(most), left + (now - then) * most / MINUTE_SECONDS)
        if left < 1:
            return math.ceil((1 - left) * MINUTE_SECONDS / most)
        self._buckets[name] = left - 1, now
        return None

    def give_back(self, name: str) -> None:
        """What was taken made no payment."""
        if name in self._buckets:
            left, then = self._buckets[name]
            self._buckets[name] = left + 1, then

    def forget_full(self) -> None:
        """Forget those that a minute has filled: nobody misses them."""
        since = self._monotonic() - MINUTE_SECONDS
        self._buckets = {n: each for n, each in self._buckets.items() if each[1] > since}


class Rates:
    """The buckets of all shops; a shop without a limit has none."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._buckets = _Buckets(monotonic)

    def take(self, shop: ShopSettings) -> int | None:
        """Take one; None if there was one, else after how many seconds there will be."""
        most = shop.limits.payments_per_minute
        return None if most is None else self._buckets.take(shop.name, most)

    def give_back(self, shop: ShopSettings) -> None:
        """What was taken made no payment."""
        self._buckets.give_back(shop.name)


class Visitors:
    """The buckets of addresses that begin payments without a key. Trusted proxies stand for many, and have none."""

    def __init__(
        self, monotonic: Callable[[], float], addresses: Addresses, per_minute: int
    ) -> None:
        self._buckets = _Buckets(monotonic)
        self._addresses = addresses
        self._per_minute = per_minute

    def take(self, request: Request) -> int | None:
        """As `Rates.take`, for whoever asks."""
        client = self._addresses.of(request)
        if self._addresses.is_trusted(client):
            return None
        if len(self._buckets) >= VISITORS_MAX:
            self._buckets.forget_full()
        return self._buckets.take(client, self._per_minute)


VISITORS: web.AppKey[Visitors] = web.AppKey("visitors", Visitors)
RATES: web.AppKey[Rates] = web.AppKey("rates", Rates)
