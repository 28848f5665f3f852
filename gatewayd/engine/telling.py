"""The canonical log line of each step of a payment.

One line a step: what happened in the event's own word, which payment, attempt and gateway, and the bank's code where
there is one. Never a token, a reference, a card or anything of the payer.
"""

from typing import Any, Final

from gatewayd.core import events as ev
from gatewayd.engine.ports import Log

_LOUD: Final = (ev.Mismatched, ev.LeftToReview, ev.RefundLost, ev.ReviewRaised, ev.SettleRefused)
_WORTH_A_LOOK: Final = (
    ev.StartRefused,
    ev.StartLost,
    ev.VerifyLost,
    ev.SettleLost,
    ev.ReverseLost,
    ev.ReverseRefused,
    ev.ClaimRejected,
)
_PLAIN: Final = frozenset({ev.Created, ev.Started, ev.Verified, ev.Settled})
"""Their lines say no more than what happened to whom."""


def public_id(number: int) -> str:
    """A payment's id as the API and the logs write it."""
    return f"pay_{number}"


def tell(log: Log, event: ev.Event, number: int, gateway: str = "", **more: Any) -> None:
    """Write the line of `event`."""
    fields: dict[str, Any] = {"payment": public_id(number), **more}
    if isinstance(event, ev.AttemptEvent):
        fields |= {"attempt": event.attempt, "gateway": gateway}
    kind = type(event)
    if kind in _PLAIN:  # the main flow: a look-up in place of a dozen comparisons
        log.info(_phrase(kind.__name__), **fields)
        return
    match event:
        case (
            ev.StartRefused(refusal=no)
            | ev.VerifyRefused(refusal=no)
            | ev.SettleRefused(refusal=no)
        ):
            fields |= {"cause": str(no.cause), "code": no.code}
        case ev.ReverseRefused(refusal=no) | ev.RefundRefused(refusal=no):
            fields |= {"cause": str(no.cause), "code": no.code}
        case ev.Returned(claim=claim, standing=standing):
            fields |= {"standing": str(standing), "cause": str(claim.outcome), "code": claim.code}
        case ev.Mismatched(wrong=wrong):
            fields["differs"] = str(wrong)
        case ev.Asked(inquiry=inquiry):
            fields["finding"] = str(inquiry.finding)
        case ev.Closed(why=why):
            fields["why"] = str(why)
        case ev.LeftToReview(reason=reason) | ev.ReviewRaised(reason=reason):
            fields["reason"] = reason
        case ev.StartLost(cause=cause) | ev.VerifyLost(cause=cause) | ev.SettleLost(cause=cause):
            fields["cause"] = cause
        case ev.ReverseLost(cause=cause) | ev.RefundLost(cause=cause):
            fields["cause"] = cause
        case _:
            pass
    write = log.error if isinstance(event, _LOUD) else log.info
    if isinstance(event, _WORTH_A_LOOK):
        write = log.warning
    write(_phrase(type(event).__name__), **fields)


_PHRASES: Final[dict[str, str]] = {}


def _phrase(kind: str) -> str:
    """`VerifyLost` as `verify lost`."""
    if kind not in _PHRASES:
        _PHRASES[kind] = "".join(f" {c.lower()}" if c.isupper() else c for c in kind).strip()
    return _PHRASES[kind]
