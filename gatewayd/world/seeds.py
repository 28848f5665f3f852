"""Many worlds on the cores there are for it, and a table at the end; of broken rules the story and what repeats it."""

import gc
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from gatewayd.world.options import Options
from gatewayd.world.run import Report, run_world

PROGRESS_LINES: Final = 20
"""Between the first seed and the last."""
STORIES_MAX: Final = 3
"""Broken worlds that are run again to be told; the others are named."""
STORY_LINES_MAX: Final = 200
GARBAGE_MIN: Final = 50_000
"""Objects between two collections of a worker's garbage: more than a world holds, of which little is left when it has
perished."""


@dataclass(slots=True)
class Summary:
    """What many worlds came to."""

    seeds: int = 0
    hours: float = 0.0
    cpu_seconds: float = 0.0
    payments: int = 0
    events: int = 0
    in_review: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[Report] = field(default_factory=list)

    def add(self, report: Report, cpu_seconds: float) -> None:
        """One more world."""
        self.seeds += 1
        self.hours += report.hours
        self.cpu_seconds += cpu_seconds
        self.payments += report.payments
        self.events += report.events
        self.in_review += report.in_review
        self.statuses.update(report.statuses)
        self.fates.update(report.fates)
        self.counts.update(report.counts)
        if report.violations:
            self.broken.append(report)

    @property
    def hours_a_minute(self) -> float:
        """Shop-hours in a minute of one core."""
        return 60.0 * self.hours / self.cpu_seconds if self.cpu_seconds else 0.0

    def table(self) -> list[str]:
        """Lines for people."""
        rows = [
            ("seeds", f"{self.seeds}"),
            ("shop-hours", f"{self.hours:g}, {self.hours_a_minute:.0f} in a minute of one core"),
            ("payments", f"{self.payments}: {_listed(self.statuses)}"),
            ("debits at banks", f"{sum(self.fates.values())}: {_listed(self.fates)}"),
            ("in review", f"{self.in_review} payments"),
            ("events", f"{self.events}"),
            ("troubles", _listed(self.counts)),
            ("violations", f"{sum(len(each.violations) for each in self.broken)}"),
        ]
        return [f"{name:>16}  {text}" for name, text in rows]


def main(
    seeds: int, first: int, options: Options, on_progress: Callable[[str], None] = print
) -> int:
    """Run so many seeds from `first` on and tell `on_progress` a line at a time; 0 if no rule was broken, else 1."""
    summary = Summary()
    every = max(1, seeds // PROGRESS_LINES)
    for report, cpu_seconds in _reports(range(first, first + seeds), options):
        summary.add(report, cpu_seconds)
        for violation in report.violations:
            on_progress(f"seed {report.seed}: {violation.rule}: {violation.what}")
        if summary.seeds % every == 0 and summary.seeds < seeds:
            on_progress(
                f"{summary.seeds} of {seeds} seeds, {summary.payments} payments, "
                f"{len(summary.broken)} broken"
            )
    for line in summary.table():
        on_progress(line)
    for report in sorted(summary.broken, key=lambda each: each.seed)[:STORIES_MAX]:
        _tell(run_world(report.seed, options, stories=True), on_progress)
    for report in summary.broken:
        on_progress(report.repeat)
    return 1 if summary.broken else 0


def _reports(seeds: range, options: Options) -> Iterable[tuple[Report, float]]:
    workers = min(len(seeds), len(os.sched_getaffinity(0)))
    if workers <= 1:
        usual = gc.get_threshold()
        _collect_seldom()
        try:
            yield from map(partial(_run, options=options), seeds)
        finally:
            gc.set_threshold(*usual)
            gc.unfreeze()
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, initializer=_collect_seldom) as pool:
        yield from pool.imap_unordered(partial(_run, options=options), seeds, chunksize=4)


def _run(seed: int, options: Options) -> tuple[Report, float]:
    began = time.process_time()
    report = run_world(seed, options)
    return report, time.process_time() - began


def _collect_seldom() -> None:
    """What was there before the first world stays: looking through it for garbage is in vain."""
    gc.freeze()
    gc.set_threshold(GARBAGE_MIN)


def _tell(report: Report, on_progress: Callable[[str], None]) -> None:
    for number, lines in report.stories.items():
        on_progress(f"--- seed {report.seed}, payment {number}")
        for line in lines[-STORY_LINES_MAX:]:
            on_progress(line)


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"
