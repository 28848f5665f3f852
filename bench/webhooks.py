"""Webhooks from outside: thousands of them to a bad receiver, while both it and the real daemon are killed.

    python -m bench.webhooks        5,000 webhooks, 30 % failures, two kills of the daemon, four of the receiver

Customers pay until there are enough events; then everything must arrive. The list of events is the witness: every
event was taken at least once, those of one payment first came in order, and none was taken twice without a cause: the
death of one of the two in between, or an answer that by the daemon's log did not reach it in time. Exit code 1 if not.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench import processes
from bench.mortal import Daemon, get_json
from bench.patient import load
from bench.webhook_receiver import SECRET

MIX: Final = "paid=85,cancel=7,decline=8"
"""Nobody leaves without a word, or news of them would come for as long as banks wait."""
QUIET_SECONDS: Final = 120.0
"""After the last payment, this long at most until everything has arrived."""
HOOKS: Final = """
webhooks:
  timeout_seconds: 2.0
  retry_seconds: [0.2, 0.4, 0.8, 1.5, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]
"""
"""Three days in half a minute."""


@dataclass
class Receiver:
    """The receiver's process, started again on the same port each time."""

    port: int
    log: Path
    fail: float
    deaths: list[float] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)
    """What has come so far."""
    _read_bytes: int = 0
    _taken: set[str] = field(default_factory=set)

    def start(self) -> None:
        """Begin to listen."""
        self.log.touch()
        command = [sys.executable, "-m", "bench.webhook_receiver", str(self.port), str(self.log)]
        more = ["--fail", str(self.fail), "--seed", str(len(self.deaths))]
        self.process = subprocess.Popen([*command, *more], cwd=processes.ROOT)

    def kill(self) -> None:
        """As a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.deaths.append(time.time())

    def look(self) -> set[str]:
        """Read on in what has come; every event that was taken so far."""
        with self.log.open("rb") as file:
            file.seek(self._read_bytes)
            for line in file.readlines():
                self._read_bytes += len(line)
                self.lines.append(json.loads(line))
                if self.lines[-1]["status"] == 200:
                    self._taken.add(self.lines[-1]["id"])
        return self._taken


def events(address: str) -> list[dict[str, Any]]:
    """Every event, by the API."""
    found: list[dict[str, Any]] = []
    while True:
        after = f"&after={found[-1]['id']}" if found else ""
        page = get_json(f"{address}/v1/events?limit=100{after}")
        found += page["data"]
        if not page["has_more"]:
            return found


def judge(
    told: Sequence[dict[str, Any]],
    came: Sequence[dict[str, Any]],
    deaths: Sequence[float],
    unanswered: Container[str] = (),
) -> list[str]:
    """What is wrong with what came. `unanswered` are events whose answer once did not reach the daemon in time."""
    taken: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in came:
        if line["status"] == 200:
            taken[line["id"]].append(line)
    wrong = [
        f"{each['id']} ({each['type']}) never came" for each in told if each["id"] not in taken
    ]
    wrong += [f"{name} came and never happened" for name in taken.keys() - {e["id"] for e in told}]
    in_order: dict[str, list[str]] = defaultdict(list)
    for each in told:
        if each["id"] in taken:
            in_order[each["data"]["id"]].append(each["id"])
    for payment, names in in_order.items():
        first = [taken[name][0]["at"] for name in names]
        if first != sorted(first):
            wrong.append(f"{payment}: out of order")
    for name, lines in taken.items():
        for one, other in pairwise(lines):
            died = any(one["came"] - 0.1 <= death <= other["came"] for death in deaths)
            if not (died or name in unanswered):
                wrong.append(f"{name} was taken twice without a cause")
    return wrong


def unanswered(log: Sequence[str]) -> set[str]:
    """Events of which the daemon's log says that a delivery was left without an answer."""
    lines = [json.loads(line) for line in log if '"webhook not taken"' in line]
    return {line["webhook"] for line in lines if line["status"] is None}


