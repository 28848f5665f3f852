"""Zibal v1 on the wire: what a shop's request says, and what the service would answer.

* Every business answer is HTTP 200; `result` says what happened, `status` how the payment stands.
* An answer that is not known yet comes with 503: clients know that as trouble on the way, never as a no.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from gatewayd.core.payment import Payment
from gatewayd.core.settings import PaymentSettings, ShopSettings
from gatewayd.core.tehran import TEHRAN
from gatewayd.core.terms import CodeClass, Split
from gatewayd.web.facade.reading import is_true, payer_of, text_of, whole_of
from gatewayd.web.facade.standing import Standing
from gatewayd.web.render import json_answer
from gatewayd.web.shops import checked_return_url
from gatewayd.web.typed import CARD, IBAN, NATIONAL_ID

AMOUNT_ABOVE: Final = 1_000
"""Rial: the service's own limit is to be more than this."""
DESCRIPTION_CHARS_MAX: Final = 500
ORDER_CHARS_MAX: Final = 255
CARDS_MAX: Final = 10
PARTS_MAX: Final = 10

SUCCESS: Final = 100
NO_MERCHANT: Final = 102
INACTIVE: Final = 103
MERCHANT_INVALID: Final = 104
AMOUNT_UNDER: Final = 105
CALLBACK_INVALID: Final = 106
PERCENT_INVALID: Final = 107
PART_INVALID: Final = 108
PART_INACTIVE: Final = 109
NO_SELF: Final = 110
SUM_WRONG: Final = 111
AMOUNT_OVER: Final = 113
NATIONAL_INVALID: Final = 114
CALLBACK_MISSING: Final = 140
ALREADY: Final = 201
NOT_PAID: Final = 202
NO_TRACK: Final = 203
NOT_KNOWN: Final = -2
MESSAGES: Final = {
    SUCCESS: "success",
    NO_MERCHANT: "merchant not found",
    INACTIVE: "merchant is inactive",
    MERCHANT_INVALID: "merchant is invalid",
    AMOUNT_UNDER: "amount must be greater than 1000",
    CALLBACK_INVALID: "callbackUrl is invalid",
    PERCENT_INVALID: "percentMode is invalid",
    PART_INVALID: "multiplexingInfos: a beneficiary is invalid",
    PART_INACTIVE: "multiplexingInfos: a beneficiary is inactive",
    NO_SELF: "multiplexingInfos: self is missing",
    SUM_WRONG: "multiplexingInfos: the sum is not the amount",
    AMOUNT_OVER: "amount is over the limit",
    NATIONAL_INVALID: "nationalCode is invalid",
    CALLBACK_MISSING: "callbackUrl is missing",
    ALREADY: "previously verifed",
    NOT_PAID: "transaction failed",
    NO_TRACK: "trackId not found",
    NOT_KNOWN: "not known yet, try again",
}
WAITING: Final = -1
VERIFIED: Final = 1
PAID: Final = 2
CANCELLED: Final = 3
SWITCH_ERROR: Final = 11
CARD_AWAY: Final = 12
REFUNDED: Final = 15
REVERSED: Final = 18
_STATUSES: Final = {
    Standing.OPEN: WAITING,
    Standing.PAID: PAID,
    Standing.VERIFIED: VERIFIED,
    Standing.CANCELLED: CANCELLED,
    Standing.EXPIRED: WAITING,
    Standing.REVERSED: REVERSED,
}
_DECLINED: Final = {"51": 5, "54": 4, "55": 6, "61": 9, "65": 8, "75": 7}
"""A declined card's status by the switch's code; 10 for any other."""
_ISSUER_INVALID: Final = 10
_TARGETS: Final = ("id", "bankAccount", "subMerchantId", "walletID")


class Refused(Exception):
    """A request that the service refuses; its argument is the result."""

    def __init__(self, result: int) -> None:
        super().__init__(str(result))
        self.result = result


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A payment as a shop asks for it."""

    amount: int
    """Rial."""
    callback_url: str
    description: str
    order_id: str
    payer: Mapping[str, Any]
    splits: tuple[Split, ...]
    link_to_pay: bool


def read_merchant(document: Mapping[str, Any]) -> str:
    """The merchant's name; Refused without one."""
    merchant = text_of(document.get("merchant"))
    if not merchant:
        raise Refused(MERCHANT_INVALID)
    return merchant


