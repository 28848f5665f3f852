"""The operators' commands: what is open, one payment's story, refunds, orders to the running daemon."""

import getpass
import os
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Column, Table

from gatewayd.io.operator_client import NoDaemon, Said, ask_daemon

EX_UNAVAILABLE: Final = 69
EX_REFUSED: Final = 1
FILE_COLUMNS: Final = 200
"""Where nobody says how wide the output is: a pipe, a file, a log of a cron job."""
_PAYMENT: Final = re.compile(r"(?:pay_)?([1-9][0-9]{0,14})")
_REFUND: Final = re.compile(r"(?:rfd_)?([0-9]{1,15})_([0-9]{1,3})")
_TOLD_ABOVE: Final = frozenset({"why", "ask_bank_first", "amount", "amount_rial"})

Journal = Annotated[
    Path,
    typer.Option(
        "--journal",
        envvar="GATEWAYD_JOURNAL",
        help="The running daemon's journal; beside it is its socket.",
    ),
]
JOURNAL: Final = Path("var/gatewayd.db")
Number = Annotated[str, typer.Argument(metavar="PAYMENT", help="pay_217512345678, or its digits")]
GatewayName = Annotated[str, typer.Argument(metavar="GATEWAY", help="Its name, such as saman-main")]
RefundId = Annotated[str, typer.Argument(metavar="REFUND", help="rfd_217512345678_1")]
Reference = Annotated[
    str, typer.Option("--reference", help="What it went back by, such as a transfer's number.")
]
By = Annotated[str, typer.Option("--by", help="Who gives the order; your user name if not given.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the journal.")]

payment = typer.Typer(help="Payments of the running daemon.", no_args_is_help=True)
refund = typer.Typer(help="Refunds of the running daemon.", no_args_is_help=True)
gateway = typer.Typer(help="Gateways of the running daemon.", no_args_is_help=True)
webhook = typer.Typer(help="Receivers of webhooks of the running daemon.", no_args_is_help=True)
Receiver = Annotated[str, typer.Argument(metavar="RECEIVER", help="shop/receiver, as in the list")]
routing = typer.Typer(help="How the running daemon draws gateways.", no_args_is_help=True)


@payment.command("list")
def list_payments(journal: Journal = JOURNAL) -> None:
    """What a person should look at, then what else is open, with the next action and when it is due."""
    table = folding(
        whole("payment"), "shop", "order", "rial", "status", "money", "next", "due in", "review"
    )
    for row in asked(journal, "GET", "/payments"):
        table.add_row(
            row["payment"],
            row["shop"],
            row["order_id"],
            f"{row['amount_rial']:,}",
            row["status"],
            row["money"],
            row["next"] or "",
            _due(row),
            "; ".join(row["reviews"]),
        )
    console().print(table)


@payment.command()
def show(number: Number, journal: Journal = JOURNAL) -> None:
    """One payment's story, event by event."""
    found = asked(journal, "GET", f"/payments/{_digits(number)}")
    summary = found["payment"]
    console().print(
        f"{summary['payment']}  order {summary['order_id']} of {summary['shop']}  "
        f"{summary['amount_rial']:,} rial  {summary['status']}  money: {summary['money']}"
    )
    for reason in summary["reviews"]:
        console().print(f"needs review: {reason}")
    for each in summary["refunds"]:
        kind = f" by {each['kind']}" if each["kind"] else ""
        console().print(
            f"refund {each['id']}: {each['amount_rial']:,} rial, {each['status']}{kind}"
        )
    if summary["next"]:
        console().print(f"next: {summary['next']} in {_due(summary)}")
    print_story(found["events"])


@payment.command()
def ask(number: Number, reason: Reason, by: By = "", journal: Journal = JOURNAL) -> None:
    """Ask the bank now."""
    _order(journal, number, "ask", by, reason)


@payment.command()
def reverse(number: Number, reason: Reason, by: By = "", journal: Journal = JOURNAL) -> None:
    """Give the money back while the bank still reverses."""
    _order(journal, number, "reverse", by, reason)


@payment.command()
def resolve(number: Number, reason: Reason, by: By = "", journal: Journal = JOURNAL) -> None:
    """Say that a person has looked at what needed review."""
    _order(journal, number, "resolve", by, reason)


