"""`gatewayd replay`: what other settings, or another way of drawing gateways, would have brought this shop."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from gatewayd.cli_journal import Path_, progress_bars, told
from gatewayd.io import replaying
from gatewayd.io.config import ConfigError, load
from gatewayd.io.replaying import Replayed
from gatewayd.routing.evidence import Estimate
from gatewayd.routing.replay import ByBest, ByRouter, ByShare, Way
from gatewayd.routing.router import Limits, RoutingSettings

EX_CONFIG: Final = 78
SEED: Final = 1
"""The router that is tried out throws dice of its own; the same every time, so that two runs agree."""
STEEP: Final = 8
"""Shares in proportion to the score itself are nearly equal: scores differ by a few points."""


def replay(
    path: Path_,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Another configuration: its limits, weights and routing settings.", readable=False
        ),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only what began since then, in UTC.")
    ] = None,
) -> None:
    """What other ways of drawing gateways would have brought, from the draws in the journal."""
    since_ms = int(since.replace(tzinfo=UTC).timestamp() * 1000) if since else 0
    try:
        with told(), progress_bars() as progress:
            limits, settings = _contracts(path, config)
            ways = _ways(limits, settings)
            found = replaying.replay(path, ways, since_ms=since_ms, progress=progress)
    except ConfigError as error:
        for complaint in error.complaints:
            typer.echo(complaint, err=True)
        raise typer.Exit(EX_CONFIG) from None
    _show(found)


def _contracts(path: Path, config: Path | None) -> tuple[Mapping[str, Limits], RoutingSettings]:
    if config is None:
        return {name: Limits() for name in replaying.gateways(path)}, RoutingSettings()
    known = load(config)
    return {each.name: each.limits for each in known.gateways}, known.routing


def _ways(limits: Mapping[str, Limits], settings: RoutingSettings) -> dict[str, Way]:
    nothing = Limits(weight=1e-9)
    return {
        "equal shares": ByShare(lambda _: 1.0),
        "contract weights": ByShare(lambda each: limits.get(each.name, nothing).weight),
        f"score to the {STEEP}th": ByShare(lambda each: each.score**STEEP),
        "best score": ByBest(),
        "router": ByRouter(limits, settings, random.Random(SEED)),
    }


def _show(found: Replayed) -> None:
    console = Console(highlight=False, markup=False)
    left_out = (
        f"{found.no_choice} without a choice, {found.too_young} too young, {found.untold} from before"
        " draws were journaled with what they were made from"
    )
    console.print(f"{found.draws} draws; left out: {left_out}")
    known = [each for each in found.estimates.values() if each is not None]
    if not known:
        console.print("no draws to learn from")
        return
    table = Table("drawn by", "paid", "against what was done", "effective draws", "verdict")
    done = known[0].paid - known[0].gain
    table.add_row("what was done", f"{done:.2%}", "", str(known[0].draws), "")
    for name, estimate in found.estimates.items():
        table.add_row(name, *_cells(estimate))
    console.print(table)
    console.print(
        "Each ± is half of a 95 % interval. A way that sends many more payments to a bank than it had is not seen to"
        " overload it."
    )


def _cells(estimate: Estimate | None) -> tuple[str, str, str, str]:
    if estimate is None:
        return "", "", "0", "cannot tell: nothing was drawn as it would"
    return (
        f"{estimate.paid:.2%} ±{estimate.interval * 100:.2f}",
        f"{estimate.gain * 100:+.2f} ±{estimate.gain_interval * 100:.2f}",
        f"{estimate.effective:.0f} of {estimate.draws}",
        estimate.verdict,
    )
