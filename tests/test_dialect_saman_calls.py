"""Saman in the simulator: verify, reverse and receipt, with every code that they answer."""

from typing import Any

import pytest

from gatewayd.core.terms import Operation
from gatewayd.simulator.bank import State
from gatewayd.simulator.dialects.saman import Saman
from gatewayd.simulator.payers import Outcome
from tests.banks import (
    CARD_SHA256,
    MORNING,
    RECEIPT,
    REVERSE,
    TERMINAL,
    TOKEN,
    VERIFY,
    Shop,
    back,
    json_request,
    paid,
    read,
    shop,
    switched,
    token_request,
)

# --- verify


def test_verify_confirms_with_all_details() -> None:
    merchant = shop()
    session = paid(merchant)
    assert {
        "TransactionDetail": {
            "RRN": session.rrn,
            "RefNum": session.ref_num,
            "MaskedPan": "621986****9007",
            "HashedPan": CARD_SHA256,
            "TerminalNumber": TERMINAL,
            "OrginalAmount": 150000,
            "AffectiveAmount": 150000,
            "StraceDate": "2025-02-11 18:11:06",
            "StraceNo": session.trace_no,
        },
        "ResultCode": 0,
        "ResultDescription": "موفق",
        "Success": True,
    } == read(merchant.verify(session))
    assert (State.VERIFIED, True) == (session.state, session.verified)


def test_the_card_is_charged_the_split_fee_too() -> None:
    merchant = shop()
    session = paid(merchant, Wage=2_000)
    detail = read(merchant.verify(session))["TransactionDetail"]
    assert (150_000, 152_000) == (detail["OrginalAmount"], detail["AffectiveAmount"])


def test_the_terminal_may_come_as_text_and_the_path_in_any_case() -> None:
    merchant = shop()
    session = paid(merchant)
    document = {"RefNum": session.ref_num, "TerminalNumber": str(TERMINAL), "extra": None}
    assert merchant.ask(VERIFY.lower(), document)["Success"] is True


def test_an_unknown_reference_is_not_found() -> None:
    assert {
        "TransactionDetail": None,
        "ResultCode": -2,
        "ResultDescription": "پیدا نشد",
        "Success": False,
    } == shop().ask(VERIFY, {"RefNum": "nobody/knows+it", "TerminalNumber": TERMINAL})


def test_a_second_verify_is_a_duplicate() -> None:
    merchant = shop()
    session = paid(merchant)
    merchant.verify(session)
    assert {
        "TransactionDetail": None,
        "ResultCode": 2,
        "ResultDescription": "تکراری",
        "Success": False,
    } == read(merchant.verify(session))


@pytest.mark.parametrize("success", ["false", "true"])
@pytest.mark.parametrize("detail", ["absent", "present"])
def test_how_a_duplicate_looks_is_a_switch(success: str, detail: str) -> None:
    merchant = switched(duplicate_success=success, duplicate_detail=detail)
    session = paid(merchant)
    first, second = read(merchant.verify(session)), read(merchant.verify(session))
    assert 2 == second["ResultCode"]
    assert (success == "true") == second["Success"]
    expected = first["TransactionDetail"] if detail == "present" else None
    assert expected == second["TransactionDetail"]


def test_an_unverified_payment_goes_back_after_half_an_hour() -> None:
    merchant = shop()
    session = paid(merchant)
    merchant.clock.now += 30 * 60 + 1
    assert -6 == read(merchant.verify(session))["ResultCode"]
    assert (State.AUTO_REVERSED, False, True) == (
        session.state,
        session.verified,
        session.reversed,
    )


def test_a_verify_in_the_last_second_is_in_time() -> None:
    merchant = shop()
    session = paid(merchant)
    merchant.clock.now += 30 * 60
    assert 0 == read(merchant.verify(session))["ResultCode"]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"TerminalNumber": TERMINAL}, -111),
        ({"RefNum": "", "TerminalNumber": TERMINAL}, -111),
        ({"RefNum": "x"}, -111),
        ({}, -111),
        ([], -111),
        ({"RefNum": "x", "TerminalNumber": 99}, -105),
        ({"RefNum": str(TERMINAL), "TerminalNumber": "x"}, -105),
        ({"RefNum": ["x"], "TerminalNumber": TERMINAL}, -111),
    ],
)
@pytest.mark.parametrize("path", [VERIFY, REVERSE])
def test_what_cannot_be_looked_up_has_its_code(path: str, document: object, code: int) -> None:
    answer = shop().ask(path, document)
    assert (code, False, None) == (
        answer["ResultCode"],
        answer["Success"],
        answer["TransactionDetail"],
    )


