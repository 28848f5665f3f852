"""ZarinPal's requests, replies and returns, as its documents and clients in production show them."""

import json
from collections.abc import Callable
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
    Finding,
    FirstAlready,
    GivenBack,
    IfUnverified,
    Inquiry,
    Operation,
    Order,
    Payer,
    Receipt,
    Redirect,
    Refusal,
    Split,
    Unverified,
)
from gatewayd.gateways.contract import (
    Driver,
    Flow,
    Inquirable,
    ListsUnverified,
    MalformedReply,
    Refundable,
    Reply,
    Reversible,
    Settleable,
)
from gatewayd.gateways.zarinpal import REFUND_QUERY, SESSION_QUERY, Zarinpal, class_of
from tests.playbook import play

MERCHANT = "11111111-2222-3333-4444-555555555555"
AUTHORITY = "A0000000000000000000000000000wwOGYpd"
ABOUT = {"merchant_id": MERCHANT, "authority": AUTHORITY}
HASH = "1EBE3EBEBE35C7EC0F8D6EE4F2F859107A87822CA179BC9528767EA7B5489B69"

ZARINPAL = Zarinpal(merchant_id=MERCHANT)
REFUNDING = Zarinpal(merchant_id=MERCHANT, access_token=Secret("t0ken"), terminal_id="238")
ORDER = Order(
    bank_order=100045,
    amount=150_000,
    callback_url="https://shop.example/pay/zarinpal/return?pid=8841",
    made_at=1_739_284_866.0,
    description="Order 100045",
    payer=Payer(mobile="09120000000", email="a@shop.example"),
)
RECEIPT = Receipt(bank_order=100045, ref_num="59421827101", card="502229******5995")
NOK = Claim(outcome=CodeClass.CANCELLED, code="NOK", token=AUTHORITY)


def verified(code: Any, **other: Any) -> dict[str, Any]:
    data = {
        "code": code,
        "message": "Paid",
        "card_hash": HASH,
        "card_pan": "502229******5995",
        "ref_id": 59421827101,
        "fee_type": "Merchant",
        "fee": 0,
        "shaparak_fee": "1200",
        "order_id": "100045",
        "wages": [],
    }
    return {"data": data | other, "errors": []}


def error(code: Any, message: str = "no", **other: Any) -> dict[str, Any]:
    return {"data": [], "errors": {"code": code, "message": message, "validations": []} | other}


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
    assert ZARINPAL.traits.payer_checks == frozenset()


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


# --- asking


@pytest.mark.parametrize(
    ("status", "finding"),
    [
        ("PAID", Finding.PAID),
        ("VERIFIED", Finding.VERIFIED),
        ("IN_BANK", Finding.PENDING),
        ("FAILED", Finding.NOT_PAID),
        ("REVERSED", Finding.REVERSED),
        ("PENDING", Finding.UNKNOWN),
        ("paid", Finding.PAID),
        ("SOMETHING", Finding.UNKNOWN),
        (None, Finding.UNKNOWN),
    ],
)
def test_an_inquiry_finds(status: str | None, finding: Finding) -> None:
    play(ZARINPAL.inquire(ORDER, AUTHORITY, None)).calls(
        "POST", "https://payment.zarinpal.com/pg/v4/payment/inquiry.json", ABOUT
    ).replies(
        200, {"data": {"status": status, "code": 100, "message": "Success"}, "errors": []}
    ).returns(Inquiry(finding=finding))


def test_an_inquiry_may_name_the_amount() -> None:
    play(ZARINPAL.inquire(ORDER, AUTHORITY, None)).calls("POST", "…/inquiry.json").replies(
        200, {"data": {"status": "PAID", "code": 100, "amount": 150000}, "errors": []}
    ).returns(Inquiry(finding=Finding.PAID, receipt=Receipt(amount=150_000)))


def test_an_inquiry_about_an_unknown_authority() -> None:
    play(ZARINPAL.inquire(ORDER, AUTHORITY, None)).calls("POST", "…/inquiry.json").replies(
        401, error(-54)
    ).returns(Refusal(cause=CodeClass.NOT_PAID, code="-54", message="no"))


def test_the_unverified_are_listed() -> None:
    row = {
        "authority": AUTHORITY,
        "amount": 150000,
        "callback_url": "https://shop.example/pay/zarinpal/return?pid=8841",
        "referer": "https://shop.example/",
        "date": "2020-07-01 17:33:25",
    }
    play(ZARINPAL.list_unverified()).calls(
        "POST",
        "https://payment.zarinpal.com/pg/v4/payment/unVerified.json",
        {"merchant_id": MERCHANT},
    ).replies(
        200,
        {"data": {"code": "100", "message": "Success", "authorities": [row]}, "errors": []},
    ).returns((Unverified(token=AUTHORITY, amount=150_000),))


