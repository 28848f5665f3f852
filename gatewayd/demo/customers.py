"""Simulated customers: they order, pay, cancel, are declined and try another gateway, or close the tab.

Each is a browser that sees pages and presses their buttons; nothing of daemon or banks is reached into. What they do
is drawn from dice, but for the first round, which sends one customer to every gateway so that each is seen.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gatewayd.demo.browser import Browser, Page
from gatewayd.demo.shop import GOODS
from gatewayd.demo.till import Till
from gatewayd.simulator.payers import USUAL_MIX, Mix, Outcome, Script

CUSTOMERS: Final = 24
"""At a time: about fifteen payments a second, of which a small machine notices little."""
HOPS_MAX: Final = 30
"""Pages that one customer looks at; nobody has so much patience."""
THINK_SECONDS: Final = (0.3, 1.8)
"""How long a customer looks at the bank's page: a thirtieth of the real thing."""
PAUSE_SECONDS: Final = (0.1, 0.6)
"""Between two customers."""
TRIES_AGAIN: Final = 0.7
"""The part of those offered another gateway who take it."""
COMES_BACK: Final = 0.5
"""The part of those before a dead page who go back to the shop's payment address."""
PATIENCE_SECONDS: Final = 2.5
"""How long they wait before that: longer than the same token is handed over again."""
OK: Final = 200
LOOKS_MAX: Final = 6
"""Pages of the daemon's after which a customer no longer waits for a result."""
LOOK_SECONDS: Final = 1.0
SCRIPTS: Final = (
    (Script.CLOSES_THE_TAB, 0.03),
    (Script.REPLY_CUT, 0.03),
    (Script.RETURNS_TWICE, 0.03),
    (Script.HTML_FIRST, 0.03),
    (Script.RETURNS_LATE, 0.01),
)
"""Stories that the simulated banks read from the amount, and the part of the customers who live them."""


class Ended(StrEnum):
    """How a customer's visit ended."""

    PAID = "paid"
    CANCELLED = "cancelled"
    FAILED = "failed"
    PROCESSING = "processing"
    """Back in the shop while the bank's word is still out."""
    LEFT = "left"
    """Closed the tab, having paid or not."""
    NO_PAYMENT = "no_payment"
    """The shop could not make one."""
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Origins, by which a browser's user knows whose page it is."""

    daemon: str
    banks: str
    shop: str


class Customer:
    """One visit after another."""

    def __init__(
        self,
        browser: Browser,
        till: Till,
        places: Places,
        rng: random.Random,
        *,
        mix: Mix = USUAL_MIX,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._browser = browser
        self._till = till
        self._places = places
        self._rng = rng
        self._mix = mix
        self._sleep = sleep

    async def visit(self, *, gateway: str | None = None) -> Ended:
        """Buy something. `gateway`: the shop asks for this one, and the customer pays."""
        good = self._rng.choice(GOODS)
        amount = good.price if gateway else good.price + self._script()
        only = (gateway,) if gateway else ()
        pay_url = await self._till.order(amount, good.fa, gateways=only)
        if pay_url is None:
            return Ended.NO_PAYMENT
        page = await self._browser.open(pay_url, referer=self._places.shop)
        looks = 0
        for _ in range(HOPS_MAX):
            following: Page | Ended
            if page.origin == self._places.shop:
                return _ended(page)
            if page.origin == self._places.banks:
                following = await self._at_bank(page, pay_url, pays=gateway is not None)
            else:
                looks += 1
                following = await self._at_daemon(page, looks)
            if isinstance(following, Ended):
                return following
            page = following
        return Ended.OTHER

    def _script(self) -> int:
        point = self._rng.random()
        for script, part in SCRIPTS:
            point -= part
            if point < 0:
                return int(script)
        return 0

    async def _at_bank(self, page: Page, pay_url: str, *, pays: bool) -> Page | Ended:
        if not page.forms:  # a dead page
            if self._rng.random() >= COMES_BACK:
                return Ended.LEFT
            await self._sleep(PATIENCE_SECONDS)
            return await self._browser.open(pay_url)
        form = page.forms[0]
        if "choice" not in form.choices:
            return await self._browser.submit(page, form)  # back to the shop, pressed by hand
        await self._sleep(self._rng.uniform(*THINK_SECONDS))
        choice = Outcome.PAID if pays else self._mix.draw(self._rng)
        after = await self._browser.submit(page, form, {"choice": str(choice)})
        return after if after.forms or after.origin != self._places.banks else Ended.LEFT

    async def _at_daemon(self, page: Page, looks: int) -> Page | Ended:
        if not page.forms:
            return Ended.OTHER
        first = page.forms[0]
        another, leave = page.form_with("action", "another"), page.form_with("action", "leave")
        if another is not None and self._rng.random() < TRIES_AGAIN:
            return await self._browser.submit(page, another)
        if another is None and first is not leave:
            if leave is None and page.status == OK:
                return await self._browser.submit(page, first)  # on to the bank
            if looks < LOOKS_MAX:  # the bank's word is out, or the daemon cannot write just now
                await self._sleep(LOOK_SECONDS)
                return await self._browser.submit(page, first)
        return Ended.OTHER if leave is None else await self._browser.submit(page, leave)


def _ended(page: Page) -> Ended:
    status = page.url.query.get("status", "")
    return Ended(status) if status in set(Ended) else Ended.OTHER


async def crowd(
    make: Callable[[], Customer],
    tally: Counter[Ended],
    stopping: asyncio.Event,
    rng: random.Random,
    *,
    gateways: tuple[str, ...],
    size: int = CUSTOMERS,
) -> None:
    """So many customers at a time, each followed by the next, until `stopping`; the last ones still finish."""
    first_round = iter(gateways)

    async def line(customer: Customer, first: Iterator[str]) -> None:
        while not stopping.is_set():
            tally[await customer.visit(gateway=next(first, None))] += 1
            await asyncio.sleep(rng.uniform(*PAUSE_SECONDS))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(size):
            tasks.create_task(line(make(), first_round), name="customer")
