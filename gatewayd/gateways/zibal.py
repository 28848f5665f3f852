"""Zibal: JSON at gateway.zibal.ir; verify is the confirmation, there is no settle.

Quirks of the wire that this file obeys:

* Every business error comes with HTTP 200; `result` alone decides, texts vary and are misspelled.
* The token is called trackId: a number beyond 32 bits, sent as a number, kept here as text.
* Verify is told no amount and no order; the amount it answers must be compared. A repeated one
  answers 201, with the data only if it was asked to, and not even then for certain; the inquiry
  tells the rest.
* `result` 100 of an inquiry says that the trackId exists, not that it is paid: `status` does.
* refNumber and cardNumber can be null also for what is paid.
* Giving money back is another service at another host, with a key of its own; it has no key against
  repetition. A reverse is a refund of everything that tries the card first; since no two of them
  fit into one payment, it may be repeated. A refund never tries the card, for what went back that
  way need not stand among the refunds; it carries its number as description, to be found by.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, Final

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
from gatewayd.gateways.contract import Call, Flow, MalformedReply
from gatewayd.gateways.wire import (
    fold_keys,
    int_or_none,
    json_call,
    lenient_int,
    lenient_text,
    mask_card,
    read_json,
    shown,
    take,
    text_or_none,
    to_code,
    to_int,
)

ADDRESS: Final = re.compile(r"https?://[^\s?#]*[^\s?#/]")

_CONFIG, _OURS, _GATEWAY = CodeClass.MERCHANT_CONFIG, CodeClass.OUR_FAULT, CodeClass.GATEWAY
_NOT_PAID, _DECLINED, _UNKNOWN = CodeClass.NOT_PAID, CodeClass.DECLINED, CodeClass.UNKNOWN

STATUSES: Final[Mapping[str, tuple[CodeClass, Finding, str]]] = {
    "-2": (_GATEWAY, Finding.UNKNOWN, "internal error"),
    "-1": (_UNKNOWN, Finding.PENDING, "waiting for the payer"),
    "1": (CodeClass.OK, Finding.VERIFIED, "paid and verified"),
    "2": (CodeClass.OK, Finding.PAID, "paid"),
    "3": (CodeClass.CANCELLED, Finding.NOT_PAID, "cancelled by the customer"),
    "4": (_DECLINED, Finding.NOT_PAID, "card number invalid"),
    "5": (_DECLINED, Finding.NOT_PAID, "insufficient funds"),
    "6": (_DECLINED, Finding.NOT_PAID, "wrong PIN"),
    "7": (_DECLINED, Finding.NOT_PAID, "too many requests"),
    "8": (_DECLINED, Finding.NOT_PAID, "daily number of payments reached"),
    "9": (_DECLINED, Finding.NOT_PAID, "daily amount reached"),
    "10": (_DECLINED, Finding.NOT_PAID, "card issuer invalid"),
    "11": (_GATEWAY, Finding.NOT_PAID, "switch error"),
    "12": (CodeClass.ISSUER, Finding.NOT_PAID, "card not reachable"),
    "15": (_NOT_PAID, Finding.REVERSED, "refunded"),
    "16": (_UNKNOWN, Finding.UNKNOWN, "refund in progress"),
    "18": (_NOT_PAID, Finding.REVERSED, "reversed"),
    "21": (_CONFIG, Finding.UNKNOWN, "merchant invalid"),
}
"""Of a return and of an inquiry: what a return claims by it, and what an inquiry finds by it."""

RESULTS: Final[Mapping[str, tuple[CodeClass, str]]] = {
    "100": (CodeClass.OK, "success"),
    "102": (_CONFIG, "merchant not found"),
    "103": (_CONFIG, "merchant inactive"),
    "104": (_CONFIG, "merchant invalid"),
    "105": (_OURS, "amount too small"),
    "106": (_OURS, "callback address invalid"),
    "107": (_OURS, "percent mode invalid"),
    "108": (_OURS, "a beneficiary of the splits is invalid"),
    "109": (_CONFIG, "a beneficiary of the splits is inactive"),
    "110": (_OURS, "no part of the splits is the merchant's"),
    "111": (_OURS, "the splits are not the amount"),
    "112": (_CONFIG, "wallet too low for the fee"),
    "113": (_OURS, "amount above the merchant's limit"),
    "114": (_OURS, "national id invalid"),
    "115": (_CONFIG, "our address is not registered"),
    "140": (_OURS, "callback address missing"),
    "201": (CodeClass.ALREADY_DONE, "verified before"),
    "202": (_NOT_PAID, "not paid or failed"),
    "203": (_NOT_PAID, "trackId not found"),
}
"""`result` of the payment service."""

PLATFORM: Final[Mapping[str, tuple[CodeClass, str]]] = {
    "1": (CodeClass.OK, "success"),
    "2": (_CONFIG, "API key missing"),
    "3": (_CONFIG, "API key invalid"),
    "4": (_CONFIG, "no access to this service"),
    "5": (_OURS, "callback address invalid"),
    "6": (_OURS, "input invalid"),
    "7": (_CONFIG, "our address is not registered"),
    "8": (_CONFIG, "API key inactive"),
    "9": (_OURS, "amount too small"),
    "10": (_CONFIG, "wallet not found"),
    "11": (_CONFIG, "wallet too low"),
    "12": (_OURS, "amount too small to be paid out"),
    **dict.fromkeys(("13", "14", "15", "16", "17"), (_OURS, "payout not allowed")),
    "18": (_CONFIG, "merchant not found or inactive"),
    **dict.fromkeys(("20", "22", "23", "24", "25"), (_OURS, "sub-merchant invalid")),
    "21": (_OURS, "IBAN invalid"),
    "26": (_CONFIG, "credit for IBAN inquiries used up"),
    "29": (_CONFIG, "wallet too low for the fee"),
    "44": (_OURS, "IBAN not found"),
    "45": (_GATEWAY, "providers unavailable"),
}
"""`result` of the platform service, which gives money back."""

CODES: Final[Mapping[tuple[Operation, str], tuple[CodeClass, str]]] = {
    (operation, code): meaning
    for operations, table in (
        ((Operation.START, Operation.VERIFY, Operation.INQUIRE), RESULTS),
        ((Operation.REVERSE, Operation.REFUND), PLATFORM),
    )
    for operation in operations
    for code, meaning in table.items()
}


@cache
def _traits(amount_max: int, *, gives_back: bool) -> Traits:
    """What such a contract allows and promises."""
    return Traits(
        amount_min=1_001,
        amount_max=amount_max,
        # Neither life nor window is documented. Too long a life only keeps an attempt open; a
        # verify after the window is answered by a plain no.
        token_life_seconds=30 * 60,
        verify_within_seconds=30 * 60,
        # What can no longer go back to the card is sent to it as a transfer; a day is what we rely
        # on for calling that a reverse.
        reverse_within_seconds=24 * 3600 if gives_back else None,
        unverified=IfUnverified.AUTO_REVERSE,
        ask=Ask.INQUIRY,
        addressed_by=AddressedBy.TOKEN,
        first_already=FirstAlready.ACCEPT,
        proves=True,
        refunds=gives_back,
        splits=True,
        payer_checks=frozenset({"national_id", "mobile", "allowed_cards"}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Zibal:
    """One merchant's contract."""

    driver: ClassVar[str] = "zibal"

    merchant: str
    amount_max: int = 500_000_000
    """Rial; the bank sets it per merchant."""
    access_token: Secret | None = None
    """Of the platform service; without it and the account no money can be given back."""
    account_id: str = ""
    """The wallet that refunds are paid from."""
    base_url: str = "https://gateway.zibal.ir"
    api_url: str = "https://api.zibal.ir"

    def __post_init__(self) -> None:
        if not self.merchant:
            raise ValueError("merchant: must not be empty")
        if self.amount_max < 1_001:
            raise ValueError("amount_max: the bank takes nothing below 1,001 rial")
        for name in ("base_url", "api_url"):
            if not ADDRESS.fullmatch(getattr(self, name)):
                raise ValueError(f"{name}: must be an http(s) address without a slash at its end")
        if (self.access_token is None) != (self.account_id == ""):
            raise ValueError("account_id: goes together with access_token, for refunds")

    @property
    def traits(self) -> Traits:
        return _traits(self.amount_max, gives_back=self._gives_back)

    @property
    def base_urls(self) -> tuple[str, ...]:
        return (self.base_url, self.api_url) if self._gives_back else (self.base_url,)

    def start(self, order: Order) -> Flow[Redirect | Refusal]:
        fields: dict[str, Any] = {
            "merchant": self.merchant,
            "amount": order.amount,
            "callbackUrl": order.callback_url,
            "orderId": str(order.bank_order),
        }
        payer = order.payer
        if order.description:
            fields["description"] = order.description
        if payer.mobile:
            fields["mobile"] = payer.mobile
            if payer.check_mobile:
                fields["checkMobileWithCard"] = True
        if payer.national_id:
            fields["nationalCode"] = payer.national_id
        if payer.allowed_cards:
            fields["allowedCards"] = list(payer.allowed_cards)
        if order.splits:
            rest = order.amount - sum(split.amount for split in order.splits)
            fields["percentMode"] = 0
            fields["feeMode"] = 0  # from the payment, so that the payer is charged the amount
            fields["multiplexingInfos"] = [
                {"id": "self", "amount": rest},  # demanded, also where nothing is left
                *({"bankAccount": split.iban, "amount": split.amount} for split in order.splits),
            ]
        answer = read_json((yield json_call(f"{self.base_url}/v1/request", fields)))
        code = to_code(take(answer, "result"), "result")
        if code != "100":
            return _refusal(Operation.START, code)
        track_id = to_int(take(answer, "trackId"), "trackId")
        if track_id <= 0:
            raise MalformedReply("trackId: not positive")
        token = str(track_id)
        return Redirect(token=token, url=f"{self.base_url}/start/{token}", method="get")

    def read_return(self, fields: Mapping[str, str]) -> Claim:
        said = fold_keys(fields)
        status = lenient_text(said.get("status")) or ""
        success = (lenient_text(said.get("success")) or "").lower()
        if status in STATUSES:
            outcome = STATUSES[status][0]
        elif success in {"1", "true"}:
            outcome = CodeClass.OK
        elif success in {"0", "false"}:
            outcome = _NOT_PAID
        else:
            outcome = _UNKNOWN
        return Claim(
            outcome=outcome,
            code=status[:64],
            token=lenient_text(said.get("trackid")),
            bank_order=lenient_int(said.get("orderid")),
        )

    def verify(self, order: Order, token: str, claim: Claim | None) -> Flow[Receipt | Refusal]:
        fields = {"dataOnDoubleVerify": True}
        answer = read_json((yield self._call("/v1/verify", token, fields)))
        code = to_code(take(answer, "result"), "result")
        cause = CODES.get((Operation.VERIFY, code), (_UNKNOWN, ""))[0]
        already = cause is CodeClass.ALREADY_DONE
        if already and answer.get("amount") is None:
            answer = read_json((yield self._call("/v1/inquiry", token)))
            if to_code(take(answer, "result"), "result") != "100":
                return Receipt(ref_num=token, already=True)
        elif cause is not CodeClass.OK and not already:
            if code == "202" and claim and claim.outcome in {CodeClass.CANCELLED, _DECLINED}:
                return Refusal(cause=claim.outcome, code=code, message=RESULTS[code][1])
            return _refusal(Operation.VERIFY, code)
        status = to_code(take(answer, "status"), "status")
        if already and STATUSES.get(status, (None,))[0] is _NOT_PAID:
            return Refusal(cause=_NOT_PAID, code=f"{code}/{status}", message=STATUSES[status][2])
        if status != "1":
            raise MalformedReply(f"result {code} beside another status than 1")
        return _receipt(answer, token, already=already)

    def inquire(self, order: Order, token: str, claim: Claim | None) -> Flow[Inquiry | Refusal]:
        answer = read_json((yield self._call("/v1/inquiry", token)))
        code = to_code(take(answer, "result"), "result")
        if code != "100":
            return _refusal(Operation.INQUIRE, code)
        status = to_code(take(answer, "status"), "status")
        finding = STATUSES[status][1] if status in STATUSES else Finding.UNKNOWN
        if finding in {Finding.PAID, Finding.VERIFIED}:
            return Inquiry(finding=finding, receipt=_receipt(answer, token, already=False))
        return Inquiry(finding=finding)

    def reverse(self, order: Order, token: str, receipt: Receipt) -> Flow[GivenBack | Refusal]:
        answer = read_json((yield self._call("/v1/inquiry", token)))
        code = to_code(take(answer, "result"), "result")
        if code != "100":
            return _refusal(Operation.INQUIRE, code)
        match to_code(take(answer, "status"), "status"):
            case "1" | "2":
                taken = receipt.amount or order.amount  # all of it, be it other than ordered
                return (yield from self._refund(token, taken, {"tryReverse": True}))
            case "15" | "18":
                return GivenBack(already=True)
            case "16" as status:  # on its way; whether it arrives is to be asked again
                return Refusal(cause=_UNKNOWN, code=status, message=STATUSES[status][2])
            case status if STATUSES.get(status, (None, None))[1] is Finding.NOT_PAID:
                return Refusal(cause=_NOT_PAID, code=status, message=STATUSES[status][2])
            case status:
                return Refusal(cause=_UNKNOWN, code=status, message="unknown status")

    def refund(
        self, order: Order, token: str, receipt: Receipt, amount: int, refund_order: int
    ) -> Flow[GivenBack | Refusal]:
        """Carried out later, as a transfer: whether it was, an inquiry tells."""
        fields = {"tryReverse": False, "description": str(refund_order)}
        given = yield from self._refund(token, amount, fields)
        return replace(given, done=False) if isinstance(given, GivenBack) else given

    def inquire_refund(
        self,
        order: Order,
        token: str,
        receipt: Receipt,
        amount: int,
        refund_order: int,
        given: GivenBack | None,
    ) -> Flow[GivenBack | Inquiry | Refusal]:
        """Found among the refunds of the payment by its number, which is its description."""
        fields = {"transactionTrackId": to_int(token, "trackId")}
        code, data = yield from self._platform("/v1/account/refund/inquiry", fields)
        if code != "1":
            return _refusal(Operation.REFUND, code)
        entries = data if isinstance(data, list) else [] if data is None else [data]
        unnamed = False
        for entry in entries:
            if not isinstance(entry, dict):
                raise MalformedReply("data: not of objects")
            name = text_or_none(entry.get("description"), "description")
            reference = text_or_none(entry.get("refundId"), "refundId")
            if name == str(refund_order) or (given and reference and reference == given.reference):
                return _refunded(entry, reference)
            unnamed = unnamed or name is None
        if unnamed:  # one of these may be ours after all
            return Inquiry(finding=Finding.UNKNOWN)
        return Refusal(cause=_NOT_PAID, code=code, message="no such refund")

    @property
    def _gives_back(self) -> bool:
        return self.access_token is not None

    def _call(self, path: str, token: str, fields: Mapping[str, Any] | None = None) -> Call:
        track_id = to_int(token, "trackId")
        return json_call(
            f"{self.base_url}{path}",
            {"merchant": self.merchant, "trackId": track_id, **(fields or {})},
        )

    def _platform(self, path: str, fields: Mapping[str, Any]) -> Flow[tuple[str, Any]]:
        """The code and the data of a call to the platform service."""
        key = self.access_token.reveal() if self.access_token else ""
        headers = {"Authorization": f"Bearer {key}"}
        answer = read_json((yield json_call(f"{self.api_url}{path}", fields, headers)))
        return to_code(take(answer, "result"), "result"), answer.get("data")

    def _refund(
        self, token: str, amount: int, fields: Mapping[str, Any]
    ) -> Flow[GivenBack | Refusal]:
        if not self._gives_back:
            return Refusal(cause=_CONFIG, code="", message="no access token configured")
        what = {"trackId": to_int(token, "trackId"), "accountId": self.account_id, "amount": amount}
        code, data = yield from self._platform("/v1/account/refund", {**what, **fields})
        if code != "1":
            return _refusal(Operation.REFUND, code)
        match data:
            case {"split": [{"refundId": int() | str() as refund_id}]}:
                return GivenBack(amount=amount, reference=text_or_none(refund_id, "refundId"))
            case _:
                return GivenBack(amount=amount)


def _receipt(answer: Mapping[str, Any], token: str, *, already: bool) -> Receipt:
    return Receipt(
        amount=to_int(take(answer, "amount"), "amount"),
        token=text_or_none(answer.get("trackId"), "trackId"),
        bank_order=lenient_int(text_or_none(answer.get("orderId"), "orderId")),
        ref_num=token,
        rrn=shown(answer.get("refNumber")),
        card=mask_card(shown(answer.get("cardNumber"))),
        already=already,
    )


def _refunded(entry: Mapping[str, Any], reference: str | None) -> GivenBack | Inquiry | Refusal:
    """What became of one refund."""
    match to_code(take(entry, "status"), "status"):
        case "2":
            return GivenBack(amount=int_or_none(entry.get("amount"), "amount"), reference=reference)
        case "3":
            return Refusal(cause=_NOT_PAID, code="3", message="the refund failed")
        case "0" | "1":
            return Inquiry(finding=Finding.PENDING)
        case _:
            return Inquiry(finding=Finding.UNKNOWN)


def _refusal(operation: Operation, code: str) -> Refusal:
    cause, meaning = CODES.get((operation, code), (_UNKNOWN, "unknown code"))
    return Refusal(cause=cause, code=code, message=meaning)
