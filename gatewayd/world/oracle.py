"""Watches a world all the time: a second memory, built from nothing but what has landed on the disk.

The rules that it holds the engine to:

* What has landed replays: each event is legal after the one before, and versions have no gaps.
* A final status stays; from paid there is only reversed.
* At most one attempt of a payment is kept, and no bank's payment by two.
* Nothing is called paid before the bank's own book says that the money is ours, and not without the shop's word where
  that is waited for; a shop that is told that it has the money has it, and one that is told that it has not has not.
* No call that can move money leaves before its request has landed.
* Refunds that have not failed are never more than their payment together. A face's shop that is told that its money
  goes back sees it go back, and none that is told that it does not.
* Every change of a public status, and of whether a person is needed, left its notice, in the same transaction.
* Every such notice reaches the shop's receiver of webhooks, in order per payment, with the payment as it was then.
* A shop is told once at most that its verify was the first, and what a face says of a payment is what has landed.
* Two payments whose banks' receipts name the same reference are both shown to a person.
* Nobody outside is shown what has not landed, and nobody is shown less than before.
* Of invoices holds what `bill_rules` has, and of the wall clock the journal says what `clockwatch` has.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from gatewayd.core import events as ev
from gatewayd.core.events import KINDS
from gatewayd.core.invoices import ID as INVOICE
from gatewayd.core.news import news_of_refunds
from gatewayd.core.payment import Attempt, Payment, apply, attempt_of
from gatewayd.core.refunds import ENDED, GOES_BACK, Refund
from gatewayd.core.states import IllegalTransition
from gatewayd.core.status import FINAL, Status, needs_review, status_of
from gatewayd.core.terms import AddressedBy, Operation, Traits
from gatewayd.engine.capturing import Verdict
from gatewayd.engine.comparing import SAME
from gatewayd.journal import codec
from gatewayd.journal.journal import replay
from gatewayd.journal.store import Append, GuardKind, Holder, Row
from gatewayd.simulator.bank import TAKEN, Book, Session, State
from gatewayd.world.bill_rules import BillRules
from gatewayd.world.clockwatch import ClockRules
from gatewayd.world.history import History

REQUESTS: Final[Mapping[type[ev.Event], Operation]] = {
    ev.VerifyRequested: Operation.VERIFY,
    ev.SettleRequested: Operation.SETTLE,
    ev.ReverseRequested: Operation.REVERSE,
    ev.RefundRequested: Operation.REFUND,
}
OUTCOMES: Final = frozenset(
    {
        ev.Verified,
        ev.VerifyRefused,
        ev.VerifyLost,
        ev.Mismatched,
        ev.Settled,
        ev.SettleRefused,
        ev.SettleLost,
        ev.Reversed,
        ev.ReverseRefused,
        ev.ReverseLost,
        ev.Refunded,
        ev.RefundRefused,
        ev.RefundLost,
    }
)
_RETURN: Final = re.compile(r"/return/([0-9]+)\.([0-9]+)\.")


_NOT_YET: Final = (None, False)


def attempt_at(session: Session) -> tuple[int, int] | None:
    """The payment and attempt that a bank's session was opened for."""
    found = _RETURN.search(session.callback_url)
    return (int(found[1]), int(found[2])) if found else None


