"""The wall clock as deadlines see it: it may bring them nearer, never further.

Banks count by the wall clock, so plans do too. A clock that is set back would move every deadline away from us; so this
one goes on from where it was by the monotonic clock until the wall has caught up.
"""

from gatewayd.engine.ports import Clock


class Deadlines:
    """Wall-clock time in milliseconds that never goes back."""

    def __init__(self, clock: Clock) -> None:
        self._read_wall, self._read_monotonic = clock.wall, clock.monotonic
        self._wall = clock.wall()
        self._monotonic = clock.monotonic()

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        monotonic, wall = self._read_monotonic(), self._read_wall()
        went_on = self._wall + (monotonic - self._monotonic)
        if went_on > wall:  # noqa: PLR1730 - fifteen times per payment, and max() is a call
            wall = went_on
        self._wall, self._monotonic = wall, monotonic
        return int(wall * 1000)
