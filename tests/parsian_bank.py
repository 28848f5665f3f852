"""A merchant of simulated Parsian, who speaks in operations and reads the fields of their results."""

from base64 import b64encode
from typing import Any

import orjson

from gatewayd.gateways.contract import Reply
from gatewayd.simulator.bank import Session
from tests.banks import CALLBACK
from tests.soap_bank import SoapBank, elements, envelope, leaves

PIN = "aB3dE5fG7hJ9kL1mN2pQ"
CONTRACT = {"pin": PIN, "report_user": "report01", "report_password": "S3cret-pass"}
OTHER = {"pin": "zzzzzzzzzzzzzzzzzzzz", "terminal_id": "99"}
PATHS = {
    "SalePaymentRequest": "/NewIPGServices/Sale/SaleService.asmx",
    "ConfirmPayment": "/NewIPGServices/Confirm/ConfirmService.asmx",
    "ConfirmPaymentWithAmount": "/NewIPGServices/Confirm/ConfirmService.asmx",
    "ReversalRequest": "/NewIPGServices/Reverse/ReversalService.asmx",
}
NAMESPACES = {
    "SalePaymentRequest": "https://pec.Shaparak.ir/NewIPGServices/Sale/SaleService",
    "ConfirmPayment": "https://pec.Shaparak.ir/NewIPGServices/Confirm/ConfirmService",
    "ConfirmPaymentWithAmount": "https://pec.Shaparak.ir/NewIPGServices/Confirm/ConfirmService",
    "ReversalRequest": "https://pec.Shaparak.ir/NewIPGServices/Reversal/ReversalService",
}
SALE = {
    "LoginAccount": PIN,
    "Amount": "150000",
    "OrderId": "1000000042",
    "CallBackUrl": CALLBACK,
    "AdditionalData": "",
    "Originator": "09120000000",
}
REPORT = "/api/PGWReport/GetPaymentInfoByOrderID"
Fields = dict[str, str]


class Parsian(SoapBank):
    """One bank with two merchants, the first of whom calls."""

    def __init__(self, **switches: str) -> None:
        super().__init__("parsian", CONTRACT, OTHER, **switches)

    def reply(self, operation: str, **fields: Any) -> Reply:
        namespace = NAMESPACES[operation]
        return self.post(
            PATHS[operation],
            envelope(body(operation, namespace, fields)),
            {"SOAPAction": f'"{namespace}/{operation}"'},
        )

    def ask(self, operation: str, **fields: Any) -> Fields:
        reply = self.reply(operation, **fields)
        assert reply.status == 200
        return leaves(reply)

    def start(self, **changes: Any) -> str:
        answer = self.ask("SalePaymentRequest", **(SALE | changes))
        assert answer["Status"] == "0"
        return answer["Token"]

    def confirm(self, session: Session, **changes: Any) -> Fields:
        fields = {
            "LoginAccount": PIN,
            "Token": session.token,
            "OrderId": session.order,
            "Amount": session.amount,
        }
        return self.ask("ConfirmPaymentWithAmount", **(fields | changes))

    def reverse(self, session: Session, pin: str = PIN) -> str:
        return self.ask("ReversalRequest", LoginAccount=pin, Token=session.token)["Status"]

    def report(self, document: object, login: str = "report01:S3cret-pass") -> Reply:
        headers = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}
        reply = self.send("POST", REPORT, orjson.dumps(document), headers)
        assert reply is not None
        return reply


def body(operation: str, namespace: str, fields: Fields) -> str:
    return (
        f'<{operation} xmlns="{namespace}"><requestData>{elements(fields)}</requestData>'
        f"</{operation}>"
    )


def paid(bank: Parsian, **changes: Any) -> Session:
    token = bank.start(**changes)
    bank.act(token)
    return bank.find(token)
