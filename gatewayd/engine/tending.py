"""Tends open payments: asks `plan` what each needs and sees to it that it is done when it is due.

Boot, timers, returns and operators all come through `consider`; there is one way in which anything is done to a
payment. One call at a time is out per attempt. An action that fails by a bug of ours is logged and tried again later:
one bad payment must not stop the others.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from functools import partial
from typing import Any, Final

from gatewayd.core import plan as pl
from gatewayd.core.payment import Payment
from gatewayd.core.settings import EngineSettings
from gatewayd.core.terms import Traits
from gatewayd.core.values import changed
from gatewayd.engine.acting import Acting
from gatewayd.engine.agenda import Agenda
from gatewayd.engine.bell import Bell
from gatewayd.engine.deadlines import Deadlines
from gatewayd.engine.ports import Log
from gatewayd.engine.records import Records
from gatewayd.engine.telling import public_id, tell

LOOK_EVERY_SECONDS: Final = 1.0
"""The wall clock may jump; nothing sleeps longer than this without looking at it."""
AFTER_BUG_MS: Final = 60_000
"""How long a payment is left alone after a bug of ours met it."""
CONFLICT_MS: Final = 3_000
"""How long a claim waits whose reference another payment holds."""
START_AT_ONCE_MAX: Final = 200
"""Due payments begun in one turn, so that a boot with many open ones does not hold up the customers."""

_NOBODY: Final[frozenset[int]] = frozenset()

Spawn = Callable[[Coroutine[Any, Any, None], str], bool]
Call = Callable[[], Coroutine[Any, Any, None]]


class Tending:
    """One per engine."""

    def __init__(
        self,
        *,
        records: Records,
        acting: Acting,
        traits: Mapping[str, Traits],
        deadlines: Deadlines,
        settings: EngineSettings,
        spawn: Spawn,
        log: Log,
        look_every_seconds: float = LOOK_EVERY_SECONDS,
    ) -> None:
        """`spawn` runs a coroutine as a task that nobody loses; False if nothing is begun any more."""
        self._records = records
        self._acting = acting
        self._traits = traits
        self._deadlines = deadlines
        self._settings = settings
        self._spawn = spawn
        self._log = log
        self._look_every_seconds = look_every_seconds
        self._busy: dict[int, frozenset[int]] = {}
        self._idle_waiters: dict[int, list[asyncio.Future[None]]] = {}
        self._agenda = Agenda()
        self._wake = Bell()
        self.is_stopping = False

    # --- what a payment needs

    def next_action(self, payment: Payment, now_ms: int | None = None) -> pl.Action | None:
        """What this payment needs next, perhaps later."""
        if now_ms is None:
            now_ms = self._deadlines.now_ms()
        busy = self._busy.get(payment.number, _NOBODY)
        return pl.plan(payment, now_ms, self._traits, self._settings, busy)

    def is_finished(self, payment: Payment) -> bool:
        """Whether this payment needs nothing any more; one that is neither closed nor kept always needs something."""
        if payment.closed is None and payment.kept is None:
            return False
        return pl.plan(payment, self._deadlines.now_ms(), self._traits, self._settings) is None

    def is_busy(self, number: int, attempt: int) -> bool:
        """Whether a call about this attempt is out."""
        return attempt in self._busy.get(number, _NOBODY)

    @property
    def calls_out(self) -> int:
        """How many payments have a call out."""
        return len(self._busy)

    def consider(self, number: int, in_vain: int | None = None) -> None:
        """Begin what this payment needs now, or remember when it needs something. It does not raise.

        `in_vain` is the attempt that has just tried to take its reference: if it must try again, it waits before.
        """
        try:
            self._consider(number, in_vain)
        except Exception as error:  # noqa: BLE001 - a bug about one payment must not stop the rest
            self._failed(number, error)

    def _failed(self, number: int, error: Exception) -> None:
        """A bug of ours met this payment: tell, and try again later."""
        fault = f"{type(error).__name__}: {error}"
        self._log.error("action failed", payment=public_id(number), error=fault)
        self._remember(number, self._deadlines.now_ms() + AFTER_BUG_MS)

    def _consider(self, number: int, in_vain: int | None) -> None:
        journal = self._records.journal
        while True:
            if number in journal.locked:
                ticket = journal.landed_at(number)
                assert ticket is not None
                ticket.when_done(lambda: self.consider(number))
                return
            payment, now_ms = journal.get(number), self._deadlines.now_ms()
            action = self.next_action(payment, now_ms) if payment is not None else None
            if action is None:
                self._agenda.strike(number)
                return
            if action.due_ms > now_ms:
                self._remember(number, action.due_ms)
                return
            if isinstance(action, pl.Note):
                event = changed(action.event, at_ms=now_ms)
                self._records.append(number, event)
                tell(self._log, event, number)
                continue
            if isinstance(action, pl.TakeReference) and action.attempt == in_vain:
                self._remember(number, now_ms + CONFLICT_MS)
                return
            if not self.carry_out(number, action):
                return

    def stop(self) -> None:
        """Begin nothing more: what is needed from now on is the next process's."""
        self.is_stopping = True

    def carry_out(self, number: int, action: pl.Action) -> bool:
        """Record that this call is about to be made, and make it; False if nothing is begun any more."""
        if self.is_stopping:
            return False
        ticket = self._acting.request(number, action)
        call = partial(self._acting.call, number, action, ticket)
        taking = isinstance(action, pl.TakeReference)
        self.begin(number, action.attempt, call, taking=taking)
        return True

    def begin(self, number: int, attempt: int, call: Call, *, taking: bool = False) -> None:
        """Run a call about an attempt as a task; until it has ended the plan leaves the attempt alone.

        Its request, if it has one, was recorded just before. `taking`: all it is for is to take a reference.
        """
        assert not self.is_busy(number, attempt), "one call at a time per attempt"
        self.mark_busy(number, attempt)
        self._records.journal.pin(number)
        self._spawn(self._run(number, attempt, call, taking=taking), f"pay_{number}/{attempt}")

    def mark_busy(self, number: int, attempt: int) -> None:
        """A call about this attempt is out."""
        self._busy[number] = self._busy.get(number, _NOBODY) | {attempt}

    def mark_idle(self, number: int, attempt: int) -> None:
        """It has ended."""
        left = self._busy[number] - {attempt}
        if left:
            self._busy[number] = left
        else:
            del self._busy[number]
        for waiting in self._idle_waiters.pop(number, ()):
            if not waiting.done():
                waiting.set_result(None)

    async def until_idle(self, number: int, attempts: Collection[int]) -> None:
        """Until no call about any of these attempts is out."""
        while any(self.is_busy(number, attempt) for attempt in attempts):
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle_waiters.setdefault(number, []).append(waiting)
            await waiting

    # --- the loop

    async def run(self) -> None:
        """Look after everything that becomes due, for the life of the process."""
        loop = asyncio.get_running_loop()
        while True:
            now_ms = self._deadlines.now_ms()
            begun = 0
            while begun < START_AT_ONCE_MAX and (number := self._agenda.take(now_ms)) is not None:
                self.consider(number)
                begun += 1
            if begun == START_AT_ONCE_MAX:
                await asyncio.sleep(0)
                continue
            pause = self._look_every_seconds
            first_ms = self._agenda.first_ms()
            if first_ms is not None:
                pause = min(pause, max(0.0, (first_ms - now_ms) / 1000))
            self._wake.hush()
            alarm = loop.call_later(pause, self._wake.ring)
            try:
                await self._wake.heard()
            finally:
                alarm.cancel()

    def _remember(self, number: int, due_ms: int) -> None:
        if self._agenda.note(number, due_ms):
            self._wake.ring()

    # --- calls

    async def _run(self, number: int, attempt: int, call: Call, *, taking: bool) -> None:
        bug: Exception | None = None
        try:
            await call()
        except Exception as error:  # noqa: BLE001 - a bug about one payment must not stop the rest
            bug = error
        finally:
            self.mark_idle(number, attempt)
            self._records.wake(number)
        if bug is None:
            self.consider(number, in_vain=attempt if taking else None)
        else:
            self._failed(number, bug)
        self._records.journal.unpin(number)
