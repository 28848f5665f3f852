"""Times as shops write them in filters."""

from datetime import UTC, datetime

from gatewayd.web.problems import invalid


def read_time(text: str | None, name: str) -> int | None:
    """Milliseconds since 1970 for an RFC 3339 time or a date (UTC midnight); Problem 422 for anything else."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text.replace(" ", "+"))  # a `+` in a query arrives as a blank
    except ValueError:
        raise invalid(name, "must be a time such as 2026-03-21T08:30:00Z") from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return int(time.timestamp() * 1000)
