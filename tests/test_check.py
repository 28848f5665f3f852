"""`gatewayd check` shows what a configuration holds and what around it is wrong, and no secret."""

import os
import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gatewayd.io.boot import LeftOpen
from gatewayd.io.check import Report, check
from gatewayd.io.config import Config, load
from gatewayd.io.fingerprint import fingerprint
from tests.bank_server import replying, serving
from tests.certificates import self_signed
from tests.config_text import LIVE_KEY, SMALL, changed

NOW = 1_800_000_000.0


def wall() -> float:
    return NOW


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A configuration as it should lie: readable by its owner alone, older than now."""
    return write(tmp_path / "gatewayd.yaml", SMALL)


def write(path: Path, text: str, *, mode: int = 0o600, at: float = NOW - 60) -> Path:
    path.write_text(text)
    path.chmod(mode)
    os.utime(path, (at, at))
    return path


async def report(path: Path, **environ: str) -> Report:
    return await check(load(path, environ), wall=wall)


def without_config_warnings(found: Report, config: Config) -> list[str]:
    return [each for each in found.warnings if each not in config.warnings]


async def test_a_configuration_in_order_can_be_used(path: Path) -> None:
    found = await report(path)
    assert (True, ()) == (found.ok, found.problems)
    assert found.text().endswith("this configuration can be used\n")


async def test_gateways_are_shown_with_their_hosts_credentials_and_windows(path: Path) -> None:
    gateway = "  - {name: m, driver: mellat, terminal_id: 1, username: u, password: '${env:P}'}\n"
    write(path, SMALL + gateway)
    text = (await report(path, P="hunter2")).text(width=120)
    for row in (
        r"saman-main +│ saman +│ money +│ sep\.shaparak\.ir +│ terminal_id ",
        r"m +│ mellat +│ money +│ bpm\.shaparak\.ir +│ terminal_id ",
        r"│ password from env:P ",
        r"saman-main +│ \d+ min +│ 30 min +│ \d+ min +│ auto_reverse +│ nothing ",
    ):
        assert re.search(row, text), row


async def test_a_retired_gateway_for_tests_is_shown_as_such(path: Path) -> None:
    write(path, SMALL + "    test: true\n    retired: true\n")
    assert "tests, retired" in (await report(path)).text(width=120)


async def test_no_secret_is_shown(path: Path) -> None:
    assert LIVE_KEY not in (await report(path)).text(width=400)
    assert "0123456789abcdef" not in (await report(path)).text(width=400)


async def test_warnings_of_the_configuration_are_passed_on(path: Path) -> None:
    found = await report(path)
    assert load(path, {}).warnings == found.warnings
    assert f"warning: {found.warnings[0]}\n" in found.text(width=40)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (0o600, []),
        (0o640, []),
        (0o660, ["others than its owner can write it"]),
        (0o644, ["everybody on this machine can read it, and there are secrets in it"]),
    ],
)
async def test_a_file_that_others_can_read_or_change_is_warned_of(
    path: Path, mode: int, words: list[str]
) -> None:
    write(path, SMALL, mode=mode)
    found = without_config_warnings(await report(path), load(path, {}))
    assert [f"{path}: {word}" for word in words] == found


async def test_a_readable_file_without_secrets_is_no_matter_but_a_readable_secret_is(
    path: Path,
) -> None:
    write(path.parent / "key", LIVE_KEY, mode=0o644)
    write(path.parent / "return", "0123456789abcdef", mode=0o600)
    text = changed("shops.0.return_secret", "${file:return}").replace(LIVE_KEY, "${file:key}")
    write(path, text + "trusted_proxies: [127.0.0.1]\n", mode=0o644)
    assert ("key: everybody on this machine can read it",) == (await report(path)).warnings


async def test_a_clock_before_the_configuration_is_warned_of(path: Path) -> None:
    write(path, SMALL, at=NOW + 3_600)
    found = without_config_warnings(await report(path), load(path, {}))
    assert [f"the clock is wrong: {path} was written 3600 s after now"] == found


async def test_a_clock_before_the_journal_is_warned_of(path: Path) -> None:
    journal = write(path.parent / "journal.db", "", at=NOW + 100)
    write(path, SMALL + f"journal: {journal}\n")
    found = without_config_warnings(await report(path), load(path, {}))
    assert [f"the clock is wrong: {journal} was written 100 s after now"] == found


async def test_a_place_where_no_journal_can_be_made_is_warned_of(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(folder: object, _mode: int) -> bool:
        return folder != tmp_path

    monkeypatch.setattr(os, "access", read_only)  # root may write everywhere
    write(path, SMALL + f"journal: {tmp_path}/new/gatewayd.db\n")
    shut = f"journal: this user cannot write into {tmp_path}; the daemon's must, or it ends with 74"
    assert shut in (await report(path)).warnings
    write(path, SMALL + f"journal: {path}/gatewayd.db\n")
    assert f"journal: {path} is not a folder" in (await report(path)).warnings


async def test_dropping_a_gateway_with_open_attempts_is_a_problem(path: Path) -> None:
    found = await check(load(path, {}), wall=wall, left=LeftOpen(attempts={"mellat-main": 1}))
    assert not found.ok
    assert "problem: " in found.text()
    assert found.text().endswith("not to be used like this\n")


async def test_changing_the_credentials_of_open_attempts_is_a_problem(path: Path) -> None:
    (old,) = load(path, {}).gateways
    write(path, changed("gateways.0.terminal_id", "87654321"))
    stored = {"saman-main": fingerprint(old)}
    config = load(path, {})
    assert (await check(config, wall=wall, left=LeftOpen(fingerprints=stored))).ok
    left = LeftOpen(attempts={"saman-main": 1}, fingerprints=stored)
    assert not (await check(config, wall=wall, left=left)).ok


async def test_dropping_a_shop_with_open_payments_is_a_problem(path: Path) -> None:
    config = load(path, {})
    (shop,) = config.service.shops
    assert (await check(config, wall=wall, left=LeftOpen(payments={shop.name: 2}))).ok
    found = await check(config, wall=wall, left=LeftOpen(payments={"bazaar": 2}))
    (problem,) = found.problems
    assert "shop bazaar is gone and has 2 open payments;" in problem


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (20, None),
        (5, "key k1 of main ends in 5.0 days"),
        (-1, "key k1 of main is no good any more"),
    ],
)
async def test_a_key_that_ends_soon_is_warned_of(path: Path, days: int, said: str | None) -> None:
    end = datetime.fromtimestamp(NOW + days * 86_400, UTC).isoformat()
    write(path, SMALL.replace("{id: k1,", f'{{id: k1, not_after: "{end}",'))
    warnings = (await report(path)).warnings
    assert (said is not None) == any(said is not None and said in each for each in warnings)
    assert (said is None) == (not any("key k1" in each for each in warnings))


async def test_a_certificate_that_ends_soon_is_warned_of(path: Path) -> None:
    now = datetime.now(UTC)  # noqa: TID251  # certificates are checked against the real time
    pem = self_signed(path.parent, now + timedelta(days=5, hours=1))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    async with serving(replying(b""), context) as bank:
        url = f"https://localhost:{bank.port}"
        write(path, f"{SMALL}    base_url: {url}\n    connections: {{ca_file: {pem.name}}}\n")
        found = await check(load(path, {}), wall=now.timestamp, connect=True)
    assert f"{url}: its certificate ends in 5 days" in found.warnings
    assert "5 days" in found.text(width=120)


async def test_banks_are_only_called_when_that_is_asked_for(path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nDate: Fri, 15 Jan 2027 07:00:00 GMT\r\n\r\n"
    async with serving(replying(answer)) as bank:
        port = bank.port
        write(path, changed("gateways.0.base_url", f"http://127.0.0.1:{port}/saman"))
        config = load(path, {})
        await check(config, wall=wall)
        assert 0 == bank.connections
        found = await check(config, wall=wall, connect=True)
    assert (1, True) == (bank.connections, found.ok)
    assert "the clock is wrong: it is +3600 s off the banks' clocks" in found.warnings
    assert re.search(rf"http://127\.0\.0\.1:{port} +│ 127\.0\.0\.1 ", found.text())

    gone = await check(config, wall=wall, connect=True)
    assert (f"http://127.0.0.1:{port} cannot be reached: TCP: Connection refused",) == gone.problems
