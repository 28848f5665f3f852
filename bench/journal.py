"""What the journal costs: events a second, and how long a payment waits for the disk.

    python -m bench.journal [--seconds 3] [--fsync-ms 0 2 5] [--waiters 1 8 64 256] [--directory DIR]

First the store alone, by batch size; then the whole way (journal, pump, writer's thread) with payments that live side
by side and wait for each of their steps. `--fsync-ms` adds to every commit what a slower disk would take; `--busy`
burns that share of the event loop's time, as the rest of a daemon does.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from bench.daemon import SlowStore
from bench.figures import quantile
from bench.lives import is_finished, life
from gatewayd.engine.pump import Pump
from gatewayd.io.store_thread import StoreThread
from gatewayd.journal.journal import Journal, Ticket
from gatewayd.journal.store import Append

BATCHES = (1, 8, 64, 512)
LIVES = 8_000
SIDE_BY_SIDE = 100
BUSY_SLICE_SECONDS = 0.000_2


class Clock:
    """The real one."""

    def wall(self) -> float:
        """Seconds since 1970 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that only ever grow."""
        return time.monotonic()


def opened(directory: Path, fsync_seconds: float = 0.0) -> SlowStore:
    """A fresh journal."""
    path = Path(tempfile.mkdtemp(dir=directory)) / "journal.db"
    store = SlowStore(path, ballast_bytes=0, make_secret=os.urandom)
    store.fsync_seconds = fsync_seconds
    return store


def appends_of(count: int) -> list[Append]:
    """The appends of `count` lives, so many of them side by side as a busy second begins."""
    journal = Journal(is_finished=is_finished, make_salt=os.urandom)
    found: list[Append] = []
    for first in range(1, count, SIDE_BY_SIDE):
        numbers = range(first, first + SIDE_BY_SIDE)
        for steps in zip(*map(life, numbers), strict=True):
            for number, (events, takes) in zip(numbers, steps, strict=True):
                journal.append(number, *events, takes=takes)
            found += journal.take_batch(SIDE_BY_SIDE)
            journal.batch_landed([None] * SIDE_BY_SIDE)
            journal.take_searches(SIDE_BY_SIDE)
    return found


def alone(directory: Path, appends: Sequence[Append], batch: int, seconds: float) -> list[object]:
    """The store by itself, in batches of `batch` appends, as far as it comes."""
    store = opened(directory)
    times: list[float] = []
    used = 0.0
    events = 0
    for first in range(0, len(appends), batch):
        taken = appends[first : first + batch]
        before, cpu = time.perf_counter(), time.thread_time()
        store.write(taken)
        times.append(time.perf_counter() - before)
        store.fold_back()
        used += time.thread_time() - cpu
        events += sum(len(append.rows) for append in taken)
        if sum(times) > seconds:
            break
    store.close()
    return [
        batch,
        f"{events / len(times):.1f}",
        f"{events / sum(times):,.0f}",
        ms(statistics.median(times)),
        ms(quantile(times, 0.99)),
        f"{used / events * 1e6:.1f}",
    ]


async def together(
    directory: Path, waiters: int, fsync_ms: float, seconds: float, busy: float
) -> list[object]:
    """The whole way, with `waiters` payments at a time."""
    store = opened(directory, fsync_ms / 1000)
    thread = StoreThread(store, lambda: int(time.time() * 1000))
    journal = Journal(is_finished=is_finished, make_salt=os.urandom)
    commits: list[tuple[int, float]] = []
    pump = Pump(
        journal,
        thread.write,
        Clock(),
        pace_seconds=0.002,
        on_commit=lambda events, taken: commits.append((events, taken)),
    )
    waits: list[float] = []
    numbers = iter(range(1, 100_000_000))
    ends = time.monotonic() + seconds

    async def one_after_another() -> None:
        while time.monotonic() < ends:
            number = next(numbers)
            for events, takes in life(number):
                before = time.monotonic()
                await landed(journal.append(number, *events, takes=takes))
                waits.append(time.monotonic() - before)

    async def burn() -> None:
        while time.monotonic() < ends:
            until = time.perf_counter() + BUSY_SLICE_SECONDS
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(BUSY_SLICE_SECONDS * (1 - busy) / busy)

    cpu = time.process_time()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(pump.run())
        customers = [tasks.create_task(one_after_another()) for _ in range(waiters)]
        if busy:
            customers.append(tasks.create_task(burn()))
        await asyncio.wait(customers)
        pump.stop()
        await running
    used = time.process_time() - cpu
    thread.close()
    events = sum(count for count, _ in commits)
    return [
        waiters,
        f"{fsync_ms:g}",
        f"{events / seconds:,.0f}",
        ms(statistics.median(waits)),
        ms(quantile(waits, 0.99)),
        ms(statistics.median(taken for _, taken in commits)),
        ms(quantile([taken for _, taken in commits], 0.99)),
        f"{len(commits) / seconds:,.0f}",
        f"{events / len(commits):.1f}",
        f"{used / events * 1e6:.1f}",
    ]


async def landed(ticket: Ticket) -> None:
    """Until it is on disk."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ticket.when_done(lambda: future.set_result(None))
    await future
    assert ticket.conflict is None


def ms(seconds: float) -> str:
    """Milliseconds, for a table."""
    return f"{seconds * 1000:.2f}"


def table(head: str, rows: Sequence[Sequence[object]]) -> None:
    """Print as Markdown."""
    columns = head.split(" | ")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)
    print()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Raw)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--fsync-ms", type=float, nargs="*", default=[0.0, 5.0])
    parser.add_argument("--waiters", type=int, nargs="*", default=[1, 8, 64, 256])
    parser.add_argument("--busy", type=float, default=0.0, help="0 to 0.95")
    parser.add_argument("--directory", type=Path, default=None, help="on the disk to be measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        directory = Path(name)
        print("The store alone, the log folded back as it goes:")
        head = "appends/commit | events/commit | events/s | commit p50 ms | p99 ms | CPU us/event"
        appends = appends_of(LIVES)
        table(head, [alone(directory, appends, batch, options.seconds) for batch in BATCHES])
        print("Payments side by side:")
        head = (
            "payments | fsync + ms | events/s | step p50 ms | p99 ms | commit p50 ms | p99 ms"
            " | commits/s | events/commit | CPU us/event"
        )
        table(
            head,
            [
                uvloop.run(together(directory, waiters, extra, options.seconds, options.busy))
                for extra in options.fsync_ms
                for waiters in options.waiters
            ],
        )


class Raw(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the description."""


if __name__ == "__main__":
    main()
