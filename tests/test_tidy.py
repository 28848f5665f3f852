"""Nothing is left lying about: what must be true of every file in the repository.

Looks at what git tracks or would track, so that a half-made file is judged before its commit; in a
copy without git it looks at everything but hidden and generated folders.
"""

import ast
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GENERATED = {"__pycache__", "build", "dist", "htmlcov", "node_modules", "var"}
PYTHON_LINES_MAX = 500  # a file is one concept, and a reader holds it whole
PINS = re.compile(r"(requirements|constraints|.*[.-]?lock)[^/]*\.(txt|in|json|toml|yaml)|.*\.lock")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")
# places that mean the same on every machine, so that naming them gives nothing away
COMMON_PLACES = {
    "/",
    "/home",
    "/mnt",
    "/opt",
    "/root",
    "/srv",
    "/tmp",
    "/usr/src",
    "/var",
    "/var/tmp",
}


def listed_by_git(root: Path) -> list[str] | None:
    """What git tracks or would track below `root`, or None where git cannot tell."""
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    try:
        run = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.split("\0")[:-1]


def walked(root: Path) -> list[str]:
    """Every file below `root` outside hidden and generated folders."""
    return [
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file()
        and not any(
            part in GENERATED or part.startswith(".") or part.endswith(".egg-info")
            for part in path.relative_to(root).parent.parts
        )
    ]


def project_files() -> list[str]:
    """The project's files; git still lists one that was just deleted."""
    listed = listed_by_git(ROOT)
    names = walked(ROOT) if listed is None else listed
    return sorted(name for name in names if (ROOT / name).is_file())


FILES = project_files()
PYTHON = [name for name in FILES if name.endswith(".py")]


def text_of(name: str) -> str | None:
    """A file's text, or None for a font or a picture."""
    try:
        return (ROOT / name).read_text()
    except UnicodeDecodeError:
        return None


def lines_with(pattern: re.Pattern[str], names: Iterable[str]) -> list[str]:
    """Where the pattern stands, as `file:line: what`."""
    return [
        f"{name}:{number}: {found[0]}"
        for name in names
        for number, line in enumerate((text_of(name) or "").splitlines(), 1)
        if (found := pattern.search(line))
    ]


def names_of(places: Iterable[Path]) -> re.Pattern[str]:
    """Finds these folders, or anything below them, named in a text."""
    known = sorted({str(place) for place in places} - COMMON_PLACES)
    words = "|".join(re.escape(place) for place in known)
    return re.compile(rf"(?<![\w.~/-])({words})(?![\w.-])" if known else r"(?!)")


def is_driver(source: str) -> bool:
    """Whether a class here starts payments, reads returns and verifies, beyond promising to."""
    needed = {"start", "read_return", "verify"}
    return any(
        needed <= {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and "Protocol" not in map(ast.unparse, node.bases)
    )


def drivers() -> list[str]:
    """The names of the drivers there are."""
    return [
        Path(name).stem
        for name in PYTHON
        if name.startswith("gatewayd/gateways/") and is_driver(text_of(name) or "")
    ]


def test_the_listing_is_of_this_project() -> None:
    assert {"pyproject.toml", "gatewayd/__init__.py", "tests/test_tidy.py"} <= set(FILES)


def test_git_and_a_plain_walk_see_the_same_python() -> None:
    listed = listed_by_git(ROOT)
    if listed is None:
        pytest.skip("no git here to compare with")
    on_disk = {name for name in walked(ROOT) if name.endswith(".py")}
    assert on_disk == {name for name in listed if name.endswith(".py") and (ROOT / name).is_file()}


def test_no_list_of_packages_holds_an_address() -> None:
    pins = [name for name in FILES if PINS.fullmatch(Path(name).name)]
    assert {"requirements.txt", "tests/requirements.in", "tests/requirements.txt"} <= set(pins)
    assert [] == lines_with(re.compile("://"), pins)


def test_every_pinned_package_has_its_hashes() -> None:
    pins = [name for name in FILES if Path(name).name == "requirements.txt"]
    unpinned = re.compile(r"^(?!    --hash=sha256:[0-9a-f]{64}( \\)?$|[a-z0-9-]+==[\w.]+ \\$).+")
    assert [] == lines_with(unpinned, pins)


def test_the_daemon_runs_with_the_same_pins_as_its_tests() -> None:
    ours, tests = (
        {line for line in (text_of(name) or "").splitlines() if "==" in line}
        for name in ("requirements.txt", "tests/requirements.txt")
    )
    assert set() == ours - tests


def test_no_python_file_is_too_long_to_read() -> None:
    lengths = {name: len((text_of(name) or "").splitlines()) for name in PYTHON}
    assert {} == {name: size for name, size in lengths.items() if size > PYTHON_LINES_MAX}


def test_every_python_module_says_what_it_is_for() -> None:
    assert [] == [name for name in PYTHON if not ast.get_docstring(ast.parse(text_of(name) or ""))]


def test_nothing_is_left_unfinished() -> None:
    shipped = [name for name in FILES if name.startswith(("gatewayd/", "bench/"))]
    assert [] == lines_with(UNFINISHED, shipped)


def test_every_driver_has_a_dialect_and_a_test() -> None:
    tested = [Path(name).stem for name in PYTHON if Path(name).name.startswith("test_")]
    missing = [
        f"{driver} has no dialect in the simulator"
        for driver in drivers()
        if f"gatewayd/simulator/dialects/{driver}.py" not in FILES
    ] + [
        f"{driver} has no test file"
        for driver in drivers()
        if not any(driver in stem.split("_") for stem in tested)
    ]
    assert [] == missing


def test_no_file_names_a_place_on_the_machine_it_was_made_on() -> None:
    assert [] == lines_with(names_of({ROOT, ROOT.parent, Path.home()}), FILES)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("see /place/checkout/x", True),
        ("'/place'", True),
        ("cd /place;", True),
        ("/places", False),
        ("https://bank.example/place/", False),
        ("a/place", False),
        ("/tmp/x", False),
    ],
)
def test_a_place_is_found_whole_and_common_places_are_not(line: str, found: bool) -> None:
    pattern = names_of({Path("/place/checkout"), Path("/place"), Path("/tmp")})
    assert found == bool(pattern.search(line))


@pytest.mark.parametrize(
    ("source", "driver"),
    [
        ("class A:\n def start(): ...\n def read_return(): ...\n def verify(): ...", True),
        (
            "class A(Protocol):\n def start(): ...\n def read_return(): ...\n def verify(): ...",
            False,
        ),
        ("class A:\n def start(): ...", False),
        ("CODES = {}", False),
    ],
)
def test_a_driver_is_known_by_what_it_does(source: str, driver: bool) -> None:
    assert driver == is_driver(source)
