"""When a bank is asked about a payer of whom nothing is heard, and what an answer that does not come means."""

from itertools import pairwise

import pytest

from gatewayd.core import events as ev
from gatewayd.core import plan as pl
from gatewayd.core.payment import Payment, apply
from gatewayd.core.settings import EngineSettings
from gatewayd.core.states import State
from gatewayd.core.status import Money, money_of
from gatewayd.core.terms import AddressedBy, Claim, CodeClass, Finding, Inquiry
from gatewayd.core.values import changed
from tests.histories import (
    CONTRACTS,
    HOUR,
    MINUTE,
    SECOND,
    T0,
    TRIGGERS,
    UNREACHED,
    begun,
    further,
    life,
)

HANDED = T0 + SECOND
ENDS = HANDED + 50 * MINUTE
LAST = ENDS - 3 * MINUTE


def plan(payment: Payment, now_ms: int) -> pl.Action | None:
    return pl.plan(payment, now_ms, CONTRACTS, EngineSettings())


def asked(payment: Payment, at_ms: int, finding: Finding) -> Payment:
    inquiry, silent = Inquiry(finding=finding), finding is Finding.UNKNOWN
    return apply(payment, ev.Asked(at_ms=at_ms, attempt=1, inquiry=inquiry, silent=silent))


