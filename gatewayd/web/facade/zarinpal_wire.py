"""ZarinPal v4 on the wire: what a shop's request says, and what the service would answer.

* `data` and `errors` are lists where they are empty, and objects where they are not.
* Business errors come with HTTP 401, validation errors with 422: clients that raise on those know both.
* An answer that is not known yet comes with 503 and -52, the service's own word for it: clients that raise on 5xx try
  again, and none of them takes it for a no.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from gatewayd.core.money import Currency, from_rial, to_rial
from gatewayd.core.payment import Payment
from gatewayd.core.settings import PaymentSettings, ShopSettings
from gatewayd.core.tehran import TEHRAN
from gatewayd.core.terms import Split
from gatewayd.web.facade.reading import payer_of, text_of, whole_of
from gatewayd.web.facade.standing import Standing
from gatewayd.web.render import json_answer
from gatewayd.web.shops import ForeignHost, checked_return_url
from gatewayd.web.typed import CARD, IBAN

DESCRIPTION_CHARS_MAX: Final = 500
ORDER_CHARS_MAX: Final = 255
WAGES_MAX: Final = 5
WAGE_MIN: Final = 10_000
"""Rial."""
WAGES_PERCENT_MAX: Final = 99

INVALID: Final = -9
NO_TERMINAL: Final = -10
TOO_MANY: Final = -12
TERMINAL_LIMIT: Final = -13
FOREIGN_CALLBACK: Final = -14
NO_WAGES: Final = -30
WAGES_OVER: Final = -34
WAGES_TOO_MANY: Final = -35
WAGE_TOO_SMALL: Final = -36
AMOUNT_OVER: Final = -41
WRONG_AMOUNT: Final = -50
NOT_PAID: Final = -51
NOT_KNOWN: Final = -52
NOT_YOURS: Final = -53
NO_AUTHORITY: Final = -54
NOT_REVERSED: Final = -60
NOT_REVERSIBLE: Final = -61
MESSAGES: Final = {
    INVALID: "The input params invalid, validation error.",
    NO_TERMINAL: "Terminal is not valid, please check merchant_id or ip address.",
    TOO_MANY: "To many attempts, please try again later.",
    TERMINAL_LIMIT: "Terminal limit reached.",
    FOREIGN_CALLBACK: "The callback_url domain does not match the registered terminal domain.",
    NO_WAGES: "Terminal do not allow to accept floating wages.",
    WAGES_OVER: "The wages total amount is more than the maximum.",
    WAGES_TOO_MANY: "Too many wages parts.",
    WAGE_TOO_SMALL: "The minimum amount for wages is 10,000 rials.",
    AMOUNT_OVER: "Maximum amount is exceeded.",
    WRONG_AMOUNT: "Session is not valid, amounts values is not the same.",
    NOT_PAID: "Session is not valid, session is not active paid try.",
    NOT_KNOWN: "Oops!!, please contact our support team.",
    NOT_YOURS: "Session is not this merchant_id session.",
    NO_AUTHORITY: "Invalid authority.",
    NOT_REVERSED: "Session can not be reversed with bank.",
    NOT_REVERSIBLE: "Session is not in success status.",
}
_STATUS: Final = {INVALID: 422, TOO_MANY: 429, NOT_KNOWN: 503}
"""HTTP; 401 for all others."""
_WORDS: Final = {
    Standing.OPEN: "IN_BANK",
    Standing.PAID: "PAID",
    Standing.VERIFIED: "VERIFIED",
    Standing.CANCELLED: "FAILED",
    Standing.FAILED: "FAILED",
    Standing.EXPIRED: "FAILED",
    Standing.REVERSED: "REVERSED",
}
_UUID: Final = re.compile(r"[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}")


class Refused(Exception):
    """A request that the service refuses; its argument is the service's code."""

    def __init__(self, code: int, **validations: str) -> None:
        super().__init__(str(code))
        self.code = code
        self.validations = validations
        """For a validation error a sentence by field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A payment as a shop asks for it."""

    amount: int
    """Rial."""
    currency: Currency
    callback_url: str
    description: str
    order_id: str
    payer: Mapping[str, Any]
    wages: tuple[Split, ...]


def read_merchant(document: Mapping[str, Any]) -> str:
    """The merchant_id in small letters; Refused for what is none."""
    merchant = text_of(document.get("merchant_id")).lower()
    if not merchant:
        raise Refused(INVALID, merchant_id="The merchant id field is required.")
    if not _UUID.fullmatch(merchant):
        raise Refused(INVALID, merchant_id="The merchant id must be a valid UUID.")
    return merchant


def read_request(
    document: Mapping[str, Any], shop: ShopSettings, settings: PaymentSettings
) -> Wanted:
    """What `request.json` asks for; Refused with everything that is wrong with its fields."""
    wrong: dict[str, str] = {}
    currency = _currency(document, wrong)
    amount = whole_of(document.get("amount"))
    rial, (least, most) = to_rial(amount or 0, currency), settings.amounts_of(shop)
    if amount is None:
        wrong["amount"] = "The amount field is required and must be an integer."
    elif rial < least:
        wrong["amount"] = f"The amount must be at least {-(-least // to_rial(1, currency))}."
    description = text_of(document.get("description"))
    if not description:
        wrong["description"] = "The description field is required."
    elif len(description) > DESCRIPTION_CHARS_MAX:
        wrong["description"] = "The description may not be greater than 500 characters."
    metadata = _metadata(document.get("metadata"))
    order_id = text_of(metadata.get("order_id"))
    if len(order_id) > ORDER_CHARS_MAX:
        wrong["metadata.order_id"] = "The order id may not be greater than 255 characters."
    card = text_of(metadata.get("card_pan"))
    if card and not CARD.fullmatch(card):
        wrong["metadata.card_pan"] = "The card pan must be 16 digits."
    callback_url, foreign = _callback(document, shop, wrong)
    if wrong:
        raise Refused(INVALID, **wrong)
    if foreign:
        raise Refused(FOREIGN_CALLBACK)
    if rial > most:
        raise Refused(AMOUNT_OVER)
    wages = document.get("wages")
    return Wanted(
        amount=rial,
        currency=currency,
        callback_url=callback_url,
        description=description,
        order_id=order_id,
        payer=payer_of({**document, **metadata}, [card] if card else []),
        wages=_wages(wages, rial, currency) if wages else (),
    )


