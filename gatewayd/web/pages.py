"""The customer's pages: few, plain, honest, in Persian and English, complete without scripts.

Every page has the same headers: nothing is cached, nobody may frame it, nothing is loaded from elsewhere, and the
Referer shows the origin, because banks compare it with the registered domain. There is no `form-action` in the policy:
browsers apply it to every hop after the submit, and banks hop.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from jinja2 import DictLoader, Environment, StrictUndefined, Template

from gatewayd.core.payment import Payment
from gatewayd.core.terms import Redirect
from gatewayd.web.answers import Answer, Head
from gatewayd.web.asked import Request
from gatewayd.web.texts import TEXTS, money

HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "origin",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_PAGE: Final = Head(200, HEADERS)
_HERE: Final = Path(__file__).parent


def _asset(name: str, content_type: str) -> tuple[str, bytes, dict[str, str]]:
    """A file of ours: its name, which changes with its content so that it may be kept for ever; itself; its headers."""
    body = (_HERE / "assets" / name).read_bytes()
    stem, _, suffix = name.partition(".")
    headers = {
        "Content-Type": f"{content_type}; charset=utf-8",
        "Cache-Control": "public, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    return f"{stem}.{hashlib.sha256(body).hexdigest()[:12]}.{suffix}", body, headers


_STYLE: Final = _asset("style.css", "text/css")
_SCRIPT: Final = _asset("handover.js", "text/javascript")
_REFERENCE_STYLE: Final = _asset("reference.css", "text/css")
REFERENCE_STYLE: Final = f"/assets/{_REFERENCE_STYLE[0]}"
_ASSETS: Final = {
    name: (body, headers) for name, body, headers in (_STYLE, _SCRIPT, _REFERENCE_STYLE)
}


_FIXED: Final = re.compile(r"\{\{ (\w+)(?:\.(\w+))? \}\}")


def _compiled(locale: str) -> dict[str, Template]:
    """Every page in one language, compiled with its texts in place, so that a request pays only for what differs."""
    fixed = {
        "locale": locale,
        "style": f"/assets/{_STYLE[0]}",
        "script": f"/assets/{_SCRIPT[0]}",
    }

    def put(found: re.Match[str]) -> str:
        name, of_texts = found.groups()
        text = TEXTS[locale][of_texts] if name == "t" else fixed.get(name)
        return found[0] if text is None else escape(text)

    sources = {
        path.name: _FIXED.sub(put, path.read_text()) for path in (_HERE / "templates").iterdir()
    }
    environment = Environment(
        loader=DictLoader(sources),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["t"] = TEXTS[locale]
    environment.filters["money"] = lambda rial: (
        rial if isinstance(rial, str) else money(rial, locale)
    )
    return {name.removesuffix(".html"): environment.get_template(name) for name in sources}


@cache
def _templates(locale: str) -> dict[str, Template]:
    """Made when the first page is wanted: a starting daemon does not wait for it."""
    return _compiled(locale)


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
    template = _templates(locale)[name]
    text = template.render(payment=payment, shop_title=title, **values)
    return web.Response(status=status, body=text.encode(), headers=HEADERS)


_INPUT: Final = '<input type="hidden" name="{}" value="{}">\n'
_TO_ESCAPE: Final = re.compile("[&<>\"']")
_MARKED: Final = re.compile("\0([a-z]+)\0")


@dataclass(frozen=True, slots=True)
class _HandOver:
    """The hand-over's page in one language, rendered once with marks where payments differ."""

    before: str
    """What stands before the form's fields, as a format."""
    after: str
    """The same behind them."""


@cache
def _hand_over_in(locale: str) -> _HandOver:
    def mark(name: str) -> str:
        return f"\0{name}\0"

    text = _templates(locale)["handover"].render(
        payment={name: mark(name) for name in ("amount", "order_id", "number")}
        | {"order_id": mark("order")},
        shop_title=mark("shop"),
        redirect={
            "method": mark("method"),
            "url": mark("url"),
            "fields": {mark("name"): mark("value")},
        },
        bank_host=mark("host"),
    )
    before, field, after = text.partition(_INPUT.format(mark("name"), mark("value")))
    assert field, "the template's fields are written as they are here"
    return _HandOver(_format_of(before), _format_of(after))


def _format_of(text: str) -> str:
    """What gives the page when it is filled by name."""
    return _MARKED.sub(r"%(\1)s", text.replace("%", "%%"))


def hand_over_page(
    redirect: Redirect, *, bank_host: str, locale: str, payment: Payment, title: str
) -> Answer:
    """The page `handover`, of which every payment has one: joined from what the template gave once.

    That is half of what rendering it costs; a test holds both to the same page.
    """
    if not title or not payment.order_id:
        text = _templates(locale)["handover"].render(
            payment=payment, shop_title=title, redirect=redirect, bank_host=bank_host
        )
        return Answer(_PAGE, text.encode())
    known = _hand_over_in(locale)
    values = {
        "shop": _escaped(title),
        "amount": money(payment.amount, locale),
        "order": _escaped(payment.order_id),
        "number": str(payment.number),
        "method": _escaped(redirect.method),
        "url": _escaped(redirect.url),
        "host": _escaped(bank_host),
    }
    fields = [
        _INPUT.format(_escaped(name), _escaped(value)) for name, value in redirect.fields.items()
    ]
    text = f"{known.before % values}{''.join(fields)}{known.after % values}"
    return Answer(_PAGE, text.encode())


def _escaped(text: str) -> str:
    """As `escape`, which is a look at most texts' characters five times over."""
    return escape(text) if _TO_ESCAPE.search(text) else text


async def asset(request: Request) -> web.Response:
    """`GET /assets/{name}`: the style sheets and the one script."""
    found = _ASSETS.get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    body, headers = found
    return web.Response(body=body, headers=headers)


async def no_icon(request: Request) -> web.Response:
    """`GET /favicon.ico`: browsers ask for it by themselves, and would complain of a 404."""
    return web.Response(status=204, headers={"Cache-Control": "public, max-age=86400"})
