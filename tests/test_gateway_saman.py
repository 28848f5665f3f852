"""The Saman driver against the bank's documented words: requests to the letter, answers, returns."""

from dataclasses import replace
from typing import Any

import pytest

from gatewayd.core.terms import (
    Claim,
    CodeClass,
    Payer,
)
from gatewayd.gateways.saman import Saman, hashed
from tests.playbook import play
from tests.saman_samples import (
    CLAIM,
    ORDER,
    REDIRECT,
    REF_NUM,
    RETURNED,
    SAMAN,
    START,
    TOKEN,
)

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
        ({"RefNum": REF_NUM}, CodeClass.OK),
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
        ("Something Else", CodeClass.OK),  # the verify decides
    ],
)
def test_the_word_counts_where_there_is_no_number(word: str, outcome: CodeClass) -> None:
    claim = SAMAN.read_return({"State": word, "RefNum": REF_NUM})
    assert (outcome, word) == (claim.outcome, claim.code)


def test_the_terminal_may_be_called_mid_only() -> None:
    fields = {name: value for name, value in RETURNED.items() if name != "TerminalId"}
    assert CLAIM == SAMAN.read_return(fields)


@pytest.mark.parametrize(
    "wrong",
    [{"terminal_id": "13 57"}, {"terminal_id": ""}, {"terminal_id": "۱۳"}, {"base_url": "sep.ir"}],
)
def test_a_contract_that_cannot_work_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: "):
        Saman(**{"terminal_id": "13579246", **wrong})  # type: ignore[arg-type]
