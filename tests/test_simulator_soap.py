"""The simulated SOAP banks answer whatever arrives, and describe themselves in sound XML."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.gateways.contract import Reply
from gatewayd.simulator.soap import SOAP_12, Fault, answer, elements, number
from tests.mellat_bank import NAMESPACE, PAY, SERVICE, Mellat
from tests.parsian_bank import NAMESPACES, PATHS, REPORT, SALE, Parsian, body
from tests.soap_bank import SoapBank, envelope, leaves
from tests.soap_bank import elements as children

SALE_PATH, SALE_NAMESPACE = PATHS["SalePaymentRequest"], NAMESPACES["SalePaymentRequest"]
GENUINE = {
    SERVICE: envelope(f'<i:bpPayRequest xmlns:i="{NAMESPACE}">{children(PAY)}</i:bpPayRequest>'),
    SALE_PATH: envelope(body("SalePaymentRequest", SALE_NAMESPACE, SALE)),
    REPORT: '{"LoginAccount": "x", "OrderId": "1", "Token": null}',
}


@pytest.mark.parametrize("path", GENUINE)
@given(at=st.integers(0, 900), cut=st.integers(0, 40), junk=st.binary(max_size=30))
def test_any_bytes_are_answered_as_the_bank_would(
    path: str, at: int, cut: int, junk: bytes
) -> None:
    genuine = GENUINE[path].encode()
    bank: SoapBank = Mellat() if path == SERVICE else Parsian()
    for data in (junk, genuine[:at] + junk + genuine[at + cut :]):
        reply = bank.post(path, data)
        assert reply.status in (200, 401, 500)
        if reply.status != 401:
            ET.fromstring(reply.body)


@given(
    fields=st.dictionaries(st.sampled_from(list(PAY)), st.text(), min_size=1),
    operation=st.sampled_from(["bpPayRequest", "bpVerifyRequest", "bpRefundInquiryRequest"]),
)
def test_any_arguments_get_a_code_or_a_fault(fields: dict[str, str], operation: str) -> None:
    reply = Mellat().reply(operation, **fields)
    assert reply.status in (200, 500)
    assert leaves(reply).keys() in ({"return"}, {"faultcode", "faultstring"})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        (" -7\n", -7),
        ("+7", 7),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        ("", None),
        ("1.0", None),
        ("1,000", None),
        ("۴۲", None),
        ("1_0", None),
        ("0" * 50, None),
    ],
)
def test_a_number_is_one_of_64_bits(text: str, value: int | None) -> None:
    assert value == number(text)


def test_texts_are_escaped_in_answers() -> None:
    reply = answer(f"<r>{elements({'a': '1 < 2 & 3'})}</r>")
    assert {"a": "1 < 2 & 3"} == leaves(reply)


def test_a_fault_speaks_the_caller_s_version() -> None:
    def said(reply: Reply) -> tuple[int, str, dict[str, str]]:
        return reply.status, reply.headers["content-type"], leaves(reply)

    assert (
        500,
        "text/xml; charset=utf-8",
        {"faultcode": "soap:Server", "faultstring": "a < b"},
    ) == said(Fault("a < b", code="Server").reply())
    assert (
        500,
        "application/soap+xml; charset=utf-8",
        {"Value": "soap:Sender", "Text": "a < b"},
    ) == said(Fault("a < b", version=SOAP_12).reply())
