"""A refund: part or all of a paid payment on its way back, its states, and what each event makes of it.

Rules:

* A refund is agreed to before any bank is asked, and from then on its amount is spoken for: the sum of all refunds that
  have not failed is never more than the payment.
* All of a payment goes back by a reverse while the bank still reverses; then the attempt's own state tells how far that
  is, and the refund follows it. Everything else goes back by a refund, where the bank has one.
* A refund without an answer is in doubt: the bank is asked what became of it, and it is asked for again only after the
  bank has said that it did not happen, when no stray request can still arrive there.
* What no bank can be asked for, and what no bank answers, is a person's to do. Only a person calls a refund failed.
* The table is literal: a trigger that is missing in a state's row is illegal there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gatewayd.core import events as ev
from gatewayd.core.attempt import STRAY_MS
from gatewayd.core.terms import GivenBack, Refusal
from gatewayd.core.values import changed

REFUNDS_MAX: Final = 100
"""Of one payment: a shop that gives back in more parts is stuck in a loop."""


class RefundState(StrEnum):
    """Where a refund stands."""

    WAITING = "waiting"
    """Agreed to; no bank has been asked for it, or what was asked certainly did nothing."""
    REVERSING = "reversing"
    """The bank is asked to reverse the whole payment, until it says yes or no."""
    REFUNDING = "refunding"
    """The bank is being asked to refund it."""
    IN_DOUBT = "in_doubt"
    """No usable answer: it may have happened, and the bank is asked about it."""
    ACCEPTED = "accepted"
    """The bank took the order and carries it out later; it is asked until it has."""
    MANUAL = "manual"
    """Nothing that we may do by ourselves is left; a person gives it back, or finds that the bank did."""
    SUCCEEDED = "succeeded"
    """It went back."""
    FAILED = "failed"
    """A person said that it does not go back; its amount is free again."""


class RefundStatus(StrEnum):
    """What a refund is called outside."""

    PENDING = "pending"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    MANUAL_REQUIRED = "manual_required"


STATUS: Final[Mapping[RefundState, RefundStatus]] = {
    RefundState.WAITING: RefundStatus.PENDING,
    RefundState.REVERSING: RefundStatus.PENDING,
    RefundState.REFUNDING: RefundStatus.PENDING,
    RefundState.IN_DOUBT: RefundStatus.PENDING,
    RefundState.ACCEPTED: RefundStatus.PROCESSING,
    RefundState.MANUAL: RefundStatus.MANUAL_REQUIRED,
    RefundState.SUCCEEDED: RefundStatus.SUCCEEDED,
    RefundState.FAILED: RefundStatus.FAILED,
}
ENDED: Final = frozenset({RefundState.SUCCEEDED, RefundState.FAILED})
"""Nothing happens to these any more."""
GOES_BACK: Final = frozenset({RefundState.SUCCEEDED, RefundState.ACCEPTED})
"""The bank has said that it gives the money back."""


class RefundWay(StrEnum):
    """How the money goes back."""

    REVERSAL = "reversal"
    """The whole payment is undone at the bank."""
    REFUND = "refund"
    """The bank gives this amount back."""
    MANUAL = "manual"
    """A person does, outside."""


REFUND_TRANSITIONS: Final[Mapping[RefundState, Mapping[str, RefundState]]] = {
    RefundState.WAITING: {
        "ReverseRequested": RefundState.REVERSING,
        "RefundRequested": RefundState.REFUNDING,
        "RefundLeftToReview": RefundState.MANUAL,
        "RefundResolved:failed": RefundState.FAILED,
    },
    RefundState.REVERSING: {
        "ReverseRequested": RefundState.REVERSING,  # again, after no answer
        "Reversed": RefundState.SUCCEEDED,
        "ReverseRefused": RefundState.WAITING,
        "ReverseLost": RefundState.REVERSING,  # it may have taken effect: ask for it again
        "ReverseLost:answered": RefundState.WAITING,
        "RefundLeftToReview": RefundState.MANUAL,
    },
    RefundState.REFUNDING: {
        "Refunded": RefundState.SUCCEEDED,
        "Refunded:later": RefundState.ACCEPTED,
        "RefundRefused": RefundState.MANUAL,  # the bank will not: a person must
        "RefundLost": RefundState.IN_DOUBT,
        "RefundLost:unsent": RefundState.WAITING,
    },
    RefundState.IN_DOUBT: {
        "RefundAsked:done": RefundState.SUCCEEDED,
        "RefundAsked:under_way": RefundState.ACCEPTED,
        "RefundAsked:not_done": RefundState.WAITING,
        "RefundAsked:not_yet": RefundState.IN_DOUBT,  # the request may still arrive there
        "RefundAsked:unknown": RefundState.IN_DOUBT,
        "RefundLeftToReview": RefundState.MANUAL,
    },
    RefundState.ACCEPTED: {
        "RefundAsked:done": RefundState.SUCCEEDED,
        "RefundAsked:under_way": RefundState.ACCEPTED,
        "RefundAsked:not_done": RefundState.MANUAL,  # it broke its word
        "RefundAsked:unknown": RefundState.ACCEPTED,
        "RefundLeftToReview": RefundState.MANUAL,
    },
    RefundState.MANUAL: {
        "RefundResolved:done": RefundState.SUCCEEDED,
        "RefundResolved:failed": RefundState.FAILED,
    },
    RefundState.SUCCEEDED: {},
    RefundState.FAILED: {},
}


OF_ATTEMPTS: Final = (ev.RefundRequested, ev.Refunded, ev.RefundRefused, ev.RefundLost)
"""An attempt's events that are about a refund where their `refund` is not 0."""
AboutRefund = ev.RefundEvent | ev.RefundRequested | ev.Refunded | ev.RefundRefused | ev.RefundLost


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """One refund of a payment."""

    number: int
    """Its place among the payment's refunds, from 1."""
    attempt: int
    """Whose money it gives back."""
    amount: int
    """Rial."""
    state: RefundState
    created_ms: int
    changed_ms: int
    """When it came into this state."""
    version: int = 0
    """The payment's, when something happened to this refund last."""
    key: str
    """The id of the API key that asked for it."""
    reason: str = ""
    """The shop's words."""
    iban: str = ""
    """Where a person may send it, if the shop knows."""
    way: RefundWay | None = None
    """How it goes back; None while that is open."""
    refund_order: int | None = None
    """Our number of it at the bank: one for all requests, so that a bank that minds numbers refuses a second."""
    calls: int = 0
    """How often the bank was asked to refund it."""
    tries: int = 0
    """Calls without a usable answer, in a row; they space the next out."""
    tried_ms: int | None = None
    """When the last call ended."""
    stray_ms: int | None = None
    """Until when a request without an answer may still arrive at the bank; a no before that is not the last word."""
    in_vain: int = 0
    """Answers to "what became of it" that said nothing, in a row."""
    given: GivenBack | None = None
    no: Refusal | None = None
    """The bank's last refusal of it, whether definite or not."""
    why: str = ""
    """Why a person must see to it."""
    maybe_done: bool = False
    """The bank may have done it: a person must look there first, or it goes back twice."""
    returns_by_ms: int | None = None
    """By when it is on the card, as the banks promise."""
    reference: str = ""
    """What a person gave it back by."""
    by: str = ""
    """Who said that it is done or failed…"""
    said: str = ""
    """…and why."""

    @property
    def live(self) -> bool:
        """Its amount is spoken for."""
        return self.state is not RefundState.FAILED

    @property
    def needs_bank(self) -> bool:
        """Its bank is still to be asked."""
        return self.state not in ENDED and self.state is not RefundState.MANUAL

    @property
    def status(self) -> RefundStatus:
        """What it is called outside."""
        return STATUS[self.state]


