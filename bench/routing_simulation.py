"""Plays one policy through one world: payers, delays, failover before the redirect, and what came of it.

Of the payers 80 % would pay, 4 % cancel, 6 % are declined and 10 % never return; returns take a log-normal time with
a median of 70 s. A token step that fails is tried at the policy's next choice, three gateways in all. The measure is
the chance that a payment is paid, given where it was sent: the payers' own dice are left out of it, so that two
policies differ only by their choices. The same seed gives every policy the same payers.
"""

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from bench.routing_worlds import Segment, World

PAYS: Final = 0.80
CANCELS: Final = 0.04
DECLINED: Final = 0.06
DELAY_MEDIAN: Final = 70.0
DELAY_SIGMA: Final = 0.7
TRIES: Final = 3
LOAD_SECONDS: Final = 30.0
"""Over which a bank's load is averaged."""
BIN_SECONDS: Final = 60.0


class Policy(Protocol):
    """What is compared. Gateways are indices; the world may be looked at by oracles only."""

    def rank(self, now: float) -> Sequence[int]:
        """Gateways in the order to try."""

    def started(self, now: float, attempt: int, gateway: int, ok: bool, seconds: float) -> None:
        """The token step ended."""

    def returned(self, now: float, attempt: int, outcome: str) -> None:
        """The payer came back."""


class Bank:
    """The banks as they are now: the segment that holds, and each gateway's load in payments per second."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.segment: Segment = world.segments[0]
        self._next = 1
        self.loads = [0.0] * len(self.segment.token)
        self._seen = [0.0] * len(self.segment.token)

    def advance(self, now: float) -> None:
        """Lets time pass."""
        segments = self.world.segments
        while self._next < len(segments) and segments[self._next].start <= now:
            self.segment = segments[self._next]
            self._next += 1

    def load(self, now: float, gateway: int) -> float:
        """Payments per second that reached it lately."""
        return self.loads[gateway] * math.exp((self._seen[gateway] - now) / LOAD_SECONDS)

    def send(self, now: float, gateway: int) -> None:
        """One more payer."""
        self.loads[gateway] = self.load(now, gateway) + 1.0 / LOAD_SECONDS
        self._seen[gateway] = now

    def taken(self, now: float, gateway: int) -> float:
        """The chance that the switch takes a completed payment there now."""
        load, capacity = self.load(now, gateway), self.segment.capacity[gateway]
        return self.segment.switch[gateway] * (1.0 if load <= capacity else capacity / load)


@dataclass(slots=True)
class Result:
    """What came of a run: totals, and per minute the payments, the expected successes and where they went."""

    payments: int
    success: float
    bins: list[tuple[int, float, list[int]]]


def play(world: World, policy: Policy, bank: Bank, seed: int) -> Result:
    """Runs the world once."""
    dice = random.Random(f"payers/{seed}")
    uniform, normal, wait = dice.random, dice.gauss, dice.expovariate
    count = len(bank.loads)
    coming: list[tuple[float, int, str]] = []
    bins = [(0, 0.0, [0] * count) for _ in range(int(world.seconds // BIN_SECONDS) + 1)]
    now, number, total = 0.0, 0, 0.0
    while True:
        now += wait(world.rate * bank.segment.traffic)
        if now >= world.seconds:
            break
        while coming and coming[0][0] <= now:
            at, attempt, outcome = heapq.heappop(coming)
            policy.returned(at, attempt, outcome)
        bank.advance(now)
        kind, lost, taken, issuer = uniform(), uniform(), uniform(), uniform()
        tokens = (uniform(), uniform(), uniform())
        delay = DELAY_MEDIAN * math.exp(DELAY_SIGMA * normal(0.0, 1.0))
        sent, expected = None, 0.0
        for gateway, token in zip(policy.rank(now), tokens, strict=False):
            ok = token < bank.segment.token[gateway]
            policy.started(now, number, gateway, ok, 0.3)
            if ok:
                sent = gateway
                break
        if sent is not None:
            bank.send(now, sent)
            chance = bank.taken(now, sent)
            segment = bank.segment
            expected = PAYS * segment.page[sent] * chance * segment.issuer
            if lost < segment.page[sent] and kind < PAYS + CANCELS + DECLINED:
                if kind >= PAYS:
                    outcome = "payer"
                elif issuer >= segment.issuer:
                    outcome = "issuer"
                else:
                    outcome = "paid" if taken < chance else "gateway"
                heapq.heappush(coming, (now + delay * segment.slow[sent], number, outcome))
        index = int(now // BIN_SECONDS)
        payments, successes, shares = bins[index]
        if sent is not None:
            shares[sent] += 1
        bins[index] = (payments + 1, successes + expected, shares)
        total += expected
        number += 1
    return Result(payments=number, success=total / max(1, number), bins=bins)
