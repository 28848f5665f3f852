"""The shop's word on what waits for it: a face's verify, and a manual capture.

Rules:

* The word is journaled in the append that begins what it leads to, so that a crash in between is taken up like any
  other: captured once, or not at all, and whoever asks again is told which.
* Before the word nothing is taken. Where a payer has not come back, the bank is asked by an inquiry; where only a
  verify could tell, the shop's own verify is what it is asked in the name of, and a no spends the word.
* Not knowing is an answer of its own: the word stays, the plan goes on asking, and a repeat of the call joins it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gatewayd.core import actions
from gatewayd.core import events as ev
from gatewayd.core.payment import Attempt, Payment, allows, apply
from gatewayd.core.settings import EngineSettings
from gatewayd.core.states import State
from gatewayd.core.status import is_authorized, is_claimed
from gatewayd.core.terms import Ask, Capture
from gatewayd.engine.acting import Acting
from gatewayd.engine.deadlines import Deadlines
from gatewayd.engine.gateway import GatewaySettings
from gatewayd.engine.ports import Clock, Log
from gatewayd.engine.records import Records
from gatewayd.engine.telling import tell
from gatewayd.engine.tending import Tending
from gatewayd.journal.journal import Ticket
from gatewayd.journal.store import Guard, Holder


class Verdict(StrEnum):
    """What came of the shop's word."""

    CAPTURED = "captured"
    """The money is the shop's, by this call."""
    ALREADY = "already"
    """It is, by an earlier call; that one may not have been told so."""
    NOT_PAID = "not_paid"
    """There is no money to take: not paid (yet), given up, given back, or too late."""
    REVERSED = "reversed"
    """It was the shop's, and went back."""
    WRONG_AMOUNT = "wrong_amount"
    """The shop asks for another amount than was ordered. Nothing was done."""
    UNKNOWN = "unknown"
    """The bank's word is out. It is asked for until it comes; ask again."""


class Stage(StrEnum):
    """How far a payment is, as an inquiry of its shop is answered; asking changes nothing."""

    PENDING = "pending"
    """Nobody has paid yet, as far as is known; the customer may be at a bank."""
    PAID = "paid"
    """Paid, as the customer or the bank says, and waiting for the shop's word."""
    PROCESSING = "processing"
    """The shop has given its word, or called it off, and the bank's answer is out."""
    CAPTURED = "captured"
    FAILED = "failed"
    """Closed without the shop's having been paid; `Payment.closed` says why."""
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class Answer:
    """The payment as it has landed, and what came of the call."""

    payment: Payment
    verdict: Verdict
    begun: bool = True
    """Whether anything was done or found done; False: there was nothing that a capture could be about."""


def stage_of(payment: Payment) -> Stage:
    """How far this payment is."""
    if payment.captured_ms is not None:
        return Stage.CAPTURED if payment.kept is not None else Stage.REVERSED
    if payment.closed is not None:
        return Stage.FAILED
    if is_claimed(payment) or is_authorized(payment):
        return Stage.PAID
    if payment.stopping or payment.kept or any(each.unknown for each in payment.attempts):
        return Stage.PROCESSING
    return Stage.PENDING


