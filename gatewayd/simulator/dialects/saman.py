"""Saman (SEP) as a bank: JSON calls without any secret, one address for token call and page.

* Paths are read in any case; the token call and the payment page share one, told apart by the body.
* Calls are JSON; a form with an action is read too, for there are clients that post one.
* Every business answer is HTTP 200; texts are Persian and free-form.
* A terminal number may come as text or number, and so may the merchant's `ResNum`.
* Verify confirms and there is no settle: what nobody verifies in 30 minutes goes back.

Switches: `duplicate_success` (`false`, `true`) and `duplicate_detail` (`absent`, `present`) say how
code 2 looks; `return` (`classic`, `receipt`) chooses the long return or the one of newer documents,
which has only `Token` and `RefNum`; `return_token` (`present`, `absent`); `receipt_call` (`on`,
`off`); `page_header` (`off`, `on`) names another page address in the token answer's header;
`terminal` (`active`, `disabled`, `foreign_address`) is what SEP thinks of the caller.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from gatewayd.core.terms import NOTHING, Operation, Redirect
from gatewayd.gateways.contract import Reply
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
from gatewayd.simulator.speech import (
    TEHRAN,
    is_address,
    json_object,
    json_reply,
    masked,
    read_switches,
    text_of,
    whole_of,
)

TOKEN_PATH: Final = "/onlinepg/onlinepg"
LINK_PATH: Final = "/onlinepg/sendtoken"
NEW_PAGE_PATH: Final = "/transaction/init"
VERIFY_PATH: Final = "/verifytxnrandomsessionkey/ipg/verifytransaction"
REVERSE_PATH: Final = "/verifytxnrandomsessionkey/ipg/reversetransaction"
RECEIPT_PATH: Final = "/verifytxnrandomsessionkey/api/v2/ipg/payment/receipt"
OPERATIONS: Final = {
    TOKEN_PATH: Operation.START,
    VERIFY_PATH: Operation.VERIFY,
    REVERSE_PATH: Operation.REVERSE,
    RECEIPT_PATH: Operation.INQUIRE,
}

TOKEN_MINUTES: Final = (20, 3600)
RECEIPT_SECONDS: Final = 3600.0
RES_NUM_CHARS_MAX: Final = 255
FREE_DATA_CHARS_MAX: Final = 50
CARD_HASHES_MAX: Final = 10
SETTLEMENTS_MAX: Final = 9

SWITCHES: Final[Mapping[str, tuple[str, ...]]] = {
    "duplicate_success": ("false", "true"),
    "duplicate_detail": ("absent", "present"),
    "return": ("classic", "receipt"),
    "return_token": ("present", "absent"),
    "receipt_call": ("on", "off"),
    "page_header": ("off", "on"),
    "terminal": ("active", "disabled", "foreign_address"),
}
"""Each with its choices, the default first."""

ERRORS: Final = {
    "5": "پارامتر نادرست",
    "8": "آی‌پی سرور ثبت نشده",
    "12": "پایانه یافت نشد",
    "20": "پایانه غیرفعال است",
    "21": "خطای سیاست تسهیم",
    "404": "رسید پیدا نشد",
}
RESULTS: Final = {
    0: "موفق",
    2: "تکراری",
    5: "تراکنش برگشت خورده است",
    -2: "پیدا نشد",
    -6: "زمان تأیید گذشته است",
    -104: "پایانه غیرفعال است",
    -105: "پایانه در سامانه نیست",
    -106: "آی‌پی مجاز نیست",
    -111: "درخواست نادرست",
}
VERIFY_CODES: Final = {
    Verdict.OK: 0,
    Verdict.ALREADY: 2,
    Verdict.REVERSED: 5,
    Verdict.LATE: -6,
}
REVERSE_CODES: Final = {Verdict.OK: 0, Verdict.ALREADY: 2, Verdict.LATE: -6}
NOT_FOUND: Final = -2
MALFORMED: Final = -111

_HASH: Final = re.compile(r"[0-9a-f]{32}\Z")
_IBAN: Final = re.compile(r"IR[0-9]{24}\Z")


class _Refused(Exception):
    """A token request that gets no token: SEP's code, and what it says beyond the code's text."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


