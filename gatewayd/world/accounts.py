"""The day of reckoning: the banks' book against the journal, rial by rial, when everything has come to rest.

Every debit at a bank is kept by exactly one paid payment, or went back, or is in review; and every paid payment has
exactly one debit behind it.
"""

from collections.abc import Mapping
from typing import Final

from gatewayd.core.payment import Attempt, Payment
from gatewayd.core.refunds import RefundState
from gatewayd.core.states import State as AttemptState
from gatewayd.core.status import needs_review
from gatewayd.simulator.bank import Session, State
from gatewayd.world.history import History
from gatewayd.world.oracle import Oracle, attempt_at

BY_PANEL: Final = "by panel"
"""Marks a session that was verified behind our back; where nobody asked for it, nobody here can know."""


def reckon(
    oracle: Oracle, sessions: list[Session], history: History, now: float
) -> Mapping[str, int]:
    """Every session's fate by name, counted; `sessions` have had every deadline up to `now` applied."""
    fates: dict[str, int] = {}
    keepers: dict[str, list[tuple[Payment, Attempt]]] = {}
    reviewed: set[str] = set()
    for payment in oracle.payments.values():
        for attempt in payment.attempts:
            if attempt.kept:
                _check_kept(oracle, payment, attempt, history, now, keepers)
            elif attempt.state is AttemptState.GIVEN_BACK:
                _check_given_back(oracle, payment, attempt, history, now)
            elif _in_review(payment, attempt):
                found = oracle.session_of(payment, attempt.number, now)
                reviewed |= {_name(found)} if found else set()
    for session in sessions:
        if session.paid_at is not None:
            name = _name(session)
            fate = _fate(
                oracle, session, keepers.get(name, []), history, in_review=name in reviewed
            )
            fates[fate] = fates.get(fate, 0) + 1
    return fates


def _name(session: Session) -> str:
    return f"{session.driver} {session.token}"


def _went_back(session: Session) -> bool:
    return session.reversed or session.refunded >= session.amount


def _check_kept(
    oracle: Oracle,
    payment: Payment,
    attempt: Attempt,
    history: History,
    now: float,
    keepers: dict[str, list[tuple[Payment, Attempt]]],
) -> None:
    session = oracle.session_of(payment, attempt.number, now)
    _check_refunds(payment, session, history)
    wrong = oracle.wrong_at_bank(payment, attempt, now)
    if wrong and not (payment.refunds and session is not None and session.reversed):
        history.violated("books", payment.number, f"kept, but the bank's book says: {wrong}")
    if session is not None:
        keepers.setdefault(_name(session), []).append((payment, attempt))


def _check_refunds(payment: Payment, session: Session | None, history: History) -> None:
    """The bank gave back what went back by the journal, and besides only what a person is told to look for there."""
    done = sum(r.amount for r in payment.refunds if r.state is RefundState.SUCCEEDED)
    maybe = sum(r.amount for r in payment.refunds if r.state is RefundState.MANUAL and r.maybe_done)
    back = _given_back(session, payment) if session is not None else 0
    if not done <= back <= done + maybe:
        history.violated(
            "refunds",
            payment.number,
            f"{done} rial went back by the journal, {back} by the bank; {maybe} may have",
        )


def _given_back(session: Session, payment: Payment) -> int:
    return payment.amount if session.reversed else session.refunded


def _check_given_back(
    oracle: Oracle, payment: Payment, attempt: Attempt, history: History, now: float
) -> None:
    session = oracle.session_of(payment, attempt.number, now)
    if session is not None and session.paid_at is not None and not _went_back(session):
        history.violated(
            "books", payment.number, f"given back, but the bank's book says: {session.state}"
        )


def _fate(
    oracle: Oracle,
    session: Session,
    keepers: list[tuple[Payment, Attempt]],
    history: History,
    *,
    in_review: bool,
) -> str:
    """What became of a debit. `in_review`: a person is to look at an attempt that names it, whoever made it."""
    place = attempt_at(session)
    assert place is not None, "every session was opened for an attempt"
    payment = oracle.payments.get(place[0])
    number = place[0]
    if len(keepers) > 1:
        history.violated("kept twice", number, f"one debit is kept by {len(keepers)} attempts")
    if keepers and session.refunded and _is_refunded(keepers[0][0]):
        return "refunded" if _went_back(session) else "refunded in part"
    if _went_back(session):
        if keepers and not _is_refunded(keepers[0][0]):
            history.violated("books", number, "kept, but the bank gave it back")
        return "returned by the bank" if session.state is State.AUTO_REVERSED else "given back"
    if keepers:
        return "kept"
    attempt = payment.attempt(place[1]) if payment is not None else None
    if in_review or (payment and attempt and _in_review(payment, attempt)):
        return "in review"
    if BY_PANEL in session.extra:
        return "taken at the panel"
    history.violated(
        "books", number, f"{session.driver} has {session.amount} rial, {session.state}, of nobody's"
    )
    return "lost"


def _is_refunded(payment: Payment) -> bool:
    """Whether money of it may have gone back on its shop's order; how much, was compared."""
    return any(refund.live for refund in payment.refunds)


def _in_review(payment: Payment, attempt: Attempt) -> bool:
    return attempt.state is AttemptState.IN_REVIEW and needs_review(payment)