class Capturing:
    """One per engine."""

    def __init__(
        self,
        *,
        records: Records,
        tending: Tending,
        acting: Acting,
        gateways: Mapping[str, GatewaySettings],
        clock: Clock,
        deadlines: Deadlines,
        log: Log,
        settings: EngineSettings,
    ) -> None:
        self._records = records
        self._tending = tending
        self._acting = acting
        self._gateways = gateways
        self._clock = clock
        self._deadlines = deadlines
        self._log = log
        self._settings = settings

    # --- for faces

    async def verify(
        self, number: int, *, amount: int | None = None, seconds: float | None = None
    ) -> Answer | None:
        """The shop's verify of a payment made with `Capture.ON_VERIFY`: asks the bank, and keeps what is paid.

        `amount` in rial, if the shop names one: another than was ordered does nothing, also of what is captured. It
        waits for the bank for `seconds`, by default as long as a returning customer waits. None: no such payment.
        """
        async with self._records.holding(number) as held:
            if held is None:
                return None
            if amount is not None and amount != held.amount:
                await self._records.landed(number)
                return Answer(self._records.get(number), Verdict.WRONG_AMOUNT)
            ends = self._clock.monotonic() + self._wait_seconds(seconds)
            before = _outcome(held)
            first = before is Verdict.UNKNOWN and held.waits
            verdict = before if before is not Verdict.UNKNOWN else await self._asked(number, ends)
            if verdict is Verdict.CAPTURED and not first:
                verdict = Verdict.ALREADY
            await self._records.landed(number)
            return Answer(self._records.get(number), verdict)

    async def ask(self, number: int, *, seconds: float | None = None) -> Payment | None:
        """The payment after its banks were asked, where that takes nothing; for inquiries. None: no such payment."""
        async with self._records.holding(number) as held:
            if held is None:
                return None
            ends = self._clock.monotonic() + self._wait_seconds(seconds)
            for attempt in self._absent(held, Ask.INQUIRY):
                await self._inquire(number, attempt, ends)
            await self._records.landed(number)
            return self._records.get(number)

    def unverified(self, shop: str, *, test: bool, limit: int) -> list[Payment]:
        """Payments of a shop's faces that are paid, as is said, and that it has not verified; newest first."""
        found = []
        for number in sorted(self._records.journal.numbers(), reverse=True):
            payment = self._records.journal.get(number)
            if payment is None or payment.hold is None or self._records.journal.landed_at(number):
                continue
            if payment.shop == shop and payment.test is test and is_claimed(payment):
                found.append(payment)
                if len(found) == limit:
                    break
        return found

    # --- for the shop's API

    async def capture(
        self, number: int, idempotency: Guard | None = None, *, seconds: float | None = None
    ) -> Answer | Holder | None:
        """The shop's capture of what is authorized; waits for the bank like `verify`.

        NOT_PAID: it is not authorized, so that nothing was done, or it was lost with the bank's answer. Otherwise who
        holds the idempotency key. None: no such payment.
        """
        async with self._records.holding(number) as held:
            if held is None:
                return None
            ends = self._clock.monotonic() + self._wait_seconds(seconds)
            verdict, begun = _outcome(held), True
            if verdict is Verdict.CAPTURED:
                verdict = Verdict.ALREADY
            elif is_authorized(held):
                holder = await self._captured(number, idempotency)
                if holder is not None:
                    return holder
                verdict = await self._awaited(number, ends)
            elif verdict is Verdict.UNKNOWN and held.hold is not None and not held.waits:
                verdict = await self._awaited(number, ends)
                verdict = Verdict.ALREADY if verdict is Verdict.CAPTURED else verdict
            elif verdict is not Verdict.REVERSED:
                verdict, begun = Verdict.NOT_PAID, False
            await self._records.landed(number)
            return Answer(self._records.get(number), verdict, begun)

    async def _captured(self, number: int, idempotency: Guard | None) -> Holder | None:
        """Journal the word on what is authorized, and begin to take it; who holds the key if somebody does."""
        asked = ev.CaptureRequested(at_ms=self._deadlines.now_ms())
        ticket = self._say(number, asked, (idempotency,) if idempotency else ())
        conflict = await self._records.wait(ticket)
        await self._records.unlocked(number)
        return conflict

    # --- pieces

    async def _asked(self, number: int, ends: float) -> Verdict:
        """What comes of the shop's word until then; the payment is held."""
        await self._records.unlocked(number)
        payment = self._records.get(number)
        if not payment.waits:
            return await self._awaited(number, ends)
        if is_claimed(payment):
            return await self._word(number, ends)
        unanswered = False
        for attempt in self._absent(payment, Ask.INQUIRY, Ask.VERIFY):
            if self._gateways[attempt.gateway].traits.ask is Ask.INQUIRY:
                answered = await self._inquire(number, attempt, ends)
                unanswered = unanswered or not answered
            elif await self._idle(number, attempt.number, ends):
                if not self._verify_of(number, attempt.number):
                    continue
                verdict = await self._awaited(number, ends)
                if verdict is not Verdict.NOT_PAID:
                    return verdict
            else:
                unanswered = True
            await self._records.unlocked(number)
            if is_claimed(self._records.get(number)):
                return await self._word(number, ends)
        return Verdict.UNKNOWN if unanswered else _outcome_if_none(self._records.get(number))

    async def _word(self, number: int, ends: float) -> Verdict:
        """Give the shop's word, if it may be given."""
        payment = self._records.get(number)
        asked = ev.CaptureRequested(at_ms=self._deadlines.now_ms())
        if not allows(payment, asked):
            return _outcome_if_none(payment)
        self._say(number, asked)
        return await self._awaited(number, ends)

    def _say(
        self, number: int, asked: ev.CaptureRequested, takes: tuple[Guard, ...] = ()
    ) -> Ticket:
        """Journal the word, together with the request of the call that it leads to if that can leave at once."""
        action = self._tending.next_action(apply(self._records.get(number), asked))
        due = action is not None and action.due_ms <= asked.at_ms
        ticket = self._begin(number, asked, action, takes) if action is not None and due else None
        if ticket is None:
            ticket = self._records.append(number, asked, takes=takes)
            tell(self._log, asked, number)
            ticket.when_done(lambda: self._tending.consider(number))
        return ticket

    def _verify_of(self, number: int, attempt: int) -> bool:
        """Give the shop's word as a question about this attempt, whose bank tells only by a verify."""
        asked = ev.CaptureRequested(at_ms=self._deadlines.now_ms())
        payment = self._records.get(number)
        if not allows(payment, asked) or not payment.takes_attempts:
            return False
        action = actions.Verify(due_ms=asked.at_ms, attempt=attempt, purpose=ev.Purpose.KEEP)
        return self._begin(number, asked, action) is not None

    def _begin(
        self,
        number: int,
        asked: ev.CaptureRequested,
        action: actions.Action,
        takes: tuple[Guard, ...] = (),
    ) -> Ticket | None:
        """Journal the word together with the request of this call, and make it; None if that may not be."""
        request = _request(action, asked.at_ms)
        busy = self._tending.is_busy(number, action.attempt)
        if request is None or busy or self._tending.is_stopping:
            return None
        if not allows(apply(self._records.get(number), asked), request):
            return None
        ticket = self._records.append(number, asked, request, takes=takes)
        tell(self._log, asked, number)

        async def follow() -> None:
            if await self._records.wait(ticket) is None:
                await self._acting.call(number, action, None)

        self._tending.begin(number, action.attempt, follow)
        return ticket

    async def _awaited(self, number: int, ends: float) -> Verdict:
        """What came of the word, or that it is not known yet."""
        seconds = max(0.0, ends - self._clock.monotonic())
        payment = await self._records.until(
            number, lambda now: _outcome(now) is not Verdict.UNKNOWN or _is_spent(now), seconds
        )
        outcome = _outcome(payment)
        return Verdict.NOT_PAID if outcome is Verdict.UNKNOWN and payment.waits else outcome

    def _absent(self, payment: Payment, *asks: Ask) -> list[Attempt]:
        """The attempts whose payer has not come back and whose bank can be asked in these ways, the latest first."""
        return [
            attempt
            for attempt in reversed(payment.attempts)
            if attempt.state is State.WITH_PAYER
            and attempt.gateway in self._gateways
            and self._gateways[attempt.gateway].traits.ask in asks
        ]

    async def _inquire(self, number: int, attempt: Attempt, ends: float) -> bool:
        """Ask this attempt's bank without changing anything; whether there is an answer in time."""
        if not await self._idle(number, attempt.number, ends):
            return False
        await self._records.unlocked(number)
        now = self._records.get(number).attempt(attempt.number)
        if now is None or now.state is not State.WITH_PAYER:
            return True
        if not self._tending.is_busy(number, attempt.number):
            action = actions.Inquire(due_ms=self._deadlines.now_ms(), attempt=attempt.number)
            if not self._tending.carry_out(number, action):
                return False
        if not await self._idle(number, attempt.number, ends):
            return False
        now = self._records.get(number).attempt(attempt.number)
        return now is None or not now.last_ask_lost

    async def _idle(self, number: int, attempt: int, ends: float) -> bool:
        """Until no call about this attempt is out; whether that was in time."""
        try:
            async with asyncio.timeout(max(0.0, ends - self._clock.monotonic())):
                await self._tending.until_idle(number, (attempt,))
        except TimeoutError:
            return False
        return True

    def _wait_seconds(self, seconds: float | None) -> float:
        return self._settings.return_wait_seconds if seconds is None else seconds


