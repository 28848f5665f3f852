"""How Behpardakht Mellat speaks: one SOAP 1.1 service, a comma string in every answer.

As at the bank: the operation must be in its namespace and the arguments in none, in any order;
letters in a number are a fault with HTTP 500, everything else is a code with HTTP 200. Order
numbers are used up by every try of a known merchant. Both base paths are one switch here, and the
page is opened by POST or GET. A return of an unpaid session brings three fields only.

Switch `unsettled`: what becomes of the verified and never settled after three hours, on which the
manuals disagree: `settle` (default) or `reverse`.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import ClassVar, Final

from gatewayd.core.terms import NOTHING, Operation, Redirect
from gatewayd.gateways.contract import Reply
from gatewayd.simulator import soap
from gatewayd.simulator.bank import (
    Asked,
    Book,
    Contract,
    Refunded,
    Request,
    Session,
    State,
    Terms,
    Verdict,
    is_of_the_owner,
)
from gatewayd.simulator.speech import is_address, masked, read_switches

NAMESPACE: Final = "http://interfaces.core.sw.bps.com/"
AMOUNT_MIN: Final = 1_000
UNSETTLED_SECONDS: Final = 3 * 3600
SWITCHES: Final = {"unsettled": ("settle", "reverse")}

_LOGIN: Final = (("terminalId", "long"), ("userName", "string"), ("userPassword", "string"))
_PAY: Final = (
    *_LOGIN,
    ("orderId", "long"),
    ("amount", "long"),
    ("localDate", "string"),
    ("localTime", "string"),
    ("additionalData", "string"),
    ("callBackUrl", "string"),
    ("payerId", "string"),
    ("mobileNo", "string"),
    ("encPan", "string"),
    ("panHiddenMode", "string"),
    ("cartItem", "string"),
    ("enc", "string"),
)
_SALE: Final = (
    *_LOGIN,
    ("orderId", "long"),
    ("saleOrderId", "long"),
    ("saleReferenceId", "long"),
)
_REFUND: Final = (
    *_LOGIN,
    ("orderId", "long"),
    ("refundOrderId", "long"),
    ("refundReferenceId", "long"),
)

OPERATIONS: Final[Mapping[str, tuple[Operation, tuple[soap.Field, ...]]]] = {
    "bpPayRequest": (Operation.START, _PAY),
    "bpVerifyRequest": (Operation.VERIFY, _SALE),
    "bpVerifySettleRequest": (Operation.VERIFY, _SALE),
    "bpSettleRequest": (Operation.SETTLE, _SALE),
    "bpInquiryRequest": (Operation.INQUIRE, _SALE),
    "bpSaleReferenceIdRequest": (
        Operation.INQUIRE,
        (*_LOGIN, ("orderId", "long"), ("saleOrderId", "long")),
    ),
    "bpReversalRequest": (Operation.REVERSE, _SALE),
    "bpRefundRequest": (Operation.REFUND, (*_SALE, ("refundAmount", "long"))),
    "bpRefundVerifyRequest": (Operation.INQUIRE, _REFUND),
    "bpRefundInquiryRequest": (Operation.INQUIRE, _REFUND),
}

SERVICE: Final = soap.Service(
    name="PaymentGatewayImplService",
    port="PaymentGatewayImplPort",
    namespace=NAMESPACE,
    qualified=False,
    methods={
        name: soap.Method(request=fields, response=(("return", "string"),))
        for name, (_, fields) in OPERATIONS.items()
    },
    structures={},
)

_SERVICE_PATH: Final = re.compile(r"/pgwchannel2?/services/pgw/?", re.IGNORECASE)
_PAGE_PATH: Final = re.compile(r"/pgwchannel2?/(en)?startpay\.mellat", re.IGNORECASE)

DECLINES: Final = {
    "14": "11",
    "51": "12",
    "55": "13",
    "75": "14",
    "62": "15",
    "65": "16",
    "54": "18",
    "61": "19",
    "96": "34",
    "84": "112",
    "91": "113",
    "57": "114",
}
"""The bank's own code for what the card switch said; 114 (not allowed) for what is not here."""

