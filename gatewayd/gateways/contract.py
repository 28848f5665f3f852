"""What a driver is: a frozen dataclass whose fields are its configuration and whose methods are flows.

A flow is a generator of calls: it yields a `Call`, is sent the bank's `Reply`, and returns what it learnt. The rules:

* A driver never sees a network failure, a clock, a random number or a retry; it is not given any,
  so it cannot mishandle one. Whoever drives the flow turns failures into `Lost`.
* A driver states facts; the engine judges. Amounts, tokens, terminals and references are compared
  in one place, not here.
* `verify`, `settle`, `reverse` and `inquire` may be run again from their first call. `start` and
  `refund` are run once.
* Whatever bytes come as a reply or a return, the outcome is a value or `MalformedReply`, nothing else.
* Powers beyond start, return and verify are separate protocols. What a class implements its bank
  can do; what this very contract may use, the traits say, and they rule: a power that was not
  bought is there in the class and absent in the traits.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

from gatewayd.core.terms import (
    NOTHING,
    Claim,
    GivenBack,
    Inquiry,
    Order,
    Receipt,
    Redirect,
    Refusal,
    Traits,
    Unverified,
)
from gatewayd.core.values import quick


class MalformedReply(Exception):
    """The bytes are not of the documented shape. Its text names fields and types, never values."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request to a bank."""

    url: str
    body: bytes = b""
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP answer; a 500 is a reply too. Header names are lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)


T = TypeVar("T")
Flow = Generator[Call, Reply, T]


class Driver(Protocol):
    """One bank's protocol with one contract's credentials."""

    driver: ClassVar[str]
    """The driver's name, as in the configuration."""

    @property
    def traits(self) -> Traits:
        """What this contract allows and promises."""

    @property
    def base_urls(self) -> tuple[str, ...]:
        """Where calls go: for warming connections and for `check`."""

    def start(self, order: Order) -> Flow[Redirect | Refusal]:
        """Ask the bank for a token. Run once per attempt."""

    def read_return(self, fields: Mapping[str, str]) -> Claim:
        """Read what the browser brought, query and form in one mapping. MalformedReply if it is not even text."""

    def verify(self, order: Order, token: str, claim: Claim | None) -> Flow[Receipt | Refusal]:
        """Ask whether this is paid and, where the bank has no settle, take it. Never settles."""


@runtime_checkable
class Settleable(Protocol):
    """The bank wants a second yes before it pays out."""

    def settle(self, order: Order, token: str, receipt: Receipt) -> Flow[Receipt | Refusal]:
        """Take the verified money."""


@runtime_checkable
class Reversible(Protocol):
    """The bank can give all of it back to the card, while its window is open."""

    def reverse(self, order: Order, token: str, receipt: Receipt) -> Flow[GivenBack | Refusal]:
        """Give the whole amount back."""


@runtime_checkable
class Inquirable(Protocol):
    """The bank can be asked without changing anything. `claim` is the best known return, if any."""

    def inquire(self, order: Order, token: str, claim: Claim | None) -> Flow[Inquiry | Refusal]:
        """What the bank knows of this attempt."""


@runtime_checkable
class ListsUnverified(Protocol):
    """The bank lists what was paid and not verified."""

    def list_unverified(self) -> Flow[tuple[Unverified, ...] | Refusal]:
        """The latest unverified payments of this contract."""


@runtime_checkable
class Refundable(Protocol):
    """The bank gives money back after it was taken for good, also in parts."""

    def refund(
        self, order: Order, token: str, receipt: Receipt, amount: int, refund_order: int
    ) -> Flow[GivenBack | Refusal]:
        """Give `amount` rial back. `refund_order` is fresh for every refund. Never repeated blindly."""

    def inquire_refund(
        self,
        order: Order,
        token: str,
        receipt: Receipt,
        amount: int,
        refund_order: int,
        given: GivenBack | None,
    ) -> Flow[GivenBack | Inquiry | Refusal]:
        """Whether that refund happened: GivenBack if it did, NOT_PAID refusal if not, Inquiry PENDING if under way."""
