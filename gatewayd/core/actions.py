"""What can be done for a payment: what `plan` answers with, and what the engine's hands carry out."""

from dataclasses import dataclass

from gatewayd.core import events as ev
from gatewayd.core.values import quick


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something to do for a payment, not before `due_ms`."""

    due_ms: int
    attempt: int = 0


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Verify(Action):
    """Ask the bank to confirm."""

    purpose: ev.Purpose


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class TakeReference(Action):
    """Take hold of the claim's reference, so that no other payment can use it."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Settle(Action):
    """Ask the bank to pay out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse(Action):
    """Ask the bank to give all of it back."""

    refund: int = 0
    """The refund that this is for; 0: none, or again for the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund(Action):
    """Ask the bank to refund what it does not reverse."""

    refund: int = 0
    """The refund that this is for; 0: all of an attempt's money that must not be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRefund(Action):
    """Ask the bank what became of a refund."""

    refund: int


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Inquire(Action):
    """Ask the bank without changing anything."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Action):
    """Nothing to ask: write this down. Its time is set when it is written."""

    event: ev.Event
