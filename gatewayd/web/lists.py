"""What all lists of the API have in common."""

from typing import Final

from gatewayd.web.problems import invalid

LIMIT_DEFAULT: Final = 10
LIMIT_MAX: Final = 100


def read_limit(text: str | None) -> int:
    """How many are wanted; Problem 422 for what is no such number."""
    if text is None:
        return LIMIT_DEFAULT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= LIMIT_MAX:
        raise invalid("limit", f"must be 1 to {LIMIT_MAX}")
    return int(text)
