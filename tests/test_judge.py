"""What a return and a receipt are worth: every difference that keeps a claim from money."""

import pytest

from gatewayd.core.events import Standing, Wrong
from gatewayd.core.judge import as_lost, is_no, outcome_for_router, standing, wrong
from gatewayd.core.payment import Attempt
from gatewayd.core.terms import (
    AddressedBy,
    Claim,
    CodeClass,
    FirstAlready,
    Lost,
    Operation,
    Receipt,
    Refusal,
    Traits,
)
from gatewayd.core.values import changed
from tests.histories import AMOUNT, PAID, REFERENCE, TOKEN, life, only, traits

TERMINAL = "0012345"
ORDER = 1_001
BY_TOKEN = traits()
BY_REFERENCE = traits(addressed_by=AddressedBy.REFERENCE, first_already=FirstAlready.REVIEW)
FULL = changed(PAID, bank_order=ORDER, amount=AMOUNT, terminal=TERMINAL)


def started() -> Attempt:
    return only(life("Started"))


def judged(claim: Claim, of: Traits = BY_TOKEN, attempt: Attempt | None = None) -> Standing:
    return standing(claim, attempt or started(), amount=AMOUNT, terminal=TERMINAL, traits=of)


@pytest.mark.parametrize("claim", [FULL, PAID, Claim(outcome=CodeClass.OK)])
def test_a_return_that_fits_in_all_it_says_is_a_claim(claim: Claim) -> None:
    assert Standing.CLAIM is judged(claim)


@pytest.mark.parametrize(
    "difference",
    [{"token": "T-2"}, {"bank_order": 1_002}, {"amount": AMOUNT - 1}, {"terminal": "12346"}],
    ids=lambda difference: next(iter(difference)),
)
def test_a_return_that_differs_in_anything_is_foreign(difference: dict[str, str | int]) -> None:
    assert Standing.FOREIGN is judged(changed(FULL, **difference))


def test_nothing_fits_an_attempt_without_a_token() -> None:
    assert Standing.FOREIGN is judged(FULL, attempt=only(life("StartLost")))


@pytest.mark.parametrize(
    "outcome",
    [
        CodeClass.CANCELLED,
        CodeClass.DECLINED,
        CodeClass.ISSUER,
        CodeClass.GATEWAY,
        CodeClass.NOT_PAID,
    ],
)
def test_a_return_that_says_no_is_a_no(outcome: CodeClass) -> None:
    assert Standing.NO is judged(changed(FULL, outcome=outcome))


def test_a_no_with_another_token_is_foreign() -> None:
    assert Standing.FOREIGN is judged(changed(FULL, outcome=CodeClass.CANCELLED, token="T-2"))


@pytest.mark.parametrize(
    "outcome", [CodeClass.UNKNOWN, CodeClass.OUR_FAULT, CodeClass.MERCHANT_CONFIG]
)
def test_a_return_that_says_nothing_usable_is_unclear(outcome: CodeClass) -> None:
    assert Standing.UNCLEAR is judged(changed(FULL, outcome=outcome))


def test_a_paid_return_without_what_a_verify_is_addressed_by_is_unclear() -> None:
    assert Standing.UNCLEAR is judged(changed(FULL, reference=None), BY_REFERENCE)
    assert Standing.CLAIM is judged(changed(FULL, reference=None), BY_TOKEN)


def test_leading_zeros_of_a_terminal_mean_nothing() -> None:
    assert Standing.CLAIM is judged(changed(FULL, terminal="12345"))


# --- receipts

RIGHT = Receipt(amount=AMOUNT, token=TOKEN, bank_order=ORDER, terminal=TERMINAL, ref_num=REFERENCE)


def compared(receipt: Receipt, of: Traits = BY_TOKEN, *steps: str) -> Wrong | None:
    attempt = only(life(*(steps or ("Started", "Returned:claim", "VerifyRequested:keep"))))
    return wrong(receipt, attempt, amount=AMOUNT, terminal=TERMINAL, traits=of)


@pytest.mark.parametrize("receipt", [RIGHT, Receipt()])
def test_a_receipt_is_right_if_nothing_that_it_names_differs(receipt: Receipt) -> None:
    for of in (BY_TOKEN, BY_REFERENCE):
        assert compared(receipt, of) is None


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        ({"amount": AMOUNT - 1}, Wrong.AMOUNT),
        ({"amount": AMOUNT // 10}, Wrong.AMOUNT),
        ({"amount": 0}, Wrong.AMOUNT),
        ({"token": "T-2"}, Wrong.TOKEN),
        ({"bank_order": 0}, Wrong.ORDER),
        ({"terminal": "99"}, Wrong.TERMINAL),
    ],
)
def test_a_receipt_that_differs_is_wrong(difference: dict[str, str | int], expected: Wrong) -> None:
    assert expected is compared(changed(RIGHT, **difference))


def test_a_receipt_for_another_reference_than_was_asked_for_is_wrong() -> None:
    other = changed(RIGHT, ref_num="R-2")
    assert Wrong.REFERENCE is compared(other, BY_REFERENCE)
    assert compared(other, BY_TOKEN) is None  # there it is news, and nothing was asked by it


def test_already_verified_without_a_verify_of_ours_goes_by_the_contract() -> None:
    already = changed(RIGHT, already=True)
    assert Wrong.ALREADY is compared(already, BY_REFERENCE)
    assert compared(already, BY_TOKEN) is None


def test_already_verified_after_a_lost_verify_of_ours_is_its_doing() -> None:
    already = changed(RIGHT, already=True)
    again = ("VerifyRequested:keep", "VerifyLost", "VerifyRequested:keep")
    assert compared(already, BY_REFERENCE, "Started", "Returned:claim", *again) is None


# --- refusals


def no(cause: CodeClass) -> Refusal:
    return Refusal(cause=cause, code="1")


VERIFY_NOS = {CodeClass.NOT_PAID, CodeClass.CANCELLED, CodeClass.DECLINED}


@pytest.mark.parametrize("cause", CodeClass)
def test_at_verify_not_paid_cancelled_and_declined_are_a_no_and_nothing_else(
    cause: CodeClass,
) -> None:
    assert (cause in VERIFY_NOS) is is_no(no(cause), Operation.VERIFY)


@pytest.mark.parametrize("operation", [Operation.SETTLE, Operation.REVERSE, Operation.REFUND])
@pytest.mark.parametrize("cause", CodeClass)
def test_where_money_is_moved_only_not_paid_is_a_no(operation: Operation, cause: CodeClass) -> None:
    assert (cause is CodeClass.NOT_PAID) is is_no(no(cause), operation)


def test_a_refusal_that_is_no_no_may_have_happened() -> None:
    lost = as_lost(Refusal(cause=CodeClass.GATEWAY, code="34", message="internal"))
    assert Lost(reached=True, cause="answered gateway 34") == lost


@pytest.mark.parametrize("cause", CodeClass)
def test_the_router_blames_the_gateway_for_its_own_failures_only(cause: CodeClass) -> None:
    expected = {CodeClass.ISSUER: "issuer", CodeClass.GATEWAY: "gateway"}.get(cause, "payer")
    assert expected == outcome_for_router(cause)
