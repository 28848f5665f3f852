"""Answers of the main flow: a head that was made once, what this answer adds to it, and a body.

aiohttp's response costs more than what it says, three times in every payment. The fast lane writes an answer as it is;
where a request came by aiohttp's own way, `responded` makes a response of it.
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time

from gatewayd.web.asked import Request

_PHRASES: Final = {each.value: each.phrase for each in HTTPStatus}


class Head:
    """A status with the headers that all its answers share."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.text = status_line(status) + header_lines(headers)


class Answer:
    """A whole answer."""

    __slots__ = ("body", "head", "more")

    def __init__(
        self, head: Head, body: bytes = b"", more: Mapping[str, str] | None = None
    ) -> None:
        """`more` are headers that only this answer has."""
        self.head = head
        self.body = body
        self.more = more

    def written(self) -> bytes:
        """As it goes out. ValueError for a header that would make two."""
        text = self.head.text if self.more is None else self.head.text + header_lines(self.more)
        return whole(text, self.body)

    def response(self) -> web.Response:
        """The same for aiohttp."""
        headers = {**self.head.headers, **(self.more or {})}
        return web.Response(status=self.head.status, body=self.body, headers=headers)


Answered = web.StreamResponse | Answer
"""What handlers of the main flow give."""


def responded(
    handler: Callable[[Request], Awaitable[Answered]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler for a route of aiohttp's."""

    async def respond(request: web.Request) -> web.StreamResponse:
        answer = await handler(request)
        return answer.response() if isinstance(answer, Answer) else answer

    return respond


def status_line(status: int) -> str:
    """The first line."""
    return f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n"


def header_lines(headers: Mapping[str, str]) -> str:
    """One line each. ValueError for a header that would make two."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count("\r") != len(lines):
        raise ValueError("a header holds the end of a line")
    return text


def whole(text: str, body: bytes, *, has_length: bool = False) -> bytes:
    """The answer of its first lines and its body; `has_length`: the lines say how long that is."""
    length = "" if has_length else f"Content-Length: {len(body)}\r\n"
    return f"{text}{length}Date: {rfc822_formatted_time()}\r\n\r\n".encode() + body
