"""Plays a journal's draws again to other ways of drawing, and collects what each would have brought.

A draw is the first choice of a ranking; what failed over from it to another gateway is part of what it brought. It
counts as paid if one of its attempts was verified to be kept. Draws without a choice (a breaker's trial, all but one
gateway cut off) are the same for everybody and are left out, and so are the last twenty minutes, whose payers may
still come back. A router that is tried out learns from the journal's payments, not from those that it would have
made, and the banks' load is taken to be as it was.
"""

import random
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from gatewayd.core import events as ev
from gatewayd.core.judge import outcome_for_router
from gatewayd.core.terms import CodeClass
from gatewayd.routing.evidence import Evidence
from gatewayd.routing.router import Failure, Limits, Router, RoutingSettings

OPEN_SECONDS: Final = 1_200.0
"""Payers of draws younger than this may still come back."""
OPEN_MAX: Final = 100_000
"""Draws that wait for their end; more than come in twenty minutes at eighty a second."""
DRAWN_BY_CHANCE: Final = frozenset({"weights", "fixed", "favourite"})
MILLI: Final = 1e-3


class Candidate(NamedTuple):
    """A gateway that could be drawn."""

    name: str
    score: float
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What was chosen, from what."""

    at: float
    """Seconds."""
    chosen: str
    probability: float
    among: tuple[Candidate, ...]
    """Those that could be drawn."""


class Way(Protocol):
    """A way of drawing gateways."""

    def chance(self, draw: Draw) -> float:
        """With which it would have drawn what was drawn."""

    def see(self, at: float, number: int, event: ev.Event) -> None:
        """An event of a payment, in the journal's order."""


class ByShare:
    """Draws in proportion to what a function says of each gateway; it learns nothing itself."""

    def __init__(self, share: Callable[[Candidate], float]) -> None:
        self._share = share

    def chance(self, draw: Draw) -> float:
        """See `Way`."""
        parts = {each.name: self._share(each) for each in draw.among}
        total = sum(parts.values())
        return parts[draw.chosen] / total if total > 0.0 else 1.0 / len(parts)

    def see(self, at: float, number: int, event: ev.Event) -> None:
        """Nothing to learn."""


class ByBest:
    """Always the gateway with the best score."""

    def chance(self, draw: Draw) -> float:
        """See `Way`."""
        best = max(draw.among, key=lambda each: each.score)
        return float(best.name == draw.chosen)

    def see(self, at: float, number: int, event: ev.Event) -> None:
        """Nothing to learn."""


class ByRouter:
    """A router with limits and settings of its own."""

    def __init__(
        self, gateways: Mapping[str, Limits], settings: RoutingSettings, rng: random.Random
    ) -> None:
        self._router = Router(gateways, settings, rng=rng)
        self._known = frozenset(gateways)
        self._asked: OrderedDict[tuple[int, int], tuple[float, str]] = OrderedDict()

    def chance(self, draw: Draw) -> float:
        """See `Way`."""
        names = [each.name for each in draw.among]
        return self._router.rank(draw.at, names).probability.get(draw.chosen, 0.0)

    def see(self, at: float, number: int, event: ev.Event) -> None:
        """Learns as the engine would teach it."""
        router = self._router
        match event:
            case ev.StartRequested(gateway=gateway, attempt=attempt) if gateway in self._known:
                self._asked[number, attempt] = (at, gateway)
                if len(self._asked) > OPEN_MAX:
                    self._asked.popitem(last=False)
            case ev.Started(attempt=attempt):
                self._ended(at, (number, attempt), ok=True)
            case ev.StartLost(attempt=attempt):
                self._ended(at, (number, attempt), ok=False)
            case ev.StartRefused(attempt=attempt, refusal=no) if no.cause is CodeClass.GATEWAY:
                self._ended(at, (number, attempt), ok=False)
            case ev.Returned(attempt=attempt, standing=ev.Standing.CLAIM):
                router.returned(at, (number, attempt), "paid")
            case ev.Returned(attempt=attempt, standing=ev.Standing.NO, claim=claim):
                router.returned(at, (number, attempt), outcome_for_router(claim.outcome))
            case ev.Verified(attempt=attempt):
                router.verified(at, (number, attempt), ok=True)
            case ev.VerifyRefused(attempt=attempt) | ev.VerifyLost(attempt=attempt):
                router.verified(at, (number, attempt), ok=False)
            case _:
                pass

    def _ended(self, at: float, key: tuple[int, int], *, ok: bool) -> None:
        began, gateway = self._asked.pop(key, (at, ""))
        if gateway:
            seconds, failure = at - began, Failure.UNANSWERED
            self._router.started(at, key, gateway, ok=ok, seconds=seconds, failure=failure)


