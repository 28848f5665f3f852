"""Zibal as a bank: JSON, HTTP 200 for every business answer, `result` says what happened.

* Amounts, trackIds and flags may come as text; `result`, `status` and `amount` are answered as ints.
* The merchant `zibal` is the sandbox: it needs no contract, and its references and cards are null.
* An order number may be used as often as one likes, or be left out.
* Verify is told no amount; a second one answers 201, with the data only for who asked so.
* Refunds are another service, at the same address here, for contracts with an access token and an
  account. One that tries the card first and is of everything becomes a reverse.

Switches: `double_verify` (`as_asked`, `bare`) says whether `dataOnDoubleVerify` is obeyed;
`unverified` (`auto_reverse`, `held`) what becomes of payments that nobody verifies;
`refund_state` (`done`, `queued`, `failed`) how refunds stand when they are asked about;
`merchant` (`active`, `inactive`, `foreign_address`) is what Zibal thinks of the caller.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Final

from gatewayd.core.terms import NOTHING, IfUnverified, Operation, Redirect
from gatewayd.gateways.contract import Reply
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
from gatewayd.simulator.speech import (
    TEHRAN,
    is_address,
    json_object,
    json_reply,
    read_switches,
    text_of,
    whole_of,
)

REQUEST_PATH: Final = "/v1/request"
VERIFY_PATH: Final = "/v1/verify"
INQUIRY_PATH: Final = "/v1/inquiry"
REFUND_PATH: Final = "/v1/account/refund"
REFUND_INQUIRY_PATH: Final = "/v1/account/refund/inquiry"
START_PATH: Final = "/start/"
OPERATIONS: Final = {
    REQUEST_PATH: Operation.START,
    VERIFY_PATH: Operation.VERIFY,
    INQUIRY_PATH: Operation.INQUIRE,
    REFUND_PATH: Operation.REFUND,
    REFUND_INQUIRY_PATH: Operation.INQUIRE,
}

SANDBOX: Final = "zibal"
AMOUNT_ABOVE: Final = 1_000
AMOUNT_MAX: Final = 500_000_000
REFUND_MIN: Final = 1_000
SHAPARAK_FEE: Final = 1_200
TERMS: Final = Terms(
    token_life_seconds=30 * 60,
    verify_within_seconds=30 * 60,
    reverse_within_seconds=24 * 3600,
)

SWITCHES: Final[Mapping[str, tuple[str, ...]]] = {
    "double_verify": ("as_asked", "bare"),
    "unverified": ("auto_reverse", "held"),
    "refund_state": ("done", "queued", "failed"),
    "merchant": ("active", "inactive", "foreign_address"),
}
"""Each with its choices, the default first."""

MESSAGES: Final = {
    100: "success",
    102: "merchant not found",
    103: "merchant is inactive",
    105: "amount must be greater than 1000",
    106: "callbackUrl is invalid",
    107: "percentMode is invalid",
    108: "multiplexingInfos: a beneficiary is invalid",
    110: "multiplexingInfos: self is missing",
    111: "multiplexingInfos: the sum is not the amount",
    113: "amount is over the limit",
    114: "nationalCode is invalid",
    115: "ip is not registered",
    140: "callbackUrl is missing",
    201: "previously verifed",
    202: "transaction failed",
    203: "trackId not found",
}
PLATFORM_MESSAGES: Final = {
    1: "موفق",
    2: "کلید ارسال نشده",
    3: "کلید نادرست است",
    6: "ورودی نادرست است",
    9: "مبلغ کمتر از حداقل است",
    10: "کیف پول پیدا نشد",
}
DECLINED: Final = {"51": 5, "54": 4, "55": 6, "61": 9, "65": 8, "75": 7, "84": 11, "91": 12}
"""The status of a return by the switch's code; 10, issuer invalid, for any other."""
REFUND_STATES: Final = {"queued": (0, "queued"), "done": (2, "success"), "failed": (3, "failed")}
TARGETS: Final = ("id", "bankAccount", "subMerchantId", "walletID")


