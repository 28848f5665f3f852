"""A browser that can be stopped anywhere: to the bank, what its owner does there, and the way back in hand.

What it carries back can be looked at, changed or kept before anybody goes there.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from bench.books import ledger
from bench.processes import KEY, SHOP
from bench.wire import Answer, Connection, Step, first_form

FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
GATEWAYS: Final = ("saman", "mellat", "parsian", "sadad", "zarinpal", "zibal")


@dataclass(frozen=True, slots=True)
class Way:
    """A customer's way back from a bank: the payment, the address, and what the browser carries."""

    payment: str
    method: str
    path: str
    fields: dict[str, str]


class Payer:
    """A shop and its customer, one thing at a time. The banks must show pages (`--payers page`)."""

    def __init__(self, daemon: str, banks: str) -> None:
        self.daemon, self.banks = daemon, banks
        ours, theirs = urlsplit(daemon), urlsplit(banks)
        self._ours = Connection(ours.hostname or "", ours.port or 80)
        self._theirs = Connection(theirs.hostname or "", theirs.port or 80)

    async def way_back(self, order_id: str, gateway: str, amount: int, choice: str) -> Way:
        """A new payment, whose customer does `choice` at the bank, as far as the way back."""
        wanted = {
            "amount": amount,
            "order_id": order_id,
            "return_url": SHOP,
            "gateways": [gateway],
        }
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        made = await self._ours.ask("POST", "/v1/payments", json.dumps(wanted).encode(), headers)
        payment = json.loads(made.body)
        page = await self._ours.ask("GET", urlsplit(payment["pay_url"]).path)
        step = _form(page)
        bank = await self._theirs.ask(step.method, _target(step.url), step.body, FORM)
        chosen = _form(bank)
        body = chosen.body + f"&choice={choice}".encode()
        left = await self._theirs.ask("POST", _target(chosen.url), body, FORM)
        back = Step("GET", left.location) if left.location else _form(left)
        parts = urlsplit(back.url)
        sent = back.body.decode() if back.method == "POST" else parts.query
        fields = dict(parse_qsl(sent, keep_blank_values=True))
        return Way(payment["id"], back.method, parts.path, fields)

    async def come_back(self, way: Way, fields: dict[str, str], *, path: str = "") -> Answer:
        """Bring these fields to the way's address, or to another."""
        sent = urlencode(fields, quote_via=quote, errors="replace")
        target = path or way.path
        if way.method == "POST":
            return await self._ours.ask("POST", target, sent.encode(), FORM)
        return await self._ours.ask("GET", f"{target}?{sent}" if sent else target)

    async def status(self, payment: str) -> str:
        """What the shop is told of a payment."""
        headers = {"Authorization": f"Bearer {KEY}"}
        answer = await self._ours.ask("GET", f"/v1/payments/{payment}", b"", headers)
        return str(json.loads(answer.body)["status"])

    async def ledger(self) -> list[dict[str, Any]]:
        """The banks' own book."""
        return await asyncio.to_thread(ledger, self.banks)


def _form(page: Answer) -> Step:
    step = first_form(page.body)
    assert step is not None, f"no form in {page.body[:300]!r}"
    return step


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
