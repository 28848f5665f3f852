"""The values that gateways, payments and the engine speak about: one word for one thing.

Facts stay facts here: a `Claim` is what a browser said and proves nothing, a `Receipt` is what a bank said about
money, a `Refusal` is a bank's no, `Lost` is not knowing. Not knowing is never turned into no.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gatewayd.core.values import quick

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class CodeClass(StrEnum):
    """What a bank's code means, by (operation, code)."""

    OK = "ok"
    ALREADY_DONE = "already_done"
    NOT_PAID = "not_paid"
    """There is no money: not found, not paid, reversed, or the bank's time is over."""
    CANCELLED = "cancelled"
    """The payer gave up."""
    DECLINED = "declined"
    """The payer's card was refused: PIN, balance, limits."""
    ISSUER = "issuer"
    """The card's own bank or the switch to it failed; it hits all gateways alike."""
    GATEWAY = "gateway"
    """The gateway failed technically."""
    MERCHANT_CONFIG = "merchant_config"
    """Our contract or registration there is wrong: address, domain, password, terminal."""
    OUR_FAULT = "our_fault"
    """We sent something wrong."""
    UNKNOWN = "unknown"
    """The code says nothing that we may rely on."""


class Operation(StrEnum):
    """What a flow is for; timeouts, metrics and faults are per operation."""

    START = "start"
    VERIFY = "verify"
    SETTLE = "settle"
    REVERSE = "reverse"
    INQUIRE = "inquire"
    REFUND = "refund"


class Method(StrEnum):
    """How a payer pays."""

    CARD = "card"
    WALLET = "wallet"
    CREDIT = "credit"


class Capture(StrEnum):
    """Whose word makes a payment's money ours."""

    AUTOMATIC = "automatic"
    """Nobody's: what is paid is taken at once."""
    MANUAL = "manual"
    """The shop's: what is paid is proven without being taken, and waits for its capture."""
    ON_VERIFY = "on_verify"
    """The shop's verify, as a face's callers know it: nothing is asked of the bank in its name before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """What the shop told us of its customer; all of it personal, none of it ever logged."""

    mobile: str | None = None
    """Eleven digits, 09…"""
    email: str | None = None
    name: str | None = None
    national_id: str | None = None
    allowed_cards: tuple[str, ...] = ()
    """Full card numbers, 16 digits each: only these may pay."""
    check_mobile: bool = False
    """Whether the card must be of the mobile's owner; otherwise the mobile only helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A part of the amount that the bank pays out to another account."""

    iban: str
    amount: int
    """Rial."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a driver is told of an attempt: the same for every call of the attempt's life."""

    bank_order: int
    """Our order number at the bank, below 2**53, fresh for every attempt, never reused."""
    amount: int
    """Rial."""
    callback_url: str
    """Where the bank sends the browser back to."""
    made_at: float
    """Wall clock, seconds since 1970 UTC: for banks that want a local date and time."""
    description: str = ""
    payer: Payer = Payer()
    splits: tuple[Split, ...] = ()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """A token, and how the payer is sent to the bank's page with it."""

    token: str
    url: str
    method: str
    """`get` or `post`: the method of the form."""
    fields: Mapping[str, str] = field(default_factory=lambda: NOTHING)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the browser brought back, as far as it could be read. Never trusted.

    `outcome` OK means "says that it was paid", UNKNOWN "says nothing usable" (an empty or mangled return).
    Absent fields are None: banks leave out what they like on failure.
    """

    outcome: CodeClass
    code: str = ""
    """The bank's own code or word."""
    token: str | None = None
    bank_order: int | None = None
    amount: int | None = None
    """Rial."""
    reference: str | None = None
    """What a verify is addressed by where that is not the token (Saman RefNum, Mellat SaleReferenceId)."""
    terminal: str | None = None
    rrn: str | None = None
    trace_no: str | None = None
    card: str | None = None
    """Masked: first six and last four digits at most."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The bank's word that money is ours (or, before a settle, that it is proven). None: the bank does not say."""

    amount: int | None = None
    """Rial that the bank took for this order."""
    token: str | None = None
    bank_order: int | None = None
    terminal: str | None = None
    ref_num: str | None = None
    """Unique per gateway: the reference that the shop and the bank's support know the payment by."""
    rrn: str | None = None
    trace_no: str | None = None
    card: str | None = None
    """Masked: first six and last four digits at most."""
    already: bool = False
    """The bank says that it had done this before (already verified, already settled)."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The bank's no, with the class of its code. Which no is final is the engine's judgement, not the driver's."""

    cause: CodeClass
    code: str
    """The bank's own code or word, as it came."""
    message: str = ""
    """A short text for people, ours or the bank's; never matched on, never holding what the payer typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Not knowing. `reached` False: it certainly never left, and nothing can have happened."""

    reached: bool
    cause: str
    """A short fixed phrase, such as `connect refused` or `timeout after sending`; never data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """The bank took the order to give money back: a reverse or a refund."""

    amount: int | None = None
    """Rial, where the bank says."""
    reference: str | None = None
    """The bank's own number for it."""
    already: bool = False
    """The bank says that it had been given back before."""
    done: bool = True
    """False: it carries it out later, and can be asked whether it has."""


