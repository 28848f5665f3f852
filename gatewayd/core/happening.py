"""What all events have in common."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a payment."""

    notice: ClassVar[str] = ""
    """What its shop is told of it, beside the change of status that it may bring; empty: nothing."""
    at_ms: int

    @property
    def trigger(self) -> str:
        """The key into the table of transitions."""
        return type(self).__name__