VERIFIED: Final = {
    Verdict.OK: "0",
    Verdict.ALREADY: "43",
    Verdict.REVERSED: "48",
    Verdict.LATE: "48",
    Verdict.NOT_PAID: "42",
}
SETTLED: Final = {
    Verdict.OK: "0",
    Verdict.ALREADY: "45",
    Verdict.NOT_VERIFIED: "44",
    Verdict.REVERSED: "48",
    Verdict.NOT_PAID: "42",
}
REVERSED: Final = {
    Verdict.OK: "0",
    Verdict.ALREADY: "48",
    Verdict.NOT_VERIFIED: "44",
    Verdict.SETTLED: "45",
    Verdict.LATE: "55",
    Verdict.NOT_PAID: "42",
}
REFUNDED: Final = {
    Verdict.NOT_VERIFIED: "46",
    Verdict.REVERSED: "48",
    Verdict.TOO_MUCH: "19",
    Verdict.NOT_PAID: "42",
}
INQUIRED: Final = {
    State.PAID: "44",
    State.VERIFIED: "0",
    State.SETTLED: "45",
    State.REVERSED: "48",
    State.AUTO_REVERSED: "48",
}

Arguments = Mapping[str, int | str]


class Mellat:
    """The bank behind bpm.shaparak.ir."""

    driver: ClassVar[str] = "mellat"

    def __init__(
        self, contracts: tuple[Contract, ...], switches: Mapping[str, str] = NOTHING
    ) -> None:
        self._contracts = {contract["terminal_id"]: contract for contract in contracts}
        chosen = read_switches(self.driver, SWITCHES, switches)
        settles = chosen["unsettled"] == "settle"
        self.terms = Terms(
            token_life_seconds=15 * 60,
            verify_within_seconds=20 * 60,
            reverse_within_seconds=3 * 3600,
            settles=True,
            reverse_from_verify=True,
            settles_itself_after_seconds=UNSETTLED_SECONDS if settles else None,
            reverses_unsettled_after_seconds=None if settles else UNSETTLED_SECONDS,
        )

    def recognise(self, request: Request, book: Book, now: float) -> Asked | None:
        if not _SERVICE_PATH.fullmatch(request.path):
            return None
        if request.method == "GET":
            return Asked(operation=None)
        try:
            name, arguments = _read(request)
        except soap.Fault:
            return Asked(operation=None)
        session = None
        if "saleOrderId" in arguments:
            terminal, order = str(arguments["terminalId"]), str(arguments["saleOrderId"])
            session = book.find_order(self.driver, terminal, order, now)
        return Asked(operation=OPERATIONS[name][0], session=session)

    def answer(self, request: Request, book: Book, now: float) -> Reply:
        if soap.wants_wsdl(request):
            return soap.wsdl(SERVICE, f"{request.base_url}{request.path}")
        try:
            name, arguments = _read(request)
        except soap.Fault as fault:
            return fault.reply()
        result = self._refuse(arguments) or self._carry_out(name, arguments, book, now)
        part = f"{name}Response"
        return soap.answer(
            f'<ns2:{part} xmlns:ns2="{NAMESPACE}">{soap.elements({"return": result})}</ns2:{part}>'
        )

    def _refuse(self, arguments: Arguments) -> str | None:
        """The code for a caller who is not who he says."""
        contract = self._contracts.get(str(arguments["terminalId"]))
        if contract is None:
            return "21"
        login = (arguments.get("userName"), arguments.get("userPassword"))
        return None if login == (contract["username"], contract["password"]) else "24"

    def _carry_out(self, name: str, arguments: Arguments, book: Book, now: float) -> str:
        terminal = str(arguments["terminalId"])
        if name == "bpPayRequest":
            return self._start(terminal, arguments, book, now)
        if "refundOrderId" in arguments:
            return self._find_refund(terminal, arguments, book, now)
        session = book.find_order(self.driver, terminal, str(arguments["saleOrderId"]), now)
        if session is None or session.paid_at is None:
            return "42"
        if name == "bpSaleReferenceIdRequest":
            return f"0,{session.ref_num}"
        if session.ref_num != str(arguments["saleReferenceId"]):
            return "42"
        match name:
            case "bpVerifyRequest":
                return VERIFIED[book.verify(session, now)]
            case "bpVerifySettleRequest":
                verified = book.verify(session, now)
                settled = SETTLED[book.settle(session, now)]
                return "43" if verified is Verdict.ALREADY and settled == "0" else settled
            case "bpSettleRequest":
                return SETTLED[book.settle(session, now)]
            case "bpInquiryRequest":
                return INQUIRED[session.state]
            case "bpReversalRequest":
                return REVERSED[book.reverse(session, now)]
            case _:
                return self._refund(session, arguments, book, now)

    def _start(self, terminal: str, arguments: Arguments, book: Book, now: float) -> str:
        order, amount = arguments["orderId"], arguments["amount"]
        assert isinstance(order, int)
        assert isinstance(amount, int)
        if book.order_used(self.driver, terminal, str(order)):
            return "41"
        if order <= 0:
            return "32"
        book.use_order(self.driver, terminal, str(order))
        if amount < AMOUNT_MIN:
            return "25"
        if not _is_date(str(arguments.get("localDate", ""))):
            return "35"
        if not re.fullmatch(r"[0-9]{5,6}", str(arguments.get("localTime", ""))):
            return "32"
        callback = str(arguments.get("callBackUrl", "")).strip()
        if not is_address(callback):
            return "62"
        session = book.open(
            Session(
                driver=self.driver,
                terminal=terminal,
                token=book.hexadecimal(16).upper(),
                order=str(order),
                amount=amount,
                callback_url=callback,
                created_at=now,
                extra={"owner": bool(arguments.get("enc"))},
            )
        )
        return f"0,{session.token}"

    def _refund(self, session: Session, arguments: Arguments, book: Book, now: float) -> str:
        amount, order = arguments["refundAmount"], f"refund {arguments['orderId']}"
        assert isinstance(amount, int)
        if book.order_used(self.driver, session.terminal, order):
            return "41"
        book.use_order(self.driver, session.terminal, order)
        if amount <= 0:
            return "25"
        done = book.refund(session, now, amount, order=str(arguments["orderId"]))
        return f"0,{done.reference}" if isinstance(done, Refunded) else REFUNDED[done]

    def _find_refund(self, terminal: str, arguments: Arguments, book: Book, now: float) -> str:
        wanted = (str(arguments["refundOrderId"]), str(arguments["refundReferenceId"]))
        sessions = book.of_terminal(self.driver, terminal, now)
        found = {(refund.order, refund.reference) for s in sessions for refund in s.refunds}
        return "0" if wanted in found else "49"

    # --- payers

    def is_page(self, request: Request) -> bool:
        return bool(_PAGE_PATH.fullmatch(request.path))

    def open_page(self, request: Request, book: Book, now: float) -> Session | None:
        if not self.is_page(request):
            return None
        token = request.form.get("RefId") or request.query.get("RefId", "")
        return book.find(self.driver, token.strip(), now)

    def pay(self, session: Session, book: Book, now: float, card: str) -> bool:
        if not is_of_the_owner(session, card):
            return False
        reference = book.digits(12)
        while book.find_reference(self.driver, reference, now):
            reference = book.digits(12)
        return book.pay(session, now, card=card, reference=reference)

    def send_back(self, session: Session, now: float) -> Redirect:
        if session.paid_at is not None:
            code = "0"
        elif session.state is State.CANCELLED:
            code = "17"
        elif session.state is State.DECLINED:
            code = DECLINES.get(session.decline, "114")
        else:
            code = "415"
        fields = {"RefId": session.token, "ResCode": code, "SaleOrderId": session.order}
        if session.paid_at is not None:
            fields |= {
                "SaleReferenceId": session.ref_num,
                "CardHolderInfo": hashlib.sha256(session.card.encode()).hexdigest().upper(),
                "CardHolderPan": masked(session.card, 6),
                "FinalAmount": str(session.amount),
            }
        return Redirect(token=session.token, url=session.callback_url, method="post", fields=fields)


