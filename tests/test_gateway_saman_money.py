"""Saman's driver once a payer has paid: verify, reverse and the receipt call."""

from dataclasses import replace
from typing import Any

import pytest

from gatewayd.core.terms import (
    Ask,
    Claim,
    CodeClass,
    Finding,
    GivenBack,
    Inquiry,
    Receipt,
)
from tests.playbook import play
from tests.saman_samples import (
    CLAIM,
    DETAIL,
    ORDER,
    RECEIPT,
    REF_NUM,
    SAMAN,
    SHA256,
    TOKEN,
    verified,
)

# --- verify


def test_a_verify_names_the_receipt_and_the_terminal() -> None:
    play(SAMAN.verify(ORDER, TOKEN, CLAIM)).calls(
        "POST",
        "https://sep.shaparak.ir/verifyTxnRandomSessionkey/ipg/VerifyTransaction",
        body=b'{"RefNum":"GmshtyjwKSu/lKOLquYrzO9BqjUMb+","TerminalNumber":13579246}',
    ).replies(200, verified(0, DETAIL)).returns(RECEIPT)


def test_blanks_around_the_names_of_an_answer_do_not_matter() -> None:
    answer = {" TransactionDetail": DETAIL, "ResultCode": 0, "Success": True}
    play(SAMAN.verify(ORDER, TOKEN, CLAIM)).calls("POST", "…").replies(200, answer).returns(RECEIPT)


@pytest.mark.parametrize("success", [True, False])
@pytest.mark.parametrize("detail", [None, DETAIL])
def test_done_before_is_a_receipt_that_says_so(success: bool, detail: Any) -> None:
    expected = RECEIPT if detail else Receipt(ref_num=REF_NUM)
    play(SAMAN.verify(ORDER, TOKEN, CLAIM)).calls("POST", "…").replies(
        200, verified(2, detail, success=success)
    ).returns(replace(expected, already=True))


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (5, CodeClass.NOT_PAID),
        (-2, CodeClass.NOT_PAID),
        pytest.param("-2", CodeClass.NOT_PAID, id="text"),
        (-6, CodeClass.NOT_PAID),
        (-1, CodeClass.GATEWAY),
        (-18, CodeClass.MERCHANT_CONFIG),
        (-33, CodeClass.MERCHANT_CONFIG),
        ("03", CodeClass.MERCHANT_CONFIG),
        (-100, CodeClass.OUR_FAULT),
        (-101, CodeClass.OUR_FAULT),
        (-102, CodeClass.GATEWAY),
        (-103, CodeClass.GATEWAY),
        (-104, CodeClass.MERCHANT_CONFIG),
        (-105, CodeClass.MERCHANT_CONFIG),
        (-106, CodeClass.MERCHANT_CONFIG),
        (-107, CodeClass.UNKNOWN),
        (-108, CodeClass.MERCHANT_CONFIG),
        (-109, CodeClass.MERCHANT_CONFIG),
        (-110, CodeClass.MERCHANT_CONFIG),
        (-111, CodeClass.OUR_FAULT),
        (-112, CodeClass.UNKNOWN),
        (-113, CodeClass.DECLINED),
        (-114, CodeClass.GATEWAY),
        (-115, CodeClass.DECLINED),
        (-116, CodeClass.OUR_FAULT),
        (-117, CodeClass.OUR_FAULT),
        (-118, CodeClass.OUR_FAULT),
        (-999, CodeClass.UNKNOWN),
    ],
)
def test_a_refused_verify_is_classed_by_its_code(code: int | str, cause: CodeClass) -> None:
    play(SAMAN.verify(ORDER, TOKEN, CLAIM)).calls("POST", "…").replies(200, verified(code)).refuses(
        cause, str(code)
    )


@pytest.mark.parametrize(
    ("discounts", "ordered", "charged", "amount"),
    [
        (False, 150_000, 140_000, 140_000),  # less than the order: not paid in full
        (False, 150_000, 152_000, 150_000),  # with a split fee on top
        (False, 1_500, 150_000, 1_500),  # a token of another amount
        (False, 150_000, None, 150_000),
        (True, 150_000, 140_000, 150_000),  # the terminal's own discount
    ],
)
def test_what_counts_as_taken(
    discounts: bool, ordered: int, charged: int | None, amount: int
) -> None:
    detail = {**DETAIL, "OrginalAmount": ordered, "AffectiveAmount": charged}
    play(replace(SAMAN, discounts=discounts).verify(ORDER, TOKEN, CLAIM)).calls(
        "POST", "…"
    ).replies(200, verified(0, detail)).returns(replace(RECEIPT, amount=amount))


@pytest.mark.parametrize(
    "answer",
    [
        verified(0),
        verified(0, {}),
        verified(0, {"OriginalAmount": 150_000}),
        verified(0, DETAIL, success=False),
        verified(0, []),
        verified(0, {**DETAIL, "OrginalAmount": "many"}),
        {"Success": True, "TransactionDetail": DETAIL},
    ],
)
def test_a_yes_without_its_facts_is_malformed(answer: Any) -> None:
    play(SAMAN.verify(ORDER, TOKEN, CLAIM)).calls("POST", "…").replies(200, answer).malformed()


@pytest.mark.parametrize("claim", [None, Claim(outcome=CodeClass.OK)])
def test_without_a_ref_num_nothing_is_asked_and_nothing_is_known(claim: Claim | None) -> None:
    play(SAMAN.verify(ORDER, TOKEN, claim)).refuses(CodeClass.UNKNOWN, "")


