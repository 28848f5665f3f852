"""Who is asking: the client's address behind proxies that are trusted to say so.

`X-Forwarded-For` is read from the right and only as far as trusted proxies wrote it; whatever stands left of the first
untrusted address may have been made up by the client. Some proxies append to the client's own header, others add a
line of their own below it, so that all lines are read as one.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from gatewayd.web.asked import Request

Network = IPv4Network | IPv6Network
REMEMBERED_MAX: Final = 4_096
"""Verdicts kept, so that a known proxy is not looked up again; strangers beyond are."""
HOPS_MAX: Final = 16
"""Nobody has more proxies of his own in a row."""
FORWARDED_FOR: Final = "X-Forwarded-For"


class Addresses:
    """Knows the trusted proxies."""

    def __init__(self, trusted: Sequence[str]) -> None:
        """`trusted` holds addresses and networks; ValueError for anything else."""
        self._networks: tuple[Network, ...] = tuple(
            ip_network(each, strict=False) for each in trusted
        )
        self._known: dict[str, bool] = {}

    def is_trusted(self, address: str) -> bool:
        """Whether this address is a proxy of ours."""
        found = self._known.get(address)
        if found is None:
            parsed = _parsed(address)
            if parsed is None:
                return False
            found = any(parsed in network for network in self._networks)
            if len(self._known) < REMEMBERED_MAX:
                self._known[address] = found
        return found

    def of(self, request: Request) -> str:
        """The address that stands for the client of this request."""
        peer = request.remote or ""
        if FORWARDED_FOR not in request.headers or not self.is_trusted(peer):
            return peer
        return self.client(peer, request.headers.getall(FORWARDED_FOR))

    def client(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """The same for a connection from `peer` with these lines of `X-Forwarded-For`."""
        client = peer
        hops = [hop for each in ",".join(forwarded_for).split(",") if (hop := each.strip())]
        for hop in reversed(hops[-HOPS_MAX:]):
            if not self.is_trusted(client):
                break
            client = hop
        return client


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed
