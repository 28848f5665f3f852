"""Moves the journal's queue to the disk: group commit, one batch in flight.

A batch leaves soon after the last one has landed, but not sooner than the pace after that one left, because commits
cost and events hardly do: what comes meanwhile rides along. Search columns travel with a batch, at most every half
second, and only then by themselves; what became of webhooks does the same. When the store fails the pump ends with
`StoreError`; memory is ahead of the disk then and the process must stop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from gatewayd.core.delivery import Changes
from gatewayd.core.values import changed
from gatewayd.engine.bell import Bell
from gatewayd.engine.ports import Clock
from gatewayd.journal.journal import Journal
from gatewayd.journal.store import NO_SEARCHES, Append, Holder, Searches

TakePosting = Callable[[], tuple[Changes, ...]]
Write = Callable[[Sequence[Append], Searches], Awaitable[list[Holder | None]]]

MANY_APPENDS: Final = 16
QUIET_TURNS: Final = 8
"""After a batch of many the next waits until so many turns of the loop have brought nothing: whoever waited goes on in
the first, and what others bring in from banks and customers then still rides along…"""
GATHER_SECONDS: Final = 0.035
"""…but begins no later than this after the one before: with hundreds of customers at a time every turn brings
something. Where 1,800 events come in a second, this gathers 64."""
SEARCHED_SECONDS: Final = 1.0
"""How long a list waits for the payments that its shop made just now."""
POST_SECONDS: Final = 0.1
"""A delivery that was not written down when the process ends is made again."""
BATCH_APPENDS_MAX: Final = 4_096
"""More in one transaction would hold all of them up for longer than a disk's fsync takes."""
SEARCH_EVERY_SECONDS: Final = 0.5
SEARCHES_MAX: Final = 512
"""In one batch: a millisecond or two of the loop's time; the rest follows with the next."""


class Pump:
    """Runs as one task for the life of the process."""

    def __init__(
        self,
        journal: Journal,
        write: Write,
        clock: Clock,
        *,
        pace_seconds: float,
        search_every_seconds: float = SEARCH_EVERY_SECONDS,
        on_commit: Callable[[int, float], None] | None = None,
    ) -> None:
        """`on_commit` is told of every commit: events in it, seconds it took."""
        self._journal = journal
        self._write = write
        self._clock = clock
        self._pace_seconds = pace_seconds
        self._search_every_seconds = search_every_seconds
        self._on_commit = on_commit
        self._wake = Bell()
        self._last_commit = float("-inf")
        self.commits = 0
        """How many have landed."""
        self._is_committing = False
        self._search_timer: asyncio.TimerHandle | None = None
        self._search_due = False
        self._searching = False
        self._search_waiters: list[asyncio.Future[None]] = []
        self._take_posting: TakePosting = tuple
        self._post_timer: asyncio.TimerHandle | None = None
        self._post_due = False
        self._stopping = False
        journal.on_queued = self._wake.ring

    def stop(self) -> None:
        """Let `run` end once everything queued has landed."""
        self._stopping = True
        self._wake.ring()

    def post_by(self, take: TakePosting) -> None:
        """Who is asked what became of webhooks, whenever that is to be written down."""
        self._take_posting = take

    def post_soon(self) -> None:
        """Something became of a webhook: write it down with a commit that comes soon, or by itself."""
        if self._post_timer is None and not self._post_due:
            loop = asyncio.get_running_loop()
            self._post_timer = loop.call_later(POST_SECONDS, self.post_now)

    def post_now(self) -> None:
        """As `post_soon`, with the next commit."""
        if self._post_timer is not None:
            self._post_timer.cancel()
            self._post_timer = None
        self._post_due = True
        self._wake.ring()

    async def searched(self) -> None:
        """Until payments are found by everything that had landed when this was asked for."""
        if not self._journal.has_searches and not self._searching:
            return
        found: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._search_waiters.append(found)
        self._search_due = True
        self._wake.ring()
        await found

    async def searched_soon(self) -> None:
        """The same for a list: a disk that is late costs it the newest payments, and not the list."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SEARCHED_SECONDS):
                await self.searched()

    def commit_seconds(self) -> float:
        """How long the commit in flight takes so far; 0 while there is none."""
        return self._clock.monotonic() - self._last_commit if self._is_committing else 0.0

    async def run(self) -> None:
        """Until `stop`; raises StoreError when the disk fails."""
        try:
            while not (self._stopping and self._journal.is_idle and not self._post_due):
                self._wake.hush()
                self._time_searches()
                due = self._search_due or self._post_due or self._stopping
                if self._journal.has_events or due:
                    seconds = self._pause_seconds()
                    if seconds > 0:
                        await asyncio.sleep(seconds)
                    await self._commit()
                else:
                    await self._wake.heard()
        finally:
            for timer in (self._search_timer, self._post_timer):
                if timer is not None:
                    timer.cancel()

    def _pause_seconds(self) -> float:
        """What is left of the pace between two commits."""
        if self._stopping:
            return 0.0
        return self._last_commit + self._pace_seconds - self._clock.monotonic()

    async def _commit(self) -> None:
        began = self._last_commit = self._clock.monotonic()
        batch = self._journal.take_batch(BATCH_APPENDS_MAX)
        searches, waiters = NO_SEARCHES, list[asyncio.Future[None]]()
        if self._search_due or self._stopping:
            searches = self._journal.take_searches(SEARCHES_MAX)
            self._search_due, self._searching = not searches.complete, True
            if searches.complete:
                waiters, self._search_waiters = self._search_waiters, []
        if self._post_due:
            self._post_due = False
            posting = self._take_posting()
            if posting:
                searches = changed(searches, posting=posting)
        if self._journal.has_invoices:
            searches = changed(searches, invoices=self._journal.take_invoices())
        self._is_committing = True
        results = await self._write(batch, searches)
        self._is_committing = self._searching = False
        self.commits += 1
        self._journal.batch_landed(results)
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        if self._on_commit is not None:
            events = sum([len(append.rows) for append in batch])
            self._on_commit(events, self._clock.monotonic() - began)
        await asyncio.sleep(0)  # whoever waited goes on first; what it queues leaves with the rest
        if len(batch) >= MANY_APPENDS:
            await self._gather(began + GATHER_SECONDS)

    async def _gather(self, until: float) -> None:
        """Let others bring in what the next batch takes along; called when there was a first turn."""
        quiet = 1
        while quiet < QUIET_TURNS and self._clock.monotonic() < until:
            queued = self._journal.queued_events
            await asyncio.sleep(0)
            quiet = quiet + 1 if queued == self._journal.queued_events else 0

    def _time_searches(self) -> None:
        """See to it that search columns leave in time, with events or without."""
        if self._journal.has_searches and not self._search_due and self._search_timer is None:
            loop = asyncio.get_running_loop()
            self._search_timer = loop.call_later(self._search_every_seconds, self._searches_are_due)

    def _searches_are_due(self) -> None:
        self._search_timer = None
        self._search_due = True
        self._wake.ring()
