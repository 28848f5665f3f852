"""What operators may see and do: the open payments with what each needs next, one payment's story, and a few orders.

An order goes the same way as everything else: it is journaled with who gave it and why, and carried out by the same
hands. What the table of transitions does not allow is refused with the reason.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from gatewayd.core import events as ev
from gatewayd.core import plan as pl
from gatewayd.core.payment import Attempt, Payment, allows
from gatewayd.core.states import State
from gatewayd.core.status import money_of, needs_review, status_of
from gatewayd.core.terms import AddressedBy, Ask
from gatewayd.engine.acting import Acting
from gatewayd.engine.deadlines import Deadlines
from gatewayd.engine.gateway import GatewaySettings
from gatewayd.engine.ports import Clock, Log
from gatewayd.engine.records import ReadRows, Records
from gatewayd.engine.telling import public_id, refund_id, tell
from gatewayd.engine.tending import Tending
from gatewayd.gateways.contract import Reversible
from gatewayd.routing.router import Router

NEVER_MS: Final = 2**63
TOKENS: Final = frozenset({"token", "fields"})
ASKABLE: Final = frozenset({State.WITH_PAYER, State.IN_DOUBT})
GIVEN_BACK_BY_HAND: Final = frozenset({State.VERIFIED, State.SETTLED, State.OWED, State.IN_REVIEW})


class Refused(Exception):
    """The order cannot be carried out; the text says why and what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One event of a payment's story."""

    version: int
    at_ms: int
    kind: str
    fields: Mapping[str, Any]
    """What the event holds, without anything private."""


