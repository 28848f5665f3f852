"""Torture from outside: the real daemon is killed and stopped under load, then journal and ledger are compared.

    python -m bench.torture --kills 20            SIGKILL and restart, twelve customers at a time
    python -m bench.torture --kills 20 --banks    the same with banks that hang and banks that drop replies
    python -m bench.torture --stops 10            SIGSTOP for seconds, then SIGCONT
    python -m bench.torture --fills 6             the journal's disk is filled to the last byte, and emptied again

For the last a small tmpfs is mounted, which wants root. A daemon that stopped because its disk was full is started
again, as the service manager would; a full disk is the one reason for which it may stop by itself.

Customers behave like people: what fails is tried again. After the faults nothing may stay in doubt, and the banks may
have kept exactly the payments that the journal calls paid. Exit code 1 if not.
"""

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from rich.console import Console
from rich.progress import Progress

from bench import processes
from bench.wire import Answer, Connection, Step, first_form

KEY: Final = "gwk_test_demo"
SHOP: Final = "http://127.0.0.1/shop/return"
QUIET_SECONDS: Final = 100.0
"""After the faults stop, this long at most until no payment is in doubt."""
TAKEN: Final = frozenset({"verified", "settled"})
DISK_BYTES: Final = 96 * 2**20
SMALL_DISK: Final = "{{path: {}, low_water_bytes: 8388608, ballast_bytes: 2097152}}"
FULL: Final = 74
"""What the daemon ends with when its disk fails."""
ROOM_SECONDS: Final = 6.0
"""Between two full disks: the daemon looks at it every five seconds, and takes new payments again."""
MIX: Final = "paid=80,cancel=5,decline=7,leave=8"


@dataclass
class Daemon:
    """A daemon that is started again on the same journal and the same address each time."""

    directory: Path
    banks: str
    port: int
    config: Path = processes.CONFIG
    disk: Path | None = None
    """Where the journal lies, if not in the directory."""
    process: subprocess.Popen[bytes] | None = None
    ended_full: int = 0
    """How often it stopped because its disk was full."""
    starts: list[float] = field(default_factory=list)
    """Seconds from each start to the first answer."""
    change: Callable[[str], str] = str
    """What is made of the configuration's text."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        config = self.directory / "gatewayd.yaml"
        text = self.config.read_text().replace("http://127.0.0.1:9100", self.banks)
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        text = text.replace("listen:", "internal_listen: 127.0.0.1:0\nlisten:", 1)
        journal = str((self.disk or self.directory) / "journal.db")
        if self.disk is not None:
            journal = SMALL_DISK.format(journal)
        config.write_text(self.change(text.replace("var/simulated.db", journal)))
        with (self.directory / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gatewayd", "run", str(config)],
                stdout=log,
                stderr=log,
                cwd=processes.ROOT,
            )

    async def up(self) -> None:
        """Until it answers."""
        began = time.monotonic()
        while True:
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError(f"the daemon ended with {self.process.returncode}")
            with contextlib.suppress(OSError):
                await asyncio.to_thread(_get, f"{self.address}/livez")
                self.starts.append(time.monotonic() - began)
                return
            await asyncio.sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(60)


def _get(url: str) -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


class Customer:
    """Pays, and tries again whatever fails."""

    def __init__(self, daemon: str, bank: str, rng: random.Random) -> None:
        ours, banks = urlsplit(daemon), urlsplit(bank)
        self._host = ours.netloc
        self._daemon = Connection(ours.hostname or "", ours.port or 80)
        self._bank = Connection(banks.hostname or "", banks.port or 80)
        self._rng = rng

    async def pay(self, order_id: str, amount: int, **more: Any) -> str:
        """How it ended for the customer. `more` is sent along."""
        plain = {"amount": amount, "order_id": order_id, "return_url": SHOP}
        body = json.dumps({**plain, **more}).encode()
        headers = {
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/json",
            "Idempotency-Key": order_id,
        }
        made = await self.insist("POST", "/v1/payments", body, headers)
        if made is None or made.status != 201:
            return f"create {made.status if made else 'gave up'}"
        return await self.walk(json.loads(made.body)["pay_url"])

    async def walk(self, pay_url: str) -> str:
        """From the shop over the bank back to the shop; how it ended."""
        step = Step("GET", urlsplit(pay_url).path)
        for _ in range(12):
            parts = urlsplit(step.url)
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            ours = parts.netloc in {"", self._host}
            form = {"Content-Type": "application/x-www-form-urlencoded"} if step.body else {}
            answer = await self.insist(step.method, target, step.body, form, ours=ours)
            if answer is None:
                return "gave up"
            if answer.location.startswith(SHOP):
                return parse_qs(urlsplit(answer.location).query)["status"][0]
            if answer.location:
                step = Step("GET", answer.location)
                continue
            found = first_form(answer.body)
            if found is None:
                return f"left ({answer.status})"
            step = found
        return "lost its way"

    async def insist(
        self, method: str, target: str, body: bytes, headers: dict[str, str], *, ours: bool = True
    ) -> Answer | None:
        """The answer, after as many tries as a patient person makes."""
        for _ in range(60):
            try:
                answer = await asyncio.wait_for(
                    (self._daemon if ours else self._bank).ask(method, target, body, headers), 30
                )
            except (OSError, TimeoutError):
                (self._daemon if ours else self._bank).close()
                await asyncio.sleep(0.2 + 0.3 * self._rng.random())
                continue
            if answer.status == 503:
                await asyncio.sleep(0.5)
                continue
            return answer
        return None


async def load(
    daemon: Daemon, banks: str, at_a_time: int, stop: asyncio.Event, seen: Counter[str]
) -> None:
    """Customers until `stop`."""
    serial = iter(range(10**9))

    async def customer(number: int) -> None:
        rng = random.Random(number)
        while not stop.is_set():
            order = next(serial)
            one = Customer(daemon.address, banks, rng)
            seen[await one.pay(f"torture-{order}", 100_000 + 1_000 * (order % 90))] += 1

    await asyncio.gather(*(customer(number) for number in range(at_a_time)))


def payments(address: str) -> list[dict[str, Any]]:
    """Every payment, by the API."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = _get(f"{address}/v1/payments?limit=100{after}")
        found += page["data"]
        if not page["has_more"]:
            return found
        after = f"&starting_after={page['data'][-1]['id']}"


