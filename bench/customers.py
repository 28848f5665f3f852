"""Customers who pay: from the shop's order over the bank's page back to the shop, as a browser goes.

A browser that is told to come back later (503 with Retry-After) does so. Connections are kept and shared out, as a
proxy in front would: a customer takes one that is free. Every answer is timed, by its step: `create`, `pay` until the
bank is seen, `return` afterwards.
"""

import asyncio
import json
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlsplit

from bench.calls import Exchange
from bench.processes import KEY, SHOP
from bench.wire import Answer, Connection, Step, first_form

STEPS: Final = ("create", "pay", "return")
HOPS_MAX: Final = 40
PATIENCE_SECONDS: Final = 60.0
"""So long a customer looks at a page that says that he will be served."""
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
JSON: Final = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}

GAVE_UP: Final = "gave up"
REFUSED: Final = "refused"
"""The shop was told to come back later; there is no payment."""


@dataclass(slots=True)
class Timings:
    """When each answer came, and how long it took."""

    at: "array[float]" = field(default_factory=lambda: array("d"))
    seconds: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, began: float, ended: float) -> None:
        self.at.append(ended)
        self.seconds.append(ended - began)


@dataclass(slots=True)
class Seen:
    """What all customers saw."""

    steps: dict[str, Timings] = field(default_factory=lambda: {step: Timings() for step in STEPS})
    exchanges: list[Exchange] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    """How payments ended: a payment's status, or what went wrong."""
    finished_at: "array[float]" = field(default_factory=lambda: array("d"))
    banks: Timings = field(default_factory=Timings)
    """What the banks' pages took: the same banks, on the same core, as the daemon asks."""
    late: "array[float]" = field(default_factory=lambda: array("d"))
    """By how much, in seconds, the driver itself missed its times; so much of a figure may be its own."""
    came: int = 0
    """Customers of an open run: random arrivals are never quite as many as were ordered."""
    waited: int = 0
    """Pages that asked a customer to wait."""
    under_way: int = 0

    def end(self, how: str) -> None:
        """A customer is done."""
        self.ended[how] += 1
        if how not in (REFUSED, GAVE_UP):
            self.finished_at.append(time.perf_counter())

    @property
    def paid(self) -> int:
        """Payments that are paid."""
        return self.ended["paid"]


class Connections:
    """Kept connections to one host."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.netloc = parts.netloc
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._free: list[Connection] = []

    async def ask(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Answer:
        """One exchange over a connection that is free just now."""
        connection = self._free.pop() if self._free else Connection(self._host, self._port)
        answer = await connection.ask(method, target, body, headers)
        self._free.append(connection)
        return answer

    def close(self) -> None:
        while self._free:
            self._free.pop().close()


class Crowd:
    """Makes payments at `server`, whose customers pay at `bank`."""

    def __init__(self, server: str, bank: str, seen: Seen) -> None:
        self._server = Connections(server)
        self._bank = Connections(bank)
        self._seen = seen

    async def pay(self, order_id: str, amount: int, began: float) -> None:
        """One payment, meant to begin at `began` (perf_counter)."""
        seen = self._seen
        seen.under_way += 1
        try:
            seen.end(await self._paid(order_id, amount, began))
        except OSError as error:
            seen.end(type(error).__name__)
        finally:
            seen.under_way -= 1

    async def _paid(self, order_id: str, amount: int, began: float) -> str:
        seen, steps = self._seen, self._seen.steps
        body = json.dumps({"amount": amount, "order_id": order_id, "return_url": SHOP}).encode()
        made = await self._server.ask("POST", "/v1/payments", body, JSON)
        if made.status == 503 and made.retry_after:
            return REFUSED
        steps["create"].add(began, time.perf_counter())
        if made.status != 201:
            return f"create {made.status}"
        payment = json.loads(made.body)
        number, doing = payment["id"], "pay"
        seen.exchanges.append(Exchange("create", number, made.sent, made.came))
        step = Step("GET", urlsplit(payment["pay_url"]).path)
        give_up = time.perf_counter() + PATIENCE_SECONDS
        for _ in range(HOPS_MAX):
            parts = urlsplit(step.url)
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            headers = FORM if step.body else {}
            if parts.netloc in ("", self._server.netloc):
                began = time.perf_counter()
                answer = await self._server.ask(step.method, target, step.body, headers)
                if answer.status == 503 and answer.retry_after:
                    seen.waited += 1
                    if time.perf_counter() + answer.retry_after > give_up:
                        return GAVE_UP
                    await asyncio.sleep(answer.retry_after)
                    continue
                steps[doing].add(began, time.perf_counter())
                seen.exchanges.append(Exchange(doing, number, answer.sent, answer.came))
            else:
                doing = "return"
                began = time.perf_counter()
                answer = await self._bank.ask(step.method, target, step.body, headers)
                seen.banks.add(began, time.perf_counter())
            if answer.location.startswith(SHOP):
                return parse_qs(urlsplit(answer.location).query)["status"][0]
            following = Step("GET", answer.location) if answer.location else first_form(answer.body)
            if following is None:
                return f"{answer.status} without a form"
            step = following
        return "lost its way"

    def close(self) -> None:
        """Hang up."""
        self._server.close()
        self._bank.close()


async def empty_gets(address: str, count: int, at_a_time: int) -> None:
    """So many customers, each asking for nothing, one time after the other."""
    connections = Connections(address)
    left = iter(range(count))

    async def one() -> None:
        for _ in left:
            await connections.ask("GET", "/", b"", {})

    async with asyncio.TaskGroup() as group:
        for _ in range(at_a_time):
            group.create_task(one())
    connections.close()


def amounts() -> Callable[[int], int]:
    """Amounts that no script of the simulator's ends in."""
    return lambda number: 100_000 + 1_000 * (number % 100)
