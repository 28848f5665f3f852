"""Where SQLite keeps the columns that invoices are found by, and which payments are whose.

`invoices` is written with the events of an invoice; `invoice_payments` with the search columns of the payments that are
for one. Both can be built anew from the events.
"""

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import astuple
from typing import Any, Final

from gatewayd.core.invoices import DOUBTFUL, LIVE, Paid
from gatewayd.core.status import HOLDS_ORDER, Status
from gatewayd.journal.store import InvoiceColumns, Search

TABLES: Final = """
CREATE TABLE invoices (
    number INTEGER PRIMARY KEY,
    shop TEXT NOT NULL,
    order_id TEXT NOT NULL,
    status TEXT NOT NULL,
    wanted INTEGER NOT NULL,          -- payments; 0: as many as come
    look_ms INTEGER NOT NULL,         -- when an open one is to be looked at
    created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX invoices_of_shop ON invoices (shop, number);
CREATE INDEX invoices_by_order ON invoices (shop, order_id, number);
CREATE INDEX invoices_by_status ON invoices (shop, status, number);
CREATE INDEX invoices_to_look_at ON invoices (look_ms, number) WHERE status = 'open';
CREATE TABLE invoice_payments (
    invoice INTEGER NOT NULL,
    number INTEGER NOT NULL,          -- the payment
    status TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (invoice, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX invoice_payments_by_status ON invoice_payments (invoice, status);
"""


def _any_of(statuses: Collection[Status]) -> str:
    names = ", ".join([f"'{each}'" for each in sorted(statuses)])
    return f"status IN ({names})"


_IS_PAID: Final = f"status = '{Status.PAID}'"
UPSERT_INVOICE: Final = (
    "INSERT OR REPLACE INTO invoices"
    " (number, shop, order_id, status, wanted, look_ms, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
UPSERT_PAYMENT: Final = (
    "INSERT OR REPLACE INTO invoice_payments (invoice, number, status, amount) VALUES (?, ?, ?, ?)"
)
TO_LOOK_AT: Final = (
    "SELECT look_ms, number FROM invoices INDEXED BY invoices_to_look_at"
    " WHERE status = 'open' AND look_ms <= ? AND (look_ms, number) > (?, ?)"
    " ORDER BY look_ms, number LIMIT ?"
)
BEHIND: Final = (
    "SELECT number FROM invoices i WHERE number > ?1 AND status = 'open' AND wanted > 0"
    " AND wanted <= (SELECT count(*) FROM invoice_payments p"
    " WHERE p.invoice = i.number AND p.status = 'paid')"
    " UNION ALL "
    "SELECT number FROM invoices i WHERE number > ?1 AND status = 'paid'"
    " AND number IN (SELECT invoice FROM invoice_payments WHERE status = 'reversed')"
    " AND NOT EXISTS (SELECT 1 FROM invoice_payments p"
    " WHERE p.invoice = i.number AND p.status = 'paid')"
    " ORDER BY number LIMIT ?2"
)
PAYMENTS_OF: Final = (
    "SELECT number FROM invoice_payments WHERE invoice = ? AND number < ?"
    " ORDER BY number DESC LIMIT ?"
)
OPEN_OF: Final = (
    "SELECT count(*) FROM invoice_payments INDEXED BY invoice_payments_by_status"  # noqa: S608 - our own words
    f" WHERE invoice = ? AND {_any_of(LIVE)}"
)
ORDERS_TAKEN: Final = (
    "SELECT s.order_id FROM invoice_payments p CROSS JOIN search s ON s.number = p.number"  # noqa: S608 - our own words
    f" WHERE p.invoice = ? AND p.{_any_of(HOLDS_ORDER)}"
)
PAID_OF: Final = (
    f"SELECT invoice, sum({_IS_PAID}), sum(CASE WHEN {_IS_PAID} THEN amount ELSE 0 END),"  # noqa: S608 - our own words
    f" sum({_any_of(LIVE)}), sum({_any_of(DOUBTFUL)}),"
    f" max(CASE WHEN {_any_of(HOLDS_ORDER)} THEN number END)"
    " FROM invoice_payments WHERE invoice IN (SELECT value FROM json_each(?)) GROUP BY invoice"
)


def write(db: sqlite3.Connection, rows: Iterable[InvoiceColumns]) -> None:
    """Write the columns of invoices, within a transaction."""
    db.executemany(UPSERT_INVOICE, map(invoice_values, rows))


def write_payments(db: sqlite3.Connection, rows: Iterable[Search]) -> None:
    """Write which payment is whose, within a transaction; `rows` are those of invoices alone."""
    db.executemany(UPSERT_PAYMENT, map(payment_values, rows))


def invoice_values(row: InvoiceColumns) -> tuple[Any, ...]:
    """What `UPSERT_INVOICE` takes."""
    return astuple(row)


def payment_values(row: Search) -> tuple[Any, ...]:
    """What `UPSERT_PAYMENT` takes."""
    return row.invoice, row.number, row.status, row.amount


def paid_by_invoice(rows: Iterable[Any]) -> dict[int, Paid]:
    """What `PAID_OF` has found."""
    return {
        invoice: Paid(payments=payments, amount=amount, live=live, doubtful=doubtful, latest=latest)
        for invoice, payments, amount, live, doubtful, latest in rows
    }
