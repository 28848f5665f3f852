"""Sets the daemon beside the least that a payment can cost: in turn, in one call, with the same banks and customers.

    python -m bench.floor                       the daemon with everything on, and the minimal flow
    python -m bench.floor --journal-too         also the same daemon on a journal that keeps nothing
    python -m bench.floor --peers               also Django with az-iranian-bank-gateways, and nginx
    python -m bench.floor --rate 200            open loop, so many payments a second, instead of 64 customers at a time

All run from the beginning to the end, on the same core, and take turns of a second: the machine's clock moves by half
within minutes, hardly within a round. What counts is the ratio within a round; the median over the rounds is told, with
the quartiles, which say how far to trust it. Figures are CPU microseconds per payment of the server, its children and
what it does shortly after its turn included.
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
from bench.load import Bench, get_us
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
REST_SECONDS: Final = 0.7
"""After a turn: by then the daemon has brought its search columns and its log lines to the disk."""
GETS: Final = 4_000
"""Empty ones, a round."""

Start = Callable[[str], AbstractContextManager[Program]]


def servers(options: argparse.Namespace) -> dict[str, Start]:
    """What is compared, each with how it is started in front of the banks at an address."""
    found: dict[str, Start] = {OURS: processes.daemon, FLOOR: processes.floor_server}
    if options.journal_too:
        found[NO_JOURNAL] = lambda banks: processes.daemon(banks, wired=("--journal", "none"))
    if options.peers:
        found[DJANGO] = running.django
    return found


async def turn(name: str, bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    """One server's turn."""
    if options.rate and name != DJANGO:
        result = await bench.open(options.rate, options.seconds, rest=REST_SECONDS)
    else:
        result = await bench.closed(
            _at_a_time(name, options), 0, options.seconds, rest=REST_SECONDS
        )
    del result["seen"]
    return result


def _at_a_time(name: str, options: argparse.Namespace) -> int:
    most: int = options.at_a_time
    return min(most, SYNCHRONOUS) if name == DJANGO else most


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All rounds."""
    rounds: list[dict[str, Any]] = []
    with ExitStack() as stack:
        banks = stack.enter_context(processes.simulator())
        gets = {EMPTY: stack.enter_context(processes.empty_server())}
        if options.peers:
            behind = stack.enter_context(processes.empty_server(aside=True))
            try:
                gets[NGINX] = stack.enter_context(running.nginx(behind.address))
                await asyncio.sleep(NGINX_STARTS_SECONDS)
            except running.Missing as missing:
                note(str(missing))
        benches: dict[str, Bench] = {}
        for name, start in servers(options).items():
            note(f"starting {name}")
            try:
                server = stack.enter_context(start(banks.address))
            except running.Missing as missing:
                note(str(missing))
                continue
            benches[name] = Bench(server, banks)
            await benches[name].warm(_at_a_time(name, options))
        for number in range(options.rounds):
            note(f"round {number + 1} of {options.rounds}")
            found: dict[str, Any] = {
                name: {"cpu_us_per_payment": await get_us(program, 64, GETS)}
                for name, program in gets.items()
            }
            names = list(benches) if number % 2 else list(reversed(benches))
            found |= {name: await turn(name, benches[name], options) for name in names}
            rounds.append({name: found[name] for name in (*gets, *benches)})
    return {
        "at_a_time": options.at_a_time,
        "rate": options.rate,
        "rounds": rounds,
        "ratios": ratios(rounds),
    }


def ratios(rounds: list[dict[str, Any]]) -> dict[str, float]:
    """Per server, the median over the rounds of its CPU per payment in floors."""

    return {name: statistics.median(each(rounds, name, FLOOR)) for name in rounds[0]}


def each(rounds: list[dict[str, Any]], name: str, unit: str) -> list[float]:
    """Of every round, how many times as much a payment costs the one as the other."""
    key = "cpu_us_per_payment"
    return [found[name][key] / found[unit][key] for found in rounds]


def told(found: list[float]) -> str:
    """The median, and between which two values half of them lie."""
    low, middle, high = statistics.quantiles(found, n=4) if len(found) > 1 else found * 3
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


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
    print(f"A payment costs gatewayd {told(each(rounds, OURS, FLOOR))} floors.")
    if NO_JOURNAL in ratio:
        part = told(each(rounds, NO_JOURNAL, OURS))
        print(f"With its journal gatewayd makes {part} of the payments per CPU second.")
    if DJANGO in ratio:
        part = told(each(rounds, DJANGO, OURS))
        print(f"A payment costs Django {part} times as much.")


def main() -> None:
    """Read the options, measure, show and keep the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
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
