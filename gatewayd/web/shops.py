"""Shops at the edge: whose key this is, where a customer may be sent back to, and the signature he carries there."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aiohttp import web

from gatewayd.core.hosts import is_loopback
from gatewayd.core.payment import Payment
from gatewayd.core.settings import ShopSettings
from gatewayd.core.status import Status, status_of
from gatewayd.engine.telling import public_id
from gatewayd.web.problems import Problem, invalid

RETURN_URL_CHARS_MAX = 2_000
"""Browsers and proxies agree on addresses up to this length."""
TEST_PREFIX = "gwk_test_"


@dataclass(frozen=True, slots=True)
class Caller:
    """A shop, by one of its keys."""

    shop: ShopSettings
    key: str
    """The key's id."""
    test: bool


class Shops:
    """All shops of this daemon."""

    def __init__(self, shops: Iterable[ShopSettings]) -> None:
        self.by_name: Mapping[str, ShopSettings] = {shop.name: shop for shop in shops}
        self._callers = {
            _digest(key.secret.reveal()): Caller(
                shop, key.id, key.secret.reveal().startswith(TEST_PREFIX)
            )
            for shop in self.by_name.values()
            for key in shop.keys
        }

    def caller(self, request: web.Request) -> Caller:
        """Who calls; Problem 401 for a missing or wrong key."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        # Looked up by digest, so that the time it takes says nothing about how much of a key was right.
        caller = self._callers.get(_digest(key.strip())) if scheme.lower() == "bearer" else None
        if caller is None:
            detail = "Send your API key as `Authorization: Bearer gwk_…`."
            raise Problem(401, "auth_invalid", detail)
        return caller


def checked_return_url(url: str, shop: ShopSettings) -> str:
    """`url` if a customer may be sent there; Problem 422 that names the rule if not."""
    if len(url) > RETURN_URL_CHARS_MAX or not url.isprintable() or " " in url or "\\" in url:
        raise invalid("return_url", "not an address, or too long a one")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise invalid("return_url", "not an address") from None
    if not host or parts.scheme not in {"http", "https"}:
        raise invalid("return_url", "must be an absolute https address")
    if parts.username is not None or parts.password is not None:
        raise invalid("return_url", "must not hold a user name")
    if parts.fragment:
        raise invalid("return_url", "must not hold a fragment (#…)")
    if host not in shop.return_hosts:
        raise invalid("return_url", "its host is not on the shop's list of return hosts")
    if parts.scheme == "http" and not (shop.allow_http or is_loopback(host)):
        raise invalid("return_url", "must be https")
    return url


def shop_url(payment: Payment, shop: ShopSettings, now_ms: int) -> str:
    """Where the customer goes back to: the shop's address with the payment's status, signed."""
    status, timestamp = str(status_of(payment)), str(now_ms // 1000)
    signature = sign(payment, status, timestamp, shop)
    ours = {
        "payment_id": public_id(payment.number),
        "order_id": payment.order_id,
        "status": status,
        "timestamp": timestamp,
        "signature": signature,
    }
    parts = urlsplit(payment.return_url)
    theirs = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k not in ours]
    return urlunsplit(parts._replace(query=urlencode([*theirs, *ours.items()])))


def sign(payment: Payment, status: Status | str, timestamp: str, shop: ShopSettings) -> str:
    """Lower-case hex HMAC-SHA256 of `payment_id|order_id|status|timestamp` with the shop's return_secret."""
    text = "|".join((public_id(payment.number), payment.order_id, status, timestamp))
    return hmac.new(shop.return_secret.reveal().encode(), text.encode(), hashlib.sha256).hexdigest()


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()
