"""By which gateway a payer paid before, so that he is offered the page that he knows.

Kept in memory only, for so many payers at most and until the next start. A payer is known by a keyed digest of his
mobile number, per shop: what is kept here leads back to nobody, and no shop profits from another's customers. It is a
preference and nothing more: the router weighs it against the gateway's health.
"""

import hashlib
import hmac
from collections import OrderedDict
from typing import Final

from gatewayd.core.payment import Payment

PAYERS_MAX: Final = 50_000
"""About ten megabytes; whoever has not paid for longest is forgotten first."""
DIGEST_BYTES: Final = 8
"""Two of fifty thousand payers share one once in ten billion shops."""


class Habits:
    """One per engine."""

    def __init__(self, key: bytes, *, payers_max: int = PAYERS_MAX) -> None:
        self._key = hmac.digest(key, b"habits", "sha256")
        self._payers_max = payers_max
        self._by_payer: OrderedDict[bytes, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_payer)

    def favourite(self, payment: Payment) -> str:
        """The gateway by which this payment's payer last paid; empty for nobody known."""
        if not self._by_payer or payment.payer is None or payment.payer.mobile is None:
            return ""
        return self._by_payer.get(self._digest(payment.shop, payment.payer.mobile), "")

    def paid(self, payment: Payment) -> None:
        """This payment was paid by the gateway of the attempt that is kept."""
        if payment.payer is None or payment.payer.mobile is None or payment.kept is None:
            return
        digest = self._digest(payment.shop, payment.payer.mobile)
        self._by_payer[digest] = payment.kept.gateway
        self._by_payer.move_to_end(digest)
        if len(self._by_payer) > self._payers_max:
            self._by_payer.popitem(last=False)

    def _digest(self, shop: str, mobile: str) -> bytes:
        words = f"{shop}\n{mobile}".encode()
        return hashlib.blake2b(words, key=self._key, digest_size=DIGEST_BYTES).digest()
