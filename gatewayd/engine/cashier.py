"""Serves shops and customers: creates payments, hands customers over to banks and decides what they see next.

Rules:

* It acts through `Tending` and `Starting`; no call to a bank belongs to an HTTP request, so a browser that hangs up
  changes nothing.
* A new attempt begins only while nothing is in doubt, and after every earlier one whose bank can be asked was asked.
* What is shown has landed.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatewayd.core import events as ev
from gatewayd.core import plan as pl
from gatewayd.core.money import Currency
from gatewayd.core.payment import Attempt, Payment, allows, apply, attempt_of
from gatewayd.core.settings import EngineSettings
from gatewayd.core.states import State
from gatewayd.core.status import FINAL, Status, is_claimed, is_in_vain, status_of
from gatewayd.core.terms import Ask, Capture, Split
from gatewayd.core.values import changed, quick
from gatewayd.engine.acting import Acting
from gatewayd.engine.deadlines import Deadlines
from gatewayd.engine.gateway import GatewaySettings
from gatewayd.engine.ids import Ids
from gatewayd.engine.ports import Log
from gatewayd.engine.records import Records
from gatewayd.engine.returns import Returns
from gatewayd.engine.starting import Starting
from gatewayd.engine.telling import tell
from gatewayd.engine.tending import Tending
from gatewayd.engine.views import (
    Back,
    Choice,
    GoesBack,
    HandOver,
    NoGateway,
    Nothing,
    Offer,
    Shown,
    View,
    Wait,
)
from gatewayd.journal.journal import order_guard
from gatewayd.journal.store import Guard, Holder


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A payment as a shop asks for it; every field is already checked."""

    shop: str
    key: str
    order_id: str
    amount: int
    """Rial."""
    currency: Currency
    return_url: str
    expires_in_seconds: int
    test: bool
    locale: str = "fa"
    gateways: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    splits: tuple[Split, ...] = ()
    capture: Capture = Capture.AUTOMATIC
    face: str = ""
    """The face that it comes through, by its driver's name."""
    holds_order: bool = True
    """Whether its order can have no other payment meanwhile."""
    private: Mapping[str, Any]
    """`payer`, `description` and `metadata`, as far as given."""


_DONE: Final = frozenset({Status.PAID, Status.AUTHORIZED})
"""The customer has done what there was to do."""


