"""The customer's addresses: `/pay/{id}` and `/return/{attempt}`, cookie-less, and honest whatever happened.

Both ids are signed; an unsigned one gets an honest page, is counted and not journaled. HEAD and prefetching start
nothing. What a view becomes stands in `show`.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from gatewayd.engine.engine import Engine
from gatewayd.engine.views import (
    Back,
    Choice,
    HandOver,
    NoGateway,
    Nothing,
    Offer,
    View,
    Wait,
)
from gatewayd.web.pages import HEADERS, asset, page
from gatewayd.web.ports import ENGINE, SERVICE, SHOPS, TALLY
from gatewayd.web.shops import shop_url

FIELDS_MAX: Final = 60
"""No bank sends half as many."""
FIELD_CHARS_MAX: Final = 4_096
NOT_RECORDED_SECONDS: Final = 5.0
"""Beyond the wait for the bank: a disk that takes longer is out of order, and the customer is told so."""
_HERE: Final = "here"
"""Marks an address that a gateway's own host was asked at already, so that nobody is sent round in circles."""


async def pay(request: web.Request) -> web.StreamResponse:
    """`GET /pay/{id}`"""
    engine = request.app[ENGINE]
    number = engine.links.read_pay(request.match_info["id"])
    if number is None:
        return _unknown(request, "pay")
    if _is_prefetch(request):
        return web.Response(status=503, headers={"Cache-Control": "no-store", "Retry-After": "0"})
    return show(request, await engine.cashier.arrive(number))


async def pay_action(request: web.Request) -> web.StreamResponse:
    """`POST /pay/{id}`: what the customer chose on one of our pages."""
    engine = request.app[ENGINE]
    number = engine.links.read_pay(request.match_info["id"])
    if number is None:
        return _unknown(request, "pay")
    action = (await _fields(request)).get("action", "")
    match action:
        case "another":
            view = await engine.cashier.try_another(number)
        case "leave":
            view = await engine.cashier.give_up(number)
        case "go_on":
            view = await engine.cashier.go_on(number)
        case _:
            view = await engine.cashier.arrive(number)
    return show(request, view)


async def bank_return(request: web.Request) -> web.StreamResponse:
    """`GET|POST /return/{attempt}`"""
    engine, service = request.app[ENGINE], request.app[SERVICE]
    found = engine.links.read_return(request.match_info["attempt"])
    if found is None:
        return _unknown(request, "return")
    fields = await _fields(request)
    try:
        async with asyncio.timeout(service.engine.return_wait_seconds + NOT_RECORDED_SECONDS):
            view = await engine.cashier.returned(*found, fields)
    except TimeoutError:
        # Nothing can be recorded just now. What the bank sent exists nowhere else, so the page carries it.
        return page("busy", status=503, fields=fields, again_url=request.path)
    return show(request, view)


async def nothing(request: web.Request) -> web.Response:
    """HEAD: says that there is a page, and starts nothing."""
    return web.Response(headers=HEADERS, content_type="text/html", charset="utf-8")


def show(request: web.Request, view: View) -> web.StreamResponse:
    """The engine's view as an HTTP answer."""
    engine = request.app[ENGINE]
    if isinstance(view, Nothing):
        return _unknown(request, "view")
    payment = view.payment
    shop = request.app[SHOPS].by_name[payment.shop]
    title = shop.title or urlsplit(payment.return_url).hostname or ""
    common: dict[str, Any] = {"locale": payment.locale, "payment": payment, "title": title}
    pay_url = engine.links.pay_url(payment.number)
    match view:
        case Back():
            location = shop_url(payment, shop, engine.deadlines.now_ms())
            headers = {"Location": location, "Cache-Control": "no-store"}
            return web.Response(status=303, headers=headers)
        case HandOver(attempt=attempt):
            redirect = attempt.redirect
            assert redirect is not None, "only what has a token is handed over"
            elsewhere = _registered_elsewhere(request, engine, payment.number, attempt.gateway)
            if elsewhere is not None:
                headers = {"Location": elsewhere, "Cache-Control": "no-store"}
                return web.Response(status=303, headers=headers)
            host = urlsplit(redirect.url).hostname or ""
            return page("handover", redirect=redirect, bank_host=host, **common)
        case Offer():
            return page("offer", pay_url=pay_url, **common)
        case Choice(another=another):
            return page("choice", pay_url=pay_url, another=another, **common)
        case Wait():
            return page("wait", pay_url=pay_url, **common)
        case NoGateway():
            return page("no_gateway", status=503, pay_url=pay_url, **common)


def _registered_elsewhere(
    request: web.Request, engine: Engine, number: int, gateway: str
) -> str | None:
    """The address on the host that this gateway's contract registered, if the customer is on another.

    Banks compare the Referer, so the page that hands over must be served there. The same token is handed over there,
    because it is asked for again within seconds.
    """
    url = engine.links.pay_url(number, gateway)
    if urlsplit(url).netloc in {request.host, urlsplit(engine.links.pay_url(number)).netloc}:
        return None
    return None if _HERE in request.query else f"{url}?{_HERE}=1"


async def _fields(request: web.Request) -> dict[str, str]:
    """Query and form in one mapping; the first of two with the same name wins. What is no form brings nothing."""
    pairs = parse_qsl(request.query_string, keep_blank_values=True, errors="replace")
    if request.method == "POST" and request.content_type == "application/x-www-form-urlencoded":
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            body = b""
        pairs += _pairs(body)
    fields: dict[str, str] = {}
    for name, value in pairs[:FIELDS_MAX]:
        fields.setdefault(name[:FIELD_CHARS_MAX], value[:FIELD_CHARS_MAX])
    return fields


def _pairs(body: bytes) -> list[tuple[str, str]]:
    text = body.decode("utf-8", "replace")
    try:
        return parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=FIELDS_MAX)
    except ValueError:
        return []


def _is_prefetch(request: web.Request) -> bool:
    purpose = request.headers.get("Sec-Purpose", "") + request.headers.get("Purpose", "")
    return "prefetch" in purpose or "prerender" in purpose


def _unknown(request: web.Request, kind: str) -> web.Response:
    request.app[TALLY].forged(kind)
    return page("unknown", status=404, locale=_locale(request.headers))


def _locale(headers: Mapping[str, str]) -> str:
    return "en" if headers.get("Accept-Language", "").startswith("en") else "fa"


def routes() -> list[web.RouteDef]:
    """The customer's routes."""
    return [
        web.get("/pay/{id}", pay, allow_head=False),
        web.head("/pay/{id}", nothing),
        web.post("/pay/{id}", pay_action),
        web.get("/return/{attempt}", bank_return, allow_head=False),
        web.head("/return/{attempt}", nothing),
        web.post("/return/{attempt}", bank_return),
        web.get("/assets/{name}", asset),
    ]
