"""The Zibal driver against captured and documented words: requests to the letter, answers, returns."""

from dataclasses import replace
from typing import Any

import pytest

from gatewayd.core.secret import Secret
from gatewayd.core.terms import (
    Claim,
    CodeClass,
    Finding,
    Inquiry,
    Payer,
    Receipt,
)
from gatewayd.gateways.zibal import PLATFORM, RESULTS, STATUSES, Zibal
from tests.playbook import play
from tests.zibal_samples import (
    BARE,
    CAPTURED,
    INQUIRED,
    ORDER,
    RECEIPT,
    REDIRECT,
    TOKEN,
    VERIFIED,
    ZIBAL,
)

# --- start


def test_a_token_is_asked_for_with_the_documented_fields() -> None:
    play(ZIBAL.start(ORDER)).calls(
        "POST",
        "https://gateway.zibal.ir/v1/request",
        {
            "merchant": "zibal",
            "amount": 200_000,
            "callbackUrl": "https://shop.example/pay/zibal/return",
            "orderId": "100045",
            "mobile": "09120000000",
            "description": "Order 100045",
            "percentMode": 0,
            "feeMode": 0,
            "multiplexingInfos": [
                {"id": "self", "amount": 150_000},
                {"bankAccount": "IR000000000000000000000000", "amount": 50_000},
            ],
        },
        headers={"content-type": "application/json"},
    ).replies(200, {"message": "success", "result": 100, "trackId": 3_714_061_657}).returns(
        REDIRECT
    )


def test_what_the_shop_did_not_say_is_not_sent() -> None:
    order = replace(ORDER, description="", payer=Payer(), splits=())
    play(ZIBAL.start(order)).calls(
        "POST",
        "…/v1/request",
        {
            "merchant": "zibal",
            "amount": 200_000,
            "callbackUrl": "https://shop.example/pay/zibal/return",
            "orderId": "100045",
        },
    ).replies(200, {"result": 100, "trackId": "3714061657"}).returns(REDIRECT)


def test_who_may_pay_is_told_where_the_shop_says() -> None:
    payer = Payer(national_id="0012345679", allowed_cards=("6219861034529007",))
    order = replace(ORDER, description="", payer=payer, splits=())
    play(ZIBAL.start(order)).calls(
        "POST",
        "…/v1/request",
        {
            "merchant": "zibal",
            "amount": 200_000,
            "callbackUrl": "https://shop.example/pay/zibal/return",
            "orderId": "100045",
            "nationalCode": "0012345679",
            "allowedCards": ["6219861034529007"],
        },
    ).replies(200, {"result": 100, "trackId": 3_714_061_657}).returns(REDIRECT)


@pytest.mark.parametrize("host", ["https://gateway.zibal.io", "http://127.0.0.1:9100/zibal"])
def test_the_page_is_at_the_host_that_gave_the_token(host: str) -> None:
    play(replace(ZIBAL, base_url=host).start(ORDER)).calls("POST", f"{host}/v1/request").replies(
        200, {"result": 100, "trackId": 3_714_061_657}
    ).returns(replace(REDIRECT, url=f"{host}/start/3714061657"))


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (102, CodeClass.MERCHANT_CONFIG),
        (103, CodeClass.MERCHANT_CONFIG),
        (104, CodeClass.MERCHANT_CONFIG),
        (105, CodeClass.OUR_FAULT),
        (106, CodeClass.OUR_FAULT),
        (107, CodeClass.OUR_FAULT),
        (108, CodeClass.OUR_FAULT),
        (109, CodeClass.MERCHANT_CONFIG),
        (110, CodeClass.OUR_FAULT),
        (111, CodeClass.OUR_FAULT),
        (112, CodeClass.MERCHANT_CONFIG),
        (113, CodeClass.OUR_FAULT),
        (114, CodeClass.OUR_FAULT),
        (115, CodeClass.MERCHANT_CONFIG),
        (140, CodeClass.OUR_FAULT),
        (999, CodeClass.UNKNOWN),
    ],
)
def test_a_refused_token_is_classed_by_its_result(code: int, cause: CodeClass) -> None:
    answer = {"message": "any text", "result": code}
    play(ZIBAL.start(ORDER)).calls("POST", "…").replies(200, answer).refuses(cause, str(code))
    play(ZIBAL.start(ORDER)).calls("POST", "…").replies(503, answer).refuses(cause, str(code))


@pytest.mark.parametrize(
    "answer",
    [{"result": 100}, {"result": 100, "trackId": 0}, {"result": 100, "trackId": "x"}, {}, []],
)
def test_a_token_answer_of_another_shape_is_malformed(answer: Any) -> None:
    play(ZIBAL.start(ORDER)).calls("POST", "…").replies(200, answer).malformed()


# --- the return