class Cashier:
    """One per engine. `offer_retry` says per shop whether another gateway is offered after a no."""

    def __init__(
        self,
        *,
        records: Records,
        tending: Tending,
        acting: Acting,
        starting: Starting,
        returns: Returns,
        gateways: Mapping[str, GatewaySettings],
        deadlines: Deadlines,
        ids: Ids,
        log: Log,
        engine: EngineSettings,
        same_token_seconds: float,
        offer_retry: Mapping[str, bool],
    ) -> None:
        self._records = records
        self._tending = tending
        self._acting = acting
        self._starting = starting
        self._returns = returns
        self._offer_retry = offer_retry
        self._gateways = gateways
        self._deadlines = deadlines
        self._ids = ids
        self._log = log
        self._engine = engine
        self._same_token_ms = int(same_token_seconds * 1000)

    # --- the shop

    async def create(self, draft: Draft, idempotency: Guard | None = None) -> Payment | Holder:
        """A new payment, on disk; or who holds its order or its idempotency key."""
        now_ms = self._deadlines.now_ms()
        number = self._ids.number(now_ms)
        event = ev.Created(
            at_ms=now_ms,
            shop=draft.shop,
            key=draft.key,
            order_id=draft.order_id,
            amount=draft.amount,
            currency=draft.currency,
            return_url=draft.return_url,
            expires_ms=now_ms + draft.expires_in_seconds * 1000,
            test=draft.test,
            locale=draft.locale,
            gateways=draft.gateways,
            methods=draft.methods,
            splits=draft.splits,
            capture=draft.capture,
            face=draft.face,
            private=draft.private,
        )
        takes: tuple[Guard, ...] = (idempotency,) if idempotency else ()
        if draft.holds_order:
            takes += (order_guard(draft.shop, draft.order_id, test=draft.test),)
        ticket = self._records.append(number, event, takes=takes)
        ticket.when_done(lambda: self._tending.consider(number))  # also if its shop has hung up
        conflict = await self._records.wait(ticket)
        if conflict is not None:
            return conflict
        payment = self._records.get(number)
        tell(self._log, event, number, shop=draft.shop, amount=draft.amount)
        return payment

    async def cancel(
        self, number: int, idempotency: Guard | None = None
    ) -> Payment | Holder | None:
        """The shop wants it stopped; what is already paid stays as it is.

        The payment as it is then, or who holds the idempotency key. None: there is no such payment.
        """
        async with self._records.holding(number) as held:
            if held is None:
                return None
            await self._records.unlocked(number)
            payment, now_ms = self._records.get(number), self._deadlines.now_ms()
            event = ev.CancelRequested(at_ms=now_ms)
            if allows(payment, event):
                events: list[ev.Event] = [event]
                next_action = self._tending.next_action(apply(payment, event))
                match next_action:
                    case pl.Note(event=ev.Closed() as closed):  # with it, so that a repeat tells it
                        events.append(changed(closed, at_ms=now_ms))
                    case _:
                        pass
                takes = (idempotency,) if idempotency else ()
                ticket = self._records.append(number, *events, takes=takes)
                ticket.when_done(lambda: self._tending.consider(number))
                conflict = await self._records.wait(ticket)
                if conflict is not None:
                    return conflict
                for each in events:
                    tell(self._log, each, number)
            await self._records.landed(number)
            return self._records.get(number)

    # --- the customer on our page

    async def arrive(self, number: int) -> View:
        """The customer opens the payment's address, first or again."""
        async with self._records.holding(number) as held:
            if held is None:
                return Nothing()
            await self._starting.under_way(number)
            return await self._shown(number, await self._arrived(number))

    async def go_on(self, number: int) -> View:
        """The customer wants the same bank's page once more."""
        async with self._records.holding(number) as held:
            if held is None:
                return Nothing()
            await self._starting.under_way(number)
            view = await self._look(number)
            if isinstance(view, Choice):
                view = self._hand_again(view.payment, view.attempt)
            return await self._shown(number, view or await self._begin(number, None))

    async def try_another(self, number: int) -> View:
        """The customer wants another gateway; whoever comes while one is being asked joins that."""
        async with self._records.holding(number) as held:
            if held is None:
                return Nothing()
            if await self._starting.under_way(number):
                return await self._shown(number, await self._arrived(number))
            return await self._shown(number, await self._begin(number, await self._look(number)))

    async def give_up(self, number: int) -> View:
        """The customer goes back to the shop; unless money may be on its way, that closes the payment."""
        async with self._records.holding(number) as held:
            if held is None:
                return Nothing()
            await self._starting.under_way(number)
            view = await self._asked_first(number, await self._look(number))
            payment = self._records.get(number)
            if not isinstance(view, Back | Wait):
                said_no = payment.latest is not None and payment.latest.no is not None
                why = ev.Closing.GIVEN_UP if said_no else ev.Closing.CANCELLED_BY_PAYER
                self._close(number, why)
            return await self._shown(number, Back(payment))

    # --- the customer back from a bank

    async def returned(self, number: int, attempt: int, fields: Mapping[str, str]) -> View:
        """A browser comes back on an attempt's genuine address with these fields."""
        async with self._records.holding(number) as held:
            if held is None or held.attempt(attempt) is None:
                return Nothing()
            await self._returns.take_in(number, attempt, fields)
            await self._records.unlocked(number)
            await self._records.until(
                number,
                lambda now: (
                    not self._tending.is_busy(number, attempt)
                    and (status_of(now) is not Status.PROCESSING or is_claimed(now))
                ),
                self._engine.return_wait_seconds,
            )
            view = await self._look(number)
            if view is None or isinstance(view, Wait):
                view = Back(self._records.get(number))
            payment = self._records.get(number)
            in_vain = is_in_vain(payment, attempt_of(payment, attempt))
            if in_vain and isinstance(view, Back) and not _is_of_a_face(payment):
                view = GoesBack(payment, attempt)
            return await self._shown(number, view)

    # --- what the customer is shown

    async def _shown(self, number: int, view: Shown) -> Shown:
        """The view with the payment as it is now, all of it on disk; nobody is sent to pay what cannot be kept."""
        await self._records.unlocked(number)
        await self._records.landed(number)
        payment = self._records.get(number)
        if isinstance(view, HandOver | NoGateway) and not payment.takes_attempts:
            view = await self._look(number) or Back(payment)
            await self._records.landed(number)
            payment = self._records.get(number)
        return view if view.payment is payment else changed(view, payment=payment)

    async def _arrived(self, number: int) -> Shown:
        """What there is for a customer who comes: the same token on a reload, later a choice."""
        view = await self._look(number)
        if isinstance(view, Choice):
            handed_ms = view.attempt.handed_ms or 0
            if self._deadlines.now_ms() - handed_ms <= self._same_token_ms:
                return HandOver(view.payment, view.attempt)
        return view or await self._begin(number, None)

    async def _look(self, number: int) -> Shown | None:
        """What a customer who comes now is shown; None: begin an attempt."""
        await self._records.unlocked(number)
        payment = self._records.get(number)
        status = status_of(payment)
        if status in _DONE or status in FINAL or is_claimed(payment):
            return Back(payment)
        in_review = any(attempt.state is State.IN_REVIEW for attempt in payment.attempts)
        if status is not Status.PENDING or payment.stopping or in_review:
            return Wait(payment)
        latest = payment.latest
        if latest is None or latest.state not in {State.WITH_PAYER, State.GIVEN_BACK}:
            return None
        another = self._starting.another(payment)
        if latest.state is State.WITH_PAYER and latest.no is None:
            return Choice(payment, latest, another)
        offered = self._offer_retry[payment.shop] and not _is_of_a_face(payment)
        if offered and self._starting.may_begin(payment):
            return Offer(payment, another)
        self._close(number, ev.Closing.FAILED)
        return Back(payment)

    def _hand_again(self, payment: Payment, attempt: Attempt) -> HandOver:
        event = ev.HandedOver(at_ms=self._deadlines.now_ms(), attempt=attempt.number)
        self._records.append(payment.number, event)
        self._tending.consider(payment.number)
        return HandOver(payment, attempt)

    async def _begin(self, number: int, view: Shown | None) -> Shown:
        """A new attempt at the best gateway that gives a token, unless an earlier one may be paid.

        `view` is what a customer who comes now is shown, as was just looked up.
        """
        view = await self._asked_first(number, view)
        payment = self._records.get(number)
        if isinstance(view, Back | Wait):
            return view
        if self._deadlines.now_ms() >= payment.expires_ms:
            return Back(payment)
        attempt = await self._starting.begin(number)
        await self._records.unlocked(number)
        payment = self._records.get(number)
        if attempt is not None:
            return HandOver(payment, attempt_of(payment, attempt))
        return NoGateway(payment)

    async def _asked_first(self, number: int, view: Shown | None) -> Shown | None:
        """What there is to show after every earlier attempt that can be asked was asked; no answer is unknown.

        `view` is what there is to show before.
        """
        payment = self._records.get(number)
        asked = [each.number for each in payment.attempts if self._can_be_asked(payment, each)]
        if not asked or isinstance(view, Back | Wait):
            return view
        try:
            async with asyncio.timeout(self._engine.ask_before_retry_seconds):
                for attempt in asked:
                    await self._ask(number, attempt)
                await self._tending.until_idle(number, asked)
        except TimeoutError:
            pass
        view = await self._look(number)
        payment = self._records.get(number)
        unanswered = any(self._is_unanswered(payment, attempt) for attempt in asked)
        return Wait(payment) if unanswered and not isinstance(view, Back) else view

    def _can_be_asked(self, payment: Payment, attempt: Attempt) -> bool:
        gateway = self._gateways.get(attempt.gateway)
        if gateway is None or attempt.state is not State.WITH_PAYER:
            return False
        ask = gateway.traits.ask
        if ask is Ask.VERIFY and not payment.may_verify(attempt):
            return False
        return ask is not Ask.NOTHING

    async def _ask(self, number: int, attempt: int) -> None:
        """Begin to ask this attempt's bank without its payer; one that is asked by a verify waits for its turn."""
        gateway = attempt_of(self._records.get(number), attempt).gateway
        by_verify = self._gateways[gateway].traits.ask is Ask.VERIFY
        if by_verify:
            others = [each.number for each in self._records.get(number).attempts]
            await self._tending.until_idle(number, others)
        await self._records.unlocked(number)
        payment, now_ms = self._records.get(number), self._deadlines.now_ms()
        if self._tending.is_busy(number, attempt) or not self._can_be_asked(
            payment, attempt_of(payment, attempt)
        ):
            return
        action: pl.Action = pl.Inquire(due_ms=now_ms, attempt=attempt)
        if by_verify:
            if not payment.takes_attempts:
                return
            action = pl.Verify(due_ms=now_ms, attempt=attempt, purpose=ev.Purpose.KEEP)
        self._tending.carry_out(number, action)

    def _is_unanswered(self, payment: Payment, number: int) -> bool:
        attempt = attempt_of(payment, number)
        busy = self._tending.is_busy(payment.number, number)
        return busy or attempt.last_ask_lost or attempt.tries > 0

    def _close(self, number: int, why: ev.Closing) -> None:
        event = ev.Closed(at_ms=self._deadlines.now_ms(), why=why)
        self._records.append(number, event)
        tell(self._log, event, number)
        self._tending.consider(number)


def _is_of_a_face(payment: Payment) -> bool:
    """Whether it came through a face, whose customers go back to their shop after one try."""
    return payment.hold is not None and payment.hold.capture is Capture.ON_VERIFY
