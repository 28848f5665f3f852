"""Gives paid money back when its shop asks for it, and lets a person finish what no bank does.

Rules:

* What is asked back is agreed to or refused at once, by what memory has and with nothing in between, so that however
  many ask at the same time, the sum is never more than the payment. What is agreed to is on disk before anybody hears
  of it; the bank is asked afterwards, by the plan like everything else.
* A person closes only what is a person's: while a bank may still answer, nobody says what it did.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatewayd.core import events as ev
from gatewayd.core.actions import Note
from gatewayd.core.payment import Payment, allows, apply
from gatewayd.core.refund_plan import can_undo
from gatewayd.core.refunds import ENDED, GOES_BACK, REFUNDS_MAX, Refund, RefundState, RefundStatus
from gatewayd.core.terms import Traits
from gatewayd.engine.acting import refund_of
from gatewayd.engine.deadlines import Deadlines
from gatewayd.engine.operating import Refused
from gatewayd.engine.ports import Log
from gatewayd.engine.records import Records
from gatewayd.engine.telling import tell
from gatewayd.engine.tending import Tending
from gatewayd.journal.journal import Ticket
from gatewayd.journal.store import Guard, Holder

_SETTLED_WORD: Final = GOES_BACK | {RefundState.FAILED, RefundState.MANUAL}
"""A shop that waits for a refund has its answer."""
LIST_MAX: Final = 1_000
"""Refunds in an operator's list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A refund as a shop asks for it."""

    amount: int | None
    """Rial; None: all that is left."""
    key: str
    """The id of the API key."""
    reason: str = ""
    iban: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """It is agreed to: the payment as it was then, and the refund."""

    payment: Payment
    refund: Refund


@dataclass(frozen=True, slots=True)
class TooMuch:
    """More than is left; nothing has changed."""

    payment: Payment


@dataclass(frozen=True, slots=True)
class TooMany:
    """It has as many refunds as a payment may have."""

    payment: Payment


@dataclass(frozen=True, slots=True)
class NotPaid:
    """There is nothing to give back: it is not paid, or not any more."""

    payment: Payment


