"""What a customer is shown or where they are sent: the engine's answer to a browser, before any HTML."""

from dataclasses import dataclass

from gatewayd.core.payment import Attempt, Payment
from gatewayd.core.values import quick


@quick
@dataclass(frozen=True, slots=True)
class HandOver:
    """Send the customer to this attempt's bank."""

    payment: Payment
    attempt: Attempt


@quick
@dataclass(frozen=True, slots=True)
class Back:
    """Send the customer back to the shop, with the payment's status."""

    payment: Payment


@dataclass(frozen=True, slots=True)
class GoesBack:
    """What may have been paid by the attempt that the customer comes back from is not kept: say so, then back."""

    payment: Payment
    attempt: int


@dataclass(frozen=True, slots=True)
class Offer:
    """The last try failed: back to the shop, or another try."""

    payment: Payment
    another: bool
    """Whether another gateway could be tried; if not, the same one can."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Nothing is known of the last try: go on at its bank, take another gateway, or go back to the shop."""

    payment: Payment
    attempt: Attempt
    another: bool
    """Whether another gateway could be tried."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A bank's word is out: do not pay again."""

    payment: Payment


@dataclass(frozen=True, slots=True)
class NoGateway:
    """No gateway gave a token just now; the payment stays open."""

    payment: Payment


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is no such payment or attempt."""


Shown = HandOver | Back | GoesBack | Offer | Choice | Wait | NoGateway
"""Of a payment that there is."""
View = Shown | Nothing
