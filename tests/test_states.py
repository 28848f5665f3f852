"""The table of transitions: what it says is done, what it does not say raises, and some roads are not in it."""

import pytest

from gatewayd.core import events as ev
from gatewayd.core.holding import Hold
from gatewayd.core.payment import apply
from gatewayd.core.states import ANYWHERE, KEPT, TRANSITIONS, UNKNOWN, IllegalTransition, State
from gatewayd.core.terms import Capture
from gatewayd.core.values import changed
from tests.histories import T0, TRIGGERS, UNREACHED, in_state, life, only

ATTEMPT_KINDS = {kind for kind in ev.KINDS.values() if issubclass(kind, ev.AttemptEvent)} - {
    ev.StartRequested
}
AT = T0 + 60_000


def table(state: State) -> dict[str, State]:
    return {**TRANSITIONS[state], **dict.fromkeys(ANYWHERE, state)}


BEFORE_THE_WORD = {
    (State.IN_DOUBT, "Authorized"),
    (State.VERIFIED, "Authorized"),
    (State.VERIFIED, "LeftToReview"),
}
"""Legal only where the shop's word is waited for."""
PAIRS = [(state, trigger) for state in State for trigger in TRIGGERS]


def test_every_kind_of_an_attempt_has_its_triggers_and_no_trigger_is_unheard_of() -> None:
    named = {trigger for row in TRANSITIONS.values() for trigger in row} | ANYWHERE
    assert named == set(TRIGGERS)
    assert {type(make(AT, 1)) for make in TRIGGERS.values()} == ATTEMPT_KINDS
    assert {make(AT, 1).trigger for make in TRIGGERS.values()} == set(TRIGGERS)


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(State)


@pytest.mark.parametrize(
    ("state", "trigger"),
    [pair for pair in PAIRS if pair[1] in table(pair[0])],
    ids=str,
)
def test_a_pair_of_the_table_leads_where_the_table_says(state: State, trigger: str) -> None:
    before = in_state(state, doubt_ms=T0)
    if (state, trigger) in BEFORE_THE_WORD:
        before = changed(before, hold=Hold(capture=Capture.MANUAL, proven=(1,)))
    after = apply(before, TRIGGERS[trigger](AT, 1))
    assert table(state)[trigger] is only(after).state
    assert before.version + 1 == after.version


def test_a_pair_that_is_missing_raises_and_changes_nothing() -> None:
    missing = [pair for pair in PAIRS if pair[1] not in table(pair[0])]
    assert len(PAIRS) > len(missing) > 300
    for state, trigger in missing:
        before = in_state(state, doubt_ms=T0)
        with pytest.raises(IllegalTransition):
            apply(before, TRIGGERS[trigger](AT, 1))
        assert in_state(state, doubt_ms=T0) == before


def reachable(*begin: State, without: frozenset[State] = frozenset()) -> set[State]:
    """Every state that some road leads to from these, not passing through `without`."""
    found: set[State] = set()
    due = set(begin)
    while due:
        state = due.pop()
        found.add(state)
        due |= set(TRANSITIONS[state].values()) - found - without
    return found


def test_every_state_can_be_reached() -> None:
    assert set(State) == reachable(State.STARTING)


def test_kept_money_is_kept_or_given_back_and_nothing_else() -> None:
    taken = frozenset({State.IN_REVIEW})  # by LeftToReview, which is not legal for what was taken
    assert KEPT | {State.GIVEN_BACK} == reachable(*KEPT, without=taken)


@pytest.mark.parametrize(("state", "trigger"), sorted(BEFORE_THE_WORD))
@pytest.mark.parametrize("asked_ms", [None, T0])
def test_what_is_taken_is_neither_authorized_nor_left_to_a_person(
    state: State, trigger: str, asked_ms: int | None
) -> None:
    taken = in_state(state, doubt_ms=T0)
    if asked_ms is not None:
        taken = changed(taken, hold=Hold(capture=Capture.MANUAL, proven=(1,), asked_ms=asked_ms))
    with pytest.raises(IllegalTransition):
        apply(taken, TRIGGERS[trigger](AT, 1))


def test_money_that_must_not_be_kept_is_given_back_or_before_a_person() -> None:
    owed = {State.OWED, State.RETURNING}
    assert owed | {State.GIVEN_BACK, State.IN_REVIEW} == reachable(*owed)


def test_what_was_given_back_and_what_never_began_stays_so() -> None:
    assert {State.GIVEN_BACK} == reachable(State.GIVEN_BACK)
    assert {State.NOT_STARTED} == reachable(State.NOT_STARTED)


def test_only_a_verify_to_keep_leads_to_kept_money() -> None:
    roads = {
        (state, trigger)
        for state in set(State) - KEPT
        for trigger, to in TRANSITIONS[state].items()
        if to in KEPT
    }
    assert {(State.VERIFYING, "Verified")} == roads


def test_a_claim_or_the_banks_word_brings_a_lapsed_attempt_back() -> None:
    back = {"Returned:claim", "Asked:paid", "Asked:verified"}
    to_doubt = {
        trigger for trigger, to in TRANSITIONS[State.LAPSED].items() if to is State.IN_DOUBT
    }
    assert back == to_doubt


def test_nothing_lapses_while_a_bank_is_asked() -> None:
    asked = {State.VERIFYING, State.VERIFYING_TO_RETURN, State.SETTLING, State.REVERSING}
    assert {state for state, row in TRANSITIONS.items() if "Lapsed" in row} == {
        State.WITH_PAYER,
        State.IN_DOUBT,
    }
    assert not any(to is State.LAPSED for state in asked for to in TRANSITIONS[state].values())


@pytest.mark.parametrize(
    ("state", "lost"),
    [
        (State.STARTING, "StartLost"),
        (State.VERIFYING, "VerifyLost"),
        (State.VERIFYING_TO_RETURN, "VerifyLost"),
        (State.SETTLING, "SettleLost"),
        (State.REVERSING, "ReverseLost"),
        (State.RETURNING, "ReverseLost"),
        (State.RETURNING, "RefundLost"),
    ],
)
def test_wherever_a_call_may_be_out_its_loss_can_be_recorded(state: State, lost: str) -> None:
    assert TRANSITIONS[state][lost] is not state


def test_a_verify_whose_answer_was_lost_leaves_the_attempt_unknown() -> None:
    for state in (State.VERIFYING, State.VERIFYING_TO_RETURN):
        assert TRANSITIONS[state]["VerifyLost"] in UNKNOWN


def test_a_question_that_never_left_puts_nothing_in_doubt() -> None:
    payment = life("Started", "VerifyRequested:keep")
    assert State.WITH_PAYER is only(apply(payment, UNREACHED(AT, 1))).state


def test_a_claim_whose_verify_never_left_stays_in_doubt() -> None:
    payment = life("Started", "Returned:claim", "VerifyRequested:keep")
    assert State.IN_DOUBT is only(apply(payment, UNREACHED(AT, 1))).state


@pytest.mark.parametrize("verdict", ["VerifyRefused", "ClaimRejected"])
def test_a_no_to_one_claim_brings_up_the_next(verdict: str) -> None:
    steps = ["Started", "Returned:claim", "Returned:claim"]
    if verdict == "VerifyRefused":
        steps.append("VerifyRequested:keep")
    attempt = only(life(*steps, verdict))
    assert State.IN_DOUBT is attempt.state
    assert () == attempt.waiting
    assert not attempt.reference_taken
