"""What a person types wrong, or may not read, is told in a sentence and with the documented exit code."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from gatewayd import cli
from gatewayd.daemon import serving
from gatewayd.io import sqlite_schema
from gatewayd.io.boot import lock_path
from gatewayd.io.config import load
from gatewayd.io.filelock import FileLock
from gatewayd.io.journal_tools import backup, restore
from gatewayd.io.logs import open_log
from gatewayd.io.operator_client import Said, ask_daemon
from tests.config_text import SMALL
from tests.journals import live, opened, sql


def told(*arguments: str | Path) -> tuple[int, str]:
    """The exit code, and what went to standard error."""
    found = CliRunner().invoke(cli.app, [str(each) for each in arguments])
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.stderr


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal."""
    path = tmp_path / "journal.db"
    with opened(path) as store:
        live(store, (1,))
    return path


def configured(journal: Path) -> Path:
    """A configuration with this journal."""
    config = journal.with_name("gatewayd.yaml")
    config.write_text(
        f"journal: {journal}\nlisten: 127.0.0.1:0\ninternal_listen: 127.0.0.1:0\n{SMALL}"
    )
    return config


def another_version(path: Path) -> None:
    sql(path, f"PRAGMA user_version = {sqlite_schema.SCHEMA_VERSION + 1}")


def no_database(path: Path) -> None:
    path.write_text("Dear diary, this is no database and never was one.\n" * 100)


UNUSABLE = pytest.mark.parametrize(
    ("spoil", "said"),
    [(another_version, "use the gatewayd that wrote it"), (no_database, "file is not a database")],
)


@UNUSABLE
def test_a_journal_that_cannot_be_used_is_told_by_the_check(
    path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(path)
    code, text = told("check", configured(path))
    assert 65 == code
    assert said in text
    assert 1 == text.count("\n")


@UNUSABLE
def test_why_a_daemon_cannot_go_on_is_an_error_in_its_log(
    path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(path)
    command = [sys.executable, "-m", "gatewayd", "run", str(configured(path))]
    run = subprocess.run(command, capture_output=True, check=False)
    (line,) = map(orjson.loads, run.stderr.splitlines())
    assert (65, 65) == (run.returncode, line["exit_code"])
    assert ("error", "cannot go on") == (line["level"], line["event"])
    assert said in line["why"]


def test_a_journal_that_this_user_may_not_read_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(_path: object, _mode: int) -> bool:
        return False

    monkeypatch.setattr(os, "access", no)  # root may read everything
    code, text = told("check", configured(path))
    assert (65, f"{path}: {sqlite_schema.NOT_YOURS}\n") == (code, text)


def test_a_folder_that_this_user_may_not_look_into_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(path)

    def refused(_path: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(sqlite_schema.UnusableStore, match="may not read it"):
        sqlite_schema.is_there(config)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "{}"], 78),
        (["run", "{}"], 78),
        (["simulate", "--config", "{}"], 78),
        (["replay", "{}"], 65),
        (["journal", "verify", "{}"], 65),
        (["journal", "restore", "{}", "{}.new"], 65),
    ],
)
def test_a_file_that_cannot_be_read_ends_with_our_own_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int
) -> None:
    """typer would say that an argument is wrong, with 2, and systemd would start the daemon again for ever."""

    def unreadable(path: object, mode: int) -> bool:
        return mode != os.R_OK

    monkeypatch.setattr(os, "access", unreadable)
    there = tmp_path / "there"
    there.mkdir()
    assert code == told(*(each.format(there) for each in arguments))[0]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--listen", "nonsense", "listen: 'nonsense' is not like 127.0.0.1:9100"),
        ("--listen", "127.0.0.1:", "listen: '127.0.0.1:' is not like 127.0.0.1:9100"),
        ("--listen", "127.0.0.1:99999", "listen: '127.0.0.1:99999' is not like 127.0.0.1:9100"),
        ("--payers", "none", "payers: 'none' is none of page, auto"),
    ],
)
def test_a_wrong_option_of_the_banks_is_named(option: str, value: str, said: str) -> None:
    assert (78, f"{said}\n") == told("simulate", option, value)


