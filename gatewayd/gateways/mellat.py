"""Behpardakht Mellat: SOAP 1.1 at bpm.shaparak.ir, verify and then settle.

Quirks of the wire that this file obeys:

* The operation is in the namespace, its children are in none, in the order of the WSDL.
* Every answer is one string, `code` or `code,number`; only success has the comma.
* An order number is never accepted twice (41), not even after a failed try.
* The token is called RefId and is case-sensitive; it goes to the page by POST.
* Every call after the payment is addressed by our order number and the SaleReferenceId that only
  the return brings; the bank checks the pair. Without that number nothing can be asked.
* Verify answers nothing but a code: no amount, no card. An unverified sale goes back by itself.
* What is verified and not settled is in nobody's hands: newer manuals let it be settled after three
  hours, or given back. So it is settled at once.
* 43 and 45 say that verify and settle had been done before, 48 that the money went back.
* Reverse works after verify and before settle only; afterwards there is the refund.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar, Final

from gatewayd.core.secret import Secret
from gatewayd.core.tehran import TEHRAN
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
    Payer,
    Receipt,
    Redirect,
    Refusal,
    Traits,
)
from gatewayd.gateways.contract import Call, Flow, MalformedReply, Reply
from gatewayd.gateways.crypto import des_key, encrypt_digits
from gatewayd.gateways.wire import (
    SoapFault,
    fold_keys,
    lenient_int,
    lenient_text,
    mask_card,
    page_at,
    read_soap,
    soap_call,
    take,
    to_code,
    xml_elements,
)

NAMESPACE: Final = "http://interfaces.core.sw.bps.com/"
REFERENCE_MAX: Final = 2**63 - 1
"""The wire's long; a larger number from a browser would only provoke a fault."""
ADDITIONAL_DATA_CHARS_MAX: Final = 1000
CODE_CHARS_MAX: Final = 16
"""The longest documented code has three digits; a return may bring anything."""

TRAITS: Final = Traits(
    amount_min=1_000,
    amount_max=2_000_000_000,
    # The page's session lasts 15 minutes at least; five more, so that no attempt counts as lapsed
    # while its payer can still pay.
    token_life_seconds=20 * 60,
    # Old manuals say 15 minutes; asking in between costs nothing, for the answer is then 48.
    verify_within_seconds=20 * 60,
    # Three hours after the verify, so at least three after the payment.
    reverse_within_seconds=3 * 3600,
    unverified=IfUnverified.AUTO_REVERSE,
    ask=Ask.NOTHING,
    addressed_by=AddressedBy.REFERENCE,
    first_already=FirstAlready.REVIEW,
    settles=True,
    proves=True,
    refunds=True,
)

TRAITS_OF_OWNERS: Final = replace(TRAITS, payer_checks=frozenset({"national_id"}))

CODES: Final[Mapping[str, CodeClass]] = {
    code: kind
    for kind, codes in {
        CodeClass.OK: "0",
        CodeClass.CANCELLED: "17",
        # Card invalid, no funds, PIN, tries, expired, limits, static PIN, not allowed, entries,
        # national id of another.
        CodeClass.DECLINED: "11 12 13 14 15 16 18 19 98 114 419 995",
        # Issuer invalid, its switch failed, no answer from it: all gateways are hit alike.
        CodeClass.ISSUER: "111 112 113",
        # Response invalid, system error, error in the deposit, error while saving.
        CodeClass.GATEWAY: "31 34 61 416",
        # Service not enabled, security, password, account, callback domain, our address.
        CodeClass.MERCHANT_CONFIG: "21 23 24 33 62 421",
        # Amount, format, date, no verify, settle or refund, transaction, bill and payer ids; and a
        # repeated order number (41) or transaction (51), which a new number cures: neither is a
        # reason to take the gateway out.
        CodeClass.OUR_FAULT: "25 32 35 41 44 47 49 51 55 412 413 414 417 418",
        # Sale not found, reversed, referenced transaction missing.
        CodeClass.NOT_PAID: "42 48 54",
        # Already verified, already settled, not settled, session time over.
        CodeClass.UNKNOWN: "43 45 46 415",
    }.items()
    for code in codes.split()
}
"""What a code means wherever `EXCEPTIONS` does not say otherwise."""

