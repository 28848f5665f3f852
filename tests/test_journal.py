"""The journal in memory: order, locks, guards, notices, what is kept and what is forgotten."""

from collections.abc import Callable

import pytest

from bench.lives import FIRST_MS, created, creation_guards, is_finished, life, started
from gatewayd.core import events as ev
from gatewayd.core.payment import Payment
from gatewayd.core.states import IllegalTransition, State
from gatewayd.journal.filters import Filter
from gatewayd.journal.journal import (
    DamagedJournal,
    Journal,
    Ticket,
    order_guard,
    reference_guard,
    replay,
    search_of,
)
from gatewayd.journal.memory import MemoryStore
from gatewayd.journal.store import Guard, GuardKind, Holder, Notice, Row, Searches

MANY = 1_000


class Desk:
    """A journal and its store, moved by hand."""

    def __init__(self, finished: Callable[[Payment], bool] = is_finished) -> None:
        self.store = MemoryStore()
        self.journal = Journal(is_finished=finished, make_salt=bytes)

    def land(self) -> None:
        """One batch, with whatever search columns go with it."""
        batch = self.journal.take_batch(MANY)
        searches = self.journal.take_searches(MANY)
        self.journal.batch_landed(self.store.write(batch, searches))

    def create(self, number: int, *, guards: bool = False) -> Ticket:
        takes = creation_guards(number) if guards else ()
        ticket = self.journal.append(number, created(number), takes=takes)
        self.land()
        return ticket

    def payment(self, number: int) -> Payment:
        payment = self.journal.get(number)
        assert payment is not None
        return payment

    def found(self, status: str | None) -> list[int]:
        """By the search columns."""
        return self.store.find(Filter(shop="main", status=status, limit=MANY))

    def verified(self, number: int) -> None:
        """Play a whole life, which ends with kept money."""
        for events, takes in life(number):
            self.journal.append(number, *events, takes=takes)
            self.land()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def closed(number: int, why: ev.Closing = ev.Closing.EXPIRED) -> ev.Closed:
    return ev.Closed(at_ms=FIRST_MS + number + 5, why=why)


# --- order


def test_memory_has_an_event_at_once_and_the_disk_when_the_batch_lands(desk: Desk) -> None:
    desk.create(1)
    ticket = desk.journal.append(1, *started(1, FIRST_MS))
    assert 3 == desk.payment(1).version
    assert not ticket.done
    assert ticket is desk.journal.landed_at(1)
    assert 1 == len(desk.store.read(1))
    desk.land()
    assert ticket.done
    assert None is desk.journal.landed_at(1)
    assert desk.payment(1) == replay(1, desk.store.read(1))


def test_an_illegal_event_changes_nothing_not_even_with_legal_ones_before_it(desk: Desk) -> None:
    desk.create(1)
    before = desk.payment(1)
    with pytest.raises(IllegalTransition):
        desk.journal.append(1, *started(1, FIRST_MS), ev.Settled(at_ms=FIRST_MS, attempt=1))
    assert before is desk.payment(1)
    assert not desk.journal.has_events
    assert 0 == desk.journal.queued_events


def test_nothing_of_an_illegal_first_event_stays_in_memory(desk: Desk) -> None:
    with pytest.raises(IllegalTransition):
        desk.journal.append(1, closed(1))
    assert [] == desk.journal.numbers()


def test_events_are_counted_from_their_queueing_to_their_landing(desk: Desk) -> None:
    desk.create(1)
    desk.journal.append(1, *started(1, FIRST_MS))
    desk.journal.append(2, created(2))
    assert 3 == desk.journal.queued_events
    assert len(desk.journal.take_batch(1)) == 1
    assert 3 == desk.journal.queued_events
    desk.journal.batch_landed([None])
    assert 1 == desk.journal.queued_events


def test_batches_keep_the_order_of_the_queue_and_their_limit(desk: Desk) -> None:
    for number in (3, 1, 2):
        desk.journal.append(number, created(number))
    assert [3, 1] == [append.number for append in desk.journal.take_batch(2)]
    desk.journal.batch_landed([None, None])
    assert [2] == [append.number for append in desk.journal.take_batch(2)]


