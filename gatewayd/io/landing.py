"""Watches whether what is queued for the journal gets there, for whoever asks if the daemon is alive.

A loop that turns is not enough: a writer that hangs in the disk answers nobody, while everything else looks well.
"""

from typing import Final

STUCK_SECONDS: Final = 10.0
"""Longer than any commit on a disk that is merely slow; the service manager's patience comes on top of it."""


class LandingWatch:
    """Compares at every look how many commits there were with how many there were before."""

    def __init__(self, now: float) -> None:
        """`now` is in seconds and only ever grows."""
        self._commits = 0
        self._since = now

    def lands(self, now: float, *, commits: int, queued: int) -> bool:
        """Whether the journal keeps up, at least a little: something landed lately, or nothing waits."""
        if not queued or commits != self._commits:
            self._commits, self._since = commits, now
        return now - self._since < STUCK_SECONDS
