"""ZarinPal, a payment facilitator: REST v4 in JSON, always asked in rial, refunds by GraphQL.

What the wire does, against what one would expect:

* It keeps what nobody verifies. The sources disagree, so a verify is due within 20 minutes and
  money that is not wanted is given back by us.
* An answer names its code in `data` or in `errors`, and the empty one of the two is a list. Some
  errors have no code but a list of texts by field, with the code among the texts. The HTTP status
  is 401, 422 or 200 for the same errors, so the body decides. Codes are numbers or text.
* The answer to a verify holds no amount: the bank refuses another amount than the one that was
  asked for by -50, which is never the payer's doing.
* The first verify may answer 101, "verified before", where the panel verifies by itself. The
  authority binds the order, so it is a yes.
* `NOK` in a return is everything that is not paid; no reason is ever given.
* A reverse may be repeated: -61 says "not reversible or reversed before", and an inquiry tells.
* A refund is addressed by the panel's session number, found by the receipt's reference. Its
  progress is not published but for the session's status, so only a whole refund can be confirmed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NamedTuple

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
    Unverified,
)
from gatewayd.gateways.contract import Call, Flow, MalformedReply, Reply
from gatewayd.gateways.wire import (
    fold_keys,
    int_or_none,
    json_call,
    lenient_text,
    mask_card,
    read_json,
    shown,
    take,
    text_or_none,
    to_int,
    to_text,
)

OK: Final = "100"
ALREADY_VERIFIED: Final = "101"
NOT_PAID: Final = "-51"
NOT_REVERSIBLE: Final = "-61"
VALIDATION: Final = "-9"
UUID: Final = re.compile(r"[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}")
AUTHORITY: Final = re.compile(r"[AS][0-9a-zA-Z]{35}")
DESCRIPTION_CHARS_MAX: Final = 500
WAGE_DESCRIPTION_CHARS_MAX: Final = 255
REFUND_MIN: Final = 20_000
"""Rial; the bank refunds no less."""

CODES: Final[Mapping[str, CodeClass]] = {
    code: kind
    for kind, codes in {
        CodeClass.OK: "100",
        CodeClass.DECLINED: "-51",
        # Too many tries, unexpected, the bank behind refused a reverse.
        CodeClass.GATEWAY: "-12 -52 -60",
        # Terminal, address, domain, level, bans, wages, another merchant's session.
        CodeClass.MERCHANT_CONFIG: (
            "-10 -11 -13 -14 -15 -16 -17 -18 -19 -30 -31 -37 -38 -39 -53 -62"
        ),
        # Fields, wages, amount above the maximum, amount not the paid one, reversed too late.
        CodeClass.OUR_FAULT: "-2 -3 -4 -5 -9 -32 -33 -34 -35 -36 -40 -41 -50 -61 -63 429 -429",
        CodeClass.NOT_PAID: "-54 -55",  # no such session
    }.items()
    for code in codes.split()
}
"""What a code means wherever `EXCEPTIONS` does not say otherwise."""

EXCEPTIONS: Final[Mapping[tuple[Operation, str], CodeClass]] = {
    (Operation.VERIFY, "101"): CodeClass.ALREADY_DONE,
    (Operation.VERIFY, "-52"): CodeClass.UNKNOWN,
    # "No such session" about what was verified contradicts the bank's own word.
    (Operation.REVERSE, "-54"): CodeClass.UNKNOWN,
    (Operation.REVERSE, "-55"): CodeClass.UNKNOWN,
}
FINDINGS: Final[Mapping[str, Finding]] = {
    "PAID": Finding.PAID,
    "VERIFIED": Finding.VERIFIED,
    "PENDING": Finding.PENDING,  # the payer has not opened the page yet
    "IN_BANK": Finding.PENDING,
    "FAILED": Finding.NOT_PAID,
    "REVERSED": Finding.REVERSED,
}
OUTCOMES: Final[Mapping[str, CodeClass]] = {"OK": CodeClass.OK, "NOK": CodeClass.CANCELLED}

SESSION_QUERY: Final = (
    "query S($t: ID!, $r: String) "
    "{ resource: Session(terminal_id: $t, reference_id: $r) { id status amount } }"
)
REFUND_QUERY: Final = (
    "mutation R($s: ID!, $a: BigInteger!, $d: String, $m: InstantPayoutActionTypeEnum, "
    "$r: RefundReasonEnum) { resource: AddRefund(session_id: $s, amount: $a, description: $d, "
    "method: $m, reason: $r) "
    "{ id terminal_id amount timeline { refund_status refund_amount refund_time } } }"
)


def class_of(operation: Operation, code: str) -> CodeClass:
    """What `code` means as the answer to `operation`."""
    return EXCEPTIONS.get((operation, code)) or CODES.get(code, CodeClass.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zarinpal:
    """One merchant of ZarinPal."""

    driver: ClassVar[str] = "zarinpal"

    merchant_id: str
    base_url: str = "https://payment.zarinpal.com"
    """`https://sandbox.zarinpal.com` for trying out."""
    access_token: Secret | None = None
    """The panel's token; with it and `terminal_id` there are refunds."""
    terminal_id: str = ""
    """The panel's number of the terminal; only refunds need it."""
    refund_url: str = "https://next.zarinpal.com"
    refund_method: Literal["CARD", "PAYA"] = "CARD"
    """At once to the card, or by the next clearing cycle."""

    def __post_init__(self) -> None:
        if not UUID.fullmatch(self.merchant_id):
            raise ValueError("merchant_id: must be a UUID of 36 lower-case characters")
        for name in ("base_url", "refund_url"):
            if not re.fullmatch(r"https?://[^\s?#]*[^\s?#/]", getattr(self, name)):
                raise ValueError(f"{name}: must be an http(s) address without a slash at its end")
        if not re.fullmatch(r"[0-9]{0,20}", self.terminal_id):
            raise ValueError("terminal_id: must be the panel's number of the terminal")
        if (self.access_token is None) != (self.terminal_id == ""):
            raise ValueError("terminal_id: goes together with access_token, for refunds")
        if self.refund_method not in {"CARD", "PAYA"}:
            raise ValueError("refund_method: must be CARD or PAYA")

    @property
    def traits(self) -> Traits:
        return Traits(
            amount_min=1_000,
            amount_max=1_000_000_000,  # above it is -41
            token_life_seconds=1_800,  # its sandbox's; nothing else is published
            verify_within_seconds=1_200,  # the shortest that anybody tells, should it give back
            reverse_within_seconds=1_800,  # after it is -63
            unverified=IfUnverified.HELD,
            ask=Ask.INQUIRY,
            addressed_by=AddressedBy.TOKEN,
            first_already=FirstAlready.ACCEPT,
            proves=True,
            refunds=self.access_token is not None,
            lists_unverified=True,
            splits=True,
            splits_max=5,
            split_min=10_000,
            splits_percent_max=99,
            payer_checks=frozenset({"allowed_cards"}),
            cards_max=1,  # no choice of several
        )

    @property
    def base_urls(self) -> tuple[str, ...]:
        if self.access_token is None:
            return (self.base_url,)
        return tuple(dict.fromkeys((self.base_url, self.refund_url)))

    def start(self, order: Order) -> Flow[Redirect | Refusal]:
        description = order.description.strip() or f"Order {order.bank_order}"
        payer = order.payer
        metadata: dict[str, Any] = {"order_id": str(order.bank_order), "auto_verify": False}
        if payer.mobile:
            metadata["mobile"] = payer.mobile
        if payer.email:
            metadata["email"] = payer.email
        if len(payer.allowed_cards) == 1:
            metadata["card_pan"] = payer.allowed_cards[0]
        document: dict[str, Any] = {
            "amount": order.amount,
            "currency": "IRR",
            "description": description[:DESCRIPTION_CHARS_MAX],
            "callback_url": order.callback_url,
            "metadata": metadata,
        }
        if order.splits:
            document["wages"] = [
                {
                    "iban": split.iban,
                    "amount": split.amount,
                    "description": description[:WAGE_DESCRIPTION_CHARS_MAX],
                }
                for split in order.splits
            ]
        answer = _read((yield self._call("request", document)))
        if answer.code != OK:
            return _refusal(Operation.START, answer)
        authority = to_text(take(answer.data, "authority"), "authority")
        if not AUTHORITY.fullmatch(authority):
            raise MalformedReply("authority: not of the documented form")
        url = f"{self.base_url}/pg/StartPay/{authority}"
        return Redirect(token=authority, url=url, method="get")

    def read_return(self, fields: Mapping[str, str]) -> Claim:
        said = fold_keys(fields)
        status = (lenient_text(said.get("status")) or "")[:16].upper()
        return Claim(
            outcome=OUTCOMES.get(status, CodeClass.UNKNOWN),
            code=status,
            token=lenient_text(said.get("authority")),
        )

    def verify(self, order: Order, token: str, claim: Claim | None) -> Flow[Receipt | Refusal]:
        document = {"amount": order.amount, "authority": token}
        answer = _read((yield self._call("verify", document)))
        if answer.code not in {OK, ALREADY_VERIFIED}:
            refusal = _refusal(Operation.VERIFY, answer)
            if answer.code == NOT_PAID and claim and claim.outcome is CodeClass.CANCELLED:
                return Refusal(cause=claim.outcome, code=refusal.code, message=refusal.message)
            return refusal
        card = answer.data.get("card_pan")
        return Receipt(
            bank_order=int_or_none(answer.data.get("order_id"), "order_id"),
            ref_num=shown(answer.data.get("ref_id")),
            card=mask_card(card) if isinstance(card, str) else None,
            already=answer.code == ALREADY_VERIFIED,
        )

    def inquire(self, order: Order, token: str, claim: Claim | None) -> Flow[Inquiry | Refusal]:
        answer = _read((yield self._call("inquiry", {"authority": token})))
        if answer.code != OK:
            return _refusal(Operation.INQUIRE, answer)
        amount = int_or_none(answer.data.get("amount"), "amount")
        return Inquiry(finding=_finding(answer), receipt=Receipt(amount=amount))

    def list_unverified(self) -> Flow[tuple[Unverified, ...] | Refusal]:
        """At most the latest 100."""
        answer = _read((yield self._call("unVerified", {})))
        if answer.code != OK:
            return _refusal(Operation.INQUIRE, answer)
        rows = answer.data.get("authorities") or []
        if not isinstance(rows, list):
            raise MalformedReply("authorities: not a list")
        return tuple(
            Unverified(
                token=to_text(take(row, "authority"), "authority"),
                amount=int_or_none(row.get("amount"), "amount"),
            )
            for row in rows
        )

    def reverse(self, order: Order, token: str, receipt: Receipt) -> Flow[GivenBack | Refusal]:
        answer = _read((yield self._call("reverse", {"authority": token})))
        if answer.code == OK:
            return GivenBack()
        if answer.code == NOT_REVERSIBLE:
            found = _read((yield self._call("inquiry", {"authority": token})))
            if found.code == OK and _finding(found) is Finding.REVERSED:
                return GivenBack(already=True)
        return _refusal(Operation.REVERSE, answer)

    def refund(
        self, order: Order, token: str, receipt: Receipt, amount: int, refund_order: int
    ) -> Flow[GivenBack | Refusal]:
        """NOT_PAID is said only where the refund was certainly never asked for."""
        if amount < REFUND_MIN:
            return _never_asked("amount", "the bank refunds 20,000 rial at least")
        session = yield from self._session(order, receipt)
        if session is None:
            return _never_asked("session", "the panel shows no such payment")
        if isinstance(session, Refusal):
            never = session.cause is CodeClass.UNKNOWN
            return _never_asked(session.code, session.message) if never else session
        variables = {
            "s": to_text(take(session, "id"), "id"),
            "a": amount,
            "d": f"Refund {refund_order}",
            "m": self.refund_method,
            "r": "CUSTOMER_REQUEST",
        }
        given = _read_graphql((yield self._graphql(REFUND_QUERY, variables)))
        if isinstance(given, Refusal):
            return given
        return GivenBack(reference=to_text(take(given, "id"), "id"))

    def inquire_refund(
        self,
        order: Order,
        token: str,
        receipt: Receipt,
        amount: int,
        refund_order: int,
        given: GivenBack | None,
    ) -> Flow[GivenBack | Inquiry | Refusal]:
        session = yield from self._session(order, receipt)
        if isinstance(session, Refusal):
            return session
        # The status does not say how much went back: of partial refunds it proves none.
        if session and session.get("status") == "REFUNDED" and amount == order.amount:
            return GivenBack(reference=to_text(take(session, "id"), "id"))
        return Inquiry(finding=Finding.UNKNOWN)

    def _session(self, order: Order, receipt: Receipt) -> Flow[dict[str, Any] | Refusal | None]:
        """The panel's one session of this payment; None where it is not exactly one."""
        if receipt.ref_num is None:
            return None
        variables = {"t": self.terminal_id, "r": receipt.ref_num}
        found = _read_graphql((yield self._graphql(SESSION_QUERY, variables)))
        if isinstance(found, Refusal):
            return found
        rows = [
            row
            for row in (found if isinstance(found, list) else [found])
            if isinstance(row, dict) and to_int(take(row, "amount"), "amount") == order.amount
        ]
        return rows[0] if len(rows) == 1 else None

    def _call(self, path: str, document: Mapping[str, Any]) -> Call:
        return json_call(
            f"{self.base_url}/pg/v4/payment/{path}.json",
            {"merchant_id": self.merchant_id, **document},
        )

    def _graphql(self, query: str, variables: Mapping[str, Any]) -> Call:
        bearer = self.access_token.reveal() if self.access_token else ""
        return json_call(
            f"{self.refund_url}/api/v4/graphql/",
            {"query": query, "variables": dict(variables)},
            {"Authorization": f"Bearer {bearer}"},
        )


