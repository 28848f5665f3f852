"""What a long past and many open payments cost: resident memory, the time until ready, and lists and searches.

    python -m bench.memory                          100,000 finished payments, 20,000 open ones
    python -m bench.memory --payments 2000000 --keep /var/tmp/past      two million; made once and kept there

The journal is made straight into its file (`bench.history`); the daemon then starts on it as it would after a reboot,
but with whatever of the file the kernel still has in memory.
"""

import argparse
import asyncio
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import uvloop
from rich.table import Table

from bench import processes, report
from bench.customers import JSON, Connections
from bench.driving import note
from bench.figures import quantile
from bench.history import EVERY_MS, make_open, make_past
from bench.lives import FIRST_MS

ROUNDS: Final = 40
STARTS: Final = 3


def queries(payments: int) -> dict[str, str]:
    """What shops ask for, by what it is called here."""
    half, whole = _time(payments // 2), _time(payments)
    day = _time(max(0, payments // 2 - 86_400_000 // EVERY_MS))
    return {
        "newest 10": "",
        "newest 100": "limit=100",
        "one order": f"order_id=past-{payments // 3}",
        "an order that never was": "order_id=never",
        "paid, 100": "status=paid&limit=100",
        "cancelled, 100": "status=cancelled&limit=100",
        "of a status that nobody has": "status=processing&limit=100",
        "one gateway, 100": "gateway=mellat&limit=100",
        "cancelled at one gateway, 100": "status=cancelled&gateway=mellat&limit=100",
        "paid at one gateway, 100": "status=paid&gateway=mellat&limit=100",
        "a day long ago, 100": f"created_from={day}&created_to={half}&limit=100",
        "paid that day, 100": f"status=paid&created_from={day}&created_to={half}&limit=100",
        "nothing in a day to come": f"created_from={whole}&limit=100",
    }


def _time(at: int) -> str:
    moment = time.gmtime((FIRST_MS + at * EVERY_MS) / 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", moment)


async def asked(address: str, payments: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each question, one at a time."""
    connections = Connections(address)
    found: dict[str, dict[str, float]] = {}
    for name, query in queries(payments).items():
        seconds = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            answer = await connections.ask("GET", f"/v1/payments?{query}", b"", JSON)
            seconds.append(time.perf_counter() - began)
            if answer.status != 200:
                raise RuntimeError(f"{name}: {answer.status} {answer.body[:200]!r}")
        found[name] = {"p50": quantile(seconds, 0.5) * 1e3, "p99": quantile(seconds, 0.99) * 1e3}
    connections.close()
    return found


def started(banks: str, directory: Path) -> tuple[float, int]:
    """Seconds until ready, the least of a few, and resident bytes then."""
    found = []
    for _ in range(STARTS):
        began = time.perf_counter()
        with processes.daemon(banks, directory=directory) as daemon:
            found.append((time.perf_counter() - began, daemon.resident_bytes()))
    return min(found)


def past(keep: Path, payments: int) -> Path:
    """A directory whose journal has so many finished payments, made now or before."""
    directory = keep / f"past-{payments}"
    if not (directory / "done").exists():
        note(f"making {payments:,} finished payments")
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        make_past(directory / "journal.db", payments)
        (directory / "done").touch()
    return directory


async def measure(options: argparse.Namespace, keep: Path) -> dict[str, Any]:
    """Everything."""
    document: dict[str, Any] = {"payments": options.payments, "open": options.open}
    with ExitStack() as stack:
        banks = stack.enter_context(processes.simulator()).address
        empty = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=keep)))
        seconds, nothing = started(banks, empty)
        document["empty"] = {"ready_seconds": seconds, "resident_mb": nothing / 1e6}
        for name, handed_over in (("created", False), ("handed over", True)):
            note(f"{options.open:,} open payments, {name}")
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=keep)))
            make_open(directory / "journal.db", options.open, handed_over=handed_over)
            seconds, resident = started(banks, directory)
            document[name] = {
                "ready_seconds": seconds,
                "resident_mb": resident / 1e6,
                "bytes_per_payment": (resident - nothing) / options.open,
            }
        directory = past(keep, options.payments)
        note("starting on it")
        seconds, resident = started(banks, directory)
        document["past"] = {
            "ready_seconds": seconds,
            "resident_mb": resident / 1e6,
            "file_mb": (directory / "journal.db").stat().st_size / 1e6,
        }
        with processes.daemon(banks, directory=directory) as daemon:
            note("asking")
            document["milliseconds"] = await asked(daemon.address, options.payments)
    return document


def show(document: dict[str, Any]) -> None:
    """Two tables."""
    starts = Table(title="a start")
    for head in ("journal", "ready after s", "resident MB", "bytes per open payment"):
        starts.add_column(head, justify="right" if head != "journal" else "left")
    names = {
        "empty": "empty",
        "created": f"{document['open']:,} open payments, created",
        "handed over": f"{document['open']:,} open payments, handed over",
        "past": f"{document['payments']:,} finished payments",
    }
    for key, name in names.items():
        row = document[key]
        each = f"{row['bytes_per_payment']:.0f}" if "bytes_per_payment" in row else ""
        starts.add_row(name, f"{row['ready_seconds']:.2f}", f"{row['resident_mb']:.0f}", each)
    report.console.print(starts)
    size = f"{document['past']['file_mb']:,.0f} MB"
    asked_for = Table(title=f"lists and searches among {document['payments']:,} payments, {size}")
    for head in ("what", "p50 ms", "p99 ms"):
        asked_for.add_column(head, justify="right" if head != "what" else "left")
    for name, took in document["milliseconds"].items():
        asked_for.add_row(name, f"{took['p50']:.1f}", f"{took['p99']:.1f}")
    report.console.print(asked_for)


def main() -> None:
    """Read the options, measure, show and keep the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--payments", type=int, default=100_000, help="finished ones")
    parser.add_argument("--open", type=int, default=20_000, help="open ones")
    parser.add_argument("--keep", type=Path, default=None, help="where the long past stays")
    parser.add_argument("--name", default="memory", help="of the file under bench/results/")
    options = parser.parse_args()
    processes.stand_aside()
    with ExitStack() as stack:
        keep = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        keep.mkdir(parents=True, exist_ok=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            document = runner.run(measure(options, keep))
    show(document)
    report.keep(options.name, document)


if __name__ == "__main__":
    main()