class Oracle:
    """One per world; crashes mean nothing to it."""

    def __init__(
        self,
        history: History,
        book: Book,
        traits: Mapping[str, Traits],
        told: frozenset[str] = frozenset(),
    ) -> None:
        """`told` are the shops that have a receiver of webhooks."""
        self._history = history
        self.bills = BillRules(history)
        self.clock = ClockRules(history)
        self._book = book
        self._traits = traits
        self.payments: dict[int, Payment] = {}
        """Every payment as the disk has it."""
        self.seen: dict[int, tuple[list[Row], list[Payment]]] = {}
        """By payment: its events that have landed, and what it was after each."""
        self._last: dict[int, tuple[Status | None, bool]] = {}
        """Of each of them the status, and whether a person should look."""
        self._alike: dict[int, tuple[Payment, Payment]] = {}
        """Of each payment the two that were last found to be equal: values do not change."""
        self._requested: dict[tuple[int, int], Operation] = {}
        """Requests that have landed and whose outcomes have not."""
        self._references: dict[tuple[str, str], int] = {}
        """Who holds a reference, as the disk has it."""
        self._kept: dict[tuple[str, str], tuple[int, int]] = {}
        self._shown: dict[int, int] = {}
        self._wanted: set[int] = set()
        """Payments whose shop has said that it wants the money."""
        self._told = told
        self._news: dict[int, list[tuple[int, str, str]]] = {}
        """Of payments of such shops: versions, what is to be told of them, and the payment's status then."""
        self._heard: dict[int, int] = {}
        """How many of these their receiver has heard."""
        self._first_told: set[int] = set()
        self._told_back: dict[int, None] = {}
        """Payments whose shop was told at its face that all of it goes back."""
        self._receipts: dict[tuple[str, str], set[int]] = {}
        self._compared: set[int] = set()
        """Payments of which a person was told that another has the same receipt."""
        self.quiet_since: float | None = None

    # --- the disk

    def landed(self, batch: Sequence[Append], results: Sequence[Holder | None], now: float) -> None:
        """A batch is on the disk. `now` is the banks' time."""
        for append, conflict in zip(batch, results, strict=True):
            if conflict is None:
                self._landed(append, now)

    def _landed(self, append: Append, now: float) -> None:
        number = append.number
        if self.bills.is_of_one(append):
            shop, of_invoice = self.bills.landed(append)
            if of_invoice and shop in self._told:
                self._news.setdefault(number, []).extend(of_invoice)
            return
        for guard in append.releases:
            if self._references.get((guard.kind, guard.key)) == number:
                del self._references[guard.kind, guard.key]
        for guard in append.takes:
            if guard.kind is GuardKind.REFERENCE:
                self._references[guard.kind, guard.key] = number
        payment = self.payments.get(number)
        status, reviewed = self._last.get(number, _NOT_YET)
        expected: list[tuple[int, str]] = []
        news: list[tuple[int, str, str]] = []
        was_paid = status is Status.PAID
        rows, made = self.seen.setdefault(number, ([], []))
        for row in append.rows:
            refunds = payment.refunds if payment else ()
            payment = self._replayed(number, payment, row)
            if payment is None:
                return
            notice = KINDS[row.kind].notice
            if notice:
                expected.append((row.version, notice))
            if payment.refunds is not refunds:
                expected += self._refunded(payment, refunds, row)
            rows.append(row)
            made.append(payment)
            after = status_of(payment)
            if after is not status:
                self._changed(number, status, after)
                word = ("reopened" if status else "created") if after is Status.PENDING else after
                expected.append((row.version, f"payment.{word}"))
                status = after
            if needs_review(payment) is not reviewed:
                reviewed = not reviewed
                looked = "raised" if reviewed else "resolved"
                expected.append((row.version, f"payment.review_{looked}"))
            if len(expected) > len(news):
                news += ((*each, str(after)) for each in expected[len(news) :])
        if payment is None:
            return
        if payment.key.startswith(INVOICE):
            self.bills.moved(self.payments.get(number), payment)
        if news and payment.shop in self._told:
            self._news.setdefault(number, []).extend(news)
        if status is Status.PAID and not was_paid:
            self._paid(payment, now)
        self.payments[number] = payment
        self._last[number] = status, reviewed
        if not expected and not append.notices:
            return
        told = [(notice.version, notice.type) for notice in append.notices]
        if told != expected:
            self._history.violated("outbox", number, f"notices {told}, but changes {expected}")

    def _refunded(
        self, payment: Payment, before: tuple[Refund, ...], row: Row
    ) -> list[tuple[int, str]]:
        """What is to be told of refunds; their sum is never more than the payment."""
        if sum(refund.amount for refund in payment.refunds if refund.live) > payment.amount:
            self._history.violated("refunds", payment.number, "more is given back than was paid")
        return [(row.version, news) for news in news_of_refunds(before, payment.refunds)]

    def _replayed(self, number: int, payment: Payment | None, row: Row) -> Payment | None:
        body = row.body.decode(errors="backslashreplace")
        self._history.note(number, f"{row.version} {row.kind} {row.at_ms} {body}")
        try:
            event = codec.decode(row.kind, row.at_ms, row.body, row.private)
            after = apply(payment, event, number=number)
        except (IllegalTransition, codec.UnknownEvent) as error:
            self._history.violated("replay", number, f"{row.kind}: {error}")
            return None
        if after.version != row.version:
            self._history.violated("replay", number, f"{row.version} where {after.version} is due")
            return None
        if isinstance(event, ev.AttemptEvent):
            place, kind = (number, event.attempt), type(event)
            if kind in REQUESTS:
                self._requested[place] = REQUESTS[kind]
            elif kind in OUTCOMES:
                self._requested.pop(place, None)
            attempts = after.attempts
            if len(attempts) > 1 and sum(attempt.kept for attempt in attempts) > 1:
                self._history.violated("kept twice", number, "two attempts of one payment are kept")
            if isinstance(event, (ev.Verified, ev.Mismatched)):
                self._receipt(after, event)
                if kind is ev.Verified and attempt_of(after, event.attempt).kept:
                    self._keep(after, event.attempt)
        elif isinstance(event, ev.ReviewRaised) and event.reason.startswith(SAME):
            self._compared.add(number)
        return after

    def _receipt(self, payment: Payment, event: ev.Verified | ev.Mismatched) -> None:
        reference = event.receipt.rrn or event.receipt.ref_num
        if reference:
            place = attempt_of(payment, event.attempt).gateway, reference
            self._receipts.setdefault(place, set()).add(payment.number)

    def _changed(self, number: int, before: Status | None, after: Status) -> None:
        if before in FINAL or (before is Status.PAID and after is not Status.REVERSED):
            self._history.violated("final", number, f"{after} after {before}")

    def name_at_bank(self, payment: Payment, number: int) -> tuple[str, str]:
        """The gateway and what the bank knows an attempt's money by."""
        attempt = attempt_of(payment, number)
        by_reference = self._traits[attempt.gateway].addressed_by is AddressedBy.REFERENCE
        claimed = attempt.claim.reference if attempt.claim else None
        return attempt.gateway, (claimed or "") if by_reference else (attempt.token or "")

    def session_of(self, payment: Payment, number: int, now: float) -> Session | None:
        """The bank's session whose money an attempt counts on."""
        gateway, name = self.name_at_bank(payment, number)
        if self._traits[gateway].addressed_by is AddressedBy.REFERENCE:
            return self._book.find_reference(gateway, name, now)
        return self._book.find(gateway, name, now)

    def _keep(self, payment: Payment, number: int) -> None:
        name = self.name_at_bank(payment, number)
        before = self._kept.setdefault(name, (payment.number, number))
        if before != (payment.number, number):
            self._history.violated(
                "kept twice", payment.number, f"{name[0]} {name[1]} was kept by {before} before"
            )

    def _paid(self, payment: Payment, now: float) -> None:
        kept = payment.kept
        assert kept is not None, "a paid payment has a kept attempt"
        wrong = self.wrong_at_bank(payment, kept, now)
        if payment.hold is not None and payment.number not in self._wanted:
            self._history.violated("shop's word", payment.number, "paid without its shop's word")
        if wrong:
            self._history.violated("no word", payment.number, f"paid, but the bank's book: {wrong}")

    def wrong_at_bank(self, payment: Payment, attempt: Attempt, now: float) -> str:
        """What the bank's book has against calling this attempt paid; empty for nothing.

        An amount that no bank ever told may differ, if a person was told to look.
        """
        session = self.session_of(payment, attempt.number, now)
        if session is None:
            return "no such payment"
        wanted = {State.SETTLED} if attempt.settles else TAKEN
        told = attempt.receipt is not None and attempt.receipt.amount is not None
        excused = not told and needs_review(payment)
        if session.state in wanted and (session.amount == payment.amount or excused):
            return ""
        return f"{session.state}, {session.amount} rial"

    # --- calls and answers

    def leaves(self, gateway: str, operation: Operation, session: Session) -> None:
        """A call leaves that can move money; `session` is what it is about, as the bank will see it."""
        place = attempt_at(session)
        if place is not None and self._requested.get(place) is operation:
            return
        holder = self._references.get((GuardKind.REFERENCE, f"{gateway}|{session.ref_num}"))
        for (number, _), requested in self._requested.items():
            if number == holder and requested is operation:
                return  # a reference that this payment brought, though it was paid for another
        number = place[0] if place else 0
        self._history.violated("no request", number, f"{operation} left before its request landed")

    def shown(self, payment: Payment) -> None:
        """Somebody outside is shown this."""
        number = payment.number
        known = self.payments.get(number)
        if known is None or known.version < payment.version:
            self._history.violated("shown", number, f"version {payment.version} has not landed")
            return
        if known.version == payment.version and not self._is_alike(known, payment):
            self._history.violated("shown", number, "not what has landed")
        if payment.version < self._shown.get(number, 0):
            self._history.violated("shown", number, "less than was shown before")
        self._shown[number] = max(payment.version, self._shown.get(number, 0))
        self._history.note(number, f"shown {payment.version} {status_of(payment)}")

    def wanted(self, number: int) -> None:
        """A shop is about to say that it wants the money of this payment."""
        self._wanted.add(number)

    def answered(self, payment: Payment, verdict: Verdict) -> None:
        """What the shop was told of its word."""
        has = status_of(payment) is Status.PAID
        if verdict is Verdict.REVERSED and payment.refunded >= payment.amount:
            has = False  # all of it went back in parts
        told = verdict in {Verdict.CAPTURED, Verdict.ALREADY}
        stopping = payment.stopping and not payment.stop_refused  # processing: it goes back
        if has is not told and verdict is not Verdict.WRONG_AMOUNT and not stopping:
            self._history.violated("shop's word", payment.number, f"{verdict}, but paid is {has}")
        self._history.note(payment.number, f"shop told {verdict}")

    def told_verified(self, number: int, *, first: bool) -> None:
        """A face's shop has heard that its payment is verified."""
        if first and number in self._first_told:
            self._history.violated("told twice", number, "two verifies are said to be the first")
        if first:
            self._first_told.add(number)
        if self.payments[number].captured_ms is None:
            self._history.violated("shop's word", number, "said to be verified, and is not")

    def told_back(self, number: int, *, done: bool | None) -> None:
        """A face's shop has heard whether all of its payment goes back; None: that this is not known."""
        payment = self.payments[number]
        whole = [each for each in payment.refunds if each.amount == payment.amount]
        goes = any(each.state in GOES_BACK for each in whole)
        may_go = any(each.state not in ENDED for each in whole)
        if done is (not goes) or (done is False and may_go):
            states = [str(each.state) for each in payment.refunds]
            self._history.violated("face's reverse", number, f"told {done}, but it is {states}")
        if done:
            self._told_back[number] = None
        self._history.note(number, f"shop told that it goes back: {done}")

    def heard(self, number: int, version: int, news: str, status: str) -> None:
        """The shop's receiver has taken this, perhaps not for the first time."""
        due, heard = self._news.get(number, []), self._heard.get(number, 0)
        told = (version, news, status)
        if told == (due[heard] if heard < len(due) else None):
            self._heard[number] = heard + 1
        elif told not in due[:heard]:
            what = "before its turn" if told in due else "which never landed"
            self._history.violated("webhooks", number, f"told {told}, {what}")
        self._history.note(number, f"receiver told {version} {news} {status}")

    def is_all_told(self) -> bool:
        """Whether every receiver and every person has been told what they are to be told."""
        untold = any(len(due) > self._heard.get(each, 0) for each, due in self._news.items())
        return not untold and not self._uncompared()

    def all_must_be_told(self) -> None:
        """In the end."""
        for number, due in self._news.items():
            for told in due[self._heard.get(number, 0) :]:
                self._history.violated("webhooks", number, f"never told {told}")
        for number in self._told_back:
            payment = self.payments[number]
            if payment.refunded != payment.amount and not needs_review(payment):
                self._history.violated("face's reverse", number, "it did not go back as was said")
        for number in sorted(self._uncompared()):
            self._history.violated("receipts", number, "another's receipt is the same; nobody said")

    def _uncompared(self) -> set[int]:
        shared = (numbers for numbers in self._receipts.values() if len(numbers) > 1)
        return set().union(*shared) - self._compared

    def vanished(self, number: int) -> None:
        """Somebody who knows of a payment is told that there is none."""
        if number in self._shown:
            self._history.violated("shown", number, "it is gone")

    # --- memory

    def compare(self, live: Payment) -> None:
        """At rest, memory is what was seen to land, which is a replay in itself."""
        known = self.payments.get(live.number)
        if known is None or not self._is_alike(known, live):
            self._history.violated("replay", live.number, "memory is not what the disk replays to")

    def _is_alike(self, known: Payment, other: Payment) -> bool:
        alike = self._alike.get(known.number, (None, None))
        if known is other or (alike[0] is known and alike[1] is other):
            return True
        if known != other:
            return False
        self._alike[known.number] = known, other
        return True

    def reread(self, number: int, rows: Sequence[Row]) -> None:
        """What the disk gives back is what was seen to land there."""
        if self.payments[number] != replay(number, rows):
            self._history.violated("replay", number, "the disk does not give back what landed")
