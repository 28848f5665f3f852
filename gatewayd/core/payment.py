"""A payment and its attempts, and the one function that makes events happen to them.

Rules:

* Which event is legal in which state stands in `states.TRANSITIONS`, and nowhere else. A missing pair raises
  `IllegalTransition` and nothing has changed.
* `apply(payment, event)` is pure; replaying a payment's events in order gives the payment.
* Nothing here knows a bank, a deadline or a clock: what to do next is `plan`'s, what a return or a receipt is worth
  is `judge`'s, what to call it outside is `status`'s.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from gatewayd.core import events as ev
from gatewayd.core import holding
from gatewayd.core import refunds as rf
from gatewayd.core.attempt import Attempt as Attempt
from gatewayd.core.attempt import after_event
from gatewayd.core.money import Currency
from gatewayd.core.needs import payer_of
from gatewayd.core.states import (
    ANYWHERE,
    KEPT,
    TO_KEEP,
    TRANSITIONS,
    UNKNOWN,
    IllegalTransition,
    State,
)
from gatewayd.core.terms import (
    Payer,
    Split,
)
from gatewayd.core.values import changed, changer, quick

_TO_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """An amount a shop wants paid, and its whole life here."""

    number: int
    shop: str
    key: str
    test: bool
    order_id: str
    amount: int
    currency: Currency
    return_url: str
    locale: str
    created_ms: int
    expires_ms: int
    version: int = 1
    gateways: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    splits: tuple[Split, ...] = ()
    payer: Payer | None = None
    description: str = ""
    metadata_json: str = ""
    """What the shop keeps with it, if anything: as text, for a dictionary takes four times the room."""
    attempts: tuple[Attempt, ...] = ()
    closed: ev.Closing | None = None
    stopping: bool = False
    """The shop wants it stopped; what arrives is given back."""
    stop_refused: bool = False
    """…and the bank would not."""
    captured_ms: int | None = None
    """When an attempt was first captured."""
    hold: holding.Hold | None = None
    """What it has where it waits for its shop's word; None: what is paid is taken at once."""
    refunds: tuple[rf.Refund, ...] = ()
    reviews: tuple[str, ...] = ()
    """Unresolved reasons for a person to look."""

    @property
    def kept(self) -> Attempt | None:
        """The attempt whose money is kept, if any."""
        for attempt in self.attempts:  # asked for fifty times in a payment's life: no generator
            if attempt.state in KEPT:
                return attempt
        return None

    @property
    def can_keep(self) -> bool:
        """Whether money that is found now could still be kept; what was captured once never comes back."""
        return (
            self.closed is None
            and not self.stopping
            and self.captured_ms is None
            and self.kept is None
        )

    @property
    def takes_attempts(self) -> bool:
        """Whether a further attempt may begin: nothing is kept, and nothing in doubt might be."""
        if not self.can_keep:
            return False
        for attempt in self.attempts:  # noqa: SIM110 - no generator, as above
            if attempt.state in UNKNOWN:
                return False
        return True

    @property
    def waits(self) -> bool:
        """Whether nothing may be taken before its shop says so."""
        return self.hold is not None and self.hold.asked_ms is None

    def may_verify(self, attempt: Attempt) -> bool:
        """Whether the bank may be asked to confirm this attempt to keep it, as far as the shop's word goes."""
        return self.hold is None or holding.may_verify(self.hold, settles=attempt.settles)

    @property
    def refundable(self) -> int:
        """Rial that may still be asked back; 0 of what is not paid, or is going back as a whole."""
        kept = self.kept
        going = self.stopping and not self.stop_refused
        if kept is None or not kept.captured or kept.giving_back or going:
            return 0
        return self.amount - sum(refund.amount for refund in self.refunds if refund.live)

    @property
    def refunded(self) -> int:
        """Rial that went back of what was captured."""
        reversed_ = self.captured_ms is not None and self.kept is None
        return self.amount if reversed_ else rf.went_back(self.refunds)

    @property
    def metadata(self) -> dict[str, Any]:
        """What the shop keeps with it, read anew each time."""
        found: dict[str, Any] = json.loads(self.metadata_json) if self.metadata_json else {}
        return found

    @property
    def latest(self) -> Attempt | None:
        """The attempt that began last."""
        return self.attempts[-1] if self.attempts else None

    def attempt(self, number: int) -> Attempt | None:
        """The attempt with this number."""
        return self.attempts[number - 1] if 1 <= number <= len(self.attempts) else None


_begun: Final = changer(Payment, "version", "attempts")
_moved: Final = changer(Payment, "version", "attempts", "captured_ms", "reviews", "refunds")


