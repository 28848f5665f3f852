"""One gateway's try at a payment, and what each event makes of it.

Which event is legal in which state is the table's word, and what it does to the payment as a whole `payment`'s: here it
is known to be legal, and the attempt is already in its new state.
"""

from dataclasses import dataclass
from typing import Final

from gatewayd.core import events as ev
from gatewayd.core.claims import named_by_bank
from gatewayd.core.states import KEPT, UNKNOWN, State
from gatewayd.core.terms import (
    Claim,
    CodeClass,
    Finding,
    Receipt,
    Redirect,
    Refusal,
)
from gatewayd.core.values import changed, changer, quick

STRAY_MS: Final = 60_000
"""How long a request that was given up may lie about before the bank's server drops it too."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One gateway's try at a payment."""

    number: int
    gateway: str
    bank_order: int
    settles: bool
    state: State
    began_ms: int
    changed_ms: int
    """When it came into this state."""
    redirect: Redirect | None = None
    handed_ms: int | None = None
    """The last hand-over to the payer."""
    claim: Claim | None = None
    """The return that is to be verified, or was."""
    waiting: tuple[Claim, ...] = ()
    """Further returns that came meanwhile with other fields, judged after this one."""
    reference_taken: bool = False
    """This attempt holds the reference of `claim`."""
    doubt_ms: int | None = None
    """Since when it may be paid."""
    tries: int = 0
    """Calls of the present kind (verify, settle, reverse) without a usable answer, in a row."""
    tried_ms: int | None = None
    """When the last call ended."""
    explained: bool = False
    """An earlier verify of ours was left without an answer: "already verified" may be its doing."""
    stray_ms: int | None = None
    """Until when a verify without an answer may still arrive at the bank; a no before that is not the last word."""
    no: Refusal | None = None
    """The last definite no: a return that says so, or the bank's word."""
    receipt: Receipt | None = None
    card: str | None = None
    asks: int = 0
    asked_ms: int | None = None
    last_ask_lost: bool = False
    """The last inquiry was left without a usable answer: a payment there is not ruled out."""
    last_ask_silent: bool = False
    """…because there was none at all."""
    last_ask_pending: bool = False
    """The last inquiry found the payer at the bank: whatever the clock says, it may still be paid."""
    overdue: bool = False
    """The bank had the money when its time for giving it back was over: it is held, whatever the bank promises."""
    ask_now: bool = False
    """A return said nothing usable: ask before the usual time."""
    giving_back: bool = False
    """A reverse was asked for and not answered: it may have taken effect, and is asked for again."""
    reverse_refused: bool = False
    refund_refused: bool = False
    refund_order: int | None = None
    returns_by_ms: int | None = None
    """By when money that was taken is back on the card."""
    digests: tuple[str, ...] = ()
    """The distinct sets of fields that came back so far."""

    @property
    def token(self) -> str | None:
        """The bank's name for it; None before the bank gave one."""
        return self.redirect.token if self.redirect else None

    @property
    def kept(self) -> bool:
        """Its money is kept."""
        return self.state in KEPT

    @property
    def since_ms(self) -> int:
        """Since when it may be paid; where that is not known, since when it is as it is."""
        return self.changed_ms if self.doubt_ms is None else self.doubt_ms

    @property
    def captured(self) -> bool:
        """Its money is ours for good."""
        return self.state is State.SETTLED or (self.state is State.VERIFIED and not self.settles)

    @property
    def unknown(self) -> bool:
        """Money may have moved, and we do not know."""
        return self.state in UNKNOWN


_MOVED: Final = ("state", "changed_ms")
_moved: Final = changer(Attempt, *_MOVED)
_started: Final = changer(Attempt, *_MOVED, "redirect", "handed_ms")
_verifying: Final = changer(Attempt, *_MOVED, "ask_now")
_verified: Final = changer(Attempt, *_MOVED, "receipt", "card", "tries", "tried_ms", "no")
_settled: Final = changer(Attempt, *_MOVED, "tries", "tried_ms")
_taken: Final = changer(Attempt, *_MOVED, "reference_taken")
_claimed: Final = changer(Attempt, *_MOVED, "digests", "claim", "doubt_ms", "tries")


