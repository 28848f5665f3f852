"""Sadad's requests, replies and returns, as its manual and its clients in production show them."""

import json
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
    MalformedReply,
    Refundable,
    Reply,
    Reversible,
    Settleable,
)
from gatewayd.gateways.sadad import CODES, Sadad
from tests.playbook import play

KEY = "ASNFZ4mrze/+3LqYdlQyEA8eLTxLWml4"
TOKEN = "0001B4107A2C9E55D1F04B8893AA6CE7F2D3450B918C76DE02F1"
SIGNED_TOKEN = "uJZXyexAdgoN/YtnZKv2xtJU94E+aYow1pa62J4U5QX3SHRBWEVm5AlUQPKZvLPA0JjkmoXdqA8="
SIX_PM = 1_739_284_866.0
"""2025-02-11 18:11:06 in Tehran."""

SADAD = Sadad(merchant_id="000000140300001", terminal_id="Z9X8C7V6", key=Secret(KEY))
ORDER = Order(
    bank_order=1000000042,
    amount=150_000,
    callback_url="https://shop.example.ir/ipg/sadad/callback",
    made_at=SIX_PM,
)
REQUEST = {
    "MerchantId": "000000140300001",
    "TerminalId": "Z9X8C7V6",
    "Amount": 150000,
    "OrderId": 1000000042,
    "LocalDateTime": "02/11/2025 6:11:06 pm",
    "ReturnUrl": "https://shop.example.ir/ipg/sadad/callback",
    "SignData": "dAm7RAMP28Nm4ryW3nUFqsgOM0IPr5lvksHKB87YK0A=",
}
VERIFY = {"Token": TOKEN, "SignData": SIGNED_TOKEN}
VERIFIED: dict[str, Any] = {
    "ResCode": "0",
    "Description": "موفق",
    "Amount": "150000",
    "RetrivalRefNo": "742019884455",
    "SystemTraceNo": "000123",
    "OrderId": "1000000042",
    "SwitchResCode": "00",
    "TransactionDate": "2/11/2025 6:12:40 PM",
    "AdditionalData": None,
    "CardHolderFullName": None,
}
NOT_FOUND: dict[str, Any] = {
    "ResCode": "-1",
    "Description": "تراکنش پیدا نشد",
    "Amount": "0",
    "RetrivalRefNo": None,
    "SystemTraceNo": None,
    "OrderId": "0",
    "SwitchResCode": None,
    "TransactionDate": "1/1/0001 12:00:00 AM",
    "AdditionalData": None,
    "CardHolderFullName": None,
}
RECEIPT = Receipt(
    amount=150_000,
    bank_order=1000000042,
    ref_num="742019884455",
    rrn="742019884455",
    trace_no="000123",
)


# --- start


def test_start_signs_and_sends_the_payer_by_a_get_form() -> None:
    play(SADAD.start(ORDER)).calls(
        "POST",
        "https://sadad.shaparak.ir/api/v0/Request/PaymentRequest",
        REQUEST,
        headers={"User-Agent": "", "Content-Type": "application/json; charset=utf-8"},
    ).replies(200, {"ResCode": "0", "Token": TOKEN, "Description": "موفق"}).returns(
        Redirect(
            token=TOKEN,
            url="https://sadad.shaparak.ir/Purchase",
            method="get",
            fields={"Token": TOKEN},
        )
    )


def test_the_other_family_of_paths_is_a_prefix() -> None:
    other = Sadad(
        merchant_id="1",
        terminal_id="Z9X8C7V6",
        key=Secret(KEY),
        base_url="http://127.0.0.1:9100/sadad",
        path_prefix="/vpg",
    )
    play(other.start(ORDER)).calls(
        "POST", "http://127.0.0.1:9100/sadad/vpg/api/v0/Request/PaymentRequest"
    ).replies(200, {"ResCode": 0, "Token": TOKEN, "Description": None}).returns(
        Redirect(
            token=TOKEN,
            url="http://127.0.0.1:9100/sadad/vpg/Purchase",
            method="get",
            fields={"Token": TOKEN},
        )
    )


@pytest.mark.parametrize(
    ("made_at", "text"),
    [
        (SIX_PM, "02/11/2025 6:11:06 pm"),
        (SIX_PM + 6 * 3600, "02/12/2025 12:11:06 am"),
        (SIX_PM - 6 * 3600, "02/11/2025 12:11:06 pm"),
        (1_750_000_000.5, "06/15/2025 6:36:40 pm"),
    ],
)
def test_the_local_date_is_tehrans_and_has_no_summer_time(made_at: float, text: str) -> None:
    order = Order(bank_order=1, amount=1000, callback_url="https://a.example", made_at=made_at)
    flow = SADAD.start(order)
    assert f'"LocalDateTime":"{text}"'.encode() in next(flow).body


