"""What waits for its shop's word: a table of words and windows, and rules that hold for every history."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core import actions
from gatewayd.core import events as ev
from gatewayd.core import plan as pl
from gatewayd.core.holding import Hold, window_ms
from gatewayd.core.payment import Payment, allows, apply
from gatewayd.core.settings import EngineSettings
from gatewayd.core.states import State
from gatewayd.core.status import Money, Status, is_authorized, is_claimed, money_of, status_of
from gatewayd.core.terms import Ask, Capture, Finding, IfUnverified, Inquiry, Receipt, Traits
from gatewayd.core.values import changed
from tests.histories import (
    AMOUNT,
    MINUTE,
    SECOND,
    T0,
    TRIGGERS,
    begun,
    created,
    further,
    only,
    traits,
    walk,
)

SETTINGS = EngineSettings()
WORD = ev.CaptureRequested(at_ms=T0 + 60 * SECOND)
SETTLES = traits(settles=True, proves=True, reverse_within_seconds=3 * 3600)
HELD = traits(
    unverified=IfUnverified.HELD, ask=Ask.INQUIRY, proves=True, verify_within_seconds=20 * 60
)
LAPSES = traits(ask=Ask.INQUIRY, proves=True)
CONTRACTS = {"settles": SETTLES, "held": HELD, "lapses": LAPSES, "plain": traits()}
MANUAL, FACED = Capture.MANUAL, Capture.ON_VERIFY


def ordered(capture: Capture, gateway: str, *steps: str | ev.Event) -> Payment:
    payment = apply(None, created(capture=capture), number=1)
    payment = apply(payment, begun(T0, 1, gateway, settles=gateway == "settles"))
    return further(payment, "Started", *steps)


def hold_of(payment: Payment) -> Hold:
    assert payment.hold is not None
    return payment.hold


def plan(payment: Payment, now_ms: int) -> actions.Action | None:
    return pl.plan(payment, now_ms, CONTRACTS, SETTINGS)


def noted(payment: Payment, now_ms: int) -> ev.Event:
    action = plan(payment, now_ms)
    assert isinstance(action, actions.Note), action
    return action.event


PROVEN: dict[str, tuple[str, ...]] = {
    "settles": ("Returned:claim", "ReferenceTaken", "VerifyRequested:keep", "Verified"),
    "held": ("Returned:claim", "Asked:paid"),
    "lapses": ("Returned:claim", "Asked:paid"),
}
every_proof = pytest.mark.parametrize("gateway", PROVEN)


def authorized(gateway: str) -> Payment:
    payment = ordered(MANUAL, gateway, *PROVEN[gateway])
    at_ms = T0 + 10 * SECOND
    event = noted(payment, at_ms)
    assert isinstance(event, ev.Authorized)
    return apply(payment, event)


# --- who may do what without the word


def test_a_payment_of_the_shops_own_api_waits_for_nobody() -> None:
    payment = apply(None, created(), number=1)
    assert payment.hold is None
    assert not payment.waits
    assert not allows(payment, WORD)


@pytest.mark.parametrize("gateway", ["settles", "held", "lapses", "plain"])
def test_nothing_of_a_faces_payment_is_verified_before_its_shop_verifies(gateway: str) -> None:
    payment = ordered(FACED, gateway, "Returned:claim", "ReferenceTaken")
    assert is_claimed(payment)
    verify = TRIGGERS["VerifyRequested:keep"](T0 + MINUTE, 1)
    assert not allows(payment, verify)
    assert allows(apply(payment, WORD), verify)


@pytest.mark.parametrize(
    ("gateway", "may"), [("settles", True), ("held", False), ("lapses", False)]
)
def test_a_manual_capture_is_verified_only_where_that_takes_nothing(
    gateway: str, *, may: bool
) -> None:
    payment = ordered(MANUAL, gateway, "Returned:claim", "ReferenceTaken")
    assert may is allows(payment, TRIGGERS["VerifyRequested:keep"](T0 + MINUTE, 1))


def test_what_is_only_proven_is_not_settled_before_the_word() -> None:
    payment = authorized("settles")
    settle = TRIGGERS["SettleRequested"](T0 + MINUTE, 1)
    assert not allows(payment, settle)
    assert allows(apply(payment, WORD), settle)


@every_proof
def test_what_is_proven_is_authorized_and_nobodys_yet(gateway: str) -> None:
    payment = authorized(gateway)
    assert is_authorized(payment)
    assert (Status.AUTHORIZED, Money.AT_BANK) == (status_of(payment), money_of(payment))
    assert not payment.takes_attempts


@every_proof
def test_the_word_leads_to_the_taking_at_once(gateway: str) -> None:
    payment = apply(authorized(gateway), WORD)
    assert Status.PROCESSING is status_of(payment)
    action = plan(payment, WORD.at_ms)
    wanted = actions.Settle if gateway == "settles" else actions.Verify
    assert isinstance(action, wanted)
    assert action.due_ms <= WORD.at_ms


def test_the_word_is_given_once() -> None:
    asked = apply(authorized("held"), WORD)
    for event in (WORD, ev.CaptureDue(at_ms=WORD.at_ms), ev.CaptureLapsed(at_ms=WORD.at_ms)):
        assert not allows(asked, event)


@pytest.mark.parametrize(
    "end",
    [ev.CancelRequested(at_ms=T0), ev.CaptureLapsed(at_ms=T0)],
)
@every_proof
def test_after_its_end_no_word_counts(gateway: str, end: ev.Event) -> None:
    payment = apply(authorized(gateway), end)
    assert not allows(payment, WORD)
    assert Status.AUTHORIZED is not status_of(payment)


def test_what_is_over_is_not_authorized_any_more_whatever_is_proven_of_it() -> None:
    payment = ordered(MANUAL, "lapses")
    payment = apply(payment, ev.Closed(at_ms=T0 + 4 * SECOND, why=ev.Closing.FAILED))
    payment = further(payment, "Returned:claim", "Asked:paid", at_ms=T0 + 5 * SECOND)
    assert not allows(payment, TRIGGERS["Authorized"](T0 + MINUTE, 1))
    assert Status.FAILED is status_of(payment)


# --- the word is spent


@pytest.mark.parametrize("no", ["VerifyRefused", "VerifyLost:unreached"])
def test_a_no_spends_the_word_and_the_next_payer_needs_a_new_one(no: str) -> None:
    payment = ordered(FACED, "held")
    payment = apply(payment, WORD)
    payment = further(payment, "VerifyRequested:keep", at_ms=WORD.at_ms)
    at_ms = WORD.at_ms + 9 * SECOND
    event = TRIGGERS["VerifyRefused"](at_ms, 1)
    if no != "VerifyRefused":
        event = ev.VerifyLost(at_ms=at_ms, attempt=1, cause="no", reached=False)
    payment = apply(payment, event)
    assert payment.waits
    payment = further(payment, "Returned:claim", at_ms=at_ms)
    assert not allows(payment, TRIGGERS["VerifyRequested:keep"](at_ms + MINUTE, 1))


def test_not_knowing_does_not_spend_the_word() -> None:
    payment = apply(ordered(FACED, "held", "Returned:claim"), WORD)
    payment = further(payment, "VerifyRequested:keep", "VerifyLost", at_ms=WORD.at_ms)
    assert not payment.waits
    assert isinstance(plan(payment, WORD.at_ms + MINUTE), actions.Verify)


def test_a_no_to_one_of_two_payments_does_not_spend_the_word() -> None:
    payment = ordered(FACED, "held")
    payment = apply(payment, begun(T0 + 2 * SECOND, 2, "held"))
    payment = further(payment, "Started", "Returned:claim", attempt=2, at_ms=T0 + 2 * SECOND)
    payment = further(payment, "Returned:claim", at_ms=T0 + 8 * SECOND)
    payment = apply(payment, WORD)
    payment = further(payment, "VerifyRequested:keep", "VerifyRefused", attempt=2, at_ms=WORD.at_ms)
    assert not payment.waits
    action = plan(payment, WORD.at_ms + 5 * SECOND)
    assert isinstance(action, actions.Verify)
    assert 1 == action.attempt


def test_what_was_authorized_and_is_gone_closes_as_failed() -> None:
    payment = apply(authorized("held"), WORD)
    payment = further(payment, "VerifyRequested:keep", "VerifyRefused", at_ms=WORD.at_ms)
    at_ms = WORD.at_ms + 3 * SECOND
    assert ev.Closed(at_ms=at_ms, why=ev.Closing.FAILED) == noted(payment, at_ms)


# --- proofs


def asked(finding: Finding, at_ms: int, amount: int | None = None) -> ev.Asked:
    inquiry = Inquiry(finding=finding, receipt=Receipt(amount=amount))
    return ev.Asked(at_ms=at_ms, attempt=1, inquiry=inquiry)


@pytest.mark.parametrize(("amount", "proves"), [(None, True), (AMOUNT, True), (AMOUNT + 1, False)])
def test_another_amount_proves_nothing(amount: int | None, *, proves: bool) -> None:
    payment = ordered(MANUAL, "lapses", "Returned:claim")
    payment = apply(payment, asked(Finding.PAID, T0 + 5 * SECOND, amount))
    assert proves is ((1,) == hold_of(payment).proven)


def test_two_denials_put_a_claim_aside_and_one_does_not() -> None:
    payment = ordered(MANUAL, "lapses", "Returned:claim")
    payment = apply(payment, asked(Finding.NOT_PAID, T0 + 5 * SECOND))
    assert isinstance(plan(payment, T0 + MINUTE), actions.Inquire)
    payment = apply(payment, asked(Finding.NOT_PAID, T0 + 8 * SECOND))
    event = noted(payment, T0 + MINUTE)
    assert ev.ClaimRejected(at_ms=T0 + MINUTE, attempt=1, why=ev.Wrong.UNPAID) == event
    payment = apply(payment, event)
    assert State.WITH_PAYER is only(payment).state
    assert () == hold_of(payment).denied


def test_a_claim_is_asked_about_at_once_and_then_ever_more_slowly() -> None:
    payment = ordered(MANUAL, "lapses", "Returned:claim")
    now_ms, pauses = T0 + 3 * SECOND, []
    for _ in range(6):
        action = plan(payment, now_ms)
        assert isinstance(action, actions.Inquire)
        pauses.append(action.due_ms - now_ms)
        now_ms = max(now_ms, action.due_ms) + SECOND
        payment = apply(payment, asked(Finding.UNKNOWN, now_ms))
    assert 0 == pauses[0]
    assert pauses[1:] == sorted(pauses[1:])
    assert pauses[-1] <= SETTINGS.repeat_max_seconds * 1000


# --- windows


@pytest.mark.parametrize(
    ("capture", "contract", "seconds"),
    [
        (MANUAL, SETTLES, 9_000),
        (FACED, SETTLES, 1_740),
        (MANUAL, HELD, 1_000),
        (FACED, HELD, 1_000),
        (MANUAL, LAPSES, 1_740),
        (FACED, LAPSES, 1_740),
        (FACED, traits(), 1_740),
    ],
)
def test_how_long_the_word_counts(capture: Capture, contract: Traits, seconds: int) -> None:
    assert seconds * SECOND == window_ms(Hold(capture=capture), contract)


@every_proof
def test_the_window_counts_from_when_it_may_have_been_paid(gateway: str) -> None:
    """What an inquiry found was perhaps paid just after the one before, or after the hand-over."""
    if gateway == "settles":
        return
    payment = ordered(MANUAL, gateway)
    payment = apply(payment, asked(Finding.PENDING, T0 + 2 * MINUTE))
    payment = apply(payment, asked(Finding.PAID, T0 + 9 * MINUTE))
    assert T0 + 2 * MINUTE == hold_of(payment).since_ms
    event = noted(payment, T0 + 9 * MINUTE)
    assert isinstance(event, ev.Authorized)
    assert T0 + 2 * MINUTE + window_ms(hold_of(payment), CONTRACTS[gateway]) == event.capture_by_ms


@every_proof
def test_the_shop_is_warned_once_before_the_end_and_then_it_is_over(gateway: str) -> None:
    payment = authorized(gateway)
    hold = hold_of(payment)
    assert hold.capture_by_ms is not None
    action = plan(payment, T0 + MINUTE)
    assert isinstance(action, actions.Note)
    assert isinstance(action.event, ev.CaptureDue)
    assert hold.warn_ms == action.due_ms
    assert MINUTE < hold.capture_by_ms - action.due_ms <= 30 * MINUTE
    payment = apply(payment, changed(action.event, at_ms=action.due_ms))
    action = plan(payment, action.due_ms)
    assert isinstance(action, actions.Note)
    assert isinstance(action.event, ev.CaptureLapsed)
    assert hold.capture_by_ms == action.due_ms
    assert not allows(payment, ev.CaptureDue(at_ms=T0))


@every_proof
def test_a_daemon_that_was_away_past_the_end_warns_nobody_any_more(gateway: str) -> None:
    payment = authorized(gateway)
    by_ms = hold_of(payment).capture_by_ms
    assert by_ms is not None
    assert isinstance(noted(payment, by_ms + 1), ev.CaptureLapsed)


@pytest.mark.parametrize(
    ("gateway", "follows"),
    [("settles", actions.Reverse), ("held", actions.Verify), ("lapses", actions.Note)],
)
def test_at_the_end_it_is_given_back_where_the_bank_would_keep_it(
    gateway: str, follows: type[actions.Action]
) -> None:
    payment = authorized(gateway)
    by_ms = hold_of(payment).capture_by_ms
    assert by_ms is not None
    payment = apply(payment, ev.CaptureLapsed(at_ms=by_ms))
    action = plan(payment, by_ms)
    assert isinstance(action, follows)
    assert action.due_ms <= by_ms
    if isinstance(action, actions.Verify):
        assert ev.Purpose.GIVE_BACK is action.purpose
    if isinstance(action, actions.Note):
        assert isinstance(action.event, ev.Lapsed)


def test_what_the_bank_does_not_take_back_in_time_is_a_persons() -> None:
    payment = apply(authorized("settles"), ev.CaptureLapsed(at_ms=T0 + 10 * MINUTE))
    event = noted(payment, T0 + 181 * MINUTE)
    assert isinstance(event, ev.LeftToReview)
    payment = apply(payment, event)
    assert Money.UNKNOWN is money_of(payment)
    assert ev.Closing.NOT_CAPTURED is getattr(noted(payment, event.at_ms), "why", None)


# --- for every history


numbers = st.lists(st.integers(0, 10_000), min_size=6, max_size=60)


@given(numbers)
def test_nothing_is_ever_taken_without_the_word(choices: list[int]) -> None:
    events, payments = walk(choices, ("settles", "held", "lapses"))
    for before, event, after in zip(payments, events[1:], payments[1:], strict=False):
        taken = after.captured_ms is not None and before.captured_ms is None
        if after.hold is not None and taken:
            assert not before.waits, f"{event.trigger} took what nobody asked for"


@given(numbers)
def test_what_is_authorized_has_been_proven_and_can_be_captured_or_ends(
    choices: list[int],
) -> None:
    _, payments = walk(choices, ("settles", "held", "lapses"))
    for payment in payments:
        if status_of(payment) is Status.AUTHORIZED:
            assert allows(payment, WORD)
            assert payment.hold is not None
            assert payment.hold.capture is MANUAL
            assert payment.hold.capture_by_ms is not None
            assert Money.AT_BANK is money_of(payment)


@given(numbers)
def test_who_waits_for_no_word_has_nothing_of_all_this(choices: list[int]) -> None:
    events, payments = walk(choices, ("settles", "held", "lapses"))
    first = events[0]
    assert isinstance(first, ev.Created)
    if first.capture is Capture.AUTOMATIC:
        assert all(payment.hold is None and not payment.waits for payment in payments)
        assert not any(isinstance(event, ev.CaptureRequested | ev.Authorized) for event in events)
