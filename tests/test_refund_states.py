"""The table of refunds: what it says is done, what it does not say raises; and no sum is ever more than its payment."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core import events as ev
from gatewayd.core.attempt import STRAY_MS
from gatewayd.core.payment import Payment, allows, apply
from gatewayd.core.refunds import (
    ENDED,
    REFUND_TRANSITIONS,
    REFUNDS_MAX,
    Refund,
    RefundState,
    RefundStatus,
    RefundWay,
    moved,
)
from gatewayd.core.states import IllegalTransition, State
from gatewayd.core.status import Money, Status, money_of, needs_review, status_of
from gatewayd.core.terms import CodeClass, GivenBack, Refusal
from gatewayd.core.values import changed
from tests.histories import AMOUNT, DAYS_LATER, NOT_PAID, SECOND, T0, life

AT: Final = T0 + 3_600_000
PART: Final = 40_000
GIVEN: Final = GivenBack(reference="9")


def created(at_ms: int, refund: int = 1, amount: int = PART, attempt: int = 1) -> ev.RefundCreated:
    return ev.RefundCreated(
        at_ms=at_ms,
        refund=refund,
        attempt=attempt,
        amount=amount,
        key="k1",
        private={"reason": "it broke", "iban": "IR" + "0" * 24},
    )


def lost(at_ms: int, refund: int = 1, **changes: Any) -> ev.RefundLost:
    fields: dict[str, Any] = {"cause": "timeout after sending", "refund": refund}
    return ev.RefundLost(at_ms=at_ms, attempt=1, **{**fields, **changes})


def asked(finding: ev.RefundFinding) -> Callable[[int, int], ev.Event]:
    return lambda at, refund: ev.RefundAsked(at_ms=at, refund=refund, finding=finding)


def refunded(given: GivenBack) -> Callable[[int, int], ev.Event]:
    return lambda at, refund: ev.Refunded(
        at_ms=at, attempt=1, amount=PART, given=given, returns_by_ms=DAYS_LATER, refund=refund
    )


TRIGGERS: Final[dict[str, Callable[[int, int], ev.Event]]] = {
    "ReverseRequested": lambda at, refund: ev.ReverseRequested(at_ms=at, attempt=1, refund=refund),
    "Reversed": lambda at, _: ev.Reversed(
        at_ms=at, attempt=1, given=GIVEN, returns_by_ms=DAYS_LATER
    ),
    "ReverseRefused": lambda at, _: ev.ReverseRefused(at_ms=at, attempt=1, refusal=NOT_PAID),
    "ReverseLost": lambda at, _: ev.ReverseLost(at_ms=at, attempt=1, cause="timeout"),
    "ReverseLost:answered": lambda at, _: ev.ReverseLost(
        at_ms=at, attempt=1, cause="answered", answered=True
    ),
    "RefundRequested": lambda at, refund: ev.RefundRequested(
        at_ms=at, attempt=1, amount=PART, refund_order=77, refund=refund
    ),
    "Refunded": refunded(GIVEN),
    "Refunded:later": refunded(GivenBack(reference="9", done=False)),
    "RefundRefused": lambda at, refund: ev.RefundRefused(
        at_ms=at, attempt=1, refusal=NOT_PAID, refund=refund
    ),
    "RefundLost": lost,
    "RefundLost:unsent": lambda at, refund: lost(at, refund, reached=False),
    "RefundAsked:done": asked(ev.RefundFinding.DONE),
    "RefundAsked:not_done": asked(ev.RefundFinding.NOT_DONE),
    "RefundAsked:under_way": asked(ev.RefundFinding.UNDER_WAY),
    "RefundAsked:unknown": asked(ev.RefundFinding.UNKNOWN),
    "RefundLeftToReview": lambda at, refund: ev.RefundLeftToReview(
        at_ms=at, refund=refund, reason="it cannot"
    ),
    "RefundResolved:done": lambda at, refund: ev.RefundResolved(
        at_ms=at, refund=refund, by="sara", reason="sent", done=True, reference="42"
    ),
    "RefundResolved:failed": lambda at, refund: ev.RefundResolved(
        at_ms=at, refund=refund, by="sara", reason="no", done=False
    ),
}
"""An event for every trigger of a refund but its beginning."""
BY_ATTEMPT: Final = {"ReverseRequested", "Reversed", "ReverseRefused", "ReverseLost"}
"""What moves an attempt as well; `RefundAsked:not_yet` is `not_done` while a request may still arrive."""


def refund_in(state: RefundState) -> tuple[Payment, Refund]:
    """A paid payment whose one refund is put into a state, and its attempt where that belongs."""
    amount = AMOUNT if state is RefundState.REVERSING else PART
    payment = apply(life("Started", "VerifyRequested:keep", "Verified"), created(AT, amount=amount))
    (refund,) = payment.refunds
    refund = changed(refund, state=state)
    if state is RefundState.REVERSING:
        attempt = changed(payment.attempts[0], state=State.REVERSING)
        payment = changed(payment, attempts=(attempt,))
    return changed(payment, refunds=(refund,)), refund


def table(state: RefundState) -> dict[str, RefundState]:
    row = dict(REFUND_TRANSITIONS[state])
    row.pop("RefundAsked:not_yet", None)
    return row


PAIRS: Final = [(state, trigger) for state in RefundState for trigger in TRIGGERS]


def test_every_state_has_a_row_and_a_name_outside_and_no_trigger_is_unheard_of() -> None:
    named = {trigger for row in REFUND_TRANSITIONS.values() for trigger in row}
    assert set(RefundState) == set(REFUND_TRANSITIONS)
    assert set(TRIGGERS) | {"RefundAsked:not_yet"} == named
    assert set(RefundStatus) == {refund_in(state)[1].status for state in RefundState}


@pytest.mark.parametrize(
    ("state", "trigger"), [pair for pair in PAIRS if pair[1] in table(pair[0])], ids=str
)
def test_a_pair_of_the_table_leads_where_the_table_says(state: RefundState, trigger: str) -> None:
    before, _ = refund_in(state)
    if trigger == "ReverseRequested":
        before, _ = refund_in(RefundState.REVERSING)
        attempt = changed(before.attempts[0], state=State.VERIFIED)
        refund = changed(before.refunds[0], state=state)
        before = changed(before, attempts=(attempt,), refunds=(refund,))
    after = apply(before, TRIGGERS[trigger](AT + SECOND, 1))
    assert table(state)[trigger] is after.refunds[0].state
    assert before.version + 1 == after.version


@pytest.mark.parametrize(
    ("state", "trigger"),
    [
        pair
        for pair in PAIRS
        if pair[1] not in table(pair[0]) and pair[1].partition(":")[0] not in BY_ATTEMPT
    ],
    ids=str,
)
def test_a_pair_that_is_missing_raises(state: RefundState, trigger: str) -> None:
    with pytest.raises(IllegalTransition):
        apply(refund_in(state)[0], TRIGGERS[trigger](AT + SECOND, 1))


def test_only_a_person_calls_a_refund_failed() -> None:
    failing = {
        trigger
        for row in REFUND_TRANSITIONS.values()
        for trigger, to in row.items()
        if to is RefundState.FAILED
    }
    assert {"RefundResolved:failed"} == failing


def test_a_refund_that_may_have_happened_is_asked_for_again_only_after_a_no() -> None:
    back = {
        (state, trigger)
        for state in (RefundState.IN_DOUBT, RefundState.ACCEPTED, RefundState.REFUNDING)
        for trigger, to in REFUND_TRANSITIONS[state].items()
        if to is RefundState.WAITING
    }
    assert {
        (RefundState.IN_DOUBT, "RefundAsked:not_done"),
        (RefundState.REFUNDING, "RefundLost:unsent"),
    } == back


def test_what_has_ended_stays_so() -> None:
    assert [] == [state for state in ENDED if REFUND_TRANSITIONS[state]]


def paid() -> Payment:
    return life("Started", "VerifyRequested:keep", "Verified")


def after(payment: Payment, *steps: str | ev.Event, refund: int = 1, at_ms: int = AT) -> Payment:
    for place, step in enumerate(steps, 1):
        event = TRIGGERS[step](at_ms + place * SECOND, refund) if isinstance(step, str) else step
        payment = apply(payment, event)
    return payment


@pytest.mark.parametrize("amount", [0, -1, AMOUNT + 1, 2**62])
def test_nothing_and_more_than_was_paid_cannot_be_asked_back(amount: int) -> None:
    assert not allows(paid(), created(AT, amount=amount))


@pytest.mark.parametrize("state", [State.WITH_PAYER, State.IN_DOUBT, State.LAPSED, State.REVERSING])
def test_what_is_not_paid_or_is_going_back_is_not_refunded(state: State) -> None:
    payment = paid()
    payment = changed(payment, attempts=(changed(payment.attempts[0], state=state),))
    assert 0 == payment.refundable
    assert not allows(payment, created(AT))


def test_a_reverse_without_an_answer_leaves_nothing_to_refund() -> None:
    payment = after(paid(), "ReverseRequested", "ReverseLost")
    assert State.VERIFIED is payment.attempts[0].state
    assert 0 == payment.refundable


def test_amounts_are_spoken_for_until_a_person_says_that_they_do_not_go_back() -> None:
    payment = apply(paid(), created(AT, amount=AMOUNT - 1))
    assert 1 == payment.refundable
    assert not allows(payment, created(AT, 2, amount=2))
    payment = after(payment, "RefundLeftToReview")
    assert 1 == payment.refundable
    assert needs_review(payment)
    payment = after(payment, "RefundResolved:failed")
    assert AMOUNT == payment.refundable
    assert not needs_review(payment)
    assert 0 == payment.refunded


def test_numbers_follow_each_other_and_end() -> None:
    payment = paid()
    assert not allows(payment, created(AT, 2))
    for number in range(1, REFUNDS_MAX + 1):
        payment = apply(payment, created(AT, number, amount=1))
    assert not allows(payment, created(AT, REFUNDS_MAX + 1, amount=1))


def test_all_of_it_by_a_reverse_makes_the_payment_reversed() -> None:
    payment = after(apply(paid(), created(AT, amount=AMOUNT)), "ReverseRequested")
    assert Status.PAID is status_of(payment)
    payment = after(payment, "Reversed")
    assert Status.REVERSED is status_of(payment)
    assert (AMOUNT, 0) == (payment.refunded, payment.refundable)
    assert RefundWay.REVERSAL is payment.refunds[0].way


def test_all_of_it_by_refunds_leaves_it_paid_with_nothing_left() -> None:
    payment = paid()
    for number, amount in enumerate((PART, AMOUNT - PART), 1):
        payment = apply(payment, created(AT, number, amount=amount))
        payment = after(payment, "RefundRequested", "Refunded", refund=number)
    assert Status.PAID is status_of(payment)
    assert Money.RETURNED is money_of(payment)
    assert (AMOUNT, 0) == (payment.refunded, payment.refundable)


def test_all_of_it_is_not_reversed_while_a_part_is_spoken_for() -> None:
    payment = apply(paid(), created(AT))
    by_a_person = ev.ReverseRequested(at_ms=AT, attempt=1)
    assert not allows(payment, by_a_person)
    assert not allows(payment, changed(by_a_person, refund=1))
    assert not allows(after(payment, "RefundRequested", "Refunded"), by_a_person)
    given_up = after(payment, "RefundLeftToReview", "RefundResolved:failed")
    assert allows(given_up, by_a_person)


def test_another_attempt_is_given_back_whatever_is_refunded_of_the_kept_one() -> None:
    payment = after(apply(paid(), created(AT)), "RefundRequested", "Refunded")
    other = changed(payment.attempts[0], number=2, state=State.OWED)
    payment = changed(payment, attempts=(payment.attempts[0], other))
    payment = apply(payment, ev.ReverseRequested(at_ms=AT, attempt=2))
    payment = apply(
        payment, ev.Reversed(at_ms=AT, attempt=2, given=GIVEN, returns_by_ms=DAYS_LATER)
    )
    assert State.GIVEN_BACK is payment.attempts[1].state
    assert PART == payment.refunded


def test_a_no_before_the_request_must_have_died_is_not_the_last_word() -> None:
    payment = apply(paid(), created(AT))
    payment = after(payment, "RefundRequested", lost(AT))
    no = TRIGGERS["RefundAsked:not_done"]
    early = apply(payment, no(AT + STRAY_MS - 1, 1))
    assert RefundState.IN_DOUBT is early.refunds[0].state
    late = apply(early, no(AT + STRAY_MS, 1))
    assert RefundState.WAITING is late.refunds[0].state


def test_a_no_after_an_answer_counts_at_once() -> None:
    said = Refusal(cause=CodeClass.OUR_FAULT, code="9")
    payment = apply(paid(), created(AT))
    payment = after(payment, "RefundRequested", lost(AT, refusal=said))
    payment = apply(payment, TRIGGERS["RefundAsked:not_done"](AT + 1, 1))
    assert RefundState.WAITING is payment.refunds[0].state
    assert said == payment.refunds[0].no


@pytest.mark.parametrize(
    ("steps", "maybe"),
    [
        ((), False),
        (("RefundRequested", "RefundLost"), True),
        (("RefundRequested", "Refunded:later"), True),
    ],
)
def test_a_person_is_told_whether_the_bank_may_have_done_it(
    steps: tuple[str, ...], *, maybe: bool
) -> None:
    payment = after(apply(paid(), created(AT)), *steps, "RefundLeftToReview")
    assert maybe is payment.refunds[0].maybe_done


def test_what_was_told_is_kept_and_what_a_person_said() -> None:
    payment = apply(paid(), created(AT))
    payment = after(payment, "RefundLeftToReview", "RefundResolved:done")
    (refund,) = payment.refunds
    assert ("it broke", "IR" + "0" * 24, "k1") == (refund.reason, refund.iban, refund.key)
    assert ("sara", "sent", "42") == (refund.by, refund.said, refund.reference)
    assert RefundWay.MANUAL is refund.way


def test_a_change_is_told_once() -> None:
    first = apply(paid(), created(AT)).refunds
    payment = changed(paid(), refunds=first)
    asked_for = after(payment, "RefundRequested").refunds
    done = after(changed(payment, refunds=asked_for), "Refunded").refunds
    assert [1] == [refund.number for refund in moved((), first)]
    assert [] == moved(first, asked_for)
    assert [RefundStatus.SUCCEEDED] == [refund.status for refund in moved(asked_for, done)]


@given(
    choices=st.lists(
        st.tuples(st.sampled_from(["new", *TRIGGERS]), st.integers(1, 6), st.integers(1, AMOUNT)),
        max_size=60,
    )
)
def test_whatever_happens_the_sum_is_never_more_than_the_payment(
    choices: list[tuple[str, int, int]],
) -> None:
    payment, at_ms = paid(), AT
    for step, number, amount in choices:
        at_ms += 20 * SECOND
        event: ev.Event = created(at_ms, len(payment.refunds) + 1, amount)
        if step != "new":
            event = TRIGGERS[step](at_ms, number)
        if allows(payment, event):
            payment = apply(payment, event)
        spoken_for = sum(refund.amount for refund in payment.refunds if refund.live)
        assert spoken_for <= AMOUNT
        assert 0 <= payment.refunded <= AMOUNT
        assert payment.refunded + payment.refundable <= AMOUNT
        if status_of(payment) is Status.REVERSED:
            assert not [r for r in payment.refunds if r.live and r.amount != AMOUNT]
