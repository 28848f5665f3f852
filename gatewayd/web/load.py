"""How much is being served just now: requests in flight, of everybody and per client.

Clients are not limited where their address is that of a trusted proxy, which stands for many.
"""

from collections.abc import Callable

from gatewayd.core.settings import WebSettings
from gatewayd.web.addresses import Addresses


class Load:
    """One per public listener."""

    def __init__(self, settings: WebSettings, addresses: Addresses) -> None:
        self._of_client: dict[str, int] = {}
        self._per_client_max = settings.connections_per_address_max
        self._addresses = addresses
        self.in_flight = 0
        self.on_leave: Callable[[], None] = lambda: None
        """Called when somebody has left."""

    def enter(self, client: str) -> bool:
        """Count a request in; False, and it is not counted, if this client has as many as it may have."""
        before = self._of_client.get(client, 0)
        if before >= self._per_client_max and not self._addresses.is_trusted(client):
            return False
        self._of_client[client] = before + 1
        self.in_flight += 1
        return True

    def leave(self, client: str) -> None:
        """The counterpart of an `enter` that was True."""
        self.in_flight -= 1
        left = self._of_client[client] - 1
        if left:
            self._of_client[client] = left
        else:
            del self._of_client[client]
        self.on_leave()
