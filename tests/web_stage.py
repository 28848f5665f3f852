"""The public listener over a real socket, with the real engine, a journal in memory and simulated banks.

The clock is moved by hand, except by what a bank makes a call wait. Everybody pays, unless `mix` or the amount's script
says otherwise.
"""

import asyncio
import random
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, FormData, web
from multidict import CIMultiDictProxy
from yarl import URL

from gatewayd.core.payment import Payment
from gatewayd.core.secret import Secret
from gatewayd.core.settings import (
    EngineSettings,
    ServiceSettings,
    ShopKey,
    ShopSettings,
    WebSettings,
)
from gatewayd.core.terms import Redirect
from gatewayd.engine.engine import Engine
from gatewayd.engine.gateway import GatewaySettings, contracts
from gatewayd.engine.outbox import Outbox, addresses
from gatewayd.engine.reading import MemoryReader
from gatewayd.io.webhook_sender import WebhookSender
from gatewayd.journal.memory import MemoryStore
from gatewayd.journal.store import Append, Holder, Searches
from gatewayd.routing.router import RoutingSettings
from gatewayd.simulator.host import Banks
from gatewayd.simulator.inprocess import InProcess, Return
from gatewayd.simulator.inprocess import play as pass_through
from gatewayd.simulator.payers import Mix
from gatewayd.web.app import build_app
from gatewayd.web.app import runner as public_runner
from gatewayd.web.events import event_renderer
from gatewayd.web.server_log import SERVER_LOG
from tests.page_reading import Form, read_forms
from tests.stage import Clock, plain_drivers

KEY: Final = "gwk_test_demo"
OTHER_KEY: Final = "gwk_test_other"
LIVE_KEY: Final = "gwk_live_abcdefghijklmnopqrstuv"
SECRET: Final = "return-secret"
LINK_KEY: Final = b"0123456789abcdef"
PATIENCE_SECONDS: Final = 30
"""What hangs fails after this long."""
DEMO: Final = ShopSettings(
    name="demo",
    keys=(
        ShopKey(id="k1", secret=Secret(KEY)),
        ShopKey(id="live", secret=Secret(LIVE_KEY)),
    ),
    return_secret=Secret(SECRET),
    return_hosts=("shop.example", "127.0.0.1"),
)
OTHER: Final = ShopSettings(
    name="other",
    keys=(ShopKey(id="k1", secret=Secret(OTHER_KEY)),),
    return_secret=Secret("another"),
    return_hosts=("other.example",),
)
PATIENT: Final = EngineSettings(return_wait_seconds=20.0, ask_before_retry_seconds=20.0)
"""For who gets his answer: on a busy machine, too."""
QUICK: Final = EngineSettings(return_wait_seconds=0.2, ask_before_retry_seconds=0.2)
"""For who waits in vain."""


class Log:
    """Keeps every line."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append(("warning", event, fields))

    def error(self, event: str, **fields: Any) -> None:
        self.lines.append(("error", event, fields))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [fields for _, said, fields in self.lines if said == event]


class Tally:
    """Counts."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def forged(self, kind: str) -> None:
        self.counts[f"forged {kind}"] += 1

    def refused(self, reason: str) -> None:
        self.counts[f"refused: {reason}"] += 1

    def created(self, payment: Payment) -> None:
        self.counts["created"] += 1

    def turned_away(self, why: str) -> None:
        self.counts[f"turned away: {why}"] += 1

    def asked_to_wait(self) -> None:
        self.counts["asked to wait"] += 1


class Disk:
    """Writes to memory; while it is held up nothing lands."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.free = asyncio.Event()
        self.free.set()
        self.waited = asyncio.Event()
        """Something has come while it was held up."""

    async def write(self, appends: Sequence[Append], searches: Searches) -> list[Holder | None]:
        if not self.free.is_set():
            self.waited.set()
            await self.free.wait()
        return self.store.write(appends, searches)


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def location(self) -> URL:
        return URL(self.headers["Location"])

    @property
    def forms(self) -> list[Form]:
        return read_forms(self.text)


@dataclass
class Web:
    """The listener, and a shop, a customer and the banks around it."""

    base: str
    app: web.Application
    engine: Engine
    banks: Banks
    clock: Clock
    disk: Disk
    http: ClientSession
    log: Log
    tally: Tally
    why_not: list[str] = field(default_factory=list)
    """Why new payments are refused just now, if there is anything in it."""
    _orders: int = 0

    async def ask(self, method: str, path: str, **how: Any) -> Answer:
        """Any request; `path` may be a whole address, and is sent as it is."""
        url = path if "://" in path else self.base + path
        async with self.http.request(
            method, URL(url, encoded=True), allow_redirects=False, **how
        ) as reply:
            return Answer(reply.status, reply.headers, await reply.read())

    async def call(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        key: str = KEY,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A call of the shop's API."""
        body = None if document is None else orjson.dumps(document)
        bearer = {"Authorization": f"Bearer {key}"}
        return await self.ask(method, path, data=body, headers={**bearer, **(headers or {})})

    def order(self, **changes: Any) -> dict[str, Any]:
        """The body of a new payment, for a fresh order."""
        self._orders += 1
        plain = {
            "amount": 150_000,
            "order_id": f"order-{self._orders}",
            "return_url": "https://shop.example/done",
        }
        return plain | changes

    async def create(self, **changes: Any) -> dict[str, Any]:
        """A payment; it must be made."""
        answer = await self.call("POST", "/v1/payments", self.order(**changes))
        assert 201 == answer.status, answer.text
        document = answer.json
        assert isinstance(document, dict)
        return document

    async def show(self, payment: Mapping[str, Any], key: str = KEY) -> dict[str, Any]:
        """The payment as its shop sees it now."""
        answer = await self.call("GET", f"/v1/payments/{payment['id']}", key=key)
        assert 200 == answer.status, answer.text
        document = answer.json
        assert isinstance(document, dict)
        return document

    async def submit(self, form: Form, page: str = "", **how: Any) -> Answer:
        """A browser sends a form of ours; `page` is where it stood."""
        url = URL(page or self.base).join(URL(form.action))
        if form.method == "post":
            return await self.ask("POST", str(url), data=FormData(form.fields), **how)
        return await self.ask("GET", str(url.with_query(form.fields)), **how)

    def play(self, form: Form) -> Return:
        """A payer goes to the bank with a hand-over's form, and comes back."""
        handover = Redirect(token="", url=form.action, method=form.method, fields=form.fields)
        back = pass_through(self.banks, handover, self.clock.now, referer=f"{self.base}/")
        assert back is not None
        return back

    async def come_back(self, back: Return, **how: Any) -> Answer:
        """The browser that the bank sent back."""
        if back.method.lower() == "post":
            return await self.ask("POST", back.url, data=FormData(dict(back.fields)), **how)
        return await self.ask("GET", back.url, **how)

    async def hand_over(self, payment: Mapping[str, Any]) -> Form:
        """The first form of the payment's page."""
        page = await self.ask("GET", payment["pay_url"])
        assert 200 == page.status, page.text
        return page.forms[0]

    async def pay(self, payment: Mapping[str, Any]) -> Answer:
        """A customer pays; what he is answered when he comes back from the bank."""
        return await self.come_back(self.play(await self.hand_over(payment)))

    def all_do(self, mix: str) -> None:
        """What payers do from now on."""
        self.banks.mix = Mix.parse(mix)


