"""A bank is reached, or the step that fails is named; nothing of the payment protocol is spoken."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from gatewayd.io.reach import Reached, Way, reach, reach_all
from tests.bank_server import LONG, SHORT, Peer, Script, replying, serving
from tests.certificates import self_signed

NOW = datetime.now(UTC)  # noqa: TID251  # certificates are checked against the real time


def wall() -> float:
    return NOW.timestamp()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of `localhost`, good for forty days and a bit."""
    return self_signed(tmp_path_factory.mktemp("certificate"), NOW + timedelta(days=40, hours=1))


def dated(ahead_seconds: float) -> bytes:
    date = format_datetime(NOW - timedelta(seconds=ahead_seconds), usegmt=True)
    return f"HTTP/1.1 404 Not Found\r\nDATE: {date}\r\n\r\n".encode()


def secured(file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_a_bank_in_order_tells_its_certificate_and_its_clock(certificate: Path) -> None:
    async with serving(replying(dated(120)), secured(certificate)) as bank:
        way = Way(url=f"https://localhost:{bank.port}", ca_file=str(certificate))
        found = await reach(way, wall, LONG)
    assert ("", "127.0.0.1", 40) == (found.fault, found.address, found.certificate_days)
    assert found.clock_ahead_seconds is not None
    assert 120 == int(found.clock_ahead_seconds)  # Date has whole seconds, rounded down


async def test_only_the_head_of_the_root_is_asked_for() -> None:
    async with serving(replying(dated(0))) as bank:
        await reach(Way(url=f"http://localhost:{bank.port}"), wall, LONG)
    assert [b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"] == bank.requests


async def test_a_certificate_of_an_unknown_authority_is_a_fault(certificate: Path) -> None:
    async with serving(replying(dated(0)), secured(certificate)) as bank:
        found = await reach(Way(url=f"https://localhost:{bank.port}"), wall, LONG)
    assert found.fault.startswith("TLS: certificate: self")
    assert [] == bank.requests


async def test_a_certificate_of_another_name_is_a_fault(certificate: Path) -> None:
    async with serving(replying(dated(0)), secured(certificate)) as bank:
        way = Way(url=f"https://127.0.0.1:{bank.port}", ca_file=str(certificate))
        found = await reach(way, wall, LONG)
    assert found.fault.startswith("TLS: certificate: IP address mismatch")


async def speaks_plainly(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 400 Bad\r\n\r\n")
    await peer.closed_by_client()


async def hangs_up(peer: Peer) -> None:
    await peer.reader.read(1)


@pytest.mark.parametrize("script", [speaks_plainly, hangs_up])
async def test_a_server_without_tls_is_a_fault(script: Script) -> None:
    async with serving(script) as bank:
        found = await reach(Way(url=f"https://localhost:{bank.port}"), wall, LONG)
    assert found.fault.startswith("TLS: ")
    assert "no answer" not in found.fault


async def is_silent(peer: Peer) -> None:
    await peer.closed_by_client()


async def test_a_handshake_that_nobody_answers_is_a_fault() -> None:
    async with serving(is_silent) as bank:
        found = await reach(Way(url=f"https://localhost:{bank.port}"), wall, SHORT)
    assert f"TLS: no answer in {SHORT:g} s" == found.fault


async def test_a_bank_that_accepts_and_says_nothing_is_reached() -> None:
    async with serving(is_silent) as bank:
        found = await reach(Way(url=f"http://localhost:{bank.port}"), wall, SHORT)
    assert ("", None) == (found.fault, found.clock_ahead_seconds)


async def test_a_closed_port_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    found = await reach(Way(url=f"http://127.0.0.1:{port}"), wall, LONG)
    assert Reached(url=found.url, fault="TCP: Connection refused") == found


async def test_a_name_that_is_not_known_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nobody)
    found = await reach(Way(url="https://bank.invalid"), wall, LONG)
    assert "DNS: Name or service not known" == found.fault


async def test_the_addresses_of_a_name_are_tried_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async def two(host: str, port: int, **kwargs: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]

    async with serving(replying(dated(0)), host="127.0.0.1") as bank:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two)
        found = await reach(Way(url=f"http://bank.test:{bank.port}"), wall, LONG)
    assert ("", "127.0.0.1") == (found.fault, found.address)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nDate: yesterday\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nDate: Sun, 99 Nov 99999 25:00:00 GMT\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nDate: \xff\r\n\r\n",
        b"x" * 40_000,
        b"",
    ],
)
async def test_an_answer_without_a_date_tells_no_clock(answer: bytes) -> None:
    async with serving(replying(answer)) as bank:
        found = await reach(Way(url=f"http://localhost:{bank.port}"), wall, LONG)
    assert ("", None) == (found.fault, found.clock_ahead_seconds)


async def test_every_way_is_tried_once() -> None:
    async with serving(replying(dated(0))) as bank:
        way = Way(url=f"http://localhost:{bank.port}")
        found = await reach_all([way, way], wall, LONG)
    assert (1, 1) == (len(found), bank.connections)
