"""The operators' commands about invoices: which are open, and what became of one. Their money is their payments'."""

import re
from typing import Annotated, Any, Final

import typer

from gatewayd.cli_operators import (
    EX_REFUSED,
    JOURNAL,
    Journal,
    asked,
    console,
    die,
    folding,
    print_story,
    whole,
)

invoice = typer.Typer(help="Invoices of the running daemon.", no_args_is_help=True)
InvoiceId = Annotated[
    str, typer.Argument(metavar="INVOICE", help="inv_217512345678, or its digits")
]
_INVOICE: Final = re.compile(r"(?:inv_)?([0-9]{1,15})")


@invoice.command("list")
def list_invoices(journal: Journal = JOURNAL) -> None:
    """What is open, the next to end first."""
    table = folding(whole("invoice"), "shop", "order", "rial", "status", "paid", "ends (UTC)")
    for row in asked(journal, "GET", "/invoices"):
        table.add_row(
            row["invoice"],
            row["shop"],
            row["order_id"],
            f"{row['amount_rial']:,}",
            row["status"],
            _paid(row),
            row["expires_at"],
        )
    console().print(table)


@invoice.command("show")
def show_invoice(invoice_id: InvoiceId, journal: Journal = JOURNAL) -> None:
    """One invoice's story, event by event, and its last payment."""
    number = _INVOICE.fullmatch(invoice_id)
    if number is None:
        die(EX_REFUSED, f"{invoice_id!r} is no invoice: inv_ and its digits are wanted")
    found = asked(journal, "GET", f"/invoices/{number[1]}")
    row = found["invoice"]
    console().print(
        f"{row['invoice']}  order {row['order_id']} of {row['shop']}  "
        f"{row['amount_rial']:,} rial  {row['status']}  paid: {_paid(row)}"
    )
    if row["payment"]:
        console().print(f"payment: {row['payment']}")
    print_story(found["events"])


def _paid(row: dict[str, Any]) -> str:
    """How many of how many."""
    return f"{row['paid']} of {row['wanted'] or 'any'}"
