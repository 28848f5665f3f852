"""The worlds that routing policies are compared in: what six banks do over two hours, as a table of segments.

A world is made of gateways with usual levels and of effects that multiply one of them for a while. Levels:

- `token`: chance that the token step succeeds; a failure is seen at once and another gateway is tried, three in all;
- `page`: chance that a payer who was sent there is not lost for good (the page is down, nobody returns);
- `switch`: chance that a payment its payer completed is taken; otherwise he returns with a technical failure;
- `slow`: how much longer than usual returns take;
- `capacity`: payments per second, measured over about half a minute, beyond which the excess fails at the switch.

`issuer` is the chance that the card's own bank is up (hits all gateways alike), `traffic` multiplies arrivals.
"""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

HOUR: Final = 3600.0
NEAR: Final = (0.961, 0.955, 0.950, 0.945, 0.935, 0.920)
"""The usual switch levels: six gateways within four points."""
UNEQUAL: Final = (0.967, 0.950, 0.935, 0.920, 0.905, 0.870)
BOUNDLESS: Final = (math.inf,) * 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Levels that hold from `start` (seconds) to the next segment."""

    start: float
    token: tuple[float, ...]
    page: tuple[float, ...]
    switch: tuple[float, ...]
    slow: tuple[float, ...]
    capacity: tuple[float, ...]
    issuer: float
    traffic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A named history of segments, at the arrival rate `rate` (payments per second)."""

    name: str
    seconds: float
    rate: float
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """`level` of a gateway (None: of all) times `factor`, from `start` to `end` seconds."""

    start: float
    end: float
    gateway: int | None
    level: str
    factor: float


def build(
    name: str,
    rate: float,
    effects: Iterable[Effect] = (),
    *,
    switch: Sequence[float] = NEAR,
    page: Sequence[float] = (1.0,) * 6,
    capacity: Sequence[float] = BOUNDLESS,
    seconds: float = 2 * HOUR,
) -> World:
    """A world from usual levels and effects.

    Capacities are given for 5 payments/s; for more they grow with `rate`, for less they stay: no bank is smaller
    because a shop is.
    """
    effects = list(effects)
    count = len(switch)
    edges = sorted({0.0, *(t for e in effects for t in (e.start, e.end) if 0.0 <= t < seconds)})
    usual = {
        "token": (1.0,) * count,
        "page": tuple(page),
        "switch": tuple(switch),
        "slow": (1.0,) * count,
        "capacity": tuple(cap * max(1.0, rate / 5.0) for cap in capacity),
        "issuer": (1.0,),
        "traffic": (1.0,),
    }

    def at(time: float, level: str) -> tuple[float, ...]:
        values = list(usual[level])
        for e in effects:
            if e.level == level and e.start <= time < e.end:
                for index in range(len(values)) if e.gateway is None else (e.gateway,):
                    values[index] *= e.factor
        return tuple(values)

    segments = tuple(
        Segment(
            start=edge,
            token=at(edge, "token"),
            page=at(edge, "page"),
            switch=tuple(min(1.0, value) for value in at(edge, "switch")),
            slow=at(edge, "slow"),
            capacity=at(edge, "capacity"),
            issuer=at(edge, "issuer")[0],
            traffic=at(edge, "traffic")[0],
        )
        for edge in edges
    )
    return World(name=name, seconds=seconds, rate=rate, segments=segments)


def _stable(rate: float, _: random.Random) -> World:
    return build("stable", rate, switch=UNEQUAL)


def _token_outage(rate: float, _: random.Random) -> World:
    effects = [Effect(1200, 2400, 0, "token", 0.0), Effect(4200, 5400, 1, "token", 0.1)]
    return build("token_outage", rate, effects)


def _silent_page(rate: float, _: random.Random) -> World:
    effects = [Effect(1500, 2700, 0, "page", 0.02), Effect(4200, 5700, 1, "page", 0.02)]
    return build("silent_page", rate, effects)


