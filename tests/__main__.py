"""One command for everything: `python3 -m tests`, from a machine with nothing but Python.

Makes `.venv`, installs the pinned packages and the project into it, checks format, lint and types,
runs every test, and stops at the first step that fails. `python3 -m tests -k saman` (or any other
arguments of pytest's) runs pytest alone with them; `--setup-only` only makes `.venv`.
Standard library only. Nothing is installed anew until the pinned list, the project's own file, the
Python or the place of the checkout has changed.
"""

import fcntl
import hashlib
import importlib.util
import subprocess
import sys
import time
import venv
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - this line is what tells a user of an older Python
    sys.exit("gatewayd needs Python 3.11 or newer; this is " + sys.version.split()[0])

from tests import chromium

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PINS = ROOT / "tests" / "requirements.txt"
STAMP = VENV / "installed.sha256"
PROCESSES_MAX = 8  # test processes: more only cost memory
PIP = (PYTHON, "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
CHECKS = {
    "format": (PYTHON, "-m", "ruff", "format", "--check", "--quiet", "."),
    "lint": (PYTHON, "-m", "ruff", "check", "--quiet", "."),
    "types": (PYTHON, "-m", "mypy", "--no-error-summary"),
}
PYTEST = (PYTHON, "-m", "pytest")
ALL_TESTS = ("-q", "-n", "auto", f"--maxprocesses={PROCESSES_MAX}", "--dist=worksteal")
REPAIR = {
    "format": "`.venv/bin/ruff format .` puts it right",
    "lint": "`.venv/bin/ruff check --fix .` puts some of it right",
    "types": "`.venv/bin/mypy` shows it again",
}


def main(arguments: list[str]) -> int:
    """Run what was asked for and give the exit code of the step that failed, or 0."""
    setup()
    if arguments == ["--setup-only"]:
        return 0
    if arguments:
        return run(*PYTEST, *arguments)
    for name, command in CHECKS.items():
        began = time.perf_counter()
        say(f"{name} ...")
        code = run(*command)
        if code:
            say(f"{name} failed: {REPAIR[name]}")
            return code
        say(f"{name} ok, {time.perf_counter() - began:.1f} s")
    if chromium.find() is None:
        say(chromium.MISSING)
    say("tests ...")
    return run(*PYTEST, *ALL_TESTS)  # pytest has the last word


def setup() -> None:
    """Bring `.venv` up to date; a second run at the same time waits for the first."""
    with PINS.open("rb") as pins:
        fcntl.flock(pins, fcntl.LOCK_EX)
        wanted = digest()
        if STAMP.is_file() and STAMP.read_text() == wanted:
            return
        began = time.perf_counter()
        say("setting up .venv ...")
        if importlib.util.find_spec("ensurepip") is None:
            sys.exit(
                "this Python cannot make virtual environments (it has no ensurepip): "
                "apt-get install python3-venv, or use another Python"
            )
        if not made_by_this_python():
            venv.create(VENV, clear=True, with_pip=True)
        STAMP.unlink(missing_ok=True)
        must(*PIP, "--require-hashes", "-r", PINS)
        must(*PIP, "--no-deps", "--no-build-isolation", "-e", ROOT)
        STAMP.write_text(wanted)
        say(f"set up, {time.perf_counter() - began:.1f} s")


def digest() -> str:
    """What the installation depends on, as one number."""
    parts = (
        PINS.read_bytes(),
        (ROOT / "pyproject.toml").read_bytes(),
        sys.version.encode(),
        str(ROOT).encode(),
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def made_by_this_python() -> bool:
    """Whether `.venv` is there, whole, in its place, and runs the Python that runs this."""
    try:
        seen = subprocess.run(
            (PYTHON, "-c", "import pip, sys; print(sys.prefix); print(sys.version)"),
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return False
    return seen == f"{VENV}\n{sys.version}\n"


def must(*command: str | Path) -> None:
    """Run a step without which nothing else can go on."""
    code = run(*command)
    if code:
        shown = " ".join(str(word) for word in command)
        sys.exit(f"setting up failed with {code} at: {shown}")


def run(*command: str | Path) -> int:
    """Run a program in the checkout, its output straight through."""
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def say(line: str) -> None:
    """Print at once, in order with what the programs print."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
