"""The real clock, and the watch that notices when somebody sets the wall clock.

What is stored and told to banks is wall-clock time, and that may jump: a wrong battery, a time server found late, a
virtual machine that slept. The monotonic clock never does, so the two side by side show it.
"""

import time
from typing import Final

JUMP_SECONDS: Final = 5.0
"""More than any time server moves a clock between two looks without setting it."""


class SystemClock:
    """The machine's two clocks, without a layer of our own: they are read some forty times per payment."""

    wall = staticmethod(time.time)
    """Seconds since 1970 UTC; may jump."""
    monotonic = staticmethod(time.monotonic)
    """Seconds that only ever grow."""


class JumpWatch:
    """Compares the two clocks at every look with how they stood at the last one."""

    def __init__(self, wall: float, monotonic: float) -> None:
        self._apart = wall - monotonic

    def look(self, wall: float, monotonic: float) -> float | None:
        """By how many seconds the wall clock has jumped since the last look, if it has; negative is into the past.

        Slow corrections pass unseen, however far they add up to.
        """
        apart = wall - monotonic
        jump, self._apart = apart - self._apart, apart
        return jump if abs(jump) > JUMP_SECONDS else None
