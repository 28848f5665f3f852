"""A shop's verify at a face, whatever carries it: what it is answered, and who is told first that it is verified.

The first call that is told of a verified payment is told so with another code than every later one, as at the services:
a shop that asks twice at once must not ship twice. That is remembered only while it matters: a shop whose payment was
verified on disk, and whose answer a crash took, is told "already verified", as at the services.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Final

from gatewayd.core.payment import Payment
from gatewayd.engine.capturing import Verdict
from gatewayd.engine.engine import Engine
from gatewayd.web.facade.standing import Standing, standing_of

VERIFY_SECONDS: Final = 15.0
"""How long a shop's verify waits for the bank: one lost answer and its repeat, and less than most clients wait."""
OWED_MAX: Final = 10_000
"""Payments of which a shop was told "not known yet", and is to be told that its verify was the first."""
_YES: Final = {
    Verdict.CAPTURED: True,
    Verdict.ALREADY: True,
    Verdict.NOT_PAID: False,
    Verdict.REVERSED: False,
    Verdict.WRONG_AMOUNT: False,
}
"""Whether a payment is verified, by what came of it."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of a shop's verify."""

    payment: Payment
    verdict: Verdict
    _: KW_ONLY
    first: bool
    """Nobody was told before that it is verified."""


class Firsts:
    """Who is the first to hear that a payment is verified: a shop that waits for its answer, and no other after it."""

    def __init__(self, owed: Iterable[int] = ()) -> None:
        """`owed` are payments whose shop has asked an earlier process, and was certainly not told."""
        self._asking: Counter[int] = Counter()
        self._told: set[int] = set()
        """Of those that are being asked about: somebody has heard."""
        self._owed: dict[int, None] = {}
        """Their shop has asked, and was not told."""
        for number in owed:
            self._owe(number)

    def begin(self, number: int) -> None:
        """A shop asks for a payment that was not verified."""
        self._asking[number] += 1

    def end(self, number: int, *, verified: bool | None, heard: bool) -> bool:
        """Its call ends; whether it is the first to hear that the payment is verified.

        `verified` is None where that is not known; `heard` says whether anybody still waits for the answer.
        """
        first = verified is True and heard and number not in self._told
        if first:
            self._told.add(number)
            self._owed.pop(number, None)
        self._asking[number] -= 1
        if not self._asking[number]:
            del self._asking[number]
            if verified is not False and number not in self._told:
                self._owe(number)
            self._told.discard(number)
        return first

    def is_owed(self, number: int, *, heard: bool = True) -> bool:
        """Whether a verified payment's shop was never told; it is told now, and the next is not first."""
        if not heard:
            return False
        owed = number in self._owed
        self._owed.pop(number, None)
        if number not in self._asking:
            return owed
        first = number not in self._told  # those who asked before are not answered yet
        self._told.add(number)
        return first

    def _owe(self, number: int) -> None:
        self._owed[number] = None
        if len(self._owed) > OWED_MAX:
            del self._owed[next(iter(self._owed))]


def firsts_after(taken_over: Iterable[Payment]) -> Firsts:
    """Who is to be told first, in a process that takes over these open payments from an earlier one."""
    return Firsts(each.number for each in taken_over if _was_asked_for(each))


async def verified(
    engine: Engine, firsts: Firsts, payment: Payment, has_hung_up: Callable[[], bool]
) -> Verified:
    """What a shop's verify of its payment is answered, after its bank was asked.

    `has_hung_up` says whether nobody waits for this answer any more.
    """
    number = payment.number
    match standing_of(payment):
        case Standing.VERIFIED:
            heard = not has_hung_up()
            return Verified(payment, Verdict.CAPTURED, first=firsts.is_owed(number, heard=heard))
        case Standing.REVERSED:
            return Verified(payment, Verdict.REVERSED, first=False)
        case _:
            pass
    firsts.begin(number)
    verdict, first = Verdict.UNKNOWN, False
    try:
        answer = await engine.capturing.verify(number, seconds=VERIFY_SECONDS)
        assert answer is not None, "payments are never removed"
        payment, verdict = answer.payment, answer.verdict
    finally:
        first = firsts.end(number, verified=_YES.get(verdict), heard=not has_hung_up())
    return Verified(payment, verdict, first=first)


def _was_asked_for(payment: Payment) -> bool:
    """Whether a face's shop has asked for it, and no bank has said yes."""
    hold = payment.hold
    return bool(hold and hold.face and hold.asked_ms) and payment.captured_ms is None
