"""The journal: what is known of open payments, and what is on its way to the disk.

One synchronous class; whoever runs it moves batches to a store and tells it what landed. Rules:

* Apply, queue, wait, act: `append` applies the events to memory and queues them in one step, with nothing in between,
  so that the order on disk is the order in memory. Nobody acts on a version before it has landed: `landed_at`.
* An append with guards is applied only after it has landed, for a guard may keep it out. Until then its payment is
  locked, and everything else for it waits. Versions are given when an append is queued.
* Only open payments live in memory; a finished one is forgotten once its last event has landed, and read again when
  somebody needs it.
* Every change of a public status, of a payment or a refund, and of whether a person is needed, leaves a notice for
  whoever is to be told, in the same transaction; so do a few events that change neither.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from gatewayd.core.events import Event
from gatewayd.core.invoices import number_in
from gatewayd.core.news import REVIEW_RAISED, REVIEW_RESOLVED, news_of, news_of_refunds
from gatewayd.core.payment import Payment, apply
from gatewayd.core.states import IllegalTransition
from gatewayd.core.status import HOLDS_ORDER, Status, needs_review, status_of
from gatewayd.journal import codec
from gatewayd.journal.store import (
    FIRST_OF_INVOICE,
    Append,
    Guard,
    GuardKind,
    Holder,
    InvoiceColumns,
    Notice,
    Row,
    Search,
    Searches,
)

SALT_BYTES: Final = 16

Replay = Callable[[int, Iterable[Row]], Payment | None]
"""How a payment is made of its events: `replay`, or what remembers what that gave."""


class DamagedJournal(Exception):
    """The events of a payment do not make a payment: some are missing, or were changed."""


class Ticket:
    """An append on its way to the disk."""

    __slots__ = ("_callbacks", "append", "conflict", "done", "payment", "status", "taken")

    def __init__(
        self, append: Append, payment: Payment | None = None, status: Status | None = None
    ) -> None:
        self.append = append
        self.payment = payment
        """The payment as it is once a guarded append has landed; None if memory has it already."""
        self.status = status
        """…and its public status then."""
        self.taken = False
        """It is in the batch that is being written, or was in an earlier one."""
        self.done = False
        self.conflict: Holder | None = None
        """Who held the guard that kept this append out."""
        self._callbacks: list[Callable[[], None]] = []

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call `callback` once it has landed or was kept out; at once if it has. It must not raise."""
        if self.done:
            callback()
        else:
            self._callbacks.append(callback)

    def finish(self, conflict: Holder | None) -> None:
        """It has landed, or was kept out by `conflict`."""
        self.done, self.conflict = True, conflict
        for callback in self._callbacks:
            callback()


class _Entry:
    """One payment in memory."""

    __slots__ = ("is_open", "last", "payment", "pinned", "status", "stored_open")

    def __init__(self, payment: Payment | None, *, is_open: bool, stored_open: bool | None) -> None:
        self.payment = payment
        self.status: Status | None = None
        """The payment's public status, where the last append has told it."""
        self.is_open = is_open
        self.stored_open = stored_open
        """What the disk says, or will have said after what is queued; None: not known here."""
        self.last: Ticket | None = None
        self.pinned = 0


