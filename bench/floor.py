"""Sets the daemon beside the least that a payment can cost: in turn, in one call, with the same banks and customers.

    python -m bench.floor                       the daemon with everything on, and the minimal flow
    python -m bench.floor --journal-too         also the same daemon on a journal that keeps nothing
    python -m bench.floor --peers               also Django with az-iranian-bank-gateways, and nginx
    python -m bench.floor --rate 200            open loop, so many payments a second, instead of 64 customers at a time

Each has the same core to itself while it runs; the rounds take turns. What counts is the ratio within a round; the
median over the rounds is told. Figures are CPU microseconds per payment of the server, its children included.
"""

import argparse
import asyncio
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Final

import uvloop
from rich.table import Table

from bench import processes, report
from bench.driving import note
from bench.load import Bench, empty_get_us, get_us
from bench.peers import running
from bench.processes import Program

OURS: Final = "gatewayd"
FLOOR: Final = "floor"
NO_JOURNAL: Final = "no journal"
EMPTY: Final = "empty GET"
NGINX: Final = "nginx, one GET"
DJANGO: Final = "Django"
SYNCHRONOUS: Final = 8
"""Customers at a time for a synchronous worker, which serves one and lets the others wait."""
NGINX_STARTS_SECONDS: Final = 0.5

Start = Callable[[str], AbstractContextManager[Program]]


def servers(options: argparse.Namespace) -> dict[str, Start]:
    """What is compared, each with how it is started in front of the banks at an address."""
    found: dict[str, Start] = {OURS: processes.daemon, FLOOR: processes.floor_server}
    if options.journal_too:
        found[NO_JOURNAL] = lambda banks: processes.daemon(banks, wired=("--journal", "none"))
    if options.peers:
        found[DJANGO] = running.django
    return found


async def one(name: str, start: Start, options: argparse.Namespace) -> dict[str, Any]:
    """One server's turn, with banks of its own."""
    with ExitStack() as stack:
        banks = stack.enter_context(processes.simulator())
        bench = Bench(stack.enter_context(start(banks.address)), banks)
        at_a_time = min(options.at_a_time, SYNCHRONOUS) if name == DJANGO else options.at_a_time
        await bench.warm(at_a_time)
        if options.rate and name != DJANGO:
            result = await bench.open(options.rate, options.seconds)
        else:
            result = await bench.closed(at_a_time, 0, options.seconds)
        del result["seen"]
        return result


async def proxied_get_us() -> float:
    """What nginx needs to pass one GET on: what no program on this machine gets under."""
    with processes.empty_server(aside=True) as empty, running.nginx(empty.address) as proxy:
        await asyncio.sleep(NGINX_STARTS_SECONDS)
        return await get_us(proxy, 64)


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All rounds."""
    rounds: list[dict[str, Any]] = []
    for number in range(options.rounds):
        found: dict[str, Any] = {EMPTY: {"cpu_us_per_payment": await empty_get_us(64)}}
        if options.peers:
            try:
                found[NGINX] = {"cpu_us_per_payment": await proxied_get_us()}
            except running.Missing as missing:
                note(str(missing))
        for name, start in servers(options).items():
            note(f"round {number + 1} of {options.rounds}: {name}")
            try:
                found[name] = await one(name, start, options)
            except running.Missing as missing:
                note(str(missing))
        rounds.append(found)
    return {
        "at_a_time": options.at_a_time,
        "rate": options.rate,
        "rounds": rounds,
        "ratios": ratios(rounds),
    }


def ratios(rounds: list[dict[str, Any]]) -> dict[str, float]:
    """Per server, the median over the rounds of its CPU per payment in floors."""

    def cpu(found: dict[str, Any], name: str) -> float:
        us: float = found[name]["cpu_us_per_payment"]
        return us

    return {
        name: statistics.median(cpu(found, name) / cpu(found, FLOOR) for found in rounds)
        for name in rounds[0]
    }


def show(document: dict[str, Any]) -> None:
    """The comparison as a table."""
    rounds = document["rounds"]
    how = f"{document['rate']:.0f}/s" if document["rate"] else f"{document['at_a_time']} at a time"
    table = Table(title=f"{how}, median of {len(rounds)} rounds")
    heads = (
        "",
        "CPU µs",
        "in floors",
        "in GETs",
        "gatewayd is",
        "payments/s",
        "core",
        "MB",
    )
    for head in heads:
        table.add_column(head, justify="left" if not head else "right")
    ratio = document["ratios"]
    for name in rounds[0]:

        def median(of: Callable[[dict[str, Any]], float], name: str = name) -> float:
            return statistics.median(of(found[name]) for found in rounds)

        cells = [
            name,
            f"{median(lambda run: run['cpu_us_per_payment']):.0f}",
            f"{ratio[name]:.2f}",
            f"{ratio[name] / ratio[EMPTY]:.1f}",
            f"{ratio[OURS] / ratio[name]:.2f} ×",
        ]
        if "ended" in rounds[0][name]:
            cells += [
                f"{median(lambda run: run['payments_per_second']):.0f}",
                f"{median(lambda run: run['core_used']):.0%}",
                f"{median(lambda run: run['resident_mb']['after']):.0f}",
            ]
        table.add_row(*cells)
    report.console.print(table)
    for name in rounds[0]:
        for found in rounds:
            wrong = {how: n for how, n in found[name].get("ended", {}).items() if how != "paid"}
            if wrong:
                print(f"{name}: not all were paid: {wrong}")
    if NO_JOURNAL in ratio:
        part = ratio[NO_JOURNAL] / ratio[OURS]
        print(f"With its journal gatewayd makes {part:.2f} of the payments per CPU second.")
    if DJANGO in ratio:
        print(f"A payment costs Django {ratio[DJANGO] / ratio[OURS]:.1f} times as much.")


def main() -> None:
    """Read the options, measure, show and keep the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn")
    parser.add_argument("--at-a-time", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.0, help="payments a second: open loop")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--journal-too", action="store_true")
    parser.add_argument("--name", default="floor", help="of the file under bench/results/")
    options = parser.parse_args()
    processes.stand_aside()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        document = runner.run(measure(options))
    show(document)
    report.keep(options.name, document)


if __name__ == "__main__":
    main()