def test_one_batch_is_in_flight(desk: Desk) -> None:
    desk.journal.append(1, created(1))
    desk.journal.take_batch(1)
    with pytest.raises(AssertionError):
        desk.journal.take_batch(1)


def test_whoever_moves_batches_is_woken(desk: Desk) -> None:
    woken: list[int] = []
    desk.journal.on_queued = lambda: woken.append(1)
    desk.journal.append(1, created(1))
    assert [1] == woken


def test_versions_are_given_when_an_append_is_queued(desk: Desk) -> None:
    desk.journal.append(1, created(1))
    desk.journal.append(1, *started(1, FIRST_MS))
    batch = desk.journal.take_batch(MANY)
    assert [[1], [2, 3]] == [[row.version for row in append.rows] for append in batch]


def test_callbacks_are_called_once_on_landing_and_at_once_afterwards(desk: Desk) -> None:
    called: list[str] = []
    ticket = desk.journal.append(1, created(1))
    ticket.when_done(lambda: called.append("waited"))
    assert [] == called
    desk.land()
    ticket.when_done(lambda: called.append("late"))
    assert ["waited", "late"] == called


def test_a_callback_finds_the_whole_batch_landed_and_may_append(desk: Desk) -> None:
    seen: list[State] = []

    def look() -> None:
        seen.extend(attempt.state for attempt in desk.payment(2).attempts)
        desk.journal.append(2, ev.HandedOver(at_ms=FIRST_MS, attempt=1))

    first = desk.journal.append(1, created(1))
    desk.journal.append(2, created(2), *started(2, FIRST_MS), takes=creation_guards(2))
    first.when_done(look)
    desk.land()
    assert [State.WITH_PAYER] == seen
    assert desk.journal.has_events


# --- guards


def test_a_guarded_event_is_applied_only_when_it_has_landed(desk: Desk) -> None:
    ticket = desk.journal.append(1, created(1), takes=creation_guards(1))
    assert None is desk.journal.get(1)
    assert 1 in desk.journal.locked
    assert ticket is desk.journal.landed_at(1)
    desk.land()
    assert 1 not in desk.journal.locked
    assert 1 == desk.payment(1).version
    assert None is ticket.conflict


def test_nothing_is_decided_about_a_payment_while_a_guarded_append_is_out(desk: Desk) -> None:
    desk.create(1)
    desk.journal.append(
        1, ev.ReviewRaised(at_ms=FIRST_MS, reason="x"), takes=(reference_guard("saman", "r"),)
    )
    assert 1 in desk.journal.locked
    assert () == desk.payment(1).reviews
    with pytest.raises(AssertionError):
        desk.journal.append(1, closed(1))


def test_a_conflict_meets_its_own_caller_only_and_names_the_holder(desk: Desk) -> None:
    desk.create(1, guards=True)
    (_, order) = creation_guards(1)
    kept_out = desk.journal.append(2, created(2), takes=(order,))
    welcome = desk.journal.append(3, created(3), takes=creation_guards(3))
    desk.land()
    assert Holder(guard=order, number=1) == kept_out.conflict
    assert None is welcome.conflict
    assert [1, 3] == desk.journal.numbers()


def test_a_payment_that_was_kept_out_is_as_it_was_and_goes_on(desk: Desk) -> None:
    guard = reference_guard("saman", "r")
    for number in (1, 2):
        desk.create(number)
    desk.journal.append(1, ev.ReviewRaised(at_ms=FIRST_MS, reason="x"), takes=(guard,))
    desk.land()
    before = desk.payment(2)
    ticket = desk.journal.append(2, ev.ReviewRaised(at_ms=FIRST_MS, reason="x"), takes=(guard,))
    desk.land()
    assert Holder(guard=guard, number=1, version=2) == ticket.conflict
    assert before is desk.payment(2)
    assert 2 not in desk.journal.locked
    desk.journal.append(2, closed(2))
    desk.land()
    assert 2 == len(desk.store.read(2))


