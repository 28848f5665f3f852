"""A configured contract with a bank: its driver with credentials, and what we decided about it."""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Annotated, Any

from pydantic import Field

from gatewayd.core.secret import Secret
from gatewayd.core.settings import ConnectionSettings, Name, Origin
from gatewayd.core.terms import NOTHING, Traits
from gatewayd.gateways.contract import Driver
from gatewayd.routing.router import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """What a gateway has whatever its driver."""

    name: Name
    limits: Limits = field(default_factory=Limits)
    public_url: Origin | None = None
    """Where payers are handed over and come back to if this contract registered another host.

    None: the service's.
    """
    test: bool = False
    """No real money: reachable by `gwk_test_…` keys."""
    retired: bool = False
    """Gets no new payments; what is open is still verified, settled and reversed."""
    connections: ConnectionSettings = field(default_factory=ConnectionSettings)
    labels: Mapping[Name, Annotated[str, Field(max_length=200)]] = field(
        default_factory=lambda: NOTHING
    )
    """For people and reports; nothing here depends on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings(GatewayOptions):
    """One gateway as the engine uses it."""

    driver: Driver
    traits: Traits = field(init=False)
    """The driver's, worked out once: they are asked for several times per payment."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "traits", self.driver.traits)


def contracts(gateways: Iterable[GatewaySettings]) -> Mapping[str, tuple[Mapping[str, str], ...]]:
    """What the banks know of us: by driver its gateways' fields as text, secrets in clear."""
    known: dict[str, tuple[Mapping[str, str], ...]] = {}
    for gateway in gateways:
        contract = dict(contract_of(gateway.driver))
        known[gateway.driver.driver] = (*known.get(gateway.driver.driver, ()), contract)
    return known


def contract_of(driver: Driver) -> Mapping[str, str]:
    """A driver's configuration as text, secrets in clear, absent fields left out."""
    values: dict[str, Any] = {each.name: getattr(driver, each.name) for each in fields(driver)}  # type: ignore[arg-type]
    return {name: _text(value) for name, value in values.items() if value is not None}


def identity_of(driver: Driver) -> Mapping[str, str]:
    """What its contract cannot be without; addresses, products and panel tokens may change any time."""
    kind: Any = driver
    needed = {each.name for each in fields(kind) if each.default is MISSING}
    return {name: text for name, text in contract_of(driver).items() if name in needed}


def _text(value: Any) -> str:
    match value:
        case Secret():
            return value.reveal()
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)
