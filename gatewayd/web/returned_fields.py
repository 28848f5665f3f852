"""What a browser brings along in query and form, read so that no bytes whatever make it fail.

A body that is no form, cannot be unpacked, is too large or has absurdly many fields brings nothing; what a bank meant
to say is then learnt by asking the bank. The result is text that can be written down: no lone surrogates, nothing
endless.
"""

from typing import Final
from urllib.parse import unquote_plus

from aiohttp import web

from gatewayd.web.asked import Request
from gatewayd.web.body import read_body

FIELDS_MAX: Final = 60
"""No bank sends half as many."""
FIELD_CHARS_MAX: Final = 4_096
_NO_FORMS: Final = ("application/json", "multipart/")


async def read_fields(request: Request) -> dict[str, str]:
    """Query and form in one mapping; the first of two with the same name wins, and what is ours stands first."""
    _, _, query = request.raw_path.partition("?")
    pairs = _pairs(query)
    if request.body_exists and not request.content_type.startswith(_NO_FORMS):
        try:
            body = await read_body(request)
        except (web.HTTPRequestEntityTooLarge, web.RequestPayloadError, TimeoutError):
            body = b""
        pairs += _pairs(body.decode("utf-8", "replace"))
    fields: dict[str, str] = {}
    for name, value in pairs[:FIELDS_MAX]:
        fields.setdefault(name[:FIELD_CHARS_MAX], value[:FIELD_CHARS_MAX])
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


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="replace") if "%" in text or "+" in text else text
