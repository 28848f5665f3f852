"""Signatures of webhooks, as Standard Webhooks 1.0.0 has them.

What is signed is `id.timestamp.body`, by HMAC-SHA256 with the bytes behind `whsec_`. While a receiver's secret is being
changed there are several, and a signature by each; the receiver takes any that it can check.
"""

import base64
import binascii
import hmac
from collections.abc import Iterable
from typing import Final

from gatewayd.core.secret import Secret

PREFIX: Final = "whsec_"
KEY_BYTES_MIN: Final = 24
KEY_BYTES_MAX: Final = 64


def webhook_secret(secret: Secret) -> Secret:
    """A secret of the right form; ValueError that says which that is."""
    text = secret.reveal()
    try:
        size = len(_key(secret)) if text.startswith(PREFIX) else 0
    except (binascii.Error, ValueError):
        size = 0
    if not KEY_BYTES_MIN <= size <= KEY_BYTES_MAX:
        raise ValueError("whsec_ and the Base64 of 24 to 64 random bytes are wanted")
    return secret


def signatures(secrets: Iterable[Secret], webhook_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return " ".join(
        f"v1,{base64.b64encode(hmac.digest(_key(each), signed, 'sha256')).decode()}"
        for each in secrets
    )


def _key(secret: Secret) -> bytes:
    text = secret.reveal().removeprefix(PREFIX)
    return base64.b64decode(
        text + "=" * (-len(text) % 4), validate=True
    )  # some leave the padding out
