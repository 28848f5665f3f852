"""Reading SOAP: whatever bytes come, the outcome is a value or MalformedReply, and nothing leaks."""

from collections.abc import Callable, Generator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.secret import Secret
from gatewayd.core.terms import Claim, CodeClass, GivenBack, Order, Receipt
from gatewayd.gateways.contract import Call, MalformedReply, Reply
from gatewayd.gateways.mellat import Mellat
from gatewayd.gateways.parsian import Parsian
from gatewayd.gateways.wire import (
    SoapFault,
    is_plain_xml,
    parse_xml,
    read_json,
    read_soap,
    xml_elements,
)
from tests.playbook import soap_answer

MELLAT = Mellat(terminal_id=1, username="u", password=Secret("p"))
PARSIAN = Parsian(pin=Secret("p"), report_user="u", report_password=Secret("p"))
ORDER = Order(bank_order=1, amount=1_000, callback_url="https://shop.example/", made_at=0.0)
CLAIM = Claim(outcome=CodeClass.OK, token="1", reference="2")
RECEIPT = Receipt(ref_num="2")

AnyFlow = Generator[Call, Reply, Any]
FLOWS: dict[str, Callable[[], AnyFlow]] = {
    "bpPayRequest": lambda: MELLAT.start(ORDER),
    "bpVerifyRequest": lambda: MELLAT.verify(ORDER, "t", CLAIM),
    "bpSettleRequest": lambda: MELLAT.settle(ORDER, "t", RECEIPT),
    "bpReversalRequest": lambda: MELLAT.reverse(ORDER, "t", RECEIPT),
    "bpInquiryRequest": lambda: MELLAT.inquire(ORDER, "t", CLAIM),
    "bpRefundRequest": lambda: MELLAT.refund(ORDER, "t", RECEIPT, 1, 2),
    "bpRefundInquiryRequest": lambda: MELLAT.inquire_refund(
        ORDER, "t", RECEIPT, 1, 2, GivenBack(reference="3")
    ),
    "SalePaymentRequest": lambda: PARSIAN.start(ORDER),
    "ConfirmPaymentWithAmount": lambda: PARSIAN.verify(ORDER, "1", None),
    "ReversalRequest": lambda: PARSIAN.reverse(ORDER, "1", RECEIPT),
    "GetPaymentInfoByOrderID": lambda: PARSIAN.inquire(ORDER, "1", None),
}
FIELDS = ["return", "Token", "Status", "Message", "RRN", "CardNumberMasked"]
TEXTS = st.one_of(
    st.sampled_from(["0", "0,A1", "-1531", "48", "", "9" * 300]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])),
)


@pytest.mark.parametrize("operation", FLOWS)
@given(
    fields=st.dictionaries(st.sampled_from(FIELDS), TEXTS),
    status=st.sampled_from([200, 404, 500]),
    at=st.integers(0, 400),
    cut=st.integers(0, 30),
    junk=st.binary(max_size=20),
    alone=st.booleans(),
)
def test_any_bytes_give_a_value_or_malformed_reply(
    operation: str,
    fields: dict[str, str],
    status: int,
    at: int,
    cut: int,
    junk: bytes,
    alone: bool,
) -> None:
    genuine = soap_answer(f"{operation}Response", {f"{operation}Result": fields, **fields})
    flow = FLOWS[operation]()
    next(flow)
    for body in (genuine, genuine[:at] + junk + genuine[at + cut :], junk):
        flow = FLOWS[operation]()
        next(flow)
        assert ended(flow, Reply(status=status, body=junk if alone else body))


def ended(flow: AnyFlow, reply: Reply) -> bool:
    """Whether the flow ended with a value or as malformed; anything else it raises is raised."""
    try:
        flow.send(reply)
    except StopIteration as end:
        return end.value is not None
    except MalformedReply:
        return True
    return False


