"""What people see of a gateway: the numbers behind its share, and in words what keeps it from more."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gatewayd.routing.breaker import BreakerState
from gatewayd.routing.ceiling import DOUBTED
from gatewayd.routing.score import Score

TOKENS_FAIL: Final = 0.8
"""Below this running share of token calls that ended well it is worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayHealth:
    """One gateway as the router sees it."""

    score: float
    """0 to 1: the chance that a payer sent there comes back, times the chance that what he completes is taken, less
    what failing and slow token calls cost."""
    weight: float
    """The part of the payments it is to get, if all gateways may be used."""
    share: float
    """The part it got of the payments in the window."""
    breaker: BreakerState
    started: int
    """Payments in the window (ten minutes) with a token."""
    returned: int
    paid: int
    failed: int
    """Payments in the window that the gateway failed, of those returned."""
    in_flight: int
    token_health: float
    """Running share of token calls that ended well."""
    token_seconds: float
    """Running mean of how long they took."""
    return_seconds: float
    """Within which half of its payers are back."""
    load: float
    """Payments per second it is sent now."""
    ceiling: float | None
    """Payments per second that it is assumed to carry at most; None: nothing speaks for a limit."""
    reasons: tuple[str, ...]
    """What keeps it from getting its full part, in words for people."""


def reasons(
    state: BreakerState, taken_out: str, limit: str, known: Score, token_health: float
) -> Iterable[str]:
    """What keeps a gateway from its full part; nothing where it is as good as it ever was."""
    if state is not BreakerState.CLOSED:
        yield f"breaker {state.value}"
    if taken_out:
        yield f"taken out: {taken_out}"
    if limit:
        yield f"at its {limit}"
    for signal, what in (
        (known.returns, "payers do not come back"),
        (known.taken, "payments fail"),
    ):
        if signal.fine < DOUBTED:
            yield f"{what}: {signal.mean:.0%} instead of {signal.usual:.0%}"
    if token_health < TOKENS_FAIL:
        yield f"tokens fail: {token_health:.0%} of the last calls ended well"
    if known.ceiling.cap is not None:
        yield f"seems to carry at most: {known.ceiling.cap:.2g} payments a second"
