"""Reads what arrives at a bank and says how browsers leave it: the same over HTTP and in-process.

Tolerant as the banks are: a body is read as form fields wherever it is labelled so, undecodable
bytes become replacement characters, and of repeated fields the first one counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode

from gatewayd.core.terms import NOTHING, Redirect
from gatewayd.simulator.bank import Request

FIELDS_MAX: Final = 200
"""No bank's form has more than two dozen fields."""
ADDRESSES_KEPT: Final = 256
"""Merchants call a few dozen addresses, again and again."""


def read_fields(text: str) -> dict[str, str]:
    """The fields of a query or of a form body; nothing where there are absurdly many."""
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=FIELDS_MAX)
    except ValueError:
        return {}
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields


def read_request(
    *, method: str, target: str, origin: str, headers: Mapping[str, str], body: bytes
) -> tuple[str, Request]:
    """The driver's name and the request at its bank.

    `target` is path and query as on the request line, `origin` the address that was asked, such as
    `http://127.0.0.1:9100`, `headers` with names in lower case.
    """
    driver, path, base_url, query = _placed(target, origin)
    form = "form-urlencoded" in headers.get("content-type", "").lower()
    return driver, Request(
        method=method,
        path=path,
        base_url=base_url,
        query=read_fields(query) if query else NOTHING,
        form=read_fields(body.decode("utf-8", "replace")) if form and body else NOTHING,
        headers=headers,
        body=body,
    )


@lru_cache(maxsize=ADDRESSES_KEPT)
def _placed(target: str, origin: str) -> tuple[str, str, str, str]:
    """Driver, path and base address at its bank, and the query."""
    if not target.startswith("/"):  # the absolute form, as proxies get it
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, query = target.partition("?")
    driver, _, rest = path.lstrip("/").partition("/")
    return driver, "/" + unquote(rest), f"{origin}/{driver}", query


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A browser's request: to a bank's page, or from there back to the merchant."""

    method: str
    """`GET` or `POST`."""
    url: str
    """With its query."""
    form: Mapping[str, str]
    """The fields of the body; empty for a GET."""


def departure(redirect: Redirect) -> Departure:
    """What a browser sends when it follows `redirect`."""
    if redirect.method.lower() == "post":
        return Departure(method="POST", url=redirect.url, form=dict(redirect.fields))
    return Departure(method="GET", url=add_query(redirect.url, redirect.fields), form=NOTHING)


def add_query(url: str, fields: Mapping[str, str]) -> str:
    """The address with `fields` added to whatever query it has, before any fragment."""
    if not fields:
        return url
    base, hash_sign, fragment = url.partition("#")
    joint = "&" if "?" in base else "?"
    if base.endswith(("?", "&")):
        joint = ""
    return f"{base}{joint}{urlencode(fields)}{hash_sign}{fragment}"
