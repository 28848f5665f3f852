"""A merchant of simulated Mellat, who speaks in operations and comma strings."""

from typing import Any
from xml.etree import ElementTree as ET

from gatewayd.gateways.contract import Reply
from gatewayd.simulator.bank import Session
from tests.banks import CALLBACK
from tests.soap_bank import SoapBank, elements, envelope

NAMESPACE = "http://interfaces.core.sw.bps.com/"
SERVICE = "/pgwchannel/services/pgw"
LOGIN = {"terminalId": "7654321", "userName": "shop01", "userPassword": "12345678"}
CONTRACT = {"terminal_id": "7654321", "username": "shop01", "password": "12345678"}
OTHER = {"terminal_id": "7654322", "username": "shop02", "password": "abc"}
PAY = LOGIN | {
    "orderId": "1000000042",
    "amount": "150000",
    "localDate": "20250211",
    "localTime": "181106",
    "additionalData": "",
    "callBackUrl": CALLBACK,
    "payerId": "0",
}


class Mellat(SoapBank):
    """One bank with two merchants, the first of whom calls."""

    def __init__(self, **switches: str) -> None:
        super().__init__("mellat", CONTRACT, OTHER, **switches)

    def reply(self, operation: str, path: str = SERVICE, **fields: Any) -> Reply:
        children = elements(LOGIN | fields)
        return self.post(
            path, envelope(f'<i:{operation} xmlns:i="{NAMESPACE}">{children}</i:{operation}>')
        )

    def ask(self, operation: str, **fields: Any) -> str:
        reply = self.reply(operation, **fields)
        assert reply.status == 200
        return ET.fromstring(reply.body).findtext(".//return") or ""

    def start(self, **changes: Any) -> str:
        """The token of a new session."""
        code, _, token = self.ask("bpPayRequest", **(PAY | changes)).partition(",")
        assert code == "0"
        return token

    def about(self, operation: str, session: Session, **changes: Any) -> str:
        """A call about a sale; its own order number is the sale's unless given."""
        fields = {
            "orderId": session.order,
            "saleOrderId": session.order,
            "saleReferenceId": session.ref_num or "1",
        }
        return self.ask(operation, **(fields | changes))


def sold(bank: Mellat, **changes: Any) -> Session:
    token = bank.start(**changes)
    bank.act(token)
    return bank.find(token)