def after_event(attempt: Attempt, event: ev.AttemptEvent, state: State) -> Attempt:
    """The attempt in its new state, with what the event adds."""
    at, was = event.at_ms, attempt.state
    since = attempt.changed_ms if state is was else at
    match event:  # the main flow's first, and in one copy
        case ev.Started(redirect=redirect):
            return _started(attempt, state, since, redirect, at)
        case ev.Returned(standing=ev.Standing.CLAIM) if (
            state is State.IN_DOUBT and attempt.claim is None
        ):
            digests = (*attempt.digests, event.digest)
            doubt_ms = attempt.doubt_ms if attempt.doubt_ms is not None else at
            return _claimed(attempt, state, since, digests, event.claim, doubt_ms, 0)
        case ev.VerifyRequested():
            return _verifying(attempt, state, since, False)  # noqa: FBT003 - a changer's, in order
        case ev.Verified() | ev.Mismatched():
            card = event.private.get("card")
            return _verified(attempt, state, since, event.receipt, card, 0, at, None)
        case ev.SettleRequested():
            return _moved(attempt, state, since)
        case ev.Settled():
            return _settled(attempt, state, since, 0, at)
        case ev.ReferenceTaken():
            return _taken(attempt, state, since, True)  # noqa: FBT003 - as above
        case _:
            return _after(attempt if state is was else _moved(attempt, state, at), event, was)


def _after(attempt: Attempt, event: ev.AttemptEvent, was: State) -> Attempt:
    """The same for an attempt that is already in its new state; `was` is the old one."""
    at = event.at_ms
    match event:
        case ev.Returned():
            return _returned(attempt, event)
        case ev.StartRefused(refusal=refusal):
            return changed(attempt, no=refusal)
        case ev.StartLost(cause=cause):
            return changed(attempt, no=Refusal(cause=CodeClass.GATEWAY, code="", message=cause))
        case ev.HandedOver():
            return changed(attempt, handed_ms=at)
        case ev.ClaimRejected(why=why):
            no = Refusal(cause=CodeClass.NOT_PAID, code="", message=f"claim rejected: {why}")
            return _next_claim(changed(attempt, no=no), at)
        case ev.VerifyRefused() if _may_stray(attempt, at):
            doubted = changed(attempt, state=State.IN_DOUBT, claim=None, tries=0, tried_ms=at)
            return _next_claim(doubted, at) if doubted.waiting else doubted
        case ev.VerifyRefused(refusal=refusal):
            if not _says_nothing(attempt, refusal):
                attempt = changed(attempt, no=refusal)
            return _next_claim(changed(attempt, tried_ms=at, explained=False), at)
        case ev.VerifyLost(reached=False) if attempt.doubt_ms is None:
            # Nobody said that it was paid, and the question never left: nothing is in doubt by it.
            back = changed(attempt, state=State.WITH_PAYER)
            return changed(_next_claim(back, at), tries=attempt.tries + 1, tried_ms=at)
        case ev.VerifyLost(reached=reached):
            lost = _lost(attempt, at)
            if not reached:
                return lost
            return changed(lost, explained=True, stray_ms=at + STRAY_MS)
        case ev.ReverseLost(answered=answered):
            return changed(_lost(attempt, at), giving_back=not answered)
        case ev.SettleLost():
            return _lost(attempt, at)
        case ev.ReverseRequested():
            return changed(attempt, giving_back=True)
        case ev.Reversed(returns_by_ms=returns_by_ms) | ev.Refunded(returns_by_ms=returns_by_ms):
            return changed(
                attempt, tries=0, tried_ms=at, giving_back=False, returns_by_ms=returns_by_ms
            )
        case ev.Lapsed(returns_by_ms=returns_by_ms):
            return changed(attempt, returns_by_ms=returns_by_ms)
        case ev.SettleRefused(refusal=refusal):
            return changed(attempt, no=refusal, tried_ms=at)
        case ev.ReverseRefused():
            return changed(attempt, tries=0, tried_ms=at, giving_back=False, reverse_refused=True)
        case ev.RefundRequested(refund_order=refund_order):
            return changed(attempt, refund_order=refund_order)
        case ev.RefundRefused():
            return changed(attempt, tries=0, tried_ms=at, refund_refused=True)
        case ev.Asked():
            return _asked(attempt, event, was)
        case _:
            return attempt


