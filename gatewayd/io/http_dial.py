"""Opens connections to a bank: looks its name up, tries its addresses in turn, checks its certificate.

* Whatever fails here failed before a byte of a request was written: `NotReached`, with a cause out of the fixed list.
* Names are believed for a while; when the resolver fails, what it last said is used, however old. That is safe, for
  the certificate says who answers, and it keeps payments going while a resolver is down.
* Certificates and host names are always checked; a gateway may only say which authorities it trusts.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final

from gatewayd.core.causes import LostCause
from gatewayd.io.http_connection import Connection

ADDRESSES_MAX: Final = 8
"""Of one name; nobody waits for a ninth."""
REFRESH_SECONDS: Final = 0.5
"""How long a call waits for a fresh lookup where an old answer is at hand."""

RETRY_SECONDS: Final = 5.0
"""How long an old answer serves after a lookup that failed or hangs."""

_EXPIRED: Final = 10
_WRONG_HOSTS: Final = frozenset({62, 64})
"""OpenSSL's verify codes: expired; host name mismatch, address mismatch."""

Lookup = Callable[[str, int], Awaitable[Sequence[tuple[Any, ...]]]]


class NotReached(Exception):
    """Certainly no byte of a request has left."""

    def __init__(self, cause: LostCause) -> None:
        super().__init__(cause.value)
        self.cause = cause


@lru_cache(maxsize=64)
def client_context(ca_file: str | None, ciphers: str | None) -> ssl.SSLContext:
    """What certificates are checked by; OSError or ssl.SSLError where the file or the ciphers are no good."""
    context = ssl.create_default_context(cafile=ca_file)
    # Python 3.13 began to refuse certificates for details of their form, which browsers and banks' older authorities
    # do without; who signed them, for whom and until when is checked all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if ciphers is not None:
        context.set_ciphers(ciphers)
    context.set_alpn_protocols(["http/1.1"])
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    return context


class Names:
    """The addresses of the hosts of one gateway."""

    def __init__(self, resolve_seconds: float, lookup: Lookup | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._resolve_seconds = resolve_seconds
        self._lookup = lookup or self._ask_system
        self._known: dict[str, tuple[str, ...]] = {}
        self._fresh_until: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """At least one address; NotReached if there is none and never was."""
        if host in self._known and self._loop.time() < self._fresh_until[host]:
            return self._known[host]
        try:
            return (str(ip_address(host)),)
        except ValueError:
            pass
        task = self._asking.get(host)
        if task is None:
            # Shared by all who wait and outliving them; it ends in `_known`, never in an exception.
            task = self._asking[host] = self._loop.create_task(self._ask(host, port))
        await asyncio.wait((task,), timeout=REFRESH_SECONDS if host in self._known else None)
        if host not in self._known:
            raise NotReached(LostCause.DNS)
        if not task.done():
            self._fresh_until[host] = self._loop.time() + RETRY_SECONDS
        return self._known[host]

    def close(self) -> None:
        for task in self._asking.values():
            task.cancel()

    async def _ask(self, host: str, port: int) -> None:
        believed = RETRY_SECONDS
        try:
            found = await self._lookup(host, port)
            addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))[:ADDRESSES_MAX]
            if addresses:
                self._known[host] = addresses
                believed = self._resolve_seconds
        except (OSError, UnicodeError):
            pass
        finally:
            del self._asking[host]
        self._fresh_until[host] = self._loop.time() + believed

    async def _ask_system(self, host: str, port: int) -> Sequence[tuple[Any, ...]]:
        return await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def dial(
    new_connection: Callable[[], Connection],
    addresses: Sequence[str],
    port: int,
    *,
    server_name: str,
    context: ssl.SSLContext | None,
    deadline: float,
) -> tuple[Connection, str]:
    """A connection (with TLS if there is a context) to the first address that takes us, and which one it was.

    Each address gets its share of what is left until `deadline` (the loop's time), so that one that swallows
    everything leaves time for the next.
    """
    loop = asyncio.get_running_loop()
    cause = LostCause.NO_TIME
    for tried, address in enumerate(addresses):
        now = loop.time()
        share = (deadline - now) / (len(addresses) - tried)
        if share <= 0:
            break
        connection = new_connection()
        try:
            async with asyncio.timeout_at(now + share):
                await loop.create_connection(
                    lambda made=connection: made,
                    address,
                    port,
                    ssl=context,
                    server_hostname=server_name if context is not None else None,
                )
        except OSError as error:
            connection.abort()
            cause = _cause(error, tls=context is not None)
        except BaseException:
            connection.abort()
            raise
        else:
            return connection, address
    raise NotReached(cause)


def _cause(error: OSError, *, tls: bool) -> LostCause:
    match error:
        case TimeoutError():
            return LostCause.CONNECT_TIMEOUT
        case ssl.SSLCertVerificationError(verify_code=code):
            if code in _WRONG_HOSTS:
                return LostCause.TLS_HOSTNAME
            return LostCause.TLS_EXPIRED if code == _EXPIRED else LostCause.TLS_UNTRUSTED
        case ssl.SSLError():
            return LostCause.TLS_FAILED
        case ConnectionRefusedError():
            return LostCause.REFUSED
        case ConnectionResetError() | ConnectionAbortedError() | BrokenPipeError() if tls:
            return LostCause.TLS_FAILED
        case _:
            return LostCause.UNREACHABLE
