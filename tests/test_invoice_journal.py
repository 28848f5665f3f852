"""Invoices in the journal: what is read back is what was, on disk as in memory, and what was changed is missed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from gatewayd.core import invoice_events as iv
from gatewayd.core.invoices import Invoice, InvoiceStatus, Paid
from gatewayd.core.money import Currency
from gatewayd.engine.ids import EPOCH_MS
from gatewayd.engine.reading import InvoiceReader, MemoryReader
from gatewayd.io.journal_tools import rebuild_search
from gatewayd.io.journal_verify import verify
from gatewayd.io.sqlite_reader import SqliteReader
from gatewayd.journal.filters import Filter
from gatewayd.journal.invoices import columns_of, recorded, replay_invoice
from gatewayd.journal.journal import DamagedJournal, replay
from gatewayd.journal.memory import MemoryStore
from gatewayd.journal.recovery import refresh_searches
from gatewayd.journal.store import Guard, GuardKind, Search, Searches, Store
from tests.journals import begin, counted, journal, live, opened, sql

FIRST: Final = 217_163_200_000
MADE_MS: Final = EPOCH_MS + FIRST
"""When that number was given."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def created(number: int, **changes: Any) -> iv.InvoiceCreated:
    plain: dict[str, Any] = {
        "at_ms": EPOCH_MS + number,
        "shop": "main",
        "key": "k1",
        "order_id": f"o{number}",
        "amount": 150_000,
        "currency": Currency.IRR,
        "expires_ms": MADE_MS + 1_000 * (number - FIRST),
        "private": {"description": "tea", "payer": {"name": "Sara"}},
    }
    return iv.InvoiceCreated(**plain | changes)


def event_of(kind: type[iv.InvoiceEvent], at_ms: int) -> iv.InvoiceEvent:
    if issubclass(kind, iv.InvoiceEnded):
        return kind(at_ms=at_ms, payments=1, amount=150_000)
    return kind(at_ms=at_ms)


def write(store: Store, invoice: Invoice | None, number: int, *events: iv.InvoiceEvent) -> Invoice:
    """Through a journal, as the daemon does."""
    memory = journal()
    after, append = recorded(invoice, number, events, counted)
    memory.append_beside(append, columns_of(after))
    batch = memory.take_batch(10)
    memory.batch_landed(store.write(batch, Searches(invoices=memory.take_invoices())))
    assert not memory.has_invoices
    return after


def some(store: Store) -> dict[int, Invoice]:
    """Invoices of every state, with payments."""
    kept: dict[int, Invoice] = {}
    histories: list[tuple[type[iv.InvoiceEvent], ...]] = [
        (),
        (iv.InvoicePaid,),
        (iv.InvoicePaid, iv.InvoiceReversed),
        (iv.InvoiceExpired,),
        (iv.InvoiceCancelRequested,),
        (iv.InvoiceCancelRequested, iv.InvoiceCancelled),
        (iv.InvoicePaid,),
    ]
    for number, kinds in enumerate(histories, FIRST):
        invoice = write(store, None, number, created(number, wanted=number % 3))
        for kind in kinds:
            invoice = write(store, invoice, number, event_of(kind, EPOCH_MS + number))
        kept[number] = invoice
    statuses = ("paid", "failed", "pending", "paid", "processing")
    store.write([], Searches(rows=tuple(payments(FIRST + 1, statuses))))
    store.write([], Searches(rows=tuple(payments(FIRST + 4, ("paid", "paid")))))
    store.write([], Searches(rows=tuple(payments(FIRST + 6, ("reversed", "failed")))))
    return kept


def payment_number(invoice: int, place: int) -> int:
    return FIRST + 1_000 * (invoice - FIRST) + 100 + place


def payments(invoice: int, statuses: Sequence[str]) -> Iterator[Search]:
    for place, status in enumerate(statuses):
        yield Search(
            number=payment_number(invoice, place),
            shop="main",
            order_id=f"o{invoice}/{place}",
            status=status,
            gateway="saman",
            amount=150_000,
            created_ms=MADE_MS,
            needs_review=False,
            invoice=invoice,
        )


