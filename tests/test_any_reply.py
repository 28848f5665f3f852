"""Whatever bytes a bank or a browser sends, a driver gives a value or MalformedReply, nothing else.

And no garbage is money: a receipt, or money given back, comes out of a genuine answer only.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.terms import (
    Claim,
    CodeClass,
    Finding,
    GivenBack,
    Inquiry,
    Order,
    Payer,
    Receipt,
    Redirect,
    Refusal,
    Split,
    Unverified,
)
from gatewayd.gateways.contract import (
    Call,
    Driver,
    Flow,
    Inquirable,
    ListsUnverified,
    MalformedReply,
    Refundable,
    Reply,
    Reversible,
    Settleable,
)
from tests.stage import DRIVERS, Way, full_drivers, stage

CALLS_MAX: Final = 10
"""No flow has more calls; one that goes on asking would never end."""
ORDER: Final = Order(
    bank_order=100_000_042,
    amount=150_000,
    callback_url="https://shop.example/return/7",
    made_at=1_739_284_866.0,
    description="سفارش ۴۲ <&>",
    payer=Payer(mobile="09120000000", email="a@shop.example", national_id="0012345679"),
    splits=(Split(iban="IR000000000000000000000000", amount=50_000),),
)
TOKENS: Final = {
    "zarinpal": "A00000000000000000000000000217885159",
    "saman": "5f0c1d7e9ab24c3f8e6d21b0a4c97f13",
    "mellat": "AF82041a2Bf6989c7fF9",
    "sadad": "0001B4107A2C9E55D1F04B8893AA6CE7F2D3450B918C76DE02F1",
}
TOKEN: Final = "3714061657"
RECEIPT: Final = Receipt(amount=150_000, ref_num="5142510", rrn="160488213307", token=TOKEN)
CLAIM: Final = Claim(outcome=CodeClass.OK, reference="5142510", bank_order=100_000_042)


def flows(driver: Driver) -> dict[str, Callable[[], Flow[Any]]]:
    """Every conversation that this driver can have."""
    token = TOKENS.get(driver.driver, TOKEN)
    found: dict[str, Callable[[], Flow[Any]]] = {
        "start": lambda: driver.start(ORDER),
        "verify": lambda: driver.verify(ORDER, token, CLAIM),
    }
    if isinstance(driver, Settleable):
        found["settle"] = lambda: driver.settle(ORDER, token, RECEIPT)
    if isinstance(driver, Reversible):
        found["reverse"] = lambda: driver.reverse(ORDER, token, RECEIPT)
    if isinstance(driver, Inquirable):
        found["inquire"] = lambda: driver.inquire(ORDER, token, CLAIM)
    if isinstance(driver, ListsUnverified):
        found["list_unverified"] = driver.list_unverified
    if isinstance(driver, Refundable):
        given_back = GivenBack(reference="900123")
        found["refund"] = lambda: driver.refund(ORDER, token, RECEIPT, 50_000, 77)
        found["inquire_refund"] = lambda: driver.inquire_refund(
            ORDER, token, RECEIPT, 50_000, 77, given_back
        )
    return found


each_driver = pytest.mark.parametrize("driver", full_drivers().values(), ids=DRIVERS)


def outcome_of(flow: Flow[Any], answers: Callable[[Call], Reply]) -> Any:
    """What the flow ends with; MalformedReply is an outcome too, any other error is a failure."""
    try:
        call = next(flow)
        for _ in range(CALLS_MAX):
            call = flow.send(answers(call))
    except StopIteration as stop:
        return stop.value
    except MalformedReply as error:
        return error
    pytest.fail("the flow goes on asking")


def is_value(outcome: object) -> bool:
    """Whether a flow may end with this."""
    if isinstance(outcome, tuple):
        return all(isinstance(row, Unverified) for row in outcome)
    kinds = (Redirect, Refusal, Receipt, GivenBack, Inquiry, MalformedReply)
    return isinstance(outcome, kinds)


def is_money(outcome: object) -> bool:
    """Whether this says that money is ours, can be made so, or went back; or hands out a token."""
    match outcome:
        case Receipt() | GivenBack() | Redirect():
            return True
        case Inquiry(finding=finding):
            return finding in {Finding.PAID, Finding.VERIFIED, Finding.REVERSED, Finding.NOT_PAID}
        case Refusal(cause=cause):
            return cause in {CodeClass.NOT_PAID, CodeClass.CANCELLED, CodeClass.DECLINED}
        case tuple():
            return bool(outcome)
        case _:
            return False


# --- what genuine answers look like


@cache
def genuine() -> tuple[bytes, ...]:
    """The bodies of all answers that the simulated banks give in a full life of a payment."""

    async def collect() -> set[bytes]:
        bodies: set[bytes] = set()
        for name in DRIVERS:
            async with stage(name, Way.IN_PROCESS) as at:
                order = at.order()
                redirect = await at.start(order)
                fields = await at.browse(redirect)
                assert fields is not None
                claim = at.driver.read_return(fields)
                driver = at.driver
                if isinstance(driver, Inquirable):
                    await at.run(driver.inquire(order, redirect.token, claim))
                if isinstance(driver, ListsUnverified):
                    await at.run(driver.list_unverified())
                receipt = await at.run(driver.verify(order, redirect.token, claim))
                assert isinstance(receipt, Receipt)
                await at.run(driver.verify(order, redirect.token, claim))
                if isinstance(driver, Settleable):
                    await at.run(driver.settle(order, redirect.token, receipt))
                if isinstance(driver, Refundable):
                    refund = driver.refund(order, redirect.token, receipt, 50_000, 77)
                    given_back = await at.run(refund)
                    assert isinstance(given_back, GivenBack)
                    await at.run(
                        driver.inquire_refund(
                            order, redirect.token, receipt, 50_000, 77, given_back
                        )
                    )
                if isinstance(driver, Reversible):
                    await at.run(driver.reverse(order, redirect.token, receipt))
                bodies |= {reply.body for reply in at.replies}
        return bodies

    return tuple(sorted(asyncio.run(collect())))


@cache
def words() -> tuple[str, ...]:
    """Every name and every text in genuine JSON: what the readers look for."""
    found: set[str] = set()

    def walk(value: object) -> None:
        match value:
            case dict():
                found.update(value)
                for each in value.values():
                    walk(each)
            case list():
                for each in value:
                    walk(each)
            case str():
                found.add(value)
            case _:
                pass

    for body in genuine():
        if body.startswith(b"{"):
            walk(orjson.loads(body))
    return tuple(sorted(found))


# --- what else may come

scalars = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(["0", "-1", "100", "1", "OK", "۱۲", "  ", "\u0000", "9" * 40, "1e5", "٫"])
)
"""What JSON has."""


def documents(names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """JSON of any shape, with these names."""
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=8),
        max_leaves=20,
    )


known_names = st.deferred(lambda: st.sampled_from(words()))
known_values = documents(known_names)
known_documents = st.dictionaries(known_names, known_values, max_size=12).map(orjson.dumps)
"""JSON with the banks' own names and any values."""


