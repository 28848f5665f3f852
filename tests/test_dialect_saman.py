"""Saman in the simulator answers as SEP does: every call, code and return of its documents."""

import hashlib
from typing import Any

import orjson
import pytest

from gatewayd.simulator.bank import Session, State
from gatewayd.simulator.dialects.saman import Saman
from gatewayd.simulator.incoming import departure, read_request
from gatewayd.simulator.payers import Decision, Outcome
from tests.banks import (
    CALLBACK,
    CARD_MD5,
    CARD_SHA256,
    MORNING,
    PAGE,
    TERMINAL,
    TOKEN,
    VERIFY,
    back,
    form_request,
    json_request,
    paid,
    read,
    shop,
    switched,
    token_request,
)

# --- token


def test_a_token_is_32_hexadecimal_digits() -> None:
    answer = shop().ask(TOKEN, token_request())
    assert {"status", "token"} == answer.keys()
    assert 1 == answer["status"]
    assert 32 == len(answer["token"])
    assert set(answer["token"]) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "Token"},
        {"action": "TOKEN"},
        {"TerminalId": TERMINAL},
        {"Amount": "150000"},
        {"ResNum": 100000042},
        {"ResNum": "0b7f3c7e-3c5c-4f7e-9d43-0f6f0a5c1f11"},
        {"RedirectUrl": None, "RedirectURL": CALLBACK},
        {"CellNumber": "09120000000"},
        {"CellNumber": "9120000000"},
        {"ResNum1": "", "ResNum2": "", "ResNum3": "", "ResNum4": ""},
        {"SomethingElse": {"deep": 1}},
        {"SettlementIbanInfo": [{"IBAN": "IR" + "1" * 24, "Amount": 150000, "PurchaseId": "0"}]},
        {"TranType": "Government"},
    ],
)
def test_what_clients_send_gets_a_token(changes: dict[str, Any]) -> None:
    assert 1 == shop().ask(TOKEN, token_request(**changes))["status"]


@pytest.mark.parametrize("path", [TOKEN, "/OnlinePG/OnlinePG", "/ONLINEPG/onlinepg/"])
def test_the_path_is_read_in_any_case(path: str) -> None:
    assert 1 == shop().ask(path, token_request())["status"]


def test_a_missing_order_number_is_code_5_with_both_messages() -> None:
    assert {
        "status": -1,
        "errorCode": "5",
        "errorDesc": "پارامتر نادرست;ResNum ارسال نشده",
    } == shop().ask(TOKEN, token_request(ResNum=None))


def test_an_unregistered_caller_is_code_8() -> None:
    assert {
        "status": -1,
        "errorCode": "8",
        "errorDesc": "آی‌پی سرور ثبت نشده",
    } == switched(terminal="foreign_address").ask(TOKEN, token_request())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"action": "verify"}, "5"),
        ({"action": None}, "5"),
        ({"TerminalId": "99999999"}, "12"),
        ({"TerminalId": None}, "12"),
        ({"Amount": None}, "5"),
        ({"Amount": 0}, "5"),
        ({"Amount": -5}, "5"),
        ({"Amount": 1500.5}, "5"),
        ({"Amount": "150000.00"}, "5"),
        ({"Amount": "۱۵۰۰۰۰"}, "5"),
        ({"Amount": True}, "5"),
        ({"ResNum": ""}, "5"),
        ({"ResNum": "7" * 256}, "5"),
        ({"RedirectUrl": None}, "5"),
        ({"RedirectUrl": "/relative"}, "5"),
        ({"RedirectUrl": "javascript:alert(1)"}, "5"),
        ({"RedirectUrl": "https://shop.example/" + "x" * 2083}, "5"),
        ({"redirecturl": CALLBACK, "RedirectUrl": None}, "5"),
        ({"ResNum1": "7" * 51}, "5"),
        ({"HashedCardNumber": "not a hash"}, "5"),
        ({"HashedCardNumber": "|".join([CARD_MD5] * 11)}, "5"),
        ({"SettlementIbanInfo": "x"}, "21"),
        ({"SettlementIbanInfo": [{"IBAN": "IR1", "Amount": 1}]}, "21"),
        ({"SettlementIbanInfo": [{"IBAN": "IR" + "1" * 24, "Amount": 150001}]}, "21"),
        ({"SettlementIbanInfo": [{"IBAN": "IR" + "1" * 24, "Amount": 1}] * 10}, "21"),
    ],
)
def test_a_bad_token_request_is_refused_by_code_and_opens_nothing(
    changes: dict[str, Any], code: str
) -> None:
    merchant = shop()
    answer = merchant.ask(TOKEN, token_request(**changes))
    assert (-1, code) == (answer["status"], answer["errorCode"])
    assert answer["errorDesc"]
    assert [] == merchant.banks.book.ledger(MORNING)


