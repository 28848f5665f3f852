"""What is sent and what is answered, field by field, as the daemon's OpenAPI document has it under the same names.

Answers are the daemon's own JSON objects: a field that a newer daemon adds is there, too, and breaks nothing. Times are
RFC 3339 in UTC. Amounts are in the payment's own currency, with `amount_rial` beside them.
"""

from typing import Any, Generic, Literal, NotRequired, Required, TypedDict, TypeVar

T = TypeVar("T")

Currency = Literal["IRR", "IRT"]
PaymentStatus = Literal[
    "pending", "processing", "authorized", "paid", "reversed", "cancelled", "failed", "expired"
]
Money = Literal["unknown", "at_bank", "ours", "returning", "returned", "none"]
InvoiceStatus = Literal["open", "processing", "paid", "reversed", "cancelled", "expired"]
RefundStatus = Literal["pending", "processing", "succeeded", "failed", "manual_required"]
RefundKind = Literal["reversal", "refund", "manual"]
Breaker = Literal["closed", "open", "half_open", "forced_open", "forced_closed"]


class Refusal(TypedDict):
    """The bank's no."""

    cause: str
    code: str | None
    message: str | None


class Attempt(TypedDict):
    """One gateway's try at the payment."""

    number: int
    gateway: str
    state: str
    bank_order: int
    error: NotRequired[Refusal]
    returns_by: NotRequired[str | None]


class RefundNeeds(TypedDict):
    """What a person needs to give money back by hand."""

    why: str
    ask_bank_first: bool
    answer: Refusal | None
    amount: int
    amount_rial: int
    iban: str | None
    card: str | None
    gateway: str
    bank_order: int
    refund_order: int | None
    ref_num: str | None
    rrn: str | None
    trace_no: str | None


class Refund(TypedDict):
    """Money of a payment that goes back."""

    id: str
    object: Literal["refund"]
    payment_id: str
    status: RefundStatus
    kind: RefundKind | None
    amount: int
    currency: Currency
    amount_rial: int
    gateway: str
    reason: str | None
    reference: str | None
    returns_by: str | None
    needs: RefundNeeds | None
    test: bool
    created_at: str
    updated_at: str


class Payment(TypedDict):
    """An amount that a shop wants paid, and its whole life."""

    id: str
    object: Literal["payment"]
    status: PaymentStatus
    money: Money
    returns_by: str | None
    amount: int
    currency: Currency
    amount_rial: int
    order_id: str
    invoice_id: str | None
    pay_url: str
    tracking_code: str
    gateway: str | None
    ref_num: str | None
    rrn: str | None
    trace_no: str | None
    card: str | None
    attempts: list[Attempt]
    capture: str
    capture_by: str | None
    refunded_amount: int
    refundable_amount: int
    refunds: list[Refund]
    needs_review: bool
    description: str | None
    test: bool
    created_at: str
    expires_at: str
    paid_at: str | None
    metadata: dict[str, Any]


class Line(TypedDict):
    """A row of an invoice."""

    name: str
    quantity: int
    unit_price: int
    discount: int
    tax: int
    amount: int


class Invoice(TypedDict):
    """What a shop wants paid by whoever has its address."""

    id: str
    object: Literal["invoice"]
    status: InvoiceStatus
    pay_url: str
    amount: int
    currency: Currency
    amount_rial: int
    lines: list[Line]
    description: str | None
    order_id: str
    payments: Literal["one", "many"]
    payments_max: int | None
    payments_paid: int
    paid_amount: int
    paid_amount_rial: int
    payment_id: str | None
    due_at: str | None
    overdue: bool
    expires_at: str
    return_url: str | None
    locale: Literal["fa", "en"]
    test: bool
    created_at: str
    paid_at: str | None
    ended_at: str | None
    metadata: dict[str, Any]


class Window(TypedDict):
    """Payments of the last ten minutes."""

    started: int
    returned: int
    paid: int
    failed: int


class Gateway(TypedDict):
    """A gateway with its live health."""

    name: str
    object: Literal["gateway"]
    driver: str
    test: bool
    retired: bool
    score: float
    weight: float
    share: float
    breaker: Breaker
    reasons: list[str]
    window: Window
    in_flight: int
    token_success: float
    token_seconds: float
    return_seconds: float
    load_tps: float
    ceiling_tps: float | None
    verify_within_seconds: int
    reverse_within_seconds: int | None
    unverified: str


class Event(TypedDict):
    """Something that happened; webhooks carry the same."""

    id: str
    object: Literal["event"]
    type: str
    created_at: str
    data: Payment | Refund | Invoice


class Resending(TypedDict):
    """Events are on their way to these receivers again."""

    object: Literal["resending"]
    receivers: list[str]


class FieldError(TypedDict):
    """One thing that is wrong with a request."""

    path: str
    code: str
    detail: str


class Page(TypedDict, Generic[T]):
    """A part of a list."""

    object: Literal["list"]
    data: list[T]
    has_more: bool
    url: str


class Payer(TypedDict, total=False):
    """Who pays, as far as the shop knows, and who may."""

    mobile: str | None
    email: str | None
    name: str | None
    national_id: str | None
    allowed_cards: list[str]
    check_mobile: bool


class Split(TypedDict):
    """A part that is paid out elsewhere."""

    iban: str
    amount: int


class PaymentInput(TypedDict, total=False):
    """A payment that is wanted."""

    currency: Currency
    amount: Required[int]
    order_id: Required[str]
    return_url: Required[str]
    description: str | None
    payer: Payer | None
    methods: list[Literal["card", "wallet", "credit"]]
    gateways: list[str]
    capture: Literal["automatic", "manual"]
    splits: list[Split]
    expires_in: int | None
    metadata: dict[str, Any] | None
    locale: Literal["fa", "en"]


class LineInput(TypedDict, total=False):
    """A row that is wanted."""

    name: Required[str]
    quantity: int
    unit_price: Required[int]
    discount: int
    tax: int


class InvoiceInput(TypedDict, total=False):
    """An invoice that is wanted: with `lines`, or an `amount`, or both."""

    currency: Currency
    amount: int | None
    lines: list[LineInput]
    description: str | None
    order_id: str | None
    payments: Literal["one", "many"]
    payments_max: int | None
    due_at: str | None
    expires_at: str | None
    payer: Payer | None
    methods: list[Literal["card", "wallet", "credit"]]
    gateways: list[str]
    return_url: str | None
    metadata: dict[str, Any] | None
    locale: Literal["fa", "en"]


class RefundInput(TypedDict, total=False):
    """A refund that is wanted; without an amount it is all that is left."""

    amount: int | None
    reason: str | None
    iban: str | None


class PaymentFilters(TypedDict, total=False):
    """Which payments are listed."""

    order_id: str
    status: PaymentStatus
    gateway: str
    created_from: str
    created_to: str


class InvoiceFilters(TypedDict, total=False):
    """Which invoices are listed."""

    order_id: str
    status: Literal["open", "paid", "reversed", "cancelled", "expired"]
    created_from: str
    created_to: str
