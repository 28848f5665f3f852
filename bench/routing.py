"""Compares the router with its peers in many worlds and writes tables and plots to bench/results.

    python -m bench.routing            everything: about an hour on two cores (fewer --seeds: less)
    python -m bench.routing --short    a part of it in less than two minutes

The measure is how many of a hundred payments are paid. `gap` is what is missing to the best achievable: in each world
the best of an oracle that knows every level, a policy that also knows the capacities, and equal shares.
"""

import argparse
import dataclasses
import json
import math
import multiprocessing
import random
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench.routing_peers import BOUNDS, PEERS, POLICIES
from bench.routing_plots import plots
from bench.routing_reaction import Reaction, react
from bench.routing_simulation import Bank, Result, play
from bench.routing_speed import measure
from bench.routing_worlds import HOUR, MAKERS, world

RANDOM: Final = ("random", "random_cap")
KNOWN: Final = tuple(name for name in MAKERS if name not in RANDOM)
SHORT_WORLDS: Final = ("stable", "silent_page", "brownout", "one_good", "cap_and_outage")
SHORT_PEERS: Final = ("nginx", "sw_ts")
OURS: Final = "gatewayd"
T95: Final = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
"""Student's t for 95 %, by degrees of freedom from 1."""


class Job(NamedTuple):
    """One run."""

    world: str
    rate: float
    policy: str
    seed: int
    hours: float


class Plan(NamedTuple):
    """What is run."""

    rates: tuple[float, ...]
    worlds: tuple[str, ...]
    policies: tuple[str, ...]
    seeds: int
    random_seeds: int
    hours: float


FULL: Final = Plan((5.0, 0.2), (*KNOWN, *RANDOM), tuple(POLICIES), 3, 10, 2.0)
SHORT: Final = Plan((5.0,), SHORT_WORLDS, (*BOUNDS, *SHORT_PEERS, OURS), 1, 0, 1.0)


def run(job: Job) -> tuple[Job, float]:
    """Plays a job; per cent of payments paid."""
    return job, 100.0 * played(job).success


def played(job: Job) -> Result:
    """Plays a job."""
    made = world(job.world, job.rate, job.seed)
    made = dataclasses.replace(made, seconds=job.hours * HOUR)
    bank = Bank(made)
    dice = random.Random(f"{job.policy}/{job.seed}")
    return play(made, POLICIES[job.policy](len(bank.loads), dice, bank), bank, job.seed)


class Table:
    """All results at one rate."""

    def __init__(self, plan: Plan, rate: float, results: dict[Job, float]) -> None:
        self.plan, self.rate, self.results = plan, rate, results

    def seeds(self, name: str) -> range:
        return range(self.plan.random_seeds if name in RANDOM else self.plan.seeds)

    def paid(self, name: str, policy: str, seed: int) -> float:
        return self.results[Job(name, self.rate, policy, seed, self.plan.hours)]

    def mean(self, name: str, policy: str) -> float:
        return statistics.fmean(self.paid(name, policy, seed) for seed in self.seeds(name))

    def gaps(self, name: str, policy: str) -> list[float]:
        """Points missing to the best achievable, by seed. In a random world each seed has a best of its own."""
        seeds = self.seeds(name)
        best = max(BOUNDS, key=lambda bound: self.mean(name, bound))
        return [
            (
                max(self.paid(name, bound, seed) for bound in BOUNDS)
                if name in RANDOM
                else self.paid(name, best, seed)
            )
            - self.paid(name, policy, seed)
            for seed in seeds
        ]

    def lines(self) -> list[str]:
        """The table in Markdown: gaps with half the width of their 95 % intervals for ours."""
        policies = [name for name in self.plan.policies if name not in {"oracle", "capacities"}]
        lines = [
            f"### Gaps at {self.rate:g} payments a second",
            "",
            "| world | best | " + " | ".join(policies) + " |",
            "|---" * (len(policies) + 2) + "|",
        ]
        for name in self.plan.worlds:
            best = self.mean(name, policies[0]) + statistics.fmean(self.gaps(name, policies[0]))
            cells = []
            for policy in policies:
                gaps = self.gaps(name, policy)
                around = f" ±{half_width(gaps):.2f}" if policy == OURS and len(gaps) > 1 else ""
                cells.append(f"{statistics.fmean(gaps):.2f}{around}")
            lines.append(f"| {name} | {best:.2f} | " + " | ".join(cells) + " |")
        for title, names in (("mean, known", KNOWN), ("mean, random", RANDOM)):
            shown = [name for name in self.plan.worlds if name in names]
            if shown:
                means = [self.mean_gap(shown, policy) for policy in policies]
                cells = [f"**{mean:.2f}**" for mean in means]
                lines.append(f"| **{title}** | | " + " | ".join(cells) + " |")
        return lines

    def mean_gap(self, names: Iterable[str], policy: str) -> float:
        return statistics.fmean(statistics.fmean(self.gaps(name, policy)) for name in names)

    def claims(self) -> list[str]:
        """What is asked of the router, and whether it holds here."""
        fast = self.rate >= 1.0
        known = [name for name in self.plan.worlds if name in KNOWN]
        peers = [policy for policy in self.plan.policies if policy in PEERS]
        ours = self.mean_gap(known, OURS)
        best = min(peers, key=lambda policy: self.mean_gap(known, policy))
        lead, asked = self.mean_gap(known, best) - ours, 2.5 if fast else 0.5
        behind = {
            name: self.mean(name, "static") - self.mean(name, OURS) for name in self.plan.worlds
        }
        worst = max(behind, key=lambda name: behind[name])
        allowed = 0.3 if fast else 0.5
        lines = [
            said(
                lead >= asked, f"{lead:.2f} ahead of the best peer's mean ({best}; asked {asked})"
            ),
            said(
                behind[worst] <= allowed,
                f"at most {max(0.0, behind[worst]):.2f} below equal shares ({worst}; "
                f"allowed {allowed})",
            ),
        ]
        if fast:
            lines.insert(0, said(ours <= 1.3, f"mean gap {ours:.2f} in known worlds (asked 1.3)"))
            shown = [name for name in RANDOM if name in self.plan.worlds]
            if shown:
                gap = self.mean_gap(shown, OURS)
                each = ", ".join(f"{self.mean_gap([name], OURS):.2f} in {name}" for name in shown)
                lines.append(
                    said(gap <= 1.9, f"mean gap {gap:.2f} in random worlds ({each}; asked 1.9)")
                )
        return lines


