"""The port to the disk: what a journal hands to a store, what a store promises, and what is read back.

A store writes a batch of appends in one durable transaction or not at all. Guards are checked inside that transaction,
append by append: one whose guard is taken is left out, alone, and named in the answer; nobody else's suffers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from gatewayd.core.delivery import Changes, Delivery, Standing
from gatewayd.core.values import quick

IDEMPOTENCY_KEPT_MS: Final = 7 * 86_400_000
"""Longer than the banks take to return money, so that no late repeat makes a second payment."""
RECEIPTS_COMPARED_MS: Final = 30 * 86_400_000
"""No bank gives a number again so soon, and none brings up an older receipt."""
FIRST_OF_INVOICE: Final = "InvoiceCreated"
"""The kind of the first event of what is an invoice, and no payment."""
GUARD_CHARS_MAX: Final = 1_024
"""A reference of a bank or an order number of a shop, with its owner's name; 512 characters at most each."""


OWN_NUMBER: Final = 0
"""Where a payment's number stands, this is of the journal itself: its events are in the chain like all others."""


class GuardKind(StrEnum):
    """What can be held by one payment only."""

    IDEMPOTENCY = "idempotency"
    """A shop's Idempotency-Key on a call: taken once, by nobody again, not even by the same payment."""
    ORDER = "order"
    """A shop's order while a payment for it is open or paid."""
    REFERENCE = "reference"
    """What a payment is verified by at a gateway."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A claim on something that one payment only can have. ValueError for a key that no store could keep."""

    kind: GuardKind
    key: str
    """What is claimed; never a secret."""
    detail: str = ""
    """What the holder wants remembered: the fingerprint of a request's body, the attempt's number."""

    def __post_init__(self) -> None:
        """Refuse here what would otherwise fail in the middle of everybody's transaction."""
        if not 0 < len(self.key) <= GUARD_CHARS_MAX or len(self.detail) > GUARD_CHARS_MAX:
            raise ValueError("a guard's key is empty, or it or its detail is too long")
        try:
            self.key.encode()
            self.detail.encode()
        except UnicodeEncodeError:
            raise ValueError("a guard's key or detail is not text") from None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has a guard."""

    guard: Guard
    """The guard as it was taken, with the holder's detail."""
    number: int
    """The payment."""
    version: int = 1
    """The payment's version with which the guard was taken."""


@quick
@dataclass(frozen=True, slots=True)
class Row:
    """One event as bytes."""

    version: int
    kind: str
    at_ms: int
    body: bytes
    private: bytes | None = None
    salt: bytes = b""


@quick
@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be told of a payment: to shops, by webhook and event list."""

    version: int
    shop: str
    """Whose, with `/test` where it is about a test payment."""
    type: str
    """`payment.paid` and the like, out of `core.news`."""
    at_ms: int


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The columns that payments are found by; they follow the events and can be rebuilt from them."""

    number: int
    shop: str
    order_id: str
    status: str
    gateway: str
    amount: int
    created_ms: int
    needs_review: bool
    invoice: int = 0
    """The invoice that it is for; 0: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceColumns:
    """The columns that invoices are found by; they land with the events and can be rebuilt from them."""

    number: int
    shop: str
    order_id: str
    status: str
    wanted: int
    look_ms: int
    """From when on an open one is to be looked at: it has expired, or was stopped."""
    created_ms: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """A number by which a bank's receipt named a payment."""

    gateway: str
    reference: str
    """The RRN, or what the bank gives in its place."""
    number: int
    """The payment."""
    at_ms: int


@dataclass(frozen=True, slots=True)
class Sightings:
    """The receipts in a part of the journal."""

    found: tuple[Sighting, ...]
    upto: int
    """The last place that was looked at, in the order of the whole journal."""


@quick
@dataclass(frozen=True, slots=True)
class Searches:
    """Search columns on their way to the disk, and what else nobody waits for."""

    rows: tuple[Search, ...] = ()
    complete: bool = False
    """With these, every event that landed before this batch is covered."""
    posting: tuple[Changes, ...] = ()
    """What became of webhooks, which rides along."""
    receipts: tuple[Sighting, ...] = ()
    compared: int | None = None
    """Up to this place every receipt was compared with those before it; None: as before."""
    invoices: tuple[InvoiceColumns, ...] = ()
    """Of invoices whose events are in the same batch; whose append is kept out has none."""


NO_SEARCHES: Final = Searches()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Events of one payment that land together."""

    number: int
    rows: tuple[Row, ...]
    takes: tuple[Guard, ...] = ()
    releases: tuple[Guard, ...] = ()
    """Given up if this payment holds them."""
    is_open: bool | None = True
    """Whether the payment still needs anything after this; None: as before."""
    notices: tuple[Notice, ...] = ()


class StoreError(Exception):
    """The disk failed. Memory is ahead of it from here on, so the process must stop."""


class Store(Protocol):
    """Where a journal is kept. Its methods block; the writer calls them on a thread of its own."""

    def write(
        self, appends: Sequence[Append], searches: Searches = NO_SEARCHES
    ) -> list[Holder | None]:
        """Write all in one durable transaction; per append None, or who holds the guard that kept it out.

        StoreError if the disk fails, after which nothing is known to have been written.
        """

    def note(self, kind: str, at_ms: int, body: bytes) -> None:
        """Write down, durably, what happened to the journal itself."""

    def read(self, number: int) -> list[Row]:
        """The events of one payment, oldest first; empty if there is none."""

    def read_open(self) -> Iterable[tuple[int, list[Row]]]:
        """The events of every open payment."""

    def last_number(self) -> int:
        """The highest payment number that the journal holds; 0 for none."""

    def last_rows(self, kinds: Sequence[str]) -> list[Row]:
        """The latest events of these kinds, newest first and without their private parts.

        So many that a number which was given just before the highest one is surely among them.
        """

    def unsearched(self) -> list[int]:
        """Payments with events that the search columns may not know yet; invoices may be among them."""

    def take_receivers(self, names: Iterable[str]) -> list[tuple[Standing, list[Delivery]]]:
        """How the receivers of webhooks stand, in the order of `names`, with what is not delivered yet.

        One that is new begins here: it is told of what happens from now on. One that is not named is forgotten.
        """


@quick
@dataclass(frozen=True, slots=True)
class Told:
    """A notice in its place among all."""

    seq: int
    number: int
    notice: Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much there is."""

    events: int
    open_payments: int
    in_review: int
    file_bytes: int
    log_bytes: int
    """Of the write-ahead log's file; it is kept at the longest that it was, up to its limit."""


class TooSlow(Exception):
    """A reading took longer than it may; whoever asked should ask for less."""
