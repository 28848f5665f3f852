"""The fast lane in front of aiohttp's server: requests of the main flow that came whole, answered without its layers.

aiohttp's request, dispatcher, middlewares, response and writer cost about four times what reading a request and
writing its answer must. So a request that lies complete and plain in one piece of what the socket gave, and asks for
one of a few routes, goes straight to its handler. Rules:

* Whatever is not plain (in pieces, pipelined, chunked, `Expect`, compressed, HEAD, HTTP/1.0, `Connection: close`, too
  large, no HTTP, another route) is given to aiohttp byte for byte as it came; its limits and its answers hold.
* llhttp reads both lanes, so that both take the same bytes for the same request.
* One request at a time per connection: what comes meanwhile waits in the kernel, but for one piece.
* A client that hangs up does not end its request; a server that stops waits for it, as aiohttp does, but not twice.
* A client that says that it will say no more still gets the answers to what it has said.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, cast

import httptools
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict, istr

from gatewayd.web.answers import Answer, Answered, header_lines, status_line, whole
from gatewayd.web.asked import Asked, Services

LANE_BYTES_MAX: Final = 8_190
"""Of head and body together: what passes here passes every limit of aiohttp's parser on lines and fields."""
HEADERS_MAX: Final = 64
_NOT_PLAIN: Final = tuple(
    map(istr, ("Transfer-Encoding", "Expect", "Content-Encoding", "Upgrade", "Trailer"))
)
LOOK_SECONDS: Final = 0.05
"""How long after its last answer a connection of which nothing more will come is closed, at most."""
DEAF_SECONDS: Final = 3.0
"""How long a server that stops waits for a client that does not read what it was answered."""
CANCEL_SECONDS: Final = 1.0
"""What a server that stops gives a request to end that has not ended by itself in time."""
_PATH: Final = re.compile(r"/[A-Za-z0-9/._~-]*\Z")
"""A path that means what it says: nothing to decode."""

Handler = Callable[[Asked], Awaitable[Answered]]
Through = Callable[[Asked, Handler], Awaitable[Answered]]