def _read(request: Request) -> tuple[str, Arguments]:
    """The operation and its arguments by name; Fault where the bank's parser would give up."""
    return _understood(request.body)


@lru_cache(maxsize=soap.BODIES_KEPT)
def _understood(body: bytes) -> tuple[str, Arguments]:
    envelope = soap.read_envelope(body)
    if envelope.version != soap.SOAP_11:
        raise soap.Fault(
            "A SOAP 1.2 message is not valid when sent to a SOAP 1.1 only endpoint.",
            code="VersionMismatch",
        )
    name = envelope.operation
    if envelope.namespace != NAMESPACE or name not in OPERATIONS:
        raise soap.Fault(
            f"Message part {{{envelope.namespace}}}{name} was not recognized. "
            "(Does it exist in service WSDL?)"
        )
    given = soap.children(envelope.element)
    kinds = dict(OPERATIONS[name][1])
    for tag in given:
        if tag.startswith("{"):
            namespace, _, local = tag[1:].rpartition("}")
            raise soap.Fault(
                f'Unmarshalling Error: unexpected element (uri:"{namespace}", local:"{local}").'
            )
    arguments: dict[str, int | str] = {}
    for field, kind in kinds.items():
        if kind == "long":
            value = soap.number(given.get(field, "0"))
            if value is None:
                raise soap.Fault(f'Unmarshalling Error: For input string: "{given[field]}" ')
            arguments[field] = value
        elif field in given:
            arguments[field] = given[field]
    return name, arguments


def _is_date(text: str) -> bool:
    """Whether this is a Gregorian day of our time; how near to today is not looked at."""
    if not re.fullmatch(r"2[0-9]{7}", text):
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True
