"""Reading and writing the banks' bytes: JSON, SOAP envelopes, form fields, digits and codes.

Every reader either returns the promised type or raises `MalformedReply` with the field's name,
never its value. Readers are lenient where banks are known to be (numbers as text, Persian digits,
blanks) and strict everywhere else.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from xml.etree import ElementTree as ET
from xml.parsers import expat
from xml.sax.saxutils import escape

import orjson

from gatewayd.gateways.contract import Call, MalformedReply, Reply

REPLY_BYTES_MAX: Final = 1_048_576
"""No bank's answer comes near this; the transport stops reading there."""
DIGITS_MAX: Final = 24
"""The longest number on any wire is an IBAN's 24 digits; `int` of more is a way to burn time."""
CODE_CHARS_MAX: Final = 64
TEXT_CHARS_MAX: Final = 512
XML_DEPTH_MAX: Final = 32
"""Every bank's answer is less than ten elements deep."""

_LATIN_DIGITS: Final = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
_LARGER: Final = 10**DIGITS_MAX
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,24}\Z")
_SOAP_NAMESPACE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_PLAIN_BEGINNING: Final = re.compile(
    rb"""\s*(?:<\?xml version=["']1\.0["'](?: encoding=["']utf-8["'])?\s*\?>\s*)?<[a-z]""",
    re.IGNORECASE,
)
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold, not even escaped."""


class SoapFault(MalformedReply):
    """The bank's SOAP layer refused or failed; `code` is the fault code without its prefix.

    A fault is no answer to what was asked, so it is malformed to all who do not know better.
    """

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"HTTP {status}: SOAP fault")
        self.code = code


@cache
def page_at(base_url: str, path: str) -> str:
    """The address of a bank's page; one text for all payers, of whom a hundred thousand may be there at one time.

    Both come from the configuration: there are as many as gateways.
    """
    return base_url + path


def read_json(reply: Reply) -> dict[str, Any]:
    """The reply's body as a JSON object, whatever the HTTP status: banks answer errors with any."""
    try:
        document = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        try:  # some servers put a byte order mark before it
            document = orjson.loads(reply.body.removeprefix(BOM_UTF8))
        except orjson.JSONDecodeError:
            raise MalformedReply(f"HTTP {reply.status} without JSON") from None
    if not isinstance(document, dict):
        raise MalformedReply(f"HTTP {reply.status}: JSON, but not an object")
    return document