class Lane:
    """The routes of the fast lane, and the one parser of all its connections.

    A request is read in one go or not at all, so that the parser holds nothing in between.
    """

    def __init__(
        self, app: web.Application, routes: Sequence[tuple[str, str, Handler]], through: Through
    ) -> None:
        """`routes` are methods, paths and handlers; a path may end in one name, as in `/pay/{id}`."""
        self._app = app
        self._services: Services = app
        self.through = through
        self._fixed: dict[tuple[str, str], tuple[str, Handler]] = {}
        self._named: dict[tuple[str, str], tuple[str, str, Handler]] = {}
        for method, path, handler in routes:
            before, brace, name = path.partition("{")
            if brace:
                self._named[method, before] = path, name.removesuffix("}"), handler
            else:
                self._fixed[method, path] = path, handler
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers = CIMultiDict[str]()
        self._body = b""
        self._messages = 0
        self._complete = self._keeps = False

    def settle(self) -> None:
        """Nothing is added to the application any more: a dictionary gives what it knows at a tenth of its cost."""
        self._services = {key: self._app[key] for key in self._app}

    def read(self, data: bytes, remote: str | None) -> tuple[Asked, Handler] | bool:
        """The request that these bytes are and its handler; else whether they are one whole request at least."""
        if len(data) > LANE_BYTES_MAX:
            return False
        self._url, self._headers, self._body = b"", CIMultiDict(), b""
        self._messages, self._complete = 0, False
        parser = self._parser
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._complete = False
        if not self._complete or self._messages != 1 or not self._keeps:
            self._parser = httptools.HttpRequestParser(self)
            return False
        if parser.get_http_version() != "1.1" or len(self._headers) > HEADERS_MAX:
            return False
        return self._addressed(parser.get_method().decode(), remote) or True

    def _addressed(self, method: str, remote: str | None) -> tuple[Asked, Handler] | None:
        """The request just read, if its route is one of ours and there is nothing special about it."""
        raw_path = self._url.decode("latin-1")
        path = raw_path.partition("?")[0]
        match_info: Mapping[str, str]
        if (found := self._fixed.get((method, path))) is not None:
            (route, handler), match_info = found, _NO_NAMES
        else:
            before, slash, last = path.rpartition("/")
            named = self._named.get((method, before + slash))
            if named is None or not last:
                return None
            route, name, handler = named
            match_info = {name: last}
        if not (raw_path.isascii() and _PATH.match(path)):
            return None
        headers = self._headers
        for special in _NOT_PLAIN:
            if special in headers:
                return None
        asked = Asked(
            self._services,
            method=method,
            raw_path=raw_path,
            route=route,
            match_info=match_info,
            headers=headers,
            body=self._body,
            remote=remote,
        )
        return asked, handler

    # --- what the parser finds

    def on_message_begin(self) -> None:
        self._messages += 1

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.add(name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._complete = True
        self._keeps = self._parser.should_keep_alive()


_NO_NAMES: Final[Mapping[str, str]] = {}


class LaneHandler(RequestHandler):
    """One connection: the fast lane, and aiohttp for everything else."""

    __slots__ = ("_asked", "_ended", "_held", "_lane", "_remote", "_stays_there", "_was_there")

    def __init__(self, lane: Lane, manager: web.Server, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._lane = lane
        self._asked: asyncio.Task[None] | None = None
        """The request that is being served in the lane."""
        self._held = b""
        """What came meanwhile."""
        self._was_there = False
        """aiohttp has had something of this connection."""
        self._stays_there = False
        """…and what it had was not one whole request, so that it must have the rest."""
        self._ended = False
        """The client says no more."""
        self._remote: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._remote = str(peer[0]) if isinstance(peer, tuple) else None

    def data_received(self, data: bytes) -> None:
        if self._asked is not None:
            self._held += data
            self._pause_transport_reading()
            return
        if self._stays_there or self._close or self._force_close:
            super().data_received(data)
            return
        found = self._lane.read(data, self._remote)
        if isinstance(found, bool) or not self._is_free():
            self._was_there = True
            self._stays_there = not found
            super().data_received(data)
            return
        self._asked = self._loop.create_task(self._serve(*found))

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp never wants to stay open; the loop asks
        """Whether to stay open for writing. Some clients and proxies close their half as soon as they have asked."""
        if not self._owes():
            return False
        if not self._ended:
            self._ended = True
            self._close_once_answered()
        return True

    @property
    def has_ended(self) -> bool:
        """Whether the client says no more: it has hung up, or only listens. Nobody can tell before he writes to it."""
        return self._ended

    def _owes(self) -> bool:
        """Whether an answer is due to what has come whole."""
        if self._asked is not None:
            return True
        if self._messages:
            return self._messages[-1][1].is_eof()
        if self._current_request is not None:
            return self._current_request.content.is_eof()
        return not self._is_free()

    def _close_once_answered(self) -> None:
        if self.transport is None:
            return
        if self._owes():
            self._loop.call_later(LOOK_SECONDS, self._close_once_answered)
        else:
            self.force_close()

    def _is_free(self) -> bool:
        """Whether aiohttp has nothing to do for this connection."""
        return not self._was_there or (self._waiter is not None and not self._messages)

    async def _serve(self, asked: Asked, handler: Handler) -> None:
        try:
            answer = await self._lane.through(asked, handler)
            if self.transport is not None:
                self.transport.write(written(answer))
                if self._paused:
                    await self._drain_helper()
        except ConnectionError:
            pass
        except BaseException:
            self.force_close()
            raise
        finally:
            self._asked = None
        if self._close or self._force_close:
            self.force_close()
            return
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._held:
            held, self._held = self._held, b""
            self.data_received(held)
            if not self._reading_paused and not self._buffer_paused:
                self._resume_transport_reading()

    def _process_keepalive(self) -> None:
        if self._asked is not None:  # it is no idle connection, though aiohttp does not know
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        super()._process_keepalive()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's own signature
        """Let the request that is being served end, then the rest.

        aiohttp waits as long again for what it has cancelled, so that a client that does not read would hold up a stop
        for twice the time.
        """
        began, asked = self._loop.time(), self._asked
        if timeout is not None and self._paused:
            timeout = min(timeout, DEAF_SECONDS)
        if asked is not None:
            self._close = True
            await asyncio.wait({asked}, timeout=timeout)
            asked.cancel()
        if timeout is not None:
            timeout = max(0.0, began + timeout - self._loop.time())
        ending = self._loop.create_task(super().shutdown(timeout))
        done, _ = await asyncio.wait(
            {ending}, timeout=None if timeout is None else timeout + CANCEL_SECONDS
        )
        if not done:
            if self._task_handler is not None:
                self._task_handler.cancel()
            self.force_close()
            ending.cancel()


class LaneServer(web.Server):
    """aiohttp's server with a fast lane."""

    def __init__(self, lane: Lane, server: web.Server) -> None:
        """Serves as `server` would."""
        super().__init__(
            server.request_handler,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            **server._kwargs,  # noqa: SLF001 - there is no other way to what a runner was told
        )
        self._lane = lane
        lane.settle()

    def __call__(self) -> RequestHandler:
        return LaneHandler(self._lane, self, loop=self._loop, **self._kwargs)


class LaneRunner(web.AppRunner):
    """Runs an application behind a fast lane."""

    __slots__ = ("_lane",)

    def __init__(self, app: web.Application, lane: Lane, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self._lane = lane

    async def _make_server(self) -> web.Server:
        return LaneServer(self._lane, await super()._make_server())


def written(answer: Answered) -> bytes:
    """An answer as bytes. ValueError for a header that would make two."""
    if isinstance(answer, Answer):
        return answer.written()
    assert isinstance(answer, web.Response), "the lane's handlers answer in one piece"
    text = status_line(answer.status) + header_lines(answer.headers)
    body = cast("bytes", answer.body or b"")
    return whole(text, body, has_length="Content-Length" in answer.headers)
