"""A SOAP client by others, zeep, reads the simulated banks' WSDLs and takes payments with them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import zeep
from requests.adapters import BaseAdapter
from zeep.exceptions import Fault
from zeep.transports import Transport

from gatewayd.core.terms import Redirect
from gatewayd.simulator.bank import State
from gatewayd.simulator.payers import Decision, Outcome
from tests.banks import CALLBACK
from tests.mellat_bank import LOGIN, Mellat
from tests.parsian_bank import PIN, Parsian
from tests.soap_bank import ORIGIN, SoapBank

TERMINAL: Mapping[str, Any] = LOGIN | {"terminalId": 7654321}


class Wire(BaseAdapter):
    """Brings what requests sends to a simulated bank in this process."""

    def __init__(self, bank: SoapBank) -> None:
        super().__init__()
        self.bank = bank

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        body = request.body or b""
        assert request.method is not None
        reply = self.bank.send(
            request.method,
            request.path_url.removeprefix(f"/{self.bank.driver}"),
            body if isinstance(body, bytes) else str(body).encode(),
            {
                name: value if isinstance(value, str) else value.decode()
                for name, value in request.headers.items()
            },
        )
        response = requests.Response()
        response.status_code = reply.status if reply else 404
        response.headers.update(reply.headers if reply else {})
        response._content = reply.body if reply else b""
        response.url = request.url or ""
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is held."""


@contextmanager
def reading(bank: SoapBank, path: str) -> Iterator[Any]:
    """The operations that the WSDL at `path` describes, as methods."""
    with requests.Session() as session:
        session.mount(ORIGIN, Wire(bank))
        # zeep carries the marker of a typed package, but these two have no types
        transport = Transport(session=session)  # type: ignore[no-untyped-call]
        address = f"{bank.base_url}{path}?wsdl"
        client = zeep.Client(address, transport=transport)  # type: ignore[no-untyped-call]
        yield client.service


def visit(bank: SoapBank, redirect: Redirect) -> Mapping[str, str]:
    """The payer comes, pays and brings this back."""
    session = bank.open_page(redirect)
    assert bank.find(redirect.token) is session
    decision = Decision(outcome=Outcome.PAID)
    back = bank.banks.act(bank.find(redirect.token), decision, bank.now).back
    assert back is not None
    assert back.url == CALLBACK
    return back.fields


# --- Mellat

CHANNELS = ["/pgwchannel", "/pgwchannel2"]


def mellat_token(pgw: Any, order: int = 1234567890123456) -> str:
    """With the first ten elements and a time of five digits, as PHP clients send them."""
    answer = pgw.bpPayRequest(
        **TERMINAL,
        orderId=order,
        amount=150_000,
        localDate="20250211",
        localTime="91106",
        additionalData="",
        callBackUrl=CALLBACK,
        payerId=0,
    )
    code, token = answer.split(",")
    assert code == "0"
    assert isinstance(token, str)
    return token


def mellat_sale(
    bank: Mellat, pgw: Any, method: str = "post", channel: str = CHANNELS[0]
) -> dict[str, Any]:
    token = mellat_token(pgw)
    url = f"{bank.base_url}{channel}/startpay.mellat"
    redirect = Redirect(token=token, url=url, method=method, fields={"RefId": token})
    fields = visit(bank, redirect)
    assert (token, "0") == (fields["RefId"], fields["ResCode"])
    order, reference = int(fields["SaleOrderId"]), int(fields["SaleReferenceId"])
    return {**TERMINAL, "orderId": order, "saleOrderId": order, "saleReferenceId": reference}


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_zeep_takes_a_mellat_payment_and_refunds_a_part(method: str, channel: str) -> None:
    bank = Mellat()
    with reading(bank, f"{channel}/services/pgw") as pgw:
        sale = mellat_sale(bank, pgw, method, channel)
        assert ["0", "43"] == [pgw.bpVerifyRequest(**sale) for _ in range(2)]
        assert pgw.bpInquiryRequest(**sale) == "0"
        assert ["0", "45"] == [pgw.bpSettleRequest(**sale) for _ in range(2)]
        assert pgw.bpReversalRequest(**sale) == "45"
        refund = sale | {"orderId": 77}
        code, reference = pgw.bpRefundRequest(**refund, refundAmount=50_000).split(",")
        asked = {"orderId": 78, "refundOrderId": 77, "refundReferenceId": int(reference)}
        assert ("0", "0") == (code, pgw.bpRefundInquiryRequest(**TERMINAL, **asked))
    (session,) = bank.banks.book
    assert (State.SETTLED, 50_000) == (session.state, session.refunded)