@pytest.mark.parametrize(("terminal", "code"), [("disabled", -104), ("foreign_address", -106)])
@pytest.mark.parametrize("path", [VERIFY, REVERSE])
def test_a_caller_who_may_not_is_told_so(path: str, terminal: str, code: int) -> None:
    document = {"RefNum": "x", "TerminalNumber": TERMINAL}
    assert code == switched(terminal=terminal).ask(path, document)["ResultCode"]


def test_a_reference_is_bound_to_its_terminal() -> None:
    two = ({"terminal_id": "13579246"}, {"terminal_id": "24681357"})
    merchant = shop()
    merchant.banks.dialects["saman"] = Saman(two)
    session = paid(merchant)
    document = {"RefNum": session.ref_num, "TerminalNumber": 24681357}
    assert -2 == merchant.ask(VERIFY, document)["ResultCode"]
    assert State.PAID is session.state


# --- reverse


def test_reverse_gives_a_verified_payment_back_with_details() -> None:
    merchant = shop()
    session = paid(merchant)
    verified = read(merchant.verify(session))
    assert verified == read(merchant.reverse(session))
    assert (State.REVERSED, True, True) == (session.state, session.verified, session.reversed)


def test_a_second_reverse_is_a_duplicate_and_a_verify_says_reversed() -> None:
    merchant = shop()
    session = paid(merchant)
    merchant.verify(session)
    merchant.reverse(session)
    assert 2 == read(merchant.reverse(session))["ResultCode"]
    assert 5 == read(merchant.verify(session))["ResultCode"]


def test_only_what_is_verified_can_be_reversed() -> None:
    merchant = shop()
    session = paid(merchant)
    assert -2 == read(merchant.reverse(session))["ResultCode"]
    merchant.clock.now += 31 * 60
    assert -2 == read(merchant.reverse(session))["ResultCode"]


def test_a_reverse_is_too_late_after_50_minutes() -> None:
    merchant = shop()
    session = paid(merchant)
    merchant.verify(session)
    merchant.clock.now += 50 * 60 + 1
    assert -6 == read(merchant.reverse(session))["ResultCode"]
    assert (State.VERIFIED, False) == (session.state, session.reversed)


# --- receipt


def receipt(merchant: Shop, **fields: object) -> dict[str, Any]:
    return merchant.ask(RECEIPT, {"TerminalNumber": TERMINAL, **fields})


def test_the_receipt_of_a_paid_session_says_it_all() -> None:
    merchant = shop()
    session = paid(merchant)
    expected = {
        "Data": {
            "State": "OK",
            "Status": 2,
            "TerminalId": TERMINAL,
            "Token": session.token,
            "RefNum": session.ref_num,
            "ResNum": "100000042",
            "TraceNo": int(session.trace_no),
            "Amount": 150000,
            "AffectiveAmount": 150000,
            "Rrn": int(session.rrn),
            "HashedCardNumber": CARD_SHA256,
        },
        "HasError": False,
        "ErrorCode": None,
        "ErrorMessage": None,
        "ValidationErrors": None,
    }
    assert expected == receipt(merchant, Token=session.token)
    assert expected == receipt(merchant, RefNum=session.ref_num)
    assert expected == receipt(merchant, RefNum=session.ref_num, Rrn=int(session.rrn))
    assert State.PAID is session.state


def test_the_receipt_of_a_cancelled_session_has_nulls() -> None:
    merchant = shop()
    session = merchant.start()
    back(merchant, session, Outcome.CANCEL)
    assert {
        "State": "CanceledByUser",
        "Status": 1,
        "TerminalId": TERMINAL,
        "Token": session.token,
        "RefNum": None,
        "ResNum": None,
        "TraceNo": 0,
        "Amount": 0,
        "AffectiveAmount": 0,
        "Rrn": None,
        "HashedCardNumber": None,
    } == receipt(merchant, Token=session.token)["Data"]


