"""What dialects of JSON banks share: reading leniently, answering exactly, masks and switches."""

import re
from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from gatewayd.gateways.contract import Reply
from gatewayd.simulator.bank import Request

TEHRAN: Final = ZoneInfo("Asia/Tehran")
ADDRESS_CHARS_MAX: Final = 2083
"""The longest callback address that the banks' documents allow."""

_DIGITS: Final = re.compile(r"[0-9]{1,18}\Z")
_ADDRESS: Final = re.compile(r"https?://[^\s/?#@]+([/?#]\S*)?\Z", re.IGNORECASE)


def read_switches(
    driver: str, choices: Mapping[str, tuple[str, ...]], chosen: Mapping[str, str]
) -> dict[str, str]:
    """Every switch with its choice, by default the first; ValueError for one that there is not."""
    switches = {name: allowed[0] for name, allowed in choices.items()}
    for name, choice in chosen.items():
        if choice not in choices.get(name, ()):
            raise ValueError(f"{driver}: there is no switch {name}={choice}")
        switches[name] = choice
    return switches


def json_object(request: Request) -> dict[str, Any]:
    """The JSON object of the body; an empty one where there is none."""
    try:
        document = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def json_reply(
    document: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Reply:
    """An answer in JSON."""
    return Reply(
        status=status,
        body=orjson.dumps(document),
        headers={"content-type": "application/json; charset=utf-8", **(headers or {})},
    )


def text_of(value: object) -> str:
    """Text, or a whole number as text; nothing for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()


def whole_of(value: object) -> int:
    """A whole number, also as digits; 0 for anything else, `150000.00` included."""
    text = text_of(value)
    return int(text) if _DIGITS.match(text) else 0


def is_address(text: str) -> bool:
    """Whether a browser could be sent back there."""
    return len(text) <= ADDRESS_CHARS_MAX and bool(_ADDRESS.match(text))


def masked(card: str, stars: int) -> str:
    """First six and last four digits with `stars` between them, however many digits that hides."""
    return f"{card[:6]}{'*' * stars}{card[-4:]}"
