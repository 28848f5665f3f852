"""An event loop on virtual time: when nothing is ready, the clock jumps to the next timer.

Nobody waits and nothing runs beside it, so hours pass in a moment; and what is due at the same time happens in the
order in which it was asked for, so that a history repeats itself exactly.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
STEPS_MAX: Final = 5_000_000
"""A hundred times what an hour takes: more is two tasks that wake each other without end."""


class Stuck(Exception):
    """Nothing is ready and nothing ever will be; or nothing ever comes to rest."""


class _Step(asyncio.TimerHandle):
    """What is to be called, soon or at a time; asyncio's own handles cost three times as much."""

    __slots__ = ("is_off",)

    def __init__(  # the other one's work is what is spared
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
        when: float = 0.0,
    ) -> None:
        self._callback, self._args, self._when = callback, args, when
        self._context = copy_context() if context is None else context
        self.is_off = False

    def cancel(self) -> None:
        """See `asyncio`."""
        self.is_off = True

    def cancelled(self) -> bool:
        """See `asyncio`."""
        return self.is_off


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one coroutine to its end, with everything that it starts."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        """Virtual seconds since the loop was made."""
        self._soon: deque[_Step] = deque()
        self._timers: list[tuple[float, int, _Step]] = []
        self._timers_made = 0
        self._steps_left = STEPS_MAX
        self._interrupt_in = 0
        self._interrupt: Callable[[], None] | None = None
        self.set_exception_handler(lambda _loop, _context: None)  # whoever waits for a task is told

    def time(self) -> float:
        """See `now`."""
        return self.now

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
        step = _Step(callback, args, context)
        self._soon.append(step)
        return step

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """See `asyncio`."""
        when = self.now + delay
        step = _Step(callback, args, context, when)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, step))
        return step

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """See `asyncio`."""
        step = _Step(callback, args, context, when)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, step))
        return step

    async def sleep(self, seconds: float) -> None:
        """As `asyncio.sleep` for more than no time, at half its cost."""
        future: asyncio.Future[None] = asyncio.Future(loop=self)
        when = self.now + seconds
        step = _Step(_wake, (future,), None, when)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, step))
        try:
            await future
        finally:
            step.is_off = True

    def create_future(self) -> "asyncio.Future[Any]":
        """See `asyncio`."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, T],  # type: ignore[override] # asyncio still takes generators
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """See `asyncio`."""
        called = None if name is None else str(name)
        return asyncio.Task(coro, loop=self, name=called, context=context)

    # --- running

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` and whatever else is due until `main` has ended; its result, or what it raised.

        A callback that raises is a mistake of this world's own, and ends it.
        """
        task = self.create_task(main, name="main")
        soon = self._soon
        asyncio._set_running_loop(self)  # noqa: SLF001 - the door that asyncio keeps for loops
        try:
            while not task.done():
                if not soon:
                    self._jump()
                self._steps_left -= len(soon)
                if self._steps_left <= 0:
                    raise Stuck("nothing comes to rest")
                for _ in range(len(soon)):
                    step = soon.popleft()
                    if step.is_off:
                        continue
                    step._context.run(step._callback, *step._args)  # noqa: SLF001 - ours
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
        timers, pop, soon = self._timers, heapq.heappop, self._soon
        while True:
            if not timers:
                raise Stuck("nothing is ready and no timer is set")
            when, _, step = pop(timers)
            if not step.is_off:
                break
        soon.append(step)
        self.now = now = max(self.now, when)
        while timers and timers[0][0] <= now:
            step = pop(timers)[2]
            if not step.is_off:
                soon.append(step)