EXCEPTIONS: Final[Mapping[tuple[Operation | None, str], CodeClass]] = {
    (None, "415"): CodeClass.CANCELLED,  # on the page the payer was too slow
    (Operation.VERIFY, "43"): CodeClass.ALREADY_DONE,
    (Operation.VERIFY, "45"): CodeClass.ALREADY_DONE,
    (Operation.SETTLE, "45"): CodeClass.ALREADY_DONE,
    (Operation.REVERSE, "48"): CodeClass.ALREADY_DONE,
    # "Not found" about what was verified contradicts the bank's own word; that is no definite no.
    (Operation.SETTLE, "42"): CodeClass.UNKNOWN,
    (Operation.SETTLE, "54"): CodeClass.UNKNOWN,
    (Operation.REVERSE, "42"): CodeClass.UNKNOWN,
    (Operation.REVERSE, "54"): CodeClass.UNKNOWN,
    (Operation.REFUND, "12"): CodeClass.MERCHANT_CONFIG,  # our own credit there is too low
    (Operation.REFUND, "19"): CodeClass.OUR_FAULT,  # all refunds together exceed the sale
    (Operation.REFUND, "49"): CodeClass.NOT_PAID,  # the answer to "did that refund happen"
}
"""By (operation, code); None is the return through the browser."""

DONE: Final = frozenset({CodeClass.OK, CodeClass.ALREADY_DONE})

FINDINGS: Final[Mapping[str, Finding]] = {
    "0": Finding.VERIFIED,
    "43": Finding.VERIFIED,
    "45": Finding.VERIFIED,
    "48": Finding.REVERSED,
    # Undocumented for what is sold and not verified: a verify decides.
    "44": Finding.UNKNOWN,
    "46": Finding.UNKNOWN,
    "415": Finding.UNKNOWN,
}


