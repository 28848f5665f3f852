"""The journal's start: one owner, nothing half understood, everything open back in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.lives import FIRST_MS, created, creation_guards, life, started
from gatewayd.core import events as ev
from gatewayd.core.payment import Payment
from gatewayd.core.settings import JournalSettings
from gatewayd.core.terms import Finding, Inquiry
from gatewayd.io.boot import (
    FINGERPRINTS_KEY,
    LeftOpen,
    Opened,
    left_open,
    lock_path,
    open_journal,
)
from gatewayd.io.filelock import FileLock, Locked
from gatewayd.io.journal_verify import verify
from gatewayd.io.sqlite_schema import UnusableStore
from gatewayd.journal.filters import Filter
from gatewayd.journal.journal import Journal
from gatewayd.journal.memory import MemoryStore
from gatewayd.journal.recovery import last_order, refresh_searches
from gatewayd.journal.store import StoreError
from tests.journals import MANY, begin, counted, journal, land, live, opened, payments, sql


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "journal.db"


@contextmanager
def booted(path: Path, *, now_ms: int = FIRST_MS) -> Iterator[Opened]:
    settings = JournalSettings(path=str(path), ballast_bytes=0)
    found = open_journal(settings, now_ms=now_ms, make_secret=counted)
    try:
        yield found
    finally:
        found.close()


def test_a_new_journal_holds_nothing(path: Path) -> None:
    with booted(path) as found:
        memory = journal()
        found.adopt_into(memory)
        assert [] == memory.numbers()
        assert (0, 0, 0) == (found.last_number, found.last_order, found.clock_behind_ms)
        assert counted(32) == found.link_key


def test_open_payments_come_back_as_they_were_and_finished_ones_stay_away(path: Path) -> None:
    with opened(path) as store:
        live(store, [1, 2])
        begin(store, [3, 4])
        before = payments(store)
    with booted(path) as found:
        memory = journal()
        found.adopt_into(memory)
        assert [3, 4] == memory.numbers()
        assert [before[3], before[4]] == [memory.get(3), memory.get(4)]


def test_the_highest_numbers_ever_used_are_known(path: Path) -> None:
    with opened(path) as store:
        begin(store, [3])
        live(store, [1, 2])
    with booted(path) as found:
        assert 3 == found.last_number
        assert 3_007 == found.last_order


def test_a_refunds_order_counts_as_used() -> None:
    store, memory = MemoryStore(), Journal(is_finished=lambda _: False, make_salt=counted)
    memory.append(1, created(1), *started(1, FIRST_MS))
    refund = ev.RefundRequested(at_ms=FIRST_MS, attempt=1, amount=1_000, refund_order=9_999)
    batch = memory.take_batch(MANY)
    memory.batch_landed(store.write(batch))
    assert 1_007 == last_order(store)
    owed = Journal(is_finished=lambda _: False, make_salt=counted)
    owed.adopt(1, store.read(1))
    claim = ev.Asked(at_ms=FIRST_MS, attempt=1, inquiry=paid())
    verify_it = ev.VerifyRequested(at_ms=FIRST_MS, attempt=1, purpose=ev.Purpose.GIVE_BACK)
    wrong = ev.Mismatched(at_ms=FIRST_MS, attempt=1, receipt=paid().receipt, wrong=ev.Wrong.AMOUNT)
    owed.append(1, claim, verify_it, wrong, refund)
    store.write(owed.take_batch(MANY))
    assert 9_999 == last_order(store)


def paid() -> Inquiry:
    return Inquiry(finding=Finding.PAID)


def test_a_second_daemon_is_refused_and_the_first_undisturbed(path: Path) -> None:
    with booted(path):
        with pytest.raises(Locked):
            open_journal(JournalSettings(path=str(path)), now_ms=FIRST_MS)
        assert () == verify(path).problems
    with booted(path):
        pass


def test_a_folder_that_cannot_be_had_is_said_to_be_the_journals(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    with pytest.raises(StoreError, match=r"the journal's folder or lock: .*var"):
        open_journal(JournalSettings(path=str(tmp_path / "var" / "j.db")), now_ms=FIRST_MS)


def test_a_start_that_fails_gives_the_lock_back(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no journal")
    with pytest.raises(Exception, match="not a database"):
        open_journal(JournalSettings(path=str(path)), now_ms=FIRST_MS)
    FileLock(lock_path(path)).release()


def test_events_of_an_unknown_kind_refuse_to_start_even_in_finished_payments(path: Path) -> None:
    with opened(path) as store:
        live(store, [1])
    sql(path, "INSERT INTO kinds VALUES ('Teleported')")
    with pytest.raises(UnusableStore, match="Teleported"), booted(path):
        pass


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM events WHERE number = 2 AND version = 1",
        "UPDATE events SET body = x'7b7d' WHERE number = 2 AND version = 2",
        "UPDATE events SET kind = 'Settled' WHERE number = 2 AND version = 3",
    ],
)
def test_an_open_payment_that_cannot_be_understood_refuses_to_start(
    path: Path, damage: str
) -> None:
    with opened(path) as store:
        begin(store, [1, 2])
    sql(path, damage)
    with pytest.raises(UnusableStore, match="gatewayd journal verify"), booted(path) as found:
        found.adopt_into(journal())
    FileLock(lock_path(path)).release()


def test_a_clock_that_was_set_back_is_noticed(path: Path) -> None:
    with opened(path) as store:
        begin(store, [1])
    with booted(path, now_ms=FIRST_MS) as found:
        assert 1_101 == found.clock_behind_ms


def test_a_payment_that_needs_nothing_by_the_new_configuration_is_put_away(path: Path) -> None:
    with opened(path) as store:
        begin(store, [1])
    with booted(path) as found:
        memory = Journal(is_finished=lambda _: True, make_salt=counted)
        found.adopt_into(memory)
        land(memory, found._store)
        assert [] == memory.numbers()
        assert [] == list(found._store.read_open())


# --- search columns after a crash


def test_search_columns_that_a_crash_left_behind_are_brought_up_to_date(path: Path) -> None:
    with opened(path) as store:
        live(store, [1])
        memory = journal()
        memory.append(2, created(2), takes=creation_guards(2))
        memory.batch_landed(store.write(memory.take_batch(MANY)))
        memory.append(2, *started(2, FIRST_MS))
        memory.batch_landed(store.write(memory.take_batch(MANY)))
    assert [(1, "paid")] == sql(path, "SELECT number, status FROM search")
    with booted(path) as found:
        found.adopt_into(journal())
        assert [] == found._store.unsearched()
    assert [(1, "paid"), (2, "pending")] == sql(path, "SELECT number, status FROM search")
    assert () == verify(path).problems


def test_search_columns_of_finished_payments_are_brought_up_to_date_too() -> None:
    store, memory = MemoryStore(), journal()
    for number in range(1, 2_502):
        memory.append(number, created(number), ev.Closed(at_ms=1, why=ev.Closing.EXPIRED))
    memory.batch_landed(store.write(memory.take_batch(MANY)))
    assert 2_501 == len(store.unsearched())
    refresh_searches(store, journal())
    assert [] == store.unsearched()
    assert 2_501 == len(store.find(Filter(shop="main", status="expired", limit=MANY)))


# --- what `check` wants to know


def test_open_attempts_are_counted_by_gateway_beside_a_running_daemon(path: Path) -> None:
    with booted(path) as found:
        begin(found._store, [4, 8, 9])
        live(found._store, [5])
        found._store.name(FINGERPRINTS_KEY, b'{"saman-main":"abc"}')
        left = left_open(path)
        assert {"saman-main": 2, "mellat-main": 1} == left.attempts
        assert 3 == sum(left.payments.values())
        assert {"saman-main": "abc"} == left.fingerprints


def test_what_was_taken_and_is_going_back_is_open_too(path: Path) -> None:
    """Stopped by its shop while the bank was asked, or by a reverse whose answer was lost."""
    memory = Journal(is_finished=lambda _: False, make_salt=counted)
    with opened(path) as store:
        for number in (4, 5, 6):
            *before, (verified, _) = life(number)
            for events, takes in before:
                memory.append(number, *events, takes=takes)
                land(memory, store)
            if number == 4:
                memory.append(number, ev.CancelRequested(at_ms=FIRST_MS))
            memory.append(number, *verified)
        lost = ev.ReverseLost(at_ms=FIRST_MS, attempt=1, cause="timeout")
        memory.append(5, ev.ReverseRequested(at_ms=FIRST_MS, attempt=1), lost)
        land(memory, store)
    left = left_open(path)
    assert {"saman-main": 1, "mellat-main": 1} == left.attempts
    assert {"main": 3} == left.payments


def test_what_has_lapsed_is_open_while_its_bank_is_to_be_asked_if_it_gave_back(path: Path) -> None:
    def is_answered(payment: Payment) -> bool:
        return payment.number == 5 and payment.closed is not None

    memory = Journal(is_finished=is_answered, make_salt=counted)
    with opened(path) as store:
        for number in (4, 5):
            memory.append(number, created(number), takes=creation_guards(number))
            land(memory, store)
            memory.append(
                number,
                *started(number, FIRST_MS),
                ev.Lapsed(at_ms=FIRST_MS, attempt=1, returns_by_ms=FIRST_MS),
                ev.Closed(at_ms=FIRST_MS, why=ev.Closing.EXPIRED),
            )
        land(memory, store)
    assert {"saman-main": 1} == left_open(path).attempts


def test_without_a_journal_nothing_is_open(path: Path) -> None:
    assert LeftOpen() == left_open(path)
    assert not path.exists()


def test_what_is_no_journal_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"text" * 500)
    with pytest.raises(UnusableStore):
        left_open(tmp_path / "x")


def test_a_damaged_journal_is_not_counted(path: Path) -> None:
    with opened(path) as store:
        begin(store, [1])
    sql(path, "DELETE FROM events WHERE version = 2")
    with pytest.raises(UnusableStore, match="damaged"):
        left_open(path)
