"""ZarinPal's bank in the simulator: statuses and shapes as clients in production meet them."""

import hashlib
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.terms import Operation
from gatewayd.simulator.bank import Request, State
from gatewayd.simulator.dialects.zarinpal import Zarinpal
from gatewayd.simulator.host import Trouble
from gatewayd.simulator.incoming import departure
from gatewayd.simulator.payers import Decision, Outcome
from tests.zarinpal_bank import (
    CALLBACK,
    CANCELS,
    CARD,
    CARD_SHA256,
    CONTRACTS,
    MERCHANT,
    OTHER,
    PAYS,
    UNKNOWN,
    Bank,
    ask,
    failed,
    plain,
    request,
)

# --- request


def test_an_authority_has_the_production_form() -> None:
    status, answer = Bank().call("request", ask())
    authority = answer["data"]["authority"]
    assert (status, answer) == (
        200,
        {
            "data": {
                "code": 100,
                "message": "Success",
                "authority": authority,
                "fee_type": "Merchant",
                "fee": 100,
            },
            "errors": [],
        },
    )
    assert authority.startswith("A0000")
    assert (len(authority), authority.isascii(), authority.isalnum()) == (36, True, True)


@pytest.mark.parametrize(
    ("changes", "order", "rial"),
    [
        ({}, "100045", 150_000),
        ({"amount": "150000"}, "100045", 150_000),
        ({"amount": 152200.0, "currency": "IRT"}, "100045", 1_522_000),
        ({"amount": "152200.0", "currency": "irt"}, "100045", 1_522_000),
        ({"currency": ...}, "100045", 150_000),
        ({"metadata": ...}, "", 150_000),
        ({"metadata": None}, "", 150_000),
        ({"metadata": []}, "", 150_000),
        ({"metadata": {"email": None, "mobile": None, "x": {"y": 1}}}, "", 150_000),
        ({"metadata": {"order_id": 77}}, "77", 150_000),
        ({"metadata": {"order_id": "A-77"}}, "A-77", 150_000),
        ({"mobile": "09120000000", "email": "a@b.example", "referrer_id": "x"}, "100045", 150_000),
        ({"amount": 1_000}, "100045", 1_000),
        ({"amount": 100, "currency": "IRT"}, "100045", 1_000),
        ({"amount": 1_000_000_000}, "100045", 1_000_000_000),
        ({"merchant_id": MERCHANT.upper()}, "100045", 150_000),
    ],
)
def test_what_clients_send_gets_an_authority(
    changes: dict[str, Any], order: str, rial: int
) -> None:
    bank = Bank()
    session = bank.session(bank.start(**changes))
    assert (session.order, session.amount, session.terminal) == (order, rial, MERCHANT)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"merchant_id": ...}, "merchant_id"),
        ({"merchant_id": "zibal"}, "merchant_id"),
        ({"amount": ...}, "amount"),
        ({"amount": 999}, "amount"),
        ({"amount": 99, "currency": "IRT"}, "amount"),
        ({"amount": 1500.5}, "amount"),
        ({"amount": "1500.50"}, "amount"),
        ({"amount": -1500}, "amount"),
        ({"amount": True}, "amount"),
        ({"currency": "USD"}, "currency"),
        ({"description": ...}, "description"),
        ({"description": "  "}, "description"),
        ({"description": "x" * 501}, "description"),
        ({"callback_url": ...}, "callback_url"),
        ({"callback_url": "shop.example"}, "callback_url"),
        ({"callback_url": "javascript:alert(1)"}, "callback_url"),
        ({"wages": "all"}, "wages"),
        ({"wages": [{"iban": "1", "amount": 10_000}]}, "wages"),
    ],
)
def test_validation_is_422_and_names_the_field(changes: dict[str, Any], field: str) -> None:
    status, answer = Bank().call("request", ask(**changes))
    errors = answer["errors"]
    assert (status, answer["data"], errors["code"]) == (422, [], -9)
    assert [list(each) for each in errors["validations"]] == [[field]]


IBAN = "IR" + "1" * 24


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"merchant_id": "22222222-2222-3333-4444-555555555555"}, -10),
        ({"amount": 1_000_000_001}, -41),
        ({"amount": 100_000_001, "currency": "IRT"}, -41),
        ({"wages": [{"iban": IBAN, "amount": 10_000}] * 6}, -35),
        ({"wages": [{"iban": IBAN, "amount": 9_999}]}, -36),
        ({"wages": [{"iban": IBAN, "amount": 148_501}]}, -34),
    ],
)
def test_business_errors_are_401(changes: dict[str, Any], code: int) -> None:
    assert plain(Bank().call("request", ask(**changes))) == failed(code)