def apply(payment: Payment | None, event: ev.Event, *, number: int = 0) -> Payment:
    """The payment after `event`; IllegalTransition leaves everything as it was. `number` names a new payment."""
    if isinstance(event, ev.Created):
        if payment is not None:
            raise IllegalTransition("Created twice")
        return _created(event, number)
    if payment is None:
        raise IllegalTransition(f"{event.trigger} before Created")
    version = payment.version + 1
    match event:
        case ev.StartRequested():
            if event.attempt != len(payment.attempts) + 1:
                raise IllegalTransition(f"attempt {event.attempt} after {len(payment.attempts)}")
            if not payment.takes_attempts:
                raise IllegalTransition("StartRequested on a payment that takes no further attempt")
            begun = Attempt(
                number=event.attempt,
                gateway=event.gateway,
                bank_order=event.bank_order,
                settles=event.settles,
                state=State.STARTING,
                began_ms=event.at_ms,
                changed_ms=event.at_ms,
            )
            return _begun(payment, version, (*payment.attempts, begun))
        case ev.AttemptEvent():
            return _at_attempt(payment, event, version)
        case ev.CaptureRequested() | ev.CaptureDue() | ev.CaptureLapsed():
            over = bool(payment.closed or payment.stopping or payment.captured_ms)
            hold = holding.worded(payment.hold, event, over=over)
            return changed(payment, version=version, hold=hold, stopping=hold.lapsed)
        case ev.CancelRequested():
            if payment.closed or payment.stopping or payment.captured_ms is not None:
                raise IllegalTransition("CancelRequested again, or on a payment that has ended")
            return changed(payment, version=version, stopping=True)
        case ev.CancelRefused():
            if not payment.stopping or payment.kept is None:
                raise IllegalTransition("CancelRefused of what is not paid or not to be stopped")
            reviews = (*payment.reviews, "the shop cancelled, but the bank gives nothing back")
            return changed(payment, version=version, stop_refused=True, reviews=reviews)
        case ev.Closed():
            if (
                payment.closed
                or payment.kept
                or any(a.state is State.VERIFYING for a in payment.attempts)
            ):
                raise IllegalTransition("Closed while closed, kept or about to be")
            return changed(payment, version=version, closed=event.why)
        case ev.ReviewRaised():
            return changed(payment, version=version, reviews=(*payment.reviews, event.reason))
        case ev.ReviewResolved():
            return changed(payment, version=version, reviews=())
        case ev.OperatorActed():
            return changed(payment, version=version)
        case ev.RefundEvent():
            return _at_refund(payment, event, version)
        case _:
            raise IllegalTransition(f"{event.trigger}: unknown")


def attempt_of(payment: Payment, number: int) -> Attempt:
    """The attempt with this number, which is known to exist: attempts are never removed."""
    assert number > 0, "attempts are counted from one"
    return payment.attempts[number - 1]


def allows(payment: Payment, event: ev.Event) -> bool:
    """Whether `event` is legal now."""
    try:
        apply(payment, event)
    except IllegalTransition:
        return False
    return True


def _created(event: ev.Created, number: int) -> Payment:
    private = event.private
    metadata = private.get("metadata")
    return Payment(
        number=number,
        shop=event.shop,
        key=event.key,
        test=event.test,
        order_id=event.order_id,
        amount=event.amount,
        currency=event.currency,
        return_url=event.return_url,
        locale=event.locale,
        created_ms=event.at_ms,
        expires_ms=event.expires_ms,
        gateways=event.gateways,
        methods=event.methods,
        splits=event.splits,
        hold=holding.begun(event),
        payer=payer_of(private.get("payer")),
        description=private.get("description", ""),
        metadata_json=_TO_JSON(metadata) if metadata else "",
    )


def _at_attempt(payment: Payment, event: ev.AttemptEvent, version: int) -> Payment:
    attempt = payment.attempt(event.attempt)
    if attempt is None:
        raise IllegalTransition(f"{event.trigger}: no attempt {event.attempt}")
    trigger = event.trigger
    if trigger in ANYWHERE:
        state = attempt.state
    else:
        found = TRANSITIONS[attempt.state].get(trigger)
        if found is None:
            if isinstance(event, rf.OF_ATTEMPTS) and event.refund:
                return _at_refund(payment, event, version)
            raise IllegalTransition(f"{trigger} while {attempt.state}")
        state = found
    if trigger == TO_KEEP and (
        payment.closed
        or payment.captured_ms is not None
        or any(other.kept or other.state is State.VERIFYING for other in payment.attempts)
    ):
        raise IllegalTransition("a second attempt would be kept, or one of a payment that is over")
    if payment.hold is not None or trigger in holding.BY_WORD:
        over = payment.closed is not None or payment.stopping
        holding.check(payment.hold, event, attempt.state, settles=attempt.settles, over=over)
    refunds = payment.refunds and rf.after_reverse(payment.refunds, event, payment.amount, version)
    if refunds is None:
        raise IllegalTransition("ReverseRequested of what is refunded in part")
    was, before = attempt.state, attempt
    after = after_event(attempt, event, state)
    attempts: tuple[Attempt, ...] = (after,)
    if len(payment.attempts) > 1:
        attempts = (
            *payment.attempts[: after.number - 1],
            after,
            *payment.attempts[after.number :],
        )
    captured_ms = payment.captured_ms
    if captured_ms is None and after.captured:
        captured_ms = event.at_ms
    reviews = payment.reviews
    match event:
        case ev.LeftToReview(reason=reason):
            reviews = (*reviews, reason)
        case ev.RefundLost():
            reviews = (*reviews, "a refund was left without an answer")
        case ev.ReverseLost() if after.kept and not payment.stopping and refunds is payment.refunds:
            lost = "a reverse was left without an answer"  # ordered by a person, who waits for it
            reviews = reviews if lost in reviews else (*reviews, lost)
        case _:
            pass
    moved = _moved(payment, version, attempts, captured_ms, reviews, refunds)
    if payment.hold is None:
        return moved
    asked_ms = before.asked_ms or before.handed_ms or before.began_ms
    hold = holding.after(
        payment.hold,
        event,
        (was, after.state),
        amount=payment.amount,
        paid_from_ms=asked_ms if isinstance(event, ev.Asked) else event.at_ms,
        others=(other.state for other in attempts if other.number != after.number),
    )
    return changed(moved, hold=hold)


def _at_refund(payment: Payment, event: rf.AboutRefund, version: int) -> Payment:
    refunds = rf.after_event(payment.refunds, event, payment.refundable, version)
    if refunds is None:
        raise IllegalTransition(f"{event.trigger} of refund {event.refund}")
    return changed(payment, version=version, refunds=refunds)
