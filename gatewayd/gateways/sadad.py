"""Sadad, the gateway of Bank Melli (BMI): JSON, signed by TripleDES, rial, confirmed by one verify.

What the wire does, against what one would expect:

* Verify is question and capture in one, and there is nothing else: no inquiry, no reverse, no
  settle. What nobody verifies within 15 minutes of the payment goes back by itself.
* A repeated verify answers 100 with the whole receipt. The token binds the order, so 100 is a
  yes, also where a first answer was lost.
* Numbers come as strings or as numbers, in codes too. The retrieval reference is misspelt:
  `RetrivalRefNo`. A success without it is not believed.
* The return tells a cancel from a refused card only by `SwitchResCode`, and that is a habit of
  the switch, not a promise. Its token is spelt `token`, and the card may be missing.
* The service has answered 500 to requests with a User-Agent, so ours is empty.
* Two equal families of paths exist, with and without `/vpg`.
* Refunds need a contract of their own whose bodies are not published; to this driver there are
  none. Cards to pay with (`SourcePanList`) are not published well enough either.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from gatewayd.core.secret import Secret
from gatewayd.core.tehran import TEHRAN
from gatewayd.core.terms import (
    AddressedBy,
    Ask,
    Claim,
    CodeClass,
    FirstAlready,
    IfUnverified,
    Operation,
    Order,
    Receipt,
    Redirect,
    Refusal,
    Traits,
)
from gatewayd.gateways.contract import Call, Flow, MalformedReply
from gatewayd.gateways.crypto import sign_triple_des, triple_des_key
from gatewayd.gateways.wire import (
    fold_keys,
    json_call,
    lenient_int,
    lenient_text,
    mask_card,
    page_at,
    read_json,
    shown,
    take,
    text_or_none,
    to_int,
)

_OUR_FAULT: Final = "1000 1001 1011 1017 1026 1036 1040 1055 1072 1101 1103"
_MERCHANT_CONFIG: Final = (
    "3 23 58 1003 1004 1012 1018 1019 1020 1023 1024 1025 1027 1028 1029 1030 1033 1037 1053 1104"
)
_GATEWAY: Final = "1002 1005 1006 1015 1056 1058 1061 1064 1065 1066 1068"

CODES: Final[Mapping[Operation, Mapping[str, CodeClass]]] = {
    Operation.START: {
        "0": CodeClass.OK,
        # 1011, an order number used before, is among our faults: no registration is wrong there
        **dict.fromkeys(_OUR_FAULT.split(), CodeClass.OUR_FAULT),
        **dict.fromkeys(_MERCHANT_CONFIG.split(), CodeClass.MERCHANT_CONFIG),
        **dict.fromkeys(_GATEWAY.split(), CodeClass.GATEWAY),
        "61": CodeClass.DECLINED,
        "1031": CodeClass.CANCELLED,
        "1032": CodeClass.DECLINED,
        "1105": CodeClass.NOT_PAID,
    },
    Operation.VERIFY: {
        "0": CodeClass.OK,
        "100": CodeClass.ALREADY_DONE,
        "-1": CodeClass.NOT_PAID,  # not found or not paid
        "101": CodeClass.NOT_PAID,  # too late: the money goes back
        "1105": CodeClass.NOT_PAID,  # it went back
    },
}
NOT_PAID_AT_BANK: Final = "-1"
SWITCH: Final[Mapping[str, CodeClass]] = {
    "84": CodeClass.ISSUER,
    "91": CodeClass.ISSUER,
    "90": CodeClass.GATEWAY,
    "92": CodeClass.GATEWAY,
    "96": CodeClass.GATEWAY,
}
"""What a return with ResCode -1 means by its SwitchResCode; every other one is the payer's card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sadad:
    """One terminal of Sadad."""

    driver: ClassVar[str] = "sadad"

    merchant_id: str
    terminal_id: str
    key: Secret
    """TerminalKey: Base64 of 24 bytes (or 16, of the two-key form)."""
    base_url: str = "https://sadad.shaparak.ir"
    path_prefix: str = ""
    """`/vpg` for the other family of paths."""
    user_agent: str = ""
    settlement_iban: str = ""
    """On a terminal with multiplexed settlement: the account that gets what splits leave."""

    def __post_init__(self) -> None:
        for name in ("merchant_id", "terminal_id"):
            if not re.fullmatch(r"[0-9A-Za-z]{1,64}", getattr(self, name)):
                raise ValueError(f"{name}: must be letters and digits")
        if not re.fullmatch(r"https?://[^\s?#]*[^\s?#/]", self.base_url):
            raise ValueError("base_url: must be an http(s) address without a slash at its end")
        if not re.fullmatch(r"(/[0-9A-Za-z]+)?", self.path_prefix):
            raise ValueError("path_prefix: must be empty or like /vpg")
        if not re.fullmatch(r"(IR[0-9]{24})?", self.settlement_iban):
            raise ValueError("settlement_iban: must be IR and 24 digits")
        try:
            triple_des_key(self.key.reveal())
        except ValueError as error:
            raise ValueError(f"key: {error}") from None

    @property
    def traits(self) -> Traits:
        return Traits(
            amount_min=1_000,
            amount_max=2_000_000_000,  # nothing is published; a payer's daily cap
            token_life_seconds=1_800,  # nothing is published; rather too long than too short
            verify_within_seconds=900,  # the manual's; then the money goes back
            reverse_within_seconds=None,
            unverified=IfUnverified.AUTO_REVERSE,
            ask=Ask.VERIFY,
            addressed_by=AddressedBy.TOKEN,
            first_already=FirstAlready.ACCEPT,
            splits=bool(self.settlement_iban),
            payer_checks=frozenset({"national_id", "mobile"}),
            owner_checks_max=1,  # one field says which of the two it is
        )

    @property
    def base_urls(self) -> tuple[str, ...]:
        return (self.base_url,)

    def start(self, order: Order) -> Flow[Redirect | Refusal]:
        """PaymentRequest."""
        document: dict[str, Any] = {
            "MerchantId": self.merchant_id,
            "TerminalId": self.terminal_id,
            "Amount": order.amount,
            "OrderId": order.bank_order,
            "LocalDateTime": _local_date_time(order.made_at),
            "ReturnUrl": order.callback_url,
            "SignData": self._sign(f"{self.terminal_id};{order.bank_order};{order.amount}"),
        }
        if order.payer.national_id:
            document |= {"PanAuthenticationType": 1, "NationalCode": order.payer.national_id}
        elif order.payer.check_mobile and order.payer.mobile:
            document |= {"PanAuthenticationType": 2, "CardHolderIdentity": order.payer.mobile}
        if order.splits:
            document["MultiplexingData"] = self._multiplexing(order)
        reply = read_json((yield self._call("Request/PaymentRequest", document)))
        code = str(to_int(take(reply, "ResCode"), "ResCode"))
        if code != "0":
            return _refusal(Operation.START, code, reply)
        token = text_or_none(reply.get("Token"), "Token")
        if token is None:
            raise MalformedReply("Token: empty")
        url = page_at(self.base_url, f"{self.path_prefix}/Purchase")
        return Redirect(token=token, url=url, method="get", fields={"Token": token})

    def read_return(self, fields: Mapping[str, str]) -> Claim:
        """Cancel or refused card: by the switch's code, as far as it goes."""
        folded = fold_keys(fields)
        number = lenient_int(folded.get("rescode"))
        code = "" if number is None else str(number)
        switch = lenient_text(folded.get("switchrescode")) or ""
        return Claim(
            outcome=_outcome(code, switch),
            code=f"{code}/{switch}" if switch and code != "0" else code,
            token=lenient_text(folded.get("token")),
            bank_order=lenient_int(folded.get("orderid")),
            card=mask_card(folded.get("primaryaccno")),
        )

    def verify(self, order: Order, token: str, claim: Claim | None) -> Flow[Receipt | Refusal]:
        """Advice/Verify with the stored token; it also captures."""
        document = {"Token": token, "SignData": self._sign(token)}
        reply = read_json((yield self._call("Advice/Verify", document)))
        code = str(to_int(take(reply, "ResCode"), "ResCode"))
        cause = CODES[Operation.VERIFY].get(code)
        if cause not in {CodeClass.OK, CodeClass.ALREADY_DONE}:
            return _refusal(Operation.VERIFY, code, reply)
        reference = shown(reply.get("RetrivalRefNo"))
        if reference is None:
            raise MalformedReply("RetrivalRefNo: empty in a success")
        card = reply.get("CardNumberMasked") or reply.get("CardNo")
        return Receipt(
            amount=to_int(take(reply, "Amount"), "Amount"),
            bank_order=to_int(take(reply, "OrderId"), "OrderId"),
            ref_num=reference,
            rrn=reference,
            trace_no=shown(reply.get("SystemTraceNo")),
            card=mask_card(card) if isinstance(card, str) else None,
            already=cause is CodeClass.ALREADY_DONE,
        )

    def _call(self, path: str, document: Mapping[str, Any]) -> Call:
        return json_call(
            f"{self.base_url}{self.path_prefix}/api/v0/{path}",
            document,
            {"Content-Type": "application/json; charset=utf-8", "User-Agent": self.user_agent},
        )

    def _sign(self, text: str) -> str:
        return sign_triple_des(triple_des_key(self.key.reveal()), text)

    def _multiplexing(self, order: Order) -> dict[str, Any]:
        """The rows must add up to the amount, so what the splits leave has a row too."""
        rows = [{"IbanNumber": split.iban, "Value": split.amount} for split in order.splits]
        rest = order.amount - sum(split.amount for split in order.splits)
        if rest:
            rows.append({"IbanNumber": self.settlement_iban, "Value": rest})
        return {"Type": "Amount", "MultiplexingRows": rows}


