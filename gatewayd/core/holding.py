"""What a payment has beside others that waits for its shop's word: a manual capture, or a face's verify.

Rules:

* Without the word nothing is kept: the table refuses a verify to keep, or where a bank settles what it has verified,
  the settle. What is proven meanwhile was not taken.
* The word is spent by a definite no to everything that was in doubt: who pays afterwards needs a new one.
* It has an end, early enough for the bank to be asked to give back what it would otherwise keep. After it the payment
  is stopped, and no word counts any more.
* A payment that is captured automatically has none of this, and pays nothing for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gatewayd.core import events as ev
from gatewayd.core.states import KEPT, UNKNOWN, IllegalTransition, State
from gatewayd.core.terms import Capture, Finding, IfUnverified, Traits
from gatewayd.core.values import changed

WARN_MS: Final = 30 * 60_000
"""How long before the end a shop is warned, or a third of the time that it has if that is less."""
LAPSE_ROOM_SECONDS: Final = 60
"""Left of the bank's window when the word comes in the last moment and money goes back by itself otherwise."""
GIVE_BACK_PART: Final = 6
"""Left of the bank's window where we must give the money back: this part of it, for a bank may be down for a while."""
ALIVE: Final = UNKNOWN | KEPT
"""An attempt in one of these may still be what the shop's word is about."""
BY_WORD: Final = frozenset({"Authorized", "LeftToReview"})
"""Triggers whose being legal hangs on the shop's word even where none is waited for."""
DENIALS: Final = 2
"""Inquiries that must deny a claim: the first may have been asked before the payment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """How far a payment is that waits for its shop's word."""

    capture: Capture
    face: str = ""
    asked_ms: int | None = None
    """Since when the shop wants the money; None: it has not said so, or its word was spent."""
    lapsed: bool = False
    """It did not say so in time."""
    since_ms: int | None = None
    """When what is in doubt or proven may have been paid at the earliest."""
    proven: tuple[int, ...] = ()
    """Attempts that an inquiry found paid, by number."""
    denied: tuple[int, ...] = ()
    """Attempts that an inquiry found unpaid although somebody claimed; one that was denied twice is here twice."""
    authorized: int = 0
    """The attempt that may be captured; 0: none."""
    authorized_ms: int | None = None
    """When an attempt was first authorized, whatever became of it."""
    capture_by_ms: int | None = None
    """Until when the authorized attempt may be captured."""
    due_told: bool = False
    """The shop was warned."""

    @property
    def warn_ms(self) -> int:
        """When the shop of an authorized payment is warned."""
        assert self.capture_by_ms is not None, "only asked of what is authorized"
        assert self.authorized_ms is not None, "only asked of what is authorized"
        return self.capture_by_ms - min(WARN_MS, (self.capture_by_ms - self.authorized_ms) // 3)


def begun(event: ev.Created) -> Hold | None:
    """What a new payment has; None where it is captured automatically."""
    if event.capture is Capture.AUTOMATIC:
        return None
    return Hold(capture=event.capture, face=event.face)


def worded(
    hold: Hold | None,
    event: ev.CaptureRequested | ev.CaptureDue | ev.CaptureLapsed,
    *,
    over: bool,
) -> Hold:
    """The hold after the shop's word, or a word to the shop. `over`: the payment has ended or is being stopped."""
    if hold is None or hold.asked_ms is not None or over:
        raise IllegalTransition(f"{event.trigger} of what does not wait for its shop")
    match event:
        case ev.CaptureRequested():
            return changed(hold, asked_ms=event.at_ms)
        case ev.CaptureDue():
            if hold.due_told or not hold.authorized:
                raise IllegalTransition("CaptureDue twice, or of what is not authorized")
            return changed(hold, due_told=True)
        case ev.CaptureLapsed():
            return changed(hold, lapsed=True)


def check(
    hold: Hold | None, event: ev.AttemptEvent, state: State, *, settles: bool, over: bool
) -> None:
    """IllegalTransition for what may happen to an attempt only before, or only after, its shop's word.

    `over`: the payment is closed or being stopped.
    """
    asked = hold is not None and hold.asked_ms is not None
    match event:
        case ev.LeftToReview() if state is State.VERIFIED and (hold is None or asked):
            raise IllegalTransition("LeftToReview, although the money is kept")
        case ev.Authorized():
            proven = hold is not None and (state is State.VERIFIED or event.attempt in hold.proven)
            manual = hold is not None and hold.capture is Capture.MANUAL
            again = hold is not None and hold.authorized
            if over or asked or not proven or not manual or again:
                raise IllegalTransition("Authorized again, or what is not proven")
        case ev.VerifyRequested(purpose=ev.Purpose.KEEP) if hold is not None:
            if not may_verify(hold, settles=settles):
                raise IllegalTransition("a verify to keep before the shop's word")
        case ev.SettleRequested() if hold is not None and not asked:
            raise IllegalTransition("SettleRequested before the shop's word")
        case _:
            pass


def may_verify(hold: Hold, *, settles: bool) -> bool:
    """Whether a verify to keep is allowed: by the shop's word, or where it takes nothing before a settle."""
    return hold.asked_ms is not None or (hold.capture is Capture.MANUAL and settles)


def window_ms(hold: Hold, traits: Traits) -> int:
    """How long after the payment the shop's word counts at this gateway."""
    if hold.capture is Capture.MANUAL and traits.settles:
        within = traits.reverse_within_seconds or 0
        return (within - within // GIVE_BACK_PART) * 1000
    within = traits.verify_within_seconds
    if traits.unverified is IfUnverified.HELD:
        return (within - within // GIVE_BACK_PART) * 1000
    return (within - LAPSE_ROOM_SECONDS) * 1000


def after(
    hold: Hold,
    event: ev.AttemptEvent,
    states: tuple[State, State],
    *,
    amount: int,
    paid_from_ms: int,
    others: Iterable[State],
) -> Hold:
    """The hold after an event of an attempt that went from one of these states to the other.

    `amount` is the order's in rial; `paid_from_ms` is since when the attempt may have been paid, if it turns out to
    be; `others` are the states of the payment's other attempts.
    """
    was, now = states
    number = event.attempt
    if now is State.IN_DOUBT and was is not State.IN_DOUBT:
        since_ms = paid_from_ms if hold.since_ms is None else min(hold.since_ms, paid_from_ms)
        hold = changed(hold, since_ms=since_ms)
    match event:
        case ev.Asked(inquiry=inquiry) if inquiry.finding in {Finding.PAID, Finding.VERIFIED}:
            if inquiry.receipt.amount in {None, amount}:
                proven = (*without(hold.proven, number), number)
                hold = changed(hold, proven=proven, denied=without(hold.denied, number))
        case ev.Asked(inquiry=inquiry) if inquiry.finding is Finding.NOT_PAID:
            if now is State.IN_DOUBT:
                hold = changed(hold, denied=(*hold.denied, number))
        case ev.Authorized(capture_by_ms=capture_by_ms):
            first_ms = hold.authorized_ms if hold.authorized_ms is not None else event.at_ms
            hold = changed(
                hold, authorized=number, authorized_ms=first_ms, capture_by_ms=capture_by_ms
            )
        case _:
            pass
    if was in ALIVE and now not in ALIVE:
        hold = _gone(hold, number, others_alive=any(state in ALIVE for state in others))
    return hold


def _gone(hold: Hold, number: int, *, others_alive: bool) -> Hold:
    """After an attempt's doubt or proof has ended with nothing to keep."""
    hold = changed(hold, proven=without(hold.proven, number), denied=without(hold.denied, number))
    if hold.authorized == number:
        hold = changed(hold, authorized=0, capture_by_ms=None)
    if not others_alive:
        hold = changed(hold, asked_ms=None, since_ms=None)
    return hold


def without(numbers: tuple[int, ...], number: int) -> tuple[int, ...]:
    """These numbers but that one."""
    return tuple(each for each in numbers if each != number)
