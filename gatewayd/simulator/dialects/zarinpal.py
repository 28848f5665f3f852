"""How ZarinPal speaks: REST v4 in JSON, IRR or IRT as the client says, one code for every reason.

* Business errors are HTTP 401, validation is 422; `data` and `errors` are lists when they are empty.
  An authority of no documented form gets the framework's own 422, without `data` and `code`.
* Amounts may be text or `152200.0`; metadata may be missing, null, a list, or hold anything. A
  verify must name the very number that was asked for, in the unit of the session; after a wrong
  one (-50) the authority is as good as before.
* The returns are GETs with `Authority` and `Status`, and `NOK` is everything that is not paid.
* Verify, inquiry and reverse are per merchant, and so is the list of what nobody verified.

Switches: `unverified` (`held`, `auto_reverse`): what becomes of the unverified after 20 minutes, on
which the sources disagree; `reverse` (`allowed`, `refused`, `no_ip`): what the bank behind and the
panel's list of addresses think of reversals.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from string import ascii_letters, digits
from typing import Any, ClassVar, Final

from gatewayd.core.terms import NOTHING, IfUnverified, Operation, Redirect
from gatewayd.gateways.contract import Reply
from gatewayd.simulator.bank import Asked, Book, Contract, Request, Session, State, Terms, Verdict
from gatewayd.simulator.dialects.zarinpal_panel import PATH as PANEL_PATH
from gatewayd.simulator.dialects.zarinpal_panel import STATUSES, Panel
from gatewayd.simulator.speech import (
    TEHRAN,
    is_address,
    json_object,
    json_reply,
    masked,
    read_switches,
    text_of,
)

OPERATIONS: Final = {
    "/pg/v4/payment/request.json": Operation.START,
    "/pg/v4/payment/verify.json": Operation.VERIFY,
    "/pg/v4/payment/unverified.json": Operation.INQUIRE,
    "/pg/v4/payment/inquiry.json": Operation.INQUIRE,
    "/pg/v4/payment/reverse.json": Operation.REVERSE,
}
UNVERIFIED_PATH: Final = "/pg/v4/payment/unverified.json"
AMOUNT_MIN: Final = 1_000
AMOUNT_MAX: Final = 1_000_000_000
DESCRIPTION_CHARS_MAX: Final = 500
UNVERIFIED_MAX: Final = 100
WAGES_MAX: Final = 5
WAGE_MIN: Final = 10_000
WAGES_PERCENT_MAX: Final = 99
FEE: Final = 100

SWITCHES: Final[Mapping[str, tuple[str, ...]]] = {
    "unverified": ("held", "auto_reverse"),
    "reverse": ("allowed", "refused", "no_ip"),
}
"""Each with its choices, the default first."""
MESSAGES: Final = {
    -9: "The input params invalid, validation error.",
    -10: "Terminal is not valid, please check merchant_id or ip address.",
    -34: "The wages total amount is more than the maximum.",
    -35: "Too many wages parts.",
    -36: "The minimum amount for wages is 10,000 rials.",
    -41: "Maximum amount is 100,000,000 tomans.",
    -50: "Session is not valid, amounts values is not the same.",
    -51: "Session is not valid, session is not active paid try.",
    -53: "Session is not this merchant_id session.",
    -54: "Invalid authority.",
    -60: "Session can not be reversed with bank.",
    -61: "Session is not in success status.",
    -62: "Terminal ip limit must be active.",
    -63: "Maximum time for reverse this session is expired.",
}

_PAGE: Final = re.compile(r"/pg/startpay/([^/]+)(?:/zaringate)?/?", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"[AS][0-9a-zA-Z]{35}")
_UUID: Final = re.compile(r"[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}", re.IGNORECASE)
_IBAN: Final = re.compile(r"IR[0-9]{24}")


class _Refused(Exception):
    """A business error; its argument is ZarinPal's code."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


class _Invalid(Exception):
    """A validation error: a text by its field."""

    def __init__(self, **text: str) -> None:
        super().__init__(*text)
        self.text = text


class _Unreadable(Exception):
    """An authority of no documented form."""


