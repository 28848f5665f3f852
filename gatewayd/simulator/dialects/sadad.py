"""How Sadad speaks: JSON with TripleDES signatures, numbers in answers as strings, always HTTP 200.

* Paths and names are read in any case, with and without `/vpg`; numbers may come as text, and dates
  in each of the three forms that clients send. The clock in them is not compared with ours.
* The signature is decrypted here and must hold terminal, order and amount just as they were sent.
* An order number is used up by every signed try of a known terminal.
* Verify captures, and answers again and again. What nobody verifies in 15 minutes goes back.
* The return is a POST, with the field names of live ones: neither card nor card holder is there,
  and cancel and decline differ in `SwitchResCode` only.

Switches: `late` (`101`, `1105`): what verify says of what went back; the manual has both.
`numbers` (`text`, `number`): how codes, amounts and order numbers are answered; live answers have
text, the manual's samples numbers, and there are clients that understand only the latter.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

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
    is_of_the_owner,
)
from gatewayd.simulator.speech import (
    TEHRAN,
    is_address,
    json_object,
    json_reply,
    read_switches,
    text_of,
    whole_of,
)

OPERATIONS: Final = {
    "/api/v0/request/paymentrequest": Operation.START,
    "/api/v0/advice/verify": Operation.VERIFY,
}
PAGE_PATH: Final = "/purchase"
ORDER_MAX: Final = 2**63 - 1
AMOUNT_MIN: Final = 1_000

DESCRIPTIONS: Final = {
    "0": "موفق",
    "100": "قبلا ثبت شده",
    "-1": "تراکنش پیدا نشد",
    "101": "مهلت تأیید گذشته است",
    "1105": "تراکنش برگشت خورده است",
    "1000": "ترتیب پارامترها اشتباه است",
    "1004": "شماره پذیرنده اشتباه است",
    "1011": "سفارش تکراری",
    "1023": "آدرس بازگشت نامعتبر است",
    "1024": "تاریخ و زمان نامعتبر است",
    "1025": "امضا نامعتبر است",
    "1026": "شماره سفارش نامعتبر است",
    "1028": "شماره پایانه نامعتبر است",
    "1101": "مبلغ نامعتبر است",
    "1104": "اطلاعات تسهیم اشتباه است",
}
SWITCHES: Final[Mapping[str, tuple[str, ...]]] = {
    "late": ("101", "1105"),
    "numbers": ("text", "number"),
}
"""Each with its choices, the default first."""
NUMBERS: Final = ("ResCode", "Amount", "OrderId")

_DATES: Final = (
    re.compile(r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4} [0-9]{1,2}(:[0-9]{2}){2}( ?[apAP][mM])?"),
    re.compile(r"[0-9]{14}"),
    re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}[-+:.0-9Z]*"),
)


class _Refused(Exception):
    """A request that gets no token; its text is Sadad's code."""


