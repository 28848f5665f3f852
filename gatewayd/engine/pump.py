"""Moves the journal's queue to the disk: group commit, one batch in flight.

A batch leaves as soon as the last one has landed, but not sooner than the pace after it, because commits cost and
events hardly do: what comes meanwhile rides along. Search columns travel with a batch, at most every half second.
When the store fails the pump ends with `StoreError`; memory is ahead of the disk then and the process must stop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gatewayd.engine.ports import Clock
from gatewayd.journal.journal import Journal
from gatewayd.journal.store import Append, Holder, Search

Write = Callable[[Sequence[Append], Sequence[Search]], Awaitable[list[Holder | None]]]

BATCH_APPENDS_MAX: Final = 4_096
"""More in one transaction would hold all of them up for longer than a disk's fsync takes."""
SEARCH_EVERY_SECONDS: Final = 0.5
SEARCHES_MAX: Final = 5_000


class Pump:
    """Runs as one task for the life of the process."""

    def __init__(
        self,
        journal: Journal,
        write: Write,
        clock: Clock,
        *,
        pace_seconds: float,
        on_commit: Callable[[int, float], None] = lambda _events, _seconds: None,
    ) -> None:
        """`on_commit` is told of every commit: events in it, seconds it took."""
        self._journal = journal
        self._write = write
        self._clock = clock
        self._pace_seconds = pace_seconds
        self._on_commit = on_commit
        self._wake = asyncio.Event()
        self._last_commit = float("-inf")
        self._last_search = float("-inf")
        self._stopping = False
        journal.on_queued = self._wake.set

    def stop(self) -> None:
        """Let `run` end once everything queued has landed."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Until `stop`; raises StoreError when the disk fails."""
        while True:
            self._wake.clear()
            if not self._journal.has_events:
                if self._stopping:
                    break
                await self._sleep_until_wanted()
                continue
            pause = self._last_commit + self._pace_seconds - self._clock.monotonic()
            if pause > 0 and not self._stopping:
                await asyncio.sleep(pause)
            await self._commit()
        while not self._journal.is_idle:
            self._last_search = float("-inf")
            await self._commit()

    async def _sleep_until_wanted(self) -> None:
        """Until an append comes, or search columns are due."""
        if self._journal.is_idle:
            await self._wake.wait()
            return
        pause = self._last_search + SEARCH_EVERY_SECONDS - self._clock.monotonic()
        if pause > 0:
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                pass
            else:
                return
        await self._commit()

    async def _commit(self) -> None:
        began = self._clock.monotonic()
        batch = self._journal.take_batch(BATCH_APPENDS_MAX)
        searches: list[Search] = []
        if began - self._last_search >= SEARCH_EVERY_SECONDS:
            searches = self._journal.take_searches(SEARCHES_MAX)
            self._last_search = began
        results = await self._write(batch, searches)
        self._last_commit = self._clock.monotonic()
        self._journal.batch_landed(results)
        self._on_commit(sum(len(append.rows) for append in batch), self._last_commit - began)
