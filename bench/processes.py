"""Programs under measurement: started, watched through /proc, and stopped again.

* CPU time comes from the scheduler's own accounts (`/proc/<pid>/task/*/schedstat`, nanoseconds), so that other programs
  on the same machine do not count; the processes that a program starts count with it.
* What is measured has one core to itself; the banks and the load share the others. On a machine with one core they
  share that, and rates mean little, but CPU per payment still does.
* What a program prints goes to a file, so that nobody has to read along while it is measured.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gatewayd.demo.ports import free_ports

ROOT: Final = Path(__file__).resolve().parent.parent
CONFIG: Final = ROOT / "config" / "simulated.yaml"
KEY: Final = "gwk_test_demo"
"""Of its shop…"""
SHOP: Final = "http://127.0.0.1/shop/return"
"""…to which customers come back; nobody follows them there."""
SERVER_CORE: Final = 0
"""What is measured runs alone on this core; load and banks on the others."""
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 40.0
URL: Final = r"(http://[0-9.]+:\d+)"
_MEMORY: Final = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where what is written beside a measurement is not in the way of the journal's disk."""


@dataclass(frozen=True, slots=True)
class Program:
    """A running program."""

    process: subprocess.Popen[bytes]
    address: str
    """`http://127.0.0.1:12345`"""
    internal: str = ""
    """Where its metrics are, if it has any."""

    @property
    def pid(self) -> int:
        return self.process.pid

    def cpu_seconds(self) -> float:
        """CPU time so far, of all its threads and of the processes that it has started."""
        return sum(_of_tasks(pid, 0) for pid in _family(self.pid))

    def waited_seconds(self) -> float:
        """How long its threads were ready to run and had no core, for other programs or for one another, so far."""
        return sum(_of_tasks(pid, 1) for pid in _family(self.pid))

    def resident_bytes(self) -> int:
        """Resident memory, of all its processes."""
        return sum(_resident_bytes(pid) for pid in _family(self.pid))

    def metrics(self) -> str:
        """Its metrics just now; empty for a program that has none."""
        if not self.internal:
            return ""
        with urllib.request.urlopen(f"{self.internal}/metrics", timeout=10) as answer:
            text: bytes = answer.read()
        return text.decode()


def _family(pid: int) -> Iterator[int]:
    """This process and its descendants."""
    yield pid
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _family(int(child))


def stolen_seconds() -> float:
    """CPU time that this machine, where it is a virtual one, wanted and was not given, all cores together, so far."""
    ticks = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(ticks[8]) / os.sysconf("SC_CLK_TCK")


def _of_tasks(pid: int, field: int) -> float:
    """Seconds, summed over a process' threads: field 0 of the scheduler's accounts is running, 1 waiting to run."""
    total = 0
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[field])
    return total / 1e9


def _resident_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


@contextlib.contextmanager
def started(
    command: list[str],
    *,
    ready: str,
    cores: set[int] | None = None,
    address: str = "",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Program]:
    """A program; its address is the group `address` or else group 1 of the pattern `ready` in what it prints.

    `address` says it for a program that does not print it. RuntimeError, with what it printed, if it ends before.
    """
    with tempfile.TemporaryFile(dir=_MEMORY) as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
        try:
            if cores:
                os.sched_setaffinity(process.pid, cores)
            found = _until(process, said.fileno(), ready)
            groups = found.groupdict()
            where = address or groups.get("address") or found[1]
            yield Program(process, where, groups.get("internal") or "")
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def in_memory() -> "tempfile.TemporaryDirectory[str]":
    """A directory that is no disk, where there is one."""
    return tempfile.TemporaryDirectory(dir=_MEMORY)


def _until(process: "subprocess.Popen[bytes]", said: int, ready: str) -> re.Match[str]:
    give_up = time.monotonic() + START_SECONDS
    while True:
        text = os.pread(said, 1_000_000, 0).decode(errors="replace")
        found = re.search(ready, text)
        if found:
            return found
        if process.poll() is not None or time.monotonic() > give_up:
            raise RuntimeError(f"{process.args!r} did not start:\n{text[-2000:]}")
        time.sleep(0.02)


def free_port() -> int:
    """A port that nobody uses just now."""
    (port,) = free_ports(0)
    return port


def server_cores() -> set[int]:
    """Where what is measured runs."""
    return {SERVER_CORE} if (os.cpu_count() or 1) > 1 else set()


def other_cores() -> set[int]:
    """Where everything else runs."""
    return set(range(1, os.cpu_count() or 1))


def stand_aside() -> None:
    """Leave the server's core to the server: for the process that makes the load."""
    if other_cores():
        os.sched_setaffinity(0, other_cores())


@contextlib.contextmanager
def simulator(*options: str, config: Path = CONFIG, module: str = "gatewayd") -> Iterator[Program]:
    """The banks, with the contracts of that configuration; `bench.banks` is the module that says when they answer."""
    command = [sys.executable, "-m", module, "simulate"]
    command += ["--config", str(config), "--listen", "127.0.0.1:0", "--payers", "auto"]
    with started(
        [*command, *(options or ("--mix", "paid"))], ready=URL, cores=other_cores()
    ) as program:
        yield program


def write_config(where: Path, banks: str, *, more: str = "") -> Path:
    """A configuration for the banks at that address, with a journal in the same directory; `more` is added to it.

    The daemon's address must be known before it starts: it is in what customers and banks are given.
    """
    text = CONFIG.read_text().replace("http://127.0.0.1:9100", banks)
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{free_port()}")
    text = text.replace("listen:", "internal_listen: 127.0.0.1:0\nlisten:", 1)
    text = text.replace("journal: var/simulated.db", f"journal: {where / 'journal.db'}")
    config = where / "gatewayd.yaml"
    config.write_text(f"{text}\n{more}\n")
    return config


@contextlib.contextmanager
def daemon(
    banks: str, *, directory: Path | None = None, wired: tuple[str, ...] = (), more: str = ""
) -> Iterator[Program]:
    """The daemon on a fresh journal, or on the one in `directory`, in front of the banks at that address.

    `wired` are options of `bench.daemon`, which changes what the journal costs; `more` is added to the configuration.
    """
    with contextlib.ExitStack() as stack:
        where = directory or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = write_config(where, banks, more=more)
        program = ["-m", "bench.daemon", *wired] if wired else ["-m", "gatewayd", "run"]
        yield stack.enter_context(
            started(
                [sys.executable, *program, str(config)],
                ready=rf'"listen":"(?P<address>{URL})","internal":"(?P<internal>{URL})"',
                cores=server_cores(),
            )
        )


@contextlib.contextmanager
def empty_server(*, aside: bool = False) -> Iterator[Program]:
    """aiohttp answering an empty GET: the unit that a payment's cost is told in. `aside`: behind what is measured."""
    cores = other_cores() if aside else server_cores()
    with started([sys.executable, "-m", "bench.empty"], ready=URL, cores=cores) as program:
        yield program


@contextlib.contextmanager
def floor_server(banks: str) -> Iterator[Program]:
    """The minimal flow in front of the banks at that address."""
    command = [sys.executable, "-m", "bench.floor_server", banks]
    with started(command, ready=URL, cores=server_cores()) as program:
        yield program
