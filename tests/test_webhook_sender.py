"""The way to receivers of webhooks leads to no address that is not allowed, whatever a name says and when."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gatewayd.core.hosts import is_internal, is_nobodys
from gatewayd.core.secret import Secret
from gatewayd.engine.outbox import Address
from gatewayd.io.webhook_sender import INTERNAL, WebhookSender, retry_after_ms
from tests.hook_stage import HOOK_SECRET, hooks

BOTH_LOOPS = True
NOW = 1_750_000_000.0
INTERNALS = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "198.18.0.1", "::", "::1", "fe80::1", "fec0::1", "fd00::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a00:1",
]  # fmt: skip
PUBLIC = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"]
NOBODYS = [
    "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "fe80::1", "ff02::1",
    "::ffff:169.254.169.254",
]  # fmt: skip


@pytest.mark.parametrize("address", INTERNALS)
def test_addresses_that_are_not_the_internets_are_known(address: str) -> None:
    assert is_internal(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_not_taken_for_our_own(address: str) -> None:
    assert not is_internal(address)
    assert not is_nobodys(address)


@pytest.mark.parametrize("address", NOBODYS)
def test_some_addresses_are_nobodys_even_within_our_own_network(address: str) -> None:
    assert is_nobodys(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "fd00::1"])
def test_a_receiver_may_be_at_an_address_of_our_own_network(address: str) -> None:
    assert not is_nobodys(address)


class Names:
    """A resolver whose answers are set by hand."""

    def __init__(self, *addresses: str) -> None:
        self.addresses: Sequence[str] = addresses
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[tuple[Any, ...]]:
        self.asked += 1
        kind = socket.SOCK_STREAM
        return [(socket.AF_INET, kind, 6, "", (each, port)) for each in self.addresses]


@asynccontextmanager
async def sender(url: str, names: Names, *, private: bool = False) -> AsyncIterator[WebhookSender]:
    address = Address(
        name="main/main",
        whose="main",
        url=url,
        secrets=(Secret(HOOK_SECRET),),
        wanted=frozenset(),
        private=private,
    )
    made = WebhookSender(
        [address], timeout_seconds=2.0, sending_max=2, wall=lambda: NOW, lookup=names
    )
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254"])
async def test_a_name_that_leads_into_our_own_network_is_not_followed(address: str) -> None:
    for addresses in ((address,), ("93.184.216.34", address)):
        async with sender("https://hooks.shop.example/", Names(*addresses)) as way:
            answer = await way.send("main/main", {}, b"{}")
        assert (None, INTERNAL) == (answer.status, answer.cause)


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1/", "https://[::1]:1/", "https://[::ffff:10.0.0.1]/"]
)
async def test_an_address_in_place_of_a_name_is_no_way_around(url: str) -> None:
    names = Names("93.184.216.34")
    async with sender(url, names) as way:
        answer = await way.send("main/main", {}, b"{}")
    assert (None, INTERNAL, 0) == (answer.status, answer.cause, names.asked)


async def test_not_even_a_shop_in_the_same_network_reaches_the_clouds_own_address() -> None:
    for url in ("http://169.254.169.254/", "http://metadata.shop.example/"):
        async with sender(url, Names("169.254.169.254"), private=True) as way:
            assert INTERNAL == (await way.send("main/main", {}, b"{}")).cause


async def test_a_shop_in_the_same_network_is_reached_by_name_at_the_address_that_was_checked() -> (
    None
):
    async with hooks() as there:
        names, port = Names("127.0.0.1"), there.url.rpartition(":")[2]
        async with sender(f"http://inner.shop.example:{port}", names, private=True) as way:
            answer = await way.send("main/main", {}, b"{}")
            names.addresses = ("10.255.255.1",)
            again = await way.send("main/main", {}, b"{}")
        assert (401, 401, 1) == (answer.status, again.status, names.asked)


async def test_a_receiver_that_answers_endlessly_or_never_costs_no_more_than_its_time() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
        writer.write(b"x" * 100_000)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, sender(url, Names(), private=True) as way:
        answer = await way.send("main/main", {}, b"{}")
    assert (None, "reply too large") == (answer.status, answer.cause)


@pytest.mark.parametrize(
    ("text", "wanted_ms"),
    [
        ("", None), ("soon", None), ("-1", None), ("120", 120_000), (" 7 ", 7_000),
        ("Sun, 15 Jun 2025 15:07:40 GMT", 60_000), ("Sun, 15 Jun 2025 15:00:00 GMT", 0),
        ("9" * 50, 999_999_999_000), ("٣", None),
    ],
)  # fmt: skip
def test_when_a_receiver_wants_to_be_asked_again(text: str, wanted_ms: int | None) -> None:
    assert wanted_ms == retry_after_ms(text, NOW)
