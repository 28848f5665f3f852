"""What a list of payments or of invoices is narrowed by."""

from dataclasses import dataclass
from typing import Protocol


class Listed(Protocol):
    """What is known of everything that a list can hold."""

    @property
    def number(self) -> int: ...
    @property
    def shop(self) -> str: ...
    @property
    def order_id(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def created_ms(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A shop's list, newest first: at most so many of those that fit all that is given."""

    shop: str
    order_id: str | None = None
    status: str | None = None
    gateway: str | None = None
    """Of payments alone: no invoice has one."""
    created_from_ms: int | None = None
    """Counts in."""
    created_to_ms: int | None = None
    """Does not."""
    before_number: int | None = None
    """Where the page before ended."""
    limit: int

    def fits(self, row: Listed) -> bool:
        """Whether all fits but the gateway."""
        return (
            self.shop == row.shop
            and self.order_id in {None, row.order_id}
            and self.status in {None, row.status}
            and (self.created_from_ms is None or self.created_from_ms <= row.created_ms)
            and (self.created_to_ms is None or row.created_ms < self.created_to_ms)
            and (self.before_number is None or row.number < self.before_number)
        )
