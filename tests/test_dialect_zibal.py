"""Zibal's bank in the simulator: tolerant in what it reads, exact in what it answers."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest

from gatewayd.core.terms import Operation, Redirect
from gatewayd.simulator.bank import Request, Session, State
from gatewayd.simulator.dialects.zibal import Zibal
from gatewayd.simulator.host import Banks
from gatewayd.simulator.payers import Decision, Outcome

T0 = 1_723_832_236.541
"""2024-08-16T21:47:16.541 in Tehran."""
CONTRACT = {"merchant": "zibal-demo", "access_token": "key-1", "account_id": "1234"}
ASKED: Mapping[str, Any] = {
    "merchant": "zibal-demo",
    "amount": 200_000,
    "callbackUrl": "https://shop.example/back?a=1",
    "orderId": "100045",
    "description": "Order 100045",
}
PAYS = Decision(outcome=Outcome.PAID)


class Bank:
    """A merchant's and a payer's view of one simulated Zibal."""

    def __init__(self, **switches: str) -> None:
        self.banks = Banks({"zibal": (CONTRACT,)}, seed=7, switches={"zibal": switches})
        self.now = T0

    def post(
        self, path: str, document: object, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """A merchant's call; always HTTP 200."""
        request = Request(
            method="POST",
            path=path,
            base_url="http://bank.example/zibal",
            headers=headers or {},
            body=document if isinstance(document, bytes) else orjson.dumps(document),
        )
        exchange = self.banks.answer("zibal", request, self.now)
        assert exchange is not None
        assert exchange.reply is not None
        assert exchange.reply.status == 200
        answer = orjson.loads(exchange.reply.body)
        assert isinstance(answer, dict)
        return answer

    def start(self, **other: Any) -> int:
        """A new trackId."""
        answer = self.post("/v1/request", {**ASKED, **other})
        assert answer.keys() >= {"result", "message", "trackId"}, answer
        track_id = answer["trackId"]
        assert isinstance(track_id, int)
        return track_id

    def act(self, track_id: int, decision: Decision = PAYS, card: str | None = None) -> Redirect:
        """The payer opens the page, does it, and is sent back."""
        request = Request(method="GET", path=f"/start/{track_id}", base_url="")
        session = self.banks.open_page("zibal", request, self.now)
        assert isinstance(session, Session)
        back = self.banks.act(session, decision, self.now, card=card).back
        assert back is not None
        return back

    def verify(self, track_id: int | str, **other: Any) -> dict[str, Any]:
        """What verify answers."""
        return self.post("/v1/verify", {"merchant": "zibal-demo", "trackId": track_id, **other})

    def inquire(self, track_id: int) -> dict[str, Any]:
        """What an inquiry answers."""
        return self.post("/v1/inquiry", {"merchant": "zibal-demo", "trackId": track_id})

    def refund(self, track_id: int, **other: Any) -> dict[str, Any]:
        """What a refund answers."""
        return self.post(
            "/v1/account/refund",
            {"trackId": track_id, "accountId": "1234", **other},
            headers={"authorization": "Bearer key-1"},
        )

    def session(self, track_id: int) -> Session:
        """The bank's own book."""
        found = self.banks.book.find("zibal", str(track_id), self.now)
        assert found is not None
        return found


def test_a_request_is_answered_by_a_number_of_ten_digits() -> None:
    answer = Bank().post("/v1/request", ASKED)
    assert {"message": "success", "result": 100, "trackId": answer["trackId"]} == answer
    assert 10**9 <= answer["trackId"] < 10**10


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "200000"},
        {"orderId": 100045},
        {"orderId": None},
        {"mobile": "09120000000", "nationalCode": "0012345679"},
        {"unheardOf": {"of": 1}},
        {"amount": 200_000.0},
        {"percentMode": "0", "multiplexingInfos": [{"id": "self", "amount": "200000"}]},
        {"percentMode": 1, "multiplexingInfos": [{"id": "self", "amount": 100}]},
    ],
)
def test_a_request_is_read_tolerantly(other: dict[str, Any]) -> None:
    bank = Bank()
    assert bank.session(bank.start(**other)).amount == 200_000


def test_paths_may_come_in_any_case() -> None:
    assert 100 == Bank().post("/V1/Request/", ASKED)["result"]


def test_an_order_number_may_be_used_again() -> None:
    bank = Bank()
    assert bank.start() != bank.start()


