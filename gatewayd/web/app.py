"""The public listener: routes, limits and what every answer goes through.

One middleware does it all, because each costs: it counts requests in flight per client, turns `Problem` and unexpected
errors into answers, and names the request so that a complaint can be matched with the log.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from gatewayd.core.settings import ServiceSettings
from gatewayd.engine.engine import Engine
from gatewayd.web import api, customer
from gatewayd.web.addresses import Addresses
from gatewayd.web.pages import page
from gatewayd.web.ports import (
    ADDRESSES,
    ENGINE,
    PAST,
    SERVICE,
    SHOPS,
    TALLY,
    WHY_NOT,
    Past,
    Tally,
)
from gatewayd.web.problems import Problem
from gatewayd.web.shops import Shops

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_CUSTOMER: Final = ("/pay/", "/return/")


def build_app(
    *,
    engine: Engine,
    past: Past,
    tally: Tally,
    why_not: Callable[[], str | None],
) -> web.Application:
    """The public application. `why_not` says why new payments are refused just now, or None."""
    service = engine.service
    app = web.Application(
        middlewares=[_through(service, engine)], client_max_size=service.web.body_max_bytes
    )
    app[ENGINE] = engine
    app[SERVICE] = service
    app[SHOPS] = Shops(service.shops)
    app[ADDRESSES] = Addresses(service.trusted_proxies)
    app[PAST] = past
    app[TALLY] = tally
    app[WHY_NOT] = why_not
    app.add_routes([*api.routes(service), *customer.routes()])
    return app


def _through(
    service: ServiceSettings, engine: Engine
) -> Callable[..., Awaitable[web.StreamResponse]]:
    in_flight: Counter[str] = Counter()
    per_client_max = service.web.connections_per_address_max

    @web.middleware
    async def through(request: web.Request, handler: Handler) -> web.StreamResponse:
        addresses = request.app[ADDRESSES]
        peer = request.remote or ""
        client = addresses.client(peer, request.headers.get("X-Forwarded-For"))
        limited = not addresses.is_trusted(client)
        if limited and in_flight[client] >= per_client_max:
            detail = "Too many requests at once from this address."
            return Problem(429, "too_many_requests", detail, retry_after_seconds=1).answer()
        in_flight[client] += 1
        try:
            return await handler(request)
        except Problem as problem:
            return problem.answer()
        except web.HTTPException as error:
            return _plain(request, error)
        except Exception as error:
            engine.log.error(  # noqa: TRY400 - our log is no logging.Logger; exc_info says the same
                "request failed",
                route=_route(request),
                error=type(error).__name__,
                exc_info=error,
            )
            return _failed(request)
        finally:
            in_flight[client] -= 1
            if not in_flight[client]:
                del in_flight[client]

    return through


def _plain(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """What aiohttp itself refuses, as a problem or an honest page."""
    if request.path.startswith(_CUSTOMER):
        return page("unknown", status=error.status)
    code = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}.get(
        error.status, "request_invalid"
    )
    answer = Problem(error.status, code, error.reason or "").answer()
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


def _failed(request: web.Request) -> web.StreamResponse:
    if request.path.startswith(_CUSTOMER):
        return page("busy", status=500, fields={}, again_url=request.path)
    return Problem(500, "internal_error", "Something went wrong here; it is logged.").answer()


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
