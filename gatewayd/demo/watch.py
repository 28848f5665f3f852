"""Listens to what the daemon logs, so that the table can show how traffic flows; passes every line on."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any, Final

from gatewayd.core.terms import Finding
from gatewayd.engine.ports import Log

SLOT_SECONDS: Final = 2.0
SLOTS: Final = 15
"""What is remembered: half a minute."""
FOUND_PAID: Final = frozenset({str(Finding.PAID), str(Finding.VERIFIED)})
BARS: Final = " ▁▂▃▄▅▆▇█"


class Watch:
    """A log that counts: how many attempts each gateway got in every two seconds, and how many payments there are."""

    def __init__(self, log: Log, monotonic: Callable[[], float]) -> None:
        self._log = log
        self._monotonic = monotonic
        self._slots: dict[str, deque[int]] = {}
        self._slot = 0
        self._now: Counter[str] = Counter()
        self.started: defaultdict[str, int] = defaultdict(int)
        """Tokens that each gateway gave."""
        self.created = 0
        self.found = 0
        """Payments that an inquiry found paid though their payer never came back."""

    def info(self, event: str, **fields: Any) -> None:
        """See `Log.info`."""
        match event:
            case "created":
                self.created += 1
            case "started":
                self._count(fields["gateway"])
            case "asked" if fields["finding"] in FOUND_PAID:
                self.found += 1
            case _:
                pass
        self._log.info(event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        """See `Log.warning`."""
        self._log.warning(event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        """See `Log.error`."""
        self._log.error(event, **fields)

    def line(self, gateway: str) -> str:
        """The last half minute of a gateway's traffic as a row of bars; all gateways have the same scale."""
        self._advance()
        highest = max((max(slots, default=0) for slots in self._slots.values()), default=0)
        counts = self._slots.get(gateway, deque())
        bars = "".join(
            BARS[-(-count * (len(BARS) - 1) // highest)] if highest else BARS[0] for count in counts
        )
        return bars.rjust(SLOTS)

    def _count(self, gateway: str) -> None:
        self._advance()
        self.started[gateway] += 1
        self._now[gateway] += 1
        self._slots.setdefault(gateway, deque(maxlen=SLOTS))

    def _advance(self) -> None:
        """File what was counted in slots that are over."""
        slot = int(self._monotonic() / SLOT_SECONDS)
        if not self._slot:
            self._slot = slot
        for _ in range(min(slot - self._slot, SLOTS)):
            for gateway, slots in self._slots.items():
                slots.append(self._now[gateway])
            self._now.clear()
        self._slot = slot
