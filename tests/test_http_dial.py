"""Names, addresses and certificates: what fails while dialling has certainly not reached the bank."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gatewayd.core.causes import LostCause
from gatewayd.core.terms import Lost
from gatewayd.io.http_dial import ADDRESSES_MAX, client_context
from tests.bank_server import (
    ANSWER,
    SETTINGS,
    SHORT,
    Peer,
    answer_all,
    ask,
    client,
    serving,
)

BOTH_LOOPS = True
NOW = datetime.now(UTC)  # noqa: TID251  # the certificates are checked against the real time
OPEN = replace(SETTINGS, allow_http=True)


@dataclass
class Authority:
    """A certificate authority that lives as long as the test."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    folder: Path

    @property
    def file(self) -> str:
        return str(self.folder / "ca.pem")

    def server(self, host: str, *, expired: bool = False) -> ssl.SSLContext:
        """What a server called `host` listens with."""
        key = ec.generate_private_key(ec.SECP256R1())
        ends = NOW - timedelta(days=1) if expired else NOW + timedelta(days=1)
        try:
            name: x509.GeneralName = x509.IPAddress(ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        certificate = (
            _certificate(host, key.public_key(), self.certificate.subject, ends)
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        file = self.folder / f"{host}-{expired}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _certificate(
    name: str, key: ec.EllipticCurvePublicKey, issuer: x509.Name, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=3))
        .not_valid_after(ends)
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Throw-away")])
    certificate = (
        _certificate("Throw-away", key.public_key(), issuer, NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("authority")
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(key, certificate, folder)


class Resolver:
    """Answers look-ups out of a table; counts them."""

    def __init__(self, *addresses: str) -> None:
        self.addresses: Sequence[str] = addresses
        self.asked = 0
        self.hangs = False

    async def __call__(self, host: str, port: int) -> Sequence[tuple[Any, ...]]:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no such host")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in self.addresses
        ]


async def test_an_own_authority_is_trusted_and_the_connection_kept(authority: Authority) -> None:
    context = authority.server("bank.test")
    async with (
        serving(answer_all, context) as server,
        client(
            replace(SETTINGS, ca_file=authority.file), lookup=Resolver("127.0.0.1")
        ) as transport,
    ):
        for _ in range(3):
            assert ANSWER == await ask(transport, f"https://bank.test:{server.port}/pay")

        assert (1, 3) == (server.connections, len(server.requests))


async def test_an_address_in_the_certificate_counts_as_its_host(authority: Authority) -> None:
    context = authority.server("127.0.0.1")
    async with (
        serving(answer_all, context) as server,
        client(replace(SETTINGS, ca_file=authority.file)) as transport,
    ):
        assert ANSWER == await ask(transport, f"https://127.0.0.1:{server.port}/")


@pytest.mark.parametrize(
    ("host", "expired", "own", "cause"),
    [
        ("bank.test", False, False, LostCause.TLS_UNTRUSTED),
        ("other.test", False, True, LostCause.TLS_HOSTNAME),
        ("127.0.0.1", False, True, LostCause.TLS_HOSTNAME),
        ("bank.test", True, True, LostCause.TLS_EXPIRED),
    ],
)
async def test_a_certificate_that_does_not_prove_the_bank_stops_the_call_before_it_is_sent(
    authority: Authority, host: str, expired: bool, own: bool, cause: LostCause
) -> None:
    context = authority.server(host, expired=expired)
    settings = replace(SETTINGS, ca_file=authority.file if own else None)
    async with (
        serving(answer_all, context) as server,
        client(settings, lookup=Resolver("127.0.0.1")) as transport,
    ):
        answer = await ask(transport, f"https://bank.test:{server.port}/")

        assert Lost(reached=False, cause=cause) == answer
        assert [] == server.requests


async def test_a_server_without_tls_is_a_failed_handshake() -> None:
    async def speak(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n")
        await peer.closed_by_client()

    async with serving(speak) as server, client() as transport:
        answer = await ask(transport, f"https://127.0.0.1:{server.port}/")

    assert Lost(reached=False, cause=LostCause.TLS_FAILED) == answer


async def test_a_server_that_hangs_up_during_the_handshake_is_a_failed_handshake() -> None:
    async def hang_up(peer: Peer) -> None:
        await peer.reader.read(1)

    async with serving(hang_up) as server, client() as transport:
        answer = await ask(transport, f"https://127.0.0.1:{server.port}/")

    assert Lost(reached=False, cause=LostCause.TLS_FAILED) == answer


async def test_a_handshake_that_hangs_is_a_timeout_of_the_connect() -> None:
    async def silent(peer: Peer) -> None:
        await peer.closed_by_client()

    async with serving(silent) as server, client(connect_seconds=SHORT) as transport:
        answer = await ask(transport, f"https://127.0.0.1:{server.port}/")

    assert Lost(reached=False, cause=LostCause.CONNECT_TIMEOUT) == answer


async def test_a_connect_ends_with_the_call_where_that_comes_first() -> None:
    async def silent(peer: Peer) -> None:
        await peer.closed_by_client()

    async with serving(silent) as server, client() as transport:
        answer = await ask(transport, f"https://127.0.0.1:{server.port}/", seconds=SHORT)

    assert Lost(reached=False, cause=LostCause.CONNECT_TIMEOUT) == answer


async def test_a_port_where_nobody_listens_is_refused() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        async with client() as transport:
            answer = await ask(transport, f"http://127.0.0.1:{unheard.getsockname()[1]}/")

    assert Lost(reached=False, cause=LostCause.REFUSED) == answer


async def test_a_listener_that_takes_nobody_is_a_timeout() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        async with client(connect_seconds=SHORT) as transport:
            answer = await ask(transport, f"http://127.0.0.1:{full.getsockname()[1]}/")

    assert Lost(reached=False, cause=LostCause.CONNECT_TIMEOUT) == answer


async def test_the_next_address_is_tried_and_the_good_one_remembered() -> None:
    resolver = Resolver("127.0.0.7", "127.0.0.1")
    async with (
        serving(answer_all) as server,
        client(replace(OPEN, idle_seconds=0.0), lookup=resolver) as transport,
    ):
        url = f"http://bank.test:{server.port}/"
        assert [ANSWER, ANSWER] == [await ask(transport, url), await ask(transport, url)]

        assert 2 == server.connections
        assert "127.0.0.1" == transport._pools["bank"].target(url)[1].address


async def test_one_address_that_swallows_everything_leaves_time_for_the_next(
    authority: Authority,
) -> None:
    async def silent(peer: Peer) -> None:
        await peer.closed_by_client()

    context = authority.server("bank.test")
    async with (
        serving(answer_all, context) as server,
        serving(silent, host="127.0.0.7", port=server.port) as dead,
        client(
            replace(SETTINGS, ca_file=authority.file),
            connect_seconds=16 * SHORT,
            lookup=Resolver("127.0.0.7", "127.0.0.1"),
        ) as transport,
    ):
        assert ANSWER == await ask(transport, f"https://bank.test:{server.port}/")

        assert (1, 1) == (dead.connections, server.connections)


async def test_a_name_is_looked_up_once_while_it_is_believed() -> None:
    resolver = Resolver("127.0.0.1")
    async with (
        serving(answer_all) as server,
        client(replace(OPEN, idle_seconds=0.0), lookup=resolver) as transport,
    ):
        url = f"http://bank.test:{server.port}/"
        await asyncio.gather(*(ask(transport, url) for _ in range(5)))
        await ask(transport, url)

        assert 1 == resolver.asked
        assert 6 == server.connections


async def test_a_name_is_looked_up_again_when_its_time_is_over() -> None:
    resolver = Resolver("127.0.0.7")
    async with (
        serving(answer_all) as server,
        client(replace(OPEN, resolve_seconds=0.0), lookup=resolver) as transport,
    ):
        url = f"http://bank.test:{server.port}/"
        assert Lost(reached=False, cause=LostCause.REFUSED) == await ask(transport, url)
        resolver.addresses = ("127.0.0.1",)

        assert ANSWER == await ask(transport, url)


@pytest.mark.parametrize("hangs", [False, True])
async def test_what_a_failing_resolver_said_last_still_serves(
    hangs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewayd.io.http_dial.REFRESH_SECONDS", SHORT)
    resolver = Resolver("127.0.0.1")
    async with (
        serving(answer_all) as server,
        client(replace(OPEN, resolve_seconds=0.0, idle_seconds=0.0), lookup=resolver) as transport,
    ):
        url = f"http://bank.test:{server.port}/"
        await ask(transport, url)
        resolver.addresses, resolver.hangs = (), hangs

        assert [ANSWER] * 3 == [await ask(transport, url) for _ in range(3)]
        assert 2 == resolver.asked


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_name_that_nobody_knows_is_not_reached(hangs: bool) -> None:
    resolver = Resolver()
    resolver.hangs = hangs
    async with client(OPEN, connect_seconds=SHORT, lookup=resolver) as transport:
        answers = [await ask(transport, "http://bank.test/") for _ in range(2)]

    assert [Lost(reached=False, cause=LostCause.DNS)] * 2 == answers


async def test_the_systems_resolver_is_asked_for_names() -> None:
    async with serving(answer_all) as server, client() as transport:
        assert ANSWER == await ask(transport, f"http://localhost:{server.port}/")


async def test_only_so_many_addresses_are_tried() -> None:
    resolver = Resolver(*(f"127.0.1.{number}" for number in range(1, 40)), "127.0.0.1")
    async with serving(answer_all) as server, client(OPEN, lookup=resolver) as transport:
        url = f"http://bank.test:{server.port}/"
        answer = await ask(transport, url)

        known = transport._pools["bank"]._names._known["bank.test"]
    assert Lost(reached=False, cause=LostCause.REFUSED) == answer
    assert ADDRESSES_MAX == len(known)


@pytest.mark.parametrize(
    "settings",
    [replace(SETTINGS, ca_file="/nonexistent/ca.pem"), replace(SETTINGS, ciphers="NONSENSE")],
)
async def test_certificates_and_ciphers_that_cannot_be_used_are_told_at_once(settings: Any) -> None:
    with pytest.raises(ValueError, match="certificates or ciphers"):
        async with client(settings):
            pass


async def test_old_ciphers_may_be_allowed_without_giving_up_the_checks(
    authority: Authority,
) -> None:
    context = authority.server("bank.test")
    settings = replace(SETTINGS, ca_file=authority.file, ciphers="DEFAULT@SECLEVEL=1")
    async with (
        serving(answer_all, context) as server,
        client(settings, lookup=Resolver("127.0.0.1")) as transport,
    ):
        right = await ask(transport, f"https://bank.test:{server.port}/")
        wrong = await ask(transport, f"https://127.0.0.1:{server.port}/")

    assert [ANSWER, Lost(reached=False, cause=LostCause.TLS_HOSTNAME)] == [right, wrong]


def test_certificates_are_judged_alike_by_every_python() -> None:
    context = client_context(None, None)
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.check_hostname
    assert ssl.CERT_REQUIRED is context.verify_mode
