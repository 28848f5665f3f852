"""Payments as their events make them: what no legal history can do, and that replaying one gives the same payment."""

from dataclasses import FrozenInstanceError, fields
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core import events as ev
from gatewayd.core.payment import Payment, allows, apply
from gatewayd.core.states import ANYWHERE, IllegalTransition, State
from gatewayd.core.status import FINAL, Status, needs_review, status_of
from gatewayd.core.terms import CodeClass, Payer, Refusal
from gatewayd.core.values import changed
from gatewayd.journal import codec
from gatewayd.journal.journal import replay
from gatewayd.journal.store import Row
from tests.histories import (
    NOT_PAID,
    SECOND,
    T0,
    TRIGGERS,
    UNREACHED,
    begun,
    candidates,
    created,
    further,
    legal,
    life,
    only,
    walk,
)

AT = T0 + 60 * SECOND
GATEWAYS = ("plain", "settles")
NOTES = ANYWHERE | {"ReviewRaised", "ReviewResolved", "OperatorActed", "HandedOver"}
"""They move nothing."""
choices = st.lists(st.integers(0, 10_000), min_size=8, max_size=45)


@given(choices)
def test_a_history_read_from_its_bytes_gives_the_same_payment(numbers: list[int]) -> None:
    events, payments = walk(numbers, GATEWAYS)
    rows = []
    for version, event in enumerate(events, 1):
        kind, body, private = codec.encode(event)
        rows.append(Row(version, kind, event.at_ms, body, private, b"salt"))
    assert replay(7, rows) == payments[-1]


@given(choices)
def test_at_most_one_attempt_is_kept_or_about_to_be(numbers: list[int]) -> None:
    for payment in walk(numbers, GATEWAYS)[1]:
        assert 1 >= sum(
            attempt.kept or attempt.state is State.VERIFYING for attempt in payment.attempts
        )


@given(choices)
def test_kept_money_does_not_vanish(numbers: list[int]) -> None:
    """From kept, an attempt goes on being kept or is given back; it never lapses or goes back to its payer."""
    payments = walk(numbers, GATEWAYS)[1]
    for before, after in pairwise(payments):
        for attempt in before.attempts:
            if attempt.kept:
                now = after.attempts[attempt.number - 1]
                assert now.kept or now.state is State.GIVEN_BACK


@given(choices)
def test_final_statuses_are_final_and_paid_but_for_a_reversal(numbers: list[int]) -> None:
    payments = walk(numbers, GATEWAYS)[1]
    for before, after in pairwise(payments):
        status, now = status_of(before), status_of(after)
        if status in FINAL:
            assert status is now
        elif before.captured_ms is not None:
            assert now in {Status.PAID, Status.PROCESSING, Status.REVERSED}


@given(choices)
def test_what_is_left_to_a_person_is_shown_to_one(numbers: list[int]) -> None:
    """An attempt comes into review only with its reason; by the bank's word alone the engine adds the reason."""
    payments = walk(numbers, GATEWAYS)[1]
    for before, after in pairwise(payments):
        for attempt in after.attempts:
            was = before.attempt(attempt.number)
            came = attempt.state is State.IN_REVIEW and was and was.state is not State.IN_REVIEW
            if came and attempt.receipt is None:
                assert needs_review(after)


@given(choices)
def test_versions_count_the_events(numbers: list[int]) -> None:
    for place, payment in enumerate(walk(numbers, GATEWAYS)[1], 1):
        assert place == payment.version


@given(choices)
def test_what_is_illegal_changes_nothing(numbers: list[int]) -> None:
    payment = walk(numbers, GATEWAYS)[1][-1]
    copy = changed(payment)
    for event in candidates(payment, AT):
        if not allows(payment, event):
            with pytest.raises(IllegalTransition):
                apply(payment, event)
        assert copy == payment


