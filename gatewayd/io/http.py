"""The way to the banks: an HTTP/1.1 client with a pool of kept connections for every gateway.

* Each call ends within its seconds in a `Reply`, whatever its status, or in `Lost`; what networks do never raises.
* `Lost(reached=False)` is said only where not one byte of the request was handed to a socket.
* A kept connection may have been closed by the bank just as the request went out. An inquiry, a settle or a reverse is
  then sent once more on a fresh one, for these may happen twice. A start or a refund may not. A verify may, but must
  not be repeated out of sight: the bank would answer "already verified", which is believed only where the engine
  knows that it asked before.
* No redirects, no cookies, no compression asked for; https only, but for loopback hosts and gateways configured
  otherwise.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from gatewayd import __version__
from gatewayd.core.causes import LostCause
from gatewayd.core.settings import ConnectionSettings
from gatewayd.core.terms import Lost, Operation
from gatewayd.gateways.contract import Call, Reply
from gatewayd.io.http_dial import Lookup, NotReached
from gatewayd.io.http_pool import PlainHttpError, Pool, PoolCounts, Site

USER_AGENT: Final = f"gatewayd/{__version__}"
ANSWERED: Final = "answered"
SERVER_ERROR: Final = "server error"
CANCELLED: Final = "cancelled"
"""Outcomes of an exchange as an observer is told of them, beside the causes of lost ones."""

_REPEATABLE: Final = frozenset({Operation.INQUIRE, Operation.SETTLE, Operation.REVERSE})
_SERVER_ERROR_STATUS: Final = 500


class Observer(Protocol):
    """Told of every exchange."""

    def exchanged(self, gateway: str, operation: Operation, outcome: str, seconds: float) -> None:
        """`outcome` is one of the words above or a `LostCause`; `seconds` is how long it took in all."""


class HttpTransport:
    """The banks over HTTP. It is made, used and closed within one running event loop."""

    def __init__(
        self,
        *,
        connect_seconds: float = 3.0,
        observer: Observer | None = None,
        lookup: Lookup | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connect_seconds = connect_seconds
        self._observer = observer
        self._lookup = lookup
        self._pools: dict[str, Pool] = {}

    def add(self, gateway: str, base_urls: tuple[str, ...], settings: ConnectionSettings) -> None:
        """Let calls of this gateway through. ValueError where its addresses or its TLS settings are no good.

        Where there are settings of this name already, exchanges under way end under the old ones.
        """
        pool = Pool(settings, base_urls, connect_seconds=self._connect_seconds, lookup=self._lookup)
        if gateway in self._pools:
            self._pools[gateway].retire()
        self._pools[gateway] = pool

    async def send(
        self, gateway: str, operation: Operation, call: Call, seconds: float
    ) -> Reply | Lost:
        """One exchange with this gateway's bank within `seconds`."""
        began = self._loop.time()
        outcome: str = CANCELLED
        try:
            answer = await self._send(self._pools[gateway], operation, call, began + seconds)
            if isinstance(answer, Lost):
                outcome = answer.cause
            else:
                outcome = SERVER_ERROR if answer.status >= _SERVER_ERROR_STATUS else ANSWERED
            return answer
        finally:
            if self._observer is not None:
                self._observer.exchanged(gateway, operation, outcome, self._loop.time() - began)

    async def warm(self) -> Mapping[str, LostCause]:
        """Open each gateway's first connections; which gateways could not be reached, and why."""
        failed: dict[str, LostCause] = {}
        async with asyncio.TaskGroup() as group:
            for gateway, pool in self._pools.items():
                for site in pool.base_sites:
                    for _ in range(pool.settings.warm):
                        group.create_task(self._warm(gateway, pool, site, failed))
        return failed

    def counts(self) -> Mapping[str, PoolCounts]:
        """How each gateway's pool stands."""
        return {gateway: pool.counts() for gateway, pool in self._pools.items()}

    async def close(self) -> None:
        """Close all connections; exchanges still under way are lost."""
        for pool in self._pools.values():
            pool.close()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn

    async def _send(
        self, pool: Pool, operation: Operation, call: Call, deadline: float
    ) -> Reply | Lost:
        agent = pool.settings.user_agent
        try:
            request, site = pool.request(call, USER_AGENT if agent is None else agent)
        except PlainHttpError:
            return Lost(reached=False, cause=LostCause.PLAIN_HTTP)
        except ValueError:
            return Lost(reached=False, cause=LostCause.UNSENDABLE)
        now = self._loop.time()
        try:
            connection = pool.take(site, now) or await pool.open(site, deadline)
        except NotReached as error:
            return Lost(reached=False, cause=error.cause)
        if self._loop.time() >= deadline:
            pool.release(connection, now)
            return Lost(reached=False, cause=LostCause.NO_TIME)
        kept = connection.kept
        try:  # as `exchange`, without its frame
            answer = await connection.begin(request, deadline)
        except asyncio.CancelledError:
            connection.abort()
            raise
        pool.release(connection, self._loop.time())
        if answer is LostCause.CLOSED and kept and operation in _REPEATABLE:
            try:
                connection = await pool.open(site, deadline, fresh=True)
            except NotReached as error:
                return Lost(reached=True, cause=error.cause)
            answer = await connection.exchange(request, deadline)
            pool.release(connection, self._loop.time())
        return answer if isinstance(answer, Reply) else Lost(reached=True, cause=answer)

    async def _warm(
        self, gateway: str, pool: Pool, site: Site, failed: dict[str, LostCause]
    ) -> None:
        deadline = self._loop.time() + self._connect_seconds
        try:
            pool.release(await pool.open(site, deadline), self._loop.time())
        except NotReached as error:
            failed[gateway] = error.cause
