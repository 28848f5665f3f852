"""What a program under load costs, from looking at it before and after: CPU, memory, commits, what the banks took.

Latencies are told twice: as a browser sees them, from when its customer was to come until the driver has read the
answer, banks included; and what the daemon added to each request, from when its bytes went to the kernel until those of
the answer came there, without the banks' part of that very request.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bench import calls
from bench.customers import STEPS, Seen
from bench.figures import histogram_counts, metric_sum, quantile
from bench.processes import Program, stolen_seconds
from bench.wire import Connection

PARTS: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
_COMMITS: Final = "gatewayd_journal_commit_events"
_COMMIT_SECONDS: Final = "gatewayd_journal_commit_duration_seconds"


@dataclass(frozen=True, slots=True)
class Look:
    """How things stood at one time."""

    at: float
    cpu: float
    waited: float
    stolen: float
    others_cpu: tuple[float, ...]
    text: str
    """The daemon's metrics."""


class Watch:
    """Looks at `program` before and after, and at those that make the load. Use `again` first."""

    def __init__(self, program: Program, *banks: Program, noted: Path | None = None) -> None:
        """`noted` is where the program writes down its calls to banks (`bench.daemon --calls`)."""
        self._program = program
        self._noted = noted
        self._banks = banks
        self._idle_bytes = program.resident_bytes()
        self._before: Look | None = None
        self._over: Look | None = None

    async def look(self) -> Look:
        text = await self._metrics()
        return Look(
            at=time.perf_counter(),
            cpu=self._program.cpu_seconds(),
            waited=self._program.waited_seconds(),
            stolen=stolen_seconds(),
            others_cpu=(time.process_time(), *(each.cpu_seconds() for each in self._banks)),
            text=text,
        )

    async def _metrics(self) -> str:
        parts = urlsplit(self._program.internal)
        if not parts.hostname:
            return ""
        connection = Connection(parts.hostname, parts.port or 80)
        answer = await connection.ask("GET", "/metrics")
        connection.close()
        return answer.body.decode()

    async def again(self) -> None:
        """Begin to measure from here."""
        self._before, self._over = await self.look(), None

    async def over(self) -> None:
        """From here on no more customers come; whoever is still there counts for the sums, but not for the rates."""
        self._over = self._over or await self.look()

    async def result(self, seen: Seen) -> dict[str, Any]:
        """What it was since the last `again`."""
        before, after = self._before, await self.look()
        assert before is not None, "again comes first"
        over = self._over or after
        seconds = over.at - before.at
        done = max(1, len(seen.finished_at))
        in_time = sum(at <= over.at for at in seen.finished_at)
        used = after.cpu - before.cpu
        load = sum(b - a for a, b in zip(before.others_cpu, over.others_cpu, strict=True))
        found: dict[str, Any] = {
            "ended": dict(seen.ended),
            "asked_to_wait": seen.waited,
            "seconds": seconds,
            "payments_per_second": in_time / seconds,
            "cpu_us_per_payment": used / done * 1e6,
            "core_used": (over.cpu - before.cpu) / seconds,
            "load_core_used": load / seconds,
            "waited_for_core": (over.waited - before.waited) / seconds,
            "stolen": (over.stolen - before.stolen) / seconds,
            "resident_mb": {
                "before": self._idle_bytes / 1e6,
                "after": self._program.resident_bytes() / 1e6,
            },
            "milliseconds": {step: _milliseconds(seen.steps[step].seconds) for step in STEPS},
            "bank_pages_ms": _milliseconds(seen.banks.seconds),
            "driver_late_ms": _milliseconds(seen.late),
        }
        if seen.came:
            found["came_per_second"] = seen.came / seconds
        if after.text:
            found |= _journal(before, over, seconds)
        if self._noted is not None:
            parts = calls.added(seen.exchanges, calls.read(self._noted))
            found["added_ms"], found["banks_ms"] = (
                {step: _milliseconds([each[part] for each in parts[step]]) for step in STEPS}
                for part in (0, 1)
            )
        return found


def _milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {name: quantile(ordered, part) * 1e3 for name, part in PARTS.items()}


def _journal(before: Look, after: Look, seconds: float) -> dict[str, Any]:
    commits = _grown(before, after, f"{_COMMITS}_count")
    events = _grown(before, after, f"{_COMMITS}_sum")
    if not commits:
        return {}
    at_most = histogram_counts(after.text, _COMMIT_SECONDS)
    earlier = histogram_counts(before.text, _COMMIT_SECONDS)
    grown = {bound: count - earlier.get(bound, 0.0) for bound, count in at_most.items()}
    total = max(grown.values())
    return {
        "commits_per_second": commits / seconds,
        "events_per_commit": events / commits,
        "commit_ms_mean": _grown(before, after, f"{_COMMIT_SECONDS}_sum") / commits * 1e3,
        "commit_ms_at_most": min(bound for bound, count in grown.items() if count == total) * 1e3,
    }


def _grown(before: Look, after: Look, name: str, *labels: str) -> float:
    return metric_sum(after.text, name, *labels) - metric_sum(before.text, name, *labels)
