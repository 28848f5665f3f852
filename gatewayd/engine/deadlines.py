"""The wall clock as deadlines see it: it may bring them nearer, never further.

Banks count by the wall clock, so plans do too. A clock that is set back would move every deadline away from us; so this
one goes on from where it was by the monotonic clock until the wall has caught up.
"""

from gatewayd.engine.ports import Clock


class Deadlines:
    """Wall-clock time in milliseconds that never goes back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall = clock.wall()
        self._monotonic = clock.monotonic()

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        monotonic = self._clock.monotonic()
        went_on = self._wall + max(0.0, monotonic - self._monotonic)
        self._wall, self._monotonic = max(self._clock.wall(), went_on), monotonic
        return int(self._wall * 1000)