class Sadad:
    """Sadad's answers."""

    driver: ClassVar[str] = "sadad"
    terms: ClassVar[Terms] = Terms(
        token_life_seconds=20 * 60,
        verify_within_seconds=15 * 60,
        reverse_within_seconds=None,
    )

    def __init__(
        self, contracts: tuple[Contract, ...], switches: Mapping[str, str] = NOTHING
    ) -> None:
        self._merchants = frozenset(contract["merchant_id"] for contract in contracts)
        self._contracts = {contract["terminal_id"]: contract for contract in contracts}
        self._keys = {terminal: _key(each["key"]) for terminal, each in self._contracts.items()}
        self._switch = read_switches(self.driver, SWITCHES, switches)

    # --- merchants

    def recognise(self, request: Request, book: Book, now: float) -> Asked | None:
        """A POST to either family of paths."""
        operation = OPERATIONS.get(_path(request))
        if operation is None or request.method != "POST":
            return None
        if operation is Operation.START:
            return Asked(operation=operation)
        token = text_of(_document(request).get("token"))
        return Asked(operation=operation, session=book.find(self.driver, token, now))

    def answer(self, request: Request, book: Book, now: float) -> Reply:
        """A token or a verify."""
        said = self._answer(_document(request), OPERATIONS[_path(request)], book, now)
        if self._switch["numbers"] == "number":
            said |= {name: int(said[name]) for name in NUMBERS if name in said}
        return json_reply(said)

    def _answer(
        self, document: Mapping[str, Any], operation: Operation, book: Book, now: float
    ) -> dict[str, Any]:
        if operation is Operation.VERIFY:
            return self._verify(document, book, now)
        try:
            session = self._read_start(document, book, now)
        except _Refused as refused:
            code = str(refused)
            return {"ResCode": code, "Token": None, "Description": DESCRIPTIONS[code]}
        book.open(session)
        return {"ResCode": "0", "Token": session.token, "Description": DESCRIPTIONS["0"]}

    def _read_start(self, document: Mapping[str, Any], book: Book, now: float) -> Session:
        """The session that this request orders; _Refused with Sadad's code."""
        if not document:
            raise _Refused("1000")
        merchant = text_of(document.get("merchantid"))
        terminal = text_of(document.get("terminalid"))
        if merchant not in self._merchants:
            raise _Refused("1004")
        if self._contracts.get(terminal, {}).get("merchant_id") != merchant:
            raise _Refused("1028")
        amount, order = _number(document.get("amount")), _number(document.get("orderid"))
        signed = _decrypt(self._keys[terminal], text_of(document.get("signdata")))
        if signed != f"{terminal};{order};{amount}":
            raise _Refused("1025")
        number = str(_order(order))
        if number == "0":
            raise _Refused("1026")
        used = book.order_used(self.driver, terminal, number)
        book.use_order(self.driver, terminal, number)
        if used:
            raise _Refused("1011")
        if whole_of(amount) < AMOUNT_MIN:
            raise _Refused("1101")
        date = text_of(document.get("localdatetime"))
        if not any(form.fullmatch(date) for form in _DATES):
            raise _Refused("1024")
        address = text_of(document.get("returnurl"))
        if not is_address(address):
            raise _Refused("1023")
        _check_multiplexing(document.get("multiplexingdata"), whole_of(amount))
        return Session(
            driver=self.driver,
            terminal=terminal,
            token=self._new_token(book, now),
            order=number,
            amount=whole_of(amount),
            callback_url=address,
            created_at=now,
            extra={"owner": text_of(document.get("panauthenticationtype")) in {"1", "2", "3"}},
        )

    def _new_token(self, book: Book, now: float) -> str:
        while True:
            token = f"0001{book.hexadecimal(48).upper()}"
            if book.find(self.driver, token, now) is None:
                return token

    def _verify(self, document: Mapping[str, Any], book: Book, now: float) -> dict[str, Any]:
        token = text_of(document.get("token"))
        session = book.find(self.driver, token, now)
        if session is None:
            return _verified("-1", None)
        if _decrypt(self._keys[session.terminal], text_of(document.get("signdata"))) != token:
            return _verified("-1", None)
        match book.verify(session, now):
            case Verdict.OK:
                return _verified("0", session)
            case Verdict.ALREADY:
                return _verified("100", session)
            case Verdict.LATE:
                return _verified(self._switch["late"], None)
            case _:
                return _verified("-1", None)

    # --- payers

    def is_page(self, request: Request) -> bool:
        """By GET, as documented; a form posted there works as well."""
        return _path(request) == PAGE_PATH

    def open_page(self, request: Request, book: Book, now: float) -> Session | None:
        """`Token` in any case."""
        fields = {name.lower(): value for name, value in {**request.query, **request.form}.items()}
        return book.find(self.driver, fields.get("token", "").strip(), now)

    def pay(self, session: Session, book: Book, now: float, card: str) -> bool:
        """The reference is the retrieval reference number."""
        if not is_of_the_owner(session, card):
            return False
        reference = book.digits(12)
        while book.find_reference(self.driver, reference, now) is not None:
            reference = book.digits(12)
        session.rrn = reference
        return book.pay(session, now, card=card, reference=reference)

    def send_back(self, session: Session, now: float) -> Redirect:
        """As in a live log: a card hash of 64 digits, no card, two fields that mean nothing."""
        paid = session.paid_at is not None
        tried = paid or session.state is State.DECLINED
        switch = "00" if paid else session.decline if tried else ""
        seed = session.card or session.token
        return Redirect(
            token=session.token,
            url=session.callback_url,
            method="post",
            fields={
                "token": session.token,
                "OrderId": session.order,
                "ResCode": "0" if paid else "-1",
                "SwitchResCode": switch,
                "HashedCardNo": hashlib.sha256(seed.encode()).hexdigest().upper() if tried else "",
                "IsWalletPayment": "False",
                "__RequestVerificationToken": f"CfDJ8{session.token[4:]}",
            },
        )