@pytest.mark.parametrize("none", [{}, {"authorities": []}, {"authorities": None}])
def test_nothing_is_unverified(none: dict[str, Any]) -> None:
    play(ZARINPAL.list_unverified()).calls("POST", "…/unVerified.json").replies(
        200, {"data": {"code": 100, **none}, "errors": []}
    ).returns(())


@pytest.mark.parametrize("rows", [{"a": 1}, ["text"], [{"amount": 1}], "x"])
def test_a_list_that_is_none_is_malformed(rows: Any) -> None:
    play(ZARINPAL.list_unverified()).calls("POST", "…/unVerified.json").replies(
        200, {"data": {"code": 100, "authorities": rows}, "errors": []}
    ).malformed()


# --- giving back


def test_a_reverse() -> None:
    play(ZARINPAL.reverse(ORDER, AUTHORITY, RECEIPT)).calls(
        "POST", "https://payment.zarinpal.com/pg/v4/payment/reverse.json", ABOUT
    ).replies(200, {"data": {"code": 100, "message": "Reversed"}, "errors": []}).returns(
        GivenBack()
    )


def test_a_repeated_reverse_is_known_by_an_inquiry() -> None:
    play(ZARINPAL.reverse(ORDER, AUTHORITY, RECEIPT)).calls("POST", "…/reverse.json").replies(
        401, error(-61)
    ).calls("POST", "…/inquiry.json", ABOUT).replies(
        200, {"data": {"status": "REVERSED", "code": 100}, "errors": []}
    ).returns(GivenBack(already=True))


@pytest.mark.parametrize(
    "found", [{"data": {"status": "VERIFIED", "code": 100}, "errors": []}, error(-54)]
)
def test_not_reversible_and_not_reversed_either(found: dict[str, Any]) -> None:
    play(ZARINPAL.reverse(ORDER, AUTHORITY, RECEIPT)).calls("POST", "…/reverse.json").replies(
        401, error(-61)
    ).calls("POST", "…/inquiry.json").replies(200, found).returns(
        Refusal(cause=CodeClass.OUR_FAULT, code="-61", message="no")
    )


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (-60, CodeClass.GATEWAY),
        (-62, CodeClass.MERCHANT_CONFIG),
        (-63, CodeClass.OUR_FAULT),
        (-54, CodeClass.UNKNOWN),
    ],
)
def test_a_reverse_refused(code: int, cause: CodeClass) -> None:
    body = {"data": {}, "errors": {"message": "no", "code": code, "validations": []}}
    play(ZARINPAL.reverse(ORDER, AUTHORITY, RECEIPT)).calls("POST", "…/reverse.json").replies(
        200, body
    ).returns(Refusal(cause=cause, code=str(code), message="no"))


GRAPHQL = "https://next.zarinpal.com/api/v4/graphql/"
LOOK_UP = {"query": SESSION_QUERY, "variables": {"t": "238", "r": "59421827101"}}


def sessions(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"resource": list(rows)}}


SESSION = {"id": "385404539", "status": "VERIFIED", "amount": 150000}


def refund(amount: int = 20_000, receipt: Receipt = RECEIPT) -> Flow[GivenBack | Refusal]:
    return REFUNDING.refund(ORDER, AUTHORITY, receipt, amount, 100046)


def inquire(amount: int = 20_000) -> Flow[GivenBack | Inquiry | Refusal]:
    return REFUNDING.inquire_refund(ORDER, AUTHORITY, RECEIPT, amount, 100046, None)


def test_a_refund_looks_the_session_up_and_asks_once() -> None:
    play(refund()).calls(
        "POST", GRAPHQL, LOOK_UP, headers={"Authorization": "Bearer t0ken"}
    ).replies(200, sessions(SESSION)).calls(
        "POST",
        GRAPHQL,
        {
            "query": REFUND_QUERY,
            "variables": {
                "s": "385404539",
                "a": 20000,
                "d": "Refund 100046",
                "m": "CARD",
                "r": "CUSTOMER_REQUEST",
            },
        },
        headers={"Authorization": "Bearer t0ken"},
    ).replies(
        200,
        {
            "data": {
                "resource": {
                    "id": "1234567890",
                    "terminal_id": "238",
                    "amount": 20000,
                    "timeline": {
                        "refund_status": "PENDING",
                        "refund_amount": 20000,
                        "refund_time": "2024-08-25T15:00:00+03:30",
                    },
                }
            }
        },
    ).returns(GivenBack(reference="1234567890"))


def test_a_refund_too_small_is_never_asked_for() -> None:
    play(refund(19_999)).returns(
        Refusal(
            cause=CodeClass.NOT_PAID,
            code="amount",
            message="the bank refunds 20,000 rial at least",
        )
    )