def test_wages_up_to_99_percent() -> None:
    bank = Bank()
    wages = [{"iban": IBAN, "amount": 148_500, "description": "x"}]
    authority = bank.paid(wages=wages)
    assert bank.verify(authority)[1]["data"]["wages"] == wages


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"a=1"])
def test_no_json_is_validation_as_well(body: bytes) -> None:
    assert Bank().call("request", body)[0] == 422


def test_the_same_order_may_be_asked_for_again() -> None:
    bank = Bank()
    assert bank.start() != bank.start()


# --- the page and the return


def test_the_page_in_both_forms_and_any_case_but_the_authoritys() -> None:
    bank = Bank()
    authority = bank.start()
    for path in ("/pg/StartPay/{}", "/pg/StartPay/{}/ZarinGate", "/PG/startpay/{}/"):
        assert bank.open(path.format(authority)) is bank.session(authority)
    assert isinstance(bank.open(f"/pg/StartPay/{authority.swapcase()}"), Trouble)
    assert isinstance(bank.open(f"/pg/StartPay/{UNKNOWN}"), Trouble)
    page = Request(method="GET", path="/pg/StartPay/", base_url="")
    assert not bank.banks.is_page("zarinpal", page)


def test_an_authority_lives_30_minutes() -> None:
    bank = Bank()
    authority = bank.start()
    bank.now += 30 * 60 + 1
    assert isinstance(bank.open(f"/pg/StartPay/{authority}"), Trouble)
    assert bank.status(authority) == "FAILED"


@pytest.mark.parametrize(
    ("decision", "status"),
    [(PAYS, "OK"), (CANCELS, "NOK"), (Decision(outcome=Outcome.DECLINE, code="51"), "NOK")],
)
def test_the_return_keeps_the_callbacks_own_query(decision: Decision, status: str) -> None:
    bank = Bank()
    authority = bank.start()
    leaves = departure(bank.act(authority, decision))
    assert leaves.method == "GET"
    assert leaves.url == f"{CALLBACK}&Authority={authority}&Status={status}"


# --- verify


def test_verify_answers_100_once_and_101_ever_after() -> None:
    bank = Bank()
    authority = bank.paid()
    status, answer = bank.verify(authority)
    assert (status, answer) == (
        200,
        {
            "data": {
                "code": 100,
                "message": "Paid",
                "card_hash": CARD_SHA256,
                "card_pan": "502229******5995",
                "ref_id": int(bank.session(authority).ref_num),
                "fee_type": "Merchant",
                "fee": 100,
                "shaparak_fee": "1200",
                "order_id": "100045",
                "wages": [],
            },
            "errors": [],
        },
    )
    again = {**answer["data"], "code": 101, "message": "Verified"}
    for _ in range(2):
        assert bank.verify(authority) == (200, {"data": again, "errors": []})
    assert hashlib.sha256(CARD.encode()).hexdigest().upper() == CARD_SHA256


def test_without_an_order_id_verify_has_none() -> None:
    bank = Bank()
    assert bank.verify(bank.paid(metadata=...))[1]["data"]["order_id"] is None


@pytest.mark.parametrize("amount", [150_000, "150000", 150000.0], ids=repr)
def test_verify_reads_an_amount_as_request_does(amount: Any) -> None:
    bank = Bank()
    assert bank.verify(bank.paid(), amount)[0] == 200


def test_verify_is_in_the_unit_of_the_session() -> None:
    bank = Bank()
    authority = bank.paid(amount=15_000.0, currency="IRT")
    assert plain(bank.verify(authority, 150_000)) == failed(-50)
    assert bank.verify(authority, 15_000)[0] == 200


def test_after_a_wrong_amount_the_authority_is_as_good_as_before() -> None:
    bank = Bank()
    authority = bank.paid()
    assert plain(bank.verify(authority, 149_999)) == failed(-50)
    assert bank.status(authority) == "PAID"
    assert bank.verify(authority)[0] == 200
    assert plain(bank.verify(authority, 149_999)) == failed(-50)


