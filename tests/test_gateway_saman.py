"""The Saman driver against the bank's documented words: requests to the letter, answers, returns."""

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
    Order,
    Payer,
    Receipt,
    Redirect,
)
from gatewayd.gateways.saman import Saman, hashed
from tests.playbook import play

SAMAN = Saman(terminal_id="13579246")
TOKEN = "5f0c1d7e9ab24c3f8e6d21b0a4c97f13"
REF_NUM = "GmshtyjwKSu/lKOLquYrzO9BqjUMb+"
SHA256 = "04bad0cbbc112097e589c55ffa968dd236c2deefcf18fad9a37807aa560fb96d"
ORDER = Order(
    bank_order=100_000_042,
    amount=150_000,
    callback_url="https://shop.example.ir/ipg/saman/callback",
    made_at=0,
    payer=Payer(mobile="09120000000"),
)
START = {
    "action": "token",
    "TerminalId": "13579246",
    "Amount": 150_000,
    "ResNum": "100000042",
    "RedirectUrl": "https://shop.example.ir/ipg/saman/callback",
    "CellNumber": "9120000000",
    "TokenExpiryInMin": 20,
}
DETAIL = {
    "RRN": "160488213307",
    "RefNum": REF_NUM,
    "MaskedPan": "621986****9007",
    "HashedPan": SHA256,
    "TerminalNumber": 13_579_246,
    "OrginalAmount": 150_000,
    "AffectiveAmount": 150_000,
    "StraceDate": "2025-02-11 18:11:06",
    "StraceNo": "204613",
}
RECEIPT = Receipt(
    amount=150_000,
    terminal="13579246",
    ref_num=REF_NUM,
    rrn="160488213307",
    trace_no="204613",
    card="621986******9007",
)
RETURNED = {
    "MID": "13579246",
    "TerminalId": "13579246",
    "State": "OK",
    "Status": "2",
    "Rrn": "160488213307",
    "RefNum": REF_NUM,
    "ResNum": "100000042",
    "TraceNo": "204613",
    "Amount": "150000",
    "Wage": "",
    "SecurePan": "621986******9007",
    "HashedCardNumber": SHA256,
    "Token": TOKEN,
}
CLAIM = Claim(
    outcome=CodeClass.OK,
    code="2",
    token=TOKEN,
    bank_order=100_000_042,
    amount=150_000,
    reference=REF_NUM,
    terminal="13579246",
    rrn="160488213307",
    trace_no="204613",
    card="621986******9007",
)
REDIRECT = Redirect(
    token=TOKEN,
    url="https://sep.shaparak.ir/OnlinePG/OnlinePG",
    method="post",
    fields={"Token": TOKEN, "GetMethod": ""},
)


def verified(code: Any, detail: object = None, *, success: bool | None = None) -> dict[str, Any]:
    """An answer to verify or reverse."""
    return {
        "TransactionDetail": detail,
        "ResultCode": code,
        "ResultDescription": "متن",
        "Success": (code == 0) if success is None else success,
    }


# --- start


def test_a_token_is_asked_for_with_the_documented_fields() -> None:
    play(SAMAN.start(ORDER)).calls(
        "POST",
        "https://sep.shaparak.ir/onlinepg/onlinepg",
        START,
        headers={"content-type": "application/json"},
    ).replies(200, {"status": 1, "token": TOKEN}).returns(REDIRECT)


def test_a_payer_without_mobile_is_not_mentioned() -> None:
    order = replace(ORDER, payer=Payer())
    fields = {name: value for name, value in START.items() if name != "CellNumber"}
    play(SAMAN.start(order)).calls("POST", "…/onlinepg/onlinepg", fields).replies(
        200, {"status": 1, "token": TOKEN}
    ).returns(REDIRECT)


def test_cards_are_named_by_their_md5_where_the_terminal_may_lock_them() -> None:
    assert hashed("6219861034529007") == "ffda90e15284976a45cb8d4e1bff5be1"
    cards = ("6219861034529007", "6219861034529007")
    order = replace(ORDER, payer=Payer(mobile="09120000000", allowed_cards=cards))
    hashes = "ffda90e15284976a45cb8d4e1bff5be1|ffda90e15284976a45cb8d4e1bff5be1"
    locking = replace(SAMAN, card_lock=True)
    play(locking.start(order)).calls("POST", "…", {**START, "HashedCardNumber": hashes}).replies(
        200, {"status": 1, "token": TOKEN}
    ).returns(REDIRECT)
    play(SAMAN.start(order)).calls("POST", "…", START).replies(
        200, {"status": 1, "token": TOKEN}
    ).returns(REDIRECT)