class _Answer(NamedTuple):
    code: str
    data: Mapping[str, Any]
    message: str


def _read(reply: Reply) -> _Answer:
    """The code, whichever of the shapes it comes in; the other half is an empty list or object."""
    document = read_json(reply)
    errors = document.get("errors")
    if errors:
        message = errors.get("message") if isinstance(errors, dict) else None
        return _Answer(_error_code(errors), {}, _short(message or document.get("message")))
    data = take(document, "data")
    code = str(to_int(take(data, "code"), "code"))
    return _Answer(code, data, _short(data.get("message")))


def _error_code(errors: object) -> str:
    """From `{"code"}`, from `[{"code"}]`, or from texts by field, where -9 is what they amount to."""
    if isinstance(errors, list):
        errors = errors[0]
    if not isinstance(errors, dict):
        raise MalformedReply("errors: neither an object nor a list of such")
    if "code" in errors:
        return str(to_int(errors["code"], "code"))
    texts = [text for value in errors.values() if isinstance(value, list) for text in value]
    if not texts:
        raise MalformedReply("errors: no code and no fields")
    codes = [t for t in texts if isinstance(t, str) and re.fullmatch(r"-[0-9]{1,3}", t)]
    return codes[0] if codes else VALIDATION


def _read_graphql(reply: Reply) -> Any:
    """What stands under our alias, or a Refusal."""
    if reply.status == 401:
        return Refusal(cause=CodeClass.MERCHANT_CONFIG, code="401", message="access_token refused")
    document = read_json(reply)
    errors = document.get("errors")
    if errors:
        first = errors[0] if isinstance(errors, list) else errors
        message = first.get("message") if isinstance(first, dict) else None
        return Refusal(cause=CodeClass.UNKNOWN, code="graphql", message=_short(message))
    return take(document, "data", "resource")


def _finding(answer: _Answer) -> Finding:
    status = text_or_none(answer.data.get("status"), "status") or ""
    return FINDINGS.get(status.upper(), Finding.UNKNOWN)


def _refusal(operation: Operation, answer: _Answer) -> Refusal:
    cause = class_of(operation, answer.code)
    return Refusal(cause=cause, code=answer.code, message=answer.message)


def _never_asked(code: str, message: str) -> Refusal:
    return Refusal(cause=CodeClass.NOT_PAID, code=code, message=message)


def _short(message: object) -> str:
    return message.strip()[:200] if isinstance(message, str) else ""
