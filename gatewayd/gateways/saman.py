"""Saman (SEP): JSON at sep.shaparak.ir; verify is the confirmation, there is no settle.

Quirks of the wire that this file obeys:

* There is no secret: the caller's registered address is all the authorisation, and anybody can
  forge a return. Nothing in one counts before the verify.
* The terminal is called TerminalId, TerminalNumber or MID, `Rrn` and `RRN` are the same, and
  OrginalAmount, AffectiveAmount and StraceNo are really spelled so. Keys may carry blanks.
* Everything after the payment is addressed by RefNum, which only the return brings. It looks like
  base64; a return by GET can turn its `+` into blanks, and they are turned back.
* Business errors come with HTTP 200. Only an answer without JSON is no answer.
* Code 2 says "done before", be it a verify or a reverse; 5, -2 and -6 say that there is no money.
* The token's answer may name another page in X-IPG-Url. It is obeyed on Saman's and the card
  network's own hosts only: payers type their card numbers there.
* Newer terminals return nothing but Token and RefNum, and have a receipt call that tells the rest,
  up to an hour after the token and only before a verify.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import md5
from typing import Any, ClassVar, Final

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
from gatewayd.gateways.contract import Flow, MalformedReply, Reply
from gatewayd.gateways.wire import (
    fold_keys,
    int_or_none,
    json_call,
    lenient_int,
    lenient_text,
    mask_card,
    page_at,
    read_json,
    shown,
    take,
    text_or_none,
    to_code,
    to_int,
)

TOKEN_MINUTES: Final = 20
"""The least that the bank grants, and its default."""
CARDS_MAX: Final = 10
SPLITS_MAX: Final = 9
PURCHASE_ID: Final = "0" * 30
"""Of a part that has none."""
ADDRESS: Final = re.compile(r"https?://[^\s?#]*[^\s?#/]")
PAGE: Final = re.compile(
    r"https://(?:[a-z0-9-]+\.)+(?:sep|shaparak)\.ir(?:/[!-~]*)?\Z", re.IGNORECASE
)

_CONFIG, _OURS, _GATEWAY = CodeClass.MERCHANT_CONFIG, CodeClass.OUR_FAULT, CodeClass.GATEWAY
_NOT_PAID, _DECLINED, _UNKNOWN = CodeClass.NOT_PAID, CodeClass.DECLINED, CodeClass.UNKNOWN

STATES: Final[Mapping[str, tuple[CodeClass, str]]] = {
    "1": (CodeClass.CANCELLED, "canceledbyuser"),
    "2": (CodeClass.OK, "ok"),
    "3": (_DECLINED, "failed"),
    "4": (CodeClass.CANCELLED, "sessionisnull"),  # the payer was too slow
    "5": (_OURS, "invalidparameters"),
    "8": (_CONFIG, "merchantipaddressisinvalid"),
    "9": (_DECLINED, "incorrectpin"),
    "10": (_NOT_PAID, "tokennotfound"),
    "11": (_CONFIG, "tokenrequired"),
    "12": (_CONFIG, "terminalnotfound"),
    "20": (_CONFIG, "terminalisdisabled"),
    "21": (_CONFIG, "multisettlepolicyerrors"),
}
"""Of a refused token and of a return: the number with its class and its word."""

WORDS: Final[Mapping[str, CodeClass]] = {
    **{word: cause for cause, word in STATES.values()},
    # Older terminals speak as the card switch does.
    "invalidamount": _OURS,
    "merchantinvalid": _CONFIG,
    "invalidtransaction": _OURS,
    "nosuchissuer": CodeClass.ISSUER,
    "issuerdownslm": CodeClass.ISSUER,
    "responsereceivedtoolate": CodeClass.ISSUER,
    "tmeerror": _GATEWAY,
    **dict.fromkeys(
        (
            "donothonour",
            "honourwithidentification",
            "invalidcardnumber",
            "expiredcardpickup",
            "nosufficientfunds",
            "exceedswithdrawalamountlimit",
            "transactioncannotbecompleted",
            "allowablepintriesexceededpickup",
            "suspectedfraudpickup",
        ),
        _DECLINED,
    ),
}
"""The words of a return, without blanks and in lower case."""

CODES: Final[Mapping[tuple[Operation | None, str], tuple[CodeClass, str]]] = {
    **{(Operation.START, code): state for code, state in STATES.items()},
    (Operation.START, "10"): (_OURS, "tokennotfound"),
    **{(None, code): state for code, state in STATES.items()},
    (Operation.VERIFY, "2"): (CodeClass.ALREADY_DONE, "done before"),
    (Operation.VERIFY, "5"): (_NOT_PAID, "the money went back"),
    (Operation.VERIFY, "-2"): (_NOT_PAID, "not found"),
    (Operation.VERIFY, "-6"): (_NOT_PAID, "too late: the money goes back"),
    (Operation.VERIFY, "-113"): (_DECLINED, "national id does not match"),
    (Operation.VERIFY, "-115"): (_DECLINED, "mobile does not match"),
    (Operation.REVERSE, "2"): (CodeClass.ALREADY_DONE, "done before"),
    (Operation.REVERSE, "5"): (CodeClass.ALREADY_DONE, "the money went back"),
    (Operation.REVERSE, "-2"): (_NOT_PAID, "nothing verified to give back"),
    (Operation.REVERSE, "-6"): (_NOT_PAID, "too late to give back"),
    **{
        (operation, code): meaning
        for operation in (Operation.VERIFY, Operation.REVERSE)
        for code, meaning in {
            "0": (CodeClass.OK, "done"),
            "-1": (_GATEWAY, "internal error"),
            "-18": (_CONFIG, "our address is not registered"),
            "-33": (_CONFIG, "terminal may not use this version"),
            "03": (_CONFIG, "terminal disabled"),
            "-100": (_OURS, "bad input"),
            "-101": (_OURS, "bad input"),
            "-102": (_GATEWAY, "processing error"),
            "-103": (_GATEWAY, "no answer behind the gateway"),
            "-104": (_CONFIG, "terminal disabled"),
            "-105": (_CONFIG, "terminal unknown"),
            "-106": (_CONFIG, "our address is not registered"),
            "-107": (_UNKNOWN, "cannot be verified"),
            "-108": (_CONFIG, "quick verify not enabled"),
            "-109": (_CONFIG, "split amounts wrong"),
            "-110": (_CONFIG, "split amounts wrong"),
            "-111": (_OURS, "malformed verify"),
            "-112": (_UNKNOWN, "cannot be reversed"),
            "-114": (_GATEWAY, "identity service failed"),
            "-116": (_OURS, "receipt invalid"),
            "-117": (_OURS, "token or order number needed"),
            "-118": (_OURS, "bill not found"),
        }.items()
    },
    (Operation.INQUIRE, "8"): (_CONFIG, "our address is not registered"),
    (Operation.INQUIRE, "12"): (_CONFIG, "terminal unknown"),
    (Operation.INQUIRE, "20"): (_CONFIG, "terminal disabled"),
}
"""By (operation, code); None is the return through the browser."""

FINDINGS: Final[Mapping[str, Finding]] = {
    "0": Finding.PENDING,
    "1": Finding.NOT_PAID,
    "2": Finding.PAID,
    "3": Finding.NOT_PAID,
}


@cache
def _traits(*, receipt_call: bool, card_lock: bool, splits: bool) -> Traits:
    """What such a contract allows and promises."""
    return Traits(
        amount_min=2_000,
        amount_max=2_000_000_000,
        token_life_seconds=TOKEN_MINUTES * 60,
        verify_within_seconds=30 * 60,
        reverse_within_seconds=50 * 60,
        unverified=IfUnverified.AUTO_REVERSE,
        ask=Ask.INQUIRY if receipt_call else Ask.NOTHING,
        addressed_by=AddressedBy.REFERENCE,
        first_already=FirstAlready.REVIEW,
        order_bound=False,
        payer_checks=frozenset({"allowed_cards"} if card_lock else ()),
        splits=splits,
        splits_max=SPLITS_MAX,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Saman:
    """One terminal's contract."""

    driver: ClassVar[str] = "saman"

    terminal_id: str
    receipt_call: bool = False
    """The terminal has the receipt call: attempts can be asked about before their verify."""
    card_lock: bool = False
    """The terminal may restrict who pays to cards named at the start."""
    multi_settlement: bool = False
    """The terminal pays out to several accounts; what splits leave goes to its own."""
    discounts: bool = False
    """A discount terminal: cards are charged less than the order, and the order counts as paid."""
    base_url: str = "https://sep.shaparak.ir"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9]{1,18}", self.terminal_id):
            raise ValueError("terminal_id: must be a number of at most 18 digits")
        if not ADDRESS.fullmatch(self.base_url):
            raise ValueError("base_url: must be an http(s) address without a slash at its end")

    @property
    def traits(self) -> Traits:
        return _traits(
            receipt_call=self.receipt_call,
            card_lock=self.card_lock,
            splits=self.multi_settlement,
        )

    @property
    def base_urls(self) -> tuple[str, ...]:
        return (self.base_url,)

    def start(self, order: Order) -> Flow[Redirect | Refusal]:
        fields: dict[str, Any] = {
            "action": "token",
            "TerminalId": self.terminal_id,
            "Amount": order.amount,
            "ResNum": str(order.bank_order),
            "RedirectUrl": order.callback_url,
            "TokenExpiryInMin": TOKEN_MINUTES,
        }
        if order.payer.mobile:
            fields["CellNumber"] = order.payer.mobile.removeprefix("0")
        if self.card_lock and order.payer.allowed_cards:
            cards = order.payer.allowed_cards
            if len(cards) > CARDS_MAX:
                return Refusal(cause=_OURS, code="", message=f"more than {CARDS_MAX} cards")
            fields["HashedCardNumber"] = "|".join(hashed(card) for card in cards)
        if self.multi_settlement and order.splits:
            fields["SettlementIbanInfo"] = [
                {"IBAN": split.iban, "Amount": split.amount, "PurchaseId": PURCHASE_ID}
                for split in order.splits
            ]
        reply = yield json_call(f"{self.base_url}/onlinepg/onlinepg", fields)
        answer = _stripped(read_json(reply))
        match to_int(take(answer, "status"), "status"):
            case 1:
                token = text_or_none(take(answer, "token"), "token")
                if token is None:
                    raise MalformedReply("token: empty")
                return Redirect(
                    token=token,
                    url=self._page(reply),
                    method="post",
                    fields={"Token": token, "GetMethod": ""},
                )
            case -1:
                return _refusal(Operation.START, to_code(take(answer, "errorCode"), "errorCode"))
            case _:
                raise MalformedReply("status: neither 1 nor -1")

    def read_return(self, fields: Mapping[str, str]) -> Claim:
        said = fold_keys(fields)
        number, word = lenient_text(said.get("status")), lenient_text(said.get("state"))
        reference = _reference(said.get("refnum", ""))
        token = lenient_text(said.get("token"))
        if (None, number or "") in CODES:
            outcome = CODES[None, number or ""][0]
        elif word is not None:
            outcome = WORDS.get(word.replace(" ", "").lower(), _UNKNOWN)
        elif number is None and token is not None:
            outcome = CodeClass.OK  # the newer return, which has a RefNum only if it was paid
        else:
            outcome = _UNKNOWN
        if outcome is CodeClass.OK and reference is None:
            outcome = _NOT_PAID
        elif outcome is _UNKNOWN and reference is not None:
            # Only what is paid has a RefNum, and by nothing else can it be asked about: the verify decides.
            outcome = CodeClass.OK
        return Claim(
            outcome=outcome,
            code=(number or word or "")[:64],
            token=token,
            bank_order=lenient_int(said.get("resnum")),
            amount=lenient_int(said.get("amount")),
            reference=reference,
            terminal=lenient_text(said.get("terminalid")) or lenient_text(said.get("mid")),
            rrn=lenient_text(said.get("rrn")),
            trace_no=lenient_text(said.get("traceno")),
            card=mask_card(said.get("securepan")),
        )

    def verify(self, order: Order, token: str, claim: Claim | None) -> Flow[Receipt | Refusal]:
        reference = claim.reference if claim else None
        if reference is None:
            return Refusal(cause=_UNKNOWN, code="", message="no RefNum to ask by")
        code, detail = yield from self._post("VerifyTransaction", reference)
        match CODES.get((Operation.VERIFY, code), (_UNKNOWN, ""))[0]:
            case CodeClass.OK if detail:
                return self._receipt(reference, detail, already=False)
            case CodeClass.OK:
                raise MalformedReply("ResultCode 0 without TransactionDetail")
            case CodeClass.ALREADY_DONE:
                return self._receipt(reference, detail, already=True)
            case _:
                return _refusal(Operation.VERIFY, code)

    def reverse(self, order: Order, token: str, receipt: Receipt) -> Flow[GivenBack | Refusal]:
        if receipt.ref_num is None:
            return Refusal(cause=_UNKNOWN, code="", message="no RefNum to ask by")
        code, detail = yield from self._post("ReverseTransaction", receipt.ref_num)
        match CODES.get((Operation.REVERSE, code), (_UNKNOWN, ""))[0]:
            case CodeClass.OK:
                return GivenBack(amount=self._amount(detail))
            case CodeClass.ALREADY_DONE:
                return GivenBack(amount=self._amount(detail), already=True)
            case _:
                return _refusal(Operation.REVERSE, code)

    def inquire(self, order: Order, token: str, claim: Claim | None) -> Flow[Inquiry | Refusal]:
        """The receipt call, by the token, which is bound to this attempt as no RefNum is."""
        reply = yield json_call(
            f"{self.base_url}/verifyTxnRandomSessionkey/api/v2/ipg/payment/receipt",
            {"Token": token, "TerminalNumber": int(self.terminal_id)},
        )
        answer = _stripped(read_json(reply))
        if take(answer, "HasError") is not False:
            code = to_code(take(answer, "ErrorCode"), "ErrorCode")
            if code == "404":  # never heard of, more than an hour old, verified or reversed
                return Inquiry(finding=Finding.UNKNOWN)
            return _refusal(Operation.INQUIRE, code)
        data = _stripped(take(answer, "Data"))
        finding = FINDINGS.get(to_code(take(data, "Status"), "Status"), Finding.UNKNOWN)
        if finding is not Finding.PAID:
            return Inquiry(finding=finding)
        reference = text_or_none(take(data, "RefNum"), "RefNum")
        if reference is None:
            raise MalformedReply("RefNum: empty though paid")
        receipt = Receipt(
            amount=self._amount(data, "Amount"),
            token=text_or_none(data.get("Token"), "Token"),
            bank_order=int_or_none(data.get("ResNum"), "ResNum"),
            terminal=text_or_none(data.get("TerminalId"), "TerminalId"),
            ref_num=reference,
            rrn=shown(data.get("Rrn")),
            trace_no=shown(data.get("TraceNo")),
        )
        return Inquiry(finding=finding, receipt=receipt, reference=reference)

    def _post(self, operation: str, reference: str) -> Flow[tuple[str, dict[str, Any]]]:
        """The code and the details, which are empty where the bank gives none."""
        reply = yield json_call(
            f"{self.base_url}/verifyTxnRandomSessionkey/ipg/{operation}",
            {"RefNum": reference, "TerminalNumber": int(self.terminal_id)},
        )
        answer = _stripped(read_json(reply))
        code = to_code(take(answer, "ResultCode"), "ResultCode")
        if code == "0" and answer.get("Success") is False:
            raise MalformedReply("ResultCode 0 without Success")
        detail = answer.get("TransactionDetail")
        return code, {} if detail is None else _stripped(detail)

    def _receipt(self, reference: str, detail: Mapping[str, Any], *, already: bool) -> Receipt:
        return Receipt(
            amount=self._amount(detail) if already else self._amount(detail, required=True),
            terminal=text_or_none(detail.get("TerminalNumber"), "TerminalNumber"),
            ref_num=text_or_none(detail.get("RefNum"), "RefNum") or reference,
            rrn=shown(detail.get("RRN")),
            trace_no=shown(detail.get("StraceNo")),
            card=mask_card(shown(detail.get("MaskedPan"))),
            already=already,
        )

    def _amount(
        self,
        detail: Mapping[str, Any],
        ordered_name: str = "OrginalAmount",
        *,
        required: bool = False,
    ) -> int | None:
        """What counts as taken for the order, in rial; None where the bank does not say.

        OrginalAmount is what the token was asked for, AffectiveAmount what the card was charged.
        The smaller one counts: a split fee may charge the card more than the order, and a card that
        was charged less has not paid it, unless the contract is a discount terminal's.
        """
        ordered = int_or_none(detail.get(ordered_name), ordered_name)
        charged = int_or_none(detail.get("AffectiveAmount"), "AffectiveAmount")
        if required and ordered is None:
            raise MalformedReply(f"{ordered_name}: missing")
        if ordered is None or charged is None or self.discounts:
            return ordered
        return min(ordered, charged)

    def _page(self, reply: Reply) -> str:
        """Where the payer's form goes."""
        named = reply.headers.get("x-ipg-url", "").strip()
        if PAGE.match(named) or (named.startswith(f"{self.base_url}/") and named.isascii()):
            return named
        return page_at(self.base_url, "/OnlinePG/OnlinePG")


def hashed(card: str) -> str:
    """A card as SEP wants it at the start; what it gives back is hashed otherwise."""
    return md5(card.encode(), usedforsecurity=False).hexdigest()


def _reference(text: str) -> str | None:
    """A RefNum with its plus signs; a trailing one would be lost if blanks were trimmed first."""
    return lenient_text(text.replace(" ", "+")) if text.strip() else None


def _stripped(document: object) -> dict[str, Any]:
    """An object with the blanks around its names removed."""
    if not isinstance(document, dict):
        raise MalformedReply(f"{type(document).__name__} instead of an object")
    return {name.strip(): value for name, value in document.items()}


def _refusal(operation: Operation, code: str) -> Refusal:
    cause, meaning = CODES.get((operation, code), (_UNKNOWN, "unknown code"))
    return Refusal(cause=cause, code=code, message=meaning)