class Refunding:
    """One per engine."""

    def __init__(
        self,
        *,
        records: Records,
        tending: Tending,
        traits: Mapping[str, Traits],
        deadlines: Deadlines,
        log: Log,
    ) -> None:
        self._records = records
        self._traits = traits
        self._tending = tending
        self._deadlines = deadlines
        self._log = log

    # --- the shop

    async def create(
        self, number: int, wanted: Wanted, idempotency: Guard | None = None
    ) -> Made | TooMuch | TooMany | NotPaid | Holder | None:
        """Agree to a refund of payment `number`, or say why not; None if there is no such payment.

        Holder: somebody was first with this idempotency key.
        """
        async with self._records.holding(number) as held:
            if held is None:
                return None
            await self._records.unlocked(number)
            payment = self._records.get(number)
            kept = payment.kept
            if kept is None or not kept.captured or payment.captured_ms is None:
                return NotPaid(payment)
            left = payment.refundable
            amount = left if wanted.amount is None else wanted.amount
            if not 0 < amount <= left:
                return TooMuch(payment)
            if len(payment.refunds) >= REFUNDS_MAX:
                return TooMany(payment)
            private = {"reason": wanted.reason, "iban": wanted.iban}
            event = ev.RefundCreated(
                at_ms=self._deadlines.now_ms(),
                refund=len(payment.refunds) + 1,
                attempt=kept.number,
                amount=amount,
                key=wanted.key,
                private={name: text for name, text in private.items() if text},
            )
            made = apply(payment, event)
            takes = (idempotency,) if idempotency else ()
            ticket = self._records.append(number, event, takes=takes)
            ticket.when_done(
                lambda: self._agreed(ticket, event, number)
            )  # also if its shop hung up
            conflict = await self._records.wait(ticket)
            return conflict or Made(made, made.refunds[-1])

    async def reverse(
        self,
        number: int,
        wanted: Wanted,
        idempotency: Guard | None = None,
        *,
        seconds: float,
    ) -> Made | NotPaid | TooMuch | TooMany | Holder | None:
        """Agree to a refund of all of it if the bank still reverses the whole payment; TooMuch if it does not.

        Waits for the bank's word for `seconds` at most.
        """
        async with self._records.holding(number) as held:
            if held is None:
                return None
            if held.kept is None or held.captured_ms is None:
                return NotPaid(held)
            traits = self._traits.get(held.kept.gateway)
            if traits is None or not can_undo(held, traits, self._deadlines.now_ms()):
                return TooMuch(held)
            made = await self.create(number, wanted, idempotency)
            if not isinstance(made, Made):
                return made
            place = made.refund.number - 1
            payment = await self._records.until(
                number, lambda now: now.refunds[place].status is not RefundStatus.PENDING, seconds
            )
            return Made(payment, payment.refunds[place])

    def _agreed(self, ticket: Ticket, event: ev.RefundCreated, number: int) -> None:
        if ticket.conflict is None:
            tell(self._log, event, number)
        self._tending.consider(number)

    async def undo(self, number: int, *, key: str, seconds: float) -> bool | None:
        """Give all of a paid payment back if its bank does; what no bank does is left paid, and to nobody.

        True: it goes back. False: the bank does not do it. None: not known in time, and it is asked on.
        """
        async with self._records.holding(number) as held:
            if held is None:
                return False
            await self._records.unlocked(number)
            payment = self._records.get(number)
            under_way = (each for each in payment.refunds if each.state not in ENDED)
            begun = next((each for each in under_way if each.amount == payment.amount), None)
            if begun is None:
                made: object = None
                if self._is_for_a_bank(payment, key):
                    made = await self.create(number, Wanted(amount=None, key=key))
                if not isinstance(made, Made):
                    await self._records.landed(number)  # it may be another's word that says no
                    return False
                begun = made.refund
            place = begun.number
            payment = await self._records.until(
                number, lambda now: refund_of(now, place).state in _SETTLED_WORD, seconds
            )
            refund = refund_of(payment, place)
            if refund.state is RefundState.MANUAL and refund.key == key and not refund.maybe_done:
                said = {"by": key, "reason": "the bank does not, and the shop was told so"}
                refund = (await self.resolve(number, place, done=False, **said)).refund
            if refund.state is RefundState.FAILED:
                return False
            return True if refund.state in GOES_BACK else None

    def _is_for_a_bank(self, payment: Payment, key: str) -> bool:
        """Whether all of it could be given back by a bank now, as far as the plan knows."""
        kept = payment.kept
        if kept is None or not kept.captured or payment.refundable != payment.amount:
            return False
        event = ev.RefundCreated(
            at_ms=self._deadlines.now_ms(),
            refund=len(payment.refunds) + 1,
            attempt=kept.number,
            amount=payment.amount,
            key=key,
        )
        if not allows(payment, event):
            return False
        return not isinstance(self._tending.next_action(apply(payment, event)), Note)

    # --- a person

    async def resolve(
        self, number: int, refund: int, *, done: bool, by: str, reason: str, reference: str = ""
    ) -> Made:
        """A person says that a refund went back, or that it does not go back. Refused while a bank is asked."""
        async with self._records.holding(number) as held:
            await self._records.unlocked(number)
            payment = self._records.get(number) if held is not None else None
            if payment is None or not 1 <= refund <= len(payment.refunds):
                raise Refused("there is no such refund")
            event = ev.RefundResolved(
                at_ms=self._deadlines.now_ms(),
                refund=refund,
                by=by,
                reason=reason,
                done=done,
                reference=reference,
            )
            if self._tending.is_busy(number, refund_of(payment, refund).attempt):
                raise Refused("a call about it is out just now: try again in a moment")
            if not allows(payment, event):
                raise Refused(_why_not(refund_of(payment, refund)))
            self._records.append(number, event)
            tell(self._log, event, number, by=by)
            self._tending.consider(number)
            await self._records.landed(number)
            payment = self._records.get(number)
            return Made(payment, refund_of(payment, refund))

    async def unfinished(self, in_review: list[int]) -> list[Made]:
        """Refunds that have not ended: of open payments, and of these others, which wait for a person."""
        numbers = dict.fromkeys([*self._records.journal.numbers(), *in_review])
        found: list[Made] = []
        for number in numbers:
            payment = self._records.journal.get(number)
            if payment is not None and not payment.refunds:
                continue
            payment = await self._records.look(number)
            if payment is not None:
                found += self._of(payment, lambda refund: refund.state not in ENDED)
            if len(found) >= LIST_MAX:
                break
        return found[:LIST_MAX]

    async def find(self, number: int, refund: int) -> Made | None:
        """One refund; None if there is none."""
        payment = await self._records.look(number)
        found = self._of(payment, lambda each: each.number == refund) if payment else []
        return found[0] if found else None

    def _of(self, payment: Payment, fits: Callable[[Refund], Any]) -> list[Made]:
        return [Made(payment, refund) for refund in payment.refunds if fits(refund)]


def _why_not(refund: Refund) -> str:
    """Why a person's word is not taken now."""
    if refund.state in ENDED:
        return f"it has {refund.state} already"
    if refund.state is RefundState.WAITING:
        return "the bank has not done it yet: wait, or say that it failed so that it is not asked"
    return "the bank is still being asked about it: wait for its answer"
