"""A shop's side of the API, as any shop would write it: create a payment, check a return, ask what became of it."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ContentTypeError

CREATED: Final = 201
FOUND: Final = 200


class Till:
    """One shop. `return_url` is the shop's own address for customers who come back."""

    def __init__(
        self,
        session: ClientSession,
        *,
        daemon: str,
        key: str,
        return_url: str,
        return_secret: str,
        run: str,
    ) -> None:
        """`run` goes before every order number, so that no two runs of the shop share one."""
        self._session = session
        self._payments = f"{daemon}/v1/payments"
        self._invoices = f"{daemon}/v1/invoices"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._return_url = return_url
        self._secret = return_secret.encode()
        self._run = run
        self._orders = count(1001)

    async def order(
        self, amount: int, description: str, *, locale: str = "fa", gateways: tuple[str, ...] = ()
    ) -> str | None:
        """Where to send the customer for `amount` rial; None where no payment could be made."""
        order_id = f"{self._run}-{next(self._orders)}"
        body: dict[str, Any] = {
            "amount": amount,
            "order_id": order_id,
            "return_url": f"{self._return_url}?lang={locale}",
            "description": description,
            "locale": locale,
        }
        if gateways:
            body["gateways"] = list(gateways)
        return await self._made(self._payments, body)

    async def bill(self, rows: Sequence[tuple[str, int]], *, locale: str) -> str | None:
        """Where an invoice of these rows, each with its rial, is paid; None where none could be made."""
        body = {
            "lines": [{"name": name, "unit_price": price} for name, price in rows],
            "order_id": f"{self._run}-{next(self._orders)}",
            "locale": locale,
        }
        return await self._made(self._invoices, body)

    async def _made(self, url: str, body: Mapping[str, Any]) -> str | None:
        headers = self._headers | {"Idempotency-Key": str(body["order_id"])}
        try:
            async with self._session.post(url, json=body, headers=headers) as answer:
                if answer.status != CREATED:
                    return None
                return str((await answer.json())["pay_url"])
        except (ClientError, TimeoutError, OSError):
            return None

    def is_genuine(self, query: Mapping[str, str]) -> bool:
        """Whether the daemon sent the customer back with this query: everything in it that is signed is believed."""
        signed = "|".join(
            query.get(name, "") for name in ("payment_id", "order_id", "status", "timestamp")
        )
        expected = hmac.new(self._secret, signed.encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), query.get("signature", "").encode())

    async def look(self, payment_id: str) -> Mapping[str, Any] | None:
        """The payment as the daemon has it now; None where it does not answer."""
        try:
            async with self._session.get(
                f"{self._payments}/{payment_id}", headers=self._headers
            ) as answer:
                found = await answer.json() if answer.status == FOUND else None
        except (ClientError, ContentTypeError, TimeoutError, OSError, json.JSONDecodeError):
            return None
        return found if isinstance(found, dict) else None
