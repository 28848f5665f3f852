"""An invoice's states, and what it says of itself and its payments: properties that hold whatever happens."""

from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core import invoice_events as iv
from gatewayd.core.invoices import (
    KEPT_STATUSES,
    NOTHING_PAID,
    TRANSITIONS,
    Invoice,
    InvoiceStatus,
    Paid,
    apply,
    as_it_was,
    due_event,
    number_in,
    status_of,
)
from gatewayd.core.money import Currency
from gatewayd.core.states import IllegalTransition
from gatewayd.engine.codes import LENGTH, NUMBER_MAX, SIGNS, Codes

T0: Final = 1_739_284_866_000
ENDS_MS: Final = T0 + 1_000
KEY: Final = b"0123456789abcdef"


def created(wanted: int = 1) -> iv.InvoiceCreated:
    return iv.InvoiceCreated(
        at_ms=T0,
        shop="main",
        key="k1",
        order_id="o-1",
        amount=150_000,
        currency=Currency.IRR,
        expires_ms=ENDS_MS,
        wanted=wanted,
        private={"lines": [{"name": "x", "quantity": 1, "unit_price": 150_000}]},
    )


def event_of(kind: type[iv.InvoiceEvent]) -> iv.InvoiceEvent:
    if kind is iv.InvoiceCreated:
        return created()
    if issubclass(kind, iv.InvoiceEnded):
        return kind(at_ms=T0 + 1, payments=1, amount=150_000, latest=7)
    return kind(at_ms=T0 + 1)


PAIDS = st.builds(
    Paid,
    payments=st.integers(0, 4),
    amount=st.integers(0, 10**9),
    live=st.integers(0, 3),
    doubtful=st.just(0),
    latest=st.none() | st.integers(1, 10**12),
) | st.builds(Paid, live=st.just(1), doubtful=st.just(1), latest=st.just(5))
HISTORIES = st.lists(st.sampled_from(iv.OF_INVOICES), max_size=6)


def lived(kinds: list[type[iv.InvoiceEvent]], wanted: int = 1) -> Invoice:
    """An invoice after those of these events that were legal."""
    invoice = apply(None, created(wanted), number=9)
    for kind in kinds:
        try:
            invoice = apply(invoice, event_of(kind))
        except IllegalTransition:
            continue
    return invoice


@given(kinds=HISTORIES, kind=st.sampled_from(iv.OF_INVOICES))
def test_what_the_table_does_not_allow_changes_nothing(
    kinds: list[type[iv.InvoiceEvent]], kind: type[iv.InvoiceEvent]
) -> None:
    before = lived(kinds)
    try:
        after = apply(before, event_of(kind))
    except IllegalTransition:
        return
    assert kind in TRANSITIONS[before.status]
    assert before.version + 1 == after.version


def test_every_state_and_every_event_stands_in_the_table() -> None:
    assert set(KEPT_STATUSES) == set(TRANSITIONS)
    assert {*iv.OF_INVOICES} - {iv.InvoiceCreated} == set().union(*TRANSITIONS.values())


def test_an_invoice_begins_once_and_before_everything_else() -> None:
    for kind in iv.OF_INVOICES[1:]:
        with pytest.raises(IllegalTransition):
            apply(None, event_of(kind))
    with pytest.raises(IllegalTransition):
        apply(lived([]), created())


def test_only_its_shops_word_cancels_it_and_no_time_ends_what_is_being_stopped() -> None:
    with pytest.raises(IllegalTransition):
        apply(lived([]), event_of(iv.InvoiceCancelled))
    stopping = lived([iv.InvoiceCancelRequested])
    for kind in (iv.InvoiceCancelRequested, iv.InvoiceExpired):
        with pytest.raises(IllegalTransition):
            apply(stopping, event_of(kind))


@given(kinds=HISTORIES, wanted=st.integers(0, 3), paid=PAIDS, later=st.integers(0, 2_000))
def test_what_is_due_is_always_legal_and_once_done_not_due_again(
    kinds: list[type[iv.InvoiceEvent]], wanted: int, paid: Paid, later: int
) -> None:
    invoice, now_ms = lived(kinds, wanted), T0 + later
    due = due_event(invoice, paid, now_ms)
    if due is None:
        return
    after = apply(invoice, due)
    assert status_of(invoice, paid, now_ms) is after.status
    assert (paid.payments, paid.amount) == (after.payments, after.paid_amount)
    assert as_it_was(after)[1] is after.status
    again = due_event(after, paid, now_ms)
    assert again is None or isinstance(again, iv.InvoiceReversed)


