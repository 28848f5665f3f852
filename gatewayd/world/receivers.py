"""The shops' receivers of webhooks: they outlive the daemon, and hear what they hear.

They refuse, dally, and forget to answer what they have taken; so the same thing comes again, and must be known again.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Final

from gatewayd.core.delivery import Answer
from gatewayd.core.status import status_of
from gatewayd.journal.invoices import invoice_as_of
from gatewayd.journal.journal import Replay, as_of
from gatewayd.journal.store import FIRST_OF_INVOICE, Row, Told
from gatewayd.world.history import History
from gatewayd.world.options import Options
from gatewayd.world.oracle import Oracle

TIMEOUT_SECONDS: Final = 15.0
_REFUSALS: Final = (
    Answer(status=None, cause="connection refused"),
    Answer(status=500),
    Answer(status=503, retry_after_ms=30_000),
    Answer(status=429, retry_after_ms=20_000),
)
_TAKEN: Final = Answer(status=200)
_TIMED_OUT: Final = Answer(status=None, cause="timeout")


def telling(replay_by: Replay, told: Told, rows: Sequence[Row]) -> bytes:
    """What is said of a payment or an invoice: enough to hold it against what has landed."""
    notice = told.notice
    if rows[0].kind == FIRST_OF_INVOICE:
        invoice = invoice_as_of(told.number, rows, notice.version)
        return f"{invoice.number} {invoice.version} {notice.type} {invoice.status}".encode()
    payment = as_of(told.number, rows, notice.version, replay_by)
    return f"{payment.number} {payment.version} {notice.type} {status_of(payment)}".encode()


class Receivers:
    """Fulfils `engine.outbox.Sender`; one per world."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        options: Options,
        dice: random.Random,
        history: History,
        oracle: Oracle,
    ) -> None:
        self._loop = loop
        self._options = options
        self._dice = dice
        self._history = history
        self._oracle = oracle
        self._down_until = 0.0
        self._is_calm = False

    def fail(self, seconds: float) -> None:
        """Nobody is there for so long."""
        self._history.count("receiver_outage")
        self._down_until = self._loop.time() + seconds

    def be_calm(self) -> None:
        """From here on everything is taken and answered at once."""
        self._is_calm, self._down_until = True, 0.0

    async def send(self, receiver: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """See `Sender`."""
        await asyncio.sleep(self._dice.uniform(0.01, 0.3))
        if self._loop.time() < self._down_until:
            return _REFUSALS[0]
        if self._does("receiver_refuses"):
            return self._dice.choice(_REFUSALS)
        if self._does("receiver_forgets_to_answer"):
            if self._dice.random() < 0.5:
                self._take(body)
            else:  # it is at it still, when nobody waits any more
                self._loop.call_later(self._dice.uniform(15.0, 120.0), self._take, body)
            await asyncio.sleep(TIMEOUT_SECONDS)
            return _TIMED_OUT
        if self._does("receiver_dallies"):
            await asyncio.sleep(self._dice.uniform(1.0, TIMEOUT_SECONDS - 1.0))
        self._take(body)
        return _TAKEN

    def _take(self, body: bytes) -> None:
        number, version, news, status = body.decode().split(" ")
        self._oracle.heard(int(number), int(version), news, status)

    def _does(self, habit: str) -> bool:
        if self._is_calm or self._dice.random() >= getattr(self._options, habit):
            return False
        self._history.count(habit)
        return True