class Operating:
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
        read_rows: ReadRows,
        log: Log,
    ) -> None:
        self._records = records
        self._tending = tending
        self._acting = acting
        self._gateways = gateways
        self._router = router
        self._clock = clock
        self._deadlines = deadlines
        self._read_rows = read_rows
        self._log = log

    # --- seeing

    async def payments(self, limit: int, in_review: Iterable[int]) -> list[dict[str, Any]]:
        """First what a person should look at, then what else is open; of both the most urgent first.

        `in_review` are those that a person should look at, also of payments that have ended: paid ones may be. Whose
        refund waits for a person, and nothing else, stands in the list of refunds.
        """
        found = {payment.number: payment for payment in self._records.journal.payments()}
        for number in in_review:
            if number not in found:
                ended = await self._records.look(number)
                if ended is not None and ended.reviews:
                    found[number] = ended
        rows = [self._summary(payment) for payment in found.values()]
        rows.sort(key=lambda row: (not row["reviews"], row["due_ms"] or NEVER_MS))
        return rows[:limit]

    async def story(self, number: int) -> tuple[dict[str, Any], list[Line]] | None:
        """A payment and its events in order; None if there is none."""
        payment = await self._records.look(number)
        if payment is None:
            return None
        lines = [
            Line(version=row.version, at_ms=row.at_ms, kind=row.kind, fields=_public(row.body))
            for row in await self._read_rows(number)
        ]
        return self._summary(payment), lines

    def _summary(self, payment: Payment) -> dict[str, Any]:
        action = self._tending.next_action(payment)
        return {
            "payment": public_id(payment.number),
            "shop": payment.shop,
            "order_id": payment.order_id,
            "amount_rial": payment.amount,
            "status": str(status_of(payment)),
            "money": str(money_of(payment)),
            "needs_review": needs_review(payment),
            "reviews": list(payment.reviews),
            "attempts": [
                {"number": each.number, "gateway": each.gateway, "state": str(each.state)}
                for each in payment.attempts
            ],
            "refunds": [
                {
                    "id": refund_id(payment.number, each.number),
                    "amount_rial": each.amount,
                    "status": str(each.status),
                    "kind": str(each.way) if each.way else None,
                }
                for each in payment.refunds
            ],
            "next": _name(action) if action else None,
            "due_ms": action.due_ms if action else None,
            "now_ms": self._deadlines.now_ms(),
        }

    # --- orders

    async def ask(self, number: int, *, by: str, reason: str) -> str:
        """Ask the bank about the latest attempt that can be asked; what came of it in words."""
        async with self._records.holding(number) as held:
            if held is None:
                raise Refused("there is no such payment")
            await self._records.unlocked(number)
            payment = self._records.get(number)
            found = next(
                (
                    (attempt, action)
                    for attempt in reversed(payment.attempts)
                    if (action := self._question(payment, attempt)) is not None
                ),
                None,
            )
            if found is None:
                raise Refused("no attempt of it can be asked about: see its story")
            attempt, action = found
            self._ordered(number, "ask", by, reason)
            self._begin(number, action)
            await self._tending.until_idle(number, (attempt.number,))
            await self._records.landed(number)
            return self._told(number)

    async def reverse(self, number: int, *, by: str, reason: str) -> str:
        """Give the money of a payment back; what came of it in words."""
        async with self._records.holding(number) as held:
            if held is None:
                raise Refused("there is no such payment")
            await self._records.unlocked(number)
            payment = self._records.get(number)
            attempt = next((a for a in payment.attempts if a.state in GIVEN_BACK_BY_HAND), None)
            if attempt is None:
                raise Refused("no attempt of it holds money: see its story")
            gateway = self._gateways.get(attempt.gateway)
            if gateway is None:
                raise Refused(f"{attempt.gateway} is not in the configuration any more")
            driver = gateway.driver
            reversible = gateway.traits.reverse_within_seconds is not None
            action = pl.Reverse(due_ms=self._deadlines.now_ms(), attempt=attempt.number)
            event = ev.ReverseRequested(at_ms=action.due_ms, attempt=attempt.number)
            if not reversible or not isinstance(driver, Reversible) or not allows(payment, event):
                raise Refused(f"{attempt.gateway} does not reverse it: refund it another way")
            if self._tending.is_busy(number, attempt.number):
                raise Refused("a call about it is out just now: try again in a moment")
            self._ordered(number, "reverse", by, reason)
            self._begin(number, action)
            await self._tending.until_idle(number, (attempt.number,))
            await self._records.landed(number)
            return self._told(number)

    async def resolve(self, number: int, *, by: str, reason: str) -> str:
        """A person has looked at everything that needed it."""
        async with self._records.holding(number) as held:
            if held is None:
                raise Refused("there is no such payment")
            await self._records.unlocked(number)
            payment = self._records.get(number)
            if not payment.reviews:
                if needs_review(payment):
                    raise Refused("a refund of it waits for a person: say done or fail of that one")
                raise Refused("nothing about it needs review")
            event = ev.ReviewResolved(at_ms=self._deadlines.now_ms(), by=by, reason=reason)
            self._records.append(number, event)
            tell(self._log, event, number, by=by)
            await self._records.landed(number)
            return self._told(number)

    def force(self, gateway: str, to: Literal["open", "closed", "auto"], *, by: str) -> str:
        """Cut a gateway off, keep it on whatever happens, or let the router judge again."""
        if gateway not in self._gateways:
            raise Refused(f"there is no gateway {gateway[:40]!r}")
        self._router.force(self._clock.monotonic(), gateway, to)
        self._log.warning("gateway forced", gateway=gateway, to=to, by=by)
        return f"{gateway} is {'left to the router' if to == 'auto' else f'forced {to}'}"

    def set_routing(self, mode: Literal["learned", "fixed"], *, by: str) -> str:
        """The kill switch: draw by the contracts' own weights, or by what the router has learnt."""
        self._router.set_mode(self._clock.monotonic(), mode)
        self._log.warning("routing set", mode=mode, by=by)
        what = "by the contracts' own weights" if mode == "fixed" else "by what was learnt"
        return f"gateways are drawn {what}"

    # --- pieces

    def _question(self, payment: Payment, attempt: Attempt) -> pl.Action | None:
        """How this attempt's bank can be asked now; a verify only where the payment could keep what it finds."""
        if attempt.state not in ASKABLE or self._tending.is_busy(payment.number, attempt.number):
            return None
        if attempt.gateway not in self._gateways:
            return None
        now_ms = self._deadlines.now_ms()
        ask = self._gateways[attempt.gateway].traits.ask
        if ask is Ask.INQUIRY:
            return pl.Inquire(due_ms=now_ms, attempt=attempt.number)
        known = ask is Ask.VERIFY if attempt.claim is None else self._is_claimed(attempt)
        others = any(each.unknown for each in payment.attempts if each is not attempt)
        if known and payment.can_keep and payment.may_verify(attempt) and not others:
            return pl.Verify(due_ms=now_ms, attempt=attempt.number, purpose=ev.Purpose.KEEP)
        return None

    def _is_claimed(self, attempt: Attempt) -> bool:
        """Whether no other payment can be verified by what this one's claim is verified by."""
        by_token = self._gateways[attempt.gateway].traits.addressed_by is AddressedBy.TOKEN
        return by_token or attempt.reference_taken

    def _begin(self, number: int, action: pl.Action) -> None:
        if not self._tending.carry_out(number, action):
            raise Refused("the daemon is stopping: try again when it is back")

    def _ordered(self, number: int, act: str, by: str, reason: str) -> None:
        event = ev.OperatorActed(at_ms=self._deadlines.now_ms(), act=act, by=by, reason=reason)
        self._records.append(number, event)
        tell(self._log, event, number, act=act, by=by)

    def _told(self, number: int) -> str:
        payment = self._records.get(number)
        states = ", ".join(f"{a.number} at {a.gateway}: {a.state}" for a in payment.attempts)
        return f"{public_id(number)} is {status_of(payment)}; attempts: {states}"


def _public(body: bytes) -> dict[str, Any]:
    """An event's fields without the tokens by which somebody could pay or verify."""
    shown: dict[str, Any] = orjson.loads(body)
    for name in ("redirect", "claim", "receipt"):
        if isinstance(shown.get(name), dict):
            shown[name] = {k: v for k, v in shown[name].items() if k not in TOKENS}
    return shown


def _name(action: pl.Action) -> str:
    """What is done next, in a word or two."""
    match action:
        case pl.Note(event=event):
            return f"note {type(event).__name__}"
        case pl.Verify(purpose=purpose):
            return f"verify to {purpose}"
        case _:
            return type(action).__name__.lower()
