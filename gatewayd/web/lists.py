"""What all lists of the API have in common."""

import re
from typing import Final

from gatewayd.web.problems import Problem, invalid

LIMIT_DEFAULT: Final = 10
LIMIT_MAX: Final = 100
RETRY_AFTER_SECONDS: Final = 5
_NUMBER: Final = re.compile(r"[0-9]{1,9}")


def read_limit(text: str | None) -> int:
    """How many are wanted; Problem 422 for what is no such number."""
    if text is None:
        return LIMIT_DEFAULT
    limit = int(text) if _NUMBER.fullmatch(text) else 0
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid("limit", f"must be 1 to {LIMIT_MAX}")
    return limit


def too_slow() -> Problem:
    """The answer to a search that would take too long."""
    detail = "This takes too long to find; narrow it by order_id or by created_from."
    return Problem(503, "too_slow", detail, retry_after_seconds=RETRY_AFTER_SECONDS)
