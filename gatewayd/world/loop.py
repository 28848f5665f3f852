"""An event loop on virtual time: when nothing is ready, the clock jumps to the next timer.

Nobody waits and nothing runs beside it, so hours pass in a moment; and what is due at the same time happens in the
order in which it was asked for, so that a history repeats itself exactly.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
STEPS_MAX: Final = 5_000_000
"""A hundred times what an hour takes: more is two tasks that wake each other without end."""


class Stuck(Exception):
    """Nothing is ready and nothing ever will be; or nothing ever comes to rest."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one coroutine to its end, with everything that it starts."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._soon: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_made = 0
        self._steps_left = STEPS_MAX
        self._interrupt_in = 0
        self._interrupt: Callable[[], None] | None = None
        self._failure: BaseException | None = None
        self.set_exception_handler(self._failed)

    def _failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback that raises is a mistake of this world's own, and ends it."""
        if "handle" in context:
            self._failure = context.get("exception")

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def interrupt(self, steps: int, callback: Callable[[], None]) -> None:
        """Call `callback` between two steps, after so many; only the latest such wish counts."""
        self._interrupt_in, self._interrupt = steps, callback

    # --- what asyncio asks of a loop

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """See `asyncio`."""
        handle = asyncio.Handle(callback, args, self, context)
        self._soon.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """See `asyncio`."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """See `asyncio`."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are passed over when their time comes."""

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` and whatever else is due until `main` has ended; its result, or what it raised."""
        task = self.create_task(main, name="main")
        asyncio._set_running_loop(self)  # noqa: SLF001 - the door that asyncio keeps for loops
        try:
            while not task.done():
                if not self._soon:
                    self._jump()
                self._steps_left -= len(self._soon)
                if self._steps_left <= 0:
                    raise Stuck("nothing comes to rest")
                for _ in range(len(self._soon)):
                    handle = self._soon.popleft()
                    if handle.cancelled():
                        continue
                    handle._run()  # noqa: SLF001 - what a loop does with its handles
                    if self._failure is not None:
                        raise self._failure
                    if self._interrupt is not None:
                        self._count_down()
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001 - as above
        return task.result()

    def _count_down(self) -> None:
        self._interrupt_in -= 1
        if self._interrupt_in <= 0 and self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            interrupt()

    def _jump(self) -> None:
        """To the next timer; all that are due then become ready in the order in which they were set."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise Stuck("nothing is ready and no timer is set")
        self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            handle = heapq.heappop(timers)[2]
            if not handle.cancelled():
                self._soon.append(handle)
