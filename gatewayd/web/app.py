"""The public listener: routes, limits and what every answer goes through.

One middleware does it all, because each costs: it counts requests in flight, of everybody and per client, and turns
`Problem` and unexpected errors into answers. What goes wrong gets a name, so that a complaint about it can be matched
with the log. A customer is never shown a program's error: he gets a page, and if he comes from a bank, it carries what
he brought.
"""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from gatewayd.engine.engine import Engine
from gatewayd.journal.store import TooSlow
from gatewayd.web import api, customer, invoice_page, invoices, refunds
from gatewayd.web.addresses import Addresses
from gatewayd.web.admission import Admission
from gatewayd.web.answers import Answered
from gatewayd.web.asked import Asked, Request
from gatewayd.web.facade import zarinpal, zibal
from gatewayd.web.facade.desk import DESK, Desk
from gatewayd.web.facade.names import Names
from gatewayd.web.lane import Lane, LaneRunner
from gatewayd.web.lists import too_slow
from gatewayd.web.load import Load
from gatewayd.web.once import RUNNING, Running
from gatewayd.web.overdue import Overdue
from gatewayd.web.pages import asset
from gatewayd.web.ports import (
    ADMISSION,
    ENGINE,
    INVOICING,
    LOAD,
    OVERDUE,
    PAST,
    REGISTERED,
    SERVICE,
    SHOPS,
    TALLY,
    TURNSTILE,
    WHY_NOT,
    Past,
    Tally,
)
from gatewayd.web.problems import INVALID, Problem
from gatewayd.web.rates import RATES, VISITORS, Rates, Visitors
from gatewayd.web.reference import page as reference
from gatewayd.web.reference.page import DOCUMENT, Document
from gatewayd.web.registered import Registered
from gatewayd.web.shops import Shops
from gatewayd.web.turnstile import Turnstile

Handler = Callable[[Request], Awaitable[Answered]]
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}
_UNTOLD = frozenset({401, 404, 429, 503})
"""What anybody can bring about is not logged, or anybody could fill the log; nor is too much work."""


def build_app(
    *,
    engine: Engine,
    past: Past,
    tally: Tally,
    why_not: Callable[[], str | None],
) -> web.Application:
    """The public application. `why_not` says why new payments are refused just now, or None."""
    service = engine.service
    addresses = Addresses(service.trusted_proxies)
    load = Load(service.web, addresses)
    through = _through(engine, addresses, load)
    app = web.Application(
        middlewares=[through],
        client_max_size=service.web.body_max_bytes,
    )
    app[ENGINE] = engine
    app[INVOICING] = engine.invoice_by(past)
    app[SERVICE] = service
    app[SHOPS] = Shops(service.shops, engine.clock.wall)
    app[LOAD] = load
    app[ADMISSION] = Admission(service.overload, service.web.requests_in_flight_max)
    app[TURNSTILE] = Turnstile(service.overload, load, app[ADMISSION])
    app[REGISTERED] = Registered(service.public_url, engine.gateways.values(), engine.links)
    app[PAST] = past
    app[TALLY] = tally
    app[RUNNING] = Running()
    app[OVERDUE] = Overdue()
    app[RATES] = Rates(engine.clock.monotonic)
    app[VISITORS] = Visitors(engine.clock.monotonic, addresses, service.invoices.begun_per_minute)
    app[WHY_NOT] = why_not
    app[DESK] = Desk(service.shops, Names(engine.links), engine.journal.payments())
    app.add_routes(
        [
            *api.routes(),
            *refunds.routes(),
            *invoices.routes(),
            *reference.routes(),
            *customer.routes(),
            *invoice_page.routes(),
        ]
    )
    app[DOCUMENT] = Document(service.payments)
    app[LANE] = Lane(app, _MAIN_FLOW, through)
    if app[DESK].zarinpal:
        app.add_routes(zarinpal.routes())
    if app[DESK].zibal:
        app.add_routes(zibal.routes())
    return app


_API: Final = "/v1/"
LANE: web.AppKey[Lane] = web.AppKey("lane", Lane)
_MAIN_FLOW: Final = (
    ("POST", "/v1/payments", api.create_payment),
    ("GET", "/v1/payments/{id}", api.get_payment),
    ("GET", "/pay/{id}", customer.pay),
    ("POST", "/pay/{id}", customer.pay_action),
    ("GET", "/return/{attempt}", customer.bank_return),
    ("POST", "/return/{attempt}", customer.bank_return),
    ("GET", "/assets/{name}", asset),
)
"""What every payment asks for goes by the fast lane."""


def runner(app: web.Application, **how: Any) -> web.AppRunner:
    """Runs the public application; `how` is as `web.AppRunner` has it."""
    return LaneRunner(app, app[LANE], **how)


def _through(engine: Engine, addresses: Addresses, load: Load) -> Callable[..., Awaitable[Any]]:
    began, count = int(engine.clock.wall()), itertools.count(1)

    @web.middleware
    async def through(request: Request, handler: Handler) -> Answered:
        client = addresses.of(request)
        if not load.enter(client):
            return await _too_many(request)
        try:
            return await handler(request)
        except Problem as problem:
            request_id = f"{began:x}-{next(count):x}"
            if problem.status not in _UNTOLD:
                engine.log.info(
                    "request refused",
                    request=request_id,
                    route=_route(request),
                    status=problem.status,
                    code=problem.code,
                )
            return problem.answer(request_id)
        except web.HTTPException as error:
            return _plain(request, error)
        except TooSlow as error:
            engine.log.warning("journal read too slowly", route=_route(request), error=str(error))
            return await _slow(request)
        except Exception as error:
            request_id = f"{began:x}-{next(count):x}"
            engine.log.error(  # noqa: TRY400 - our log is no logging.Logger; exc_info says the same
                "request failed",
                request=request_id,
                route=_route(request),
                error=type(error).__name__,
                exc_info=error,
            )
            return await _failed(request, request_id)
        finally:
            load.leave(client)

    return through


async def _too_many(request: Request) -> web.StreamResponse:
    if request.path.startswith(customer.PREFIXES):
        return await customer.busy(request, 429)
    detail = "Too many requests at once from this address."
    return Problem(429, "too_many_requests", detail, retry_after_seconds=1).answer()


def _plain(request: Request, error: web.HTTPException) -> web.StreamResponse:
    """What aiohttp itself refuses, as a problem or an honest page."""
    browser = "text/html" in request.headers.get("Accept", "")
    if request.path.startswith(customer.PREFIXES) or (
        browser and not request.path.startswith(_API)
    ):
        answer: web.Response = customer.unknown_page(request, error.status)
    else:
        answer = Problem(error.status, _CODES.get(error.status, INVALID), error.reason).answer()
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


async def _slow(request: Request) -> web.StreamResponse:
    if request.path.startswith(customer.PREFIXES):
        return await customer.busy(request, 503)
    return too_slow("The journal is read too slowly just now.").answer()


async def _failed(request: Request, request_id: str) -> web.StreamResponse:
    if request.path.startswith(customer.PREFIXES):
        return await customer.busy(request, 500)
    detail = "Something went wrong here; it is logged."
    return Problem(500, "internal_error", detail).answer(request_id)


def _route(request: Request) -> str:
    if isinstance(request, Asked):
        return request.route
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
