"""Two daemons never hold one journal, and a dead one holds nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatewayd.io.filelock import FileLock, Locked

HOLD = """
import sys, time
from pathlib import Path
from gatewayd.io.filelock import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.db.lock"
    with (
        FileLock(path),
        pytest.raises(Locked, match=rf"held by another daemon \(process {os.getpid()}\)"),
    ):
        FileLock(path)


def test_what_is_released_can_be_held_again(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = FileLock(path)
    lock.release()
    lock.release()

    with FileLock(path):
        assert f"{os.getpid()}\n" == path.read_text()


def test_a_process_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        (sys.executable, "-c", HOLD, path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert b"held\n" == holder.stdout.readline()
        with pytest.raises(Locked, match=str(holder.pid)):
            FileLock(path)
        holder.kill()
        holder.wait()

        FileLock(path).release()


def test_a_child_that_outlives_its_daemon_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = FileLock(path)
    with subprocess.Popen((sys.executable, "-c", "input()"), stdin=subprocess.PIPE) as child:
        lock.release()
        FileLock(path).release()
        child.kill()


def test_only_the_owner_may_read_it_and_a_link_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock(path):
        assert 0o600 == path.stat().st_mode & 0o777
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError, match="symbolic"):
        FileLock(tmp_path / "link")


def test_whatever_the_file_holds_the_second_holder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock(path):
        path.write_bytes(b"\xff nonsense")
        with pytest.raises(Locked, match=r"held by another daemon$"):
            FileLock(path)
