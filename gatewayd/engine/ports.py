"""What the engine needs from the world: time, banks, ids and a place to tell what happened.

The daemon gives real ones, the seeded world gives simulated ones, tests give scripted ones; the engine cannot tell.
"""

from typing import Any, Protocol

from gatewayd.core.terms import Lost, Operation
from gatewayd.gateways.contract import Call, Reply


class Clock(Protocol):
    """Two clocks: what is stored and told to banks, and what waits are measured by."""

    def wall(self) -> float:
        """Seconds since 1970 UTC; may jump."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""


class Transport(Protocol):
    """The way to the banks: pools, timeouts, retries that cannot happen twice, redaction and metrics live behind it."""

    async def send(
        self, gateway: str, operation: Operation, call: Call, seconds: float
    ) -> Reply | Lost:
        """One exchange with this gateway's bank within `seconds`; never raises for what networks do."""


class Log(Protocol):
    """Structured log lines: an event in a few fixed words and fields. Values are masked behind it."""

    def info(self, event: str, **fields: Any) -> None:
        """What happened as it should."""

    def warning(self, event: str, **fields: Any) -> None:
        """What somebody should look at."""

    def error(self, event: str, **fields: Any) -> None:
        """What somebody must look at."""
