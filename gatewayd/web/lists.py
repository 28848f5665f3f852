"""What all lists of the API have in common."""

import re
from typing import Final

from gatewayd.web.problems import invalid

LIMIT_DEFAULT: Final = 10
LIMIT_MAX: Final = 100
_NUMBER: Final = re.compile(r"[0-9]{1,9}")


def read_limit(text: str | None) -> int:
    """How many are wanted; Problem 422 for what is no such number."""
    if text is None:
        return LIMIT_DEFAULT
    limit = int(text) if _NUMBER.fullmatch(text) else 0
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid("limit", f"must be 1 to {LIMIT_MAX}")
    return limit
