"""What the demo shows: the six gateways while it runs, and the reckoning at its end."""

from collections.abc import Callable, Mapping
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gatewayd.core.status import Status
from gatewayd.demo.compare import NOTHING, Comparison, Finding, Place
from gatewayd.demo.watch import Watch
from gatewayd.routing.breaker import BreakerState
from gatewayd.routing.router import GatewayHealth

PLAIN_COLUMNS: Final = 110
"""The width where there is no terminal to fit into."""
SHOWN_MAX: Final = 20
"""Discrepancies that are told one by one."""
_COLOURS: Final[Mapping[BreakerState, str]] = {
    BreakerState.CLOSED: "green",
    BreakerState.HALF_OPEN: "yellow",
    BreakerState.OPEN: "red",
    BreakerState.FORCED_OPEN: "red",
    BreakerState.FORCED_CLOSED: "yellow",
}
PLACES: Final[Mapping[Place, str]] = {
    Place.KEPT: "with the shop",
    Place.RETURNED: "back with the payers",
    Place.RETURNING: "going back by itself",
    Place.TO_BE_ASKED: "the bank will be asked",
    Place.IN_DOUBT: "not known yet",
    Place.IN_REVIEW: "waiting for a person",
    Place.UNACCOUNTED: "unaccounted for",
}
"""What the reckoning calls the places of money."""
_BY: Final = {Place.RETURNING: "back by", Place.TO_BE_ASKED: "asked by"}


def live_table(health: Mapping[str, GatewayHealth], watch: Watch) -> Table:
    """The gateways just now: counts are those of the last ten minutes, as the router has them; 80 columns wide."""
    table = Table(
        title=_so_far(watch),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=0,
    )
    table.add_column("gateway", no_wrap=True)
    for name in ("score", "weight", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("breaker", no_wrap=True)
    for name in ("paid", "failed", "at bank"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("last 30 s", no_wrap=True)
    for name, each in health.items():
        table.add_row(
            name,
            f"{each.score:.3f}",
            f"{each.weight:.0%}",
            f"{each.share:.0%}",
            Text(str(each.breaker), _COLOURS[each.breaker]),
            str(each.paid),
            str(each.failed),
            str(each.in_flight),
            Text(watch.line(name), "cyan"),
        )
    return table


def plain_line(health: Mapping[str, GatewayHealth], watch: Watch) -> str:
    """The same in one line: what each gateway gets and has had paid."""
    parts = [
        f"{name} {each.weight:.0%}"
        + ("" if each.breaker is BreakerState.CLOSED else f" {each.breaker}")
        + f" {each.paid} paid"
        for name, each in health.items()
    ]
    return f"{_so_far(watch)}; {', '.join(parts)}"


def _so_far(watch: Watch) -> str:
    """How many payments there were, and how many of them would have been lost to the shop."""
    found = f", {watch.found} found paid whose payer never came back" if watch.found else ""
    return f"{watch.created:,} payments{found}"


def reckoning(found: Comparison, when: Callable[[int], str]) -> RenderableType:
    """The final comparison. `when` writes a wall-clock time in milliseconds for people."""
    return Group(_statuses(found), _gateways(found), _places(found, when), *_complaints(found))


def verdict(found: Comparison) -> str:
    """The last line."""
    if found.settled:
        return f"Every rial is accounted for: journal and banks both keep {found.journal_rial:,}."
    bad, doubt = found.sum_at(Place.UNACCOUNTED), found.sum_at(Place.IN_DOUBT)
    review = found.sum_at(Place.IN_REVIEW)
    parts = []
    if bad.count:
        parts.append(f"{bad.count} payments with {bad.rial:,} rial are unaccounted for")
    if doubt.count:
        parts.append(f"{doubt.count} payments with {doubt.rial:,} rial are still in doubt")
    if review.count:
        parts.append(f"{review.count} payments with {review.rial:,} rial wait for a person")
    if found.journal_rial != found.ledger_rial:
        parts.append(
            f"the journal keeps {found.journal_rial:,} rial, the banks {found.ledger_rial:,}"
        )
    return "NOT every rial is accounted for: " + "; ".join(parts) + "."


def _table(title: str, *columns: str) -> Table:
    """A table of numbers with words in front."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    first, *numbers = columns
    table.add_column(first, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _statuses(found: Comparison) -> Table:
    table = _table("Payments in the journal", "status", "payments", "rial")
    for status in Status:
        each = found.statuses.get(status, NOTHING)
        if each.count:
            table.add_row(str(status), f"{each.count:,}", f"{each.rial:,}")
    return table


def _gateways(found: Comparison) -> Table:
    table = _table(
        "Kept, by gateway",
        "gateway",
        "paid",
        "taken",
        "rial in the journal",
        "rial at the bank",
    )
    for name in sorted(found.journal.keys() | found.ledger.keys()):
        ours, theirs = found.journal.get(name, NOTHING), found.ledger.get(name, NOTHING)
        style = "" if ours == theirs else "bold red"
        table.add_row(
            name,
            f"{ours.count:,}",
            f"{theirs.count:,}",
            f"{ours.rial:,}",
            f"{theirs.rial:,}",
            style=style,
        )
    counts = [sum(each.count for each in side.values()) for side in (found.journal, found.ledger)]
    table.add_section()
    table.add_row(
        "together",
        *(f"{count:,}" for count in counts),
        f"{found.journal_rial:,}",
        f"{found.ledger_rial:,}",
    )
    return table


def _places(found: Comparison, when: Callable[[int], str]) -> Table:
    table = _table("Where all the payers' money is", "", "payments", "rial")
    table.add_column("at the latest", no_wrap=True)
    for place, text in PLACES.items():
        each = found.sum_at(place)
        if not each.count and place is not Place.UNACCOUNTED:
            continue
        times = [finding.by_ms for finding in found.at(place) if finding.by_ms is not None]
        by = f"{_BY[place]} {when(max(times))}" if times and place in _BY else ""
        style = "bold red" if each.count and place is Place.UNACCOUNTED else ""
        table.add_row(text, f"{each.count:,}", f"{each.rial:,}", by, style=style)
    return table


def _complaints(found: Comparison) -> list[Text]:
    bad = [*found.discrepancies, *found.at(Place.IN_DOUBT), *found.at(Place.IN_REVIEW)]
    lines = [Text(_complaint(each), "red") for each in bad[:SHOWN_MAX]]
    if len(bad) > SHOWN_MAX:
        lines.append(Text(f"… and {len(bad) - SHOWN_MAX} more", "red"))
    return lines


def _complaint(finding: Finding) -> str:
    payment = f"payment {finding.payment}" if finding.payment is not None else "no payment"
    return f"{finding.gateway} order {finding.order}, {payment}, {finding.amount:,} rial: {finding.why}"


def console_for(console: Console) -> Console:
    """`console`, or where it is no terminal one that is wide enough for every table."""
    return console if console.is_terminal else Console(file=console.file, width=PLAIN_COLUMNS)
