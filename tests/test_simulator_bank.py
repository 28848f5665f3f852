"""The banks' book: what is legal in which state, when deadlines pass, what the ledger tells."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.terms import IfUnverified
from gatewayd.simulator.bank import Book, Refunded, Session, State, Terms, Verdict

TERMS = Terms(
    token_life_seconds=900,
    verify_within_seconds=1200,
    reverse_within_seconds=3000,
)
SETTLING = Terms(
    token_life_seconds=900,
    verify_within_seconds=1200,
    reverse_within_seconds=10_800,
    settles=True,
    reverse_from_verify=True,
    settles_itself_after_seconds=10_800,
)
HELD = Terms(
    token_life_seconds=900,
    verify_within_seconds=1200,
    reverse_within_seconds=None,
    unverified=IfUnverified.HELD,
)


def book(terms: Terms = TERMS, time_scale: float = 1.0) -> Book:
    return Book({"bank": terms}, random.Random(1), time_scale=time_scale)


def opened(a_book: Book, *, order: str = "42", amount: int = 5_000) -> Session:
    return a_book.open(
        Session(
            driver="bank",
            terminal="1",
            token=a_book.hexadecimal(8),
            order=order,
            amount=amount,
            callback_url="https://shop.example/",
            created_at=0,
        )
    )


def paid(a_book: Book, now: float = 0) -> Session:
    session = opened(a_book)
    assert a_book.pay(session, now, card="6219861034529007", reference=a_book.digits(10))
    return session


def test_a_session_is_found_by_token_order_reference_and_terminal() -> None:
    a_book = book()
    session = paid(a_book)
    assert session is a_book.find("bank", session.token, 1)
    assert session is a_book.find_order("bank", "1", "42", 1)
    assert session is a_book.find_reference("bank", session.ref_num, 1)
    assert [session] == a_book.of_terminal("bank", "1", 1)
    assert [session] == list(a_book)


def test_nothing_is_found_elsewhere() -> None:
    a_book = book()
    session = paid(a_book)
    assert a_book.find("other", session.token, 1) is None
    assert a_book.find_order("bank", "2", "42", 1) is None
    assert a_book.find_reference("other", session.ref_num, 1) is None


def test_a_second_session_of_an_order_is_the_one_that_is_found() -> None:
    a_book = book()
    first, second = opened(a_book), opened(a_book)
    assert first is not second
    assert second is a_book.find_order("bank", "1", "42", 1)


def test_an_order_number_is_used_up_by_every_try() -> None:
    a_book = book()
    assert not a_book.order_used("bank", "1", "42")
    a_book.use_order("bank", "1", "42")
    assert a_book.order_used("bank", "1", "42")
    assert not a_book.order_used("bank", "2", "42")


def test_a_token_that_nobody_used_expires() -> None:
    a_book = book()
    session = opened(a_book)
    assert a_book.arrive(session, 900)
    assert not a_book.arrive(session, 901)
    assert State.EXPIRED is session.state
    assert not a_book.pay(session, 902, card="1", reference="r")


def test_a_client_may_choose_how_long_its_token_lives() -> None:
    a_book = book()
    session = opened(a_book)
    session.token_life_seconds = 3600
    assert a_book.arrive(session, 3600)
    assert not a_book.arrive(session, 3601)


@pytest.mark.parametrize("end", ["cancel", "decline", "pay"])
def test_a_payer_acts_once(end: str) -> None:
    a_book = book()
    session = opened(a_book)
    acts: dict[str, Callable[[], bool]] = {
        "cancel": lambda: a_book.cancel(session, 1),
        "decline": lambda: a_book.decline(session, 1, "51"),
        "pay": lambda: a_book.pay(session, 1, card="1", reference="r"),
    }
    assert acts[end]()
    assert [False, False, False] == [act() for act in acts.values()]
    assert not a_book.arrive(session, 1)


def test_windows_are_divided_by_the_time_scale() -> None:
    a_book = book(time_scale=600)
    session = paid(a_book)
    assert session is a_book.find("bank", session.token, 2)
    before = session.state
    a_book.find("bank", session.token, 2.01)
    assert (State.PAID, State.AUTO_REVERSED) == (before, session.state)


VERDICTS: dict[State, tuple[Verdict, Verdict, Verdict]] = {
    State.CREATED: (Verdict.NOT_PAID, Verdict.NOT_PAID, Verdict.NOT_PAID),
    State.WITH_PAYER: (Verdict.NOT_PAID, Verdict.NOT_PAID, Verdict.NOT_PAID),
    State.CANCELLED: (Verdict.NOT_PAID, Verdict.NOT_PAID, Verdict.NOT_PAID),
    State.DECLINED: (Verdict.NOT_PAID, Verdict.NOT_PAID, Verdict.NOT_PAID),
    State.EXPIRED: (Verdict.NOT_PAID, Verdict.NOT_PAID, Verdict.NOT_PAID),
    State.PAID: (Verdict.OK, Verdict.NOT_VERIFIED, Verdict.NOT_VERIFIED),
    State.VERIFIED: (Verdict.ALREADY, Verdict.OK, Verdict.OK),
    State.SETTLED: (Verdict.ALREADY, Verdict.ALREADY, Verdict.SETTLED),
    State.REVERSED: (Verdict.REVERSED, Verdict.REVERSED, Verdict.ALREADY),
    State.AUTO_REVERSED: (Verdict.LATE, Verdict.REVERSED, Verdict.ALREADY),
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("act", ["verify", "settle", "reverse"])
def test_what_a_merchant_is_told_in_every_state(state: State, act: str) -> None:
    a_book = book(SETTLING)
    session = opened(a_book)
    session.state = state
    session.paid_at = session.verified_at = 0
    expected = dict(zip(("verify", "settle", "reverse"), VERDICTS[state], strict=True))[act]
    assert expected is getattr(a_book, act)(session, 1)


def test_some_banks_reverse_what_is_only_paid() -> None:
    a_book = book()
    session = paid(a_book)
    assert Verdict.OK is a_book.reverse(session, 1, unverified_too=True)
    assert (State.REVERSED, False, True) == (session.state, session.verified, session.reversed)


@pytest.mark.parametrize(
    ("terms", "at", "verdict"),
    [
        (TERMS, 3000, Verdict.OK),
        (TERMS, 3001, Verdict.LATE),
        (SETTLING, 1000 + 10_800, Verdict.OK),
        (HELD, 1, Verdict.LATE),
    ],
)
def test_a_reverse_has_a_window(terms: Terms, at: float, verdict: Verdict) -> None:
    a_book = book(terms)
    session = paid(a_book)
    a_book.verify(session, 1000 if terms is SETTLING else 0)
    assert verdict is a_book.reverse(session, at)


def test_what_is_not_verified_in_time_goes_back_by_itself() -> None:
    a_book = book()
    session = paid(a_book)
    assert Verdict.LATE is a_book.verify(session, 1201)
    assert (State.AUTO_REVERSED, False, True) == (
        session.state,
        session.verified,
        session.reversed,
    )


def test_what_is_held_waits_for_ever() -> None:
    a_book = book(HELD)
    assert Verdict.OK is a_book.verify(paid(a_book), 10**9)


def test_a_bank_may_settle_by_itself_or_give_back() -> None:
    a_book = book(SETTLING)
    session = paid(a_book)
    a_book.verify(session, 5)
    assert Verdict.ALREADY is a_book.settle(session, 5 + 10_801)
    returning = Terms(
        token_life_seconds=900,
        verify_within_seconds=1200,
        reverse_within_seconds=10_800,
        settles=True,
        reverses_unsettled_after_seconds=10_800,
    )
    other = book(returning)
    session = paid(other)
    other.verify(session, 5)
    assert Verdict.REVERSED is other.settle(session, 5 + 10_801)
    assert (True, True) == (session.verified, session.reversed)


def test_refunds_never_exceed_the_payment() -> None:
    a_book = book()
    session = paid(a_book)
    assert Verdict.NOT_VERIFIED is a_book.refund(session, 1, 1_000)
    a_book.verify(session, 1)
    first = a_book.refund(session, 2, 3_000, order="r1")
    assert isinstance(first, Refunded)
    assert ("r1", 3_000, 2) == (first.order, first.amount, first.at)
    assert Verdict.TOO_MUCH is a_book.refund(session, 3, 2_001)
    assert Verdict.TOO_MUCH is a_book.refund(session, 3, 0)
    assert isinstance(a_book.refund(session, 3, 2_000), Refunded)
    assert 5_000 == session.refunded
    assert Verdict.LATE is a_book.reverse(session, 4)


@pytest.mark.parametrize(
    ("terms", "state", "verdict"),
    [
        (TERMS, State.CREATED, Verdict.NOT_PAID),
        (TERMS, State.REVERSED, Verdict.REVERSED),
        (TERMS, State.AUTO_REVERSED, Verdict.REVERSED),
        (SETTLING, State.VERIFIED, Verdict.NOT_VERIFIED),
    ],
)
def test_a_refund_needs_taken_money(terms: Terms, state: State, verdict: Verdict) -> None:
    a_book = book(terms)
    session = opened(a_book)
    session.state, session.verified_at = state, 0
    assert verdict is a_book.refund(session, 1, 1_000)


def test_the_ledger_tells_every_session_with_its_state_of_now() -> None:
    a_book = book()
    first = paid(a_book)
    second = opened(a_book, order="INV-7", amount=9_000)
    a_book.verify(first, 10)
    a_book.refund(first, 20, 1_000)
    assert [
        {
            "driver": "bank",
            "terminal": "1",
            "token": first.token,
            "order": 42,
            "amount": 5_000,
            "state": "verified",
            "verified": True,
            "reversed": False,
            "refunded": 1_000,
            "created_at": 0,
        },
        {
            "driver": "bank",
            "terminal": "1",
            "token": second.token,
            "order": "INV-7",
            "amount": 9_000,
            "state": "expired",
            "verified": False,
            "reversed": False,
            "refunded": 0,
            "created_at": 0,
        },
    ] == a_book.ledger(1_000)


ACTS = st.sampled_from(["arrive", "pay", "cancel", "decline", "verify", "settle", "reverse"])


@given(st.lists(st.tuples(ACTS, st.integers(0, 2_000)), max_size=12), st.booleans())
def test_money_is_never_both_kept_and_given_back(
    steps: list[tuple[str, int]], settles: bool
) -> None:
    a_book = book(SETTLING if settles else TERMS)
    session, now = opened(a_book), 0.0
    for act, later in steps:
        now += later
        match act:
            case "pay":
                a_book.pay(session, now, card="1", reference=a_book.digits(12))
            case "decline":
                a_book.decline(session, now, "51")
            case _:
                getattr(a_book, act)(session, now)
        gone = session.state in (State.REVERSED, State.AUTO_REVERSED)
        assert gone == session.reversed
        assert (session.paid_at is not None) == (
            session.state
            in (
                State.PAID,
                State.VERIFIED,
                State.SETTLED,
                State.REVERSED,
                State.AUTO_REVERSED,
            )
        )
        assert not (session.state in (State.VERIFIED, State.SETTLED) and not session.verified)
