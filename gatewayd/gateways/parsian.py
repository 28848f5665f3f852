"""Parsian (PEC, TOP): three SOAP services at pec.shaparak.ir; the confirm is the verify and takes.

Quirks of the wire that this file obeys:

* The namespaces spell Shaparak with a capital S, the addresses do not; the reversal's address says
  Reverse and its namespace Reversal. Every element is in its service's namespace.
* An order number is never accepted twice (-112), not even after a failed try.
* The token is a number; success is a Status of 0 *and* a positive Token, or RRN at the confirm.
* A return spells `status` small and all else in PascalCase, writes amounts as `150,000`, and
  brings three fields only after a cancel. A `status` of 0 with an RRN of 0 is not paid.
* ConfirmPaymentWithAmount lets the bank compare order and amount; the plain one binds nothing.
* A second confirm may answer 0 again: a 0 does not prove that it was the first.
* Without a confirm the money goes back by itself; a confirm by the stored token is also the only
  question that every contract may ask. It takes the money if there is any.
* The report service is a product of its own, with a user and password of its own.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from gatewayd.core.secret import Secret
from gatewayd.core.terms import (
    AddressedBy,
    Ask,
    Claim,
    CodeClass,
    Finding,
    FirstAlready,
    GivenBack,
    IfUnverified,
    Inquiry,
    Operation,
    Order,
    Receipt,
    Redirect,
    Refusal,
    Traits,
)
from gatewayd.gateways.contract import Flow, MalformedReply
from gatewayd.gateways.wire import (
    fold_keys,
    int_or_none,
    json_call,
    lenient_int,
    lenient_text,
    mask_card,
    page_at,
    read_json,
    read_soap,
    shown,
    soap_call,
    take,
    to_code,
    to_int,
    xml_elements,
)

SERVICES: Final = {
    "SalePaymentRequest": ("Sale/SaleService", "Sale/SaleService"),
    "ConfirmPaymentWithAmount": ("Confirm/ConfirmService", "Confirm/ConfirmService"),
    "ReversalRequest": ("Reverse/ReversalService", "Reversal/ReversalService"),
}
"""For each operation the service's path and its namespace, which differ for the reversal."""
NAMESPACE: Final = "https://pec.Shaparak.ir/NewIPGServices/"
ORIGINATOR_CHARS_MAX: Final = 50

CODES: Final[Mapping[str, CodeClass]] = {
    code: kind
    for kind, codes in {
        CodeClass.OK: "0",
        CodeClass.CANCELLED: "-138 -130 17",
        CodeClass.DECLINED: """
            -122 -123 -124 -125 -139 -140 -141 -142 -160 -1621 -1689
            1 2 4 5 7 12 14 15 31 33 34 36 38 39 41 42 43 44 51 52 53 54 55 56 57 59 61 62 65 69 75
            78 79 80 81 97 98""",
        CodeClass.ISSUER: "84 91",
        CodeClass.GATEWAY: """
            -1 -500 -501 -502 -1000 -1001 -1002 -1003 -1004 -1005 -1006 -1007 -1527 -1529 -1536
            -1540 -1548 -1561 -1585
            6 19 20 21 22 23 30 63 68 77 83 85 86 87 88 89 90 92 93 96 99""",
        CodeClass.MERCHANT_CONFIG: """
            -5 -100 -101 -103 -104 -105 -106 -107 -108 -109 -110 -126 -127 -128 -143 -144 -145 -155
            -157 -158 -159 -1530 -1626
            3 40 58""",
        # A repeated order number (-112) is cured by a new one; it is no reason to take the gateway
        # out.
        CodeClass.OUR_FAULT: """
            -111 -112 -113 -114 -115 -116 -117 -118 -119 -120 -121 -129 -131 -132 -148 -152 -153
            -156
            13 45 64""",
        # Reversed, no such payment, not successful; the switch's "original not found".
        CodeClass.NOT_PAID: "-102 -1507 -1528 -1531 25",
        # Under way, partial or special approvals, not reversible any more: nothing to rely on.
        CodeClass.UNKNOWN: """
            -1425 -1500 -1502 -1503 -1504 -1505 -1506 -1532 -1533 -1538 -1539 -1542 -1544 -1549
            -1550 -1551 -1552 -1625 -32768
            8 9 10 11 32 94 200""",
    }.items()
    for code in codes.split()
}
"""What a code means unless `EXCEPTIONS` says otherwise; positive ones are the card switch's."""