def half_width(values: Sequence[float]) -> float:
    """Half of the 95 % interval of the mean."""
    degrees = len(values) - 1
    t = T95[min(degrees, len(T95)) - 1]
    return t * statistics.stdev(values) / math.sqrt(len(values))


def said(holds: bool, what: str) -> str:
    return f"- {'holds' if holds else 'FALLS SHORT'}: {what}"


def reaction_lines(seeds: int) -> list[str]:
    """How fast the share of the largest gateway moves when its page goes down and comes back."""
    reactions: list[Reaction] = [react(seed) for seed in range(seeds)]
    halved = statistics.median(reaction.halved for reaction in reactions)
    back = statistics.median(reaction.back for reaction in reactions)
    return [
        "### A silent outage of the largest gateway, 5 payments a second",
        "",
        said(halved <= 120, f"its share is halved after {halved:.0f} s (median; asked 120)"),
        said(back <= 300, f"back above half of a fair share after {back:.0f} s (asked 300)"),
    ]


def speed_lines(payments: int) -> list[str]:
    """What a call costs."""
    lines = ["### What a call costs", ""]
    for gateways, rank_most, report_most in ((6, 50.0, 20.0), (60, 150.0, 150.0)):
        cost = measure(gateways, payments)
        lines.append(
            said(
                cost.rank <= rank_most and cost.report <= report_most and cost.longest <= 2000.0,
                f"{gateways} gateways: rank {cost.rank:.0f} us (asked {rank_most:.0f}), started and "
                f"returned {cost.report:.0f} us (asked {report_most:.0f}), 99.9 % of calls within "
                f"{cost.longest:.0f} us (asked 2000)",
            )
        )
    return lines


def earlier(path: Path, but: Iterable[str]) -> dict[Job, float]:
    """What an earlier run found for policies other than these; equal worlds and dice give equal results."""
    rows = json.loads(path.read_text())
    found = {Job(*row[:-1]): float(row[-1]) for row in rows}
    return {job: paid for job, paid in found.items() if job.policy not in but}


def main() -> None:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--random-seeds", type=int)
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    parser.add_argument(
        "--only", nargs="*", help="play these policies; take the others from the last run's file"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    asked = parser.parse_args()
    plan = SHORT if asked.short else FULL
    if asked.seeds:
        plan = plan._replace(seeds=asked.seeds)
    if asked.random_seeds:
        plan = plan._replace(random_seeds=asked.random_seeds)
    jobs = [
        Job(name, rate, policy, seed, plan.hours)
        for rate in plan.rates
        for name in plan.worlds
        for policy in plan.policies
        for seed in range(plan.random_seeds if name in RANDOM else plan.seeds)
    ]
    name = "routing_short" if asked.short else "routing"
    results = {} if asked.only is None else earlier(asked.out / f"{name}.json", asked.only)
    results = {job: paid for job, paid in results.items() if job in set(jobs)}
    jobs = [job for job in jobs if job not in results]
    with multiprocessing.Pool(asked.jobs) as pool:
        for done, (job, paid) in enumerate(pool.imap_unordered(run, jobs), 1):
            results[job] = paid
            print(f"\r{done}/{len(jobs)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    lines = ["# Routing, measured", "", *(__doc__ or "").split("\n\n")[-1].splitlines(), ""]
    seeds = f"Seeds: {plan.seeds} in each known world, {plan.random_seeds} in each random one."
    lines += [f"{seeds} ± is half of the 95 % interval.", ""]
    for rate in plan.rates:
        table = Table(plan, rate, results)
        lines += [*table.lines(), ""]
        if not asked.short:
            lines += [*table.claims(), ""]
    lines += [*reaction_lines(1 if asked.short else 7), ""]
    lines += speed_lines(5_000 if asked.short else 20_000)
    print("\n".join(lines))
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / f"{name}.md").write_text("\n".join(lines) + "\n")
    rows = [[*job, round(paid, 3)] for job, paid in sorted(results.items())]
    (asked.out / f"{name}.json").write_text(json.dumps(rows).replace("], [", "],\n["))
    if not asked.short:
        shown = ("static", "nginx", "sw_ts", OURS)
        for shape in ("silent_page", "one_good", "cap_and_outage"):
            runs = {policy: played(Job(shape, 5.0, policy, 0, plan.hours)) for policy in shown}
            plots(asked.out, shape, runs, OURS)


if __name__ == "__main__":
    main()