async def run(options: argparse.Namespace, console: Console) -> int:
    """One run; how much is wrong."""
    with (
        tempfile.TemporaryDirectory() as directory,
        processes.simulator("--mix", MIX, "--seed", "1") as banks,
    ):
        receiver = Receiver(processes.free_port(), Path(directory) / "came.jsonl", options.fail)
        receiver.start()
        hook = f"http://127.0.0.1:{receiver.port}/hooks"
        shop = (
            f"    private_webhooks: true\n    webhooks: [{{url: '{hook}', secrets: [{SECRET}]}}]\n"
        )

        def change(text: str) -> str:
            return text.replace("\ngateways:", f"\n{shop}gateways:", 1) + HOOKS

        daemon = Daemon(Path(directory), banks.address, processes.free_port(), change=change)
        daemon.start()
        deaths: list[float] = []
        try:
            await daemon.up()
            seen: Counter[str] = Counter()
            stop = asyncio.Event()
            began = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(load(daemon, banks.address, 12, stop, seen))
                tasks.create_task(_stop_at(Path(directory) / "journal.db", options.webhooks, stop))
                rng = random.Random(options.seed)
                blows = rng.sample(
                    ["daemon"] * options.kills + ["receiver"] * options.receiver_kills,
                    options.kills + options.receiver_kills,
                )
                for blow, marker in enumerate(blows, 1):
                    await _until_came(receiver, options.webhooks * blow // (len(blows) + 2))
                    if marker == "daemon":
                        daemon.send(signal.SIGKILL)
                        daemon.wait()
                        deaths.append(time.time())
                        daemon.start()
                        await daemon.up()
                    else:
                        receiver.kill()
                        await asyncio.sleep(rng.uniform(0.3, 1.5))
                        receiver.start()
            told = await _all_came(daemon, receiver)
            took = time.monotonic() - began
        finally:
            daemon.send(signal.SIGTERM)
            daemon.wait()
            if receiver.process is not None:
                receiver.process.terminate()
                receiver.process.wait()
        receiver.look()
        came = receiver.lines
        log = (Path(directory) / "daemon.log").read_text().splitlines()
        wrong = judge(told, came, [*deaths, *receiver.deaths], unanswered(log))
        _show(console, told, came, wrong, took, (len(deaths), len(receiver.deaths)))
        return len(wrong)


async def _stop_at(journal: Path, count: int, stop: asyncio.Event) -> None:
    """Let nobody begin to pay once so much has happened."""
    made = 0
    while made < count:
        await asyncio.sleep(0.3)
        with contextlib.closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)) as db:
            (made,) = db.execute("SELECT coalesce(max(seq), 0) FROM outbox").fetchone()
    stop.set()


async def _until_came(receiver: Receiver, count: int) -> None:
    """Until so many events were taken."""
    while len(receiver.look()) < count:  # noqa: ASYNC110  # another process
        await asyncio.sleep(0.2)


async def _all_came(daemon: Daemon, receiver: Receiver) -> list[dict[str, Any]]:
    """Every event, once all of them have come and none was added, or the patience is over."""
    until = time.monotonic() + QUIET_SECONDS
    told = await asyncio.to_thread(events, daemon.address)
    while time.monotonic() < until:
        await asyncio.sleep(2.0)
        before, told = told, await asyncio.to_thread(events, daemon.address)
        taken = receiver.look()
        if len(before) == len(told) and all(each["id"] in taken for each in told):
            break
    return told


def _show(
    console: Console,
    told: Sequence[dict[str, Any]],
    came: Sequence[dict[str, Any]],
    wrong: Sequence[str],
    took: float,
    kills: tuple[int, int],
) -> None:
    good = Counter(line["id"] for line in came if line["status"] == 200)
    table = Table("what", "count", title="Webhooks to a receiver that fails, is late and is killed")
    for what, count in (
        ("events", len(told)),
        ("payments", len({each["data"]["id"] for each in told})),
        ("deliveries that the receiver saw", len(came)),
        ("of these refused by it", sum(line["status"] != 200 for line in came)),
        ("of these answered too late", sum(line["late"] for line in came)),
        ("events taken at least once", len(good)),
        ("events taken more than once, with a cause", sum(n > 1 for n in good.values())),
        ("kills of the daemon, of the receiver", f"{kills[0]}, {kills[1]}"),
        ("seconds", round(took)),
        ("wrong", len(wrong)),
    ):
        table.add_row(what, str(count))
    console.print(table)
    for line in wrong[:20]:
        console.print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--webhooks", type=int, default=5_000)
    parser.add_argument("--fail", type=float, default=0.3)
    parser.add_argument("--kills", type=int, default=2, help="of the daemon")
    parser.add_argument("--receiver-kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.exit(1 if asyncio.run(run(options, Console())) else 0)


if __name__ == "__main__":
    main()