def test_a_national_id_is_for_the_bank_to_enforce() -> None:
    order = Order(
        bank_order=1000000042,
        amount=150_000,
        callback_url="https://shop.example.ir/ipg/sadad/callback",
        made_at=SIX_PM,
        payer=Payer(national_id="0012345679", mobile="09120000000"),
    )
    play(SADAD.start(order)).calls(
        "POST",
        "…/PaymentRequest",
        {**REQUEST, "PanAuthenticationType": 1, "NationalCode": "0012345679"},
    ).replies(200, {"ResCode": "1040", "Token": None, "Description": None}).returns(
        Refusal(cause=CodeClass.OUR_FAULT, code="1040")
    )


def test_split_rows_add_up_to_the_amount() -> None:
    own, other = "IR" + "1" * 24, "IR" + "2" * 24
    splitting = Sadad(merchant_id="1", terminal_id="T", key=Secret(KEY), settlement_iban=own)
    assert (True, False) == (splitting.traits.splits, SADAD.traits.splits)
    order = Order(
        bank_order=1,
        amount=150_000,
        callback_url="https://a.example",
        made_at=SIX_PM,
        splits=(Split(iban=other, amount=100_000),),
    )
    body = next(splitting.start(order)).body.decode()
    rows = f'[{{"IbanNumber":"{other}","Value":100000}},{{"IbanNumber":"{own}","Value":50000}}]'
    assert f'"MultiplexingData":{{"Type":"Amount","MultiplexingRows":{rows}}}' in body


START_CLASSES = {
    CodeClass.DECLINED: [61, 1032],
    CodeClass.CANCELLED: [1031],
    CodeClass.NOT_PAID: [1105],
    CodeClass.OUR_FAULT: [1000, 1001, 1011, 1017, 1026, 1036, 1040, 1055, 1072, 1101, 1103],
    CodeClass.GATEWAY: [1002, 1005, 1006, 1015, 1056, 1058, 1061, 1064, 1065, 1066, 1068],
    CodeClass.MERCHANT_CONFIG: [
        *(3, 23, 58, 1003, 1004, 1012, 1018, 1019, 1020, 1023, 1024, 1025, 1027, 1028, 1029),
        *(1030, 1033, 1037, 1053, 1104),
    ],
    CodeClass.UNKNOWN: [77, -1, 100],
}


@pytest.mark.parametrize(
    ("code", "cause"), [(code, cause) for cause, codes in START_CLASSES.items() for code in codes]
)
@pytest.mark.parametrize("spelling", [int, str, "0{}".format])
def test_every_start_code_has_its_class_as_text_and_as_number(
    code: int, cause: CodeClass, spelling: Any
) -> None:
    reply = {"ResCode": spelling(code) if code > 0 else code, "Token": None, "Description": "خطا"}
    play(SADAD.start(ORDER)).calls("POST", "…/PaymentRequest").replies(200, reply).returns(
        Refusal(cause=cause, code=str(code), message="خطا")
    )


def test_the_tables_hold_no_code_that_no_claim_here_names() -> None:
    named = {str(code) for codes in START_CLASSES.values() for code in codes} | {"0"}
    assert set(CODES[Operation.START]) <= named
    assert {"0", "100", "-1", "101", "1105"} == set(CODES[Operation.VERIFY])


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (500, b"<html>Server Error</html>", "without JSON"),
        (503, b"", "without JSON"),
        (500, {"Message": "An error has occurred."}, "ResCode: missing"),
        (200, {"ResCode": "0", "Token": None}, "Token"),
        (200, {"ResCode": "0", "Token": "  "}, "Token"),
        (200, {"ResCode": None}, "ResCode"),
        (200, {"ResCode": "00x"}, "ResCode"),
        (200, [], "not an object"),
    ],
)
def test_start_does_not_guess(status: int, body: Any, why: str) -> None:
    play(SADAD.start(ORDER)).calls("POST", "…/PaymentRequest").replies(status, body).malformed(why)


# --- verify


