"""ZarinPal's panel in the simulator: sessions and refunds by GraphQL."""

from typing import Any

import pytest

from gatewayd.core.terms import Operation
from gatewayd.gateways.zarinpal import REFUND_QUERY, SESSION_QUERY
from gatewayd.simulator.bank import Session
from tests.zarinpal_bank import (
    CANCELS,
    OTHER,
    Bank,
    failed,
    plain,
    request,
)

# --- the panel


def refundable(bank: Bank) -> tuple[str, str]:
    """A verified session: authority and the panel's number of it."""
    authority = bank.paid()
    reference = bank.verify(authority)[1]["data"]["ref_id"]
    _, answer = bank.graphql(SESSION_QUERY, {"t": "238", "r": str(reference)})
    (row,) = answer["data"]["resource"]
    assert (row["status"], row["amount"], row.keys()) == (
        "VERIFIED",
        150_000,
        {"id", "status", "amount"},
    )
    return authority, row["id"]


def asked(number: str, amount: int, **changes: Any) -> dict[str, Any]:
    return {"s": number, "a": amount, "d": "x", "m": "CARD", "r": "CUSTOMER_REQUEST", **changes}


def test_refunds_in_parts_up_to_the_whole() -> None:
    bank = Bank()
    authority, number = refundable(bank)
    bank.now += 60
    status, answer = bank.graphql(REFUND_QUERY, asked(number, 20_000))
    assert (status, answer) == (
        200,
        {
            "data": {
                "resource": {
                    "id": number,
                    "terminal_id": "238",
                    "amount": 150_000,
                    "timeline": {
                        "refund_status": "PENDING",
                        "refund_amount": 20_000,
                        "refund_time": "2025-02-11T18:12:06+03:30",
                    },
                }
            }
        },
    )
    assert "errors" in bank.graphql(REFUND_QUERY, asked(number, 130_001))[1]
    assert "data" in bank.graphql(REFUND_QUERY, asked(number, 130_000))[1]
    assert bank.session(authority).refunded == 150_000
    assert plain(bank.about("reverse", authority)) == failed(-61)


def test_without_an_alias_the_fields_own_name_stands() -> None:
    bank = Bank()
    _, number = refundable(bank)
    query = f'mutation {{ AddRefund(session_id: "{number}", amount: 20000) {{ amount }} }}'
    assert bank.graphql(query, {})[1] == {"data": {"AddRefund": {"amount": 150_000}}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": 19_999}, "at least 20000"),
        ({"a": "much"}, "at least 20000"),
        ({"a": 150_001}, "more than what is left"),
        ({"s": "1"}, "not found"),
        ({"s": None}, "not found"),
        ({"m": "SATNA"}, "method"),
        ({"r": "WHY_NOT"}, "reason"),
    ],
)
def test_a_refund_refused_has_no_effect(changes: dict[str, Any], message: str) -> None:
    bank = Bank()
    authority, number = refundable(bank)
    status, answer = bank.graphql(REFUND_QUERY, asked(number, 20_000, **changes))
    assert (status, answer["data"]) == (200, None)
    assert message in answer["errors"][0]["message"]
    assert bank.session(authority).refunds == []


def test_what_is_not_verified_is_not_refunded() -> None:
    bank = Bank()
    paid, (back, number) = bank.paid(), refundable(bank)
    bank.about("reverse", back)
    for each in (bank.session(paid).extra["session_id"], number):
        assert "errors" in bank.graphql(REFUND_QUERY, asked(each, 20_000))[1]


@pytest.mark.parametrize("key", ["", "key-2"])
def test_a_wrong_key_is_401(key: str) -> None:
    assert Bank().graphql("{ Session { id } }", {}, key) == (401, {"message": "Unauthenticated."})


@pytest.mark.parametrize(
    "query",
    [
        "{",
        "{ Me { id } }",
        'mutation { Session(terminal_id: "238") { id } }',
        '{ Session(terminal_id: "239") { id } }',
        '{ Session(terminal_id: "238", filter: NEW) { id } }',
    ],
)
def test_a_bad_query_is_an_error_with_200(query: str) -> None:
    status, answer = Bank().graphql(query, {})
    assert (status, len(answer["errors"])) == (200, 1)


def test_a_bad_selection_refunds_nothing() -> None:
    bank = Bank()
    authority, number = refundable(bank)
    query = REFUND_QUERY.replace("timeline", "refunds")
    assert "errors" in bank.graphql(query, asked(number, 20_000))[1]
    assert bank.session(authority).refunds == []


def test_sessions_are_found_by_many_ways() -> None:
    bank = Bank()
    _, refunded = refundable(bank)
    bank.graphql(REFUND_QUERY, asked(refunded, 20_000))
    _, verified = refundable(bank)
    paid = bank.paid()
    bank.paid(merchant_id=OTHER)
    failed_one = bank.start()
    bank.act(failed_one, CANCELS)

    def found(arguments: str) -> list[str]:
        query = f'{{ Session(terminal_id: "238"{arguments}) {{ id created_at }} }}'
        return [row["id"] for row in bank.graphql(query, {})[1]["data"]["Session"]]

    number = {each: bank.session(each).extra["session_id"] for each in (paid, failed_one)}
    everything = [number[failed_one], number[paid], verified, refunded]
    assert found("") == everything
    assert found(", limit: 2, offset: 1") == everything[1:3]
    assert found(f', id: "{verified}"') == [verified]
    assert found(f', rrn: "{bank.session(paid).rrn}"') == [number[paid]]
    assert found(", filter: PAID") == [number[paid]]
    assert found(", filter: VERIFIED") == [verified]
    assert found(", filter: REFUNDED") == [refunded]
    assert found(", filter: TRASH") == [number[failed_one]]
    assert found(", filter: ACTIVE") == everything[1:]


def test_a_refund_is_told_from_a_question() -> None:
    bank = Bank()
    authority, number = refundable(bank)
    dialect, book = bank.banks.dialects["zarinpal"], bank.banks.book

    def recognised(query: str) -> tuple[Operation | None, Session | None]:
        document = {"query": query, "variables": asked(number, 1)}
        found = dialect.recognise(request("/api/v4/graphql", document), book, bank.now)
        assert found is not None
        return found.operation, found.session

    assert recognised(REFUND_QUERY) == (Operation.REFUND, bank.session(authority))
    assert recognised(SESSION_QUERY) == (Operation.INQUIRE, None)
    assert recognised("{") == (Operation.INQUIRE, None)