EXCEPTIONS: Final[Mapping[tuple[Operation | None, str], CodeClass]] = {
    # Approvals of other kinds: the confirm decides.
    (None, "8"): CodeClass.OK,
    (None, "11"): CodeClass.OK,
    (Operation.VERIFY, "2"): CodeClass.ALREADY_DONE,
    (Operation.VERIFY, "-1506"): CodeClass.ALREADY_DONE,
    (Operation.VERIFY, "-1532"): CodeClass.ALREADY_DONE,
    (Operation.VERIFY, "-1533"): CodeClass.ALREADY_DONE,
    (Operation.VERIFY, "-130"): CodeClass.NOT_PAID,
    (Operation.VERIFY, "-131"): CodeClass.NOT_PAID,
    (Operation.REVERSE, "-102"): CodeClass.ALREADY_DONE,
    (Operation.REVERSE, "-1507"): CodeClass.ALREADY_DONE,
    (Operation.REVERSE, "-1551"): CodeClass.ALREADY_DONE,
    # "Not found" about what was confirmed contradicts the bank's own word: no definite no.
    (Operation.REVERSE, "-1528"): CodeClass.UNKNOWN,
    (Operation.REVERSE, "-1531"): CodeClass.UNKNOWN,
    (Operation.REVERSE, "25"): CodeClass.UNKNOWN,
}
"""By (operation, code); None is the return through the browser."""

DONE: Final = frozenset({CodeClass.OK, CodeClass.ALREADY_DONE})

FINDINGS: Final[Mapping[str, Finding]] = {
    "0": Finding.VERIFIED,
    "-1506": Finding.VERIFIED,
    "-102": Finding.REVERSED,
    "-1507": Finding.REVERSED,
    "-130": Finding.NOT_PAID,
    "-138": Finding.NOT_PAID,
    "-1531": Finding.NOT_PAID,
    "-1500": Finding.PENDING,
    "-1502": Finding.PENDING,
    "-1503": Finding.PENDING,
}
"""By the report's PGWStatusId; whatever else it says, a declined card too, is not the end."""


