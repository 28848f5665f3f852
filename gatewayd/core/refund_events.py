"""What happens to refunds, beside what their banks are asked and answer, which are events of an attempt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gatewayd.core.happening import Event
from gatewayd.core.terms import GivenBack


class RefundFinding(StrEnum):
    """What a bank says of a refund."""

    DONE = "done"
    NOT_DONE = "not_done"
    """It did not happen, and will not by itself."""
    UNDER_WAY = "under_way"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundEvent(Event):
    """Something that happened to one refund of a payment. What banks are asked and answer are events of its attempt."""

    refund: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundCreated(RefundEvent):
    """The shop wants some of a paid payment back, and may have it. `private`: reason, iban."""

    attempt: int
    """Whose money it is."""
    amount: int
    """Rial."""
    key: str
    """The id of the API key, or the operator, that asked for it."""
    private: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundAsked(RefundEvent):
    """The bank was asked what became of a refund."""

    finding: RefundFinding
    given: GivenBack | None = None
    returns_by_ms: int | None = None
    answered: bool = True
    """False: there was no answer at all."""

    @property
    def trigger(self) -> str:
        return f"RefundAsked:{self.finding}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundLeftToReview(RefundEvent):
    """Nothing that we may do by ourselves is left; a person gives it back, or finds that the bank did."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundResolved(RefundEvent):
    """A person saw to it."""

    by: str
    reason: str
    done: bool
    """It went back. False: it does not go back."""
    reference: str = ""
    """What it went back by, such as a transfer's number."""

    @property
    def trigger(self) -> str:
        return "RefundResolved:done" if self.done else "RefundResolved:failed"
