"""Ends requests that take too long: `asyncio.timeout` for many at once, to the half second, at a fifth of its cost."""

import asyncio
from typing import Any, Final

LOOK_SECONDS: Final = 0.5


class Overdue:
    """One per public listener."""

    def __init__(self) -> None:
        self._ends: dict[asyncio.Task[Any], float] = {}
        """Who is watched, and until when he may take, in the loop's time."""
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float) -> asyncio.Task[Any]:
        """Cancel the running task, which is returned, if it has not come to `end` within so long."""
        task = asyncio.current_task()
        assert task is not None, "requests are served by tasks"
        loop = task.get_loop()
        self._ends[task] = loop.time() + seconds
        if self._timer is None:
            self._timer = loop.call_later(LOOK_SECONDS, self._look)
        return task

    def is_late(self, task: asyncio.Task[Any]) -> bool:
        """Whether the cancellation that has just met this task came from here, and from nobody else."""
        if task not in self._late:
            return False
        self._late.discard(task)
        return task.uncancel() == 0

    def end(self, task: asyncio.Task[Any]) -> None:
        """The counterpart of `begin`."""
        self._ends.pop(task, None)
        if task in self._late:
            self.is_late(task)

    def _look(self) -> None:
        self._timer = None
        if not self._ends:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task in [task for task, ends in self._ends.items() if ends <= now]:
            del self._ends[task]
            self._late.add(task)
            task.cancel()
        self._timer = loop.call_later(LOOK_SECONDS, self._look)
