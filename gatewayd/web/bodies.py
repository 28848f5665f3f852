"""What a shop may send: the body of a new payment, read strictly, with everything that is wrong named at once.

Each complaint has the field's path and a sentence that a shop's developer understands without knowing how it is read
here.
"""

import re
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Annotated, Any, Final, Literal

import orjson
from aiohttp import web
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    Strict,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails, PydanticCustomError

from gatewayd.core.money import RIAL_PER_TOMAN, Currency, to_rial
from gatewayd.core.settings import PaymentSettings, ShopSettings
from gatewayd.core.terms import Capture, Split
from gatewayd.engine.cashier import Draft
from gatewayd.web import typed
from gatewayd.web.asked import Request
from gatewayd.web.body import read_body
from gatewayd.web.problems import INVALID, NAME_CHARS_MAX, FieldError, Problem, invalid_fields
from gatewayd.web.shops import Caller, checked_return_url

TEXT_CHARS_MAX: Final = 500
METADATA_KEYS_MAX: Final = 50
METADATA_BYTES_MAX: Final = 8_192
"""Metadata is for the shop's own references, not a place to keep things."""
METADATA_DEPTH_MAX: Final = 8
ERRORS_MAX: Final = 20
"""Complaints in one answer; whoever has more begins with these."""
_CLOSED = ConfigDict(extra="forbid")
"""Objects take no other fields. Texts and numbers are strict one by one: a strict object would take no dict."""
ORDER_ID: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,98}[\x21-\x7e])?")


@plain_dataclass(frozen=True, slots=True)
class Rules:
    """What a body is judged by, beside its form."""

    shop: ShopSettings
    settings: PaymentSettings
    gateways: frozenset[str]


def order_number(text: str) -> str:
    """A shop's own number of an order."""
    if not ORDER_ID.fullmatch(text):
        raise ValueError("must be 1 to 100 printable ASCII characters, without blanks at the ends")
    return text


def _in_range(amount: int, info: ValidationInfo) -> int:
    if "currency" not in info.data:  # it is wrong itself, and is complained of
        return amount
    said = in_range(amount, Currency(info.data["currency"]), _rules(info))
    if said is not None:
        raise _refused("amount_out_of_range", said)
    return amount


