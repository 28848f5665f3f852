"""The journals that are made for measuring are journals, so that what is measured on them is true of others."""

from pathlib import Path

import pytest

from bench.history import make_open, make_past
from bench.lives import is_finished
from gatewayd.core.payment import Payment
from gatewayd.core.settings import JournalSettings
from gatewayd.core.status import status_of
from gatewayd.io.boot import open_journal
from gatewayd.io.journal_verify import verify
from gatewayd.io.sqlite_reader import SqliteReader
from gatewayd.journal.filters import Filter
from gatewayd.journal.journal import Journal, replay, side

DEMO = side("demo", test=True)


async def test_a_made_past_is_whole_and_is_found_by_what_shops_ask_for(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    make_past(path, 40)
    assert () == verify(path).problems
    async with SqliteReader(path) as reader:
        assert 40 == len(await reader.find(Filter(shop=DEMO, limit=100)))
        assert 36 == len(await reader.find(Filter(shop=DEMO, status="paid", limit=100)))
        cancelled = await reader.find(Filter(shop=DEMO, status="cancelled", limit=100))
        (one,) = await reader.find(Filter(shop=DEMO, order_id="past-17", limit=100))
        rows = await reader.rows_of([one, *cancelled, 1])
    assert {one, *cancelled} == set(rows)
    payments = {number: replay(number, events) for number, events in rows.items()}
    assert "paid" == _status(payments[one])
    assert {"cancelled"} == {_status(payments[number]) for number in cancelled}


def _status(payment: Payment | None) -> str:
    assert payment is not None
    return str(status_of(payment))


@pytest.mark.parametrize("handed_over", [False, True])
def test_made_open_payments_are_taken_over_by_a_start(tmp_path: Path, handed_over: bool) -> None:
    path = tmp_path / "journal.db"
    make_open(path, 12, handed_over=handed_over)
    assert () == verify(path).problems
    opened = open_journal(JournalSettings(path=str(path), ballast_bytes=0), now_ms=0)
    try:
        journal = Journal(is_finished=is_finished, make_salt=bytes)
        opened.adopt_into(journal)
        assert 12 == len(journal)
        attempts = {len(payment.attempts) for n in journal.numbers() if (payment := journal.get(n))}
        assert {int(handed_over)} == attempts
    finally:
        opened.close()