def class_of(operation: Operation | None, code: str) -> CodeClass:
    """What `code` means as the answer to `operation`, or in a return (None)."""
    return EXCEPTIONS.get((operation, code)) or CODES.get(code, CodeClass.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsian:
    """One terminal's contract."""

    driver: ClassVar[str] = "parsian"

    pin: Secret
    """The LoginAccount."""
    base_url: str = "https://pec.shaparak.ir"
    reverse_within_seconds: int | None = 15 * 60
    """A setting of the terminal at the bank, which no document puts into minutes; None: the
    contract has no reversal."""
    report_user: str | None = None
    """User of the report service, if it was bought."""
    report_password: Secret | None = None
    report_separator: Literal[":", "|"] = ":"
    """Between user and password: HTTP's own, or the bar that one client needs."""
    report_url: str = "https://pgwservices.pec.ir"

    @property
    def traits(self) -> Traits:
        return Traits(
            amount_min=1_000,
            amount_max=2_000_000_000,
            token_life_seconds=15 * 60,
            # The documents do not give the minutes; this is what the page's own time suggests.
            verify_within_seconds=15 * 60,
            reverse_within_seconds=self.reverse_within_seconds,
            unverified=IfUnverified.AUTO_REVERSE,
            ask=Ask.VERIFY,
            addressed_by=AddressedBy.TOKEN,
            first_already=FirstAlready.REVIEW,
        )

    @property
    def base_urls(self) -> tuple[str, ...]:
        return (self.base_url, self.report_url) if self.report_user else (self.base_url,)

    def start(self, order: Order) -> Flow[Redirect | Refusal]:
        result = yield from self._ask(
            "SalePaymentRequest",
            {
                "Amount": order.amount,
                "OrderId": order.bank_order,
                "CallBackUrl": order.callback_url,
                # Read as a card owner check where it holds anything.
                "AdditionalData": "",
                "Originator": (order.payer.mobile or "")[:ORIGINATOR_CHARS_MAX],
            },
        )
        code = _status(result)
        if code != "0":
            message = lenient_text(result.get("Message")) or ""
            return Refusal(cause=class_of(Operation.START, code), code=code, message=message)
        number = to_int(take(result, "Token"), "Token")
        if number <= 0:
            raise MalformedReply("SalePaymentRequest: success without Token")
        token = str(number)
        return Redirect(
            token=token,
            url=page_at(self.base_url, "/NewIPG/"),
            method="get",
            fields={"Token": token},
        )

    def read_return(self, fields: Mapping[str, str]) -> Claim:
        said = fold_keys(fields)
        status = lenient_int(said.get("status"))
        code = str(status) if status is not None else ""
        token = lenient_int(said.get("token"))
        rrn = lenient_int(said.get("rrn"))
        amount = lenient_int(said.get("amount")) or 0
        outcome = class_of(None, code)
        if outcome is CodeClass.OK and (rrn is None or rrn <= 0):
            outcome = CodeClass.UNKNOWN if rrn is None else CodeClass.NOT_PAID
        return Claim(
            outcome=outcome,
            code=code,
            token=str(token) if token is not None else None,
            bank_order=lenient_int(said.get("orderid")),
            amount=amount if amount > 0 else None,
            terminal=lenient_text(said.get("terminalno")),
            rrn=str(rrn) if rrn is not None and rrn > 0 else None,
            trace_no=lenient_text(said.get("straceno")),
            card=mask_card(said.get("cardnumbermasked")),
        )

    def verify(self, order: Order, token: str, claim: Claim | None) -> Flow[Receipt | Refusal]:
        result = yield from self._ask(
            "ConfirmPaymentWithAmount",
            {"Token": token, "OrderId": order.bank_order, "Amount": order.amount},
        )
        code = _status(result)
        kind = class_of(Operation.VERIFY, code)
        if kind not in DONE:
            return Refusal(cause=kind, code=code)
        rrn = int_or_none(result.get("RRN"), "RRN") or 0
        if kind is CodeClass.OK and rrn <= 0:
            raise MalformedReply("ConfirmPaymentWithAmount: success without RRN")
        reference = str(rrn) if rrn > 0 else None
        return Receipt(
            token=_token(result),
            ref_num=reference,
            rrn=reference,
            card=mask_card(result.get("CardNumberMasked")),
            already=kind is CodeClass.ALREADY_DONE,
        )

    def reverse(self, order: Order, token: str, receipt: Receipt) -> Flow[GivenBack | Refusal]:
        result = yield from self._ask("ReversalRequest", {"Token": token})
        code = _status(result)
        kind = class_of(Operation.REVERSE, code)
        if kind in DONE:
            return GivenBack(already=kind is CodeClass.ALREADY_DONE)
        return Refusal(cause=kind, code=code, message=lenient_text(result.get("Message")) or "")

    def inquire(self, order: Order, token: str, claim: Claim | None) -> Flow[Inquiry | Refusal]:
        """By the report service; without it there is nobody to ask, and nothing is sent."""
        if self.report_user is None or self.report_password is None:
            return Refusal(cause=CodeClass.UNKNOWN, code="", message="no report service configured")
        login = f"{self.report_user}{self.report_separator}{self.report_password.reveal()}"
        reply = yield json_call(
            f"{self.report_url}/api/PGWReport/GetPaymentInfoByOrderID",
            {"LoginAccount": self.pin.reveal(), "OrderId": str(order.bank_order), "Token": ""},
            {"Authorization": f"Basic {b64encode(login.encode()).decode()}"},
        )
        document = read_json(reply)
        code = to_code(take(document, "Status"), "Status")
        if code != "0":
            return Refusal(cause=class_of(Operation.INQUIRE, code), code=code)
        return _read_report(document.get("Data"))

    def _ask(self, operation: str, fields: Mapping[str, str | int]) -> Flow[dict[str, str]]:
        """The fields of the result; the answer to every operation is built alike."""
        path, service = SERVICES[operation]
        namespace = f"{NAMESPACE}{service}"
        elements = xml_elements({"LoginAccount": self.pin.reveal(), **fields})
        body = (
            f'<{operation} xmlns="{namespace}"><requestData>{elements}</requestData></{operation}>'
        )
        url = f"{self.base_url}/NewIPGServices/{path}.asmx"
        reply = yield soap_call(url, f"{namespace}/{operation}", body)
        return read_soap(reply, f"{operation}Result")


def _status(result: Mapping[str, str]) -> str:
    """The code as a number's plain text, however the number was written."""
    return str(to_int(take(result, "Status"), "Status"))


def _token(said: Mapping[str, Any]) -> str | None:
    """The token as its plain digits. The bank fills in 0 or -1 where it has none: that is no other payment's."""
    number = int_or_none(said.get("Token"), "Token")
    return str(number) if number is not None and number > 0 else None


def _read_report(data: Any) -> Inquiry:
    """One payment as the report service tells it; it comes bare or as the only one of a list."""
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict):
        raise MalformedReply("Data: neither an object nor a list of one")
    rrn = int_or_none(data.get("RRN"), "RRN") or 0
    receipt = Receipt(
        amount=int_or_none(data.get("Amount"), "Amount"),
        token=_token(data),
        bank_order=int_or_none(data.get("OrderId"), "OrderId"),
        ref_num=str(rrn) if rrn > 0 else None,
        rrn=str(rrn) if rrn > 0 else None,
        trace_no=shown(data.get("PTraceNo")),
        card=mask_card(shown(data.get("CardNumber"))),
    )
    code = to_code(take(data, "PGWStatusId"), "PGWStatusId")
    return Inquiry(finding=FINDINGS.get(code, Finding.UNKNOWN), receipt=receipt)
