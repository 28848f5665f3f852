"""The customer's pages: few, plain, honest, in Persian and English, complete without scripts.

Every page has the same headers: nothing is cached, nobody may frame it, nothing is loaded from elsewhere, and the
Referer shows the origin, because banks compare it with the registered domain. There is no `form-action` in the policy:
browsers apply it to every hop after the submit, and banks hop.
"""

from pathlib import Path
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gatewayd.core.payment import Payment
from gatewayd.web.texts import TEXTS, digits, money

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "origin",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_HERE: Final = Path(__file__).parent
ASSETS: Final = {
    "style.css": ("text/css", (_HERE / "assets" / "style.css").read_bytes()),
    "handover.js": ("text/javascript", (_HERE / "assets" / "handover.js").read_bytes()),
}
_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_TEMPLATES.filters.update(digits=digits, money=money)


def page(
    name: str,
    *,
    status: int = 200,
    locale: str = "fa",
    payment: Payment | None = None,
    title: str = "",
    **values: Any,
) -> web.Response:
    """The page `name` in the customer's language. `title` is the shop's name."""
    text = _TEMPLATES.get_template(f"{name}.html").render(
        t=TEXTS[locale], locale=locale, payment=payment, shop_title=title, **values
    )
    return web.Response(
        status=status, text=text, content_type="text/html", charset="utf-8", headers=HEADERS
    )


async def asset(request: web.Request) -> web.Response:
    """`GET /assets/{name}`: the one style sheet and the one script."""
    found = ASSETS.get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    content_type, body = found
    return web.Response(
        body=body,
        content_type=content_type,
        charset="utf-8",
        headers={"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"},
    )
