"""What another way of drawing gateways would have brought, worked out from draws that were made with known chances.

Inverse propensity weighting, normalised by its own weights and clipped: a draw that the other way would have made
twice as often counts twice. It is honest about what it cannot know: payments of the same half hour are not taken for
independent (an outage meets them together), few draws that count for much are said to be few, and a way that would
often choose what was hardly ever chosen is said to be beyond the data.
"""

import math
from dataclasses import dataclass
from typing import Final

CLIP: Final = 20.0
"""No draw counts for more than this many: one lucky payment must not decide."""
EFFECTIVE_LEAST: Final = 200.0
"""Draws of full weight below which nothing is said: the interval of a share is ±7 points with so many."""
WEIGHT_OFF: Final = 0.1
"""The weights' mean is one if all that the other way would do was tried; this far off, too much was not."""
BLOCKS_LEAST: Final = 10
NORMAL_95: Final = 1.96
T95: Final = {9: 2.26, 14: 2.14, 19: 2.09, 29: 2.05, 59: 2.0}
"""Student's t for 95 %, up to so many degrees of freedom."""


@dataclass(slots=True)
class _Block:
    """Sums over draws of about the same time."""

    draws: int = 0
    paid: float = 0.0
    weight: float = 0.0
    weighted: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a way of drawing brings, in parts of one."""

    draws: int
    paid: float
    """The part of the draws that would have been paid."""
    interval: float
    """Half the width of its 95 % interval."""
    gain: float
    """Compared with what was done, on the same payments."""
    gain_interval: float
    effective: float
    """Draws of full weight that it rests on."""
    clipped: float
    """The part of the draws whose weight was clipped."""
    weight: float
    """The mean weight; one if all that it would do was tried, and less by what clipping cut off."""
    blocks: int

    @property
    def verdict(self) -> str:
        """In words, and plainly where the data cannot tell."""
        if self.blocks < BLOCKS_LEAST or self.effective < EFFECTIVE_LEAST:
            return "cannot tell: too few payments were drawn as it would"
        if abs(self.weight - 1.0) > WEIGHT_OFF:
            return "cannot tell: it would often draw what was hardly tried"
        if abs(self.gain) <= self.gain_interval:
            return "cannot tell it from what was done"
        return "better" if self.gain > 0.0 else "worse"


class Evidence:
    """Collects draws for one way of drawing; what it keeps does not grow with the draws, only with time."""

    def __init__(self, block_seconds: float) -> None:
        self._block_seconds = block_seconds
        self._blocks: dict[int, _Block] = {}
        self._squares = 0.0
        self._clipped = 0

    def add(self, at: float, *, drawn_with: float, would: float, paid: bool) -> None:
        """A draw at `at` (seconds): its chance, the chance that the other way gives it, and whether it was paid."""
        weight = would / drawn_with
        if weight > CLIP:
            self._clipped += 1
            weight = CLIP
        self._squares += weight * weight
        block = self._blocks.setdefault(int(at // self._block_seconds), _Block())
        block.draws += 1
        block.paid += paid
        block.weight += weight
        block.weighted += weight * paid

    def estimate(self) -> Estimate | None:
        """What it comes to; None without a single draw that the other way would make."""
        blocks = self._blocks.values()
        draws = sum(block.draws for block in blocks)
        weight = sum(block.weight for block in blocks)
        if weight <= 0.0:
            return None
        done = sum(block.paid for block in blocks) / draws
        paid = sum(block.weighted for block in blocks) / weight
        # each block's part in the error of the ratio, and of its difference to what was done
        errors = [(block.weighted - paid * block.weight) / weight for block in blocks]
        gains = [
            error - (block.paid - done * block.draws) / draws
            for error, block in zip(errors, blocks, strict=True)
        ]
        count = len(errors)
        wide = _student(count - 1) * math.sqrt(count / max(1, count - 1))
        return Estimate(
            draws=draws,
            paid=paid,
            interval=wide * math.sqrt(sum(error * error for error in errors)),
            gain=paid - done,
            gain_interval=wide * math.sqrt(sum(gain * gain for gain in gains)),
            effective=weight * weight / self._squares,
            clipped=self._clipped / draws,
            weight=weight / draws,
            blocks=count,
        )


def _student(degrees: int) -> float:
    if degrees < min(T95):
        return 3.0
    return next((t for most, t in T95.items() if degrees <= most), NORMAL_95)
