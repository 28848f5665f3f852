"""How Parsian speaks: three SOAP services for sale, confirm and reversal, and a report in JSON.

As at the bank: every element must be in its service's namespace, whose Shaparak has a capital S; a
wrong one leaves the arguments unread, which gives a code and no clear error. A SOAPAction must be
one of the service's, if there is any. Letters in a number are a fault with HTTP 500. The sale's
answer always carries a Message. A confirm of what is not paid says -1531, never 0.

The report is answered to contracts that have `report_user` and `report_password`. A contract may
name its `terminal_id`; others get one by their place.

Switch `confirm_again`: the answer to a repeated confirm, on which the sources disagree: `0`
(default) or `-1533`.
"""

import hashlib
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from gatewayd.core.terms import NOTHING, Operation, Redirect
from gatewayd.gateways.contract import Reply
from gatewayd.simulator import soap
from gatewayd.simulator.bank import (
    Asked,
    Book,
    Contract,
    Request,
    Session,
    State,
    Terms,
    Verdict,
)
from gatewayd.simulator.dialects.parsian_services import SERVICES, Arguments, read
from gatewayd.simulator.speech import (
    TEHRAN,
    is_address,
    json_object,
    json_reply,
    masked,
    read_switches,
)

AMOUNT_MIN: Final = 1_000
ADDITIONAL_DATA_CHARS_MAX: Final = 500
ORIGINATOR_CHARS_MAX: Final = 50
FIRST_TERMINAL: Final = 44_512_345
SWITCHES: Final = {"confirm_again": ("0", "-1533")}

OPERATIONS: Final = {
    "SalePaymentRequest": Operation.START,
    "ConfirmPayment": Operation.VERIFY,
    "ConfirmPaymentWithAmount": Operation.VERIFY,
    "ReversalRequest": Operation.REVERSE,
}

REPORT_PATH: Final = "/api/pgwreport/getpaymentinfobyorderid"

CONFIRMED: Final = {
    Verdict.OK: 0,
    Verdict.NOT_PAID: -1531,
    Verdict.REVERSED: -1531,
    Verdict.LATE: -1531,
}
REVERSED: Final = {
    Verdict.OK: 0,
    Verdict.ALREADY: -1551,
    Verdict.SETTLED: -1549,
    Verdict.LATE: -1549,
    Verdict.NOT_PAID: -1552,
}
REPORTED: Final = {
    State.CREATED: -1500,
    State.WITH_PAYER: -1502,
    State.CANCELLED: -138,
    State.PAID: -1504,
    State.VERIFIED: 0,
    State.SETTLED: 0,
    State.REVERSED: -1507,
    State.AUTO_REVERSED: -1507,
    State.EXPIRED: -130,
}
"""The report's PGWStatusId; a declined session shows its switch code."""

MESSAGES: Final = {
    0: "تایید شد",
    -112: "سفارش تکراری",
    -113: "مقدار خالی است",
    -116: "طول داده بیش از حد است",
    -126: "پین پذیرنده نادرست است",
    -132: "مبلغ کمتر از حداقل است",
    -148: "پارامتر نادرست است",
    -156: "نشانی بازگشت نادرست است",
}


