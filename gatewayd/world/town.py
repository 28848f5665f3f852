"""What all people of a world share: the daemon they ask, the banks they go to, and what was seen of them."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from gatewayd.core.payment import Payment
from gatewayd.simulator.host import Banks
from gatewayd.world.forgery import Seen
from gatewayd.world.history import History
from gatewayd.world.loop import VirtualLoop
from gatewayd.world.machine import Machine
from gatewayd.world.options import Options
from gatewayd.world.oracle import Oracle

TRIES_MAX: Final = 6
"""How often somebody tries again who got no answer."""
SHOP_TRIES_MAX: Final = 100
"""A shop wants to sell."""


@dataclass(slots=True, kw_only=True)
class Town:
    """What all people share."""

    loop: VirtualLoop
    machine: Machine
    banks: Banks
    bank_time: Callable[[], float]
    oracle: Oracle
    history: History
    options: Options
    seen: dict[str, list[Seen]] = field(default_factory=dict)
    """Genuine returns of paid payments by gateway, for who wants to replay them."""
    about: dict[asyncio.Task[None], None] = field(default_factory=dict)
    errors: list[BaseException] = field(default_factory=list)
    """What people stumbled over by a mistake of this world's own."""
    is_calm: bool = False

    def send_out(self, work: Coroutine[Any, Any, None]) -> None:
        """Somebody does something by himself; an error of his is one of this world's."""
        task = self.loop.create_task(work)
        self.about[task] = None
        task.add_done_callback(self._home)

    def _home(self, task: "asyncio.Task[None]") -> None:
        del self.about[task]
        error = task.exception()
        if error is not None:
            self.errors.append(error)

    def told(self, number: int, payment: Payment | None) -> Payment | None:
        """A shop is told of a payment that it knows."""
        if payment is None:
            self.oracle.vanished(number)
        else:
            self.oracle.shown(payment)
        return payment
