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
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress

from bench import processes
from bench.books import at_rest, compare, heal, in_doubt, ledger, payments, set_fault
from bench.mortal import Daemon
from bench.patient import MIX, load

QUIET_SECONDS: Final = 100.0
"""After the faults stop, this long at most until no payment is in doubt."""
DISK_BYTES: Final = 96 * 2**20
FULL: Final = 74
"""What the daemon ends with when its disk fails."""
ROOM_SECONDS: Final = 6.0
"""Between two full disks: the daemon looks at it every five seconds, and takes new payments again."""


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
            await daemon.die()
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
                set_fault(banks.address, driver="*", kind=kind, probability=chance)
        customers = asyncio.ensure_future(
            load(daemon, banks.address, options.at_a_time, stop, seen)
        )
        await strike(daemon, options, progress)
        if options.banks:
            heal(banks.address)
        stop.set()
        await customers
        found, took = await at_rest(
            lambda: asyncio.to_thread(payments, daemon.address), in_doubt, QUIET_SECONDS
        )
        book = ledger(banks.address)
        daemon.send(signal.SIGTERM)
        code = daemon.wait()
        wrong = compare(found, book)
        if in_doubt(found):
            wrong.append(f"{in_doubt(found)} payments are in doubt {took:.0f} s after the faults")
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
            f"journal: {dict(statuses)}; ledger: {dict(Counter(r['state'] for r in book))}"
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
