"""Addresses that customers and banks carry about: signed, so that nobody can make one up.

`/pay/{number}.{mac}` and `/return/{number}.{attempt}.{mac}`. The mac is 80 bits of keyed BLAKE2b (made for this, and a
fifth of the cost of HMAC-SHA256 in OpenSSL 3) with a key that was made with the journal; it says that we gave this
address to somebody, not who holds it now. An invoice's address is shorter, `/i/{code}`: see `codes`.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from gatewayd.engine.codes import Codes

_PAY: Final = re.compile(r"([0-9]{1,15})\.([0-9a-f]{20})\Z")
REMEMBERED_MAX: Final = 4_096
"""Macs, half a megabyte: each address is made, sent to a bank and asked for within moments."""
_RETURN: Final = re.compile(r"([0-9]{1,15})\.([0-9]{1,3})\.([0-9a-f]{20})\Z")


class Links:
    """Makes and reads signed addresses."""

    def __init__(self, key: bytes, public_url: str, gateway_urls: Mapping[str, str]) -> None:
        """`gateway_urls` holds the gateways whose contract registered another host."""
        self._keyed = hashlib.blake2b(key=key, digest_size=10)
        self._mac = lru_cache(REMEMBERED_MAX)(self._made)
        self._public_url = public_url.rstrip("/")
        self._codes = Codes(key)
        self._gateway_urls = {name: url.rstrip("/") for name, url in gateway_urls.items()}

    def pay_url(self, number: int, gateway: str | None = None) -> str:
        """Where the customer is sent; on the host that `gateway`'s contract registered, if it has one."""
        base = self._gateway_urls.get(gateway, self._public_url) if gateway else self._public_url
        return f"{base}/pay/{self.pay_id(number)}"

    def pay_id(self, number: int) -> str:
        """The last part of the pay address."""
        return f"{number}.{self._mac(f'pay|{number}')}"

    def invoice_url(self, number: int) -> str:
        """The short address of an invoice."""
        return f"{self._public_url}/i/{self._codes.code(number)}"

    def read_invoice(self, code: str) -> int | None:
        """The invoice's number; None where the address is not ours."""
        return self._codes.number(code)

    def return_url(self, number: int, attempt: int, gateway: str) -> str:
        """Where the bank sends the browser back to."""
        base = self._gateway_urls.get(gateway, self._public_url)
        return f"{base}/return/{number}.{attempt}.{self._mac(f'return|{number}|{attempt}')}"

    def read_pay(self, text: str) -> int | None:
        """The payment's number; None where the address is not ours."""
        found = _PAY.match(text)
        if found is None or not hmac.compare_digest(found[2], self._mac(f"pay|{found[1]}")):
            return None
        return int(found[1])

    def read_return(self, text: str) -> tuple[int, int] | None:
        """The payment's and the attempt's number; None where the address is not ours."""
        found = _RETURN.match(text)
        if found is None:
            return None
        if not hmac.compare_digest(found[3], self._mac(f"return|{found[1]}|{found[2]}")):
            return None
        return int(found[1]), int(found[2])

    def digest(self, fields: Mapping[str, str]) -> str:
        """A short name for a set of returned fields, which says nothing about them."""
        text = "".join(
            [f"{len(name)} {name} {len(value)} {value} " for name, value in sorted(fields.items())]
        )
        return self._sum(f"fields|{text}")[:8].hex()

    def seal(self, text: str) -> bytes:
        """80 bits that nobody else can make of this text."""
        return self._sum(f"seal|{text}")

    def _made(self, text: str) -> str:
        """The mac of what an address names."""
        return self._sum(text).hex()

    def _sum(self, text: str) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(text.encode(errors="surrogatepass"))
        return keyed.digest()
