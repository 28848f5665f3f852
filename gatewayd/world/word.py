"""The shop's word on payments that wait for it: captures, and what a face's caller does after its customer is back.

Dice of its own, so that everybody else's story does not depend on which shops have one.
"""

import asyncio
import random
from typing import Final

from gatewayd.core.payment import Payment
from gatewayd.core.terms import Capture
from gatewayd.engine.capturing import Verdict
from gatewayd.engine.engine import Engine
from gatewayd.journal.store import Holder
from gatewayd.web.facade.giving_back import given_back
from gatewayd.web.facade.standing import Standing, standing_of
from gatewayd.web.facade.verifying import Verified, verified
from gatewayd.world.machine import Down
from gatewayd.world.town import Town

YES: Final = frozenset({Verdict.CAPTURED, Verdict.ALREADY})
TRIES_MAX: Final = 2
"""How often a shop captures again that got no answer, before it waits for a while."""


class Word:
    """One shop's, about one customer's payments."""

    def __init__(self, town: Town, name: str) -> None:
        self._town = town
        self._options = town.options
        self._dice = random.Random(name)

    def draw_capture(self) -> Capture:
        """How the shop wants to have its next payment."""
        options, draw, count = self._options, self._dice.random(), self._town.history.count
        if draw < options.shop_holds:
            count("shop_holds")
            return Capture.MANUAL
        if draw < options.shop_holds + options.shop_has_a_face:
            count("shop_has_a_face")
            return Capture.ON_VERIFY
        return Capture.AUTOMATIC

    def is_given(self, number: int) -> None:
        """The shop asks for what it is to say it wants, sooner or later or never."""
        payment = self._town.oracle.payments.get(number)
        if payment is None or payment.hold is None:
            return
        if self._dice.random() < self._options.shop_forgets:
            self._town.history.count("shop_forgets")
            return
        first_seconds = 60.0
        if self._dice.random() < self._options.shop_dallies:
            self._town.history.count("shop_dallies")
            first_seconds = 10_800.0
        self._town.send_out(self._wants(number, payment, self._dice.uniform(1.0, first_seconds)))

    async def _wants(self, number: int, payment: Payment, after: float) -> None:
        """A shop that asks for its money until it has it, or has asked often enough; some ask again all the same."""
        dice = self._dice
        faced = payment.hold is not None and payment.hold.face != ""
        ask = self._verified if faced else self._captured
        reverses = False
        await asyncio.sleep(after)
        for _ in range(dice.randrange(3, 20)):
            asking = [ask(number, payment)]
            if faced and dice.random() < self._options.shop_verifies_twice:
                self._town.history.count("shop_verifies_twice")
                asking.append(ask(number, payment))
            if any(await asyncio.gather(*asking)):
                if faced and not reverses and dice.random() < self._options.shop_reverses:
                    reverses = True
                    self._town.history.count("shop_reverses")
                    self._town.send_out(self._takes_back(number))
                if dice.random() < 0.7:
                    return
            await self._town.loop.sleep(dice.uniform(5.0, 240.0))

    async def _captured(self, number: int, _payment: Payment) -> bool:
        """Whether the shop is told that it has what it captures."""
        oracle = self._town.oracle

        async def want(engine: Engine) -> Verdict | None:
            oracle.wanted(number)
            answer = await engine.capturing.capture(number)
            assert not isinstance(answer, Holder), "no key was given"
            if (
                self._town.told(number, answer.payment if answer else None) is None
                or answer is None
            ):
                return None
            oracle.answered(answer.payment, answer.verdict)
            return answer.verdict

        for _ in range(TRIES_MAX):
            patience = self._dice.uniform(0.0, 0.5) if self._hangs_up() else None
            try:
                return await self._town.machine.ask(want, patience=patience) in YES
            except Down:
                await asyncio.sleep(self._dice.uniform(0.5, 20.0))
        return False

    async def _takes_back(self, number: int) -> None:
        """A face's shop that wants all of it to go back, until it knows; some ask again all the same."""
        dice = self._dice
        await asyncio.sleep(dice.uniform(0.0, 5.0 if dice.random() < 0.5 else 5_400.0))
        for _ in range(dice.randrange(1, 6)):
            asking = [self._reversed(number)]
            if dice.random() < self._options.shop_reverses_twice:
                self._town.history.count("shop_reverses_twice")
                asking.append(self._reversed(number))
            if any(await asyncio.gather(*asking)) and dice.random() < 0.7:
                return
            await self._town.loop.sleep(dice.uniform(0.5, 300.0))

    async def _reversed(self, number: int) -> bool:
        """Whether a face's shop hears that all of it goes back, or has gone back."""
        town = self._town

        async def reverse(engine: Engine) -> bool:
            found = town.told(number, await engine.records.look(number))
            if found is None or standing_of(found) is not Standing.VERIFIED:
                return found is not None and standing_of(found) is Standing.REVERSED
            done = await given_back(engine, found)
            town.oracle.told_back(number, done=done)
            return done is True

        patience = self._dice.uniform(0.0, 0.5) if self._hangs_up() else None
        try:
            return await town.machine.ask(reverse, patience=patience)
        except Down:
            return False

    def _hangs_up(self) -> bool:
        return not self._town.is_calm and self._dice.random() < self._options.hangs_up

    async def _verified(self, number: int, payment: Payment) -> bool:
        """Whether a face's shop hears that its payment is verified; sometimes it asks for another sum, or hangs up."""
        town, dice = self._town, self._dice
        has_hung_up, is_wrong = False, dice.random() < 0.1

        def hang_up() -> None:
            nonlocal has_hung_up
            has_hung_up = True

        async def verify(engine: Engine) -> Verified | None:
            found = town.told(number, await engine.records.look(number))
            if found is None:
                return None
            if is_wrong:
                answer = await engine.capturing.verify(number, amount=payment.amount + 1)
                assert answer is not None, "payments are never removed"
                done = Verified(answer.payment, answer.verdict, first=False)
            else:
                life = town.machine.life
                assert life is not None
                assert life.engine is engine, "a dead process serves nobody"
                town.oracle.wanted(number)
                done = await verified(engine, life.firsts, found, lambda: has_hung_up)
            town.told(number, done.payment)
            town.oracle.answered(done.payment, done.verdict)
            return done

        if self._hangs_up():
            town.loop.call_later(dice.uniform(0.0, 20.0), hang_up)
        try:
            done = await town.machine.ask(verify)
        except Down:
            return False
        if done is None or has_hung_up or done.verdict not in YES:
            return False
        town.oracle.told_verified(number, first=done.first)
        return True