def test_the_order_of_checks() -> None:
    bank = Bank()
    unpaid = bank.start()
    foreign = bank.start(merchant_id=OTHER)
    assert plain(bank.verify(unpaid)) == failed(-51)
    assert plain(bank.verify(unpaid, 1)) == failed(-50)
    assert plain(bank.verify(foreign, 1)) == failed(-53)
    assert plain(bank.verify(UNKNOWN, 1)) == failed(-54)
    stranger = {"merchant_id": OTHER.replace("9", "8"), "authority": UNKNOWN, "amount": 1}
    assert plain(bank.call("verify", stranger)) == failed(-10)
    assert bank.about("verify", unpaid)[1]["errors"]["validations"] == [
        {"amount": "The amount field is required."}
    ]
    assert bank.verify("")[1]["errors"]["code"] == -9


@pytest.mark.parametrize("name", ["verify", "inquiry", "reverse"])
def test_an_authority_of_no_form_is_the_frameworks_own_error(name: str) -> None:
    assert Bank().about(name, "A123", amount=1000) == (
        422,
        {
            "message": "Invalid authority.",
            "errors": {"authority": ["Invalid authority.", "-54"]},
        },
    )


@pytest.mark.parametrize("decision", [CANCELS, Decision(outcome=Outcome.DECLINE, code="55")])
def test_what_failed_cannot_be_verified(decision: Decision) -> None:
    bank = Bank()
    authority = bank.start()
    bank.act(authority, decision)
    assert plain(bank.verify(authority)) == failed(-51)


def test_the_unverified_are_held_without_end() -> None:
    bank = Bank()
    authority = bank.paid()
    bank.now += 3 * 24 * 3600
    assert bank.status(authority) == "PAID"
    assert bank.verify(authority)[1]["data"]["code"] == 100


def test_or_they_go_back_where_the_switch_says_so() -> None:
    bank = Bank(unverified="auto_reverse")
    authority = bank.paid()
    bank.now += 20 * 60 + 1
    assert bank.status(authority) == "REVERSED"
    assert plain(bank.verify(authority)) == failed(-51)
    assert plain(bank.about("reverse", authority)) == failed(-61)


def test_zarinpal_may_verify_by_itself() -> None:
    bank = Bank()
    authority = bank.paid(metadata={"auto_verify": True})
    assert bank.status(authority) == "VERIFIED"
    assert bank.verify(authority)[1]["data"]["code"] == 101


def test_a_session_may_be_for_one_card_only() -> None:
    bank = Bank()
    authority = bank.start(metadata={"card_pan": CARD})
    bank.act(authority, card=None)
    assert bank.verify(authority)[1]["data"]["card_hash"] == CARD_SHA256


# --- inquiry and the unverified


def test_an_inquiry_follows_the_session() -> None:
    bank = Bank()
    authority = bank.start()
    seen = [bank.status(authority)]
    bank.open(f"/pg/StartPay/{authority}")
    seen.append(bank.status(authority))
    bank.act(authority)
    seen.append(bank.status(authority))
    bank.verify(authority)
    seen.append(bank.status(authority))
    bank.about("reverse", authority)
    seen.append(bank.status(authority))
    assert seen == ["PENDING", "IN_BANK", "PAID", "VERIFIED", "REVERSED"]
    cancelled = bank.start()
    bank.act(cancelled, CANCELS)
    assert bank.status(cancelled) == "FAILED"


def test_an_inquiry_of_anothers_authority() -> None:
    bank = Bank()
    assert plain(bank.about("inquiry", bank.start(merchant_id=OTHER))) == failed(-53)
    assert plain(bank.about("inquiry", UNKNOWN)) == failed(-54)


def test_the_unverified_of_one_merchant_newest_first() -> None:
    bank = Bank()
    first, second = bank.paid(), bank.paid(amount=20_000, currency="IRT")
    bank.paid(merchant_id=OTHER)
    bank.start()
    bank.verify(bank.paid())
    status, answer = bank.call("unVerified", {"merchant_id": MERCHANT})
    row = {
        "authority": second,
        "amount": 20_000,
        "callback_url": CALLBACK,
        "referer": "https://shop.example/",
        "date": "2025-02-11 18:11:06",
    }
    assert (status, answer) == (
        200,
        {
            "data": {
                "code": "100",
                "message": "Success",
                "authorities": [row, row | {"authority": first, "amount": 150_000}],
            },
            "errors": [],
        },
    )