@pytest.mark.parametrize(
    ("success", "status", "outcome"),
    [
        ("1", "2", CodeClass.OK),
        ("0", "3", CodeClass.CANCELLED),
        ("0", "5", CodeClass.DECLINED),
    ],
)
def test_a_return_is_read(success: str, status: str, outcome: CodeClass) -> None:
    fields = {"trackId": TOKEN, "success": success, "status": status, "orderId": "100045"}
    expected = Claim(outcome=outcome, code=status, token=TOKEN, bank_order=100_045)
    assert expected == ZIBAL.read_return(fields)
    assert expected == ZIBAL.read_return({name.lower(): value for name, value in fields.items()})


@pytest.mark.parametrize(
    ("status", "outcome", "finding"),
    [
        ("-2", CodeClass.GATEWAY, Finding.UNKNOWN),
        ("-1", CodeClass.UNKNOWN, Finding.PENDING),
        ("1", CodeClass.OK, Finding.VERIFIED),
        ("2", CodeClass.OK, Finding.PAID),
        ("3", CodeClass.CANCELLED, Finding.NOT_PAID),
        ("4", CodeClass.DECLINED, Finding.NOT_PAID),
        ("5", CodeClass.DECLINED, Finding.NOT_PAID),
        ("6", CodeClass.DECLINED, Finding.NOT_PAID),
        ("7", CodeClass.DECLINED, Finding.NOT_PAID),
        ("8", CodeClass.DECLINED, Finding.NOT_PAID),
        ("9", CodeClass.DECLINED, Finding.NOT_PAID),
        ("10", CodeClass.DECLINED, Finding.NOT_PAID),
        ("11", CodeClass.GATEWAY, Finding.NOT_PAID),
        ("12", CodeClass.ISSUER, Finding.NOT_PAID),
        ("15", CodeClass.NOT_PAID, Finding.REVERSED),
        ("16", CodeClass.UNKNOWN, Finding.UNKNOWN),
        ("18", CodeClass.NOT_PAID, Finding.REVERSED),
        ("21", CodeClass.MERCHANT_CONFIG, Finding.UNKNOWN),
        ("77", CodeClass.UNKNOWN, Finding.UNKNOWN),
    ],
)
def test_what_each_status_claims_and_what_an_inquiry_finds_by_it(
    status: str, outcome: CodeClass, finding: Finding
) -> None:
    assert outcome == ZIBAL.read_return({"status": status, "trackId": TOKEN}).outcome
    play(ZIBAL.inquire(ORDER, TOKEN, None)).calls("POST", "…/v1/inquiry").replies(
        200, {**INQUIRED, "status": int(status)}
    ).returns(
        Inquiry(finding=finding, receipt=BARE)
        if finding in {Finding.PAID, Finding.VERIFIED}
        else Inquiry(finding=finding)
    )


@pytest.mark.parametrize(
    ("success", "outcome"),
    [
        ("1", CodeClass.OK),
        ("true", CodeClass.OK),
        ("0", CodeClass.NOT_PAID),
        ("False", CodeClass.NOT_PAID),
        ("maybe", CodeClass.UNKNOWN),
    ],
)
def test_success_counts_where_there_is_no_status(success: str, outcome: CodeClass) -> None:
    assert outcome == ZIBAL.read_return({"success": success, "trackId": TOKEN}).outcome


def test_an_empty_return_says_nothing() -> None:
    assert Claim(outcome=CodeClass.UNKNOWN) == ZIBAL.read_return({})


# --- verify


def test_a_verify_sends_the_token_as_a_number() -> None:
    play(ZIBAL.verify(ORDER, TOKEN, None)).calls(
        "POST",
        "https://gateway.zibal.ir/v1/verify",
        body=b'{"merchant":"zibal","trackId":3714061657,"dataOnDoubleVerify":true}',
    ).replies(200, VERIFIED).returns(RECEIPT)


def test_reference_and_card_may_be_null() -> None:
    play(ZIBAL.verify(ORDER, TOKEN, None)).calls("POST", "…").replies(200, CAPTURED).returns(BARE)


def test_verified_before_with_its_data() -> None:
    answer = {**VERIFIED, "message": "previously verifed", "result": 201}
    play(ZIBAL.verify(ORDER, TOKEN, None)).calls("POST", "…/v1/verify").replies(
        200, answer
    ).returns(replace(RECEIPT, already=True))


def test_verified_before_without_data_is_completed_by_an_inquiry() -> None:
    play(ZIBAL.verify(ORDER, TOKEN, None)).calls("POST", "…/v1/verify").replies(
        200, {"message": "previously verifed", "result": 201}
    ).calls("POST", "…/v1/inquiry", {"merchant": "zibal", "trackId": 3_714_061_657}).replies(
        200, INQUIRED
    ).returns(replace(BARE, already=True))


