"""Zibal's driver giving money back, by the platform's service."""

import pytest

from gatewayd.core.terms import (
    CodeClass,
    Finding,
    GivenBack,
    Inquiry,
)
from tests.playbook import play
from tests.zibal_samples import INQUIRED, ORDER, RECEIPT, RICH, TOKEN, ZIBAL

REFUNDED = {
    "status": True,
    "result": 1,
    "message": "موفق",
    "data": {
        "reversed": False,
        "remaining": 150_000,
        "split": [
            {
                "wageAmount": 0,
                "amount": 50_000,
                "predictedTime": "2024-08-17T10:45:00",
                "refundId": "900123",
            }
        ],
    },
}
BEARER = {"Authorization": "Bearer key-of-the-platform"}
LISTED = {
    "refundId": 900_123,
    "status": 2,
    "statusEn": "success",
    "amount": 50_000,
    "wage": 0,
    "description": "77",
}


def test_a_contract_without_the_platform_key_gives_nothing_back() -> None:
    assert (None, False) == (ZIBAL.traits.reverse_within_seconds, ZIBAL.traits.refunds)
    assert ("https://gateway.zibal.ir",) == ZIBAL.base_urls
    play(ZIBAL.refund(ORDER, TOKEN, RECEIPT, 50_000, 77)).refuses(CodeClass.MERCHANT_CONFIG, "")


def test_a_contract_with_the_platform_key_gives_back() -> None:
    assert (86_400, True) == (RICH.traits.reverse_within_seconds, RICH.traits.refunds)
    assert ("https://gateway.zibal.ir", "https://api.zibal.ir") == RICH.base_urls


def test_a_refund_carries_its_number_as_description() -> None:
    play(RICH.refund(ORDER, TOKEN, RECEIPT, 50_000, 77)).calls(
        "POST",
        "https://api.zibal.ir/v1/account/refund",
        {
            "trackId": 3_714_061_657,
            "accountId": "1234",
            "tryReverse": False,
            "amount": 50_000,
            "description": "77",
        },
        headers=BEARER,
    ).replies(200, REFUNDED).returns(GivenBack(amount=50_000, reference="900123", done=False))


@pytest.mark.parametrize("data", [None, {}, {"split": []}, {"split": "x"}, []])
def test_a_refund_that_was_taken_stands_whatever_its_data(data: object) -> None:
    play(RICH.refund(ORDER, TOKEN, RECEIPT, 50_000, 77)).calls("POST", "…").replies(
        200, {"result": 1, "data": data}
    ).returns(GivenBack(amount=50_000, done=False))


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        *((code, CodeClass.MERCHANT_CONFIG) for code in (2, 3, 4, 7, 8, 10, 11, 18, 26, 29)),
        *((code, CodeClass.OUR_FAULT) for code in (5, 6, 9, 12, 13, 14, 15, 16, 17, 20, 21)),
        *((code, CodeClass.OUR_FAULT) for code in (22, 23, 24, 25, 44)),
        (45, CodeClass.GATEWAY),
        (0, CodeClass.UNKNOWN),
    ],
)
def test_a_refused_refund_is_classed_by_its_result(code: int, cause: CodeClass) -> None:
    play(RICH.refund(ORDER, TOKEN, RECEIPT, 50_000, 77)).calls("POST", "…").replies(
        200, {"result": code, "message": "متن"}
    ).refuses(cause, str(code))


@pytest.mark.parametrize("listed", [LISTED, [LISTED], [{**LISTED, "description": "5"}, LISTED]])
def test_a_refund_is_found_by_its_number(listed: object) -> None:
    play(RICH.inquire_refund(ORDER, TOKEN, RECEIPT, 50_000, 77, None)).calls(
        "POST",
        "https://api.zibal.ir/v1/account/refund/inquiry",
        {"transactionTrackId": 3_714_061_657},
        headers=BEARER,
    ).replies(200, {"result": 1, "data": listed}).returns(
        GivenBack(amount=50_000, reference="900123")
    )


