"""Everything that can happen to a payment, as past participles, and the little that happens to the journal itself.

Rules:

* Around every call that can move money there are two events: `…Requested`, on disk before the call leaves, and its
  outcome. A trailing `…Requested` after a crash is the recovery point.
* A kind is the class's name and is never renamed; fields may be added with defaults, never removed.
* Times are wall clock, milliseconds since 1970 UTC; order is by version, never by time.
* What belongs to a person (payer data, the bank's raw fields, the masked card) stands in `private`. It is kept beside
  the event, not in it, so that a person can be erased and the chain of events stays valid.
* `trigger` is what the table of legal transitions is keyed by: the kind, and for a few kinds its variant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gatewayd.core.happening import Event as Event
from gatewayd.core.invoice_events import OF_INVOICES
from gatewayd.core.money import Currency
from gatewayd.core.refund_events import RefundAsked as RefundAsked
from gatewayd.core.refund_events import RefundCreated as RefundCreated
from gatewayd.core.refund_events import RefundEvent as RefundEvent
from gatewayd.core.refund_events import RefundFinding as RefundFinding
from gatewayd.core.refund_events import RefundLeftToReview as RefundLeftToReview
from gatewayd.core.refund_events import RefundResolved as RefundResolved
from gatewayd.core.terms import (
    Capture,
    Claim,
    CodeClass,
    GivenBack,
    Inquiry,
    Receipt,
    Redirect,
    Refusal,
    Split,
)
from gatewayd.core.values import quick


class Standing(StrEnum):
    """What a return is worth before any bank was asked."""

    CLAIM = "claim"
    """Says paid and fits this attempt: verify it."""
    NO = "no"
    """Says cancelled, declined or failed, and fits this attempt."""
    UNCLEAR = "unclear"
    """Says nothing usable: the bank is asked if it can be."""
    FOREIGN = "foreign"
    """Does not fit this attempt: another token, order, amount or terminal."""


class Purpose(StrEnum):
    """What a verify is for."""

    KEEP = "keep"
    GIVE_BACK = "return"


class Closing(StrEnum):
    """Why no further attempt will be made or kept."""

    CANCELLED_BY_PAYER = "cancelled_by_payer"
    CANCELLED_BY_SHOP = "cancelled_by_shop"
    GIVEN_UP = "given_up"
    """The last answer was a definite no, and the customer went back to the shop."""
    FAILED = "failed"
    """The last answer was a definite no, and there is no other try."""
    EXPIRED = "expired"
    NOT_CAPTURED = "not_captured"
    """It was paid, and the shop did not say in time that it wants the money."""


class Wrong(StrEnum):
    """How a bank's receipt differs from what was ordered."""

    AMOUNT = "amount"
    TOKEN = "token"
    ORDER = "order"
    TERMINAL = "terminal"
    REFERENCE = "reference"
    ALREADY = "already"
    """Verified before we ever asked, where that cannot be trusted."""
    CARD = "card"
    """Paid by a card that the shop did not allow."""
    UNPAID = "unpaid"
    """The bank, asked without being bidden to take anything, says that nobody paid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Created(Event):
    """A shop wants this paid. `private`: payer, description, metadata."""

    shop: str
    key: str
    """The id of the API key that made it, or of the invoice that it is for, or the name of a face."""
    order_id: str
    amount: int
    """Rial."""
    currency: Currency
    return_url: str
    expires_ms: int
    test: bool = False
    locale: str = "fa"
    gateways: tuple[str, ...] = ()
    """Only these may be used; empty: any."""
    methods: tuple[str, ...] = ()
    splits: tuple[Split, ...] = ()
    capture: Capture = Capture.AUTOMATIC
    face: str = ""
    """The face that it came through, by its driver's name; empty: the shop's own API."""
    private: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRequested(Event):
    """The shop wants the money. A definite no to all that was in doubt spends its word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureDue(Event):
    """The shop has not captured yet, and will soon be too late."""

    notice = "payment.capture_due"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureLapsed(Event):
    """The shop did not say in time that it wants the money: whatever there is goes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested(Event):
    """The shop wants it stopped while a bank's answer is out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRefused(Event):
    """What the shop wanted stopped is paid, and the bank gives nothing back: it stays paid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(Event):
    """No further attempt; whatever older ones bring is never kept."""

    why: Closing


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRaised(Event):
    """A person should look: money may be involved, or somebody tried something."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewResolved(Event):
    """A person looked."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorActed(Event):
    """A person gave an order about this payment; what it led to follows as events of its own."""

    act: str
    """`ask` or `reverse`."""
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEvent(Event):
    """Something that happened to one attempt of a payment."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequested(AttemptEvent):
    """A gateway was picked and is asked for a token."""

    gateway: str
    bank_order: int
    settles: bool
    """A verified payment there is not ours before it is settled."""
    probability: float = 1.0
    """With which the gateway was to be drawn first."""
    reason: str = ""
    """Why it was drawn; `failover` where another was drawn first and gave no token."""
    weighed: str = ""
    """What the draw was made from: the router's `Ranking.weighed`; empty for a failover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(AttemptEvent):
    """The bank gave a token."""

    redirect: Redirect


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRefused(AttemptEvent):
    """The bank gave none, and said so."""

    refusal: Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class StartLost(AttemptEvent):
    """No answer; safe elsewhere, for no payer holds that token."""

    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver(AttemptEvent):
    """The payer was sent to the bank's page, first or again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned(AttemptEvent):
    """A browser came back on the attempt's genuine address. `private`: the fields as they came."""

    claim: Claim
    standing: Standing
    digest: str
    """Names this set of fields, so that a repeat is only counted."""
    private: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trigger(self) -> str:
        return f"Returned:{self.standing}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceTaken(AttemptEvent):
    """The reference that the claim is verified by is held by this attempt now, and by no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRejected(AttemptEvent):
    """The claim was put aside without asking the bank: its reference is kept by another payment."""

    why: Wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequested(AttemptEvent):
    """The bank is about to be asked to confirm."""

    purpose: Purpose

    @property
    def trigger(self) -> str:
        return f"VerifyRequested:{self.purpose}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified(AttemptEvent):
    """The bank's word, compared with the order: the money is proven. `private`: the masked card."""

    receipt: Receipt
    private: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorized(AttemptEvent):
    """It is proven that the money is there, and nobody has taken it: the shop may, for so long."""

    capture_by_ms: int
    """Afterwards it goes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRefused(AttemptEvent):
    """The bank's definite no to this verify."""

    refusal: Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyLost(AttemptEvent):
    """No usable answer: it may have taken effect, unless it never reached the bank."""

    cause: str
    reached: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatched(AttemptEvent):
    """The bank says paid, but not what was ordered: never kept. `private`: the masked card."""

    receipt: Receipt
    wrong: Wrong
    private: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trigger(self) -> str:
        return "Mismatched:already" if self.wrong is Wrong.ALREADY else "Mismatched"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleRequested(AttemptEvent):
    """The bank is about to be asked to pay out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(AttemptEvent):
    """It will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleRefused(AttemptEvent):
    """It says that the money went back."""

    refusal: Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleLost(AttemptEvent):
    """No usable answer."""

    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReverseRequested(AttemptEvent):
    """The bank is about to be asked to give all of it back."""

    refund: int = 0
    """The refund that this is for; 0: for none, or again for the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversed(AttemptEvent):
    """It does."""

    given: GivenBack
    returns_by_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReverseRefused(AttemptEvent):
    """It does not."""

    refusal: Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReverseLost(AttemptEvent):
    """No usable answer."""

    cause: str
    answered: bool = False
    """The bank said something that is no definite no: it did nothing just now, and perhaps will later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequested(AttemptEvent):
    """The bank is about to be asked to refund what cannot be reversed."""

    amount: int
    """Rial."""
    refund_order: int
    refund: int = 0
    """The refund that this is for; 0: all of an attempt's money that must not be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded(AttemptEvent):
    """It does."""

    amount: int
    given: GivenBack
    returns_by_ms: int
    refund: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRefused(AttemptEvent):
    """It does not."""

    refusal: Refusal
    refund: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundLost(AttemptEvent):
    """No usable answer; it is asked for, never repeated."""

    cause: str
    refund: int = 0
    reached: bool = True
    """False: the request certainly never left."""
    refusal: Refusal | None = None
    """What the bank answered, where that is no definite no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(AttemptEvent):
    """The bank was asked without its payer; an answer that says nothing is journaled as unknown."""

    inquiry: Inquiry
    silent: bool = False
    """There was no answer at all."""

    @property
    def trigger(self) -> str:
        return f"Asked:{self.inquiry.finding}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftToReview(AttemptEvent):
    """Nothing that we may do by ourselves is left; a person must."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapsed(AttemptEvent):
    """It is not kept any more: the bank's time is over, or another was kept. What was taken goes back by itself."""

    returns_by_ms: int
    """By when money that was taken is back on the card, as the banks promise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJumped(Event):
    """Somebody set the wall clock. It happened to the journal itself, and to no payment."""

    seconds: float
    """Forth, or back if negative; of several in a row their sum."""
    times: int = 1


KINDS: dict[str, type[Event]] = {
    kind.__name__: quick(kind)
    for kind in (
        Created,
        CaptureRequested,
        CaptureDue,
        CaptureLapsed,
        CancelRequested,
        CancelRefused,
        Closed,
        ReviewRaised,
        ReviewResolved,
        OperatorActed,
        RefundCreated,
        RefundAsked,
        RefundLeftToReview,
        RefundResolved,
        StartRequested,
        Started,
        StartRefused,
        StartLost,
        HandedOver,
        Returned,
        ReferenceTaken,
        ClaimRejected,
        VerifyRequested,
        Verified,
        Authorized,
        VerifyRefused,
        VerifyLost,
        Mismatched,
        SettleRequested,
        Settled,
        SettleRefused,
        SettleLost,
        ReverseRequested,
        Reversed,
        ReverseRefused,
        ReverseLost,
        RefundRequested,
        Refunded,
        RefundRefused,
        RefundLost,
        Asked,
        LeftToReview,
        Lapsed,
        ClockJumped,
        *OF_INVOICES,
    )
}

PAYER_FAULTS = frozenset({CodeClass.CANCELLED, CodeClass.DECLINED})
"""What the router is told as the payer's own: no gateway is to blame."""
