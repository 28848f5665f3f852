"""Begins attempts: ranks the gateways, asks one after the other for a token, and keeps the first that is given.

The tries are tasks of the engine, one at a time per payment; several windows on the same payment wait for the same try.
A lost start is always safe elsewhere, because no payer holds its token; its order number is never used again.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatewayd.core import events as ev
from gatewayd.core.needs import NONE, Needs, needs_of
from gatewayd.core.payment import Payment
from gatewayd.core.settings import EngineSettings, PaymentSettings
from gatewayd.core.terms import (
    AddressedBy,
    Capture,
    CodeClass,
    Lost,
    Operation,
    Redirect,
    Refusal,
    Traits,
)
from gatewayd.core.values import quick
from gatewayd.engine.acting import Acting
from gatewayd.engine.deadlines import Deadlines
from gatewayd.engine.drive import drive
from gatewayd.engine.gateway import GatewaySettings
from gatewayd.engine.habits import Habits
from gatewayd.engine.ids import Ids
from gatewayd.engine.ports import Clock, Log, Transport
from gatewayd.engine.records import Records
from gatewayd.engine.telling import tell
from gatewayd.engine.tending import Spawn, Tending
from gatewayd.gateways.contract import Call, Reply
from gatewayd.journal.journal import reference_guard
from gatewayd.journal.store import Guard
from gatewayd.routing.router import BreakerState, Failure, Router

STARTS_MAX: Final = 60
"""Tokens asked for in a payment's life: ten reloads while no bank of six gives one, none of them a try."""
FITS_MAX: Final = 512
"""What is remembered of which gateways fit: shops ask for a few sets of them, and could ask for endlessly many."""
LEAST_SECONDS: Final = 0.5
"""With less than this left of the deadline no further bank is asked: it could not answer in time."""
FAILOVER: Final = "failover"
"""Why a gateway is tried that another was drawn before."""
NOT_THE_GATEWAYS: Final = frozenset(
    {CodeClass.MERCHANT_CONFIG, CodeClass.OUR_FAULT, CodeClass.CANCELLED, CodeClass.DECLINED}
)
"""Refusals of a token that say nothing about the bank's health."""


