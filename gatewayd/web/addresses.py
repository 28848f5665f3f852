"""Who is asking: the client's address behind proxies that are trusted to say so.

`X-Forwarded-For` is read from the right and only as far as trusted proxies wrote it; whatever stands left of the first
untrusted address may have been made up by the client.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
REMEMBERED_MAX: Final = 4_096
"""Verdicts kept, so that a known proxy is not looked up again; strangers beyond are."""


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
            try:
                parsed = ip_address(address)
            except ValueError:
                return False
            found = any(parsed in network for network in self._networks)
            if len(self._known) < REMEMBERED_MAX:
                self._known[address] = found
        return found

    def client(self, peer: str, forwarded_for: str | None) -> str:
        """The address that stands for the client."""
        if forwarded_for is None or not self.is_trusted(peer):
            return peer
        client = peer
        for hop in reversed(forwarded_for.split(",")[-16:]):
            client = hop.strip()
            if not self.is_trusted(client):
                break
        return client
