"""What a refund needs now: the pure part of the plan that is about giving paid money back.

Rules:

* All of a payment is reversed while its bank still does, with room to spare; then, and for every part, it is refunded
  where the contract has that. What neither can do goes to a person at once.
* A refund without an answer is asked about with growing pauses. Answers that say nothing end that soon, no answer at
  all after a day.
* A request that certainly did nothing is made again, with the same number, some times over.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gatewayd.core import events as ev
from gatewayd.core.actions import Action, AskRefund, Note, Reverse
from gatewayd.core.actions import Refund as RefundAction
from gatewayd.core.patience import (
    ASK_WITHOUT_END_MS,
    REVERSE_ROOM_MS,
    again_ms,
    reverse_open,
)
from gatewayd.core.payment import Attempt, Payment, attempt_of
from gatewayd.core.refunds import Refund, RefundState
from gatewayd.core.settings import EngineSettings
from gatewayd.core.states import State
from gatewayd.core.terms import CodeClass, Traits

REVERSES_MAX: Final = 12
"""Reverses that a bank answered with neither yes nor no: about ten minutes' worth, then it is refunded."""
REQUESTS_MAX: Final = 5
"""Requests to refund that did not happen, by the bank's own word."""
IN_VAIN_MAX: Final = 4
"""Questions that the bank answered with nothing: some banks cannot tell at all."""
CARRIED_OUT_MS: Final = 7 * 86_400_000
"""So long a bank that took the order may need to carry it out: Iranian holidays and a clearing cycle."""
PASSING: Final = frozenset({CodeClass.GATEWAY, CodeClass.ISSUER, CodeClass.UNKNOWN})
"""What a bank answered for reasons that may be gone at the next request."""
ACCEPTED_FIRST_MS: Final = 5_000
ACCEPTED_LONGEST_MS: Final = 3_600_000
"""How often it is asked meanwhile: soon, then ever more slowly, up to this."""


def can_undo(payment: Payment, traits: Traits, now_ms: int) -> bool:
    """Whether the bank still takes back all of a paid payment, so that it is as if it had never been."""
    kept = payment.kept
    if kept is None or not kept.captured or kept.reverse_refused:
        return False
    if kept.state is not State.VERIFIED or any(refund.live for refund in payment.refunds):
        return False
    return reverse_open(kept, traits, now_ms, REVERSE_ROOM_MS)


@dataclass(frozen=True, slots=True)
class _View:
    """One look at a refund."""

    payment: Payment
    refund: Refund
    attempt: Attempt
    traits: Traits | None
    """Its gateway's; None: that is gone from the configuration."""
    now_ms: int
    settings: EngineSettings


def refund_actions(
    payment: Payment,
    now_ms: int,
    traits: Mapping[str, Traits],
    settings: EngineSettings,
    busy: Collection[int],
) -> Iterator[Action]:
    """What the refunds of `payment` need next, perhaps later. `busy`: attempts for which a call is out."""
    for refund in payment.refunds:
        if refund.attempt in busy or not refund.needs_bank:
            continue
        attempt = attempt_of(payment, refund.attempt)
        view = _View(payment, refund, attempt, traits.get(attempt.gateway), now_ms, settings)
        action = _next(view)
        if action is not None:
            yield action


def _next(view: _View) -> Action | None:
    refund, now_ms, traits = view.refund, view.now_ms, view.traits
    match refund.state:
        case RefundState.REFUNDING:
            lost = ev.RefundLost(
                at_ms=now_ms, attempt=refund.attempt, refund=refund.number, cause="interrupted"
            )
            return Note(due_ms=now_ms, attempt=refund.attempt, event=lost)
        case _ if traits is None:
            return _leave(view, "its gateway is gone from the configuration")
        case RefundState.WAITING:
            return _waiting(view, traits)
        case RefundState.REVERSING:
            return _reversing(view)
        case RefundState.IN_DOUBT:
            return _in_doubt(view)
        case RefundState.ACCEPTED:
            return _accepted(view)
        case _:
            return None


def _waiting(view: _View, traits: Traits) -> Action:
    refund, attempt, now_ms = view.refund, view.attempt, view.now_ms
    if now_ms >= refund.created_ms + ASK_WITHOUT_END_MS:
        return _leave(view, "the bank could not be asked for a day")
    if _can_reverse(view):
        due_ms = _again_ms(view, attempt.tries, attempt.tried_ms)
        if reverse_open(attempt, traits, max(due_ms, now_ms), REVERSE_ROOM_MS):
            return Reverse(due_ms=due_ms, attempt=attempt.number, refund=refund.number)
    if not traits.refunds:
        return _leave(view, "this gateway cannot give it back")
    if refund.calls and refund.no is not None and refund.no.cause not in PASSING:
        return _leave(view, "the bank will not do it as we ask")
    if refund.calls >= REQUESTS_MAX and refund.tries == 0:
        return _leave(view, "the bank did not do it, however often it was asked")
    due_ms = _again_ms(view, refund.tries, refund.tried_ms)
    return RefundAction(due_ms=due_ms, attempt=attempt.number, refund=refund.number)


def _can_reverse(view: _View) -> bool:
    """Whether the bank may be asked to undo the whole payment for this refund, as far as the clock is not asked."""
    attempt = view.attempt
    whole = view.refund.amount == view.payment.amount
    tried_enough = attempt.reverse_refused or attempt.tries >= REVERSES_MAX
    return whole and attempt.state is State.VERIFIED and not tried_enough


def _reversing(view: _View) -> Action | None:
    """What is to be done meanwhile, the attempt's own state says."""
    if view.attempt.state is State.REVERSING:
        return None
    due_ms = max(view.now_ms, view.refund.created_ms + ASK_WITHOUT_END_MS)
    return _leave(view, "the bank gave no answer to a reverse for a day", due_ms)


def _in_doubt(view: _View) -> Action:
    refund = view.refund
    if refund.in_vain >= IN_VAIN_MAX:
        return _leave(view, "the bank may have done it, and cannot say")
    if view.now_ms >= refund.created_ms + ASK_WITHOUT_END_MS:
        return _leave(view, "the bank may have done it, and gave no answer for a day")
    due_ms = _again_ms(view, refund.tries, refund.tried_ms)
    return AskRefund(due_ms=due_ms, attempt=refund.attempt, refund=refund.number)


def _accepted(view: _View) -> Action:
    refund = view.refund
    if view.now_ms >= refund.created_ms + CARRIED_OUT_MS:
        return _leave(view, "the bank took it, and never said that it was done")
    tried_ms = refund.tried_ms if refund.tried_ms is not None else refund.changed_ms
    pause_ms = min(ACCEPTED_FIRST_MS << min(refund.tries, 20), ACCEPTED_LONGEST_MS)
    return AskRefund(due_ms=tried_ms + pause_ms, attempt=refund.attempt, refund=refund.number)


def _leave(view: _View, why: str, due_ms: int | None = None) -> Note:
    """To a person."""
    due_ms = view.now_ms if due_ms is None else due_ms
    event = ev.RefundLeftToReview(at_ms=due_ms, refund=view.refund.number, reason=why)
    return Note(due_ms=due_ms, attempt=view.refund.attempt, event=event)


def _again_ms(view: _View, tries: int, tried_ms: int | None) -> int:
    return again_ms(view.settings, tries, tried_ms, view.now_ms)
