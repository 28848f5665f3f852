"""A shop that gives money back, at any bank: the listener of `web_stage` with contracts that can do everything."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from gatewayd.core.payment import Payment
from gatewayd.core.terms import Operation
from gatewayd.engine.gateway import GatewaySettings
from gatewayd.simulator.faults import Fault, Kind
from tests.stage import full_drivers
from tests.web_stage import Answer, Web, web_stage

DAY_SECONDS = 86_400.0


def full_gateways() -> tuple[GatewaySettings, ...]:
    """One of each driver with all that its bank sells, for test keys."""
    return tuple(
        GatewaySettings(name=name, driver=driver, test=True)
        for name, driver in full_drivers().items()
    )


@asynccontextmanager
async def refund_stage(*only: str, **how: Any) -> AsyncIterator[Web]:
    async with web_stage(gateways=full_gateways(), only=only, **how) as web:
        yield web


async def paid(web: Web, **changes: Any) -> dict[str, Any]:
    """A payment that was paid."""
    payment = await web.create(**changes)
    await web.pay(payment)
    shown = await web.show(payment)
    assert "paid" == shown["status"], shown
    return shown


_KEYS = iter(range(1, 10**9))


async def ask_back(
    web: Web,
    payment: Mapping[str, Any],
    document: Mapping[str, Any] | None = None,
    *,
    key: str | None = None,
) -> Answer:
    """A call for a refund, with a fresh idempotency key unless one is given."""
    headers = {"Idempotency-Key": key or f"refund-{next(_KEYS)}"}
    path = f"/v1/payments/{payment['id']}/refunds"
    return await web.call("POST", path, document, headers=headers)


async def made(web: Web, payment: Mapping[str, Any], **document: Any) -> dict[str, Any]:
    """A refund; it must be agreed to."""
    answer = await ask_back(web, payment, document)
    assert 201 == answer.status, answer.text
    found: dict[str, Any] = answer.json
    return found


async def shown(web: Web, refund: Mapping[str, Any]) -> dict[str, Any]:
    """The refund as its shop sees it now."""
    answer = await web.call("GET", f"/v1/refunds/{refund['id']}")
    assert 200 == answer.status, answer.text
    found: dict[str, Any] = answer.json
    return found


async def at_rest(web: Web, payment: Mapping[str, Any]) -> Payment:
    """The payment when no call about it is out and nothing is due just now."""
    number = int(payment["id"].removeprefix("pay_"))
    tending = web.engine.tending
    async with web.engine.records.holding(number):
        while True:
            attempts = web.engine.records.get(number).attempts
            await tending.until_idle(number, [attempt.number for attempt in attempts])
            await web.engine.records.unlocked(number)
            found = web.engine.records.get(number)
            action = tending.next_action(found)
            if not tending.is_busy(number, 1) and (
                action is None or action.due_ms > web.engine.deadlines.now_ms()
            ):
                await web.engine.records.landed(number)
                return found
            tending.consider(number)


async def later(web: Web, payment: Mapping[str, Any], seconds: float) -> Payment:
    """The payment after a while, looked after as often as it needs."""
    until = web.clock.now + seconds
    number = int(payment["id"].removeprefix("pay_"))
    found = await at_rest(web, payment)
    while True:
        action = web.engine.tending.next_action(found)
        if action is None or action.due_ms / 1000 > until:
            web.clock.now = max(until, web.clock.now)
            web.engine.tending.consider(number)
            return await at_rest(web, payment)
        web.clock.now = max(action.due_ms / 1000, web.clock.now)
        web.engine.tending.consider(number)
        found = await at_rest(web, payment)


def ledger(web: Web) -> dict[str, Any]:
    """The banks' own account of the only payment that there is."""
    (row,) = [row for row in web.banks.book.ledger(web.clock.now) if row["state"] != "expired"]
    return row


def goes_wrong(web: Web, kind: Kind, operation: Operation = Operation.REFUND) -> None:
    """From now on this operation does."""
    web.banks.faults.add(Fault(driver="*", kind=kind, operation=operation), web.clock.now)
