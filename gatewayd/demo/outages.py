"""What goes wrong while the demo runs, when, and what is said about it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gatewayd.simulator.faults import Fault, Kind

DOWN: Final = (Kind.REFUSE, Kind.PAGE_DOWN)
"""A whole bank: its service refuses connections and its page is dead."""
PAGE: Final = (Kind.PAGE_DOWN,)
"""The service answers and gives tokens, but payers who go there never come back: no call of ours shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One bank's trouble."""

    driver: str
    after_seconds: float
    """From the end of the last one, or from the beginning."""
    seconds: float
    kinds: tuple[Kind, ...]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What the simulated banks are told."""
        return tuple(
            Fault(driver=self.driver, kind=kind, seconds=self.seconds) for kind in self.kinds
        )

    @property
    def begins(self) -> str:
        """What is said when it begins."""
        if self.kinds is PAGE:
            return f"{self.driver}: the bank's page is dead; it still gives tokens, but payers do not come back"
        return f"{self.driver}: the bank is down; it refuses connections and its page is dead"

    @property
    def ends(self) -> str:
        """What is said when it ends."""
        if self.kinds is PAGE:
            return f"{self.driver}: the page is back"
        return f"{self.driver}: the bank is back; the breaker lets one payment through to try it"


def outages(
    seconds: float | None, drivers: tuple[str, ...], rng: random.Random
) -> Iterator[Outage]:
    """Two outages that fit into `seconds`, or one after the other without end."""
    order = rng.sample(drivers, len(drivers))
    first, second = order[0], order[1]
    if seconds is not None:
        yield Outage(driver=first, after_seconds=seconds * 0.2, seconds=seconds * 0.25, kinds=DOWN)
        yield Outage(driver=second, after_seconds=seconds * 0.1, seconds=seconds * 0.2, kinds=PAGE)
        return
    while True:
        yield Outage(driver=first, after_seconds=20.0, seconds=20.0, kinds=DOWN)
        yield Outage(driver=second, after_seconds=25.0, seconds=60.0, kinds=PAGE)
        first, second = rng.sample(drivers, 2)
