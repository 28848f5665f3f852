"""Carries out what `plan` asked for: the request on disk, the call, and what its answer means as an event.

Rules:

* The request is on disk before the call leaves. Verify, settle, reverse and refund each have their own pair of events.
* An answer becomes an event by the pure functions of `core.outcomes`; nothing is compared here.
* An answer that is no definite yes or no is recorded as lost, with what it said, and the plan asks again.
"""

from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar, cast

from gatewayd.core import events as ev
from gatewayd.core import judge, outcomes
from gatewayd.core import plan as pl
from gatewayd.core.payment import Attempt, Payment, allows, apply, attempt_of
from gatewayd.core.refunds import Refund
from gatewayd.core.settings import EngineSettings
from gatewayd.core.states import State
from gatewayd.core.terms import (
    AddressedBy,
    CodeClass,
    Lost,
    Operation,
    Order,
    Payer,
    Receipt,
    Refusal,
    Traits,
)
from gatewayd.engine.deadlines import Deadlines
from gatewayd.engine.drive import drive
from gatewayd.engine.gateway import GatewaySettings
from gatewayd.engine.ids import Ids
from gatewayd.engine.links import Links
from gatewayd.engine.ports import Clock, Log, Transport
from gatewayd.engine.records import Records
from gatewayd.engine.telling import public_id, tell
from gatewayd.gateways.contract import (
    Call,
    Flow,
    Inquirable,
    Refundable,
    Reply,
    Reversible,
    Settleable,
)
from gatewayd.journal.journal import Ticket, reference_guard
from gatewayd.journal.store import Guard, Holder
from gatewayd.routing.router import Router

T = TypeVar("T")
_NOBODY: Final = Payer()