def class_of(operation: Operation | None, code: str) -> CodeClass:
    """What `code` means as the answer to `operation`, or in a return (None)."""
    return EXCEPTIONS.get((operation, code)) or CODES.get(code, CodeClass.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mellat:
    """One terminal's contract."""

    driver: ClassVar[str] = "mellat"

    terminal_id: int
    username: str
    password: Secret
    national_id_key: Secret | None = None
    """16 hex digits, agreed with the bank: with it only the owner of a national id's cards may pay."""
    base_url: str = "https://bpm.shaparak.ir"

    def __post_init__(self) -> None:
        if self.national_id_key is not None:
            try:
                des_key(self.national_id_key.reveal())
            except ValueError as error:
                raise ValueError(f"national_id_key: {error}") from None

    @property
    def traits(self) -> Traits:
        return TRAITS if self.national_id_key is None else TRAITS_OF_OWNERS

    @property
    def base_urls(self) -> tuple[str, ...]:
        return (self.base_url,)

    def start(self, order: Order) -> Flow[Redirect | Refusal]:
        made_at = datetime.fromtimestamp(order.made_at, UTC).astimezone(TEHRAN)
        fields: dict[str, str | int] = {
            "orderId": order.bank_order,
            "amount": order.amount,
            "localDate": f"{made_at:%Y%m%d}",
            "localTime": f"{made_at:%H%M%S}",
            "additionalData": order.description[:ADDITIONAL_DATA_CHARS_MAX],
            "callBackUrl": order.callback_url,
            "payerId": "0",  # an empty one fails where the service still reads a number
        }
        if mobile := _mobile(order.payer):
            fields["mobileNo"] = mobile
        if self.national_id_key is not None and order.payer.national_id:
            key = des_key(self.national_id_key.reveal())
            fields["enc"] = encrypt_digits(key, order.payer.national_id)
        reply = yield self._call("bpPayRequest", fields)
        try:
            code, token = _read(reply, "bpPayRequest")
        except SoapFault as fault:
            if fault.code != "Client":
                raise
            return Refusal(cause=CodeClass.OUR_FAULT, code="soap:Client")
        if code != "0":
            return _refusal(Operation.START, code)
        if not token:
            raise MalformedReply("bpPayRequest: success without RefId")
        return Redirect(
            token=token,
            url=page_at(self.base_url, "/pgwchannel/startpay.mellat"),
            method="post",
            fields={"RefId": token},
        )

    def read_return(self, fields: Mapping[str, str]) -> Claim:
        said = fold_keys(fields)
        code = (lenient_text(said.get("rescode")) or "")[:CODE_CHARS_MAX]
        reference = lenient_int(said.get("salereferenceid")) or 0
        amount = lenient_int(said.get("finalamount")) or 0
        outcome = class_of(None, code)
        sold = 0 < reference <= REFERENCE_MAX
        if outcome is CodeClass.OK and not sold:
            outcome = CodeClass.UNKNOWN
        elif outcome is CodeClass.UNKNOWN and sold:
            # Only a sale has a reference, and by nothing else can it be asked about: the verify decides.
            outcome = CodeClass.OK
        return Claim(
            outcome=outcome,
            code=code,
            token=lenient_text(said.get("refid")),
            bank_order=lenient_int(said.get("saleorderid")),
            amount=amount if amount > 0 else None,
            # The number's plain digits: other spellings of it must not pass as other payments.
            reference=str(reference) if sold else None,
            card=mask_card(said.get("cardholderpan")),
        )

    def verify(self, order: Order, token: str, claim: Claim | None) -> Flow[Receipt | Refusal]:
        reference = claim.reference if claim else None
        if reference is None:
            return _nothing_to_ask_by()
        code = yield from self._ask("bpVerifyRequest", order, reference)
        kind = class_of(Operation.VERIFY, code)
        if kind not in DONE:
            return Refusal(cause=kind, code=code)
        return Receipt(ref_num=reference, already=kind is CodeClass.ALREADY_DONE)

    def settle(self, order: Order, token: str, receipt: Receipt) -> Flow[Receipt | Refusal]:
        if receipt.ref_num is None:
            return _nothing_to_ask_by()
        code = yield from self._ask("bpSettleRequest", order, receipt.ref_num)
        kind = class_of(Operation.SETTLE, code)
        if kind not in DONE:
            return Refusal(cause=kind, code=code)
        return replace(receipt, already=kind is CodeClass.ALREADY_DONE)

    def reverse(self, order: Order, token: str, receipt: Receipt) -> Flow[GivenBack | Refusal]:
        if receipt.ref_num is None:
            return _nothing_to_ask_by()
        code = yield from self._ask("bpReversalRequest", order, receipt.ref_num)
        kind = class_of(Operation.REVERSE, code)
        if kind not in DONE:
            return Refusal(cause=kind, code=code)
        return GivenBack(already=kind is CodeClass.ALREADY_DONE)

    def inquire(self, order: Order, token: str, claim: Claim | None) -> Flow[Inquiry | Refusal]:
        reference = claim.reference if claim else None
        if reference is None:
            return _nothing_to_ask_by()
        code = yield from self._ask("bpInquiryRequest", order, reference)
        finding = FINDINGS.get(code)
        if finding is None:
            return _refusal(Operation.INQUIRE, code)
        return Inquiry(finding=finding, receipt=Receipt(ref_num=reference), reference=reference)

    def refund(
        self, order: Order, token: str, receipt: Receipt, amount: int, refund_order: int
    ) -> Flow[GivenBack | Refusal]:
        if receipt.ref_num is None:
            return _nothing_to_ask_by()
        fields = _sale(order, receipt.ref_num, refund_order) | {"refundAmount": amount}
        code, number = _read((yield self._call("bpRefundRequest", fields)), "bpRefundRequest")
        if code != "0":
            return _refusal(Operation.REFUND, code)
        return GivenBack(reference=number or None)

    def inquire_refund(
        self,
        order: Order,
        token: str,
        receipt: Receipt,
        amount: int,
        refund_order: int,
        given: GivenBack | None,
    ) -> Flow[GivenBack | Inquiry | Refusal]:
        if given is None or given.reference is None:
            return _nothing_to_ask_by()
        fields: dict[str, str | int] = {
            "orderId": refund_order,
            "refundOrderId": refund_order,
            "refundReferenceId": given.reference,
        }
        reply = yield self._call("bpRefundInquiryRequest", fields)
        code, _ = _read(reply, "bpRefundInquiryRequest")
        return given if code == "0" else _refusal(Operation.REFUND, code)

    def _ask(self, operation: str, order: Order, reference: str) -> Flow[str]:
        """The code that a call about one sale is answered with."""
        fields = _sale(order, reference, order.bank_order)
        code, _ = _read((yield self._call(operation, fields)), operation)
        return code

    def _call(self, operation: str, fields: Mapping[str, str | int]) -> Call:
        elements = xml_elements(
            {
                "terminalId": self.terminal_id,
                "userName": self.username,
                "userPassword": self.password.reveal(),
                **fields,
            }
        )
        body = f'<i:{operation} xmlns:i="{NAMESPACE}">{elements}</i:{operation}>'
        return soap_call(f"{self.base_url}/pgwchannel/services/pgw", "", body)


def _sale(order: Order, reference: str, call_order: int) -> dict[str, str | int]:
    """Which sale a call is about: always by our own number, never by the one from a return."""
    return {
        "orderId": call_order,
        "saleOrderId": order.bank_order,
        "saleReferenceId": reference,
    }


def _read(reply: Reply, operation: str) -> tuple[str, str]:
    """The code and what stands behind its comma, both trimmed; blanks around the comma happen."""
    name = f"{operation}Response"
    code, _, rest = to_code(take(read_soap(reply, name), "return"), name).partition(",")
    return to_code(code, name), rest.strip()


def _refusal(operation: Operation, code: str) -> Refusal:
    return Refusal(cause=class_of(operation, code), code=code)


def _nothing_to_ask_by() -> Refusal:
    return Refusal(cause=CodeClass.UNKNOWN, code="", message="the bank's reference is not known")


def _mobile(payer: Payer) -> str | None:
    """As the bank writes it: 98 and ten digits."""
    mobile = payer.mobile or ""
    if len(mobile) == 11 and mobile.startswith("09") and mobile.isdecimal() and mobile.isascii():
        return f"98{mobile[1:]}"
    return None
