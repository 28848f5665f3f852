"""Writes one HTTP/1.1 request as bytes: the address taken apart, the headers checked, the lengths counted.

Nothing that a header or an address holds can become a second header or a second request: what HTTP does not allow is
a ValueError, before anything is sent. Compression is not offered, so none has to be undone.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gatewayd.core.hosts import is_host
from gatewayd.gateways.contract import Call

METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE"})
HTTPS_PORT: Final = 443
HTTP_PORT: Final = 80

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_PATH: Final = re.compile(r"/[!-~]{0,4095}")
_OURS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "accept-encoding"}
)
"""What the client itself decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL taken apart."""

    tls: bool
    host: str
    port: int
    path: str
    """Path and query, as they stand in the request line."""
    authority: str
    """The Host header: without the port where it is the usual one."""


def read_url(url: str) -> Target:
    """The parts of an absolute http or https URL in ASCII; ValueError, which repeats nothing of it, otherwise."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("neither http nor https")
    tls = parts.scheme == "https"
    host = parts.hostname or ""
    if not is_host(host) or "@" in parts.netloc:
        raise ValueError("the host is neither a name nor an address")
    usual = HTTPS_PORT if tls else HTTP_PORT
    port = parts.port or usual
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _PATH.fullmatch(path):
        raise ValueError("the path is not plain ASCII")
    name = f"[{host}]" if ":" in host else host
    return Target(
        tls=tls,
        host=host,
        port=port,
        path=path,
        authority=name if port == usual else f"{name}:{port}",
    )


def with_body(head: bytes, call: Call) -> bytes:
    """The whole request, of the head that was written for this call, or for another that differs in its body only."""
    if call.body or call.method != "GET":
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(call.body), call.body)
    return head + b"\r\n"


def write_head(call: Call, target: Target, user_agent: str) -> bytes:
    """Request line and headers, but for the body's length; a header with an empty value is sent empty.

    ValueError if HTTP forbids it.
    """
    if call.method not in METHODS:
        raise ValueError("not a method of ours")
    lines = [
        f"{call.method} {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        "Accept-Encoding: identity",
    ]
    agent = accept = True
    for name, value in call.headers.items():
        lower = name.lower()
        if lower == "user-agent":
            agent = False
        elif lower == "accept":
            accept = False
        elif lower in _OURS or not _NAME.fullmatch(name):
            raise ValueError("not a header that a call may set")
        lines.append(f"{name}: {value}")
    if agent:
        lines.append(f"User-Agent: {user_agent}")
    if accept:
        lines.append("Accept: */*")
    head = "\r\n".join(lines)
    ends = len(lines) - 1
    if head.count("\n") != ends or head.count("\r") != ends or "\0" in head:
        raise ValueError("a line break in a header")
    return head.encode("latin-1") + b"\r\n"
