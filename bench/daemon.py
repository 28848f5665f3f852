"""The daemon as it is, on a journal that costs what we say: a disk that syncs slower, or nothing at all.

    python -m bench.daemon [--fsync-ms 1] [--journal none] [--calls FILE] CONFIG

`--fsync-ms` adds to every commit, and to every step of folding the log back, what a slower disk would take; the sleep
lets go of the interpreter as an fsync does. With `--journal none` the store keeps nothing and answers at once, so that
the rest of the daemon is what is left; payments then exist in memory only. `--calls` writes a line for every call to
banks that say when they answered (`bench.banks`): the payment, when the request had been sent, when the bank answered.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from bench.calls import ANSWERED_AT
from gatewayd import cli
from gatewayd.core.causes import LostCause
from gatewayd.gateways.contract import Reply
from gatewayd.io import boot, http_pool
from gatewayd.io.http_connection import Connection
from gatewayd.io.sqlite_store import SqliteStore
from gatewayd.io.store_thread import StoreThread
from gatewayd.journal.store import NO_SEARCHES, Append, Holder, Searches


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

    def fold_back(self) -> None:
        """As the real one; where it does something it syncs twice, the log and the file."""
        long = self._log_pages
        super().fold_back()
        if self._log_pages < long:
            time.sleep(2 * self.fsync_seconds)


class KeepsNothing(StoreThread):
    """Whatever is written is thrown away."""

    async def write(
        self, appends: Sequence[Append], searches: Searches = NO_SEARCHES
    ) -> list[Holder | None]:
        """At once."""
        return [None] * len(appends)


class SeenConnection(Connection):
    """A connection to a bank that keeps when each exchange was the bank's."""

    calls: TextIO

    def begin(self, request: bytes, deadline: float) -> "asyncio.Future[Reply | LostCause]":
        """As the real one."""
        task = asyncio.current_task()
        self._task_name = task.get_name() if task else ""
        waiter = super().begin(request, deadline)
        # uvloop writes at once; what does not fit goes out later, and then nothing is taken off.
        out = self.link is not None and not self.link.get_write_buffer_size()
        self._sent_ns = time.monotonic_ns() if out else 0
        return waiter

    def _complete(self) -> None:
        for name, value in self._raw:
            if name.decode() == ANSWERED_AT and self._sent_ns:
                payment = self._task_name.partition("/")[0]  # "pay_1234/start", "pay_1234/1"
                self.calls.write(f"{payment} {self._sent_ns} {int(value)}\n")
        super()._complete()


def main() -> None:
    """Run the daemon."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fsync-ms", type=float, default=0.0)
    parser.add_argument("--journal", choices=["durable", "none"], default="durable")
    parser.add_argument("--calls", type=Path)
    parser.add_argument("config", type=Path)
    options = parser.parse_args()
    SlowStore.fsync_seconds = options.fsync_ms / 1000
    boot.SqliteStore = SlowStore  # type: ignore[attr-defined]  # the daemon opens its journal there
    if options.journal == "none":
        boot.StoreThread = KeepsNothing  # type: ignore[attr-defined]  # as above
    if options.calls:
        SeenConnection.calls = options.calls.open("w", buffering=1)
        vars(http_pool)["Connection"] = SeenConnection  # the pool makes them there
    cli.run(options.config)


if __name__ == "__main__":
    main()
