"""Compares the references in banks' receipts: one that two payments of a gateway have is a person's to look at.

It may be one debit that two payments live on, or a bank that mixed up its answers. Rules:

* It comes after the event, some seconds later: no payment waits for it, and nothing is decided by it. What is paid
  stays paid; both payments are told to whoever looks after them, once in their lives.
* Where it had come to is written down only after what was found has landed; a restart looks at the last part again,
  and what was told already is not told twice.
* A bank that gives the same number again and again is one fault, and not a thousand.
"""

from collections import Counter
from typing import Final

from gatewayd.core import events as ev
from gatewayd.engine.deadlines import Deadlines
from gatewayd.engine.ports import Log
from gatewayd.engine.pump import Write
from gatewayd.engine.reading import Reader
from gatewayd.engine.records import Records
from gatewayd.engine.telling import public_id, tell
from gatewayd.journal import codec
from gatewayd.journal.store import RECEIPTS_COMPARED_MS, Searches, Sighting, TooSlow

READINGS_MAX: Final = 10
"""In one look: more than a second's worth of events at the most that one core can do, and soon over."""
REPORTED_A_DAY_MAX: Final = 50
"""Of one gateway; by then its bank must be asked what its numbers mean, and more payments tell no more."""
DAY_MS: Final = 86_400_000
SAME: Final = "the bank's receipt has the same reference as that of "


class Comparing:
    """One per engine."""

    def __init__(
        self, *, records: Records, past: Reader, write: Write, deadlines: Deadlines, log: Log
    ) -> None:
        self._records = records
        self._past = past
        self._write = write
        self._deadlines = deadlines
        self._log = log
        self._upto: int | None = None
        """Every receipt up to this place was compared, and what was found has landed."""
        self._day = 0
        self._reported: Counter[str] = Counter()

    async def look(self) -> None:
        """Compare what is new; the rest next time if it is much. StoreError if the disk fails."""
        try:
            for _ in range(READINGS_MAX):
                if not await self._advance():
                    return
        except TooSlow as error:
            self._log.warning("receipts not compared yet", error=str(error))

    async def _advance(self) -> bool:
        """Compare the next part of the journal; False if there is nothing new."""
        since_ms = self._deadlines.now_ms() - RECEIPTS_COMPARED_MS
        part = await self._past.receipts(self._upto, since_ms)
        if part.upto == self._upto:
            return False
        if part.found:
            await self._write([], Searches(receipts=part.found, compared=self._upto))
            for sighting, other in await self._past.twice(part.found):
                await self._report(sighting, other)
        self._upto = part.upto
        return True

    async def _report(self, sighting: Sighting, other: int) -> None:
        day = self._deadlines.now_ms() // DAY_MS
        if day != self._day:
            self._day, self._reported = day, Counter()
        self._reported[sighting.gateway] += 1
        reported = self._reported[sighting.gateway]
        if reported > REPORTED_A_DAY_MAX:
            if reported == REPORTED_A_DAY_MAX + 1:
                self._log.error("receipts repeat their references", gateway=sighting.gateway)
            return
        await self._raise(sighting.number, other)
        await self._raise(other, sighting.number)

    async def _raise(self, number: int, other: int) -> None:
        """Tell of one payment that its receipt is another's too, unless it was told already."""
        async with self._records.holding(number) as held:
            if held is None or await self._is_told(number):
                return
            await self._records.unlocked(number)
            reason = SAME + public_id(other)
            event = ev.ReviewRaised(at_ms=self._deadlines.now_ms(), reason=reason)
            ticket = self._records.append(number, event)
            tell(self._log, event, number)
            await self._records.wait(ticket)

    async def _is_told(self, number: int) -> bool:
        for row in await self._past.rows(number):
            if row.kind == ev.ReviewRaised.__name__:
                told = codec.decode(row.kind, row.at_ms, row.body, None)
                if isinstance(told, ev.ReviewRaised) and told.reason.startswith(SAME):
                    return True
        return False
