"""Compares the journal with the banks' own book, and says of every rial where it is and why.

Rules:

* The ledger is the witness: it says whether a payer's money was taken, the journal says what we made of that. Neither
  is believed over the other; where they do not fit together there is a discrepancy with its reason.
* Money that is on its way is no discrepancy as long as the journal says what happens next: the bank gives it back by
  itself, the daemon asks, or a person looks. Money that nobody will move any more is one.
* It is pure: payments, ledger and drivers come in, a `Comparison` comes out. What is compared should be at rest, for
  between two readings a call may take effect.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from gatewayd.core.payment import Attempt, Payment
from gatewayd.core.plan import BANKS_RETURN_MS
from gatewayd.core.states import UNKNOWN, State
from gatewayd.core.status import Status, status_of
from gatewayd.core.terms import Ask, IfUnverified
from gatewayd.gateways.contract import Driver


class Place(StrEnum):
    """Where the money of one session at a bank is."""

    KEPT = "kept"
    """With the shop, and the journal says so."""
    RETURNED = "returned"
    """Back with the payer."""
    RETURNING = "returning"
    """At the bank, which gives it back by itself."""
    TO_BE_ASKED = "to_be_asked"
    """At the bank; the payer did not come back, and the daemon asks before the time is over."""
    IN_DOUBT = "in_doubt"
    """The daemon does not know yet, or is about to take it or to give it back."""
    IN_REVIEW = "in_review"
    """The journal has put it before a person."""
    UNACCOUNTED = "unaccounted"
    """Journal and bank contradict each other, or nobody will move it any more."""


class Fault(StrEnum):
    """How journal and ledger contradict each other."""

    TAKEN_NOT_PAID = "taken_not_paid"
    """The bank took the money for us, and the payment is not paid: the worst."""
    TAKEN_TWICE = "taken_twice"
    """The same, while another attempt of the payment is kept."""
    PAID_NOT_TAKEN = "paid_not_taken"
    """The payment is paid, and the bank has nothing for us."""
    PAID_AND_RETURNED = "paid_and_returned"
    """The payment is paid, and the payer has the money back."""
    HELD_AND_FORGOTTEN = "held_and_forgotten"
    """The bank holds the payer's money until somebody acts, and nobody will."""
    AMOUNT_DIFFERS = "amount_differs"
    REFUND_DIFFERS = "refund_differs"
    UNKNOWN_TO_JOURNAL = "unknown_to_journal"
    """The bank has a session with money that the journal knows nothing of."""
    UNKNOWN_TO_BANK = "unknown_to_bank"
    """The journal has a token for which the bank has no session."""


REASONS: Final[Mapping[Fault, str]] = {
    Fault.TAKEN_NOT_PAID: "the bank took the money, but the payment is not paid",
    Fault.TAKEN_TWICE: "the bank took the money a second time for a payment that is paid",
    Fault.PAID_NOT_TAKEN: "the payment is paid, but the bank has nothing for the shop",
    Fault.PAID_AND_RETURNED: "the payment is paid, but the payer has the money back",
    Fault.HELD_AND_FORGOTTEN: "the bank holds the money, and nobody will ask for it or give it back",
    Fault.AMOUNT_DIFFERS: "journal and bank have different amounts",
    Fault.REFUND_DIFFERS: "journal and bank have different sums of refunds",
    Fault.UNKNOWN_TO_JOURNAL: "the bank has money for an order that the journal does not know",
    Fault.UNKNOWN_TO_BANK: "the journal has a token that the bank does not know",
}

_TAKEN: Final = frozenset({"verified", "settled"})
_GONE_BACK: Final = frozenset({"reversed", "auto_reversed"})
_MOVING: Final = UNKNOWN | {State.SETTLING, State.REVERSING, State.OWED, State.RETURNING}
"""States in which a call of ours is out or due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One session at a bank, or one attempt, and where its money is."""

    place: Place
    gateway: str
    """The gateway's name; the driver's where the journal knows nothing of it."""
    order: str
    """Our order number at the bank."""
    amount: int
    """Rial."""
    payment: int | None = None
    """The payment's number; None where the journal knows nothing of it."""
    by_ms: int | None = None
    """By when it is back on the card, or asked for: wall clock in milliseconds."""
    fault: Fault | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Sum:
    """So many, with so much money."""

    count: int = 0
    rial: int = 0

    def __add__(self, rial: int) -> "Sum":
        return Sum(self.count + 1, self.rial + rial)


