"""An invoice and everybody about it: the shop that makes, looks at and stops it, and the customers who pay it.

They come once or again, press its button twice or on two pages, pay, walk away, come when its time is over; the shop
stops some while a customer pays.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from gatewayd.core.invoices import Invoice, InvoiceStatus
from gatewayd.core.money import Currency
from gatewayd.engine.engine import Engine
from gatewayd.engine.invoice_paying import Answer, Begun
from gatewayd.engine.invoice_sight import Seen
from gatewayd.engine.invoicing import InvoiceDraft, Invoicing
from gatewayd.engine.turns import Stopping
from gatewayd.journal.store import Guard, GuardKind, Holder
from gatewayd.world.town import SHOP_TRIES_MAX, TRIES_MAX, Town

T = TypeVar("T")
AMOUNTS: Final = (150_000, 250_000)
WANTED: Final = (1, 1, 1, 2, 3, 0)
"""Payments; 0: as many as come."""
LIVES_SECONDS: Final = (90, 600, 1_800, 7_200)
ORDER: Final = "bill of "
ALSO_ORDERED: Final = 0.2
"""How often a shop has an invoice's order paid by a payment beside it."""


class Customer(Protocol):
    """Who has a browser, and a shop."""

    async def asked(self, make: Callable[[Engine], Awaitable[T]], *, tries: int) -> T | None:
        """The daemon's answer; None if none came."""

    async def visit(self, number: int) -> None:
        """Go from a payment's page to wherever that leads."""

    async def orders(self, shop: str, order_id: str) -> None:
        """The shop has an order paid without an invoice."""

    async def cancel(self, number: int) -> None:
        """The shop stops or reverses a payment."""

    async def ask_back(self, number: int) -> None:
        """The shop gives money of a payment back."""