@pytest.mark.parametrize(
    ("other", "result"),
    [
        ({"merchant": "somebody"}, 102),
        ({"merchant": None}, 102),
        ({"amount": 1000}, 105),
        ({"amount": "200000.00"}, 105),
        ({"amount": None}, 105),
        ({"amount": 500_000_001}, 113),
        ({"callbackUrl": None}, 140),
        ({"callbackUrl": "shop.example/back"}, 106),
        ({"nationalCode": "12"}, 114),
        ({"percentMode": 2}, 107),
        ({"multiplexingInfos": [{"amount": 200_000}]}, 108),
        ({"multiplexingInfos": "all"}, 108),
        ({"multiplexingInfos": [{"id": "other", "amount": 200_000}]}, 108),
        ({"multiplexingInfos": [{"bankAccount": "IR00", "amount": 200_000}]}, 110),
        ({"multiplexingInfos": [{"id": "self", "amount": 1}]}, 111),
    ],
)
def test_a_wrong_request_gets_its_result(other: dict[str, Any], result: int) -> None:
    answer = Bank().post("/v1/request", {**ASKED, **other})
    assert (result, {"message", "result"}) == (answer["result"], set(answer))


@pytest.mark.parametrize("body", [b"", b"[]", b"amount=1", b"\xff"])
def test_a_body_that_is_no_object_names_no_merchant(body: bytes) -> None:
    assert 102 == Bank().post("/v1/request", body)["result"]


@pytest.mark.parametrize(("switch", "result"), [("inactive", 103), ("foreign_address", 115)])
def test_a_merchant_can_be_out_of_favour(switch: str, result: int) -> None:
    assert result == Bank(merchant=switch).post("/v1/request", ASKED)["result"]


def test_a_pay_link_needs_no_callback() -> None:
    answer = Bank().post("/v1/request", {**ASKED, "callbackUrl": None, "linkToPay": True})
    assert f"http://bank.example/zibal/start/{answer['trackId']}" == answer["payLink"]


@pytest.mark.parametrize("path", ["/start/{}", "/start/{}/direct", "/START/{}/"])
def test_the_page_is_found_by_its_path(path: str) -> None:
    bank = Bank()
    track_id = bank.start()
    request = Request(method="GET", path=path.format(track_id), base_url="")
    assert bank.banks.is_page("zibal", request)
    assert bank.session(track_id) is bank.banks.open_page("zibal", request, bank.now)


@pytest.mark.parametrize("path", ["/start/", "/start/12", "/start/{}/other", "/begin/{}"])
def test_any_other_page_is_not_there(path: str) -> None:
    bank = Bank()
    request = Request(method="GET", path=path.format(bank.start()), base_url="")
    assert not isinstance(bank.banks.open_page("zibal", request, bank.now), Session)


@pytest.mark.parametrize(
    ("decision", "success", "status"),
    [
        (PAYS, "1", "2"),
        (Decision(outcome=Outcome.CANCEL), "0", "3"),
        (Decision(outcome=Outcome.DECLINE, code="51"), "0", "5"),
        (Decision(outcome=Outcome.DECLINE, code="55"), "0", "6"),
        (Decision(outcome=Outcome.DECLINE, code="91"), "0", "12"),
        (Decision(outcome=Outcome.DECLINE, code="84"), "0", "11"),
        (Decision(outcome=Outcome.DECLINE, code="99"), "0", "10"),
    ],
)
def test_how_a_payer_is_sent_back(decision: Decision, success: str, status: str) -> None:
    bank = Bank()
    track_id = bank.start()
    expected = Redirect(
        token=str(track_id),
        url="https://shop.example/back?a=1",
        method="get",
        fields={
            "trackId": str(track_id),
            "success": success,
            "status": status,
            "orderId": "100045",
        },
    )
    assert expected == bank.act(track_id, decision)


def test_only_an_allowed_card_pays() -> None:
    bank = Bank()
    cards = ["6219861034529007"]
    assert (
        "0" == bank.act(bank.start(allowedCards=cards), card="6104331034529004").fields["success"]
    )
    assert "1" == bank.act(bank.start(allowedCards=cards)).fields["success"]


def test_a_verify_answers_everything_with_its_types() -> None:
    bank = Bank()
    track_id = bank.start()
    bank.act(track_id, card="6219861034529007")
    assert {
        "message": "success",
        "result": 100,
        "refNumber": int(bank.session(track_id).ref_num),
        "paidAt": "2024-08-16T21:47:16.541000",
        "status": 1,
        "amount": 200_000,
        "orderId": "100045",
        "description": "Order 100045",
        "cardNumber": "62198****07",
        "multiplexingInfos": [],
    } == bank.verify(track_id)
    assert bank.session(track_id).verified


def test_a_track_id_may_come_as_text() -> None:
    bank = Bank()
    track_id = bank.start()
    bank.act(track_id)
    assert 100 == bank.verify(str(track_id))["result"]


