"""The policies that the router is compared with, from their published formulas and default constants.

What each can see is what it sees in real life: proxies see only the token step; payment routers and bandits see the
final outcome of payments that came back. Where a policy picks one gateway, its next best ones follow for failover,
which is more than some of them do by themselves.
"""

import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from bench.routing_simulation import Bank, Policy
from gatewayd.routing.router import Limits, Router, RoutingSettings


class Base:
    """A policy that learns nothing: every gateway equally often."""

    def __init__(self, count: int, rng: random.Random) -> None:
        self.all = list(range(count))
        self.rng = rng

    def rank(self, now: float) -> Sequence[int]:
        return self.rng.sample(self.all, len(self.all))

    def started(self, now: float, attempt: int, gateway: int, ok: bool, seconds: float) -> None:
        pass

    def returned(self, now: float, attempt: int, outcome: str) -> None:
        pass

    def by(self, worth: Sequence[float]) -> list[int]:
        """Gateways by worth, best first, ties by lot."""
        return sorted(self.all, key=lambda g: (-worth[g], self.rng.random()))


class Priority(Base):
    """A fixed order with failover; told the true order at the start, which no learner is."""

    def rank(self, now: float) -> Sequence[int]:
        return self.all


class Nginx(Base):
    """Smooth weighted round robin, max_fails 1, fail_timeout 10 s."""

    def __init__(self, count: int, rng: random.Random) -> None:
        super().__init__(count, rng)
        self.current = [0.0] * count
        self.effective = [1.0] * count
        self.down_until = [-1.0] * count

    def rank(self, now: float) -> Sequence[int]:
        up = [g for g in self.all if self.down_until[g] < now] or self.all
        for g in up:
            self.current[g] += self.effective[g]
            self.effective[g] = min(1.0, self.effective[g] + 1.0)
        order = sorted(up, key=lambda g: -self.current[g])
        self.current[order[0]] -= sum(self.effective[g] for g in up)
        return order + [g for g in self.all if g not in up]

    def started(self, now: float, attempt: int, gateway: int, ok: bool, seconds: float) -> None:
        if not ok:
            self.down_until[gateway] = now + 10.0
            self.effective[gateway] = 0.0


class HAProxy(Base):
    """Round robin, checks every 2 s (fall 3, rise 2), and error-limit 10 on live traffic."""

    def __init__(self, count: int, rng: random.Random, bank: Bank) -> None:
        super().__init__(count, rng)
        self.bank = bank
        self.health = [4] * count
        self.errors = [0] * count
        self.checked = 0.0
        self.turn = 0

    def rank(self, now: float) -> Sequence[int]:
        while self.checked + 2.0 <= now:
            self.checked += 2.0
            for g in self.all:
                self._check(g, self.rng.random() < self.bank.segment.token[g])
        up = [g for g in self.all if self.health[g] >= 2] or self.all
        self.turn += 1
        start = self.turn % len(up)
        return up[start:] + up[:start]

    def started(self, now: float, attempt: int, gateway: int, ok: bool, seconds: float) -> None:
        self.errors[gateway] = 0 if ok else self.errors[gateway] + 1
        if self.errors[gateway] >= 10:
            self.errors[gateway] = 0
            self._check(gateway, ok=False)

    def _check(self, g: int, ok: bool) -> None:
        """Up counts 2..4: three failures take it down to 1; down counts 0..1: two passes bring it to the top."""
        health = self.health[g]
        if ok:
            self.health[g] = 4 if health >= 1 else 1
        else:
            self.health[g] = health - 1 if health > 2 else 0


class Envoy(Base):
    """Outlier detection: 5 in a row, 30 s times ejections up to 300 s, one of six at most; success rate 1.9 sd."""

    def __init__(self, count: int, rng: random.Random) -> None:
        super().__init__(count, rng)
        self.row = [0] * count
        self.good, self.bad = [0] * count, [0] * count
        self.until, self.times = [0.0] * count, [0] * count
        self.swept = 0.0

    def rank(self, now: float) -> Sequence[int]:
        if now - self.swept >= 10.0:
            self._sweep(now)
        up = [g for g in self.all if self.until[g] <= now]
        if 2 * len(up) < len(self.all):
            up = self.all
        return self.rng.sample(up, len(up))

    def started(self, now: float, attempt: int, gateway: int, ok: bool, seconds: float) -> None:
        self.good[gateway] += ok
        self.bad[gateway] += not ok
        self.row[gateway] = 0 if ok else self.row[gateway] + 1
        if self.row[gateway] == 5:
            self._eject(now, gateway)

    def _sweep(self, now: float) -> None:
        self.swept = now
        seen = [g for g in self.all if self.good[g] + self.bad[g] >= 100]
        if len(seen) >= 5:
            rates = {g: self.good[g] / (self.good[g] + self.bad[g]) for g in seen}
            mean = sum(rates.values()) / len(seen)
            deviation = (sum((rate - mean) ** 2 for rate in rates.values()) / len(seen)) ** 0.5
            for g in seen:
                if rates[g] < mean - 1.9 * deviation:
                    self._eject(now, g)
        for g in self.all:
            if self.until[g] <= now and self.times[g]:
                self.times[g] -= 1
            self.good[g] = self.bad[g] = 0

    def _eject(self, now: float, g: int) -> None:
        if any(until > now for until in self.until):
            return
        self.times[g] += 1
        self.until[g] = now + min(30.0 * self.times[g], 300.0)


