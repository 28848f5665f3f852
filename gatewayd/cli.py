"""The command line: every command in a few lines that read its options and call the room that does the work.

Exit codes are sysexits': 65 the journal cannot be used, 69 an address cannot be had, 74 the disk failed, 75 another
daemon has the journal, 78 the configuration is wrong.
"""

import asyncio
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
import uvloop

from gatewayd import __version__, cli_invoices, cli_journal, cli_operators, cli_replay
from gatewayd.daemon import Serving
from gatewayd.daemon import run as run_daemon
from gatewayd.engine.gateway import contracts
from gatewayd.engine.ports import Log
from gatewayd.io import check as checking
from gatewayd.io.boot import left_open
from gatewayd.io.config import Config, ConfigError, load, overridden, secrets_of
from gatewayd.io.descriptors import take_descriptors
from gatewayd.io.examples import example
from gatewayd.io.filelock import Locked
from gatewayd.io.logs import open_log
from gatewayd.io.sqlite_schema import UnusableStore
from gatewayd.io.systemd import READY, notify
from gatewayd.journal.store import StoreError

EX_DATAERR: Final = 65
EX_IOERR: Final = 74
EX_TEMPFAIL: Final = 75
EX_CONFIG: Final = 78
EX_UNAVAILABLE: Final = 69

app = typer.Typer(
    help="A daemon in front of Iranian bank gateways, so that no rial is ever in doubt.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(cli_journal.journal, name="journal")
app.add_typer(cli_operators.payment, name="payment")
app.add_typer(cli_operators.refund, name="refund")
app.add_typer(cli_invoices.invoice, name="invoice")
app.add_typer(cli_operators.gateway, name="gateway")
app.add_typer(cli_operators.webhook, name="webhook")
app.add_typer(cli_operators.routing, name="routing")
app.command()(cli_replay.replay)

ConfigFile = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="The configuration file.", readable=False)
]
"""`readable=False`: what cannot be read is told by whoever reads it, with an exit code of ours."""
SIMULATED: Final = example("simulated.yaml")


@app.command()
def run(
    config: ConfigFile,
    listen: Annotated[str | None, typer.Option(help="Instead of the file's: HOST:PORT.")] = None,
    journal: Annotated[
        Path | None, typer.Option(help="Instead of the file's journal.", readable=False)
    ] = None,
) -> None:
    """The daemon."""
    settings = _load(config, listen=listen, journal=journal)
    with open_log(secrets=secrets_of(settings)) as log:

        def ready(daemon: Serving) -> None:
            log.info(
                "ready",
                listen=daemon.address,
                internal=daemon.internal_address,
                gateways=len(settings.gateways),
                open_payments=len(daemon.engine.journal),
                version=__version__,
            )
            notify(READY)

        try:
            _run(run_daemon(settings, log, ready))
        except Locked as error:
            _give_up(log, EX_TEMPFAIL, str(error))
        except ConfigError as error:
            _give_up(log, EX_CONFIG, *error.complaints)
        except UnusableStore as error:
            _give_up(log, EX_DATAERR, str(error))
        except StoreError as error:
            _give_up(log, EX_IOERR, str(error))
        except OSError as error:
            _give_up(log, EX_UNAVAILABLE, f"cannot listen: {error}")
        log.info("stopped")