def test_no_more_than_100_unverified() -> None:
    bank = Bank()
    newest = [bank.paid() for _ in range(101)][:0:-1]
    _, answer = bank.call("unverified", {"merchant_id": MERCHANT})
    assert [row["authority"] for row in answer["data"]["authorities"]] == newest


def test_nothing_unverified_is_an_empty_list() -> None:
    assert Bank().call("unVerified", {"merchant_id": MERCHANT})[1]["data"]["authorities"] == []
    assert plain(Bank().call("unVerified", {"merchant_id": UNKNOWN_MERCHANT})) == failed(-10)


UNKNOWN_MERCHANT = "00000000-2222-3333-4444-555555555555"


# --- reverse


def test_a_reverse_gives_all_back_once() -> None:
    bank = Bank()
    authority = bank.paid()
    bank.verify(authority)
    done = {"data": {"code": 100, "message": "Reversed"}, "errors": []}
    assert bank.about("reverse", authority) == (200, done)
    assert plain(bank.about("reverse", authority)) == failed(-61)
    assert bank.session(authority).state is State.REVERSED


def test_only_the_verified_can_be_reversed() -> None:
    bank = Bank()
    unverified = bank.paid()
    assert plain(bank.about("reverse", unverified)) == failed(-61)
    assert plain(bank.about("reverse", bank.start())) == failed(-61)
    assert bank.session(unverified).state is State.PAID


@pytest.mark.parametrize(("seconds", "status"), [(1_800, 200), (1_801, 401)])
def test_a_reverse_is_due_within_30_minutes_of_the_payment(seconds: int, status: int) -> None:
    bank = Bank()
    authority = bank.paid()
    bank.now += 600
    bank.verify(authority)
    bank.now += seconds - 600
    answer = bank.about("reverse", authority)
    assert answer[0] == status
    if status == 401:
        assert plain(answer) == failed(-63)


@pytest.mark.parametrize(("choice", "code"), [("refused", -60), ("no_ip", -62)])
def test_a_reverse_may_be_refused(choice: str, code: int) -> None:
    bank = Bank(reverse=choice)
    authority = bank.paid()
    bank.verify(authority)
    assert plain(bank.about("reverse", authority)) == failed(code)
    assert bank.session(authority).state is State.VERIFIED


# --- how the host sees it


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("request", Operation.START),
        ("Verify", Operation.VERIFY),
        ("inquiry", Operation.INQUIRE),
        ("unVerified", Operation.INQUIRE),
        ("REVERSE", Operation.REVERSE),
    ],
)
def test_calls_are_told_by_operation_and_session(name: str, operation: Operation) -> None:
    bank = Bank()
    authority = bank.start()
    dialect, book = bank.banks.dialects["zarinpal"], bank.banks.book
    call = request(f"/pg/v4/payment/{name}.json", {"authority": authority})
    asked_for = dialect.recognise(call, book, bank.now)
    assert asked_for is not None
    assert (asked_for.operation, asked_for.session) == (operation, bank.session(authority))
    assert dialect.recognise(replace(call, method="GET"), book, bank.now) is None
    assert dialect.recognise(request("/pg/v4/other.json", {}), book, bank.now) is None


def test_the_ledger_is_in_rial_whatever_the_client_sent() -> None:
    bank = Bank()
    authority = bank.start(amount=15_000, currency="IRT")
    (row,) = bank.banks.book.ledger(bank.now)
    assert (row["terminal"], row["token"]) == (MERCHANT, authority)
    assert (row["order"], row["amount"], row["state"]) == (100045, 150_000, "created")


@pytest.mark.parametrize("switches", [{"reverse": "7"}, {"revers": "allowed"}])
def test_a_switch_that_there_is_not(switches: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="revers"):
        Zarinpal(CONTRACTS, switches)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(["request", "verify", "unVerified", "inquiry", "reverse"]),
    st.binary(max_size=40)
    | st.dictionaries(st.sampled_from([*ask(), "authority", "wages"]), JSON).map(
        lambda changes: orjson.dumps(ask(authority=UNKNOWN) | changes)
    ),
)
def test_whatever_comes_is_answered(name: str, body: bytes) -> None:
    status, answer = Bank().call(name, body)
    assert status in {200, 401, 422}
    assert "errors" in answer