@refund.command("list")
def list_refunds(journal: Journal = JOURNAL) -> None:
    """Refunds that have not ended; those that need a person say why."""
    table = folding(
        whole("refund"), "shop", "order", "rial", "gateway", "status", "since (UTC)", "why"
    )
    for row in asked(journal, "GET", "/refunds"):
        table.add_row(
            row["id"],
            row["shop"],
            row["order_id"],
            f"{row['amount_rial']:,}",
            row["gateway"],
            row["status"],
            row["created_at"],
            _why(row),
        )
    console().print(table)


@refund.command("show")
def show_refund(refund_id: RefundId, journal: Journal = JOURNAL) -> None:
    """One refund, with what finance needs to give it back."""
    _print_refund(asked(journal, "GET", f"/refunds/{_refund_path(refund_id)}"))


@refund.command()
def done(
    refund_id: RefundId,
    reason: Reason,
    reference: Reference = "",
    by: By = "",
    journal: Journal = JOURNAL,
) -> None:
    """Say that a refund went back: by your transfer, or as you found at the bank."""
    _finish(journal, refund_id, "done", by, reason, reference)


@refund.command()
def fail(refund_id: RefundId, reason: Reason, by: By = "", journal: Journal = JOURNAL) -> None:
    """Say that a refund does not go back; its amount can be asked for again."""
    _finish(journal, refund_id, "fail", by, reason, "")


@gateway.command("open")
def open_gateway(name: GatewayName, by: By = "", journal: Journal = JOURNAL) -> None:
    """Cut a gateway off: no new payments go there."""
    _force(journal, name, "open", by)


@gateway.command("close")
def close_gateway(name: GatewayName, by: By = "", journal: Journal = JOURNAL) -> None:
    """Use a gateway whatever its breaker says."""
    _force(journal, name, "closed", by)


@gateway.command()
def auto(name: GatewayName, by: By = "", journal: Journal = JOURNAL) -> None:
    """Leave a gateway to the router again."""
    _force(journal, name, "auto", by)


@routing.command()
def fixed(by: By = "", journal: Journal = JOURNAL) -> None:
    """The kill switch: draw by the contracts' own weights; breakers, limits and failover stay."""
    _set_routing(journal, "fixed", by)


@routing.command()
def learned(by: By = "", journal: Journal = JOURNAL) -> None:
    """Draw by what was learnt again."""
    _set_routing(journal, "learned", by)


def _set_routing(journal: Path, mode: str, by: str) -> None:
    _post(journal, "/routing", by, {"mode": mode})


@webhook.command("list")
def list_receivers(journal: Journal = JOURNAL) -> None:
    """Every receiver: whether it takes what it is told, what waits, and since when."""
    table = folding(whole("receiver"), "state", "waiting", "oldest for", "failing for", "why")
    for row in asked(journal, "GET", "/webhooks"):
        table.add_row(
            row["receiver"],
            row["state"],
            str(row["waiting"]),
            _since(row["oldest_ms"], row["now_ms"]),
            _since(row["failing_since_ms"], row["now_ms"]),
            row["why"],
        )
    console().print(table)


@webhook.command()
def resend(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="evt_1042_6fe21a77")],
    by: By = "",
    journal: Journal = JOURNAL,
) -> None:
    """Send one event again to everybody who wants it."""
    _post(journal, "/webhooks/resend", by, {"event": event})


@webhook.command()
def replay(
    receiver: Receiver,
    after: Annotated[str, typer.Option(help="An event's id, or beginning.")],
    by: By = "",
    journal: Journal = JOURNAL,
) -> None:
    """Send everything after an event to a receiver again, in order."""
    _post(journal, f"/webhooks/{_receiver_path(receiver)}/replay", by, {"after": after})


@webhook.command()
def enable(receiver: Receiver, by: By = "", journal: Journal = JOURNAL) -> None:
    """Deliver to a disabled receiver again, beginning with what it has missed."""
    _post(journal, f"/webhooks/{_receiver_path(receiver)}/enable", by, {})


def _since(at_ms: int | None, now_ms: int) -> str:
    """`1:05:00`; empty for never."""
    if at_ms is None:
        return ""
    seconds = max(0, now_ms - at_ms) // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _order(journal: Path, number: str, act: str, by: str, reason: str) -> None:
    _post(journal, f"/payments/{_digits(number)}/{act}", by, {"reason": reason})


