"""Shows what was measured: tables on the terminal, JSON and SVG under `bench/results/`."""

import json
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.charts import Line, charts
from bench.customers import STEPS, Seen
from bench.figures import quantile

RESULTS: Final = Path(__file__).parent / "results"
console: Final = Console(width=None if sys.stdout.isatty() else 100)


def keep(name: str, document: Mapping[str, Any]) -> None:
    """Write the JSON of a run, with when and on what it was made."""
    made = {
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(made | dict(document), indent=2) + "\n")


def draw(name: str, panels: Sequence[tuple[str, str, Mapping[str, Line]]]) -> None:
    """Write the SVG of a run."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.svg").write_text(charts(panels))


def draw_run(name: str, seen: Seen) -> None:
    """What happened second by second."""
    every = [at for step in STEPS for at in seen.steps[step].at]
    if not every:
        return
    first = min(every)
    per_second: dict[int, int] = {}
    for at in seen.finished_at:
        per_second[int(at - first)] = per_second.get(int(at - first), 0) + 1
    late: dict[str, Line] = {}
    for step in STEPS:
        by_second: dict[int, list[float]] = {}
        for at, seconds in zip(seen.steps[step].at, seen.steps[step].seconds, strict=True):
            by_second.setdefault(int(at - first), []).append(seconds)
        late[step] = [(s, quantile(values, 0.99) * 1e3) for s, values in sorted(by_second.items())]
    finished = [(float(s), float(count)) for s, count in sorted(per_second.items())]
    draw(
        name,
        [
            ("Payments finished per second", "seconds", {"finished": finished}),
            ("p99 of each step, ms", "seconds", late),
        ],
    )


def show_run(title: str, result: Mapping[str, Any]) -> None:
    """One run as a table."""
    table = Table(title=title)
    table.add_column("what")
    table.add_column("figure", justify="right")
    for name, figure in rows(result):
        table.add_row(name, figure)
    console.print(table)


def rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The figures of a run, each with its name."""
    found = [("ended", ", ".join(f"{count} {name}" for name, count in result["ended"].items()))]
    if result["asked_to_wait"]:
        found.append(("pages that asked to wait", str(result["asked_to_wait"])))
    if "offered_per_second" in result:
        found.append(("payments offered per second", f"{result['offered_per_second']:.0f}"))
    found += [
        ("payments finished per second", f"{result['payments_per_second']:.0f}"),
        ("CPU per payment", f"{result['cpu_us_per_payment']:.0f} µs"),
    ]
    if "empty_get_us" in result:
        found += [
            ("one empty aiohttp GET", f"{result['empty_get_us']:.1f} µs"),
            ("a payment in empty GETs", f"{result['empty_gets_per_payment']:.1f}"),
        ]
    used = f"{result['core_used']:.0%}, {result['load_core_used']:.0%}"
    memory = result["resident_mb"]
    found += [
        ("of its core; load and banks of theirs", used),
        (
            "daemon ready without a core; stolen from the machine",
            f"{result['waited_for_core']:.0%}, {result['stolen']:.0%}",
        ),
        ("resident, before and after", f"{memory['before']:.0f}, {memory['after']:.0f} MB"),
    ]
    if "commits_per_second" in result:
        found += [
            ("commits per second", f"{result['commits_per_second']:.0f}"),
            ("events per commit", f"{result['events_per_commit']:.1f}"),
            (
                "commit, mean and at most",
                f"{result['commit_ms_mean']:.1f}, {result['commit_ms_at_most']:g} ms",
            ),
        ]
    for step, parts in result["milliseconds"].items():
        found.append(
            (f"{step} {' / '.join(parts)}", " / ".join(f"{v:.1f}" for v in parts.values()) + " ms")
        )
    for name, figure in (
        ("banks' pages", "bank_pages_ms"),
        ("driver's own lateness", "driver_late_ms"),
    ):
        parts = result[figure]
        found.append(
            (f"{name} {' / '.join(parts)}", " / ".join(f"{v:.1f}" for v in parts.values()) + " ms")
        )
    for name, figure in (("added to", "added_ms"), ("the banks' part of", "banks_ms")):
        for step, parts in result.get(figure, {}).items():
            if any(parts.values()):
                took = " / ".join(f"{v:.1f}" for v in parts.values())
                found.append((f"{name} {step} {' / '.join(parts)}", f"{took} ms"))
    return found


def show_stages(knee: float, stages: Sequence[Mapping[str, Any]]) -> None:
    """A ramp as a table."""
    table = Table(title=f"the knee is at {knee:.0f} payments a second")
    heads = ("offered/s", "finished/s", "CPU µs", "core", *(f"{step} p99 ms" for step in STEPS))
    for head in heads:
        table.add_column(head, justify="right")
    for stage in stages:
        table.add_row(
            f"{stage['offered_per_second']:.0f}",
            f"{stage['payments_per_second']:.0f}",
            f"{stage['cpu_us_per_payment']:.0f}",
            f"{stage['core_used']:.0%}",
            *(f"{stage['milliseconds'][step]['p99']:.1f}" for step in STEPS),
        )
    console.print(table)


def draw_stages(name: str, stages: Sequence[Mapping[str, Any]]) -> None:
    """A ramp as a picture."""
    finished = [(s["offered_per_second"], s["payments_per_second"]) for s in stages]
    late = {
        step: [(s["offered_per_second"], s["milliseconds"][step]["p99"]) for s in stages]
        for step in STEPS
    }
    across = "payments offered per second"
    draw(
        name,
        [
            ("Payments finished per second", across, {"finished": finished}),
            ("p99 of each step, ms", across, late),
        ],
    )
