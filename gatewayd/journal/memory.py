"""A journal's store in memory, for the seeded world and for tests: it obeys the same tests as the one on disk.

Its disk can be made to fail. `crash` gives what a restarted process would find: the batches that landed, and of a
batch whose writer was never answered all or nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import islice
from typing import Final

from gatewayd.core.delivery import Changes, Delivery, Standing
from gatewayd.core.events import Mismatched, StartRequested, Verified
from gatewayd.journal import codec
from gatewayd.journal.filters import Filter
from gatewayd.journal.memory_invoices import Shelf
from gatewayd.journal.store import (
    IDEMPOTENCY_KEPT_MS,
    NO_SEARCHES,
    OWN_NUMBER,
    RECEIPTS_COMPARED_MS,
    Append,
    Counts,
    GuardKind,
    Holder,
    Row,
    Search,
    Searches,
    Sighting,
    Sightings,
    StoreError,
    Told,
)

ORDERS_LOOKED_AT: Final = 32
"""More calls than are out at once where a journal is in memory."""


class Fault(Enum):
    """How a write fails. Either way its caller learns only that it failed."""

    BEFORE = "before"
    """Nothing was written."""
    AFTER = "after"
    """It is on the disk."""


class MemoryStore:
    """Fulfils `journal.store.Store`."""

    def __init__(self) -> None:
        self.disk_full = False
        """While it holds, nothing can be written."""
        self._fault: Fault | None = None
        self._batches: list[tuple[tuple[Append, ...], Searches]] = []
        self._payments: dict[int, list[Row]] = {}
        self._open: dict[int, bool] = {}
        self._guards: dict[tuple[GuardKind, str], tuple[Holder, int]] = {}
        self._notices: list[Told] = []
        self._receivers: dict[str, Standing] = {}
        self._deliveries: dict[str, dict[int, Delivery]] = {}
        self._search: dict[int, Search] = {}
        self._events: list[tuple[int, Row]] = []
        self._searched = 0
        self._receipts: dict[tuple[str, str], dict[int, int]] = {}
        self._compared = 0
        self.invoices = Shelf()

    # --- faults

    def fail_next(self, fault: Fault) -> None:
        """Let the next write fail like this."""
        self._fault = fault

    def crash(self, *, lost: int = 0) -> "MemoryStore":
        """The store as a new process finds it, without the `lost` latest batches; this one must not be used again.

        Only a batch whose writer has had no answer yet may be lost.
        """
        found = MemoryStore()
        for appends, searches in self._batches[: len(self._batches) - lost]:
            found.write(appends, searches)
        return found

    @property
    def batches(self) -> int:
        """How many have landed."""
        return len(self._batches)

    def written(self) -> Iterator[tuple[Sequence[Append], Searches]]:
        """All that has landed, batch by batch."""
        return iter(self._batches)

    def numbers(self) -> list[int]:
        """Of everything that has events, in the order in which it came."""
        return list(self._payments)

    # --- writing

    def write(
        self, appends: Sequence[Append], searches: Searches = NO_SEARCHES
    ) -> list[Holder | None]:
        """See `Store.write`."""
        fault, self._fault = self._fault, None
        if self.disk_full:
            raise StoreError("the disk is full")
        if fault is Fault.BEFORE:
            raise StoreError("the disk failed")
        results = self._write(appends, searches)
        if fault is Fault.AFTER:
            raise StoreError("the disk failed")
        return results

    def note(self, kind: str, at_ms: int, body: bytes) -> None:
        """See `Store.note`."""
        row = Row(len(self.read(OWN_NUMBER)) + 1, kind, at_ms, body)
        self.write([Append(number=OWN_NUMBER, rows=(row,), is_open=None)])

    def _write(self, appends: Sequence[Append], searches: Searches) -> list[Holder | None]:
        self._batches.append((tuple(appends), searches))
        before = len(self._events)
        results = [self._append(append) for append in appends]
        for row in searches.rows:
            self._search[row.number] = row
        self.invoices.put_payments(searches.rows)
        if searches.invoices:
            held_out = zip(appends, results, strict=True)
            kept_out = {append.number for append, held in held_out if held is not None}
            self.invoices.put(row for row in searches.invoices if row.number not in kept_out)
        for changes in searches.posting:
            self._post(changes)
        for seen in searches.receipts:
            known = self._receipts.setdefault((seen.gateway, seen.reference), {})
            known.setdefault(seen.number, seen.at_ms)
        if searches.compared is not None:
            self._compared = searches.compared
        if searches.complete:
            self._searched = before
        return results

    def _append(self, append: Append) -> Holder | None:
        number = append.number
        for guard in append.takes:
            held = self._guards.get((guard.kind, guard.key))
            if held is not None and (
                held[0].number != number or guard.kind is GuardKind.IDEMPOTENCY
            ):
                return held[0]
        for guard in append.takes:
            taken = (
                Holder(guard=guard, number=number, version=append.rows[-1].version),
                append.rows[0].at_ms,
            )
            self._guards.setdefault((guard.kind, guard.key), taken)
        for guard in append.releases:
            found = self._guards.get((guard.kind, guard.key))
            if found is not None and found[0].number == number:
                del self._guards[guard.kind, guard.key]
        rows = self._payments.setdefault(number, [])
        for row in append.rows:
            if row.version != len(rows) + 1:
                raise StoreError(f"version {row.version} of payment {number} is there already")
            rows.append(row)
            self._events.append((number, row))
        if append.is_open is not None:
            self._open[number] = append.is_open
        for notice in append.notices:
            self._notices.append(Told(len(self._notices) + 1, number, notice))
        return None

    def _post(self, changes: Changes) -> None:
        name = changes.standing.name
        self._receivers[name] = changes.standing
        waiting = self._deliveries.setdefault(name, {})
        waiting.update((each.seq, each) for each in changes.unsettled)
        for seq in changes.settled:
            del waiting[seq]

    def tidy(self, now_ms: int) -> None:
        """Forget old idempotency keys and receipts."""
        receipts_ms = now_ms - RECEIPTS_COMPARED_MS
        self._receipts = {
            name: {number: at_ms for number, at_ms in known.items() if at_ms >= receipts_ms}
            for name, known in self._receipts.items()
        }
        before_ms = now_ms - IDEMPOTENCY_KEPT_MS
        self._guards = {
            place: (holder, at_ms)
            for place, (holder, at_ms) in self._guards.items()
            if holder.guard.kind is not GuardKind.IDEMPOTENCY or at_ms >= before_ms
        }

    # --- reading, for the start of the process

    def read(self, number: int) -> list[Row]:
        """See `Store.read`."""
        return list(self._payments.get(number, ()))

    def read_open(self) -> Iterator[tuple[int, list[Row]]]:
        """See `Store.read_open`."""
        for number in self.open_numbers():
            yield number, self.read(number)

    def last_number(self) -> int:
        """See `Store.last_number`."""
        return max(self._payments, default=OWN_NUMBER)

    def last_rows(self, kinds: Sequence[str]) -> list[Row]:
        """See `Store.last_rows`."""
        found = (row for _, row in reversed(self._events) if row.kind in kinds)
        return [
            Row(row.version, row.kind, row.at_ms, row.body)
            for row in islice(found, ORDERS_LOOKED_AT)
        ]

    def take_receivers(self, names: Iterable[str]) -> list[tuple[Standing, list[Delivery]]]:
        """See `Store.take_receivers`."""
        known = list(names)
        for name in set(self._receivers) - set(known):
            del self._receivers[name]
            self._deliveries.pop(name, None)
        new = [
            Changes(Standing(name=name, cursor=len(self._notices)), (), ())
            for name in known
            if name not in self._receivers
        ]
        if new:
            self.write([], Searches(posting=tuple(new)))
        return [(self._receivers[name], list(self._deliveries[name].values())) for name in known]

    def unsearched(self) -> list[int]:
        """See `Store.unsearched`."""
        return sorted({number for number, _ in self._events[self._searched :]} - {OWN_NUMBER})

    # --- reading, as `engine.reading.MemoryReader` gives it on

    def find(self, wanted: Filter) -> list[int]:
        """See `Reader.find`."""
        found = (
            row.number
            for row in self._search.values()
            if wanted.fits(row) and wanted.gateway in {None, row.gateway}
        )
        return sorted(found, reverse=True)[: wanted.limit]

    def in_review(self, limit: int) -> list[int]:
        """See `Reader.in_review`."""
        return sorted(row.number for row in self._search.values() if row.needs_review)[:limit]

    def holder(self, kind: GuardKind, key: str) -> Holder | None:
        """See `Reader.holder`."""
        found = self._guards.get((kind, key))
        return found[0] if found else None

    def notices(self, after_seq: int, shop: str | None, limit: int) -> list[Told]:
        """See `Reader.notices`."""
        found = (told for told in self._notices[after_seq:] if shop in {None, told.notice.shop})
        return list(found)[:limit]

    def open_numbers(self) -> list[int]:
        """See `Reader.open_numbers`."""
        return sorted(number for number, is_open in self._open.items() if is_open)

    def receipts(self, after: int | None, since_ms: int) -> Sightings:
        """See `Reader.receipts`."""
        first = self._compared if after is None else after
        found: list[Sighting] = []
        for number, row in self._events[first:]:
            if row.kind in {Verified.__name__, Mismatched.__name__} and row.at_ms >= since_ms:
                found += _sightings(number, row, self._payments[number])
        return Sightings(tuple(found), len(self._events))

    def twice(self, sightings: Sequence[Sighting]) -> list[tuple[Sighting, int]]:
        """See `Reader.twice`."""
        found = []
        for each in sightings:
            known = self._receipts.get((each.gateway, each.reference), {})
            others = [
                number
                for number, at_ms in known.items()
                if number != each.number and abs(at_ms - each.at_ms) <= RECEIPTS_COMPARED_MS
            ]
            if others:
                found.append((each, max(others)))
        return found

    def counts(self) -> Counts:
        """See `Reader.counts`."""
        return Counts(
            events=len(self._events),
            open_payments=len(self.open_numbers()),
            in_review=len(self.in_review(len(self._search))),
            file_bytes=0,
            log_bytes=0,
        )


def _sightings(number: int, row: Row, rows: Iterable[Row]) -> Iterator[Sighting]:
    """What the receipt in `row` names the payment by, if anything; `rows` are all of its events."""
    seen = codec.decode(row.kind, row.at_ms, row.body, None)
    assert isinstance(seen, Verified | Mismatched)
    reference = seen.receipt.rrn or seen.receipt.ref_num or ""
    for each in rows:
        if each.kind == StartRequested.__name__ and reference.strip("0"):
            begun = codec.decode(each.kind, each.at_ms, each.body, None)
            assert isinstance(begun, StartRequested)
            if begun.attempt == seen.attempt:
                yield Sighting(begun.gateway, reference, number, row.at_ms)
