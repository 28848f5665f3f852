"""What a shop may send: the body of a new invoice, read as strictly as a payment's, with every complaint at once.

Amounts are whole numbers of the invoice's currency. What its rows come to is added up here; an amount that is sent
beside them must be the same, so that a shop that reckons otherwise hears of it.
"""

from dataclasses import field
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo
from pydantic.dataclasses import dataclass

from gatewayd.core.invoices import ORDER_CHARS_MAX, line_amount
from gatewayd.core.money import Currency, to_rial
from gatewayd.core.settings import InvoiceSettings, PaymentSettings
from gatewayd.core.tehran import TEHRAN
from gatewayd.engine.invoicing import InvoiceDraft
from gatewayd.web.bodies import (
    Amount,
    Int,
    Metadata,
    Method,
    PayerBody,
    Rules,
    Str,
    Text,
    complaints,
    in_range,
    order_number,
    private_parts,
    return_address,
    usable,
)
from gatewayd.web.problems import INVALID, FieldError, invalid_fields
from gatewayd.web.shops import Caller

QUANTITY_MAX: Final = 1_000_000
PRICE_MAX: Final = 1_000_000_000_000
"""Far above every amount that a bank takes; numbers stay such that every language can read them."""
_CLOSED = ConfigDict(extra="forbid")


def _own_order(text: str) -> str:
    text = order_number(text)
    if len(text) > ORDER_CHARS_MAX:
        raise ValueError(f"may have {ORDER_CHARS_MAX} characters at most")
    return text


def _within(discount: int, info: ValidationInfo) -> int:
    quantity, price = info.data.get("quantity"), info.data.get("unit_price")
    if quantity is not None and price is not None and discount > quantity * price:
        raise ValueError("is more than what it is taken from")
    return discount


def _with_many(most: int | None, info: ValidationInfo) -> int | None:
    if most is not None and info.data.get("payments") == "one":
        raise ValueError("needs payments: many")
    return most


Price = Annotated[Int, Field(ge=0, le=PRICE_MAX)]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CLOSED)
class LineBody:
    """A row."""

    name: Annotated[Text, Field(min_length=1)]
    quantity: Annotated[Int, Field(ge=1, le=QUANTITY_MAX)] = 1
    unit_price: Price
    discount: Annotated[Price, AfterValidator(_within)] = 0
    tax: Price = 0

    @property
    def amount(self) -> int:
        """What it comes to."""
        return line_amount(self.quantity, self.unit_price, self.discount, self.tax)


@dataclass(frozen=True, slots=True, kw_only=True, config=_CLOSED)
class InvoiceBody:
    """The body of `POST /v1/invoices`; a field that another is judged by stands before it."""

    currency: Literal["IRR", "IRT"] = "IRR"
    amount: Amount | None = None
    lines: list[LineBody] = field(default_factory=list)
    description: Text | None = None
    order_id: Annotated[Str, AfterValidator(_own_order)] | None = None
    payments: Literal["one", "many"] = "one"
    payments_max: Annotated[Annotated[Int, Field(ge=2)] | None, AfterValidator(_with_many)] = None
    due_at: Annotated[Str, Field(max_length=40)] | None = None
    expires_at: Annotated[Str, Field(max_length=40)] | None = None
    payer: PayerBody | None = None
    methods: Annotated[list[Method], Field(max_length=3)] = field(default_factory=list)
    gateways: Annotated[list[Str], Field(max_length=100), AfterValidator(usable)] = field(
        default_factory=list
    )
    return_url: Annotated[Str, AfterValidator(return_address)] | None = None
    metadata: Metadata = None
    locale: Literal["fa", "en"] = "fa"


_INVOICE: Final = TypeAdapter(InvoiceBody)


