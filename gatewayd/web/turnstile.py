"""Where those wait for a moment who may wait, while as much is in progress as can be served in time.

First come, first served; customers who come to pay go before new payments. Who has waited `wait_seconds` is refused,
and so is at once who would be one too many, or has more before him than were let in of late in that time: to wait for
nothing would cost him and us. What admission control decides is in `admission`; this only waits.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from gatewayd.core.settings import OverloadSettings
from gatewayd.web.admission import Admission
from gatewayd.web.load import Load

CUSTOMER: Final = 0
NEW_PAYMENT: Final = 1
RATE_WEIGHT: Final = 0.05
"""Of one measurement in how many are let in: twenty of them, half a second, make most of it."""


@dataclass(slots=True, eq=False)
class _Place:
    """Somebody's place in a queue."""

    ends: float
    """When he is refused, in the loop's time."""
    let_in: "asyncio.Future[bool]"

    def answer(self, *, let_in: bool) -> None:
        """Tell him, unless he has just hung up."""
        if not self.let_in.done():
            self.let_in.set_result(let_in)


class Turnstile:
    """One per public listener."""

    def __init__(self, settings: OverloadSettings, load: Load, admission: Admission) -> None:
        self._settings = settings
        self._load = load
        self._admission = admission
        self._let_in = 0
        """Since the last measurement."""
        self._measured_at = 0.0
        self._per_second: float | None = None
        """How many of those who waited were let in of late; None while nobody waits."""
        self._customers = deque[_Place]()
        self._new_payments = deque[_Place]()
        self._alarm: asyncio.TimerHandle | None = None
        """One for all who wait: they wait equally long, so that whoever came first is refused first."""
        load.on_leave = self.let_in

    @property
    def waiting(self) -> int:
        """How many stand outside."""
        return len(self._customers) + len(self._new_payments)

    @property
    def in_progress(self) -> int:
        """Requests that are being served."""
        return self._load.in_flight - self.waiting

    async def enter(self, kind: int) -> bool:
        """Until there is room, for whoever is counted in flight already; False where that takes too long."""
        waiting = self.waiting
        if not waiting and self._admission.has_room(self._load.in_flight):
            return True
        if waiting >= self._settings.waiting_max or self._is_hopeless(waiting):
            return False
        loop = asyncio.get_running_loop()
        place = _Place(loop.time() + self._settings.wait_seconds, loop.create_future())
        queue = self._customers if kind == CUSTOMER else self._new_payments
        queue.append(place)
        if self._alarm is None:
            self._alarm = loop.call_at(place.ends, self._refuse)
        try:
            return await place.let_in
        except asyncio.CancelledError:
            if place in queue:
                queue.remove(place)
            raise

    def _refuse(self) -> None:
        """Those who have waited long enough; the alarm is set for the next."""
        self._alarm, loop = None, asyncio.get_running_loop()
        now = loop.time()
        for queue in (self._customers, self._new_payments):
            while queue and queue[0].ends <= now:
                queue.popleft().answer(let_in=False)
        if self.waiting:
            ends = min(queue[0].ends for queue in (self._customers, self._new_payments) if queue)
            self._alarm = loop.call_at(ends, self._refuse)

    def measure(self, now: float) -> None:
        """To be called at about even times; lets in as well, for the limit may have moved. `now` only grows."""
        if not self.waiting:
            self._per_second = None
        elif self._per_second is None:
            self._per_second = float(self._settings.waiting_max)
        else:
            rate = self._let_in / max(1e-3, now - self._measured_at)
            self._per_second += RATE_WEIGHT * (rate - self._per_second)
        self._let_in, self._measured_at = 0, now
        self.let_in()

    def _is_hopeless(self, waiting: int) -> bool:
        """Whether so many stand before who comes now that his time would be over before it is his turn."""
        rate = self._per_second
        return rate is not None and waiting > max(1.0, rate * self._settings.wait_seconds)

    def let_in(self) -> None:
        """As many as there is room for."""
        if not (self._customers or self._new_payments):  # asked after every request
            return
        for queue in (self._customers, self._new_payments):
            while queue and self._admission.has_room(self.in_progress + 1):
                self._let_in += 1
                queue.popleft().answer(let_in=True)