def compare(found: list[dict[str, Any]], ledger: list[dict[str, Any]]) -> list[str]:
    """How journal and banks disagree."""
    wrong: list[str] = []
    by_order = {row["order"]: row for row in ledger}
    paid = 0
    for payment in found:
        taken = [
            attempt
            for attempt in payment["attempts"]
            if (row := by_order.get(attempt["bank_order"])) is not None
            and row["state"] in TAKEN
            and not row["reversed"]
        ]
        expected = 1 if payment["status"] == "paid" else 0
        paid += expected
        if len(taken) != expected:
            states = [(a["gateway"], a["state"]) for a in payment["attempts"]]
            wrong.append(
                f"{payment['id']} is {payment['status']}, but the banks keep {len(taken)}: {states}"
            )
        if (
            payment["status"] == "paid"
            and taken
            and by_order[taken[0]["bank_order"]]["amount"] != payment["amount_rial"]
        ):
            wrong.append(f"{payment['id']}: the bank kept another amount")
    known = {attempt["bank_order"] for payment in found for attempt in payment["attempts"]}
    lost = [row for row in ledger if row["order"] not in known and row["state"] in TAKEN]
    wrong += [
        f"the banks keep order {row['order']} of {row['driver']}, which the journal does not know"
        for row in lost
    ]
    return wrong


def in_doubt(found: list[dict[str, Any]]) -> int:
    """Payments whose customer came back, and whose end is not known."""
    return sum(payment["status"] == "processing" for payment in found)


def _fault(banks: str, **fault: Any) -> None:
    request = urllib.request.Request(
        f"{banks}/_simulator/faults",
        json.dumps(fault).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).read()


def _heal(banks: str) -> None:
    request = urllib.request.Request(f"{banks}/_simulator/faults", method="DELETE")
    urllib.request.urlopen(request, timeout=10).read()


async def fill(daemon: Daemon, seconds: float) -> None:
    """The journal's disk is full for so long; a daemon that stopped for it is started again."""
    assert daemon.disk is not None
    assert daemon.process is not None
    filler = daemon.disk / "filler"
    full_until = time.monotonic() + seconds
    with filler.open("ab", buffering=0) as file:
        while time.monotonic() < full_until:
            with contextlib.suppress(OSError):
                while file.write(b"x" * 65_536):
                    pass
            await asyncio.sleep(0.05)
    filler.unlink()
    room_until = time.monotonic() + ROOM_SECONDS
    while time.monotonic() < room_until:
        await asyncio.sleep(0.2)
        if daemon.process.poll() is not None:
            if daemon.process.returncode != FULL:
                raise RuntimeError(f"the daemon ended with {daemon.process.returncode}")
            daemon.ended_full += 1
            daemon.start()
            await daemon.up()


