"""The customer's addresses: `/pay/{id}` and `/return/{attempt}`, cookie-less, and honest whatever happened.

Both ids are signed; an unsigned one gets an honest page, is counted and not journaled. HEAD and prefetching start
nothing. What a view becomes stands in `show`.
"""

import asyncio
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from gatewayd.core.payment import Attempt, Payment, attempt_of
from gatewayd.engine.views import (
    Back,
    Choice,
    GoesBack,
    HandOver,
    NoGateway,
    Nothing,
    Offer,
    View,
    Wait,
)
from gatewayd.web.answers import Answer, Answered, Head, responded
from gatewayd.web.asked import Request
from gatewayd.web.facade.callbacks import callback_url
from gatewayd.web.facade.desk import DESK
from gatewayd.web.pages import HEADERS, asset, hand_over_page, no_icon, page
from gatewayd.web.ports import (
    ADMISSION,
    ENGINE,
    OVERDUE,
    REGISTERED,
    SERVICE,
    SHOPS,
    TALLY,
    TURNSTILE,
)
from gatewayd.web.returned_fields import read_fields
from gatewayd.web.shops import shop_url
from gatewayd.web.texts import preferred
from gatewayd.web.turnstile import CUSTOMER

NOT_RECORDED_SECONDS: Final = 5.0
"""Beyond the wait for banks: a disk that takes longer is out of order, and the customer is told so."""
RETURN: Final = "/return/"
PREFIXES: Final = ("/pay/", RETURN, "/i/", "/I/")
"""Who asks for these is a person, and is shown pages."""
_ELSEWHERE: Final = Head(303, {"Cache-Control": "no-store"})
_PREFETCHING: Final = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")


async def pay(request: Request) -> Answered:
    """`GET /pay/{id}`"""
    number = request.app[ENGINE].links.read_pay(request.match_info["id"])
    if number is None:
        return unknown(request, "pay")
    return prefetched(request) or await shown_pay(request, number)


async def shown_pay(request: Request, number: int) -> Answered:
    """What a customer is shown who opens this payment's page."""
    engine = request.app[ENGINE]
    first = _is_first(engine.journal.get(number))
    if first and not await request.app[TURNSTILE].enter(CUSTOMER):
        return queue(request, request.app[ADMISSION].refused(engine.clock.monotonic()))
    coming = engine.cashier.arrive(number)
    return await _shown(request, coming, _starting_seconds(request))


def prefetched(request: Request) -> web.Response | None:
    """The answer to a browser that only wants to have the page in case that it is wanted; None for all others."""
    if not _is_prefetch(request):
        return None
    return web.Response(status=503, headers={"Cache-Control": "no-store", "Retry-After": "0"})


async def pay_action(request: Request) -> Answered:
    """`POST /pay/{id}`: what the customer chose on one of our pages."""
    engine = request.app[ENGINE]
    number = engine.links.read_pay(request.match_info["id"])
    if number is None:
        return unknown(request, "pay")
    cashier = engine.cashier
    chosen = {"another": cashier.try_another, "leave": cashier.give_up, "go_on": cashier.go_on}
    action = (await read_fields(request)).get("action", "")
    act = chosen.get(action, cashier.arrive)
    return await _shown(request, act(number), _starting_seconds(request))


def _is_first(payment: Payment | None) -> bool:
    """Whether nobody was sent to a bank for this payment: such a customer can wait, no money is at stake yet."""
    return payment is not None and not payment.attempts and payment.takes_attempts


def queue(request: Request, seconds: int) -> web.Response:
    """Too many customers at once: a page that comes back by itself after so many seconds."""
    request.app[TALLY].asked_to_wait()
    locale = preferred(request.headers.get("Accept-Language"))
    answer = page(
        "queue", status=503, locale=locale, pay_url=request.path, again_after_seconds=seconds
    )
    answer.headers["Retry-After"] = str(seconds)
    return answer


async def bank_return(request: Request) -> Answered:
    """`GET|POST /return/{attempt}`"""
    engine, service = request.app[ENGINE], request.app[SERVICE]
    found = engine.links.read_return(request.match_info["attempt"])
    if found is None:
        return unknown(request, "return")
    fields = await read_fields(request)
    coming = engine.cashier.returned(*found, fields)
    return await _shown(request, coming, service.engine.return_wait_seconds)


async def _shown(request: Request, view: Coroutine[Any, Any, View], seconds: float) -> Answered:
    """The view, which takes these seconds at most unless nothing can be recorded; then a page that says so."""
    overdue = request.app[OVERDUE]
    task = overdue.begin(seconds + NOT_RECORDED_SECONDS)
    try:
        return show(request, await view)
    except asyncio.CancelledError:
        if not overdue.is_late(task):
            raise
    finally:
        overdue.end(task)
    return await busy(request, 503)