def _brownout(rate: float, _: random.Random) -> World:
    effects = [
        Effect(1200, 3000, 0, "switch", 0.5),
        Effect(3600, 5400, 1, "switch", 0.7),
        Effect(4800, 6600, 2, "switch", 0.3),
    ]
    return build("brownout", rate, effects)


def _flap(rate: float, _: random.Random) -> World:
    effects = [Effect(t, t + 30, 0, "token", 0.0) for t in range(600, 7200, 150)]
    return build("flap", rate, effects)


def _drift(rate: float, _: random.Random) -> World:
    effects = [
        Effect(t, t + 60, g, "switch", 0.9 + 0.09 * math.sin(math.tau * (t / 4800 + g / 6)))
        for g in range(6)
        for t in range(0, 7200, 60)
    ]
    return build("drift", rate, effects, switch=(0.96,) * 6)


def _issuer_wide(rate: float, _: random.Random) -> World:
    effects = [Effect(1800, 3000, None, "issuer", 0.7), Effect(4800, 5700, None, "issuer", 0.75)]
    return build("issuer_wide", rate, effects, switch=UNEQUAL)


def _capacity(rate: float, _: random.Random) -> World:
    return build("capacity", rate, capacity=(1.6,) * 6)


def _pair_down(rate: float, _: random.Random) -> World:
    effects = [
        *(Effect(1200, 2700, g, "token", 0.0) for g in (0, 1)),
        *(Effect(4200, 5400, g, "page", 0.02) for g in (2, 3)),
    ]
    return build("pair_down", rate, effects)


def _half_silent(rate: float, _: random.Random) -> World:
    effects = [Effect(1200, 3000, 0, "page", 0.55), Effect(4200, 6000, 0, "page", 0.70)]
    return build("half_silent", rate, effects)


def _one_good(rate: float, _: random.Random) -> World:
    effects = [Effect(3000, 4200, 0, "switch", 0.3)]
    return build("one_good", rate, effects, switch=(0.96, 0.62, 0.61, 0.60, 0.59, 0.58))


def _swap(rate: float, _: random.Random) -> World:
    effects = [Effect(g * 1200, (g + 1) * 1200, g, "switch", 0.7) for g in range(6)]
    return build("swap", rate, effects)


def _cap_and_outage(rate: float, _: random.Random) -> World:
    effects = [Effect(1500, 2700, 0, "token", 0.0), Effect(4200, 5400, 1, "page", 0.02)]
    return build("cap_and_outage", rate, effects, capacity=(1.3,) * 6)


def _one_small(rate: float, _: random.Random) -> World:
    caps = (0.6, *(math.inf,) * 5)
    return build("one_small", rate, switch=UNEQUAL, capacity=caps)


def _all_fine(rate: float, _: random.Random) -> World:
    return build("all_fine", rate, switch=(0.96,) * 6)


def _everything_bad(rate: float, _: random.Random) -> World:
    effects = [Effect(1200, 3000, None, "token", 0.3), Effect(4200, 6000, None, "page", 0.4)]
    return build("everything_bad", rate, effects)


def _good_small(rate: float, _: random.Random) -> World:
    caps = (1.5, *(math.inf,) * 5)
    return build("good_small", rate, switch=(0.96, *(0.6,) * 5), capacity=caps)


def _cap_shrinks(rate: float, _: random.Random) -> World:
    effects = [Effect(2400, 4800, g, "capacity", 1 / 3) for g in range(3)]
    return build("cap_shrinks", rate, effects, capacity=(1.8,) * 6)


