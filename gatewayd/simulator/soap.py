"""What the dialects of SOAP banks share: reading envelopes, answering, faults and WSDLs.

Reading is as lenient as the banks' servers are: any prefix, SOAP 1.1 or 1.2, with or without an XML
declaration, in any encoding, with a header or none. Namespaces are told as they came, since a bank
may insist on them. Whatever cannot be read is a `Fault`, which becomes the reply; nothing else is
ever raised for bytes of a client.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from gatewayd.gateways.contract import MalformedReply, Reply
from gatewayd.gateways.wire import local_name, parse_xml
from gatewayd.simulator.bank import Request

SOAP_11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12: Final = "http://www.w3.org/2003/05/soap-envelope"
XSI_NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"
BODIES_KEPT: Final = 64
"""Every call is read twice or more, to see what it is and to carry it out, with others in between."""
NUMBER_CHARS_MAX: Final = 20
"""A long has at most 19 digits and a sign."""

Field = tuple[str, str]
"""Name and XML Schema type: `long`, `int`, `short`, `string`, or the name of a structure."""


class Fault(Exception):
    """The bank's SOAP layer could not read the request; the HTTP status is then 500."""

    def __init__(self, text: str, *, code: str = "Client", version: str = SOAP_11) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.version = version

    def reply(self) -> Reply:
        """The fault as the bank answers it."""
        text = escape(self.text)
        if self.version == SOAP_12:
            code = {"Client": "Sender", "Server": "Receiver"}.get(self.code, self.code)
            body = (
                f"<soap:Fault><soap:Code><soap:Value>soap:{code}</soap:Value></soap:Code>"
                f'<soap:Reason><soap:Text xml:lang="en">{text}</soap:Text></soap:Reason>'
                "</soap:Fault>"
            )
        else:
            body = (
                f"<soap:Fault><faultcode>soap:{self.code}</faultcode>"
                f"<faultstring>{text}</faultstring></soap:Fault>"
            )
        return answer(body, version=self.version, status=500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One request: its operation and where the arguments are."""

    version: str
    """The namespace of the envelope."""
    namespace: str
    """The namespace of the operation."""
    operation: str
    element: ET.Element


@lru_cache(maxsize=BODIES_KEPT)
def read_envelope(body: bytes) -> Envelope:
    """The first element of the SOAP body, to be read only; Fault if there is none."""
    try:
        root = parse_xml(body.lstrip(), "request")
    except MalformedReply:
        raise Fault("Error reading XMLStreamReader: not well-formed XML") from None
    version = _namespace(root.tag)
    if local_name(root.tag) != "Envelope" or version not in (SOAP_11, SOAP_12):
        raise Fault("Envelope expected in a namespace of SOAP", code="VersionMismatch")
    for part in root:
        if part.tag == f"{{{version}}}Body" and len(part):
            element = part[0]
            return Envelope(
                version=version,
                namespace=_namespace(element.tag),
                operation=local_name(element.tag),
                element=element,
            )
    raise Fault("The SOAP body is empty", version=version)


def children(element: ET.Element) -> dict[str, str]:
    """The text of the child elements by their full names, the first of each; without nil ones."""
    found: dict[str, str] = {}
    for child in element:
        if child.get(XSI_NIL) not in ("true", "1"):
            found.setdefault(child.tag, child.text or "")
    return found


def number(text: str) -> int | None:
    """A number of at most 64 bits as XML Schema spells it; None for anything else."""
    text = text.strip()
    if len(text) > NUMBER_CHARS_MAX or not re.fullmatch(r"[+-]?[0-9]+", text):
        return None
    value = int(text)
    return value if -(2**63) <= value < 2**63 else None


def action_of(request: Request) -> str:
    """The SOAPAction without its quotes; empty where the client names none."""
    if action := request.headers.get("soapaction"):
        return action.strip().strip('"')
    found = re.search(r'action="?([^";]*)', request.headers.get("content-type", ""))
    return found.group(1) if found else ""


def answer(body: str, *, version: str = SOAP_11, status: int = 200) -> Reply:
    """An envelope around `body`, which is XML already escaped."""
    envelope = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<soap:Envelope xmlns:soap="{version}"><soap:Body>{body}</soap:Body></soap:Envelope>'
    )
    kind = "application/soap+xml" if version == SOAP_12 else "text/xml"
    return Reply(
        status=status,
        headers={"content-type": f"{kind}; charset=utf-8"},
        body=envelope.encode("utf-8", "replace"),
    )


def elements(fields: Mapping[str, str | int]) -> str:
    """`<name>value</name>` for each field in order, values escaped."""
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in fields.items())


# --- descriptions of services


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One operation of a service, document/literal wrapped."""

    request: tuple[Field, ...]
    response: tuple[Field, ...]
    action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One SOAP service, as its WSDL tells."""

    name: str
    port: str
    namespace: str
    qualified: bool
    """Whether the arguments are in the service's namespace; else they are in none."""
    methods: Mapping[str, Method]
    structures: Mapping[str, tuple[Field, ...]]


def wants_wsdl(request: Request) -> bool:
    """Whether this asks for the description of the service."""
    return request.method in {"GET", "HEAD"} and any(
        name.lower() == "wsdl" for name in request.query
    )


def wsdl(service: Service, address: str) -> Reply:
    """The description; `address` is where it was asked for, so that clients call there too."""
    form = "qualified" if service.qualified else "unqualified"
    types, messages, operations, bindings = [], [], [], []
    for name, fields in service.structures.items():
        types.append(f'<xs:complexType name="{name}">{_sequence(fields)}</xs:complexType>')
    for name, method in service.methods.items():
        for part, fields in ((name, method.request), (f"{name}Response", method.response)):
            types.append(
                f'<xs:element name="{part}"><xs:complexType>{_sequence(fields)}'
                "</xs:complexType></xs:element>"
            )
            messages.append(
                f'<wsdl:message name="{part}"><wsdl:part name="parameters" element="tns:{part}"/>'
                "</wsdl:message>"
            )
        operations.append(
            f'<wsdl:operation name="{name}"><wsdl:input message="tns:{name}"/>'
            f'<wsdl:output message="tns:{name}Response"/></wsdl:operation>'
        )
        literal = '<soap:body use="literal"/>'
        bindings.append(
            f'<wsdl:operation name="{name}">'
            f'<soap:operation soapAction="{method.action}" style="document"/>'
            f"<wsdl:input>{literal}</wsdl:input><wsdl:output>{literal}</wsdl:output>"
            "</wsdl:operation>"
        )
    text = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<wsdl:definitions name="{service.name}" targetNamespace="{service.namespace}"'
        f' xmlns:tns="{service.namespace}" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"'
        ' xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"'
        ' xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        f'<wsdl:types><xs:schema elementFormDefault="{form}"'
        f' targetNamespace="{service.namespace}">{"".join(types)}</xs:schema></wsdl:types>'
        f"{''.join(messages)}"
        f'<wsdl:portType name="{service.name}PortType">{"".join(operations)}</wsdl:portType>'
        f'<wsdl:binding name="{service.name}Binding" type="tns:{service.name}PortType">'
        '<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>'
        f"{''.join(bindings)}</wsdl:binding>"
        f'<wsdl:service name="{service.name}">'
        f'<wsdl:port name="{service.port}" binding="tns:{service.name}Binding">'
        f'<soap:address location="{escape(address, {chr(34): "&quot;"})}"/>'
        "</wsdl:port></wsdl:service></wsdl:definitions>"
    )
    headers = {"content-type": "text/xml; charset=utf-8"}
    return Reply(status=200, headers=headers, body=text.encode("utf-8", "replace"))


def _sequence(fields: tuple[Field, ...]) -> str:
    rows = "".join(_element(name, kind) for name, kind in fields)
    return f"<xs:sequence>{rows}</xs:sequence>"


def _element(name: str, kind: str) -> str:
    """Numbers must be there; texts and structures may be missing, as at both banks."""
    simple = kind in ("long", "int", "short", "string")
    optional = ' minOccurs="0"' if kind == "string" or not simple else ""
    return f'<xs:element name="{name}" type="{"xs" if simple else "tns"}:{kind}"{optional}/>'


def _namespace(tag: str) -> str:
    return tag.rpartition("}")[0].removeprefix("{")
