"""Receipts are compared behind the main flow: a reference that two payments have is a person's to look at."""

import asyncio
from dataclasses import replace
from pathlib import Path

from bench.lives import FIRST_MS, created, started
from gatewayd.core import events as ev
from gatewayd.core.status import Status, needs_review, status_of
from gatewayd.core.terms import Receipt
from gatewayd.engine.comparing import REPORTED_A_DAY_MAX, SAME, Comparing
from gatewayd.engine.reading import MemoryReader
from gatewayd.io import sqlite_receipts as receipts
from gatewayd.io.journal_tools import rebuild_search
from gatewayd.io.journal_verify import verify
from gatewayd.io.sqlite_reader import SqliteReader
from gatewayd.journal import codec
from gatewayd.journal.journal import Journal
from gatewayd.journal.store import (
    RECEIPTS_COMPARED_MS,
    Holder,
    Searches,
    Sighting,
)
from tests.journals import journal, land, live, opened, sql
from tests.shop import Shop, handed, on_virtual_time

RRN = "512345678901"
DAY = 86_400.0


def comparing(shop: Shop) -> Comparing:
    """What a process has of it; the next process has another."""
    store = shop.store

    async def write(appends: object, searches: Searches) -> list[Holder | None]:
        assert [] == appends
        return store.write([], searches)

    return Comparing(
        records=shop.engine.records,
        past=MemoryReader(store),
        write=write,
        deadlines=shop.engine.deadlines,
        log=shop.log,
    )


async def paid(shop: Shop, rrn: str) -> int:
    """A payment whose receipt says this."""
    number = await shop.create()
    back = shop.go(handed(await shop.engine.cashier.arrive(number)))
    (*_, session) = shop.banks.book
    session.rrn = rrn
    await shop.come_back(back)
    await shop.rest()
    return number


def reasons(shop: Shop, number: int) -> list[str]:
    """What persons were ever told of a payment, as the disk has it."""
    rows = shop.store.read(number)
    events = [codec.decode(row.kind, row.at_ms, row.body, None) for row in rows]
    return [event.reason for event in events if isinstance(event, ev.ReviewRaised)]


@on_virtual_time
async def test_two_payments_with_one_receipt_are_both_shown_to_a_person_and_stay_paid() -> None:
    async with Shop("saman") as shop:
        first, second = await paid(shop, RRN), await paid(shop, RRN)
        third = await paid(shop, "512345678902")
        await comparing(shop).look()

        assert [f"{SAME}pay_{second}"] == reasons(shop, first)
        assert [f"{SAME}pay_{first}"] == reasons(shop, second)
        assert [] == reasons(shop, third)
        for number in (first, second):
            payment = shop.payment(number)
            assert needs_review(payment)
            assert Status.PAID is status_of(payment)
        assert 2 == len(shop.log.of("review raised"))
        assert RRN not in str(shop.log.lines), "a reference is for nobody's log"


@on_virtual_time
async def test_one_look_after_the_other_compares_with_what_was_seen_before() -> None:
    async with Shop("saman") as shop:
        looks = comparing(shop)
        first = await paid(shop, RRN)
        await looks.look()
        assert [] == reasons(shop, first)
        shop.clock.skipped += 29 * DAY
        second = await paid(shop, RRN)
        await looks.look()
        assert [f"{SAME}pay_{second}"] == reasons(shop, first)
        assert [f"{SAME}pay_{first}"] == reasons(shop, second)


@on_virtual_time
async def test_a_receipt_of_more_than_thirty_days_ago_is_another_time() -> None:
    async with Shop("saman") as shop:
        looks = comparing(shop)
        first = await paid(shop, RRN)
        await looks.look()
        shop.clock.skipped += 30 * DAY + 3_600
        second = await paid(shop, RRN)
        await looks.look()
        assert [[], []] == [reasons(shop, first), reasons(shop, second)]


@on_virtual_time
async def test_two_banks_may_give_the_same_number_and_no_number_is_nobodys() -> None:
    async with Shop("saman") as shop:
        zeros = [await paid(shop, "000000000000") for _ in range(2)]
        one = await paid(shop, RRN)
        shop.store.write(
            [], Searches(receipts=(Sighting("sadad", RRN, 7, shop.store.read(one)[0].at_ms),))
        )
        await comparing(shop).look()
        assert [[], [], []] == [reasons(shop, number) for number in (*zeros, one)]


@on_virtual_time
async def test_a_process_that_dies_before_the_finding_has_landed_leaves_it_to_the_next() -> None:
    async with Shop("saman") as shop:
        first, second = await paid(shop, RRN), await paid(shop, RRN)
        shop.commit_seconds = 60.0  # the receipts are written down, and the reviews never are
        looking = asyncio.get_running_loop().create_task(comparing(shop).look())
        await asyncio.sleep(1.0)
        assert not looking.done()
        await shop.kill()
        looking.cancel()
        shop.commit_seconds = 0.001
        await shop.restart()
        assert [[], []] == [reasons(shop, first), reasons(shop, second)]
        for _ in range(2):
            await comparing(shop).look()
            await shop.restart()
        assert [f"{SAME}pay_{second}"] == reasons(shop, first)
        assert [f"{SAME}pay_{first}"] == reasons(shop, second)