async def asked(reader: InvoiceReader) -> list[Any]:
    """Everything that can be asked of it."""
    statuses: list[dict[str, Any]] = [{"status": str(status)} for status in InvoiceStatus]
    filters: list[dict[str, Any]] = [
        *statuses,
        {},
        {"limit": 3},
        {"order_id": f"o{FIRST}"},
        {"before_number": FIRST + 3},
        {"created_from_ms": MADE_MS + 2},
        {"created_to_ms": MADE_MS + 2},
        {"order_id": f"o{FIRST}", "status": "open"},
    ]
    found: list[Any] = [
        await reader.find_invoices(Filter(shop="main", **{"limit": 9} | f)) for f in filters
    ]
    late_ms = MADE_MS + 9_000
    first = await reader.invoices_to_look_at(late_ms, (-1, -1), 1)
    found += [
        await reader.find_invoices(Filter(shop="other", limit=9)),
        await reader.paid_of([FIRST, FIRST + 1, FIRST + 4]),
        await reader.payments_of(FIRST + 1, limit=3),
        [await reader.open_of(invoice) for invoice in (FIRST, FIRST + 1, FIRST + 4)],
        await reader.payments_of(FIRST + 1, before_number=payment_number(FIRST + 1, 3), limit=9),
        *[
            await reader.invoices_to_look_at(now_ms, (-1, -1), 9)
            for now_ms in (0, MADE_MS, late_ms)
        ],
        await reader.invoices_to_look_at(late_ms, first[0], 9),
        *[await reader.invoices_behind(after, 9) for after in (0, FIRST + 4)],
    ]
    return found


async def test_the_disk_answers_as_the_memory_does(path: Path) -> None:
    memory = MemoryStore()
    kept = some(memory)
    wanted = await asked(MemoryReader(memory))
    assert [FIRST + 4, FIRST + 6] == wanted[-2]
    assert Paid(
        payments=2, amount=300_000, live=2, doubtful=1, latest=payment_number(FIRST + 1, 4)
    ) in (each for found in wanted if isinstance(found, dict) for each in found.values())
    with opened(path) as store:
        assert kept == some(store)
        for number, invoice in kept.items():
            assert invoice == replay_invoice(number, store.read(number))
            assert invoice == replay_invoice(number, memory.read(number))
        async with SqliteReader(path) as reader:
            assert wanted == await asked(reader)


async def test_orders_that_are_taken_are_those_of_open_and_paid_payments(path: Path) -> None:
    memory = MemoryStore()
    some(memory)
    wanted = {f"o{FIRST + 1}/{place}" for place in (0, 2, 3, 4)}
    assert wanted == await MemoryReader(memory).orders_taken(FIRST + 1)
    with opened(path) as store:
        some(store)
        async with SqliteReader(path) as reader:
            assert wanted == await reader.orders_taken(FIRST + 1)


def test_an_invoice_is_no_payment_and_no_payment_is_an_invoice(path: Path) -> None:
    with opened(path) as store:
        begin(store, [1])
        write(store, None, FIRST, created(FIRST))
        assert None is replay(FIRST, store.read(FIRST))
        assert None is replay_invoice(1, store.read(1))
        assert [1] == [number for number, _ in store.read_open()]
        assert FIRST == store.last_number(), "its number is not given again"