class Parsian:
    """The bank behind pec.shaparak.ir and its report service."""

    driver: ClassVar[str] = "parsian"
    terms: ClassVar[Terms] = Terms(
        token_life_seconds=15 * 60,
        verify_within_seconds=15 * 60,
        reverse_within_seconds=60 * 60,
    )

    def __init__(
        self, contracts: tuple[Contract, ...], switches: Mapping[str, str] = NOTHING
    ) -> None:
        self._contracts = {contract["pin"]: contract for contract in contracts}
        self._terminals = {
            contract["pin"]: contract.get("terminal_id", str(FIRST_TERMINAL + place))
            for place, contract in enumerate(contracts)
        }
        again = read_switches(self.driver, SWITCHES, switches)["confirm_again"]
        self._confirmed = CONFIRMED | {Verdict.ALREADY: int(again)}

    def recognise(self, request: Request, book: Book, now: float) -> Asked | None:
        path = request.path.lower()
        if path == REPORT_PATH:
            _, _, session = self._reported(request, book, now)
            return Asked(operation=Operation.INQUIRE, session=session)
        if path not in SERVICES:
            return None
        if request.method == "GET":
            return Asked(operation=None)
        try:
            _, name, arguments = read(request, SERVICES[path])
        except soap.Fault:
            return Asked(operation=None)
        token = str((arguments or {}).get("Token", ""))
        return Asked(operation=OPERATIONS[name], session=book.find(self.driver, token, now))

    def answer(self, request: Request, book: Book, now: float) -> Reply:
        path = request.path.lower()
        if path == REPORT_PATH:
            return self._report(request, book, now)
        service = SERVICES[path]
        if soap.wants_wsdl(request):
            return soap.wsdl(service, f"{request.base_url}{request.path}")
        try:
            version, name, arguments = read(request, service)
        except soap.Fault as fault:
            return fault.reply()
        result = soap.elements(self._carry_out(name, arguments, book, now))
        return soap.answer(
            f'<{name}Response xmlns="{service.namespace}"><{name}Result>{result}</{name}Result>'
            f"</{name}Response>",
            version=version,
        )

    def _carry_out(
        self, name: str, arguments: Arguments | None, book: Book, now: float
    ) -> dict[str, str | int]:
        """The fields of the result."""
        if name == "SalePaymentRequest":
            status, started = self._start(arguments, book, now)
            return {"Token": started, "Message": MESSAGES.get(status, "خطا"), "Status": status}
        token = (arguments or {}).get("Token", 0)
        session = self._find(arguments, book, now)
        if name == "ReversalRequest":
            if isinstance(session, Session):
                status = REVERSED[book.reverse(session, now, unverified_too=True)]
            else:
                status = session
            return {"Status": status, "Message": MESSAGES.get(status, "خطا"), "Token": token}
        if isinstance(session, int):
            return {"Status": session, "RRN": 0, "Token": token}
        status = self._confirm(session, name, arguments or {}, book, now)
        if status not in (0, -1533):
            return {"Status": status, "RRN": 0, "Token": token}
        return {
            "Status": status,
            "CardNumberMasked": masked(session.card, 6),
            "RRN": session.rrn,
            "Token": token,
        }

    def _refuse(self, arguments: Arguments | None) -> int:
        """The status for a caller who is not known; 0 for one who is."""
        if arguments is None:
            return -113
        return 0 if arguments.get("LoginAccount") in self._contracts else -126

    def _find(self, arguments: Arguments | None, book: Book, now: float) -> Session | int:
        """The session that a confirm or a reversal is about, or the status that says why not."""
        if refusal := self._refuse(arguments):
            return refusal
        assert arguments is not None
        session = book.find(self.driver, str(arguments["Token"]), now)
        if session is None:
            return -131
        own = self._terminals[str(arguments["LoginAccount"])]
        return session if session.terminal == own else -1530

    def _start(self, arguments: Arguments | None, book: Book, now: float) -> tuple[int, int]:
        """Status and token."""
        if refusal := self._refuse(arguments):
            return refusal, 0
        assert arguments is not None
        terminal = self._terminals[str(arguments["LoginAccount"])]
        order, amount = arguments["OrderId"], arguments["Amount"]
        assert isinstance(order, int)
        assert isinstance(amount, int)
        callback = str(arguments.get("CallBackUrl", "")).strip()
        if order == 0 or not callback:
            return -113, 0
        if order < 0:
            return -148, 0
        if book.order_used(self.driver, terminal, str(order)):
            return -112, 0
        book.use_order(self.driver, terminal, str(order))
        if amount < AMOUNT_MIN:
            return -132, 0
        if (
            len(str(arguments.get("AdditionalData", ""))) > ADDITIONAL_DATA_CHARS_MAX
            or len(str(arguments.get("Originator", ""))) > ORIGINATOR_CHARS_MAX
        ):
            return -116, 0
        if not is_address(callback):
            return -156, 0
        token = book.digits(9)
        while book.find(self.driver, token, now):
            token = book.digits(9)
        book.open(
            Session(
                driver=self.driver,
                terminal=terminal,
                token=token,
                order=str(order),
                amount=amount,
                callback_url=callback,
                created_at=now,
            )
        )
        return 0, int(token)

    def _confirm(
        self, session: Session, name: str, arguments: Arguments, book: Book, now: float
    ) -> int:
        if name == "ConfirmPaymentWithAmount" and session.paid_at is not None:
            said = (str(arguments["OrderId"]), arguments["Amount"])
            if said != (session.order, session.amount):
                return -1538
        return self._confirmed[book.verify(session, now)]

    # --- the report

    def _report(self, request: Request, book: Book, now: float) -> Reply:
        status, pin, session = self._reported(request, book, now)
        if status == 401:
            return Reply(status=401, headers={"www-authenticate": "Basic"})
        data = None
        if session is not None:
            data = _row(session) | {"LoginAccount": pin}
            status = 0
        document = {"Data": data, "Status": status, "Message": MESSAGES.get(status, "خطا")}
        return json_reply(document)

    def _reported(
        self, request: Request, book: Book, now: float
    ) -> tuple[int, str, Session | None]:
        """The status if there is no session, the account, and the session asked for."""
        document = json_object(request)
        pin = str(document.get("LoginAccount") or "")
        contract = self._contracts.get(pin)
        if not _logged_in(contract or {}, request):
            return 401, pin, None
        order, token = (str(document.get(name) or "") for name in ("OrderId", "Token"))
        if order:
            session = book.find_order(self.driver, self._terminals[pin], order, now)
        else:
            session = book.find(self.driver, token, now)
        if session is None or session.terminal != self._terminals[pin]:
            return -1528, pin, None
        return 0, pin, session

    # --- payers

    def is_page(self, request: Request) -> bool:
        return request.path.lower().rstrip("/") == "/newipg"

    def open_page(self, request: Request, book: Book, now: float) -> Session | None:
        if not self.is_page(request):
            return None
        for name, value in (*request.query.items(), *request.form.items()):
            if name.lower() == "token":
                return book.find(self.driver, value.strip(), now)
        return None

    def pay(self, session: Session, book: Book, now: float, card: str) -> bool:
        reference = book.digits(12)
        while book.find_reference(self.driver, reference, now):
            reference = book.digits(12)
        if not book.pay(session, now, card=card, reference=reference):
            return False
        session.rrn = reference
        return True

    def send_back(self, session: Session, now: float) -> Redirect:
        fields = {"Token": session.token, "OrderId": session.order}
        more = {"Amount": f"{session.amount:,}", "SwAmount": ""}
        if session.paid_at is not None:
            fields |= {
                "TerminalNo": session.terminal,
                "RRN": session.rrn,
                "status": "0",
                "HashCardNumber": hashlib.sha256(session.card.encode()).hexdigest().upper(),
                **more,
                "STraceNo": session.trace_no,
            }
        elif session.state is State.DECLINED:
            fields |= {
                "TerminalNo": session.terminal,
                "RRN": "0",
                "status": session.decline,
                "HashCardNumber": "",
                **more,
            }
        else:
            fields["status"] = "-138" if session.state is State.CANCELLED else "-130"
        return Redirect(token=session.token, url=session.callback_url, method="post", fields=fields)


