"""The plan for any payment at any time: never an error, never an illegal step, and it comes to an end."""

from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st

from gatewayd.core import events as ev
from gatewayd.core import plan as pl
from gatewayd.core.patience import ASK_WITHOUT_END_MS
from gatewayd.core.payment import Payment, allows, apply
from gatewayd.core.settings import EngineSettings
from gatewayd.core.states import State
from gatewayd.core.status import FINAL, Status, needs_review, status_of
from tests.histories import (
    CONTRACTS,
    HOUR,
    SECOND,
    T0,
    TRIGGERS,
    UNREACHED,
    traits,
    walk,
)

SETTINGS = EngineSettings(repeat_max_seconds=1_800)
"""A day's silence in fifty steps."""
CONTRACTS_OF_WALKS = {
    name: CONTRACTS[name] for name in ("settles", "asks", "verifies", "held", "held-refunds")
}
PENDING = 2
"""The place of a bank's word that the payer is still there among its four answers: some say it for a day."""
AT_ONE_INSTANT = 40
"""Far more than eight attempts could sensibly need."""
DAYS = 5 * 24 * HOUR

numbers = st.lists(st.integers(0, 10_000), min_size=6, max_size=40)
answers = st.lists(st.integers(0, 10_000), min_size=1, max_size=20)


def arrived(choices: list[int]) -> tuple[Payment, int]:
    """A payment that these numbers choose, with attempts at all kinds of gateways, and the time of its last event."""
    events, payments = walk(choices, tuple(CONTRACTS_OF_WALKS), pause_ms=10 * SECOND)
    return payments[-1], events[-1].at_ms


def plan(payment: Payment, now_ms: int) -> pl.Action | None:
    return pl.plan(payment, now_ms, CONTRACTS_OF_WALKS, SETTINGS)


def request(action: pl.Action, at_ms: int) -> ev.Event | None:
    """What is recorded when this action begins."""
    match action:
        case pl.Note(event=event):
            return event
        case pl.Verify(attempt=number, purpose=purpose):
            return ev.VerifyRequested(at_ms=at_ms, attempt=number, purpose=purpose)
        case pl.TakeReference(attempt=number):
            return ev.ReferenceTaken(at_ms=at_ms, attempt=number)
        case pl.Settle(attempt=number):
            return ev.SettleRequested(at_ms=at_ms, attempt=number)
        case pl.Reverse(attempt=number):
            return ev.ReverseRequested(at_ms=at_ms, attempt=number)
        case pl.Refund(attempt=number):
            return TRIGGERS["RefundRequested"](at_ms, number)
        case _:
            return None


Words = dict[type[pl.Action], tuple[str, ...]]
OUTCOMES: Words = {
    pl.Verify: ("Verified", "VerifyRefused", "Mismatched", "Mismatched:already"),
    pl.Settle: ("Settled", "SettleRefused"),
    pl.Reverse: ("Reversed", "ReverseRefused"),
    pl.Refund: ("Refunded", "RefundRefused"),
    pl.Inquire: ("Asked:not_paid", "Asked:paid", "Asked:pending", "Asked:reversed"),
}
LOSSES: Words = {
    pl.Verify: ("VerifyLost",),
    pl.Settle: ("SettleLost",),
    pl.Reverse: ("ReverseLost",),
    pl.Refund: ("RefundLost",),
    pl.Inquire: ("Asked:unknown",),
}
Answer = Callable[[pl.Action, int], ev.Event | None]
"""What a bank says to an action at a time."""


def says(outcomes: Words, choices: list[int]) -> Answer:
    """A bank that chooses among these answers, in the order of the numbers, over and over."""
    place = iter(range(10**9))

    def answer(action: pl.Action, at_ms: int) -> ev.Event | None:
        names = outcomes.get(type(action))
        if names is None:
            return None
        name = names[choices[next(place) % len(choices)] % len(names)]
        return TRIGGERS[name](at_ms, action.attempt)

    return answer