@given(kinds=HISTORIES, wanted=st.integers(0, 3), paid=PAIDS, later=st.integers(0, 2_000))
def test_nothing_ends_while_a_payment_may_still_be_paid_unless_all_are(
    kinds: list[type[iv.InvoiceEvent]], wanted: int, paid: Paid, later: int
) -> None:
    invoice = lived(kinds, wanted)
    due = due_event(invoice, paid, T0 + later)
    if due is not None and paid.live and invoice.status is InvoiceStatus.OPEN:
        assert isinstance(due, iv.InvoicePaid)
        assert paid.payments >= wanted > 0


@given(kinds=HISTORIES, wanted=st.integers(0, 3), paid=PAIDS, later=st.integers(0, 2_000))
def test_one_that_says_open_takes_payments_and_has_room(
    kinds: list[type[iv.InvoiceEvent]], wanted: int, paid: Paid, later: int
) -> None:
    invoice = lived(kinds, wanted)
    if status_of(invoice, paid, T0 + later) is InvoiceStatus.OPEN:
        assert invoice.takes_payments
        assert not wanted or paid.payments < wanted
        assert not (wanted == 1 and paid.doubtful)


@pytest.mark.parametrize(
    ("wanted", "paid", "later", "status"),
    [
        (1, NOTHING_PAID, 0, "open"),
        (1, NOTHING_PAID, 1_000, "expired"),
        (1, Paid(live=1, latest=5), 1_000, "open"),
        (1, Paid(live=1, doubtful=1, latest=5), 0, "processing"),
        (1, Paid(payments=1, amount=150_000, latest=5), 5_000, "paid"),
        (2, Paid(payments=1, live=1, doubtful=1, amount=150_000, latest=5), 0, "processing"),
        (2, Paid(payments=1, amount=150_000, latest=5), 0, "open"),
        (0, Paid(payments=9, live=2, doubtful=2, amount=1, latest=5), 0, "open"),
        (0, Paid(payments=9, amount=1, latest=5), 1_000, "expired"),
    ],
)
def test_the_status_follows_from_its_payments_and_the_time(
    wanted: int, paid: Paid, later: int, status: str
) -> None:
    assert status == status_of(lived([], wanted), paid, T0 + later)


def test_a_key_of_a_shop_is_never_taken_for_an_invoice() -> None:
    assert [0, 0, 0, 17] == [number_in(key) for key in ("k1", "inv", "zarinpal", "inv_17")]


# --- short addresses


@given(st.integers(1, NUMBER_MAX - 1))
def test_every_number_has_a_code_that_leads_back_to_it(number: int) -> None:
    code = Codes(KEY).code(number)
    assert LENGTH == len(code)
    assert set(code) <= set(SIGNS)
    assert number == Codes(KEY).number(code)


@given(st.integers(1, NUMBER_MAX - 1))
def test_a_code_may_be_written_as_people_write(number: int) -> None:
    codes = Codes(KEY)
    code = codes.code(number)
    spoken = "-".join((code[:4], code[4:8], code[8:])).upper()
    for wrong, right in (("O", "0"), ("I", "1"), ("L", "1"), ("۷", "7")):
        spoken = spoken.replace(right, wrong)
    assert number == codes.number(spoken)


@given(st.text(max_size=14))
def test_whatever_is_asked_for_is_a_number_or_nothing(text: str) -> None:
    found = Codes(KEY).number(text)
    assert found is None or 0 < found < NUMBER_MAX


def test_codes_of_neighbours_have_nothing_in_common_and_another_key_reads_none_of_them() -> None:
    codes, other = Codes(KEY), Codes(b"another key")
    made = [codes.code(number) for number in range(217_466_681_880, 217_466_682_380)]
    assert 500 == len(set(made))
    same = sum(a == b for one, two in pairwise(made) for a, b in zip(one, two, strict=True))
    assert same < 499 * LENGTH / 16
    assert [] == [code for code in made if other.number(code) is not None]
