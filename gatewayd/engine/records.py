"""The journal as coroutines see it: bring a payment in, record events, wait until they have landed or it has changed.

Whoever answers or acts on a payment first waits until its version has landed, so that nobody outside ever sees what a
crash could take back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

from gatewayd.core.events import Event
from gatewayd.core.payment import Payment
from gatewayd.engine.understood import Understood
from gatewayd.journal.journal import Journal, Ticket
from gatewayd.journal.store import Guard, Holder, Row

ReadRows = Callable[[int], Awaitable[list[Row]]]
Wanted = Callable[[Payment], bool]
"""Whether a payment is as somebody waits for it to be."""
ReadRowsOf = Callable[[Sequence[int]], Awaitable[Mapping[int, list[Row]]]]

UNDERSTOOD_AT_ONCE: Final = 20
"""Payments of a list understood in one turn of the loop: two milliseconds."""


class _AtOnce:
    """What nobody has to wait for, without a coroutine."""

    __await__ = staticmethod(partial(iter, ()))  # any iterator will do, and this one runs no Python


_AT_ONCE: Final = _AtOnce()


class Holding:
    """What `Records.holding` gives: on every customer's way, so without an `asynccontextmanager`'s generator."""

    __slots__ = ("_journal", "_number", "_payment", "_records")

    def __init__(self, records: "Records", number: int) -> None:
        self._records = records
        self._journal = records.journal
        self._number = number
        self._payment: Payment | None = None

    async def __aenter__(self) -> Payment | None:
        journal, number = self._journal, self._number
        payment, there = journal.get(number), True
        while there and (payment is None or number in journal.locked):
            there = await self._records.brought(number)
            payment = journal.get(number)  # None also where it was let go of meanwhile
        if payment is not None:
            journal.pin(number)
        self._payment = payment
        return payment

    async def __aexit__(self, *_: object) -> None:
        if self._payment is not None:
            self._journal.unpin(self._number)


class Records:
    """One per journal."""

    def __init__(self, journal: Journal, read_rows: ReadRows) -> None:
        """`read_rows` gives the events of a payment that is not in memory; empty if there is none."""
        self.journal = journal
        self.get = journal.held
        """A payment that is being held."""
        self._locked = journal.locked
        self._read_rows = read_rows
        self._understood = Understood(journal.replay)
        self._loading: dict[int, asyncio.Future[None]] = {}
        self._watchers: dict[int, dict[asyncio.Future[None], Wanted]] = {}
        """By payment, in the order in which they came, with what they wait for."""

    # --- bringing in

    def holding(self, number: int) -> "Holding":
        """Keep a payment in memory while working with it; None where there is none. It is not locked on entry."""
        return Holding(self, number)

    async def brought(self, number: int) -> bool:
        """Bring a payment into memory and wait until it is not locked; whether there was one to bring."""
        there = await self._bring(number)
        await self.unlocked(number)
        return there

    async def _bring(self, number: int) -> bool:
        """Read a payment that is not in memory; False if there is none.

        One reads at a time, so that nobody adopts what has grown old.
        """
        while self.journal.get(number) is None and number not in self.journal.locked:
            loading = self._loading.get(number)
            if loading is not None:
                await asyncio.shield(loading)
                continue
            self._loading[number] = done = asyncio.get_running_loop().create_future()
            try:
                payment = self.journal.adopt(number, await self._read_rows(number))
            finally:
                del self._loading[number]
                done.set_result(None)
            return payment is not None
        return True

    async def look(self, number: int) -> Payment | None:
        """The payment as it has landed, without bringing it in; None where there is none."""
        await self.landed(number)
        payment = self.journal.get(number)
        if payment is not None:
            return payment
        return self.journal.replay(number, await self._read_rows(number))

    async def look_at(self, numbers: Sequence[int], read: ReadRowsOf) -> list[Payment]:
        """The same for several, in this order; what is not in memory is read in one go."""
        for number in numbers:
            await self.landed(number)
        found = {number: self.journal.get(number) for number in numbers}
        absent = [number for number, payment in found.items() if payment is None]
        if absent:
            found |= await self._understood_of(absent, await read(absent))
        return [payment for payment in found.values() if payment is not None]

    async def _understood_of(
        self, numbers: Sequence[int], rows_of: Mapping[int, list[Row]]
    ) -> dict[int, Payment | None]:
        """What these events make of each, a few at a time, so that a long list does not hold up the customers."""
        found: dict[int, Payment | None] = {}
        anew = 0
        for number in numbers:
            rows = rows_of.get(number, [])
            found[number] = self._understood.known(number, rows)
            if found[number] is None:
                anew += 1
                if anew % UNDERSTOOD_AT_ONCE == 0:
                    await asyncio.sleep(0)
                found[number] = self._understood.understand(number, rows)
        return found

    # --- recording

    def append(
        self,
        number: int,
        *events: Event,
        takes: tuple[Guard, ...] = (),
        releases: tuple[Guard, ...] = (),
        foreseen: tuple[Payment, ...] = (),
    ) -> Ticket:
        """As the journal does; whoever waits for a change is woken when they have landed."""
        ticket = self.journal.append(
            number, *events, takes=takes, releases=releases, foreseen=foreseen
        )
        if number in self._watchers:
            ticket.when_done(lambda: self.wake(number))
        return ticket

    async def wait(self, ticket: Ticket) -> Holder | None:
        """Until the append has landed; the holder of the guard that kept it out, if one did."""
        if not ticket.done:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            ticket.when_done(lambda: _let_go_on(future))
            await future
        return ticket.conflict

    async def landed(self, number: int) -> None:
        """Until everything recorded of this payment has landed, also what came while this waited.

        What memory holds when this returns is on the disk, and may be shown.
        """
        while (ticket := self.journal.landed_at(number)) is not None:
            await self.wait(ticket)

    def unlocked(self, number: int) -> Awaitable[None]:
        """Until no guarded append of this payment is out, so that something may be decided about it."""
        return self._unlocked(number) if number in self._locked else _AT_ONCE

    async def _unlocked(self, number: int) -> None:
        while number in self._locked:
            await self.landed(number)

    # --- waiting for a change

    async def until(self, number: int, wanted: Wanted, seconds: float) -> Payment:
        """The payment once `wanted` holds of it, or as it is after `seconds`; it must be held meanwhile."""
        if not wanted(self.get(number)):
            loop = asyncio.get_running_loop()
            ends = loop.time() + seconds
            while not wanted(self.get(number)) and loop.time() < ends:
                await self._changed(number, wanted, ends)
        await self.landed(number)
        return self.get(number)

    async def _changed(self, number: int, wanted: Wanted, ends: float) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        alarm = loop.call_at(ends, _let_go_on, future)  # half of what asyncio.timeout costs
        watchers = self._watchers.setdefault(number, {})
        watchers[future] = wanted
        ticket = self.journal.landed_at(number)
        if ticket is not None:
            ticket.when_done(lambda: self.wake(number))
        try:
            await future
        finally:
            alarm.cancel()
            del watchers[future]
            if not watchers and self._watchers.get(number) is watchers:
                del self._watchers[number]

    def wake(self, number: int) -> None:
        """Let everybody go on who has waited for what has become of this payment."""
        watchers = self._watchers.get(number)
        if watchers is None:
            return
        payment = self.get(number)
        for future, wanted in watchers.items():
            if wanted(payment):
                _let_go_on(future)


def _let_go_on(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
