"""Reads every payment of a journal's file, for comparing it with the banks' book."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from gatewayd.core.payment import Payment
from gatewayd.io.sqlite_schema import connect_to_read
from gatewayd.io.sqlite_store import ROWS, by_payment
from gatewayd.journal.journal import replay


def payments_in(journal: Path) -> Iterator[Payment]:
    """Every payment, oldest first, each made from its events; the daemon may be running or not."""
    with closing(connect_to_read(journal)) as db:
        for number, rows in by_payment(db.execute(f"{ROWS} ORDER BY e.number, e.version")):
            payment = replay(number, rows)
            if payment is not None:  # an invoice is none
                yield payment
