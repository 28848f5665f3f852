"""What a gateway's contract still has room for: calls per second, payers at the bank, rial in a day.

A ranking promises its first choice a place before the token call is made, so that a burst of rankings cannot all see
the same last place; the promise is redeemed by `started` or lapses.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from gatewayd.routing.settings import Limits

DAY_SECONDS: Final = 86_400.0
PART_SECONDS: Final = 600.0
"""Amounts of a day are kept in parts of ten minutes: 144 numbers, and never more than ten minutes too strict."""
PROMISE_SECONDS: Final = 10.0
"""A promised place lapses like a half-open trial's: a token call takes 8 seconds at most."""
PROMISES_MAX: Final = 10_000
"""Rankings nobody followed within ten seconds; more would be a caller that only asks."""


class Meter:
    """One gateway's use of its contract."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.limited = (
            limits.max_tps is not None
            or limits.max_in_flight is not None
            or limits.daily_amount is not None
        )
        """Whether there is anything to be full."""
        self.in_flight = 0
        self._calls_left = self._calls_max = max(1.0, limits.max_tps or 1.0)
        self._filled_at = float("-inf")
        self._promises: deque[float] = deque(maxlen=PROMISES_MAX)
        self._amounts: deque[tuple[int, int]] = deque()
        self._amount = 0

    def full(self, now: float, amount: int = 0) -> str:
        """Which limit leaves no room at `now` for a payment of `amount` rial; empty if there is room."""
        if not self.limited:
            return ""
        limits = self._limits
        if limits.max_tps is not None:
            self._fill(now, limits.max_tps)
            if self._calls_left < 1.0:
                return "max_tps"
        if limits.max_in_flight is not None:
            self._lapse(now)
            if self.in_flight + len(self._promises) >= limits.max_in_flight:
                return "max_in_flight"
        if limits.daily_amount is not None and self.amount(now) + amount > limits.daily_amount:
            return "daily_amount"
        return ""

    def promise(self, now: float) -> None:
        """A ranking put this gateway first."""
        if self.limited:
            self._calls_left -= 1.0
            self._promises.append(now)

    def called(self, now: float) -> None:
        """A token call ended: it used the oldest promised place, or one of its own where it was a second choice."""
        if not self.limited:
            return
        self._lapse(now)
        if self._promises:
            self._promises.popleft()
        else:
            self._calls_left -= 1.0

    def add(self, now: float, amount: int) -> None:
        """Rial taken, or given back where negative."""
        if self._limits.daily_amount is None:
            return
        part = int(now // PART_SECONDS)
        self._amount += amount
        if self._amounts and self._amounts[-1][0] == part:
            amount += self._amounts.pop()[1]
        self._amounts.append((part, amount))

    def amount(self, now: float) -> int:
        """Rial of the last 24 hours."""
        oldest = int((now - DAY_SECONDS) // PART_SECONDS)
        while self._amounts and self._amounts[0][0] < oldest:
            self._amount -= self._amounts.popleft()[1]
        return self._amount

    def dump(self, now: float) -> dict[str, Any]:
        """What a restart should know: rial by age in seconds."""
        self.amount(now)
        return {"amounts": [[now - part * PART_SECONDS, rial] for part, rial in self._amounts]}

    def load(self, now: float, dump: Mapping[str, Any], elapsed: float) -> None:
        """Takes up what `dump` gave `elapsed` seconds ago."""
        for age, rial in dump["amounts"]:
            self.add(now - float(age) - elapsed, int(rial))

    def _fill(self, now: float, rate: float) -> None:
        if now > self._filled_at:
            gained = (now - self._filled_at) * rate
            self._calls_left = min(self._calls_max, self._calls_left + gained)
            self._filled_at = now

    def _lapse(self, now: float) -> None:
        while self._promises and now - self._promises[0] >= PROMISE_SECONDS:
            self._promises.popleft()
