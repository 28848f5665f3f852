"""Every store keeps the same promises: the one on disk and the one in memory."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from gatewayd.core.delivery import Changes, Delivery, Standing
from gatewayd.engine.ids import EPOCH_MS
from gatewayd.engine.reading import MemoryReader, Reader
from gatewayd.io.sqlite_reader import SqliteReader
from gatewayd.io.sqlite_store import SqliteStore
from gatewayd.journal.filters import Filter
from gatewayd.journal.memory import MemoryStore
from gatewayd.journal.store import (
    IDEMPOTENCY_KEPT_MS,
    OWN_NUMBER,
    Append,
    Guard,
    GuardKind,
    Holder,
    Notice,
    Row,
    Search,
    Searches,
    Store,
    StoreError,
    Told,
)

NOW_MS = 1_750_000_000_000


class TidyStore(Store, Protocol):
    """A store whose old keys can be forgotten."""

    def tidy(self, now_ms: int) -> None: ...


@dataclass
class Kept:
    """A store, its reader, and what a new process would find."""

    store: TidyStore
    reader: Reader
    reopened: Callable[[], Store]


def secret(count: int) -> bytes:
    return bytes(range(count))


@pytest.fixture(params=["memory", "sqlite"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    if request.param == "memory":
        store = MemoryStore()
        yield Kept(store, MemoryReader(store), store.crash)
        return
    path = tmp_path / "journal.db"
    async with AsyncExitStack() as stack:

        def opened() -> SqliteStore:
            store = SqliteStore(path, ballast_bytes=0, make_secret=secret)
            stack.callback(store.close)
            return store

        on_disk = opened()
        yield Kept(on_disk, await stack.enter_async_context(SqliteReader(path)), opened)


def row(version: int, *, kind: str = "Created", private: bytes | None = None) -> Row:
    salt = b"salt" if private else b""
    return Row(version, kind, NOW_MS + version, b'{"version":%d}' % version, private, salt)


def append(
    number: int,
    *versions: int,
    takes: Sequence[Guard] = (),
    releases: Sequence[Guard] = (),
    is_open: bool | None = True,
    notices: Sequence[Notice] = (),
) -> Append:
    return Append(
        number=number,
        rows=tuple(row(version) for version in versions),
        takes=tuple(takes),
        releases=tuple(releases),
        is_open=is_open,
        notices=tuple(notices),
    )


def order(key: str, detail: str = "") -> Guard:
    return Guard(kind=GuardKind.ORDER, key=key, detail=detail)


def idempotency(key: str, detail: str = "") -> Guard:
    return Guard(kind=GuardKind.IDEMPOTENCY, key=key, detail=detail)


def search(number: int, **changes: object) -> Search:
    plain = Search(
        number=number,
        shop="main",
        order_id=f"o{number}",
        status="pending",
        gateway="",
        amount=1_000,
        created_ms=number + EPOCH_MS,
        needs_review=False,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # the caller knows the fields


# --- events


async def test_what_was_written_is_read_back_in_order(kept: Kept) -> None:
    rows = (row(1, private=b'{"payer":{}}'), row(2, kind="Closed"))
    kept.store.write([Append(number=7, rows=rows)])
    kept.store.write([append(8, 1), append(7, 3)])
    assert [*rows, row(3)] == kept.store.read(7)
    assert [*rows, row(3)] == await kept.reader.rows(7)


async def test_an_unknown_payment_has_no_events(kept: Kept) -> None:
    assert [] == kept.store.read(7)
    assert [] == await kept.reader.rows(7)


async def test_a_new_process_finds_what_landed(kept: Kept) -> None:
    kept.store.write([append(7, 1, 2), append(8, 1)])
    assert [(7, [row(1), row(2)]), (8, [row(1)])] == list(kept.reopened().read_open())


async def test_a_version_that_is_there_already_is_a_bug_that_stops_everything(kept: Kept) -> None:
    kept.store.write([append(7, 1)])
    with pytest.raises(StoreError):
        kept.store.write([append(8, 1), append(7, 1)])


async def test_only_open_payments_are_read_at_the_start(kept: Kept) -> None:
    kept.store.write([append(7, 1), append(8, 1), append(9, 1, is_open=False)])
    kept.store.write([append(8, 2, is_open=False), append(7, 2, is_open=None)])
    assert [(7, [row(1), row(2)])] == list(kept.store.read_open())
    assert [7] == await kept.reader.open_numbers()


async def test_a_payment_can_be_closed_without_an_event(kept: Kept) -> None:
    kept.store.write([append(7, 1)])
    kept.store.write([append(7, is_open=False)])
    assert [] == await kept.reader.open_numbers()
    assert [row(1)] == kept.store.read(7)


async def test_the_highest_number_is_known(kept: Kept) -> None:
    assert 0 == kept.store.last_number()
    kept.store.write([append(9, 1, is_open=False), append(7, 1)])
    assert 9 == kept.store.last_number()


async def test_the_latest_events_of_some_kinds_are_found_without_what_is_private(
    kept: Kept,
) -> None:
    first, second = row(1, kind="StartRequested"), row(2, kind="Returned", private=b"{}")
    kept.store.write([Append(number=7, rows=(first, second)), Append(number=8, rows=(row(1),))])
    kept.store.write([Append(number=7, rows=(row(3, kind="StartRequested"),))])
    bare = replace(second, private=None, salt=b"")
    assert [row(3, kind="StartRequested"), bare, first] == kept.store.last_rows(
        ["StartRequested", "Returned"]
    )


# --- guards


async def test_a_guard_is_taken_once(kept: Kept) -> None:
    first, second = order("main|o1", "first"), order("main|o1", "second")
    assert [None] == kept.store.write([append(7, 1, takes=[first])])
    assert [Holder(guard=first, number=7)] == kept.store.write([append(8, 1, takes=[second])])
    assert Holder(guard=first, number=7) == await kept.reader.holder(GuardKind.ORDER, "main|o1")
    assert [] == kept.store.read(8)


async def test_a_conflict_keeps_its_own_append_out_and_nobody_elses(kept: Kept) -> None:
    guard = order("main|o1")
    answers = kept.store.write(
        [append(7, 1, takes=[guard]), append(8, 1, takes=[guard]), append(9, 1)]
    )
    assert [None, Holder(guard=guard, number=7), None] == answers
    assert [7, 9] == await kept.reader.open_numbers()


async def test_an_append_kept_out_takes_releases_and_tells_nothing(kept: Kept) -> None:
    held, free, given = order("held"), order("free"), order("given")
    kept.store.write([append(7, 1, takes=[held]), append(8, 1, takes=[given])])
    notice = Notice(2, "main", "payment.paid", NOW_MS)
    kept.store.write(
        [append(8, 2, takes=[free, held], releases=[given], is_open=False, notices=[notice])]
    )
    assert None is await kept.reader.holder(GuardKind.ORDER, "free")
    assert Holder(guard=given, number=8) == await kept.reader.holder(GuardKind.ORDER, "given")
    assert [7, 8] == await kept.reader.open_numbers()
    assert [] == await kept.reader.notices(0, None, 10)


async def test_the_holder_may_take_its_guard_again_but_no_idempotency_key_twice(
    kept: Kept,
) -> None:
    guard, key = order("main|o1"), idempotency("main|k1|capture|abc", "body")
    kept.store.write([append(7, 1, takes=[guard, key])])
    assert [None] == kept.store.write([append(7, 2, takes=[guard])])
    assert [Holder(guard=key, number=7)] == kept.store.write(
        [append(7, 3, takes=[idempotency(key.key, "other body")])]
    )


async def test_a_holder_is_named_with_the_version_that_took_the_guard(kept: Kept) -> None:
    key = idempotency("main|cancel|abc", "body")
    kept.store.write([append(7, 1)])
    kept.store.write([append(7, 2, 3, takes=[key])])
    holder = Holder(guard=key, number=7, version=3)
    assert holder == await kept.reader.holder(key.kind, key.key)
    assert [holder] == kept.store.write([append(7, 4, takes=[key])])


async def test_a_guard_is_released_by_its_holder_only(kept: Kept) -> None:
    guard = order("main|o1")
    kept.store.write([append(7, 1, takes=[guard]), append(8, 1)])
    kept.store.write([append(8, 2, releases=[guard])])
    assert Holder(guard=guard, number=7) == await kept.reader.holder(guard.kind, guard.key)
    kept.store.write([append(7, 2, releases=[guard])])
    assert [None] == kept.store.write([append(8, 3, takes=[guard])])


async def test_kinds_of_guards_do_not_meet(kept: Kept) -> None:
    answers = kept.store.write(
        [
            append(n, 1, takes=[Guard(kind=kind, key="the same")])
            for n, kind in enumerate(GuardKind, 1)
        ]
    )
    assert [None, None, None] == answers


async def test_idempotency_keys_are_forgotten_after_a_week_and_nothing_else_is(
    kept: Kept,
) -> None:
    key, guard = idempotency("a"), order("o1")
    kept.store.write([append(7, 1, takes=[key, guard])])
    kept.store.tidy(NOW_MS + 1 + IDEMPOTENCY_KEPT_MS)
    assert Holder(guard=key, number=7) == await kept.reader.holder(key.kind, key.key)
    kept.store.tidy(NOW_MS + 2 + IDEMPOTENCY_KEPT_MS)
    assert None is await kept.reader.holder(key.kind, key.key)
    assert Holder(guard=guard, number=7) == await kept.reader.holder(guard.kind, guard.key)


@pytest.mark.parametrize("text", ["", "x" * 1_025, "\ud800"])
def test_a_guard_that_no_store_could_keep_cannot_be_made(text: str) -> None:
    with pytest.raises(ValueError, match="a guard's key"):
        order(text)
    if text:
        with pytest.raises(ValueError, match="a guard's key"):
            order("fine", text)


# --- notices


async def test_notices_are_numbered_in_order_and_read_in_pages(kept: Kept) -> None:
    main, other = (Notice(1, shop, "payment.created", NOW_MS) for shop in ("main", "other"))
    paid = Notice(2, "main", "payment.paid", NOW_MS + 1)
    kept.store.write([append(7, 1, notices=[main]), append(8, 1, notices=[other])])
    kept.store.write([append(7, 2, notices=[paid])])
    assert [Told(1, 7, main), Told(2, 8, other)] == await kept.reader.notices(0, None, 2)
    assert [Told(3, 7, paid)] == await kept.reader.notices(2, None, 2)
    assert [Told(1, 7, main), Told(3, 7, paid)] == await kept.reader.notices(0, "main", 9)
    assert [] == await kept.reader.notices(2, "other", 9)


async def test_several_notices_of_one_append_have_a_place_each(kept: Kept) -> None:
    two = [
        Notice(1, "main", "payment.reopened", NOW_MS),
        Notice(1, "main", "payment.failed", NOW_MS),
    ]
    kept.store.write([append(7, 1, notices=two), append(8, 1, notices=two[:1])])
    assert [1, 2, 3] == [told.seq for told in await kept.reader.notices(0, None, 9)]
    assert [7, 8] == [told.number for told in await kept.reader.notices(1, None, 9)]


# --- what became of webhooks


def delivery(seq: int, tries: int = 0) -> Delivery:
    return Delivery(seq, 7, seq, "payment.paid", NOW_MS, NOW_MS + 5, tries, NOW_MS)


async def test_a_new_receiver_begins_where_it_is_first_named_and_stays_there(kept: Kept) -> None:
    notice = Notice(1, "main", "payment.paid", NOW_MS)
    kept.store.write([append(7, 1, notices=[notice])])
    first = kept.store.take_receivers(["main/a"])
    assert [(Standing(name="main/a", cursor=1), [])] == first
    kept.store.write([append(7, 2, notices=[notice])])
    assert [*first, (Standing(name="main/b", cursor=2), [])] == kept.store.take_receivers(
        ["main/a", "main/b"]
    )


async def test_what_became_of_webhooks_is_found_by_the_next_process(kept: Kept) -> None:
    kept.store.take_receivers(["main/a", "main/b"])
    failing = Standing(name="main/a", cursor=3, failing_since_ms=NOW_MS)
    disabled = Standing(name="main/b", cursor=9, disabled_ms=NOW_MS, why="gone")
    kept.store.write(
        [],
        Searches(
            posting=(
                Changes(failing, (delivery(1), delivery(2), delivery(3)), ()),
                Changes(disabled, (), ()),
            )
        ),
    )
    kept.store.write([], Searches(posting=(Changes(failing, (delivery(2, tries=1),), (1, 3)),)))
    assert [(disabled, []), (failing, [delivery(2, tries=1)])] == kept.reopened().take_receivers(
        ["main/b", "main/a"]
    )


async def test_a_receiver_that_is_not_named_any_more_is_forgotten(kept: Kept) -> None:
    kept.store.take_receivers(["main/a"])
    moved = Standing(name="main/a", cursor=5)
    kept.store.write([], Searches(posting=(Changes(moved, (delivery(4),), ()),)))
    kept.store.take_receivers([])
    assert [(Standing(name="main/a", cursor=0), [])] == kept.store.take_receivers(["main/a"])


# --- search columns


async def test_what_is_given_narrows_a_search_and_the_newest_come_first(kept: Kept) -> None:
    kept.store.write(
        [],
        Searches(
            (
                search(1, status="paid", gateway="saman"),
                search(2, status="paid", gateway="mellat"),
                search(3, status="failed", gateway="saman", order_id="again"),
                search(4, status="paid", gateway="saman", order_id="again"),
                search(5, shop="other", status="paid", gateway="saman", order_id="again"),
            )
        ),
    )

    async def find(shop: str, **more: Any) -> list[int]:
        return await kept.reader.find(Filter(shop=shop, limit=9, **more))

    assert [4, 3, 2, 1] == await find("main")
    assert [4, 2, 1] == await find("main", status="paid")
    assert [4, 3, 1] == await find("main", gateway="saman")
    assert [4, 1] == await find("main", gateway="saman", status="paid")
    assert [4, 3] == await find("main", order_id="again")
    assert [3] == await find("main", order_id="again", status="failed")
    assert [5] == await find("other", order_id="again")
    assert [] == await find("nobody")


async def test_a_search_is_read_in_pages(kept: Kept) -> None:
    kept.store.write([], Searches(tuple(search(number) for number in range(1, 8))))
    assert [7, 6, 5] == await kept.reader.find(Filter(shop="main", limit=3))
    assert [4, 3, 2] == await kept.reader.find(Filter(shop="main", limit=3, before_number=5))
    assert [1] == await kept.reader.find(Filter(shop="main", limit=3, before_number=2))


async def test_a_search_by_time_counts_the_first_instant_in_and_the_last_out(kept: Kept) -> None:
    kept.store.write([], Searches(tuple(search(number) for number in range(1, 8))))
    found = await kept.reader.find(
        Filter(
            shop="main",
            created_from_ms=EPOCH_MS + 3,
            created_to_ms=EPOCH_MS + 6,
            limit=9,
        )
    )
    assert [5, 4, 3] == found


async def test_a_payment_whose_number_ran_ahead_of_the_clock_is_found_by_its_time(
    kept: Kept,
) -> None:
    behind = search(50_000, created_ms=EPOCH_MS + 20_000)
    kept.store.write([], Searches((behind, search(60_000))))
    found = await kept.reader.find(
        Filter(
            shop="main", created_from_ms=EPOCH_MS + 20_000, created_to_ms=EPOCH_MS + 20_001, limit=9
        )
    )
    assert [50_000] == found


async def test_search_columns_are_replaced(kept: Kept) -> None:
    kept.store.write([], Searches((search(1),)))
    kept.store.write([], Searches((search(1, status="paid", gateway="zibal", needs_review=True),)))
    assert [] == await kept.reader.find(Filter(shop="main", status="pending", limit=9))
    assert [1] == await kept.reader.find(
        Filter(shop="main", status="paid", gateway="zibal", limit=9)
    )
    assert [1] == await kept.reader.in_review(9)


async def test_reviews_come_oldest_first_and_no_more_than_wanted(kept: Kept) -> None:
    kept.store.write([], Searches(tuple(search(n, needs_review=n != 2) for n in (4, 3, 2, 1))))
    assert [1, 3] == await kept.reader.in_review(2)


async def test_payments_that_the_search_columns_may_not_know_are_named_after_a_crash(
    kept: Kept,
) -> None:
    kept.store.write([append(1, 1), append(2, 1)])
    assert [1, 2] == sorted(kept.reopened().unsearched())
    kept.store.write([append(3, 1)], Searches((search(1), search(2)), complete=True))
    assert [3] == kept.reopened().unsearched(), "its event landed with the columns of others"
    kept.store.write([append(4, 1)], Searches((search(3),), complete=False))
    assert [3, 4] == sorted(kept.reopened().unsearched())
    kept.store.write([], Searches((search(4),), complete=True))
    assert [] == kept.reopened().unsearched()


# --- counts


async def test_counts(kept: Kept) -> None:
    kept.store.write([append(1, 1, 2), append(2, 1, is_open=False)])
    kept.store.write([], Searches((search(1, needs_review=True), search(2)), complete=True))
    counts = await kept.reader.counts()
    assert (3, 1, 1) == (counts.events, counts.open_payments, counts.in_review)


# --- the journal itself


async def test_what_happens_to_the_journal_itself_is_in_the_order_of_everything_and_no_payment(
    kept: Kept,
) -> None:
    kept.store.write([append(1, 1)])
    kept.store.note("ClockJumped", NOW_MS, b'{"seconds":7.5}')
    kept.store.note("ClockJumped", NOW_MS + 1, b'{"seconds":8.5}')
    kept.store.write([], Searches((search(1),), complete=True))
    again = kept.reopened()
    assert [(1, NOW_MS), (2, NOW_MS + 1)] == [
        (row.version, row.at_ms) for row in again.read(OWN_NUMBER)
    ]
    assert [1] == [number for number, _ in again.read_open()]
    assert [] == again.unsearched()
    assert (1, 3) == (again.last_number(), (await kept.reader.counts()).events)