def test_zeep_reverses_a_verified_mellat_payment() -> None:
    bank = Mellat()
    with reading(bank, "/pgwchannel/services/pgw") as pgw:
        sale = mellat_sale(bank, pgw)
        assert pgw.bpVerifyRequest(**sale) == "0"
        assert ["0", "48"] == [pgw.bpReversalRequest(**sale) for _ in range(2)]
    assert [State.REVERSED] == [session.state for session in bank.banks.book]


def test_zeep_verifies_and_settles_a_mellat_payment_in_one_call() -> None:
    bank = Mellat()
    with reading(bank, "/pgwchannel/services/pgw") as pgw:
        sale = mellat_sale(bank, pgw)
        lost = {"orderId": 9, "saleOrderId": sale["saleOrderId"]}
        found = pgw.bpSaleReferenceIdRequest(**TERMINAL, **lost)
        assert f"0,{sale['saleReferenceId']}" == found
        assert ["0", "45"] == [pgw.bpVerifySettleRequest(**sale) for _ in range(2)]
    assert [State.SETTLED] == [session.state for session in bank.banks.book]


def test_zeep_is_told_mellat_s_codes_and_faults() -> None:
    with reading(Mellat(), "/pgwchannel/services/pgw") as pgw:
        mellat_token(pgw, 7)
        wrong = {**TERMINAL, "userPassword": "guess"}
        sale = {"orderId": 7, "saleOrderId": 7, "saleReferenceId": 214370985512}
        assert pgw.bpVerifyRequest(**wrong, **sale) == "24"
        assert pgw.bpVerifyRequest(**TERMINAL, **sale) == "42"
        with pytest.raises(Fault, match="Unmarshalling Error: For input string"):
            pgw.bpVerifyRequest(**TERMINAL, **(sale | {"orderId": 10**20}))


# --- Parsian

SALE, CONFIRM, REVERSE = (
    f"/NewIPGServices/{service}.asmx"
    for service in ("Sale/SaleService", "Confirm/ConfirmService", "Reverse/ReversalService")
)


def parsian_token(bank: Parsian) -> int:
    with reading(bank, SALE) as service:
        request = {
            "LoginAccount": PIN,
            "Amount": 150_000,
            "OrderId": 1000000042,
            "CallBackUrl": CALLBACK,
        }
        result = service.SalePaymentRequest(requestData=request)
        again = service.SalePaymentRequest(requestData=request)
    assert (0, True) == (result.Status, bool(result.Message))
    assert (-112, 0, True) == (again.Status, again.Token, bool(again.Message))
    assert isinstance(result.Token, int)
    return result.Token


def test_zeep_takes_a_parsian_payment_and_reverses_it() -> None:
    bank = Parsian()
    token = parsian_token(bank)
    asked = {"LoginAccount": PIN, "Token": token}
    with reading(bank, CONFIRM) as service:
        unpaid = service.ConfirmPayment(requestData=asked)
        assert (-1531, 0, token, None) == (
            unpaid.Status,
            unpaid.RRN,
            unpaid.Token,
            unpaid.CardNumberMasked,
        )
        url = f"{bank.base_url}/NewIPG/"
        fields = {"Token": str(token)}
        back = visit(bank, Redirect(token=str(token), url=url, method="get", fields=fields))
        assert ("0", "150,000") == (back["status"], back["Amount"])
        first = service.ConfirmPayment(requestData=asked)
        second = service.ConfirmPaymentWithAmount(
            requestData=asked | {"OrderId": 1000000042, "Amount": 150_000}
        )
    assert (0, int(back["RRN"]), token) == (first.Status, first.RRN, first.Token)
    assert (0, first.CardNumberMasked) == (second.Status, second.CardNumberMasked)
    with reading(bank, REVERSE) as service:
        statuses = [service.ReversalRequest(requestData=asked).Status for _ in range(2)]
    assert [0, -1551] == statuses
    assert [State.REVERSED] == [session.state for session in bank.banks.book]


def test_zeep_is_told_parsian_s_statuses_and_faults() -> None:
    bank = Parsian()
    with reading(bank, SALE) as service:
        result = service.SalePaymentRequest(
            requestData={"LoginAccount": "wrong", "Amount": 1, "OrderId": 1}
        )
        assert (-126, 0) == (result.Status, result.Token)
        with pytest.raises(Fault, match="not in a correct format"):
            service.SalePaymentRequest(
                requestData={"LoginAccount": PIN, "Amount": 10**20, "OrderId": 1}
            )
