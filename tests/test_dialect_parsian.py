"""Parsian's bank in the simulator: tolerant in what it reads, exact in what it answers."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from gatewayd.core.terms import Redirect
from gatewayd.simulator.host import Trouble
from gatewayd.simulator.payers import Decision, Outcome
from tests.banks import CALLBACK
from tests.parsian_bank import NAMESPACES, OTHER, PATHS, SALE, Fields, Parsian, body
from tests.soap_bank import CANCELLED, elements, envelope, leaves

# --- sales


def test_a_sale_answers_token_message_and_status_in_that_order() -> None:
    reply = Parsian().reply("SalePaymentRequest", **SALE)
    assert (200, "text/xml; charset=utf-8") == (reply.status, reply.headers["content-type"])
    namespace = NAMESPACES["SalePaymentRequest"]
    result = ET.fromstring(reply.body)[0][0][0]
    assert f"{{{namespace}}}SalePaymentRequestResult" == result.tag
    names = ["Token", "Message", "Status"]
    assert [f"{{{namespace}}}{name}" for name in names] == [field.tag for field in result]
    assert int(result[0].text or "") > 0
    assert (True, "0") == (bool(result[1].text), result[2].text)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"LoginAccount": "wrong"}, "-126"),
        ({"LoginAccount": None}, "-126"),
        ({"Amount": "999"}, "-132"),
        ({"Amount": None}, "-132"),
        ({"OrderId": None}, "-113"),
        ({"OrderId": "-3"}, "-148"),
        ({"CallBackUrl": None}, "-113"),
        ({"CallBackUrl": "shop.example"}, "-156"),
        ({"AdditionalData": "x" * 501}, "-116"),
        ({"Originator": "0" * 51}, "-116"),
    ],
)
def test_a_bad_sale_gets_a_status_a_message_and_no_token(
    changes: dict[str, Any], status: str
) -> None:
    answer = Parsian().ask("SalePaymentRequest", **(SALE | changes))
    assert (status, "0") == (answer["Status"], answer["Token"])
    assert answer["Message"]


def test_an_order_number_is_used_up_by_every_try() -> None:
    bank = Parsian()
    assert bank.ask("SalePaymentRequest", **(SALE | {"Amount": "1"}))["Status"] == "-132"
    assert bank.ask("SalePaymentRequest", **SALE)["Status"] == "-112"
    assert bank.start(LoginAccount=OTHER["pin"])


@pytest.mark.parametrize("changes", [{"AdditionalData": None, "Originator": None}, {"Extra": "1"}])
def test_what_clients_really_send_is_read(changes: dict[str, Any]) -> None:
    assert Parsian().start(**changes)


# --- the wire below


@pytest.mark.parametrize("action", ['"{0}/{1}"', "{0}/{1}", '""', ""])
@pytest.mark.parametrize("operation", ["SalePaymentRequest"])
def test_an_action_is_right_or_there_is_none(operation: str, action: str) -> None:
    namespace = NAMESPACES[operation]
    reply = Parsian().post(
        PATHS[operation],
        envelope(body(operation, namespace, SALE)),
        {"SOAPAction": action.format(namespace, operation)},
    )
    assert leaves(reply)["Status"] == "0"


def test_a_wrong_action_is_a_fault() -> None:
    namespace = NAMESPACES["SalePaymentRequest"]
    for action in (namespace.lower() + "/SalePaymentRequest", f"{namespace}/Sale", "urn:x"):
        reply = Parsian().post(
            PATHS["SalePaymentRequest"],
            envelope(body("SalePaymentRequest", namespace, SALE)),
            {"SOAPAction": action},
        )
        assert reply.status == 500
        assert "SOAPAction" in leaves(reply)["faultstring"]


def test_a_small_s_in_the_namespace_leaves_the_arguments_unread() -> None:
    namespace = NAMESPACES["SalePaymentRequest"]
    text = envelope(body("SalePaymentRequest", namespace.replace("Shap", "shap"), SALE))
    path = PATHS["SalePaymentRequest"]
    named = Parsian().post(path, text, {"SOAPAction": f"{namespace}/SalePaymentRequest"})
    assert ("-113", "0") == (leaves(named)["Status"], leaves(named)["Token"])
    assert Parsian().post(path, text).status == 500


def test_arguments_outside_the_namespace_are_not_read() -> None:
    namespace = NAMESPACES["SalePaymentRequest"]
    text = envelope(
        f'<n:SalePaymentRequest xmlns:n="{namespace}"><n:requestData>{elements(SALE)}'
        "</n:requestData></n:SalePaymentRequest>"
    )
    answer = leaves(Parsian().post(PATHS["SalePaymentRequest"], text))
    assert answer["Status"] == "-126"


def test_any_prefix_any_order_and_soap_1_2_are_read() -> None:
    namespace, soap_12 = NAMESPACES["SalePaymentRequest"], "http://www.w3.org/2003/05/soap-envelope"
    fields = elements(dict(reversed(SALE.items())), "n:")
    text = envelope(
        f'<n:SalePaymentRequest xmlns:n="{namespace}"><n:requestData>{fields}</n:requestData>'
        "</n:SalePaymentRequest>",
        soap_12,
    )
    content_type = f'application/soap+xml; action="{namespace}/SalePaymentRequest"'
    reply = Parsian().post(PATHS["SalePaymentRequest"], text, {"Content-Type": content_type})
    assert leaves(reply)["Status"] == "0"
    assert f"{{{soap_12}}}Envelope" == ET.fromstring(reply.body).tag
    assert "application/soap+xml; charset=utf-8" == reply.headers["content-type"]


@pytest.mark.parametrize("value", ["INV-42", "", "150,000", "9" * 20])
def test_letters_in_a_number_are_a_fault_with_http_500(value: str) -> None:
    reply = Parsian().reply("SalePaymentRequest", **(SALE | {"OrderId": value}))
    assert reply.status == 500
    assert leaves(reply)["faultcode"] == "soap:Client"
    assert "Input string was not in a correct format" in leaves(reply)["faultstring"]


@pytest.mark.parametrize("path", sorted(set(PATHS.values())))
@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"<html/>", envelope("").encode()])
def test_what_no_service_can_read_is_a_fault(path: str, data: bytes) -> None:
    reply = Parsian().post(path.upper(), data)
    assert reply.status == 500
    assert leaves(reply)["faultcode"].startswith("soap:")


@pytest.mark.parametrize("path", sorted(set(PATHS.values())))
def test_a_wsdl_has_qualified_elements_and_the_address_that_it_was_asked_at(path: str) -> None:
    bank = Parsian()
    reply = bank.send("GET", f"{path}?wsdl")
    assert reply is not None
    root = ET.fromstring(reply.body)
    address = root.find(".//{http://schemas.xmlsoap.org/wsdl/soap/}address")
    schema = root.find(".//{http://www.w3.org/2001/XMLSchema}schema")
    assert address is not None
    assert schema is not None
    assert f"{bank.base_url}{path}" == address.get("location")
    assert "qualified" == schema.get("elementFormDefault")
    assert (root.get("targetNamespace") or "").startswith("https://pec.Shaparak.ir/")


# --- payers


@pytest.mark.parametrize("name", ["Token", "token", "TOKEN"])
@pytest.mark.parametrize("path", ["/NewIPG/", "/NewIPG", "/newipg/"])
def test_the_page_opens_by_get(path: str, name: str) -> None:
    bank = Parsian()
    token = bank.start()
    url = f"{bank.base_url}{path}"
    opened = bank.open_page(Redirect(token="", url=url, method="get", fields={name: token}))
    assert bank.find(token) is opened


@pytest.mark.parametrize("fields", [{}, {"Token": "1"}, {"Token": "x"}])
def test_without_a_token_there_is_no_page(fields: Fields) -> None:
    bank = Parsian()
    url = f"{bank.base_url}/NewIPG/"
    opened = bank.open_page(Redirect(token="", url=url, method="get", fields=fields))
    assert isinstance(opened, Trouble)


def test_a_payer_who_paid_comes_back_with_rrn_and_commas() -> None:
    bank = Parsian()
    token = bank.start()
    back = bank.act(token)
    session = bank.find(token)
    assert (CALLBACK, "post", token) == (back.url, back.method, back.token)
    assert {
        "Token": token,
        "OrderId": "1000000042",
        "TerminalNo": "44512345",
        "RRN": session.ref_num,
        "status": "0",
        "HashCardNumber": back.fields["HashCardNumber"],
        "Amount": "150,000",
        "SwAmount": "",
        "STraceNo": session.trace_no,
    } == back.fields
    assert len(back.fields["HashCardNumber"]) == 64


def test_a_cancelled_return_brings_three_fields_and_a_declined_one_no_rrn() -> None:
    bank = Parsian()
    token = bank.start()
    back = bank.act(token, CANCELLED)
    assert {"Token": token, "OrderId": "1000000042", "status": "-138"} == back.fields
    token = bank.start(OrderId="2")
    back = bank.act(token, Decision(outcome=Outcome.DECLINE, code="51"))
    assert {
        "Token": token,
        "OrderId": "2",
        "TerminalNo": "44512345",
        "RRN": "0",
        "status": "51",
        "HashCardNumber": "",
        "Amount": "150,000",
        "SwAmount": "",
    } == back.fields