def _starting_seconds(request: Request) -> float:
    """How long it may take to ask earlier attempts' banks and to get a token."""
    settings = request.app[SERVICE].engine
    return settings.ask_before_retry_seconds + settings.start_deadline_seconds


async def nothing(request: Request) -> web.Response:
    """HEAD: says that there is a page, and starts nothing."""
    return web.Response(headers=HEADERS)


async def busy(request: Request, status: int) -> web.Response:
    """We cannot go on just now. What a bank sent may exist nowhere else, so the page carries it for another try."""
    came_back = request.path.startswith(RETURN)
    fields = await read_fields(request) if came_back else {}
    return page(
        "busy",
        status=status,
        locale=preferred(request.headers.get("Accept-Language")),
        fields=fields,
        again_url=request.path,
        came_back=came_back,
    )


def unknown_page(request: Request, status: int = 404) -> web.Response:
    """There is nothing at this address, in the language that the browser asks for."""
    locale = preferred(request.headers.get("Accept-Language"))
    return page("unknown", status=status, locale=locale)


def show(request: Request, view: View) -> Answered:
    """The engine's view as an HTTP answer."""
    engine = request.app[ENGINE]
    if isinstance(view, Nothing):
        return unknown(request, "view")
    payment = view.payment
    shop = request.app[SHOPS].by_name.get(payment.shop)
    if shop is None:  # gone from the configuration, as its open payments never are
        return unknown_page(request)
    if isinstance(view, Back):
        if payment.hold is not None and payment.hold.face:
            return go(callback_url(payment, request.app[DESK].names))
        return go(shop_url(payment, shop, engine.clock.wall()))
    common: dict[str, Any] = {
        "locale": payment.locale,
        "payment": payment,
        "title": shop.title or host_of(payment.return_url),
    }
    if isinstance(view, HandOver):
        elsewhere = request.app[REGISTERED].elsewhere(request, view)
        return go(elsewhere) if elsewhere else _hand_over(view.attempt, common)
    # The pages' own forms stay on the host that the customer is on.
    common["pay_url"] = f"/pay/{engine.links.pay_id(payment.number)}"
    match view:
        case GoesBack(attempt=number):
            return page("over", state=attempt_of(payment, number).state, **common)
        case Offer(another=another):
            return page("offer", another=another, **common)
        case Choice(another=another):
            return page("choice", another=another, **common)
        case Wait():
            return page("wait", **common)
        case NoGateway():
            return page("no_gateway", status=503, **common)


def _hand_over(attempt: Attempt, common: dict[str, Any]) -> Answer:
    redirect = attempt.redirect
    assert redirect is not None, "only what has a token is handed over"
    return hand_over_page(redirect, bank_host=host_of(redirect.url), **common)


def host_of(url: str) -> str:
    """The host of an address of a shop or a bank."""
    end = url.find("/", len("https://"))
    return _host_in(url if end < 0 else url[:end])


@lru_cache(maxsize=512)  # shops and banks have few
def _host_in(origin: str) -> str:
    return urlsplit(origin).hostname or ""


def go(location: str) -> Answer:
    """To another address, by GET whatever the browser came with."""
    return Answer(_ELSEWHERE, more={"Location": location})


def _is_prefetch(request: Request) -> bool:
    """Whether the browser only wants to have the page in case that it is wanted."""
    for header in _PREFETCHING:
        purpose = request.headers.get(header)
        if purpose is not None and purpose.lower().startswith(("prefetch", "prerender", "preview")):
            return True
    return False


def unknown(request: Request, kind: str) -> web.Response:
    """Nobody was ever given this address."""
    request.app[TALLY].forged(kind)
    return unknown_page(request)


def routes() -> list[web.RouteDef]:
    """The customer's routes. A slash at the end, which some programs add to every address, means nothing."""
    return [
        web.get("/pay/{id}{slash:/?}", responded(pay), allow_head=False),
        web.head("/pay/{id}{slash:/?}", nothing),
        web.post("/pay/{id}{slash:/?}", responded(pay_action)),
        web.get("/return/{attempt}{slash:/?}", responded(bank_return), allow_head=False),
        web.head("/return/{attempt}{slash:/?}", nothing),
        web.post("/return/{attempt}{slash:/?}", responded(bank_return)),
        web.get("/assets/{name}", asset),
        web.get("/favicon.ico", no_icon),
    ]
