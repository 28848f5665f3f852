"""Numbers that are never used twice: of payments and of orders at banks.

Both are made of the wall clock and only ever grow, so that neither a restart nor a restored backup can bring one back.
A payment's number is its integer key, its public id and, as its twelve digits, the tracking code that a customer reads
out. A bank order stays below 2**53, because some banks pass it through programs that count in floating point.
"""

import random
from typing import Final

EPOCH_MS: Final = 1_577_836_800_000
"""2020-01-01 UTC: twelve digits from the first day to the year 2051."""


class Ids:
    """The next numbers. `last_number` and `last_order` are the highest that the journal holds."""

    def __init__(self, rng: random.Random, *, last_number: int = 0, last_order: int = 0) -> None:
        self._rng = rng
        self._last_number = last_number
        self._last_order = last_order

    def number(self, now_ms: int) -> int:
        """A payment's number: milliseconds since the epoch; a busier second borrows from the next."""
        self._last_number = max(self._last_number + 1, now_ms - EPOCH_MS)
        return self._last_number

    def bank_order(self, now_ms: int) -> int:
        """An order number for a bank, 15 digits; three of them random, so that two daemons hardly meet."""
        fresh = (now_ms - EPOCH_MS) * 1000 + self._rng.randrange(1000)
        self._last_order = max(self._last_order + 1, fresh)
        return self._last_order


def number_floor(at_ms: int) -> int:
    """No payment created at or after `at_ms` has a lower number than this."""
    return at_ms - EPOCH_MS
