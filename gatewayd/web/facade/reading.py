"""What shops' plugins send, read as tolerantly as the services do: JSON or a form, numbers as text, anything missing.

Whatever cannot be read is absent, and then the service's own answer for a missing field is the right one. The result is
text that can be written down, and nothing endless.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from gatewayd.web import typed
from gatewayd.web.body import read_body

FORM_FIELDS_MAX: Final = 200
PAYER_CHARS_MAX: Final = 254
"""The longest e-mail address."""
_WHOLE: Final = re.compile(r"([0-9]{1,18})(?:\.0+)?")
_INNER: Final = re.compile(r"([^\[\]]+)\[([^\[\]]+)\]")
_UNREADABLE: Final = re.compile(r"[\x00-\x1f\x7f\ufffe\uffff]")


async def read_document(request: web.Request) -> dict[str, Any]:
    """The body's fields; none where there are none to be read."""
    try:
        body = await read_body(request)
    except (web.HTTPRequestEntityTooLarge, web.RequestPayloadError, TimeoutError):
        return {}
    if request.content_type == "application/x-www-form-urlencoded" and body[:1] not in b"{[":
        return _form(body)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _form(body: bytes) -> dict[str, Any]:
    """Fields of a form; `metadata[mobile]` stands within `metadata`."""
    text = body.decode("utf-8", "replace")
    try:
        pairs = parse_qsl(text, errors="replace", max_num_fields=FORM_FIELDS_MAX)
    except ValueError:
        return {}
    fields: dict[str, Any] = {}
    for name, value in pairs:
        inner = _INNER.fullmatch(name)
        if inner is None:
            fields[name] = value
            continue
        group = fields.setdefault(inner[1], {})
        if isinstance(group, dict):
            group[inner[2]] = value
    return fields


def text_of(value: object) -> str:
    """Text, or a whole number as text, without anything unreadable; empty for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return _UNREADABLE.sub(" ", str(value)).strip()


def whole_of(value: object) -> int | None:
    """A whole number that is not negative, also as text or as `152200.0`; None for anything else."""
    text = str(value) if isinstance(value, float) else text_of(value)
    found = _WHOLE.fullmatch(text)
    return int(found[1]) if found else None


def is_true(value: object) -> bool:
    """Whether somebody means yes by it."""
    return value is True or text_of(value).lower() in {"true", "1"}


def payer_of(given: Mapping[str, object], cards: list[str]) -> dict[str, Any]:
    """What is known of the payer; what is no number or address is left out, for it only helps."""
    payer: dict[str, Any] = {}
    for name, check in (
        ("mobile", typed.mobile),
        ("email", typed.email),
        ("national_id", typed.national_id),
    ):
        text = text_of(given.get(name))
        try:
            payer |= {name: check(text)} if text and len(text) <= PAYER_CHARS_MAX else {}
        except ValueError:
            continue
    if cards:
        payer["allowed_cards"] = cards
    return payer
