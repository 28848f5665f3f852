"""What a payment needs and when: each rule of the plan as a claim with its times."""

import pytest

from gatewayd.core import events as ev
from gatewayd.core import plan as pl
from gatewayd.core.patience import TRIES_OF_A_DAY
from gatewayd.core.payment import Payment, apply
from gatewayd.core.settings import EngineSettings
from gatewayd.core.states import State
from gatewayd.core.terms import CodeClass, Refusal
from tests.histories import (
    CANCELLED,
    CONTRACTS,
    HOUR,
    MINUTE,
    SECOND,
    T0,
    TRIGGERS,
    UNREACHED,
    begun,
    created,
    further,
    life,
)

HANDED = T0 + SECOND
CLAIMED = T0 + 2 * SECOND
ENDS = HANDED + 50 * MINUTE
"""Twenty minutes for the payer and thirty for the verify after that."""
EXPIRES = T0 + 20 * MINUTE
CLAIM = ("Started", "Returned:claim")
ASKED = (*CLAIM, "VerifyRequested:keep")
KEPT = (*ASKED, "Verified")


def plan(
    payment: Payment, now_ms: int = CLAIMED, busy: frozenset[int] = frozenset()
) -> pl.Action | None:
    return pl.plan(payment, now_ms, CONTRACTS, EngineSettings(), busy)


def noted(payment: Payment, now_ms: int) -> tuple[type[ev.Event], int]:
    """What is written down next, and when."""
    action = plan(payment, now_ms)
    assert isinstance(action, pl.Note), action
    return type(action.event), action.due_ms


def noted_beside(payment: Payment, now_ms: int) -> tuple[type[ev.Event], int]:
    """The same while a call about the first attempt is out."""
    action = plan(payment, now_ms, frozenset({1}))
    assert isinstance(action, pl.Note), action
    return type(action.event), action.due_ms


def closed(payment: Payment, now_ms: int) -> tuple[ev.Closing, int]:
    """Why it is closed, and when."""
    action = plan(payment, now_ms)
    assert isinstance(action, pl.Note), action
    assert isinstance(action.event, ev.Closed)
    return action.event.why, action.due_ms


def close(why: ev.Closing = ev.Closing.EXPIRED) -> ev.Closed:
    return ev.Closed(at_ms=CLAIMED, why=why)


STOP = ev.CancelRequested(at_ms=CLAIMED)
VERIFY = pl.Verify(due_ms=CLAIMED, attempt=1, purpose=ev.Purpose.KEEP)
GIVE_BACK = pl.Verify(due_ms=CLAIMED, attempt=1, purpose=ev.Purpose.GIVE_BACK)


# --- a claim is verified


def test_a_claim_is_verified_at_once() -> None:
    assert VERIFY == plan(life(*CLAIM))


def test_what_is_verified_by_a_reference_takes_it_first() -> None:
    claimed = life(*CLAIM, gateway="settles", settles=True)
    assert pl.TakeReference(due_ms=CLAIMED, attempt=1) == plan(claimed)
    assert VERIFY == plan(further(claimed, "ReferenceTaken"))


