"""Whether the daemon has signed it: webhooks after Standard Webhooks 1.0.0, and the query a customer comes back with.

Pure functions: the time is an argument, comparisons take the same time whatever is compared.
"""

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

from gatewayd.client.errors import NotGenuine
from gatewayd.client.shapes import Event, PaymentStatus

TOLERANCE_SECONDS: Final = 300
"""How far a webhook's time may be from ours: an old one may be somebody's who has recorded it."""
SIGNATURES_MAX: Final = 20
_PREFIX: Final = "whsec_"
_PAYMENT_ID: Final = re.compile(r"pay_[1-9][0-9]{0,14}")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")
_STATUSES: Final = frozenset(get_args(PaymentStatus))


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What a customer brought back, as the daemon signed it. It may be old, or come twice: ask before you sell."""

    payment_id: str
    order_id: str
    status: PaymentStatus
    timestamp: int


def read_webhook(
    body: bytes,
    headers: Mapping[str, str],
    secrets: Sequence[str],
    *,
    now: float,
    tolerance_seconds: int = TOLERANCE_SECONDS,
) -> Event:
    """The event of a webhook; NotGenuine if none of these secrets has signed it, or not about now.

    `body` is the request's, byte for byte; `now` is Unix time in seconds. Several secrets are given while one is being
    changed. The same event may come twice: its `id` tells.
    """
    if not secrets:
        raise ValueError("no secret is given")
    keys = [_key(each) for each in secrets]
    found = {name.lower(): value for name, value in headers.items()}
    webhook_id, timestamp = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
    signed = found.get("webhook-signature", "")
    if not webhook_id or not signed or not _SECONDS.fullmatch(timestamp):
        raise NotGenuine("webhook_headers", "Headers of Standard Webhooks are missing or wrong.")
    if abs(now - int(timestamp)) > tolerance_seconds:
        raise NotGenuine("webhook_time", "It was not signed about now.")
    text = f"{webhook_id}.{timestamp}.".encode(errors="replace") + body
    given = [
        signature.encode(errors="replace")
        for version, _, signature in (
            each.partition(",") for each in signed.split(" ")[:SIGNATURES_MAX]
        )
        if version == "v1"
    ]
    fits = False
    for key in keys:
        expected = base64.b64encode(hmac.digest(key, text, "sha256"))
        for signature in given:
            fits |= hmac.compare_digest(expected, signature)
    if not fits:
        raise NotGenuine("webhook_signature", "None of these secrets has signed it.")
    try:
        event = json.loads(body)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise NotGenuine("webhook_body", "It is signed, but it is no event.")
    return cast("Event", event)


def read_return(query: Mapping[str, Any], return_secret: str) -> Returned:
    """What the customer brought back to `return_url`; NotGenuine if the daemon has not signed it."""
    payment_id, order_id, status, timestamp, signature = (
        str(query.get(name, ""))
        for name in ("payment_id", "order_id", "status", "timestamp", "signature")
    )
    text = f"{payment_id}|{order_id}|{status}|{timestamp}".encode(errors="replace")
    expected = hmac.digest(return_secret.encode(), text, "sha256").hex()
    if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
        raise NotGenuine("return_signature", "The query was not signed with this secret.")
    if (
        not _PAYMENT_ID.fullmatch(payment_id)
        or status not in _STATUSES
        or not _SECONDS.fullmatch(timestamp)
    ):  # an order's own | moved into another field would be signed as well
        raise NotGenuine("return_fields", "The query is not one that a daemon makes.")
    return Returned(
        payment_id=payment_id,
        order_id=order_id,
        status=cast("PaymentStatus", status),
        timestamp=int(timestamp),
    )


def _key(secret: str) -> bytes:
    """The bytes behind `whsec_`; ValueError, without the secret, for what is none."""
    text = secret.removeprefix(_PREFIX)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a webhook's secret is whsec_ and Base64") from None