class Finagle(Base):
    """Two choices by peak EWMA (10 s) of token latency; success EMA below 0.8 in 30 s or 5 in a row mark dead."""

    def __init__(self, count: int, rng: random.Random) -> None:
        super().__init__(count, rng)
        self.row, self.kills = [0] * count, [0] * count
        self.rate, self.calls = [1.0] * count, [0] * count
        self.seen, self.dead_until = [0.0] * count, [0.0] * count
        self.cost = [0.3] * count

    def rank(self, now: float) -> Sequence[int]:
        order = self.rng.sample(self.all, len(self.all))
        first = min(order[:2], key=lambda g: (self.dead_until[g] > now, self.cost[g]))
        rest = sorted((g for g in order if g != first), key=lambda g: self.dead_until[g] > now)
        return [first, *rest]

    def started(self, now: float, attempt: int, gateway: int, ok: bool, seconds: float) -> None:
        g = gateway
        old = 0.5 ** ((now - self.seen[g]) / 30.0)
        self.rate[g] = self.rate[g] * old + ok * (1.0 - old)
        self.seen[g] = now
        self.calls[g] += 1
        self.cost[g] = max(seconds, 0.9 * self.cost[g] + 0.1 * seconds)
        self.row[g] = 0 if ok else self.row[g] + 1
        if ok:
            self.kills[g] = 0 if self.rate[g] > 0.8 else self.kills[g]
        elif self.row[g] >= 5 or (self.rate[g] < 0.8 and self.calls[g] >= 5):
            pause = min(300.0, 5.0 * 2 ** self.kills[g])
            self.dead_until[g] = now + pause / 2 + self.rng.uniform(0, pause / 2)
            self.kills[g] += 1
            self.row[g] = self.calls[g] = 0


class Learner(Base):
    """Remembers where payments went, and calls `learn` with 1 (paid) or 0 (failed technically)."""

    def __init__(self, count: int, rng: random.Random) -> None:
        super().__init__(count, rng)
        self.where: dict[int, tuple[int, float]] = {}

    def learn(self, now: float, gateway: int, reward: int) -> None:
        raise AssertionError("said by each learner")

    def started(self, now: float, attempt: int, gateway: int, ok: bool, seconds: float) -> None:
        if ok:
            self.where[attempt] = (gateway, now)
        else:
            self.learn(now, gateway, 0)

    def returned(self, now: float, attempt: int, outcome: str) -> None:
        gateway, _ = self.where.pop(attempt)
        if outcome in {"paid", "gateway"}:
            self.learn(now, gateway, int(outcome == "paid"))


class Windowed(Learner):
    """The last 200 outcomes of each gateway; drawn in proportion to their success rate."""

    size: Final = 200

    def __init__(self, count: int, rng: random.Random) -> None:
        super().__init__(count, rng)
        self.last: list[deque[int]] = [deque(maxlen=self.size) for _ in range(count)]

    def learn(self, now: float, gateway: int, reward: int) -> None:
        self.last[gateway].append(reward)

    def rank(self, now: float) -> Sequence[int]:
        rates = [(1 + sum(last)) / (1 + len(last)) for last in self.last]
        return sorted(self.all, key=lambda g: self.rng.expovariate(rates[g]))


class Thompson(Windowed):
    """Sliding-window Thompson sampling, Beta(1 + successes, 1 + failures) of the last 200."""

    def rank(self, now: float) -> Sequence[int]:
        beta = self.rng.betavariate
        return self.by([beta(1 + sum(d), 1 + len(d) - sum(d)) for d in self.last])


