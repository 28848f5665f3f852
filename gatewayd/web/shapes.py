"""The shapes of what the API answers, field by field: what `render` must give, and what the OpenAPI document says.

The type checker holds the renderers to them, and the tests hold the running API to them. Times are RFC 3339 in UTC;
amounts are in the payment's own currency, with `amount_rial` beside them.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from gatewayd.core.invoices import InvoiceStatus
from gatewayd.core.money import Currency
from gatewayd.core.refunds import RefundStatus, RefundWay
from gatewayd.core.states import State
from gatewayd.core.status import Money, Status
from gatewayd.core.terms import Capture, CodeClass, IfUnverified
from gatewayd.routing.breaker import BreakerState

_CLOSED = ConfigDict(extra="forbid")
_TIME = {"format": "date-time"}
Time = Annotated[str, Field(json_schema_extra=_TIME)]
Fraction = Annotated[float, Field(ge=0, le=1)]
PAYMENT_ID: Final = r"^pay_[1-9][0-9]{0,14}$"
INVOICE_ID: Final = r"^inv_[1-9][0-9]{0,14}$"
REFUND_ID: Final = r"^rfd_[1-9][0-9]{0,14}_[1-9][0-9]{0,2}$"
PaymentId = Annotated[str, Field(pattern=PAYMENT_ID)]
InvoiceId = Annotated[str, Field(pattern=INVOICE_ID)]
RefundId = Annotated[str, Field(pattern=REFUND_ID)]


@with_config(_CLOSED)
class RefusalShape(TypedDict):
    """The bank's no."""

    cause: CodeClass
    code: str | None
    message: str | None


@with_config(_CLOSED)
class _Attempt(TypedDict):
    number: int
    gateway: str
    state: State
    bank_order: Annotated[int, Field(description="Our order number at the bank.")]


@with_config(_CLOSED)
class AttemptShape(_Attempt, total=False):
    """One gateway's try at the payment."""

    error: RefusalShape
    returns_by: Time | None


@with_config(_CLOSED)
class RefundNeedsShape(TypedDict):
    """What a person needs to give money back by hand."""

    why: str
    ask_bank_first: bool
    answer: RefusalShape | None
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


@with_config(_CLOSED)
class RefundShape(TypedDict):
    """Money of a payment that goes back."""

    id: RefundId
    object: Literal["refund"]
    payment_id: PaymentId
    status: RefundStatus
    kind: RefundWay | None
    amount: int
    currency: Currency
    amount_rial: int
    gateway: str
    reason: str | None
    reference: Annotated[str | None, Field(description="The bank's number of the refund.")]
    returns_by: Time | None
    needs: RefundNeedsShape | None
    test: bool
    created_at: Time
    updated_at: Time


@with_config(_CLOSED)
class PaymentShape(TypedDict):
    """An amount that a shop wants paid, and its whole life here."""

    id: PaymentId
    object: Literal["payment"]
    status: Status
    money: Annotated[Money, Field(description="Where the customer's money is.")]
    returns_by: Annotated[
        Time | None, Field(description="By when money that was taken and not kept is back.")
    ]
    amount: int
    currency: Currency
    amount_rial: int
    order_id: str
    invoice_id: InvoiceId | None
    pay_url: Annotated[str, Field(description="Where to send the customer.")]
    tracking_code: str
    gateway: str | None
    ref_num: str | None
    rrn: str | None
    trace_no: str | None
    card: Annotated[str | None, Field(description="Masked.")]
    attempts: list[AttemptShape]
    capture: Capture
    capture_by: Time | None
    refunded_amount: int
    refundable_amount: int
    refunds: list[RefundShape]
    needs_review: Annotated[bool, Field(description="A person should look.")]
    description: str | None
    test: bool
    created_at: Time
    expires_at: Time
    paid_at: Time | None
    metadata: dict[str, Any]


@with_config(_CLOSED)
class LineShape(TypedDict):
    """A row of an invoice."""

    name: str
    quantity: int
    unit_price: int
    discount: int
    tax: int
    amount: int


@with_config(_CLOSED)
class InvoiceShape(TypedDict):
    """What a shop wants paid by whoever has its address."""

    id: InvoiceId
    object: Literal["invoice"]
    status: InvoiceStatus
    pay_url: str
    amount: int
    currency: Currency
    amount_rial: int
    lines: list[LineShape]
    description: str | None
    order_id: str
    payments: Literal["one", "many"]
    payments_max: int | None
    payments_paid: int
    paid_amount: int
    paid_amount_rial: int
    payment_id: PaymentId | None
    due_at: Time | None
    overdue: bool
    expires_at: Time
    return_url: str | None
    locale: Literal["fa", "en"]
    test: bool
    created_at: Time
    paid_at: Time | None
    ended_at: Time | None
    metadata: dict[str, Any]


@with_config(_CLOSED)
class WindowShape(TypedDict):
    """Payments of the last ten minutes."""

    started: int
    returned: int
    paid: int
    failed: int


@with_config(_CLOSED)
class GatewayShape(TypedDict):
    """A gateway with its live health."""

    name: str
    object: Literal["gateway"]
    driver: str
    test: bool
    retired: bool
    score: Fraction
    weight: Fraction
    share: Fraction
    breaker: BreakerState
    reasons: list[str]
    window: WindowShape
    in_flight: int
    token_success: Fraction
    token_seconds: float
    return_seconds: float
    load_tps: float
    ceiling_tps: float | None
    verify_within_seconds: int
    reverse_within_seconds: int | None
    unverified: IfUnverified


@with_config(_CLOSED)
class EventShape(TypedDict):
    """Something that happened; webhooks carry the same."""

    id: str
    object: Literal["event"]
    type: str
    created_at: Time
    data: Annotated[
        PaymentShape | RefundShape | InvoiceShape,
        Field(description="The payment, the refund or the invoice as it was then."),
    ]


@with_config(_CLOSED)
class ResendingShape(TypedDict):
    """Events are on their way to these receivers again."""

    object: Literal["resending"]
    receivers: list[str]


@with_config(_CLOSED)
class FieldErrorShape(TypedDict):
    """One thing that is wrong with a request."""

    path: str
    code: str
    detail: str


class _Problem(TypedDict):
    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(description="Stable, for programs.")]


class ProblemShape(_Problem, total=False):
    """An error, as RFC 9457 has it."""

    instance: str
    param: str
    errors: list[FieldErrorShape]


@with_config(_CLOSED)
class LivenessShape(TypedDict):
    """The daemon runs."""

    status: Literal["ok"]


@with_config(_CLOSED)
class ReadinessShape(TypedDict):
    """Whether new payments are welcome, and why not."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str]