@st.composite
def known_xml(draw: st.DrawFn) -> bytes:
    """SOAP-like XML with the banks' own names and any texts."""
    operation = draw(
        st.sampled_from(
            [
                "bpPayRequestResponse",
                "bpVerifyRequestResponse",
                "bpSettleRequestResponse",
                "bpReversalRequestResponse",
                "bpInquiryRequestResponse",
                "bpRefundRequestResponse",
                "SalePaymentRequestResponse",
                "ConfirmPaymentWithAmountResponse",
                "ReversalRequestResponse",
                "Fault",
            ]
        )
    )
    names = st.sampled_from(["return", "Status", "Token", "RRN", "Message", "faultcode", "x"])
    texts = st.sampled_from(["0", "-1", "43", "0,1", ",", "", " 0 ", "&lt;", "9" * 30, "a", "۰"])
    leaves = draw(st.lists(st.tuples(names, texts), max_size=6))
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in leaves)
    return (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        f"<{operation}>{inner}</{operation}></s:Body></s:Envelope>"
    ).encode()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A genuine answer of any bank with some of its bytes changed, or a value of its JSON."""
    body = draw(st.sampled_from(genuine()))
    if body.startswith(b"{") and draw(st.booleans()):
        document = orjson.loads(body)
        place = document
        while True:
            name = draw(st.sampled_from(sorted(place)))
            if isinstance(place[name], dict) and place[name] and draw(st.booleans()):
                place = place[name]
                continue
            if draw(st.booleans()):
                del place[name]
            else:
                place[name] = draw(known_values)
            return orjson.dumps(document)
    data = bytearray(body)
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        at = draw(st.integers(min_value=0, max_value=max(0, len(data) - 1)))
        cut = draw(st.integers(min_value=0, max_value=8))
        data[at : at + cut] = draw(st.binary(max_size=8))
    return bytes(data)


garbage = (
    st.binary(max_size=300)
    | st.text(max_size=100).map(str.encode)
    | documents(st.text(max_size=12).map(lambda name: f"x{name}")).map(orjson.dumps)
    | st.sampled_from(
        [
            b"",
            b"null",
            b"0",
            b"100",
            b'"OK"',
            b"[]",
            b"{}",
            b"<html><body><h1>502 Bad Gateway</h1></body></html>",
            b"<!DOCTYPE html><html></html>",
            b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "0">]><return>&b;</return>',
            b"\xff\xfe<\x00?\x00",
            b"[" * 5_000,
            b"<a>" * 5_000,
            b'{"a":' * 5_000,
        ]
    )
)
"""What no bank means as an answer."""
cut_short = st.builds(
    lambda index, share: genuine()[index % len(genuine())][
        : int(len(genuine()[index % len(genuine())]) * share)
    ],
    st.integers(min_value=0, max_value=1_000),
    st.floats(min_value=0, max_value=0.95),
)
"""The beginning of a genuine answer: the connection broke."""
http_statuses = st.sampled_from([200, 201, 204, 301, 400, 401, 403, 404, 500, 502, 503])
headers = st.dictionaries(
    st.sampled_from(["content-type", "x-ipg-url", "server"]), st.text(max_size=40), max_size=3
)


@st.composite
def replies(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> Reply:
    """A reply with one of these bodies."""
    return Reply(status=draw(http_statuses), body=draw(bodies), headers=draw(headers))


any_replies = replies(garbage | cut_short | known_documents | known_xml() | mutated())
garbage_replies = replies(garbage | cut_short)


def begun(driver: Driver, data: st.DataObject) -> Flow[Any]:
    """One of the conversations of this driver."""
    ways = flows(driver)
    return ways[data.draw(st.sampled_from(sorted(ways)))]()


@each_driver
@given(data=st.data())
def test_any_reply_gives_a_value_or_malformed_reply(driver: Driver, data: st.DataObject) -> None:
    outcome = outcome_of(begun(driver, data), lambda call: data.draw(any_replies))
    assert is_value(outcome), outcome


@each_driver
@given(data=st.data())
def test_garbage_is_neither_money_nor_a_no(driver: Driver, data: st.DataObject) -> None:
    outcome = outcome_of(begun(driver, data), lambda call: data.draw(garbage_replies))
    assert not is_money(outcome), outcome


FIELDS: Final = (
    "State Status status RefNum ResNum Token TerminalId MID Rrn TraceNo Amount SecurePan RefId "
    "ResCode SaleOrderId SaleReferenceId CardHolderPan FinalAmount OrderId TerminalNo RRN "
    "HashCardNumber Amount SwitchResCode PrimaryAccNo Authority success trackId orderId"
).split()
values = (
    st.text(max_size=30)
    | st.integers().map(str)
    | st.sampled_from(["OK", "NOK", "0", "1", "2", "-1", "150,000", "۱۵", "9" * 40, " ", "\x00"])
    | st.sampled_from(["\ud800", "a" * 2_000, "6219861034529007", "1e9", "0x1", "true", "+"])
)


@each_driver
@given(fields=st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=10), values, max_size=14))
def test_any_return_gives_a_claim_that_can_be_verified(
    driver: Driver, fields: Mapping[str, str]
) -> None:
    try:
        claim = driver.read_return(fields)
    except MalformedReply:
        return
    assert isinstance(claim, Claim)
    for text in (claim.code, claim.token, claim.reference, claim.terminal, claim.rrn, claim.card):
        assert text is None or (len(text) <= 512 and text.isprintable())
    assert claim.card is None or "6219861034529007" not in claim.card
    token = TOKENS.get(driver.driver, TOKEN)
    outcome = outcome_of(driver.verify(ORDER, token, claim), lambda call: Reply(status=502))
    assert isinstance(outcome, Refusal | MalformedReply), outcome
    if isinstance(driver, Inquirable):
        outcome = outcome_of(driver.inquire(ORDER, token, claim), lambda call: Reply(status=502))
        assert not is_money(outcome), outcome


@each_driver
def test_every_call_is_one_that_can_be_sent(driver: Driver) -> None:
    for begin in flows(driver).values():
        call = next(begin())
        assert call.url.startswith("http://127.0.0.1:9100/")
        assert call.url.isascii()
        assert call.url.isprintable()
        for name, value in call.headers.items():
            assert f"{name}{value}".isascii()
            assert f"{name}{value}".isprintable()


def test_genuine_answers_are_known() -> None:
    """Else the mutations above would try nothing."""
    assert len(genuine()) > 30
    assert {"trackId", "Authority", "ResultCode", "RetrivalRefNo"} & set(words())