class Zarinpal:
    """ZarinPal's answers."""

    driver: ClassVar[str] = "zarinpal"

    def __init__(
        self, contracts: tuple[Contract, ...], switches: Mapping[str, str] = NOTHING
    ) -> None:
        self._merchants = frozenset(contract["merchant_id"].lower() for contract in contracts)
        self._switch = read_switches(self.driver, SWITCHES, switches)
        self._panel = Panel(contracts)

    @property
    def terms(self) -> Terms:
        """The held are held without end; the 20 minutes are the worse of what is told."""
        held = self._switch["unverified"] == "held"
        return Terms(
            token_life_seconds=30 * 60,
            verify_within_seconds=20 * 60,
            reverse_within_seconds=30 * 60,
            unverified=IfUnverified.HELD if held else IfUnverified.AUTO_REVERSE,
        )

    # --- merchants

    def recognise(self, request: Request, book: Book, now: float) -> Asked | None:
        """A POST to one of the five addresses or to the panel."""
        if request.method != "POST":
            return None
        if _path(request) == PANEL_PATH:
            return self._panel.recognise(request, book, now)
        operation = OPERATIONS.get(_path(request))
        if operation is None:
            return None
        authority = text_of(json_object(request).get("authority"))
        return Asked(operation=operation, session=book.find(self.driver, authority, now))

    def answer(self, request: Request, book: Book, now: float) -> Reply:
        """Carry out a recognised call."""
        path, document = _path(request), json_object(request)
        if path == PANEL_PATH:
            return self._panel.answer(request, book, now)
        try:
            if OPERATIONS[path] is Operation.START:
                return self._start(document, book, now)
            if path == UNVERIFIED_PATH:
                return self._unverified(document, book, now)
            session = self._find(document, book, now)
            match OPERATIONS[path]:
                case Operation.VERIFY:
                    return self._verify(session, document, book, now)
                case Operation.REVERSE:
                    return self._reverse(session, book, now)
                case _:
                    status = STATUSES[session.state]
                    return _done({"status": status, "code": 100, "message": "Success"})
        except _Refused as refused:
            return _failed(401, refused.code, [])
        except _Invalid as invalid:
            return _failed(422, -9, [invalid.text])
        except _Unreadable:
            texts = [MESSAGES[-54], "-54"]
            return json_reply({"message": texts[0], "errors": {"authority": texts}}, 422)

    def _merchant(self, document: Mapping[str, Any]) -> str:
        merchant = text_of(document.get("merchant_id"))
        if not merchant:
            raise _Invalid(merchant_id="The merchant id field is required.")
        if not _UUID.fullmatch(merchant):
            raise _Invalid(merchant_id="The merchant id must be a valid UUID.")
        if merchant.lower() not in self._merchants:
            raise _Refused(-10)
        return merchant.lower()

    def _start(self, document: Mapping[str, Any], book: Book, now: float) -> Reply:
        merchant = self._merchant(document)
        amount, rate = _amount(document.get("amount")), _rate(document)
        description = text_of(document.get("description"))
        address = text_of(document.get("callback_url"))
        if amount is None or amount * rate < AMOUNT_MIN:
            raise _Invalid(amount=f"The amount must be at least {AMOUNT_MIN}.")
        if not description:
            raise _Invalid(description="The description field is required.")
        if len(description) > DESCRIPTION_CHARS_MAX:
            raise _Invalid(description="The description may not be greater than 500 characters.")
        if not is_address(address):
            raise _Invalid(callback_url="The callback url format is invalid.")
        rial = amount * rate
        if rial > AMOUNT_MAX:
            raise _Refused(-41)
        _check_wages(document.get("wages"), rial, rate)
        authority = self._new_authority(book, now)
        order, card, auto_verify = _metadata(document)
        book.open(
            Session(
                driver=self.driver,
                terminal=merchant,
                token=authority,
                order=order,
                amount=rial,
                callback_url=address,
                created_at=now,
                card=card,
                extra={
                    "amount": amount,
                    "auto_verify": auto_verify,
                    "description": description,
                    "session_id": self._panel.number(authority, book),
                    "wages": document.get("wages") or [],
                    "only": card,
                },
            )
        )
        return _done(
            {
                "code": 100,
                "message": "Success",
                "authority": authority,
                "fee_type": "Merchant",
                "fee": FEE,
            }
        )

    def _new_authority(self, book: Book, now: float) -> str:
        while True:
            tail = "".join(book.rng.choice(ascii_letters + digits) for _ in range(7))
            authority = f"A{tail:0>35}"
            if book.find(self.driver, authority, now) is None:
                return authority

    def _find(self, document: Mapping[str, Any], book: Book, now: float) -> Session:
        """The session that a call about an authority is about."""
        merchant, authority = self._merchant(document), text_of(document.get("authority"))
        if not authority:
            raise _Invalid(authority="The authority field is required.")
        if not _AUTHORITY.fullmatch(authority):
            raise _Unreadable
        session = book.find(self.driver, authority, now)
        if session is None:
            raise _Refused(-54)
        if session.terminal != merchant:
            raise _Refused(-53)
        return session

    def _verify(
        self, session: Session, document: Mapping[str, Any], book: Book, now: float
    ) -> Reply:
        amount = _amount(document.get("amount"))
        if amount is None:
            raise _Invalid(amount="The amount field is required.")
        if amount != session.extra["amount"]:
            raise _Refused(-50)
        verdict = book.verify(session, now)
        if verdict not in {Verdict.OK, Verdict.ALREADY}:
            raise _Refused(-51)
        first = verdict is Verdict.OK
        return _done(
            {
                "code": 100 if first else 101,
                "message": "Paid" if first else "Verified",
                "card_hash": hashlib.sha256(session.card.encode()).hexdigest().upper(),
                "card_pan": masked(session.card, 6),
                "ref_id": int(session.ref_num),
                "fee_type": "Merchant",
                "fee": FEE,
                "shaparak_fee": "1200",
                "order_id": session.order or None,
                "wages": session.extra["wages"],
            }
        )

    def _reverse(self, session: Session, book: Book, now: float) -> Reply:
        """The whole amount, of what was verified, within 30 minutes of the payment."""
        if self._switch["reverse"] == "no_ip":
            raise _Refused(-62)
        if session.state is not State.VERIFIED or session.refunds:
            raise _Refused(-61)
        if self._switch["reverse"] == "refused":
            raise _Refused(-60)
        if book.reverse(session, now) is not Verdict.OK:
            raise _Refused(-63)
        return _done({"code": 100, "message": "Reversed"})

    def _unverified(self, document: Mapping[str, Any], book: Book, now: float) -> Reply:
        """The latest paid ones; the documents' sample has its code as text."""
        sessions = book.of_terminal(self.driver, self._merchant(document), now)
        paid = [s for s in reversed(sessions) if s.state is State.PAID][:UNVERIFIED_MAX]
        rows = [
            {
                "authority": session.token,
                "amount": session.extra["amount"],
                "callback_url": session.callback_url,
                "referer": session.extra.get("referer", "/"),
                "date": f"{datetime.fromtimestamp(session.created_at, TEHRAN):%Y-%m-%d %H:%M:%S}",
            }
            for session in paid
        ]
        return _done({"code": "100", "message": "Success", "authorities": rows})

    # --- payers

    def is_page(self, request: Request) -> bool:
        """StartPay, with and without the way straight to the bank."""
        return _PAGE.fullmatch(request.path) is not None

    def open_page(self, request: Request, book: Book, now: float) -> Session | None:
        """The authority is part of the path, and its case counts."""
        page = _PAGE.fullmatch(request.path)
        session = book.find(self.driver, page.group(1), now) if page else None
        if session is not None and "referer" in request.headers:
            session.extra["referer"] = request.headers["referer"]
        return session

    def pay(self, session: Session, book: Book, now: float, card: str) -> bool:
        """A merchant may have asked that it be verified at once, and that one card only may pay."""
        if session.extra["only"] and card != session.extra["only"]:
            return False
        reference = book.digits(11)
        while book.find_reference(self.driver, reference, now) is not None:
            reference = book.digits(11)
        paid = book.pay(session, now, card=card, reference=reference)
        if paid and session.extra["auto_verify"]:
            book.verify(session, now)
        return paid

    def send_back(self, session: Session, now: float) -> Redirect:
        """OK or NOK, and nothing else."""
        status = "OK" if session.paid_at is not None else "NOK"
        return Redirect(
            token=session.token,
            url=session.callback_url,
            method="get",
            fields={"Authority": session.token, "Status": status},
        )