def test_more_cards_than_the_bank_takes_are_refused_without_a_call() -> None:
    order = replace(ORDER, payer=Payer(allowed_cards=("6219861034529007",) * 11))
    play(replace(SAMAN, card_lock=True).start(order)).refuses(CodeClass.OUR_FAULT, "")


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("5", CodeClass.OUR_FAULT),
        pytest.param(5, CodeClass.OUR_FAULT, id="number"),
        ("8", CodeClass.MERCHANT_CONFIG),
        ("10", CodeClass.OUR_FAULT),
        ("11", CodeClass.MERCHANT_CONFIG),
        ("12", CodeClass.MERCHANT_CONFIG),
        ("20", CodeClass.MERCHANT_CONFIG),
        ("21", CodeClass.MERCHANT_CONFIG),
        ("77", CodeClass.UNKNOWN),
    ],
)
def test_a_refused_token_is_classed_by_its_code(code: str | int, cause: CodeClass) -> None:
    answer = {"status": -1, "errorCode": code, "errorDesc": "متن;متن"}
    play(SAMAN.start(ORDER)).calls("POST", "…").replies(200, answer).refuses(cause, str(code))


def test_a_refusal_counts_whatever_the_http_status() -> None:
    play(SAMAN.start(ORDER)).calls("POST", "…").replies(
        400, {"status": -1, "errorCode": "12", "errorDesc": ""}
    ).refuses(CodeClass.MERCHANT_CONFIG, "12")


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 1},
        {"status": 1, "token": ""},
        {"status": 1, "token": None},
        {"status": 0, "token": TOKEN},
        {"status": -1},
        {"token": TOKEN},
        [],
    ],
)
def test_a_token_answer_of_another_shape_is_malformed(answer: Any) -> None:
    play(SAMAN.start(ORDER)).calls("POST", "…").replies(200, answer).malformed()


@pytest.mark.parametrize(
    "page",
    ["https://neo-pg.sep.ir/transaction/init", "https://sep.shaparak.ir/x?y=1", "HTTPS://A.SEP.IR"],
)
def test_the_page_that_the_bank_names_is_obeyed_on_its_own_hosts(page: str) -> None:
    play(SAMAN.start(ORDER)).calls("POST", "…").replies(
        200, {"status": 1, "token": TOKEN}, headers={"X-IPG-Url": page}
    ).returns(replace(REDIRECT, url=page))


@pytest.mark.parametrize(
    "page",
    [
        "",
        "http://neo-pg.sep.ir/transaction/init",
        "https://sep.ir.example/",
        "https://xsep.ir/",
        "https://evil.example/.sep.ir",
        "https://evil.example\\.sep.ir/",
        "https://user@neo-pg.sep.ir/",
        "https://neo-pg.sep.ir:8443/",
        "https://neo-pg.sep.ir/ x",
        "javascript:alert(1)//.sep.ir/",
    ],
)
def test_a_page_anywhere_else_is_not_obeyed(page: str) -> None:
    play(SAMAN.start(ORDER)).calls("POST", "…").replies(
        200, {"status": 1, "token": TOKEN}, headers={"X-IPG-Url": page}
    ).returns(REDIRECT)


def test_a_page_at_the_configured_host_is_obeyed_whatever_it_is() -> None:
    simulated = replace(SAMAN, base_url="http://127.0.0.1:9100/saman")
    page = "http://127.0.0.1:9100/saman/transaction/init"
    play(simulated.start(ORDER)).calls("POST", "…").replies(
        200, {"status": 1, "token": TOKEN}, headers={"X-IPG-Url": page}
    ).returns(replace(REDIRECT, url=page))


# --- the return


def test_a_paid_return_is_read() -> None:
    assert CLAIM == SAMAN.read_return(RETURNED)


def test_names_of_a_return_may_come_in_any_case() -> None:
    assert CLAIM == SAMAN.read_return({name.upper(): value for name, value in RETURNED.items()})


@pytest.mark.parametrize(
    ("state", "status", "outcome"),
    [("CanceledByUser", "1", CodeClass.CANCELLED), ("Failed", "3", CodeClass.DECLINED)],
)
def test_an_unpaid_return_keeps_what_it_has(state: str, status: str, outcome: CodeClass) -> None:
    empty = dict.fromkeys(("Rrn", "RefNum", "TraceNo", "SecurePan", "HashedCardNumber"), "")
    fields = {**RETURNED, **empty, "State": state, "Status": status}
    expected = Claim(
        outcome=outcome,
        code=status,
        token=TOKEN,
        bank_order=100_000_042,
        amount=150_000,
        terminal="13579246",
    )
    assert expected == SAMAN.read_return(fields)