def carry_out(payment: Payment, now_ms: int, answer: Answer) -> tuple[Payment, int]:
    """The payment when it needs nothing more, and the time then; every step must be legal."""
    at_once, until_ms = 0, now_ms + DAYS
    while (action := plan(payment, now_ms)) is not None:
        at_once = at_once + 1 if action.due_ms <= now_ms else 0
        assert at_once < AT_ONE_INSTANT, f"over and over: {action}"
        now_ms = max(now_ms, action.due_ms)
        assert now_ms < until_ms, f"without end: {action}"
        for event in (request(action, now_ms), answer(action, now_ms)):
            payment = payment if event is None else apply(payment, event)
    return payment, now_ms


@given(numbers, st.integers(-HOUR, 100 * HOUR))
def test_there_is_a_plan_for_every_payment_at_every_time(choices: list[int], later: int) -> None:
    payment, at_ms = arrived(choices)
    action = plan(payment, at_ms + later)
    event = request(action, at_ms) if action else None
    assert event is None or allows(payment, event)


@given(numbers)
def test_nothing_was_due_before_the_attempt_that_needs_it(choices: list[int]) -> None:
    payment, at_ms = arrived(choices)
    action = plan(payment, at_ms)
    attempt = payment.attempt(action.attempt) if action else None
    began_ms = attempt.began_ms if attempt else T0
    assert action is None or action.due_ms >= began_ms


@given(numbers, answers)
@example([0, 1, 1, 47, 0, 13], [PENDING])
def test_with_banks_that_answer_every_payment_comes_to_an_end(
    choices: list[int], said: list[int]
) -> None:
    payment, at_ms = arrived(choices)
    end, ends_ms = carry_out(payment, at_ms, says(OUTCOMES, said))
    for_ever_at_the_bank = any(each % 4 == PENDING for each in said)
    assert ends_ms <= at_ms + (ASK_WITHOUT_END_MS if for_ever_at_the_bank else 0) + 2 * HOUR
    assert status_of(end) in FINAL | {Status.PAID}
    if not needs_review(end):
        assert not any(each.unknown or each.state is State.OWED for each in end.attempts)


@given(numbers)
def test_with_banks_that_never_answer_every_payment_comes_to_an_end_as_well(
    choices: list[int],
) -> None:
    payment, at_ms = arrived(choices)
    if payment.kept is not None:
        return  # a settle that nobody answers is repeated for as long as it takes
    end, ends_ms = carry_out(payment, at_ms, says(LOSSES, [0]))
    assert ends_ms <= at_ms + 50 * HOUR
    assert not any(each.unknown for each in end.attempts)


@given(numbers)
def test_with_banks_that_nobody_reaches_every_payment_comes_to_an_end_as_well(
    choices: list[int],
) -> None:
    payment, at_ms = arrived(choices)
    if payment.kept is not None:
        return

    def answer(action: pl.Action, at_ms: int) -> ev.Event | None:
        if isinstance(action, pl.Verify):
            return UNREACHED(at_ms, action.attempt)
        return says(LOSSES, [0])(action, at_ms)

    end, _ = carry_out(payment, at_ms, answer)
    assert not any(each.unknown for each in end.attempts)


@given(numbers, answers)
def test_a_payment_that_needs_nothing_now_needs_nothing_later(
    choices: list[int], said: list[int]
) -> None:
    payment, at_ms = arrived(choices)
    end, ends_ms = carry_out(payment, at_ms, says(OUTCOMES, said))
    for later in (0, HOUR, 100 * HOUR):
        assert plan(end, ends_ms + later) is None


@given(numbers)
def test_an_attempt_with_a_call_out_is_left_alone(choices: list[int]) -> None:
    payment, at_ms = arrived(choices)
    busy = frozenset(attempt.number for attempt in payment.attempts)
    action = pl.plan(payment, at_ms, CONTRACTS_OF_WALKS, SETTINGS, busy)
    assert action is None or action.attempt not in busy


def test_traits_of_the_walks_are_of_every_kind() -> None:
    assert {traits.ask for traits in CONTRACTS_OF_WALKS.values()} == set(type(traits().ask))