@pytest.mark.parametrize("why", ev.Closing)
def test_an_order_is_free_again_when_its_payment_has_ended_without_money(
    desk: Desk, why: ev.Closing
) -> None:
    desk.create(1, guards=True)
    order = creation_guards(1)[1]
    assert None is not desk.store.holder(order.kind, order.key)
    desk.journal.append(1, closed(1, why))
    desk.land()
    assert None is desk.store.holder(order.kind, order.key)


def test_an_order_that_was_paid_stays_taken(desk: Desk) -> None:
    desk.verified(1)
    order = order_guard("main", "order-1")
    assert Holder(guard=order, number=1) == desk.store.holder(order.kind, order.key)


def test_a_guard_can_be_released_with_an_event(desk: Desk) -> None:
    desk.create(1)
    guard = reference_guard("saman", "r")
    note = ev.ReviewRaised(at_ms=FIRST_MS, reason="x")
    desk.journal.append(1, note, takes=(guard,))
    desk.land()
    desk.journal.append(1, note, releases=(guard,))
    desk.land()
    assert None is desk.store.holder(guard.kind, guard.key)


def test_whatever_a_browser_sends_as_reference_can_be_claimed() -> None:
    assert Guard(kind=GuardKind.REFERENCE, key="saman|a\\udcff") == reference_guard(
        "saman", "a\udcff"
    )


# --- notices


def test_every_change_of_the_public_status_leaves_a_notice(desk: Desk) -> None:
    desk.verified(1)
    at_ms = FIRST_MS + 1
    assert [
        Notice(1, "main", "payment.created", at_ms),
        Notice(4, "main", "payment.processing", at_ms + 70_000),
        Notice(7, "main", "payment.paid", at_ms + 70_400),
    ] == [told.notice for told in desk.store.notices(0, None, MANY)]


# --- what is kept and what is forgotten


def test_a_finished_payment_is_forgotten_once_it_has_landed(desk: Desk) -> None:
    desk.create(1)
    desk.journal.append(1, closed(1))
    assert [1] == desk.journal.numbers()
    desk.land()
    assert [] == desk.journal.numbers()
    assert [] == desk.store.open_numbers()


def test_a_pinned_payment_stays_until_the_last_pin_is_gone(desk: Desk) -> None:
    desk.create(1)
    desk.journal.pin(1)
    desk.journal.pin(1)
    desk.journal.append(1, closed(1))
    desk.land()
    desk.journal.unpin(1)
    assert [1] == desk.journal.numbers()
    desk.journal.unpin(1)
    assert [] == desk.journal.numbers()


def test_unpinning_forgets_nothing_that_has_not_landed(desk: Desk) -> None:
    desk.create(1)
    desk.journal.pin(1)
    desk.journal.append(1, closed(1))
    desk.journal.unpin(1)
    assert [1] == desk.journal.numbers()
    desk.land()
    assert [] == desk.journal.numbers()


def test_a_finished_payment_is_read_again_and_may_go_on(desk: Desk) -> None:
    desk.create(1)
    desk.journal.append(1, *started(1, FIRST_MS))
    desk.journal.append(1, closed(1))
    desk.land()
    adopted = desk.journal.adopt(1, desk.store.read(1))
    assert adopted is desk.payment(1)
    assert 4 == adopted.version
    desk.journal.append(1, ev.ReviewRaised(at_ms=FIRST_MS, reason="look"))
    desk.land()
    assert [] == desk.journal.numbers()
    assert 5 == len(desk.store.read(1))


def test_adopting_what_is_in_memory_changes_nothing(desk: Desk) -> None:
    desk.create(1)
    before = desk.payment(1)
    assert before is desk.journal.adopt(1, [])
    assert None is desk.journal.adopt(2, [])