@pytest.mark.parametrize("on_disk", [False, True])
async def test_columns_of_what_a_guard_kept_out_are_not_written(
    path: Path, *, on_disk: bool
) -> None:
    key = Guard(kind=GuardKind.IDEMPOTENCY, key="main|invoice.create|abc")
    with opened(path) as disk:
        store: Store = disk if on_disk else MemoryStore()
        conflicts = []
        for number in (FIRST, FIRST + 1):
            memory = journal()
            after, append = recorded(None, number, [created(number)], counted, (key,))
            ticket = memory.append_beside(append, columns_of(after))
            batch = memory.take_batch(10)
            memory.batch_landed(store.write(batch, Searches(invoices=memory.take_invoices())))
            conflicts.append(ticket.conflict.number if ticket.conflict else None)
        assert [None, FIRST] == conflicts
        assert [] == store.read(FIRST + 1)
        if isinstance(store, MemoryStore):
            found = await MemoryReader(store).find_invoices(Filter(shop="main", limit=9))
        else:
            async with SqliteReader(path) as reader:
                found = await reader.find_invoices(Filter(shop="main", limit=9))
        assert [FIRST] == found


def test_columns_wait_for_the_batch_of_their_events() -> None:
    memory = journal()
    for number in (FIRST, FIRST + 1):
        after, append = recorded(None, number, [created(number)], counted)
        memory.append_beside(append, columns_of(after))
    memory.take_batch(1)
    assert [FIRST] == [row.number for row in memory.take_invoices()]
    assert memory.has_invoices


def test_a_journal_with_invoices_is_whole_and_its_columns_can_be_built_anew(path: Path) -> None:
    with opened(path) as store:
        live(store, [1, 2])
        some(store)
        refresh_searches(store, journal())
    tables = ("search", "invoices", "invoice_payments")
    # the payments of `some` have columns, but no events
    sql(path, "DELETE FROM invoice_payments")
    sql(path, "DELETE FROM search WHERE number > ?", FIRST)
    assert () == verify(path).problems
    before = {table: sql(path, f"SELECT * FROM {table}") for table in tables}
    for table in tables:
        sql(path, f"DELETE FROM {table}")
    rebuild_search(path)
    assert before == {table: sql(path, f"SELECT * FROM {table}") for table in tables}
    assert () == verify(path).problems


def test_a_journal_of_an_older_program_is_looked_at_and_built_anew(path: Path) -> None:
    with opened(path) as store:
        live(store, [1])
    for table in ("invoices", "invoice_payments"):
        sql(path, f"DROP TABLE {table}")
    sql(path, "PRAGMA user_version = 5")
    assert () == verify(path).problems
    assert 1 == rebuild_search(path)
    assert () == verify(path).problems


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE invoices SET status = 'open' WHERE status = 'paid'", "columns do not fit"),
        ("DELETE FROM invoices WHERE status = 'paid'", "columns do not fit"),
        ("UPDATE payments SET is_open = 1", "is not among"),
        ("INSERT INTO invoices VALUES (5, 'main', 'o', 'open', 1, 1, 1)", "a row of invoices"),
        ("INSERT INTO invoice_payments VALUES (1, 5, 'paid', 1)", "a row of invoice_payments"),
    ],
)
def test_what_was_changed_behind_its_back_is_missed(path: Path, statement: str, said: str) -> None:
    with opened(path) as store:
        invoice = write(store, None, FIRST, created(FIRST))
        write(store, invoice, FIRST, event_of(iv.InvoicePaid, MADE_MS))
    assert () == verify(path).problems
    sql(path, statement)
    assert [said] == [said for each in verify(path).problems if said in str(each)][:1]


def test_events_that_make_no_invoice_are_refused(path: Path) -> None:
    with opened(path) as store:
        write(store, None, FIRST, created(FIRST))
        rows = store.read(FIRST)
        begin(store, [1])
        foreign = store.read(1)[1]
    for wrong in (
        [*rows, rows[0]],
        [*rows, replace(foreign, version=2)],
        [replace(rows[0], version=2)],
    ):
        with pytest.raises(DamagedJournal):
            replay_invoice(FIRST, wrong)


def test_whose_private_part_was_erased_is_still_an_invoice(path: Path) -> None:
    with opened(path) as store:
        write(store, None, FIRST, created(FIRST))
        sql(path, "DELETE FROM private")
        erased = replay_invoice(FIRST, store.read(FIRST))
    assert erased is not None
    assert (150_000, "", None) == (erased.amount, erased.description, erased.payer)
    assert 1 == verify(path).erased
