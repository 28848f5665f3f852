"""Makes load: so many customers at a time (closed), or as many as come, whether anybody keeps up or not (open).

In the open loop the customers' arrivals are drawn beforehand, and what a customer's first answer took is counted from
when he was to come, not from when the driver came round to him: a server, or a driver, that is late cannot hide it.
"""

import asyncio
import gc
import itertools
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from bench.customers import Crowd, Seen, amounts
from bench.figures import arrivals

TELL_EVERY_SECONDS: Final = 1.0
AHEAD_SECONDS: Final = 0.000_5
"""The loop's timers know milliseconds only: who is to come within half of one comes now."""
LATE_EVERY_SECONDS: Final = 0.005
COLLECT_EVERY: Final = 200_000
"""Objects between two looks for garbage: the driver must not stand still for it."""

_serial = itertools.count(1)


async def closed(
    server: str, bank: str, *, at_a_time: int, payments: int = 0, seconds: float = 0.0
) -> Seen:
    """So many customers, each beginning the next payment when the last has ended, for so many payments or so long."""
    seen = Seen()
    crowd = Crowd(server, bank, seen)
    amount = amounts()
    label, ends = _label(), time.perf_counter() + (seconds or float("inf"))
    left = iter(range(payments) if payments else itertools.count())

    async def customer() -> None:
        for number in left:
            if time.perf_counter() > ends:
                return
            await crowd.pay(f"{label}-{number}", amount(number), time.perf_counter())

    with _undisturbed():
        async with _telling(seen, payments), asyncio.TaskGroup() as group:
            for _ in range(at_a_time):
                group.create_task(customer())
    crowd.close()
    return seen


async def opened(
    server: str,
    bank: str,
    *,
    rate: float,
    seconds: float,
    over: Callable[[], Awaitable[None]],
    seed: int = 1,
) -> Seen:
    """As many as come, at `rate` a second for so long; ends when the last has. `over` is called when no more come."""
    seen = Seen()
    crowd = Crowd(server, bank, seen)
    amount = amounts()
    label = _label()
    with _undisturbed():
        async with _telling(seen, int(rate * seconds)), asyncio.TaskGroup() as group:
            start = time.perf_counter()
            for number, after in enumerate(arrivals(random.Random(seed), rate, seconds)):
                due = start + after
                now = time.perf_counter()
                if due - now > AHEAD_SECONDS:
                    await asyncio.sleep(due - now)
                    now = time.perf_counter()
                seen.came += 1
                group.create_task(crowd.pay(f"{label}-{number}", amount(number), min(due, now)))
            await asyncio.sleep(max(0.0, start + seconds - time.perf_counter()))
            await over()
    crowd.close()
    return seen


@asynccontextmanager
async def _telling(seen: Seen, expected: int) -> AsyncIterator[None]:
    """Inside the block a line on stderr says every second how far it is, and the driver's own lateness is measured."""

    async def tell() -> None:
        done = 0
        while True:
            await asyncio.sleep(TELL_EVERY_SECONDS)
            before, done = done, sum(seen.ended.values())
            of = f" of {expected}" if expected else ""
            text = f"  {done}{of} payments, {done - before}/s, {seen.under_way} under way"
            if seen.waited:
                text += f", {seen.waited} were asked to wait"
            _progress(text)

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(LATE_EVERY_SECONDS)
            seen.late.append(time.perf_counter() - began - LATE_EVERY_SECONDS)

    loop = asyncio.get_running_loop()
    beside = loop.create_task(tell()), loop.create_task(watch())
    try:
        yield
    finally:
        for task in beside:
            task.cancel()
        _progress("")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def note(text: str) -> None:
    """A line about where the bench is."""
    _progress("")
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Inside, the garbage collector hardly ever looks."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _label() -> str:
    """Orders of one run, and of no other on the same journal."""
    return f"{int(time.time())}-{next(_serial)}"
