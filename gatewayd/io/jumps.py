"""Writes into the journal when the wall clock was set: times in the events make sense only together with that.

What is decided does not depend on it: deadlines never move away from us, and the order of events is by version. Such an
event is in the hash chain like every other, under the number of the journal itself.
"""

from typing import Final, Protocol

from gatewayd.core.events import ClockJumped, Event
from gatewayd.engine.ports import Clock, Log
from gatewayd.io.clock import JumpWatch

APART_SECONDS: Final = 60.0
"""Between two such events; a clock that is set more often is one fault, and must not fill the journal."""


class Noting(Protocol):
    """Where events of the journal itself are written."""

    async def note(self, event: Event) -> None:
        """Write this down, durably."""


class Jumps:
    """Looks at the clocks again and again; every jump is told, and written down."""

    def __init__(self, noting: Noting, clock: Clock, log: Log) -> None:
        self._noting = noting
        self._clock = clock
        self._log = log
        self._watch = JumpWatch(clock.wall(), clock.monotonic())
        self._next = float("-inf")
        self._seconds = 0.0
        self._times = 0
        """Of the jumps that are not written down yet."""

    async def look(self) -> None:
        """Once a second or so. StoreError if the disk fails."""
        wall, monotonic = self._clock.wall(), self._clock.monotonic()
        jump = self._watch.look(wall, monotonic)
        if jump is not None:
            self._log.warning("wall clock jumped", seconds=round(jump, 3))
            self._seconds += jump
            self._times += 1
        if self._times and monotonic >= self._next:
            event = ClockJumped(
                at_ms=int(wall * 1000), seconds=round(self._seconds, 3), times=self._times
            )
            self._next, self._seconds, self._times = monotonic + APART_SECONDS, 0.0, 0
            await self._noting.note(event)