def test_verify_brings_all_that_can_be_compared() -> None:
    play(SADAD.verify(ORDER, TOKEN, None)).calls(
        "POST", "https://sadad.shaparak.ir/api/v0/Advice/Verify", VERIFY, headers={"User-Agent": ""}
    ).replies(200, VERIFIED).returns(RECEIPT)


def test_numbers_may_be_numbers() -> None:
    reply = VERIFIED | {"ResCode": 0, "Amount": 150000, "OrderId": 1000000042}
    play(SADAD.verify(ORDER, TOKEN, None)).calls("POST", "…/Verify", VERIFY).replies(
        200, reply
    ).returns(RECEIPT)


def test_a_repeated_verify_is_a_yes_with_the_same_receipt() -> None:
    play(SADAD.verify(ORDER, TOKEN, None)).calls("POST", "…/Verify", VERIFY).replies(
        200, VERIFIED | {"ResCode": "100", "Description": "قبلا ثبت شده"}
    ).returns(
        Receipt(
            amount=150_000,
            bank_order=1000000042,
            ref_num="742019884455",
            rrn="742019884455",
            trace_no="000123",
            already=True,
        )
    )


@pytest.mark.parametrize("name", ["CardNo", "CardNumberMasked"])
def test_a_card_is_masked_whatever_the_bank_sends(name: str) -> None:
    flow = SADAD.verify(ORDER, TOKEN, None)
    next(flow)
    body = b'{"ResCode":0,"Amount":1,"OrderId":1,"RetrivalRefNo":"7","%s":"6037991899751234"}'
    with pytest.raises(StopIteration) as end:
        flow.send(Reply(status=200, body=body % name.encode()))
    assert end.value.value.card == "603799******1234"


@pytest.mark.parametrize("code", ["0", "100"])
@pytest.mark.parametrize("gone", ["RetrivalRefNo", "Amount", "OrderId"])
@pytest.mark.parametrize("empty", [None, "", []])
def test_a_success_without_its_references_is_not_known(code: str, gone: str, empty: Any) -> None:
    play(SADAD.verify(ORDER, TOKEN, None)).calls("POST", "…/Verify").replies(
        200, VERIFIED | {"ResCode": code, gone: empty}
    ).malformed(gone)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("-1", CodeClass.NOT_PAID),
        ("101", CodeClass.NOT_PAID),
        ("1105", CodeClass.NOT_PAID),
        ("1006", CodeClass.UNKNOWN),
        ("3", CodeClass.UNKNOWN),
    ],
)
def test_every_verify_code_has_its_class(code: str, cause: CodeClass) -> None:
    play(SADAD.verify(ORDER, TOKEN, None)).calls("POST", "…/Verify", VERIFY).replies(
        200, NOT_FOUND | {"ResCode": code}
    ).returns(Refusal(cause=cause, code=code, message="تراکنش پیدا نشد"))


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"{}", b'{"ResCode":true}'])
def test_an_odd_answer_to_verify_is_not_a_no(body: bytes) -> None:
    play(SADAD.verify(ORDER, TOKEN, None)).calls("POST", "…/Verify").replies(200, body).malformed()


def test_a_verify_of_a_claim_uses_the_stored_token() -> None:
    claim = Claim(outcome=CodeClass.OK, token="another")
    play(SADAD.verify(ORDER, TOKEN, claim)).calls("POST", "…/Verify", VERIFY).replies(
        200, VERIFIED
    ).returns(RECEIPT)


# --- the return

PAID_RETURN = {
    "token": TOKEN,
    "OrderId": "1000000042",
    "ResCode": "0",
    "SwitchResCode": "00",
    "HashedCardNo": "5B1E22C7F0A94D38",
    "PrimaryAccNo": "603799******1234",
    "CardHolderFullName": "علی رضایی",
}


def test_a_paid_return() -> None:
    assert SADAD.read_return(PAID_RETURN) == Claim(
        outcome=CodeClass.OK,
        code="0",
        token=TOKEN,
        bank_order=1000000042,
        card="603799******1234",
    )


def test_names_in_any_case_and_without_a_card() -> None:
    fields = {
        "Token": TOKEN,
        "RESCODE": "0",
        "orderid": "1000000042",
        "SwitchResCode": "0",
        "HashedCardNo": "5B" * 32,
        "IsWalletPayment": "False",
        "__RequestVerificationToken": "CfDJ8",
    }
    assert SADAD.read_return(fields) == Claim(
        outcome=CodeClass.OK, code="0", token=TOKEN, bank_order=1000000042
    )


