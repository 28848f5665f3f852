"""All gateways' scores together: what each lends the others, and how much of the payments each is to get.

The work is spread out: every ten seconds a round begins, each call moves at most a few gateways on, and when the
last is done the shares are worked out anew. Nothing ever takes longer than a millisecond or two.
"""

import math
import random
from collections.abc import Iterable, Sequence
from typing import Final

from gatewayd.routing import delays, shares
from gatewayd.routing.belief import Belief
from gatewayd.routing.delays import Delays
from gatewayd.routing.score import (
    LEVEL_MOST,
    LOAD_BUCKETS,
    LOAD_BUCKETS_FEW,
    POOL_MOST,
    RETURNS_USUAL,
    RETURNS_WEIGHT,
    TAKEN_USUAL,
    TAKEN_WEIGHT,
    Pool,
    Score,
)
from gatewayd.routing.settings import BASIS_POINTS, Limits
from gatewayd.routing.window import BUCKET_SECONDS

DELAYS_FEW: Final = 200.0
"""Below this many known return times, only payments that are old enough are judged by their absence."""
STEP_SECONDS: Final = BUCKET_SECONDS
AT_ONCE: Final = 2
"""Gateways that one call moves on."""
FADE_SECONDS: Final = 60.0
"""How often return times are faded and everybody's curve is drawn anew."""
RATE_SECONDS: Final = 60.0
RATE_LONG_SECONDS: Final = 300.0
RATE_BUCKETS: Final = int(RATE_SECONDS // BUCKET_SECONDS)
RATE_LONG_BUCKETS: Final = int(RATE_LONG_SECONDS // BUCKET_SECONDS)
"""All payments' rate is taken over one minute, or over five where they are few."""
RATE_FEW: Final = 50
USED: Final = 0.05
"""A gateway with more than this part of the payments is used in earnest."""
WORTH_LEAST: Final = 0.05
PROBE_COST: Final = 0.001
"""What looking again at a worse gateway may cost, as a part of all payments."""
PROBE_MOST: Final = 0.02
"""The most that a gateway gets only to be looked at."""
LOOK_PAYMENTS: Final = 4.0
"""Payments it takes to see that a fallen gateway is back."""
LOOK_SECONDS: Final = 300.0
"""A fall is expected to last as long again as it has, and this long at least."""
LOOK_GAIN: Final = 0.005
LOOK_MOST: Final = 0.03
"""As above, for a fallen gateway."""
HEALTH_WORTH: Final = 0.1
"""A payment whose token fails is only late: a tenth of the customers is taken to leave over it."""
PATIENCE: Final = 0.01
"""The part of the customers that is taken to leave with each second they wait for a token…"""
PATIENCE_SECONDS: Final = 8.0
"""…which they do for so long at most."""


class Crowd:
    """The scores and what follows from them."""

    def __init__(
        self, scores: Sequence[Score], limits: Sequence[Limits], rng: random.Random
    ) -> None:
        self._scores = scores
        self._limits = limits
        self._draws = shares.draws(len(scores), rng)
        self._pool = Pool()
        self._delays = Delays()
        self._shape = delays.USUAL_SHAPE
        self._due: list[Score] = []
        self._next = -math.inf
        self._faded_at: float | None = None

    def advance(self, now: float) -> bool:
        """Does what is due at `now`; True if a round has ended, and shares should be worked out."""
        if now >= self._next and not self._due:
            self._next = (now // STEP_SECONDS + 1.0) * STEP_SECONDS
            self._begin(now)
        if not self._due:
            return False
        for _ in range(AT_ONCE):
            if self._due:
                self._delays.learn(self._due.pop().step(now, self._pool, self._shape))
        return not self._due

    def shares(self, now: float, usable: Sequence[bool], ready: Sequence[float]) -> list[float]:
        """The part of the payments that each gateway is to get; those not usable only what looking costs.

        `ready` is each one's readiness.
        """
        scores, count = self._scores, len(self._scores)
        worth = [
            well * (1.0 - limit.fee_bp / BASIS_POINTS)
            for well, limit in zip(ready, self._limits, strict=True)
        ]
        inside = [index for index in range(count) if usable[index]] or list(range(count))
        total = max(self._pool.rate, 1e-6)
        tested = [max(scores[index].ceiling.tested, 1e-9) for index in inside]
        ceilings = [scores[index].ceiling.limit() for index in inside]
        rates = [0.0] * count
        known = [
            (
                index,
                scores[index].value,
                scores[index].deviation,
                scores[index].upside,
                worth[index],
            )
            for index in inside
        ]
        for draw in self._draws:  # so many deviations from what it is thought to be
            values = [
                (drawn if (drawn := value + by * (up if by > 0.0 else down)) < 1.0 else 1.0) * well
                for index, value, down, up, well in known
                for by in (draw[index],)
            ]
            filled = shares.fill(values, tested, ceilings, total)
            for index, rate in zip(inside, filled):  # noqa: B905 - of one length, and run often
                rates[index] += rate
        sum_ = sum(rates)
        if sum_ > 0.0:
            parts = [rate / sum_ for rate in rates]
        else:
            parts = [1.0 if index in inside else 0.0 for index in range(count)]
        best = max(scores[index].value * worth[index] for index in inside)
        for index in inside:
            parts[index] = max(parts[index], self._probe(now, scores[index], best, total))
        return shares.within(parts, self._limits)

    def _probe(self, now: float, score: Score, best: float, total: float) -> float:
        """The part of the payments that looks again at a gateway.

        Looking at a fallen one more often costs more, but its end is seen sooner: the least sum of both is at the
        square root of gain over loss.
        """
        loss = max(1e-9, best - score.value)
        if score.fallen_at is None:
            return min(PROBE_MOST, PROBE_COST / loss)
        gain = max(LOOK_GAIN, score.returns.usual * score.taken.usual - best)
        last = max(LOOK_SECONDS, now - score.fallen_at)
        return min(LOOK_MOST, math.sqrt(LOOK_PAYMENTS * gain / (loss * last * total)))

    def _begin(self, now: float) -> None:
        """A round begins: what all gateways together say."""
        pool, scores = self._pool, self._scores
        self._due = list(reversed(scores))
        newest = int(now // BUCKET_SECONDS)
        short = long = 0
        for score in scores:
            for bucket in reversed(score.window.buckets):
                age = newest - bucket.index
                if age > RATE_LONG_BUCKETS:
                    break
                if age > 0:
                    long += bucket.started
                    if age <= RATE_BUCKETS:
                        short += bucket.started
        if short >= RATE_FEW:
            pool.rate = short / RATE_SECONDS
            pool.load_buckets = LOAD_BUCKETS
        else:
            pool.rate = long / RATE_LONG_SECONDS
            pool.load_buckets = LOAD_BUCKETS_FEW
        pool.fair = pool.rate / max(1, len(scores))
        pool.stress = pool.rate / max(1e-9, sum(score.ceiling.limit() for score in scores))
        used = [score.value for score in scores if score.rate > USED * pool.rate]
        pool.worth = max(WORTH_LEAST, min(used, default=pool.worth))
        pool.returns = _level([score.returns for score in scores], RETURNS_USUAL, RETURNS_WEIGHT)
        pool.taken = _level([score.taken for score in scores], TAKEN_USUAL, TAKEN_WEIGHT)
        if self._faded_at is None or now - self._faded_at >= FADE_SECONDS:
            passed = now - self._faded_at if self._faded_at is not None else 0.0
            self._delays.fade(passed)
            for score in scores:
                score.delays.fade(passed)
            self._faded_at = now
            pool.timed = self._delays.total >= DELAYS_FEW
            self._shape = self._delays.shape(delays.USUAL_SHAPE, delays.USUAL_WEIGHT)

    def dump(self) -> list[float]:
        """What a restart should know beside the scores: everybody's return times."""
        return self._delays.dump()

    def load(self, dump: Iterable[float]) -> None:
        """Takes up what `dump` gave."""
        self._delays.load(dump)
        self._shape = self._delays.shape(delays.USUAL_SHAPE, delays.USUAL_WEIGHT)


def readiness(token_health: float, token_seconds: float) -> float:
    """What is left of a gateway's customers when it has given a token: 0 to 1, from how often and how fast it does."""
    stay = 1.0 - PATIENCE * min(PATIENCE_SECONDS, token_seconds)
    return stay * (1.0 - HEALTH_WORTH * (1.0 - token_health))


def _level(signals: Iterable[Belief], usual: float, weight: float) -> float:
    """Everybody's level of a signal; no gateway counts for more than POOL_MOST payments in it."""
    known = good = 0.0
    for signal in signals:
        if signal.known > 0.0:
            part = min(1.0, POOL_MOST / signal.known)
            known += part * signal.known
            good += part * signal.good
    return min(LEVEL_MOST, (good + weight * usual) / (known + weight))