class Starting:
    """One per engine."""

    def __init__(
        self,
        *,
        records: Records,
        acting: Acting,
        tending: Tending,
        gateways: Mapping[str, GatewaySettings],
        shop_gateways: Mapping[str, frozenset[str]],
        router: Router,
        habits: Habits,
        transport: Transport,
        clock: Clock,
        deadlines: Deadlines,
        ids: Ids,
        log: Log,
        engine: EngineSettings,
        payments: PaymentSettings,
        spawn: Spawn,
    ) -> None:
        """`shop_gateways` holds the gateways that each shop may use."""
        self._records = records
        self._acting = acting
        self._tending = tending
        self._gateways = gateways
        self._shop_gateways = shop_gateways
        self._router = router
        self._habits = habits
        self._transport = transport
        self._clock = clock
        self._deadlines = deadlines
        self._ids = ids
        self._log = log
        self._engine = engine
        self._payments = payments
        self._spawn = spawn
        self._fits: dict[tuple[str, bool, tuple[str, ...]], _Fit] = {}
        self._under_way: dict[int, list[asyncio.Future[int | None]]] = {}
        """Who waits for the try of a payment; each by himself, for one that goes must not take the others along."""

    # --- which gateways

    def eligible(self, payment: Payment) -> frozenset[str]:
        """The gateways that may take this payment, whatever their health."""
        needs = needs_of(
            payer=payment.payer,
            methods=payment.methods,
            splits=payment.splits,
            capture=payment.hold.capture if payment.hold else Capture.AUTOMATIC,
        )
        return self.eligible_for(
            payment.shop,
            amount=payment.amount,
            test=payment.test,
            only=payment.gateways,
            needs=needs,
        )

    def eligible_for(
        self,
        shop: str,
        *,
        amount: int,
        test: bool,
        only: tuple[str, ...] = (),
        needs: Needs = NONE,
    ) -> frozenset[str]:
        """The same for a payment that is not made yet."""
        known = self._fits.get((shop, test, only)) or self._fit(shop, test, only)
        if needs is NONE and known.amount_min <= amount <= known.amount_max:
            return known.names
        return frozenset(
            name
            for name, traits in known.traits
            if traits.amount_min <= amount <= traits.amount_max
            and (needs is NONE or needs.met_by(traits, amount))
        )

    def _fit(self, shop: str, test: bool, only: tuple[str, ...]) -> "_Fit":  # noqa: FBT001 - a key's part
        """What `eligible_for` knows whatever the payment: gateways do not change while the process runs."""
        found = []
        for name in self._shop_gateways[shop]:
            gateway = self._gateways[name]
            if not gateway.retired and gateway.test is test and (not only or name in only):
                found.append((name, gateway.traits))
        if len(self._fits) >= FITS_MAX:
            self._fits.clear()
        self._fits[shop, test, only] = fit = _Fit(
            names=frozenset(name for name, _ in found),
            traits=tuple(found),
            amount_min=max((traits.amount_min for _, traits in found), default=0),
            amount_max=min((traits.amount_max for _, traits in found), default=0),
        )
        return fit

    def may_begin(self, payment: Payment) -> bool:
        """Whether a further attempt may begin: tries and time are left, and a gateway is configured for it."""
        in_time = self._deadlines.now_ms() < payment.expires_ms
        return in_time and not self._is_spent(payment) and bool(self.eligible(payment))

    def another(self, payment: Payment) -> bool:
        """Whether a gateway other than the last one could take a further attempt now."""
        latest = payment.latest
        if not self.may_begin(payment):
            return False
        others = self.eligible(payment) - ({latest.gateway} if latest else set())
        now = self._clock.monotonic()
        return any(not self._router.is_cut_off(now, name) for name in others)

    def _is_spent(self, payment: Payment) -> bool:
        """Whether this payment has had all its tries."""
        tries = sum(attempt.token is not None for attempt in payment.attempts)
        return tries >= self._payments.attempts_max or len(payment.attempts) >= STARTS_MAX

    # --- trying

    async def under_way(self, number: int) -> bool:
        """Until no try for this payment is under way; whether one was."""
        waiting = self._under_way.get(number)
        if waiting is None:
            return False
        await _joined(waiting)
        return True

    async def begin(self, number: int) -> int | None:
        """The number of a new attempt that has a token; None where no gateway gave one. The payment is held."""
        waiting = self._under_way.get(number)
        if waiting is None:
            if not self._spawn(self._run(number), f"pay_{number}/start"):
                return None
            waiting = self._under_way[number] = []
        return await _joined(waiting)

    async def _run(self, number: int) -> None:
        self._records.journal.pin(number)
        begun: int | None = None
        try:
            begun = await self._try_all(number)
        except Exception as error:  # noqa: BLE001 - a bug about one payment must not stop the rest
            self._log.error("start failed", error=f"{type(error).__name__}: {error}")
        finally:
            for future in self._under_way.pop(number):
                if not future.done():
                    future.set_result(begun)
            self._tending.consider(number)
            self._records.journal.unpin(number)

    async def _try_all(self, number: int) -> int | None:
        deadline = self._clock.monotonic() + self._engine.start_deadline_seconds
        payment = self._records.get(number)
        tried = {attempt.gateway for attempt in payment.attempts}
        eligible = self.eligible(payment)
        fresh = eligible - tried
        now = self._clock.monotonic()
        ranking = self._router.rank(
            now, fresh or eligible, amount=payment.amount, favourite=self._habits.favourite(payment)
        )
        order = ranking.order
        if fresh and fresh != eligible:
            order += self._router.rank(now, eligible - fresh, amount=payment.amount).order
        for place, gateway in enumerate(order):
            left = deadline - self._clock.monotonic()
            await self._records.unlocked(number)
            payment = self._records.get(number)
            if left < LEAST_SECONDS or self._is_spent(payment) or not payment.takes_attempts:
                break
            drawn = _Drawn(
                probability=round(ranking.probability.get(gateway, 0.0), 6),
                reason=ranking.reason if place == 0 else FAILOVER,
                weighed=ranking.weighed if place == 0 else "",
            )
            attempt = await self._try_one(payment, self._gateways[gateway], drawn, left)
            if attempt is not None:
                return attempt
        return None

    async def _try_one(
        self, payment: Payment, gateway: GatewaySettings, drawn: "_Drawn", left: float
    ) -> int | None:
        number, attempt = payment.number, len(payment.attempts) + 1
        traits = gateway.traits
        at_ms = self._deadlines.now_ms()
        request = ev.StartRequested(
            at_ms=at_ms,
            attempt=attempt,
            gateway=gateway.name,
            bank_order=self._ids.bank_order(at_ms),
            settles=traits.settles,
            probability=drawn.probability,
            reason=drawn.reason,
            weighed=drawn.weighed,
        )
        self._tending.mark_busy(number, attempt)
        try:
            self._records.append(number, request)
            ours = self._records.get(number).attempts[-1]
            order = self._acting.order(payment, ours)
            began = self._clock.monotonic()
            seconds = min(self._engine.start_seconds, left)

            def send(call: Call) -> Coroutine[Any, Any, Reply | Lost]:
                return self._transport.send(gateway.name, Operation.START, call, seconds)

            outcome = await drive(gateway.driver.start(order), send)
            now = self._clock.monotonic()
            self._report(now, (number, attempt), gateway.name, outcome, now - began, payment.amount)
            await self._records.unlocked(number)
            event = _start_event(outcome, attempt, self._deadlines.now_ms())
            takes: tuple[Guard, ...] = ()
            if isinstance(event, ev.Started) and traits.addressed_by is AddressedBy.TOKEN:
                takes = (reference_guard(gateway.name, event.redirect.token),)
            conflict = await self._records.wait(self._records.append(number, event, takes=takes))
            if conflict is not None:
                await self._records.unlocked(number)
                event = ev.StartLost(
                    at_ms=event.at_ms, attempt=attempt, cause="the bank gave a token twice"
                )
                await self._records.wait(self._records.append(number, event))
            tell(
                self._log,
                event,
                number,
                gateway.name,
                seconds=round(now - began, 4),
                drawn=drawn.reason,
                probability=drawn.probability,
            )
        finally:
            self._tending.mark_idle(number, attempt)
        return attempt if isinstance(event, ev.Started) else None

    def _report(
        self,
        now: float,
        key: tuple[int, int],
        gateway: str,
        outcome: Redirect | Refusal | Lost,
        seconds: float,
        amount: int,
    ) -> None:
        """Tell the router how the token step ended; our own mistakes are told to people instead."""
        match outcome:
            case Redirect():
                closed = self._router.breaker(now, gateway) is BreakerState.CLOSED
                if not closed or self._router.is_taken_out(gateway):
                    self._log.info("gateway answers again", gateway=gateway)
                self._router.started(now, key, gateway, ok=True, seconds=seconds, amount=amount)
            case Refusal(cause=CodeClass.MERCHANT_CONFIG, code=code):
                self._router.take_out(now, gateway, f"the bank refuses our contract: code {code}")
                self._log.error("gateway misconfigured", gateway=gateway, code=code)
            case Refusal(cause=cause, code=code) if cause in NOT_THE_GATEWAYS:
                self._log.error("start refused as our fault", gateway=gateway, code=code)
            case _:
                failure = _failure(outcome)
                was = self._router.breaker(now, gateway)
                self._router.started(
                    now, key, gateway, ok=False, seconds=seconds, amount=amount, failure=failure
                )
                if was is BreakerState.CLOSED is not self._router.breaker(now, gateway):
                    self._log.warning("gateway cut off", gateway=gateway, failure=str(failure))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """The gateways that some payments of a shop may use."""

    names: frozenset[str]
    traits: tuple[tuple[str, Traits], ...]
    amount_min: int
    """From here…"""
    amount_max: int
    """…to there every one of them takes an amount, where nothing else is asked of it."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """How a gateway came to be tried, as it is journaled."""

    probability: float
    reason: str
    weighed: str


def _joined(waiting: "list[asyncio.Future[int | None]]") -> "asyncio.Future[int | None]":
    """A place among those who wait."""
    future: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
    waiting.append(future)
    return future


def _failure(outcome: Refusal | Lost) -> Failure:
    match outcome:
        case Refusal():
            return Failure.REFUSED
        case Lost(reached=reached):
            return Failure.UNANSWERED if reached else Failure.UNREACHED


def _start_event(outcome: Redirect | Refusal | Lost, attempt: int, at_ms: int) -> ev.AttemptEvent:
    match outcome:
        case Redirect():
            return ev.Started(at_ms=at_ms, attempt=attempt, redirect=outcome)
        case Refusal():
            return ev.StartRefused(at_ms=at_ms, attempt=attempt, refusal=outcome)
        case Lost():
            return ev.StartLost(at_ms=at_ms, attempt=attempt, cause=outcome.cause)
