"""What the world plays beside payments: clocks that jump, a journal that is verified; broken engines are caught.

A deliberately broken engine is one function changed, and is caught within 200 worlds, counted from 0. So that this is
quick, they are gone through from near the seed at which it was caught when the test was written; the others follow.
"""

from collections import Counter
from dataclasses import replace
from unittest.mock import ANY

import pytest

from gatewayd.core.events import ClockJumped, Event
from gatewayd.core.invoices import Invoice, InvoiceStatus, Paid, due_event
from gatewayd.core.refunds import GOES_BACK, Refund, RefundState
from gatewayd.engine import invoice_paying, invoicing, refunding
from gatewayd.engine.invoice_paying import Answer, Paying
from gatewayd.engine.invoice_sight import Seen, Sight
from gatewayd.engine.invoicing import Invoicing
from gatewayd.engine.records import Records
from gatewayd.engine.refunding import Refunding
from gatewayd.io import jumps
from gatewayd.io.clock import JumpWatch
from gatewayd.io.jumps import Jumps
from gatewayd.io.sqlite_store import SqliteStore
from gatewayd.journal.invoices import recorded
from gatewayd.journal.store import Append
from gatewayd.world.machine import Life
from gatewayd.world.options import Options
from gatewayd.world.run import run_world

SEEDS_MAX = 200


def caught(rules: set[str], options: Options, near: int = 0) -> bool:
    """Whether one of these rules is seen to be broken within 200 worlds, of which `near` is looked at first."""
    return any(
        rules & {violation.rule for violation in run_world(seed, options).violations}
        for seed in (*range(near, SEEDS_MAX), *range(near))
    )


