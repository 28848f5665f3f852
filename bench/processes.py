"""Programs under measurement: started, watched through /proc, and stopped again.

CPU time comes from the scheduler's own accounts (`/proc/<pid>/task/*/schedstat`, nanoseconds), so that other programs
on the same machine do not count.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CONFIG: Final = ROOT / "config" / "simulated.yaml"
SERVER_CORE: Final = 0
"""What is measured runs alone on this core; load and banks on the others."""


@dataclass(frozen=True, slots=True)
class Program:
    """A running program."""

    process: subprocess.Popen[str]
    address: str
    """`http://127.0.0.1:12345`"""

    @property
    def pid(self) -> int:
        return self.process.pid

    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def resident_bytes(self) -> int:
        """Resident memory."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", text)
        assert found is not None
        return int(found[1]) * 1024


@contextlib.contextmanager
def started(
    arguments: list[str], *, ready: str, cores: set[int] | None = None
) -> Iterator[Program]:
    """A Python program; its address is group 1 of the pattern `ready` in what it prints."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        if cores:
            os.sched_setaffinity(process.pid, cores)
        address = ""
        for line in process.stdout:
            found = re.search(ready, line)
            if found:
                address = found[1]
                break
        if not address:
            raise RuntimeError(f"{' '.join(arguments)}: ended before it was ready")
        # What it says from here on is of no interest, but must not block it.
        drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        yield Program(process, address)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(UnboundLocalError):
            drain.wait()


def free_port() -> int:
    """A port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def server_cores() -> set[int]:
    """Where what is measured runs."""
    return {SERVER_CORE} if (os.cpu_count() or 1) > 1 else set()


def other_cores() -> set[int]:
    """Where everything else runs."""
    return set(range(1, os.cpu_count() or 1))


@contextlib.contextmanager
def simulator(*options: str) -> Iterator[Program]:
    """The banks."""
    arguments = ["-m", "gatewayd", "simulate", "--config", str(CONFIG), "--listen", "127.0.0.1:0"]
    with started(
        [*arguments, "--payers", "auto", *(options or ("--mix", "paid"))],
        ready=r"(http://[0-9.]+:\d+)",
        cores=other_cores(),
    ) as program:
        yield program


@contextlib.contextmanager
def daemon(banks: str, *, directory: Path | None = None) -> Iterator[Program]:
    """The daemon on a fresh journal, or on the one in `directory`, in front of the banks at that address."""
    with contextlib.ExitStack() as stack:
        where = directory or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = where / "gatewayd.yaml"
        # The address must be known before: it is in what customers and banks are given.
        ours = f"127.0.0.1:{free_port()}"
        text = CONFIG.read_text().replace("http://127.0.0.1:9100", banks)
        text = text.replace("127.0.0.1:8080", ours)
        text = text.replace("listen:", "internal_listen: 127.0.0.1:0\nlisten:", 1)
        config.write_text(text.replace("var/simulated.db", str(where / "journal.db")))
        program = stack.enter_context(
            started(
                ["-m", "gatewayd", "run", str(config)],
                ready=r"listen\W+(http://[0-9.]+:\d+)",
                cores=server_cores(),
            )
        )
        yield program


@contextlib.contextmanager
def empty_server() -> Iterator[Program]:
    """aiohttp answering an empty GET: the unit that a payment's cost is told in."""
    with started(
        ["-m", "bench.empty"], ready=r"(http://[0-9.]+:\d+)", cores=server_cores()
    ) as program:
        yield program
