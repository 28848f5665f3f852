"""Simulated banks for tests: the sample contracts, a clock that is moved by hand, Saman's calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from gatewayd.core.terms import Redirect
from gatewayd.gateways.contract import Reply
from gatewayd.simulator.bank import Request, Session
from gatewayd.simulator.host import Banks, Ending, Exchange
from gatewayd.simulator.incoming import read_request
from gatewayd.simulator.payers import EVERYBODY_PAYS, Decision, Mix, Outcome

CONTRACTS: Final[Mapping[str, tuple[Mapping[str, str], ...]]] = {
    "saman": ({"terminal_id": "13579246"},),
    "mellat": ({"terminal_id": "7654321", "username": "shop01", "password": "12345678"},),
    "parsian": ({"pin": "aB3dE5fG7hJ9kL1mN2pQ"},),
    "sadad": (
        {
            "merchant_id": "000000140300001",
            "terminal_id": "Z9X8C7V6",
            "key": "ASNFZ4mrze/+3LqYdlQyEA8eLTxLWml4",
        },
    ),
    "zarinpal": ({"merchant_id": "11111111-2222-3333-4444-555555555555"},),
    "zibal": ({"merchant": "zibal-demo"},),
}
SAMAN: Final = {"saman": CONTRACTS["saman"]}
TERMINAL: Final = 13579246
TOKEN: Final = "/onlinepg/onlinepg"
PAGE: Final = "/OnlinePG/OnlinePG"
VERIFY: Final = "/verifyTxnRandomSessionkey/ipg/VerifyTransaction"
REVERSE: Final = "/verifyTxnRandomSessionkey/ipg/ReverseTransaction"
RECEIPT: Final = "/verifyTxnRandomSessionkey/api/v2/ipg/payment/receipt"
CARD: Final = "6219861034529007"
CARD_MD5: Final = "ffda90e15284976a45cb8d4e1bff5be1"
CARD_SHA256: Final = "04bad0cbbc112097e589c55ffa968dd236c2deefcf18fad9a37807aa560fb96d"
CALLBACK: Final = "https://shop.example/return/7?lang=fa"
MORNING: Final = 1_739_284_866.0
"""2025-02-11 18:11:06 in Tehran."""


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: float = MORNING

    def wall(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def token_request(**changes: Any) -> dict[str, Any]:
    """A good token request to Saman, but for the changes; None leaves a field out."""
    fields = {
        "action": "token",
        "TerminalId": str(TERMINAL),
        "Amount": 150_000,
        "ResNum": "100000042",
        "RedirectUrl": CALLBACK,
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def json_request(path: str, document: object, driver: str = "saman") -> Request:
    """A merchant's POST of JSON."""
    return read_request(
        method="POST",
        target=f"/{driver}{path}",
        origin="http://127.0.0.1:9100",
        headers={"content-type": "application/json"},
        body=orjson.dumps(document),
    )[1]


def form_request(
    path: str, fields: Mapping[str, str], *, driver: str = "saman", referer: str = ""
) -> Request:
    """A browser's POST of a form."""
    return read_request(
        method="POST",
        target=f"/{driver}{path}",
        origin="http://127.0.0.1:9100",
        headers={"content-type": "application/x-www-form-urlencoded", "referer": referer},
        body=urlencode(fields).encode(),
    )[1]


@dataclass
class Shop:
    """A merchant of simulated Saman, without a network."""

    banks: Banks
    clock: Clock

    def call(self, path: str, document: object) -> Exchange:
        exchange = self.banks.answer("saman", json_request(path, document), self.clock.now)
        assert exchange is not None
        return exchange

    def ask(self, path: str, document: object) -> dict[str, Any]:
        """The JSON that is answered."""
        return read(self.call(path, document))

    def start(self, amount: int = 150_000, **changes: Any) -> Session:
        """A new session, before its payer comes."""
        answer = self.ask(TOKEN, token_request(Amount=amount, **changes))
        session = self.banks.book.find("saman", answer["token"], self.clock.now)
        assert session is not None
        return session

    def play(self, amount: int = 150_000, **changes: Any) -> tuple[Session, Redirect | None]:
        """A session whose payer has come and gone, and how he came back."""
        session = self.start(amount, **changes)
        opened = self.banks.open_page(
            "saman", form_request(PAGE, {"Token": session.token}), self.clock.now
        )
        assert opened is session
        return session, self.banks.act(session, self.banks.decide(session), self.clock.now).back

    def verify(self, session: Session) -> Exchange:
        return self.call(VERIFY, {"RefNum": session.ref_num, "TerminalNumber": TERMINAL})

    def reverse(self, session: Session) -> Exchange:
        return self.call(REVERSE, {"RefNum": session.ref_num, "TerminalNumber": TERMINAL})


def read(exchange: Exchange) -> dict[str, Any]:
    """The JSON object of an answer with HTTP 200."""
    assert exchange.ending is Ending.ANSWERED
    assert exchange.reply is not None
    return read_reply(exchange.reply)


def read_reply(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200
    document = orjson.loads(reply.body)
    assert isinstance(document, dict)
    return document


def shop(*, seed: int = 7, mix: Mix = EVERYBODY_PAYS, **settings: Any) -> Shop:
    """A merchant of a Saman where everybody pays."""
    return Shop(Banks(SAMAN, seed=seed, mix=mix, **settings), Clock())


def switched(**switches: str) -> Shop:
    return shop(switches={"saman": switches})


def paid(merchant: Shop, **changes: Any) -> Session:
    """A session that was paid with the sample card."""
    session = merchant.start(**changes)
    decision = Decision(outcome=Outcome.PAID)
    merchant.banks.act(session, decision, merchant.clock.now, card=CARD)
    return session


def back(merchant: Shop, session: Session, outcome: Outcome, code: str = "") -> Mapping[str, str]:
    """The fields of the return after the payer did that."""
    decision = Decision(outcome=outcome, code=code)
    leaving = merchant.banks.act(session, decision, merchant.clock.now, card=CARD)
    assert leaving.back is not None
    assert leaving.back.url == CALLBACK
    return leaving.back.fields