# --- reverse


def test_a_reverse_names_the_receipt_and_the_terminal() -> None:
    play(SAMAN.reverse(ORDER, TOKEN, RECEIPT)).calls(
        "POST",
        "https://sep.shaparak.ir/verifyTxnRandomSessionkey/ipg/ReverseTransaction",
        body=b'{"RefNum":"GmshtyjwKSu/lKOLquYrzO9BqjUMb+","TerminalNumber":13579246}',
    ).replies(200, verified(0, DETAIL)).returns(GivenBack(amount=150_000))


@pytest.mark.parametrize("code", [2, 5])
def test_a_second_reverse_is_done_before(code: int) -> None:
    play(SAMAN.reverse(ORDER, TOKEN, RECEIPT)).calls("POST", "…").replies(
        200, verified(code)
    ).returns(GivenBack(already=True))


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (-2, CodeClass.NOT_PAID),
        (-6, CodeClass.NOT_PAID),
        (-104, CodeClass.MERCHANT_CONFIG),
        (-105, CodeClass.MERCHANT_CONFIG),
        (-106, CodeClass.MERCHANT_CONFIG),
        (-112, CodeClass.UNKNOWN),
        (-1, CodeClass.GATEWAY),
    ],
)
def test_a_refused_reverse_is_classed_by_its_code(code: int, cause: CodeClass) -> None:
    play(SAMAN.reverse(ORDER, TOKEN, RECEIPT)).calls("POST", "…").replies(
        200, verified(code)
    ).refuses(cause, str(code))


def test_a_receipt_without_ref_num_cannot_be_reversed() -> None:
    play(SAMAN.reverse(ORDER, TOKEN, Receipt())).refuses(CodeClass.UNKNOWN, "")


# --- the receipt call

PAID = {
    "State": "OK",
    "Status": 2,
    "TerminalId": 13_579_246,
    "Token": TOKEN,
    "RefNum": REF_NUM,
    "ResNum": "100000042",
    "TraceNo": 204_613,
    "Amount": 150_000,
    "AffectiveAmount": 150_000,
    "Rrn": 160_488_213_307,
    "HashedCardNumber": SHA256,
}
CANCELLED = {
    **dict.fromkeys(("RefNum", "ResNum", "Rrn", "HashedCardNumber")),
    **dict.fromkeys(("TraceNo", "Amount", "AffectiveAmount"), 0),
    "State": "CanceledByUser",
    "Status": 1,
    "TerminalId": 13_579_246,
    "Token": TOKEN,
}


def receipt_answer(data: object, error: int | None = None) -> dict[str, Any]:
    """An answer of the receipt call."""
    return {
        "Data": data,
        "HasError": error is not None,
        "ErrorCode": error,
        "ErrorMessage": None,
        "ValidationErrors": None,
    }


def test_only_a_contract_with_the_receipt_call_can_be_asked() -> None:
    assert Ask.NOTHING is SAMAN.traits.ask
    assert Ask.INQUIRY is replace(SAMAN, receipt_call=True).traits.ask


def test_the_receipt_call_asks_by_token_and_finds_the_ref_num() -> None:
    expected = Inquiry(
        finding=Finding.PAID,
        reference=REF_NUM,
        receipt=Receipt(
            amount=150_000,
            token=TOKEN,
            bank_order=100_000_042,
            terminal="13579246",
            ref_num=REF_NUM,
            rrn="160488213307",
            trace_no="204613",
        ),
    )
    play(SAMAN.inquire(ORDER, TOKEN, None)).calls(
        "POST",
        "https://sep.shaparak.ir/verifyTxnRandomSessionkey/api/v2/ipg/payment/receipt",
        body=b'{"Token":"5f0c1d7e9ab24c3f8e6d21b0a4c97f13","TerminalNumber":13579246}',
    ).replies(200, receipt_answer(PAID)).returns(expected)


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        (receipt_answer(CANCELLED), Finding.NOT_PAID),
        (receipt_answer({**CANCELLED, "Status": 3}), Finding.NOT_PAID),
        (receipt_answer({**CANCELLED, "Status": 0}), Finding.PENDING),
        (receipt_answer({**CANCELLED, "Status": 7}), Finding.UNKNOWN),
        (receipt_answer(None, 404), Finding.UNKNOWN),  # also what is verified already
    ],
)
def test_the_receipt_call_finds(answer: Any, finding: Finding) -> None:
    play(SAMAN.inquire(ORDER, TOKEN, None)).calls("POST", "…").replies(200, answer).returns(
        Inquiry(finding=finding)
    )


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (8, CodeClass.MERCHANT_CONFIG),
        (12, CodeClass.MERCHANT_CONFIG),
        (20, CodeClass.MERCHANT_CONFIG),
        (1, CodeClass.UNKNOWN),
    ],
)
def test_a_refused_receipt_call_is_classed_by_its_code(code: int, cause: CodeClass) -> None:
    play(SAMAN.inquire(ORDER, TOKEN, None)).calls("POST", "…").replies(
        200, receipt_answer(None, code)
    ).refuses(cause, str(code))


def test_paid_without_ref_num_is_malformed() -> None:
    answer = receipt_answer({**PAID, "RefNum": None})
    play(SAMAN.inquire(ORDER, TOKEN, None)).calls("POST", "…").replies(200, answer).malformed()