def created(event: ev.RefundCreated) -> Refund:
    """The refund as it begins."""
    private = event.private
    return Refund(
        number=event.refund,
        attempt=event.attempt,
        amount=event.amount,
        state=RefundState.WAITING,
        created_ms=event.at_ms,
        changed_ms=event.at_ms,
        key=event.key,
        reason=private.get("reason", ""),
        iban=private.get("iban", ""),
    )


def after(refund: Refund, event: ev.Event) -> Refund | None:
    """The refund after an event that is about it; None if that cannot happen now."""
    found = REFUND_TRANSITIONS[refund.state].get(_trigger(refund, event))
    if found is None:
        return None
    was, state, at_ms = refund.state, found, event.at_ms
    changed_ms = at_ms if state is not refund.state else refund.changed_ms
    refund = changed(refund, state=state, changed_ms=changed_ms)
    match event:
        case ev.ReverseRequested():
            return changed(refund, way=RefundWay.REVERSAL)
        case ev.Reversed(given=given, returns_by_ms=returns_by_ms):
            return changed(refund, given=given, returns_by_ms=returns_by_ms, tried_ms=at_ms)
        case ev.ReverseRefused(refusal=refusal):
            return changed(refund, no=refusal, way=None, tried_ms=at_ms)
        case ev.ReverseLost(answered=answered):
            return changed(refund, tried_ms=at_ms, way=None if answered else refund.way)
        case ev.RefundRequested(refund_order=refund_order):
            calls = refund.calls + 1
            return changed(
                refund, way=RefundWay.REFUND, refund_order=refund_order, calls=calls, in_vain=0
            )
        case ev.Refunded(given=given, returns_by_ms=returns_by_ms):
            return changed(
                refund, given=given, returns_by_ms=returns_by_ms, tried_ms=at_ms, tries=0
            )
        case ev.RefundRefused(refusal=refusal):
            return changed(refund, no=refusal, tried_ms=at_ms, why="the bank refused it")
        case ev.RefundLost(refusal=refusal, reached=reached):
            stray_ms = at_ms + STRAY_MS if reached and refusal is None else None
            tries = refund.tries + 1
            return changed(refund, no=refusal, tried_ms=at_ms, tries=tries, stray_ms=stray_ms)
        case ev.RefundAsked():
            return _asked(refund, event)
        case ev.RefundLeftToReview(reason=reason):
            maybe_done = was is not RefundState.WAITING
            return changed(refund, why=reason, maybe_done=maybe_done)
        case ev.RefundResolved(by=by, reason=reason, reference=reference, done=done):
            way = RefundWay.MANUAL if done else refund.way
            return changed(refund, by=by, said=reason, reference=reference, way=way)
        case _:
            return refund


