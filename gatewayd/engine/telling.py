"""The canonical log line of each step of a payment, or of an invoice.

One line a step: what happened in the event's own word, which payment, attempt and gateway, and the bank's code where
there is one. Never a token, a reference, a card or anything of the payer.
"""

from typing import Any, Final

from gatewayd.core import events as ev
from gatewayd.core import invoices
from gatewayd.core.invoice_events import InvoiceEvent
from gatewayd.engine.ports import Log

_LOUD: Final = (
    ev.Mismatched,
    ev.LeftToReview,
    ev.RefundLost,
    ev.ReviewRaised,
    ev.SettleRefused,
)
_WORTH_A_LOOK: Final = (
    ev.StartRefused,
    ev.StartLost,
    ev.VerifyLost,
    ev.SettleLost,
    ev.ReverseLost,
    ev.ReverseRefused,
    ev.RefundRefused,
    ev.RefundLeftToReview,
    ev.ClaimRejected,
)
_PLAIN: Final[dict[type[ev.Event], str]] = {
    ev.Created: "created",
    ev.Started: "started",
    ev.Verified: "verified",
    ev.Settled: "settled",
}
"""Their lines say no more than what happened to whom."""


def public_id(number: int) -> str:
    """A payment's id as the API and the logs write it."""
    return f"pay_{number}"


def refund_id(number: int, refund: int) -> str:
    """A refund's id as the API writes it: its payment's number, and its place among that payment's refunds."""
    return f"rfd_{number}_{refund}"


def tell(log: Log, event: ev.Event, number: int, gateway: str = "", **more: Any) -> None:
    """Write the line of `event`."""
    fields: dict[str, Any] = {"payment": f"pay_{number}", **more}
    if isinstance(event, ev.AttemptEvent):
        fields["attempt"], fields["gateway"] = event.attempt, gateway
    plain = _PLAIN.get(type(event))
    if plain is not None:  # the main flow: a look-up in place of a dozen comparisons
        log.info(plain, **fields)
        return
    if isinstance(event, ev.Returned):
        claim = event.claim
        fields["standing"], fields["cause"] = event.standing.value, claim.outcome.value
        fields["code"] = claim.code
        log.info("returned", **fields)
        return
    match event:
        case (
            ev.StartRefused(refusal=no)
            | ev.VerifyRefused(refusal=no)
            | ev.SettleRefused(refusal=no)
        ):
            fields |= {"cause": str(no.cause), "code": no.code}
        case ev.ReverseRefused(refusal=no):
            fields |= {"cause": str(no.cause), "code": no.code}
        case ev.RefundRefused(refusal=no, refund=refund):
            fields |= {"cause": str(no.cause), "code": no.code} | _named(refund)
        case ev.RefundLost(cause=cause, refund=refund):
            fields |= {"cause": cause} | _named(refund)
        case ev.Refunded(refund=refund, amount=amount):
            fields |= {"amount": amount} | _named(refund)
        case ev.RefundCreated(refund=refund, amount=amount, attempt=attempt):
            fields |= {"amount": amount, "attempt": attempt} | _named(refund)
        case ev.RefundAsked(refund=refund, finding=finding):
            fields |= {"finding": str(finding)} | _named(refund)
        case ev.RefundLeftToReview(refund=refund, reason=reason):
            fields |= {"reason": reason} | _named(refund)
        case ev.RefundResolved(refund=refund, done=done):
            fields |= {"done": done} | _named(refund)
        case ev.Mismatched(wrong=wrong):
            fields["differs"] = str(wrong)
        case ev.Asked(inquiry=inquiry):
            fields["finding"] = str(inquiry.finding)
        case ev.Closed(why=why):
            fields["why"] = str(why)
        case ev.LeftToReview(reason=reason) | ev.ReviewRaised(reason=reason):
            fields["reason"] = reason
        case (
            ev.StartLost(cause=cause)
            | ev.VerifyLost(cause=cause)
            | ev.SettleLost(cause=cause)
            | ev.ReverseLost(cause=cause)
        ):
            fields["cause"] = cause
        case InvoiceEvent():
            fields = {"invoice": invoices.public_id(number)}
        case _:
            pass
    write = log.error if isinstance(event, _LOUD) else log.info
    if isinstance(event, _WORTH_A_LOOK):
        write = log.warning
    write(_phrase(type(event).__name__), **fields)


def _named(refund: int) -> dict[str, int]:
    """The refund's number, where it has one."""
    return {"refund": refund} if refund else {}


_PHRASES: Final[dict[str, str]] = {}


def _phrase(kind: str) -> str:
    """`VerifyLost` as `verify lost`."""
    if kind not in _PHRASES:
        _PHRASES[kind] = "".join(f" {c.lower()}" if c.isupper() else c for c in kind).strip()
    return _PHRASES[kind]