def test_the_disk_learns_that_an_adopted_payment_is_open_whatever_it_said_before() -> None:
    finished = True
    desk = Desk(lambda _: finished)
    desk.create(1)
    assert [] == desk.store.open_numbers()
    finished = False
    desk.journal.adopt(1, desk.store.read(1))
    desk.journal.append(1, ev.ReviewRaised(at_ms=FIRST_MS, reason="x"))
    desk.land()
    assert [1] == desk.store.open_numbers()


def test_a_payment_that_needs_nothing_any_more_is_written_down_as_finished_at_the_start() -> None:
    desk = Desk(lambda _: False)
    desk.create(1)
    desk.create(2)
    again = Desk(lambda payment: payment.number == 2)
    again.store = desk.store
    for number, rows in desk.store.read_open():
        again.journal.adopt_open(number, rows)
    again.land()
    assert [1] == again.journal.numbers()
    assert [1] == again.store.open_numbers()
    assert 1 == len(again.store.read(2))


# --- search columns


def test_search_columns_follow_their_events(desk: Desk) -> None:
    desk.create(1)
    assert [1] == desk.found("pending")
    desk.journal.append(1, closed(1))
    desk.land()
    assert [1] == desk.found("expired")
    assert not desk.journal.has_searches


def test_search_columns_never_run_ahead_of_the_events_on_disk(desk: Desk) -> None:
    desk.create(1)
    desk.journal.append(1, *started(1, FIRST_MS))
    desk.journal.append(2, created(2))
    desk.journal.append(1, closed(1))
    assert [1, 2] == [append.number for append in desk.journal.take_batch(2)]
    searches = desk.journal.take_searches(MANY)
    assert ([2], False) == ([row.number for row in searches.rows], searches.complete)
    desk.journal.batch_landed([None, None])
    desk.journal.take_batch(2)
    searches = desk.journal.take_searches(MANY)
    assert ([1], True) == ([row.number for row in searches.rows], searches.complete)


def test_a_guarded_event_reaches_the_search_columns_after_it_has_landed(desk: Desk) -> None:
    desk.create(1, guards=True)
    assert [] == desk.found(None)
    assert [1] == desk.store.crash().unsearched()
    desk.land()
    assert [1] == desk.found(None)
    assert [] == desk.store.crash().unsearched()


def test_search_columns_are_taken_in_portions(desk: Desk) -> None:
    for number in (1, 2, 3):
        desk.journal.append(number, created(number))
    batch = desk.journal.take_batch(MANY)
    first, second = desk.journal.take_searches(2), desk.journal.take_searches(2)
    assert ([1, 2], False) == ([row.number for row in first.rows], first.complete)
    assert ([3], True) == ([row.number for row in second.rows], second.complete)
    assert Searches((), complete=True) == desk.journal.take_searches(2)
    desk.journal.batch_landed([None] * len(batch))


def test_a_payment_is_found_by_its_latest_attempts_gateway(desk: Desk) -> None:
    desk.create(1)
    assert "" == search_of(desk.payment(1)).gateway
    desk.journal.append(1, *started(1, FIRST_MS))
    assert "mellat-main" == search_of(desk.payment(1)).gateway


# --- replay


def rows_of(number: int) -> list[Row]:
    desk = Desk()
    desk.verified(number)
    return desk.store.read(number)


def test_replaying_a_life_gives_the_payment_that_memory_had() -> None:
    desk = Desk(lambda _: False)
    desk.verified(1)
    assert desk.payment(1) == replay(1, desk.store.read(1))


@pytest.mark.parametrize("missing", range(6))
def test_a_life_with_an_event_missing_is_no_life(missing: int) -> None:
    rows = rows_of(1)
    del rows[missing]
    with pytest.raises(DamagedJournal, match="payment 1"):
        replay(1, rows)


def test_a_life_with_an_event_twice_is_no_life() -> None:
    rows = rows_of(1)
    with pytest.raises(DamagedJournal):
        replay(1, [*rows, rows[-1]])


def test_no_events_are_no_payment() -> None:
    assert None is replay(1, [])
    with pytest.raises(DamagedJournal):
        Desk().journal.adopt_open(1, [])
