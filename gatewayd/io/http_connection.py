"""One connection to a bank: carries one exchange at a time and reads the answer, whatever bytes come.

* An exchange ends in a `Reply` or a `LostCause`, never in an exception; only its own cancellation passes through.
* Every end but a complete, clean reply closes the connection, so that a late answer can never meet the next request.
* A byte that comes while nothing is asked, or after the end of a reply, closes it too.
* Head, body and bytes on the wire are limited; `1xx` answers are passed over within the same limits.
* Compression is not asked for. A proxy of the bank's that compresses all the same is understood, within those limits.
"""

import asyncio
import re
import select
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Final, cast

import httptools

from gatewayd.core.causes import LostCause
from gatewayd.gateways.contract import Reply
from gatewayd.gateways.wire import REPLY_BYTES_MAX

HEAD_BYTES_MAX: Final = 65_536
"""Status line and headers, interim answers included; real ones are below two thousand."""
HEADERS_MAX: Final = 128
WIRE_BYTES_MAX: Final = 8 * REPLY_BYTES_MAX
"""A body in the tiniest chunks is six times its own length."""
KEEP_ALIVE_MARGIN_SECONDS: Final = 1.0
"""How much earlier than the server says a connection is given up."""

_FINAL_STATUS: Final = 200
_READ_HERE: Final = frozenset(
    {b"content-length", b"transfer-encoding", b"keep-alive", b"content-encoding"}
)
_PACKED: Final = frozenset({b"gzip", b"x-gzip", b"deflate"})
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
_CHUNKED: Final = b"chunked"
_KEEP_ALIVE: Final = re.compile(rb"timeout\s*=\s*([0-9]{1,6})", re.IGNORECASE)


class Headers(Mapping[str, str]):
    """A reply's headers: names in lower case, repeated ones joined. Read only when somebody looks, for few do."""

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._raw = raw

    @cached_property
    def _read(self) -> dict[str, str]:
        read: dict[str, str] = {}
        for name, value in self._raw:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            read[key] = f"{read[key]}, {text}" if key in read else text
        return read

    def __getitem__(self, name: str) -> str:
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._read)})"


