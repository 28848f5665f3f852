"""A request that takes too long is ended, and only that one, and only by us."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

import pytest

from gatewayd.web import overdue
from gatewayd.web.overdue import Overdue


async def _served(watch: Overdue, seconds: float, until: asyncio.Event) -> str:
    task = watch.begin(seconds)
    try:
        await until.wait()
    except asyncio.CancelledError:
        if not watch.is_late(task):
            raise
        return "late"
    finally:
        watch.end(task)
    return "served"


def _task(coroutine: Coroutine[Any, Any, str]) -> asyncio.Task[str]:
    return asyncio.get_running_loop().create_task(coroutine)


async def test_whoever_takes_too_long_is_ended_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overdue, "LOOK_SECONDS", 0.001)
    watch, until = Overdue(), asyncio.Event()
    late = _task(_served(watch, 0.0, until))
    served = _task(_served(watch, 1e6, until))
    assert "late" == await late
    assert 0 == late.cancelling()
    assert not served.done()
    until.set()
    assert "served" == await served


async def test_a_cancellation_from_elsewhere_goes_on() -> None:
    task = _task(_served(Overdue(), 1e6, asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_one_that_is_ended_by_both_is_cancelled() -> None:
    watch = Overdue()
    task = _task(_served(watch, 0.0, asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()
    watch._look()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_ends_at_the_last_moment_is_not_cancelled_afterwards() -> None:
    watch = Overdue()
    task = watch.begin(0.0)
    watch._look()
    assert 1 == task.cancelling()
    watch.end(task)
    assert 0 == task.cancelling()
    arrived = False
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        arrived = True
    # As with asyncio.timeout: what was thrown arrives, but for a Python that takes it back.
    assert arrived is (sys.version_info < (3, 13))
