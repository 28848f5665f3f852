"""Keeps in the journal's file when the wall clock was set: times in the events make sense only together with that.

What is decided does not depend on it: deadlines never move away from us, and the order of events is by version.
"""

from typing import Any, Final, Protocol

import orjson

from gatewayd.engine.ports import Clock, Log
from gatewayd.io.clock import JumpWatch

JUMPS_KEY: Final = "clock_jumps"
JUMPS_KEPT: Final = 100
"""The latest; a clock that is set more often than anybody can read is one fault, not many."""


class Named(Protocol):
    """Where small things are kept beside the events, each under its name."""

    async def named(self, key: str) -> bytes | None:
        """What is kept there; None for nothing."""

    async def name(self, key: str, value: bytes) -> None:
        """Keep this there, durably."""


class Jumps:
    """Looks at the clocks again and again; every jump is told, and written down."""

    def __init__(self, kept: Named, clock: Clock, log: Log) -> None:
        self._kept = kept
        self._clock = clock
        self._log = log
        self._watch = JumpWatch(clock.wall(), clock.monotonic())

    async def look(self) -> None:
        """Once a second or so. StoreError if the disk fails."""
        wall = self._clock.wall()
        jump = self._watch.look(wall, self._clock.monotonic())
        if jump is None:
            return
        seconds = round(jump, 3)
        self._log.warning("wall clock jumped", seconds=seconds)
        known = await self._kept.named(JUMPS_KEY)
        jumps: list[dict[str, Any]] = orjson.loads(known) if known else []
        jumps.append({"at_ms": int(wall * 1000), "seconds": seconds})
        await self._kept.name(JUMPS_KEY, orjson.dumps(jumps[-JUMPS_KEPT:]))
