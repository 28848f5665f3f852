"""Times as customers read them: the Persian calendar in Persian, the common one in English, both by Tehran's clock.

A due date ends at midnight, which belongs to the next day in every calendar; people mean the day before, so that is
what they read.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from persiantools.jdatetime import JalaliDate

from gatewayd.core.tehran import TEHRAN
from gatewayd.web.texts import digits

_PERSIAN_MONTHS: Final = (
    "فروردین",
    "اردیبهشت",
    "خرداد",
    "تیر",
    "مرداد",
    "شهریور",
    "مهر",
    "آبان",
    "آذر",
    "دی",
    "بهمن",
    "اسفند",
)
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def until(at_ms: int, locale: str) -> str:
    """The last moment before this: the day alone where it is a day's end."""
    at = _in_tehran(at_ms)
    if (at.hour, at.minute, at.second) == (0, 0, 0):
        return _day(at - timedelta(days=1), locale)
    return moment(at_ms, locale)


def moment(at_ms: int, locale: str) -> str:
    """Day and time."""
    at = _in_tehran(at_ms)
    clock = f"{at.hour:02d}:{at.minute:02d}"
    if locale == "fa":
        return f"{_day(at, locale)}، ساعت {digits(clock, locale)}"
    return f"{_day(at, locale)}, {clock} Tehran time"


def _in_tehran(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(TEHRAN)


def _day(at: datetime, locale: str) -> str:
    if locale == "fa":
        day = JalaliDate(at.date())  # type: ignore[no-untyped-call]  # the package has no types
        month = _PERSIAN_MONTHS[day.month - 1]
        return f"{digits(str(day.day), locale)} {month} {digits(str(day.year), locale)}"
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"
