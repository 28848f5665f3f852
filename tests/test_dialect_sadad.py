"""Sadad's bank in the simulator: signatures checked, strings in answers, one verify for all."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.terms import Operation, Redirect
from gatewayd.gateways.crypto import sign_triple_des, triple_des_key
from gatewayd.simulator.bank import Request, Session, State
from gatewayd.simulator.dialects.sadad import Sadad
from gatewayd.simulator.host import Banks, Trouble
from gatewayd.simulator.incoming import read_request
from gatewayd.simulator.payers import Decision, Outcome

SIX_PM = 1_739_284_866.0
"""2025-02-11 18:11:06 in Tehran."""
KEY = "ASNFZ4mrze/+3LqYdlQyEA8eLTxLWml4"
TWO_KEYS = "ABEiM0RVZneImaq7zN3u/w=="
CONTRACTS = (
    {"merchant_id": "000000140300001", "terminal_id": "Z9X8C7V6", "key": KEY},
    {"merchant_id": "000000140300002", "terminal_id": "AB12CD34", "key": TWO_KEYS},
)
REQUEST_PATH = "/api/v0/Request/PaymentRequest"
VERIFY_PATH = "/api/v0/Advice/Verify"
CALLBACK = "https://shop.example.ir/ipg/sadad/callback?x=1"
CARD = "6037991899751234"
PAYS = Decision(outcome=Outcome.PAID)


def sign(text: str, key: str = KEY) -> str:
    return sign_triple_des(triple_des_key(key), text)


def ask(order: Any = 1000000042, amount: Any = 150000, **changes: Any) -> dict[str, Any]:
    """A signed request, but for the changes; None leaves a field out."""
    fields = {
        "MerchantId": "000000140300001",
        "TerminalId": "Z9X8C7V6",
        "Amount": amount,
        "OrderId": order,
        "LocalDateTime": "02/11/2025 6:11:06 pm",
        "ReturnUrl": CALLBACK,
        "SignData": sign(f"Z9X8C7V6;{order};{amount}"),
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


class Bank:
    """A merchant's and a payer's view of one simulated Sadad."""

    def __init__(self, **switches: str) -> None:
        self.banks = Banks({"sadad": CONTRACTS}, seed=7, switches={"sadad": switches})
        self.now = SIX_PM

    def post(self, path: str, document: object) -> dict[str, Any]:
        exchange = self.banks.answer("sadad", request(path, document), self.now)
        assert exchange is not None
        assert exchange.reply is not None
        assert exchange.reply.status == 200
        answer = orjson.loads(exchange.reply.body)
        assert isinstance(answer, dict)
        return answer

    def start(self, **changes: Any) -> str:
        answer = self.post(REQUEST_PATH, ask(**changes))
        assert answer["ResCode"] == "0"
        token = answer["Token"]
        assert isinstance(token, str)
        return token

    def open(self, token: str) -> Session | Trouble:
        page = read_request(
            method="GET",
            target=f"/sadad/Purchase?Token={token}",
            origin="http://127.0.0.1:9100",
            headers={},
            body=b"",
        )[1]
        return self.banks.open_page("sadad", page, self.now)

    def act(self, token: str, decision: Decision = PAYS) -> Redirect:
        session = self.open(token)
        assert isinstance(session, Session)
        back = self.banks.act(session, decision, self.now, card=CARD).back
        assert back is not None
        return back

    def verify(self, token: str, **changes: Any) -> dict[str, Any]:
        return self.post(VERIFY_PATH, {"Token": token, "SignData": sign(token), **changes})

    def session(self, token: str) -> Session:
        found = self.banks.book.find("sadad", token, self.now)
        assert found is not None
        return found


def request(path: str, document: object) -> Request:
    return Request(
        method="POST",
        path=path,
        base_url="http://127.0.0.1:9100/sadad",
        headers={"content-type": "application/json"},
        body=document if isinstance(document, bytes) else orjson.dumps(document),
    )


# --- token


def test_a_token_is_52_characters_and_the_code_is_text() -> None:
    answer = Bank().post(REQUEST_PATH, ask())
    assert list(answer) == ["ResCode", "Token", "Description"]
    assert (answer["ResCode"], answer["Description"]) == ("0", "موفق")
    assert len(answer["Token"]) == 52
    assert answer["Token"].startswith("0001")
    assert set(answer["Token"]) <= set("0123456789ABCDEF")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v0/Request/PaymentRequest",
        "/vpg/api/v0/Request/PaymentRequest",
        "/VPG/api/v0/Request/PaymentRequest",
        "/API/V0/REQUEST/PAYMENTREQUEST/",
    ],
)
def test_both_families_of_paths_in_any_case(path: str) -> None:
    assert Bank().post(path, ask())["ResCode"] == "0"


@pytest.mark.parametrize(
    "changes",
    [
        {"order": "1000000042", "amount": "150000"},
        {"LocalDateTime": "2/11/2025 6:11:06 pm"},
        {"LocalDateTime": "11/21/2026 20:46:17 PM"},
        {"LocalDateTime": "20250211181106"},
        {"LocalDateTime": "2025-02-11T18:11:06.123+03:30"},
        {"LocalDateTime": "2025-02-11T18:11:06"},
        {"MerchantId": 140300001, "merchantid": "000000140300001"},
        {"additionalData": "abc", "UserId": 9120000000, "ApplicationName": "x", "Z": {"z": [1]}},
        {"order": 2**63 - 1},
        {"PanAuthenticationType": 1, "NationalCode": "0012345679"},
    ],
)
def test_what_clients_send_gets_a_token(changes: dict[str, Any]) -> None:
    document = ask(**changes)
    if "merchantid" in document:
        del document["MerchantId"]
    assert Bank().post(REQUEST_PATH, document)["ResCode"] == "0"


def test_an_amount_with_an_empty_fraction_is_signed_without_it() -> None:
    document = ask() | {"Amount": 150000.0}
    bank = Bank()
    assert bank.session(bank.post(REQUEST_PATH, document)["Token"]).amount == 150_000


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"MerchantId": "1"}, "1004"),
        ({"MerchantId": None}, "1004"),
        ({"TerminalId": "12345678"}, "1028"),
        ({"TerminalId": "AB12CD34"}, "1028"),
        ({"SignData": None}, "1025"),
        ({"SignData": sign("Z9X8C7V6;1000000042;150000", TWO_KEYS)}, "1025"),
        ({"SignData": sign("Z9X8C7V6;1000000042;15000")}, "1025"),
        ({"SignData": sign("Z9X8C7V6;01000000042;150000")}, "1025"),
        ({"SignData": "not base64 at all"}, "1025"),
        ({"SignData": base64.b64encode(b"1234567").decode()}, "1025"),
        ({"SignData": ""}, "1025"),
        ({"order": "shop-7"}, "1026"),
        ({"order": 2**63}, "1026"),
        ({"order": 0}, "1026"),
        ({"order": -5}, "1026"),
        ({"amount": 999}, "1101"),
        ({"amount": "۱۵۰۰۰۰"}, "1101"),
        ({"LocalDateTime": "۰۲/۱۱/۲۰۲۵ 6:11:06 pm"}, "1024"),
        ({"LocalDateTime": None}, "1024"),
        ({"ReturnUrl": "shop.example"}, "1023"),
        ({"ReturnUrl": None}, "1023"),
        ({"MultiplexingData": {"Type": "Amount", "MultiplexingRows": []}}, "1104"),
        ({"MultiplexingData": "all to me"}, "1104"),
    ],
)
def test_what_is_wrong_is_named_by_a_code(changes: dict[str, Any], code: str) -> None:
    answer = Bank().post(REQUEST_PATH, ask(**changes))
    assert (answer["ResCode"], answer["Token"]) == (code, None)
    assert answer["Description"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"a=1&b=2", b"{}"])
def test_a_body_that_is_no_json_object_is_answered_too(body: bytes) -> None:
    assert Bank().post(REQUEST_PATH, body)["ResCode"] == "1000"


@pytest.mark.parametrize(
    ("kind", "rows", "code"),
    [
        ("Amount", [(1, 100000), ("IR" + "1" * 24, 50000)], "0"),
        ("amount", [(1, "150000")], "0"),
        ("Percentage", [(1, 85), (2, 15)], "0"),
        ("Percentage", [(1, 85), (2, 16)], "1104"),
        ("Amount", [(1, 100000)], "1104"),
        ("Amount", [(1, 150000), (2, 0)], "1104"),
        ("Amount", [(None, 150000)], "1104"),
        ("Half", [(1, 150000)], "1104"),
    ],
)
def test_rows_of_a_split_add_up(kind: str, rows: list[tuple[Any, Any]], code: str) -> None:
    data = {
        "Type": kind,
        "MultiplexingRows": [{"IbanNumber": iban, "Value": value} for iban, value in rows],
    }
    assert Bank().post(REQUEST_PATH, ask(MultiplexingData=data))["ResCode"] == code


def test_an_order_number_is_used_up_even_by_a_failed_try() -> None:
    bank = Bank()
    bank.start(order=1)
    assert bank.post(REQUEST_PATH, ask(order=1, amount=2000))["ResCode"] == "1011"
    assert bank.post(REQUEST_PATH, ask(order=2, ReturnUrl="x"))["ResCode"] == "1023"
    assert bank.post(REQUEST_PATH, ask(order="2"))["ResCode"] == "1011"


def test_an_order_number_is_not_used_up_by_what_nobody_signed() -> None:
    bank = Bank()
    assert bank.post(REQUEST_PATH, ask(SignData="AAAA"))["ResCode"] == "1025"
    assert bank.post(REQUEST_PATH, ask())["ResCode"] == "0"


def test_order_numbers_are_per_terminal_and_a_key_may_have_two_parts() -> None:
    bank = Bank()
    bank.start(order=42)
    other = ask(
        order=42,
        amount=1000,
        MerchantId="000000140300002",
        TerminalId="AB12CD34",
        SignData=sign("AB12CD34;42;1000", TWO_KEYS),
    )
    assert bank.post(REQUEST_PATH, other)["ResCode"] == "0"


# --- the page and the return


@pytest.mark.parametrize(
    "target",
    [
        "/Purchase?Token={}",
        "/VPG/Purchase?Token={}",
        "/purchase/?token={}",
        "/vpg/purchase?TOKEN={}&x=1",
    ],
)
def test_the_page_opens_under_both_families_in_any_case(target: str) -> None:
    bank = Bank()
    token = bank.start()
    page = read_request(
        method="GET",
        target="/sadad" + target.format(token),
        origin="http://127.0.0.1:9100",
        headers={},
        body=b"",
    )[1]
    assert bank.banks.is_page("sadad", page)
    assert isinstance(bank.banks.open_page("sadad", page, bank.now), Session)


def test_an_old_or_unknown_token_opens_no_page() -> None:
    bank = Bank()
    token = bank.start()
    assert isinstance(bank.open("0001"), Trouble)
    bank.now += 20 * 60 + 1
    assert isinstance(bank.open(token), Trouble)


def test_a_paid_return_looks_like_a_live_one() -> None:
    bank = Bank()
    token = bank.start()
    back = bank.act(token)
    assert (back.method, back.url) == ("post", CALLBACK)
    assert dict(back.fields) == {
        "token": token,
        "OrderId": "1000000042",
        "ResCode": "0",
        "SwitchResCode": "00",
        "HashedCardNo": hashlib.sha256(CARD.encode()).hexdigest().upper(),
        "IsWalletPayment": "False",
        "__RequestVerificationToken": back.fields["__RequestVerificationToken"],
    }


@pytest.mark.parametrize(
    ("decision", "switch", "hashed"),
    [
        (Decision(outcome=Outcome.CANCEL), "", 0),
        (Decision(outcome=Outcome.DECLINE, code="51"), "51", 64),
        (Decision(outcome=Outcome.DECLINE, code="91"), "91", 64),
    ],
)
def test_cancel_and_decline_differ_in_the_switch_code_only(
    decision: Decision, switch: str, hashed: int
) -> None:
    bank = Bank()
    back = bank.act(bank.start(), decision)
    assert (back.fields["ResCode"], back.fields["SwitchResCode"]) == ("-1", switch)
    assert len(back.fields["HashedCardNo"]) == hashed


# --- verify

EMPTY = {
    "Amount": "0",
    "RetrivalRefNo": None,
    "SystemTraceNo": None,
    "OrderId": "0",
    "SwitchResCode": None,
    "TransactionDate": "1/1/0001 12:00:00 AM",
    "AdditionalData": None,
    "CardHolderFullName": None,
}


def test_verify_tells_everything_in_text() -> None:
    bank = Bank()
    token = bank.start()
    bank.now += 94
    bank.act(token)
    answer = bank.verify(token)
    session = bank.session(token)
    assert answer == {
        "ResCode": "0",
        "Description": "موفق",
        "Amount": "150000",
        "RetrivalRefNo": session.rrn,
        "SystemTraceNo": session.trace_no,
        "OrderId": "1000000042",
        "SwitchResCode": "00",
        "TransactionDate": "2/11/2025 6:12:40 PM",
        "AdditionalData": None,
        "CardHolderFullName": None,
    }
    assert (len(session.rrn), len(session.trace_no)) == (12, 6)
    assert session.ref_num == session.rrn
    assert bank.verify(token) == answer | {"ResCode": "100", "Description": "قبلا ثبت شده"}
    assert bank.session(token).verified


@pytest.mark.parametrize(
    "path", [VERIFY_PATH, "/vpg/api/v0/Advice/Verify", "/VPG/API/V0/advice/verify"]
)
def test_verify_under_both_families_and_with_a_small_token(path: str) -> None:
    bank = Bank()
    token = bank.start()
    bank.act(token)
    answer = bank.post(path, {"token": token, "signData": sign(token)})
    assert answer["ResCode"] == "0"


def test_what_is_not_paid_is_not_found() -> None:
    bank = Bank()
    unpaid, cancelled = bank.start(order=1), bank.start(order=2)
    bank.act(cancelled, Decision(outcome=Outcome.CANCEL))
    for token in (unpaid, cancelled, "0001FF"):
        assert bank.verify(token) == EMPTY | {"ResCode": "-1", "Description": "تراکنش پیدا نشد"}


@pytest.mark.parametrize("signed", ["", sign("another"), "AAAA", None])
def test_a_verify_that_is_not_signed_has_no_effect(signed: str | None) -> None:
    bank = Bank()
    token = bank.start()
    bank.act(token)
    assert bank.verify(token, SignData=signed)["ResCode"] == "-1"
    assert bank.session(token).state is State.PAID


@pytest.mark.parametrize(("switches", "code"), [({}, "101"), ({"late": "1105"}, "1105")])
def test_after_15_minutes_the_money_is_back(switches: dict[str, str], code: str) -> None:
    bank = Bank(**switches)
    token = bank.start()
    bank.act(token)
    bank.now += 15 * 60 + 1
    answer = bank.verify(token)
    assert (answer["ResCode"], answer["RetrivalRefNo"]) == (code, None)
    assert bank.session(token).state is State.AUTO_REVERSED


def test_what_was_verified_stays_so() -> None:
    bank = Bank()
    token = bank.start()
    bank.act(token)
    bank.now += 15 * 60
    assert bank.verify(token)["ResCode"] == "0"
    bank.now += 10 * 24 * 3600
    assert bank.verify(token)["ResCode"] == "100"


# --- how the host sees it


def test_calls_are_told_by_operation_and_session() -> None:
    bank = Bank()
    token = bank.start()
    dialect, book = bank.banks.dialects["sadad"], bank.banks.book
    start = dialect.recognise(request(REQUEST_PATH, ask()), book, bank.now)
    verify = dialect.recognise(request(VERIFY_PATH, {"Token": token}), book, bank.now)
    assert start is not None
    assert verify is not None
    assert (start.operation, start.session) == (Operation.START, None)
    assert (verify.operation, verify.session) == (Operation.VERIFY, bank.session(token))
    get = replace(request(VERIFY_PATH, {}), method="GET")
    assert dialect.recognise(get, book, bank.now) is None
    assert dialect.recognise(request("/api/v0/Refund", {}), book, bank.now) is None


def test_the_ledger_has_the_order_number_and_rial() -> None:
    bank = Bank()
    token = bank.start()
    (row,) = bank.banks.book.ledger(bank.now)
    assert (row["terminal"], row["token"], row["order"]) == ("Z9X8C7V6", token, 1000000042)
    assert (row["amount"], row["state"]) == (150_000, "created")


@pytest.mark.parametrize("switches", [{"late": "7"}, {"later": "101"}])
def test_a_switch_that_there_is_not(switches: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="late"):
        Sadad(CONTRACTS, switches)


@pytest.mark.parametrize("key", ["Zm9v", "%%%", "", KEY[:-1], "ASNFZ4mrze8="])
def test_a_contract_with_a_bad_key(key: str) -> None:
    with pytest.raises(ValueError, match="16 or 24 bytes"):
        Sadad(({**CONTRACTS[0], "key": key},))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    st.sampled_from([REQUEST_PATH, VERIFY_PATH]),
    st.binary(max_size=40)
    | st.dictionaries(st.sampled_from([*ask(), "Token", "MultiplexingData"]), JSON).map(
        lambda changes: orjson.dumps(ask() | changes)
    ),
)
def test_whatever_comes_is_answered(path: str, body: bytes) -> None:
    answer: Mapping[str, Any] = Bank().post(path, body)
    assert isinstance(answer["ResCode"], str)
