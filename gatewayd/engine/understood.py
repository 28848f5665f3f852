"""Finished payments as they were last understood, so that a list that is asked for again costs little.

What a page of a hundred holds takes ten milliseconds to understand, in which nobody else is served, and dashboards ask
for the same page all day. What is kept is never taken on trust: the events are read each time, and only where they are
those that the payment was made of, private parts included, is it given again.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from gatewayd.core.payment import Payment
from gatewayd.journal.journal import Replay
from gatewayd.journal.store import Row

KEPT_MAX: Final = 1_000
"""Ten pages of a hundred; some five megabytes."""


class Understood:
    """One per engine."""

    def __init__(self, replay: Replay, *, kept_max: int = KEPT_MAX) -> None:
        self._replay = replay
        self._kept_max = kept_max
        self._kept: OrderedDict[int, tuple[Sequence[Row], Payment]] = OrderedDict()

    def known(self, number: int, rows: Sequence[Row]) -> Payment | None:
        """The payment that these events make, if that is known."""
        kept = self._kept.get(number)
        if kept is None or kept[0] != rows:
            return None
        self._kept.move_to_end(number)
        return kept[1]

    def understand(self, number: int, rows: Sequence[Row]) -> Payment | None:
        """The payment that these events make; None for none. UnknownEvent or DamagedJournal if they make none."""
        payment = self._replay(number, rows)
        if payment is not None:
            self._kept[number] = rows, payment
            self._kept.move_to_end(number)
            if len(self._kept) > self._kept_max:
                self._kept.popitem(last=False)
        return payment
