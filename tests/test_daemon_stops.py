"""A daemon whose disk fails stops at once, whoever still waits for an answer; small work that fails stops nothing."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from aiohttp import ClientError, ClientSession

from gatewayd.daemon import heed_signals, serving
from gatewayd.engine.comparing import Comparing
from gatewayd.engine.ports import Log
from gatewayd.io import housekeeping
from gatewayd.io.boot import open_journal
from gatewayd.io.config import Config
from gatewayd.io.logs import open_log
from gatewayd.journal.store import Append, Holder, Searches, StoreError
from tests.config_text import LIVE_KEY, SMALL, read

BOTH_LOOPS = True
SECONDS_MAX = 10.0
"""Far less than the half minute that a daemon in order lets its customers finish in."""
PAYMENT = {"amount": 150_000, "order_id": "1", "return_url": "https://shop.example/back"}


def config(tmp_path: Path) -> Config:
    return read(
        SMALL
        + f"journal: {{path: {tmp_path / 'journal.db'}, low_water_bytes: 0, ballast_bytes: 0}}\n"
        + "listen: 127.0.0.1:0\ninternal_listen: 127.0.0.1:0\n"
    )


async def test_a_daemon_whose_disk_fails_waits_for_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def fail(batch: Sequence[Append], _searches: Searches) -> list[Holder | None]:
        if any(append.rows for append in batch):
            asked.set()
        raise StoreError("the disk failed")

    async def create(address: str) -> None:
        headers = {"Authorization": f"Bearer {LIVE_KEY}"}
        async with ClientSession() as session:
            with pytest.raises(ClientError):
                await session.post(f"{address}/v1/payments", json=PAYMENT, headers=headers)

    async def served(log: Log) -> None:
        async with serving(config(tmp_path), log) as daemon:
            monkeypatch.setattr(daemon.engine.pump, "_write", fail)
            customers.create_task(create(daemon.address))
            await asked.wait()
            await daemon.ended

    quiet = os.open(os.devnull, os.O_WRONLY)
    with open_log(descriptor=quiet) as log:
        async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as customers:
            with pytest.raises(StoreError):
                await served(log)
    os.close(quiet)


async def test_small_work_that_fails_is_told_once_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, thrice = 0, asyncio.Event()

    async def fail(_: Comparing) -> None:
        nonlocal times
        times += 1
        if times == 3:
            thrice.set()
        raise OSError("too many open files")

    monkeypatch.setattr(housekeeping, "EVERY_SECONDS", 0.001)
    monkeypatch.setattr(Comparing, "look", fail)
    lines, write = os.pipe()
    with open_log(descriptor=write) as log:
        async with asyncio.timeout(SECONDS_MAX), serving(config(tmp_path), log) as daemon:
            await thrice.wait()
            assert not daemon.ended.done()
            daemon.stop()
            await daemon.ended
    os.close(write)
    with os.fdopen(lines, "rb") as told:
        assert 1 == told.read().count(b"housekeeping failed")


async def test_a_hang_up_stops_no_payments_and_a_termination_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # no terminal
    lines, write = os.pipe()
    loop = asyncio.get_running_loop()
    with open_log(descriptor=write) as log:
        async with asyncio.timeout(SECONDS_MAX), serving(config(tmp_path), log) as daemon:
            heed_signals(daemon, log)
            for number in (signal.SIGHUP, signal.SIGTERM):
                signal.raise_signal(number)
            await daemon.ended
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
    os.close(write)
    with os.fdopen(lines, "rb") as told:
        events = [orjson.loads(line)["event"] for line in told]
    hung_up = "SIGHUP changes nothing: the configuration is read at the start only"
    assert [hung_up, "stopping"] == [each for each in events if each in {hung_up, "stopping"}]


@pytest.mark.parametrize(
    "kept", [b"", b"[]", b'{"at": "noon"}', b'{"at": 0, "state": {"version": 1, "gateways": {}}}']
)
async def test_a_routers_memory_that_makes_no_sense_keeps_nobody_from_serving(
    tmp_path: Path, kept: bytes
) -> None:
    used = config(tmp_path)
    opened = open_journal(used.service.journal, now_ms=0)
    await opened.thread.name(housekeeping.ROUTER_KEY, kept)
    opened.close()
    lines, write = os.pipe()
    with open_log(descriptor=write) as log:
        async with asyncio.timeout(SECONDS_MAX), serving(used, log) as daemon:
            daemon.stop()
            await daemon.ended
    os.close(write)
    with os.fdopen(lines, "rb") as told:
        assert b"it learns anew" in told.read()


async def test_a_disk_that_is_nearly_full_at_the_start_is_told_to_a_person(tmp_path: Path) -> None:
    text = (
        f"{SMALL}journal: {{path: {tmp_path / 'journal.db'}, low_water_bytes: {2**40}, ballast_bytes: 0}}\n"
        "listen: 127.0.0.1:0\ninternal_listen: 127.0.0.1:0\n"
    )
    lines, write = os.pipe()
    with open_log(descriptor=write) as log:
        async with asyncio.timeout(SECONDS_MAX), serving(read(text), log) as daemon:
            async with ClientSession() as session, session.get(f"{daemon.address}/readyz") as said:
                checks = (await said.json())["checks"]
            daemon.stop()
            await daemon.ended
    os.close(write)
    full = shutil.disk_usage(tmp_path).free < 2**40
    with os.fdopen(lines, "rb") as told:
        errors = [line["event"] for line in map(orjson.loads, told) if line["level"] == "error"]
    assert ("disk nearly full" if full else "ok") == checks["accepting"]
    assert ["disk nearly full: new payments are refused"] * full == errors
