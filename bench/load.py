"""What a payment costs: whole payments as a customer's browser makes them, against the daemon and simulated banks.

    python -m bench.load                              closed loop, 64 customers at a time
    python -m bench.load --at-a-time 256
    python -m bench.load --rate 300 --seconds 30      open loop: 300 come every second, whether served or not
    python -m bench.load --ramp                       finds the knee
    python -m bench.load --ramp --then 0.5            ... and measures at half of it; 2 is twice, for overload
    python -m bench.load --rate 300 --fsync-ms 1      on a disk whose fsync takes a millisecond longer

The daemon runs on a core of its own, with everything on. Tables are printed, JSON and SVG are kept in bench/results/;
bench/README.md says what each figure means.
"""

import argparse
import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import uvloop

from bench import processes, report
from bench.customers import STEPS, Seen, empty_gets
from bench.driving import closed, note, opened
from bench.figures import Stage, knee, next_rate, quantile
from bench.measuring import Watch
from bench.processes import Program

WARM_PAYMENTS: Final = 600
STAGE_SECONDS: Final = 6.0
FIRST_RATE: Final = 100.0
EMPTY_GETS: Final = 20_000


async def empty_get_us(at_a_time: int) -> float:
    """The CPU time of one empty aiohttp GET."""
    with processes.empty_server() as empty:
        return await get_us(empty, at_a_time)


async def get_us(program: Program, at_a_time: int, count: int = EMPTY_GETS) -> float:
    """The CPU time of a GET that this program answers."""
    await empty_gets(program.address, count // 10, at_a_time)
    before = program.cpu_seconds()
    await empty_gets(program.address, count, at_a_time)
    return (program.cpu_seconds() - before) / count * 1e6


class Bench:
    """A daemon and banks that are warm."""

    def __init__(self, server: Program, banks: Program, noted: Path | None = None) -> None:
        """`noted` is where the daemon writes down its calls to banks, if it does."""
        self.server = server
        self.banks = banks
        self.watch = Watch(server, banks, noted=noted)

    async def warm(self, at_a_time: int) -> None:
        """So that nobody pays for first times."""
        note("warming up")
        await closed(
            self.server.address, self.banks.address, at_a_time=at_a_time, payments=WARM_PAYMENTS
        )

    async def closed(
        self, at_a_time: int, payments: int, seconds: float, *, rest: float = 0.0
    ) -> dict[str, Any]:
        """One closed run; what the server does in the `rest` seconds after it counts as well."""
        await self.watch.again()
        seen = await closed(
            self.server.address,
            self.banks.address,
            at_a_time=at_a_time,
            payments=payments,
            seconds=seconds,
        )
        await self._rested(rest)
        return {"at_a_time": at_a_time, **await self.watch.result(seen), "seen": seen}

    async def open(self, rate: float, seconds: float, *, rest: float = 0.0) -> dict[str, Any]:
        """One open run, and so many seconds after it."""
        await self.watch.again()
        seen = await opened(
            self.server.address,
            self.banks.address,
            rate=rate,
            seconds=seconds,
            over=self.watch.over,
        )
        await self._rested(rest)
        return {"offered_per_second": rate, **await self.watch.result(seen), "seen": seen}

    async def _rested(self, seconds: float) -> None:
        if seconds:
            await self.watch.over()
            await asyncio.sleep(seconds)

    async def ramp(self, first: float) -> tuple[float, list[dict[str, Any]]]:
        """The knee, and every stage on the way to it."""
        stages: list[Stage] = []
        results: list[dict[str, Any]] = []
        while (rate := next_rate(stages, first)) is not None:
            result = await self.open(rate, STAGE_SECONDS)
            seen = result.pop("seen")
            results.append(result)
            # Of those who came: in a few seconds a hundredth more or fewer come than were ordered.
            finished = rate * result["payments_per_second"] / result["came_per_second"]
            stages.append(Stage(rate, finished, _latest(seen)))
            kept = "kept up" if stages[-1].keeps_up else "not kept up"
            note(f"  {rate:.0f}/s: p99 {stages[-1].late_seconds * 1e3:.0f} ms, {kept}")
        return knee(stages), results


def _latest(seen: Seen) -> float:
    return max(quantile(seen.steps[step].seconds, 0.99) for step in STEPS)


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """What was asked for."""
    wired: tuple[str, ...] = ()
    if options.fsync_ms:
        wired = ("--fsync-ms", str(options.fsync_ms))
    if options.journal == "none":
        wired = ("--journal", "none")
    document: dict[str, Any] = {"fsync_ms": options.fsync_ms, "journal": options.journal}
    unit = await empty_get_us(options.at_a_time)
    with ExitStack() as stack:
        noted = None
        if (
            options.rate or options.ramp
        ):  # a closed run tells CPU, and pays for nothing that is not needed
            noted = Path(stack.enter_context(processes.in_memory())) / "calls"
            wired += ("--calls", str(noted))
        banks = stack.enter_context(processes.simulator(module="bench.banks"))
        server = stack.enter_context(processes.daemon(banks.address, wired=wired))
        bench = Bench(server, banks, noted)
        await bench.warm(options.at_a_time)
        rate = options.rate
        if options.ramp:
            note("looking for the knee")
            document["knee"], document["stages"] = await bench.ramp(rate or FIRST_RATE)
            rate = document["knee"] * options.then
        if options.ramp and not options.then:
            return document
        if rate:
            note(f"{rate:.0f} customers a second")
            result = await bench.open(rate, options.seconds or 10.0)
        else:
            note(f"{options.at_a_time} customers at a time")
            payments = 0 if options.seconds else options.payments
            result = await bench.closed(options.at_a_time, payments, options.seconds)
    result |= {
        "empty_get_us": unit,
        "empty_gets_per_payment": result["cpu_us_per_payment"] / unit,
    }
    return document | {"run": result}


def show(name: str, document: dict[str, Any]) -> None:
    """Print, draw and keep."""
    run = document.get("run")
    if "knee" in document:
        stages = sorted(document["stages"], key=lambda each: float(each["offered_per_second"]))
        report.show_stages(document["knee"], stages)
        report.draw_stages(f"{name}_ramp", stages)
    if run:
        report.draw_run(name, run.pop("seen"))
        how = (
            f"open loop, {run['offered_per_second']:.0f}/s"
            if "offered_per_second" in run
            else f"{run['at_a_time']} at a time"
        )
        report.show_run(how, run)
        if run["load_core_used"] > 0.9 > run["core_used"]:
            print("The load and the banks were the bottleneck: rates say little, CPU still does.")
    report.keep(name, document)


def main() -> None:
    """Read the options, measure, show and keep the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--payments", type=int, default=5_000, help="of a closed run")
    parser.add_argument("--at-a-time", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.0, help="payments a second: open loop")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long it runs")
    parser.add_argument("--ramp", action="store_true", help="find the knee")
    parser.add_argument("--then", type=float, default=0.0, help="of the knee, after --ramp")
    parser.add_argument("--fsync-ms", type=float, default=0.0)
    parser.add_argument("--journal", choices=["durable", "none"], default="durable")
    parser.add_argument("--name", default="load", help="of the files under bench/results/")
    options = parser.parse_args()
    processes.stand_aside()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        document = runner.run(measure(options))
    show(options.name, document)


if __name__ == "__main__":
    main()
