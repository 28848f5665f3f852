"""A reader that answers a moment later, as one on a file does: what it says may have grown old on the way."""

import asyncio
import random
from collections.abc import Sequence

from gatewayd.core.invoices import Paid
from gatewayd.engine.reading import MemoryReader
from gatewayd.journal.memory import MemoryStore
from gatewayd.journal.store import GuardKind, Holder


class DistantReader(MemoryReader):
    """What invoices are looked up in."""

    def __init__(self, store: MemoryStore, dice: random.Random) -> None:
        super().__init__(store)
        self._dice = dice

    async def holder(self, kind: GuardKind, key: str) -> Holder | None:
        """See `Reader.holder`."""
        found = await super().holder(kind, key)
        await self._pause()
        return found

    async def paid_of(self, invoices: Sequence[int]) -> dict[int, Paid]:
        """See `InvoiceReader.paid_of`."""
        found = await super().paid_of(invoices)
        await self._pause()
        return found

    async def open_of(self, invoice: int) -> int:
        """See `InvoiceReader.open_of`."""
        found = await super().open_of(invoice)
        await self._pause()
        return found

    async def orders_taken(self, invoice: int) -> set[str]:
        """See `InvoiceReader.orders_taken`."""
        found = await super().orders_taken(invoice)
        await self._pause()
        return found

    async def _pause(self) -> None:
        await asyncio.sleep(self._dice.uniform(0.0001, 0.002))
