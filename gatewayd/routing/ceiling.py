"""How many payments a second a gateway is trusted to carry: no bank tells its capacity, and each has one.

Trust grows by what went well: the highest rate held without trouble, plus a little (`shares.fill` says how much). If
a part of the payments fails while the gateway carries about as much as it ever did, that may be our own doing. What
got through is then assumed to be its capacity, less is sent, and what happened until then is forgiven; only with
less load do the two explanations differ. If it fails all the same, it is a real fall, and the assumption is dropped,
so that the gateway comes back at full speed. If it holds, the ceiling stays and is lifted a little at a time, the
more slowly the oftener it was hit.
"""

import math
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

from gatewayd.routing.belief import Belief

GROWTH: Final = 1.2
"""How far above the tested rate a gateway may go for no gain at all."""
LEAP: Final = 2.0
"""How far above it may go at once, however good it is: what is overrun for minutes is lost."""
MEMORY_SECONDS: Final = 3_600.0
"""How long a tested rate is believed."""
FINE: Final = 0.7
"""From this chance of being as usual on, a rate counts as held without trouble."""
OWN_DOING: Final = 0.8
"""A fall at less than this part of the tested rate is not of our own doing."""
LEFT_LEAST: Final = 0.3
"""With less than this left, a gateway is down and not overrun."""
BETTER: Final = 1.2
"""If less load made it so much better but not well, the capacity was still assumed too high."""
BELOW: Final = 0.9
"""The part of the assumed capacity that is used: traffic comes in bursts."""
BELIEVED: Final = 0.6
"""How far our own doing is believed before less load has shown anything."""
DOUBTED: Final = 0.2
"""Below this chance of being as usual, something has to be done about the load."""
REJECTED: Final = 0.1
"""Our own doing is not believed any more when the chance of being as usual with less load is below this."""
EASING_SECONDS: Final = 30.0
"""Until less load is felt: banks average over about half a minute."""
JUDGED_SECONDS: Final = 240.0
"""After less load for this long without a fall, the capacity is confirmed."""
LIFT_SECONDS: Final = 120.0
LIFT: Final = 0.02
LIFT_GAIN: Final = 0.3
"""A ceiling that is pressed is lifted by this much each two minutes, more for a gateway better than the rest."""
LIFT_STRESSED: Final = 0.3
"""The same while all gateways together are thought too small for the traffic."""
LIFT_CAUTION: Final = 3.0
"""Each time the ceiling was hit counts for so many in slowing the lift."""

_FINE_OF: Final = attrgetter("fine")


class Ceiling:
    """The rates of one gateway, in payments per second."""

    def __init__(self) -> None:
        self.tested = 0.0
        self.cap: float | None = None
        self._assumed_at = -math.inf
        self._judged = True
        self._hits = 0
        self._left = 0.0

    def limit(self) -> float:
        """What it is not to be sent more than."""
        leap = LEAP * self.tested
        return leap if self.cap is None else min(leap, self.cap * BELOW)

    def held(self, seconds: float, rate: float, fair: float, fine: float) -> None:
        """`rate` was sent one to three minutes ago; `fair` is an equal part of all payments per second."""
        tested = self.tested
        if rate < tested:
            tested += (rate - tested) * min(1.0, seconds / MEMORY_SECONDS)
        if fine >= FINE and rate > tested:
            tested = rate
        least = 0.9 * fair
        self.tested = tested if tested > least else least  # noqa: FURB136 - run often

    def lift(self, seconds: float, load: float, gain: float, stress: float) -> None:
        """A confirmed ceiling that is pressed rises.

        `gain` is how much better this gateway is than the worst one used in earnest, as a part. `stress` is all
        payments' rate over all limits: above one everybody has to carry more than is thought good, and is seen to
        bear it or not.
        """
        if self.cap is None or not self._judged:
            return
        self.cap = max(self.cap, self.tested)
        if load >= BELOW * BELOW * self.cap:
            step = (LIFT + LIFT_GAIN * max(0.0, gain)) / (1.0 + LIFT_CAUTION * self._hits)
            if stress > 1.0:
                step = LIFT_STRESSED
            self.cap *= 1.0 + step * seconds / LIFT_SECONDS

    def judge(self, now: float, signals: tuple[Belief, ...]) -> None:
        """Assumes, confirms, lowers or drops a capacity, from what the signals now say."""
        fallen = min(signals, key=_FINE_OF)
        if fallen.fine >= (DOUBTED if self._judged else REJECTED):
            if not self._judged and now - self._assumed_at >= JUDGED_SECONDS:
                self._judged = True
                self._hits += 1
            return
        if fallen.left >= 1.0:
            return
        if self.cap is None:
            own = fallen.fallen_load > OWN_DOING * self.tested
        elif self._judged:
            own = fallen.fallen_load > OWN_DOING * BELOW * self.cap
        else:
            own = fallen.left > BETTER * self._left
        if own and fallen.left > LEFT_LEAST:
            self._assume(now, fallen, signals)
        else:
            self.cap = None
            self._judged = True

    def find(self, capacity: float) -> None:
        """What happened under different loads shows this capacity."""
        if self.cap is None or capacity < self.cap:
            self.cap = capacity
            self._judged = True
        self.tested = min(self.tested, self.cap)

    def dump(self) -> dict[str, Any]:
        """What a restart should know."""
        return {"tested": self.tested, "cap": self.cap, "hits": self._hits}

    def load(self, dump: Mapping[str, Any]) -> None:
        """Takes up what `dump` gave."""
        self.tested = float(dump["tested"])
        self.cap = None if dump["cap"] is None else float(dump["cap"])
        self._hits = int(dump["hits"])

    def _assume(self, now: float, fallen: Belief, signals: tuple[Belief, ...]) -> None:
        self.cap = fallen.fallen_load * fallen.left
        self.tested = min(self.tested, self.cap)
        self._left = fallen.left
        self._judged = False
        self._assumed_at = now
        for signal in signals:
            if signal.fine < FINE:
                signal.forgive(now + EASING_SECONDS, BELIEVED)
