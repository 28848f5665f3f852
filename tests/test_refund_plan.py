"""The plan for refunds at a bank that does whatever banks do: nothing goes back twice, and everything ends."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core import events as ev
from gatewayd.core import plan as pl
from gatewayd.core.outcomes import refund_asked_event, refund_event, reverse_event
from gatewayd.core.payment import Payment, apply
from gatewayd.core.refund_plan import CARRIED_OUT_MS, IN_VAIN_MAX, REQUESTS_MAX
from gatewayd.core.refunds import RefundState
from gatewayd.core.settings import EngineSettings
from gatewayd.core.terms import CodeClass, Finding, GivenBack, Inquiry, Lost, Refusal
from tests.histories import AMOUNT, HOUR, MINUTE, SECOND, T0, further, life, traits
from tests.test_refund_states import AT, created

SETTINGS = EngineSettings(repeat_max_seconds=1_800)
STEPS_MAX = 2_000
CALL_MS = 10 * SECOND
"""After which a call is given up."""
LATE_MS = 45 * SECOND
"""Longer no request lies about anywhere."""
CONTRACTS = {
    "both": traits(refunds=True, reverse_within_seconds=4 * 3_600),
    "refunds": traits(refunds=True, reverse_within_seconds=None),
    "reverses": traits(reverse_within_seconds=4 * 3_600),
    "neither": traits(reverse_within_seconds=None),
}
FATES = ("ok", "later", "lost after", "lost before", "late", "unsent", "no", "odd", "wrong")
GATEWAY = Refusal(cause=CodeClass.GATEWAY, code="34")
OURS = Refusal(cause=CodeClass.OUR_FAULT, code="9")
NO = Refusal(cause=CodeClass.NOT_PAID, code="-2")


@dataclass
class Bank:
    """Does what it is asked, or not, and says so, or not. It minds no numbers: what comes twice happens twice."""

    fates: list[str]
    can_tell: bool
    effects: dict[int, list[int]] = field(default_factory=dict)
    """Of each refund, when it took effect."""
    reversed_ms: int | None = None
    calls: int = 0

    def fate(self) -> str:
        self.calls += 1
        return self.fates[self.calls % len(self.fates)]

    def refund(self, refund: int, now_ms: int) -> GivenBack | Refusal | Lost:
        match self.fate():
            case "ok" | "later" as fate:
                self._takes_effect(refund, now_ms)
                return GivenBack(reference="9", done=fate == "ok" or not self.can_tell)
            case "lost after":
                self._takes_effect(refund, now_ms)
            case "late":
                self._takes_effect(refund, now_ms + LATE_MS)
            case "unsent":
                return Lost(reached=False, cause="connection refused")
            case "no":
                return NO
            case "odd":
                return GATEWAY
            case "wrong":
                return OURS
            case _:
                pass
        return Lost(reached=True, cause="timeout after sending")

    def _takes_effect(self, refund: int, at_ms: int) -> None:
        self.effects.setdefault(refund, []).append(at_ms)

    def reverse(self, now_ms: int) -> GivenBack | Refusal | Lost:
        match self.fate():
            case "ok" | "later":
                self.reversed_ms = self.reversed_ms or now_ms
                return GivenBack()
            case "lost after" | "late":
                self.reversed_ms = self.reversed_ms or now_ms
                return Lost(reached=True, cause="timeout after sending")
            case "no" if self.reversed_ms is None:
                return NO
            case "odd" | "wrong" if self.reversed_ms is None:
                return GATEWAY
            case _:
                return Lost(reached=False, cause="connection refused")

    def tell(self, refund: int, now_ms: int) -> GivenBack | Inquiry | Refusal | Lost:
        fate = self.fate()
        if fate in {"lost after", "lost before", "late", "unsent"}:
            return Lost(reached=True, cause="timeout after sending")
        if not self.can_tell or fate == "odd":
            return Inquiry(finding=Finding.UNKNOWN)
        if any(at_ms <= now_ms for at_ms in self.effects.get(refund, ())):
            pending = fate == "later"
            return Inquiry(finding=Finding.PENDING) if pending else GivenBack(reference="9")
        return NO


def paid(contract: str) -> Payment:
    return life("Started", "VerifyRequested:keep", "Verified", gateway=contract)


def lived(payment: Payment, bank: Bank) -> Payment:
    """The payment when its plan has nothing more to do; the process dies now and then in the middle of a call."""
    now_ms = AT
    for step in range(STEPS_MAX):
        action = pl.plan(payment, now_ms, CONTRACTS, SETTINGS)
        if action is None:
            return payment
        now_ms = max(now_ms, action.due_ms)
        match action:
            case pl.Note(event=event):
                payment = apply(payment, event)
                continue
            case pl.Reverse(attempt=attempt, refund=refund):
                asked: ev.Event = ev.ReverseRequested(at_ms=now_ms, attempt=attempt, refund=refund)
                payment = apply(payment, asked)
                answer: ev.Event = reverse_event(bank.reverse(now_ms), attempt, now_ms + CALL_MS)
            case pl.Refund(attempt=attempt, refund=refund):
                amount = payment.refunds[refund - 1].amount
                asked = ev.RefundRequested(
                    at_ms=now_ms, attempt=attempt, amount=amount, refund_order=7, refund=refund
                )
                payment = apply(payment, asked)
                said = bank.refund(refund, now_ms)
                answer = refund_event(said, attempt, amount, now_ms + CALL_MS, refund)
            case pl.AskRefund(refund=refund):
                answer = refund_asked_event(bank.tell(refund, now_ms), refund, now_ms + SECOND)
            case _:
                raise AssertionError(action)
        now_ms += CALL_MS
        if step % 7 == 3 and not isinstance(action, pl.AskRefund):
            continue  # nobody lives to hear the answer
        payment = apply(payment, answer)
    raise AssertionError("there is no end")


@given(
    contract=st.sampled_from(sorted(CONTRACTS)),
    fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=12),
    amounts=st.lists(st.sampled_from([AMOUNT, 20_000, 50_000, 149_999]), min_size=1, max_size=4),
    can_tell=st.booleans(),
)
def test_nothing_goes_back_twice_and_everything_ends(
    contract: str, fates: list[str], amounts: list[int], *, can_tell: bool
) -> None:
    payment, bank = paid(contract), Bank(fates, can_tell)
    for amount in amounts:
        if amount <= payment.refundable:
            payment = apply(payment, created(AT, len(payment.refunds) + 1, amount))
    payment = lived(payment, bank)

    for refund in payment.refunds:
        times = len(bank.effects.get(refund.number, ()))
        assert times <= 1, "the same refund went back twice"
        whole = bank.reversed_ms is not None
        assert not (times and whole), "it was reversed and refunded"
        match refund.state:
            case RefundState.SUCCEEDED:
                assert times or whole
            case RefundState.MANUAL:
                assert refund.why
                assert refund.maybe_done or not (times or whole)
            case _:
                raise AssertionError(f"{refund.state} is no end")


@pytest.mark.parametrize("contract", sorted(CONTRACTS))
def test_at_a_bank_that_works_all_of_it_goes_back_at_once_or_a_person_does_it(
    contract: str,
) -> None:
    payment = lived(apply(paid(contract), created(AT, amount=AMOUNT)), Bank(["ok"], can_tell=True))
    (refund,) = payment.refunds
    expected = RefundState.MANUAL if contract == "neither" else RefundState.SUCCEEDED
    assert expected is refund.state


def test_a_bank_that_cannot_tell_is_asked_a_few_times_and_never_to_refund_again() -> None:
    bank = Bank(["ok", "lost after"], can_tell=False)
    payment = lived(apply(paid("refunds"), created(AT)), bank)
    assert RefundState.MANUAL is payment.refunds[0].state
    assert 1 == payment.refunds[0].calls
    assert bank.calls < 2 + 4 * IN_VAIN_MAX


def test_a_bank_that_never_does_it_is_asked_so_often() -> None:
    bank = Bank(["lost before", "no"], can_tell=True)
    bank.fate = iter(["lost before", "no"] * 100).__next__  # type: ignore[method-assign]  # in turn
    payment = lived(apply(paid("refunds"), created(AT)), bank)
    assert RefundState.MANUAL is payment.refunds[0].state
    assert payment.refunds[0].calls <= REQUESTS_MAX


def test_a_gateway_that_is_gone_leaves_its_refunds_to_a_person() -> None:
    payment = apply(paid("both"), created(AT))
    action = pl.plan(payment, AT, {}, SETTINGS)
    assert isinstance(action, pl.Note)
    assert isinstance(action.event, ev.RefundLeftToReview)


def test_while_a_call_is_out_the_refunds_of_its_attempt_wait() -> None:
    payment = apply(paid("both"), created(AT))
    assert pl.plan(payment, AT, CONTRACTS, SETTINGS, frozenset({1})) is None
    assert pl.plan(payment, AT, CONTRACTS, SETTINGS) is not None


@pytest.mark.parametrize(("minutes", "reverses"), [(0, True), (45, True), (48, False), (60, False)])
def test_a_reverse_begins_only_with_time_to_spare(minutes: int, *, reverses: bool) -> None:
    within = {"both": traits(refunds=True, reverse_within_seconds=50 * 60)}
    payment = paid("both")
    at_ms = T0 + minutes * MINUTE + 4 * SECOND
    payment = apply(payment, created(at_ms, amount=AMOUNT))
    action = pl.plan(payment, at_ms, within, SETTINGS)
    assert reverses is isinstance(action, pl.Reverse)
    assert isinstance(action, pl.Reverse | pl.Refund)


def test_what_is_verified_and_settled_is_refunded_and_not_reversed() -> None:
    settled = life("Started", "VerifyRequested:keep", "Verified", gateway="both", settles=True)
    settled = further(settled, "SettleRequested", "Settled")
    payment = apply(settled, created(AT, amount=AMOUNT))
    assert isinstance(pl.plan(payment, AT, CONTRACTS, SETTINGS), pl.Refund)


def test_what_a_bank_took_and_never_carried_out_is_a_persons_after_a_week() -> None:
    payment = apply(paid("refunds"), created(AT))
    payment = apply(
        payment,
        ev.RefundRequested(at_ms=AT, attempt=1, amount=40_000, refund_order=7, refund=1),
    )
    later = refund_event(GivenBack(done=False), 1, 40_000, AT, 1)
    payment = apply(payment, later)
    asks = 0
    now_ms = AT
    while True:
        action = pl.plan(payment, now_ms, CONTRACTS, SETTINGS)
        assert action is not None
        now_ms = max(now_ms, action.due_ms)
        if isinstance(action, pl.Note):
            payment = apply(payment, action.event)
            break
        asks += 1
        asked = refund_asked_event(Inquiry(finding=Finding.PENDING), 1, now_ms)
        payment = apply(payment, asked)
    assert RefundState.MANUAL is payment.refunds[0].state
    assert now_ms >= AT + CARRIED_OUT_MS
    assert 7 * 24 - 5 < asks < 7 * 24 + 15, "once an hour"
    assert now_ms < AT + CARRIED_OUT_MS + HOUR + MINUTE