def _local_date_time(wall: float) -> str:
    """`MM/DD/YYYY h:mm:ss am` in Tehran, in Latin digits whatever the machine's language."""
    there = datetime.fromtimestamp(wall, TEHRAN)
    half = "am" if there.hour < 12 else "pm"
    return f"{there:%m/%d/%Y} {there.hour % 12 or 12}:{there:%M:%S} {half}"


def _outcome(code: str, switch: str) -> CodeClass:
    """What a return says; a class that would blame our contract is never read from a browser."""
    if code == "0":
        return CodeClass.OK
    if code == NOT_PAID_AT_BANK:
        if not switch:
            return CodeClass.CANCELLED
        number = lenient_int(switch)
        if number == 0:
            return CodeClass.UNKNOWN
        return SWITCH.get(switch, CodeClass.DECLINED)
    cause = CODES[Operation.START].get(code)
    payers = {CodeClass.CANCELLED, CodeClass.DECLINED}
    return cause if cause in payers else CodeClass.UNKNOWN


def _refusal(operation: Operation, code: str, reply: Mapping[str, Any]) -> Refusal:
    description = reply.get("Description")
    return Refusal(
        cause=CODES[operation].get(code, CodeClass.UNKNOWN),
        code=code,
        message=description.strip()[:200] if isinstance(description, str) else "",
    )