def test_a_second_verify_tells_more_only_to_who_asks() -> None:
    bank = Bank()
    track_id = bank.start()
    bank.act(track_id)
    first = bank.verify(track_id)
    bare = {"message": "previously verifed", "result": 201}
    assert bare == bank.verify(track_id)
    assert {**first, **bare} == bank.verify(track_id, dataOnDoubleVerify=True)


def test_a_second_verify_may_tell_nothing_to_anybody() -> None:
    bank = Bank(double_verify="bare")
    track_id = bank.start()
    bank.act(track_id)
    bank.verify(track_id)
    assert {"message", "result"} == set(bank.verify(track_id, dataOnDoubleVerify=True))


def test_the_sandbox_knows_no_card_and_no_reference() -> None:
    bank = Bank()
    track_id = bank.start(merchant="zibal")
    bank.act(track_id)
    answer = bank.verify(track_id, merchant="zibal")
    assert (100, None, None) == (answer["result"], answer["refNumber"], answer["cardNumber"])


@pytest.mark.parametrize(
    "before",
    [
        lambda bank, track_id: None,
        lambda bank, track_id: bank.act(track_id, Decision(outcome=Outcome.CANCEL)),
        lambda bank, track_id: bank.act(track_id, Decision(outcome=Outcome.DECLINE, code="51")),
    ],
    ids=["created", "cancelled", "declined"],
)
def test_what_is_not_paid_cannot_be_verified(before: Callable[[Bank, int], object]) -> None:
    bank = Bank()
    track_id = bank.start()
    before(bank, track_id)
    assert {"message": "transaction failed", "result": 202} == bank.verify(track_id)
    assert not bank.session(track_id).verified


def test_what_is_unknown_or_another_merchants_is_not_found() -> None:
    bank = Bank()
    sandboxed = bank.start(merchant="zibal")
    not_found = {"message": "trackId not found", "result": 203}
    assert not_found == bank.verify(1) == bank.verify(sandboxed) == bank.inquire(sandboxed)
    assert 102 == bank.verify(sandboxed, merchant="somebody")["result"]


def test_what_nobody_verifies_goes_back() -> None:
    bank = Bank()
    track_id = bank.start()
    bank.act(track_id)
    bank.now += 30 * 60
    assert 2 == bank.inquire(track_id)["status"]
    bank.now += 1
    assert (100, 18) == (bank.inquire(track_id)["result"], bank.inquire(track_id)["status"])
    assert 202 == bank.verify(track_id)["result"]
    assert State.AUTO_REVERSED is bank.session(track_id).state


def test_by_a_switch_it_is_held_instead() -> None:
    bank = Bank(unverified="held")
    track_id = bank.start()
    bank.act(track_id)
    bank.now += 10 * 24 * 3600
    assert 2 == bank.inquire(track_id)["status"]
    assert 100 == bank.verify(track_id)["result"]


def test_an_inquiry_answers_by_status_and_changes_nothing() -> None:
    bank = Bank()
    track_id = bank.start()
    assert (100, -1) == (bank.inquire(track_id)["result"], bank.inquire(track_id)["status"])
    bank.act(track_id, card="6219861034529007")
    paid = bank.inquire(track_id)
    assert (2, None) == (paid["status"], paid["verifiedAt"])
    bank.verify(track_id)
    verified = bank.inquire(track_id)
    assert {**paid, "status": 1, "verifiedAt": "2024-08-16T21:47:16.541000"} == verified
    assert {"wage": 0, "shaparakFee": 1200}.items() <= verified.items()


@pytest.mark.parametrize(
    ("decision", "status"),
    [
        (Decision(outcome=Outcome.CANCEL), 3),
        (Decision(outcome=Outcome.DECLINE, code="51"), 5),
    ],
)
def test_an_inquiry_of_what_failed(decision: Decision, status: int) -> None:
    bank = Bank()
    track_id = bank.start()
    bank.act(track_id, decision)
    assert status == bank.inquire(track_id)["status"]


# --- giving money back


def paid_and_verified(bank: Bank) -> int:
    """A trackId whose money is the merchant's."""
    track_id = bank.start()
    bank.act(track_id)
    bank.verify(track_id)
    return track_id


def test_a_part_is_refunded() -> None:
    bank = Bank()
    track_id = paid_and_verified(bank)
    answer = bank.refund(track_id, amount=50_000, tryReverse=True, description="77")
    refund = bank.session(track_id).refunds[0]
    assert {
        "status": True,
        "result": 1,
        "message": "موفق",
        "data": {
            "reversed": False,
            "remaining": 150_000,
            "split": [
                {
                    "wageAmount": 0,
                    "amount": 50_000,
                    "predictedTime": "2024-08-17T09:47:16",
                    "refundId": refund.reference,
                }
            ],
        },
    } == answer
    assert 50_000 == bank.session(track_id).refunded
    assert 1 == bank.inquire(track_id)["status"]


