"""The simulated banks as they are, saying with every answer when it was made.

    python -m bench.banks simulate --config CONFIG …        as `gatewayd simulate`

A header holds the machine's monotonic clock, which all its processes share, just before the answer is
written. `bench.daemon --calls` keeps it; a real bank sends no such thing.
"""

import time

from aiohttp import web

from bench.calls import ANSWERED_AT
from gatewayd import cli
from gatewayd.simulator import server


class Stamped(server._Site):  # noqa: SLF001 - the simulator has no reason to offer this
    """Answers as the banks do, with the time."""

    async def handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        """Any request."""
        response = await super().handle(incoming)
        if not response.prepared:
            response.headers[ANSWERED_AT] = str(time.monotonic_ns())
        return response


def main() -> None:
    """Run the banks."""
    server._Site = Stamped  # type: ignore[misc]  # noqa: SLF001 - as above
    cli.main()


if __name__ == "__main__":
    main()