def all_gateways(origin: str | None = None) -> tuple[GatewaySettings, ...]:
    """One of each driver, for test keys."""
    drivers = plain_drivers(origin) if origin else plain_drivers()
    return tuple(
        GatewaySettings(name=name, driver=driver, test=True) for name, driver in drivers.items()
    )


@asynccontextmanager
async def web_stage(
    *,
    mix: str = "paid",
    gateways: tuple[GatewaySettings, ...] | None = None,
    only: Sequence[str] = (),
    shops: tuple[ShopSettings, ...] = (DEMO, OTHER),
    engine: EngineSettings = PATIENT,
    limits: WebSettings = WebSettings(),  # noqa: B008  # frozen
    seed: int = 7,
    banks: Banks | None = None,
    clock: Clock | None = None,
    store: MemoryStore | None = None,
    make_salt: Callable[[int], bytes] = bytes,
    **service: Any,
) -> AsyncIterator[Web]:
    """A listener for the length of the block. `only` picks gateways by name; banks, clock and store may be there."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    chosen = tuple(each for each in gateways or all_gateways() if not only or each.name in only)
    clock, log, tally, disk = clock or Clock(), Log(), Tally(), Disk(store or MemoryStore())
    if banks is None:
        banks = Banks(contracts(chosen), seed=seed, mix=Mix.parse(mix))
    plain: dict[str, Any] = {"public_url": base, "shops": shops, "engine": engine, "web": limits}
    settings = ServiceSettings(**plain | service)
    reader = MemoryReader(disk.store)
    why_not: list[str] = []
    made = Engine(
        service=settings,
        gateways=chosen,
        routing=RoutingSettings(),
        write=disk.write,
        read_rows=reader.rows,
        transport=InProcess(banks, wall=clock.wall, sleep=clock.sleep),
        clock=_Ticking(clock),
        rng=random.Random(seed),
        make_salt=make_salt,
        link_key=LINK_KEY,
        log=log,
        last_number=disk.store.last_number(),
    )
    receivers = addresses(settings.shops)
    sender = WebhookSender(receivers, timeout_seconds=2.0, sending_max=8, wall=clock.wall)
    if receivers:
        made.deliver_by(
            Outbox(
                addresses=receivers,
                stored=disk.store.take_receivers(each.name for each in receivers),
                settings=settings.webhooks,
                notices=reader.notices,
                read_rows=reader.rows,
                render=event_renderer(made.links),
                sender=sender,
                pump=made.pump,
                now_ms=made.deadlines.now_ms,
                wall=time.time,  # noqa: TID251  # receivers compare it with their own clocks
                rng=random.Random(seed),
                log=log,
            )
        )
    app = build_app(
        engine=made,
        past=reader,
        tally=tally,
        why_not=lambda: why_not[0] if why_not else None,
    )
    failure: BaseException | None = None
    runner = public_runner(app, logger=SERVER_LOG, access_log=None, shutdown_timeout=0.1)
    async with (
        asyncio.TaskGroup() as tasks,
        ClientSession(
            cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=PATIENCE_SECONDS)
        ) as http,
    ):
        running = tasks.create_task(made.run())
        await runner.setup()
        await web.SockSite(runner, listening).start()
        try:
            yield Web(base, app, made, banks, clock, disk, http, log, tally, why_not)
        except BaseException as error:  # noqa: BLE001  # raised again below, outside of the group
            failure = error
        finally:
            disk.free.set()
            await runner.cleanup()
            made.stop()
            await running
            await sender.close()
    if failure is not None:
        raise failure


class _Ticking:
    """Both clocks stand where the stage's stands."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def wall(self) -> float:
        return self._clock.now

    def monotonic(self) -> float:
        return self._clock.now


def renamed(gateway: GatewaySettings, **changes: Any) -> GatewaySettings:
    """A gateway with changed settings."""
    return replace(gateway, **changes)