DOCUMENT_TYPE = '<!DOCTYPE a [<!ENTITY e "boom">]><a>&e;</a>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_no_encoding_slips_a_document_type_past(encoding: str) -> None:
    declared = f'<?xml version="1.0" encoding="{encoding}"?>{DOCUMENT_TYPE}'
    for text in (declared, DOCUMENT_TYPE):
        with pytest.raises(MalformedReply):
            parse_xml(text.encode(encoding), "bank")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00" * 10,
        b"<a>",
        b"<a/><a/>",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b'<?xml version="1.0" encoding="zip"?><a/>',
        b"<a>&nbsp;</a>",
        b"<x:a/>",
        b"<a>" * 40 + b"</a>" * 40,
        b"<a>" * 300_000,
        b"<a>" + b" " * 2_000_000 + b"</a>",
    ],
)
def test_what_is_not_plain_shallow_xml_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedReply):
        parse_xml(body, "bank")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_xml_is_read_in_the_encoding_that_it_declares(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><!-- x --><a b="é"><?pi?>é<c/>ü</a>'
    root = parse_xml(text.encode(encoding), "bank")
    assert ("a", {"b": "é"}, "é", ["c"]) == (
        root.tag,
        root.attrib,
        root.text,
        [e.tag for e in root],
    )


@pytest.mark.parametrize("before", [b"\n", b"\r\n  ", b"\xef\xbb\xbf"])
def test_blank_lines_and_a_byte_order_mark_before_the_declaration_are_borne(before: bytes) -> None:
    for text in (b'<?xml version="1.0" encoding="utf-8"?><a>x</a>', b"<a><![CDATA[x]]></a>"):
        assert "x" == parse_xml(before + text, "bank").text


def test_a_byte_order_mark_before_json_is_borne() -> None:
    assert {"a": 1} == read_json(Reply(status=200, body=b'\xef\xbb\xbf{"a": 1}'))


def test_a_reading_agrees_with_the_standard_library_s() -> None:
    body = soap_answer("r", {"a": {"b": "1 < 2"}, "c": ""}, "urn:x")
    theirs = [(element.tag, element.text, element.attrib) for element in ET.fromstring(body).iter()]
    ours = [(element.tag, element.text, element.attrib) for element in parse_xml(body, "w").iter()]
    assert theirs == ours


@given(
    fields=st.dictionaries(st.sampled_from(FIELDS), TEXTS),
    at=st.integers(0, 400),
    cut=st.integers(0, 30),
    junk=st.binary(max_size=20),
)
def test_plain_documents_are_read_as_guarded_ones_are(
    fields: dict[str, str], at: int, cut: int, junk: bytes
) -> None:
    """A comment makes any document one that is read with care, and changes nothing else."""
    whole = soap_answer("r", {"a": fields}, "urn:x")
    assert is_plain_xml(whole)
    body = whole[:at] + junk + whole[at + cut :]

    def read(text: bytes) -> object:
        try:
            root = parse_xml(text, "bank")
        except MalformedReply as error:
            return str(error)
        return [(each.tag, each.text, each.tail, each.attrib) for each in root.iter()]

    assert not is_plain_xml(body + b"<!---->")
    assert read(body) == read(body + b"<!---->")


@pytest.mark.parametrize(
    "body",
    [
        DOCUMENT_TYPE.encode(),
        "<a>é</a>".encode("utf-16"),
        "<a/>".encode("utf-16-le"),
        "<a/>".encode("utf-16-be"),
        b'<?xml version="1.0" encoding="cp037"?><a/>',
        b'<?xml version="1.1"?><a/>',
        b"<a>" * 33 + b"</a>" * 33,
        b"<a>" * 32 + b"<a/>" + b"</a>" * 32,
    ],
)
def test_what_may_hide_something_is_not_plain(body: bytes) -> None:
    assert not is_plain_xml(body)


def test_a_fault_tells_its_code_and_nothing_of_its_text() -> None:
    body = (
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>'
        b"<faultcode>s:Client</faultcode><faultstring>card 6219861034529007</faultstring>"
        b"</s:Fault></s:Body></s:Envelope>"
    )
    with pytest.raises(SoapFault) as caught:
        read_soap(Reply(status=500, body=body), "payResponse")
    assert ("Client", "HTTP 500: SOAP fault") == (caught.value.code, str(caught.value))


@given(st.text())
def test_whatever_text_is_written_can_be_read_again(text: str) -> None:
    written = f"<r>{xml_elements({'a': text})}</r>".encode()
    read = parse_xml(written, "own").findtext("a") or ""
    kept = [
        letter for letter in text if letter.isprintable() and not "\ud800" <= letter <= "\udfff"
    ]
    assert kept == [letter for letter in read if letter.isprintable()]