def read_request(
    document: Mapping[str, Any], shop: ShopSettings, settings: PaymentSettings
) -> Wanted:
    """What `/v1/request` asks for; Refused with the first thing that is wrong with it."""
    callback_url = _callback(document, shop)
    amount = whole_of(document.get("amount")) or 0
    least, most = settings.amounts_of(shop)
    if amount <= AMOUNT_ABOVE or amount < least:
        raise Refused(AMOUNT_UNDER)
    if amount > most:
        raise Refused(AMOUNT_OVER)
    national = text_of(document.get("nationalCode"))
    if national and not NATIONAL_ID.fullmatch(national):
        raise Refused(NATIONAL_INVALID)
    given = document.get("allowedCards")
    cards = [card for card in _texts(given) if CARD.fullmatch(card)]
    payer = payer_of({**document, "national_id": national}, cards[:CARDS_MAX])
    check_mobile = is_true(document.get("checkMobileWithCard"))
    if (given and not cards) or (check_mobile and "mobile" not in payer):
        raise Refused(INACTIVE)  # who may pay cannot be bound so; it must not be anybody instead
    if check_mobile:
        payer["check_mobile"] = True
    return Wanted(
        amount=amount,
        callback_url=callback_url,
        description=text_of(document.get("description"))[:DESCRIPTION_CHARS_MAX],
        order_id=text_of(document.get("orderId"))[:ORDER_CHARS_MAX],
        payer=payer,
        splits=_splits(document, amount),
        link_to_pay=is_true(document.get("linkToPay")),
    )


def _texts(given: object) -> list[str]:
    """The texts of a list, or of one text with commas."""
    if isinstance(given, list):
        return [text_of(each) for each in given]
    return [each.strip() for each in text_of(given).split(",")]


def _callback(document: Mapping[str, Any], shop: ShopSettings) -> str:
    url = text_of(document.get("callbackUrl"))
    if not url:
        raise Refused(CALLBACK_MISSING)
    try:
        return checked_return_url(url, shop)
    except ValueError:
        raise Refused(CALLBACK_INVALID) from None


def _splits(document: Mapping[str, Any], amount: int) -> tuple[Split, ...]:
    """The parts that go elsewhere. Wallets and sub-merchants are the service's own, and unknown to any other."""
    percent = text_of(document.get("percentMode"))
    if percent not in {"", "0", "1"}:
        raise Refused(PERCENT_INVALID)
    parts = document.get("multiplexingInfos")
    if parts is None or parts == []:
        return ()
    if not isinstance(parts, list) or len(parts) > PARTS_MAX:
        raise Refused(PART_INVALID)
    whole, sum_of_parts, own, elsewhere = 100 if percent == "1" else amount, 0, False, []
    for part in parts:
        if not isinstance(part, dict) or sum(name in part for name in _TARGETS) != 1:
            raise Refused(PART_INVALID)
        share = whole_of(part.get("amount")) or 0
        sum_of_parts += share
        if "id" in part:
            own = True
        iban = text_of(part.get("bankAccount"))
        if part.get("id") != "self" and not IBAN.fullmatch(iban):
            raise Refused(PART_INVALID)
        if iban and share:
            elsewhere.append(Split(iban=iban, amount=amount * share // whole))
    if not own:
        raise Refused(NO_SELF)
    if sum_of_parts != whole:
        raise Refused(SUM_WRONG)
    return tuple(elsewhere)


# --- answers


def said(result: int, document: Mapping[str, Any] | None = None) -> web.Response:
    """The answer with this result."""
    answer = {"message": MESSAGES[result], "result": result, **(document or {})}
    if result == NOT_KNOWN:
        return json_answer(answer, 503, {"Retry-After": "5"})
    return json_answer(answer)


def status_code(payment: Payment, standing: Standing) -> int:
    """The payment's `status`."""
    if standing is Standing.REVERSED and payment.kept is not None:
        return REFUNDED
    if standing is Standing.FAILED:
        no = payment.latest.no if payment.latest else None
        match no.cause if no else CodeClass.UNKNOWN:
            case CodeClass.CANCELLED:
                return CANCELLED
            case CodeClass.DECLINED:
                return _DECLINED.get(no.code if no else "", _ISSUER_INVALID)
            case CodeClass.ISSUER:
                return CARD_AWAY
            case _:
                return SWITCH_ERROR
    return _STATUSES[standing]


def data_of(payment: Payment, standing: Standing) -> dict[str, Any]:
    """What verify and inquiry tell of a payment; the same on every repeat."""
    kept = payment.kept
    card = kept.card if kept else None
    taken_ms = next((each.doubt_ms for each in payment.attempts if each.doubt_ms), None)
    return {
        "refNumber": payment.number if kept else None,
        "paidAt": _local(taken_ms or payment.captured_ms),
        "status": status_code(payment, standing),
        "amount": payment.amount,
        "orderId": payment.order_id,
        "description": payment.description,
        "cardNumber": f"{card[:5]}****{card[-2:]}" if card else None,
        "multiplexingInfos": [
            {"bankAccount": part.iban, "amount": part.amount} for part in payment.splits
        ],
    }


def inquired(payment: Payment, standing: Standing) -> dict[str, Any]:
    """What an inquiry tells."""
    return {
        **data_of(payment, standing),
        "verifiedAt": _local(payment.captured_ms),
        "wage": 0,
        "shaparakFee": 0,
        "createdAt": _local(payment.created_ms),
    }


def _local(at_ms: int | None) -> str | None:
    """Tehran's time without a zone, with six digits of fraction."""
    if at_ms is None:
        return None
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(TEHRAN).replace(tzinfo=None)
    return local.isoformat(timespec="microseconds")