def test_verified_before_stands_even_if_the_inquiry_refuses() -> None:
    play(ZIBAL.verify(ORDER, TOKEN, None)).calls("POST", "…/v1/verify").replies(
        200, {"message": "previously verifed", "result": 201}
    ).calls("POST", "…/v1/inquiry").replies(200, {"result": 115}).returns(
        Receipt(ref_num=TOKEN, already=True)
    )


@pytest.mark.parametrize("status", [15, 18])
def test_verified_before_and_given_back_is_not_paid(status: int) -> None:
    play(ZIBAL.verify(ORDER, TOKEN, None)).calls("POST", "…").replies(
        200, {**VERIFIED, "result": 201, "status": status}
    ).refuses(CodeClass.NOT_PAID, f"201/{status}")


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (202, CodeClass.NOT_PAID),
        (203, CodeClass.NOT_PAID),
        (102, CodeClass.MERCHANT_CONFIG),
        (115, CodeClass.MERCHANT_CONFIG),
        (105, CodeClass.OUR_FAULT),
        (999, CodeClass.UNKNOWN),
    ],
)
def test_a_refused_verify_is_classed_by_its_result(code: int, cause: CodeClass) -> None:
    answer = {"message": "transaction failed", "result": code}
    play(ZIBAL.verify(ORDER, TOKEN, None)).calls("POST", "…").replies(200, answer).refuses(
        cause, str(code)
    )


@pytest.mark.parametrize("outcome", [CodeClass.CANCELLED, CodeClass.DECLINED])
def test_the_return_tells_why_it_is_not_paid(outcome: CodeClass) -> None:
    claim = Claim(outcome=outcome, token=TOKEN)
    play(ZIBAL.verify(ORDER, TOKEN, claim)).calls("POST", "…").replies(
        200, {"message": "transaction failed", "result": 202}
    ).refuses(outcome, "202")


@pytest.mark.parametrize(
    "answer",
    [
        {**VERIFIED, "status": 2},
        {**VERIFIED, "status": True},
        {**VERIFIED, "amount": None},
        {**VERIFIED, "amount": "many"},
        {name: value for name, value in VERIFIED.items() if name != "status"},
        {name: value for name, value in VERIFIED.items() if name != "result"},
        {**VERIFIED, "result": 201, "status": 16},
    ],
)
def test_a_yes_without_its_facts_is_malformed(answer: Any) -> None:
    play(ZIBAL.verify(ORDER, TOKEN, None)).calls("POST", "…").replies(200, answer).malformed()


# --- inquiry


def test_an_inquiry_of_an_unknown_token_is_a_no() -> None:
    play(ZIBAL.inquire(ORDER, TOKEN, None)).calls(
        "POST",
        "https://gateway.zibal.ir/v1/inquiry",
        body=b'{"merchant":"zibal","trackId":3714061657}',
    ).replies(200, {"message": "trackId not found", "result": 203}).refuses(
        CodeClass.NOT_PAID, "203"
    )


def test_every_documented_code_has_its_class() -> None:
    assert {"100", *map(str, range(102, 116)), "140", "201", "202", "203"} == set(RESULTS)
    assert {*map(str, range(-2, 13)), "15", "16", "18", "21"} - {"0"} == set(STATUSES)
    assert {*map(str, range(1, 19)), *map(str, range(20, 27)), "29", "44", "45"} == set(PLATFORM)


@pytest.mark.parametrize(
    "wrong",
    [
        {"merchant": ""},
        {"amount_max": 1_000},
        {"base_url": "https://gateway.zibal.ir/"},
        {"api_url": "gateway.zibal.ir"},
        {"access_token": Secret("key")},
        {"account_id": "1234"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_contract_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^(merchant|amount_max|base_url|api_url|account_id): "):
        Zibal(**{"merchant": "zibal", **wrong})


@pytest.mark.parametrize(
    ("number", "rrn"),
    [
        ({}, None),
        (True, None),
        (401512345678.0, "401512345678"),
        (" ۴۰۱۵۱۲۳۴۵۶۷۸", "401512345678"),
    ],
)
def test_a_proof_is_not_lost_over_an_odd_number_that_is_only_shown(
    number: Any, rrn: str | None
) -> None:
    answer = {**VERIFIED, "refNumber": number, "cardNumber": {}}
    receipt = Receipt(amount=200_000, bank_order=100045, ref_num=TOKEN, rrn=rrn)
    play(ZIBAL.verify(ORDER, TOKEN, None)).calls("POST", "…").replies(200, answer).returns(receipt)


@pytest.mark.parametrize("result", [100.0, "100", " 100 ", "۱۰۰"])
def test_a_code_is_a_code_however_it_is_written(result: Any) -> None:
    answer = {**VERIFIED, "result": result, "status": 1.0}
    play(ZIBAL.verify(ORDER, TOKEN, None)).calls("POST", "…").replies(200, answer).returns(RECEIPT)
