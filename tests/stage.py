"""One driver and its simulated bank on a stage: in-process or over HTTP, with the real flows.

The clock is moved by hand. Everybody pays, unless the amount's script or `mix` says otherwise.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from html.parser import HTMLParser
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, urlsplit

from aiohttp import ClientSession

from gatewayd.core.secret import Secret
from gatewayd.core.settings import ConnectionSettings
from gatewayd.core.terms import NOTHING, Lost, Operation, Order, Redirect
from gatewayd.engine.drive import drive
from gatewayd.engine.gateway import contract_of
from gatewayd.gateways.contract import Call, Driver, Flow, Reply
from gatewayd.gateways.mellat import Mellat
from gatewayd.gateways.parsian import Parsian
from gatewayd.gateways.sadad import Sadad
from gatewayd.gateways.saman import Saman
from gatewayd.gateways.zarinpal import Zarinpal
from gatewayd.gateways.zibal import Zibal
from gatewayd.io.http import HttpTransport
from gatewayd.simulator.bank import Session, Terms
from gatewayd.simulator.faults import Fault, Kind
from gatewayd.simulator.host import Banks
from gatewayd.simulator.incoming import departure
from gatewayd.simulator.inprocess import InProcess
from gatewayd.simulator.inprocess import play as pass_through
from gatewayd.simulator.payers import EVERYBODY_PAYS, Mix, Payers
from gatewayd.simulator.server import running_simulator

NOWHERE: Final = "http://127.0.0.1:9100"
CALLBACK: Final = "http://127.0.0.1:9/return/7?lang=fa"
"""Nobody listens there: what a simulator repeats by itself goes nowhere."""
MORNING: Final = 1_739_284_866.0
"""2025-02-11 18:11:06 in Tehran."""
CALL_SECONDS: Final = 20.0
FIRST_ORDER: Final = 100_000_042
DRIVERS: Final = ("saman", "mellat", "parsian", "sadad", "zarinpal", "zibal")

T = TypeVar("T")


class Way(StrEnum):
    """How calls reach the bank."""

    IN_PROCESS = "inprocess"
    HTTP = "http"


def plain_drivers(origin: str = NOWHERE) -> dict[str, Driver]:
    """The sample contracts, without anything that a bank sells on top."""
    return {
        "saman": Saman(terminal_id="13579246", base_url=f"{origin}/saman"),
        "mellat": Mellat(
            terminal_id=7654321,
            username="shop01",
            password=Secret("12345678"),
            base_url=f"{origin}/mellat",
        ),
        "parsian": Parsian(pin=Secret("aB3dE5fG7hJ9kL1mN2pQ"), base_url=f"{origin}/parsian"),
        "sadad": Sadad(
            merchant_id="000000140300001",
            terminal_id="Z9X8C7V6",
            key=Secret("ASNFZ4mrze/+3LqYdlQyEA8eLTxLWml4"),
            base_url=f"{origin}/sadad",
        ),
        "zarinpal": Zarinpal(
            merchant_id="11111111-2222-3333-4444-555555555555", base_url=f"{origin}/zarinpal"
        ),
        "zibal": Zibal(merchant="zibal-demo", base_url=f"{origin}/zibal"),
    }


def full_drivers(origin: str = NOWHERE) -> dict[str, Driver]:
    """The same contracts with everything that a driver can use."""
    return plain_drivers(origin) | {
        "saman": Saman(
            terminal_id="13579246", receipt_call=True, card_lock=True, base_url=f"{origin}/saman"
        ),
        "parsian": Parsian(
            pin=Secret("aB3dE5fG7hJ9kL1mN2pQ"),
            base_url=f"{origin}/parsian",
            report_user="reporter",
            report_password=Secret("report-password"),
            report_url=f"{origin}/parsian",
        ),
        "zarinpal": Zarinpal(
            merchant_id="11111111-2222-3333-4444-555555555555",
            base_url=f"{origin}/zarinpal",
            access_token=Secret("panel-token"),
            terminal_id="4321",
            refund_url=f"{origin}/zarinpal",
        ),
        "zibal": Zibal(
            merchant="zibal-demo",
            access_token=Secret("platform-key"),
            account_id="1234",
            base_url=f"{origin}/zibal",
            api_url=f"{origin}/zibal",
        ),
    }


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: float = MORNING

    def wall(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Stage:
    """A driver, its bank, and the two ways between them: for calls and for payers."""

    name: str
    driver: Driver
    banks: Banks
    clock: Clock
    send: Callable[[Call], Awaitable[Reply | Lost]]
    browse: Callable[[Redirect], Awaitable[Mapping[str, str] | None]]
    """A payer goes to the bank; the fields of the return, None if nobody comes back."""
    replies: list[Reply]
    """Every reply so far."""
    _orders: int = FIRST_ORDER

    def order(self, amount: int = 150_000, **changes: Any) -> Order:
        """A fresh order."""
        self._orders += 1
        fields: dict[str, Any] = {
            "bank_order": self._orders,
            "amount": amount,
            "callback_url": CALLBACK,
            "made_at": self.clock.now,
        }
        return Order(**{**fields, **changes})

    async def run(self, flow: Flow[T]) -> T | Lost:
        """The flow's outcome at this bank."""
        return await drive(flow, self._send)

    async def _send(self, call: Call) -> Reply | Lost:
        answer = await self.send(call)
        if isinstance(answer, Reply):
            self.replies.append(answer)
        return answer

    async def start(self, order: Order) -> Redirect:
        """A token; it must be given."""
        redirect = await self.run(self.driver.start(order))
        assert isinstance(redirect, Redirect), redirect
        return redirect

    @property
    def terms(self) -> Terms:
        """The bank's windows."""
        return self.banks.dialects[self.name].terms

    def session(self, redirect: Redirect) -> Session:
        """The bank's own book."""
        session = self.banks.book.find(self.name, redirect.token, self.clock.now)
        assert session is not None
        return session

    def book(self) -> list[dict[str, Any]]:
        """The bank's own book, as its ledger tells it."""
        return self.banks.book.ledger(self.clock.now)

    def all_do(self, mix: str) -> None:
        """What payers do from now on."""
        self.banks.mix = Mix.parse(mix)

    def fault(self, kind: Kind, operation: Operation) -> None:
        """From now on this goes wrong."""
        self.banks.faults.add(
            Fault(driver=self.name, kind=kind, operation=operation), self.clock.now
        )

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        self.banks.faults.clear()