def _tide(rate: float, _: random.Random) -> World:
    effects = [
        Effect(t, t + 900, (2 * (t // 900) + k) % 6, "switch", 0.8)
        for t in range(0, 7200, 900)
        for k in (0, 1)
    ]
    return build("tide", rate, effects)


def _page_bases(rate: float, _: random.Random) -> World:
    return build("page_bases", rate, page=(0.98, 0.96, 0.94, 0.92, 0.88, 0.85))


def _late_bank(rate: float, _: random.Random) -> World:
    effects = [Effect(1800, 7200, 0, "slow", 2.5), Effect(4500, 7200, 0, "page", 0.85)]
    return build("late_bank", rate, effects)


def _blips(rate: float, _: random.Random) -> World:
    effects = [Effect(t, t + 60, 0, "page", 0.02) for t in range(600, 7200, 600)]
    return build("blips", rate, effects)


def _long_night(rate: float, _: random.Random) -> World:
    return build("long_night", rate, [Effect(1500, 5820, 0, "page", 0.02)])


def _surge(rate: float, _: random.Random) -> World:
    effects = [Effect(2400, 4800, None, "traffic", 2.5), Effect(5400, 6600, 1, "page", 0.02)]
    return build("surge", rate, effects, capacity=(2.2,) * 6)


def _two_tier(rate: float, _: random.Random) -> World:
    caps = (2.0, 2.0, *(math.inf,) * 4)
    return build("two_tier", rate, switch=(0.96, 0.95, *(0.70,) * 4), capacity=caps)


def _random(rate: float, rng: random.Random) -> World:
    """A world nobody tuned to: any bases, outages of any kind, depth, time and length."""
    switch = sorted((rng.uniform(0.75, 0.97) for _ in range(6)), reverse=True)
    page = [rng.uniform(0.9, 1.0) for _ in range(6)]
    effects = []
    for _ in range(rng.randint(3, 8)):
        start, long = rng.uniform(0, 6600), rng.expovariate(1 / 1200.0) + 60
        level, gateway = rng.choice(["token", "page", "switch"]), rng.randrange(6)
        depth = rng.choice([0.02, rng.uniform(0.0, 0.9)])
        if rng.random() < 0.2:
            effects += [
                Effect(t, t + 30, gateway, level, depth)
                for t in range(int(start), int(start + long), 120)
            ]
        else:
            effects.append(Effect(start, start + long, gateway, level, depth))
    return build("random", rate, effects, switch=switch, page=page)


def _random_cap(rate: float, rng: random.Random) -> World:
    made = _random(rate, rng)
    caps = [rng.uniform(1.0, 3.0) * max(1.0, rate / 5.0) for _ in range(6)]
    for index in range(6):
        if rng.random() < 0.3:
            caps[index] = math.inf
    segments = tuple(
        Segment(
            start=s.start,
            token=s.token,
            page=s.page,
            switch=s.switch,
            slow=s.slow,
            capacity=tuple(caps),
            issuer=s.issuer,
            traffic=s.traffic,
        )
        for s in made.segments
    )
    return World(name="random_cap", seconds=made.seconds, rate=rate, segments=segments)


MAKERS: Final[dict[str, Callable[[float, random.Random], World]]] = {
    "stable": _stable,
    "token_outage": _token_outage,
    "silent_page": _silent_page,
    "brownout": _brownout,
    "flap": _flap,
    "drift": _drift,
    "issuer_wide": _issuer_wide,
    "capacity": _capacity,
    "pair_down": _pair_down,
    "half_silent": _half_silent,
    "one_good": _one_good,
    "swap": _swap,
    "cap_and_outage": _cap_and_outage,
    "one_small": _one_small,
    "all_fine": _all_fine,
    "everything_bad": _everything_bad,
    "good_small": _good_small,
    "cap_shrinks": _cap_shrinks,
    "tide": _tide,
    "page_bases": _page_bases,
    "late_bank": _late_bank,
    "blips": _blips,
    "long_night": _long_night,
    "surge": _surge,
    "two_tier": _two_tier,
    "random": _random,
    "random_cap": _random_cap,
}


def world(name: str, rate: float, seed: int) -> World:
    """The named world at `rate` payments per second; only the random ones depend on the seed."""
    return MAKERS[name](rate, random.Random(f"{name}/{seed}"))
