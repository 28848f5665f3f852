"""The machine's clocks, and what the journal must say of the wall one: every jump that a process lived to write down.

A process looks at its clocks about once a second. What it has seen jump stands in the journal under the number of the
journal itself, a minute later at the latest, and stays there.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gatewayd.core.events import ClockJumped
from gatewayd.io.clock import JUMP_SECONDS
from gatewayd.io.jumps import APART_SECONDS
from gatewayd.journal import codec
from gatewayd.journal.store import OWN_NUMBER, Row
from gatewayd.world.history import History
from gatewayd.world.loop import VirtualLoop

LOOK_EVERY_SECONDS: Final = 1.0
LANDS_WITHIN_SECONDS: Final = 2.0
"""More than a slow disk takes."""
NEAR: Final = 0.01
"""Of a second: what is written is rounded, and clocks are floats."""


class Clocks:
    """The machine's clocks; the wall one may be wrong."""

    def __init__(self, loop: VirtualLoop, epoch: float) -> None:
        self._loop = loop
        self._epoch = epoch
        self.skew = 0.0
        """How far it is from the true time, in seconds."""

    def wall(self) -> float:
        """See `Clock`."""
        return self._epoch + self._loop.now + self.skew

    def monotonic(self) -> float:
        """See `Clock`."""
        return self._loop.now

    def true(self) -> float:
        """What the banks' clocks say."""
        return self._epoch + self._loop.now


class ClockRules:
    """One per world: a part of the oracle."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._rows: list[Row] = []
        self._skew = 0.0
        self._seen = 0.0, 0
        """What this process could see jump: seconds, and in how many jumps."""
        self._looks: dict[int, tuple[float, int]] = {}
        """By when it looked, what it had seen by then."""
        self._written = 0.0, 0

    def begins(self, clock: Clocks) -> None:
        """A process begins, which can know nothing of what was before."""
        self._skew, self._seen, self._written = clock.skew, (0.0, 0), (0.0, 0)
        self._looks.clear()

    def looks(self, clock: Clocks) -> tuple[float, int]:
        """The process looks at its clocks now; what it must have written down a minute later."""
        jump, self._skew = clock.skew - self._skew, clock.skew
        if abs(jump) > JUMP_SECONDS:
            self._seen = self._seen[0] + jump, self._seen[1] + 1
        self._looks[int(clock.wall() * 1000)] = self._seen
        return self._seen

    def noted(self, rows: Sequence[Row]) -> None:
        """These are the journal's own events now, of which the last has just landed."""
        row = rows[-1]
        self._history.note(0, f"own {row.version} {row.kind} {row.at_ms} {row.body.decode()}")
        self.reread(rows[:-1])
        self._rows = list(rows)
        if row.version != len(rows):
            self._violated(f"version {row.version} where {len(rows)} is due")
        event = codec.decode(row.kind, row.at_ms, row.body, row.private)
        if not isinstance(event, ClockJumped):
            self._violated(f"{row.kind} of the journal itself")
            return
        self._written = self._written[0] + event.seconds, self._written[1] + event.times
        seen = self._looks.get(row.at_ms)
        if seen is None or not self._is_written(seen) or self._written[1] > seen[1]:
            self._violated(f"written {self._written} at {row.at_ms}, but seen {seen}")

    def must_be_written(self, seen: tuple[float, int]) -> None:
        """A process that saw this lived for more than a minute since."""
        if self._written[1] < seen[1]:
            self._violated(f"seen {seen}, but written {self._written}")

    def reread(self, rows: Sequence[Row]) -> None:
        """What the disk gives back is what was seen to land there."""
        if self._rows != list(rows):
            self._violated("the disk does not give back what landed")

    def _is_written(self, seen: tuple[float, int]) -> bool:
        return self._written[1] == seen[1] and abs(self._written[0] - seen[0]) < NEAR * seen[1]

    def _violated(self, what: str) -> None:
        self._history.violated("clock", OWN_NUMBER, what)


async def watch(
    rules: ClockRules, clock: Clocks, look: Callable[[], Awaitable[None]], dice: random.Random
) -> None:
    """What a process does about a clock that has just jumped; of all its looks, those at which it has to act."""
    await asyncio.sleep(dice.uniform(0.0, LOOK_EVERY_SECONDS))
    seen = rules.looks(clock)
    await look()
    await asyncio.sleep(APART_SECONDS + LOOK_EVERY_SECONDS)
    rules.looks(clock)
    await look()
    await asyncio.sleep(LANDS_WITHIN_SECONDS)
    rules.must_be_written(seen)
