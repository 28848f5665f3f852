"""Measures how late the event loop is: asks to be woken at even times, and tells by how much each was missed."""

import asyncio
from collections.abc import Callable
from typing import Final

from gatewayd.engine.ports import Clock

EVERY_SECONDS: Final = 0.02
"""Often enough to notice within a tenth of a second, and cheap: fifty times a second is a five-hundredth of a core."""


async def watch_loop(clock: Clock, tell: Callable[[float], None]) -> None:
    """Until cancelled."""
    while True:
        began = clock.monotonic()
        await asyncio.sleep(EVERY_SECONDS)
        tell(clock.monotonic() - began - EVERY_SECONDS)
