"""What the banks' part of an answer was, call by call, so that it can be taken off exactly and nothing else with it.

A call's part begins when the daemon's request has gone to the kernel and ends when the bank begins to write its answer;
that the daemon is late to read it is the daemon's own doing, and stays. Pure but for reading the file.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ANSWERED_AT: Final = "Answered-At"
"""The header in which banks under measurement say when they answered: nanoseconds of the machine's monotonic clock."""

Part = tuple[float, float]
"""From when to when, in seconds of the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to what is measured."""

    step: str
    payment: str
    sent: float
    """When the request's bytes went to the kernel (perf_counter)…"""
    came: float
    """…and when the answer's came there."""


def read(path: Path) -> dict[str, list[Part]]:
    """By payment, its calls, from what `bench.daemon --calls` wrote."""
    found: dict[str, list[Part]] = defaultdict(list)
    for line in path.read_text().splitlines():
        payment, sent_ns, answered_ns = line.split()
        found[payment].append((int(sent_ns) / 1e9, int(answered_ns) / 1e9))
    return found


def within(sent: float, came: float, parts: Iterable[Part]) -> float:
    """How many of the seconds between these two times fall into at least one of the parts."""
    total, upto = 0.0, sent
    for first, last in sorted(parts):
        begins, ends = max(first, upto), min(last, came)
        if ends > begins:
            total += ends - begins
            upto = ends
    return total


def added(
    exchanges: Sequence[Exchange], calls: Mapping[str, Sequence[Part]]
) -> dict[str, list[tuple[float, float]]]:
    """By step, of each request: the seconds that the daemon added to it, and those that were the banks'."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for each in exchanges:
        banks = within(each.sent, each.came, calls.get(each.payment, ()))
        found[each.step].append((each.came - each.sent - banks, banks))
    return found
