"""ZarinPal's requests, replies and returns, as its documents and clients in production show them."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.secret import Secret
from gatewayd.core.terms import (
    Ask,
    Claim,
    CodeClass,
    FirstAlready,
    IfUnverified,
    Operation,
    Order,
    Payer,
    Receipt,
    Redirect,
    Refusal,
    Split,
)
from gatewayd.gateways.contract import (
    Driver,
    Inquirable,
    ListsUnverified,
    Refundable,
    Reply,
    Reversible,
    Settleable,
)
from gatewayd.gateways.zarinpal import Zarinpal, class_of
from tests.playbook import play
from tests.zarinpal_wire import (
    ABOUT,
    AUTHORITY,
    MERCHANT,
    NOK,
    ORDER,
    RECEIPT,
    REFUNDING,
    ZARINPAL,
    error,
    verified,
)

# --- start


def test_start_asks_in_rial_and_verifies_itself() -> None:
    play(ZARINPAL.start(ORDER)).calls(
        "POST",
        "https://payment.zarinpal.com/pg/v4/payment/request.json",
        {
            "merchant_id": MERCHANT,
            "amount": 150000,
            "currency": "IRR",
            "description": "Order 100045",
            "callback_url": "https://shop.example/pay/zarinpal/return?pid=8841",
            "metadata": {
                "mobile": "09120000000",
                "email": "a@shop.example",
                "order_id": "100045",
                "auto_verify": False,
            },
        },
        headers={"Content-Type": "application/json", "Accept": "application/json"},
    ).replies(
        200,
        {
            "data": {
                "code": 100,
                "message": "Success",
                "authority": AUTHORITY,
                "fee_type": "Merchant",
                "fee": 100,
            },
            "errors": [],
        },
    ).returns(
        Redirect(
            token=AUTHORITY,
            url=f"https://payment.zarinpal.com/pg/StartPay/{AUTHORITY}",
            method="get",
        )
    )


def sent(order: Order) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(next(ZARINPAL.start(order)).body)
    return document


def test_a_description_is_always_there_and_never_too_long() -> None:
    assert sent(replace(ORDER, description=" "))["description"] == "Order 100045"
    assert len(sent(replace(ORDER, description="ش" * 600))["description"]) == 500


def test_only_what_the_shop_told_of_the_payer_is_sent() -> None:
    assert sent(replace(ORDER, payer=Payer(name="علی", national_id="0012345679")))["metadata"] == {
        "order_id": "100045",
        "auto_verify": False,
    }


@pytest.mark.parametrize(
    ("cards", "card"),
    [((), None), (("5022291000005995",), "5022291000005995"), (("1" * 16, "2" * 16), None)],
)
def test_one_card_can_be_enforced_and_a_choice_cannot(
    cards: tuple[str, ...], card: str | None
) -> None:
    metadata = sent(replace(ORDER, payer=Payer(allowed_cards=cards)))["metadata"]
    assert metadata.get("card_pan") == card
    assert (frozenset({"allowed_cards"}), 1) == (
        ZARINPAL.traits.payer_checks,
        ZARINPAL.traits.cards_max,
    )


def test_splits_are_wages() -> None:
    iban = "IR" + "1" * 24
    assert sent(replace(ORDER, splits=(Split(iban=iban, amount=50_000),)))["wages"] == [
        {"iban": iban, "amount": 50000, "description": "Order 100045"}
    ]


@pytest.mark.parametrize(
    ("status", "body", "refusal"),
    [
        (
            422,
            {
                "data": [],
                "errors": {
                    "code": -9,
                    "message": "The input params invalid, validation error.",
                    "validations": [{"merchant_id": "The merchant id field is required."}],
                },
            },
            Refusal(
                cause=CodeClass.OUR_FAULT,
                code="-9",
                message="The input params invalid, validation error.",
            ),
        ),
        (
            200,
            error(-11, "Terminal is not active, please contact our support team."),
            Refusal(
                cause=CodeClass.MERCHANT_CONFIG,
                code="-11",
                message="Terminal is not active, please contact our support team.",
            ),
        ),
        (401, error("-15"), Refusal(cause=CodeClass.MERCHANT_CONFIG, code="-15", message="no")),
        (
            400,
            {"data": {}, "errors": [{"code": "-12", "message": "To many attempts"}]},
            Refusal(cause=CodeClass.GATEWAY, code="-12"),
        ),
        (
            422,
            {"message": "given data invalid", "errors": {"amount": ["The amount is required."]}},
            Refusal(cause=CodeClass.OUR_FAULT, code="-9", message="given data invalid"),
        ),
        (
            200,
            {"data": {"code": -52, "message": "Oops"}, "errors": []},
            Refusal(cause=CodeClass.GATEWAY, code="-52", message="Oops"),
        ),
    ],
)
def test_start_refused_in_every_shape(status: int, body: dict[str, Any], refusal: Refusal) -> None:
    play(ZARINPAL.start(ORDER)).calls("POST", "…/request.json").replies(status, body).returns(
        refusal
    )


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (403, b"<html>403 Forbidden</html>", "HTTP 403 without JSON"),
        (502, b"", "HTTP 502 without JSON"),
        (429, {"message": "Too Many Attempts."}, "data"),
        (200, {"data": [], "errors": []}, "code"),
        (200, {"data": {"code": 100, "authority": "A1"}, "errors": []}, "authority"),
        (200, {"data": {"code": 100, "authority": f"../{AUTHORITY[3:]}"}}, "authority"),
        (200, {"data": {"code": 100}, "errors": []}, "authority"),
        (200, {"data": [], "errors": {"message": "no code"}}, "errors"),
        (200, {"data": [], "errors": "text"}, "errors"),
        (200, {"data": [], "errors": {"code": "minus nine"}}, "code"),
    ],
)
def test_start_does_not_guess(status: int, body: Any, why: str) -> None:
    play(ZARINPAL.start(ORDER)).calls("POST", "…/request.json").replies(status, body).malformed(why)


# --- verify


@pytest.mark.parametrize("code", [100, "100", 100.0], ids=repr)
def test_verify_sends_the_very_amount_and_brings_the_receipt(code: Any) -> None:
    play(ZARINPAL.verify(ORDER, AUTHORITY, None)).calls(
        "POST",
        "https://payment.zarinpal.com/pg/v4/payment/verify.json",
        ABOUT | {"amount": 150000},
    ).replies(200, verified(code)).returns(RECEIPT)


@pytest.mark.parametrize("code", [101, "101"], ids=repr)
def test_verified_before_is_a_yes_with_the_same_receipt(code: Any) -> None:
    play(ZARINPAL.verify(ORDER, AUTHORITY, None)).calls("POST", "…/verify.json").replies(
        200, verified(code, message="Verified")
    ).returns(replace(RECEIPT, already=True))


def test_a_yes_without_details_is_still_a_yes() -> None:
    play(ZARINPAL.verify(ORDER, AUTHORITY, None)).calls("POST", "…/verify.json").replies(
        200, {"data": {"code": 100, "order_id": None, "ref_id": "201"}, "errors": {}}
    ).returns(Receipt(ref_num="201"))


def test_a_yes_about_an_order_that_is_no_number_is_not_believed() -> None:
    play(ZARINPAL.verify(ORDER, AUTHORITY, None)).calls("POST", "…/verify.json").replies(
        200, verified(100, order_id="another shop's")
    ).malformed("order_id")


@pytest.mark.parametrize(
    ("status", "body", "cause", "code"),
    [
        (401, error(-51, "Session is not valid"), CodeClass.DECLINED, "-51"),
        (200, error("-51"), CodeClass.DECLINED, "-51"),
        (401, error(-50), CodeClass.OUR_FAULT, "-50"),
        (401, error(-53), CodeClass.MERCHANT_CONFIG, "-53"),
        (401, error(-54), CodeClass.NOT_PAID, "-54"),
        (401, error(-55), CodeClass.NOT_PAID, "-55"),
        (200, error(-52), CodeClass.UNKNOWN, "-52"),
        (200, error(-999), CodeClass.UNKNOWN, "-999"),
        (
            422,
            {"message": "no", "errors": {"authority": ["Invalid authority.", "-54"]}},
            CodeClass.NOT_PAID,
            "-54",
        ),
    ],
)
def test_verify_refused(status: int, body: dict[str, Any], cause: CodeClass, code: str) -> None:
    flow = ZARINPAL.verify(ORDER, AUTHORITY, Claim(outcome=CodeClass.OK))
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(Reply(status=status, body=json.dumps(body).encode()))
    assert (cause, code) == (end.value.value.cause, end.value.value.code)


def test_not_paid_after_a_nok_is_the_payers_cancel() -> None:
    play(ZARINPAL.verify(ORDER, AUTHORITY, NOK)).calls("POST", "…/verify.json").replies(
        401, error(-51)
    ).returns(Refusal(cause=CodeClass.CANCELLED, code="-51", message="no"))


CLASSES = {
    CodeClass.OK: [100],
    CodeClass.OUR_FAULT: [
        *(-2, -3, -4, -5, -9, -32, -33, -34, -35, -36, -40, -41, -50, -61, -63, 429, -429),
    ],
    CodeClass.GATEWAY: [-12, -52, -60],
    CodeClass.MERCHANT_CONFIG: [
        *(-10, -11, -13, -14, -15, -16, -17, -18, -19, -30, -31, -37, -38, -39, -53, -62),
    ],
    CodeClass.DECLINED: [-51],
    CodeClass.NOT_PAID: [-54, -55],
    CodeClass.UNKNOWN: [101, -1, 0, 5],
}


@pytest.mark.parametrize(
    ("code", "cause"), [(code, cause) for cause, codes in CLASSES.items() for code in codes]
)
def test_every_code_has_its_class(code: int, cause: CodeClass) -> None:
    assert class_of(Operation.START, str(code)) is cause


@pytest.mark.parametrize(
    ("operation", "code", "cause"),
    [
        (Operation.VERIFY, "101", CodeClass.ALREADY_DONE),
        (Operation.VERIFY, "-52", CodeClass.UNKNOWN),
        (Operation.REVERSE, "-54", CodeClass.UNKNOWN),
    ],
)
def test_some_codes_mean_another_thing_elsewhere(
    operation: Operation, code: str, cause: CodeClass
) -> None:
    assert class_of(operation, code) is cause


# --- the return


@pytest.mark.parametrize(
    ("fields", "claim"),
    [
        (
            {"pid": "8841", "Authority": AUTHORITY, "Status": "OK"},
            Claim(outcome=CodeClass.OK, code="OK", token=AUTHORITY),
        ),
        ({"pid": "8841", "Authority": AUTHORITY, "Status": "NOK"}, NOK),
        ({"authority": AUTHORITY, "STATUS": "nok"}, NOK),
        ({"Authority": "", "Status": "Maybe"}, Claim(outcome=CodeClass.UNKNOWN, code="MAYBE")),
        ({}, Claim(outcome=CodeClass.UNKNOWN)),
    ],
)
def test_what_a_return_says(fields: dict[str, str], claim: Claim) -> None:
    assert ZARINPAL.read_return(fields) == claim


@given(st.dictionaries(st.sampled_from(["Authority", "Status", "status"]) | st.text(), st.text()))
def test_no_browser_can_make_a_return_raise(fields: dict[str, str]) -> None:
    assert ZARINPAL.read_return(fields).outcome in {
        CodeClass.OK,
        CodeClass.CANCELLED,
        CodeClass.UNKNOWN,
    }


# --- the contract


def test_it_has_the_powers_that_the_bank_has() -> None:
    driver: Driver = ZARINPAL
    powers = (Inquirable, Reversible, ListsUnverified, Refundable, Settleable)
    assert [isinstance(driver, power) for power in powers] == [True, True, True, True, False]


def test_its_traits() -> None:
    traits = ZARINPAL.traits
    assert (traits.unverified, traits.verify_within_seconds) == (IfUnverified.HELD, 1_200)
    assert (traits.ask, traits.first_already) == (Ask.INQUIRY, FirstAlready.ACCEPT)
    assert (traits.reverse_within_seconds, traits.lists_unverified) == (1_800, True)


def test_refunds_need_an_access_token() -> None:
    assert (ZARINPAL.traits.refunds, REFUNDING.traits.refunds) == (False, True)
    assert ZARINPAL.base_urls == ("https://payment.zarinpal.com",)
    assert REFUNDING.base_urls == ("https://payment.zarinpal.com", "https://next.zarinpal.com")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"merchant_id": "zibal"}, "merchant_id"),
        ({"merchant_id": MERCHANT.replace("1", "A")}, "merchant_id"),
        ({"base_url": "payment.zarinpal.com"}, "base_url"),
        ({"refund_url": "https://next.zarinpal.com/"}, "refund_url"),
        ({"terminal_id": "x", "access_token": Secret("t0ken")}, "terminal_id"),
        ({"access_token": Secret("t0ken")}, "terminal_id"),
        ({"terminal_id": "238"}, "terminal_id"),
        ({"refund_method": "SATNA"}, "refund_method"),
    ],
)
def test_a_bad_field_is_named_and_no_secret_shown(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named) as caught:
        Zarinpal(**({"merchant_id": MERCHANT} | fields))
    assert "t0ken" not in str(caught.value)
