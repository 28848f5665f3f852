"""What one signal of a gateway says about its level now: a small hidden Markov model, worked through anew each step.

A signal is a success rate: of the payers who were sent there, those who came back; of the payments that payers
completed, those that were taken. At any time the gateway is either as usual (its own long-run level, known ever more
exactly) or at one of a few fixed levels from nearly nothing to nearly everything: it has fallen, or was never known.

States change rarely. Evidence is filed by the time payments began and grows while their outcomes come in, so the
whole window is gone through at every step, from what is known of the time before it; a fall is believed as soon as
the evidence outweighs how rare falls are, and so is a recovery. Nothing here is a threshold on counts.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

LEVELS: Final = (0.02, 0.15, 0.3, 0.45, 0.6, 0.7, 0.78, 0.85, 0.9, 0.95)
COUNT: Final = len(LEVELS)
LOG_LEVELS: Final = tuple((math.log(level), math.log(1.0 - level)) for level in LEVELS)
LOG_GOOD: Final = tuple(is_good for is_good, _ in LOG_LEVELS)
LOG_BAD: Final = tuple(is_bad for _, is_bad in LOG_LEVELS)
CHANGE_SECONDS: Final = 3_600.0
"""Mean time between changes of a gateway that is as usual."""
FALLEN_SECONDS: Final = 600.0
"""Mean time that a fall lasts."""
TO_USUAL: Final = 0.5
"""Of the changes of a fallen gateway, those back to the usual."""
LIKELY: Final = 0.5
"""From this chance on it is taken to be as usual."""
NEAR: Final = 0.04
"""A level this near to the usual one, or above it, is no fall."""
DOUBT_SECONDS: Final = 65.0
"""What was doubted within a minute after it began does not count as usual."""
YOUNG: Final = 100.0
"""Until this many payments are known, each counts as usual: there is nothing to doubt it by."""
SETTLED: Final = 40.0
"""Payments that a level counts for which has just become the usual one."""
WANDER: Final = 1.3e-7
"""Variance that a usual level gains per second: two points in fifty minutes."""
PAUSES_KEPT: Final = 512
"""Evidence begins on whole ten seconds: its pauses are few, and were worked out before."""
OUTCOMES_KEPT: Final = 1_024
"""Likewise of small numbers of payments."""
AS_USUAL: Final = (1.0, *(0.0,) * COUNT)


class Evidence(NamedTuple):
    """Payments that began around the same time, for one signal."""

    at: float
    """When, in seconds."""
    tried: float
    """How many."""
    good: float
    """How many are known to be good."""
    ripe: float
    """The part of the good ones that should be known by now."""
    load: float
    """Payments per second that it was sent then."""


class Belief:
    """The state of one signal of one gateway: chances of being as usual and of each level."""

    def __init__(self) -> None:
        self.known = 0.0
        self.good = 0.0
        """Payments behind the usual level."""
        self.usual = self.mean = 0.9
        self.deviation = 0.1
        """Of the level now; what may have changed in the last minutes unseen is left out."""
        self.upside = 0.1
        """The same for how much better it may be: that it may have fallen is no reason to hope for more."""
        self.fine = 1.0
        """The chance that it is as usual, near or better."""
        self.left = 1.0
        """If it is not, the part of the usual that is left."""
        self.fallen_load = 0.0
        """If it is not, the load it fell under."""
        self.fallen_at = math.inf
        self._before: Sequence[float] = AS_USUAL
        self._before_at = math.nan  # no time passes since never
        self._now: Sequence[float] = AS_USUAL
        self._fine_at: list[tuple[float, float]] = []
        self._forgiven = (math.inf, -math.inf)

    def follow(self, now: float, window: Sequence[Evidence], usual: float, weight: float) -> None:
        """Works out the state at `now`; `usual` is the usual level, known as from `weight` payments."""
        self.usual = usual
        state, at = self._before, self._before_at
        self._fine_at = []
        self.fallen_at = math.inf
        if not window and state is AS_USUAL:  # where payments are few, most of the time
            self._undoubted(usual, weight)
            return
        near = bisect_left(LEVELS, usual - NEAR) + 1
        fallen_weight = fallen_load = 0.0
        for evidence in window:
            if evidence.at < at:
                continue
            state = _weigh(_pass(state, evidence.at - at), evidence, usual)
            at = evidence.at
            fine = sum(state[near:], state[0])
            self._fine_at.append((at, fine))
            if fine >= LIKELY:
                self.fallen_at = math.inf
            elif self.fallen_at == math.inf:
                self.fallen_at = at
            fallen = (1.0 - fine) * evidence.tried * evidence.ripe
            fallen_weight += fallen
            fallen_load += fallen * evidence.load
        self.fallen_load = fallen_load / fallen_weight if fallen_weight else 0.0
        self._now = state
        self.fine = sum(state[near:], state[0])
        self._sum_up(state, usual, weight)

    def _undoubted(self, usual: float, weight: float) -> None:
        """What the rest of `follow` comes to while nothing has ever been doubted."""
        self.fallen_load = self.left = 0.0
        self._now = AS_USUAL
        self.fine = 1.0
        self.mean = usual
        spread = usual * (1.0 - usual) / weight
        square = usual * usual
        self.deviation = deviation = math.sqrt(max(0.0, square + spread - square))
        self.upside = min(deviation, math.sqrt(spread))

    def _sum_up(self, state: Sequence[float], usual: float, weight: float) -> None:
        doubt = 1.0 - state[0]
        fallen = square = 0.0
        for level, chance in zip(LEVELS, state[1:]):  # noqa: B905 - as many, and checking it costs
            part = chance * level
            fallen += part
            square += part * level
        if doubt > 0.0:
            fallen /= doubt
            square /= doubt
        self.left = fallen / usual
        # small doubts are always there, and are no reason to act
        doubt = doubt * doubt / (doubt * doubt + state[0] * state[0])
        self.mean = (1.0 - doubt) * usual + doubt * fallen
        second = (1.0 - doubt) * (usual * usual + usual * (1.0 - usual) / weight) + doubt * square
        self.deviation = self.upside = math.sqrt(max(0.0, second - self.mean * self.mean))
        if self.fine >= LIKELY:
            self.upside = min(self.deviation, math.sqrt(usual * (1.0 - usual) / weight))

    def learn(self, at: float, tried: float, good: float) -> float:
        """Payments of `at` count for the usual level, as far as it was usual then and in the minute after.

        The first payments of a fall still looked usual; what was put down to our own load does not count. Returns the
        part of them that counts.
        """
        begin, end = self._forgiven
        if begin <= at < end:
            return 0.0
        later = [fine for when, fine in self._fine_at if 0.0 <= when - at <= DOUBT_SECONDS]
        fine = max(min(later, default=self.fine), 1.0 - self.known / YOUNG)
        self.known += fine * tried
        self.good += fine * good
        return fine

    def correct(self, level: float) -> None:
        """What was learnt while more was sent than the gateway can carry is not its usual level: this is."""
        self.good = level * self.known

    def absorb(self, evidence: Evidence) -> None:
        """Evidence leaves the window."""
        if not evidence.at < self._before_at:
            passed = _pass(self._before, evidence.at - self._before_at)
            self._before = _weigh(passed, evidence, self.usual)
            self._before_at = evidence.at

    def fade(self, seconds: float) -> None:
        """Lets the usual level wander for `seconds`: what is known of it is known less well, the more so the better."""
        if not self.known:
            return
        spread = self.usual * (1.0 - self.usual)
        kept = 1.0 / (1.0 + self.known * WANDER * seconds / spread)
        self.known *= kept
        self.good *= kept

    def forgive(self, until: float, believed: float) -> None:
        """What happened since the fall and until `until` was our own doing, with this chance: begins anew there."""
        self._forgiven = (self.fallen_at - DOUBT_SECONDS, until)
        doubt = (1.0 - believed) / max(1e-9, 1.0 - self._now[0])
        self._before = (believed, *(part * doubt for part in self._now[1:]))
        self._before_at = until

    def settle(self) -> None:
        """What has lasted long is the usual level from now on."""
        self.known, self.good = SETTLED, SETTLED * self.mean
        self._before = AS_USUAL

    def dump(self) -> dict[str, Any]:
        """What a restart should know."""
        return {
            "known": self.known,
            "good": self.good,
            "usual": self.usual,
            "state": list(self._now),
        }

    def load(self, now: float, dump: Mapping[str, Any]) -> None:
        """Takes up what `dump` gave."""
        self.known, self.good = float(dump["known"]), float(dump["good"])
        if len(dump["state"]) == COUNT + 1:
            self._before = [float(part) for part in dump["state"]]
            self._before_at = now
        self.follow(now, (), float(dump["usual"]), max(SETTLED, self.known))


def _pass(state: Sequence[float], seconds: float) -> Sequence[float]:
    """Lets time pass: what may have changed meanwhile."""
    if not seconds > 0.0:
        return state
    changing, ended, stay = _passing(seconds)
    usual = state[0]
    changed = usual * changing
    fallen = (1.0 - usual) * ended
    each = (changed + fallen * (1.0 - TO_USUAL)) / COUNT
    passed = [part * stay + each for part in state]
    passed[0] = usual - changed + fallen * TO_USUAL
    return passed


@lru_cache(maxsize=PAUSES_KEPT)
def _passing(seconds: float) -> tuple[float, float, float]:
    """The parts of the usual that change, and of the fallen that end and that stay so."""
    ended = -math.expm1(-seconds / FALLEN_SECONDS)
    return -math.expm1(-seconds / CHANGE_SECONDS), ended, 1.0 - ended


def _weigh(state: Sequence[float], evidence: Evidence, usual: float) -> Sequence[float]:
    """Bayes: each state's chance times how well it explains the evidence, in logarithms for busy gateways."""
    _, tried, good, ripe, _ = evidence
    bad = tried - good
    log = math.log
    by_usual = good * log(usual) + bad * log(1.0 - usual * ripe)
    if ripe == 1.0 or not bad:
        explained = [by_usual, *_by_levels(good, bad)]
    elif not good:
        explained = [by_usual, *[bad * log(1.0 - level * ripe) for level in LEVELS]]
    else:
        explained = [
            by_usual,
            *[
                good * is_good + bad * log(1.0 - level * ripe)
                for level, is_good in zip(LEVELS, LOG_GOOD)  # noqa: B905 - as above
            ],
        ]
    best = max(explained)
    exp = math.exp
    weighed = [part * exp(like - best) for part, like in zip(state, explained)]  # noqa: B905 - as above
    total = sum(weighed)
    return [part / total for part in weighed] if total > 0.0 else state


@lru_cache(maxsize=OUTCOMES_KEPT)
def _by_levels(good: float, bad: float) -> tuple[float, ...]:
    """How well each level explains that so many were good and so many were not, all of them known."""
    if not bad:
        return tuple([good * is_good for is_good in LOG_GOOD])
    if not good:
        return tuple([bad * is_bad for is_bad in LOG_BAD])
    return tuple([good * is_good + bad * is_bad for is_good, is_bad in LOG_LEVELS])
