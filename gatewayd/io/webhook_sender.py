"""The way to the receivers of webhooks, by the daemon's own HTTP client, which follows no redirect.

The addresses come from shops, so that none of them may lead into our own network unless that shop is allowed to: a name
is looked up here, every one of its addresses is checked, and a connection is made to one of those and to no other, so
that a name that changes its mind in between gains nothing. Link-local addresses are nobody's, whatever is allowed.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from gatewayd.core.causes import LostCause
from gatewayd.core.delivery import Answer
from gatewayd.core.hosts import is_internal, is_nobodys
from gatewayd.core.settings import ConnectionSettings
from gatewayd.core.terms import Lost, Operation
from gatewayd.engine.outbox import Address
from gatewayd.gateways.contract import Call
from gatewayd.io.http import HttpTransport
from gatewayd.io.http_dial import Lookup

INTERNAL: Final = "internal address"
"""Why nothing was sent, beside the causes of lost exchanges."""
CONNECT_SECONDS: Final = 5.0
_REPEATABLE: Final = Operation.INQUIRE
"""A connection that was closed unused is tried anew at once; a webhook may come twice."""


class WebhookSender:
    """Fulfils `engine.outbox.Sender`; made, used and closed within one running event loop."""

    def __init__(
        self,
        addresses: Iterable[Address],
        *,
        timeout_seconds: float,
        sending_max: int,
        wall: Callable[[], float],
        lookup: Lookup | None = None,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._wall = wall
        self._ways = {
            each.name: _Way(each, lookup or _ask_system, sending_max) for each in addresses
        }

    async def send(self, receiver: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """See `Sender.send`."""
        way = self._ways[receiver]
        if way.is_closed:
            return Answer(status=None, cause=INTERNAL)
        call = Call(url=way.url, body=body, headers=headers)
        reply = await way.transport.send(receiver, _REPEATABLE, call, self._timeout_seconds)
        if isinstance(reply, Lost):
            refused = way.was_refused and reply.cause is LostCause.DNS
            return Answer(status=None, cause=INTERNAL if refused else str(reply.cause))
        later_ms = retry_after_ms(reply.headers.get("retry-after", ""), self._wall())
        return Answer(status=reply.status, retry_after_ms=later_ms)

    async def close(self) -> None:
        """Close all connections."""
        for way in self._ways.values():
            await way.transport.close()


class _Way:
    """To one receiver."""

    def __init__(self, address: Address, lookup: Lookup, sending_max: int) -> None:
        self.url = address.url
        self._private = address.private
        self._lookup = lookup
        self.was_refused = False
        """The last lookup brought an address that is not allowed."""
        self.is_closed = not self._is_allowed_literal(urlsplit(address.url).hostname or "")
        self.transport = HttpTransport(connect_seconds=CONNECT_SECONDS, lookup=self._looked_up)
        settings = ConnectionSettings(
            connections_max=sending_max, waiting_max=sending_max, warm=0, allow_http=address.private
        )
        self.transport.add(address.name, () if self.is_closed else (address.url,), settings)

    def _is_allowed_literal(self, host: str) -> bool:
        """Whether a host that is an address already may be reached; a name is looked at when it is looked up."""
        try:
            ip_address(host)
        except ValueError:
            return True
        return self._is_allowed(host)

    def _is_allowed(self, address: str) -> bool:
        bare = address.partition("%")[0]
        return not is_nobodys(bare) and (self._private or not is_internal(bare))

    async def _looked_up(self, host: str, port: int) -> Sequence[tuple[Any, ...]]:
        found = await self._lookup(host, port)
        self.was_refused = not all(self._is_allowed(str(entry[4][0])) for entry in found)
        if self.was_refused:
            raise OSError(INTERNAL)
        return found


async def _ask_system(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def retry_after_ms(text: str, now: float) -> int | None:
    """What a `Retry-After` says, in seconds or as a date; None where it says nothing."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text[:9]) * 1000
    try:
        later = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0, int((later - now) * 1000))
