"""The connections to one gateway's bank: kept open between calls, limited in number, handed over in order.

* The one used last is used next, so that idle ones age and are closed.
* Whoever finds neither an idle connection nor room for a new one waits in line; the line is limited as well.
* A slot is taken by a connection from the moment it is dialled until it is closed; a closed one calls `_gone` once.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from gatewayd.core.causes import LostCause
from gatewayd.core.hosts import is_loopback
from gatewayd.core.settings import ConnectionSettings
from gatewayd.gateways.contract import Call
from gatewayd.io.http_connection import Connection
from gatewayd.io.http_dial import Lookup, Names, NotReached, client_context, dial
from gatewayd.io.http_request import Target, read_url, with_body, write_head

TARGETS_MAX: Final = 512
"""Parsed URLs and heads of requests that are remembered; drivers use a handful, some with an id in the path."""
SITES_MAX: Final = 16
"""Hosts of one gateway; more is a mistake in a driver."""


@dataclass(slots=True, eq=False)
class Site:
    """One host and port of the bank, with the connections to it that are idle just now."""

    tls: bool
    host: str
    port: int
    idle: list[Connection] = field(default_factory=list)
    address: str | None = None
    """The address that answered last; it is tried first."""


@dataclass(slots=True, eq=False)
class Waiter:
    """Somebody in line for a connection to `site`; given None, it may dial."""

    site: Site
    fresh: bool
    given: "asyncio.Future[Connection | None]"


@dataclass(slots=True)
class PoolCounts:
    """How a pool stands, and what it has done since it was made."""

    open: int = 0
    idle: int = 0
    waiting: int = 0
    dialled: int = 0
    reused: int = 0


class Pool:
    """One gateway's connections. ValueError where a base URL or the TLS settings are no good."""

    def __init__(
        self,
        settings: ConnectionSettings,
        base_urls: tuple[str, ...],
        *,
        connect_seconds: float,
        lookup: Lookup | None = None,
    ) -> None:
        self.settings = settings
        self._loop = asyncio.get_running_loop()
        self._connect_seconds = connect_seconds
        self._names = Names(settings.resolve_seconds, lookup)
        try:
            self._context = client_context(settings.ca_file, settings.ciphers)
        except OSError as error:
            raise ValueError(
                f"the certificates or ciphers cannot be used: {error.strerror or error.args[-1]}"
            ) from None
        self._targets: dict[str, tuple[Target, Site]] = {}
        self._heads: dict[tuple[object, ...], tuple[bytes, Site]] = {}
        """By method, URL and headers, which are the same in most calls."""
        self._sites: dict[tuple[bool, str, int], Site] = {}
        self._site_of: dict[Connection, Site] = {}
        self._dialling = 0
        self._waiters: deque[Waiter] = deque()
        self._reaper: asyncio.TimerHandle | None = None
        self._closed = False
        self._dialled = self._reused = 0
        self.base_sites = tuple(dict.fromkeys(self.target(url)[1] for url in base_urls))

    def target(self, url: str) -> tuple[Target, Site]:
        """The URL's parts and where its connections are; ValueError if HTTP or this gateway does not allow it."""
        known = self._targets.get(url)
        if known is not None:
            return known
        target = read_url(url)
        if not (target.tls or self.settings.allow_http or is_loopback(target.host)):
            raise PlainHttpError("the address is not https")
        key = (target.tls, target.host, target.port)
        site = self._sites.get(key)
        if site is None:
            if len(self._sites) >= SITES_MAX:
                raise ValueError("too many hosts for one gateway")
            site = self._sites[key] = Site(tls=target.tls, host=target.host, port=target.port)
        if len(self._targets) >= TARGETS_MAX:
            self._targets.clear()
        self._targets[url] = target, site
        return target, site

    def request(self, call: Call, user_agent: str) -> tuple[bytes, Site]:
        """The request as bytes, and where it goes; ValueError if HTTP or this gateway does not allow it."""
        key = (call.method, call.url, *call.headers.items())
        known = self._heads.get(key)
        if known is None:
            target, site = self.target(call.url)
            known = write_head(call, target, user_agent), site
            if len(self._heads) >= TARGETS_MAX:
                self._heads.clear()
            self._heads[key] = known
        head, site = known
        return with_body(head, call), site

    def take(self, site: Site, now: float) -> Connection | None:
        """An idle connection that may be used, if there is one."""
        idle = site.idle
        while idle:
            connection = idle.pop()
            if connection.usable(now):
                self._reused += 1
                return connection
            connection.abort()
        return None

    async def open(self, site: Site, deadline: float, *, fresh: bool = False) -> Connection:
        """A connection, dialled or handed over by whoever is done with it; NotReached if none is to be had.

        `fresh` is for those whom a kept connection has just failed: it is dialled for certain.
        """
        while not self._closed:
            if self._has_room() or self._close_an_idle_one():
                self._dialling += 1
                return await self._dial(site, deadline)
            handed = await self._wait(site, deadline, fresh=fresh)
            if handed is None:
                return await self._dial(site, deadline)
            if handed.usable(self._loop.time()):
                self._reused += 1
                return handed
            handed.abort()
        raise NotReached(LostCause.STOPPING)

    def release(self, connection: Connection, now: float) -> None:
        """Take a connection back whose exchange is over: for whoever is first in line, or to be kept."""
        if self._closed:
            connection.abort()
        if connection.closed:
            return
        connection.kept = True
        connection.idle_since = now
        site = self._site_of[connection]
        first = self._first_in_line()
        if first is not None:
            if first.site is site and not first.fresh:
                self._waiters.popleft()
                first.given.set_result(connection)
            else:
                connection.abort()
            return
        site.idle.append(connection)
        if self._reaper is None:
            self._reaper = self._loop.call_at(connection.expires_at(), self._reap)

    def counts(self) -> PoolCounts:
        return PoolCounts(
            open=len(self._site_of),
            idle=sum(len(site.idle) for site in self._sites.values()),
            waiting=len(self._waiters),
            dialled=self._dialled,
            reused=self._reused,
        )

    def retire(self) -> None:
        """Dial nothing any more and keep nothing; exchanges under way may end."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        self._names.close()
        while self._first_in_line() is not None:
            self._waiters.popleft().given.set_exception(NotReached(LostCause.STOPPING))
        for site in self._sites.values():
            for connection in list(site.idle):
                connection.abort()

    def close(self) -> None:
        """Close every connection; exchanges under way are lost."""
        self.retire()
        for connection in list(self._site_of):
            connection.abort()

    async def _dial(self, site: Site, deadline: float) -> Connection:
        """Dial in the slot that `_dialling` already counts."""
        try:
            connection = await self._connect(
                site, min(deadline, self._loop.time() + self._connect_seconds)
            )
        except BaseException:
            self._dialling -= 1
            self._serve_next()
            raise
        self._dialling -= 1
        self._dialled += 1
        self._site_of[connection] = site
        return connection

    async def _connect(self, site: Site, deadline: float) -> Connection:
        try:
            async with asyncio.timeout_at(deadline):
                addresses = await self._names.addresses(site.host, site.port)
        except TimeoutError:
            raise NotReached(LostCause.DNS) from None
        connection, site.address = await dial(
            self._new_connection,
            sorted(addresses, key=lambda address: address != site.address),
            site.port,
            server_name=site.host,
            context=self._context if site.tls else None,
            deadline=deadline,
        )
        if self._closed or connection.closed:
            connection.abort()
            raise NotReached(LostCause.STOPPING if self._closed else LostCause.REFUSED)
        return connection

    def _new_connection(self) -> Connection:
        return Connection(
            self._gone,
            idle_seconds=self.settings.idle_seconds,
            pause_seconds=self.settings.reply_pause_seconds,
        )

    async def _wait(self, site: Site, deadline: float, *, fresh: bool) -> Connection | None:
        """Stand in line; a connection, or None for a slot to dial in, which is then counted as dialling."""
        if len(self._waiters) >= self.settings.waiting_max:
            raise NotReached(LostCause.POOL_FULL)
        waiter = Waiter(site=site, fresh=fresh, given=self._loop.create_future())
        self._waiters.append(waiter)
        timer = self._loop.call_at(
            min(deadline, self._loop.time() + self._connect_seconds), self._give_up, waiter
        )
        try:
            return await waiter.given
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif not waiter.given.cancelled() and waiter.given.exception() is None:
                self._give_back(waiter.given.result())
            raise
        finally:
            timer.cancel()

    def _give_up(self, waiter: Waiter) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
            if not waiter.given.done():
                waiter.given.set_exception(NotReached(LostCause.POOL_FULL))

    def _give_back(self, given: Connection | None) -> None:
        """What was handed to somebody who had just been cancelled goes to the next."""
        if given is None:
            self._dialling -= 1
            self._serve_next()
        else:
            self.release(given, self._loop.time())

    def _has_room(self) -> bool:
        return len(self._site_of) + self._dialling < self.settings.connections_max

    def _close_an_idle_one(self) -> bool:
        """Make room by closing the idle connection that has waited longest, to whichever host."""
        oldest = min(
            (connection for site in self._sites.values() for connection in site.idle[:1]),
            key=lambda connection: connection.idle_since,
            default=None,
        )
        if oldest is None:
            return False
        oldest.abort()
        return self._has_room()

    def _gone(self, connection: Connection) -> None:
        site = self._site_of.pop(connection, None)
        if site is None:
            return
        if connection in site.idle:
            site.idle.remove(connection)
        self._serve_next()

    def _first_in_line(self) -> Waiter | None:
        """Who is next; those who were cancelled and have not noticed yet are passed over."""
        while self._waiters and self._waiters[0].given.done():
            self._waiters.popleft()
        return self._waiters[0] if self._waiters else None

    def _serve_next(self) -> None:
        while self._has_room() and (first := self._first_in_line()) is not None:
            self._waiters.popleft()
            self._dialling += 1
            first.given.set_result(None)

    def _reap(self) -> None:
        """Close what has been idle too long, and come back when the next one will have been."""
        self._reaper = None
        now = self._loop.time()
        for site in self._sites.values():
            for connection in [each for each in site.idle if each.expires_at() <= now]:
                connection.abort()
        left = [each.expires_at() for site in self._sites.values() for each in site.idle]
        if left:
            self._reaper = self._loop.call_at(min(left), self._reap)


class PlainHttpError(ValueError):
    """The address is not https, and the gateway was not configured to go without."""
