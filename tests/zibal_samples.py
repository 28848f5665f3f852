"""Zibal's words, captured and documented: requests and answers of one sample payment."""

from dataclasses import replace
from typing import Any

from gatewayd.core.secret import Secret
from gatewayd.core.terms import (
    Order,
    Payer,
    Receipt,
    Redirect,
    Split,
)
from gatewayd.gateways.zibal import Zibal

ZIBAL = Zibal(merchant="zibal")
RICH = replace(ZIBAL, access_token=Secret("key-of-the-platform"), account_id="1234")
TOKEN = "3714061657"
ORDER = Order(
    bank_order=100_045,
    amount=200_000,
    callback_url="https://shop.example/pay/zibal/return",
    made_at=0,
    description="Order 100045",
    payer=Payer(mobile="09120000000"),
    splits=(Split(iban="IR000000000000000000000000", amount=50_000),),
)
VERIFIED: dict[str, Any] = {
    "message": "success",
    "result": 100,
    "refNumber": 401_512_345_678,
    "paidAt": "2024-08-16T21:47:16.541000",
    "status": 1,
    "amount": 200_000,
    "orderId": "100045",
    "description": "Order 100045",
    "cardNumber": "62741****44",
    "multiplexingInfos": [],
}
CAPTURED: dict[str, Any] = {
    **VERIFIED,
    **dict.fromkeys(("refNumber", "cardNumber")),
    **dict.fromkeys(("orderId", "description"), ""),
    "amount": 25_000,
}
INQUIRED: dict[str, Any] = {
    **CAPTURED,
    "verifiedAt": "2024-08-16T21:47:50.629000",
    "wage": 0,
    "shaparakFee": 1_200,
    "createdAt": "2024-08-16T21:45:02.686000",
}
RECEIPT = Receipt(
    amount=200_000,
    bank_order=100_045,
    ref_num=TOKEN,
    rrn="401512345678",
    card="62741******44",
)
BARE = Receipt(amount=25_000, ref_num=TOKEN)
REDIRECT = Redirect(token=TOKEN, url="https://gateway.zibal.ir/start/3714061657", method="get")
