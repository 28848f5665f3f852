"""The hand-over's page is joined from pieces of its template, and nobody can tell."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from gatewayd.core.payment import Payment
from gatewayd.core.terms import Redirect
from gatewayd.web.pages import hand_over_page, page


@pytest.mark.parametrize("locale", ["fa", "en"])
@pytest.mark.parametrize("title", ["", "Shop & <Söhne>"])
@pytest.mark.parametrize("fields", [{}, {"a": "1"}, {"\"<&>'": "%s {} \0", "b": "<script>"}])
def test_the_joined_hand_over_is_what_its_template_gives(
    locale: str, title: str, fields: dict[str, str]
) -> None:
    redirect = Redirect(
        token="t", url="https://bank.example/a?b=1&c='2'", method="post", fields=fields
    )
    payment = cast(
        "Payment", SimpleNamespace(amount=1_234_560, order_id="<o>&'", number=217_512_345_678)
    )
    common: dict[str, Any] = {"locale": locale, "payment": payment, "title": title}
    joined = hand_over_page(redirect, bank_host="bank.example", **common).response()
    rendered = page("handover", redirect=redirect, bank_host="bank.example", **common)
    assert rendered.headers == joined.headers
    assert _unescaped(rendered) == _unescaped(joined)


def _unescaped(answer: web.Response) -> str:
    """Both name a quote, but in two ways."""
    body = answer.body
    assert isinstance(body, bytes)
    return body.decode().replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
