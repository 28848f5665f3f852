"""The internal listener: metrics for the monitoring, never reachable from outside."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from gatewayd.web.api import live

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def build_internal_app(*, render_metrics: Callable[[], bytes]) -> web.Application:
    """`/metrics` and `/livez`."""

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=render_metrics(), headers={"Content-Type": METRICS_TYPE})

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/livez", live)])
    return app