def _outcome(payment: Payment) -> Verdict:
    """What is known of the word's fate; UNKNOWN also where none was given."""
    if payment.captured_ms is not None:
        return Verdict.CAPTURED if payment.kept is not None else Verdict.REVERSED
    return Verdict.NOT_PAID if payment.closed is not None else Verdict.UNKNOWN


def _is_spent(payment: Payment) -> bool:
    """Whether the word has met a no, and nothing follows by itself; what was authorized is closed by it."""
    manual = payment.hold is not None and payment.hold.capture is Capture.MANUAL
    return payment.waits and not manual


def _outcome_if_none(payment: Payment) -> Verdict:
    """The same where nothing is in doubt any more, so that there is nothing to wait for."""
    outcome = _outcome(payment)
    return Verdict.NOT_PAID if outcome is Verdict.UNKNOWN else outcome


def _request(action: actions.Action, at_ms: int) -> ev.AttemptEvent | None:
    """What is journaled before the call leaves that the shop's word leads to."""
    match action:
        case actions.Verify(attempt=attempt, purpose=ev.Purpose.KEEP as purpose):
            return ev.VerifyRequested(at_ms=at_ms, attempt=attempt, purpose=purpose)
        case actions.Settle(attempt=attempt):
            return ev.SettleRequested(at_ms=at_ms, attempt=attempt)
        case _:
            return None