class Connection(asyncio.Protocol):
    """A kept connection; `gone` is called once, when it can no longer be used."""

    def __init__(
        self,
        gone: Callable[["Connection"], None],
        *,
        idle_seconds: float,
        pause_seconds: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._gone = gone
        self._idle_seconds = self._idle_limit = idle_seconds
        self._pause_seconds = pause_seconds
        self._waiter: asyncio.Future[Reply | LostCause] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None
        self.link: asyncio.Transport | None = None
        self.closed = False
        self.kept = False
        """Whether it has ever waited unused: then the bank may have closed it without our knowing yet."""
        self.idle_since = 0.0
        self._forget()

    def _forget(self) -> None:
        """Make ready for the next reply."""
        self._status = 0
        self._raw: list[tuple[bytes, bytes]] = []
        self._stays: bytes | None = None
        self._body: bytes | bytearray = b""
        self._wire = self._head_bytes = 0
        self._broken: LostCause | None = None
        self._head_done = self._until_eof = self._done = self._extra = self._keep = False
        self._packed = False
        self._last = 0.0

    # What the pool and the client do with it.

    async def exchange(self, request: bytes, deadline: float) -> Reply | LostCause:
        """Send the request and read its reply until `deadline` (the loop's time)."""
        try:
            return await self.begin(request, deadline)
        except asyncio.CancelledError:
            self.abort()
            raise

    def begin(self, request: bytes, deadline: float) -> "asyncio.Future[Reply | LostCause]":
        """As `exchange`; whoever is cancelled while waiting for the reply has to abort."""
        link = self.link
        if link is None or self.closed or self._waiter is not None:
            raise RuntimeError("the connection is not free")
        self._forget()
        waiter: asyncio.Future[Reply | LostCause] = self._loop.create_future()
        self._waiter = waiter
        self._deadline = deadline
        if self._timer is None or deadline < self._timer.when():
            self._set_timer()
        link.write(request)
        return waiter

    def usable(self, now: float) -> bool:
        """Whether a request may go over it: young enough, and nothing has come from the bank, no end either.

        The poll sees a close that the loop has not yet been told of, which a busy loop learns late.
        """
        return (
            not self.closed and now - self.idle_since < self._idle_limit and not self._poll.poll(0)
        )

    def expires_at(self) -> float:
        """When an idle connection is given up, in the loop's time."""
        return self.idle_since + self._idle_limit

    def abort(self) -> None:
        """Close at once; an exchange under way ends as lost."""
        self._fail(LostCause.CUT if self._wire else LostCause.CLOSED)

    # What the loop tells it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.link = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        self._parser = httptools.HttpResponseParser(self)
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self.abort()
            return
        self._wire += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._extra = True
            self._broken = self._broken or LostCause.NOT_HTTP
        if self._done:
            self._complete()
        elif self._broken is not None:
            self._fail(self._broken)
        elif self._wire > (WIRE_BYTES_MAX if self._head_done else HEAD_BYTES_MAX):
            self._fail(LostCause.TOO_LARGE)
        else:
            self._last = self._loop.time()
            if self._pause is None:
                self._pause = self._loop.call_later(self._pause_seconds, self._check_pause)

    def eof_received(self) -> None:
        if self._until_eof and self._waiter is not None:
            self._complete()
        else:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.abort()
        del self._parser  # its callbacks are ours: a cycle

    # What the parser finds.

    def on_message_begin(self) -> None:
        if self._done:
            self._extra = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_done:  # neither trailers nor the head of what nobody asked for
            self._raw.append((name, value))

    def on_headers_complete(self) -> None:
        if self._done:
            return
        if len(self._raw) > HEADERS_MAX or (
            self._wire > HEAD_BYTES_MAX and self._bytes_of_heads() > HEAD_BYTES_MAX
        ):
            self._broken = LostCause.TOO_LARGE
        status = self._parser.get_status_code()
        self._status = status
        if status < _FINAL_STATUS:
            return
        self._head_done = self._until_eof = True
        for name, value in self._raw:
            lower = name.lower()
            if lower not in _READ_HERE:
                continue
            if lower == b"keep-alive":
                self._stays = value
                continue
            if lower == b"content-encoding":
                self._packed = value.strip().lower() in _PACKED
                continue
            self._until_eof = False
            if lower == b"content-length":
                if int(value) > REPLY_BYTES_MAX:
                    self._broken = LostCause.TOO_LARGE
            elif value.strip().lower() != _CHUNKED:
                self._broken = LostCause.NOT_HTTP

    def _bytes_of_heads(self) -> int:
        """Names and values so far, interim answers included."""
        return self._head_bytes + sum(len(name) + len(value) for name, value in self._raw)

    def on_body(self, body: bytes) -> None:
        if self._done:
            return
        if len(self._body) + len(body) > REPLY_BYTES_MAX:
            self._broken = LostCause.TOO_LARGE
        elif not self._body:
            self._body = body
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body

    def on_message_complete(self) -> None:
        if self._done:
            return
        if self._status < _FINAL_STATUS:
            self._head_bytes = self._bytes_of_heads()
            self._raw.clear()
            if self._status < 100:  # noqa: PLR2004  # the first status that HTTP knows
                self._broken = LostCause.NOT_HTTP
            return
        if self._broken is None:
            self._done = True
            self._keep = self._parser.should_keep_alive()

    # How an exchange ends.

    def _complete(self) -> None:
        """The reply is whole; keep the connection only if both sides have said all they had to say."""
        body = unpacked(self._body) if self._packed else bytes(self._body)
        if body is None:
            self._fail(LostCause.NOT_HTTP)
            return
        reply = Reply(status=self._status, headers=Headers(self._raw), body=body)
        waiter, self._waiter = self._waiter, None
        link = self.link
        assert link is not None
        if (
            self._keep
            and not self._extra
            and not link.is_closing()
            and not link.get_write_buffer_size()
        ):
            if self._stays is not None and (found := _KEEP_ALIVE.search(self._stays)):
                self._idle_limit = min(
                    self._idle_seconds, int(found[1]) - KEEP_ALIVE_MARGIN_SECONDS
                )
            if self._pause is not None:
                self._pause.cancel()
                self._pause = None
        else:
            self.abort()
        if waiter is not None and not waiter.done():
            waiter.set_result(reply)

    def _fail(self, cause: LostCause) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(cause)
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.closed:
            return
        self.closed = True
        if self.link is not None:
            self.link.abort()
        self._gone(self)

    def _check_pause(self) -> None:
        ends = self._last + self._pause_seconds
        if self._loop.time() >= ends:
            self._fail(LostCause.STALLED)
        else:
            self._pause = self._loop.call_at(ends, self._check_pause)

    def _set_timer(self) -> None:
        """One timer watches over all exchanges of the connection: setting one for each would cost more than it."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() >= self._deadline:
            self._fail(LostCause.REPLY_TIMEOUT)
        else:
            self._set_timer()


def unpacked(body: bytes | bytearray) -> bytes | None:
    """The body without its gzip or deflate; None if it is broken, cut off or larger than any answer."""
    if not body:
        return b""
    undoing = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        whole = undoing.decompress(body, REPLY_BYTES_MAX)
    except zlib.error:
        return None
    return whole if undoing.eof else None
