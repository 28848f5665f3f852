"""What an operator may set about routing: each limit of a contract and each constant of the router, with its reason.

Durations are seconds, amounts rial, rates payments per second, unless the name says otherwise.
"""

from dataclasses import dataclass
from typing import Final, Literal

BASIS_POINTS: Final = 10_000
"""In the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one gateway's contract allows and costs; None means that the contract says nothing."""

    max_tps: float | None = None
    """Token calls per second."""
    max_in_flight: int | None = None
    """Payers who are at the bank at the same time."""
    daily_amount: int | None = None
    """Rial within any 24 hours, so that it holds wherever the bank's day begins."""
    min_share: float = 0.0
    """The least part of the payments that is sent here, whatever the score: some contracts promise volume."""
    max_share: float = 1.0
    """The largest part of the payments that is sent here."""
    weight: float = 1.0
    """How much this contract is preferred among gateways that are equally good."""
    fee_bp: float = 0.0
    """What a paid payment costs, in hundredths of a per cent: among equals the cheaper one is preferred."""

    def __post_init__(self) -> None:
        """A limit that cannot be meant is refused when it is read, not met at night."""
        for name in ("max_tps", "max_in_flight", "daily_amount"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be above zero; leave it out for no limit")
        if not 0.0 <= self.min_share <= self.max_share <= 1.0 or self.max_share == 0.0:
            raise ValueError("0 <= min_share <= max_share <= 1 must hold, and max_share be above 0")
        if self.weight <= 0.0:
            raise ValueError("weight must be above zero; close the gateway to take it out")
        if not 0.0 <= self.fee_bp <= BASIS_POINTS:
            raise ValueError("fee_bp must be between 0 and 10000")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingSettings:
    """The router's own constants. Each was varied by half and by double without much effect; none needs tuning."""

    mode: Literal["learned", "fixed"] = "learned"
    """The kill switch: `fixed` draws by the contracts' own weights and shares, whatever was learnt. Breakers, limits
    and failover stay, and learning goes on, so that the way back costs nothing."""
    breaker_failures: int = 3
    """Token failures in a row that open the breaker: two happen by chance, four cost one more customer's patience."""
    breaker_open_seconds: float = 5.0
    """The first pause of an open breaker: a dropped connection is often back at once; it doubles each time…"""
    breaker_doublings_max: int = 4
    """…up to 80 seconds, so that a recovered gateway is found within a minute and a half."""
    breaker_jitter: float = 0.2
    """Pauses vary by this part, so that gateways that fell together are not tried together."""
    breaker_forget_seconds: float = 120.0
    """A breaker that stayed closed this long starts again from the first pause."""
    breaker_warm_seconds: float = 30.0
    """After a trial closed the breaker, the share comes back over so long: what was down is often down again."""
    half_open_seconds: float = 10.0
    """A trial payment's slot lapses after this; a token call takes 8 at most."""
    attempts_max: int = 100_000
    """Attempts remembered: an hour's worth at thirty a second; older ones are forgotten first."""
    attempt_seconds: float = 1_200.0
    """An attempt that has not returned by then never will: banks' pages live ten to twenty minutes."""
    in_flight_seconds: float = 600.0
    """A payer away for longer does not count against max_in_flight any more: he left."""

    def __post_init__(self) -> None:
        """Nonsense is refused when it is read."""
        for name in self.__slots__:
            value = getattr(self, name)
            if not isinstance(value, str) and value < 0:
                raise ValueError(f"{name} must not be negative")
        if self.attempts_max < 1:
            raise ValueError(
                "attempts_max must be at least 1: a try is remembered while it is tried"
            )