def test_every_pair_of_states_that_can_be_reached_keeps_one_attempt_at_most() -> None:
    """A search over everything that two attempts can do, payments that look alike taken as one."""
    first = apply(None, created(), number=1)
    due, seen = [first], set()
    while due:
        payment = due.pop()
        known = [
            event
            for event in candidates(payment, AT, gateways=GATEWAYS)
            if event.trigger not in NOTES
            and not (isinstance(event, ev.Closed) and event.why is not ev.Closing.EXPIRED)
            and not (isinstance(event, ev.StartRequested) and event.attempt == 3)
        ]
        for event in legal(payment, known):
            after = apply(payment, event)
            assert 1 >= sum(each.kept or each.state is State.VERIFYING for each in after.attempts)
            look = (
                tuple(each.state for each in after.attempts),
                after.closed is None,
                after.stopping,
                after.captured_ms is None,
            )
            if look not in seen:
                seen.add(look)
                due.append(changed(after, reviews=(), version=1))
    assert set(State) == {state for states, *_ in seen for state in states}


# --- what the payment as a whole allows


def test_nothing_comes_before_created_and_nothing_is_created_twice() -> None:
    payment = apply(None, created(), number=1)
    with pytest.raises(IllegalTransition):
        apply(payment, created())
    with pytest.raises(IllegalTransition):
        apply(None, begun(T0, 1))


def test_an_attempt_that_there_is_not_can_do_nothing() -> None:
    payment = apply(None, created(), number=1)
    for make in TRIGGERS.values():
        with pytest.raises(IllegalTransition):
            apply(payment, make(T0, 1))


def test_attempts_are_numbered_in_order() -> None:
    payment = life("StartLost")
    for number in (0, 1, 3):
        assert not allows(payment, begun(AT, number))
    assert allows(payment, begun(AT, 2))


@pytest.mark.parametrize(
    "steps",
    [
        ("Started", "Returned:claim"),
        ("Started", "Returned:claim", "VerifyRequested:keep"),
        ("Started", "Returned:claim", "VerifyRequested:keep", "VerifyLost"),
        ("Started", "VerifyRequested:keep", "Verified"),
        ("Started", "VerifyRequested:keep", "Verified", "ReverseRequested", "Reversed"),
        ("Started", ev.CancelRequested(at_ms=AT)),
        ("Started", ev.Closed(at_ms=AT, why=ev.Closing.CANCELLED_BY_PAYER)),
    ],
    ids=lambda steps: " ".join(str(getattr(step, "trigger", step)) for step in steps),
)
def test_no_attempt_begins_while_one_may_be_paid_or_after_the_end(
    steps: tuple[str | ev.Event, ...],
) -> None:
    assert not allows(life(*steps), begun(AT, 2))


def two(*steps: str, second: tuple[str, ...] = ()) -> Payment:
    """Two attempts, the first with its payer when the second began."""
    payment = apply(life("Started"), begun(T0, 2))
    payment = further(payment, "Started", *second, attempt=2)
    return further(payment, *steps)


def test_a_second_verify_to_keep_waits_for_the_first() -> None:
    claimed = two("Returned:claim", "VerifyRequested:keep", second=("Returned:claim",))
    assert not allows(claimed, TRIGGERS["VerifyRequested:keep"](AT, 2))
    refused = further(claimed, "VerifyRefused")
    assert allows(refused, TRIGGERS["VerifyRequested:keep"](AT, 2))
    verified = further(claimed, "Verified")
    assert not allows(verified, TRIGGERS["VerifyRequested:keep"](AT, 2))
    assert allows(verified, TRIGGERS["VerifyRequested:return"](AT, 2))


def test_nothing_is_kept_once_the_payment_is_closed_or_was_given_back() -> None:
    closed = life("Started", ev.Closed(at_ms=AT, why=ev.Closing.EXPIRED), "Returned:claim")
    assert not allows(closed, TRIGGERS["VerifyRequested:keep"](AT, 1))
    steps = ("Returned:claim", "VerifyRequested:keep", "Verified", "ReverseRequested", "Reversed")
    reversed_ = two(*steps, second=("Returned:claim",))
    assert Status.REVERSED is status_of(reversed_)
    assert not allows(reversed_, TRIGGERS["VerifyRequested:keep"](AT, 2))


