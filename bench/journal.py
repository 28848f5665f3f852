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

from bench.lives import is_finished, life
from gatewayd.engine.pump import Pump
from gatewayd.io.sqlite_store import SqliteStore
from gatewayd.io.store_thread import StoreThread
from gatewayd.journal.journal import Journal, Ticket
from gatewayd.journal.store import NO_SEARCHES, Append, Holder, Searches

BATCHES = (1, 8, 64, 512)
BUSY_SLICE_SECONDS = 0.000_2


class SlowStore(SqliteStore):
    """A store on a disk that takes longer to sync."""

    fsync_seconds = 0.0

    def write(
        self, appends: Sequence[Append], searches: Searches = NO_SEARCHES
    ) -> list[Holder | None]:
        """As the real one, and then some waiting."""
        result = super().write(appends, searches)
        if self.fsync_seconds:
            time.sleep(self.fsync_seconds)
        return result


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


def appends_of(count: int, first: int) -> list[Append]:
    """The appends of `count` lives, interleaved as they would be."""
    journal = Journal(is_finished=is_finished, make_salt=os.urandom)
    lives = [life(first + n) for n in range(count)]
    found: list[Append] = []
    for steps in zip(*lives, strict=True):
        for n, (events, takes) in enumerate(steps):
            journal.append(first + n, *events, takes=takes)
        batch = journal.take_batch(len(lives))
        found += batch
        journal.batch_landed([None] * len(batch))
        journal.take_searches(len(lives))
    return found


def alone(directory: Path, batch: int, seconds: float) -> list[object]:
    """The store by itself, in batches of about `batch` events."""
    store = opened(directory)
    appends = appends_of(2_000, 1)
    times: list[float] = []
    events, position = 0, 0
    began, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        taken: list[Append] = []
        size = 0
        while size < batch:
            if position == len(appends):
                appends, position = appends_of(2_000, appends[-1].number + 1), 0
                began += 0.0
            taken.append(appends[position])
            size += len(appends[position].rows)
            position += 1
        before = time.perf_counter()
        store.write(taken)
        times.append(time.perf_counter() - before)
        events += size
        store.fold_back()
    spent, used = sum(times), time.process_time() - cpu
    store.close()
    return [
        batch,
        f"{events / spent:,.0f}",
        ms(statistics.median(times)),
        ms(percentile(times, 99)),
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
        ms(percentile(waits, 99)),
        ms(statistics.median(taken for _, taken in commits)),
        ms(percentile([taken for _, taken in commits], 99)),
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


def percentile(values: Sequence[float], of_hundred: int) -> float:
    """The value that this many of a hundred do not exceed."""
    return sorted(values)[min(len(values) - 1, len(values) * of_hundred // 100)]


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
        print("The store alone, and its CPU with making the events:")
        head = "batch | events/s | commit p50 ms | p99 ms | CPU us/event"
        table(head, [alone(directory, batch, options.seconds) for batch in BATCHES])
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
