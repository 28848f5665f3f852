"""Decides, under load, how much may be in progress at once, so that what was begun is served in time.

The signal is how late the event loop is, smoothed: it grows with whatever there is too much of, and each step of a
payment waits for the loop a dozen times. Rules:

* There is a limit to the requests in progress. Above `lag_high_seconds` it shrinks by a tenth at each measurement,
  beginning from what is in progress just then; below `lag_low_seconds` it grows again. Between them it stays.
* New payments, and customers who come to pay for the first time, are let in while there is room below the limit. Others
  wait for a moment outside (`turnstile`). Returns, verifies and questions are always let in.
* The limit never falls below `in_flight_min`: with so little in progress the loop is late for another reason, such as
  another program that wants the processor, and refusing would help nobody.
* A single stall, as by a long garbage collection, counts for little: only what lasts shuts anybody out.
* New payments are refused at once while more than so many requests are in progress, or a commit of the journal takes
  longer than so long, for each would wait for the next.
* It is said to be overloaded until it has refused nobody for `calm_seconds`.

Pure: what time it is comes in as an argument, in seconds that only grow.
"""

from typing import Final

from gatewayd.core.settings import OverloadSettings

WEIGHT: Final = 0.2
"""Of one measurement in the smoothed lag: five of them make most of it."""
STALL_COUNTS: Final = 4.0
"""A single measurement counts for at most so many times `lag_high_seconds`: less than that once smoothed."""
SHRINKS_TO: Final = 0.9
GROWS_TO: Final = 1.05
OVERLOADED: Final = "overloaded"
TOO_MANY: Final = "too many requests in flight"
DISK_SLOW: Final = "journal slow"


class Admission:
    """One per daemon."""

    def __init__(self, settings: OverloadSettings, in_flight_max: int) -> None:
        self._settings = settings
        self._in_flight_max = in_flight_max
        self._refused_at = float("-inf")
        self._refusals = 0
        self.limit = float(in_flight_max)
        """How many requests may be in progress before new ones wait."""
        self.lag_seconds = 0.0
        """How late the loop is, smoothed."""

    def lagged(self, seconds: float, in_progress: int) -> None:
        """The loop did something this much later than it was asked to. Measured at even times."""
        settings = self._settings
        capped = min(max(0.0, seconds), STALL_COUNTS * settings.lag_high_seconds)
        self.lag_seconds += WEIGHT * (capped - self.lag_seconds)
        if self.lag_seconds > settings.lag_high_seconds:
            shrunk = SHRINKS_TO * min(self.limit, in_progress)
            self.limit = max(shrunk, min(self.limit, settings.in_flight_min))
        elif self.lag_seconds < settings.lag_low_seconds:
            self.limit = min(self.limit * GROWS_TO, self._in_flight_max)

    def has_room(self, in_progress: int) -> bool:
        """Whether somebody who may wait is let in beside so many."""
        return in_progress <= self.limit

    def why_not(self, in_progress: int, commit_seconds: float) -> str | None:
        """Why a new payment is refused without any waiting. `commit_seconds`: how long a commit takes so far."""
        if in_progress > self._in_flight_max:
            return TOO_MANY
        if commit_seconds > self._settings.commit_seconds:
            return DISK_SLOW
        return None

    def refused(self, now: float) -> int:
        """Somebody was refused; in how many seconds he is to come again: not all at the same time."""
        self._refused_at = now
        self._refusals += 1
        least = self._settings.retry_after_seconds
        return least + self._refusals % (least + 1)

    def is_overloaded(self, now: float) -> bool:
        """Whether somebody was refused a short while ago."""
        return now - self._refused_at < self._settings.calm_seconds