@on_virtual_time
async def test_what_a_person_has_looked_at_is_not_told_again() -> None:
    async with Shop("saman") as shop:
        first, _ = await paid(shop, RRN), await paid(shop, RRN)
        await comparing(shop).look()
        await shop.engine.operating.resolve(first, by="operator", reason="asked the bank")
        await shop.restart()
        await comparing(shop).look()
        third = await paid(shop, RRN)
        await comparing(shop).look()
        assert 1 == len(reasons(shop, first))
        assert 1 == len(reasons(shop, third))


@on_virtual_time
async def test_a_bank_that_gives_every_payment_one_number_is_one_fault_and_not_a_thousand() -> None:
    async with Shop("saman") as shop:
        numbers = [await paid(shop, RRN) for _ in range(REPORTED_A_DAY_MAX + 5)]
        await comparing(shop).look()
        told = sum(len(reasons(shop, number)) for number in numbers)
        assert REPORTED_A_DAY_MAX <= told <= REPORTED_A_DAY_MAX + 1
        assert [{"gateway": "saman"}] == shop.log.of("receipts repeat their references")


# --- on disk


def repeated(memory: Journal, number: int, rrn: str) -> None:
    """A life that ends with this receipt."""
    memory.append(number, created(number))
    memory.append(number, *started(number, FIRST_MS + number))
    verify_requested = ev.VerifyRequested(
        at_ms=FIRST_MS + number, attempt=1, purpose=ev.Purpose.KEEP
    )
    receipt = Receipt(amount=1_500_000, ref_num=f"R{number}", rrn=rrn)
    memory.append(
        number,
        ev.HandedOver(at_ms=FIRST_MS + number, attempt=1),
        verify_requested,
        ev.Verified(at_ms=FIRST_MS + number, attempt=1, receipt=receipt),
    )


async def test_on_disk_receipts_are_found_in_the_events_and_forgotten_after_thirty_days(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    with opened(path) as store:
        memory = journal()
        for number in (4, 8):  # of one gateway
            repeated(memory, number, RRN)
        repeated(memory, 5, RRN)  # of another
        repeated(memory, 12, "0")
        land(memory, store)
        live(store, [1, 2, 3])
        async with SqliteReader(path) as reader:
            part = await reader.receipts(None, 0)
            assert {4, 8, 5, 1, 2, 3} == {each.number for each in part.found}
            assert Sighting("saman-main", RRN, 4, FIRST_MS + 4) in part.found
            late = await reader.receipts(None, FIRST_MS + 60_000)
            assert {1, 2, 3} == {each.number for each in late.found}
            store.write([], Searches(receipts=part.found, compared=part.upto))
            store.write([], Searches(receipts=part.found, compared=part.upto))
            twice = await reader.twice(part.found)
            assert {(4, 8), (8, 4)} == {(each.number, other) for each, other in twice}
            assert part.upto == (await reader.receipts(None, 0)).upto
            assert () == (await reader.receipts(None, 0)).found
            long_ago = [
                replace(each, at_ms=each.at_ms + RECEIPTS_COMPARED_MS + 10) for each in part.found
            ]
            assert [] == await reader.twice(long_ago)
        store.tidy(FIRST_MS + RECEIPTS_COMPARED_MS + 5)
        assert {(5,), (8,), (1,), (2,), (3,)} == set(sql(path, "SELECT number FROM receipts"))
    assert () == verify(path).problems
    rebuild_search(path)
    assert [] == sql(path, "SELECT number FROM receipts")
    assert [] == sql(path, "SELECT value FROM meta WHERE key = 'compared'")


async def test_a_receipt_of_a_payment_that_is_gone_betrays_that_events_are_missing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    with opened(path) as store:
        live(store, [1])
        store.write([], Searches(receipts=(Sighting("saman-main", RRN, 99, FIRST_MS),)))
    (problem,) = verify(path).problems
    assert "payment 99: a receipt is left of events that are missing" == str(problem)


async def test_finding_receipts_needs_no_look_at_other_payments(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with opened(path) as store:
        live(store, [1])
    for query, values in (
        (receipts.SIGHTINGS, (0, 10, 0)),
        (receipts.TWICE, (RECEIPTS_COMPARED_MS, "[]")),
    ):
        plan = [row[3] for row in sql(path, f"EXPLAIN QUERY PLAN {query}", *values)]
        assert [] == [line for line in plan if "SCAN" in line and "VIRTUAL" not in line], plan
