"""What a payment needs now: the one pure answer for boot, timer, return and operator alike.

`plan` looks at every attempt, knows each gateway's deadlines, and gives the action that is due first. It decides; it
never acts. The rules that it keeps:

* Money that may be ours is asked for until the bank has given a definite answer. A verify that was left without an
  answer is asked again, also when the payment could not be kept any more, for it may have taken effect.
* At most one attempt is kept. Others in doubt wait for the first; 60 s before their own deadline they are left to
  lapse where the bank gives money back by itself, or to a person where it is held.
* A reverse that was left without an answer is asked for again, whatever else has changed: it may have taken effect.
* Held money that cannot be kept is verified to be given back, but only while the bank still reverses for two minutes
  or refunds; otherwise it is left untouched to a person.
* Every attempt with a payer is asked for before its time is over, where its bank can be asked. A bank that can only
  be asked by a verify is asked only while the payment could keep what it finds.
* A bank that gives back by itself and can be asked is asked once more after its time: what it still has then is held.
* What waits for its shop's word is not verified to be kept, or not settled, before the word; it is proven by what takes
  nothing, its shop is warned, and in time before the bank's own end it is stopped, and given back where the bank would
  keep it.
* What a shop gives back of a paid payment is asked for, and asked about, until it has gone back or is a person's.
* Nothing is expired while anything is in doubt.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Final

from gatewayd.core import events as ev
from gatewayd.core.actions import (
    Action,
    AskRefund,
    Inquire,
    Note,
    Refund,
    Reverse,
    Settle,
    TakeReference,
    Verify,
)
from gatewayd.core.holding import DENIALS, Hold, window_ms
from gatewayd.core.patience import (
    ASK_WITHOUT_END_MS,
    LAST_ASK_MS,
    REVERSE_ROOM_MS,
    again_ms,
    asks_ms,
    hardly_asked,
    lapses_ms,
    reverse_open,
)
from gatewayd.core.payment import Attempt, Payment
from gatewayd.core.refund_plan import refund_actions
from gatewayd.core.refunds import RefundState
from gatewayd.core.settings import EngineSettings
from gatewayd.core.states import KEPT, UNKNOWN, State
from gatewayd.core.terms import AddressedBy, Ask, Capture, CodeClass, IfUnverified, Traits

__all__ = [
    "Action",
    "AskRefund",
    "Inquire",
    "Note",
    "Refund",
    "Reverse",
    "Settle",
    "TakeReference",
    "Verify",
    "plan",
]

SECOND_LEFT_MS: Final = 60_000
"""How long before its own deadline a second attempt stops waiting for the first."""
BANKS_RETURN_MS: Final = 72 * 3_600_000
"""The longest that banks take, by their own rule, until returned money is on the card."""
ASK_AGAIN_MS: Final = 30_000
"""The last question before the end of an attempt is asked again after this without an answer, then ever more slowly."""
OVERDUE_MS: Final = 300_000
"""So long after its time a bank is asked whether money that it was to give back is gone…"""
SOON_MS: Final = 1_000
"""…or at once, if it lapses later than that…"""
OVERDUE_ASKED_MS: Final = 3_600_000
"""…and again for so long where it does not answer and nobody says that he paid; some banks forget after an hour."""
SETTLE_SLOWLY_MS: Final = 3_600_000
"""A settle that a bank has not answered for a day is asked for no more often than this."""
UNSETTLED: Final = "verified, and not settled by the bank for a day"

_STILL: Final = frozenset(
    {State.NOT_STARTED, State.GIVEN_BACK, State.IN_REVIEW, State.LAPSED},
)
"""Nothing is done about these by itself any more."""
_DECIDES: Final = KEPT | UNKNOWN
"""While an attempt is in one of these, what becomes of the payment is up to it."""
_STILL_OR_AWAY: Final = _STILL | {State.WITH_PAYER, State.VERIFIED, State.SETTLED}
_PURPOSE: Final = {True: ev.Purpose.KEEP, False: ev.Purpose.GIVE_BACK}
_DUE: Final = attrgetter("due_ms")


def plan(
    payment: Payment,
    now_ms: int,
    traits: Mapping[str, Traits],
    settings: EngineSettings,
    busy: frozenset[int] = frozenset(),
) -> Action | None:
    """The action that is due first, perhaps later than now; None: this payment needs nothing any more.

    `busy` holds the attempts for which a call is out; they are left alone until it has ended.
    """
    view = _View(payment, now_ms, traits, settings, busy)
    return min(chain.from_iterable(view.actions()), key=_DUE, default=None)


@dataclass(slots=True)
class _View:
    """One look at a payment; not frozen, for it lives no longer and is made more often than most."""

    payment: Payment
    now_ms: int
    traits: Mapping[str, Traits]
    settings: EngineSettings
    busy: frozenset[int]

    def actions(self) -> list[Iterable[Action]]:
        """What could be done, by what it is for."""
        payment, found = self.payment, list[Iterable[Action]]()
        is_decided = payment.closed is not None
        for attempt in payment.attempts:
            is_decided = is_decided or attempt.state in _DECIDES
            if attempt.number not in self.busy and not self._is_past(attempt):
                found.append(self._for_attempt(attempt, self.traits[attempt.gateway]))
        if payment.refunds:
            of_refunds = refund_actions(payment, self.now_ms, self.traits, self.settings, self.busy)
            found.append(of_refunds)
        if not is_decided:
            found.append(self._for_payment())
        return found

    # --- the payment as a whole, while it is open and no attempt decides

    def _is_past(self, attempt: Attempt) -> bool:
        """Whether an attempt needs nothing because its gateway is gone from the configuration."""
        if attempt.gateway in self.traits:
            return False
        if attempt.state in _STILL:
            return True
        over = self.payment.closed is not None or self.payment.captured_ms is not None
        return over and attempt.state in _STILL_OR_AWAY

    def _for_payment(self) -> tuple[Action, ...]:
        payment = self.payment
        if payment.stopping:
            lapsed = payment.hold is not None and payment.hold.lapsed
            why = ev.Closing.NOT_CAPTURED if lapsed else ev.Closing.CANCELLED_BY_SHOP
            return (self._close(why, self.now_ms),)
        if payment.hold is not None and payment.hold.authorized_ms is not None:
            return (self._close(ev.Closing.FAILED, self.now_ms),)  # what could be captured is gone
        latest = payment.latest
        if (
            latest
            and latest.state is State.WITH_PAYER
            and latest.no
            and latest.no.cause is CodeClass.CANCELLED
        ):
            return (self._close(ev.Closing.CANCELLED_BY_PAYER, self.now_ms),)
        if not self.busy and all(map(_resolved, payment.attempts)):
            said_no = latest is not None and latest.state in {State.WITH_PAYER, State.GIVEN_BACK}
            why = ev.Closing.FAILED if said_no else ev.Closing.EXPIRED
            return (self._close(why, payment.expires_ms),)
        return ()

    def _close(self, why: ev.Closing, due_ms: int) -> Note:
        return Note(due_ms=due_ms, event=ev.Closed(at_ms=due_ms, why=why))

    # --- one attempt

    def _for_attempt(self, attempt: Attempt, traits: Traits) -> Iterable[Action]:
        match attempt.state:
            case State.WITH_PAYER:
                return self._with_payer(attempt, traits)
            case State.IN_DOUBT:
                return self._in_doubt(attempt, traits)
            case State.VERIFIED | State.SETTLED:
                return self._kept(attempt, traits)
            case State.OWED:
                return (self._owed(attempt, traits),)
            case State.STARTING:
                return (self._note(attempt, ev.StartLost, cause="interrupted"),)
            case State.VERIFYING | State.VERIFYING_TO_RETURN:
                return (self._note(attempt, ev.VerifyLost, cause="interrupted"),)
            case State.SETTLING:
                return (self._note(attempt, ev.SettleLost, cause="interrupted"),)
            case State.REVERSING:
                return (self._note(attempt, ev.ReverseLost, cause="interrupted"),)
            case State.RETURNING:
                kind = ev.ReverseLost if attempt.refund_order is None else ev.RefundLost
                return (self._note(attempt, kind, cause="interrupted"),)
            case State.LAPSED:
                return self._lapsed(attempt, traits)
            case State.NOT_STARTED | State.GIVEN_BACK | State.IN_REVIEW:
                return ()

    def _with_payer(self, attempt: Attempt, traits: Traits) -> Iterator[Action]:
        can_keep = self.payment.can_keep
        held = traits.unverified is IfUnverified.HELD
        ends_ms = lapses_ms(attempt, traits)
        unanswered = held and attempt.last_ask_lost
        if unanswered and (attempt.asked_ms or 0) >= ends_ms + ASK_WITHOUT_END_MS:
            yield self._review(attempt, "the bank gave no answer for a day")
            return
        due_ms = self._next_ask_ms(attempt, traits, ends_ms)
        match traits.ask:
            case Ask.INQUIRY if due_ms is not None and (can_keep or held):
                yield Inquire(due_ms=due_ms, attempt=attempt.number)
            case Ask.VERIFY if (
                due_ms is not None
                and can_keep
                and self.payment.may_verify(attempt)
                and not self._another_unknown(attempt)
            ):
                yield Verify(due_ms=due_ms, attempt=attempt.number, purpose=ev.Purpose.KEEP)
            case _:
                pass
        is_open = self.payment.closed is None and self.payment.kept is None
        if (is_open or _looks_back(traits)) and not unanswered:
            yield self._lapse(attempt, ends_ms, ends_ms)

    def _lapsed(self, attempt: Attempt, traits: Traits) -> Iterator[Action]:
        """What may be left behind: held money if the clock was wrong, and what a bank did not give back by itself."""
        if _looks_back(traits):
            due_ms = self._look_back_ms(attempt, traits)
        elif traits.unverified is IfUnverified.HELD and _may_be_paid(attempt):
            due_ms = self._next_ask_ms(attempt, traits, lapses_ms(attempt, traits))
        else:
            return
        if due_ms is not None:
            yield Inquire(due_ms=due_ms, attempt=attempt.number)

    def _look_back_ms(self, attempt: Attempt, traits: Traits) -> int | None:
        """When a bank is asked what it did not give back by itself; None: it has answered, or never will."""
        said_ms = (attempt.returns_by_ms or 0) - BANKS_RETURN_MS
        ended_ms = max(said_ms, lapses_ms(attempt, traits))
        # What was heard before it lapsed is no answer to this, however late a daemon that was down let it lapse, and
        # by whatever clock.
        first_ms = max(ended_ms + OVERDUE_MS, attempt.changed_ms + SOON_MS)
        asked_ms = attempt.asked_ms
        if asked_ms is None or asked_ms < first_ms or asked_ms > self.now_ms:
            return first_ms
        late_ms = asked_ms - first_ms
        may_be_paid = attempt.doubt_ms is not None and attempt.no is None
        longest_ms = ASK_WITHOUT_END_MS if may_be_paid else OVERDUE_ASKED_MS
        if not attempt.last_ask_silent or late_ms >= longest_ms:
            return None
        return asked_ms + max(ASK_AGAIN_MS, (late_ms + OVERDUE_MS) // 2)

    def _next_ask_ms(self, attempt: Attempt, traits: Traits, ends_ms: int) -> int | None:
        """When this attempt's bank is asked next; None: not any more."""
        if attempt.ask_now:
            return self.now_ms
        if attempt.tries and traits.ask is Ask.VERIFY:  # the question never left
            return self._again_ms(attempt)
        handed_ms = attempt.handed_ms or attempt.began_ms
        asked_ms = attempt.asked_ms if traits.ask is Ask.INQUIRY else attempt.tried_ms
        for due_ms in asks_ms(handed_ms, ends_ms, traits):
            if asked_ms is None or due_ms > asked_ms:
                return due_ms
        over = asked_ms is None or asked_ms >= ends_ms + ASK_WITHOUT_END_MS
        payable = attempt.last_ask_pending and traits.unverified is IfUnverified.HELD
        if asked_ms is None or over or not (attempt.last_ask_lost or payable):
            return None
        late_ms = asked_ms - (ends_ms - LAST_ASK_MS)
        again_ms = asked_ms + max(ASK_AGAIN_MS, late_ms // 2)
        return max(asked_ms + 1, min(again_ms, ends_ms + ASK_WITHOUT_END_MS))

    def _in_doubt(self, attempt: Attempt, traits: Traits) -> Iterator[Action]:
        payment = self.payment
        verify_by_ms = attempt.since_ms + traits.verify_within_seconds * 1000
        held = _is_held(attempt, traits)
        another_first = len(payment.attempts) > 1 and self._another_first(attempt)
        for_long = self.now_ms >= attempt.since_ms + ASK_WITHOUT_END_MS
        if for_long and hardly_asked(attempt) and not another_first and payment.hold is None:
            yield self._verify(attempt, _PURPOSE[payment.can_keep])
        elif for_long and (attempt.explained or held):
            yield self._review(attempt, "the bank gave no answer for a day")
        elif payment.can_keep:
            if another_first and attempt.explained:
                return  # it may have taken effect already: what becomes of it waits for the other
            if another_first:
                yield self._let_go(attempt, traits, verify_by_ms - SECOND_LEFT_MS, verify_by_ms)
            elif payment.hold is not None and not payment.may_verify(attempt):
                yield from self._waiting(attempt, traits, payment.hold)
            elif not attempt.explained and self.now_ms >= verify_by_ms:
                yield self._let_go(attempt, traits, self.now_ms, verify_by_ms)
            elif _must_take(attempt, traits):
                yield TakeReference(due_ms=self.now_ms, attempt=attempt.number)
            else:
                yield self._verify(attempt, ev.Purpose.KEEP)
        elif not attempt.explained and not held:
            yield self._lapse(attempt, self.now_ms, verify_by_ms)
        elif (
            payment.closed is None
            and payment.captured_ms is None
            and payment.kept is None
            and not another_first
            and payment.hold is None
        ):
            yield self._verify(attempt, ev.Purpose.KEEP)  # being stopped: proven, then given back
        elif not (
            attempt.explained
            or traits.refunds
            or self._reverse_open(attempt, traits, REVERSE_ROOM_MS)
        ):
            yield self._review(attempt, "held money that came too late to be given back by us")
        elif _must_take(attempt, traits):
            yield TakeReference(due_ms=self.now_ms, attempt=attempt.number)
        else:
            yield self._verify(attempt, ev.Purpose.GIVE_BACK)

    def _kept(self, attempt: Attempt, traits: Traits) -> Iterator[Action]:
        if attempt.giving_back:
            live = [refund for refund in self.payment.refunds if refund.live]
            ordered = any(refund.state is RefundState.REVERSING for refund in live)
            if ordered or (not live and not self._for_long(attempt)):
                yield Reverse(due_ms=self._again_ms(attempt), attempt=attempt.number)
                return
            if not self.payment.stopping:
                return
        if self.payment.stopping:
            if self.payment.stop_refused:
                pass
            elif (
                attempt.state is State.VERIFIED
                and not attempt.giving_back  # for a day, and the bank never said what came of it
                and not attempt.reverse_refused
                and self._reverse_open(attempt, traits, 0)
            ):
                yield Reverse(due_ms=self._again_ms(attempt), attempt=attempt.number)
                return
            elif attempt.captured:
                yield Note(due_ms=self.now_ms, event=ev.CancelRefused(at_ms=self.now_ms))
                return
            elif self.payment.waits:
                yield self._review(attempt, "money that the bank does not take back in time")
                return
        if attempt.captured:
            return
        if self.payment.hold is not None and self.payment.waits:
            yield from self._until_word(attempt, traits, self.payment.hold)
        else:
            yield from self._settle(attempt)

    def _settle(self, attempt: Attempt) -> Iterator[Action]:
        """Until the bank pays out or says that it went back; what takes it more than a day is a person's, too."""
        due_ms = self._again_ms(attempt)
        if self._for_long(attempt):
            due_ms = max(self.now_ms, (attempt.tried_ms or 0) + SETTLE_SLOWLY_MS)
            if UNSETTLED not in self.payment.reviews:
                raised = ev.ReviewRaised(at_ms=due_ms, reason=UNSETTLED)
                yield Note(due_ms=due_ms, event=raised)
        yield Settle(due_ms=due_ms, attempt=attempt.number)

    # --- what waits for its shop's word

    def _waiting(self, attempt: Attempt, traits: Traits, hold: Hold) -> Iterator[Action]:
        """An attempt that may be paid and must not be verified to be kept."""
        if _must_take(attempt, traits):
            yield TakeReference(due_ms=self.now_ms, attempt=attempt.number)
        if hold.capture is Capture.MANUAL and attempt.number not in hold.proven:
            if hold.denied.count(attempt.number) >= DENIALS:
                yield self._reject(attempt)
            elif traits.ask is Ask.INQUIRY:
                yield Inquire(due_ms=self._prove_ms(attempt), attempt=attempt.number)
        yield from self._until_word(attempt, traits, hold)

    def _until_word(self, attempt: Attempt, traits: Traits, hold: Hold) -> Iterator[Action]:
        """What there is to write down until the shop says that it wants the money, or is too late."""
        number, by_ms = attempt.number, hold.capture_by_ms
        if hold.authorized != number or by_ms is None:
            since_ms = hold.since_ms if hold.since_ms is not None else attempt.changed_ms
            by_ms = since_ms + window_ms(hold, traits)
            proven = attempt.state is State.VERIFIED or number in hold.proven
            manual = hold.capture is Capture.MANUAL
            if manual and proven and not hold.authorized and self.now_ms < by_ms:
                authorized = ev.Authorized(at_ms=self.now_ms, attempt=number, capture_by_ms=by_ms)
                yield Note(due_ms=self.now_ms, attempt=number, event=authorized)
        elif not hold.due_told and self.now_ms < by_ms:
            due = ev.CaptureDue(at_ms=hold.warn_ms)
            yield Note(due_ms=hold.warn_ms, event=due)
        yield Note(due_ms=by_ms, event=ev.CaptureLapsed(at_ms=by_ms))

    def _prove_ms(self, attempt: Attempt) -> int:
        """When the bank of a claim is asked next without being bidden to take anything."""
        claimed_ms = attempt.since_ms
        if attempt.ask_now or attempt.asked_ms is None or attempt.asked_ms < claimed_ms:
            return self.now_ms
        first_ms = int(self.settings.repeat_first_seconds * 1000)
        longest_ms = int(self.settings.repeat_max_seconds * 1000)
        pause_ms = min(max(first_ms, attempt.asked_ms - claimed_ms), longest_ms)
        return attempt.asked_ms + pause_ms

    def _reject(self, attempt: Attempt) -> Note:
        event = ev.ClaimRejected(at_ms=self.now_ms, attempt=attempt.number, why=ev.Wrong.UNPAID)
        return Note(due_ms=self.now_ms, attempt=attempt.number, event=event)

    def _owed(self, attempt: Attempt, traits: Traits) -> Action:
        still_open = not attempt.reverse_refused and self._reverse_open(attempt, traits, 0)
        if still_open or (attempt.giving_back and not self._for_long(attempt)):
            return Reverse(due_ms=self._again_ms(attempt), attempt=attempt.number)
        proven = attempt.receipt is not None  # a refund is addressed by what the verify brought
        if traits.refunds and proven and not attempt.refund_refused:
            return Refund(due_ms=self.now_ms, attempt=attempt.number)
        return self._review(attempt, "money that is not ours and that the bank does not take back")

    # --- pieces

    def _another_unknown(self, attempt: Attempt) -> bool:
        return any(
            other.unknown for other in self.payment.attempts if other.number != attempt.number
        )

    def _another_first(self, attempt: Attempt) -> bool:
        """Whether another attempt is being asked about, or came into doubt before this one."""
        mine = (attempt.doubt_ms or attempt.changed_ms, attempt.number)
        return any(
            other.state is State.VERIFYING
            or (
                other.state is State.IN_DOUBT
                and (other.doubt_ms or other.changed_ms, other.number) < mine
            )
            for other in self.payment.attempts
            if other.number != attempt.number
        )

    def _for_long(self, attempt: Attempt) -> bool:
        """Whether a bank was asked about this attempt for so long that a person should."""
        since_ms = attempt.doubt_ms if attempt.doubt_ms is not None else attempt.began_ms
        return self.now_ms >= since_ms + ASK_WITHOUT_END_MS

    def _reverse_open(self, attempt: Attempt, traits: Traits, room_ms: int) -> bool:
        return reverse_open(attempt, traits, self.now_ms, room_ms)

    def _again_ms(self, attempt: Attempt) -> int:
        return again_ms(self.settings, attempt.tries, attempt.tried_ms, self.now_ms)

    def _verify(self, attempt: Attempt, purpose: ev.Purpose) -> Verify:
        due_ms = self._again_ms(attempt)
        if attempt.tries == 0 and attempt.claim is None and attempt.stray_ms is not None:
            due_ms = max(due_ms, attempt.stray_ms)  # a no that a stray verify may still belie
        return Verify(due_ms=due_ms, attempt=attempt.number, purpose=purpose)

    def _let_go(self, attempt: Attempt, traits: Traits, due_ms: int, ended_ms: int) -> Note:
        if _is_held(attempt, traits):
            return self._review(attempt, "held money that could not be verified in time", due_ms)
        return self._lapse(attempt, due_ms, ended_ms)

    def _lapse(self, attempt: Attempt, due_ms: int, ended_ms: int) -> Note:
        event = ev.Lapsed(
            at_ms=due_ms, attempt=attempt.number, returns_by_ms=ended_ms + BANKS_RETURN_MS
        )
        return Note(due_ms=due_ms, attempt=attempt.number, event=event)

    def _review(self, attempt: Attempt, reason: str, due_ms: int | None = None) -> Note:
        due_ms = self.now_ms if due_ms is None else due_ms
        event = ev.LeftToReview(at_ms=due_ms, attempt=attempt.number, reason=reason)
        return Note(due_ms=due_ms, attempt=attempt.number, event=event)

    def _note(
        self,
        attempt: Attempt,
        kind: type[ev.StartLost | ev.VerifyLost | ev.SettleLost | ev.ReverseLost | ev.RefundLost],
        *,
        cause: str,
    ) -> Note:
        event = kind(at_ms=self.now_ms, attempt=attempt.number, cause=cause)
        return Note(due_ms=self.now_ms, attempt=attempt.number, event=event)


def _resolved(attempt: Attempt) -> bool:
    """Whether nothing more is expected of this attempt while its payment is open."""
    return attempt.state in _STILL or (attempt.state is State.WITH_PAYER and attempt.no is not None)


def _must_take(attempt: Attempt, traits: Traits) -> bool:
    """Whether another payment could be verified by what this attempt's claim is verified by."""
    return traits.addressed_by is AddressedBy.REFERENCE and not attempt.reference_taken


def _is_held(attempt: Attempt, traits: Traits) -> bool:
    """Whether the bank keeps what nobody verifies."""
    return traits.unverified is IfUnverified.HELD or attempt.overdue


def _looks_back(traits: Traits) -> bool:
    """Whether this bank is asked after its time if it did give back what it promised to."""
    return traits.ask is Ask.INQUIRY and traits.unverified is IfUnverified.AUTO_REVERSE


def _may_be_paid(attempt: Attempt) -> bool:
    """Whether the last inquiry left it open that somebody pays or has paid."""
    return attempt.last_ask_pending or attempt.last_ask_lost