class Finding(StrEnum):
    """What an inquiry found; an inquiry changes nothing at the bank."""

    PAID = "paid"
    """The payer paid and nobody has verified."""
    VERIFIED = "verified"
    NOT_PAID = "not_paid"
    """A definite no: this attempt will not be paid any more."""
    REVERSED = "reversed"
    """The money went back."""
    PENDING = "pending"
    """The payer may be at the bank just now."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """The answer to an inquiry: the finding and what else the bank said."""

    finding: Finding
    receipt: Receipt = field(default_factory=Receipt)
    reference: str | None = None
    """What a verify would be addressed by, where the bank tells (Saman's receipt call)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unverified:
    """A row of a bank's list of payments that nobody has verified yet."""

    token: str
    amount: int | None = None
    """Rial."""


class IfUnverified(StrEnum):
    """What becomes of a payment that is never verified."""

    AUTO_REVERSE = "auto_reverse"
    """The bank gives the money back by itself."""
    HELD = "held"
    """The bank keeps it until we act."""


class Ask(StrEnum):
    """What can be known of an attempt without its payer."""

    NOTHING = "nothing"
    VERIFY = "verify"
    """By verifying with the stored token, which captures if paid."""
    INQUIRY = "inquiry"
    """By an inquiry, which changes nothing."""


class AddressedBy(StrEnum):
    """What names the payment in a verify; that name is claimed so that no two payments can use it."""

    TOKEN = "token"
    """The token from the start, bound to the attempt before the payer leaves."""
    REFERENCE = "reference"
    """A number that only the return brings."""


class FirstAlready(StrEnum):
    """What "already verified" means where we never asked before."""

    ACCEPT = "accept"
    """Paid: the token binds the order, and the panel's automatic verify may have been first."""
    REVIEW = "review"
    """A person looks at it: the reference may belong to another order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a gateway's contract allows and promises: the facts that plan and routing need."""

    amount_min: int
    """Rial."""
    amount_max: int
    """Rial."""
    token_life_seconds: int
    """How long after the hand-over a payer can still begin to pay."""
    verify_within_seconds: int
    """How long after the payment a verify is accepted."""
    reverse_within_seconds: int | None
    """How long after the payment a reverse is accepted at least; None: there is no reverse."""
    unverified: IfUnverified
    ask: Ask
    addressed_by: AddressedBy
    first_already: FirstAlready
    order_bound: bool = True
    """A verify answers for this attempt's order only; False: for whatever its reference names, so that nothing but
    the amount in the answer says that it is this order's."""
    settles: bool = False
    """A verified payment is only proven; a settle takes the money."""
    refunds: bool = False
    proves: bool = False
    """A payment can be proven and given back without having been taken: by a verify that a settle follows, or by an
    inquiry where nobody has verified."""
    lists_unverified: bool = False
    splits: bool = False
    splits_max: int = 10
    """Parts in one payment."""
    split_min: int = 1
    """Rial in one part."""
    splits_percent_max: int = 100
    """Of the amount, all parts together."""
    payer_checks: frozenset[str] = frozenset()
    """Which of `mobile`, `national_id`, `allowed_cards` the bank itself enforces when told."""
    owner_checks_max: int = 2
    """How many of `mobile` and `national_id` in one payment."""
    cards_max: int = 10
    """How many cards may be allowed in one payment, where it enforces them."""
    methods: frozenset[Method] = frozenset({Method.CARD})
