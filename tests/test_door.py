"""Who is let in to the public listener, how many at once, and how long somebody may take to say what he wants."""

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from gatewayd.core.settings import WebSettings
from gatewayd.web import door as doors
from gatewayd.web.addresses import Addresses
from gatewayd.web.door import AT_ONCE, TOO_MANY, TOO_MANY_OF_ONE, TOO_SLOW, Door

BOTH_LOOPS = True
PATIENCE_SECONDS = 20
MORE_THAN_THE_KERNEL_HOLDS = 16_777_216
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Echo(asyncio.Protocol):
    """Sends back what it gets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@dataclass
class House:
    door: Door
    port: int
    turned_away: Counter[str]
    guests: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def come(self, says: bytes = REQUEST) -> bytes:
        """What a new guest hears; nothing if he is hung up on."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                self.guests.append((reader, writer))
                writer.write(says)
                return await reader.readexactly(len(says))
            except asyncio.IncompleteReadError as error:
                return error.partial
            except ConnectionError:
                return b""

    async def hears_the_end(self, says: bytes) -> bool:
        """Whether a new guest who says only this is hung up on, sooner or later."""
        await self.come(says)
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self.guests[-1][0].read() == b""
            except ConnectionError:
                return True


@asynccontextmanager
async def house(
    *, trusted: tuple[str, ...] = (), kind: type[socket.socket] = socket.socket, **limits: float
) -> AsyncIterator[House]:
    listening = kind(socket.AF_INET, socket.SOCK_STREAM)
    listening.bind(("127.0.0.1", 0))
    listening.listen(512)
    listening.settimeout(0)
    turned_away: Counter[str] = Counter()
    settings = WebSettings(**limits)  # type: ignore[arg-type]  # counts and seconds
    door = Door(
        [listening], Echo, settings, Addresses(trusted), lambda why: turned_away.update([why])
    )
    door.open()
    made = House(door, listening.getsockname()[1], turned_away)
    try:
        yield made
    finally:
        door.close()
        for _, writer in made.guests:
            writer.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while door.inside:  # noqa: ASYNC110  # nothing tells of a departure
                await asyncio.sleep(0)


async def test_what_a_guest_says_is_passed_on_and_so_is_the_answer() -> None:
    async with house() as at:
        assert REQUEST == await at.come()
        assert (1, Counter()) == (at.door.inside, at.turned_away)


async def test_one_address_has_so_many_connections_and_no_more() -> None:
    async with house(connections_per_address_max=2) as at:
        assert [REQUEST, REQUEST, b""] == [await at.come() for _ in range(3)]
        assert (2, {TOO_MANY_OF_ONE: 1}) == (at.door.inside, at.turned_away)


async def test_a_connection_that_ended_makes_room_for_another() -> None:
    async with house(connections_per_address_max=1) as at:
        assert REQUEST == await at.come()
        at.guests.pop()[1].close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while at.door.inside:  # noqa: ASYNC110  # nothing tells of a departure
                await asyncio.sleep(0)
        assert REQUEST == await at.come()


async def test_a_trusted_proxy_has_as_many_as_there_are_for_all() -> None:
    async with house(
        trusted=("127.0.0.1",), connections_per_address_max=1, connections_max=3
    ) as at:
        assert [REQUEST] * 3 + [b""] == [await at.come() for _ in range(4)]
        assert {TOO_MANY: 1} == at.turned_away


@pytest.mark.parametrize("says", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_who_does_not_say_what_he_wants_is_hung_up_on(says: bytes) -> None:
    async with house(head_seconds=0.05) as at:
        assert await at.hears_the_end(says)
        assert {TOO_SLOW: 1} == at.turned_away


async def test_who_has_said_what_he_wants_may_take_his_time_also_when_it_came_in_pieces() -> None:
    async with house(head_seconds=0.2) as at:
        assert REQUEST[:-1] == await at.come(REQUEST[:-1])
        reader, writer = at.guests[0]
        writer.write(REQUEST[-1:])
        assert REQUEST[-1:] == await reader.read(1)
        assert await at.hears_the_end(b"G")  # so much later that the first would have been late too
        writer.write(b"again")
        assert b"again" == await reader.read(5)


async def test_who_takes_nothing_of_what_he_is_sent_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doors, "TAKE_SECONDS", 0.2)
    async with house() as at:
        loop = asyncio.get_running_loop()
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            deaf.setblocking(False)
            await loop.sock_connect(deaf, ("127.0.0.1", at.port))
            await loop.sock_sendall(deaf, b"x" * MORE_THAN_THE_KERNEL_HOLDS)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while at.door.inside:  # noqa: ASYNC110  # nothing tells of a departure
                    await asyncio.sleep(0.01)


async def test_all_who_wait_are_taken_in_within_one_turn_of_the_loop() -> None:
    async with house() as at:
        outside = [socket.create_connection(("127.0.0.1", at.port)) for _ in range(AT_ONCE)]
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(outside) == at.door.inside
        for each in outside:
            each.close()


class Exhausted(socket.socket):
    """Fails once, as when the process has no descriptors left."""

    tried = 0

    def accept(self) -> tuple[socket.socket, Any]:
        Exhausted.tried += 1
        if Exhausted.tried == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def test_without_descriptors_nobody_is_taken_in_for_a_moment_and_then_all_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doors, "REST_SECONDS", 0.01)
    async with house(kind=Exhausted) as at:
        assert REQUEST == await at.come()
        assert Exhausted.tried >= 2