def test_a_disabled_terminal_is_code_20() -> None:
    answer = switched(terminal="disabled").ask(TOKEN, token_request())
    assert "20" == answer["errorCode"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_a_body_that_is_no_object_is_code_5(body: bytes) -> None:
    merchant = shop()
    headers = {"content-type": "application/json"}
    _, request = read_request(
        method="POST", target=f"/saman{TOKEN}", origin="http://h", headers=headers, body=body
    )
    exchange = merchant.banks.answer("saman", request, MORNING)
    assert exchange is not None
    assert "5" == read(exchange)["errorCode"]


def test_the_same_order_number_gets_another_token() -> None:
    merchant = shop()
    first, second = merchant.start(), merchant.start()
    assert first.token != second.token
    assert first.order == second.order


@pytest.mark.parametrize(
    ("minutes", "lives"),
    [(None, 20), (20, 20), ("30", 30), (0, 20), (5, 20), (60, 60), (9999, 3600)],
)
def test_the_token_lives_as_long_as_the_client_chose_within_bounds(
    minutes: object, lives: int
) -> None:
    merchant = shop()
    session = merchant.start(TokenExpiryInMin=minutes)
    states = []
    for beyond in (0, 1):
        merchant.banks.book.find("saman", session.token, MORNING + lives * 60 + beyond)
        states.append(session.state)
    assert [State.CREATED, State.EXPIRED] == states


def test_another_page_is_named_in_a_header_where_that_is_switched_on() -> None:
    merchant = switched(page_header="on")
    exchange = merchant.call(TOKEN, token_request())
    assert exchange.reply is not None
    page = exchange.reply.headers["x-ipg-url"]
    assert "http://127.0.0.1:9100/saman/transaction/init" == page
    token = orjson.loads(exchange.reply.body)["token"]
    request = form_request("/transaction/init", {"Token": token})
    opened = merchant.banks.open_page("saman", request, MORNING)
    assert isinstance(opened, Session)
    assert "x-ipg-url" not in (shop().call(TOKEN, token_request()).reply or exchange.reply).headers


# --- page


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", PAGE),
        ("POST", "/onlinepg/onlinepg"),
        ("GET", "/OnlinePG/SendToken?token={token}"),
        ("GET", "/onlinepg/sendtoken?Token={token}"),
    ],
)
def test_the_page_opens_by_form_and_by_link(method: str, target: str) -> None:
    merchant = shop()
    session = merchant.start()
    form = method == "POST"
    _, request = read_request(
        method=method,
        target="/saman" + target.format(token=session.token),
        origin="http://h",
        headers={"content-type": "application/x-www-form-urlencoded"} if form else {},
        body=f"Token={session.token}&GetMethod=&language=fa".encode() if form else b"",
    )
    assert merchant.banks.answer("saman", request, MORNING) is None
    assert merchant.banks.is_page("saman", request)
    assert session is merchant.banks.open_page("saman", request, MORNING)
    assert State.WITH_PAYER is session.state


def test_a_call_is_no_page_and_other_paths_are_neither() -> None:
    dialect = Saman(({"terminal_id": "13579246"},))
    assert not dialect.is_page(json_request(TOKEN, token_request()))
    assert not dialect.is_page(json_request(VERIFY, {}))
    assert not dialect.is_page(form_request("/payment.aspx", {"Token": "x"}))


@pytest.mark.parametrize("choice", ["true", "True", " TRUE "])
def test_get_method_makes_the_return_a_get(choice: str) -> None:
    merchant = shop()
    session = merchant.start()
    form = {"Token": session.token, "GetMethod": choice}
    merchant.banks.open_page("saman", form_request(PAGE, form), MORNING)
    leaving = merchant.banks.act(session, Decision(outcome=Outcome.CANCEL), MORNING)
    assert leaving.back is not None
    leaves = departure(leaving.back)
    assert "GET" == leaves.method
    assert leaves.url.startswith(CALLBACK + "&MID=13579246&TerminalId=13579246&State=Canceled")


@pytest.mark.parametrize("choice", ["", "false", "1"])
def test_otherwise_the_return_is_a_post(choice: str) -> None:
    merchant = shop()
    session = merchant.start()
    form = {"Token": session.token, "GetMethod": choice}
    merchant.banks.open_page("saman", form_request(PAGE, form), MORNING)
    leaving = merchant.banks.act(session, Decision(outcome=Outcome.CANCEL), MORNING)
    assert leaving.back is not None
    assert "post" == leaving.back.method