def _currency(document: Mapping[str, Any], wrong: dict[str, str]) -> Currency:
    text = text_of(document.get("currency")).upper() or Currency.IRR
    if text not in set(Currency):
        wrong["currency"] = "The selected currency is invalid."
        return Currency.IRR
    return Currency(text)


def _metadata(given: object) -> dict[str, Any]:
    """An object; some clients send it as a list of keys and values."""
    if isinstance(given, list):
        pairs = [each for each in given if isinstance(each, dict)]
        return {text_of(each.get("key")): each.get("value") for each in pairs}
    return given if isinstance(given, dict) else {}


def _callback(
    document: Mapping[str, Any], shop: ShopSettings, wrong: dict[str, str]
) -> tuple[str, bool]:
    """The address, and whether it is right but for its host."""
    url = text_of(document.get("callback_url"))
    if not url:
        wrong["callback_url"] = "The callback url field is required."
        return "", False
    try:
        return checked_return_url(url, shop), False
    except ForeignHost:
        return "", True
    except ValueError as error:
        wrong["callback_url"] = f"The callback url {error}."
        return "", False


def _wages(wages: object, rial: int, currency: Currency) -> tuple[Split, ...]:
    """At most five parts of 10,000 rial or more, together at most 99 % of the amount."""
    if not isinstance(wages, list) or not all(isinstance(wage, dict) for wage in wages):
        raise Refused(INVALID, wages="The wages must be an array.")
    if len(wages) > WAGES_MAX:
        raise Refused(WAGES_TOO_MANY)
    parts = []
    for wage in wages:
        iban, amount = text_of(wage.get("iban")), whole_of(wage.get("amount"))
        if not IBAN.fullmatch(iban):
            raise Refused(INVALID, wages="The wages iban format is invalid.")
        parts.append(Split(iban=iban, amount=to_rial(amount or 0, currency)))
    if min(part.amount for part in parts) < WAGE_MIN:
        raise Refused(WAGE_TOO_SMALL)
    if sum(part.amount for part in parts) * 100 > rial * WAGES_PERCENT_MAX:
        raise Refused(WAGES_OVER)
    return tuple(parts)


def amount_of(payment: Payment) -> int:
    """The amount in the currency that the shop asked for it in."""
    return from_rial(payment.amount, payment.currency)


# --- answers


def done(data: Mapping[str, Any]) -> web.Response:
    """It went well."""
    return json_answer({"data": data, "errors": []})


def failed(refused: Refused) -> web.Response:
    """It did not."""
    code = refused.code
    validations = [{field: text} for field, text in refused.validations.items()]
    errors = {"code": code, "message": MESSAGES[code], "validations": validations}
    status = _STATUS.get(code, 401)
    headers = {"Retry-After": "5"} if code in {TOO_MANY, NOT_KNOWN} else {}
    return json_answer({"data": [], "errors": errors}, status, headers)


def requested(authority: str) -> dict[str, Any]:
    """The data of a new payment."""
    return {
        "code": 100,
        "message": "Success",
        "authority": authority,
        "fee_type": "Merchant",
        "fee": 0,
    }


def verified(payment: Payment, *, first: bool) -> dict[str, Any]:
    """The data of a verified payment; the same on every repeat but for the code."""
    kept = payment.kept
    card = (kept.card if kept else None) or ""
    return {
        "code": 100 if first else 101,
        "message": "Paid" if first else "Verified",
        "card_hash": hashlib.sha256(card.encode()).hexdigest().upper() if card else "",
        "card_pan": card,
        "ref_id": payment.number,
        "fee_type": "Merchant",
        "fee": 0,
        "shaparak_fee": "0",
        "order_id": payment.order_id or None,
        "wages": [
            {"iban": part.iban, "amount": from_rial(part.amount, payment.currency)}
            for part in payment.splits
        ],
    }


def inquired(payment: Payment, standing: Standing) -> dict[str, Any]:
    """The data of an inquiry."""
    return {
        "status": _WORDS[standing],
        "code": 100,
        "message": "Success",
        "amount": amount_of(payment),
    }


def unverified_row(payment: Payment, authority: str) -> dict[str, Any]:
    """One payment in the list of what is paid and waits for its shop."""
    scheme, _, rest = payment.return_url.partition("://")
    created = datetime.fromtimestamp(payment.created_ms / 1000, UTC).astimezone(TEHRAN)
    return {
        "authority": authority,
        "amount": amount_of(payment),
        "callback_url": payment.return_url,
        "referer": f"{scheme}://{re.split('[/?]', rest, maxsplit=1)[0]}/",
        "date": f"{created:%Y-%m-%d %H:%M:%S}",
    }