def test_without_an_amount_everything_is_refunded() -> None:
    bank = Bank()
    track_id = paid_and_verified(bank)
    assert 0 == bank.refund(track_id)["data"]["remaining"]
    assert 15 == bank.inquire(track_id)["status"]


def test_everything_goes_back_to_the_card_where_that_is_wanted() -> None:
    bank = Bank()
    track_id = paid_and_verified(bank)
    assert bank.refund(track_id, tryReverse=True)["data"]["reversed"]
    assert State.REVERSED is bank.session(track_id).state
    assert 18 == bank.inquire(track_id)["status"]
    assert 202 == bank.verify(track_id)["result"]
    assert 6 == bank.refund(track_id)["result"]


def test_after_a_day_the_card_is_not_tried_any_more() -> None:
    bank = Bank()
    track_id = paid_and_verified(bank)
    bank.now += 24 * 3600 + 1
    assert not bank.refund(track_id, tryReverse=True)["data"]["reversed"]
    assert 200_000 == bank.session(track_id).refunded


@pytest.mark.parametrize(
    ("other", "result"),
    [
        ({"amount": 200_001}, 6),
        ({"amount": 0}, 6),
        ({"amount": 999}, 9),
        ({"accountId": "9"}, 10),
        ({"trackId": 1}, 6),
    ],
)
def test_a_wrong_refund_moves_nothing(other: dict[str, Any], result: int) -> None:
    bank = Bank()
    track_id = paid_and_verified(bank)
    assert result == bank.refund(track_id, **other)["result"]
    assert 0 == bank.session(track_id).refunded


def test_refunds_together_never_exceed_the_payment() -> None:
    bank = Bank()
    track_id = paid_and_verified(bank)
    bank.refund(track_id, amount=150_000)
    assert 6 == bank.refund(track_id, amount=50_001)["result"]
    assert 0 == bank.refund(track_id, amount=50_000)["data"]["remaining"]


def test_what_is_not_verified_cannot_be_refunded() -> None:
    bank = Bank()
    track_id = bank.start()
    bank.act(track_id)
    assert 6 == bank.refund(track_id)["result"]
    assert 6 == bank.refund(track_id, tryReverse=True)["result"]


@pytest.mark.parametrize(
    ("headers", "result"),
    [({}, 2), ({"authorization": "Bearer "}, 2), ({"authorization": "Bearer other"}, 3)],
)
def test_the_platform_wants_its_own_key(headers: dict[str, str], result: int) -> None:
    assert result == Bank().post("/v1/account/refund", {}, headers)["result"]
    assert result == Bank().post("/v1/account/refund/inquiry", {}, headers)["result"]


@pytest.mark.parametrize(("switch", "status"), [("done", 2), ("queued", 0), ("failed", 3)])
def test_refunds_are_listed_by_payment_and_by_number(switch: str, status: int) -> None:
    bank = Bank(refund_state=switch)
    track_id = paid_and_verified(bank)
    key = {"authorization": "Bearer key-1"}

    def listed(**asked: Any) -> dict[str, Any]:
        return bank.post("/v1/account/refund/inquiry", asked, key)

    assert [] == listed(transactionTrackId=track_id)["data"]
    number = bank.refund(track_id, amount=50_000, description="77")["data"]["split"][0]["refundId"]
    rows = listed(transactionTrackId=track_id)["data"]
    assert [(int(number), status, 50_000, "77")] == [
        (row["refundId"], row["status"], row["amount"], row["description"]) for row in rows
    ]
    assert rows[0] == listed(refundId=int(number))["data"] == listed(refundId=number)["data"]
    assert 6 == listed(refundId=1)["result"] == listed(transactionTrackId=1)["result"]


def test_what_a_call_is_about_is_known_before_it_takes_effect() -> None:
    bank = Bank()
    track_id = bank.start()
    dialect = bank.banks.dialects["zibal"]
    for path, operation in {
        "/v1/request": Operation.START,
        "/v1/verify": Operation.VERIFY,
        "/v1/inquiry": Operation.INQUIRE,
        "/v1/account/refund": Operation.REFUND,
        "/v1/account/refund/inquiry": Operation.INQUIRE,
    }.items():
        body = orjson.dumps({"trackId": track_id})
        request = Request(method="POST", path=path, base_url="", body=body)
        asked = dialect.recognise(request, bank.banks.book, bank.now)
        assert asked is not None
        expected = None if operation is Operation.START else bank.session(track_id)
        assert (operation, expected) == (asked.operation, asked.session)


def test_an_unknown_switch_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no switch"):
        Zibal((CONTRACT,), {"unverified": "sometimes"})
