"""A little shop to click through: one page of goods, a button to pay, and the page for customers who come back.

It believes nothing that a browser brings: a return's signature is checked, and the status shown is what the daemon
says when it is asked. Everything works without scripts, in Persian and in English.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gatewayd.demo.shop_texts import TEXTS
from gatewayd.demo.till import Till
from gatewayd.web.texts import digits, money

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_TEMPLATES.filters.update(digits=digits, money=money)
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
}
STOP_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """Something to buy."""

    id: str
    fa: str
    en: str
    price: int
    """Rial; a multiple of 1,000, because the simulated banks read a script in the last three digits."""


GOODS: Final = (
    Good(
        id="tea", fa="چای بهارهٔ لاهیجان، ۴۵۰ گرم", en="Lahijan spring tea, 450 g", price=3_850_000
    ),
    Good(id="saffron", fa="زعفران سرگل، یک مثقال", en="Saffron, 4.6 g", price=9_200_000),
    Good(id="pistachio", fa="پستهٔ اکبری، نیم کیلو", en="Akbari pistachios, 500 g", price=6_400_000),
    Good(id="hafez", fa="دیوان حافظ", en="The Divan of Hafez", price=2_900_000),
    Good(id="cup", fa="فنجان سفالی لالجین", en="A pottery cup from Lalejin", price=1_750_000),
    Good(id="kilim", fa="گلیم دست‌بافت قشقایی", en="A handwoven Qashqai kilim", price=47_500_000),
)
TILL: Final = web.AppKey("till", Till)


def build_shop(till: Till) -> web.Application:
    """The shop as an application."""
    app = web.Application()
    app[TILL] = till
    app.add_routes([web.get("/", goods), web.post("/buy", buy), web.get("/return", come_back)])
    app.router.add_post("/bill", bill)
    return app


async def goods(request: web.Request) -> web.Response:
    """`GET /`"""
    return _page(request, "goods", goods=GOODS)


async def buy(request: web.Request) -> web.Response:
    """`POST /buy`: make a payment and send the customer to it."""
    form = await request.post()
    wanted = next((good for good in GOODS if good.id == form.get("good")), None)
    if wanted is None:
        return _page(request, "goods", status=404, goods=GOODS)
    locale = _locale(request)
    pay_url = await request.app[TILL].order(wanted.price, getattr(wanted, locale), locale=locale)
    if pay_url is None:
        return _page(request, "sorry", status=503)
    return web.Response(status=303, headers={"Location": pay_url, "Cache-Control": "no-store"})


async def bill(request: web.Request) -> web.Response:
    """`POST /bill`: make an invoice of everything and show it; its address is what a shop would send."""
    locale = _locale(request)
    rows = [(getattr(good, locale), good.price) for good in GOODS]
    pay_url = await request.app[TILL].bill(rows, locale=locale)
    if pay_url is None:
        return _page(request, "sorry", status=503)
    return web.Response(status=303, headers={"Location": pay_url, "Cache-Control": "no-store"})


async def come_back(request: web.Request) -> web.Response:
    """`GET /return`: the customer is back; the signature says by whom, the daemon says with what."""
    till = request.app[TILL]
    if not till.is_genuine(request.query):
        return _page(request, "forged", status=400)
    payment = await till.look(request.query["payment_id"])
    if payment is None:
        return _page(request, "sorry", status=503)
    return _page(request, "receipt", payment=payment)


def _page(request: web.Request, name: str, *, status: int = 200, **values: Any) -> web.Response:
    locale = _locale(request)
    other = "en" if locale == "fa" else "fa"
    here = request.url.update_query(lang=other) if request.method == "GET" else f"/?lang={other}"
    text = _TEMPLATES.get_template(f"{name}.html").render(
        t=TEXTS[locale], locale=locale, other_url=_relative(str(here)), **values
    )
    return web.Response(
        status=status, text=text, content_type="text/html", charset="utf-8", headers=HEADERS
    )


def _relative(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _locale(request: web.Request) -> str:
    return "en" if request.query.get("lang") == "en" else "fa"


@asynccontextmanager
async def serving_shop(till: Till, listen: str) -> AsyncIterator[None]:
    """The shop, open for the length of the block. `listen` is an origin; OSError if it cannot be had."""
    parts = urlsplit(listen)
    runner = web.AppRunner(build_shop(till), access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, parts.hostname, parts.port).start()
        yield
    finally:
        await runner.cleanup()
