"""The public listener's door: takes connections in, as many at a time as come, and turns away whoever asks too much.

* All that wait are taken in at once. uvloop by itself takes one per turn of the loop, so that when turns get long those
  who come by a new connection, as customers back from a bank do, would wait for seconds.
* One address has so many connections at most, trusted proxies as many as there are; all together have so many. Who is
  turned away is hung up on before anything is read.
* A connection that has not sent a whole head in time is hung up on. Later heads on a kept connection fall under the
  server's own limit for idle ones.
* A connection that takes nothing of an answer for so long is ended by the kernel, which counts that at no cost; it
  would keep its place, and the memory of what it does not read, for as long as it likes.
* When the process is out of descriptors it takes nobody in for a moment, and says nothing: connections wait outside.

What serves the connections is not its business; it makes a protocol for each and passes everything on.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, cast

from aiohttp import web

from gatewayd.core.settings import WebSettings
from gatewayd.web.addresses import Addresses

BACKLOG: Final = 1_024
"""Connections that the kernel holds until they are taken in."""
AT_ONCE: Final = 128
"""Taken in within one turn of the loop: a few milliseconds' work."""
TAKE_SECONDS: Final = 30.0
"""How long somebody may take nothing of what he is being sent: a phone in a tunnel is back sooner."""
REST_SECONDS: Final = 0.5
"""How long nobody is taken in when there are no descriptors left."""
END_OF_HEAD: Final = b"\r\n\r\n"
TOO_MANY: Final = "too many"
TOO_MANY_OF_ONE: Final = "too many of one address"
TOO_SLOW: Final = "too slow"


class Door:
    """One per listener. It stands in for asyncio's server where aiohttp wants one: `sockets` and `close`."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        make: Callable[[], asyncio.Protocol],
        settings: WebSettings,
        addresses: Addresses,
        turned_away: Callable[[str], None],
    ) -> None:
        """`sockets` listen and do not block. `make` makes what serves a connection; `turned_away` is told why."""
        self.sockets = list(sockets)
        self.settings = settings
        self.turned_away = turned_away
        self.inside = 0
        """Connections."""
        self._of_address: Counter[str] = Counter()
        self._make = make
        self._addresses = addresses
        self._loop = asyncio.get_running_loop()
        self._coming: set[asyncio.Task[object]] = set()
        self._resting: asyncio.TimerHandle | None = None
        for each in self.sockets:  # those that it accepts have it from there
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(TAKE_SECONDS * 1_000))

    def open(self) -> None:
        """Begin to take in."""
        self._resting = None
        for each in self.sockets:
            self._loop.add_reader(each, self._take_in, each)

    def close(self) -> None:
        """Take nobody in any more; who is inside stays."""
        if self._resting is not None:
            self._resting.cancel()
        for each in self.sockets:
            self._loop.remove_reader(each)
            each.close()
        self.sockets = []

    def left(self, address: str) -> None:
        """A connection has ended."""
        self.inside -= 1
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]

    def _take_in(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._rest()
                return
            address = str(peer[0])
            why_not = self._why_not(address)
            if why_not is not None:
                connection.close()
                self.turned_away(why_not)
                continue
            self.inside += 1
            self._of_address[address] += 1
            connection.settimeout(0)
            guest = _Guest(self, address, self._make())
            entering = self._loop.connect_accepted_socket(guest.itself, connection)
            task = self._loop.create_task(entering)
            self._coming.add(task)
            task.add_done_callback(self._coming.discard)

    def _why_not(self, address: str) -> str | None:
        if self.inside >= self.settings.connections_max:
            return TOO_MANY
        if self._of_address[
            address
        ] >= self.settings.connections_per_address_max and not self._addresses.is_trusted(address):
            return TOO_MANY_OF_ONE
        return None

    def _rest(self) -> None:
        for each in self.sockets:
            self._loop.remove_reader(each)
        self._resting = self._loop.call_later(REST_SECONDS, self.open)


class _Guest(asyncio.Protocol):
    """One connection: passes everything on to what serves it, and sees to it that its first head comes in time."""

    __slots__ = ("_address", "_door", "_serving", "_tail", "_timer", "_transport")

    def __init__(self, door: Door, address: str, serving: asyncio.Protocol) -> None:
        self._door = door
        self._address = address
        self._serving = serving
        self._tail = b""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.BaseTransport | None = None

    def itself(self) -> "_Guest":
        """What the loop asks for when it makes the transport."""
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        seconds = self._door.settings.head_seconds
        self._timer = asyncio.get_running_loop().call_later(seconds, self._hang_up)
        self._serving.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._timer is not None:
            seen = self._tail + data
            if END_OF_HEAD in seen:
                self._timer.cancel()
                self._timer, self._tail = None, b""
            else:
                self._tail = seen[1 - len(END_OF_HEAD) :]
        self._serving.data_received(data)

    def eof_received(self) -> bool | None:
        return self._serving.eof_received()

    def pause_writing(self) -> None:
        self._serving.pause_writing()

    def resume_writing(self) -> None:
        self._serving.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._door.left(self._address)
        self._serving.connection_lost(exc)

    def _hang_up(self) -> None:
        self._timer = None
        self._door.turned_away(TOO_SLOW)
        cast("asyncio.Transport", self._transport).abort()  # uvloop's is one without saying so


class DoorSite(web.BaseSite):
    """A listening address of aiohttp's runner, with a door."""

    def __init__(
        self,
        runner: web.BaseRunner,
        host: str,
        port: int,
        *,
        settings: WebSettings,
        addresses: Addresses,
        turned_away: Callable[[str], None],
    ) -> None:
        super().__init__(runner)
        self._host = host
        self._port = port
        self._settings = settings
        self._addresses = addresses
        self._turned_away = turned_away
        self.door: Door | None = None

    @property
    def name(self) -> str:
        """The address."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen. OSError if the address cannot be had."""
        await super().start()
        server = self._runner.server
        assert server is not None, "the runner is set up"
        sockets = await _listening(self._host, self._port)
        self.door = Door(sockets, server, self._settings, self._addresses, self._turned_away)
        self._server = self.door  # type: ignore[assignment]  # it needs no more of it
        self.door.open()


async def _listening(host: str, port: int) -> list[socket.socket]:
    """Sockets for every address of this host; all on one port, also where it is to be chosen."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            chosen = sockets[0].getsockname()[1] if sockets else port
            made = socket.create_server((str(address[0]), chosen), family=family, backlog=BACKLOG)
            made.settimeout(0)
            sockets.append(made)
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets
