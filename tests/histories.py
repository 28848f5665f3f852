"""Histories of payments made by hand: one event for every trigger, and walks through what is legal."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from gatewayd.core import events as ev
from gatewayd.core.money import Currency
from gatewayd.core.payment import Attempt, Payment, allows, apply
from gatewayd.core.states import State
from gatewayd.core.terms import (
    AddressedBy,
    Ask,
    Capture,
    Claim,
    CodeClass,
    Finding,
    FirstAlready,
    GivenBack,
    IfUnverified,
    Inquiry,
    Receipt,
    Redirect,
    Refusal,
    Traits,
)
from gatewayd.core.values import changed

T0: Final = 1_739_284_866_000
"""A morning, in milliseconds."""
SECOND: Final = 1_000
MINUTE: Final = 60_000
HOUR: Final = 3_600_000
AMOUNT: Final = 150_000
TOKEN: Final = "T-1"
REFERENCE: Final = "R-1"
PAID: Final = Claim(outcome=CodeClass.OK, token=TOKEN, reference=REFERENCE)
NOT_PAID: Final = Refusal(cause=CodeClass.NOT_PAID, code="-2")
DAYS_LATER: Final = T0 + 72 * HOUR

Make = Callable[[int, int], ev.AttemptEvent]
"""Of a time and an attempt's number."""


def _returned(standing: ev.Standing, claim: Claim = PAID) -> Make:
    return lambda at, number: ev.Returned(
        at_ms=at, attempt=number, claim=claim, standing=standing, digest=f"d{at}"
    )


def _asked(finding: Finding) -> Make:
    return lambda at, number: ev.Asked(
        at_ms=at, attempt=number, inquiry=Inquiry(finding=finding, reference=REFERENCE)
    )


def _simple(kind: Callable[..., ev.AttemptEvent], **fields: Any) -> Make:
    return lambda at, number: kind(at_ms=at, attempt=number, **fields)


TRIGGERS: Final[dict[str, Make]] = {
    "Started": _simple(
        ev.Started, redirect=Redirect(token=TOKEN, url="https://bank.example/pay", method="post")
    ),
    "StartRefused": _simple(ev.StartRefused, refusal=NOT_PAID),
    "StartLost": _simple(ev.StartLost, cause="connection refused"),
    "HandedOver": _simple(ev.HandedOver),
    "Returned:claim": _returned(ev.Standing.CLAIM),
    "Returned:no": _returned(ev.Standing.NO, Claim(outcome=CodeClass.DECLINED, code="51")),
    "Returned:unclear": _returned(ev.Standing.UNCLEAR, Claim(outcome=CodeClass.UNKNOWN)),
    "Returned:foreign": _returned(ev.Standing.FOREIGN, changed(PAID, token="T-2")),
    "ReferenceTaken": _simple(ev.ReferenceTaken),
    "ClaimRejected": _simple(ev.ClaimRejected, why=ev.Wrong.REFERENCE),
    "VerifyRequested:keep": _simple(ev.VerifyRequested, purpose=ev.Purpose.KEEP),
    "VerifyRequested:return": _simple(ev.VerifyRequested, purpose=ev.Purpose.GIVE_BACK),
    "Verified": _simple(
        ev.Verified,
        receipt=Receipt(amount=AMOUNT, ref_num=REFERENCE),
        private={"card": "621986******8080"},
    ),
    "Authorized": _simple(ev.Authorized, capture_by_ms=T0 + 2 * HOUR),
    "VerifyRefused": _simple(ev.VerifyRefused, refusal=NOT_PAID),
    "VerifyLost": _simple(ev.VerifyLost, cause="timeout after sending"),
    "Mismatched": _simple(ev.Mismatched, receipt=Receipt(amount=AMOUNT + 1), wrong=ev.Wrong.AMOUNT),
    "Mismatched:already": _simple(
        ev.Mismatched, receipt=Receipt(already=True), wrong=ev.Wrong.ALREADY
    ),
    "SettleRequested": _simple(ev.SettleRequested),
    "Settled": _simple(ev.Settled),
    "SettleRefused": _simple(ev.SettleRefused, refusal=NOT_PAID),
    "SettleLost": _simple(ev.SettleLost, cause="timeout after sending"),
    "ReverseRequested": _simple(ev.ReverseRequested),
    "Reversed": _simple(ev.Reversed, given=GivenBack(), returns_by_ms=DAYS_LATER),
    "ReverseRefused": _simple(ev.ReverseRefused, refusal=NOT_PAID),
    "ReverseLost": _simple(ev.ReverseLost, cause="timeout after sending"),
    "RefundRequested": _simple(ev.RefundRequested, amount=AMOUNT, refund_order=77),
    "Refunded": _simple(
        ev.Refunded, amount=AMOUNT, given=GivenBack(reference="9"), returns_by_ms=DAYS_LATER
    ),
    "RefundRefused": _simple(ev.RefundRefused, refusal=NOT_PAID),
    "RefundLost": _simple(ev.RefundLost, cause="timeout after sending"),
    "Asked:paid": _asked(Finding.PAID),
    "Asked:verified": _asked(Finding.VERIFIED),
    "Asked:not_paid": _asked(Finding.NOT_PAID),
    "Asked:reversed": _asked(Finding.REVERSED),
    "Asked:pending": _asked(Finding.PENDING),
    "Asked:unknown": _asked(Finding.UNKNOWN),
    "LeftToReview": _simple(ev.LeftToReview, reason="a person must look"),
    "Lapsed": _simple(ev.Lapsed, returns_by_ms=DAYS_LATER),
}
"""An event for every trigger of an attempt but its beginning."""