@pytest.mark.parametrize(
    ("code", "switch", "outcome", "shown"),
    [
        ("-1", "", CodeClass.CANCELLED, "-1"),
        ("-1", None, CodeClass.CANCELLED, "-1"),
        *[
            ("-1", switch, CodeClass.DECLINED, f"-1/{switch}")
            for switch in ("51", "54", "55", "57", "61", "62", "65", "75", "78", "14")
        ],
        ("-1", "84", CodeClass.ISSUER, "-1/84"),
        ("-1", "91", CodeClass.ISSUER, "-1/91"),
        *[("-1", switch, CodeClass.GATEWAY, f"-1/{switch}") for switch in ("90", "92", "96")],
        ("-1", "00", CodeClass.UNKNOWN, "-1/00"),
        ("1031", "", CodeClass.CANCELLED, "1031"),
        ("1032", "", CodeClass.DECLINED, "1032"),
        ("1004", "", CodeClass.UNKNOWN, "1004"),
        ("1006", "", CodeClass.UNKNOWN, "1006"),
        ("ok", "", CodeClass.UNKNOWN, ""),
        ("", "", CodeClass.UNKNOWN, ""),
        (None, None, CodeClass.UNKNOWN, ""),
    ],
)
def test_what_a_return_says(
    code: str | None, switch: str | None, outcome: CodeClass, shown: str
) -> None:
    given = {"token": TOKEN, "ResCode": code, "SwitchResCode": switch}
    fields = {name: value for name, value in given.items() if value is not None}
    assert SADAD.read_return(fields) == Claim(outcome=outcome, code=shown, token=TOKEN)


NAMES = st.sampled_from(["token", "ResCode", "SwitchResCode", "OrderId", "PrimaryAccNo"])


@given(st.dictionaries(NAMES | st.text(), st.text() | st.integers().map(str)))
def test_no_browser_can_make_a_return_raise_or_blame_our_contract(fields: dict[str, str]) -> None:
    outcome = SADAD.read_return(fields).outcome
    assert outcome not in {CodeClass.MERCHANT_CONFIG, CodeClass.OUR_FAULT, CodeClass.NOT_PAID}


# --- whatever comes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
FIELDS = st.dictionaries(
    st.sampled_from([*VERIFIED, "Token"]), JSON | st.sampled_from(["0", 0, "100", "-1"])
)


@given(st.sampled_from(["start", "verify"]), st.binary(max_size=60) | FIELDS)
def test_any_reply_gives_a_value_or_malformed(operation: str, body: Any) -> None:
    flow = SADAD.start(ORDER) if operation == "start" else SADAD.verify(ORDER, TOKEN, None)
    next(flow)
    reply = Reply(status=200, body=body if isinstance(body, bytes) else json.dumps(body).encode())
    with pytest.raises((StopIteration, MalformedReply)):
        flow.send(reply)


# --- the contract


def test_it_has_the_powers_that_the_bank_has() -> None:
    driver: Driver = SADAD
    powers = (Settleable, Reversible, Inquirable, ListsUnverified, Refundable)
    assert [False] * 5 == [isinstance(driver, power) for power in powers]


def test_its_traits() -> None:
    traits = SADAD.traits
    assert (traits.verify_within_seconds, traits.unverified) == (900, IfUnverified.AUTO_REVERSE)
    assert (traits.ask, traits.first_already) == (Ask.VERIFY, FirstAlready.ACCEPT)
    assert (traits.refunds, traits.settles, traits.reverse_within_seconds) == (False, False, None)
    assert SADAD.base_urls == ("https://sadad.shaparak.ir",)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("merchant_id", ""),
        ("terminal_id", "a;b"),
        ("base_url", "sadad.shaparak.ir"),
        ("base_url", "https://sadad.shaparak.ir/"),
        ("path_prefix", "vpg"),
        ("settlement_iban", "12"),
    ],
)
def test_a_bad_field_is_named(field: str, value: str) -> None:
    good = {"merchant_id": "1", "terminal_id": "T", "key": Secret(KEY)}
    with pytest.raises(ValueError, match=field):
        Sadad(**(good | {field: value}))  # type: ignore[arg-type]  # the wrong values are the point


@pytest.mark.parametrize("key", [KEY[:-1], KEY[:24], "Zm9v"])
def test_a_bad_key_is_named_and_never_shown(key: str) -> None:
    with pytest.raises(ValueError, match="key: ") as caught:
        Sadad(merchant_id="1", terminal_id="T", key=Secret(key))
    assert key not in str(caught.value)
    assert key not in repr(SADAD)
