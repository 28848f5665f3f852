"""How good a gateway is just now, from what happened to its payments: a score from 0 to 1, and how sure that is.

The score is the chance that a payer who is sent there comes back, times the chance that a payment which the payer
completed is really taken. What payers do themselves (cancel, a wrong PIN, no balance) and what their banks do counts
only as having come back.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatewayd.routing import delays
from gatewayd.routing.belief import LIKELY, YOUNG, Belief, Evidence
from gatewayd.routing.ceiling import Ceiling
from gatewayd.routing.delays import Delays
from gatewayd.routing.load import Load
from gatewayd.routing.window import BUCKET_SECONDS, Bucket, Window

RETURNS_USUAL: Final = 0.88
TAKEN_USUAL: Final = 0.95
"""Levels before anything was seen."""
RETURNS_WEIGHT: Final = 100.0
TAKEN_WEIGHT: Final = 40.0
"""Payments that everybody's level counts for in one gateway's: banks differ little in how many payers come back."""
POOL_MOST: Final = 200.0
"""Payments that one gateway counts for in everybody's level, so that the largest is not its own yardstick."""
SETTLES_SECONDS: Final = 3_600.0
"""What lasts this long is the usual from then on."""
LEARNT_SECONDS: Final = 150.0
"""Payments count for the usual level at this age: most are known, and what fell has been seen to fall."""
LEVEL_LEAST: Final = 0.01
LEVEL_MOST: Final = 0.995
"""No level is certain."""
RIPE_SECONDS: Final = 180.0
"""While return times are not known well, only payments older than this are judged by their absence."""
RIPE_LEAST: Final = 0.01
"""With less of the returns due, there is nothing to miss yet."""
MINUTE: Final = 6
"""Buckets in a minute."""
LOAD_BUCKETS: Final = 3
LOAD_BUCKETS_FEW: Final = 30
"""A bank's load is averaged over half a minute, or over five minutes where payments are few."""


@dataclass(slots=True)
class Pool:
    """What all gateways together say, for those that say little themselves."""

    returns: float = RETURNS_USUAL
    taken: float = TAKEN_USUAL
    timed: bool = False
    """Whether return times are known well."""
    rate: float = 0.0
    """Payments per second."""
    fair: float = 0.0
    """An equal part of it."""
    load_buckets: int = LOAD_BUCKETS
    """Over how many buckets load is averaged."""
    worth: float = RETURNS_USUAL * TAKEN_USUAL
    """What the payments get that go to the worst gateway which is used in earnest."""
    stress: float = 0.0
    """The rate over the sum of all limits."""