def questions(payment: Payment, finding: Finding) -> tuple[list[int], pl.Action | None]:
    """Seconds after the hand-over at which an inquiry is made, each answered so; and what follows them."""
    times: list[int] = []
    now_ms = HANDED
    while isinstance(action := plan(payment, now_ms), pl.Inquire):
        now_ms = max(now_ms, action.due_ms)
        times.append((now_ms - HANDED) // SECOND)
        payment = asked(payment, now_ms, finding)
    return times, action


ON_TIME = [90, 180, 300, 600, 1200, 1800, 2400, 2820]


def test_an_absent_payers_bank_is_asked_early_and_a_last_time_before_the_end() -> None:
    times, then = questions(life("Started", gateway="asks"), Finding.PENDING)
    assert ON_TIME == times
    assert isinstance(then, pl.Note)
    assert isinstance(then.event, ev.Lapsed)
    assert ENDS == then.due_ms


def test_a_last_question_without_an_answer_is_repeated_until_the_end() -> None:
    times, then = questions(life("Started", gateway="asks"), Finding.UNKNOWN)
    assert [*ON_TIME, 2850, 2880, 2910, 2955] == times
    assert isinstance(then, pl.Note)
    assert isinstance(then.event, ev.Lapsed)


def test_held_money_is_not_given_up_without_an_answer_but_left_to_a_person_after_a_day() -> None:
    times, then = questions(life("Started", gateway="held"), Finding.UNKNOWN)
    assert ON_TIME == times[: len(ON_TIME)]
    assert 28 == len(times)
    assert isinstance(then, pl.Note)
    assert isinstance(then.event, ev.LeftToReview)
    assert ENDS + 24 * HOUR == then.due_ms


@pytest.mark.parametrize(
    ("finding", "end"), [(Finding.PENDING, ev.Lapsed), (Finding.NOT_PAID, ev.Closed)]
)
def test_an_answer_at_last_ends_it(finding: Finding, end: type[ev.Event]) -> None:
    silent = asked(life("Started", gateway="held"), ENDS + HOUR, Finding.UNKNOWN)
    assert isinstance(plan(silent, ENDS + HOUR), pl.Inquire)
    answered = asked(silent, ENDS + 2 * HOUR, finding)
    action = plan(answered, ENDS + 2 * HOUR)
    assert isinstance(action, pl.Note)
    assert isinstance(action.event, end)


def test_after_a_long_sleep_the_bank_is_asked_before_anything_lapses() -> None:
    for contract in ("asks", "held"):
        payment = life("Started", gateway=contract)
        assert isinstance(plan(payment, ENDS + 10 * HOUR), pl.Inquire)
    assert isinstance(plan(life("Started", gateway="verifies"), ENDS + 10 * HOUR), pl.Verify)


def test_an_unclear_return_is_asked_about_at_once() -> None:
    unclear = ("Started", "Returned:unclear")
    now_ms = HANDED + 5 * SECOND
    inquire = pl.Inquire(due_ms=now_ms, attempt=1)
    assert inquire == plan(life(*unclear, gateway="asks"), now_ms)
    verify = pl.Verify(due_ms=now_ms, attempt=1, purpose=ev.Purpose.KEEP)
    assert verify == plan(life(*unclear, gateway="verifies"), now_ms)


def test_an_unclear_return_is_asked_about_once() -> None:
    steps = ("Started", "Returned:unclear", "VerifyRequested:keep", "VerifyRefused")
    action = plan(life(*steps, gateway="verifies"), HANDED + MINUTE)
    assert action is not None
    assert action.due_ms > HANDED + MINUTE


def test_what_an_inquiry_found_paid_is_verified_at_once() -> None:
    found = asked(life("Started", gateway="asks"), HANDED + MINUTE, Finding.PAID)
    action = plan(found, HANDED + MINUTE)
    assert pl.Verify(due_ms=HANDED + MINUTE, attempt=1, purpose=ev.Purpose.KEEP) == action


# --- where a verify is the only question


def verifies(payment: Payment) -> list[int]:
    """Seconds after the hand-over at which a verify asks, each answered by "not paid"."""
    times: list[int] = []
    now_ms = HANDED
    while isinstance(action := plan(payment, now_ms), pl.Verify):
        now_ms = max(now_ms, action.due_ms)
        times.append((now_ms - HANDED) // SECOND)
        payment = further(
            payment,
            TRIGGERS["VerifyRequested:keep"](now_ms, 1),
            TRIGGERS["VerifyRefused"](now_ms, 1),
        )
    return times


def test_a_verify_asks_as_rarely_as_it_can_and_still_in_time_for_whoever_paid_since() -> None:
    times = verifies(life("Started", gateway="verifies"))
    assert [1620] == times
    within = CONTRACTS["verifies"].verify_within_seconds
    life_seconds = CONTRACTS["verifies"].token_life_seconds
    assert times[0] < within
    assert times[-1] >= life_seconds
    assert times[-1] < life_seconds + within


def test_a_verify_that_asked_and_never_left_is_repeated_soon() -> None:
    payment = life("Started", gateway="verifies")
    at_ms = HANDED + 1620 * SECOND
    payment = further(payment, TRIGGERS["VerifyRequested:keep"](at_ms, 1), UNREACHED(at_ms, 1))
    action = plan(payment, at_ms)
    assert isinstance(action, pl.Verify)
    assert at_ms + SECOND == action.due_ms


def test_who_comes_back_after_such_a_question_is_verified_at_once() -> None:
    at_ms = HANDED + MINUTE
    asked_in_vain = further(
        life("Started", gateway="verifies"),
        TRIGGERS["VerifyRequested:keep"](at_ms, 1),
        UNREACHED(at_ms, 1),
    )
    payment = apply(asked_in_vain, TRIGGERS["Returned:claim"](at_ms, 1))
    assert pl.Verify(due_ms=at_ms, attempt=1, purpose=ev.Purpose.KEEP) == plan(payment, at_ms)


def not_wanted(contract: str, end: str) -> Payment:
    """A payment whose first attempt's money could not be kept any more."""
    payment = life("Started", gateway=contract)
    match end:
        case "closed":
            return apply(payment, ev.Closed(at_ms=HANDED, why=ev.Closing.EXPIRED))
        case "stopping":
            payment = apply(payment, ev.CancelRequested(at_ms=HANDED))
            return apply(payment, ev.Closed(at_ms=HANDED, why=ev.Closing.CANCELLED_BY_SHOP))
        case _:
            payment = further(apply(payment, begun(T0, 2)), "Started", attempt=2)
            return further(payment, "VerifyRequested:keep", "Verified", attempt=2)


ENDED = pytest.mark.parametrize("end", ["closed", "stopping", "kept"])


@ENDED
def test_no_question_is_asked_for_money_that_cannot_be_kept_and_goes_back_by_itself(
    end: str,
) -> None:
    assert plan(not_wanted("verifies", end), LAST) is None


# --- money that a bank did not give back by itself


def lapsed(payment: Payment) -> Payment:
    """The payment after its first attempt has lapsed, as the plan wants it."""
    note = plan(payment, LAST)
    assert isinstance(note, pl.Note)
    assert isinstance(note.event, ev.Lapsed)
    assert ENDS == note.due_ms
    return apply(payment, note.event)


LOOKED_BACK = 50 * 60 + 5 * 60


@ENDED
@pytest.mark.parametrize("finding", [Finding.PENDING, Finding.NOT_PAID, Finding.REVERSED])
def test_a_bank_is_asked_once_after_its_time_if_it_gave_back_what_it_promised_to(
    end: str, finding: Finding
) -> None:
    times, then = questions(lapsed(not_wanted("asks", end)), finding)
    assert [LOOKED_BACK] == times
    assert then is None


def test_it_is_asked_again_for_an_hour_if_it_does_not_answer() -> None:
    times, then = questions(lapsed(not_wanted("asks", "closed")), Finding.UNKNOWN)
    assert LOOKED_BACK == times[0]
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert sorted(pauses) == pauses
    assert times[-1] <= ENDS // SECOND - HANDED // SECOND + 2 * HOUR // SECOND
    assert 8 == len(times)
    assert then is None


@ENDED
def test_what_it_still_has_is_held_and_given_back_by_us(end: str) -> None:
    payment = lapsed(not_wanted("asks", end))
    found = asked(payment, HANDED + LOOKED_BACK * SECOND, Finding.PAID)
    verify = plan(found, HANDED + LOOKED_BACK * SECOND)
    assert isinstance(verify, pl.Verify)
    assert ev.Purpose.GIVE_BACK is verify.purpose
    verified = further(found, "VerifyRequested:return", "Verified")
    assert isinstance(plan(verified, HANDED + LOOKED_BACK * SECOND), pl.Reverse)


def test_what_it_still_has_after_a_return_in_doubt_was_let_go_is_found_too() -> None:
    late_ms = HANDED + 40 * MINUTE
    payment = further(not_wanted("asks", "closed"), "Returned:claim", at_ms=late_ms)
    note = plan(payment, LAST)
    assert isinstance(note, pl.Note)
    payment = apply(payment, note.event)
    action = plan(payment, LAST)
    assert isinstance(action, pl.Inquire)
    found = asked(payment, action.due_ms, Finding.PAID)
    assert isinstance(plan(found, action.due_ms), pl.Verify)


def test_what_it_still_had_when_it_was_let_go_after_its_time_is_asked_about_once_more() -> None:
    """A daemon that was down may hear only then that it is paid, and let it lapse in the same breath."""
    at_ms = ENDS + 6 * MINUTE
    payment = further(not_wanted("asks", "closed"), "Returned:claim", at_ms=HANDED + 15 * MINUTE)
    note = plan(asked(payment, at_ms, Finding.PAID), at_ms)
    assert isinstance(note, pl.Note)
    assert isinstance(note.event, ev.Lapsed)
    payment = apply(asked(payment, at_ms, Finding.PAID), note.event)
    action = plan(payment, at_ms)
    assert pl.Inquire(due_ms=at_ms + SECOND, attempt=1) == action
    verify = plan(asked(payment, action.due_ms, Finding.PAID), action.due_ms)
    assert isinstance(verify, pl.Verify)
    assert ev.Purpose.GIVE_BACK is verify.purpose
    assert plan(asked(payment, action.due_ms, Finding.NOT_PAID), at_ms + HOUR) is None


def test_what_was_heard_by_a_clock_that_was_ahead_is_no_answer_to_that() -> None:
    ahead = asked(life("Started", gateway="asks"), HANDED + 3 * HOUR, Finding.PENDING)
    closed = apply(ahead, ev.Closed(at_ms=HANDED, why=ev.Closing.EXPIRED))
    payment = apply(
        closed, ev.Lapsed(at_ms=HANDED, attempt=1, returns_by_ms=HANDED + 72 * HOUR + 30 * MINUTE)
    )
    action = plan(payment, HANDED)
    assert pl.Inquire(due_ms=HANDED + LOOKED_BACK * SECOND, attempt=1) == action


def test_what_somebody_says_that_he_paid_is_asked_about_for_a_day() -> None:
    payment = further(not_wanted("asks", "closed"), "Returned:claim", "Lapsed")
    times, then = questions(payment, Finding.UNKNOWN)
    assert 24 * HOUR // SECOND <= times[-1] - times[0] <= 36 * HOUR // SECOND
    assert 15 == len(times)
    assert then is None


def test_a_question_that_was_lost_after_a_long_sleep_is_asked_again() -> None:
    at_ms = ENDS + 3 * HOUR
    payment = further(life("Started", gateway="asks"), "Lapsed", at_ms=at_ms)
    payment = apply(payment, ev.Closed(at_ms=at_ms, why=ev.Closing.EXPIRED))
    first = plan(payment, at_ms)
    assert isinstance(first, pl.Inquire)
    again = plan(asked(payment, first.due_ms, Finding.UNKNOWN), first.due_ms)
    assert isinstance(again, pl.Inquire)


def test_a_bank_that_says_only_that_it_does_not_know_is_not_asked_again() -> None:
    payment = lapsed(not_wanted("asks", "closed"))
    at_ms = HANDED + LOOKED_BACK * SECOND
    unknown = ev.Asked(at_ms=at_ms, attempt=1, inquiry=Inquiry(finding=Finding.UNKNOWN))
    assert plan(apply(payment, unknown), at_ms) is None


def test_nothing_is_given_back_by_a_reference_that_only_a_browser_brought() -> None:
    """It may be another payment's: the bank's own word names this one's, and no other payment may hold it."""
    replayed = Claim(outcome=CodeClass.OK, reference="of another")
    contracts = {"asks": changed(CONTRACTS["asks"], addressed_by=AddressedBy.REFERENCE)}
    payment = lapsed(not_wanted("asks", "closed"))
    at_ms = HANDED + 40 * MINUTE
    came = ev.Returned(
        at_ms=at_ms, attempt=1, claim=replayed, standing=ev.Standing.CLAIM, digest="d"
    )
    payment = further(apply(payment, came), "Lapsed", at_ms=at_ms)
    at_ms = HANDED + LOOKED_BACK * SECOND
    inquiry = Inquiry(finding=Finding.PAID, reference="its own")
    payment = apply(payment, ev.Asked(at_ms=at_ms, attempt=1, inquiry=inquiry))
    claim = payment.attempts[0].claim
    assert claim is not None
    assert "its own" == claim.reference
    take = pl.plan(payment, at_ms, contracts, EngineSettings())
    assert pl.TakeReference(due_ms=at_ms, attempt=1) == take
    taken = further(payment, "ReferenceTaken", at_ms=at_ms)
    assert isinstance(pl.plan(taken, at_ms, contracts, EngineSettings()), pl.Verify)
    asked_for = further(taken, "VerifyRequested:return", "Mismatched:already", at_ms=at_ms)
    assert State.IN_REVIEW is asked_for.attempts[0].state


def test_what_a_bank_calls_not_paid_after_its_time_is_nobodys_money() -> None:
    payment = lapsed(not_wanted("asks", "closed"))
    assert Money.UNKNOWN is money_of(payment)
    answered = asked(payment, HANDED + LOOKED_BACK * SECOND, Finding.NOT_PAID)
    assert Money.NONE is money_of(answered)


def test_a_bank_that_cannot_be_asked_is_not_asked_after_its_time() -> None:
    payment = further(life("Started", gateway="verifies"), "Lapsed")
    closed = apply(payment, ev.Closed(at_ms=HANDED, why=ev.Closing.EXPIRED))
    assert plan(closed, ENDS + HOUR) is None


@pytest.mark.parametrize("end", ["closed", "kept"])
def test_held_money_is_looked_for_to_the_end_whatever_became_of_the_payment(end: str) -> None:
    payment = life("Started", gateway="held")
    if end == "closed":
        payment = apply(payment, ev.Closed(at_ms=HANDED, why=ev.Closing.GIVEN_UP))
    else:
        payment = further(apply(payment, begun(T0, 2)), "Started", attempt=2)
        payment = further(payment, "VerifyRequested:keep", "Verified", attempt=2)
    times, then = questions(payment, Finding.NOT_PAID)
    assert ON_TIME == times
    assert then is None
    found = asked(payment, LAST, Finding.PAID)
    action = plan(found, LAST)
    assert isinstance(action, pl.Verify)
    assert ev.Purpose.GIVE_BACK is action.purpose


def test_held_money_is_looked_for_while_the_bank_calls_it_pending_but_not_for_ever() -> None:
    """Our clock may be wrong; it is the bank that knows whether somebody can still pay."""
    payment = apply(
        life("Started", gateway="held"), ev.Closed(at_ms=HANDED, why=ev.Closing.GIVEN_UP)
    )
    times, then = questions(payment, Finding.PENDING)
    assert ON_TIME == times[: len(ON_TIME)]
    pauses = [later - sooner for sooner, later in pairwise(times[len(ON_TIME) :])]
    assert sorted(pauses[:-1]) == pauses[:-1]
    assert 25 > len(times) - len(ON_TIME) > 0
    assert then is None


def test_a_verify_does_not_ask_while_another_attempt_may_be_paid() -> None:
    payment = life("Started", gateway="verifies")
    payment = further(apply(payment, begun(T0, 2)), "Started", attempt=2)
    payment = further(payment, "Returned:claim", "VerifyRequested:keep", attempt=2)
    now_ms = HANDED + 1700 * SECOND
    assert isinstance(plan(payment, now_ms), pl.Note)  # the one that is out is taken as lost
    busy = pl.plan(payment, now_ms, CONTRACTS, EngineSettings(), frozenset({2}))
    assert busy is not None
    assert not isinstance(busy, pl.Verify)
    refused = further(payment, "VerifyRefused", attempt=2)
    assert isinstance(plan(refused, now_ms), pl.Verify)


def test_not_paid_in_the_meantime_does_not_end_the_payment_early() -> None:
    """A payer who is at the bank past the payment's own time may still pay."""
    at_ms = HANDED + 1620 * SECOND
    payment = further(
        life("Started", gateway="verifies"),
        TRIGGERS["VerifyRequested:keep"](at_ms, 1),
        TRIGGERS["VerifyRefused"](at_ms, 1),
    )
    action = plan(payment, at_ms)
    assert isinstance(action, pl.Note)
    assert isinstance(action.event, ev.Lapsed)
    assert ENDS == action.due_ms