NO_SESSION = Refusal(
    cause=CodeClass.NOT_PAID, code="session", message="the panel shows no such payment"
)


def test_a_refund_without_a_reference_is_never_asked_for() -> None:
    play(refund(receipt=Receipt())).returns(NO_SESSION)


@pytest.mark.parametrize(
    "rows", [[], [SESSION, SESSION], [{"id": "1", "amount": 1}], ["text"], [None]]
)
def test_a_refund_needs_exactly_one_session_of_this_amount(rows: list[Any]) -> None:
    play(refund()).calls("POST", GRAPHQL, LOOK_UP).replies(200, sessions(*rows)).returns(NO_SESSION)


FAILED = {"errors": [{"message": "Internal server error"}], "data": None}


def test_a_failed_look_up_moved_nothing() -> None:
    play(refund()).calls("POST", GRAPHQL).replies(200, FAILED).returns(
        Refusal(cause=CodeClass.NOT_PAID, code="graphql", message="Internal server error")
    )


def test_a_failed_refund_may_have_moved_something() -> None:
    play(refund()).calls("POST", GRAPHQL).replies(200, sessions(SESSION)).calls(
        "POST", GRAPHQL
    ).replies(200, FAILED).returns(
        Refusal(cause=CodeClass.UNKNOWN, code="graphql", message="Internal server error")
    )


REFUSED_TOKEN = Refusal(cause=CodeClass.MERCHANT_CONFIG, code="401", message="access_token refused")


def test_a_refused_access_token_is_our_registration() -> None:
    play(refund()).calls("POST", GRAPHQL).replies(401, {"message": "Unauthenticated."}).returns(
        REFUSED_TOKEN
    )
    play(inquire()).calls("POST", GRAPHQL).replies(401, b"").returns(REFUSED_TOKEN)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", {}, {"data": None}, {"data": {"resource": None}}, {"data": {"x": {}}}]
)
def test_an_odd_answer_to_a_refund_is_not_known(body: Any) -> None:
    play(refund()).calls("POST", GRAPHQL).replies(200, sessions(SESSION)).calls(
        "POST", GRAPHQL
    ).replies(200, body).malformed()


def test_a_whole_refund_is_known_by_the_sessions_status() -> None:
    play(inquire(150_000)).calls("POST", GRAPHQL, LOOK_UP).replies(
        200, sessions(SESSION | {"status": "REFUNDED"})
    ).returns(GivenBack(reference="385404539"))


@pytest.mark.parametrize(
    ("amount", "rows"),
    [
        (20_000, [SESSION | {"status": "REFUNDED"}]),
        (150_000, [SESSION]),
        (150_000, []),
    ],
)
def test_any_other_refund_stays_unknown(amount: int, rows: list[dict[str, Any]]) -> None:
    play(inquire(amount)).calls("POST", GRAPHQL, LOOK_UP).replies(200, sessions(*rows)).returns(
        Inquiry(finding=Finding.UNKNOWN)
    )


# --- whatever comes

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from([100, "100", -61, "PAID", 150000, AUTHORITY]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("code", "message", "errors", "data", "authority", "authorities", "amount"),
                    *("status", "ref_id", "order_id", "card_pan", "resource", "id"),
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FLOWS: dict[str, Callable[[], Flow[Any]]] = {
    "start": lambda: ZARINPAL.start(ORDER),
    "verify": lambda: ZARINPAL.verify(ORDER, AUTHORITY, NOK),
    "inquire": lambda: ZARINPAL.inquire(ORDER, AUTHORITY, None),
    "list_unverified": ZARINPAL.list_unverified,
    "reverse": lambda: ZARINPAL.reverse(ORDER, AUTHORITY, RECEIPT),
    "refund": refund,
    "inquire_refund": inquire,
}


@given(
    st.sampled_from(sorted(FLOWS)),
    st.sampled_from([200, 401, 422, 500]),
    st.lists(
        st.binary(max_size=60)
        | JSON.map(lambda document: json.dumps(document).encode())
        | st.fixed_dictionaries({"data": JSON, "errors": JSON}).map(
            lambda document: json.dumps(document).encode()
        ),
        min_size=2,
        max_size=2,
    ),
)
def test_any_replies_give_a_value_or_malformed(name: str, status: int, bodies: list[bytes]) -> None:
    flow = FLOWS[name]()
    next(flow)
    with pytest.raises((StopIteration, MalformedReply)):
        send_all(flow, status, bodies)


def send_all(flow: Flow[Any], status: int, bodies: list[bytes]) -> None:
    for body in bodies:
        flow.send(Reply(status=status, body=body))


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