def test_a_lost_verify_is_asked_again_with_growing_pauses() -> None:
    payment, pauses = life(*CLAIM), []
    for place in range(9):
        at_ms = CLAIMED + place * HOUR // 60
        payment = further(payment, "VerifyRequested:keep", "VerifyLost", at_ms=at_ms)
        action = plan(payment, at_ms)
        assert isinstance(action, pl.Verify)
        pauses.append((action.due_ms - at_ms - 2 * SECOND) // SECOND)
    assert [1, 2, 4, 8, 16, 32, 60, 60, 60] == pauses


def test_a_claim_whose_verify_never_left_is_asked_again_until_the_bank_stops_answering() -> None:
    unreached = further(life(*ASKED), UNREACHED(CLAIMED, 1))
    assert isinstance(plan(unreached, CLAIMED + 29 * MINUTE), pl.Verify)
    over = CLAIMED + 30 * MINUTE
    assert (ev.Lapsed, over) == noted(unreached, over)


def test_a_verify_that_may_have_taken_effect_never_lapses() -> None:
    explained = life(*ASKED, "VerifyLost")
    for later in (31 * MINUTE, 5 * HOUR, 23 * HOUR):
        assert isinstance(plan(explained, CLAIMED + later), pl.Verify)


def test_a_verify_that_no_bank_answers_for_a_day_comes_before_a_person() -> None:
    day = CLAIMED + 24 * HOUR
    again = ("VerifyRequested:keep", "VerifyLost") * (TRIES_OF_A_DAY - 1)
    assert (ev.LeftToReview, day) == noted(life(*ASKED, "VerifyLost", *again), day)


def test_a_verify_before_a_long_sleep_is_repeated_before_a_person_is_asked() -> None:
    later = CLAIMED + 100 * HOUR
    slept = further(life(*ASKED), "VerifyLost", at_ms=later)
    for _ in range(TRIES_OF_A_DAY - 1):
        assert isinstance(plan(slept, later), pl.Verify)
        slept = further(slept, ASKED[-1], "VerifyLost", at_ms=later)
    assert (ev.LeftToReview, later) == noted(slept, later)


def test_a_verified_payment_is_settled_and_a_lost_settle_repeated_without_end() -> None:
    verified = life(*KEPT, gateway="settles", settles=True)
    assert pl.Settle(due_ms=CLAIMED, attempt=1) == plan(verified)
    lost = further(verified, "SettleRequested", "SettleLost")
    assert isinstance(plan(lost, CLAIMED + 23 * HOUR), pl.Settle)
    assert (ev.ReviewRaised, CLAIMED + 100 * HOUR) == noted(lost, CLAIMED + 100 * HOUR)
    raised = apply(lost, ev.ReviewRaised(at_ms=CLAIMED, reason=pl.UNSETTLED))
    assert isinstance(plan(raised, CLAIMED + 100 * HOUR), pl.Settle)


def test_a_settle_that_is_not_answered_for_a_day_is_asked_for_by_the_hour_and_told_so_often() -> (
    None
):
    """A person who has looked is told again while it stands as it did."""
    day = CLAIMED + 24 * HOUR
    lost = further(life(*KEPT, gateway="settles", settles=True), "SettleRequested", at_ms=day)
    lost = further(lost, "SettleLost", at_ms=day)
    tried = day + SECOND
    assert (ev.ReviewRaised, tried + HOUR) == noted(lost, tried)
    raised = apply(lost, ev.ReviewRaised(at_ms=tried, reason=pl.UNSETTLED))
    assert pl.Settle(due_ms=tried + HOUR, attempt=1) == plan(raised, tried)
    looked = apply(raised, ev.ReviewResolved(at_ms=tried, by="ali", reason="the bank is asked"))
    assert (ev.ReviewRaised, tried + HOUR) == noted(looked, tried)


def test_a_paid_payment_needs_nothing() -> None:
    assert plan(life(*KEPT)) is None
    settled = (*KEPT, "SettleRequested", "Settled")
    assert plan(life(*settled, gateway="settles", settles=True)) is None


# --- two attempts


def two(second: str = "plain", *, first: str = "plain", steps: tuple[str, ...] = ()) -> Payment:
    """The first attempt's claim came, and ten minutes later the second's."""
    payment = apply(life("Started", gateway=first), begun(T0, 2, second))
    payment = further(payment, "Started", attempt=2)
    payment = further(payment, "Returned:claim", *steps, at_ms=HANDED)
    return further(payment, "Returned:claim", attempt=2, at_ms=SECOND_CLAIMED - SECOND)


SECOND_CLAIMED = CLAIMED + 10 * MINUTE
FIRST_OUT = ("VerifyRequested:keep",)
FIRST_LOST = ("VerifyRequested:keep", "VerifyLost")


def at_second(payment: Payment, now_ms: int) -> pl.Action | None:
    """What the second attempt needs while a call about the first is out."""
    return plan(payment, now_ms, frozenset({1}))


def test_a_second_attempt_waits_while_the_first_is_asked() -> None:
    for steps in (FIRST_OUT, FIRST_LOST):
        action = at_second(two(steps=steps), SECOND_CLAIMED)
        assert action is not None
        assert action.due_ms == SECOND_CLAIMED + 29 * MINUTE


def test_a_second_attempt_lapses_a_minute_before_its_own_deadline() -> None:
    payment = two(steps=FIRST_OUT)
    due_ms = SECOND_CLAIMED + 29 * MINUTE
    action = at_second(payment, SECOND_CLAIMED)
    assert isinstance(action, pl.Note)
    assert isinstance(action.event, ev.Lapsed)
    assert (2, due_ms) == (action.attempt, action.due_ms)
    assert action.event.returns_by_ms == SECOND_CLAIMED + 30 * MINUTE + 72 * HOUR


def test_a_second_attempt_whose_money_is_held_comes_before_a_person_instead() -> None:
    action = at_second(two("held", steps=FIRST_OUT), SECOND_CLAIMED)
    assert isinstance(action, pl.Note)
    assert isinstance(action.event, ev.LeftToReview)
    assert action.due_ms == SECOND_CLAIMED + 29 * MINUTE


def test_a_second_attempt_is_verified_once_the_first_got_its_no() -> None:
    payment = two(steps=(*FIRST_OUT, "VerifyRefused"))
    assert pl.Verify(due_ms=SECOND_CLAIMED, attempt=2, purpose=ev.Purpose.KEEP) == plan(
        payment, SECOND_CLAIMED
    )


def test_of_two_claims_the_earlier_is_verified_first() -> None:
    payment = two()
    assert isinstance(action := plan(payment, SECOND_CLAIMED), pl.Verify)
    assert 1 == action.attempt


def test_a_second_attempt_lapses_at_once_where_the_first_is_kept() -> None:
    payment = two(steps=(*FIRST_OUT, "Verified"))
    assert (ev.Lapsed, SECOND_CLAIMED) == noted(payment, SECOND_CLAIMED)


@pytest.mark.parametrize("contract", ["held", "held-refunds"])
def test_a_second_attempt_whose_money_is_held_is_verified_to_be_given_back(contract: str) -> None:
    payment = two(contract, steps=(*FIRST_OUT, "Verified"))
    assert pl.Verify(due_ms=SECOND_CLAIMED, attempt=2, purpose=ev.Purpose.GIVE_BACK) == plan(
        payment, SECOND_CLAIMED
    )


def test_a_second_verify_that_may_have_taken_effect_waits_for_the_first_without_lapsing() -> None:
    """The second was asked before the first's payer came back; then the first is asked again and again."""
    payment = apply(life("Started"), begun(T0, 2))
    payment = further(payment, "Started", "Returned:claim", *FIRST_LOST, attempt=2)
    payment = further(payment, "Returned:claim", at_ms=CLAIMED + MINUTE)
    action = plan(payment, CLAIMED + 2 * MINUTE)
    assert isinstance(action, pl.Verify)
    assert 2 == action.attempt
    kept = further(payment, "VerifyRequested:keep", "Verified", attempt=2)
    assert (ev.Lapsed, CLAIMED + 2 * MINUTE) == noted(kept, CLAIMED + 2 * MINUTE)


def test_no_second_verify_to_keep_is_due_while_the_first_is_out_not_even_a_repeated_one() -> None:
    """An operator had the second asked; its answer was lost, and then the first came to be asked again."""
    payment = apply(life("Started"), begun(T0, 2))
    payment = further(payment, "Started", attempt=2)
    payment = further(payment, "Returned:claim", *FIRST_LOST, at_ms=HANDED)
    payment = further(payment, *FIRST_LOST, attempt=2, at_ms=CLAIMED + MINUTE)
    payment = further(payment, *FIRST_OUT, at_ms=CLAIMED + 2 * MINUTE)
    assert at_second(payment, CLAIMED + 3 * MINUTE) is None
    refused = further(payment, "VerifyRefused", at_ms=CLAIMED + 3 * MINUTE)
    assert isinstance(plan(refused, CLAIMED + 4 * MINUTE), pl.Verify)


def test_a_stopped_second_attempt_is_not_proven_while_the_first_is_out() -> None:
    stopped = apply(two("held", steps=FIRST_OUT), STOP)
    assert pl.Verify(due_ms=SECOND_CLAIMED, attempt=2, purpose=ev.Purpose.GIVE_BACK) == at_second(
        stopped, SECOND_CLAIMED
    )


# --- money that cannot be kept


def test_money_that_goes_back_by_itself_is_left_to_lapse_once_the_payment_is_closed() -> None:
    payment = life("Started", close(), "Returned:claim")
    assert (ev.Lapsed, CLAIMED) == noted(payment, CLAIMED)


def test_held_money_is_verified_to_be_given_back_while_two_minutes_of_reverse_are_left() -> None:
    late = life("Started", close(), "Returned:claim", gateway="held")
    last = CLAIMED + SECOND + 28 * MINUTE - 2 * SECOND
    assert isinstance(plan(late, last), pl.Verify)
    assert (ev.LeftToReview, last + 2 * SECOND) == noted(late, last + 2 * SECOND)


def test_held_money_is_verified_to_be_refunded_for_as_long_as_it_takes() -> None:
    late = life("Started", close(), "Returned:claim", gateway="held-refunds")
    action = plan(late, CLAIMED + 3 * HOUR)
    assert isinstance(action, pl.Verify)
    assert ev.Purpose.GIVE_BACK is action.purpose


def test_held_money_that_no_way_leads_back_stays_untouched_for_a_person() -> None:
    late = life("Started", close(), "Returned:claim", gateway="held-mute")
    assert (ev.LeftToReview, CLAIMED) == noted(late, CLAIMED)


def test_a_verify_that_may_have_taken_effect_is_asked_to_the_end_and_given_back() -> None:
    payment = life(*ASKED, "VerifyLost", close())
    action = plan(payment, CLAIMED + HOUR)
    assert isinstance(action, pl.Verify)
    assert ev.Purpose.GIVE_BACK is action.purpose


def owed(contract: str) -> Payment:
    return life(*ASKED, "Mismatched", gateway=contract)


def test_owed_money_is_reversed_and_after_its_time_refunded() -> None:
    payment = owed("held-refunds")
    assert pl.Reverse(due_ms=CLAIMED, attempt=1) == plan(payment)
    late = CLAIMED + HOUR
    assert pl.Refund(due_ms=late, attempt=1) == plan(payment, late)


def test_owed_money_is_refunded_where_the_bank_refuses_to_reverse() -> None:
    refused = further(owed("held-refunds"), "ReverseRequested", "ReverseRefused")
    assert pl.Refund(due_ms=CLAIMED, attempt=1) == plan(refused)


def test_money_that_no_verify_has_proven_is_not_refunded_but_left_to_a_person() -> None:
    """A refund is addressed by the receipt; an operator's reverse may have been tried without one."""
    unproven = life("Started", "Returned:claim", "LeftToReview", gateway="held-refunds")
    refused = further(unproven, "ReverseRequested", "ReverseRefused", at_ms=CLAIMED)
    assert (ev.LeftToReview, CLAIMED) == noted(refused, CLAIMED)


@pytest.mark.parametrize("contract", ["verifies", "held-mute"])
def test_owed_money_that_the_bank_does_not_take_back_comes_before_a_person(contract: str) -> None:
    assert (ev.LeftToReview, CLAIMED) == noted(owed(contract), CLAIMED)


def test_a_lost_reverse_is_repeated() -> None:
    lost = further(owed("plain"), "ReverseRequested", "ReverseLost", at_ms=CLAIMED)
    assert pl.Reverse(due_ms=CLAIMED + 3 * SECOND, attempt=1) == plan(lost, CLAIMED)


def test_a_lost_refund_is_not() -> None:
    refused = further(owed("held-refunds"), "ReverseRequested", "ReverseRefused")
    lost = further(refused, "RefundRequested", "RefundLost", close())
    assert plan(lost, CLAIMED + HOUR) is None


def test_given_back_is_the_end_of_it() -> None:
    assert plan(further(owed("plain"), close(), "ReverseRequested", "Reversed")) is None


# --- the shop stops it


def test_a_stopped_payment_that_nobody_paid_is_closed_at_once() -> None:
    by_shop = (ev.Closing.CANCELLED_BY_SHOP, CLAIMED)
    assert by_shop == closed(apply(apply(None, created(), number=1), STOP), CLAIMED)
    assert by_shop == closed(life("Started", STOP), CLAIMED)
    starting = plan(life(STOP), CLAIMED, frozenset({1}))  # its token will be handed to nobody
    assert isinstance(starting, pl.Note)
    assert isinstance(starting.event, ev.Closed)


def test_what_a_stopped_payments_verify_brought_is_reversed() -> None:
    payment = life(*ASKED, STOP, "Verified")
    assert pl.Reverse(due_ms=CLAIMED, attempt=1) == plan(payment)


def test_a_stopped_payment_that_the_bank_does_not_reverse_stays_paid() -> None:
    assert (ev.CancelRefused, CLAIMED) == noted(
        life(*ASKED, STOP, "Verified", gateway="verifies"), CLAIMED
    )
    refused = life(*ASKED, STOP, "Verified", "ReverseRequested", "ReverseRefused")
    assert (ev.CancelRefused, CLAIMED) == noted(refused, CLAIMED)
    assert plan(apply(refused, ev.CancelRefused(at_ms=CLAIMED))) is None


def test_a_stopped_payment_is_reversed_before_its_settle() -> None:
    payment = life(*ASKED, STOP, "Verified", gateway="settles", settles=True)
    assert pl.Reverse(due_ms=CLAIMED, attempt=1) == plan(payment)
    refused = further(payment, "ReverseRequested", "ReverseRefused")
    assert pl.Settle(due_ms=CLAIMED, attempt=1) == plan(refused)


def test_a_stopped_claim_lapses_unverified_where_money_goes_back_by_itself() -> None:
    assert (ev.Lapsed, CLAIMED) == noted(life(*CLAIM, STOP), CLAIMED)


def test_a_stopped_claim_of_held_money_is_proven_first_and_then_given_back() -> None:
    stopped = life(*CLAIM, STOP, gateway="held")
    assert VERIFY == plan(stopped)
    verified = further(stopped, "VerifyRequested:keep", "Verified")
    assert pl.Reverse(due_ms=CLAIMED, attempt=1) == plan(verified)


# --- the end of a payment


def test_a_payment_that_nobody_began_expires() -> None:
    assert (ev.Closing.EXPIRED, EXPIRES) == closed(apply(None, created(), number=1), T0)


def test_a_payer_at_the_bank_has_the_banks_time_whatever_the_payments() -> None:
    assert (ev.Lapsed, ENDS) == noted(life("Started"), EXPIRES + 1)


def test_a_hand_over_again_begins_the_time_anew() -> None:
    again = life("Started", ev.HandedOver(at_ms=HANDED + 10 * MINUTE, attempt=1))
    assert (ev.Lapsed, ENDS + 10 * MINUTE) == noted(again, T0)


def test_after_the_last_lapse_it_expires() -> None:
    lapsed = life("Started", "Lapsed")
    assert (ev.Closing.EXPIRED, EXPIRES) == closed(lapsed, ENDS)


def test_after_a_no_it_fails_when_its_time_is_up_and_not_before() -> None:
    declined = life("Started", "Returned:no")
    assert (ev.Closing.FAILED, EXPIRES) == closed(declined, T0)


def test_a_payer_who_cancelled_closes_it_at_once() -> None:
    cancelled = life("Started", CANCELLED(CLAIMED, 1))
    assert (ev.Closing.CANCELLED_BY_PAYER, CLAIMED) == closed(cancelled, CLAIMED)


def test_a_payer_who_cancelled_an_earlier_attempt_does_not() -> None:
    payment = further(apply(life("Started"), begun(T0, 2)), "Started", attempt=2)
    payment = apply(payment, CANCELLED(CLAIMED, 1))
    assert (ev.Lapsed, ENDS) == noted(payment, CLAIMED)


@pytest.mark.parametrize("steps", [CLAIM, ASKED, (*ASKED, "VerifyLost")])
def test_nothing_is_closed_while_anything_is_in_doubt(steps: tuple[str, ...]) -> None:
    payment = apply(life("Started"), begun(T0, 2))
    payment = further(payment, "Started", CANCELLED(CLAIMED, 2), attempt=2)
    payment = further(payment, *steps[1:])
    assert (ev.Lapsed, ENDS) == noted_beside(payment, EXPIRES + MINUTE)


def test_nothing_expires_while_a_bank_is_being_asked() -> None:
    declined = life("Started", "Returned:no", gateway="asks")
    assert plan(declined, EXPIRES + MINUTE, frozenset({1})) is None


def test_a_closed_payment_of_a_gateway_that_is_gone_needs_nothing() -> None:
    assert plan(life("Started", close(), gateway="gone")) is None
    assert plan(life(*KEPT, gateway="gone")) is None


def test_an_open_payment_of_a_gateway_that_is_gone_is_not_passed_over() -> None:
    for steps in (("Started",), CLAIM, (*CLAIM, close())):
        with pytest.raises(KeyError):
            plan(life(*steps, gateway="gone"))


# --- after a crash


@pytest.mark.parametrize(
    ("steps", "contract", "lost"),
    [
        ((), "plain", ev.StartLost),
        (ASKED, "plain", ev.VerifyLost),
        ((*CLAIM, close(), "VerifyRequested:return"), "held", ev.VerifyLost),
        ((*KEPT, "SettleRequested"), "settles", ev.SettleLost),
        ((*ASKED, STOP, "Verified", "ReverseRequested"), "plain", ev.ReverseLost),
        ((*ASKED, "Mismatched", "ReverseRequested"), "plain", ev.ReverseLost),
        ((*ASKED, "Mismatched", "RefundRequested"), "held-refunds", ev.RefundLost),
    ],
)
def test_a_request_without_its_outcome_is_taken_as_lost(
    steps: tuple[str | ev.Event, ...], contract: str, lost: type[ev.Event]
) -> None:
    payment = life(*steps, gateway=contract, settles=contract == "settles")
    assert (lost, CLAIMED) == noted(payment, CLAIMED)


def test_a_verify_that_a_crash_cut_off_explains_an_already_verified() -> None:
    action = plan(life(*ASKED))
    assert isinstance(action, pl.Note)
    attempt = apply(life(*ASKED), action.event).attempts[0]
    assert (State.IN_DOUBT, True) == (attempt.state, attempt.explained)


def test_a_cancel_that_a_verify_brought_closes_it_too() -> None:
    cancelled = Refusal(cause=CodeClass.CANCELLED, code="17")
    payment = life(*ASKED, ev.VerifyRefused(at_ms=CLAIMED, attempt=1, refusal=cancelled))
    assert (ev.Closing.CANCELLED_BY_PAYER, CLAIMED) == closed(payment, CLAIMED)


def test_every_trigger_of_this_file_is_real() -> None:
    assert set(TRIGGERS) >= {*KEPT, *FIRST_LOST, "SettleRequested"}