def test_a_payment_is_closed_once_and_not_while_money_is_kept_or_about_to_be() -> None:
    close = ev.Closed(at_ms=AT, why=ev.Closing.EXPIRED)
    assert allows(life("Started"), close)
    for steps in (
        ("Started", "VerifyRequested:keep"),
        ("Started", "VerifyRequested:keep", "Verified"),
        ("Started", close),
    ):
        assert not allows(life(*steps), close)


def test_a_shop_stops_a_payment_once_and_not_after_it_is_paid() -> None:
    stop = ev.CancelRequested(at_ms=AT)
    assert allows(life("Started", "Returned:claim", "VerifyRequested:keep"), stop)
    assert not allows(life("Started", stop), stop)
    assert not allows(life("Started", "VerifyRequested:keep", "Verified"), stop)
    assert not allows(life(ev.Closed(at_ms=AT, why=ev.Closing.FAILED)), stop)


def test_a_stop_is_refused_only_for_what_is_kept() -> None:
    refuse, stop = ev.CancelRefused(at_ms=AT), ev.CancelRequested(at_ms=AT)
    assert not allows(life("Started", stop), refuse)
    kept = life("Started", "VerifyRequested:keep", stop, "Verified")
    assert Status.PROCESSING is status_of(kept)
    refused = apply(kept, refuse)
    assert Status.PAID is status_of(refused)
    assert needs_review(refused)


def test_a_payment_is_captured_by_its_settle_where_the_bank_has_one() -> None:
    verified = life("Started", "VerifyRequested:keep", "Verified", settles=True)
    assert verified.captured_ms is None
    settled = further(verified, "SettleRequested", "Settled", at_ms=AT)
    assert AT + 2 * SECOND == settled.captured_ms
    assert Status.PAID is status_of(settled)


def test_what_a_bank_gave_back_instead_of_settling_was_never_paid() -> None:
    steps = ("Started", "VerifyRequested:keep", "Verified", "SettleRequested", "SettleRefused")
    payment = life(*steps, settles=True)
    assert Status.PENDING is status_of(payment)
    assert allows(payment, begun(AT, 2))


# --- what an attempt remembers


def test_a_hand_over_is_remembered_with_its_time() -> None:
    attempt = only(life("Started", "HandedOver"))
    assert T0 + 2 * SECOND == attempt.handed_ms


def test_a_lost_verify_explains_a_later_already_verified_if_it_may_have_arrived() -> None:
    claimed = life("Started", "Returned:claim", "VerifyRequested:keep")
    assert only(further(claimed, "VerifyLost")).explained
    unreached = apply(claimed, UNREACHED(AT, 1))
    assert not only(unreached).explained
    steps = ("VerifyLost", "VerifyRequested:keep", "VerifyRefused")
    assert not only(further(claimed, *steps)).explained


def test_tries_count_answers_that_say_nothing_in_a_row() -> None:
    once = ("VerifyRequested:keep", "VerifyLost")
    lost = life("Started", "Returned:claim", *once, *once)
    assert 2 == only(lost).tries
    assert 0 == only(further(lost, "VerifyRequested:keep", "Verified")).tries


def test_the_doubt_begins_with_the_first_claim_and_not_with_the_latest() -> None:
    attempt = only(life("Started", "Returned:claim", "Returned:claim"))
    assert T0 + 2 * SECOND == attempt.doubt_ms
    assert 1 == len(attempt.waiting)


def test_an_unclear_return_is_asked_about_once() -> None:
    unclear = life("Started", "Returned:unclear")
    assert only(unclear).ask_now
    assert not only(further(unclear, "Asked:pending")).ask_now
    asked = further(unclear, "VerifyRequested:keep")
    assert not only(asked).ask_now
    assert not only(further(asked, "VerifyRefused")).ask_now