def json_call(
    url: str, document: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Call:
    """A POST of a JSON object."""
    return Call(
        url=url,
        body=orjson.dumps(dict(document)),
        headers={
            "Content-Type": "application/json",
            "Accept": "application/json",
            **(headers or {}),
        },
    )


def to_text(value: object, name: str) -> str:
    """Text or a whole number as text; MalformedReply for anything else or anything too long."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool) or not isinstance(value, int):
        raise MalformedReply(f"{name}: {type(value).__name__} instead of text")
    elif abs(value) >= _LARGER:
        raise MalformedReply(f"{name}: too long a number")
    else:
        text = str(value)
    if len(text) > TEXT_CHARS_MAX or "\x00" in text:
        raise MalformedReply(f"{name}: too long, or with a zero byte")
    return text


def _latin(text: str) -> str:
    """With the digits that programs write."""
    return text if text.isascii() else text.translate(_LATIN_DIGITS)


def _whole(value: object) -> object:
    """A float that is a whole number, and small enough to be that one alone, as such; everything else as it is."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def shown(value: object) -> str | None:
    """A number that is only written down and shown, as text; None where it is missing or of an odd type.

    A proof of payment must not be lost over its trace number.
    """
    try:
        text = text_or_none(_whole(value), "")
    except MalformedReply:
        return None
    return None if text is None else _latin(text)


def text_or_none(value: object, name: str) -> str | None:
    """Text without surrounding blanks; None for null, missing and empty."""
    if value is None:
        return None
    return to_text(value, name).strip() or None


def to_int(value: object, name: str) -> int:
    """A whole number, also as text with blanks or Persian digits; MalformedReply for the rest."""
    if type(value) is int and -_LARGER < value < _LARGER:
        return value
    text = _latin(to_text(_whole(value), name).strip())
    if not _INTEGER.match(text):
        raise MalformedReply(f"{name}: not a whole number")
    return int(text)


def int_or_none(value: object, name: str) -> int | None:
    """Like `to_int`; None for null, missing and empty."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return to_int(value, name)


def to_code(value: object, name: str) -> str:
    """A bank's code as trimmed text: `0`, `-1531`, `OK`. A number and its digits are the same, Persian ones too."""
    text = _latin(to_text(_whole(value), name).strip())
    if not text or len(text) > CODE_CHARS_MAX:
        raise MalformedReply(f"{name}: empty or too long")
    return text


def take(document: Mapping[str, Any], *path: str) -> Any:
    """The value at `path` in nested objects; MalformedReply naming the path where it is missing."""
    value: Any = document
    for key in path:
        if not isinstance(value, dict) or key not in value:
            raise MalformedReply(f"{'.'.join(path)}: missing")
        value = value[key]
    return value


def lenient_int(value: str | None) -> int | None:
    """A number in what a browser brought, with or without thousands separators, or None."""
    if value is None:
        return None
    text = value.strip()
    if not text.isdigit():
        text = text.replace(",", "").replace("٬", "")
    text = _latin(text)
    return int(text) if _INTEGER.match(text) else None


def lenient_text(value: str | None) -> str | None:
    """Text that a browser brought, trimmed; None if empty, too long or with control characters."""
    if value is None:
        return None
    text = value.strip()
    if not text or len(text) > TEXT_CHARS_MAX or not text.isprintable():
        return None
    return text


def fold_keys(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields with lower-case names; the first of two that differ by case only wins."""
    folded: dict[str, str] = {}
    for name, value in fields.items():
        folded.setdefault(name.lower(), value)
    return folded


def mask_card(value: str | None) -> str | None:
    """A card as first six and last four digits at most, whatever mask the bank used, or None.

    A full number is cut here, before anything can store it: `6219861034529007` becomes
    `621986******9007`.
    """
    text = lenient_text(value)
    if text is None:
        return None
    text = _latin(text).replace("-", "").replace(" ", "")
    head = re.match(r"[0-9]{0,6}", text)
    tail = re.search(r"[0-9]{0,4}\Z", text)
    first, last = (head.group() if head else ""), (tail.group() if tail else "")
    if len(text) < 10 or not first or not last:
        return None
    return f"{first}******{last}"


def soap_call(url: str, action: str, body: str) -> Call:
    """A SOAP 1.1 POST of `body`, which is XML already escaped."""
    envelope = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<soap:Envelope xmlns:soap="{_SOAP_NAMESPACE}">'
        f"<soap:Body>{body}</soap:Body></soap:Envelope>"
    )
    return Call(
        url=url,
        body=envelope.encode(),
        headers={"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{action}"'},
    )


def xml_elements(fields: Mapping[str, str | int]) -> str:
    """`<name>value</name>` for each field in order, values escaped.

    Characters that XML cannot hold at all are left out: a bank would refuse the whole document.
    """
    return "".join([f"<{name}>{_xml_text(str(value))}</{name}>" for name, value in fields.items()])


def _xml_text(text: str) -> str:
    if text.isascii() and text.isalnum():  # most are numbers and names
        return text
    return escape(_NOT_XML.sub("", text))


def read_soap(reply: Reply, response: str) -> dict[str, str]:
    """The leaf elements (by local name) below the element `response` of a SOAP answer.

    A fault, HTML or any other XML is MalformedReply: it says only that something failed, not what
    happened.
    """
    root = parse_xml(reply.body, f"HTTP {reply.status}")
    for element in root.iter():
        if local_name(element.tag) == response:
            return {
                local_name(leaf.tag): (leaf.text or "").strip()
                for leaf in element.iter()
                if leaf is not element and len(leaf) == 0
            }
    for element in root.iter():
        if local_name(element.tag) == "Fault":
            codes = (child.text for child in element if local_name(child.tag) == "faultcode")
            raise SoapFault(reply.status, (next(codes, "") or "").strip().rpartition(":")[2])
    raise MalformedReply(f"HTTP {reply.status}: no {response}")


def parse_xml(body: bytes, where: str) -> ET.Element:
    """The root element; MalformedReply for anything that is not plain XML without a document type.

    The parser itself reports a document type, so no encoding can hide one and no entity is ever
    declared, let alone expanded. Comments and processing instructions are dropped.
    """
    if len(body) > REPLY_BYTES_MAX:
        raise MalformedReply(f"{where}: too large")
    body = body.lstrip()  # a blank line before the declaration is no XML, and happens
    if is_plain_xml(body):
        try:
            return ET.XML(body)
        except ET.ParseError:
            raise MalformedReply(f"{where}: not XML") from None
    builder = ET.TreeBuilder()
    depth = 0

    def name(tag: str) -> str:
        return "{" + tag if "}" in tag else tag

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > XML_DEPTH_MAX:
            raise MalformedReply(f"{where}: XML too deep")
        builder.start(
            name(tag), {name(key): value for key, value in attributes.items()} if attributes else {}
        )

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name(tag))

    def doctype(*_: object) -> None:
        raise MalformedReply(f"{where}: HTML, or XML with a document type")

    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(body, True)  # noqa: FBT003 - the C function takes no keywords
    except (expat.ExpatError, ValueError, LookupError):
        raise MalformedReply(f"{where}: not XML") from None
    return builder.close()


def is_plain_xml(body: bytes) -> bool:
    """Whether nothing can be hidden in this, as in nearly every answer, and the library's own builder may have it.

    It is UTF-8 (neither declared otherwise nor, by a zero byte, UTF-16), holds no declaration of any kind, and has too
    few tags to be too deep.
    """
    return (
        _PLAIN_BEGINNING.match(body) is not None
        and b"<!" not in body
        and b"\0" not in body
        and body.count(b"<") <= 2 * XML_DEPTH_MAX
    )


def local_name(tag: object) -> str:
    """The name without its namespace; comments and instructions have none."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
