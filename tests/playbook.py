"""Plays a conversation with a driver's flow: no network, no event loop, no mock.

Usage, one sentence from top to bottom; every step is checked when it is reached:

    play(zibal.verify(order, "3714061657", None)) \\
        .calls("POST", "…/v1/verify", {"merchant": "zibal", "trackId": 3714061657}) \\
        .replies(200, {"result": 100, "status": 1, "amount": 25000}) \\
        .returns(Receipt(amount=25_000, token="3714061657"))

    play(mellat.settle(order, token, receipt)) \\
        .calls("POST", "…/services/pgw", {"terminalId": 7654321, "saleReferenceId": 99},
               soap="bpSettleRequest", headers={"SOAPAction": '""'}) \\
        .replies(200, soap_answer("bpSettleRequestResponse", {"return": "0"})) \\
        .returns(Receipt(...))

* An address that begins with `…` compares the end only.
* The fields must be all of the body's fields and nothing else; without them the body is not
  looked at. JSON is compared with its types (`1`, `"1"` and `true` differ). A SOAP body and a form
  (`form=True`) are compared as text and in the order of the fields, since XML's sequences have one.
  `body=b"…"` compares the very bytes instead.
* `soap` is the local name of the element in the SOAP body; the fields are the leaf elements below
  it, by local name. In `soap_answer` a mapping in the mapping nests.
* The headers of a call are those that must be there, names in any case. Those of a reply are given
  by `.replies(200, …, headers={…})`.
* A reply's body is bytes, text, or a mapping or list that becomes JSON.
* It ends with `.returns(value)`, `.refuses(cause, code)` or `.malformed("part of the text")`; a play
  without an end fails its test, for it proves nothing. On a mismatch the whole conversation is
  printed.
"""

from collections.abc import Mapping
from typing import Any, Generic, NoReturn, Self, TypeVar
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import orjson

from gatewayd.core.terms import CodeClass, Refusal
from gatewayd.gateways.contract import Call, Flow, MalformedReply, Reply
from gatewayd.gateways.wire import local_name

T = TypeVar("T")
Fields = Mapping[str, Any]


class Play(Generic[T]):
    """One flow being played; made by `play`."""

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
        self._lines: list[str] = []
        self._call: Call | None = None
        self._ended = False
        self._end: T | MalformedReply | None = None
        self._asserted = False
        self._advance(None)

    def calls(
        self,
        method: str,
        url: str,
        fields: Fields | None = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        soap: str | None = None,
        form: bool = False,
    ) -> Self:
        """The flow has yielded this call and waits for its reply."""
        call = self._call
        if call is None:
            self._fail(f"expected a call to {url}")
        self._compare("method", method, call.method)
        fits = call.url.endswith(url[1:]) if url.startswith("…") else call.url == url
        if not fits:
            self._fail(f"the address should be {url}")
        sent = {name.lower(): value for name, value in call.headers.items()}
        for name, value in (headers or {}).items():
            self._compare(f"header {name}", value, sent.get(name.lower()))
        if body is not None:
            self._compare("body", body, call.body)
        if soap is not None:
            operation, leaves = _read_soap(call.body)
            self._compare("SOAP operation", soap, operation)
            if fields is not None:
                self._compare("SOAP fields", _as_text(fields), leaves)
        elif form and fields is not None:
            pairs = parse_qsl(call.body.decode(), keep_blank_values=True)
            self._compare("form", _as_text(fields), pairs)
        elif fields is not None:
            self._compare("JSON", _canonical(fields), _canonical(orjson.loads(call.body)))
        return self

    def replies(
        self,
        status: int,
        body: bytes | str | Fields | list[Any] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """The bank answers the call that the flow waits on."""
        if self._call is None:
            self._fail("a reply, but the flow has not asked")
        match body:
            case bytes():
                data = body
            case str():
                data = body.encode()
            case _:
                data = orjson.dumps(body)
        lower = {name.lower(): value for name, value in (headers or {}).items()}
        self._lines.append(f"<< {status} {lower or ''} {data.decode(errors='replace')}")
        self._advance(Reply(status=status, body=data, headers=lower))
        return self

    def returns(self, expected: object) -> None:
        """The flow has ended with this value."""
        self._asserted = True
        if not self._ended:
            self._fail(f"expected the end: {expected!r}")
        self._compare("outcome", expected, self._end)

    def refuses(self, cause: CodeClass, code: str) -> None:
        """The flow has ended with a Refusal of this cause and code, whatever its words for people."""
        self._asserted = True
        if not isinstance(self._end, Refusal):
            self._fail(f"expected a refusal: {cause} {code}")
        self._compare("refusal", (cause, code), (self._end.cause, self._end.code))

    def malformed(self, part: str = "") -> None:
        """The flow has ended with MalformedReply, with `part` in its text."""
        self._asserted = True
        if not isinstance(self._end, MalformedReply) or part not in str(self._end):
            self._fail(f"expected MalformedReply with {part!r}")

    def __del__(self) -> None:
        """A play that nobody asked for its end proves nothing."""
        if not self._asserted:
            raise AssertionError("play() without an end")

    def _advance(self, reply: Reply | None) -> None:
        self._call = None
        try:
            self._call = next(self._flow) if reply is None else self._flow.send(reply)
        except StopIteration as stop:
            self._ended, self._end = True, stop.value
            self._lines.append(f"== {stop.value!r}")
        except MalformedReply as error:
            self._ended, self._end = True, error
            self._lines.append(f"== MalformedReply: {error}")
        except BaseException:
            self._asserted = True
            raise
        else:
            call = self._call
            text = call.body.decode(errors="replace")
            self._lines.append(f">> {call.method} {call.url} {dict(call.headers)} {text}")

    def _compare(self, what: str, expected: object, actual: object) -> None:
        if expected != actual:
            self._fail(f"{what}\n  expected {expected!r}\n  actual   {actual!r}")

    def _fail(self, why: str) -> NoReturn:
        self._asserted = True
        raise AssertionError("\n".join([why, "the conversation:", *self._lines]))


def play(flow: Flow[T]) -> Play[T]:
    """Begin to play `flow`: it runs up to its first call."""
    return Play(flow)


def soap_answer(response: str, fields: Fields, namespace: str = "urn:example") -> bytes:
    """A SOAP 1.1 answer: the element `response` with `fields` below it; a dict in a dict nests."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        f'<ns:{response} xmlns:ns="{escape(namespace)}">{_elements(fields)}</ns:{response}>'
        "</soap:Body></soap:Envelope>"
    ).encode()


def _elements(fields: Fields) -> str:
    return "".join(
        f"<{name}>{_elements(value) if isinstance(value, Mapping) else escape(str(value))}</{name}>"
        for name, value in fields.items()
    )


def _read_soap(body: bytes) -> tuple[str, list[tuple[str, str]]]:
    """The operation and its leaf elements, by local names."""
    operation = next(iter(next(e for e in ET.fromstring(body) if local_name(e.tag) == "Body")))
    leaves = [e for e in operation.iter() if e is not operation and len(e) == 0]
    return local_name(operation.tag), [(local_name(e.tag), e.text or "") for e in leaves]


def _as_text(fields: Fields) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in fields.items()]


def _canonical(document: object) -> bytes:
    """JSON with sorted keys: unlike Python's `==` it tells 1, 1.0 and true apart."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
