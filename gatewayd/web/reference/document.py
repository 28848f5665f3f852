"""The OpenAPI 3.1 document, built from the table of calls and the types of bodies and answers.

What a body's types say beyond their form (patterns, limits that are settings) is written into their schemas here, so
that what the document allows is what the daemon takes.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import orjson
from pydantic import TypeAdapter

from gatewayd import __version__
from gatewayd.core.hosts import is_loopback
from gatewayd.core.invoices import ORDER_CHARS_MAX
from gatewayd.core.money import RIAL_PER_TOMAN
from gatewayd.core.settings import PaymentSettings, ShopSettings
from gatewayd.web import shapes
from gatewayd.web.bodies import ORDER_ID
from gatewayd.web.reference.operations import OPERATIONS, Operation
from gatewayd.web.reference.words import (
    ABOUT,
    FIELDS,
    HEADERS,
    PROBLEMS,
    ROOMS,
    WEBHOOK,
    WEBHOOK_TAKEN,
)
from gatewayd.web.shops import RETURN_URL_CHARS_MAX
from gatewayd.web.typed import CARD, EMAIL, IBAN, MOBILE, NATIONAL_ID

EN: Final = 0
_REF: Final = "#/components/schemas/{model}"
_NAMES: Final = {
    "PaymentShape": "Payment",
    "RefundShape": "Refund",
    "PaymentBody": "PaymentInput",
    "PayerBody": "Payer",
    "SplitBody": "Split",
    "RefundBody": "RefundInput",
    "InvoiceBody": "InvoiceInput",
    "LineBody": "LineInput",
    "CodeClass": "Cause",
    "State": "AttemptState",
    "Status": "PaymentStatus",
    "RefundWay": "RefundKind",
    "Capture": "CaptureMode",
    "IfUnverified": "Unverified",
    "BreakerState": "Breaker",
}
"""Names inside, where they differ from those outside by more than their ending.

None of those outside is another's with `New` before it: in Go that is what makes one.
"""
_JSON: Final = "application/json"
_PROBLEM_JSON: Final = "application/problem+json"
_NARROW_MAX: Final = 1_000_000
"""What may be larger is told to be a number of 64 bits: amounts and banks' orders outgrow the 32 of many languages."""


def build_document(
    settings: PaymentSettings, shop: ShopSettings | None = None, gateways: Sequence[str] = ()
) -> dict[str, Any]:
    """The document of a daemon with these settings; for a shop that is known, with its hosts and gateways."""
    types = _Types()
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, types
        )
    problem = types.of(shapes.ProblemShape)
    webhook = _webhook(types)
    schemas = types.schemas()
    _narrow(schemas, settings)
    _say_defaults(schemas)
    if shop is not None:
        for name in ("PaymentInput", "InvoiceInput"):
            _narrow_to_shop(schemas[name]["properties"], shop, gateways)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "gatewayd",
            "version": __version__,
            "summary": ABOUT[EN],
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": words[EN]} for name, words in ROOMS.items()],
        "paths": paths,
        "webhooks": {"event": {"post": webhook}},
        "components": {
            "schemas": schemas,
            "responses": {"Problem": _answer(PROBLEMS[0][EN], problem, _PROBLEM_JSON)},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": ABOUT[2]}
            },
        },
        "security": [{"key": []}],
    }
    return {name: _wide(part) for name, part in document.items()}


def _wide(part: Any) -> Any:
    """The same with every whole number that has no small limit told to be a wide one."""
    match part:
        case dict():
            made = {name: _wide(each) for name, each in part.items()}
            whole = made.get("type") in ("integer", ["integer", "null"])
            return made | {"format": "int64"} if whole and _is_large(made) else made
        case list():
            return [_wide(each) for each in part]
        case _:
            return part


def _is_large(schema: Mapping[str, Any]) -> bool:
    return bool(schema.get("maximum", _NARROW_MAX + 1) > _NARROW_MAX)