@app.command()
def simulate(
    config: Annotated[
        Path,
        typer.Option(
            help="Whose contracts the banks know.",
            show_default="config/simulated.yaml",
            readable=False,
        ),
    ] = SIMULATED,
    listen: Annotated[str, typer.Option(help="HOST:PORT")] = "127.0.0.1:9100",
    payers: Annotated[str, typer.Option(help="page (buttons) or auto (answers at once)")] = "page",
    mix: Annotated[
        str, typer.Option(help="What payers do: paid=80,cancel=4,decline=6,leave=10")
    ] = "",
    latency: Annotated[str, typer.Option(help="Of every answer: 50ms or 50-200ms")] = "0",
    time_scale: Annotated[float, typer.Option(help="Divides all of the banks' windows")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="The same tokens and payers every time")] = None,
) -> None:
    """The banks, in their real wire protocols, for tests and demos."""
    from gatewayd.simulator.server import serve_simulator  # noqa: PLC0415 - a starting daemon needs no banks

    settings = _load(config)
    serving = serve_simulator(
        contracts(settings.gateways),
        wall=time.time,  # noqa: TID251 - the program's edge gives the real clock
        ready=lambda line: print(line, flush=True),  # noqa: T201 - the one line that it promises
        listen=listen,
        payers=payers,
        mix=mix,
        latency=latency,
        time_scale=time_scale,
        seed=seed,
        warn=lambda line: print(line, file=sys.stderr, flush=True),  # noqa: T201 - as above
    )
    try:
        _run(serving)
    except ValueError as error:
        _die(EX_CONFIG, str(error))
    except OSError as error:
        _die(EX_UNAVAILABLE, f"cannot listen on {listen}: {error}")


@app.command()
def demo(
    seconds: Annotated[
        float | None, typer.Option(min=1, help="End by itself after so long.", show_default="never")
    ] = None,
) -> None:
    """Everything at once: banks, daemon, a shop, customers, an outage, and what it all came to.

    Exit code 0 only if journal and banks account for every rial.
    """
    from gatewayd.demo.stage import run_demo  # noqa: PLC0415 - a daemon does not carry the demo about

    try:
        accounted = _run(run_demo(seconds=seconds))
    except StoreError as error:
        _die(EX_IOERR, str(error))
    except OSError as error:
        _die(EX_UNAVAILABLE, str(error))
    if not accounted:
        raise typer.Exit(1)


@app.command()
def check(
    config: ConfigFile,
    connect: Annotated[bool, typer.Option(help="Also try to reach every bank.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Whether a configuration can be used, and what is in it."""
    settings = _load(config)
    try:
        left = left_open(Path(settings.service.journal.path))
    except UnusableStore as error:
        _die(EX_DATAERR, str(error))
    report = _run(
        checking.check(
            settings,
            wall=time.time,  # noqa: TID251 - the program's edge gives the real clock
            connect=connect,
            left=left,
        )
    )
    sys.stdout.write(report.text())
    if not report.ok:
        raise typer.Exit(EX_CONFIG)


@app.command()
def world(
    seeds: Annotated[
        int, typer.Option(min=1, help="How many worlds, an hour of a shop each.")
    ] = 20,
    seed: Annotated[int, typer.Option(help="The first of them.")] = 1,
    option: Annotated[
        list[str] | None, typer.Option(help="An option of the world, NAME=VALUE; may be repeated.")
    ] = None,
) -> None:
    """The seeded worlds: the real engine among disasters on virtual time; a violation says what repeats it."""
    from gatewayd.world import seeds as worlds  # noqa: PLC0415 - a daemon does not carry worlds about
    from gatewayd.world.options import Options  # noqa: PLC0415 - as above

    try:
        options = Options().changed(option or [])
    except ValueError as error:
        _die(EX_CONFIG, f"--option: {error}")
    if worlds.main(seeds, seed, options, lambda line: print(line, flush=True)):  # noqa: T201 - its progress
        raise typer.Exit(1)


def _load(path: Path, *, listen: str | None = None, journal: Path | None = None) -> Config:
    try:
        return overridden(load(path), listen=listen, journal=journal)
    except ConfigError as error:
        _die(EX_CONFIG, *error.complaints)


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    take_descriptors()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


def _give_up(log: Log, code: int, *lines: str) -> NoReturn:
    """As sentences for whoever looks on, else as lines of the log like any other."""
    if sys.stderr.isatty():
        _die(code, *lines)
    for line in lines:
        log.error("cannot go on", why=line, exit_code=code)
    raise typer.Exit(code)


def _die(code: int, *lines: str) -> NoReturn:
    for line in lines:
        sys.stderr.write(f"{line}\n")
    raise typer.Exit(code)


def main() -> None:
    """The `gatewayd` command."""
    app()
