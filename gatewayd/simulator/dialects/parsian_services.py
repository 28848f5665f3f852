"""The three SOAP services of Parsian: what their WSDLs tell, and how their requests are read.

Every element must be in its service's namespace, whose Shaparak has a capital S. A SOAPAction must
be one of the service's, if there is any; without one the body's element decides.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from gatewayd.simulator import soap
from gatewayd.simulator.bank import Request

Arguments = Mapping[str, int | str]

_SALE: Final = "https://pec.Shaparak.ir/NewIPGServices/Sale/SaleService"
_CONFIRM: Final = "https://pec.Shaparak.ir/NewIPGServices/Confirm/ConfirmService"
_REVERSAL: Final = "https://pec.Shaparak.ir/NewIPGServices/Reversal/ReversalService"

STRUCTURES: Final[Mapping[str, tuple[soap.Field, ...]]] = {
    "ClientSaleRequestData": (
        ("LoginAccount", "string"),
        ("Amount", "long"),
        ("OrderId", "long"),
        ("CallBackUrl", "string"),
        ("AdditionalData", "string"),
        ("Originator", "string"),
    ),
    "ClientSaleResponseData": (("Token", "long"), ("Message", "string"), ("Status", "short")),
    "ClientConfirmRequestData": (("LoginAccount", "string"), ("Token", "long")),
    "ClientConfirmWithAmountRequestData": (
        ("LoginAccount", "string"),
        ("Token", "long"),
        ("OrderId", "long"),
        ("Amount", "long"),
    ),
    "ClientConfirmResponseData": (
        ("Status", "short"),
        ("CardNumberMasked", "string"),
        ("RRN", "long"),
        ("Token", "long"),
    ),
    "ClientReversalRequestData": (("LoginAccount", "string"), ("Token", "long")),
    "ClientReversalResponseData": (("Status", "short"), ("Message", "string"), ("Token", "long")),
}


def _service(name: str, namespace: str, methods: Mapping[str, tuple[str, str]]) -> soap.Service:
    """`methods` by name: what they ask and what they answer."""
    used = {kind for pair in methods.values() for kind in pair}
    return soap.Service(
        name=name,
        port=f"{name}Soap",
        namespace=namespace,
        qualified=True,
        methods={
            method: soap.Method(
                request=(("requestData", asks),),
                response=((f"{method}Result", answers),),
                action=f"{namespace}/{method}",
            )
            for method, (asks, answers) in methods.items()
        },
        structures={kind: fields for kind, fields in STRUCTURES.items() if kind in used},
    )


SERVICES: Final[Mapping[str, soap.Service]] = {
    "/newipgservices/sale/saleservice.asmx": _service(
        "SaleService",
        _SALE,
        {"SalePaymentRequest": ("ClientSaleRequestData", "ClientSaleResponseData")},
    ),
    "/newipgservices/confirm/confirmservice.asmx": _service(
        "ConfirmService",
        _CONFIRM,
        {
            "ConfirmPayment": ("ClientConfirmRequestData", "ClientConfirmResponseData"),
            "ConfirmPaymentWithAmount": (
                "ClientConfirmWithAmountRequestData",
                "ClientConfirmResponseData",
            ),
        },
    ),
    "/newipgservices/reverse/reversalservice.asmx": _service(
        "ReversalService",
        _REVERSAL,
        {"ReversalRequest": ("ClientReversalRequestData", "ClientReversalResponseData")},
    ),
}
"""By path in lower case: the address says Reverse where the namespace says Reversal."""


_OF_NAMESPACE: Final = {service.namespace: service for service in SERVICES.values()}


def read(request: Request, service: soap.Service) -> tuple[str, str, Arguments | None]:
    """SOAP version, operation and arguments; None for arguments in a wrong namespace."""
    return _understood(request.body, soap.action_of(request), service.namespace)


@lru_cache(maxsize=soap.BODIES_KEPT)
def _understood(body: bytes, action: str, namespace: str) -> tuple[str, str, Arguments | None]:
    envelope, service = soap.read_envelope(body), _OF_NAMESPACE[namespace]
    if action:
        name = action.removeprefix(f"{service.namespace}/")
        if name not in service.methods or not action.startswith(service.namespace):
            raise soap.Fault(
                f"Server did not recognize the value of HTTP Header SOAPAction: {action}.",
                version=envelope.version,
            )
    else:
        name = envelope.operation
        if name not in service.methods or envelope.namespace != service.namespace:
            raise soap.Fault("Unable to handle request without a valid action parameter.")
    qualified = f"{{{service.namespace}}}"
    data = envelope.element.find(f"{qualified}requestData")
    if envelope.element.tag != f"{qualified}{name}" or data is None:
        return envelope.version, name, None
    given = soap.children(data)
    ((_, structure),) = service.methods[name].request
    arguments: dict[str, int | str] = {}
    for field, kind in service.structures[structure]:
        text = given.get(f"{qualified}{field}")
        if kind == "long":
            value = soap.number("0" if text is None else text)
            if value is None:
                raise soap.Fault(
                    "Server was unable to read request. ---> There is an error in XML document. "
                    "---> Input string was not in a correct format.",
                    version=envelope.version,
                )
            arguments[field] = value
        elif text is not None:
            arguments[field] = text
    return envelope.version, name, arguments
