"""A browser and a shop as cheap as they can be: one keep-alive HTTP/1.1 connection, no scripts, no cookies.

It must cost far less than what it measures, so it reads answers with httptools and does nothing that is not needed.
When a request was sent is noted as its bytes go to the kernel, and when an answer came is told by the kernel too: a
driver that is late to read it, because it shares its core, does not make the answer later.
"""

import asyncio
import html
import re
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

import httptools

SO_TIMESTAMPNS: Final = 35
"""Linux tells with what it gives of a socket when that came, by the wall clock; Python has no name for it."""
_TIMESPEC: Final = struct.Struct("@qq")
_READ_BYTES: Final = 262_144
_ANCILLARY_BYTES: Final = 128

_FORM: Final = re.compile(rb"<form([^>]*)>(.*?)</form>", re.DOTALL | re.IGNORECASE)
_INPUT: Final = re.compile(rb"<input([^>]*)>", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(rb'([a-zA-Z-]+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    location: str
    body: bytes
    retry_after: float = 0.0
    """Seconds, where the answer asks to come again."""
    sent: float = 0.0
    """When the request went to the kernel (perf_counter)…"""
    came: float = 0.0
    """…and when the answer's last byte came there, whenever it was read."""


class Connection:
    """One connection, one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._socket: socket.socket | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._location = ""
        self._retry_after = self._sent = self._came = 0.0
        self._done: asyncio.Future[Answer] | None = None

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str] = {},
    ) -> Answer:
        """One exchange; ConnectionError where the server hangs up."""
        loop = asyncio.get_running_loop()
        link = self._socket or await self._connect(loop)
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        request = "\r\n".join([*lines, "", ""]).encode() + body
        self._parser = httptools.HttpResponseParser(self)
        self._body, self._location, self._retry_after = [], "", 0.0
        done: asyncio.Future[Answer] = loop.create_future()
        self._done = done
        self._sent = time.perf_counter()
        try:
            sent = link.send(request)
            if sent < len(request):
                await loop.sock_sendall(link, request[sent:])
        except OSError:
            self._hang_up()
        try:
            return await done
        except asyncio.CancelledError:
            self._hang_up()  # a late answer must not meet the next request
            raise

    def close(self) -> None:
        """Hang up."""
        self._done = None
        self._hang_up()

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> socket.socket:
        link = socket.socket()
        try:
            link.setblocking(False)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            await loop.sock_connect(link, (self._host, self._port))
            loop.add_reader(link, self._readable, link)
        except BaseException:
            link.close()
            raise
        self._loop, self._socket = loop, link
        return link

    def _readable(self, link: socket.socket) -> None:
        try:
            data, ancillary, _, _ = link.recvmsg(_READ_BYTES, _ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._hang_up()
            return
        if not data:
            self._hang_up()
            return
        self._came = time.perf_counter() - waited(ancillary, time.time())
        self._parser.feed_data(data)

    def _hang_up(self) -> None:
        link, self._socket = self._socket, None
        if link is not None and self._loop is not None:
            self._loop.remove_reader(link)
            link.close()
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError("the server hung up"))

    # --- httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"location":
            self._location = value.decode()
        elif name.lower() == b"retry-after":
            self._retry_after = float(value)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        done, self._done = self._done, None
        if not self._parser.should_keep_alive():
            self._hang_up()
        if done is not None and not done.done():
            body = b"".join(self._body)
            done.set_result(
                Answer(status, self._location, body, self._retry_after, self._sent, self._came)
            )


def waited(ancillary: Iterable[tuple[int, int, bytes]], wall: float) -> float:
    """How many seconds ago what was just read had come, by what the kernel says; 0 where it says nothing."""
    for level, kind, stamp in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack(stamp)
            return max(0.0, wall - float(seconds + nanoseconds / 1e9))
    return 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """Where a browser goes next."""

    method: str
    url: str
    body: bytes = b""


def first_form(page: bytes) -> Step | None:
    """What submitting the page's first form does; None where there is none."""
    found = _FORM.search(page)
    if found is None:
        return None
    attributes = _attributes(found[1])
    fields = []
    for each in _INPUT.finditer(found[2]):
        field = _attributes(each[1])
        if "name" in field:
            fields.append((field["name"], field.get("value", "")))
    action = attributes.get("action", "")
    if attributes.get("method", "get").lower() == "post":
        return Step("POST", action, urlencode(fields, quote_via=quote).encode())
    glue = "&" if urlsplit(action).query else "?"
    return Step("GET", f"{action}{glue}{urlencode(fields, quote_via=quote)}" if fields else action)


def _attributes(text: bytes) -> dict[str, str]:
    return {
        name.decode().lower(): html.unescape(value.decode())
        for name, value in _ATTRIBUTE.findall(text)
    }
