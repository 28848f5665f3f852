"""Where a payment stands decides what simulated Parsian answers; and its report."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from gatewayd.core.secret import Secret
from gatewayd.core.terms import (
    CodeClass,
    Finding,
    GivenBack,
    Inquiry,
    Operation,
    Order,
    Receipt,
    Redirect,
    Refusal,
)
from gatewayd.gateways.parsian import Parsian as Driver
from gatewayd.simulator.bank import Session, State
from gatewayd.simulator.incoming import read_request
from tests.banks import CALLBACK, MORNING
from tests.parsian_bank import NAMESPACES, OTHER, PATHS, PIN, REPORT, Parsian, body, paid
from tests.soap_bank import CANCELLED, ORIGIN, envelope

MINUTE = 60.0


def created(bank: Parsian) -> Session:
    return bank.find(bank.start())


def cancelled(bank: Parsian) -> Session:
    token = bank.start()
    bank.act(token, CANCELLED)
    return bank.find(token)


def expired(bank: Parsian) -> Session:
    session = created(bank)
    bank.now += 15 * MINUTE + 1
    return bank.find(session.token)


def confirmed(bank: Parsian) -> Session:
    session = paid(bank)
    assert bank.confirm(session)["Status"] == "0"
    return session


def reversed_by_us(bank: Parsian) -> Session:
    session = confirmed(bank)
    assert bank.reverse(session) == "0"
    return session


def reversed_by_itself(bank: Parsian) -> Session:
    session = paid(bank)
    bank.now += 15 * MINUTE + 1
    return bank.find(session.token)


STATES: dict[str, Callable[[Parsian], Session]] = {
    "created": created,
    "cancelled": cancelled,
    "expired": expired,
    "paid": paid,
    "confirmed": confirmed,
    "reversed_by_us": reversed_by_us,
    "reversed_by_itself": reversed_by_itself,
}
CONFIRMS = dict(zip(STATES, ("-1531", "-1531", "-1531", "0", "0", "-1531", "-1531"), strict=True))
REVERSALS = dict(zip(STATES, ("-1552", "-1552", "-1552", "0", "0", "-1551", "-1551"), strict=True))
REPORTS = dict(zip(STATES, (-1500, -138, -130, -1504, 0, -1507, -1507), strict=True))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("operation", ["ConfirmPayment", "ConfirmPaymentWithAmount"])
def test_a_confirm_answers_by_state_and_never_zero_for_the_unpaid(
    operation: str, state: str
) -> None:
    bank = Parsian()
    session = STATES[state](bank)
    fields: dict[str, Any] = {"LoginAccount": PIN, "Token": session.token}
    if operation == "ConfirmPaymentWithAmount":
        fields |= {"OrderId": session.order, "Amount": session.amount}
    answer = bank.ask(operation, **fields)
    assert CONFIRMS[state] == answer["Status"]
    assert session.token == answer["Token"]
    if answer["Status"] == "0":
        assert (session.rrn, "621986******9007") == (answer["RRN"], answer["CardNumberMasked"])
        assert list(answer) == ["Status", "CardNumberMasked", "RRN", "Token"]
        assert session.verified
    else:
        assert ("0", False) == (answer["RRN"], "CardNumberMasked" in answer)


@pytest.mark.parametrize("state", STATES)
def test_a_reversal_answers_by_state(state: str) -> None:
    bank = Parsian()
    session = STATES[state](bank)
    assert REVERSALS[state] == bank.reverse(session)
    assert session.reversed is (state not in ("created", "cancelled", "expired"))


@pytest.mark.parametrize(("switches", "again"), [({}, "0"), ({"confirm_again": "-1533"}, "-1533")])
def test_a_second_confirm_answers_as_the_switch_says(switches: dict[str, str], again: str) -> None:
    bank = Parsian(**switches)
    session = confirmed(bank)
    answer = bank.confirm(session)
    assert (again, session.rrn) == (answer["Status"], answer["RRN"])


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Amount": "1000"}, "-1538"),
        ({"OrderId": "7"}, "-1538"),
        ({"Token": "1"}, "-131"),
        ({"LoginAccount": "wrong"}, "-126"),
        ({"LoginAccount": OTHER["pin"]}, "-1530"),
    ],
)
def test_a_confirm_of_something_else_takes_nothing(changes: dict[str, Any], status: str) -> None:
    bank = Parsian()
    session = paid(bank)
    assert status == bank.confirm(session, **changes)["Status"]
    assert State.PAID is session.state


def test_a_stranger_cannot_reverse() -> None:
    bank = Parsian()
    session = confirmed(bank)
    assert bank.reverse(session, "wrong") == "-126"
    assert bank.reverse(session, OTHER["pin"]) == "-1530"
    assert not session.reversed


def test_a_reversal_comes_too_late_after_an_hour() -> None:
    bank = Parsian()
    session = confirmed(bank)
    bank.now += 60 * MINUTE + 1
    assert bank.reverse(session) == "-1549"
    assert State.VERIFIED is session.state


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("SalePaymentRequest", Operation.START),
        ("ConfirmPayment", Operation.VERIFY),
        ("ConfirmPaymentWithAmount", Operation.VERIFY),
        ("ReversalRequest", Operation.REVERSE),
    ],
)
def test_a_call_is_recognised_before_it_has_an_effect(operation: str, expected: Operation) -> None:
    bank = Parsian()
    session = paid(bank)
    fields = {} if expected is Operation.START else {"Token": session.token}
    _, request = read_request(
        method="POST",
        target=f"/parsian{PATHS[operation]}",
        origin=ORIGIN,
        headers={},
        body=envelope(body(operation, NAMESPACES[operation], fields)).encode(),
    )
    asked = bank.banks.dialects["parsian"].recognise(request, bank.banks.book, bank.now)
    assert asked is not None
    assert expected is asked.operation
    assert (None if expected is Operation.START else session) is asked.session
    assert State.PAID is session.state


def test_a_switch_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="confirm_again=2"):
        Parsian(confirm_again="2")


# --- the report


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("login", ["report01:S3cret-pass", "report01|S3cret-pass"])
def test_the_report_tells_every_state(login: str, state: str) -> None:
    bank = Parsian()
    session = STATES[state](bank)
    asked = {"LoginAccount": PIN, "OrderId": session.order, "Token": ""}
    reply = bank.report(asked, login)
    assert reply.status == 200
    document = orjson.loads(reply.body)
    assert {"Data", "Status", "Message"} == document.keys()
    data = document["Data"]
    assert (0, REPORTS[state]) == (document["Status"], data["PGWStatusId"])
    assert (int(session.token), 1000000042, 150_000, PIN) == (
        data["Token"],
        data["OrderId"],
        data["Amount"],
        data["LoginAccount"],
    )
    assert data["RequestDateTime"] == "2025-02-11T18:11:06.000"
    assert data["WebSiteAddress"] == "https://shop.example"


def test_the_report_can_be_asked_by_token_alone() -> None:
    bank = Parsian()
    session = confirmed(bank)
    reply = bank.report({"LoginAccount": PIN, "OrderId": "", "Token": session.token})
    data = orjson.loads(reply.body)["Data"]
    assert (int(session.rrn), "621986******9007") == (data["RRN"], data["CardNumber"])


@pytest.mark.parametrize("login", ["report01:wrong", "", "report01", ":", "é"])
def test_the_report_is_told_to_its_own_user_only(login: str) -> None:
    asked = {"LoginAccount": PIN, "OrderId": "1"}
    assert Parsian().report(asked, login).status == 401
    other = {"LoginAccount": OTHER["pin"], "OrderId": "1"}
    assert Parsian().report(other).status == 401


@pytest.mark.parametrize("document", [None, [], "x", {}, {"LoginAccount": 5}])
def test_a_report_without_an_account_is_for_nobody(document: object) -> None:
    assert Parsian().report(document).status == 401


def test_a_report_of_nothing_has_no_data() -> None:
    reply = Parsian().report({"LoginAccount": PIN, "OrderId": "1"})
    document = orjson.loads(reply.body)
    assert (None, -1528) == (document["Data"], document["Status"])


def test_the_report_is_recognised_as_an_inquiry_at_any_case_of_its_path() -> None:
    bank = Parsian()
    reply = bank.send("POST", REPORT.upper(), b"not json")
    assert reply is not None
    assert reply.status == 401


# --- the driver against it

DRIVER = Driver(
    pin=Secret(PIN),
    base_url="http://bank.example/parsian",
    report_url="http://bank.example/parsian",
    report_user="report01",
    report_password=Secret("S3cret-pass"),
)
ORDER = Order(bank_order=42, amount=150_000, callback_url=CALLBACK, made_at=MORNING)


def started(bank: Parsian) -> str:
    redirect = bank.run(DRIVER.start(ORDER))
    assert isinstance(redirect, Redirect)
    assert bank.find(redirect.token) is bank.open_page(redirect)
    return redirect.token


def found(bank: Parsian, token: str) -> Finding:
    inquiry = bank.run(DRIVER.inquire(ORDER, token, None))
    assert isinstance(inquiry, Inquiry)
    return inquiry.finding


def test_the_driver_takes_a_payment_and_gives_it_back() -> None:
    bank = Parsian()
    token = started(bank)
    not_paid = Refusal(cause=CodeClass.NOT_PAID, code="-1531")
    assert not_paid == bank.run(DRIVER.verify(ORDER, token, None))
    assert Finding.PENDING is found(bank, token)
    claim = DRIVER.read_return(bank.act(token).fields)
    assert (CodeClass.OK, token, 42, 150_000) == (
        claim.outcome,
        claim.token,
        claim.bank_order,
        claim.amount,
    )
    rrn = bank.find(token).rrn
    receipt = Receipt(token=token, ref_num=rrn, rrn=rrn, card="621986******9007")
    assert receipt == bank.run(DRIVER.verify(ORDER, token, claim))
    assert receipt == bank.run(DRIVER.verify(ORDER, token, claim))
    assert Finding.VERIFIED is found(bank, token)
    assert GivenBack() == bank.run(DRIVER.reverse(ORDER, token, receipt))
    assert GivenBack(already=True) == bank.run(DRIVER.reverse(ORDER, token, receipt))
    assert Finding.REVERSED is found(bank, token)


def test_the_driver_hears_already_where_the_bank_says_so() -> None:
    bank = Parsian(confirm_again="-1533")
    token = started(bank)
    bank.act(token)
    first = bank.run(DRIVER.verify(ORDER, token, None))
    second = bank.run(DRIVER.verify(ORDER, token, None))
    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert (False, True, first.rrn) == (first.already, second.already, second.rrn)
