"""The API's document, for programs as `/openapi.json` and for people as a page without scripts, in two languages."""

import re
from collections.abc import Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from gatewayd.core.settings import PaymentSettings, ShopSettings
from gatewayd.web.asked import Request
from gatewayd.web.pages import HEADERS, REFERENCE_STYLE
from gatewayd.web.ports import ENGINE, SHOPS
from gatewayd.web.reference.document import build_document
from gatewayd.web.reference.operations import OPERATIONS
from gatewayd.web.reference.words import (
    ABOUT,
    FIELDS,
    PAGE,
    PROBLEMS,
    ROOMS,
    TYPES,
    WEBHOOK,
)
from gatewayd.web.reference.words import (
    HEADERS as HEADER_WORDS,
)
from gatewayd.web.texts import preferred

LOCALES: Final = ("en", "fa")
"""In the order of the words."""
_CODE: Final = re.compile("`([^`]+)`")
_TEMPLATE: Final = Path(__file__).parent / "reference.html"
_WORDS: Final = {operation.name: operation.words for operation in OPERATIONS}


class Document:
    """The document and its pages, made when somebody first asks for them."""

    def __init__(self, settings: PaymentSettings) -> None:
        self._settings = settings
        self._pages: dict[str, bytes] = {}
        self._encoded: dict[str, bytes] = {}

    @cached_property
    def document(self) -> dict[str, Any]:
        """As OpenAPI has it."""
        return build_document(self._settings)

    def encoded(self, shop: ShopSettings | None, gateways: Sequence[str]) -> bytes:
        """The same as JSON; for a shop with what only it may send."""
        name = shop.name if shop else ""
        if name not in self._encoded:
            made = build_document(self._settings, shop, gateways) if shop else self.document
            self._encoded[name] = orjson.dumps(made)
        return self._encoded[name]

    def page(self, locale: str) -> bytes:
        """The page in one language."""
        if locale not in self._pages:
            self._pages[locale] = _render(self.document, LOCALES.index(locale))
        return self._pages[locale]


DOCUMENT: web.AppKey[Document] = web.AppKey("document", Document)


def _render(document: dict[str, Any], language: int) -> bytes:
    environment = Environment(
        loader=DictLoader({"reference": _TEMPLATE.read_text()}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["coded"] = _coded
    said = _Said(language)
    text = environment.get_template("reference").render(
        document=document,
        rooms={name: words[language] for name, words in ROOMS.items()},
        t={name: words[language] for name, words in PAGE.items()},
        about=ABOUT[language],
        about_key=ABOUT[2 + language],
        webhook=WEBHOOK[language],
        said=said,
        locale=LOCALES[language],
        other=LOCALES[1 - language],
        direction=("ltr", "rtl")[language],
        style=REFERENCE_STYLE,
    )
    return text.encode()


def _coded(text: str) -> Markup:
    """Words with what stands between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", escape(text)))  # noqa: S704 - escaped before


class _Said:
    """Words of one language about parts of the document."""

    def __init__(self, language: int) -> None:
        self._language = language

    def field(self, name: str) -> str:
        """What a field or a parameter means."""
        words = FIELDS.get(name) or HEADER_WORDS.get(name)
        return words[self._language] if words else ""

    def call(self, name: str) -> str:
        """What a call is for."""
        return _WORDS[name][self._language]

    def problem(self, status: str) -> str:
        """What an error status means; empty for others."""
        words = PROBLEMS.get(int(status))
        return words[self._language] if words else ""

    def kinds(self, schema: dict[str, Any]) -> list[tuple[str, str]]:
        """What a schema allows: texts, each with the name of the object that it refers to, or nothing."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return [(name, name)]
        if "anyOf" in schema:
            return [kind for each in schema["anyOf"] for kind in self.kinds(each)]
        if "const" in schema:
            return [(f"{schema['const']}", "")]
        if "enum" in schema:
            return [(f"{value}", "") for value in schema["enum"]]
        if schema.get("type") == "array":
            return [
                (f"{PAGE['list_of'][self._language]} {text}", name)
                for text, name in self.kinds(schema["items"])
            ]
        kinds = schema.get("type", "object")
        names = [kinds] if isinstance(kinds, str) else kinds
        form = schema.get("format")
        return [
            (TYPES[form if name == "string" and form in TYPES else name][self._language], "")
            for name in names
        ]

    def listed(self, schema: dict[str, Any]) -> dict[str, Any]:
        """What an answer is about: what a list holds, or itself."""
        held: dict[str, Any] = schema.get("properties", {}).get("data", {}).get("items", schema)
        return held


async def openapi(request: Request) -> web.Response:
    """`GET /openapi.json`: with an API key, what its shop may send."""
    shop: ShopSettings | None = None
    gateways: tuple[str, ...] = ()
    if "Authorization" in request.headers:
        shop = request.app[SHOPS].caller(request, None).shop
        gateways = tuple(shop.gateways or request.app[ENGINE].gateways)
    headers = {"Cache-Control": "no-cache", "Vary": "Authorization"}
    body = request.app[DOCUMENT].encoded(shop, gateways)
    return web.Response(body=body, content_type="application/json", headers=headers)


async def reference(request: Request) -> web.Response:
    """`GET /reference` and `GET /reference/{locale}`"""
    locale = request.match_info.get("locale")
    if locale is None:
        locale = preferred(request.headers.get("Accept-Language"))
    if locale not in LOCALES:
        raise web.HTTPNotFound
    return web.Response(body=request.app[DOCUMENT].page(locale), headers=HEADERS)


def routes() -> list[web.RouteDef]:
    """The reference's routes."""
    return [
        web.get("/openapi.json", openapi),
        web.get("/reference", reference),
        web.get("/reference/{locale}", reference),
    ]
