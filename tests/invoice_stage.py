"""Invoices on the stage: making them, paying them by their pages, and starting again from what is on disk."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from yarl import URL

from gatewayd.engine.invoicing import Invoicing
from tests.web_stage import Answer, Web, web_stage

LINES = [
    {"name": "چای بهاره", "quantity": 2, "unit_price": 60_000},
    {"name": "Post", "unit_price": 40_000, "discount": 10_000},
]
TOTAL = 150_000


def invoicing(web: Web) -> Invoicing:
    """It is there."""
    assert web.engine.invoicing is not None
    return web.engine.invoicing


async def bill(web: Web, **changes: Any) -> dict[str, Any]:
    """An invoice; it must be made."""
    answer = await web.call("POST", "/v1/invoices", {"lines": LINES} | changes)
    assert 201 == answer.status, answer.text
    document = answer.json
    assert isinstance(document, dict)
    return document


async def look(web: Web, invoice: Mapping[str, Any]) -> dict[str, Any]:
    """The invoice as its shop sees it now."""
    answer = await web.call("GET", f"/v1/invoices/{invoice['id']}")
    assert 200 == answer.status, answer.text
    document = answer.json
    assert isinstance(document, dict)
    return document


async def payments_of(web: Web, invoice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Its payments, newest first."""
    answer = await web.call("GET", f"/v1/invoices/{invoice['id']}/payments?limit=100")
    assert 200 == answer.status, answer.text
    found = answer.json["data"]
    assert isinstance(found, list)
    return found


async def press(web: Web, invoice: Mapping[str, Any]) -> Answer:
    """A customer opens the invoice's page and presses the button; he is sent on."""
    page = await web.ask("GET", invoice["pay_url"])
    assert 200 == page.status, page.text
    return await web.submit(page.forms[0], page=invoice["pay_url"])


async def begin(web: Web, invoice: Mapping[str, Any]) -> str:
    """The address of the payment that the button leads to."""
    sent = await press(web, invoice)
    assert 303 == sent.status, sent.text
    assert str(sent.location.path).startswith("/pay/"), sent.location
    return str(URL(web.base).join(sent.location))


async def pay_at(web: Web, pay_url: str) -> Answer:
    """A customer pays a payment that was begun; what he is answered when he comes back from the bank."""
    return await web.pay({"pay_url": pay_url})


async def pay(web: Web, invoice: Mapping[str, Any]) -> Answer:
    """A customer pays the invoice."""
    return await pay_at(web, await begin(web, invoice))


async def events_of(web: Web, invoice: Mapping[str, Any]) -> list[str]:
    """What shops are told of it, in order."""
    found = (await web.call("GET", "/v1/events?limit=100")).json["data"]
    return [each["type"] for each in found if each["data"]["id"] == invoice["id"]]


async def press_anyway(web: Web, made: Mapping[str, Any]) -> Answer:
    """Somebody presses a button that the page may not have any more."""
    return await web.ask("POST", made["pay_url"], data=b"lang=fa")


async def settled(web: Web) -> None:
    """Everything that follows from what has happened is written down."""
    await (
        web.engine.pump.searched()
    )  # what is paid is found, and who is about to write it down goes first
    await invoicing(web).catch_up()
    await invoicing(web).look()


@asynccontextmanager
async def again(web: Web, *, lost: int = 0, **how: Any) -> AsyncIterator[Web]:
    """The next daemon on what a crash of this one has left, with the same banks and the same clock."""
    store = web.disk.store.crash(lost=lost)
    async with web_stage(banks=web.banks, clock=web.clock, store=store, **how) as found:
        yield found