@contextlib.contextmanager
def small_disk(directory: Path, *, wanted: bool) -> Iterator[Path | None]:
    """A tmpfs of few bytes, if one is wanted."""
    if not wanted:
        yield None
        return
    place = directory / "disk"
    place.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)], check=True
    )
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


async def strike(daemon: Daemon, options: argparse.Namespace, progress: Progress) -> None:
    """All the blows, one after the other, under load."""
    rng = random.Random(options.seed)
    blows = options.kills + options.stops + options.fills
    bar = progress.add_task("blows", total=blows)
    for blow in range(blows):
        await asyncio.sleep(rng.uniform(0.8, 2.5))
        if blow < options.kills:
            daemon.send(signal.SIGKILL)
            daemon.wait()
            daemon.start()
            await daemon.up()
        elif blow >= options.kills + options.stops:
            await fill(daemon, rng.uniform(1, 6))
        else:
            daemon.send(signal.SIGSTOP)
            await asyncio.sleep(rng.uniform(0.5, 4))
            daemon.send(signal.SIGCONT)
        progress.advance(bar)


async def torture(options: argparse.Namespace, console: Console) -> list[str]:
    """One run; what is wrong afterwards."""
    with (
        tempfile.TemporaryDirectory() as directory,
        processes.simulator("--mix", MIX, "--seed", str(options.seed)) as banks,
        small_disk(Path(directory), wanted=options.fills > 0) as disk,
        Progress(transient=True, console=console) as progress,
    ):
        daemon = Daemon(Path(directory), banks.address, processes.free_port(), disk=disk)
        daemon.start()
        await daemon.up()
        stop, seen = asyncio.Event(), Counter[str]()
        if options.banks:
            for kind, chance in (
                ("hang", 0.03),
                ("drop_reply", 0.1),
                ("html", 0.05),
                ("refuse", 0.05),
            ):
                _fault(banks.address, driver="*", kind=kind, probability=chance)
        customers = asyncio.ensure_future(
            load(daemon, banks.address, options.at_a_time, stop, seen)
        )
        await strike(daemon, options, progress)
        if options.banks:
            _heal(banks.address)
        stop.set()
        await customers
        began = time.monotonic()
        while True:
            found = await asyncio.to_thread(payments, daemon.address)
            doubtful = in_doubt(found)
            took = time.monotonic() - began
            if not doubtful or took > QUIET_SECONDS:
                break
            await asyncio.sleep(1)
        ledger = _get(f"{banks.address}/_simulator/ledger")
        daemon.send(signal.SIGTERM)
        code = daemon.wait()
        wrong = compare(found, ledger)
        if doubtful:
            wrong.append(f"{doubtful} payments are in doubt {took:.0f} s after the faults")
        if code != 0:
            wrong.append(f"the daemon ended with {code} on SIGTERM")
        log = (Path(directory) / "daemon.log").read_text(errors="replace")
        wrong += [
            line[:300]
            for line in log.splitlines()
            if "action failed" in line or "Traceback" in line
        ][:5]
        statuses = Counter(payment["status"] for payment in found)
        console.print(f"customers saw {dict(seen)}")
        console.print(
            f"journal: {dict(statuses)}; ledger: {dict(Counter(r['state'] for r in ledger))}"
        )
        console.print(
            f"nothing in doubt after {took:.1f} s; slowest start {max(daemon.starts):.1f} s"
        )
        if disk is not None:
            console.print(f"a full disk stopped the daemon {daemon.ended_full} times")
        if wrong and options.keep:
            shutil.copytree(
                directory, options.keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock")
            )
        return wrong


def main() -> None:
    """Read the options, run, tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--stops", type=int, default=0)
    parser.add_argument("--fills", type=int, default=0)
    parser.add_argument("--banks", action="store_true")
    parser.add_argument("--at-a-time", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", default="", help="copy journal and log here if something is wrong"
    )
    console = Console()
    wrong = asyncio.run(torture(parser.parse_args(), console))
    for line in wrong[:40]:
        console.print(f"WRONG: {line}", highlight=False, markup=False)
    console.print("not a rial in doubt" if not wrong else f"{len(wrong)} things are wrong")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
