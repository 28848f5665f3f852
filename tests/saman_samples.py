"""Saman's documented words: requests, answers and returns of one sample payment."""

from typing import Any

from gatewayd.core.terms import (
    Claim,
    CodeClass,
    Order,
    Payer,
    Receipt,
    Redirect,
)
from gatewayd.gateways.saman import Saman

SAMAN = Saman(terminal_id="13579246")
TOKEN = "5f0c1d7e9ab24c3f8e6d21b0a4c97f13"
REF_NUM = "GmshtyjwKSu/lKOLquYrzO9BqjUMb+"
SHA256 = "04bad0cbbc112097e589c55ffa968dd236c2deefcf18fad9a37807aa560fb96d"
ORDER = Order(
    bank_order=100_000_042,
    amount=150_000,
    callback_url="https://shop.example.ir/ipg/saman/callback",
    made_at=0,
    payer=Payer(mobile="09120000000"),
)
START = {
    "action": "token",
    "TerminalId": "13579246",
    "Amount": 150_000,
    "ResNum": "100000042",
    "RedirectUrl": "https://shop.example.ir/ipg/saman/callback",
    "CellNumber": "9120000000",
    "TokenExpiryInMin": 20,
}
DETAIL = {
    "RRN": "160488213307",
    "RefNum": REF_NUM,
    "MaskedPan": "621986****9007",
    "HashedPan": SHA256,
    "TerminalNumber": 13_579_246,
    "OrginalAmount": 150_000,
    "AffectiveAmount": 150_000,
    "StraceDate": "2025-02-11 18:11:06",
    "StraceNo": "204613",
}
RECEIPT = Receipt(
    amount=150_000,
    terminal="13579246",
    ref_num=REF_NUM,
    rrn="160488213307",
    trace_no="204613",
    card="621986******9007",
)
RETURNED = {
    "MID": "13579246",
    "TerminalId": "13579246",
    "State": "OK",
    "Status": "2",
    "Rrn": "160488213307",
    "RefNum": REF_NUM,
    "ResNum": "100000042",
    "TraceNo": "204613",
    "Amount": "150000",
    "Wage": "",
    "SecurePan": "621986******9007",
    "HashedCardNumber": SHA256,
    "Token": TOKEN,
}
CLAIM = Claim(
    outcome=CodeClass.OK,
    code="2",
    token=TOKEN,
    bank_order=100_000_042,
    amount=150_000,
    reference=REF_NUM,
    terminal="13579246",
    rrn="160488213307",
    trace_no="204613",
    card="621986******9007",
)
REDIRECT = Redirect(
    token=TOKEN,
    url="https://sep.shaparak.ir/OnlinePG/OnlinePG",
    method="post",
    fields={"Token": TOKEN, "GetMethod": ""},
)


def verified(code: Any, detail: object = None, *, success: bool | None = None) -> dict[str, Any]:
    """An answer to verify or reverse."""
    return {
        "TransactionDetail": detail,
        "ResultCode": code,
        "ResultDescription": "متن",
        "Success": (code == 0) if success is None else success,
    }
