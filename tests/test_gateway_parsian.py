"""The Parsian driver says on the wire what the bank reads, and reads what the bank says."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    Order,
    Payer,
    Receipt,
    Redirect,
    Refusal,
)
from gatewayd.gateways.contract import Refundable, Reversible, Settleable
from gatewayd.gateways.parsian import Parsian
from gatewayd.gateways.wire import lenient_int
from tests.playbook import play

SALE = "https://pec.Shaparak.ir/NewIPGServices/Sale/SaleService"
CONFIRM = "https://pec.Shaparak.ir/NewIPGServices/Confirm/ConfirmService"
REVERSAL = "https://pec.Shaparak.ir/NewIPGServices/Reversal/ReversalService"
PIN = "aB3dE5fG7hJ9kL1mN2pQ"
PARSIAN = Parsian(pin=Secret(PIN))
REPORTED = replace(PARSIAN, report_user="report01", report_password=Secret("S3cret-pass"))
TOKEN = "418820553"
RRN = "718204415937"
ORDER = Order(
    bank_order=1000000042,
    amount=150_000,
    callback_url="https://shop.example.ir/ipg/parsian/callback",
    made_at=1_739_285_466.0,
    payer=Payer(mobile="09120000000"),
)
SUCCESS = {
    "Token": TOKEN,
    "OrderId": "1000000042",
    "TerminalNo": "44512345",
    "RRN": RRN,
    "status": "0",
    "HashCardNumber": "4F1A6B0C9D3E58277C61B0A9E2D4F38855AA1177CC3399EE0011223344556677",
    "Amount": "150,000",
    "SwAmount": "",
    "STraceNo": "55018",
}
ROW: dict[str, Any] = {
    "LoginAccount": PIN,
    "WebSiteAddress": "https://shop.example.ir",
    "OrderId": 1000000042,
    "Amount": 150_000,
    "Token": 418820553,
    "CardNumber": "627412******0417",
    "PGWStatusId": 0,
    "RequestDateTime": "2025-02-11T18:11:06.31",
    "RRN": 718204415937,
    "PTraceNo": 55018,
    "ClientIPAddress": "203.0.113.7",
}
FAULT = (
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
    "<soap:Fault><faultcode>soap:Client</faultcode></soap:Fault></soap:Body></soap:Envelope>"
)


def said(namespace: str, operation: str, result: str) -> str:
    """An answer as the bank writes it: one default namespace on the response."""
    return (
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        f'<{operation}Response xmlns="{namespace}"><{operation}Result>{result}</{operation}Result>'
        f"</{operation}Response></soap:Body></soap:Envelope>"
    )


def sold(status: str, token: str = "0", message: str = "<Message>سفارش تکراری</Message>") -> str:
    return said(
        SALE, "SalePaymentRequest", f"<Token>{token}</Token>{message}<Status>{status}</Status>"
    )


def confirmed(status: str, rest: str = f"<RRN>0</RRN><Token>{TOKEN}</Token>") -> str:
    return said(CONFIRM, "ConfirmPaymentWithAmount", f"<Status>{status}</Status>{rest}")


# --- the token


def test_a_sale_has_the_fields_of_the_wsdl_in_their_order() -> None:
    play(PARSIAN.start(ORDER)).calls(
        "POST",
        "https://pec.shaparak.ir/NewIPGServices/Sale/SaleService.asmx",
        {
            "LoginAccount": PIN,
            "Amount": 150_000,
            "OrderId": 1000000042,
            "CallBackUrl": "https://shop.example.ir/ipg/parsian/callback",
            "AdditionalData": "",
            "Originator": "09120000000",
        },
        soap="SalePaymentRequest",
        headers={
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": '"https://pec.Shaparak.ir/NewIPGServices/Sale/SaleService'
            '/SalePaymentRequest"',
        },
    ).replies(200, sold("0", TOKEN, "<Message>تایید شد</Message>")).returns(
        Redirect(
            token=TOKEN,
            url="https://pec.shaparak.ir/NewIPG/",
            method="get",
            fields={"Token": TOKEN},
        )
    )


@pytest.mark.parametrize(
    ("call", "namespace"),
    [
        (next(PARSIAN.start(ORDER)), SALE),
        (next(PARSIAN.verify(ORDER, TOKEN, None)), CONFIRM),
        (next(PARSIAN.reverse(ORDER, TOKEN, Receipt())), REVERSAL),
    ],
)
def test_every_element_is_in_the_namespace_with_the_capital(call: Any, namespace: str) -> None:
    operation = ET.fromstring(call.body)[0][0]
    data = operation[0]
    assert f"{{{namespace}}}requestData" == data.tag
    assert {namespace} == {element.tag[1:].partition("}")[0] for element in operation.iter()}
    name = operation.tag.partition("}")[2]
    assert f'"{namespace}/{name}"' == call.headers["SOAPAction"]


def test_an_address_with_a_query_is_escaped() -> None:
    order = replace(ORDER, callback_url="https://shop.example.ir/?a=1&b=2")
    assert b"<CallBackUrl>https://shop.example.ir/?a=1&amp;b=2<" in next(PARSIAN.start(order)).body


@pytest.mark.parametrize("token", ["0", "-1"])
def test_a_used_order_number_is_our_fault_with_the_bank_s_words(token: str) -> None:
    play(PARSIAN.start(ORDER)).calls("POST", "…").replies(200, sold("-112", token)).returns(
        Refusal(cause=CodeClass.OUR_FAULT, code="-112", message="سفارش تکراری")
    )


def test_an_error_may_come_without_message_and_token() -> None:
    answer = said(SALE, "SalePaymentRequest", "<Status>-126</Status>")
    play(PARSIAN.start(ORDER)).calls("POST", "…").replies(200, answer).returns(
        Refusal(cause=CodeClass.MERCHANT_CONFIG, code="-126")
    )


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html><body>Server Error in '/' Application.</body></html>",
        "<!DOCTYPE html><html></html>",
        sold("0", "0"),
        sold("0", "-1"),
        sold("0", ""),
        sold("0", "abc"),
        sold(""),
        sold("OK", TOKEN),
        said(SALE, "SalePaymentRequest", f"<Token>{TOKEN}</Token>"),
        said(SALE, "SalePaymentRequest", ""),
        confirmed("0"),
        FAULT,
    ],
)
def test_what_is_not_of_the_documented_shape_is_malformed(body: str) -> None:
    play(PARSIAN.start(ORDER)).calls("POST", "…").replies(500, body).malformed()


# --- the return


def test_a_successful_return_is_read_whole() -> None:
    assert Claim(
        outcome=CodeClass.OK,
        code="0",
        token=TOKEN,
        bank_order=1000000042,
        amount=150_000,
        terminal="44512345",
        rrn=RRN,
        trace_no="55018",
    ) == PARSIAN.read_return(SUCCESS)


def test_a_cancelled_return_brings_three_fields_only() -> None:
    assert Claim(
        outcome=CodeClass.CANCELLED, code="-138", token=TOKEN, bank_order=1000000042
    ) == PARSIAN.read_return({"Token": TOKEN, "OrderId": "1000000042", "status": "-138"})


def test_a_declined_return_has_no_rrn() -> None:
    declined = SUCCESS | {"RRN": "0", "status": "51", "HashCardNumber": "", "STraceNo": ""}
    assert Claim(
        outcome=CodeClass.DECLINED,
        code="51",
        token=TOKEN,
        bank_order=1000000042,
        amount=150_000,
        terminal="44512345",
    ) == PARSIAN.read_return(declined)


@pytest.mark.parametrize(
    ("rrn", "outcome"),
    [
        ({"RRN": RRN}, CodeClass.OK),
        ({"RRN": "0"}, CodeClass.NOT_PAID),
        ({"RRN": ""}, CodeClass.UNKNOWN),
        ({"RRN": "garbage"}, CodeClass.UNKNOWN),
        ({}, CodeClass.UNKNOWN),
    ],
)
@pytest.mark.parametrize("status", ["0", "8", "11"])
def test_an_approval_counts_only_with_an_rrn(
    status: str, rrn: dict[str, str], outcome: CodeClass
) -> None:
    fields = {"Token": TOKEN, "OrderId": "1000000042", "status": status, **rrn}
    assert outcome is PARSIAN.read_return(fields).outcome


@pytest.mark.parametrize("name", ["status", "Status", "STATUS"])
def test_names_are_read_in_any_case(name: str) -> None:
    claim = PARSIAN.read_return({"token": TOKEN, "ORDERID": "42", name: " -138 "})
    assert (CodeClass.CANCELLED, TOKEN, 42) == (claim.outcome, claim.token, claim.bank_order)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("150,000", 150_000), ("1,234,567", 1_234_567), ("", None), ("0", None), ("۱۵۰٬۰۰۰", 150_000)],
)
def test_amounts_are_read_with_their_separators(text: str, amount: int | None) -> None:
    assert amount == PARSIAN.read_return(SUCCESS | {"Amount": text}).amount
    assert (amount or 0) == (lenient_int(text) or 0)


def test_a_card_is_masked_where_a_client_s_return_has_one() -> None:
    claim = PARSIAN.read_return(SUCCESS | {"CardNumberMasked": "6274121234560417"})
    assert claim.card == "627412******0417"


def test_an_empty_return_says_nothing_usable() -> None:
    assert Claim(outcome=CodeClass.UNKNOWN) == PARSIAN.read_return({})


@given(
    st.dictionaries(
        st.one_of(st.sampled_from([*SUCCESS, "CardNumberMasked", "Status"]), st.text()),
        st.one_of(st.text(), st.sampled_from(["0", "-138", "2", "150,000", "9" * 400])),
    )
)
def test_any_return_gives_a_claim(fields: Mapping[str, str]) -> None:
    claim = PARSIAN.read_return(fields)
    assert claim.card is None or "******" in claim.card
    assert claim.outcome is not CodeClass.OK or int(claim.rrn or 0) > 0


# --- the confirm


PAID = (
    f"<CardNumberMasked>627412******0417</CardNumberMasked><RRN>{RRN}</RRN><Token>{TOKEN}</Token>"
)
RECEIPT = Receipt(token=TOKEN, ref_num=RRN, rrn=RRN, card="627412******0417")


@pytest.mark.parametrize("claim", [None, PARSIAN.read_return(SUCCESS | {"OrderId": "666"})])
def test_a_confirm_names_our_own_order_and_amount(claim: Claim | None) -> None:
    play(PARSIAN.verify(ORDER, TOKEN, claim)).calls(
        "POST",
        "https://pec.shaparak.ir/NewIPGServices/Confirm/ConfirmService.asmx",
        {"LoginAccount": PIN, "Token": TOKEN, "OrderId": 1000000042, "Amount": 150_000},
        soap="ConfirmPaymentWithAmount",
        headers={"SOAPAction": f'"{CONFIRM}/ConfirmPaymentWithAmount"'},
    ).replies(200, confirmed("0", PAID)).returns(RECEIPT)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (confirmed("0", f"<RRN>{RRN}</RRN><Token>{TOKEN}</Token>"), replace(RECEIPT, card=None)),
        (confirmed("-1533", PAID), replace(RECEIPT, already=True)),
        (confirmed("-1532", PAID), replace(RECEIPT, already=True)),
        (confirmed("-1506", PAID), replace(RECEIPT, already=True)),
        (confirmed("2"), Receipt(token=TOKEN, already=True)),
        (confirmed("-1533", "<RRN>0</RRN><Token>0</Token>"), Receipt(already=True)),
        (confirmed("-1533", "<RRN>0</RRN><Token>-1</Token>"), Receipt(already=True)),
        (confirmed("-1531"), Refusal(cause=CodeClass.NOT_PAID, code="-1531")),
        (confirmed("-131"), Refusal(cause=CodeClass.NOT_PAID, code="-131")),
        (confirmed("-130"), Refusal(cause=CodeClass.NOT_PAID, code="-130")),
        (confirmed("-1528"), Refusal(cause=CodeClass.NOT_PAID, code="-1528")),
        (confirmed("-1507"), Refusal(cause=CodeClass.NOT_PAID, code="-1507")),
        (confirmed("-1505"), Refusal(cause=CodeClass.UNKNOWN, code="-1505")),
        (confirmed("-1002"), Refusal(cause=CodeClass.GATEWAY, code="-1002")),
        (confirmed("8", PAID), Refusal(cause=CodeClass.UNKNOWN, code="8")),
        (confirmed("91"), Refusal(cause=CodeClass.ISSUER, code="91")),
        (confirmed("-127"), Refusal(cause=CodeClass.MERCHANT_CONFIG, code="-127")),
    ],
)
def test_a_confirm_is_read_by_its_status(answer: str, outcome: Receipt | Refusal) -> None:
    play(PARSIAN.verify(ORDER, TOKEN, None)).calls("POST", "…").replies(200, answer).returns(
        outcome
    )


@pytest.mark.parametrize(
    "answer",
    [
        confirmed("0"),
        confirmed("0", f"<Token>{TOKEN}</Token>"),
        confirmed("0", "<RRN>many</RRN>"),
        said(CONFIRM, "ConfirmPayment", f"<Status>0</Status>{PAID}"),
        "<html>",
    ],
)
def test_a_success_without_its_rrn_is_not_believed(answer: str) -> None:
    play(PARSIAN.verify(ORDER, TOKEN, None)).calls("POST", "…").replies(200, answer).malformed()


# --- the reversal


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("0", GivenBack()),
        ("-1551", GivenBack(already=True)),
        ("-1507", GivenBack(already=True)),
        ("-102", GivenBack(already=True)),
        ("-1549", Refusal(cause=CodeClass.UNKNOWN, code="-1549", message="دیر است")),
        ("-1550", Refusal(cause=CodeClass.UNKNOWN, code="-1550", message="دیر است")),
        ("-1528", Refusal(cause=CodeClass.UNKNOWN, code="-1528", message="دیر است")),
        ("-108", Refusal(cause=CodeClass.MERCHANT_CONFIG, code="-108", message="دیر است")),
        ("-1002", Refusal(cause=CodeClass.GATEWAY, code="-1002", message="دیر است")),
    ],
)
def test_a_reversal_is_at_reverse_and_in_reversal(
    status: str, outcome: GivenBack | Refusal
) -> None:
    answer = f"<Status>{status}</Status><Message>دیر است</Message><Token>{TOKEN}</Token>"
    play(PARSIAN.reverse(ORDER, TOKEN, RECEIPT)).calls(
        "POST",
        "https://pec.shaparak.ir/NewIPGServices/Reverse/ReversalService.asmx",
        {"LoginAccount": PIN, "Token": TOKEN},
        soap="ReversalRequest",
        headers={"SOAPAction": f'"{REVERSAL}/ReversalRequest"'},
    ).replies(200, said(REVERSAL, "ReversalRequest", answer)).returns(outcome)


# --- the report


def test_without_a_report_service_nobody_is_asked() -> None:
    play(PARSIAN.inquire(ORDER, TOKEN, None)).returns(
        Refusal(cause=CodeClass.UNKNOWN, code="", message="no report service configured")
    )
    assert ("https://pec.shaparak.ir",) == PARSIAN.base_urls
    assert ("https://pec.shaparak.ir", "https://pgwservices.pec.ir") == REPORTED.base_urls


@pytest.mark.parametrize("data", [ROW, [ROW]])
def test_the_report_is_asked_by_order_and_tells_all(data: object) -> None:
    play(REPORTED.inquire(ORDER, TOKEN, None)).calls(
        "POST",
        "https://pgwservices.pec.ir/api/PGWReport/GetPaymentInfoByOrderID",
        {"LoginAccount": PIN, "OrderId": "1000000042", "Token": ""},
        headers={
            "Content-Type": "application/json",
            "Authorization": "Basic cmVwb3J0MDE6UzNjcmV0LXBhc3M=",
        },
    ).replies(200, {"Data": data, "Status": 0, "Message": "تایید شد"}).returns(
        Inquiry(
            finding=Finding.VERIFIED,
            receipt=Receipt(
                amount=150_000,
                token=TOKEN,
                bank_order=1000000042,
                ref_num=RRN,
                rrn=RRN,
                trace_no="55018",
                card="627412******0417",
            ),
        )
    )


def test_one_client_s_bar_between_user_and_password_can_be_configured() -> None:
    call = next(replace(REPORTED, report_separator="|").inquire(ORDER, TOKEN, None))
    assert call.headers["Authorization"] == "Basic cmVwb3J0MDF8UzNjcmV0LXBhc3M="


@pytest.mark.parametrize(
    ("status", "finding"),
    [
        (-1506, Finding.VERIFIED),
        (-138, Finding.NOT_PAID),
        (-130, Finding.NOT_PAID),
        (-1531, Finding.NOT_PAID),
        (-1507, Finding.REVERSED),
        (-102, Finding.REVERSED),
        (-1500, Finding.PENDING),
        (-1502, Finding.PENDING),
        (-1504, Finding.UNKNOWN),
        (-1425, Finding.UNKNOWN),
        (-1533, Finding.UNKNOWN),
        (51, Finding.UNKNOWN),
        ("0", Finding.VERIFIED),
    ],
)
def test_a_finding_is_taken_from_the_payment_s_own_status(status: object, finding: Finding) -> None:
    row = {"PGWStatusId": status}
    play(REPORTED.inquire(ORDER, TOKEN, None)).calls("POST", "…").replies(
        200, {"Data": row, "Status": 0}
    ).returns(Inquiry(finding=finding))


def test_a_status_of_the_call_itself_is_a_refusal() -> None:
    play(REPORTED.inquire(ORDER, TOKEN, None)).calls("POST", "…").replies(
        200, {"Data": None, "Status": -1528, "Message": "یافت نشد"}
    ).returns(Refusal(cause=CodeClass.NOT_PAID, code="-1528"))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        {},
        {"Status": 0},
        {"Status": 0, "Data": None},
        {"Status": 0, "Data": []},
        {"Status": 0, "Data": [ROW, ROW]},
        {"Status": 0, "Data": "paid"},
        {"Status": 0, "Data": {}},
        {"Status": 0, "Data": ROW | {"Amount": "much"}},
        {"Status": 0, "Data": ROW | {"RRN": 1.5}},
        {"Status": None, "Data": ROW},
    ],
)
def test_any_other_report_is_malformed(document: Any) -> None:
    play(REPORTED.inquire(ORDER, TOKEN, None)).calls("POST", "…").replies(200, document).malformed()


# --- promises


def test_the_powers_are_those_that_the_traits_promise() -> None:
    traits = PARSIAN.traits
    assert (False, False) == (traits.settles, traits.refunds)
    assert (Ask.VERIFY, AddressedBy.TOKEN) == (traits.ask, traits.addressed_by)
    assert (15 * 60, 15 * 60) == (traits.token_life_seconds, traits.verify_within_seconds)
    assert IfUnverified.AUTO_REVERSE is traits.unverified
    assert FirstAlready.REVIEW is traits.first_already
    assert isinstance(PARSIAN, Reversible)
    assert not isinstance(PARSIAN, (Settleable, Refundable))


def test_a_contract_may_have_another_time_for_reversals_or_none() -> None:
    assert PARSIAN.traits.reverse_within_seconds == 15 * 60
    assert replace(PARSIAN, reverse_within_seconds=None).traits.reverse_within_seconds is None


def test_pin_and_password_are_hidden_everywhere_but_on_the_wire() -> None:
    assert PIN not in repr(REPORTED)
    assert "S3cret-pass" not in repr(REPORTED)
    assert f"<LoginAccount>{PIN}</LoginAccount>".encode() in next(REPORTED.start(ORDER)).body