class UCB(Windowed):
    """Sliding-window UCB with windows of 200 per gateway, bonus sqrt(2 ln N / n)."""

    def rank(self, now: float) -> Sequence[int]:
        total = math.log(max(2, sum(len(d) for d in self.last)))
        return self.by(
            [sum(d) / len(d) + (2 * total / len(d)) ** 0.5 if d else 9.0 for d in self.last]
        )


class JuspaySRV3(Learner):
    """Success rate V3 as Hyperswitch installs it: the last 200 outcomes, filled with ones, 5 % uniform picks, every
    failure counts whosever it is, and what is still pending after 90 s counts as a failure."""

    def __init__(self, count: int, rng: random.Random) -> None:
        super().__init__(count, rng)
        self.last = [deque([1] * 200, maxlen=200) for _ in range(count)]
        self.sums = [200] * count
        self.pending: deque[int] = deque()

    def learn(self, now: float, gateway: int, reward: int) -> None:
        self.sums[gateway] += reward - self.last[gateway][0]
        self.last[gateway].append(reward)

    def rank(self, now: float) -> Sequence[int]:
        while self.pending:
            known = self.where.get(self.pending[0])
            if known is not None:
                if known[1] > now - 90.0:
                    break
                self.learn(now, known[0], 0)
            self.pending.popleft()
        if self.rng.random() < 0.05:
            return self.rng.sample(self.all, len(self.all))
        return self.by(self.sums)

    def started(self, now: float, attempt: int, gateway: int, ok: bool, seconds: float) -> None:
        super().started(now, attempt, gateway, ok, seconds)
        if ok:
            self.pending.append(attempt)

    def returned(self, now: float, attempt: int, outcome: str) -> None:
        gateway, _ = self.where.pop(attempt)
        self.learn(now, gateway, int(outcome == "paid"))


class Oracle(Base):
    """Knows every level as it is, but not the capacities."""

    def __init__(self, count: int, rng: random.Random, bank: Bank) -> None:
        super().__init__(count, rng)
        self.bank = bank

    def rank(self, now: float) -> Sequence[int]:
        self.bank.advance(now)
        now_is = self.bank.segment
        return self.by(
            [now_is.page[g] * now_is.switch[g] * (now_is.token[g] > 0.05) for g in self.all]
        )


class Capacities(Oracle):
    """Knows every level and every capacity, and keeps each gateway just below its own."""

    def rank(self, now: float) -> Sequence[int]:
        order = list(super().rank(now))
        caps = self.bank.segment.capacity
        free = [g for g in order if self.bank.load(now, g) <= 0.97 * caps[g]]
        free = [g for g in free if self.bank.segment.token[g] > 0.05]
        if not free:
            return sorted(order, key=lambda g: self.bank.load(now, g) / caps[g])
        return free + [g for g in order if g not in free]


class Ours(Base):
    """The router."""

    def __init__(self, count: int, rng: random.Random) -> None:
        super().__init__(count, rng)
        self.names = {str(g): g for g in self.all}
        self.router = Router({name: Limits() for name in self.names}, RoutingSettings(), rng=rng)

    def rank(self, now: float) -> Sequence[int]:
        return [self.names[name] for name in self.router.rank(now).order]

    def started(self, now: float, attempt: int, gateway: int, ok: bool, seconds: float) -> None:
        self.router.started(now, attempt, str(gateway), ok=ok, seconds=seconds)

    def returned(self, now: float, attempt: int, outcome: str) -> None:
        self.router.returned(now, attempt, outcome)
        if outcome == "paid":
            self.router.verified(now, attempt, ok=True)


Maker = Callable[[int, random.Random, Bank], Policy]
BOUNDS: Final = ("oracle", "capacities", "static")
"""The best achievable is the best of these."""
PEERS: Final[dict[str, Maker]] = {
    "priority": lambda count, rng, _: Priority(count, rng),
    "nginx": lambda count, rng, _: Nginx(count, rng),
    "haproxy": HAProxy,
    "envoy": lambda count, rng, _: Envoy(count, rng),
    "finagle": lambda count, rng, _: Finagle(count, rng),
    "juspay_v3": lambda count, rng, _: JuspaySRV3(count, rng),
    "sw_ucb": lambda count, rng, _: UCB(count, rng),
    "sw_ts": lambda count, rng, _: Thompson(count, rng),
    "proportional": lambda count, rng, _: Windowed(count, rng),
}
POLICIES: Final[dict[str, Maker]] = {
    "oracle": Oracle,
    "capacities": Capacities,
    "static": lambda count, rng, _: Base(count, rng),
    **PEERS,
    "gatewayd": lambda count, rng, _: Ours(count, rng),
}
