"""A log line whenever what keeps a gateway from its full part of the payments changes in kind, not only in number."""

from collections.abc import Mapping

from gatewayd.engine.ports import Log
from gatewayd.routing.health import GatewayHealth


class HealthLog:
    """One per daemon; looked at every second."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._told: dict[str, tuple[str, ...]] = {}

    def look(self, health: Mapping[str, GatewayHealth]) -> None:
        """Tell what changed since the last look."""
        for name, known in health.items():
            kinds = tuple([reason.partition(":")[0] for reason in known.reasons])
            if kinds != self._told.get(name, ()):
                self._told[name] = kinds
                self._log.info(
                    "gateway health",
                    gateway=name,
                    score=round(known.score, 3),
                    weight=round(known.weight, 3),
                    share=round(known.share, 3),
                    reasons=list(known.reasons),
                )
