"""What a browser brings along in query and form, read so that no bytes whatever make it fail.

A form may be URL-encoded, in parts, or a flat JSON object. A body that is none of these, cannot be unpacked, is too
large or has absurdly many fields brings nothing; what a bank meant to say is then learnt by asking the bank, where it
can be asked. The result is text that can be written down: no lone surrogates, nothing
endless.
"""

import re
from typing import Final
from urllib.parse import unquote_plus

import orjson
from aiohttp import web

from gatewayd.web.asked import Request
from gatewayd.web.body import read_body

FIELDS_MAX: Final = 60
"""No bank sends half as many."""
FIELD_CHARS_MAX: Final = 4_096
_JSON: Final = "application/json"
_PARTS: Final = "multipart/form-data"
_BOUNDARY: Final = re.compile(r"""boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))""", re.IGNORECASE)
_NAME: Final = re.compile(rb"""(?:^|[\s;])name=(?:"([^"\r\n]*)"|([^\s";]+))""", re.IGNORECASE)


async def read_fields(request: Request) -> dict[str, str]:
    """Query and form in one mapping; the first of two with the same name wins, unless it is empty."""
    _, _, query = request.raw_path.partition("?")
    pairs = _pairs(query)
    if request.body_exists:
        try:
            body = await read_body(request)
        except (web.HTTPRequestEntityTooLarge, web.RequestPayloadError, TimeoutError):
            body = b""
        kind = request.content_type
        if kind == _PARTS:
            pairs += _of_parts(body, request.headers.get("Content-Type", ""))
        elif kind == _JSON:
            pairs += _of_json(body)
        else:
            pairs += _pairs(body.decode("utf-8", "replace"))
    fields: dict[str, str] = {}
    for name, value in pairs[:FIELDS_MAX]:
        key = name[:FIELD_CHARS_MAX]
        if not fields.get(key):
            fields[key] = value[:FIELD_CHARS_MAX]
    return fields


def _pairs(text: str) -> list[tuple[str, str]]:
    if not text:
        return []
    plain = text.encode("utf-8", "replace").decode()  # a raw query may hold what is no UTF-8
    if plain.count("&") >= FIELDS_MAX:
        return []
    pairs = []
    for part in plain.split("&"):  # as parse_qsl does it, at half its cost
        if part:
            name, _, value = part.partition("=")
            if "%" in part or "+" in part:
                name, value = _decoded(name), _decoded(value)
            pairs.append((name, value))
    return pairs


def _of_parts(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """The fields of a form in parts, as browsers write it."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        return []
    parts = body.split(b"--" + (found[1] or found[2]).encode("latin-1", "replace"), FIELDS_MAX)
    pairs = []
    for part in parts[1:]:
        head, blank_line, value = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if blank_line and name is not None:
            text = value.removesuffix(b"\r\n").decode("utf-8", "replace")
            pairs.append(((name[1] or name[2] or b"").decode("utf-8", "replace"), text))
    return pairs


def _of_json(body: bytes) -> list[tuple[str, str]]:
    """The texts and numbers of a JSON object."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    if not isinstance(document, dict):
        return []
    return [
        (name, value if isinstance(value, str) else orjson.dumps(value).decode())
        for name, value in document.items()
        if isinstance(value, str | int)
    ]


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="replace") if "%" in text or "+" in text else text
