"""How fast the router reacts when the page of the gateway with the most traffic goes down, and when it is back."""

import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from bench.routing_peers import Ours
from bench.routing_simulation import Bank, play
from bench.routing_worlds import UNEQUAL, Effect, build

DOWN_AT: Final = 2_400.0
UP_AT: Final = 3_600.0
END: Final = 5_400.0
LOOK_SECONDS: Final = 5.0


class Reaction(NamedTuple):
    """Seconds, counted to the end of the run where it did not happen."""

    halved: float
    """From the outage until its weight is half of what it was."""
    back: float
    """From the end of the outage until its weight is above half of an equal part."""


class _Watched(Ours):
    """Writes down the first gateway's weight every few seconds."""

    def __init__(self, count: int, rng: random.Random) -> None:
        super().__init__(count, rng)
        self.weights: list[tuple[float, float]] = []

    def rank(self, now: float) -> Sequence[int]:
        order = super().rank(now)
        if not self.weights or now - self.weights[-1][0] >= LOOK_SECONDS:
            self.weights.append((now, self.router.snapshot(now)["0"].weight))
        return order


def react(seed: int) -> Reaction:
    """One run at 5 payments a second; the first gateway is the best and has most of the traffic by then."""
    effects = [Effect(DOWN_AT, UP_AT, 0, "page", 0.02)]
    world = build("reaction", 5.0, effects, switch=UNEQUAL, seconds=END)
    bank = Bank(world)
    policy = _Watched(len(UNEQUAL), random.Random(seed))
    play(world, policy, bank, seed)
    before = [weight for at, weight in policy.weights if at < DOWN_AT][-1]
    halved = next(
        (at for at, weight in policy.weights if at >= DOWN_AT and weight < before / 2), END
    )
    back = next(
        (at for at, weight in policy.weights if at >= UP_AT and weight > 0.5 / len(UNEQUAL)), END
    )
    return Reaction(halved - DOWN_AT, back - UP_AT)