class _Types:
    """Collects the schemas of Python types."""

    def __init__(self) -> None:
        self._schemas: dict[str, Any] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        """A schema that refers to the type's; its own and those that it needs are kept."""
        if isinstance(kind, Mapping):
            return dict(kind)
        schema = _schema(kind)
        definitions = schema.get("$defs", {})
        self._schemas.update((_outside(name), _renamed(each)) for name, each in definitions.items())
        if "$ref" in schema:
            return {"$ref": _renamed(schema["$ref"])}
        name = _outside(kind.__name__)
        self._schemas[name] = _renamed({k: v for k, v in schema.items() if k != "$defs"})
        return {"$ref": _REF.format(model=name)}

    def schemas(self) -> dict[str, Any]:
        """All that were asked for, by name."""
        return {name: _described(self._schemas[name]) for name in sorted(self._schemas)}


@cache
def _schema(kind: Any) -> dict[str, Any]:
    return TypeAdapter(kind).json_schema(ref_template=_REF)


def _outside(name: str) -> str:
    return _NAMES.get(name, name.removesuffix("Shape").removesuffix("Body"))


def _renamed(schema: Any) -> Any:
    """A schema with the names of outside, and without titles that only repeat names."""
    match schema:
        case str() if schema.startswith("#/components/schemas/"):
            return _REF.format(model=_outside(schema.rpartition("/")[2]))
        case dict():
            return {
                key: _renamed(value)
                for key, value in schema.items()
                if key != "title" or not isinstance(value, str)
            }
        case list():
            return [_renamed(each) for each in schema]
        case _:
            return schema


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """With the words of every field that has some."""
    for name, field in schema.get("properties", {}).items():
        if name in FIELDS:
            field["description"] = FIELDS[name][EN]
    return schema


def _say_defaults(schemas: dict[str, Any]) -> None:
    """Defaults become words: with one, generators of types take a field for one that every body must have."""
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            default = field.pop("default", None)
            if default is not None:
                said = orjson.dumps(default).decode().strip('"')
                field["description"] = f"{field['description']} `{said}` if left out."