def met(seeds: range, options: Options) -> Counter[str]:
    """What happened in these worlds, in which no rule is broken."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        report = run_world(seed, options)
        assert () == report.violations, report.repeat
        counts.update(report.counts)
    return counts


# --- the wall clock

RESTLESS = Options(payments=4, clock_jumps_an_hour=12.0, journal_verified=1.0)


def test_every_jump_of_the_clock_is_written_whatever_befalls_process_and_disk() -> None:
    seen = met(range(6), replace(RESTLESS, crashes=8, fsync_errors_an_hour=2.0, slow_disk=0.2))
    assert seen["clock_jump"] > 50
    assert seen["clock_jumps_again"]
    assert 6 == seen["journal_verified"]


def test_a_watch_that_sees_no_jump_back_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    look = JumpWatch.look

    def forth(self: JumpWatch, wall: float, monotonic: float) -> float | None:
        return max(0.0, look(self, wall, monotonic) or 0.0) or None

    monkeypatch.setattr(JumpWatch, "look", forth)
    assert caught({"clock"}, RESTLESS)


def test_a_watch_that_forgets_the_second_jump_in_a_minute_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look = Jumps.look

    async def forgetful(self: Jumps) -> None:
        await look(self)
        self._seconds, self._times = 0.0, 0

    monkeypatch.setattr(Jumps, "look", forgetful)
    assert caught({"clock"}, replace(RESTLESS, clock_jumps_again=1.0))


def test_a_watch_that_waits_for_hours_before_it_writes_again_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jumps, "APART_SECONDS", 7_200.0)
    assert caught({"clock"}, RESTLESS)


def test_a_jump_that_is_only_told_and_never_written_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def note(_: Life, event: Event) -> None:
        assert isinstance(event, ClockJumped)

    monkeypatch.setattr(Life, "note", note)
    assert caught({"clock"}, RESTLESS)


def test_a_jump_that_is_not_in_the_chain_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    linked = SqliteStore._linked

    def loose(self: SqliteStore, number: int, *args: object) -> tuple[object, ...]:
        before = self._hash
        row = linked(self, number, *args)  # type: ignore[arg-type]  # passed on as they came
        if not number:
            self._hash = before
        return row

    monkeypatch.setattr(SqliteStore, "_linked", loose)
    assert caught({"verify"}, RESTLESS)


# --- a face's reverse

BACK = Options(
    hours=0.5,
    payments=30,
    shop_has_a_face=1.0,
    shop_forgets=0.0,
    shop_reverses=0.9,
    shop_reverses_twice=0.5,
    shop_refunds=0.5,
)


def test_shops_with_a_face_reverse_at_once_late_and_twice() -> None:
    seen = met(range(3), replace(BACK, crashes=6, lost_reply=0.1))
    assert seen["shop_reverses"] > 20
    assert seen["shop_reverses_twice"] > 20


def test_a_reverse_that_takes_a_part_for_all_of_it_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    undo = Refunding.undo

    async def hasty(self: Refunding, number: int, *, key: str, seconds: float) -> bool | None:
        payment = await self._records.look(number)
        begun = payment is not None and any(map(_goes_back, payment.refunds))
        return begun or await undo(self, number, key=key, seconds=seconds)

    monkeypatch.setattr(Refunding, "undo", hasty)
    assert caught({"face's reverse"}, replace(BACK, lost_reply=0.2, shop_refunds=1.0))


def test_a_reverse_that_says_no_while_its_bank_may_still_do_it_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    undo = Refunding.undo

    async def hasty(self: Refunding, number: int, *, key: str, seconds: float) -> bool | None:
        return await undo(self, number, key=key, seconds=seconds) or False

    monkeypatch.setattr(Refunding, "undo", hasty)
    assert caught({"face's reverse"}, replace(BACK, lost_reply=0.3))


def test_a_reverse_that_says_yes_before_its_bank_does_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refunding, "GOES_BACK", GOES_BACK | {RefundState.WAITING})
    monkeypatch.setattr(refunding, "_SETTLED_WORD", frozenset(RefundState))
    assert caught({"face's reverse"}, BACK)


def _goes_back(refund: Refund) -> bool:
    return refund.state in GOES_BACK


# --- invoices

BILLS = Options(
    hours=0.5, payments=10, shop_invoices=1.0, shop_stops_invoices=0.5, comes_to_old_invoices=0.5
)


def test_invoices_are_made_paid_stopped_and_come_to_late() -> None:
    seen = met(range(5), replace(BILLS, crashes=6, shop_refunds=0.5, journal_verified=1.0))
    habits = {"comes_to_old_invoices", "shop_stops_invoices", "presses_twice", "second_page"}
    assert set() == habits - set(seen)
    assert 50 == seen["shop_invoices"]


def test_an_invoice_whose_order_two_payments_may_have_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draft = Paying._draft

    def loose(self: Paying, *args: object) -> object:
        return replace(draft(self, *args), holds_order=False)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(Paying, "_draft", loose)
    assert caught({"invoices"}, replace(BILLS, second_tab=0.8))


def test_an_invoice_that_is_paid_when_it_is_over_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sight = Sight.seen

    def blind(self: Sight, invoice: Invoice, paid: Paid) -> Seen:
        return sight(self, replace(invoice, stopping=False, status=InvoiceStatus.OPEN), paid)

    monkeypatch.setattr(Sight, "seen", blind)
    assert caught({"invoices"}, BILLS)


def test_an_invoice_that_ends_while_somebody_pays_it_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due = due_event

    def hasty(invoice: Invoice, paid: Paid, now_ms: int) -> object:
        return due(invoice, replace(paid, live=0), now_ms)

    monkeypatch.setattr(invoicing, "due_event", hasty)
    assert caught({"invoices"}, BILLS)


def test_an_invoice_that_counts_who_began_as_having_paid_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due = due_event

    def hopeful(invoice: Invoice, paid: Paid, now_ms: int) -> object:
        return due(invoice, replace(paid, payments=paid.payments + paid.live), now_ms)

    monkeypatch.setattr(invoicing, "due_event", hopeful)
    assert caught({"invoices"}, BILLS)


def test_an_invoice_of_which_nobody_writes_that_it_is_paid_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Invoicing, "moved", lambda *_: None)
    assert caught({"liveness"}, replace(BILLS, crashes=0))


def test_an_invoice_that_a_crash_leaves_open_though_it_is_paid_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def catch_up(_: Invoicing) -> None:
        pass

    monkeypatch.setattr(Invoicing, "catch_up", catch_up)
    assert caught({"liveness"}, replace(BILLS, crashes=60, crash_in_recovery=0, slow_disk=1.0), 24)


def test_a_button_that_begins_two_payments_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    pay = Paying.pay

    async def nameless(self: Paying, number: int, once: str, locale: str) -> Answer | None:
        return await pay(self, number, "", locale)

    monkeypatch.setattr(Paying, "pay", nameless)
    assert caught({"invoices"}, replace(BILLS, clicks_twice=0.5))


def test_an_invoice_that_is_paid_by_another_payment_of_its_order_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(invoice_paying, "invoice_of", lambda _: ANY)
    assert caught({"invoices"}, replace(BILLS, payments=20))


def test_an_invoice_that_is_shown_before_it_has_landed_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def at_once(*_: object) -> None:
        pass

    monkeypatch.setattr(Records, "wait", at_once)
    assert caught({"invoices"}, BILLS)


def test_an_end_that_nobody_is_told_of_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    record = recorded

    def silent(*args: object) -> tuple[Invoice, Append]:
        invoice, append = record(*args)  # type: ignore[arg-type]  # passed on as they came
        return invoice, replace(append, notices=append.notices[1:])

    monkeypatch.setattr(invoicing, "recorded", silent)
    assert caught({"outbox"}, BILLS)