def test_not_paid_is_no_news_of_a_payer_who_may_be_at_the_bank() -> None:
    away = life("Started", "VerifyRequested:keep", "VerifyRefused")
    assert only(away).no is None
    came_back = life("Started", "Returned:unclear", "VerifyRequested:keep", "VerifyRefused")
    assert NOT_PAID == only(came_back).no


def test_cancelled_is_news_whoever_asked() -> None:
    cancelled = Refusal(cause=CodeClass.CANCELLED, code="17")
    asked = life("Started", "VerifyRequested:keep")
    attempt = only(apply(asked, ev.VerifyRefused(at_ms=AT, attempt=1, refusal=cancelled)))
    assert cancelled == attempt.no


def test_an_inquiry_from_before_the_return_does_not_undo_the_claim() -> None:
    attempt = only(life("Started", "Returned:claim", "Asked:not_paid"))
    assert State.IN_DOUBT is attempt.state
    assert attempt.claim is not None
    assert attempt.no is None


def test_what_an_inquiry_found_can_be_verified_by_its_reference() -> None:
    attempt = only(life("Started", "Asked:paid"))
    assert attempt.claim is not None
    assert "R-1" == attempt.claim.reference


def test_a_lost_refund_is_before_a_person_with_its_reason() -> None:
    steps = ("Started", "VerifyRequested:keep", "Mismatched", "RefundRequested", "RefundLost")
    payment = life(*steps)
    assert State.IN_REVIEW is only(payment).state
    assert ("a refund was left without an answer",) == payment.reviews


def test_a_person_whose_reverse_was_lost_is_told() -> None:
    payment = life("Started", "VerifyRequested:keep", "Verified", "ReverseRequested", "ReverseLost")
    assert Status.PAID is status_of(payment)
    assert ("a reverse was left without an answer",) == payment.reviews


def test_reviews_are_resolved_together() -> None:
    raised = life(ev.ReviewRaised(at_ms=AT, reason="a"), ev.ReviewRaised(at_ms=AT, reason="b"))
    assert ("a", "b") == raised.reviews
    resolved = apply(raised, ev.ReviewResolved(at_ms=AT, by="ops", reason="looked"))
    assert not needs_review(resolved)


def test_what_belongs_to_the_payer_is_read_from_the_private_part() -> None:
    private = {
        "payer": {"mobile": "09120000000", "allowed_cards": ["6219861034529007"]},
        "description": "shoes",
        "metadata": {"a": 1},
    }
    payment = apply(None, created(private=private), number=1)
    wanted = Payer(mobile="09120000000", allowed_cards=("6219861034529007",))
    assert wanted == payment.payer
    assert ("shoes", {"a": 1}) == (payment.description, payment.metadata)


@pytest.mark.parametrize(
    "metadata", [{}, {"a": {"b": [1, 2.5, None, True]}}, {"سبد": "\ud800 \u2028"}, {"n": 2**70}]
)
def test_metadata_are_given_back_as_they_came(metadata: dict[str, Any]) -> None:
    assert metadata == apply(None, created(private={"metadata": metadata}), number=1).metadata


# --- changed copies


def test_a_changed_copy_differs_in_what_was_changed_and_in_nothing_else() -> None:
    before = life("Started")
    after = changed(before, amount=7)
    assert 7 == after.amount
    assert type(before) is type(after)
    for field in fields(before):
        if field.name != "amount":
            assert getattr(before, field.name) is getattr(after, field.name)


def test_a_copy_is_as_frozen_as_the_original() -> None:
    after = changed(life("Started"), amount=7)
    with pytest.raises(FrozenInstanceError):
        after.amount = 8  # type: ignore[misc]  # that is the point


def test_a_field_that_there_is_not_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        changed(life("Started"), amont=7)


def test_a_value_of_one_field_can_be_copied() -> None:
    cancel = ev.CancelRequested(at_ms=1)
    assert ev.CancelRequested(at_ms=2) == changed(cancel, at_ms=2)
    assert ev.CancelRequested(at_ms=1) == cancel
