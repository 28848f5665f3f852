"""A merchant's and a payer's view of simulated ZarinPal."""

from collections.abc import Mapping
from typing import Any

import orjson

from gatewayd.core.terms import Redirect
from gatewayd.simulator.bank import Request, Session
from gatewayd.simulator.host import Banks, Trouble
from gatewayd.simulator.payers import Decision, Outcome

T0 = 1_739_284_866.0
"""2025-02-11 18:11:06 in Tehran."""
MERCHANT = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"
CONTRACTS = (
    {"merchant_id": MERCHANT, "access_token": "key-1", "terminal_id": "238"},
    {"merchant_id": OTHER},
)
CALLBACK = "https://shop.example/pay/zarinpal/return?pid=8841"
CARD = "5022291000005995"
CARD_SHA256 = "93FA209DAD44E5EC30827B4D64F46CA624D8D9D7875A88E966DF8A412916CD9C"
UNKNOWN = "A" + "0" * 28 + "xxxxxxx"
PAYS = Decision(outcome=Outcome.PAID)
CANCELS = Decision(outcome=Outcome.CANCEL)
Answer = tuple[int, dict[str, Any]]


def ask(**changes: Any) -> dict[str, Any]:
    """A good request, but for the changes; `...` leaves a field out."""
    fields = {
        "merchant_id": MERCHANT,
        "amount": 150_000,
        "currency": "IRR",
        "description": "Order 100045",
        "callback_url": CALLBACK,
        "metadata": {"order_id": "100045", "auto_verify": False},
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not ...}


def request(path: str, document: object, **headers: str) -> Request:
    return Request(
        method="POST",
        path=path,
        base_url="http://127.0.0.1:9100/zarinpal",
        headers={"content-type": "application/json", **headers},
        body=document if isinstance(document, bytes) else orjson.dumps(document),
    )


class Bank:
    """A merchant's and a payer's view of one simulated ZarinPal."""

    def __init__(self, **switches: str) -> None:
        self.banks = Banks({"zarinpal": CONTRACTS}, seed=7, switches={"zarinpal": switches})
        self.now = T0

    def post(self, path: str, document: object, **headers: str) -> Answer:
        exchange = self.banks.answer("zarinpal", request(path, document, **headers), self.now)
        assert exchange is not None
        assert exchange.reply is not None
        answer = orjson.loads(exchange.reply.body)
        assert isinstance(answer, dict)
        return exchange.reply.status, answer

    def call(self, name: str, document: object) -> Answer:
        return self.post(f"/pg/v4/payment/{name}.json", document)

    def start(self, **changes: Any) -> str:
        status, answer = self.call("request", ask(**changes))
        assert (status, answer["data"]["code"]) == (200, 100)
        authority = answer["data"]["authority"]
        assert isinstance(authority, str)
        return authority

    def open(self, path: str, **headers: str) -> Session | Trouble:
        page = Request(method="GET", path=path, base_url="", headers=headers)
        assert self.banks.is_page("zarinpal", page)
        return self.banks.open_page("zarinpal", page, self.now)

    def act(self, authority: str, decision: Decision = PAYS, card: str | None = CARD) -> Redirect:
        session = self.open(f"/pg/StartPay/{authority}", referer="https://shop.example/")
        assert isinstance(session, Session)
        back = self.banks.act(session, decision, self.now, card=card).back
        assert back is not None
        return back

    def paid(self, **changes: Any) -> str:
        authority = self.start(**changes)
        self.act(authority)
        return authority

    def about(self, name: str, authority: str, **other: Any) -> Answer:
        return self.call(name, {"merchant_id": MERCHANT, "authority": authority, **other})

    def verify(self, authority: str, amount: Any = 150_000, **other: Any) -> Answer:
        return self.about("verify", authority, amount=amount, **other)

    def status(self, authority: str) -> Any:
        status, answer = self.about("inquiry", authority)
        assert status == 200
        assert answer["data"].keys() == {"status", "code", "message"}
        return answer["data"]["status"]

    def graphql(self, query: str, variables: Mapping[str, Any], key: str = "key-1") -> Answer:
        return self.post(
            "/api/v4/graphql/",
            {"query": query, "variables": variables},
            authorization=f"Bearer {key}",
        )

    def session(self, authority: str) -> Session:
        found = self.banks.book.find("zarinpal", authority, self.now)
        assert found is not None
        return found


def failed(code: int, status: int = 401) -> Answer:
    """The shape of an error; the message is free."""
    return status, {"data": [], "errors": {"code": code, "validations": []}}


def plain(answer: Answer) -> Answer:
    """Without the free message."""
    status, document = answer
    errors = {name: value for name, value in document["errors"].items() if name != "message"}
    assert document["errors"]["message"]
    return status, {**document, "errors": errors}