def _finish(journal: Path, refund_id: str, act: str, by: str, reason: str, reference: str) -> None:
    words = {"by": by or getpass.getuser(), "reason": reason, "reference": reference}
    _print_refund(asked(journal, "POST", f"/refunds/{_refund_path(refund_id)}/{act}", words))


def _print_refund(row: dict[str, Any]) -> None:
    console().print(
        f"{row['id']}  {row['amount_rial']:,} of {row['payment_amount_rial']:,} rial  "
        f"order {row['order_id']} of {row['shop']}  {row['status']}"
    )
    if row["needs"]:
        console().print(f"needs a person: {_why(row)}")
    table = folding("what", "value")
    shown = {
        "how": row["kind"],
        "asked for": row["created_at"],
        "shop's reason": row["reason"],
        "gone back by": row["reference"],
        "on the card by": row["returns_by"],
        "closed by": row["by"],
        "closed because": row["said"],
        **{
            name.replace("_", " "): value
            for name, value in row["details"].items()
            if name not in _TOLD_ABOVE
        },
    }
    for name, value in shown.items():
        if value not in (None, ""):
            table.add_row(name, str(value))
    console().print(table)


def console() -> Console:
    """What is printed to: as wide as it is just now, or as a line of a file may be."""
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, markup=False, width=None if known else FILE_COLUMNS)


def folding(*titles: str | Column) -> Table:
    """A table that breaks what does not fit over lines; nothing of it is cut off."""
    return Table(
        *(Column(each, overflow="fold") if isinstance(each, str) else each for each in titles)
    )


def print_story(events: Iterable[dict[str, Any]]) -> None:
    """What happened, event by event."""
    table = folding("version", "time (UTC)", "event", "what")
    for line in events:
        at = datetime.fromtimestamp(line["at_ms"] / 1000, UTC)
        what = "  ".join(f"{name}={value}" for name, value in line["fields"].items())
        table.add_row(str(line["version"]), f"{at:%Y-%m-%d %H:%M:%S.%f}"[:-3], line["kind"], what)
    console().print(table)


def whole(title: str) -> Column:
    """A column of what people copy: never broken over lines, however narrow the terminal is."""
    return Column(title, no_wrap=True, min_width=20)


def _why(row: dict[str, Any]) -> str:
    needs = row["needs"]
    if not needs:
        return ""
    first = "; LOOK AT THE BANK FIRST, it may have done it" if needs["ask_bank_first"] else ""
    return f"{needs['why']}{first}"


def _force(journal: Path, name: str, to: str, by: str) -> None:
    _post(journal, f"/gateways/{quote(name, safe='')}", by, {"to": to})


def _post(journal: Path, target: str, by: str, words: Mapping[str, str]) -> None:
    """Something that an operator decides; what the daemon says to it is printed."""
    said = asked(journal, "POST", target, {"by": by or getpass.getuser(), **words})["said"]
    console().print(said)


def asked(journal: Path, method: str, target: str, body: object = None) -> Any:
    """What the running daemon answers; the program ends where it does not, or says no."""
    try:
        return ask_daemon(journal, method, target, body)
    except NoDaemon as error:
        die(EX_UNAVAILABLE, str(error))
    except Said as error:
        die(EX_REFUSED, str(error))


def _refund_path(refund_id: str) -> str:
    found = _REFUND.fullmatch(refund_id)
    if found is None:
        die(EX_REFUSED, f"{refund_id!r} is no refund: rfd_ and two numbers are wanted")
    return f"{found[1]}/{found[2]}"


def _digits(number: str) -> str:
    found = _PAYMENT.fullmatch(number)
    if found is None:
        die(EX_REFUSED, f"{number!r} is no payment: pay_ and its digits are wanted")
    return found[1]


def _receiver_path(receiver: str) -> str:
    shop, slash, name = receiver.partition("/")
    if not (shop and slash and name):
        die(EX_REFUSED, f"{receiver!r} is no receiver: shop/receiver is wanted, as in the list")
    return f"{quote(shop, safe='')}/{quote(name, safe='')}"


def _due(row: dict[str, Any]) -> str:
    if row["due_ms"] is None:
        return ""
    seconds = max(0, row["due_ms"] - row["now_ms"]) // 1000
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes}:{seconds:02d}"


def die(code: int, line: str) -> NoReturn:
    """End the program with a line for the operator."""
    typer.echo(line, err=True)
    raise typer.Exit(code)
