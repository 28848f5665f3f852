"""The Mellat driver says on the wire what the bank reads, and reads what the bank says."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
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
from gatewayd.gateways.contract import Inquirable, Refundable, Reversible, Settleable
from gatewayd.gateways.mellat import Mellat
from tests.playbook import play, soap_answer

NAMESPACE = "http://interfaces.core.sw.bps.com/"
TOKEN = "5D1F0A77C2E94B36"
REFERENCE = "214370985512"
MELLAT = Mellat(terminal_id=7654321, username="shop01", password=Secret("12345678"))
ORDER = Order(
    bank_order=1000000042,
    amount=150_000,
    callback_url="https://shop.example.ir/ipg/mellat/callback",
    made_at=datetime(2025, 2, 11, 14, 41, 6, tzinfo=UTC).timestamp(),
)
LOGIN = {"terminalId": 7654321, "userName": "shop01", "userPassword": "12345678"}
SALE = LOGIN | {"orderId": 1000000042, "saleOrderId": 1000000042, "saleReferenceId": REFERENCE}
PAY = LOGIN | {
    "orderId": 1000000042,
    "amount": 150_000,
    "localDate": "20250211",
    "localTime": "181106",
    "additionalData": "",
    "callBackUrl": "https://shop.example.ir/ipg/mellat/callback",
    "payerId": "0",
}
CLAIM = Claim(outcome=CodeClass.OK, code="0", token=TOKEN, reference=REFERENCE)
RECEIPT = Receipt(ref_num=REFERENCE)
SUCCESS = {
    "RefId": TOKEN,
    "ResCode": "0",
    "SaleOrderId": "1000000042",
    "SaleReferenceId": REFERENCE,
    "CardHolderInfo": "9F2C5A0B7D41E8633A90C1D27B55E40F8A6E1B3C9D7F20415566778899AABBCC",
    "CardHolderPan": "610433******5678",
    "FinalAmount": "150000",
}
HTML = "<html><head><title>503</title></head><body>Service Unavailable</body></html>"


def said(operation: str, text: str) -> bytes:
    return soap_answer(f"{operation}Response", {"return": text}, NAMESPACE)


def fault(code: str, text: str) -> str:
    return (
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        f"<soap:Fault><faultcode>soap:{code}</faultcode><faultstring>{text}</faultstring>"
        "</soap:Fault></soap:Body></soap:Envelope>"
    )


# --- the token


def test_a_token_request_has_ten_fields_in_the_order_of_the_wsdl() -> None:
    play(MELLAT.start(ORDER)).calls(
        "POST",
        "https://bpm.shaparak.ir/pgwchannel/services/pgw",
        PAY,
        soap="bpPayRequest",
        headers={"SOAPAction": '""', "Content-Type": "text/xml; charset=utf-8"},
    ).replies(200, said("bpPayRequest", f"0,{TOKEN}")).returns(
        Redirect(
            token=TOKEN,
            url="https://bpm.shaparak.ir/pgwchannel/startpay.mellat",
            method="post",
            fields={"RefId": TOKEN},
        )
    )


def test_the_operation_is_in_the_namespace_and_its_children_are_in_none() -> None:
    body = ET.fromstring(next(MELLAT.start(ORDER)).body)[0]
    assert [f"{{{NAMESPACE}}}bpPayRequest"] == [element.tag for element in body]
    assert list(PAY) == [element.tag for element in body[0]]


def test_another_base_address_moves_the_service_and_the_page() -> None:
    simulated = replace(MELLAT, base_url="http://127.0.0.1:9100/mellat")
    assert ("http://127.0.0.1:9100/mellat",) == simulated.base_urls
    redirect = Redirect(
        token="a",
        url="http://127.0.0.1:9100/mellat/pgwchannel/startpay.mellat",
        method="post",
        fields={"RefId": "a"},
    )
    play(simulated.start(ORDER)).calls(
        "POST", "http://127.0.0.1:9100/mellat/pgwchannel/services/pgw"
    ).replies(200, said("bpPayRequest", "0,a")).returns(redirect)


@pytest.mark.parametrize(
    ("made_at", "local"),
    [
        (datetime(2025, 2, 11, 20, 45, tzinfo=UTC), ("20250212", "001500")),
        (datetime(2025, 7, 1, 5, 30, 9, tzinfo=UTC), ("20250701", "090009")),
        (datetime(2025, 12, 31, 20, 29, 59, tzinfo=UTC), ("20251231", "235959")),
    ],
)
def test_date_and_time_are_tehran_s_and_always_eight_and_six_digits(
    made_at: datetime, local: tuple[str, str]
) -> None:
    order = replace(ORDER, made_at=made_at.timestamp())
    fields = PAY | {"localDate": local[0], "localTime": local[1]}
    play(MELLAT.start(order)).calls("POST", "…/pgw", fields, soap="bpPayRequest").replies(
        200, said("bpPayRequest", "34")
    ).returns(Refusal(cause=CodeClass.GATEWAY, code="34"))


def test_texts_are_escaped_cut_and_freed_of_what_xml_cannot_hold() -> None:
    order = replace(
        ORDER,
        callback_url="https://shop.example.ir/back?a=1&b=<2>",
        description="خرید\x00\x0b & <b>" + "x" * 2000,
    )
    body = next(MELLAT.start(order)).body
    assert b"back?a=1&amp;b=&lt;2&gt;</callBackUrl>" in body
    sent = ET.fromstring(body).findtext(".//additionalData") or ""
    assert "خرید & <b>" in sent
    assert 990 < len(sent) <= 1000


@pytest.mark.parametrize(
    ("mobile", "sent"),
    [("09123456789", {"mobileNo": "989123456789"}), ("0912", {}), ("+989123456789", {})],
)
def test_a_mobile_goes_as_98_and_ten_digits_or_not_at_all(
    mobile: str, sent: dict[str, str]
) -> None:
    order = replace(ORDER, payer=Payer(mobile=mobile))
    play(MELLAT.start(order)).calls("POST", "…/pgw", PAY | sent, soap="bpPayRequest").replies(
        200, said("bpPayRequest", "34")
    ).returns(Refusal(cause=CodeClass.GATEWAY, code="34"))


@pytest.mark.parametrize(
    ("answer", "token"),
    [
        ("0,923C8C729C825473", "923C8C729C825473"),
        ("0, AF82041a2Bf6989c7fF9 ", "AF82041a2Bf6989c7fF9"),
        (" 0 ,5D1F0A77C2E94B36", "5D1F0A77C2E94B36"),
    ],
)
def test_a_token_is_trimmed_and_keeps_its_case(answer: str, token: str) -> None:
    play(MELLAT.start(ORDER)).calls("POST", "…/pgw").replies(
        200, said("bpPayRequest", answer)
    ).returns(
        Redirect(
            token=token,
            url="https://bpm.shaparak.ir/pgwchannel/startpay.mellat",
            method="post",
            fields={"RefId": token},
        )
    )


def test_an_error_has_no_comma() -> None:
    play(MELLAT.start(ORDER)).calls("POST", "…/pgw").replies(
        200, said("bpPayRequest", "41")
    ).returns(Refusal(cause=CodeClass.OUR_FAULT, code="41"))


def test_a_wrong_type_is_our_fault_and_any_other_fault_is_not_knowing() -> None:
    text = 'Unmarshalling Error: For input string: "INV-42" '
    play(MELLAT.start(ORDER)).calls("POST", "…/pgw").replies(500, fault("Client", text)).returns(
        Refusal(cause=CodeClass.OUR_FAULT, code="soap:Client")
    )
    play(MELLAT.start(ORDER)).calls("POST", "…/pgw").replies(
        500, fault("Server", "no database")
    ).malformed("SOAP fault")
    play(MELLAT.verify(ORDER, TOKEN, CLAIM)).calls("POST", "…/pgw").replies(
        500, fault("Client", text)
    ).malformed("SOAP fault")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML.encode(),
        b"<!DOCTYPE html>" + HTML.encode(),
        b"0,5D1F0A77C2E94B36",
        b'{"ResCode": "0"}',
        said("bpPayRequest", ""),
        said("bpPayRequest", ","),
        said("bpPayRequest", "0"),
        said("bpPayRequest", "0,"),
        said("bpPayRequest", "0, "),
        said("bpPayRequest", "0," + "A" * 100),
        said("bpVerifyRequest", f"0,{TOKEN}"),
        soap_answer("bpPayRequestResponse", {}),
        said("bpPayRequest", f"0,{TOKEN}").decode().encode("utf-16"),
        said("bpPayRequest", f"0,{TOKEN}")[:-40],
    ],
)
def test_what_is_not_of_the_documented_shape_is_malformed(body: bytes) -> None:
    play(MELLAT.start(ORDER)).calls("POST", "…/pgw").replies(200, body).malformed()


# --- the return


def test_a_successful_return_is_read_whole() -> None:
    assert Claim(
        outcome=CodeClass.OK,
        code="0",
        token=TOKEN,
        bank_order=1000000042,
        amount=150_000,
        reference=REFERENCE,
        card="610433******5678",
    ) == MELLAT.read_return(SUCCESS)


def test_the_manual_s_five_stars_are_a_card_too() -> None:
    claim = MELLAT.read_return(SUCCESS | {"CardHolderPan": "610433*****5678"})
    assert claim.card == "610433******5678"


@pytest.mark.parametrize("reference", [{}, {"SaleReferenceId": ""}, {"SaleReferenceId": "0"}])
@pytest.mark.parametrize(
    ("code", "outcome"),
    [("17", CodeClass.CANCELLED), ("12", CodeClass.DECLINED), ("415", CodeClass.CANCELLED)],
)
def test_a_failed_return_leaves_out_or_empties_what_it_likes(
    code: str, outcome: CodeClass, reference: dict[str, str]
) -> None:
    fields = {"RefId": TOKEN, "ResCode": code, "SaleOrderId": "1000000042", **reference}
    expected = Claim(outcome=outcome, code=code, token=TOKEN, bank_order=1000000042)
    assert expected == MELLAT.read_return(fields)
    assert expected == MELLAT.read_return(fields | {"CardHolderPan": "", "FinalAmount": ""})


def test_names_are_read_in_any_case_and_the_token_s_case_is_kept() -> None:
    fields = {"refid": "aBcD", "RESCODE": " 0 ", "saleOrderId": "7", "salereferenceid": "5,512"}
    assert Claim(
        outcome=CodeClass.OK, code="0", token="aBcD", bank_order=7, reference="5512"
    ) == MELLAT.read_return(fields)


@pytest.mark.parametrize(
    "reference", ["", "0", "-5", "abc", "12; DROP", str(2**63), "9" * 30, "1e5", "12.0"]
)
def test_a_success_without_a_usable_reference_says_nothing_usable(reference: str) -> None:
    claim = MELLAT.read_return(SUCCESS | {"SaleReferenceId": reference})
    assert (CodeClass.UNKNOWN, None) == (claim.outcome, claim.reference)


@pytest.mark.parametrize(
    "spelling",
    ["0214370985512", "+214370985512", " 214370985512", "۲۱۴۳۷۰۹۸۵۵۱۲", "214,370,985,512"],
)
def test_other_spellings_of_a_reference_are_the_same_reference(spelling: str) -> None:
    assert MELLAT.read_return(SUCCESS | {"SaleReferenceId": spelling}).reference == REFERENCE


@pytest.mark.parametrize("code", [None, "", "00", "999", "43"])
def test_a_reference_beside_a_code_that_says_nothing_is_asked_about(code: str | None) -> None:
    fields = {name: value for name, value in SUCCESS.items() if name != "ResCode"}
    claim = MELLAT.read_return(fields if code is None else fields | {"ResCode": code})
    assert (CodeClass.OK, REFERENCE) == (claim.outcome, claim.reference)


def test_an_empty_return_says_nothing_usable() -> None:
    assert Claim(outcome=CodeClass.UNKNOWN) == MELLAT.read_return({})


@given(
    st.dictionaries(
        st.one_of(st.sampled_from([*SUCCESS, "saleorderid", "rescode"]), st.text()),
        st.one_of(st.text(), st.sampled_from(["0", "17", "43", "150,000", "9" * 400])),
    )
)
def test_any_return_gives_a_claim_and_never_a_full_card(fields: Mapping[str, str]) -> None:
    claim = MELLAT.read_return(fields)
    assert claim.card is None or "******" in claim.card
    assert claim.reference is None or 0 < int(claim.reference) < 2**63
    assert claim.outcome is not CodeClass.OK or claim.reference


# --- verify, settle, reverse, inquire


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("0", RECEIPT),
        ("43", replace(RECEIPT, already=True)),
        ("45", replace(RECEIPT, already=True)),
        ("48", Refusal(cause=CodeClass.NOT_PAID, code="48")),
        ("42", Refusal(cause=CodeClass.NOT_PAID, code="42")),
        ("415", Refusal(cause=CodeClass.UNKNOWN, code="415")),
        ("34", Refusal(cause=CodeClass.GATEWAY, code="34")),
        ("12", Refusal(cause=CodeClass.DECLINED, code="12")),
        ("00", Refusal(cause=CodeClass.UNKNOWN, code="00")),
        ("9999", Refusal(cause=CodeClass.UNKNOWN, code="9999")),
    ],
)
def test_a_verify_asks_about_our_own_order_and_the_returned_reference(
    code: str, outcome: Receipt | Refusal
) -> None:
    claim = replace(CLAIM, bank_order=666)
    play(MELLAT.verify(ORDER, TOKEN, claim)).calls(
        "POST", "…/pgwchannel/services/pgw", SALE, soap="bpVerifyRequest"
    ).replies(200, said("bpVerifyRequest", code)).returns(outcome)


@pytest.mark.parametrize("claim", [None, Claim(outcome=CodeClass.OK)])
def test_without_a_reference_nothing_is_asked_and_nothing_is_known(claim: Claim | None) -> None:
    unknown = Refusal(cause=CodeClass.UNKNOWN, code="", message="the bank's reference is not known")
    play(MELLAT.verify(ORDER, TOKEN, claim)).returns(unknown)
    play(MELLAT.inquire(ORDER, TOKEN, claim)).returns(unknown)
    play(MELLAT.settle(ORDER, TOKEN, Receipt())).returns(unknown)
    play(MELLAT.reverse(ORDER, TOKEN, Receipt())).returns(unknown)
    play(MELLAT.refund(ORDER, TOKEN, Receipt(), 1, 2)).returns(unknown)
    play(MELLAT.inquire_refund(ORDER, TOKEN, RECEIPT, 1, 2, None)).returns(unknown)
    play(MELLAT.inquire_refund(ORDER, TOKEN, RECEIPT, 1, 2, GivenBack())).returns(unknown)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("0", RECEIPT),
        ("45", replace(RECEIPT, already=True)),
        ("48", Refusal(cause=CodeClass.NOT_PAID, code="48")),
        ("61", Refusal(cause=CodeClass.GATEWAY, code="61")),
        ("34", Refusal(cause=CodeClass.GATEWAY, code="34")),
        ("43", Refusal(cause=CodeClass.UNKNOWN, code="43")),
        ("42", Refusal(cause=CodeClass.UNKNOWN, code="42")),
    ],
)
def test_a_settle_takes_what_was_verified(code: str, outcome: Receipt | Refusal) -> None:
    verified = replace(RECEIPT, already=True)  # by a verify that had been lost
    play(MELLAT.settle(ORDER, TOKEN, verified)).calls(
        "POST", "…/pgw", SALE, soap="bpSettleRequest"
    ).replies(200, said("bpSettleRequest", code)).returns(outcome)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("0", GivenBack()),
        ("48", GivenBack(already=True)),
        ("45", Refusal(cause=CodeClass.UNKNOWN, code="45")),
        ("42", Refusal(cause=CodeClass.UNKNOWN, code="42")),
        ("44", Refusal(cause=CodeClass.OUR_FAULT, code="44")),
    ],
)
def test_a_reverse_gives_back_what_is_not_settled(code: str, outcome: GivenBack | Refusal) -> None:
    play(MELLAT.reverse(ORDER, TOKEN, RECEIPT)).calls(
        "POST", "…/pgw", SALE, soap="bpReversalRequest"
    ).replies(200, said("bpReversalRequest", code)).returns(outcome)


@pytest.mark.parametrize(
    ("code", "finding"),
    [
        ("0", Finding.VERIFIED),
        ("43", Finding.VERIFIED),
        ("45", Finding.VERIFIED),
        ("48", Finding.REVERSED),
        ("44", Finding.UNKNOWN),
        ("46", Finding.UNKNOWN),
        ("415", Finding.UNKNOWN),
    ],
)
def test_an_inquiry_finds_where_the_sale_stands(code: str, finding: Finding) -> None:
    play(MELLAT.inquire(ORDER, TOKEN, CLAIM)).calls(
        "POST", "…/pgw", SALE, soap="bpInquiryRequest"
    ).replies(200, said("bpInquiryRequest", code)).returns(
        Inquiry(finding=finding, receipt=RECEIPT, reference=REFERENCE)
    )


def test_an_inquiry_that_finds_no_such_sale_denies_the_claim_and_not_the_attempt() -> None:
    play(MELLAT.inquire(ORDER, TOKEN, CLAIM)).calls("POST", "…/pgw").replies(
        200, said("bpInquiryRequest", "42")
    ).returns(Refusal(cause=CodeClass.NOT_PAID, code="42"))


# --- refunds


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("0,5142899", GivenBack(reference="5142899")),
        ("0, 5142511", GivenBack(reference="5142511")),
        ("0", GivenBack()),
        ("12", Refusal(cause=CodeClass.MERCHANT_CONFIG, code="12")),
        ("19", Refusal(cause=CodeClass.OUR_FAULT, code="19")),
        ("42", Refusal(cause=CodeClass.NOT_PAID, code="42")),
        ("48", Refusal(cause=CodeClass.NOT_PAID, code="48")),
        ("46", Refusal(cause=CodeClass.UNKNOWN, code="46")),
    ],
)
def test_a_refund_has_a_number_of_its_own_and_an_amount(
    answer: str, outcome: GivenBack | Refusal
) -> None:
    fields = SALE | {"orderId": 2000000001, "refundAmount": 50_000}
    play(MELLAT.refund(ORDER, TOKEN, RECEIPT, 50_000, 2000000001)).calls(
        "POST", "…/pgw", fields, soap="bpRefundRequest"
    ).replies(200, said("bpRefundRequest", answer)).returns(outcome)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("0", GivenBack(reference="5142899")),
        ("49", Refusal(cause=CodeClass.NOT_PAID, code="49")),
        ("34", Refusal(cause=CodeClass.GATEWAY, code="34")),
    ],
)
def test_a_refund_is_asked_for_by_both_numbers(code: str, outcome: GivenBack | Refusal) -> None:
    fields = LOGIN | {
        "orderId": 2000000001,
        "refundOrderId": 2000000001,
        "refundReferenceId": "5142899",
    }
    given_back = GivenBack(reference="5142899")
    play(MELLAT.inquire_refund(ORDER, TOKEN, RECEIPT, 50_000, 2000000001, given_back)).calls(
        "POST", "…/pgw", fields, soap="bpRefundInquiryRequest"
    ).replies(200, said("bpRefundInquiryRequest", code)).returns(outcome)


# --- promises


def test_the_powers_are_those_that_the_traits_promise() -> None:
    traits = MELLAT.traits
    assert (True, True, 3 * 3600) == (traits.settles, traits.refunds, traits.reverse_within_seconds)
    assert (Ask.NOTHING, AddressedBy.REFERENCE) == (traits.ask, traits.addressed_by)
    assert (IfUnverified.AUTO_REVERSE, 20 * 60) == (traits.unverified, traits.verify_within_seconds)
    assert traits.first_already is FirstAlready.REVIEW
    for power in (Settleable, Reversible, Inquirable, Refundable):
        assert isinstance(MELLAT, power)


def test_the_password_is_hidden_everywhere_but_on_the_wire() -> None:
    assert "12345678" not in repr(MELLAT)
    assert b"<userPassword>12345678</userPassword>" in next(MELLAT.start(ORDER)).body
