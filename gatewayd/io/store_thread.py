"""The thread that the journal's store lives on, so that no fsync ever holds the event loop up.

Whoever waits is answered first; then, if nothing else has come, the store is kept tidy. Whatever fails on the thread
fails as `StoreError` to whoever waits or comes next, for memory may be ahead of the disk from there on.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from gatewayd.core.delivery import Delivery, Standing
from gatewayd.core.events import Event
from gatewayd.io.sqlite_store import SqliteStore
from gatewayd.journal import codec
from gatewayd.journal.store import NO_SEARCHES, Append, Holder, Searches, StoreError

TIDY_EVERY_SECONDS: Final = 1.0

T = TypeVar("T")


class StoreThread:
    """Runs a store's blocking calls one after the other."""

    def __init__(self, store: SqliteStore, wall_ms: Callable[[], int]) -> None:
        self._store = store
        self._wall_ms = wall_ms
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._failure: StoreError | None = None
        self._tidy_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    async def write(
        self, appends: Sequence[Append], searches: Searches = NO_SEARCHES
    ) -> list[Holder | None]:
        """`Store.write` on the thread."""
        return await self._on_thread(lambda: self._store.write(appends, searches))

    async def note(self, event: Event) -> None:
        """`Store.note` on the thread."""
        kind, body, _ = codec.encode(event)
        await self._on_thread(lambda: self._store.note(kind, event.at_ms, body))

    async def named(self, key: str) -> bytes | None:
        """`SqliteStore.named` on the thread."""
        return await self._on_thread(lambda: self._store.named(key))

    async def take_receivers(self, names: Iterable[str]) -> list[tuple[Standing, list[Delivery]]]:
        """`Store.take_receivers` on the thread."""
        return await self._on_thread(lambda: self._store.take_receivers(names))

    async def tidy(self) -> None:
        """`SqliteStore.tidy` on the thread, also when nothing is written."""
        await self._on_thread(lambda: self._store.tidy(self._wall_ms()))

    async def name(self, key: str, value: bytes) -> None:
        """`SqliteStore.name` on the thread."""
        await self._on_thread(lambda: self._store.name(key, value))

    def close(self) -> None:
        """End the thread after what is queued, and close the store."""
        self._jobs.put(None)
        self._thread.join()
        self._store.close()

    async def _on_thread(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                if self._failure is not None:
                    raise self._failure
                result = work()
            except Exception as error:  # noqa: BLE001 - a bug here leaves memory ahead of the disk too
                self._failure = _as_store_error(error)
                loop.call_soon_threadsafe(_fail, done, self._failure)
            else:
                loop.call_soon_threadsafe(_finish, done, result)

        self._jobs.put(job)
        return await done

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            if self._failure is None and self._jobs.empty():
                self._tidy()

    def _tidy(self) -> None:
        """What is done between two writes."""
        try:
            self._store.fold_back()
            if time.monotonic() >= self._tidy_at:
                self._tidy_at = time.monotonic() + TIDY_EVERY_SECONDS
                self._store.tidy(self._wall_ms())
        except StoreError as error:
            self._failure = error


def _as_store_error(error: Exception) -> StoreError:
    if isinstance(error, StoreError):
        return error
    failure = StoreError(f"the journal's writer failed: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def _finish(done: "asyncio.Future[T]", result: T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: "asyncio.Future[T]", error: StoreError) -> None:
    if not done.done():
        done.set_exception(error)
