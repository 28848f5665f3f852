"""Where those wait for a moment who may wait, while as much is in progress as can be served in time.

First come, first served; customers who come to pay go before new payments. Who has waited `wait_seconds` is refused,
and so is at once who would be one too many. What admission control decides is in `admission`; this only waits.
"""

import asyncio
from collections import deque
from typing import Final

from gatewayd.core.settings import OverloadSettings
from gatewayd.web.admission import Admission
from gatewayd.web.load import Load

CUSTOMER: Final = 0
NEW_PAYMENT: Final = 1


class Turnstile:
    """One per public listener."""

    def __init__(self, settings: OverloadSettings, load: Load, admission: Admission) -> None:
        self._settings = settings
        self._load = load
        self._admission = admission
        self._queues = tuple(deque[asyncio.Future[None]]() for _ in (CUSTOMER, NEW_PAYMENT))
        load.on_leave = self.let_in

    @property
    def waiting(self) -> int:
        """How many stand outside."""
        return sum(map(len, self._queues))

    @property
    def in_progress(self) -> int:
        """Requests that are being served."""
        return self._load.in_flight - self.waiting

    async def enter(self, kind: int) -> bool:
        """Until there is room, for whoever is counted in flight already; False where that takes too long."""
        waiting = self.waiting
        if not waiting and self._admission.has_room(self._load.in_flight):
            return True
        if waiting >= self._settings.waiting_max:
            return False
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._queues[kind]
        queue.append(place)
        try:
            async with asyncio.timeout(self._settings.wait_seconds):
                await place
        except TimeoutError:
            return False
        finally:
            if place in queue:
                queue.remove(place)
        return True

    def let_in(self) -> None:
        """As many as there is room for."""
        for queue in self._queues:
            while queue and self._admission.has_room(self.in_progress + 1):
                place = queue.popleft()
                if not place.done():
                    place.set_result(None)