NOTHING: Final = Sum()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The whole reckoning."""

    statuses: Mapping[Status, Sum]
    """The payments of the journal by public status."""
    journal: Mapping[str, Sum]
    """By gateway: payments that the journal calls paid, and their rial less refunds."""
    ledger: Mapping[str, Sum]
    """By gateway: sessions that the bank took for us, and their rial less refunds."""
    findings: tuple[Finding, ...]
    """Every session and attempt with money in it."""

    @property
    def journal_rial(self) -> int:
        """Rial kept, as the journal says."""
        return sum(each.rial for each in self.journal.values())

    @property
    def ledger_rial(self) -> int:
        """Rial kept, as the banks say."""
        return sum(each.rial for each in self.ledger.values())

    def at(self, place: Place) -> tuple[Finding, ...]:
        """The findings at this place."""
        return tuple(each for each in self.findings if each.place is place)

    def sum_at(self, place: Place) -> Sum:
        """How many those are, and how much."""
        found = self.at(place)
        return Sum(len(found), sum(each.amount for each in found))

    @property
    def discrepancies(self) -> tuple[Finding, ...]:
        """Where journal and ledger contradict each other; empty is the promise of this program."""
        return self.at(Place.UNACCOUNTED)

    @property
    def settled(self) -> bool:
        """Whether nothing is unaccounted for and nothing in doubt, and both sides keep the same sum."""
        return (
            not self.discrepancies
            and not self.at(Place.IN_DOUBT)
            and self.journal_rial == self.ledger_rial
        )


@dataclass(slots=True)
class _Book:
    """What is being added up."""

    journal: defaultdict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))
    ledger: defaultdict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))
    statuses: defaultdict[Status, Sum] = field(default_factory=lambda: defaultdict(Sum))
    findings: list[Finding] = field(default_factory=list)


def compare(
    payments: Iterable[Payment],
    ledger: Iterable[Mapping[str, Any]],
    drivers: Mapping[str, Driver],
) -> Comparison:
    """Journal against ledger.

    `payments` are all of the journal's; `ledger` has the rows of the simulator's `/_simulator/ledger`, for these
    payments only; `drivers` has the driver of every gateway by the gateway's name.
    """
    book = _Book()
    known: dict[tuple[str, str], tuple[Payment, Attempt]] = {}
    for payment in payments:
        book.statuses[status_of(payment)] += payment.amount
        for attempt in payment.attempts:
            name = drivers[attempt.gateway].driver
            known[name, str(attempt.bank_order)] = (payment, attempt)
            if attempt.captured:
                book.journal[attempt.gateway] += payment.amount - payment.refunded
    settles = {driver.driver: driver.traits.settles for driver in drivers.values()}
    seen: set[tuple[str, str]] = set()
    for row in ledger:
        key = (row["driver"], str(row["order"]))
        found = known.get(key)
        if found is not None and _is_other_session(row, found[1]):
            found = None
        if found is not None:
            seen.add(key)
        took = row["state"] == "settled" or (
            row["state"] == "verified" and not settles.get(row["driver"], False)
        )
        gateway = found[1].gateway if found else row["driver"]
        if took and row["amount"] > row["refunded"]:
            book.ledger[gateway] += row["amount"] - row["refunded"]
        finding = _judge(row, found, drivers, took=took)
        if finding is not None:
            book.findings.append(finding)
    for key, (payment, attempt) in known.items():
        if key not in seen and attempt.state not in {State.STARTING, State.NOT_STARTED}:
            book.findings.append(
                _finding(Place.UNACCOUNTED, payment, attempt, fault=Fault.UNKNOWN_TO_BANK)
            )
    return Comparison(
        statuses=dict(book.statuses),
        journal=dict(book.journal),
        ledger=dict(book.ledger),
        findings=tuple(book.findings),
    )


def _is_other_session(row: Mapping[str, Any], attempt: Attempt) -> bool:
    """Whether this is not the session that the payer was sent to, though it has the attempt's order number."""
    return attempt.token is not None and str(row["token"]) != attempt.token