class Score:
    """What is known of one gateway."""

    def __init__(self) -> None:
        self.window = Window()
        self.returns = Belief()
        self.taken = Belief()
        self.delays = Delays()
        self.ceiling = Ceiling()
        self.by_load = Load()
        self.value = RETURNS_USUAL * TAKEN_USUAL
        self.deviation = self.upside = 0.1
        self.rate = 0.0
        self.fallen_at: float | None = None
        self.curve: list[float] = []
        self._stepped_at: float | None = None
        self._learnt = -1
        self._capacity: tuple[float, float] | None = None

    def step(self, now: float, pool: Pool, shape: list[float]) -> list[int]:
        """Works everything out at `now`; returns the return times that left the window."""
        seconds = now - self._stepped_at if self._stepped_at is not None else BUCKET_SECONDS
        self._stepped_at = now
        left = self.window.leave(now)
        learnt = self._absorb(left) if left else []
        if left or not self.curve:
            self.curve = delays.curve(self.delays.shape(shape, delays.POOL_WEIGHT))
        self._learn(now, seconds, pool.load_buckets)
        returns, taken = gather(
            self.window, now, self.curve, 0.0 if pool.timed else RIPE_SECONDS, pool.load_buckets
        )
        self._follow(now, self.returns, returns, pool.returns, RETURNS_WEIGHT)
        self._follow(now, self.taken, taken, pool.taken, TAKEN_WEIGHT)
        self._rates(now, seconds, pool)
        self._sum_up()
        if min(self.returns.fine, self.taken.fine) >= LIKELY:
            self.fallen_at = None
        elif self.fallen_at is None:
            self.fallen_at = now
        elif now - self.fallen_at > SETTLES_SECONDS:
            for signal in (self.returns, self.taken):
                if signal.fine < LIKELY:
                    signal.settle()
            self.fallen_at = None
        return learnt

    def dump(self) -> dict[str, Any]:
        """What a restart should know; the window is not in it, for nobody will hear of its payments any more."""
        return {
            "returns": self.returns.dump(),
            "taken": self.taken.dump(),
            "delays": self.delays.dump(),
            "ceiling": self.ceiling.dump(),
            "load": self.by_load.dump(),
        }

    def load(self, now: float, dump: Mapping[str, Any], elapsed: float) -> None:
        """Takes up what `dump` gave `elapsed` seconds ago."""
        for signal, known in ((self.returns, dump["returns"]), (self.taken, dump["taken"])):
            signal.load(now, known)
            signal.fade(elapsed)
        self.delays.load(dump["delays"])
        self.ceiling.load(dump["ceiling"])
        self.by_load.load(dump.get("load", ()))
        self.by_load.fade(elapsed)
        self._sum_up()

    def _sum_up(self) -> None:
        self.value = self.returns.mean * self.taken.mean
        self.deviation = math.hypot(
            self.taken.mean * self.returns.deviation, self.returns.mean * self.taken.deviation
        )

        self.upside = math.hypot(
            self.taken.mean * self.returns.upside, self.returns.mean * self.taken.upside
        )

    def _absorb(self, left: list[Bucket]) -> list[int]:
        learnt: list[int] = []
        started = returned = paid = failed = 0
        for position, bucket in enumerate(left):
            started += bucket.started
            returned += bucket.returned
            paid += bucket.paid
            failed += bucket.failed
            learnt += bucket.delays
            last = position + 1 == len(left)
            if last or left[position + 1].index // MINUTE != bucket.index // MINUTE:
                at = bucket.index * BUCKET_SECONDS
                load = started / 60.0
                self.returns.absorb(Evidence(at, started, returned, 1.0, load))
                if paid + failed:
                    self.taken.absorb(Evidence(at, paid + failed, paid, 1.0, load))
                started = returned = paid = failed = 0
        self.delays.learn(learnt)
        return learnt

    def _learn(self, now: float, seconds: float, over: int) -> None:
        """Payments that are old enough to be known for the most part count for the usual levels."""
        self.returns.fade(seconds)
        self.taken.fade(seconds)
        self.by_load.fade(seconds)
        until = int((now - LEARNT_SECONDS) // BUCKET_SECONDS)
        learnt = False
        for bucket in self.window.buckets:
            if bucket.index >= until:
                break
            if bucket.index > self._learnt:
                at = bucket.index * BUCKET_SECONDS
                ripe = delays.ripe(self.curve, now - at - BUCKET_SECONDS / 2)
                self.returns.learn(at, bucket.started * ripe, bucket.returned)
                tried = bucket.paid + bucket.failed
                usual = self.taken.learn(at, tried, bucket.paid)
                load = self._load_at(bucket.index, over)
                self.by_load.learn(load, usual * tried, usual * bucket.paid)
                self._learnt = bucket.index
                learnt = True
        if learnt:
            self._capacity = self.by_load.capacity()
        if self._capacity is not None:
            capacity, level = self._capacity
            self.ceiling.find(capacity)
            self.taken.correct(level)

    def _load_at(self, index: int, over: int) -> float:
        """Payments per second that were sent there in the `over` buckets up to this one."""
        begun = sum(
            [
                bucket.started
                for bucket in self.window.buckets
                if index - over < bucket.index <= index
            ]
        )
        return begun / (over * BUCKET_SECONDS)

    def _follow(
        self,
        now: float,
        signal: Belief,
        evidence: list[Evidence],
        pool: float,
        weight: float,
    ) -> None:
        young = 1.0 / (1.0 + signal.known / YOUNG)
        known = weight + signal.known
        good = weight * pool + signal.good
        for _, tried, came, ripe, _ in evidence:
            known += young * tried * ripe
            good += young * came
        usual = good / known
        if not LEVEL_LEAST <= usual <= LEVEL_MOST:
            usual = LEVEL_MOST if usual > LEVEL_MOST else LEVEL_LEAST
        signal.follow(now, evidence, usual, known)

    def _rates(self, now: float, seconds: float, pool: Pool) -> None:
        newest = int(now // BUCKET_SECONDS)
        over = pool.load_buckets
        until = MINUTE + max(2 * MINUTE, over)
        held = lately = 0
        for bucket in self.window.buckets:
            age = newest - bucket.index
            if 0 < age <= over:
                lately += bucket.started
            if MINUTE < age <= until:
                held += bucket.started
        self.rate = lately / (over * BUCKET_SECONDS)
        fine = min(self.returns.fine, self.taken.fine)
        rate = held / ((until - MINUTE) * BUCKET_SECONDS)
        self.ceiling.held(seconds, rate, pool.fair, fine)
        self.ceiling.judge(now, (self.returns, self.taken))
        self.ceiling.lift(seconds, self.rate, self.value / pool.worth - 1.0, pool.stress)


class _Group:
    """Buckets that are near to each other, taken together."""

    __slots__ = ("at", "failed", "key", "load", "paid", "returned", "ripe", "started")

    def __init__(self, key: tuple[int, int], at: float) -> None:
        self.key = key
        self.at = at
        self.started = self.returned = self.paid = self.failed = 0
        self.ripe = self.load = 0.0


def _key(index: int, newest: int) -> tuple[int, int]:
    """Which buckets go together: those of the last minute stay alone, older ones by half a minute, then by a minute."""
    age = newest - index
    width = 1 if age < MINUTE else 3 if age < 5 * MINUTE else MINUTE
    return width, index // width


def gather(
    window: Window, now: float, curve: list[float], ripe_from: float, load_buckets: int
) -> tuple[list[Evidence], list[Evidence]]:
    """The window's evidence on returns and on what was taken, oldest first, the older the coarser.

    Payments younger than `ripe_from` seconds are not judged by their absence.
    """
    if not window.buckets:
        return [], []
    newest = int(now // BUCKET_SECONDS)
    buckets = list(window.buckets)
    groups: list[_Group] = []
    group = None
    recent = tail = 0
    for bucket in buckets:
        recent += bucket.started
        while buckets[tail].index <= bucket.index - load_buckets:
            recent -= buckets[tail].started
            tail += 1
        key = _key(bucket.index, newest)
        begun = bucket.index * BUCKET_SECONDS
        if group is None or key != group.key:
            group = _Group(key, begun)
            groups.append(group)
        age = now - begun
        age -= (BUCKET_SECONDS if age > BUCKET_SECONDS else age) / 2  # noqa: FURB136 - run often
        group.started += bucket.started
        group.returned += bucket.returned
        group.paid += bucket.paid
        group.failed += bucket.failed
        group.load += bucket.started * recent
        if age >= ripe_from:
            group.ripe += bucket.started * delays.ripe(curve, age)
    returns, taken = [], []
    for group in groups:
        load = group.load / group.started / (load_buckets * BUCKET_SECONDS)
        ripe = group.ripe / group.started
        if ripe > RIPE_LEAST:
            returns.append(Evidence(group.at, group.started, group.returned, ripe, load))
        if group.paid or group.failed:
            taken.append(Evidence(group.at, group.paid + group.failed, group.paid, 1.0, load))
    return returns, taken
