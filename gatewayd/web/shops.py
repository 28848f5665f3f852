"""Shops at the edge: whose key this is, where a customer may be sent back to, and the signature he carries there."""

import hashlib
import hmac
import re
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_plus, urlsplit

from gatewayd.core.hosts import is_loopback
from gatewayd.core.payment import Payment
from gatewayd.core.settings import Scope, ShopSettings
from gatewayd.core.status import Status, status_of
from gatewayd.engine.telling import public_id
from gatewayd.web.asked import Request
from gatewayd.web.problems import Problem

RETURN_URL_CHARS_MAX: Final = 2_000
"""Browsers and proxies agree on addresses up to this length."""
_MISREAD: Final = re.compile(r"[\x00-\x20\x7f\\]")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~-]*")
"""What `quote` leaves as it is, at ten times the cost of seeing it."""
_AS_THEY_ARE: Final = string.printable.strip()
"""Every ASCII character that an address may hold, `%` among them: what is encoded stays so."""


class ForeignHost(ValueError):
    """An address that is right but for its host, which is not the shop's."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A shop, by one of its keys."""

    shop: ShopSettings
    key: str
    """The key's id."""
    test: bool
    scopes: frozenset[Scope] = frozenset(Scope)
    ends_at: float | None = None
    """When the key ends, wall clock; None: never."""


class Shops:
    """All shops of this daemon."""

    def __init__(self, shops: Iterable[ShopSettings], wall: Callable[[], float]) -> None:
        self._wall = wall
        self.by_name: Mapping[str, ShopSettings] = {shop.name: shop for shop in shops}
        self._callers = {
            key.digest: Caller(
                shop, key.id, key.is_test, frozenset(key.scopes or Scope), key.ends_at
            )
            for shop in self.by_name.values()
            for key in shop.keys
        }

    def caller(self, request: Request, scope: Scope | None) -> Caller:
        """Who calls; Problem 401 for a missing, wrong or ended key, 403 for one that is not for this.

        Without a scope any key will do.
        """
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        # Looked up by digest, so that the time it takes says nothing about how much of a key was right.
        caller = self._callers.get(_digest(key.strip())) if scheme.lower() == "bearer" else None
        if caller is None:
            detail = "Send your API key as `Authorization: Bearer gwk_…`."
            raise Problem(401, "auth_invalid", detail)
        if caller.ends_at is not None and self._wall() >= caller.ends_at:
            raise Problem(401, "auth_invalid", "This API key is no good any more; use a newer one.")
        if scope is not None and scope not in caller.scopes:
            raise Problem(403, "scope_missing", f"This API key is not for {scope}.")
        return caller


def checked_return_url(url: str, shop: ShopSettings) -> str:
    """`url`, in ASCII, if a customer may be sent there; ValueError that names the rule if not.

    Nothing is let through that browsers read in another way than this does: they take a backslash for a slash, drop
    tabs and line ends, and map letters outside of ASCII in a host to others.
    """
    if len(url) > RETURN_URL_CHARS_MAX:
        raise ValueError(f"may have {RETURN_URL_CHARS_MAX} characters at most")
    if _MISREAD.search(url):
        raise ValueError("must not hold blanks, control characters or backslashes")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("is not an address") from None
    if not host or parts.scheme not in {"http", "https"}:
        raise ValueError("must be an absolute address that begins with https://")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password")
    if "#" in url:
        raise ValueError("must not hold a fragment (#…)")
    if not parts.netloc.isascii():
        raise ValueError("must have its host in ASCII letters (xn--… for others)")
    if host not in shop.return_hosts:
        raise ForeignHost("has a host that is not on the shop's list of return hosts")
    if parts.scheme == "http" and not (shop.allow_http or is_loopback(host)):
        raise ValueError("must begin with https://")
    if url.isascii():
        return url
    try:
        ascii_url = quote(url, safe=_AS_THEY_ARE)
    except UnicodeEncodeError:
        raise ValueError("is not text") from None
    if len(ascii_url) > RETURN_URL_CHARS_MAX:
        raise ValueError(f"may have {RETURN_URL_CHARS_MAX} characters at most, percent-encoded")
    return ascii_url


def shop_url(payment: Payment, shop: ShopSettings, wall: float) -> str:
    """Where the customer goes back to: the shop's address with the payment's status, signed.

    `wall` is in seconds, as the shop will compare it with its own clock.
    """
    status, timestamp = status_of(payment), str(int(wall))
    ours = {
        "payment_id": public_id(payment.number),
        "order_id": payment.order_id,
        "status": status,
        "timestamp": timestamp,
        "signature": sign(payment, status, timestamp, shop),
    }
    return with_query(payment.return_url, ours)


def with_query(url: str, ours: Mapping[str, str]) -> str:
    """`url` with these parameters at the end of its query; a parameter of its own by such a name gives way."""
    base, _, query = url.partition("?")
    parts = []
    if query:
        parts = [
            part
            for part in query.split("&")
            if part and unquote_plus(part.partition("=")[0]) not in ours
        ]
    if _PLAIN.fullmatch("".join(ours.values())):
        parts += [f"{name}={value}" for name, value in ours.items()]
    else:
        parts += [f"{name}={quote(value, safe='')}" for name, value in ours.items()]
    return f"{base}?{'&'.join(parts)}"


def sign(payment: Payment, status: Status, timestamp: str, shop: ShopSettings) -> str:
    """Lower-case hex HMAC-SHA256 of `payment_id|order_id|status|timestamp` with the shop's return_secret."""
    text = f"{public_id(payment.number)}|{payment.order_id}|{status}|{timestamp}"
    return hmac.digest(shop.return_secret.reveal().encode(), text.encode(), "sha256").hex()


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()