class Bill:
    """One invoice."""

    def __init__(self, town: Town, customer: Customer, name: str) -> None:
        self._town = town
        self._options = town.options
        self._customer = customer
        self._name = name
        self._dice = random.Random(f"{name}, his bill")
        self._rules = town.oracle.bills
        self._pages = 0
        self._paying: dict[int, None] = {}
        """Payments that were begun for it."""

    async def run(self, shop: str) -> None:
        """All of it."""
        made = await self._create(shop)
        invoice = self._rules.invoices.get(made) if made is not None else None
        if made is None or invoice is None:
            return
        dice = self._dice
        if dice.random() < self._options.shop_stops_invoices:
            self._town.history.count("shop_stops_invoices")
            self._town.send_out(self._stop(made))
        if invoice.order_id.startswith(ORDER) and dice.random() < ALSO_ORDERED:
            self._town.history.count("invoice_also_ordered")
            self._town.send_out(self._customer.orders(shop, invoice.order_id))
        if dice.random() < self._options.shop_polls:
            self._town.send_out(self._poll(made))
        more = dice.randrange(0, 2) if invoice.wanted else 2
        for _ in range(max(0, invoice.wanted - 1) + more):
            self._town.send_out(self._pays(made, dice.uniform(0.0, 900.0)))
        await self._pays(made, dice.uniform(0.0, 30.0))
        if dice.random() < self._options.comes_to_old_invoices:
            self._town.send_out(self._comes_late(invoice))
        if dice.random() < self._options.shop_refunds:
            for number in self._paying:
                self._town.send_out(self._customer.ask_back(number))
        for number in self._paying:
            if dice.random() < self._options.shop_cancels:
                self._town.history.count("shop_cancels")
                self._town.send_out(self._customer.cancel(number))

    # --- the shop

    async def _create(self, shop: str) -> int | None:
        dice = self._dice
        wanted, lives = dice.choice(WANTED), dice.choice(LIVES_SECONDS)
        amount = dice.choice(AMOUNTS)
        is_due = dice.random() < 0.3
        order_id = f"{ORDER}{self._name}" if dice.random() < 0.5 else ""
        guard = Guard(kind=GuardKind.IDEMPOTENCY, key=f"{shop}|bill of {self._name}", detail="body")

        async def create(engine: Engine) -> Invoice | Holder | None:
            now_ms = engine.deadlines.now_ms()
            draft = InvoiceDraft(
                shop=shop,
                key="k1",
                amount=amount,
                currency=Currency.IRR,
                expires_ms=now_ms + lives * 1_000,
                due_ms=now_ms + lives * 500 if is_due else None,
                wanted=wanted,
                test=True,
                locale="fa",
                order_id=order_id,
                private={"description": "tea"},
            )
            made = await self._of(engine, lambda it: it.create(draft, guard))
            if isinstance(made, Invoice):
                self._rules.made(made)
            return made

        match await self._customer.asked(create, tries=SHOP_TRIES_MAX):
            case Invoice(number=number) | Holder(number=number):
                return number
            case _:
                return None

    async def _poll(self, number: int) -> None:
        for _ in range(self._dice.randrange(1, 4)):
            await self._town.loop.sleep(self._dice.uniform(0.1, 900.0))
            await self._look(number, lambda it: it.sight.see(number))

    async def _stop(self, number: int) -> None:
        dice = self._dice
        await self._town.loop.sleep(dice.uniform(0.0, 60.0 if dice.random() < 0.6 else 1_800.0))
        guard = Guard(kind=GuardKind.IDEMPOTENCY, key=f"{number}|stop", detail="body")

        async def stop(engine: Engine) -> Seen | Holder | None:
            made = await self._of(engine, lambda it: it.cancel(number, guard))
            if isinstance(made, Seen):
                self._rules.stopped(made)
            return made

        await self._customer.asked(stop, tries=SHOP_TRIES_MAX)

    # --- its customers

    async def _pays(self, number: int, after: float) -> None:
        """Somebody who wants to pay it, and tries again if it came to nothing."""
        dice = self._dice
        await self._town.loop.sleep(after)
        for _ in range(dice.randrange(1, 4)):
            seen = await self._look(number, lambda it: it.sight.glance(number))
            if seen is not None and seen.status is not InvoiceStatus.OPEN and dice.random() < 0.7:
                return
            await self._town.loop.sleep(dice.uniform(0.5, 20.0))
            await self._press(number)
            await self._town.loop.sleep(dice.uniform(1.0, 120.0))

    async def _press(self, number: int) -> None:
        """Press the button of a page, once or twice, perhaps on another page as well; and go where it leads."""
        dice, options = self._dice, self._options
        presses = [self._begin(number, self._page())]
        if dice.random() < options.clicks_twice:
            self._town.history.count("presses_twice")
            presses.append(self._begin(number, f"page {self._pages}"))
        if dice.random() < options.second_tab:
            self._town.history.count("second_page")
            presses.append(self._begin(number, self._page()))
        made = await asyncio.gather(*presses)
        begun = {each.payment.number: None for each in made if isinstance(each, Begun)}
        self._paying |= begun
        visits = [self._customer.visit(each) for each in begun]
        await asyncio.gather(*visits)

    def _page(self) -> str:
        self._pages += 1
        return f"page {self._pages}"

    async def _begin(self, number: int, page: str) -> Answer | None:
        async def pay(engine: Engine) -> Answer | None:
            try:
                made = await _known(engine).pay(number, once=page, locale="")
            except Stopping:
                return None
            if isinstance(made, Begun):
                self._town.oracle.shown(made.payment)
            self._rules.begun(number, page, made)
            return made

        return await self._customer.asked(pay, tries=TRIES_MAX)

    async def _comes_late(self, invoice: Invoice) -> None:
        """Somebody who left the page open until its time was over."""
        self._town.history.count("comes_to_old_invoices")
        until = invoice.expires_ms / 1_000 - self._town.bank_time() + self._dice.uniform(-1.0, 30.0)
        await self._town.loop.sleep(max(0.0, until))
        await self._press(invoice.number)

    # --- pieces

    async def _look(
        self, number: int, make: Callable[[Invoicing], Awaitable[Seen | None]]
    ) -> Seen | None:
        async def look(engine: Engine) -> Seen | None:
            seen = await make(_known(engine))
            if seen is None:
                self._town.oracle.vanished(number)
            else:
                self._rules.shown(seen)
            return seen

        return await self._customer.asked(look, tries=1)

    async def _of(self, engine: Engine, make: Callable[[Invoicing], Awaitable[T]]) -> T | None:
        """What comes of it; None if the daemon begins nothing any more."""
        try:
            return await make(_known(engine))
        except Stopping:
            return None


def _known(engine: Engine) -> Invoicing:
    assert engine.invoicing is not None, "worlds have invoices"
    return engine.invoicing