class Replay:
    """Takes the journal's events in their order, and gives each way what it needs."""

    def __init__(self, ways: Mapping[str, Way], *, until: float, block_seconds: float) -> None:
        """`until` is the time of the journal's last event, in seconds."""
        self._ways = ways
        self._until = until - OPEN_SECONDS
        self.evidence = {name: Evidence(block_seconds) for name in ways}
        self._open: OrderedDict[int, tuple[Draw, dict[str, float]]] = OrderedDict()
        self._to_keep: dict[int, bool] = {}
        self.draws = 0
        self.no_choice = 0
        """Draws that were left out because there was nothing to choose."""
        self.too_young = 0
        self.untold = 0
        """Draws of a time when it was not yet journaled what they were made from."""
        self._now = -float("inf")

    def see(self, at_ms: int, number: int, event: ev.Event) -> None:
        """An event of a payment."""
        self._now = at = max(self._now, at_ms * MILLI)
        match event:
            case ev.StartRequested(reason=reason, weighed=weighed) if reason != "failover":
                self._end(number, paid=False)
                self._drawn(at, number, event, read_weighed(weighed))
            case ev.VerifyRequested(purpose=purpose):
                self._to_keep[number] = purpose is ev.Purpose.KEEP
            case ev.Verified() if self._to_keep.get(number, True):
                self._end(number, paid=True)
            case _:
                pass
        for way in self._ways.values():
            way.see(at, number, event)
        while self._open:
            oldest, (draw, _) = next(iter(self._open.items()))
            if draw.at > at - OPEN_SECONDS and len(self._open) <= OPEN_MAX:
                break
            self._end(oldest, paid=False)

    def _drawn(
        self, at: float, number: int, event: ev.StartRequested, among: tuple[Candidate, ...]
    ) -> None:
        self.draws += 1
        if event.reason in DRAWN_BY_CHANCE and not among:
            self.untold += 1
        elif event.reason not in DRAWN_BY_CHANCE or len(among) < 2 or not event.probability:  # noqa: PLR2004 - one is no choice
            self.no_choice += 1
        elif at > self._until:
            self.too_young += 1
        else:
            draw = Draw(at=at, chosen=event.gateway, probability=event.probability, among=among)
            self._open[number] = (draw, {n: way.chance(draw) for n, way in self._ways.items()})

    def _end(self, number: int, *, paid: bool) -> None:
        self._to_keep.pop(number, None)
        known = self._open.pop(number, None)
        if known is None:
            return
        draw, chances = known
        for name, would in chances.items():
            self.evidence[name].add(draw.at, drawn_with=draw.probability, would=would, paid=paid)


def read_weighed(weighed: str) -> tuple[Candidate, ...]:
    """Those of `Ranking.weighed` that could be drawn."""
    return tuple(_candidates(weighed.split(", ") if weighed else ()))


def _candidates(parts: Iterable[str]) -> Iterable[Candidate]:
    for part in parts:
        name, score, weight, *why_not = part.split(" ")
        if not why_not:
            yield Candidate(name, float(score), float(weight))
