"""Mellat's bank in the simulator: tolerant in what it reads, exact in what it answers."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from gatewayd.core.terms import Operation, Redirect
from gatewayd.simulator.bank import State
from gatewayd.simulator.host import Trouble
from gatewayd.simulator.incoming import read_request
from gatewayd.simulator.payers import Decision, Outcome
from tests.banks import CALLBACK
from tests.mellat_bank import LOGIN, NAMESPACE, PAY, SERVICE, Mellat, sold
from tests.soap_bank import CANCELLED, ORIGIN, PAID, elements, envelope, leaves

# --- tokens


def test_a_token_is_sixteen_upper_case_hex_digits_behind_a_comma() -> None:
    bank = Mellat()
    reply = bank.reply("bpPayRequest", **PAY)
    assert (200, "text/xml; charset=utf-8") == (reply.status, reply.headers["content-type"])
    response = ET.fromstring(reply.body)[0][0]
    assert f"{{{NAMESPACE}}}bpPayRequestResponse" == response.tag
    assert ["return"] == [child.tag for child in response]
    code, _, token = (response[0].text or "").partition(",")
    assert ("0", 16, token.upper()) == (code, len(token), token)
    int(token, 16)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"terminalId": "7654320"}, "21"),
        ({"terminalId": None}, "21"),
        ({"userName": "shop02"}, "24"),
        ({"userPassword": "12345679"}, "24"),
        ({"userPassword": None}, "24"),
        ({"amount": "999"}, "25"),
        ({"amount": "-5"}, "25"),
        ({"orderId": "0"}, "32"),
        ({"localTime": "18:11:06"}, "32"),
        ({"localDate": "14031123"}, "35"),
        ({"localDate": "20251345"}, "35"),
        ({"localDate": "11 Feb"}, "35"),
        ({"localDate": None}, "35"),
        ({"callBackUrl": "shop.example"}, "62"),
        ({"callBackUrl": ""}, "62"),
    ],
)
def test_a_bad_request_gets_its_code_without_a_comma(changes: dict[str, Any], code: str) -> None:
    answer = Mellat().ask("bpPayRequest", **(PAY | changes))
    assert code == answer.partition(",")[0]
    assert (code == "0") == ("," in answer)


@pytest.mark.parametrize(
    "changes",
    [
        {"localTime": "91106"},
        {"orderId": "1234567890123456"},
        {"orderId": " 42 "},
        {"payerId": ""},
        {"payerId": None, "additionalData": None},
        {"mobileNo": "989123456789", "cartItem": "x", "somethingNew": "1"},
        {"additionalData": "خرید & <b>"},
    ],
)
def test_what_clients_really_send_is_read(changes: dict[str, Any]) -> None:
    assert Mellat().start(**changes)


def test_an_order_number_is_used_up_by_every_try_of_its_terminal() -> None:
    bank = Mellat()
    assert bank.ask("bpPayRequest", **(PAY | {"amount": "1"})) == "25"
    assert bank.ask("bpPayRequest", **PAY) == "41"
    assert bank.start(orderId="2")
    assert bank.ask("bpPayRequest", **(PAY | {"orderId": "2"})) == "41"
    other = {"terminalId": "7654322", "userName": "shop02", "userPassword": "abc"}
    assert bank.start(orderId="2", **other)


def test_a_stranger_uses_no_order_number_up() -> None:
    bank = Mellat()
    assert bank.ask("bpPayRequest", **(PAY | {"userPassword": "guess"})) == "24"
    assert bank.start()


# --- the wire below


@pytest.mark.parametrize(
    ("value", "spelt"), [("INV-42", "INV-42"), ("", ""), ("9" * 20, "9" * 20), ("1.5", "1.5")]
)
def test_letters_in_a_number_are_a_fault_with_http_500(value: str, spelt: str) -> None:
    reply = Mellat().reply("bpPayRequest", **(PAY | {"orderId": value}))
    assert reply.status == 500
    assert {
        "faultcode": "soap:Client",
        "faultstring": f'Unmarshalling Error: For input string: "{spelt}" ',
    } == leaves(reply)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"\xff\xfe\x00",
        b"<html/>",
        envelope("").encode(),
        envelope("<bpPayRequest/>").encode(),
        envelope(f'<bpNoSuchRequest xmlns="{NAMESPACE}"/>').encode(),
        envelope(f'<bpPayRequest xmlns="{NAMESPACE}">{elements(PAY)}</bpPayRequest>').encode(),
        envelope("<x/>", "http://www.w3.org/2003/05/soap-envelope").encode(),
        b'<!DOCTYPE a [<!ENTITY e "x">]>' + envelope("<x>&e;</x>").encode(),
    ],
    ids=range(10),
)
def test_what_the_service_cannot_read_is_a_fault(body: bytes) -> None:
    reply = Mellat().post(SERVICE, body)
    assert reply.status == 500
    assert leaves(reply)["faultcode"].startswith("soap:")


def test_children_in_a_namespace_are_named_in_the_fault() -> None:
    body = envelope(f'<bpPayRequest xmlns="{NAMESPACE}">{elements(PAY)}</bpPayRequest>')
    text = leaves(Mellat().post(SERVICE, body))["faultstring"]
    assert f'unexpected element (uri:"{NAMESPACE}", local:"terminalId")' in text


@pytest.mark.parametrize("order", [list(PAY), sorted(PAY), list(reversed(PAY))])
@pytest.mark.parametrize("prefix", ["i", "ns1", "soapenv"])
def test_any_prefix_and_any_order_are_read(prefix: str, order: list[str]) -> None:
    children = elements({name: PAY[name] for name in order})
    body = envelope(
        f'<{prefix}:bpPayRequest xmlns:{prefix}="{NAMESPACE}">{children}</{prefix}:bpPayRequest>'
    )
    for text in (body, f'\n<?xml version="1.0"?>{body}'):
        reply = Mellat().post(SERVICE, text, {"SOAPAction": "whatever"})
        assert leaves(reply)["return"].startswith("0,")


@pytest.mark.parametrize(
    "path", [SERVICE, "/pgwchannel2/services/pgw", "/PGWCHANNEL/Services/PGW", f"{SERVICE}/"]
)
def test_both_switches_are_one_and_paths_are_read_in_any_case(path: str) -> None:
    assert leaves(Mellat().reply("bpPayRequest", path, **PAY))["return"].startswith("0,")


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("bpPayRequest", Operation.START),
        ("bpVerifyRequest", Operation.VERIFY),
        ("bpVerifySettleRequest", Operation.VERIFY),
        ("bpSettleRequest", Operation.SETTLE),
        ("bpInquiryRequest", Operation.INQUIRE),
        ("bpReversalRequest", Operation.REVERSE),
        ("bpRefundRequest", Operation.REFUND),
    ],
)
def test_a_call_is_recognised_before_it_has_an_effect(operation: str, expected: Operation) -> None:
    bank = Mellat()
    session = sold(bank)
    children = elements(LOGIN | {"saleOrderId": session.order})
    _, request = read_request(
        method="POST",
        target=f"/mellat{SERVICE}",
        origin=ORIGIN,
        headers={},
        body=envelope(f'<i:{operation} xmlns:i="{NAMESPACE}">{children}</i:{operation}>').encode(),
    )
    asked = bank.banks.dialects["mellat"].recognise(request, bank.banks.book, bank.now)
    assert asked is not None
    assert expected is asked.operation
    assert (None if operation == "bpPayRequest" else session) is asked.session
    assert session.state is State.PAID


def test_other_addresses_are_none_of_the_service_s() -> None:
    bank = Mellat()
    assert bank.send("POST", "/pgwchannel/startpay.mellat") is None
    assert bank.send("POST", "/services/pgw") is None


# --- payers


@pytest.mark.parametrize("method", ["post", "get"])
@pytest.mark.parametrize(
    "path",
    [
        "/pgwchannel/startpay.mellat",
        "/pgwchannel/enstartpay.mellat",
        "/pgwchannel2/startpay.mellat",
        "/pgwchannel/StartPay.mellat",
    ],
)
def test_the_page_opens_by_post_and_by_get(path: str, method: str) -> None:
    bank = Mellat()
    token = bank.start()
    url = f"{bank.base_url}{path}"
    opened = bank.open_page(Redirect(token="", url=url, method=method, fields={"RefId": token}))
    assert bank.find(token) is opened
    assert State.WITH_PAYER is bank.find(token).state


def test_a_token_in_another_case_is_no_token() -> None:
    bank = Mellat()
    token = bank.start()
    url = f"{bank.base_url}/pgwchannel/startpay.mellat"
    for fields in ({"RefId": token.lower()}, {"RefId": token[:-1]}, {"refid": token}, {}):
        opened = bank.open_page(Redirect(token="", url=url, method="post", fields=fields))
        assert isinstance(opened, Trouble)


def test_a_payer_who_paid_comes_back_with_the_reference() -> None:
    bank = Mellat()
    token = bank.start()
    back = bank.act(token)
    assert (CALLBACK, "post", token) == (back.url, back.method, back.token)
    reference, info = back.fields["SaleReferenceId"], back.fields["CardHolderInfo"]
    assert (12, True) == (len(reference), reference.isdecimal())
    assert (64, info.upper()) == (len(info), info)
    assert {
        "RefId": token,
        "ResCode": "0",
        "SaleOrderId": "1000000042",
        "SaleReferenceId": reference,
        "CardHolderInfo": info,
        "CardHolderPan": "621986******9007",
        "FinalAmount": "150000",
    } == back.fields


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        (CANCELLED, "17"),
        (Decision(outcome=Outcome.DECLINE, code="51"), "12"),
        (Decision(outcome=Outcome.DECLINE, code="55"), "13"),
        (Decision(outcome=Outcome.DECLINE, code="91"), "113"),
        (Decision(outcome=Outcome.DECLINE, code="57"), "114"),
        (Decision(outcome=Outcome.DECLINE, code="77"), "114"),
    ],
)
def test_a_payer_who_did_not_pay_comes_back_without_a_reference(
    decision: Decision, code: str
) -> None:
    bank = Mellat()
    token = bank.start()
    back = bank.act(token, decision)
    assert {"RefId": token, "ResCode": code, "SaleOrderId": "1000000042"} == back.fields


# --- descriptions


@pytest.mark.parametrize("query", ["?wsdl", "?WSDL", "?wsdl="])
@pytest.mark.parametrize("path", [SERVICE, "/pgwchannel2/services/pgw"])
def test_a_wsdl_names_the_address_that_it_was_asked_at(path: str, query: str) -> None:
    bank = Mellat()
    reply = bank.send("GET", path + query)
    assert reply is not None
    assert reply.status == 200
    address = ET.fromstring(reply.body).find(".//{http://schemas.xmlsoap.org/wsdl/soap/}address")
    assert address is not None
    assert f"{bank.base_url}{path}" == address.get("location")


def test_a_look_at_the_wsdl_is_no_call() -> None:
    reply = Mellat().send("HEAD", f"{SERVICE}?wsdl")
    assert reply is not None
    assert 200 == reply.status


def test_texts_are_optional_in_the_wsdl_and_the_payer_s_id_is_one() -> None:
    reply = Mellat().send("GET", f"{SERVICE}?wsdl")
    assert reply is not None
    schema = "{http://www.w3.org/2001/XMLSchema}"
    pay = ET.fromstring(reply.body).find(f".//{schema}element[@name='bpPayRequest']")
    assert pay is not None
    rows = {
        row.get("name"): (row.get("type"), row.get("minOccurs"))
        for row in pay.iter()
        if row is not pay
    }
    assert ("xs:string", "0") == rows["payerId"]
    assert ("xs:long", None) == rows["orderId"]


def test_the_service_without_a_question_is_a_fault() -> None:
    reply = Mellat().send("GET", SERVICE)
    assert reply is not None
    assert reply.status == 500


def test_a_switch_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="unsettled=keep"):
        Mellat(unsettled="keep")


def test_the_payer_is_only_debited_once() -> None:
    bank = Mellat()
    session = sold(bank)
    assert not bank.banks.book.arrive(session, bank.now)
    again = bank.banks.act(session, PAID, bank.now).back
    assert again is not None
    assert session.ref_num == again.fields["SaleReferenceId"]