def _narrow(schemas: dict[str, Any], settings: PaymentSettings) -> None:
    """What the daemon checks beyond what the types say."""
    payment = schemas["PaymentInput"]["properties"]
    for name, said in (
        (
            "amount",
            {"minimum": -(-settings.amount_min // RIAL_PER_TOMAN), "maximum": settings.amount_max},
        ),
        ("order_id", {"pattern": _whole(ORDER_ID)}),
        (
            "return_url",
            {
                "format": "uri",
                "maxLength": RETURN_URL_CHARS_MAX,
                "pattern": r"^https?://[^\s\\#@]+$",
            },
        ),
        ("expires_in", _lifetime(settings)),
    ):
        payment[name] = {**{k: v for k, v in payment[name].items() if k != "anyOf"}, **said}
    payment["amount"].pop("exclusiveMinimum", None)
    schemas["PaymentInput"] |= _in_toman(settings)
    payer = schemas["Payer"]["properties"]
    _narrow_text(payer["mobile"], _whole(MOBILE))
    _narrow_text(payer["national_id"], _whole(NATIONAL_ID))
    _narrow_text(payer["email"], _whole(EMAIL))
    payer["allowed_cards"]["items"]["pattern"] = _whole(CARD)
    schemas["Split"]["properties"]["iban"]["pattern"] = _whole(IBAN)
    _narrow_text(schemas["RefundInput"]["properties"]["iban"], _whole(IBAN))
    _narrow_invoice(schemas["InvoiceInput"]["properties"], settings)


def _narrow_invoice(invoice: dict[str, Any], settings: PaymentSettings) -> None:
    """The same of an invoice's, all of which may be left out."""
    _narrow_text(invoice["order_id"], _whole(ORDER_ID), maxLength=ORDER_CHARS_MAX)
    _narrow_text(invoice["return_url"], r"^https?://[^\s\\#@]+$", maxLength=RETURN_URL_CHARS_MAX)
    least = -(-settings.amount_min // RIAL_PER_TOMAN)
    for each in invoice["amount"]["anyOf"]:
        if each["type"] == "integer":
            del each["exclusiveMinimum"]
            each |= {"minimum": least, "maximum": settings.amount_max}


def _in_toman(settings: PaymentSettings) -> dict[str, Any]:
    """The limits of an amount, which are the same money in both currencies."""
    least = -(-settings.amount_min // RIAL_PER_TOMAN)
    most = settings.amount_max // RIAL_PER_TOMAN
    return {
        "if": {"properties": {"currency": {"const": "IRT"}}, "required": ["currency"]},
        "then": {"properties": {"amount": {"minimum": least, "maximum": most}}},
        "else": {"properties": {"amount": {"minimum": settings.amount_min}}},
    }


def _narrow_to_shop(payment: dict[str, Any], shop: ShopSettings, gateways: Sequence[str]) -> None:
    """What only this shop may send."""
    secure = "|".join(re.escape(host) for host in shop.return_hosts)
    plain = "|".join(
        re.escape(host) for host in shop.return_hosts if shop.allow_http or is_loopback(host)
    )
    starts = [f"https://({secure})"] + ([f"http://({plain})"] if plain else [])
    rest = r"(:[1-9][0-9]{0,3})?([/?][\x21\x22\x24-\x5b\x5d-\x7e]*)?"
    _narrow_text(payment["return_url"], f"^({'|'.join(starts)}){rest}$")
    payment["gateways"]["items"]["enum"] = list(gateways)


def _lifetime(settings: PaymentSettings) -> dict[str, Any]:
    return {
        "type": ["integer", "null"],
        "minimum": settings.expires_in_min,
        "maximum": settings.expires_in_max,
        "default": settings.expires_in_default,
    }


def _whole(pattern: re.Pattern[str]) -> str:
    """A pattern for the whole of a text, as JSON Schema has them."""
    return f"^(?:{pattern.pattern})$"


def _narrow_text(field: dict[str, Any], pattern: str, **more: Any) -> None:
    for each in field.get("anyOf", [field]):
        if each.get("type") == "string":
            each |= {"pattern": pattern, **more}


def _operation(operation: Operation, types: _Types) -> dict[str, Any]:
    answer = types.of(operation.answer)
    if operation.of_list:
        answer = _list(answer, operation.path)
    responses = {str(operation.status): _answer(operation.words[EN], answer, _JSON)}
    if operation.headers:
        responses[str(operation.status)]["headers"] = {
            name: {"description": HEADERS[name][EN], "schema": {"type": "string"}}
            for name in operation.headers
        }
    if operation.leads_to:
        responses[str(operation.status)]["links"] = {
            name: {"operationId": name, "parameters": {"id": "$response.body#/id"}}
            for name in operation.leads_to
        }
    for status, kind in (operation.also or {}).items():
        responses[str(status)] = _answer(operation.words[EN], types.of(kind), _JSON)
    general = (401, 403, 429, 500) if operation.scope else (429, 500)
    for status in sorted({*operation.problems, *general} - set(operation.also or ())):
        responses[str(status)] = _answer(
            PROBLEMS[status][EN], types.of(shapes.ProblemShape), _PROBLEM_JSON
        )
    made: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.words[EN],
        "tags": [operation.room],
        "responses": responses,
    }
    if operation.scope is None:
        made["security"] = []
    else:
        made["x-scope"] = str(operation.scope)
    if operation.parameters:
        made["parameters"] = [
            {
                "name": each.name,
                "in": each.place,
                "required": each.required,
                "schema": dict(each.schema),
                "description": (FIELDS.get(each.name) or HEADERS[each.name])[EN],
            }
            for each in operation.parameters
        ]
    if operation.body is not None:
        made["requestBody"] = {
            "required": operation.body_required,
            "content": {_JSON: {"schema": types.of(operation.body)}},
        }
    return made


def _webhook(types: _Types) -> dict[str, Any]:
    """What receivers of webhooks are sent, signed as Standard Webhooks 1.0.0 has it."""
    return {
        "operationId": "receiveEvent",
        "summary": WEBHOOK[EN],
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
            for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
        ],
        "requestBody": {"content": {_JSON: {"schema": types.of(shapes.EventShape)}}},
        "responses": {"2XX": {"description": WEBHOOK_TAKEN[EN]}},
    }


def _list(item: dict[str, Any], path: str) -> dict[str, Any]:
    url = {"const": path} if "{" not in path else {"type": "string"}
    return {
        "type": "object",
        "properties": {
            "object": {"const": "list"},
            "data": {"type": "array", "items": item},
            "has_more": {"type": "boolean"},
            "url": url,
        },
        "required": ["object", "data", "has_more", "url"],
        "additionalProperties": False,
    }


def _answer(words: str, schema: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"description": words, "content": {kind: {"schema": schema}}}