def in_range(amount: int, currency: Currency, rules: Rules) -> str | None:
    """What an amount must be, in the currency that the shop counts in; None if it is."""
    least, most = rules.settings.amounts_of(rules.shop)
    if least <= to_rial(amount, currency) <= most:
        return None
    unit = "rial"
    if currency is Currency.IRT:
        least, most, unit = -(-least // RIAL_PER_TOMAN), most // RIAL_PER_TOMAN, "toman"
    return f"must be {least} to {most} {unit}"


def return_address(url: str, info: ValidationInfo) -> str:
    """Where this shop's customers may be sent."""
    return checked_return_url(url, _rules(info).shop)


def usable(names: list[str], info: ValidationInfo) -> list[str]:
    """Gateways of this shop."""
    unknown = [name for name in names if name not in _rules(info).gateways]
    if unknown:
        detail = f"this shop has no gateway named {unknown[0][:NAME_CHARS_MAX]!r}"
        raise _refused("gateway_unknown", detail)
    return names


def _lifetime(seconds: int | None, info: ValidationInfo) -> int:
    settings = _rules(info).settings
    if seconds is None:
        return settings.expires_in_default
    if not settings.expires_in_min <= seconds <= settings.expires_in_max:
        raise ValueError(
            f"must be {settings.expires_in_min} to {settings.expires_in_max} (seconds)"
        )
    return seconds


def _metadata(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    if metadata is None:
        return None
    if _depth(metadata) > METADATA_DEPTH_MAX:
        raise ValueError(f"may be nested {METADATA_DEPTH_MAX} deep at most")
    if len(metadata) > METADATA_KEYS_MAX or len(orjson.dumps(metadata)) > METADATA_BYTES_MAX:
        raise ValueError(
            f"may hold {METADATA_KEYS_MAX} keys and {METADATA_BYTES_MAX} bytes at most"
        )
    return metadata


def _depth(value: object) -> int:
    """How deep a document is nested; one more than is allowed is as deep as it gets."""
    level, depth = [value], 0
    while level and depth <= METADATA_DEPTH_MAX:
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        depth += any(isinstance(each, dict | list) for each in level)
        level = inner
    return depth


def _refused(code: str, detail: str) -> PydanticCustomError:
    """A complaint with a code of its own."""
    return PydanticCustomError("refused", "{detail}", {"code": code, "detail": detail})


def _rules(info: ValidationInfo) -> Rules:
    assert isinstance(info.context, Rules), "bodies are read with their rules"
    return info.context


Str = Annotated[str, Strict()]
Int = Annotated[int, Strict()]
Text = Annotated[Str, Field(max_length=TEXT_CHARS_MAX), AfterValidator(typed.readable)]
Email = Annotated[Str, Field(max_length=254), AfterValidator(typed.email)]
Card = Annotated[Str, AfterValidator(typed.card)]
Method = Literal["card", "wallet", "credit"]
Metadata = Annotated[dict[str, Any] | None, AfterValidator(_metadata)]
Amount = Annotated[Int, Field(gt=0), AfterValidator(_in_range)]


def _with_mobile(check: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  (pydantic calls it so)
    if check and "mobile" in info.data and info.data["mobile"] is None:
        raise ValueError("needs the mobile that the card must belong to")
    return check


@dataclass(frozen=True, slots=True, kw_only=True, config=_CLOSED)
class PayerBody:
    """Who pays, as far as the shop knows."""

    mobile: Annotated[Str, AfterValidator(typed.mobile)] | None = None
    email: Email | None = None
    name: Text | None = None
    national_id: Annotated[Str, AfterValidator(typed.national_id)] | None = None
    allowed_cards: Annotated[list[Card], Field(max_length=10)] = field(default_factory=list)
    check_mobile: Annotated[bool, Strict(), AfterValidator(_with_mobile)] = False


@dataclass(frozen=True, slots=True, kw_only=True, config=_CLOSED)
class SplitBody:
    """A part that is paid out elsewhere."""

    iban: Annotated[Str, AfterValidator(typed.iban)]
    amount: Annotated[Int, Field(gt=0)]


def _within(splits: list[SplitBody], info: ValidationInfo) -> list[SplitBody]:
    amount = info.data.get("amount")
    if amount is not None and sum(split.amount for split in splits) > amount:
        raise ValueError("their sum is more than the amount")
    return splits


@dataclass(frozen=True, slots=True, kw_only=True, config=_CLOSED)
class PaymentBody:
    """The body of `POST /v1/payments`; a field that another is judged by stands before it."""

    currency: Literal["IRR", "IRT"] = "IRR"
    amount: Amount
    order_id: Annotated[Str, AfterValidator(order_number)]
    return_url: Annotated[Str, AfterValidator(return_address)]
    description: Text | None = None
    payer: PayerBody | None = None
    methods: Annotated[list[Method], Field(max_length=3)] = field(default_factory=list)
    gateways: Annotated[list[Str], Field(max_length=100), AfterValidator(usable)] = field(
        default_factory=list
    )
    capture: Literal["automatic", "manual"] = "automatic"
    splits: Annotated[list[SplitBody], Field(max_length=10), AfterValidator(_within)] = field(
        default_factory=list
    )
    expires_in: Annotated[Int | None, AfterValidator(_lifetime), Field(validate_default=True)] = (
        None
    )
    metadata: Metadata = None
    locale: Literal["fa", "en"] = "fa"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CLOSED)
class CancelBody:
    """The body of `POST /v1/payments/{id}/cancel`."""

    reason: Text | None = None


PAYER_FIELDS: Final = ("mobile", "email", "name", "national_id", "allowed_cards", "check_mobile")
_PAYMENT: Final = TypeAdapter(PaymentBody)
_CANCEL: Final = TypeAdapter(CancelBody)
_SENTENCES: Final = {
    "missing": "is required",
    "unexpected_keyword_argument": "there is no such field",
    "dataclass_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be text",
    "int_type": "must be a whole number",
}
"""In place of pydantic's own words where those are about Python."""


async def read_object(
    request: Request, limit_bytes: int, *, may_miss: bool = False
) -> dict[str, Any]:
    """The body as a JSON object; Problem 413 or 400. What its Content-Type says does not matter.

    `may_miss`: no body is an empty object.
    """
    too_large = Problem(413, "request_too_large", f"The body may hold {limit_bytes} bytes at most.")
    if request.content_length is not None and request.content_length > limit_bytes:
        raise too_large
    try:
        body = await read_body(request)
    except TimeoutError:
        detail = "The body did not come in time."
        raise Problem(408, "request_too_slow", detail) from None
    except web.HTTPRequestEntityTooLarge:
        raise too_large from None
    except web.RequestPayloadError:
        raise Problem(400, "request_not_json", "The body cannot be read.") from None
    if may_miss and not body:
        return {}
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        detail = f"The body is not JSON: line {error.lineno}, column {error.colno}."
        raise Problem(400, "request_not_json", detail) from None
    if not isinstance(document, dict):
        raise Problem(400, "request_not_json", "The body must be a JSON object.")
    return document


def read_payment(
    document: dict[str, Any], caller: Caller, settings: PaymentSettings, known: frozenset[str]
) -> Draft:
    """The payment that the shop wants; `known` are the gateways it may use. Problem 422 naming each bad field."""
    try:
        # The adapter's own method costs as much again in handing over arguments.
        body = _PAYMENT.validator.validate_python(
            document, context=Rules(caller.shop, settings, known)
        )
    except ValidationError as error:
        raise complaints(error) from None
    currency = Currency(body.currency)
    assert body.expires_in is not None, "its default was filled in"
    return Draft(
        shop=caller.shop.name,
        key=caller.key,
        order_id=body.order_id,
        amount=to_rial(body.amount, currency),
        currency=currency,
        return_url=body.return_url,
        expires_in_seconds=body.expires_in,
        test=caller.test,
        locale=body.locale,
        gateways=tuple(body.gateways),
        methods=tuple(body.methods),
        splits=tuple(
            Split(iban=each.iban, amount=to_rial(each.amount, currency)) for each in body.splits
        ),
        capture=Capture(body.capture),
        private=private_parts(body.payer, body.description, body.metadata),
    )


def read_cancel(document: dict[str, Any]) -> str | None:
    """Why the shop cancels, if it says so. Problem 422 naming each bad field: nothing can be cancelled in part."""
    try:
        return _CANCEL.validate_python(document).reason
    except ValidationError as error:
        raise complaints(error) from None


def private_parts(
    payer: PayerBody | None, description: str | None, metadata: dict[str, Any] | None
) -> dict[str, Any]:
    """What is kept beside the journal's chain, as far as given."""
    private: dict[str, Any] = {}
    if payer is not None:
        private["payer"] = {name: value for name in PAYER_FIELDS if (value := getattr(payer, name))}
    if description:
        private["description"] = description
    if metadata:
        private["metadata"] = metadata
    return private


def complaints(error: ValidationError) -> Problem:
    """What is wrong with a body, field by field."""
    return invalid_fields([_complaint(each) for each in error.errors()[:ERRORS_MAX]])


def _complaint(error: ErrorDetails) -> FieldError:
    path = ".".join(str(part)[:NAME_CHARS_MAX] or '""' for part in error["loc"])
    context = error.get("ctx", {})
    match error["type"]:
        case "refused":
            return FieldError(path, context["detail"], context["code"])
        case "value_error":
            return FieldError(path, str(context["error"]))
        case kind:
            return FieldError(path, _SENTENCES.get(kind, error["msg"]), INVALID)