def test_the_receipt_of_an_open_session_is_in_progress_and_later_over() -> None:
    merchant = shop()
    session = merchant.start()
    data = receipt(merchant, Token=session.token)["Data"]
    assert ("InProgress", 0) == (data["State"], data["Status"])
    merchant.clock.now += 20 * 60 + 1
    assert "SessionIsNull" == receipt(merchant, Token=session.token)["Data"]["State"]


def test_there_is_no_receipt_after_a_verify_nor_after_an_hour() -> None:
    merchant = shop()
    session, late = paid(merchant), merchant.start(TokenExpiryInMin=120)
    merchant.verify(session)
    assert {
        "Data": None,
        "HasError": True,
        "ErrorCode": 404,
        "ErrorMessage": "رسید پیدا نشد",
        "ValidationErrors": None,
    } == receipt(merchant, Token=session.token)
    assert receipt(merchant, Token=late.token)["HasError"] is False
    merchant.clock.now += 3601
    assert 404 == receipt(merchant, Token=late.token)["ErrorCode"]


def test_a_receipt_wants_the_session_key_that_the_token_was_asked_with() -> None:
    merchant = shop()
    session = paid(merchant, TxnRandomSessionKey=887766)
    assert 404 == receipt(merchant, Token=session.token)["ErrorCode"]
    assert 404 == receipt(merchant, Token=session.token, TxnRandomSessionKey=1)["ErrorCode"]
    answer = receipt(merchant, Token=session.token, TxnRandomSessionKey="887766")
    assert answer["HasError"] is False


@pytest.mark.parametrize(
    ("document", "code", "fields"),
    [
        ({"Token": "x"}, 5, ["TerminalNumber"]),
        ({"TerminalNumber": TERMINAL}, 5, ["Token"]),
        ({}, 5, ["TerminalNumber", "Token"]),
        ({"TerminalNumber": 99, "Token": "x"}, 12, None),
        ({"TerminalNumber": TERMINAL, "Token": "x"}, 404, None),
    ],
)
def test_a_bad_receipt_call_has_its_code(
    document: dict[str, Any], code: int, fields: list[str] | None
) -> None:
    answer = shop().ask(RECEIPT, document)
    named = [error["FieldName"] for error in answer["ValidationErrors"] or ()] or None
    assert (True, None, code, fields) == (
        answer["HasError"],
        answer["Data"],
        answer["ErrorCode"],
        named,
    )


@pytest.mark.parametrize(("terminal", "code"), [("disabled", 20), ("foreign_address", 8)])
def test_a_receipt_is_refused_who_may_not_ask(terminal: str, code: int) -> None:
    assert code == receipt(switched(terminal=terminal), Token="x")["ErrorCode"]


def test_an_older_terminal_has_no_receipt_call() -> None:
    merchant = switched(receipt_call="off")
    request = json_request(RECEIPT, {"TerminalNumber": TERMINAL, "Token": "x"})
    assert merchant.banks.answer("saman", request, MORNING) is None


# --- what the host needs to know


def test_every_call_is_recognised_by_its_operation_and_session() -> None:
    merchant = shop()
    session = paid(merchant)
    dialect = merchant.banks.dialects["saman"]
    by_reference = {"RefNum": session.ref_num, "TerminalNumber": TERMINAL}
    seen = {}
    for path, document in {
        TOKEN: token_request(),
        VERIFY: by_reference,
        REVERSE: by_reference,
        RECEIPT: {"Token": session.token, "TerminalNumber": TERMINAL},
    }.items():
        asked = dialect.recognise(json_request(path, document), merchant.banks.book, MORNING)
        assert asked is not None
        seen[asked.operation] = asked.session
    assert {
        Operation.START: None,
        Operation.VERIFY: session,
        Operation.REVERSE: session,
        Operation.INQUIRE: session,
    } == seen


def test_an_unknown_switch_is_an_error() -> None:
    with pytest.raises(ValueError, match="no switch duplicate_success=maybe"):
        switched(duplicate_success="maybe")
    with pytest.raises(ValueError, match="no switch colour=red"):
        switched(colour="red")