def read_invoice(
    document: dict[str, Any],
    caller: Caller,
    payments: PaymentSettings,
    settings: InvoiceSettings,
    known: frozenset[str],
    now_ms: int,
) -> InvoiceDraft:
    """The invoice that the shop wants; `known` are the gateways it may use. Problem 422 naming each bad field."""
    rules = Rules(caller.shop, payments, known)
    try:
        body = _INVOICE.validate_python(document, context=rules)
    except ValidationError as error:
        raise complaints(error) from None
    errors: list[FieldError] = []
    currency = Currency(body.currency)
    amount = _amount(body, rules, settings, errors)
    if body.payments_max is not None and body.payments_max > settings.payments_max:
        errors.append(FieldError("payments_max", f"may be {settings.payments_max} at most"))
    due_ms = _until(body.due_at, "due_at", errors)
    expires_ms = _until(body.expires_at, "expires_at", errors)
    name = "due_at" if expires_ms is None and due_ms is not None else "expires_at"
    ends_ms = expires_ms or due_ms or now_ms + settings.expires_in_default * 1000
    if ends_ms <= now_ms:
        errors.append(FieldError(name, "is over already"))
    if ends_ms > now_ms + settings.expires_in_max * 1000:
        days = settings.expires_in_max // 86_400
        errors.append(FieldError(name, f"is too far away: {days} days at most"))
    if due_ms is not None and due_ms > ends_ms:
        errors.append(FieldError("due_at", "is later than expires_at"))
    if errors:
        raise invalid_fields(errors)
    wanted = 1 if body.payments == "one" else body.payments_max or 0
    return InvoiceDraft(
        shop=caller.shop.name,
        key=caller.key,
        order_id=body.order_id or "",
        amount=to_rial(amount, currency),
        currency=currency,
        expires_ms=ends_ms,
        due_ms=due_ms,
        wanted=wanted,
        return_url=body.return_url or "",
        test=caller.test,
        locale=body.locale,
        gateways=tuple(body.gateways),
        methods=tuple(body.methods),
        private=_private(body, currency),
    )


def _amount(
    body: InvoiceBody, rules: Rules, settings: InvoiceSettings, errors: list[FieldError]
) -> int:
    """What is to be paid, in the invoice's currency."""
    if not body.lines:
        if body.amount is None:
            errors.append(FieldError("lines", "is required, or an amount"))
        return body.amount or 0
    if len(body.lines) > settings.lines_max:
        errors.append(FieldError("lines", f"may be {settings.lines_max} at most"))
    total = sum(line.amount for line in body.lines)
    if body.amount is not None and body.amount != total:
        detail = f"must be what the lines come to, {total}"
        errors.append(FieldError("amount", detail, "amount_mismatch"))
    elif (said := in_range(total, Currency(body.currency), rules)) is not None:
        errors.append(FieldError("lines", f"together {said}", "amount_out_of_range"))
    return total


def _until(text: str | None, name: str, errors: list[FieldError]) -> int | None:
    """Milliseconds since 1970 of an RFC 3339 time, or of the end of a day in Tehran."""
    if text is None:
        return None
    try:
        if len(text) == len("2027-03-21"):
            day = date.fromisoformat(text) + timedelta(days=1)
            at = datetime.combine(day, time(), TEHRAN)
        else:
            at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError("no zone")
        return int(at.astimezone(UTC).timestamp() * 1000)
    except (OverflowError, ValueError):
        detail = "must be a date such as 2027-03-21, or a time such as 2027-03-21T08:30:00+03:30"
        errors.append(FieldError(name, detail, INVALID))
        return None


def _private(body: InvoiceBody, currency: Currency) -> dict[str, Any]:
    private = private_parts(body.payer, body.description, body.metadata)
    if body.lines:
        private["lines"] = [
            {
                "name": line.name,
                "quantity": line.quantity,
                "unit_price": to_rial(line.unit_price, currency),
                "discount": to_rial(line.discount, currency),
                "tax": to_rial(line.tax, currency),
            }
            for line in body.lines
        ]
    return private
