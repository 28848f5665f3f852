"""Money is a positive int of rial everywhere inside; toman exists at the edges only.

One toman is ten rial. The shop's API and a few banks speak toman; everything that crosses an edge is converted
here, once, so that a factor of ten cannot be forgotten in one place and applied in another.
"""

from enum import StrEnum
from typing import Final

RIAL_PER_TOMAN: Final = 10


class Currency(StrEnum):
    """What an amount at an edge is counted in."""

    IRR = "IRR"
    """Rial."""
    IRT = "IRT"
    """Toman."""


def to_rial(amount: int, currency: Currency) -> int:
    """Rial for an amount in `currency`."""
    return amount * RIAL_PER_TOMAN if currency is Currency.IRT else amount


def from_rial(rial: int, currency: Currency) -> int:
    """The amount in `currency` for `rial`; ValueError where toman would need a fraction."""
    if currency is Currency.IRR:
        return rial
    toman, rest = divmod(rial, RIAL_PER_TOMAN)
    if rest:
        raise ValueError(f"{rial} rial is not a whole number of toman")
    return toman
