"""The service manager hears what it must, and its unit says what the daemon needs."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatewayd.io import systemd

UNIT = Path(__file__).parent.parent / "systemd" / "gatewayd.service"


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """Where a manager listens, as NOTIFY_SOCKET says it, and its socket."""
    address = (
        str(tmp_path / "notify") if request.param == "path" else f"@gatewayd-test-{os.getpid()}"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + address[1:] if address.startswith("@") else address)
        listener.settimeout(5.0)
        yield address, listener


def test_the_manager_hears_each_message_whole(manager: tuple[str, socket.socket]) -> None:
    address, listener = manager
    environ = {"NOTIFY_SOCKET": address}

    assert systemd.notify(systemd.READY, systemd.status("serving\nwell"), environ=environ)
    assert systemd.notify(systemd.WATCHDOG, environ=environ)
    assert b"READY=1\nSTATUS=serving well" == listener.recv(4096)
    assert b"WATCHDOG=1" == listener.recv(4096)


def test_a_reload_carries_the_monotonic_time(manager: tuple[str, socket.socket]) -> None:
    address, listener = manager
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    systemd.notify(*systemd.reloading(), environ={"NOTIFY_SOCKET": address})
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000

    heard = re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=([0-9]+)", listener.recv(4096))
    assert heard is not None
    assert before <= int(heard[1]) <= after


@pytest.mark.parametrize(
    "address", ["", "/nonexistent/notify", "@nobody-listens-here", "vsock:2:1234"]
)
def test_where_nobody_listens_nothing_happens(address: str) -> None:
    assert not systemd.notify(systemd.READY, environ={"NOTIFY_SOCKET": address})


def test_without_a_manager_nothing_happens() -> None:
    assert not systemd.notify(systemd.READY, environ={})


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "20000000"}, 20.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_for_whom_it_is_set(environ: dict[str, str], seconds: float | None) -> None:
    assert seconds == systemd.watchdog_seconds(environ)


def settings() -> dict[str, str]:
    """The unit's settings; of one that stands several times the last, as systemd reads it."""
    lines = UNIT.read_text().splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def test_the_unit_says_what_the_daemon_relies_on() -> None:
    wanted = {
        "Type": "notify",
        "WatchdogSec": "20",
        "Restart": "on-failure",
        "RestartPreventExitStatus": "78",
        "StartLimitIntervalSec": "0",
        "TimeoutStopSec": "45",
        "StateDirectory": "gatewayd",
        "StateDirectoryMode": "0700",
        "UMask": "0077",
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    }

    assert wanted == {name: value for name, value in settings().items() if name in wanted}


def test_the_unit_has_no_secret_in_its_environment() -> None:
    assert set() == {"Environment", "EnvironmentFile", "PassEnvironment"} & set(settings())
    assert "#LoadCredential=" in UNIT.read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_itself_finds_nothing_wrong_and_little_exposed(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    command = "/opt/gatewayd/bin/gatewayd"
    unit.write_text(UNIT.read_text().replace(command, shutil.which("true") or "/bin/true"))
    run = subprocess.run(
        ("systemd-analyze", "verify", unit), capture_output=True, check=False, text=True
    )
    assert (0, "") == (run.returncode, run.stderr)

    subprocess.run(
        ("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", unit),
        capture_output=True,
        check=True,
    )
