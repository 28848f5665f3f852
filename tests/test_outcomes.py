"""What a bank's answer becomes: yes, no, or not known; never no for not known."""

import pytest

from gatewayd.core import events as ev
from gatewayd.core import outcomes
from gatewayd.core.terms import (
    CodeClass,
    Finding,
    GivenBack,
    Inquiry,
    Lost,
    Receipt,
    Refusal,
)
from tests.histories import AMOUNT, HOUR, NOT_PAID, T0, life, only, traits

UNREACHED = Lost(reached=False, cause="connection refused")
LOST = Lost(reached=True, cause="timeout after sending")
FAULTY = Refusal(cause=CodeClass.GATEWAY, code="34")
SILENT: list[Refusal | Lost] = [UNREACHED, LOST, FAULTY]
RETURNS_BY = T0 + 72 * HOUR


def verified(outcome: Receipt | Refusal | Lost) -> ev.AttemptEvent:
    payment = life("Started", "Returned:claim", "VerifyRequested:keep")
    return outcomes.verify_event(
        outcome, payment, only(payment), terminal="", traits=traits(), at_ms=T0
    )


def test_a_right_receipt_is_verified_and_its_card_kept_aside() -> None:
    card = "621986******8080"
    assert ev.Verified(
        at_ms=T0, attempt=1, receipt=Receipt(amount=AMOUNT), private={"card": card}
    ) == verified(Receipt(amount=AMOUNT, card=card))


def test_a_wrong_receipt_is_mismatched_and_never_verified() -> None:
    receipt = Receipt(amount=AMOUNT - 1)
    assert ev.Mismatched(at_ms=T0, attempt=1, receipt=receipt, wrong=ev.Wrong.AMOUNT) == verified(
        receipt
    )


def test_a_definite_no_to_a_verify_is_refused() -> None:
    assert ev.VerifyRefused(at_ms=T0, attempt=1, refusal=NOT_PAID) == verified(NOT_PAID)


def test_silence_at_a_verify_is_lost_and_remembers_whether_it_left() -> None:
    lost = [verified(outcome) for outcome in SILENT]
    assert [
        ev.VerifyLost(at_ms=T0, attempt=1, cause="connection refused", reached=False),
        ev.VerifyLost(at_ms=T0, attempt=1, cause="timeout after sending"),
        ev.VerifyLost(at_ms=T0, attempt=1, cause="answered gateway 34"),
    ] == lost


def test_a_settle_is_done_refused_or_lost() -> None:
    assert ev.Settled(at_ms=T0, attempt=1) == outcomes.settle_event(Receipt(already=True), 1, T0)
    refused = outcomes.settle_event(NOT_PAID, 1, T0)
    assert ev.SettleRefused(at_ms=T0, attempt=1, refusal=NOT_PAID) == refused
    assert {ev.SettleLost} == {type(outcomes.settle_event(each, 1, T0)) for each in SILENT}


def test_a_reverse_is_done_refused_or_lost_and_says_by_when_money_is_back() -> None:
    given = GivenBack(amount=AMOUNT, already=True)
    done = outcomes.reverse_event(given, 1, T0)
    assert ev.Reversed(at_ms=T0, attempt=1, given=given, returns_by_ms=RETURNS_BY) == done
    refused = outcomes.reverse_event(NOT_PAID, 1, T0)
    assert ev.ReverseRefused(at_ms=T0, attempt=1, refusal=NOT_PAID) == refused
    assert {ev.ReverseLost} == {type(outcomes.reverse_event(each, 1, T0)) for each in SILENT}


def test_a_refund_is_done_refused_or_lost_and_says_by_when_money_is_back() -> None:
    given = GivenBack(reference="9")
    done = outcomes.refund_event(given, 1, AMOUNT, T0)
    assert (
        ev.Refunded(at_ms=T0, attempt=1, amount=AMOUNT, given=given, returns_by_ms=RETURNS_BY)
        == done
    )
    refused = outcomes.refund_event(NOT_PAID, 1, AMOUNT, T0)
    assert ev.RefundRefused(at_ms=T0, attempt=1, refusal=NOT_PAID) == refused
    lost = {type(outcomes.refund_event(each, 1, AMOUNT, T0)) for each in SILENT}
    assert {ev.RefundLost} == lost


@pytest.mark.parametrize("cause", [CodeClass.CANCELLED, CodeClass.DECLINED])
def test_a_payers_no_is_none_where_money_is_given_back(cause: CodeClass) -> None:
    odd = Refusal(cause=cause, code="17")
    assert isinstance(outcomes.reverse_event(odd, 1, T0), ev.ReverseLost)
    assert isinstance(outcomes.settle_event(odd, 1, T0), ev.SettleLost)


def test_an_inquiry_says_what_it_found_without_the_card() -> None:
    found = Inquiry(finding=Finding.PAID, receipt=Receipt(card="621986******8080"), reference="R")
    event = outcomes.inquiry_event(found, 1, T0)
    assert Inquiry(finding=Finding.PAID, reference="R") == event.inquiry


@pytest.mark.parametrize("outcome", [*SILENT, NOT_PAID])
def test_a_bank_that_does_not_answer_an_inquiry_has_found_nothing(outcome: Refusal | Lost) -> None:
    event = outcomes.inquiry_event(outcome, 1, T0)
    assert Inquiry(finding=Finding.UNKNOWN) == event.inquiry