def _path(request: Request) -> str:
    return request.path.lower().rstrip("/")


def _amount(value: object) -> int | None:
    """In the client's unit; also as text and as `152200.0`, but no fractions."""
    text = str(value) if isinstance(value, float) else text_of(value)
    number = re.fullmatch(r"([0-9]{1,15})(\.0+)?", text)
    return int(number.group(1)) if number else None


def _rate(document: Mapping[str, Any]) -> int:
    """Rial for one of the client's unit, which is rial where it names none."""
    match text_of(document.get("currency")).upper() or "IRR":
        case "IRR":
            return 1
        case "IRT":
            return 10
        case _:
            raise _Invalid(currency="The selected currency is invalid.")


def _metadata(document: Mapping[str, Any]) -> tuple[str, str, bool]:
    """Order number, the only card that may pay, and whether ZarinPal verifies by itself."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    card = text_of(metadata.get("card_pan"))
    whole = card if re.fullmatch(r"[0-9]{16}", card) else ""
    return text_of(metadata.get("order_id")), whole, metadata.get("auto_verify") is True


def _check_wages(wages: object, rial: int, rate: int) -> None:
    """At most five parts of 10,000 rial or more, together at most 99 % of the amount."""
    if not wages:
        return
    if not isinstance(wages, list) or not all(isinstance(wage, dict) for wage in wages):
        raise _Invalid(wages="The wages must be an array.")
    if len(wages) > WAGES_MAX:
        raise _Refused(-35)
    if not all(_IBAN.fullmatch(text_of(wage.get("iban"))) for wage in wages):
        raise _Invalid(wages="The wages iban format is invalid.")
    parts = [(_amount(wage.get("amount")) or 0) * rate for wage in wages]
    if min(parts) < WAGE_MIN:
        raise _Refused(-36)
    if sum(parts) * 100 > rial * WAGES_PERCENT_MAX:
        raise _Refused(-34)


def _done(data: Mapping[str, Any]) -> Reply:
    return json_reply({"data": dict(data), "errors": []})


def _failed(status: int, code: int, validations: list[dict[str, str]]) -> Reply:
    errors = {"code": code, "message": MESSAGES[code], "validations": validations}
    return json_reply({"data": [], "errors": errors}, status)
