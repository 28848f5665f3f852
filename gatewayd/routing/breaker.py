"""A circuit breaker per gateway: cuts off what drops connections, and lets one live payment try it again.

Only the token step speaks here (dial, TLS, time-out, 5xx, garbage): what payers do at the bank is the score's
business. A pause doubles while trials fail, and after one that succeeded the share comes back slowly. A generation is
the time between two changes of state; a failure that began before the breaker last opened or closed belongs to an
older generation and is not held against this one.
"""

import random
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from gatewayd.routing.settings import RoutingSettings


class Failure(StrEnum):
    """How a token call failed."""

    UNREACHED = "unreached"
    """Dial or TLS: the call never left."""
    UNANSWERED = "unanswered"
    """Time-out, dropped connection, 5xx or garbage."""
    REFUSED = "refused"
    """The bank answered that something technical is wrong there."""


COUNTS_FOR: Final = {Failure.UNREACHED: 1.5, Failure.UNANSWERED: 1.0, Failure.REFUSED: 0.5}
"""In failures: what cannot be reached at all is down for everybody; what answers may refuse this one payment only."""
WARMTH_LEAST: Final = 0.1
"""The part of its weight that a gateway has at once when its trial succeeded."""


class BreakerState(StrEnum):
    """What the breaker lets through."""

    CLOSED = "closed"
    """Everything."""
    OPEN = "open"
    """Nothing, unless nobody else is left."""
    HALF_OPEN = "half_open"
    """One payment, as a trial."""
    FORCED_OPEN = "forced_open"
    """Nothing at all, by an operator's word."""
    FORCED_CLOSED = "forced_closed"
    """Everything, whatever happens, by an operator's word."""


class Breaker:
    """One gateway's breaker. Times are the router's `now`, in seconds."""

    def __init__(self, settings: RoutingSettings, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self._state = BreakerState.CLOSED
        self._changed_at = float("-inf")
        self._open_until = float("-inf")
        self._failures = 0.0
        self._openings = 0
        self._slot_taken_at = float("-inf")
        self._cold_at = float("-inf")

    def state(self, now: float) -> BreakerState:
        """The state at `now`; an open breaker becomes half-open by waiting."""
        if self._state is BreakerState.OPEN and now >= self._open_until:
            self._state = BreakerState.HALF_OPEN
            self._slot_taken_at = float("-inf")
        return self._state

    def slot_free(self, now: float) -> bool:
        """Whether a half-open breaker lets a trial through at `now`."""
        return now - self._slot_taken_at >= self._settings.half_open_seconds

    def take_slot(self, now: float) -> None:
        """The one trial of a half-open breaker goes out now."""
        self._slot_taken_at = now

    def retry_after(self, now: float) -> float:
        """Seconds until an open breaker lets a trial through; 0 where it is not open."""
        return max(0.0, self._open_until - now) if self._state is BreakerState.OPEN else 0.0

    def warmth(self, now: float) -> float:
        """The part of its weight that it has at `now`: 1 but for the time after a trial closed it."""
        warm = self._settings.breaker_warm_seconds
        since = now - self._cold_at
        return 1.0 if since >= warm else max(WARMTH_LEAST, since / warm)

    def succeeded(self, now: float, seconds: float) -> None:
        """A token call that took `seconds` ended well at `now`."""
        match self.state(now):
            case BreakerState.CLOSED:
                self._failures = 0.0
                if now - self._changed_at >= self._settings.breaker_forget_seconds:
                    self._openings = 0
            case BreakerState.OPEN | BreakerState.HALF_OPEN:
                if now - seconds >= self._changed_at:
                    self._change(now, BreakerState.CLOSED)
                    self._cold_at = now
            case BreakerState.FORCED_OPEN | BreakerState.FORCED_CLOSED:
                pass

    def failed(self, now: float, seconds: float, failure: Failure = Failure.UNANSWERED) -> None:
        """A token call that took `seconds` failed technically at `now`."""
        state = self.state(now)
        if now - seconds < self._changed_at:
            return
        match state:
            case BreakerState.CLOSED:
                self._failures += COUNTS_FOR[failure]
                if self._failures >= self._settings.breaker_failures:
                    self._open(now)
            case BreakerState.HALF_OPEN:
                self._open(now)
            case BreakerState.OPEN | BreakerState.FORCED_OPEN | BreakerState.FORCED_CLOSED:
                pass

    def force(self, now: float, state: BreakerState | None) -> None:
        """An operator's word: a forced state, or None to let the breaker judge again, starting closed."""
        self._openings = 0
        self._cold_at = float("-inf")
        self._change(now, state if state is not None else BreakerState.CLOSED)

    def dump(self, now: float) -> dict[str, Any]:
        """What a restart should know, as plain JSON."""
        return {
            "state": self.state(now).value,
            "open_seconds": self.retry_after(now),
            "openings": self._openings,
        }

    def load(self, now: float, dump: Mapping[str, Any], elapsed: float) -> None:
        """Takes up what `dump` gave `elapsed` seconds ago."""
        self._change(now, BreakerState(dump["state"]))
        self._openings = int(dump["openings"])
        self._open_until = now + float(dump["open_seconds"]) - elapsed

    def _open(self, now: float) -> None:
        if now - self._changed_at >= self._settings.breaker_forget_seconds:
            self._openings = 0
        doublings = min(self._openings, self._settings.breaker_doublings_max)
        jitter = self._settings.breaker_jitter * self._rng.uniform(-1.0, 1.0)
        self._open_until = now + self._settings.breaker_open_seconds * 2**doublings * (1 + jitter)
        self._openings += 1
        self._change(now, BreakerState.OPEN)

    def _change(self, now: float, state: BreakerState) -> None:
        self._state = state
        self._changed_at = now
        self._failures = 0.0
        self._slot_taken_at = float("-inf")