UNREACHED: Final = _simple(ev.VerifyLost, cause="connection refused", reached=False)
"""A verify that never left."""
CANCELLED: Final = _returned(ev.Standing.NO, Claim(outcome=CodeClass.CANCELLED, code="17"))
"""The payer pressed cancel at the bank."""


def created(at_ms: int = T0, **changes: Any) -> ev.Created:
    fields: dict[str, Any] = {
        "at_ms": at_ms,
        "shop": "demo",
        "key": "k1",
        "order_id": "o-1",
        "amount": AMOUNT,
        "currency": Currency.IRR,
        "return_url": "https://shop.example/back",
        "expires_ms": at_ms + 20 * MINUTE,
    }
    return ev.Created(**{**fields, **changes})


def begun(at_ms: int, attempt: int, gateway: str = "plain", **changes: Any) -> ev.StartRequested:
    fields: dict[str, Any] = {"bank_order": 1_000 + attempt, "settles": False}
    return ev.StartRequested(at_ms=at_ms, attempt=attempt, gateway=gateway, **{**fields, **changes})


def life(*steps: str | ev.Event, gateway: str = "plain", settles: bool = False) -> Payment:
    """A payment with one attempt that went through these triggers, one a second from `T0` on."""
    payment = apply(None, created(), number=1)
    payment = apply(payment, begun(T0, 1, gateway, settles=settles))
    return further(payment, *steps)


def further(payment: Payment, *steps: str | ev.Event, attempt: int = 1, at_ms: int = T0) -> Payment:
    """The payment after these triggers of one attempt, each a second after the one before."""
    for place, step in enumerate(steps, 1):
        if isinstance(step, str):
            payment = apply(payment, TRIGGERS[step](at_ms + place * SECOND, attempt))
        else:
            payment = apply(payment, step)
    return payment


def only(payment: Payment) -> Attempt:
    """Its one attempt."""
    (attempt,) = payment.attempts
    return attempt


def in_state(state: State, **changes: Any) -> Payment:
    """A payment whose one attempt is put into a state, however it may have come there."""
    payment = life()
    attempt = changed(only(payment), state=state, **changes)
    return changed(payment, attempts=(attempt,))


def candidates(
    payment: Payment, at_ms: int, *, gateways: Sequence[str] = ("plain",)
) -> list[ev.Event]:
    """Events of every kind for this payment, legal or not."""
    return [*of_the_payment(at_ms), *of_its_attempts(payment, at_ms, gateways)]


def of_the_payment(at_ms: int) -> list[ev.Event]:
    return [
        ev.CaptureRequested(at_ms=at_ms),
        ev.CaptureDue(at_ms=at_ms),
        ev.CaptureLapsed(at_ms=at_ms),
        ev.CancelRequested(at_ms=at_ms),
        ev.CancelRefused(at_ms=at_ms),
        ev.ReviewRaised(at_ms=at_ms, reason="somebody tried something"),
        ev.ReviewResolved(at_ms=at_ms, by="ops", reason="looked"),
        ev.OperatorActed(at_ms=at_ms, act="ask", by="ops", reason="looked"),
        *(ev.Closed(at_ms=at_ms, why=why) for why in ev.Closing),
    ]