class Saman:
    """SEP's answers."""

    driver: ClassVar[str] = "saman"
    terms: ClassVar[Terms] = Terms(
        token_life_seconds=20 * 60,
        verify_within_seconds=30 * 60,
        reverse_within_seconds=50 * 60,
    )

    def __init__(
        self, contracts: tuple[Contract, ...], switches: Mapping[str, str] = NOTHING
    ) -> None:
        self._terminals = frozenset(contract["terminal_id"] for contract in contracts)
        self._switch = read_switches(self.driver, SWITCHES, switches)

    # --- merchants

    def recognise(self, request: Request, book: Book, now: float) -> Asked | None:
        """A POST to one of the four service addresses that is not a payer's."""
        operation = OPERATIONS.get(_path(request))
        if operation is None or request.method != "POST":
            return None
        if operation is Operation.START:
            return None if _is_visit(request) else Asked(operation=operation)
        if operation is Operation.INQUIRE and self._switch["receipt_call"] == "off":
            return None
        return Asked(operation=operation, session=self._find(_document(request), book, now))

    def answer(self, request: Request, book: Book, now: float) -> Reply:
        """Token, verify, reverse or receipt."""
        document = _document(request)
        match OPERATIONS[_path(request)]:
            case Operation.START:
                return self._start(request, document, book, now)
            case Operation.VERIFY:
                return self._result(document, book, now, verify=True)
            case Operation.REVERSE:
                return self._result(document, book, now, verify=False)
            case _:
                return self._receipt(document, book, now)

    def _start(
        self, request: Request, document: Mapping[str, Any], book: Book, now: float
    ) -> Reply:
        try:
            session = self._read_start(document, book, now)
        except _Refused as refused:
            text = ";".join(filter(None, (ERRORS[refused.code], refused.detail)))
            return json_reply({"status": -1, "errorCode": refused.code, "errorDesc": text})
        book.open(session)
        headers = {}
        if self._switch["page_header"] == "on":
            headers["x-ipg-url"] = f"{request.base_url}{NEW_PAGE_PATH}"
        return json_reply({"status": 1, "token": session.token}, headers=headers)

    def _read_start(self, document: Mapping[str, Any], book: Book, now: float) -> Session:
        """The session that this request orders; _Refused with SEP's reason."""
        match self._switch["terminal"]:
            case "foreign_address":
                raise _Refused("8")
            case "disabled":
                raise _Refused("20")
            case _:
                pass
        if str(document.get("action", "")).lower() != "token":
            raise _Refused("5", "action نادرست است")
        terminal = text_of(document.get("TerminalId"))
        if terminal not in self._terminals:
            raise _Refused("12")
        amount = whole_of(document.get("Amount"))
        if not amount:
            raise _Refused("5", "Amount نادرست است")
        order = text_of(document.get("ResNum"))
        if not order:
            raise _Refused("5", "ResNum ارسال نشده")
        if len(order) > RES_NUM_CHARS_MAX:
            raise _Refused("5", "ResNum بلند است")
        callback = text_of(document.get("RedirectUrl")) or text_of(document.get("RedirectURL"))
        if not is_address(callback):
            raise _Refused("5", "RedirectUrl نادرست است")
        for number in range(1, 5):
            if len(text_of(document.get(f"ResNum{number}"))) > FREE_DATA_CHARS_MAX:
                raise _Refused("5", f"ResNum{number} بلند است")
        _check_settlements(document.get("SettlementIbanInfo"), amount)
        return Session(
            driver=self.driver,
            terminal=terminal,
            token=book.hexadecimal(32),
            order=order,
            amount=amount,
            callback_url=callback,
            created_at=now,
            token_life_seconds=_token_life(document.get("TokenExpiryInMin")),
            extra=_extra(document),
        )

    def _find(self, document: Mapping[str, Any], book: Book, now: float) -> Session | None:
        """The session of this terminal that a verify, reverse or receipt call is about."""
        reference, token = text_of(document.get("RefNum")), text_of(document.get("Token"))
        session = None
        if reference:
            session = book.find_reference(self.driver, reference, now)
        elif token:
            session = book.find(self.driver, token, now)
        if session is None or session.terminal != text_of(document.get("TerminalNumber")):
            return None
        return session

    def _result(
        self, document: Mapping[str, Any], book: Book, now: float, *, verify: bool
    ) -> Reply:
        """The answer to a verify or a reverse; both look alike."""
        reference, terminal = (
            text_of(document.get("RefNum")),
            text_of(document.get("TerminalNumber")),
        )
        if self._switch["terminal"] != "active":
            return self._said(-104 if self._switch["terminal"] == "disabled" else -106)
        if not reference or not terminal:
            return self._said(MALFORMED)
        if terminal not in self._terminals:
            return self._said(-105)
        session = book.find_reference(self.driver, reference, now)
        if session is None or session.terminal != terminal:
            return self._said(NOT_FOUND)
        if verify:
            return self._said(VERIFY_CODES.get(book.verify(session, now), NOT_FOUND), session)
        if not session.verified:
            return self._said(NOT_FOUND)
        return self._said(REVERSE_CODES.get(book.reverse(session, now), NOT_FOUND), session)

    def _said(self, code: int, session: Session | None = None) -> Reply:
        duplicate = code == 2
        detailed = code == 0 or (duplicate and self._switch["duplicate_detail"] == "present")
        success = code == 0 or (duplicate and self._switch["duplicate_success"] == "true")
        return json_reply(
            {
                "TransactionDetail": _detail(session) if session and detailed else None,
                "ResultCode": code,
                "ResultDescription": RESULTS[code],
                "Success": success,
            }
        )

    def _receipt(self, document: Mapping[str, Any], book: Book, now: float) -> Reply:
        """The call of newer documents: what became of the payer, before any verify or reverse."""
        terminal = text_of(document.get("TerminalNumber"))
        missing = [] if terminal else ["TerminalNumber"]
        if not text_of(document.get("RefNum")) and not text_of(document.get("Token")):
            missing.append("Token")
        if missing:
            return _receipt_error("5", missing)
        match self._switch["terminal"]:
            case "foreign_address":
                return _receipt_error("8")
            case "disabled":
                return _receipt_error("20")
            case _:
                pass
        if terminal not in self._terminals:
            return _receipt_error("12")
        session = self._find(document, book, now)
        if (
            session is None
            or session.verified
            or session.reversed
            or now - session.created_at > RECEIPT_SECONDS / book.time_scale
            or text_of(document.get("Rrn")) not in ("", session.rrn)
            or text_of(document.get("TxnRandomSessionKey")) != session.extra.get("key", "")
        ):
            return _receipt_error("404")
        return json_reply(
            {
                "Data": _receipt_data(session),
                "HasError": False,
                "ErrorCode": None,
                "ErrorMessage": None,
                "ValidationErrors": None,
            }
        )

    # --- payers

    def is_page(self, request: Request) -> bool:
        """The page takes the token by form, or in the address of a link."""
        path = _path(request)
        if path in (TOKEN_PATH, NEW_PAGE_PATH):
            return request.method == "GET" or _is_visit(request)
        return path == LINK_PATH

    def open_page(self, request: Request, book: Book, now: float) -> Session | None:
        """Also notes by which method this payer's return is to come."""
        fields = {name.lower(): value for name, value in {**request.query, **request.form}.items()}
        session = book.find(self.driver, fields.get("token", "").strip(), now)
        if session is not None and fields.get("getmethod", "").strip().lower() == "true":
            session.extra["get"] = True
        return session

    def pay(self, session: Session, book: Book, now: float, card: str) -> bool:
        """Refuses a card that the merchant did not allow, at the end, as SEP does."""
        allowed = session.extra.get("cards")
        if allowed and hashlib.md5(card.encode(), usedforsecurity=False).hexdigest() not in allowed:
            return False
        reference = base64.b64encode(book.rng.randbytes(22)).decode().rstrip("=")
        return book.pay(session, now, card=card, reference=reference)

    def send_back(self, session: Session, now: float) -> Redirect:
        """All fields are there on failure too, but empty."""
        paid = session.paid_at is not None
        if self._switch["return"] == "receipt":
            return Redirect(
                token=session.token,
                url=session.callback_url,
                method="get",
                fields={"Token": session.token, "RefNum": session.ref_num if paid else ""},
            )
        word, number = _state(session)
        fields = {
            "MID": session.terminal,
            "TerminalId": session.terminal,
            "State": word,
            "Status": str(number),
            "Rrn": session.rrn if paid else "",
            "RefNum": session.ref_num if paid else "",
            "ResNum": session.order,
            "TraceNo": session.trace_no if paid else "",
            "Amount": str(session.amount),
            "Wage": str(session.extra.get("wage", "")),
            "SecurePan": masked(session.card, 6) if paid else "",
            "HashedCardNumber": _sha256(session.card) if paid else "",
        }
        if self._switch["return_token"] == "present":
            fields["Token"] = session.token
        return Redirect(
            token=session.token,
            url=session.callback_url,
            method="get" if session.extra.get("get") else "post",
            fields=fields,
        )