@pytest.mark.parametrize(
    "brought",
    [
        "GmshtyjwKSu/lKOLquYrzO9BqjUMb+",
        "GmshtyjwKSu/lKOLquYrzO9BqjUMb ",
        " abc d=",
    ],
)
def test_blanks_in_a_ref_num_become_plus_signs_again(brought: str) -> None:
    claim = SAMAN.read_return({**RETURNED, "RefNum": brought})
    assert brought.replace(" ", "+") == claim.reference


@pytest.mark.parametrize("brought", ["", " ", "   "])
def test_ok_without_a_ref_num_is_not_paid(brought: str) -> None:
    claim = SAMAN.read_return({**RETURNED, "RefNum": brought})
    assert (CodeClass.NOT_PAID, None) == (claim.outcome, claim.reference)


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"Token": TOKEN, "RefNum": REF_NUM}, CodeClass.OK),
        ({"Token": TOKEN, "RefNum": ""}, CodeClass.NOT_PAID),
        ({"Token": TOKEN}, CodeClass.NOT_PAID),
        ({"RefNum": REF_NUM}, CodeClass.UNKNOWN),
        ({}, CodeClass.UNKNOWN),
    ],
)
def test_the_newer_return_has_a_token_and_a_ref_num_only(
    fields: dict[str, str], outcome: CodeClass
) -> None:
    assert outcome == SAMAN.read_return(fields).outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("1", CodeClass.CANCELLED),
        ("3", CodeClass.DECLINED),
        ("4", CodeClass.CANCELLED),
        ("5", CodeClass.OUR_FAULT),
        ("8", CodeClass.MERCHANT_CONFIG),
        ("9", CodeClass.DECLINED),
        ("10", CodeClass.NOT_PAID),
        ("11", CodeClass.MERCHANT_CONFIG),
        ("12", CodeClass.MERCHANT_CONFIG),
        ("20", CodeClass.MERCHANT_CONFIG),
        ("21", CodeClass.MERCHANT_CONFIG),
        ("99", CodeClass.UNKNOWN),
    ],
)
def test_the_status_of_a_return_is_classed(status: str, outcome: CodeClass) -> None:
    assert outcome == SAMAN.read_return({"Status": status, "Token": TOKEN}).outcome


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("OK", CodeClass.OK),
        ("CanceledByUser", CodeClass.CANCELLED),
        ("Canceled By User", CodeClass.CANCELLED),
        ("SessionIsNull", CodeClass.CANCELLED),
        ("Failed", CodeClass.DECLINED),
        ("TerminalNotFound", CodeClass.MERCHANT_CONFIG),
        ("Invalid Amount", CodeClass.OUR_FAULT),
        ("Merchant Invalid", CodeClass.MERCHANT_CONFIG),
        ("Do Not Honour", CodeClass.DECLINED),
        ("Honour With Identification", CodeClass.DECLINED),
        ("Invalid Transaction", CodeClass.OUR_FAULT),
        ("Invalid Card Number", CodeClass.DECLINED),
        ("No Such Issuer", CodeClass.ISSUER),
        ("Expired Card Pick Up", CodeClass.DECLINED),
        ("Incorrect PIN", CodeClass.DECLINED),
        ("No Sufficient Funds", CodeClass.DECLINED),
        ("Issuer Down Slm", CodeClass.ISSUER),
        ("TME Error", CodeClass.GATEWAY),
        ("Exceeds Withdrawal Amount Limit", CodeClass.DECLINED),
        ("Transaction Cannot Be Completed", CodeClass.DECLINED),
        ("Allowable PIN Tries Exceeded Pick Up", CodeClass.DECLINED),
        ("Response Received Too Late", CodeClass.ISSUER),
        ("Suspected Fraud Pick Up", CodeClass.DECLINED),
        ("Something Else", CodeClass.UNKNOWN),
    ],
)
def test_the_word_counts_where_there_is_no_number(word: str, outcome: CodeClass) -> None:
    claim = SAMAN.read_return({"State": word, "RefNum": REF_NUM})
    assert (outcome, word) == (claim.outcome, claim.code)


def test_the_terminal_may_be_called_mid_only() -> None:
    fields = {name: value for name, value in RETURNED.items() if name != "TerminalId"}
    assert CLAIM == SAMAN.read_return(fields)


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


@pytest.mark.parametrize(
    "wrong",
    [{"terminal_id": "13 57"}, {"terminal_id": ""}, {"terminal_id": "۱۳"}, {"base_url": "sep.ir"}],
)
def test_a_contract_that_cannot_work_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: "):
        Saman(**{"terminal_id": "13579246", **wrong})  # type: ignore[arg-type]