@asynccontextmanager
async def stage(
    name: str,
    way: Way,
    *,
    full: bool = True,
    seed: int = 7,
    switches: Mapping[str, str] = NOTHING,
) -> AsyncIterator[Stage]:
    """A driver at its bank for the length of the block."""
    make = full_drivers if full else plain_drivers
    clock = Clock()
    banks = Banks(
        {name: (contract_of(make()[name]),)},
        seed=seed,
        mix=EVERYBODY_PAYS,
        switches={name: switches},
    )

    def built(
        driver: Driver,
        send: Callable[[Call], Awaitable[Reply | Lost]],
        browse: Callable[[Redirect], Awaitable[Mapping[str, str] | None]],
    ) -> Stage:
        return Stage(
            name=name,
            driver=driver,
            banks=banks,
            clock=clock,
            send=send,
            browse=browse,
            replies=[],
        )

    if way is Way.IN_PROCESS:
        transport = InProcess(banks, wall=clock.wall, sleep=clock.sleep)

        async def send_in_process(call: Call) -> Reply | Lost:
            return await transport.send(name, Operation.START, call, CALL_SECONDS)

        async def browse_in_process(redirect: Redirect) -> Mapping[str, str] | None:
            back = pass_through(banks, redirect, clock.now, referer="https://shop.example/")
            return None if back is None else back.fields

        yield built(make()[name], send_in_process, browse_in_process)
        return

    async with (
        running_simulator(banks, wall=clock.wall, payers=Payers.AUTO) as origin,
        ClientSession() as browser,
    ):
        driver = make(origin)[name]
        client = HttpTransport()
        client.add(name, driver.base_urls, ConnectionSettings())

        async def send_over_http(call: Call) -> Reply | Lost:
            return await client.send(name, Operation.START, call, CALL_SECONDS)

        async def browse_over_http(redirect: Redirect) -> Mapping[str, str] | None:
            return await _visit(browser, redirect)

        try:
            yield built(driver, send_over_http, browse_over_http)
        finally:
            await client.close()


async def _visit(browser: ClientSession, redirect: Redirect) -> Mapping[str, str] | None:
    """What a browser brings back from the bank's page, by redirect or by form."""
    leaves = departure(redirect)
    async with browser.request(
        leaves.method, leaves.url, data=dict(leaves.form) or None, allow_redirects=False
    ) as page:
        if page.status == 302:
            where = page.headers["Location"]
            fields: dict[str, str] = {}
        elif page.status == 200:
            form = _Form()
            form.feed(await page.text())
            if form.action is None:
                return None
            assert form.method == "post"
            where, fields = form.action, form.fields
        else:
            return None
    assert where.startswith(CALLBACK), where
    return dict(parse_qsl(urlsplit(where).query, keep_blank_values=True)) | fields


class _Form(HTMLParser):
    """The first form of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.method = ""
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form" and self.action is None:
            self.action, self.method = attributes["action"], attributes["method"]
        elif tag == "input" and self.action is not None:
            self.fields[attributes["name"]] = attributes["value"]
