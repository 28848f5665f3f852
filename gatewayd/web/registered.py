"""Which host a customer must be on for a gateway: banks compare the Referer with the host that a contract registered.

Most daemons have one host for everything; then there is nothing to do. Where a gateway's contract registered another,
the customer is sent there before he is handed over, and is handed the same token there, because it is asked for again
within seconds.
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from gatewayd.engine.gateway import GatewaySettings
from gatewayd.engine.links import Links
from gatewayd.engine.views import HandOver
from gatewayd.web.asked import Request

_HERE: Final = "here"
"""Marks an address that a customer was sent to for its host, so that nobody is sent round in circles."""


class Registered:
    """The hosts of all gateways."""

    def __init__(self, public_url: str, gateways: Iterable[GatewaySettings], links: Links) -> None:
        self._links = links
        self._main = urlsplit(public_url).netloc
        self._own = {
            each.name: urlsplit(each.public_url).netloc for each in gateways if each.public_url
        }
        self._hosts = {self._main, *self._own.values()}

    def elsewhere(self, request: Request, view: HandOver) -> str | None:
        """Where to send a customer before this hand-over; None if he is where he must be.

        A host that is nobody's is as good as the main one: proxies do not always tell which it was.
        """
        if len(self._hosts) == 1:
            return None
        gateway = view.attempt.gateway
        wanted, host = self._own.get(gateway, self._main), request.host.lower()
        here = host if host in self._hosts else self._main
        if here == wanted or _HERE in request.query:
            return None
        return f"{self._links.pay_url(view.payment.number, gateway)}?{_HERE}=1"
