"""The commands for a journal as a file: verify, export, backup, restore, rebuild-search."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress

from gatewayd.io import journal_tools, journal_verify
from gatewayd.io.filelock import Locked
from gatewayd.io.sqlite_schema import UnusableStore

EX_DAMAGED: Final = 1
EX_DATAERR: Final = 65
EX_IOERR: Final = 74
EX_TEMPFAIL: Final = 75

journal = typer.Typer(help="A journal as a file.", no_args_is_help=True)

Path_ = Annotated[
    Path, typer.Argument(metavar="JOURNAL", help="The journal's file.", readable=False)
]
"""`readable=False`: what cannot be read is told by the tools, with an exit code of ours."""


@journal.command()
def verify(path: Path_) -> None:
    """Read all of it: hash chain, versions, private digests, and every payment played again."""
    with told(), progress_bars() as progress:
        verified = journal_verify.verify(path, progress=progress)
    for problem in verified.problems:
        sys.stderr.write(f"{problem}\n")
    typer.echo(
        f"{path}: {verified.events} events of {verified.payments} payments; "
        + ("whole" if not verified.problems else f"{len(verified.problems)} problems")
    )
    if verified.problems:
        raise typer.Exit(EX_DAMAGED)


@journal.command()
def export(
    path: Path_,
    private: Annotated[bool, typer.Option(help="With payers' data and banks' raw fields.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Every event as a line of JSON on standard output."""
    with told(), progress_bars() as progress:
        journal_tools.export(path, sys.stdout.buffer, private=private, progress=progress)


@journal.command()
def backup(
    path: Path_,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="Where to.", readable=False)],
) -> None:
    """A checked copy in one file; the daemon may go on meanwhile."""
    with told(), progress_bars() as progress:
        journal_tools.backup(path, target, progress=progress)
    typer.echo(f"{target}: written and checked")


@journal.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.", readable=False)],
    path: Path_,
) -> None:
    """Make a backup the journal, after reading all of it; nothing is overwritten."""
    with told(), progress_bars() as progress:
        verified = journal_tools.restore(source, path, progress=progress)
    typer.echo(
        f"{path}: {verified.events} events of {verified.payments} payments; what happened after the"
        " backup is only known to the banks: look at `gatewayd payment list` once it runs"
    )


@journal.command("rebuild-search")
def rebuild_search(path: Path_) -> None:
    """Build the columns that payments are found by anew from the events; the daemon must not run."""
    with told(), progress_bars() as progress:
        count = journal_tools.rebuild_search(path, progress=progress)
    typer.echo(f"{path}: {count} payments")


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong, in one line and with an exit code."""
    try:
        yield
    except Locked as error:
        _die(EX_TEMPFAIL, str(error))
    except (UnusableStore, journal_tools.NotDone) as error:
        _die(EX_DATAERR, str(error))
    except BrokenPipeError:
        raise  # whoever read us has had enough: typer ends without a word
    except OSError as error:
        _die(EX_IOERR, str(error))


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error for what takes long; nothing where that is no terminal."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        known: dict[str, int] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in known:
                known[what] = int(bars.add_task(what, total=total))
            bars.update(bars.tasks[known[what]].id, completed=done, total=total)

        yield show


def _die(code: int, text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(code)