def _logged_in(contract: Contract, request: Request) -> bool:
    """By HTTP's own separator or by the bar that one client is known to use."""
    user, password = contract.get("report_user"), contract.get("report_password")
    scheme, _, coded = request.headers.get("authorization", "").partition(" ")
    if not user or not password or scheme.lower() != "basic":
        return False
    try:
        login = b64decode(coded.strip()).decode()
    except ValueError:
        return False
    return login in (f"{user}:{password}", f"{user}|{password}")


def _row(session: Session) -> dict[str, Any]:
    declined = session.state is State.DECLINED
    began = datetime.fromtimestamp(session.created_at, UTC).astimezone(TEHRAN)
    site = urlsplit(session.callback_url)
    return {
        "LoginAccount": "",
        "WebSiteAddress": f"{site.scheme}://{site.netloc}",
        "OrderId": int(session.order),
        "Amount": session.amount,
        "Token": int(session.token),
        "CardNumber": masked(session.card, 6) if session.card else "",
        "PGWStatusId": int(session.decline) if declined else REPORTED[session.state],
        "RequestDateTime": began.replace(tzinfo=None).isoformat(timespec="milliseconds"),
        "RRN": int(session.rrn or 0),
        "PTraceNo": int(session.trace_no or 0),
        "ClientIPAddress": "203.0.113.7",
    }
