"""One simulated SOAP bank without a network: posts, WSDLs, payers, and drivers' flows against it."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlencode
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from gatewayd.core.terms import Redirect
from gatewayd.gateways.contract import Flow, Reply
from gatewayd.gateways.wire import local_name
from gatewayd.simulator.bank import Session
from gatewayd.simulator.host import Banks, Trouble
from gatewayd.simulator.incoming import departure, read_request
from gatewayd.simulator.payers import Decision, Outcome
from tests.banks import MORNING

T = TypeVar("T")
ORIGIN: Final = "http://bank.example"
SOAP_11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
PAID: Final = Decision(outcome=Outcome.PAID)
CANCELLED: Final = Decision(outcome=Outcome.CANCEL)


class SoapBank:
    """A merchant's and a payer's view; time stands still until `now` is moved."""

    def __init__(self, driver: str, *contracts: Mapping[str, str], **switches: str) -> None:
        self.driver = driver
        self.base_url = f"{ORIGIN}/{driver}"
        self.now = MORNING
        self.banks = Banks({driver: contracts}, seed=7, switches={driver: switches})

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply | None:
        """A merchant's request; None if it is no call at all."""
        _, request = read_request(
            method=method,
            target=f"/{self.driver}{path}",
            origin=ORIGIN,
            headers={name.lower(): value for name, value in (headers or {}).items()},
            body=body,
        )
        exchange = self.banks.answer(self.driver, request, self.now)
        return exchange.reply if exchange else None

    def post(self, path: str, body: str | bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """A POST of XML."""
        data = body.encode() if isinstance(body, str) else body
        reply = self.send("POST", path, data, {"Content-Type": "text/xml", **(headers or {})})
        assert reply is not None
        return reply

    def run(self, flow: Flow[T]) -> T:
        """What a driver's flow comes to, when the bank answers every call of it."""
        try:
            call = next(flow)
            while True:
                path = call.url.removeprefix(self.base_url)
                reply = self.send(call.method, path, call.body, call.headers)
                assert reply is not None
                call = flow.send(reply)
        except StopIteration as stop:
            outcome: T = stop.value
            return outcome

    def open_page(self, redirect: Redirect) -> Session | Trouble:
        """The browser goes where the merchant sends it."""
        left = departure(redirect)
        _, request = read_request(
            method=left.method,
            target=left.url.removeprefix(ORIGIN),
            origin=ORIGIN,
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=urlencode(left.form).encode(),
        )
        opened = self.banks.open_page(self.driver, request, self.now)
        assert opened is not None
        return opened

    def find(self, token: str) -> Session:
        session = self.banks.book.find(self.driver, token, self.now)
        assert session is not None
        return session

    def act(self, token: str, decision: Decision = PAID) -> Redirect:
        """The payer comes, decides and is sent back."""
        session = self.find(token)
        assert self.banks.book.arrive(session, self.now)
        back = self.banks.act(session, decision, self.now, card="6219861034529007").back
        assert back is not None
        return back


def envelope(body: str, namespace: str = SOAP_11) -> str:
    """As most clients write it."""
    return f'<s:Envelope xmlns:s="{namespace}"><s:Header/><s:Body>{body}</s:Body></s:Envelope>'


def elements(fields: Mapping[str, Any], prefix: str = "") -> str:
    """Fields in order; None leaves one out."""
    return "".join(
        f"<{prefix}{name}>{escape(str(value))}</{prefix}{name}>"
        for name, value in fields.items()
        if value is not None
    )


def leaves(reply: Reply) -> dict[str, str]:
    """The elements without children of an answer, by local name."""
    return {
        local_name(element.tag): element.text or ""
        for element in ET.fromstring(reply.body).iter()
        if len(element) == 0
    }
