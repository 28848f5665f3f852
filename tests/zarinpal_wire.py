"""What ZarinPal's documents print: an order, an authority, answers in both shapes."""

from typing import Any

from gatewayd.core.secret import Secret
from gatewayd.core.terms import (
    Claim,
    CodeClass,
    Order,
    Payer,
    Receipt,
)
from gatewayd.gateways.zarinpal import Zarinpal

MERCHANT = "11111111-2222-3333-4444-555555555555"
AUTHORITY = "A0000000000000000000000000000wwOGYpd"
ABOUT = {"merchant_id": MERCHANT, "authority": AUTHORITY}
HASH = "1EBE3EBEBE35C7EC0F8D6EE4F2F859107A87822CA179BC9528767EA7B5489B69"

ZARINPAL = Zarinpal(merchant_id=MERCHANT)
REFUNDING = Zarinpal(merchant_id=MERCHANT, access_token=Secret("t0ken"), terminal_id="238")
ORDER = Order(
    bank_order=100045,
    amount=150_000,
    callback_url="https://shop.example/pay/zarinpal/return?pid=8841",
    made_at=1_739_284_866.0,
    description="Order 100045",
    payer=Payer(mobile="09120000000", email="a@shop.example"),
)
RECEIPT = Receipt(bank_order=100045, ref_num="59421827101", card="502229******5995")
NOK = Claim(outcome=CodeClass.CANCELLED, code="NOK", token=AUTHORITY)


def verified(code: Any, **other: Any) -> dict[str, Any]:
    data = {
        "code": code,
        "message": "Paid",
        "card_hash": HASH,
        "card_pan": "502229******5995",
        "ref_id": 59421827101,
        "fee_type": "Merchant",
        "fee": 0,
        "shaparak_fee": "1200",
        "order_id": "100045",
        "wages": [],
    }
    return {"data": data | other, "errors": []}


def error(code: Any, message: str = "no", **other: Any) -> dict[str, Any]:
    return {"data": [], "errors": {"code": code, "message": message, "validations": []} | other}
