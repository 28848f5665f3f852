"""What all lists of the API have in common."""

import re
from collections.abc import Container
from typing import Final

from multidict import MultiMapping

from gatewayd.web.problems import Problem, invalid, refuse_others

LIMIT_DEFAULT: Final = 10
LIMIT_MAX: Final = 100
RETRY_AFTER_SECONDS: Final = 5
_NUMBER: Final = re.compile(r"[0-9]{1,9}")


def filters(query: MultiMapping[str], known: Container[str]) -> MultiMapping[str]:
    """The query; Problem 422 that names what is no filter, or stands twice: only one would be looked at."""
    refuse_others(query, known, "filter")
    for name in query:
        if len(query.getall(name)) > 1:
            raise invalid(name, "stands twice; one is looked at")
    return query


def read_limit(text: str | None) -> int:
    """How many are wanted; Problem 422 for what is no such number."""
    if text is None:
        return LIMIT_DEFAULT
    limit = int(text) if _NUMBER.fullmatch(text) else 0
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid("limit", f"must be 1 to {LIMIT_MAX}")
    return limit


NARROW_IT: Final = "This takes too long to find; narrow it by order_id or by created_from."


def too_slow(detail: str = NARROW_IT) -> Problem:
    """The answer to what would take too long to read."""
    return Problem(503, "too_slow", detail, retry_after_seconds=RETRY_AFTER_SECONDS)
