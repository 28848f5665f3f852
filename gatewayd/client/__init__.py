"""A typed client of the daemon's API, for shops in Python: `Client` waits, `AsyncClient` is for asyncio.

It needs nothing of the daemon's own code. Answers are the API's JSON objects; their types are in
`gatewayd.client.shapes`.
"""

from gatewayd.client.address import Means
from gatewayd.client.asynchronous import AsyncClient
from gatewayd.client.errors import ClientError, NotGenuine, Refused, Unknown, Unreached
from gatewayd.client.signed import Returned, read_return, read_webhook
from gatewayd.client.sync import Client
from gatewayd.client.trying import Policy

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "Means",
    "NotGenuine",
    "Policy",
    "Refused",
    "Returned",
    "Unknown",
    "Unreached",
    "read_return",
    "read_webhook",
]