class Journal:
    """See the module."""

    def __init__(
        self,
        *,
        is_finished: Callable[[Payment], bool],
        make_salt: Callable[[int], bytes],
        on_queued: Callable[[], None] = lambda: None,
        on_notice: Callable[[Payment, Notice], None] = lambda _payment, _notice: None,
        replay_by: Replay | None = None,
    ) -> None:
        """`is_finished` says whether a payment needs nothing any more; `on_queued` wakes whoever moves batches.

        `on_notice` is told of every change of a public status once it is on disk.
        """
        self._is_finished = is_finished
        self._make_salt = make_salt
        self._on_notice = on_notice
        self.on_queued = on_queued
        self.replay: Replay = replay_by or replay
        self.locked: set[int] = set()
        """Payments of which a guarded append is out, so that nothing else may be decided; not to be changed outside."""
        self._entries: dict[int, _Entry] = {}
        self._queue: deque[Ticket] = deque()
        self._in_flight: list[Ticket] = []
        self._dirty: dict[int, Payment] = {}
        self._beside: dict[Ticket, InvoiceColumns] = {}
        """Of invoices whose events wait."""
        self.queued_events = 0

    # --- what is known

    def get(self, number: int) -> Payment | None:
        """The payment as memory has it; None if it is not in memory."""
        entry = self._entries.get(number)
        return entry.payment if entry else None

    def held(self, number: int) -> Payment:
        """A payment that is known to be in memory."""
        payment = self._entries[number].payment
        assert payment is not None, "held payments are in memory"
        return payment

    def __len__(self) -> int:
        return len(self._entries)

    def numbers(self) -> list[int]:
        """All payments in memory."""
        return list(self._entries)

    def payments(self) -> Iterator[Payment]:
        """All payments in memory, but for those that have not landed yet."""
        return (entry.payment for entry in list(self._entries.values()) if entry.payment)

    def landed_at(self, number: int) -> Ticket | None:
        """What to wait for before anybody outside may see this payment; None if all of it has landed."""
        entry = self._entries.get(number)
        return None if entry is None or entry.last is None or entry.last.done else entry.last

    def adopt(self, number: int, rows: Iterable[Row]) -> Payment | None:
        """Take a payment into memory from its events, unless it is there already; None if there are none.

        A finished one stays until it was pinned and unpinned. UnknownEvent or DamagedJournal for events that make none.
        """
        entry = self._entries.get(number)
        if entry is not None:
            return entry.payment
        payment = self.replay(number, rows)
        if payment is not None:
            is_open = not self._is_finished(payment)
            self._entries[number] = _Entry(payment, is_open=is_open, stored_open=None)
        return payment

    def adopt_open(self, number: int, rows: Iterable[Row]) -> Payment:
        """Take a payment into memory that the disk calls open, at the start of the process.

        One that needs nothing any more, because the configuration has changed, is written down as finished.
        """
        payment = self.replay(number, rows)
        if payment is None:
            raise DamagedJournal(f"payment {number} has no events")
        is_open = not self._is_finished(payment)
        self._entries[number] = entry = _Entry(payment, is_open=is_open, stored_open=True)
        if not is_open:
            self._enqueue(entry, Ticket(Append(number=number, rows=(), is_open=False)))
            entry.stored_open = False
        return payment

    def pin(self, number: int) -> None:
        """Keep this payment in memory until `unpin`, finished or not: somebody is working with it."""
        self._entries[number].pinned += 1

    def unpin(self, number: int) -> None:
        """The counterpart of `pin`."""
        entry = self._entries.get(number)
        if entry is not None:
            entry.pinned -= 1
            self._forget_if_finished(number, entry)

    # --- what happens

    def append(
        self,
        number: int,
        *events: Event,
        takes: tuple[Guard, ...] = (),
        releases: tuple[Guard, ...] = (),
        foreseen: tuple[Payment, ...] = (),
    ) -> Ticket:
        """Record events of one payment. IllegalTransition changes nothing.

        Without guards to take, memory has them when this returns; with some, when the ticket is done without conflict.
        `foreseen` is what the first of the events make of what memory holds, where that was looked at before deciding.
        """
        entry = self._entries.get(number)
        if entry is None:
            entry = _Entry(None, is_open=True, stored_open=None)
        assert number not in self.locked, "decisions about a locked payment must wait"
        payment = entry.payment
        before = entry.status
        if before is None and payment is not None:
            before = status_of(payment)
        status = before
        rows: list[Row] = []
        notices: list[Notice] = []
        version = payment.version if payment else 0
        for place, event in enumerate(events):
            was = payment
            if place < len(foreseen):
                payment = foreseen[place]
                assert payment.version == version + place + 1, "what was foreseen has come to pass"
            else:
                payment = apply(payment, event, number=number)
            rows.append(self._row(payment.version, event))
            if event.notice:
                notices.append(_notice(payment, event.notice, event.at_ms))
            after = status_of(payment)
            if was is None or (
                payment.refunds is was.refunds and payment.reviews is was.reviews
            ):  # the main flow: a change of the status is all there is to tell
                if after is not status:
                    notices.append(_notice(payment, news_of(status, after), event.at_ms))
            else:
                changes = _changes(was, payment, status, after)
                notices += [_notice(payment, news, event.at_ms) for news in changes]
            status = after
        assert payment is not None, "an append has events"
        is_open = not self._is_finished(payment)
        if before is not status and before in HOLDS_ORDER and status not in HOLDS_ORDER:
            order = order_guard(payment.shop, payment.order_id, test=payment.test)
            releases = (*releases, order)
        append = Append(
            number=number,
            rows=tuple(rows),
            takes=takes,
            releases=releases,
            is_open=None if is_open is entry.stored_open else is_open,
            notices=tuple(notices),
        )
        self._entries[number] = entry
        if takes:
            self.locked.add(number)
        else:
            self._accept(entry, payment, status, is_open=is_open)
        return self._enqueue(entry, Ticket(append, payment, status) if takes else Ticket(append))

    def append_beside(self, append: Append, columns: InvoiceColumns) -> Ticket:
        """Record events of an invoice, which memory does not keep. Whoever makes them sees to their versions."""
        ticket = Ticket(append)
        self._queue.append(ticket)
        self._beside[ticket] = columns
        self.queued_events += len(append.rows)
        self.on_queued()
        return ticket

    # --- for whoever moves batches

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits."""
        return not self._queue and not self._dirty

    @property
    def has_events(self) -> bool:
        """Whether events wait."""
        return bool(self._queue)

    @property
    def has_searches(self) -> bool:
        """Whether search columns wait."""
        return bool(self._dirty)

    def take_batch(self, limit: int) -> list[Append]:
        """The next batch; one is out at a time."""
        assert not self._in_flight, "one batch in flight"
        queue = self._queue
        self._in_flight = [queue.popleft() for _ in range(min(limit, len(queue)))]
        for queued in self._in_flight:
            queued.taken = True
        return [queued.append for queued in self._in_flight]

    def take_searches(self, limit: int) -> Searches:
        """Search columns that have changed; they belong into the same transaction as the batch just taken.

        Payments with events that wait behind that batch are passed over, for the disk must not find a payment by what
        a crash could still take back.
        """
        due: list[int] = []
        for number in self._dirty:
            if len(due) == limit:
                break
            entry = self._entries.get(number)
            if entry is None or entry.last is None or entry.last.taken:
                due.append(number)
        rows = tuple(search_of(self._dirty.pop(number)) for number in due)
        return Searches(rows, complete=not self._dirty)

    @property
    def has_invoices(self) -> bool:
        """Whether columns of invoices wait."""
        return bool(self._beside)

    def take_invoices(self) -> tuple[InvoiceColumns, ...]:
        """The columns of the invoices in the batch just taken: they belong into the same transaction."""
        taken = [ticket for ticket in self._beside if ticket.taken]
        return tuple(self._beside.pop(ticket) for ticket in taken)

    def batch_landed(self, results: Sequence[Holder | None]) -> None:
        """The batch is on disk; `results` tells per append who kept it out, if anybody."""
        landed, self._in_flight = list(zip(self._in_flight, results, strict=True)), []
        entries = self._entries
        told: list[Append] = []
        for queued, conflict in landed:
            append, payment = queued.append, queued.payment
            self.queued_events -= len(append.rows)
            if append.takes:
                self.locked.discard(append.number)
            if conflict is None:
                if payment is not None:
                    entry, is_open = entries[append.number], append.is_open
                    is_open = entry.is_open if is_open is None else is_open
                    self._accept(entry, payment, queued.status, is_open=is_open)
                if append.notices:
                    told.append(append)
        for append in told:
            known = entries.get(append.number)
            if known is not None and known.payment is not None:
                for notice in append.notices:
                    self._on_notice(known.payment, notice)
        for queued, conflict in landed:
            queued.finish(conflict)
        for queued, _ in landed:
            number = queued.append.number
            known = entries.get(number)
            if known is not None:
                self._forget_if_finished(number, known)

    # --- pieces

    def _row(self, version: int, event: Event) -> Row:
        kind, body, private = codec.encode(event)
        salt = self._make_salt(SALT_BYTES) if private is not None else b""
        return Row(version, kind, event.at_ms, body, private, salt)

    def _enqueue(self, entry: _Entry, ticket: Ticket) -> Ticket:
        entry.last = ticket
        self._queue.append(ticket)
        self.queued_events += len(ticket.append.rows)
        self.on_queued()
        return ticket

    def _accept(
        self, entry: _Entry, payment: Payment, status: Status | None, *, is_open: bool
    ) -> None:
        entry.payment = self._dirty[payment.number] = payment
        entry.status = status
        entry.is_open = entry.stored_open = is_open

    def _forget_if_finished(self, number: int, entry: _Entry) -> None:
        """Forget what needs nothing more, and what a guard kept from ever beginning."""
        if entry.last is not None:
            if not entry.last.done:
                return
            entry.last = None  # hundreds of bytes that an open payment would carry about for hours
        if not entry.pinned and (entry.payment is None or not entry.is_open):
            self._entries.pop(number, None)


def replay(number: int, rows: Iterable[Row]) -> Payment | None:
    """The payment that these events make; None for none, and for those of an invoice.

    UnknownEvent or DamagedJournal if they make none.
    """
    payment: Payment | None = None
    for row in rows:
        if payment is None and row.kind == FIRST_OF_INVOICE:
            return None
        payment = replay_one(payment, number, row)
    return payment


def as_of(
    number: int, rows: Sequence[Row], version: int, replay_by: "Replay | None" = None
) -> Payment:
    """The payment as it was with this version, whose guard or notice landed with it; `rows` are all of its events."""
    payment = (replay_by or replay)(number, rows[:version])
    assert payment is not None, "a guard or a notice lands with its events"
    return payment


def replay_one(payment: Payment | None, number: int, row: Row) -> Payment:
    """The payment after one more of its events. UnknownEvent or DamagedJournal if it cannot be."""
    event = codec.decode(row.kind, row.at_ms, row.body, row.private)
    try:
        payment = apply(payment, event, number=number)
    except IllegalTransition as error:
        raise DamagedJournal(f"payment {number}, version {row.version}: {error}") from None
    if payment.version != row.version:
        raise DamagedJournal(
            f"payment {number}: version {row.version} where {payment.version} is due"
        )
    return payment


def search_of(payment: Payment) -> Search:
    """The columns that this payment is found by."""
    attempt = payment.kept or payment.latest
    return Search(
        number=payment.number,
        shop=side(payment.shop, test=payment.test),
        order_id=payment.order_id,
        status=str(status_of(payment)),
        gateway=attempt.gateway if attempt else "",
        amount=payment.amount,
        created_ms=payment.created_ms,
        needs_review=needs_review(payment),
        invoice=number_in(payment.key),
    )


def _changes(was: Payment, now: Payment, before: Status | None, after: Status) -> Iterator[str]:
    """What there is to tell of a payment whose refunds or reasons for a person to look have changed."""
    if now.refunds is not was.refunds:
        yield from news_of_refunds(was.refunds, now.refunds)
    if after is not before:
        yield news_of(before, after)
    in_review = needs_review(now)
    if in_review is not needs_review(was):
        yield REVIEW_RAISED if in_review else REVIEW_RESOLVED


def _notice(payment: Payment, news: str, at_ms: int) -> Notice:
    return Notice(payment.version, side(payment.shop, test=payment.test), news, at_ms)


def side(shop: str, *, test: bool) -> str:
    """What a shop's keys of one kind see: test payments neither hold its orders nor stand in its lists."""
    return f"{shop}/test" if test else shop


def order_guard(shop: str, order_id: str, *, test: bool = False) -> Guard:
    """One payment at a time for an order of a shop."""
    return Guard(kind=GuardKind.ORDER, key=f"{side(shop, test=test)}|{order_id}")


def reference_guard(gateway: str, reference: str) -> Guard:
    """One payment for what a gateway knows a payment by."""
    text = reference.encode(errors="backslashreplace").decode()  # a browser may have sent anything
    return Guard(kind=GuardKind.REFERENCE, key=f"{gateway}|{text}")
