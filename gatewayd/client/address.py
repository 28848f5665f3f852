"""Who is called, by whose key: checked once, when a client is made."""

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Final
from urllib.parse import urlsplit

from gatewayd.client.trying import Policy

KEY_BYTES: Final = 18
_API_KEY: Final = re.compile(r"[\x21-\x7e]{1,300}")
PLAIN_POLICY: Final = Policy()
MONOTONIC: Final = time.monotonic  # noqa: TID251  # a client is at the edge: this is its clock


@dataclass(frozen=True, slots=True)
class Address:
    """The daemon."""

    scheme: str
    host: str
    port: int
    prefix: str
    """The path that a proxy puts in front, if any."""


def read_address(url: str) -> Address:
    """The address of `http(s)://host[:port][/prefix]`; ValueError for anything else."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("base_url must be such as https://pay.shop.example")
    if parts.username is not None or parts.password is not None:
        raise ValueError("base_url must not hold a password")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Address(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))


def checked_api_key(api_key: str) -> str:
    """The shop's key; ValueError, without it, for what cannot be sent."""
    if not _API_KEY.fullmatch(api_key):
        raise ValueError("api_key must be printable characters without blanks")
    return api_key


def new_key() -> str:
    """An idempotency key that nobody has used."""
    return secrets.token_urlsafe(KEY_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a client takes from the world beside the network."""

    clock: Callable[[], float] = MONOTONIC
    rng: Random = field(default_factory=SystemRandom)
    make_key: Callable[[], str] = new_key
