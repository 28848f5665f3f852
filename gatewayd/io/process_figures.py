"""Memory, processor time and open files of this process, by the names that clients of Prometheus give them.

Read from /proc when somebody asks. prometheus_client does the same, but to import it held the loop up for 20 to 50 ms
at the first question.
"""

import os
import resource
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


def process_figures(proc: Path = PROC) -> bytes:
    """In Prometheus' text format; what this machine does not tell is left out."""
    return "".join(
        f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n{name} {value}\n"
        for name, kind, meaning, value in (*_usage(proc), *_files(proc))
    ).encode()


Figure = tuple[str, str, str, float]


def _usage(proc: Path) -> list[Figure]:
    try:
        # After the name in brackets, which may hold anything: state is field 0, start 19, and both memories follow.
        fields = (proc / "self" / "stat").read_text().rpartition(")")[2].split()
        booted = (proc / "stat").read_text().partition("\nbtime ")[2].split(maxsplit=1)[0]
    except (OSError, IndexError):
        return []
    ticks, page = os.sysconf("SC_CLK_TCK"), resource.getpagesize()
    return [
        (
            "process_virtual_memory_bytes",
            "gauge",
            "Virtual memory size in bytes.",
            int(fields[20]),
        ),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            int(fields[21]) * page,
        ),
        (
            "process_start_time_seconds",
            "gauge",
            "Start time of the process since unix epoch in seconds.",
            int(booted) + int(fields[19]) / ticks,
        ),
        (
            "process_cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            (int(fields[11]) + int(fields[12])) / ticks,
        ),
    ]


def _files(proc: Path) -> list[Figure]:
    try:
        count = sum(1 for _ in (proc / "self" / "fd").iterdir())
    except OSError:
        return []
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [
        ("process_open_fds", "gauge", "Number of open file descriptors.", count),
        ("process_max_fds", "gauge", "Maximum number of open file descriptors.", most),
    ]