def test_who_asks_a_daemon_that_is_not_there_learns_which_journal_was_meant(tmp_path: Path) -> None:
    code, text = told("payment", "list", "--journal", tmp_path / "other.db")
    assert 69 == code
    assert f"{tmp_path}/other.db.sock" in text
    assert "--journal, or GATEWAYD_JOURNAL" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["payment", "show", "pay_" + "9" * 26], "is no payment: pay_ and its digits are wanted"),
        (["payment", "show", "pay_0"], "is no payment: pay_ and its digits are wanted"),
        (["webhook", "enable", "main"], "is no receiver: shop/receiver is wanted, as in the list"),
    ],
)
def test_a_name_that_cannot_be_is_told_without_asking_the_daemon(
    arguments: list[str], said: str
) -> None:
    assert (1, f"{arguments[-1]!r} {said}\n") == told(*arguments)


async def test_a_name_that_the_daemon_does_not_know_is_not_taken_for_no_daemon(
    tmp_path: Path,
) -> None:
    """However odd it is: it is one part of the address that is asked."""
    journal = tmp_path / "journal.db"
    settings = load(configured(journal), {})
    quiet = os.open(os.devnull, os.O_WRONLY)
    with open_log(descriptor=quiet) as log:
        async with serving(settings, log):
            for name in ("sa man", "../x", "ساما?ن#"):
                order = ["gateway", "open", name, "--journal", journal]
                code, text = await asyncio.to_thread(told, *order)
                assert (1, f"there is no gateway {name!r}\n") == (code, text)
            order = ["webhook", "enable", "ma in/x y", "--journal", journal]
            assert (1, "no shop has receivers of webhooks\n") == await asyncio.to_thread(
                told, *order
            )
            with pytest.raises(Said, match="HTTP 404; its log says more"):
                await asyncio.to_thread(ask_daemon, journal, "GET", "/nowhere")
    os.close(quiet)


def test_what_goes_wrong_stands_alone_where_nobody_sees_a_bar(tmp_path: Path) -> None:
    missing = tmp_path / "missing.db"
    assert (65, f"there is no journal at {missing}\n") == told("journal", "verify", missing)


def test_a_reader_who_has_had_enough_of_an_export_ends_it_quietly(path: Path) -> None:
    with opened(path) as store:
        live(store, range(2, 400))  # more than a pipe holds
    command = [sys.executable, "-m", "gatewayd", "journal", "export", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as export:
        assert export.stdout is not None
        assert export.stderr is not None
        export.stdout.readline()
        export.stdout.close()
        assert b"" == export.stderr.read()
    assert 1 == export.returncode


@pytest.fixture
def folder_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of another user, in which root works: where the tests cannot make one, their own stands in."""
    folder = tmp_path / "state"
    folder.mkdir()
    with suppress(OSError):  # root in a sandbox may not give away either
        os.chown(folder, 4242, 4343)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return folder


def test_what_root_restores_belongs_to_the_folders_user(
    path: Path, tmp_path: Path, folder_of_the_service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the daemon, which is not root, cannot open its journal, nor lock it."""
    given: list[tuple[int, int]] = []
    give = os.fchown

    def noted(file: int, user: int, group: int) -> None:
        given.append((user, group))
        give(file, user, group)

    monkeypatch.setattr(os, "fchown", noted)
    backup(path, tmp_path / "backup.db")
    given.clear()
    target = folder_of_the_service / "gatewayd.db"
    restore(tmp_path / "backup.db", target)
    owner = folder_of_the_service.stat()
    assert {(owner.st_uid, owner.st_gid)} == set(given)
    for each in (target, lock_path(target)):
        found = each.stat()
        assert (owner.st_uid, owner.st_gid) == (found.st_uid, found.st_gid)
        assert stat.S_IRUSR | stat.S_IWUSR == stat.S_IMODE(found.st_mode)


def test_a_file_system_without_owners_is_no_reason_not_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", refused)
    with FileLock(tmp_path / "lock"):
        assert f"{os.getpid()}\n" == (tmp_path / "lock").read_text()
