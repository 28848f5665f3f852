"""Random bytes from the kernel, drawn in advance.

Each salt is sixteen bytes, and a system call for each costs more than the rest of writing an event down.
"""

import os
from typing import Final

DRAWN_AT_ONCE: Final = 4_096


class Entropy:
    """Unpredictable bytes, each handed out once. Not for a process that forks."""

    def __init__(self) -> None:
        self._drawn = b""
        self._next = 0

    def take(self, count: int) -> bytes:
        """`count` fresh bytes."""
        if self._next + count > len(self._drawn):
            self._drawn, self._next = os.urandom(max(DRAWN_AT_ONCE, count)), 0
        taken = self._drawn[self._next : self._next + count]
        self._next += count
        return taken