class Zibal:
    """Zibal's answers."""

    driver: ClassVar[str] = "zibal"

    def __init__(
        self, contracts: tuple[Contract, ...], switches: Mapping[str, str] = NOTHING
    ) -> None:
        self._contracts = {contract["merchant"]: contract for contract in contracts}
        self._switch = read_switches(self.driver, SWITCHES, switches)

    @property
    def terms(self) -> Terms:
        return replace(TERMS, unverified=IfUnverified(self._switch["unverified"]))

    # --- merchants

    def recognise(self, request: Request, book: Book, now: float) -> Asked | None:
        """A POST to one of the service addresses."""
        operation = OPERATIONS.get(_path(request))
        if operation is None or request.method != "POST":
            return None
        if operation is Operation.START:
            return Asked(operation=operation)
        document = json_object(request)
        track_id = document.get("trackId") or document.get("transactionTrackId")
        return Asked(operation=operation, session=book.find(self.driver, text_of(track_id), now))

    def answer(self, request: Request, book: Book, now: float) -> Reply:
        """A payment call, or one of the platform for giving money back."""
        document = json_object(request)
        path = _path(request)
        if path in (REFUND_PATH, REFUND_INQUIRY_PATH):
            merchant = self._merchant_of_key(request)
            if isinstance(merchant, int):
                return _platform(merchant)
            if path == REFUND_PATH:
                return self._refund(merchant, document, book, now)
            return self._refund_inquiry(merchant, document, book, now)
        merchant = text_of(document.get("merchant"))
        if merchant != SANDBOX and merchant not in self._contracts:
            return _said(102)
        if self._switch["merchant"] != "active":
            return _said(103 if self._switch["merchant"] == "inactive" else 115)
        if path == REQUEST_PATH:
            return self._request(merchant, request.base_url, document, book, now)
        session = book.find(self.driver, text_of(document.get("trackId")), now)
        if session is None or session.terminal != merchant:
            return _said(203)
        if path == INQUIRY_PATH:
            return _said(100, {**_data(session), **_inquired(session)})
        return self._verify(session, document, book, now)

    def _request(
        self, merchant: str, base_url: str, document: dict[str, Any], book: Book, now: float
    ) -> Reply:
        link = _is_true(document.get("linkToPay"))
        amount = _amount(document)
        limit = whole_of(self._contracts.get(merchant, NOTHING).get("amount_max")) or AMOUNT_MAX
        callback = text_of(document.get("callbackUrl"))
        national = text_of(document.get("nationalCode"))
        result = 0
        if not callback and not link:
            result = 140
        elif callback and not is_address(callback):
            result = 106
        elif amount <= AMOUNT_ABOVE:
            result = 105
        elif amount > limit:
            result = 113
        elif national and not (len(national) == 10 and national.isdecimal()):
            result = 114
        else:
            result = _splits(document, amount)
        if result:
            return _said(result)
        cards = document.get("allowedCards")
        allowed = tuple(map(text_of, cards)) if isinstance(cards, list) else ()
        session = book.open(
            Session(
                driver=self.driver,
                terminal=merchant,
                token=self._new_track_id(book, now),
                order=text_of(document.get("orderId")),
                amount=amount,
                callback_url=callback,
                created_at=now,
                card=allowed[0] if allowed else "",
                extra={
                    "description": text_of(document.get("description")),
                    "allowed": allowed,
                    "owner": bool(national) or _is_true(document.get("checkMobileWithCard")),
                    "splits": document.get("multiplexingInfos") or [],
                    "wage": whole_of(document.get("feeMode")),
                    "refunds": {},
                },
            )
        )
        answer: dict[str, Any] = {"trackId": int(session.token)}
        if link:
            answer["payLink"] = f"{base_url}{START_PATH}{session.token}"
        return _said(100, answer)

    def _new_track_id(self, book: Book, now: float) -> str:
        """Ten digits that no session has yet."""
        while book.find(self.driver, token := book.digits(10), now) is not None:
            pass
        return token

    def _verify(self, session: Session, document: dict[str, Any], book: Book, now: float) -> Reply:
        match book.verify(session, now):
            case Verdict.OK:
                return _said(100, _data(session))
            case Verdict.ALREADY:
                wanted = _is_true(document.get("dataOnDoubleVerify"))
                told = wanted and self._switch["double_verify"] == "as_asked"
                return _said(201, _data(session) if told else {})
            case _:
                return _said(202)

    # --- the platform

    def _merchant_of_key(self, request: Request) -> str | int:
        """Whose access token this is; else the result that says what is wrong with it."""
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not key.strip():
            return 2
        for merchant, contract in self._contracts.items():
            if contract.get("access_token") == key.strip():
                return merchant
        return 3

    def _refund(self, merchant: str, document: dict[str, Any], book: Book, now: float) -> Reply:
        session = book.find(self.driver, text_of(document.get("trackId")), now)
        if text_of(document.get("accountId")) != self._contracts[merchant].get("account_id"):
            return _platform(10)
        if session is None or session.terminal != merchant:
            return _platform(6)
        left = session.amount - session.refunded
        given = document.get("amount")
        amount = left if given in (None, "") else whole_of(given)
        card_first = amount == session.amount and _is_true(document.get("tryReverse"))
        if card_first and book.reverse(session, now) is Verdict.OK:
            return _platform(1, {"reversed": True, "remaining": 0, "split": []})
        if 0 < amount < REFUND_MIN:
            return _platform(9)
        refund = book.refund(session, now, amount, order=text_of(document.get("description")))
        if not isinstance(refund, Refunded):
            return _platform(6)
        split = {
            "wageAmount": 0,
            "amount": amount,
            "predictedTime": _local(now + 12 * 3600).partition(".")[0],
            "refundId": refund.reference,
        }
        data = {"reversed": False, "remaining": left - amount, "split": [split]}
        return _platform(1, data)

    def _refund_inquiry(
        self, merchant: str, document: dict[str, Any], book: Book, now: float
    ) -> Reply:
        """One refund by its own number, or all of a payment."""
        reference = text_of(document.get("refundId"))
        if reference:
            for session in book.of_terminal(self.driver, merchant, now):
                for refund in session.refunds:
                    if refund.reference == reference:
                        return _platform(1, self._row(refund))
            return _platform(6)
        track_id = text_of(document.get("transactionTrackId"))
        found = book.find(self.driver, track_id, now)
        if found is None or found.terminal != merchant:
            return _platform(6)
        return _platform(1, [self._row(refund) for refund in found.refunds])

    def _row(self, refund: Refunded) -> dict[str, Any]:
        number, word = REFUND_STATES[self._switch["refund_state"]]
        return {
            "refundId": int(refund.reference),
            "status": number,
            "statusEn": word,
            "statusFa": "استرداد",
            "amount": refund.amount,
            "wage": 0,
            "description": refund.order,
            "createdAt": _local(refund.at),
            "transactionDetail": None,
            "checkoutRequestId": None,
            "checkoutDetail": None,
        }

    # --- payers

    def is_page(self, request: Request) -> bool:
        """`/start/{trackId}`, or with `/direct` behind it."""
        return request.method == "GET" and request.path.lower().startswith(START_PATH)

    def open_page(self, request: Request, book: Book, now: float) -> Session | None:
        """The number in the path is all there is."""
        if not self.is_page(request):
            return None
        token, _, rest = request.path[len(START_PATH) :].partition("/")
        if rest.lower() not in ("", "direct"):
            return None
        return book.find(self.driver, token, now)

    def pay(self, session: Session, book: Book, now: float, card: str) -> bool:
        """Only by an allowed card, if there are any, and by its owner's where that is to be checked."""
        if session.extra["allowed"] and card not in session.extra["allowed"]:
            return False
        if not is_of_the_owner(session, card):
            return False
        while book.find_reference(self.driver, reference := book.digits(12), now) is not None:
            pass
        session.rrn = reference
        return book.pay(session, now, card=card, reference=reference)

    def send_back(self, session: Session, now: float) -> Redirect:
        """By GET; the status is as it was when the payer left."""
        paid = session.paid_at is not None
        return Redirect(
            token=session.token,
            url=session.callback_url,
            method="get",
            fields={
                "trackId": session.token,
                "success": "1" if paid else "0",
                "status": "2" if paid else str(_status(session)),
                "orderId": session.order,
            },
        )