def _path(request: Request) -> str:
    """In lower case and without the family's prefix."""
    return request.path.lower().rstrip("/").removeprefix("/vpg")


def _document(request: Request) -> dict[str, Any]:
    """The JSON object of the body with names in lower case; an empty one where there is none."""
    return {name.lower(): value for name, value in json_object(request).items()}


def _number(value: object) -> str:
    """A number as it stands in a signature, in which clients write `150000` for `150000.0`."""
    return text_of(int(value) if isinstance(value, float) and value.is_integer() else value)


def _order(text: str) -> int:
    """An order number; 0 for what is none."""
    number = int(text) if re.fullmatch(r"[0-9]{1,19}", text) else 0
    return number if number <= ORDER_MAX else 0


def _check_multiplexing(data: object, amount: int) -> None:
    """Amounts add up to what is paid, percents to 100; _Refused otherwise."""
    if not data:
        return
    folded = {k.lower(): v for k, v in data.items()} if isinstance(data, dict) else {}
    rows = folded.get("multiplexingrows")
    total = {"amount": amount, "percentage": 100}.get(text_of(folded.get("type")).lower())
    if not isinstance(rows, list) or total is None:
        raise _Refused("1104")
    parts = [whole_of(row.get("Value")) if isinstance(row, dict) else 0 for row in rows]
    named = all(isinstance(row, dict) and text_of(row.get("IbanNumber")) for row in rows)
    if not named or not all(parts) or sum(parts) != total:
        raise _Refused("1104")


def _key(text: str) -> bytes:
    """Three DES keys; two mean that the third is the first. ValueError for anything else."""
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) not in (16, 24):
        raise ValueError("sadad: key must be Base64 of 16 or 24 bytes")
    return key + key[:8] if len(key) == 16 else key


def _decrypt(key: bytes, signature: str) -> str | None:
    """What was signed; None where this key signed nothing like it."""
    try:
        data = base64.b64decode(signature, validate=True)
        decryptor = Cipher(TripleDES(key), modes.ECB()).decryptor()  # noqa: S305  (Sadad's choice)
        padded = decryptor.update(data) + decryptor.finalize()
    except ValueError:
        return None
    size = padded[-1] if padded else 0
    if not 1 <= size <= 8 or padded[-size:] != bytes([size]) * size:
        return None
    return padded[:-size].decode("utf-8", "replace")


def _verified(code: str, session: Session | None) -> dict[str, Any]:
    """The answer to a verify; without a session all is empty in the way of .NET."""
    paid_at = session.paid_at if session else None
    return {
        "ResCode": code,
        "Description": DESCRIPTIONS[code],
        "Amount": str(session.amount) if session else "0",
        "RetrivalRefNo": session.rrn if session else None,
        "SystemTraceNo": session.trace_no if session else None,
        "OrderId": session.order if session else "0",
        "SwitchResCode": "00" if session else None,
        "TransactionDate": "1/1/0001 12:00:00 AM" if paid_at is None else _date(paid_at),
        "AdditionalData": None,
        "CardHolderFullName": None,
    }


def _date(wall: float) -> str:
    """`2/11/2025 6:12:40 PM` in Tehran."""
    there = datetime.fromtimestamp(wall, TEHRAN)
    half = "AM" if there.hour < 12 else "PM"
    return f"{there.month}/{there.day}/{there.year} {there.hour % 12 or 12}:{there:%M:%S} {half}"
