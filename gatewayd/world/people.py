"""Everybody outside: shops that create, cancel and poll, payers at browsers and banks, and those who forge returns.

They know only what was answered to them. What they do is drawn from their own dice, so that one person's history does
not depend on how many others there are.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from gatewayd.core.money import Currency
from gatewayd.core.payment import Attempt, Payment
from gatewayd.core.terms import Capture
from gatewayd.engine.cashier import Draft
from gatewayd.engine.engine import Engine
from gatewayd.engine.refunding import Wanted
from gatewayd.engine.views import (
    Back,
    Choice,
    GoesBack,
    HandOver,
    NoGateway,
    Nothing,
    Offer,
    View,
    Wait,
)
from gatewayd.journal.store import Guard, GuardKind, Holder
from gatewayd.simulator.bank import OPEN, Session
from gatewayd.simulator.host import Banks, Trouble
from gatewayd.simulator.inprocess import open_page, returned
from gatewayd.simulator.payers import NO_FUNDS, WRONG_PIN, Decision, Outcome
from gatewayd.world.accounts import BY_PANEL
from gatewayd.world.bills import Bill
from gatewayd.world.contracts import PUBLIC_URL, SHOPS
from gatewayd.world.forgery import KINDS, Seen, forge
from gatewayd.world.machine import Down
from gatewayd.world.town import SHOP_TRIES_MAX, TRIES_MAX, Town
from gatewayd.world.word import Word

T = TypeVar("T")
AMOUNTS: Final = (150_000, 150_000, 250_000, 1_000_000, 2_500_000)
"""Few, so that old receipts of the same amount are to be had."""
TELLS_THE_AMOUNT: Final = frozenset({"saman", "mellat", "sadad", "zibal"})
"""Banks whose return or verify says how much was taken."""
STEPS_MAX: Final = 12
"""Pages that one browser looks at before its owner has had enough."""
LATE_SECONDS_MAX: Final = 5_400.0
OVERTAKEN_SECONDS_MAX: Final = 900.0


class Person:
    """A customer and the shop that he buys from."""

    def __init__(self, town: Town, name: str) -> None:
        self._town = town
        self._options = town.options
        self._dice = random.Random(name)
        self._word = Word(town, f"{name}, his shop's word")
        self._bills = random.Random(f"{name}, or a bill")
        self._name = name
        self._last_back: dict[int, int] = {}
        """By payment, the attempt that a browser came back from last."""

    def _happens(self, chance: float) -> bool:
        return self._dice.random() < chance

    def _does(self, habit: str) -> bool:
        """Whether he does what an option is named after."""
        if self._dice.random() >= getattr(self._options, habit):
            return False
        self._town.history.count(habit)
        return True

    def _strikes(self, trouble: str) -> bool:
        """The same for what is not of his doing, and ends with the troubles."""
        return not self._town.is_calm and self._does(trouble)

    async def _sleep(self, low: float, high: float) -> None:
        await self._town.loop.sleep(self._dice.uniform(low, high))

    # --- the shop

    async def buy(self) -> None:
        """The whole story of one order."""
        shop = SHOPS[0] if self._happens(0.8) else SHOPS[1]
        if self._bills.random() < self._options.shop_invoices:
            self._town.history.count("shop_invoices")
            await Bill(self._town, self, self._name).run(shop)
            return
        order_id = f"order of {self._name}"
        number = await self._create(shop, order_id, "first")
        if self._does("shop_repeats"):
            self._town.send_out(self._create_only(shop, order_id))
        if number is None:
            return
        if self._does("shop_polls"):
            self._town.send_out(self._poll(number))
        self._word.is_given(number)
        if self._does("shop_cancels"):
            self._town.send_out(self.cancel(number))
        if self._does("second_tab"):
            self._town.send_out(self._second_tab(number))
        await self.visit(number)
        if self._does("shop_refunds"):
            self._town.send_out(self.ask_back(number))
        if self._happens(0.15):  # the shop lets him try the same order once more
            again = await self._create(shop, order_id, "again")
            if again is not None:
                self._word.is_given(again)
                await self.visit(again)

    async def orders(self, shop: str, order_id: str) -> None:
        """The shop has this order paid by a payment of its own."""
        number = await self._create(shop, order_id, "by itself")
        if number is not None:
            self._word.is_given(number)
            await self.visit(number)

    async def _create_only(self, shop: str, order_id: str) -> None:
        await self._create(shop, order_id, "twice")

    async def _create(self, shop: str, order_id: str, which: str) -> int | None:
        """The payment's number; tried again with the same key where no answer came."""
        amount = self._dice.choice(AMOUNTS)
        only: tuple[str, ...] = ()
        if self._happens(0.5):
            only = tuple(
                self._dice.sample(sorted(self._town.banks.dialects), self._dice.choice((1, 2, 3)))
            )
        private: dict[str, object] = {"description": f"an {order_id}"}
        if self._happens(0.3):
            private["payer"] = {"mobile": "09121234567"}
        capture = self._word.draw_capture()
        draft = Draft(
            shop=shop,
            key="k1",
            order_id=order_id,
            amount=amount,
            currency=Currency.IRR,
            return_url="https://shop.example/back",
            expires_in_seconds=self._dice.choice((60, 300, 1_200, 1_200, 3_600)),
            test=True,
            gateways=() if capture is Capture.MANUAL else only,
            capture=capture,
            face="zarinpal" if capture is Capture.ON_VERIFY else "",
            holds_order=capture is not Capture.ON_VERIFY,
            private=private,
        )
        key = Guard(kind=GuardKind.IDEMPOTENCY, key=f"{shop}|{order_id}|{which}", detail="body")

        async def create(engine: Engine) -> Payment | Holder:
            made = await engine.cashier.create(draft, key)
            if isinstance(made, Payment):
                self._town.told(made.number, made)
            return made

        match await self.asked(create, tries=SHOP_TRIES_MAX):
            case Payment(number=number) | Holder(number=number):
                return number
            case _:
                return None

    async def _poll(self, number: int) -> None:
        async def look(engine: Engine) -> Payment | None:
            found = await engine.records.look(number)
            if found is not None and found.hold is not None and found.hold.face:
                found = await engine.capturing.ask(number, seconds=3.0)
            return self._town.told(number, found)

        for _ in range(self._dice.randrange(1, 6)):
            await self._sleep(0.1, 120.0)
            await self.asked(look, tries=1)

    async def cancel(self, number: int) -> None:
        await self._sleep(0.0, 30.0 if self._happens(0.6) else 900.0)

        async def cancel(engine: Engine) -> Payment | None:
            found = await engine.cashier.cancel(number)
            assert not isinstance(found, Holder), "no key was given"
            return self._town.told(number, found)

        await self.asked(cancel, tries=2)

    async def ask_back(self, number: int) -> None:
        """All of it, or parts, each with a key of its own; some too much, some twice at once."""
        await self._sleep(0.0, 60.0 if self._happens(0.6) else 3_000.0)
        for place in range(self._dice.choice((1, 1, 2, 3))):
            parts = (None, 20_000, 40_000, 100_000, 150_000, 10_000_000)
            wanted = Wanted(amount=self._dice.choice(parts), key="k1")
            key = Guard(
                kind=GuardKind.IDEMPOTENCY, key=f"{number}|refund|{place}", detail=f"{wanted}"
            )

            async def ask(engine: Engine, wanted: Wanted = wanted, key: Guard = key) -> object:
                if self._town.machine.store.holder(key.kind, key.key) is not None:
                    return None  # asked before, without an answer: the first one counts
                made = await engine.refunding.create(number, wanted, key)
                self._town.history.count(f"refund {type(made).__name__}")
                return made

            asking = [self.asked(ask, tries=SHOP_TRIES_MAX)]
            if self._happens(0.2):
                asking.append(self.asked(ask, tries=SHOP_TRIES_MAX))
            await asyncio.gather(*asking)
            if self._happens(0.5):
                await self._sleep(0.0, 300.0)

    # --- our pages

    async def _second_tab(self, number: int) -> None:
        await self._sleep(0.0, 25.0 if self._happens(0.3) else 240.0)
        await self.visit(number)

    async def visit(self, number: int) -> None:
        """From page to page until there is nothing more to do, or no wish to do it."""
        view = await self._page(number, lambda engine: engine.cashier.arrive(number))
        for _ in range(STEPS_MAX):
            match view:
                case HandOver(attempt=attempt):
                    view = await self._at_bank(number, attempt)
                    if view is None and self._happens(0.3):
                        await self._sleep(1.0, 60.0)
                        view = await self._page(
                            number, lambda engine: engine.cashier.arrive(number)
                        )
                case Offer() | Choice():
                    await self._sleep(0.5, 40.0)
                    view = await self._chosen(number, view)
                case Wait() | NoGateway():
                    if self._happens(0.3):
                        return
                    await self._sleep(1.0, 60.0)
                    view = await self._page(number, lambda engine: engine.cashier.arrive(number))
                case Back() | GoesBack() | Nothing() | None:
                    return

    async def _chosen(self, number: int, view: Offer | Choice) -> View | None:
        draw = self._dice.random()
        if draw < 0.1:
            return None
        if draw < 0.25:
            return await self._page(number, lambda engine: engine.cashier.give_up(number))
        if draw < 0.65 or isinstance(view, Offer):
            return await self._page(number, lambda engine: engine.cashier.try_another(number))
        return await self._page(number, lambda engine: engine.cashier.go_on(number))

    async def _page(self, number: int, make: Callable[[Engine], Awaitable[View]]) -> View | None:
        """What a browser shows; the last answer counts where somebody clicks twice."""

        async def serve(engine: Engine) -> View:
            view = await make(engine)
            self._seen(number, view)
            return view

        if self._does("clicks_twice"):
            first, second = await asyncio.gather(
                self.asked(serve, tries=1), self.asked(serve, tries=TRIES_MAX)
            )
            return second or first
        return await self.asked(serve, tries=TRIES_MAX)

    def _seen(self, number: int, view: View) -> None:
        if isinstance(view, Nothing):
            self._town.oracle.vanished(number)
        else:
            self._town.oracle.shown(view.payment)

    async def asked(self, make: Callable[[Engine], Awaitable[T]], *, tries: int) -> T | None:
        """The daemon's answer; None if none came."""
        for left in range(tries, 0, -1):
            patience = None
            if self._strikes("hangs_up"):
                patience = self._dice.uniform(0.0, 0.5)
            try:
                return await self._town.machine.ask(make, patience=patience)
            except Down:
                if left > 1:
                    await self._sleep(0.5, 20.0)
        return None

    # --- the bank's page

    async def _at_bank(self, number: int, attempt: Attempt) -> View | None:
        """What the way to the bank ends with: the view after the return, None if nobody comes back."""
        town = self._town
        assert attempt.redirect is not None, "only what has a token is handed over"
        if self._strikes("forges"):
            town.send_out(self._forge(number, attempt))
            if self._happens(0.3):
                return None  # instead of paying
        await self._sleep(0.1, 3.0)
        session = open_page(
            town.banks, attempt.redirect, town.bank_time(), referer=f"{PUBLIC_URL}/pay/x"
        )
        if isinstance(session, Trouble):
            return None
        if self._does("dawdles"):
            await self._sleep(60.0, 2_400.0)
        else:
            await self._sleep(5.0, 60.0)
        return await self._acts(number, attempt, session)

    async def _acts(self, number: int, attempt: Attempt, session: Session) -> View | None:
        town = self._town
        now = town.bank_time()
        if (
            session.state in OPEN
            and session.driver in TELLS_THE_AMOUNT
            and self._strikes("other_amount")
        ):
            session.amount += self._dice.choice((-1_000, 1_000))
        if session.driver == "saman":
            self._repeat_receipt(session)
        leaving = town.banks.act(session, self._decision(), now)
        paid = session.paid_at is not None
        town.history.note(number, f"at {session.driver}: {session.state}")
        if paid and self._strikes("panel_verifies"):
            town.banks.book.verify(session, now)
            session.extra[BY_PANEL] = True
        back = returned(leaving)
        if back is None:
            return None
        fields = back.fields
        if paid and self._does("closes_the_tab"):
            self._remember(session, fields)
            return None
        seen = town.seen.get(session.driver)
        if paid and seen and self._strikes("references_reused"):
            old = self._dice.choice(seen)
            fields = forge("reference of another", session, fields, old, self._dice)
        if self._does("returns_reordered"):
            town.send_out(self._after_the_next(number, attempt.number, fields))
            return None
        if self._does("returns_late"):
            await self._sleep(60.0, LATE_SECONDS_MAX)
        else:
            await self._sleep(0.05, 2.0)
        if self._does("returns_twice"):
            after = 0.0 if self._happens(0.5) else self._dice.uniform(0.1, 3_000.0)
            town.send_out(self._again(number, attempt.number, fields, after))
        if paid:
            self._remember(session, back.fields)
        return await self._returned(number, attempt.number, fields)

    def _repeat_receipt(self, session: Session) -> None:
        """The bank gives this payment, if it is made, the RRN of an older one."""
        if not self._strikes("receipts_repeat"):
            return
        old = [each.session.rrn for each in self._town.seen.get(session.driver, ())]
        if old:
            session.rrn = self._dice.choice(old)

    def _decision(self) -> Decision:
        options, draw = self._options, self._dice.random()
        for chance, outcome in (
            (options.cancels, Outcome.CANCEL),
            (options.declined, Outcome.DECLINE),
            (options.leaves, Outcome.LEAVE),
        ):
            if draw < chance:
                code = self._dice.choice((NO_FUNDS, WRONG_PIN, "91", "84"))
                return Decision(outcome=outcome, code=code if outcome is Outcome.DECLINE else "")
            draw -= chance
        return Decision(outcome=Outcome.PAID)

    def _remember(self, session: Session, fields: Mapping[str, str]) -> None:
        self._town.seen.setdefault(session.driver, []).append(Seen(session, dict(fields)))

    async def _again(
        self, number: int, attempt: int, fields: Mapping[str, str], after: float
    ) -> None:
        await asyncio.sleep(after)
        await self._returned(number, attempt, fields)

    async def _after_the_next(self, number: int, attempt: int, fields: Mapping[str, str]) -> None:
        """The return that was overtaken by that of another attempt; without one it is merely late."""
        until = self._town.loop.time() + OVERTAKEN_SECONDS_MAX
        while self._town.loop.time() < until:
            await self._sleep(1.0, 60.0)
            if self._last_back.get(number, attempt) != attempt:
                break
        await self._returned(number, attempt, fields)

    async def _returned(self, number: int, attempt: int, fields: Mapping[str, str]) -> View | None:
        """The browser comes back to us, and tries again while nobody answers."""
        self._last_back[number] = attempt

        async def serve(engine: Engine) -> View:
            view = await engine.cashier.returned(number, attempt, fields)
            self._seen(number, view)
            return view

        return await self.asked(serve, tries=TRIES_MAX)

    # --- made-up returns

    async def _forge(self, number: int, attempt: Attempt) -> None:
        """A few made-up returns to an address that is genuine."""
        town, dice = self._town, self._dice
        assert attempt.token is not None
        for _ in range(dice.randrange(1, 5)):
            await self._sleep(0.0, 90.0)
            session = town.banks.book.find(attempt.gateway, attempt.token, town.bank_time())
            if session is None or town.is_calm:
                return
            said = returned_fields(town.banks, session, town.bank_time())
            seen = town.seen.get(attempt.gateway)
            fields = forge(
                dice.choice(KINDS), session, said, dice.choice(seen) if seen else None, dice
            )
            place = attempt.number if dice.random() < 0.9 else dice.randrange(0, 4)

            async def serve(
                engine: Engine, place: int = place, fields: Mapping[str, str] = fields
            ) -> View:
                view = await engine.cashier.returned(number, place, fields)
                if not isinstance(view, Nothing):
                    town.oracle.shown(view.payment)
                return view

            await self.asked(serve, tries=1)


def returned_fields(banks: Banks, session: Session, now: float) -> dict[str, str]:
    """What a genuine return of this session would say just now."""
    return dict(banks.dialects[session.driver].send_back(session, now).fields)
