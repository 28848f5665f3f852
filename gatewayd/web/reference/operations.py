"""Every call of the API: what it is for, what goes in and what comes out.

The tests hold this table to the routes that are served: a call that is in one and not in the other is an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatewayd.core.invoices import KEPT_STATUSES
from gatewayd.core.settings import Scope
from gatewayd.core.status import Status
from gatewayd.web import once, shapes
from gatewayd.web.bodies import TEXT_CHARS_MAX, PaymentBody
from gatewayd.web.invoice_bodies import InvoiceBody
from gatewayd.web.lists import LIMIT_DEFAULT, LIMIT_MAX
from gatewayd.web.refunds import RefundBody

PAYMENT_ID: Final = {"type": "string", "pattern": shapes.PAYMENT_ID}
INVOICE_ID: Final = {"type": "string", "pattern": shapes.INVOICE_ID}
REFUND_ID: Final = {"type": "string", "pattern": shapes.REFUND_ID}
EVENT_ID: Final = {"type": "string", "pattern": r"^evt_[1-9][0-9]{0,17}_[0-9a-f]{8}$"}
KEY: Final = {"type": "string", "pattern": f"^(?:{once.KEY.pattern})$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """Something in the address or the header."""

    name: str
    place: str
    """`path`, `query` or `header`."""
    schema: Mapping[str, Any]
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call."""

    method: str
    path: str
    name: str
    """Its operationId: what clients call it."""
    room: str
    """The heading that it stands under."""
    words: tuple[str, str]
    """What it is for, in English and Persian."""
    scope: Scope | None = None
    """What the key must be for; None: it needs no key."""
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    """The type of the body, or its schema; None: there is none."""
    body_required: bool = True
    status: int = 200
    answer: Any = None
    """The type of the answer."""
    of_list: bool = False
    """The answer is a list of `answer`."""
    also: Mapping[int, Any] | None = None
    """Other answers that are no problems."""
    problems: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()
    leads_to: tuple[str, ...] = ()
    """Calls that take the `id` of the answer."""


