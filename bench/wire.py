"""A browser and a shop as cheap as they can be: one keep-alive HTTP/1.1 connection, no scripts, no cookies.

It must cost far less than what it measures, so it reads answers with httptools and does nothing that is not needed.
"""

import asyncio
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import quote, urlencode, urlsplit

import httptools

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


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._location = ""
        self._retry_after = 0.0
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
        if self._transport is None or self._transport.is_closing():
            await loop.create_connection(lambda: self, self._host, self._port)
        assert self._transport is not None
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self._parser = httptools.HttpResponseParser(self)
        self._body, self._location, self._retry_after = [], "", 0.0
        self._done = loop.create_future()
        self._transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        return await self._done

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    # --- asyncio and httptools

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError("the server hung up"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"location":
            self._location = value.decode()
        elif name.lower() == b"retry-after":
            self._retry_after = float(value)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if not self._parser.should_keep_alive() and self._transport is not None:
            self._transport.close()
        if self._done is not None and not self._done.done():
            body = b"".join(self._body)
            self._done.set_result(Answer(status, self._location, body, self._retry_after))


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