def _path(request: Request) -> str:
    return request.path.lower().rstrip("/")


def _is_true(value: object) -> bool:
    return value is True or text_of(value).lower() in ("true", "1")


def _amount(document: dict[str, Any]) -> int:
    """Rial; carts that reckon in floats send `10000.0`, which is the same number in JSON. 0 for what is none."""
    given = document.get("amount")
    return int(given) if isinstance(given, float) and given.is_integer() else whole_of(given)


def _splits(document: dict[str, Any], amount: int) -> int:
    """What is wrong with the way the amount is to be shared; 0 for nothing."""
    percent = document.get("percentMode")
    if percent not in (None, "") and text_of(percent) not in ("0", "1"):
        return 107
    parts = document.get("multiplexingInfos")
    if parts in (None, []):
        return 0
    if not isinstance(parts, list) or not all(
        isinstance(part, dict) and sum(name in part for name in TARGETS) == 1 for part in parts
    ):
        return 108
    if any("id" in part and part["id"] != "self" for part in parts):
        return 108
    if not any("id" in part for part in parts):
        return 110
    whole = 100 if text_of(percent) == "1" else amount
    return 0 if sum(whole_of(part.get("amount")) for part in parts) == whole else 111


def _status(session: Session) -> int:
    """As an inquiry says it."""
    match session.state:
        case State.CANCELLED:
            return 3
        case State.DECLINED:
            return DECLINED.get(session.decline, 10)
        case State.PAID:
            return 2
        case State.VERIFIED | State.SETTLED:
            return 15 if session.refunded == session.amount else 1
        case State.REVERSED | State.AUTO_REVERSED:
            return 18
        case _:
            return -1


