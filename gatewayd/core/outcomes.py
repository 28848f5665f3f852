"""What a bank's answer means as an event: yes, no, or not known.

Every function takes what a driven flow ended with and gives the one event that is recorded for it. An answer that is no
definite yes or no is recorded as lost, with the class and code that it had.
"""

from typing import Any

from gatewayd.core import events as ev
from gatewayd.core import judge
from gatewayd.core.payment import Attempt, Payment
from gatewayd.core.plan import BANKS_RETURN_MS
from gatewayd.core.terms import (
    Finding,
    GivenBack,
    Inquiry,
    Lost,
    Operation,
    Receipt,
    Refusal,
    Traits,
)
from gatewayd.core.values import changed


def verify_event(
    outcome: Receipt | Refusal | Lost,
    payment: Payment,
    attempt: Attempt,
    *,
    terminal: str,
    traits: Traits,
    at_ms: int,
) -> ev.AttemptEvent:
    """Of a verify: Verified, Mismatched, VerifyRefused or VerifyLost."""
    number = attempt.number
    match outcome:
        case Receipt():
            receipt = changed(outcome, card=None)
            private: dict[str, Any] = {"card": outcome.card} if outcome.card else {}
            wrong = judge.wrong(
                outcome,
                attempt,
                amount=payment.amount,
                terminal=terminal,
                traits=traits,
                cards=payment.payer.allowed_cards if payment.payer else (),
            )
            if wrong is None:
                return ev.Verified(at_ms=at_ms, attempt=number, receipt=receipt, private=private)
            return ev.Mismatched(
                at_ms=at_ms, attempt=number, receipt=receipt, wrong=wrong, private=private
            )
        case Refusal() if judge.is_no(outcome, Operation.VERIFY):
            return ev.VerifyRefused(at_ms=at_ms, attempt=number, refusal=outcome)
        case _:
            lost = _lost(outcome)
            return ev.VerifyLost(
                at_ms=at_ms, attempt=number, cause=lost.cause, reached=lost.reached
            )


def settle_event(outcome: Receipt | Refusal | Lost, attempt: int, at_ms: int) -> ev.AttemptEvent:
    """Of a settle: Settled, SettleRefused or SettleLost."""
    match outcome:
        case Receipt():
            return ev.Settled(at_ms=at_ms, attempt=attempt)
        case Refusal() if judge.is_no(outcome, Operation.SETTLE):
            return ev.SettleRefused(at_ms=at_ms, attempt=attempt, refusal=outcome)
        case _:
            return ev.SettleLost(at_ms=at_ms, attempt=attempt, cause=_lost(outcome).cause)


def reverse_event(outcome: GivenBack | Refusal | Lost, attempt: int, at_ms: int) -> ev.AttemptEvent:
    """Of a reverse: Reversed, ReverseRefused or ReverseLost."""
    match outcome:
        case GivenBack():
            returns_by_ms = at_ms + BANKS_RETURN_MS
            return ev.Reversed(
                at_ms=at_ms, attempt=attempt, given=outcome, returns_by_ms=returns_by_ms
            )
        case Refusal() if judge.is_no(outcome, Operation.REVERSE):
            return ev.ReverseRefused(at_ms=at_ms, attempt=attempt, refusal=outcome)
        case _:
            return ev.ReverseLost(
                at_ms=at_ms,
                attempt=attempt,
                cause=_lost(outcome).cause,
                answered=isinstance(outcome, Refusal),
            )


def refund_event(
    outcome: GivenBack | Refusal | Lost, attempt: int, amount: int, at_ms: int, refund: int = 0
) -> ev.AttemptEvent:
    """Of a refund of `amount` rial: Refunded, RefundRefused or RefundLost. `refund` is its number, if it has one."""
    match outcome:
        case GivenBack():
            return ev.Refunded(
                at_ms=at_ms,
                attempt=attempt,
                amount=amount,
                given=outcome,
                returns_by_ms=at_ms + BANKS_RETURN_MS,
                refund=refund,
            )
        case Refusal() if judge.is_no(outcome, Operation.REFUND):
            return ev.RefundRefused(at_ms=at_ms, attempt=attempt, refusal=outcome, refund=refund)
        case _:
            lost = _lost(outcome)
            return ev.RefundLost(
                at_ms=at_ms,
                attempt=attempt,
                cause=lost.cause,
                refund=refund,
                reached=lost.reached,
                refusal=outcome if isinstance(outcome, Refusal) else None,
            )


def refund_asked_event(
    outcome: GivenBack | Inquiry | Refusal | Lost, refund: int, at_ms: int
) -> ev.RefundAsked:
    """Of the question what became of a refund. A refusal to answer says nothing, but "there is none" says no."""
    returns_by_ms = None
    given, finding = None, ev.RefundFinding.UNKNOWN
    match outcome:
        case GivenBack():
            given, finding = outcome, ev.RefundFinding.DONE
            returns_by_ms = at_ms + BANKS_RETURN_MS
        case Inquiry(finding=Finding.PENDING):
            finding = ev.RefundFinding.UNDER_WAY
        case Refusal() if judge.is_no(outcome, Operation.REFUND):
            finding = ev.RefundFinding.NOT_DONE
        case _:
            pass
    return ev.RefundAsked(
        at_ms=at_ms,
        refund=refund,
        finding=finding,
        given=given,
        returns_by_ms=returns_by_ms,
        answered=not isinstance(outcome, Lost),
    )


def inquiry_event(outcome: Inquiry | Refusal | Lost, attempt: int, at_ms: int) -> ev.Asked:
    """Of an inquiry; a refusal to answer says nothing about the payment."""
    inquiry = Inquiry(finding=Finding.UNKNOWN)
    if isinstance(outcome, Inquiry):
        inquiry = changed(outcome, receipt=changed(outcome.receipt, card=None))
    silent = isinstance(outcome, Lost)
    return ev.Asked(at_ms=at_ms, attempt=attempt, inquiry=inquiry, silent=silent)


def _lost(outcome: object) -> Lost:
    match outcome:
        case Lost():
            return outcome
        case Refusal():
            return judge.as_lost(outcome)
        case _:
            return Lost(reached=True, cause=f"answered with {type(outcome).__name__}")