class Acting:
    """The engine's hands: one method per kind of call.

    Nothing is planned that a gateway's traits do not promise, and its driver can do what they do: that is not looked at
    again for every call.
    """

    def __init__(
        self,
        *,
        records: Records,
        gateways: Mapping[str, GatewaySettings],
        router: Router,
        transport: Transport,
        clock: Clock,
        deadlines: Deadlines,
        ids: Ids,
        links: Links,
        log: Log,
        settings: EngineSettings,
    ) -> None:
        self._records = records
        self._gateways = gateways
        self._router = router
        self._transport = transport
        self._clock = clock
        self._deadlines = deadlines
        self._ids = ids
        self._links = links
        self._log = log
        self._settings = settings

    # --- what goes to disk before a call leaves

    def request(self, number: int, action: pl.Action) -> Ticket | None:
        """Record that this call is about to be made; None for a call that changes nothing.

        Nothing may lie between deciding on the action and this.
        """
        at_ms, attempt = self._now(), action.attempt
        takes: tuple[Guard, ...] = ()
        event: ev.Event
        match action:
            case pl.Verify(purpose=purpose):
                event = ev.VerifyRequested(at_ms=at_ms, attempt=attempt, purpose=purpose)
            case pl.TakeReference():
                _, ours, gateway = self._parts(number, attempt)
                event = ev.ReferenceTaken(at_ms=at_ms, attempt=attempt)
                takes = reference_of(ours, gateway)
            case pl.Settle():
                event = ev.SettleRequested(at_ms=at_ms, attempt=attempt)
            case pl.Reverse(refund=refund):
                event = ev.ReverseRequested(at_ms=at_ms, attempt=attempt, refund=refund)
            case pl.Refund(refund=refund) if refund:
                wanted = refund_of(self._records.get(number), refund)
                event = ev.RefundRequested(
                    at_ms=at_ms,
                    attempt=attempt,
                    amount=wanted.amount,
                    refund_order=wanted.refund_order or self._ids.bank_order(at_ms),
                    refund=refund,
                )
            case pl.Refund():
                payment, ours, _ = self._parts(number, attempt)
                taken = ours.receipt.amount if ours.receipt else None
                event = ev.RefundRequested(
                    at_ms=at_ms,
                    attempt=attempt,
                    amount=taken or payment.amount,
                    refund_order=self._ids.bank_order(at_ms),
                )
            case _:
                return None
        return self._records.append(number, event, takes=takes)

    async def call(self, number: int, action: pl.Action, ticket: Ticket | None) -> None:
        """Make the call whose request is `ticket`, and record what came of it."""
        conflict = await self._records.wait(ticket) if ticket else None
        match action:
            case pl.Verify():
                await self.verify(number, action.attempt)
            case pl.TakeReference():
                if conflict is not None:
                    await self._reference_held(number, action.attempt, conflict)
            case pl.Settle():
                await self._settle(number, action.attempt)
            case pl.Reverse():
                await self._reverse(number, action.attempt)
            case pl.Refund(refund=refund):
                await self._refund(number, action.attempt, refund)
            case pl.AskRefund(refund=refund):
                await self._ask_refund(number, action.attempt, refund)
            case pl.Inquire():
                await self._inquire(number, action.attempt)
            case _:
                raise AssertionError(f"no call for {type(action).__name__}")

    # --- the calls; their requests are on disk

    async def verify(self, number: int, attempt: int) -> None:
        """Ask the bank to confirm; where it is to be settled, that follows at once."""
        payment, ours, gateway = self._parts(number, attempt)
        assert ours.token is not None, "only started attempts are verified"
        flow = gateway.driver.verify(self.order(payment, ours), ours.token, ours.claim)
        outcome = await self._drive(gateway, Operation.VERIFY, flow, self._settings.verify_seconds)
        await self._records.unlocked(number)
        payment, ours, _ = self._parts(number, attempt)
        event = outcomes.verify_event(
            outcome,
            payment,
            ours,
            terminal=terminal_of(gateway),
            traits=gateway.traits,
            at_ms=self._now(),
        )
        events: list[ev.Event] = [event]
        reason = review_of(event, gateway.traits)
        if reason:
            events.append(ev.ReviewRaised(at_ms=event.at_ms, reason=reason))
        settles = False
        foreseen: tuple[Payment, ...] = ()
        if ours.settles and not payment.stopping and not payment.waits:
            verified = apply(payment, event)
            after = attempt_of(verified, attempt)
            settles, foreseen = after.state is State.VERIFIED and not after.captured, (verified,)
        if settles:
            events.append(ev.SettleRequested(at_ms=event.at_ms, attempt=attempt))
        releases = reference_of(ours, gateway) if isinstance(event, ev.VerifyRefused) else ()
        ticket = self._records.append(number, *events, releases=releases, foreseen=foreseen)
        self._router.verified(
            self._clock.monotonic(), (number, attempt), ok=isinstance(event, ev.Verified)
        )
        tell(self._log, event, number, gateway.name)
        if reason:
            tell(self._log, events[1], number)
        await self._records.wait(ticket)
        if settles:
            await self._settle(number, attempt)

    async def _settle(self, number: int, attempt: int) -> None:
        payment, ours, gateway = self._parts(number, attempt)
        driver, token, receipt = cast("Settleable", gateway.driver), ours.token, ours.receipt
        assert token is not None
        assert receipt is not None
        flow = driver.settle(self.order(payment, ours), token, receipt)
        outcome = await self._drive(gateway, Operation.SETTLE, flow, self._settings.verify_seconds)
        await self._conclude(
            number, outcomes.settle_event(outcome, attempt, self._now()), gateway.name
        )

    async def _reverse(self, number: int, attempt: int) -> None:
        payment, ours, gateway = self._parts(number, attempt)
        driver, token = cast("Reversible", gateway.driver), ours.token
        assert token is not None
        receipt = ours.receipt or Receipt(ref_num=ours.claim.reference if ours.claim else None)
        flow = driver.reverse(self.order(payment, ours), token, receipt)
        outcome = await self._drive(gateway, Operation.REVERSE, flow, self._settings.verify_seconds)
        await self._conclude(
            number, outcomes.reverse_event(outcome, attempt, self._now()), gateway.name
        )

    async def _refund(self, number: int, attempt: int, refund: int) -> None:
        """Refund `refund` of this payment; 0: all of an attempt's money that must not be kept."""
        payment, ours, gateway = self._parts(number, attempt)
        driver, token, receipt = gateway.driver, ours.token, ours.receipt
        assert isinstance(driver, Refundable)
        assert token is not None
        assert receipt is not None
        amount, refund_order = receipt.amount or payment.amount, ours.refund_order
        if refund:
            wanted = refund_of(payment, refund)
            amount, refund_order = wanted.amount, wanted.refund_order
        assert refund_order is not None
        flow = driver.refund(self.order(payment, ours), token, receipt, amount, refund_order)
        outcome = await self._drive(gateway, Operation.REFUND, flow, self._settings.verify_seconds)
        event = outcomes.refund_event(outcome, attempt, amount, self._now(), refund)
        await self._conclude(number, event, gateway.name)

    async def _ask_refund(self, number: int, attempt: int, refund: int) -> None:
        """What became of a refund whose answer was lost, or that the bank carries out later."""
        payment, ours, gateway = self._parts(number, attempt)
        wanted = refund_of(payment, refund)
        driver, token, receipt, refund_order = (
            gateway.driver,
            ours.token,
            ours.receipt,
            wanted.refund_order,
        )
        assert isinstance(driver, Refundable)
        assert token is not None
        assert receipt is not None
        assert refund_order is not None
        order = self.order(payment, ours)
        flow = driver.inquire_refund(
            order, token, receipt, wanted.amount, refund_order, wanted.given
        )
        outcome = await self._drive(
            gateway, Operation.INQUIRE, flow, self._settings.inquire_seconds
        )
        event = outcomes.refund_asked_event(outcome, refund, self._now())
        await self._conclude(number, event, gateway.name)

    async def _inquire(self, number: int, attempt: int) -> None:
        """What the bank says is recorded if it still matters: a return may have come meanwhile."""
        payment, ours, gateway = self._parts(number, attempt)
        driver, token = cast("Inquirable", gateway.driver), ours.token
        assert token is not None
        flow = driver.inquire(self.order(payment, ours), token, ours.claim)
        outcome = await self._drive(
            gateway, Operation.INQUIRE, flow, self._settings.inquire_seconds
        )
        await self._records.unlocked(number)
        event = outcomes.inquiry_event(outcome, attempt, self._now())
        if allows(self._records.get(number), event):
            await self._conclude(number, event, gateway.name)

    async def _reference_held(self, number: int, attempt: int, holder: Holder) -> None:
        """Where another payment keeps the reference of a claim, the claim is put aside for good."""
        other = await self._records.look(holder.number)
        await self._records.unlocked(number)
        if other is None or other.kept is None:
            return
        at_ms = self._now()
        rejected = ev.ClaimRejected(at_ms=at_ms, attempt=attempt, why=ev.Wrong.REFERENCE)
        reason = f"a return brought the reference that {public_id(holder.number)} was paid by"
        if allows(self._records.get(number), rejected):
            review = ev.ReviewRaised(at_ms=at_ms, reason=reason)
            ticket = self._records.append(number, rejected, review)
            tell(self._log, review, number)
            await self._records.wait(ticket)

    # --- pieces

    def order(self, payment: Payment, attempt: Attempt) -> Order:
        """What a driver is told of an attempt."""
        return Order(
            bank_order=attempt.bank_order,
            amount=payment.amount,
            callback_url=self._links.return_url(payment.number, attempt.number, attempt.gateway),
            # Banks compare it with their own clock, so a wall that was set back counts at once here.
            made_at=min(attempt.began_ms / 1000, self._clock.wall()),
            description=payment.description,
            payer=payment.payer or _NOBODY,
            splits=payment.splits,
        )

    async def _conclude(self, number: int, event: ev.Event, gateway: str) -> None:
        await self._records.unlocked(number)
        ticket = self._records.append(number, event)
        tell(self._log, event, number, gateway)
        await self._records.wait(ticket)

    async def _drive(
        self, gateway: GatewaySettings, operation: Operation, flow: Flow[T], seconds: float
    ) -> T | Lost:
        def send(call: Call) -> Coroutine[Any, Any, Reply | Lost]:
            return self._transport.send(gateway.name, operation, call, seconds)

        outcome = await drive(flow, send)
        if isinstance(outcome, Refusal) and outcome.cause is CodeClass.MERCHANT_CONFIG:
            # It is asked again; but the money of everybody who pays there waits for a person.
            self._log.error(
                "gateway misconfigured",
                gateway=gateway.name,
                code=outcome.code,
                operation=str(operation),
            )
        return outcome

    def _parts(self, number: int, attempt: int) -> tuple[Payment, Attempt, GatewaySettings]:
        payment = self._records.get(number)
        ours = attempt_of(payment, attempt)
        return payment, ours, self._gateways[ours.gateway]

    def _now(self) -> int:
        return self._deadlines.now_ms()


def review_of(event: ev.AttemptEvent, traits: Traits) -> str:
    """Why a person should look at what a verify brought; empty: nobody need."""
    match event:
        case ev.Mismatched(wrong=wrong):
            return f"verified, but the {wrong} differs"
        case ev.Verified(receipt=receipt) if judge.unsaid(receipt, traits):
            return "verified before an answer was lost, and the bank does not repeat the amount"
        case _:
            return ""


def refund_of(payment: Payment, number: int) -> Refund:
    """The refund with this number, which is known to exist: refunds are never removed."""
    return payment.refunds[number - 1]


def terminal_of(gateway: GatewaySettings) -> str:
    """The terminal that this contract's receipts must name; empty where the contract has none."""
    return str(getattr(gateway.driver, "terminal_id", ""))


def reference_of(attempt: Attempt, gateway: GatewaySettings) -> tuple[Guard, ...]:
    """The guard on what the attempt's claim is verified by; none where that is the token."""
    by_reference = gateway.traits.addressed_by is AddressedBy.REFERENCE
    if not by_reference or attempt.claim is None or attempt.claim.reference is None:
        return ()
    return (reference_guard(gateway.name, attempt.claim.reference),)
