"""The clock of Iran's banks and shops."""

from datetime import timedelta, timezone
from typing import Final

TEHRAN: Final = timezone(timedelta(hours=3, minutes=30))
"""Without summer time since 2022."""