def _may_stray(attempt: Attempt, at_ms: int) -> bool:
    """Whether a verify that was left without an answer may still take effect after this no.

    A payer who pays before it arrives has paid us. A claim's reference, though, names what had been paid before.
    """
    by_token = attempt.claim is None or attempt.claim.reference is None
    return by_token and attempt.stray_ms is not None and at_ms < attempt.stray_ms


def _says_nothing(attempt: Attempt, refusal: Refusal) -> bool:
    """Whether a "not paid" is no news: of this payer neither browser nor bank told, and he may just be paying."""
    heard_of = attempt.digests or attempt.asks
    return refusal.cause is CodeClass.NOT_PAID and not heard_of


def _lost(attempt: Attempt, at_ms: int) -> Attempt:
    """After a call without a usable answer; from then on, if not before, the attempt may be paid."""
    doubt_ms = attempt.doubt_ms if attempt.doubt_ms is not None else at_ms
    return changed(attempt, tries=attempt.tries + 1, tried_ms=at_ms, doubt_ms=doubt_ms)


def _returned(attempt: Attempt, event: ev.Returned) -> Attempt:
    digests = (*attempt.digests, event.digest)
    match event.standing:
        case ev.Standing.CLAIM:  # not the one that is to be verified: `after_event` knows that
            return changed(attempt, digests=digests, waiting=(*attempt.waiting, event.claim))
        case ev.Standing.NO:
            no = Refusal(cause=event.claim.outcome, code=event.claim.code)
            return changed(attempt, digests=digests, no=no)
        case ev.Standing.UNCLEAR:
            return changed(attempt, digests=digests, ask_now=True)
        case ev.Standing.FOREIGN:
            return changed(attempt, digests=digests)


def _next_claim(attempt: Attempt, at_ms: int) -> Attempt:
    """Put the judged claim aside; if another return waits, the attempt is in doubt by that one."""
    attempt = changed(attempt, reference_taken=False, tries=0, overdue=False)
    if not attempt.waiting:
        return changed(attempt, claim=None, doubt_ms=None)
    claim, *waiting = attempt.waiting
    doubted = changed(attempt, state=State.IN_DOUBT, changed_ms=at_ms, doubt_ms=at_ms)
    return changed(doubted, claim=claim, waiting=tuple(waiting))


_answered: Final = changer(
    Attempt,
    "asks",
    "asked_ms",
    "ask_now",
    "last_ask_lost",
    "last_ask_silent",
    "last_ask_pending",
    "no",
)


def _asked(attempt: Attempt, event: ev.Asked, was: State) -> Attempt:
    finding, no = event.inquiry.finding, attempt.no
    if finding is Finding.NOT_PAID and attempt.state in {State.WITH_PAYER, State.LAPSED}:
        no = no or Refusal(cause=CodeClass.NOT_PAID, code="", message="inquiry: not paid")
    asked = _answered(
        attempt,
        attempt.asks + 1,
        event.at_ms,
        False,  # noqa: FBT003 - a changer's, in order
        finding is Finding.UNKNOWN,
        event.silent,
        finding is Finding.PENDING,
        no,
    )
    if finding is not Finding.PAID and finding is not Finding.VERIFIED:
        return asked
    taken, reference = asked.reference_taken, event.inquiry.reference
    claim, waiting = named_by_bank(asked.claim, asked.waiting, reference, taken=taken)
    taken = taken and claim is asked.claim
    asked = changed(asked, claim=claim, waiting=waiting, reference_taken=taken)
    doubt_ms = asked.doubt_ms if asked.doubt_ms is not None else event.at_ms
    overdue = asked.overdue or was is State.LAPSED
    return changed(asked, doubt_ms=doubt_ms, overdue=overdue, no=None)