def _path(request: Request) -> str:
    return request.path.lower().rstrip("/")


def _is_form(request: Request) -> bool:
    return "json" not in request.headers.get("content-type", "").lower() and bool(request.form)


def _is_visit(request: Request) -> bool:
    """Whether a payer's browser sent this form: a merchant's names an action."""
    return _is_form(request) and "action" not in request.form


def _document(request: Request) -> Mapping[str, Any]:
    """What a merchant's call says; a form may spell the return address in any case."""
    if not _is_form(request):
        return json_object(request)
    address = [value for name, value in request.form.items() if name.lower() == "redirecturl"]
    return {**request.form, "RedirectUrl": address[0]} if address else request.form


def _token_life(minutes: object) -> float | None:
    """Seconds; out of range goes to the nearer bound, None is the default."""
    if minutes in (None, ""):
        return None
    low, high = TOKEN_MINUTES
    return 60.0 * min(max(whole_of(minutes), low), high)


def _extra(document: Mapping[str, Any]) -> dict[str, Any]:
    """What later calls and the return need to know of the token request."""
    extra: dict[str, Any] = {}
    if wage := whole_of(document.get("Wage")):
        extra["wage"] = wage
    if key := text_of(document.get("TxnRandomSessionKey")):
        extra["key"] = key
    if hashes := text_of(document.get("HashedCardNumber")).lower():
        cards = [piece.strip() for piece in re.split(r"[|;,]", hashes) if piece.strip()]
        if len(cards) > CARD_HASHES_MAX or not all(_HASH.match(card) for card in cards):
            raise _Refused("5", "HashedCardNumber نادرست است")
        extra["cards"] = frozenset(cards)
    return extra


