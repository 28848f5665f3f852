"""How long the banks take to answer merchants: a fixed time, or one drawn from a range."""

import random
import re
from dataclasses import dataclass
from typing import Final, Self

LATENCY_MAX_SECONDS: Final = 600.0
"""Longer than any client waits; `hang` is the word for more."""

_RANGE: Final = re.compile(r"([0-9.]+)(?:-([0-9.]+))?(ms|s)")
_UNITS: Final = {"ms": 0.001, "s": 1.0}


@dataclass(frozen=True, slots=True)
class Latency:
    """From a request to the first byte of its answer."""

    low_seconds: float = 0.0
    high_seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `0`, `50ms`, `50-200ms` or `0.2s`; ValueError says what is wrong."""
        if text.strip() == "0":
            return cls()
        found = _RANGE.fullmatch(text.strip())
        try:
            if found is None:
                raise ValueError
            low, high, unit = found.groups()
            scale = _UNITS[unit]
            latency = cls(float(low) * scale, float(high or low) * scale)
        except ValueError:
            raise ValueError(f"latency: {text!r} is not like 0, 50ms or 50-200ms") from None
        if not latency.low_seconds <= latency.high_seconds <= LATENCY_MAX_SECONDS:
            limit = f"{LATENCY_MAX_SECONDS:g} s"
            raise ValueError(f"latency: {text!r} must not fall, nor be above {limit}")
        return latency

    def draw(self, rng: random.Random) -> float:
        """Seconds for the next answer."""
        if self.low_seconds == self.high_seconds:
            return self.low_seconds
        return rng.uniform(self.low_seconds, self.high_seconds)


AT_ONCE: Final = Latency()