# --- return


def test_a_paid_return_has_every_field() -> None:
    merchant = shop()
    session = merchant.start()
    fields = back(merchant, session, Outcome.PAID)
    assert {
        "MID": "13579246",
        "TerminalId": "13579246",
        "State": "OK",
        "Status": "2",
        "Rrn": session.rrn,
        "RefNum": session.ref_num,
        "ResNum": "100000042",
        "TraceNo": session.trace_no,
        "Amount": "150000",
        "Wage": "",
        "SecurePan": "621986******9007",
        "HashedCardNumber": CARD_SHA256,
        "Token": session.token,
    } == fields
    assert (12, 6) == (len(session.rrn), len(session.trace_no))


def test_a_reference_looks_like_base64_and_is_at_most_50_long() -> None:
    merchant = shop()
    references = [paid(merchant).ref_num for _ in range(50)]
    assert len(set(references)) == 50
    assert {30} == {len(reference) for reference in references}
    assert {"+", "/"} <= set("".join(references))


@pytest.mark.parametrize(
    ("outcome", "state", "status"),
    [(Outcome.CANCEL, "CanceledByUser", "1"), (Outcome.DECLINE, "Failed", "3")],
)
def test_an_unpaid_return_has_the_same_fields_most_of_them_empty(
    outcome: Outcome, state: str, status: str
) -> None:
    merchant = shop()
    session = merchant.start()
    assert {
        "MID": "13579246",
        "TerminalId": "13579246",
        "State": state,
        "Status": status,
        "Rrn": "",
        "RefNum": "",
        "ResNum": "100000042",
        "TraceNo": "",
        "Amount": "150000",
        "Wage": "",
        "SecurePan": "",
        "HashedCardNumber": "",
        "Token": session.token,
    } == back(merchant, session, outcome, "51")


@pytest.mark.parametrize("code", ["51", "55", "91"])
def test_every_decline_looks_alike(code: str) -> None:
    merchant = shop()
    fields = back(merchant, merchant.start(), Outcome.DECLINE, code)
    assert ("Failed", "3") == (fields["State"], fields["Status"])


def test_some_terminals_leave_the_token_out() -> None:
    merchant = switched(return_token="absent")
    assert "Token" not in back(merchant, merchant.start(), Outcome.PAID)


def test_newer_terminals_return_token_and_reference_only_by_get() -> None:
    merchant = switched(**{"return": "receipt"})
    session = merchant.start()
    leaving = merchant.banks.act(session, Decision(outcome=Outcome.PAID), MORNING)
    assert leaving.back is not None
    assert "get" == leaving.back.method
    assert {"Token": session.token, "RefNum": session.ref_num} == leaving.back.fields
    cancelled = merchant.start()
    assert {"Token": cancelled.token, "RefNum": ""} == back(merchant, cancelled, Outcome.CANCEL)


def test_a_card_that_the_merchant_did_not_allow_is_declined_at_the_end() -> None:
    merchant = shop()
    other = hashlib.md5(b"5022291070873466", usedforsecurity=False).hexdigest()
    refused = merchant.start(HashedCardNumber=other)
    assert "Failed" == back(merchant, refused, Outcome.PAID)["State"]
    assert State.DECLINED is refused.state
    allowed = merchant.start(HashedCardNumber=f"{other};{CARD_MD5.upper()}")
    assert "OK" == back(merchant, allowed, Outcome.PAID)["State"]


def test_a_merchant_may_post_forms() -> None:
    """One client in the field does, with names spelt its own way."""
    merchant = shop()
    fields = {
        "action": "token",
        "TerminalId": str(TERMINAL),
        "Amount": "150000",
        "ResNum": "100000042",
        "redirectUrl": CALLBACK,
        "cellNumber": "",
    }
    request = form_request(TOKEN, fields)
    assert not merchant.banks.is_page("saman", request)
    exchange = merchant.banks.answer("saman", request, merchant.clock.now)
    assert exchange is not None
    token = read(exchange)["token"]
    session = merchant.banks.book.find("saman", token, merchant.clock.now)
    assert session is not None
    merchant.banks.act(session, Decision(outcome=Outcome.PAID), merchant.clock.now)
    verify = form_request(VERIFY, {"RefNum": session.ref_num, "TerminalNumber": str(TERMINAL)})
    verified = merchant.banks.answer("saman", verify, merchant.clock.now)
    assert verified is not None
    assert read(verified)["Success"]