def _check_settlements(rows: object, amount: int) -> None:
    """At most nine accounts, which together get no more than is paid."""
    if rows in (None, []):
        return
    if not isinstance(rows, list) or len(rows) > SETTLEMENTS_MAX:
        raise _Refused("21")
    parts = [whole_of(row.get("Amount")) if isinstance(row, dict) else 0 for row in rows]
    named = all(isinstance(row, dict) and _IBAN.match(text_of(row.get("IBAN"))) for row in rows)
    if not named or not all(parts) or sum(parts) > amount:
        raise _Refused("21")


def _state(session: Session) -> tuple[str, int]:
    """State and Status as return and receipt say them."""
    if session.paid_at is not None:
        return "OK", 2
    match session.state:
        case State.CANCELLED:
            return "CanceledByUser", 1
        case State.DECLINED:
            return "Failed", 3
        case State.EXPIRED:
            return "SessionIsNull", 4
        case _:
            return "InProgress", 0


def _detail(session: Session) -> dict[str, Any]:
    """The misspelt names are SEP's."""
    assert session.paid_at is not None
    return {
        "RRN": session.rrn,
        "RefNum": session.ref_num,
        "MaskedPan": masked(session.card, 4),
        "HashedPan": _sha256(session.card),
        "TerminalNumber": int(session.terminal),
        "OrginalAmount": session.amount,
        "AffectiveAmount": session.amount + session.extra.get("wage", 0),
        "StraceDate": datetime.fromtimestamp(session.paid_at, TEHRAN).strftime("%Y-%m-%d %H:%M:%S"),
        "StraceNo": session.trace_no,
    }


def _receipt_data(session: Session) -> dict[str, Any]:
    word, number = _state(session)
    paid = session.paid_at is not None
    return {
        "State": word,
        "Status": number,
        "TerminalId": int(session.terminal),
        "Token": session.token,
        "RefNum": session.ref_num if paid else None,
        "ResNum": session.order if paid else None,
        "TraceNo": int(session.trace_no) if paid else 0,
        "Amount": session.amount if paid else 0,
        "AffectiveAmount": session.amount + session.extra.get("wage", 0) if paid else 0,
        "Rrn": int(session.rrn) if paid else None,
        "HashedCardNumber": _sha256(session.card) if paid else None,
    }


def _receipt_error(code: str, missing: list[str] | None = None) -> Reply:
    errors = [{"FieldName": name, "ErrorMessages": ["ارسال نشده"]} for name in missing or ()]
    return json_reply(
        {
            "Data": None,
            "HasError": True,
            "ErrorCode": int(code),
            "ErrorMessage": ERRORS[code],
            "ValidationErrors": errors or None,
        }
    )


def _sha256(card: str) -> str:
    return hashlib.sha256(card.encode()).hexdigest()
