"""What the router costs: medians of its calls, and the longest periodic step, with six and with sixty gateways."""

import gc
import random
import statistics
import time
from typing import NamedTuple

from gatewayd.routing.router import Limits, Router, RoutingSettings


class Speed(NamedTuple):
    """Microseconds."""

    gateways: int
    rank: float
    """Median of a ranking."""
    report: float
    """Median of `started` and `returned` together."""
    longest: float
    """The 99.9th percentile of any one call, which is where the periodic work is."""


def measure(gateways: int, payments: int = 20_000, rate: float = 20.0) -> Speed:
    """Times every call of a run with so many payments."""
    dice = random.Random(1)
    names = [f"gateway-{number}" for number in range(gateways)]
    router = Router({name: Limits() for name in names}, RoutingSettings(), rng=dice)
    clock = time.thread_time
    ranks, reports, calls = [], [], []
    waiting: list[tuple[float, int]] = []
    now = 0.0
    gc.disable()
    for number in range(payments):
        now += dice.expovariate(rate)
        begin = clock()
        first = router.rank(now).order[0]
        ranked = clock()
        router.started(now, number, first, ok=True, seconds=0.3)
        started = clock()
        waiting.append((now + dice.lognormvariate(4.25, 0.7), number))
        ranks.append(ranked - begin)
        calls += [ranked - begin, started - ranked]
        at, other = waiting[dice.randrange(len(waiting))]
        if at <= now:
            waiting.remove((at, other))
            begin = clock()
            router.returned(now, other, "paid")
            ended = clock()
            reports.append(ended - begin + started - ranked)
            calls.append(ended - begin)
    gc.enable()
    calls.sort()
    return Speed(
        gateways=gateways,
        rank=statistics.median(ranks) * 1e6,
        report=statistics.median(reports) * 1e6,
        longest=calls[int(len(calls) * 0.999)] * 1e6,
    )
