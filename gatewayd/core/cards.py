"""Card numbers as banks show them: which of the allowed cards a masked one can be."""

import re
from collections.abc import Iterable
from typing import Final

_SHOWN: Final = re.compile(r"([0-9]*)[^0-9].*?([0-9]*)", re.DOTALL)
"""What is shown before the first and after the last hidden digit."""


def may_be(masked: str, allowed: Iterable[str]) -> bool:
    """Whether the masked card can be one of these; each has all of its digits."""
    found = _SHOWN.fullmatch(masked)
    if found is None:
        return masked in allowed
    return any(card.startswith(found[1]) and card.endswith(found[2]) for card in allowed)
