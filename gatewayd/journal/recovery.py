"""What a new process makes of the store that an old one left, whether on disk or in memory."""

from typing import Final

from gatewayd.core.events import RefundRequested, StartRequested
from gatewayd.journal import codec
from gatewayd.journal.journal import Journal, search_of
from gatewayd.journal.store import Searches, Store

SEARCHES_AT_ONCE: Final = 1_000
_ORDERS: Final = {StartRequested.__name__: "bank_order", RefundRequested.__name__: "refund_order"}
"""Where the numbers stand that are used at banks."""


def take_over(store: Store, journal: Journal) -> None:
    """Bring every open payment into memory, and the search columns up to date.

    Call it before anything is written. UnknownEvent or DamagedJournal where an event makes no sense.
    """
    for number, rows in store.read_open():
        journal.adopt_open(number, rows)
    refresh_searches(store, journal)


def refresh_searches(store: Store, journal: Journal) -> None:
    """Bring the search columns up to date with the events that landed just before the old process ended."""
    numbers = store.unsearched()
    for first in range(0, len(numbers), SEARCHES_AT_ONCE):
        rows = []
        for number in numbers[first : first + SEARCHES_AT_ONCE]:
            payment = journal.get(number) or journal.replay(number, store.read(number))
            if payment is not None:  # an invoice has its columns already
                rows.append(search_of(payment))
        store.write([], Searches(tuple(rows), complete=first + SEARCHES_AT_ONCE >= len(numbers)))


def last_order(store: Store) -> int:
    """The highest number that was ever used at a bank, for an order or a refund; 0 for none."""
    rows = store.last_rows(list(_ORDERS))
    return max((codec.number_in(row.body, _ORDERS[row.kind]) for row in rows), default=0)
