"""An event loop on virtual time: when nothing is ready, the clock jumps to the next timer.

Nobody waits and nothing runs beside it, so hours pass in a moment; and what is due at the same time happens in the
order in which it was asked for, so that a history repeats itself exactly.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from heapq import heappop, heappush
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
STEPS_MAX: Final = 5_000_000
"""A hundred times what an hour takes: more is two tasks that wake each other without end."""


class Stuck(Exception):
    """Nothing is ready and nothing ever will be; or nothing ever comes to rest."""


class _Step(asyncio.TimerHandle):
    """What is to be called, soon or at a time, if it is not called off; asyncio's own handles cost thrice as much."""

    __slots__ = ("_is_off", "_virtual")

    def __init__(  # the other one's work is what is spared
        self,
        loop: "VirtualLoop",
        callback: Callable[..., object],
        args: tuple[Any, ...],
        when: float = 0.0,
    ) -> None:
        self._virtual, self._callback, self._args, self._when = loop, callback, args, when
        self._is_off = False

    def cancel(self) -> None:
        """See `asyncio`."""
        self._is_off = True

    def cancelled(self) -> bool:
        """See `asyncio`."""
        return self._is_off

    def call(self) -> None:
        """Its time has come."""
        if self._is_off:
            self._virtual.not_a_step()
        else:
            self._callback(*self._args)


_Due = tuple[Callable[..., object], tuple[Any, ...]]
_NOBODYS: Final = asyncio.Handle.__new__(asyncio.Handle)
"""Given to those who throw it away."""


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one coroutine to its end, with everything that it starts."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        """Virtual seconds since the loop was made."""
        self._soon: deque[_Due] = deque()
        self._timers: list[tuple[float, int, _Step | asyncio.Future[None]]] = []
        """A future is that of somebody who sleeps."""
        self._timers_made = 0
        self._interrupt_in = 0
        self._interrupt: Callable[[], None] | None = None
        self._context = copy_context()
        self.set_exception_handler(lambda _loop, _context: None)  # whoever waits for a task is told

    def time(self) -> float:
        """See `now`."""
        return self.now

    def interrupt(self, steps: int, callback: Callable[[], None]) -> None:
        """Call `callback` between two steps, after so many; only the latest such wish counts."""
        self._interrupt_in, self._interrupt = steps, callback

    def not_a_step(self) -> None:
        """What was called off does not count."""
        self._interrupt_in += 1

    # --- what asyncio asks of a loop

    get_debug = staticmethod(bool)
    """Never; every future and task asks for it, and of a builtin it is cheaper."""

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """See `asyncio`."""
        if context is not None:  # a task's or a future's own steps: they keep no handle
            self._soon.append((callback, args))
            return _NOBODYS
        step = _Step(self, callback, args)
        self._soon.append((step.call, ()))
        return step

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """See `asyncio`."""
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """See `asyncio`."""
        step = _Step(self, callback, args, when)
        self._timers_made = made = self._timers_made + 1
        heappush(self._timers, (when, made, step))
        return step

    def sleep(self, seconds: float) -> "asyncio.Future[None]":
        """As `asyncio.sleep` for more than no time, at a third of its cost."""
        future: asyncio.Future[None] = asyncio.Future(loop=self)
        self._timers_made = made = self._timers_made + 1
        heappush(self._timers, (self.now + seconds, made, future))
        return future

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
        called = "" if name is None else str(name)  # one that is made up would cost more
        return asyncio.Task(coro, loop=self, name=called, context=context or self._context)

    # --- running

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` and whatever else is due until `main` has ended and all is at rest; its result, or what it raised.

        A callback that raises is a mistake of this world's own, and ends it. Nobody here keeps anything in contexts, so
        none is entered.
        """
        task = self.create_task(main, name="main")
        soon = self._soon
        asyncio._set_running_loop(self)  # noqa: SLF001 - the door that asyncio keeps for loops
        try:
            for _ in range(STEPS_MAX):
                if soon:
                    callback, args = soon.popleft()
                    callback(*args)
                    if self._interrupt is not None:
                        self._count_down()
                elif task.done():
                    return task.result()
                else:
                    self._jump()
            raise Stuck("nothing comes to rest")
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001 - as above

    def _count_down(self) -> None:
        self._interrupt_in -= 1
        if self._interrupt_in <= 0 and self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            interrupt()

    def _jump(self) -> None:
        """To the next timer; all that are due then become ready in the order in which they were set."""
        timers = self._timers
        while True:
            if not timers:
                raise Stuck("nothing is ready and no timer is set")
            when, _, due = heappop(timers)
            if not due.cancelled():
                break
        if when > self.now:  # noqa: PLR1730 - max() is a call
            self.now = when
        if self._interrupt is None and not (timers and timers[0][0] <= self.now):
            # alone: whoever sleeps is woken at once, and not by a step of its own
            if isinstance(due, _Step):
                self._soon.append((due.call, ()))
            else:
                due.set_result(None)
            return
        self._get_ready(due)
        while timers and timers[0][0] <= self.now:
            due = heappop(timers)[2]
            if not due.cancelled():
                self._get_ready(due)

    def _get_ready(self, due: "_Step | asyncio.Future[None]") -> None:
        if isinstance(due, _Step):
            self._soon.append((due.call, ()))
        else:
            self._soon.append((_wake, (due,)))
