"""A stage for stories: the real engine, its journal, simulated banks and virtual time; what goes wrong the story says.

def test_...() -> None:
    async def scene(story: Story) -> None:
        number = await story.order("saman")
        ...

    told(scene)
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from gatewayd.core.money import Currency
from gatewayd.core.payment import Attempt, Payment, attempt_of
from gatewayd.core.settings import ServiceSettings
from gatewayd.core.states import State
from gatewayd.core.status import Status, status_of
from gatewayd.core.terms import Operation
from gatewayd.engine.cashier import Draft
from gatewayd.engine.engine import Engine
from gatewayd.engine.gateway import GatewaySettings, contracts
from gatewayd.engine.views import HandOver, View
from gatewayd.gateways.contract import Driver
from gatewayd.simulator.bank import Session
from gatewayd.simulator.host import Banks, Trouble
from gatewayd.simulator.inprocess import open_page, returned
from gatewayd.simulator.payers import Decision, Outcome
from gatewayd.world.clockwatch import Clocks
from gatewayd.world.contracts import TOLD, draw_service, gateways
from gatewayd.world.history import History
from gatewayd.world.loop import VirtualLoop
from gatewayd.world.machine import Machine
from gatewayd.world.options import Options
from gatewayd.world.oracle import Oracle
from gatewayd.world.receivers import Receivers
from gatewayd.world.wire import Wire
from tests.stage import MORNING, full_drivers

T = TypeVar("T")
AMOUNT = 150_000


class ScriptedWire(Wire):
    """Calls meet what the story says, and nothing else."""

    def __init__(self, **pieces: Any) -> None:
        super().__init__(**pieces)
        self.script: list[tuple[Operation, str]] = []
        self.sent: list[Operation] = []

    def strikes(self, driver: str, operation: Operation) -> str:
        """The first trouble in the script for such a call."""
        self.sent.append(operation)
        for place, (struck, kind) in enumerate(self.script):
            if struck is operation:
                del self.script[place]
                return kind
        return ""


@dataclass
class Story:
    """One shop, its payers and their banks."""

    loop: VirtualLoop
    clock: Clocks
    banks: Banks
    wire: ScriptedWire
    oracle: Oracle
    machine: Machine
    orders: int = 0

    # --- what people do

    async def order(
        self,
        *only: str,
        amount: int = AMOUNT,
        expires: int = 1_200,
        patience: float | None = None,
    ) -> int:
        """A shop makes a payment that may use only these gateways; it hangs up after `patience` seconds."""
        self.orders += 1
        draft = Draft(
            shop="main",
            key="k1",
            order_id=f"order {self.orders}",
            amount=amount,
            currency=Currency.IRR,
            return_url="https://shop.example/back",
            expires_in_seconds=expires,
            test=True,
            gateways=only,
            private={},
        )
        made = await self.machine.ask(
            lambda engine: engine.cashier.create(draft), patience=patience
        )
        assert isinstance(made, Payment)
        return made.number

    async def handed_over(self, number: int, *, another: bool = False) -> Attempt:
        """The customer opens our page and is sent to a bank."""
        view = await self.asks(
            lambda engine: (
                engine.cashier.try_another(number) if another else engine.cashier.arrive(number)
            )
        )
        assert isinstance(view, HandOver), view
        return view.attempt

    def at_bank(
        self,
        attempt: Attempt,
        outcome: Outcome = Outcome.PAID,
        *,
        takes: int | None = None,
    ) -> Mapping[str, str]:
        """What the payer's browser brings back; the bank may take another amount than was ordered."""
        assert attempt.redirect is not None
        session = open_page(self.banks, attempt.redirect, self.clock.true())
        assert not isinstance(session, Trouble), session
        session.amount = takes or session.amount
        back = returned(self.banks.act(session, Decision(outcome=outcome), self.clock.true()))
        assert back is not None
        return back.fields

    async def returns(self, number: int, attempt: Attempt, fields: Mapping[str, str]) -> View:
        """The browser comes back to us with these fields."""
        return await self.asks(
            lambda engine: engine.cashier.returned(number, attempt.number, fields)
        )

    async def asks(self, make: Callable[[Engine], Awaitable[T]]) -> T:
        """Whatever else somebody wants of the engine; Down if nobody answers."""
        return await self.machine.ask(make)

    # --- what happens to them

    def next_call(self, operation: Operation, *kinds: str) -> None:
        """The next such calls meet these troubles, one after the other."""
        self.wire.script += [(operation, kind) for kind in kinds]

    async def passes(self, seconds: float) -> None:
        """Time."""
        await asyncio.sleep(seconds)

    async def dies(self) -> None:
        """`kill -9`, and a new start soon after."""
        assert self.machine.life is not None
        self.machine.life.die()
        await self.passes(6.0)

    # --- what is known

    def payment(self, number: int) -> Payment:
        """As the disk has it."""
        return self.oracle.payments[number]

    def status(self, number: int) -> Status:
        """As the disk has it."""
        return status_of(self.payment(number))

    def state(self, number: int, attempt: int = 1) -> State:
        """As the disk has it."""
        return attempt_of(self.payment(number), attempt).state

    def session(self, number: int, attempt: int = 1) -> Session:
        """The bank's own book."""
        ours = attempt_of(self.payment(number), attempt)
        assert ours.token is not None
        session = self.banks.book.find(ours.gateway, ours.token, self.clock.true())
        assert session is not None
        return session


def told(
    scene: Callable[[Story], Awaitable[None]],
    drivers: Mapping[str, Driver] | None = None,
    switches: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Play the scene on virtual time; whatever the oracle objects to is a failure."""
    loop = VirtualLoop()
    try:
        loop.run(_played(loop, scene, drivers or full_drivers(), switches))
    finally:
        loop.close()


async def _played(
    loop: VirtualLoop,
    scene: Callable[[Story], Awaitable[None]],
    drivers: Mapping[str, Driver],
    switches: Mapping[str, Mapping[str, str]] | None,
) -> None:
    history, clock = History(loop.time), Clocks(loop, MORNING)
    ours = gateways(drivers, None)
    banks = Banks(contracts(ours), seed=7, switches=switches)
    traits = {name: driver.traits for name, driver in drivers.items()}
    oracle = Oracle(history, banks.book, traits, TOLD)
    wire = ScriptedWire(
        loop=loop,
        banks=banks,
        bank_time=clock.true,
        options=Options.calm(),
        dice=random.Random(7),
        history=history,
        oracle=oracle,
    )
    service = draw_service(random.Random(7), told=True)

    def configure() -> tuple[ServiceSettings, tuple[GatewaySettings, ...]]:
        return service, ours

    machine = Machine(
        loop=loop,
        clock=clock,
        wire=wire,
        oracle=oracle,
        history=history,
        options=Options.calm(),
        dice=random.Random(8),
        configure=configure,
        receivers=Receivers(
            loop=loop,
            options=Options.calm(),
            dice=random.Random(9),
            history=history,
            oracle=oracle,
        ),
    )
    machine.is_calm = True
    living = loop.create_task(machine.run())
    await asyncio.sleep(0.1)
    await scene(Story(loop, clock, banks, wire, oracle, machine))
    await machine.stop()
    await living
    assert [] == history.violations
