"""What a shop may send: the body of a new payment, read strictly, every complaint at once and by field."""

import hashlib
import re
from dataclasses import field
from typing import Annotated, Any, Final, Literal

import orjson
from aiohttp import web
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from gatewayd.core.money import Currency, to_rial
from gatewayd.core.settings import PaymentSettings
from gatewayd.core.terms import Split
from gatewayd.engine.cashier import Draft
from gatewayd.journal.store import Guard, GuardKind
from gatewayd.web.problems import FieldError, Problem, invalid
from gatewayd.web.shops import Caller, checked_return_url

METADATA_KEYS_MAX: Final = 50
METADATA_BYTES_MAX: Final = 8_192
"""Metadata is for the shop's own references, not a place to keep things."""
IDEMPOTENCY_KEY_CHARS_MAX: Final = 255
_STRICT = ConfigDict(strict=True, extra="forbid")

Text = Annotated[str, Field(max_length=500)]
OrderId = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")
]
Mobile = Annotated[str, Field(pattern=r"^09[0-9]{9}$")]
NationalId = Annotated[str, Field(pattern=r"^[0-9]{10}$")]
Card = Annotated[str, Field(pattern=r"^[0-9]{16}$")]
Iban = Annotated[str, Field(pattern=r"^IR[0-9]{24}$")]
Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class PayerBody:
    """Who pays, as far as the shop knows."""

    mobile: Mobile | None = None
    email: Email | None = None
    name: Text | None = None
    national_id: NationalId | None = None
    allowed_cards: Annotated[list[Card], Field(max_length=10)] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class SplitBody:
    """A part that is paid out elsewhere."""

    iban: Iban
    amount: Annotated[int, Field(gt=0)]


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class PaymentBody:
    """The body of `POST /v1/payments`."""

    amount: Annotated[int, Field(gt=0)]
    order_id: OrderId
    return_url: str
    currency: Literal["IRR", "IRT"] = "IRR"
    description: Text | None = None
    payer: PayerBody | None = None
    methods: Annotated[list[Literal["card", "wallet", "credit"]], Field(max_length=3)] = field(
        default_factory=list
    )
    gateways: Annotated[list[str], Field(max_length=100)] = field(default_factory=list)
    capture: Literal["automatic", "manual"] = "automatic"
    splits: Annotated[list[SplitBody], Field(max_length=10)] = field(default_factory=list)
    expires_in: int | None = None
    metadata: dict[str, Any] | None = None
    locale: Literal["fa", "en"] = "fa"


_PAYMENT: Final = TypeAdapter(PaymentBody)
_PLAIN_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")


async def read_object(request: web.Request, limit_bytes: int) -> dict[str, Any]:
    """The body as a JSON object; Problem 413 or 400."""
    too_large = Problem(413, "request_too_large", f"The body may hold {limit_bytes} bytes at most.")
    if request.content_length is not None and request.content_length > limit_bytes:
        raise too_large
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large from None
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
        # As JSON again, because strict reading takes objects for values of ours only from there.
        body = _PAYMENT.validate_json(orjson.dumps(document))
    except ValidationError as error:
        complaints = tuple(
            FieldError(".".join(map(str, each["loc"])) or "body", each["msg"])
            for each in error.errors(include_input=False, include_url=False)
        )
        detail = "; ".join(f"{each.path}: {each.detail}" for each in complaints)
        raise Problem(422, "request_invalid", detail, errors=complaints) from None
    currency = Currency(body.currency)
    amount = to_rial(body.amount, currency)
    if not settings.amount_min <= amount <= settings.amount_max:
        limits = f"{settings.amount_min} to {settings.amount_max} rial"
        raise invalid("amount", f"must be {limits}", "amount_out_of_range")
    if body.capture == "manual":
        raise invalid(
            "capture", "manual capture is not offered by this daemon", "capture_unsupported"
        )
    for name in body.gateways:
        if name not in known:
            raise invalid("gateways", f"no gateway {name[:40]!r} for this shop", "gateway_unknown")
    expires_in = body.expires_in if body.expires_in is not None else settings.expires_in_default
    if not settings.expires_in_min <= expires_in <= settings.expires_in_max:
        raise invalid(
            "expires_in", f"must be {settings.expires_in_min} to {settings.expires_in_max} seconds"
        )
    splits = tuple(
        Split(iban=each.iban, amount=to_rial(each.amount, currency)) for each in body.splits
    )
    if splits and sum(split.amount for split in splits) > amount:
        raise invalid("splits", "their sum is more than the amount")
    private: dict[str, Any] = {}
    if body.payer is not None:
        private["payer"] = {
            name: value for name in PAYER_FIELDS if (value := getattr(body.payer, name))
        }
    if body.description:
        private["description"] = body.description
    if body.metadata:
        _check_metadata(body.metadata)
        private["metadata"] = body.metadata
    return Draft(
        shop=caller.shop.name,
        key=caller.key,
        order_id=body.order_id,
        amount=amount,
        currency=currency,
        return_url=checked_return_url(body.return_url, caller.shop),
        expires_in_seconds=expires_in,
        test=caller.test,
        locale=body.locale,
        gateways=tuple(body.gateways),
        methods=tuple(body.methods),
        splits=splits,
        private=private,
    )


PAYER_FIELDS: Final = ("mobile", "email", "name", "national_id", "allowed_cards")


def idempotency(
    request: web.Request, caller: Caller, call: str, document: dict[str, Any]
) -> Guard | None:
    """The guard of this call's Idempotency-Key; None without one."""
    value = request.headers.get("Idempotency-Key")
    if value is None:
        return None
    value = value.strip().removeprefix('"').removesuffix('"')
    if not _PLAIN_KEY.match(value):
        detail = f"1 to {IDEMPOTENCY_KEY_CHARS_MAX} printable characters without blanks"
        raise Problem(400, "idempotency_key_invalid", f"Idempotency-Key: {detail}.")
    fingerprint = hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
    key = f"{caller.shop.name}|{caller.key}|{call}|{value}"
    return Guard(kind=GuardKind.IDEMPOTENCY, key=key, detail=fingerprint)


def _check_metadata(metadata: dict[str, Any]) -> None:
    if len(metadata) > METADATA_KEYS_MAX or len(orjson.dumps(metadata)) > METADATA_BYTES_MAX:
        limits = f"{METADATA_KEYS_MAX} keys and {METADATA_BYTES_MAX} bytes"
        raise invalid("metadata", f"may hold {limits} at most")
