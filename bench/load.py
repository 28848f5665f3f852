"""What a payment costs: whole payments as a customer's browser makes them, against the daemon and simulated banks.

    python -m bench.load --payments 5000 --at-a-time 64

Closed loop: so many customers at a time, each beginning the next payment when the last has ended. The daemon runs on a
core of its own; its CPU time per payment is told in microseconds and in empty aiohttp GETs measured in the same run.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import uvloop
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import processes
from bench.wire import Connection, Step, first_form

KEY: Final = "gwk_test_demo"
SHOP: Final = "http://127.0.0.1/shop/return"
RESULTS: Final = Path(__file__).parent / "results"
HOPS_MAX: Final = 6
STEPS: Final = ("create", "pay", "return")


@dataclass
class Seen:
    """What the customers saw."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})
    statuses: Counter[str] = field(default_factory=Counter)


class Customer:
    """Makes one payment after the other."""

    def __init__(self, daemon: str, bank: str, seen: Seen) -> None:
        ours, banks = urlsplit(daemon), urlsplit(bank)
        self._daemon_host = ours.netloc
        self._daemon = Connection(ours.hostname or "", ours.port or 80)
        self._bank = Connection(banks.hostname or "", banks.port or 80)
        self._seen = seen

    async def pay(self, order_id: str, amount: int) -> None:
        """One payment from the shop's order to the shop's return address."""
        body = json.dumps({"amount": amount, "order_id": order_id, "return_url": SHOP}).encode()
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        began = time.perf_counter()
        made = await self._daemon.ask("POST", "/v1/payments", body, headers)
        self._seen.seconds["create"].append(time.perf_counter() - began)
        if made.status != 201:
            self._seen.statuses[f"create {made.status}"] += 1
            return
        step = Step("GET", urlsplit(json.loads(made.body)["pay_url"]).path)
        for _ in range(HOPS_MAX):
            answer = await self._go(step)
            if answer is None:
                return
            step = answer
        self._seen.statuses["lost its way"] += 1

    async def _go(self, step: Step) -> Step | None:
        """One hop of the browser; None at the shop's door."""
        parts = urlsplit(step.url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        ours = parts.netloc in {"", self._daemon_host}
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if step.body else {}
        began = time.perf_counter()
        answer = await (self._daemon if ours else self._bank).ask(
            step.method, target, step.body, headers
        )
        if ours:
            name = "return" if target.startswith("/return/") else "pay"
            self._seen.seconds[name].append(time.perf_counter() - began)
        if answer.location.startswith(SHOP):
            self._seen.statuses[parse_qs(urlsplit(answer.location).query)["status"][0]] += 1
            return None
        if answer.location:
            return Step("GET", answer.location)
        form = first_form(answer.body)
        if form is None:
            self._seen.statuses[f"{answer.status} without a form"] += 1
        return form

    def close(self) -> None:
        self._daemon.close()
        self._bank.close()


async def closed(daemon: str, bank: str, payments: int, at_a_time: int, label: str) -> Seen:
    """So many customers at a time until `payments` are made."""
    seen = Seen()
    left = iter(range(payments))
    with Progress(transient=True) as progress:
        bar = progress.add_task(label, total=payments)

        async def customer() -> None:
            one = Customer(daemon, bank, seen)
            for number in left:
                await one.pay(f"{label}-{number}", 100_000 + 1_000 * (number % 100))
                progress.advance(bar)
            one.close()

        await asyncio.gather(*(customer() for _ in range(at_a_time)))
    return seen


async def empty_gets(address: str, count: int, at_a_time: int) -> None:
    """The same number of customers, each asking for nothing."""
    parts = urlsplit(address)
    left = iter(range(count))

    async def one() -> None:
        connection = Connection(parts.hostname or "", parts.port or 80)
        for _ in left:
            await connection.ask("GET", "/")
        connection.close()

    await asyncio.gather(*(one() for _ in range(at_a_time)))


def quantile(values: list[float], part: float) -> float:
    """The value that `part` of them do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


async def measure(payments: int, at_a_time: int) -> dict[str, Any]:
    """One run: the unit first, then the daemon."""
    with processes.empty_server() as empty:
        await empty_gets(empty.address, 2_000, at_a_time)
        before = empty.cpu_seconds()
        await empty_gets(empty.address, 20_000, at_a_time)
        unit = (empty.cpu_seconds() - before) / 20_000
    with processes.simulator() as banks, processes.daemon(banks.address) as daemon:
        idle = daemon.resident_bytes()
        await closed(daemon.address, banks.address, max(200, payments // 10), at_a_time, "warm")
        cpu, began = daemon.cpu_seconds(), time.perf_counter()
        seen = await closed(daemon.address, banks.address, payments, at_a_time, "run")
        took, cpu = time.perf_counter() - began, daemon.cpu_seconds() - cpu
        resident = daemon.resident_bytes()
    return {
        "payments": payments,
        "at_a_time": at_a_time,
        "statuses": dict(seen.statuses),
        "payments_per_second": payments / took,
        "cpu_us_per_payment": cpu / payments * 1e6,
        "empty_get_us": unit * 1e6,
        "empty_gets_per_payment": cpu / payments / unit,
        "core_used": cpu / took,
        "resident_mb_idle": idle / 1e6,
        "resident_mb_after": resident / 1e6,
        "milliseconds": {
            step: {
                f"p{int(part * 100)}": quantile(seconds, part) * 1e3 for part in (0.5, 0.9, 0.99)
            }
            for step, seconds in seen.seconds.items()
        },
    }


def show(result: dict[str, Any]) -> None:
    """The result as a table."""
    table = Table(title=f"{result['payments']} payments, {result['at_a_time']} at a time")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_row(
        "ended", ", ".join(f"{count} {name}" for name, count in result["statuses"].items())
    )
    table.add_row("payments per second", f"{result['payments_per_second']:.0f}")
    table.add_row("CPU per payment", f"{result['cpu_us_per_payment']:.0f} µs")
    table.add_row("one empty aiohttp GET", f"{result['empty_get_us']:.1f} µs")
    table.add_row("a payment in empty GETs", f"{result['empty_gets_per_payment']:.1f}")
    table.add_row("of the daemon's core", f"{result['core_used']:.0%}")
    table.add_row(
        "resident, idle and after",
        f"{result['resident_mb_idle']:.0f}, {result['resident_mb_after']:.0f} MB",
    )
    for step, parts in result["milliseconds"].items():
        table.add_row(
            f"{step} p50 / p90 / p99", " / ".join(f"{v:.1f}" for v in parts.values()) + " ms"
        )
    Console().print(table)


def main() -> None:
    """Read the options, measure, show and keep the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--payments", type=int, default=5_000)
    parser.add_argument("--at-a-time", type=int, default=64)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(measure(options.payments, options.at_a_time))
    show(result)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "load.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