def _data(session: Session) -> dict[str, Any]:
    """What verify and inquiry tell of a payment."""
    told = session.paid_at is not None and session.terminal != SANDBOX
    return {
        "refNumber": int(session.rrn) if told else None,
        "paidAt": _local_or_null(session.paid_at),
        "status": _status(session),
        "amount": session.amount,
        "orderId": session.order,
        "description": session.extra["description"],
        "cardNumber": f"{session.card[:5]}****{session.card[-2:]}" if told else None,
        "multiplexingInfos": session.extra["splits"],
    }


def _inquired(session: Session) -> dict[str, Any]:
    """What only an inquiry tells."""
    return {
        "verifiedAt": _local_or_null(session.verified_at),
        "wage": session.extra["wage"],
        "shaparakFee": SHAPARAK_FEE,
        "createdAt": _local(session.created_at),
    }


def _local(at: float) -> str:
    """Tehran's time without a zone, with six digits of fraction."""
    local = datetime.fromtimestamp(at, TEHRAN).replace(tzinfo=None)
    return local.isoformat(timespec="microseconds")


def _local_or_null(at: float | None) -> str | None:
    return None if at is None else _local(at)


def _said(result: int, document: Mapping[str, Any] = NOTHING) -> Reply:
    return json_reply({"message": MESSAGES[result], "result": result, **document})


def _platform(result: int, data: object = None) -> Reply:
    answer = {"result": result, "message": PLATFORM_MESSAGES[result]}
    return json_reply({"status": True, **answer, "data": data} if result == 1 else answer)
