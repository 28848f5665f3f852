"""The import graph points down, and the pure parts stay pure: read from the source by ast.

    core <- routing, gateways, journal <- engine <- simulator, io <- web <- world, daemon <- demo <- cli

What decides about money has no clock, no dice and no network of its own, so that the same inputs
give the same decision in a test, in the seeded world and in production.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parent.parent / "gatewayd"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

DECIDERS = frozenset({"core", "routing", "gateways", "journal"})
INNER = DECIDERS | {"engine"}
LOWER = INNER | {"simulator", "io", "web"}
MAY_IMPORT = {  # besides itself
    "": frozenset[str](),
    "client": frozenset[str](),
    "core": frozenset[str](),
    "routing": frozenset({"core"}),
    "gateways": frozenset({"core"}),
    "journal": frozenset({"core"}),
    "engine": DECIDERS,
    "simulator": INNER,
    "io": INNER,
    "web": INNER | {"simulator"},
    "world": LOWER,
    "daemon": LOWER,
    "demo": LOWER | {"daemon"},
    "cli_operators": frozenset({"io"}),
    "cli_invoices": frozenset({"cli_operators"}),
    "cli_journal": frozenset({"io"}),
    "cli_replay": frozenset({"routing", "io", "cli_journal"}),
    "cli": LOWER
    | {"world", "daemon", "demo", "cli_operators", "cli_invoices", "cli_journal", "cli_replay"},
    "__main__": frozenset({"cli"}),
}

PURE = DECIDERS
IMPURE_STANDARD = frozenset(
    """
    _thread asyncio builtins concurrent contextvars ctypes fcntl faulthandler gc getpass glob http
    imaplib importlib inspect io locale logging mmap multiprocessing os pickle platform pwd queue
    resource runpy sched secrets select selectors shelve shutil signal site smtplib socket
    socketserver sqlite3 ssl subprocess sys syslog tempfile threading time tomllib uuid weakref
    webbrowser zoneinfo
    """.split()
)
PURE_THIRD_PARTY = frozenset(
    """
    annotated_types cryptography orjson persiantools pydantic pydantic_core typing_extensions
    """.split()
)
IMPURE_NAMES = frozenset(
    {
        "datetime.date.today",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "urllib.request",
    }
)
IMPURE_CALLS = frozenset(
    {"__import__", "breakpoint", "eval", "exec", "input", "open", "print", "random.Random"}
)
PURE_ALL_THE_SAME = {
    "core/values.py": {"calls exec"},  # assignments generated once per class, as dataclasses do it
}
PATH_METHODS = frozenset(
    """
    absolute chmod cwd exists expanduser glob home is_dir is_file iterdir lstat mkdir open
    read_bytes read_text resolve rglob rmdir stat touch unlink write_bytes write_text
    """.split()
)


def part_of(module: str) -> str:
    """`core/money.py` is of core, `cli.py` of cli, the package's own `__init__.py` of nothing."""
    first = module.partition("/")[0].removesuffix(".py")
    return "" if first == "__init__" else first


class Import(NamedTuple):
    line: int
    target: str  # all that is imported: `import a.b` and `from a import b` both import a.b
    name: str  # the name that is bound by it
    meaning: str  # what that name stands for: `import a.b` binds a to a


def imports(tree: ast.AST) -> Iterator[Import]:
    """Every import anywhere in the file."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for name in names:
                    root = name.name.partition(".")[0]
                    meaning = root if name.asname is None else name.name
                    yield Import(node.lineno, name.name, name.asname or root, meaning)
            case ast.ImportFrom(module=module, names=names, level=level):
                for name in names:
                    target = f"{'.' * level}{module or ''}.{name.name}"
                    yield Import(node.lineno, target, name.asname or name.name, target)
            case _:
                pass


def out_of_layer(tree: ast.AST, part: str) -> Iterator[str]:
    """Imports that point up or sideways."""
    for found in imports(tree):
        root, *path = found.target.split(".")
        if root == "":
            yield f"{found.line}: a relative import"
        if root != "gatewayd" or not path or path[0] in {part, "__version__"}:
            continue
        if path[0] not in MAY_IMPORT[part]:
            yield f"{found.line}: {part or 'the package itself'} may not import {found.target}"


def dotted(node: ast.expr, bound: dict[str, str]) -> str | None:
    """What a name or an attribute of one stands for, by the file's imports."""
    match node:
        case ast.Name(id=name):
            return bound.get(name, name)
        case ast.Attribute(value=value, attr=attribute):
            owner = dotted(value, bound)
            return None if owner is None else f"{owner}.{attribute}"
        case _:
            return None


def pure_import(target: str) -> bool:
    """Whether a module of the pure parts may import this."""
    root = target.partition(".")[0]
    if root in sys.stdlib_module_names:
        return root not in IMPURE_STANDARD
    return root == "gatewayd" or root in PURE_THIRD_PARTY


