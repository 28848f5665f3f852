"""The banks without a network: a transport for the engine, and browsers for the payers.

The clock and the sleep come in as arguments, so that a day can pass in a second. An address is read
as over HTTP, `http(s)://<anything>/<driver>/<path as at the real host>`, and what the network would
have made of a fault becomes `Lost`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from gatewayd.core.terms import Lost, Operation, Redirect
from gatewayd.gateways.contract import Call, Reply
from gatewayd.simulator.bank import Request, Session
from gatewayd.simulator.host import Banks, Ending, Leaving, Trouble
from gatewayd.simulator.incoming import departure, read_fields, read_request


class InProcess:
    """An engine's `Transport` that ends at simulated banks."""

    def __init__(
        self,
        banks: Banks,
        *,
        wall: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._banks = banks
        self._wall = wall
        self._sleep = sleep

    async def send(
        self, gateway: str, operation: Operation, call: Call, seconds: float
    ) -> Reply | Lost:
        """One exchange; the effect comes first, then whatever time the answer takes."""
        driver, request = _arrives(call.method, call.url, call.headers, call.body)
        if driver not in self._banks.dialects:
            return Lost(reached=False, cause="name not found")
        exchange = self._banks.answer(driver, request, self._wall())
        if exchange is None:
            return Reply(status=404, body=b"<html><body><h1>404</h1></body></html>")
        if exchange.ending is Ending.REFUSED:
            return Lost(reached=False, cause="connect refused")
        takes = exchange.delay_seconds + exchange.drip_seconds
        if exchange.ending is Ending.HELD or takes > seconds:
            await self._sleep(seconds)
            return Lost(reached=True, cause="timeout after sending")
        if takes:
            await self._sleep(takes)
        if exchange.reply is None:
            return Lost(reached=True, cause="connection lost after sending")
        return exchange.reply


def open_page(
    banks: Banks, handover: Redirect, now: float, *, referer: str = ""
) -> Session | Trouble:
    """A browser follows the merchant's hand-over to the bank's page; `referer` is where from."""
    leaves = departure(handover)
    headers = {"content-type": "application/x-www-form-urlencoded"} if leaves.form else {}
    if referer:
        headers["referer"] = referer
    driver, request = _arrives(leaves.method, leaves.url, headers, urlencode(leaves.form).encode())
    if driver not in banks.dialects or not banks.is_page(driver, request):
        return Trouble(status=404, text="no such page")
    return banks.open_page(driver, request, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """What a browser brings back to the merchant."""

    method: str
    url: str
    """With its query."""
    fields: Mapping[str, str]
    """Query and form in one mapping, as a driver reads them."""
    twice: bool = False
    """The bank delivers it a second time by itself."""


def returned(leaving: Leaving) -> Return | None:
    """The return that a leaving payer's browser makes; None if the tab is closed."""
    if leaving.back is None:
        return None
    leaves = departure(leaving.back)
    query = read_fields(urlsplit(leaves.url).query)
    return Return(
        method=leaves.method,
        url=leaves.url,
        fields={**query, **leaves.form},
        twice=leaving.twice,
    )


def play(banks: Banks, handover: Redirect, now: float, *, referer: str = "") -> Return | None:
    """A pretend payer opens the page and acts at once; None if nobody comes back."""
    session = open_page(banks, handover, now, referer=referer)
    if isinstance(session, Trouble):
        return None
    return returned(banks.act(session, banks.decide(session), now))


def _arrives(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[str, Request]:
    parts = urlsplit(url)
    return read_request(
        method=method,
        target=f"{parts.path}?{parts.query}" if parts.query else parts.path,
        origin=f"{parts.scheme}://{parts.netloc}",
        headers={name.lower(): value for name, value in headers.items()},
        body=body,
    )
