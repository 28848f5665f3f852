"""Customers who are people: what fails is tried again for as long as a patient one would."""

import asyncio
import json
import random
from collections import Counter
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from bench.mortal import Daemon
from bench.processes import KEY, SHOP
from bench.wire import Answer, Connection, Step, first_form

MIX: Final = "paid=80,cancel=5,decline=7,leave=8"
"""What they do at the bank, for the simulator."""


class Customer:
    """Pays, and tries again whatever fails."""

    def __init__(self, daemon: str, bank: str, rng: random.Random) -> None:
        ours, banks = urlsplit(daemon), urlsplit(bank)
        self._host = ours.netloc
        self._daemon = Connection(ours.hostname or "", ours.port or 80)
        self._bank = Connection(banks.hostname or "", banks.port or 80)
        self._rng = rng

    async def pay(self, order_id: str, amount: int, **more: Any) -> str:
        """How it ended for the customer. `more` is sent along."""
        plain = {"amount": amount, "order_id": order_id, "return_url": SHOP}
        body = json.dumps({**plain, **more}).encode()
        headers = {
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/json",
            "Idempotency-Key": order_id,
        }
        made = await self.insist("POST", "/v1/payments", body, headers)
        if made is None or made.status != 201:
            return f"create {made.status if made else 'gave up'}"
        return await self.walk(json.loads(made.body)["pay_url"])

    async def walk(self, pay_url: str) -> str:
        """From the shop over the bank back to the shop; how it ended."""
        step = Step("GET", urlsplit(pay_url).path)
        for _ in range(12):
            parts = urlsplit(step.url)
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            ours = parts.netloc in {"", self._host}
            form = {"Content-Type": "application/x-www-form-urlencoded"} if step.body else {}
            answer = await self.insist(step.method, target, step.body, form, ours=ours)
            if answer is None:
                return "gave up"
            if answer.location.startswith(SHOP):
                return parse_qs(urlsplit(answer.location).query)["status"][0]
            if answer.location:
                step = Step("GET", answer.location)
                continue
            found = first_form(answer.body)
            if found is None:
                return f"left ({answer.status})"
            step = found
        return "lost its way"

    async def insist(
        self, method: str, target: str, body: bytes, headers: dict[str, str], *, ours: bool = True
    ) -> Answer | None:
        """The answer, after as many tries as a patient person makes."""
        for _ in range(60):
            try:
                answer = await asyncio.wait_for(
                    (self._daemon if ours else self._bank).ask(method, target, body, headers), 30
                )
            except (OSError, TimeoutError):
                (self._daemon if ours else self._bank).close()
                await asyncio.sleep(0.2 + 0.3 * self._rng.random())
                continue
            if answer.status == 503:
                await asyncio.sleep(0.5)
                continue
            return answer
        return None


async def load(
    daemon: Daemon, banks: str, at_a_time: int, stop: asyncio.Event, seen: Counter[str]
) -> None:
    """Customers until `stop`."""
    serial = iter(range(10**9))

    async def customer(number: int) -> None:
        rng = random.Random(number)
        while not stop.is_set():
            order = next(serial)
            one = Customer(daemon.address, banks, rng)
            seen[await one.pay(f"torture-{order}", 100_000 + 1_000 * (order % 90))] += 1

    await asyncio.gather(*(customer(number) for number in range(at_a_time)))
