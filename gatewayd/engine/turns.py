"""One thing at a time: whoever works with what a number names has his turn, and goes on to its end.

A turn is a task of the engine, so that nothing is left half done when whoever asked for it has gone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gatewayd.engine.tending import Spawn

T = TypeVar("T")


class Stopping(Exception):
    """The daemon begins nothing any more."""


class Turns:
    """One per kind of thing. What nobody works with takes no memory."""

    def __init__(self, spawn: Spawn, prefix: str) -> None:
        """`prefix` begins the names of the tasks."""
        self._spawn = spawn
        self._prefix = prefix
        self._wanted: dict[int, tuple[asyncio.Lock, int]] = {}
        """The lock, and how many want it."""

    def __len__(self) -> int:
        return len(self._wanted)

    async def alone(self, number: int, work: Callable[[], Awaitable[T]]) -> T:
        """What comes of `work`, when it is its turn; what it raises is raised here. Stopping."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if not self._spawn(self._in_turn(number, work, done), f"{self._prefix}{number}"):
            raise Stopping
        done.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return await asyncio.shield(done)

    async def _in_turn(
        self, number: int, work: Callable[[], Awaitable[T]], done: "asyncio.Future[T]"
    ) -> None:
        lock, users = self._wanted.get(number, (asyncio.Lock(), 0))
        self._wanted[number] = lock, users + 1
        try:
            async with lock:
                done.set_result(await work())
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and the engine goes on
            done.set_exception(error)
        finally:
            if not done.done():
                done.cancel()
            lock, users = self._wanted[number]
            if users == 1:
                del self._wanted[number]
            else:
                self._wanted[number] = lock, users - 1