def impure_name(name: str) -> bool:
    """Whether the name reads the clock, draws from the shared dice or reaches outside."""
    if name.startswith("random."):
        return name.split(".")[1] != "Random"
    return name in IMPURE_NAMES


def impurities(tree: ast.AST) -> Iterator[str]:
    """What a pure module must not hold."""
    found = list(imports(tree))
    bound = {each.name: each.meaning for each in found}
    uses_paths = any(each.target.partition(".")[0] == "pathlib" for each in found)
    for each in found:
        if not pure_import(each.target) or impure_name(each.target):
            yield f"{each.line}: imports {each.target}"
    for node in ast.walk(tree):
        match node:
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield f"{node.lineno}: waits"
            case ast.Call(func=function) if dotted(function, bound) in IMPURE_CALLS:
                yield f"{node.lineno}: calls {dotted(function, bound)}"
            case ast.Call(func=ast.Attribute(attr=method)) if uses_paths and method in PATH_METHODS:
                yield f"{node.lineno}: calls {method} in a file that uses pathlib"
            case ast.Attribute() if impure_name(dotted(node, bound) or ""):
                yield f"{node.lineno}: uses {dotted(node, bound)}"
            case _:
                pass


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down_only(module: str) -> None:
    part = part_of(module)
    assert part in MAY_IMPORT, f"{module} belongs to no layer: give {part!r} its place in the table"
    assert [] == list(out_of_layer(ast.parse((PACKAGE / module).read_text()), part))


@pytest.mark.parametrize("module", [module for module in MODULES if part_of(module) in PURE])
def test_what_decides_is_pure(module: str) -> None:
    known = PURE_ALL_THE_SAME.get(module, set())
    found = impurities(ast.parse((PACKAGE / module).read_text()))
    assert [] == [each for each in found if each.partition(": ")[2] not in known]


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("core", "from gatewayd.routing import window"),
        ("core", "from gatewayd import journal"),
        ("journal", "import gatewayd.gateways.contract"),
        ("routing", "def late():\n    from gatewayd.gateways.contract import Driver"),
        ("engine", "from gatewayd.io.clock import Clock"),
        ("simulator", "from gatewayd.io import clock"),
        ("io", "import gatewayd.simulator as banks"),
        ("web", "from gatewayd.io.http import Pool"),
        ("daemon", "from gatewayd.world import World"),
        ("daemon", "from gatewayd import cli"),
        ("__main__", "from gatewayd.daemon import run"),
        ("core", "from . import money"),
        ("core", "from ..engine import ports"),
    ],
)
def test_an_import_that_points_up_or_sideways_is_seen(part: str, line: str) -> None:
    assert 1 == len(list(out_of_layer(ast.parse(line), part)))


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("core", "from gatewayd.core.money import Rial"),
        ("core", "import gatewayd"),
        ("web", "from gatewayd import __version__"),
        ("web", "from gatewayd.simulator.bank import Book"),
        ("engine", "from gatewayd.journal.events import Verified"),
        ("cli", "from gatewayd.daemon import run"),
    ],
)
def test_an_import_that_points_down_is_allowed(part: str, line: str) -> None:
    assert [] == list(out_of_layer(ast.parse(line), part))


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio",
        "import time",
        "from time import monotonic",
        "import os.path",
        "from secrets import token_hex",
        "import aiohttp",
        "import some_new_package",
        "from random import choice",
        "import random\nrandom.random()",
        "import random as dice\ndice.shuffle([])",
        "import random\nrng = random.Random(7)",
        "from random import Random\nrng = Random()",
        "import datetime\ndatetime.datetime.now(datetime.UTC)",
        "from datetime import datetime\ndatetime.now()",
        "from datetime import date as day\nday.today()",
        "from urllib import request",
        "open('x')",
        "print('x')",
        "from pathlib import Path\nPath('x').read_text()",
        "async def wait(): pass",
    ],
)
def test_an_impurity_is_seen(source: str) -> None:
    assert [] != list(impurities(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "import random\ndef draw(rng: random.Random) -> float: return rng.random()",
        "from random import Random\ndef draw(rng: Random) -> float: return rng.choice([1.0])",
        "from datetime import UTC, datetime\nEPOCH = datetime(1970, 1, 1, tzinfo=UTC)",
        "from datetime import datetime\ndef later(now: datetime) -> datetime: return now",
        "import xml.sax.saxutils\nfrom urllib.parse import urlsplit",
        "from gatewayd.core.money import Rial\nimport orjson",
        "from pathlib import Path\ndef beside(path: Path) -> Path: return path.parent / 'x'",
    ],
)
def test_what_is_pure_passes(source: str) -> None:
    assert [] == list(impurities(ast.parse(source)))
