"""While the journal's file is not where it was opened, a running daemon takes no new payments."""

import asyncio
import os
from pathlib import Path

import pytest
from aiohttp import ClientSession

from gatewayd.daemon import serving
from gatewayd.io import housekeeping
from gatewayd.io.logs import open_log
from gatewayd.io.whereabouts import Whereabouts
from tests.test_daemon_stops import config

PATIENCE_SECONDS = 20.0


def test_files_that_were_not_there_at_the_start_are_not_missed(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    journal.touch()
    found = Whereabouts(journal)
    assert found.in_place()
    (tmp_path / "journal.db-wal").touch()
    assert found.in_place()


def test_another_file_of_the_same_name_is_not_the_journal(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    journal.touch()
    found = Whereabouts(journal)
    other = tmp_path / "other"
    other.touch()
    other.replace(journal)
    assert not found.in_place()


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
async def test_without_its_file_no_new_payments_are_taken_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(housekeeping, "EVERY_SECONDS", 0.001)
    monkeypatch.setattr(housekeeping, "DISK_EVERY", 1)

    async def says(answer: str) -> None:
        while True:
            async with session.get(f"{daemon.address}/readyz") as ready:
                if (await ready.json())["checks"]["accepting"] == answer:
                    return

    lines, write = os.pipe()
    with open_log(descriptor=write) as log:
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            serving(config(tmp_path), log) as daemon,
            ClientSession() as session,
        ):
            (tmp_path / name).rename(tmp_path / "elsewhere")
            await says("journal gone")
            (tmp_path / "elsewhere").rename(tmp_path / name)
            await says("ok")
    os.close(write)
    with os.fdopen(lines, "rb") as told:
        said = told.read()
    assert (1, 1) == (said.count(b"journal deleted or moved"), said.count(b"in its place again"))