def after_event(
    refunds: tuple[Refund, ...], event: AboutRefund, refundable: int, version: int
) -> tuple[Refund, ...] | None:
    """The refunds after an event about one of them; None if it cannot happen. `refundable`: rial left to ask for.

    `version` is the payment's with this event.
    """
    if isinstance(event, ev.RefundCreated):
        in_turn = event.refund == len(refunds) + 1 <= REFUNDS_MAX
        if not in_turn or not 0 < event.amount <= refundable:
            return None
        return (*refunds, changed(created(event), version=version))
    if not 1 <= event.refund <= len(refunds):
        return None
    follows = after(refunds[event.refund - 1], event)
    return None if follows is None else _replaced(refunds, follows, version)


def after_reverse(
    refunds: tuple[Refund, ...], event: ev.AttemptEvent, amount: int, version: int
) -> tuple[Refund, ...] | None:
    """The refunds after an event of an attempt, which the one that is being reversed follows.

    None where all of the payment's `amount` is to be reversed, and some of it is spoken for by another.
    """
    match event:
        case ev.ReverseRequested(refund=asked):
            for refund in refunds:
                mine = refund.number == asked or refund.state is RefundState.REVERSING
                of_it = refund.live and refund.attempt == event.attempt
                if of_it and not (mine and refund.amount == amount):
                    return None
        case ev.Reversed() | ev.ReverseRefused() | ev.ReverseLost():
            asked = 0
        case _:
            return refunds
    for refund in refunds:
        mine = refund.state is RefundState.REVERSING or refund.number == asked
        if mine and refund.attempt == event.attempt:
            follows = after(refund, event)
            return refunds if follows is None else _replaced(refunds, follows, version)
    return refunds


def moved(before: tuple[Refund, ...], now: tuple[Refund, ...]) -> list[Refund]:
    """Those of `now` that are new, or are called otherwise outside than in `before`."""
    return [
        refund
        for refund in now
        if refund.number > len(before) or before[refund.number - 1].status is not refund.status
    ]


def went_back(refunds: tuple[Refund, ...]) -> int:
    """Rial that went back by these."""
    return sum(refund.amount for refund in refunds if refund.state is RefundState.SUCCEEDED)


def _replaced(refunds: tuple[Refund, ...], refund: Refund, version: int) -> tuple[Refund, ...]:
    refund = changed(refund, version=version)
    return (*refunds[: refund.number - 1], refund, *refunds[refund.number :])


def _trigger(refund: Refund, event: ev.Event) -> str:
    """The event's trigger for a refund: the answers that count differently have one each."""
    match event:
        case ev.ReverseLost(answered=True):
            return "ReverseLost:answered"
        case ev.Refunded(given=GivenBack(done=False)):
            return "Refunded:later"
        case ev.RefundLost(reached=False):
            return "RefundLost:unsent"
        case ev.RefundAsked(finding=ev.RefundFinding.NOT_DONE) if _may_stray(refund, event.at_ms):
            return "RefundAsked:not_yet"
        case _:
            return event.trigger


def _may_stray(refund: Refund, at_ms: int) -> bool:
    in_doubt = refund.state is RefundState.IN_DOUBT
    return in_doubt and refund.stray_ms is not None and at_ms < refund.stray_ms


def _asked(refund: Refund, event: ev.RefundAsked) -> Refund:
    refund = changed(refund, tried_ms=event.at_ms, tries=refund.tries + 1)
    match event.finding:
        case ev.RefundFinding.DONE:
            given = event.given or refund.given
            return changed(refund, given=given, returns_by_ms=event.returns_by_ms, in_vain=0)
        case ev.RefundFinding.UNDER_WAY:
            return changed(refund, in_vain=0, stray_ms=None)
        case ev.RefundFinding.NOT_DONE if refund.state is RefundState.MANUAL:
            return changed(refund, why="the bank took it, and says now that it did not happen")
        case ev.RefundFinding.NOT_DONE if refund.state is RefundState.WAITING:
            return changed(refund, in_vain=0, tries=0, stray_ms=None)
        case ev.RefundFinding.UNKNOWN if event.answered:
            return changed(refund, in_vain=refund.in_vain + 1)
        case _:
            return refund