def of_its_attempts(payment: Payment, at_ms: int, gateways: Sequence[str]) -> list[ev.Event]:
    """The next one's beginning among them; three attempts at most."""
    found: list[ev.Event] = []
    number = len(payment.attempts) + 1
    if number <= 3:
        gateway = gateways[(number + at_ms // SECOND) % len(gateways)]
        found.append(begun(at_ms, number, gateway, settles=gateway == "settles"))
    for attempt in payment.attempts:
        found += (make(at_ms, attempt.number) for make in TRIGGERS.values())
        found += (UNREACHED(at_ms, attempt.number), CANCELLED(at_ms, attempt.number))
        if attempt.state is State.STARTING:  # most banks give a token
            found += [TRIGGERS["Started"](at_ms, attempt.number)] * 12
        else:  # and most returns and questions are followed by a verify
            found += [TRIGGERS["VerifyRequested:keep"](at_ms, attempt.number)] * 3
            found += [TRIGGERS["VerifyLost"](at_ms, attempt.number)] * 3
    return found


def legal(payment: Payment, events: Iterable[ev.Event]) -> list[ev.Event]:
    return [event for event in events if allows(payment, event)]


def chosen(payment: Payment, events: Sequence[ev.Event], choice: int) -> ev.Event | None:
    """A legal one of these, by a number; looked for in steps, since most of them are not."""
    count = len(events)
    places = ((choice + step * 37) % count for step in range(count))
    return next((events[place] for place in places if allows(payment, events[place])), None)


def walk(
    choices: Sequence[int], gateways: Sequence[str], *, pause_ms: int = SECOND
) -> tuple[list[ev.Event], list[Payment]]:
    """A legal history that these numbers choose, and the payment after each of its events.

    Mostly attempts move; seldom the payment as a whole is stopped or closed, which ends much of what could follow; more
    often one that waits for its shop's word hears of it.
    """
    capture = tuple(Capture)[sum(choices) % len(Capture)]
    events: list[ev.Event] = [created(capture=capture)]
    payments = [apply(None, events[0], number=7)]
    at_ms = T0
    for choice in choices:
        payment = payments[-1]
        at_ms += (choice % 7) * (choice % 11) * pause_ms
        event = chosen(payment, of_its_attempts(payment, at_ms, gateways), choice)
        waits = payment.waits and choice % 5 == 0
        if waits or choice % 17 == 0 or event is None:
            event = chosen(payment, of_the_payment(at_ms), choice // 17)
        assert event is not None, "a person may always be asked to look"
        events.append(event)
        payments.append(apply(payment, event))
    return events, payments


def traits(**changes: Any) -> Traits:
    """A contract like most: 20 minutes for the payer, 30 for the verify, money goes back by itself."""
    fields: dict[str, Any] = {
        "amount_min": 1_000,
        "amount_max": 2_000_000_000,
        "token_life_seconds": 20 * 60,
        "verify_within_seconds": 30 * 60,
        "reverse_within_seconds": 50 * 60,
        "unverified": IfUnverified.AUTO_REVERSE,
        "ask": Ask.NOTHING,
        "addressed_by": AddressedBy.TOKEN,
        "first_already": FirstAlready.ACCEPT,
    }
    return Traits(**{**fields, **changes})


CONTRACTS: Final = {
    "plain": traits(),
    "settles": traits(settles=True, addressed_by=AddressedBy.REFERENCE),
    "asks": traits(ask=Ask.INQUIRY),
    "verifies": traits(ask=Ask.VERIFY, reverse_within_seconds=None),
    "held": traits(unverified=IfUnverified.HELD, ask=Ask.INQUIRY, reverse_within_seconds=30 * 60),
    "held-refunds": traits(unverified=IfUnverified.HELD, ask=Ask.INQUIRY, refunds=True),
    "held-mute": traits(unverified=IfUnverified.HELD, reverse_within_seconds=None),
}
"""One gateway for every kind of contract."""
