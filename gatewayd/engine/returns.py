"""Takes in what browsers bring back from banks.

Rules:

* A return on a genuine address is journaled with its fields; a repeat of the same fields is only counted, and
  so is everything beyond the limit of distinct returns: nobody can make the journal grow without bound.
* The reference that a claim is verified by is claimed in the same append. If another payment holds it, the return is
  journaled all the same, and waits.
* A claim that can be verified at once is: the return and the request of its verify land together.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from gatewayd.core import events as ev
from gatewayd.core import judge
from gatewayd.core import plan as pl
from gatewayd.core.payment import Payment, apply, attempt_of
from gatewayd.core.settings import PaymentSettings
from gatewayd.core.states import State
from gatewayd.core.terms import AddressedBy, Claim, CodeClass
from gatewayd.core.values import changed
from gatewayd.engine.acting import Acting, reference_of, terminal_of
from gatewayd.engine.deadlines import Deadlines
from gatewayd.engine.gateway import GatewaySettings
from gatewayd.engine.links import Links
from gatewayd.engine.ports import Clock, Log
from gatewayd.engine.records import Records
from gatewayd.engine.telling import tell
from gatewayd.engine.tending import Tending
from gatewayd.gateways.contract import MalformedReply
from gatewayd.journal.store import Guard
from gatewayd.routing.router import Router

EMPTY: Final = Claim(outcome=CodeClass.UNKNOWN)


class _AtOnce(NamedTuple):
    """The events by which a claim is verified, and what the first of them make of its payment."""

    events: tuple[ev.Event, ...]
    foreseen: tuple[Payment, ...]


class Returns:
    """One per engine."""

    def __init__(
        self,
        *,
        records: Records,
        tending: Tending,
        acting: Acting,
        gateways: Mapping[str, GatewaySettings],
        router: Router,
        clock: Clock,
        deadlines: Deadlines,
        links: Links,
        log: Log,
        payments: PaymentSettings,
    ) -> None:
        self._records = records
        self._tending = tending
        self._acting = acting
        self._gateways = gateways
        self._router = router
        self._clock = clock
        self._deadlines = deadlines
        self._links = links
        self._log = log
        self._payments = payments
        self.repeated = 0
        """Returns that brought nothing new, more than are kept, or what nobody can read any more; only counted."""

    async def take_in(self, number: int, attempt: int, fields: Mapping[str, str]) -> None:
        """Record a return that brings something new, and begin what it calls for."""
        await self._records.unlocked(number)
        payment = self._records.get(number)
        ours = attempt_of(payment, attempt)
        digest = self._links.digest(fields)
        if digest in ours.digests or len(ours.digests) >= self._payments.returns_max:
            self.repeated += 1
            return
        gateway = self._gateways.get(ours.gateway)
        if gateway is None:  # dropped since, with nothing open there: nobody can read it or ask
            self.repeated += 1
            return
        claim = self._read(gateway, fields)
        traits = gateway.traits
        standing = judge.standing(
            claim, ours, amount=payment.amount, terminal=terminal_of(gateway), traits=traits
        )
        at_ms = self._deadlines.now_ms()
        came = ev.Returned(
            at_ms=at_ms,
            attempt=attempt,
            claim=claim if claim.card is None else changed(claim, card=None),
            standing=standing,
            digest=digest,
            private={"fields": dict(fields)},
        )
        after = apply(payment, came)
        events, foreseen = list[ev.Event]([came]), [after]
        if (
            standing is ev.Standing.FOREIGN
            and claim.outcome is CodeClass.OK
            and not payment.reviews
        ):
            reason = "a return that says paid does not fit its attempt"
            events.append(ev.ReviewRaised(at_ms=at_ms, reason=reason))
            foreseen.append(apply(after, events[-1]))
        tell(self._log, came, number, ours.gateway)
        if len(events) > 1:
            tell(self._log, events[1], number)
        self._report(number, attempt, claim, standing)
        verify = self._verify_at_once(foreseen[-1], attempt, at_ms, traits.addressed_by)
        if verify is None:
            self._records.append(number, *events, foreseen=tuple(foreseen))
            self._tending.consider(number)
            return
        takes: tuple[Guard, ...] = ()
        if traits.addressed_by is AddressedBy.REFERENCE:
            takes = reference_of(attempt_of(after, attempt), gateway)
        ticket = self._records.append(
            number, *events, *verify.events, takes=takes, foreseen=(*foreseen, *verify.foreseen)
        )

        async def follow() -> None:
            conflict = await self._records.wait(ticket)
            if conflict is None:
                await self._acting.verify(number, attempt)
            else:  # another payment holds the reference: recorded all the same, and it waits
                await self._records.unlocked(number)
                await self._records.wait(self._records.append(number, *events))

        self._tending.begin(number, attempt, follow)

    def _verify_at_once(
        self, after: Payment, number: int, at_ms: int, addressed_by: AddressedBy
    ) -> _AtOnce | None:
        """How a claim is verified in the same breath; None where the plan wants something else."""
        if self._tending.is_stopping or self._tending.is_busy(after.number, number):
            return None
        took: tuple[ev.Event, ...] = ()
        foreseen: tuple[Payment, ...] = ()
        if addressed_by is AddressedBy.REFERENCE:
            if attempt_of(after, number).state is not State.IN_DOUBT:
                return None
            took = (ev.ReferenceTaken(at_ms=at_ms, attempt=number),)
            after = apply(after, took[0])
            foreseen = (after,)
        action = self._tending.next_action(after, at_ms)
        match action:
            case pl.Verify(attempt=due, purpose=purpose) if (
                due == number and action.due_ms <= at_ms
            ):
                request = ev.VerifyRequested(at_ms=at_ms, attempt=number, purpose=purpose)
                return _AtOnce((*took, request), foreseen)
            case _:
                return None

    def _read(self, gateway: GatewaySettings, fields: Mapping[str, str]) -> Claim:
        try:
            return gateway.driver.read_return(fields)
        except MalformedReply:
            return EMPTY

    def _report(self, number: int, attempt: int, claim: Claim, standing: ev.Standing) -> None:
        """Tell the router of a payer who came back; what does not fit says nothing about a gateway."""
        now = self._clock.monotonic()
        match standing:
            case ev.Standing.CLAIM:
                self._router.returned(now, (number, attempt), "paid")
            case ev.Standing.NO:
                self._router.returned(
                    now, (number, attempt), judge.outcome_for_router(claim.outcome)
                )
            case _:
                pass
