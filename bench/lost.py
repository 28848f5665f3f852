"""How long a payment is in doubt whose verify was answered by nobody: from the browser's return to the final state.

    python -m bench.lost                          for each gateway and each way of losing an answer

Three ways: the answer is cut after the verify took effect, HTML comes instead of an effect, and nothing comes at all
until the daemon has stopped waiting. Apart from that one answer the bank is healthy. Exit code 1 if the median is not
under 15 seconds, or if a payment is not paid in the end.
"""

import argparse
import asyncio
import json
import statistics
import time
import urllib.request
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench import processes
from bench.payer import GATEWAYS, Payer, Way

WANTED_SECONDS: Final = 15.0
GIVE_UP_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.05
WAYS: Final = {"cut after its effect": 103, "HTML, no effect": 106, "no answer": 0}
"""The last three digits of the amount, by which the simulated banks know what to do; 0: they are told otherwise."""
HANG_SECONDS: Final = 3.0
"""The banks swallow what comes in this time; what comes later is answered."""


async def doubt(daemon: str, banks: str, way: Way) -> tuple[float, str]:
    """Seconds from the browser's return until the payment is final, and what it is then."""
    payer = Payer(daemon, banks)
    began = time.monotonic()
    returning = asyncio.ensure_future(payer.come_back(way, way.fields))
    shop = Payer(daemon, banks)
    while True:
        status = await shop.status(way.payment)
        took = time.monotonic() - began
        if status not in {"pending", "processing"} or took > GIVE_UP_SECONDS:
            await returning
            return took, status
        await asyncio.sleep(LOOK_SECONDS)


def _fault(banks: str, **fault: Any) -> None:
    body = json.dumps(fault).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{banks}/_simulator/faults", body, headers)
    urllib.request.urlopen(request, timeout=10).read()


async def measure(rounds: int, console: Console) -> list[str]:
    """All ways of losing an answer; what is wrong."""
    table = Table("the answer", "payments", "median s", "slowest s", "ended")
    everything, wrong = list[float](), list[str]()
    with (
        processes.simulator("--payers", "page") as banks,
        processes.daemon(banks.address) as daemon,
    ):
        payer = Payer(daemon.address, banks.address)
        for name, ending in WAYS.items():
            ways = [
                await payer.way_back(f"{name} {gateway} {place}", gateway, 150_000 + ending, "paid")
                for place in range(rounds)
                for gateway in GATEWAYS
            ]
            if not ending:
                told = {"driver": "*", "kind": "hang", "operation": "verify", "probability": 1}
                await asyncio.to_thread(_fault, banks.address, **told, seconds=HANG_SECONDS)
            found = await asyncio.gather(
                *(doubt(daemon.address, banks.address, way) for way in ways)
            )
            seconds = [took for took, _ in found]
            ended = {status: [s for _, s in found].count(status) for _, status in found}
            everything += seconds
            middle, slowest = statistics.median(seconds), max(seconds)
            table.add_row(name, str(len(found)), f"{middle:.2f}", f"{slowest:.2f}", str(ended))
            if middle > WANTED_SECONDS:
                wrong.append(f"{name}: {middle:.1f} s at the median")
            if set(ended) != {"paid"}:
                wrong.append(f"{name}: ended as {ended}")
    console.print(table)
    console.print(f"median of all {len(everything)}: {statistics.median(everything):.2f} s")
    return wrong


def main() -> None:
    """Read the options, measure, tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="payments per gateway and way")
    console = Console()
    wrong = asyncio.run(measure(parser.parse_args().rounds, console))
    for line in wrong:
        console.print(f"WRONG: {line}", highlight=False, markup=False)
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
