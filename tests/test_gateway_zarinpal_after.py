"""What ZarinPal can be asked and told after the return: inquiry, unverified, reverse, refund."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.terms import (
    CodeClass,
    Finding,
    GivenBack,
    Inquiry,
    Receipt,
    Refusal,
    Unverified,
)
from gatewayd.gateways.contract import (
    Flow,
    MalformedReply,
    Reply,
)
from gatewayd.gateways.zarinpal import REFUND_QUERY, SESSION_QUERY
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
)

# --- asking


@pytest.mark.parametrize(
    ("status", "finding"),
    [
        ("PAID", Finding.PAID),
        ("VERIFIED", Finding.VERIFIED),
        ("IN_BANK", Finding.PENDING),
        ("FAILED", Finding.NOT_PAID),
        ("REVERSED", Finding.REVERSED),
        ("PENDING", Finding.PENDING),
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