_ID: Final = Parameter(name="id", place="path", schema=PAYMENT_ID, required=True)
_INVOICE: Final = Parameter(name="id", place="path", schema=INVOICE_ID, required=True)
_KEY_NEEDED: Final = Parameter(name="Idempotency-Key", place="header", schema=KEY, required=True)
_KEY: Final = Parameter(name="Idempotency-Key", place="header", schema=KEY)
_LIMIT: Final = Parameter(
    name="limit",
    place="query",
    schema={"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
)
_TIME: Final = {"type": "string", "format": "date-time"}
_ONCE: Final = (400, 408, 409, 413, 422)
_REPLAYED: Final = ("Idempotent-Replayed",)

OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/v1/payments",
        name="createPayment",
        room="payments",
        words=(
            "Begin a payment, then send the customer to its `pay_url`.",
            "پرداخت را آغاز کنید و مشتری را به نشانی `pay_url` بفرستید.",
        ),
        scope=Scope.PAYMENTS_WRITE,
        parameters=(_KEY,),
        body=PaymentBody,
        status=201,
        answer=shapes.PaymentShape,
        problems=(*_ONCE, 429, 503),
        headers=("Location", *_REPLAYED),
        leads_to=(
            "getPayment",
            "cancelPayment",
            "capturePayment",
            "createRefund",
            "listRefunds",
        ),
    ),
    Operation(
        method="GET",
        path="/v1/payments",
        name="listPayments",
        room="payments",
        words=("Your payments, newest first.", "پرداخت‌های شما، از تازه به کهنه."),
        scope=Scope.PAYMENTS_READ,
        parameters=(
            Parameter(name="order_id", place="query", schema={"type": "string"}),
            Parameter(
                name="status",
                place="query",
                schema={"type": "string", "enum": [str(status) for status in Status]},
            ),
            Parameter(name="gateway", place="query", schema={"type": "string"}),
            Parameter(name="created_from", place="query", schema=_TIME),
            Parameter(name="created_to", place="query", schema=_TIME),
            _LIMIT,
            Parameter(name="starting_after", place="query", schema=PAYMENT_ID),
        ),
        answer=shapes.PaymentShape,
        of_list=True,
        problems=(422, 503),
    ),
    Operation(
        method="GET",
        path="/v1/payments/{id}",
        name="getPayment",
        room="payments",
        words=("One payment as it is now.", "یک پرداخت، همان‌گونه که اکنون هست."),
        scope=Scope.PAYMENTS_READ,
        parameters=(_ID,),
        answer=shapes.PaymentShape,
        problems=(404,),
    ),
    Operation(
        method="POST",
        path="/v1/payments/{id}/capture",
        name="capturePayment",
        room="payments",
        words=(
            "Take the money of a payment that is authorized.",
            "برداشت پولِ پرداختی که تأیید شده و منتظر فروشگاه است.",
        ),
        scope=Scope.PAYMENTS_WRITE,
        parameters=(_ID, _KEY_NEEDED),
        body={
            "type": "object",
            "properties": {"amount": {"type": "integer", "exclusiveMinimum": 0}},
            "additionalProperties": False,
        },
        body_required=False,
        answer=shapes.PaymentShape,
        problems=(404, *_ONCE),
        headers=_REPLAYED,
    ),
    Operation(
        method="POST",
        path="/v1/payments/{id}/cancel",
        name="cancelPayment",
        room="payments",
        words=(
            "Stop a payment; one that is paid is reversed while its bank does that.",
            "لغو پرداخت؛ اگر پرداخت شده باشد، تا وقتی بانک بپذیرد برگشت می‌خورد.",
        ),
        scope=Scope.PAYMENTS_WRITE,
        parameters=(_ID, _KEY_NEEDED),
        body={
            "type": "object",
            "properties": {"reason": {"type": ["string", "null"], "maxLength": TEXT_CHARS_MAX}},
            "additionalProperties": False,
        },
        body_required=False,
        answer=shapes.PaymentShape,
        problems=(404, *_ONCE),
        headers=_REPLAYED,
    ),
    Operation(
        method="POST",
        path="/v1/payments/{id}/refunds",
        name="createRefund",
        room="refunds",
        words=(
            "Give back all of a payment, or a part of it.",
            "بازگرداندن همه یا بخشی از پول یک پرداخت.",
        ),
        scope=Scope.REFUNDS_WRITE,
        parameters=(_ID, _KEY_NEEDED),
        body=RefundBody,
        body_required=False,
        status=201,
        answer=shapes.RefundShape,
        problems=(404, *_ONCE),
        headers=("Location", *_REPLAYED),
        leads_to=("getRefund",),
    ),
    Operation(
        method="GET",
        path="/v1/payments/{id}/refunds",
        name="listRefunds",
        room="refunds",
        words=("The refunds of one payment, newest first.", "بازپرداخت‌های یک پرداخت."),
        scope=Scope.PAYMENTS_READ,
        parameters=(_ID,),
        answer=shapes.RefundShape,
        of_list=True,
        problems=(404,),
    ),
    Operation(
        method="GET",
        path="/v1/refunds/{id}",
        name="getRefund",
        room="refunds",
        words=("One refund as it is now.", "یک بازپرداخت، همان‌گونه که اکنون هست."),
        scope=Scope.PAYMENTS_READ,
        parameters=(Parameter(name="id", place="path", schema=REFUND_ID, required=True),),
        answer=shapes.RefundShape,
        problems=(404,),
    ),
    Operation(
        method="POST",
        path="/v1/invoices",
        name="createInvoice",
        room="invoices",
        words=(
            "Make an invoice with an address of its own, for one payment or for many.",
            "ساختن صورت‌حساب با نشانی خودش، برای یک پرداخت یا چند پرداخت.",
        ),
        scope=Scope.PAYMENTS_WRITE,
        parameters=(_KEY,),
        body=InvoiceBody,
        status=201,
        answer=shapes.InvoiceShape,
        problems=(*_ONCE, 503),
        headers=("Location", *_REPLAYED),
        leads_to=("getInvoice", "cancelInvoice", "listInvoicePayments"),
    ),
    Operation(
        method="GET",
        path="/v1/invoices",
        name="listInvoices",
        room="invoices",
        words=("Your invoices, newest first.", "صورت‌حساب‌های شما، از تازه به کهنه."),
        scope=Scope.PAYMENTS_READ,
        parameters=(
            Parameter(name="order_id", place="query", schema={"type": "string"}),
            Parameter(
                name="status",
                place="query",
                schema={"type": "string", "enum": [str(status) for status in KEPT_STATUSES]},
            ),
            Parameter(name="created_from", place="query", schema=_TIME),
            Parameter(name="created_to", place="query", schema=_TIME),
            _LIMIT,
            Parameter(name="starting_after", place="query", schema=INVOICE_ID),
        ),
        answer=shapes.InvoiceShape,
        of_list=True,
        problems=(422, 503),
    ),
    Operation(
        method="GET",
        path="/v1/invoices/{id}",
        name="getInvoice",
        room="invoices",
        words=("One invoice as it is now.", "یک صورت‌حساب، همان‌گونه که اکنون هست."),
        scope=Scope.PAYMENTS_READ,
        parameters=(_INVOICE,),
        answer=shapes.InvoiceShape,
        problems=(404,),
    ),
    Operation(
        method="POST",
        path="/v1/invoices/{id}/cancel",
        name="cancelInvoice",
        room="invoices",
        words=(
            "Take no further payment for it.",
            "بستن صورت‌حساب؛ پس از آن پرداخت تازه‌ای نمی‌پذیرد.",
        ),
        scope=Scope.PAYMENTS_WRITE,
        parameters=(_INVOICE, _KEY_NEEDED),
        answer=shapes.InvoiceShape,
        problems=(404, *_ONCE),
        headers=_REPLAYED,
    ),
    Operation(
        method="GET",
        path="/v1/invoices/{id}/payments",
        name="listInvoicePayments",
        room="invoices",
        words=(
            "The payments that were begun for it, newest first.",
            "پرداخت‌هایی که برای این صورت‌حساب آغاز شده‌اند، از تازه به کهنه.",
        ),
        scope=Scope.PAYMENTS_READ,
        parameters=(
            _INVOICE,
            _LIMIT,
            Parameter(name="starting_after", place="query", schema=PAYMENT_ID),
        ),
        answer=shapes.PaymentShape,
        of_list=True,
        problems=(404, 422, 503),
    ),
    Operation(
        method="GET",
        path="/v1/gateways",
        name="listGateways",
        room="gateways",
        words=(
            "Your gateways with their live health, and what keeps each from its full share.",
            "درگاه‌های شما با حال کنونی‌شان و آنچه سهم هر یک را کم کرده است.",
        ),
        scope=Scope.GATEWAYS_READ,
        answer=shapes.GatewayShape,
        of_list=True,
    ),
    Operation(
        method="GET",
        path="/v1/events",
        name="listEvents",
        room="events",
        words=(
            "What happened, oldest first: the same objects that webhooks carry.",
            "رویدادها به ترتیب، از کهنه به تازه: همان‌ها که وب‌هوک‌ها می‌برند.",
        ),
        scope=Scope.EVENTS_READ,
        parameters=(Parameter(name="after", place="query", schema=EVENT_ID), _LIMIT),
        answer=shapes.EventShape,
        of_list=True,
        problems=(404, 422, 503),
    ),
    Operation(
        method="POST",
        path="/v1/events/replay",
        name="replayEvents",
        room="events",
        words=(
            "Send everything after an event to your receivers of webhooks again.",
            "فرستادن دوباره‌ی هر چه پس از یک رویداد آمده به گیرنده‌های وب‌هوک شما.",
        ),
        scope=Scope.EVENTS_WRITE,
        body={
            "type": "object",
            "properties": {"after": EVENT_ID},
            "additionalProperties": False,
        },
        body_required=False,
        status=202,
        answer=shapes.ResendingShape,
        problems=(400, 404, 408, 409, 413, 422),
    ),
    Operation(
        method="POST",
        path="/v1/events/{id}/resend",
        name="resendEvent",
        room="events",
        words=(
            "Send one event to your receivers of webhooks again.",
            "فرستادن دوباره‌ی یک رویداد به گیرنده‌های وب‌هوک شما.",
        ),
        scope=Scope.EVENTS_WRITE,
        parameters=(Parameter(name="id", place="path", schema=EVENT_ID, required=True),),
        status=202,
        answer=shapes.ResendingShape,
        problems=(404, 409, 422),
    ),
    Operation(
        method="GET",
        path="/livez",
        name="getLiveness",
        room="health",
        words=("Whether the daemon runs.", "آیا سرویس روشن است؟"),
        answer=shapes.LivenessShape,
    ),
    Operation(
        method="GET",
        path="/readyz",
        name="getReadiness",
        room="health",
        words=("Whether new payments are welcome.", "آیا پرداخت تازه پذیرفته می‌شود؟"),
        answer=shapes.ReadinessShape,
        also={503: shapes.ReadinessShape},
    ),
)