def test_a_refund_is_found_by_the_banks_number_too() -> None:
    given = GivenBack(reference="900123")
    play(RICH.inquire_refund(ORDER, TOKEN, RECEIPT, 50_000, 77, given)).calls("POST", "…").replies(
        200, {"result": 1, "data": [{**LISTED, "description": None}]}
    ).returns(GivenBack(amount=50_000, reference="900123"))


@pytest.mark.parametrize(
    ("status", "finding"),
    [(0, Finding.PENDING), (1, Finding.PENDING), (9, Finding.UNKNOWN)],
)
def test_a_refund_under_way_is_not_done(status: int, finding: Finding) -> None:
    play(RICH.inquire_refund(ORDER, TOKEN, RECEIPT, 50_000, 77, None)).calls("POST", "…").replies(
        200, {"result": 1, "data": [{**LISTED, "status": status}]}
    ).returns(Inquiry(finding=finding))


def test_a_failed_refund_is_a_no() -> None:
    play(RICH.inquire_refund(ORDER, TOKEN, RECEIPT, 50_000, 77, None)).calls("POST", "…").replies(
        200, {"result": 1, "data": [{**LISTED, "status": 3}]}
    ).refuses(CodeClass.NOT_PAID, "3")


@pytest.mark.parametrize("listed", [[], None, [{**LISTED, "description": "5"}]])
def test_a_refund_that_is_not_listed_did_not_happen(listed: object) -> None:
    play(RICH.inquire_refund(ORDER, TOKEN, RECEIPT, 50_000, 77, None)).calls("POST", "…").replies(
        200, {"result": 1, "data": listed}
    ).refuses(CodeClass.NOT_PAID, "1")


def test_a_refund_without_description_may_be_ours() -> None:
    play(RICH.inquire_refund(ORDER, TOKEN, RECEIPT, 50_000, 77, None)).calls("POST", "…").replies(
        200, {"result": 1, "data": [{**LISTED, "description": ""}]}
    ).returns(Inquiry(finding=Finding.UNKNOWN))


def test_a_refused_refund_inquiry_is_no_answer() -> None:
    play(RICH.inquire_refund(ORDER, TOKEN, RECEIPT, 50_000, 77, None)).calls("POST", "…").replies(
        200, {"result": 6}
    ).refuses(CodeClass.OUR_FAULT, "6")


def test_a_reverse_is_a_refund_of_everything_that_tries_the_card() -> None:
    reversed_data = {"reversed": True, "remaining": 0, "split": []}
    play(RICH.reverse(ORDER, TOKEN, RECEIPT)).calls("POST", "…/v1/inquiry").replies(
        200, INQUIRED
    ).calls(
        "POST",
        "https://api.zibal.ir/v1/account/refund",
        {"trackId": 3_714_061_657, "accountId": "1234", "tryReverse": True, "amount": 200_000},
        headers=BEARER,
    ).replies(200, {"result": 1, "data": reversed_data}).returns(GivenBack(amount=200_000))


@pytest.mark.parametrize("status", [15, 18])
def test_what_went_back_is_not_reversed_again(status: int) -> None:
    play(RICH.reverse(ORDER, TOKEN, RECEIPT)).calls("POST", "…/v1/inquiry").replies(
        200, {**INQUIRED, "status": status}
    ).returns(GivenBack(already=True))


@pytest.mark.parametrize(
    ("status", "cause"),
    [(16, CodeClass.UNKNOWN), (3, CodeClass.NOT_PAID), (-1, CodeClass.UNKNOWN)],
)
def test_what_cannot_be_reversed_now(status: int, cause: CodeClass) -> None:
    play(RICH.reverse(ORDER, TOKEN, RECEIPT)).calls("POST", "…/v1/inquiry").replies(
        200, {**INQUIRED, "status": status}
    ).refuses(cause, str(status))