def _judge(
    row: Mapping[str, Any],
    found: tuple[Payment, Attempt] | None,
    drivers: Mapping[str, Driver],
    *,
    took: bool,
) -> Finding | None:
    """Where the money of this session is; None where there never was any."""
    state, net = row["state"], row["amount"] - row["refunded"]
    has_money = state == "paid" or state in _TAKEN
    if found is None:
        if not has_money or net == 0:
            return None
        return Finding(
            place=Place.UNACCOUNTED,
            gateway=row["driver"],
            order=str(row["order"]),
            amount=net,
            fault=Fault.UNKNOWN_TO_JOURNAL,
            why=REASONS[Fault.UNKNOWN_TO_JOURNAL],
        )
    payment, attempt = found
    if row["amount"] != payment.amount:
        return _bad(payment, attempt, Fault.AMOUNT_DIFFERS)
    if state in _GONE_BACK or (state in _TAKEN and net == 0 and not attempt.captured):
        return _gone_back(payment, attempt)
    if not has_money:
        proven = attempt.captured or attempt.state in {State.VERIFIED, State.SETTLING}
        return _bad(payment, attempt, Fault.PAID_NOT_TAKEN) if proven else None
    if state == "paid":
        return _unverified(payment, attempt, drivers[attempt.gateway])
    return _verified(payment, attempt, took=took, refunded=row["refunded"])


def _gone_back(payment: Payment, attempt: Attempt) -> Finding:
    """The payer has it back."""
    if attempt.captured:
        return _bad(payment, attempt, Fault.PAID_AND_RETURNED)
    if attempt.state in {State.VERIFIED, State.SETTLING}:
        return _finding(Place.IN_DOUBT, payment, attempt, why="proven, and gone back meanwhile")
    return _finding(Place.RETURNED, payment, attempt, why="the payer has it back")


def _verified(payment: Payment, attempt: Attempt, *, took: bool, refunded: int) -> Finding:
    """The bank confirmed it to us; `took` is false while a settle is still to come."""
    if attempt.captured:
        if not took:
            return _bad(payment, attempt, Fault.PAID_NOT_TAKEN)
        if refunded != payment.refunded:
            return _bad(payment, attempt, Fault.REFUND_DIFFERS)
        return _finding(Place.KEPT, payment, attempt)
    if attempt.state is State.VERIFIED or attempt.state in _MOVING:
        return _finding(Place.IN_DOUBT, payment, attempt, why=f"the attempt is {attempt.state}")
    if attempt.state is State.IN_REVIEW:
        return _finding(Place.IN_REVIEW, payment, attempt, why="; ".join(payment.reviews))
    kept = payment.kept is not None
    return _bad(payment, attempt, Fault.TAKEN_TWICE if kept else Fault.TAKEN_NOT_PAID)


def _unverified(payment: Payment, attempt: Attempt, driver: Driver) -> Finding:
    """The payer paid, and nobody has confirmed it."""
    traits = driver.traits
    if attempt.kept:
        return _bad(payment, attempt, Fault.PAID_NOT_TAKEN)
    if attempt.state in _MOVING:
        return _finding(Place.IN_DOUBT, payment, attempt, why=f"the attempt is {attempt.state}")
    if attempt.state is State.IN_REVIEW:
        return _finding(Place.IN_REVIEW, payment, attempt, why="; ".join(payment.reviews))
    handed_ms = attempt.handed_ms if attempt.handed_ms is not None else attempt.began_ms
    ends_ms = handed_ms + (traits.token_life_seconds + traits.verify_within_seconds) * 1000
    held = traits.unverified is IfUnverified.HELD
    can_keep = payment.closed is None and not payment.stopping and payment.kept is None
    if attempt.state is State.WITH_PAYER and traits.ask is not Ask.NOTHING and (can_keep or held):
        why = "the payer never came back; the bank is asked before its time is over"
        return _finding(Place.TO_BE_ASKED, payment, attempt, by_ms=ends_ms, why=why)
    if held:
        return _bad(payment, attempt, Fault.HELD_AND_FORGOTTEN)
    by_ms = attempt.returns_by_ms or ends_ms + BANKS_RETURN_MS
    return _finding(
        Place.RETURNING, payment, attempt, by_ms=by_ms, why="the bank gives it back by itself"
    )


def _bad(payment: Payment, attempt: Attempt, fault: Fault) -> Finding:
    return _finding(Place.UNACCOUNTED, payment, attempt, fault=fault, why=REASONS[fault])


def _finding(
    place: Place,
    payment: Payment,
    attempt: Attempt,
    *,
    by_ms: int | None = None,
    fault: Fault | None = None,
    why: str = "",
) -> Finding:
    return Finding(
        place=place,
        gateway=attempt.gateway,
        order=str(attempt.bank_order),
        amount=payment.amount,
        payment=payment.number,
        by_ms=by_ms,
        fault=fault,
        why=why or (REASONS[fault] if fault else ""),
    )
