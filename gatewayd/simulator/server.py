"""The banks over HTTP: one port, `/<driver>/<path as at the real host>`, faults down to the socket.

It carries out what `host.Banks` decides. The clock comes in as an argument, and so do the lines that
are to be printed.
"""

import asyncio
import gc
import secrets
import signal
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, assert_never

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from aiohttp.web_server import Server
from yarl import URL

from gatewayd.core.hosts import PORT_MAX
from gatewayd.core.terms import Redirect
from gatewayd.gateways.contract import Reply
from gatewayd.simulator.bank import Contract, Request, Session
from gatewayd.simulator.control import PREFIX, control
from gatewayd.simulator.host import Banks, Ending, Exchange, Leaving, Trouble
from gatewayd.simulator.incoming import add_query, departure, read_request
from gatewayd.simulator.latency import Latency
from gatewayd.simulator.pages import auto_post_page, bank_name, message_page, payment_page
from gatewayd.simulator.payers import USUAL_MIX, WRONG_PIN, Decision, Mix, Outcome, Payers

HOLD_SECONDS_MAX: Final = 600.0
"""How long a held connection stays; every client has given up long before."""
DRIP_PIECES: Final = 20
REPEAT_SECONDS: Final = 30.0
"""How long a repeated return may take; a merchant verifies meanwhile."""
REPEATS_MAX: Final = 1000
"""Repeated returns under way; more are not sent."""
STOP_SECONDS: Final = 0.2
"""How long a stopping server waits for what it is answering; held connections never end."""
BACKLOG: Final = 2048
PAYER_PATH: Final = "/payer"
"""Where the payment page's buttons lead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """The page is first asked for at one host and served at another, as real banks do."""

    host: str
    """The host name of the second, such as `localhost`; the port stays."""
    by: Literal["redirect", "form"] = "redirect"


class _Site:
    """Answers requests."""

    def __init__(
        self,
        banks: Banks,
        *,
        payers: Payers,
        wall: Callable[[], float],
        hop: Hop | None,
        warn: Callable[[str], None],
        repeats: asyncio.TaskGroup,
        client: ClientSession,
    ) -> None:
        self._banks = banks
        self._payers = payers
        self._wall = wall
        self._hop = hop
        self._warn = warn
        self._repeats = repeats
        self._client = client
        self._repeating: set[asyncio.Task[None]] = set()
        self._warned: set[str] = set()

    async def handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        """Any request."""
        host = incoming.headers.get("Host", "127.0.0.1")
        if incoming.headers.get("Expect", "").lower() == "100-continue":
            await incoming.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        driver, request = read_request(
            method=incoming.method,
            target=incoming.raw_path,
            origin=f"http://{host}",
            headers={name.lower(): value for name, value in incoming.headers.items()},
            body=await incoming.read() if incoming.body_exists else b"",
        )
        now = self._wall()
        if driver == PREFIX:
            if request.path == PAYER_PATH and request.method == "POST":
                return self._chosen(request, now)
            return _response(control(self._banks, request.method, request.path, request.body, now))
        if driver not in self._banks.dialects:
            known = ", ".join(self._banks.dialects)
            return _text(f"no such bank; there are: {known}\n", status=404)
        exchange = self._banks.answer(driver, request, now)
        if exchange is not None:
            return await _carry_out(incoming, exchange)
        return self._page(driver, request, host, now)

    def _page(self, driver: str, request: Request, host: str, now: float) -> web.Response:
        """What a browser sees that was sent to a bank."""
        banks = self._banks
        if not banks.is_page(driver, request):
            return _html(message_page("404", bank=bank_name(driver)), status=404)
        if request.method not in ("GET", "POST"):
            return _html(message_page("405", bank=bank_name(driver)), status=405)
        name, _, port = host.partition(":")
        if self._hop and name != self._hop.host:
            return _hop(driver, request, f"http://{self._hop.host}:{port}", self._hop)
        by_form = self._hop is not None and self._hop.by == "form"
        opened = banks.open_page(driver, request, now, check_referer=not by_form)
        for warning in banks.warnings.keys() - self._warned:
            self._warned.add(warning)
            self._warn(warning)
        match opened:
            case Trouble(status=status, text=text):
                return _html(message_page(text, bank=bank_name(driver)), status=status)
            case Session():
                if self._payers is Payers.AUTO:
                    return self._left(driver, banks.act(opened, banks.decide(opened), now))
                card = banks.draw_card(opened)
                return _html(payment_page(opened, action=f"/{PREFIX}{PAYER_PATH}", card=card))
            case _:
                assert_never(opened)

    def _chosen(self, request: Request, now: float) -> web.Response:
        """A button of the payment page was pressed."""
        fields = request.form
        driver = fields.get("driver", "")
        session = self._banks.book.find(driver, fields.get("token", ""), now)
        if session is None:
            text = "نشست پرداخت پیدا نشد · No such payment session"
            return _html(message_page(text, bank=bank_name(driver)), status=404)
        try:
            outcome = Outcome(fields.get("choice", ""))
        except ValueError:
            return _html(message_page("?", bank=bank_name(driver)), status=400)
        code = WRONG_PIN if outcome is Outcome.DECLINE else ""
        card = fields.get("card", "").replace(" ", "").replace("-", "")
        good = card.isascii() and card.isdecimal() and len(card) == 16
        decision = Decision(outcome=outcome, code=code)
        leaving = self._banks.act(session, decision, now, card=card if good else None)
        return self._left(driver, leaving)

    def _left(self, driver: str, leaving: Leaving) -> web.Response:
        """How the bank lets the payer go."""
        back = leaving.back
        if back is None:
            text = "پایان · The payer has closed this page"
            return _html(message_page(text, bank=bank_name(driver)))
        if leaving.twice and len(self._repeating) < REPEATS_MAX:
            task = self._repeats.create_task(self._repeat(back), name="repeated return")
            self._repeating.add(task)
            task.add_done_callback(self._repeating.discard)
        if back.method.lower() == "post":
            return _html(auto_post_page(back, bank=bank_name(driver)))
        return web.Response(status=302, headers={"Location": departure(back).url})

    async def _repeat(self, back: Redirect) -> None:
        """Deliver a return once more, without a browser; nobody reads the answer."""
        leaves = departure(back)
        try:
            async with self._client.request(
                leaves.method,
                URL(leaves.url, encoded=True),
                data=leaves.form or None,
                allow_redirects=False,
            ):
                pass
        except (ClientError, TimeoutError, ValueError):
            pass

    def stop(self) -> None:
        """Give up on repeated returns that are still under way."""
        for task in self._repeating:
            task.cancel()


def _hop(driver: str, request: Request, origin: str, hop: Hop) -> web.Response:
    """Send the browser to the same page at the other host, with everything it brought."""
    url = add_query(f"{origin}/{driver}{request.path}", request.query)
    if hop.by == "form":
        method = "post" if request.method == "POST" else "get"
        fields = request.form if method == "post" else request.query
        target = url if method == "post" else f"{origin}/{driver}{request.path}"
        redirect = Redirect(token="", url=target, method=method, fields=fields)
        return _html(auto_post_page(redirect, bank=bank_name(driver)))
    return web.Response(status=302 if request.method == "GET" else 307, headers={"Location": url})


async def _carry_out(incoming: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
    """Answer, wait, hold or cut, as was decided."""
    if exchange.delay_seconds:
        await asyncio.sleep(exchange.delay_seconds)
    match exchange.ending:
        case Ending.ANSWERED:
            assert exchange.reply is not None
            if exchange.drip_seconds:
                return await _drip(incoming, exchange.reply, exchange.drip_seconds)
            return _response(exchange.reply)
        case Ending.REFUSED | Ending.RESET:
            return _cut(incoming, reset=True)
        case Ending.HELD:
            await asyncio.sleep(HOLD_SECONDS_MAX)
            return _cut(incoming)
        case Ending.CUT:
            return _cut(incoming)
        case _:
            assert_never(exchange.ending)


def _cut(incoming: web.BaseRequest, *, reset: bool = False) -> web.StreamResponse:
    """End the connection without an answer; the response that is returned goes nowhere."""
    transport = incoming.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if reset and sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _drip(incoming: web.BaseRequest, reply: Reply, seconds: float) -> web.StreamResponse:
    """The head at once, the body in pieces."""
    response = web.StreamResponse(status=reply.status, headers=dict(reply.headers))
    response.content_length = len(reply.body)
    await response.prepare(incoming)
    size = max(1, -(-len(reply.body) // DRIP_PIECES))
    for start in range(0, len(reply.body), size):
        await asyncio.sleep(seconds / DRIP_PIECES)
        await response.write(reply.body[start : start + size])
    await response.write_eof()
    return response


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=dict(reply.headers))


def _html(page: str, status: int = 200) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(
        text=page, status=status, content_type="text/html", charset="utf-8", headers=headers
    )


def _text(text: str, status: int) -> web.Response:
    return web.Response(text=text, status=status)


@asynccontextmanager
async def running_simulator(
    banks: Banks,
    *,
    wall: Callable[[], float],
    payers: Payers = Payers.PAGE,
    listen: str = "127.0.0.1:0",
    hop: Hop | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[str]:
    """Serve `banks` for the length of the block; gives the address, `http://127.0.0.1:40123`.

    `wall` is the clock, seconds since 1970. `warn` gets each new kind of warning once. ValueError for
    what is no address, OSError if it cannot be had.
    """
    host, port = _host_and_port(listen)
    timeout = ClientTimeout(total=REPEAT_SECONDS)
    failure: BaseException | None = None
    async with ClientSession(timeout=timeout) as client, asyncio.TaskGroup() as repeats:
        site = _Site(
            banks, payers=payers, wall=wall, hop=hop, warn=warn, repeats=repeats, client=client
        )
        server = Server(site.handle, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=STOP_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, host.strip("[]"), port, backlog=BACKLOG).start()
            yield f"http://{host}:{runner.addresses[0][1]}"
        except BaseException as error:  # noqa: BLE001  (raised again below, outside of the group)
            failure = error
        finally:
            site.stop()
            await runner.cleanup()
    if failure is not None:
        raise failure  # as it is: the group would have wrapped it


async def serve_simulator(
    contracts: Mapping[str, tuple[Contract, ...]],
    *,
    wall: Callable[[], float],
    ready: Callable[[str], None],
    listen: str = "127.0.0.1:9100",
    payers: str = "page",
    mix: str = "",
    latency: str = "0",
    time_scale: float = 1.0,
    seed: int | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve the banks until SIGTERM or SIGINT; `ready` gets the one line that says where.

    Without a seed every run has other tokens, as a merchant's journal that outlives a run wants it.
    ValueError for what cannot be understood, OSError if the address cannot be had.
    """
    banks = Banks(
        contracts,
        seed=secrets.randbits(64) if seed is None else seed,
        latency=Latency.parse(latency),
        time_scale=time_scale,
        mix=Mix.parse(mix) if mix else USUAL_MIX,
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gc.callbacks.append(_spare_the_book)
    try:
        async with running_simulator(
            banks, wall=wall, payers=_payers(payers), listen=listen, warn=warn
        ) as base_url:
            ready(f"simulated banks at {base_url}: {', '.join(contracts)}; payers: {payers}")
            await stop.wait()
    finally:
        gc.callbacks.remove(_spare_the_book)
        gc.unfreeze()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _payers(text: str) -> Payers:
    try:
        return Payers(text)
    except ValueError:
        raise ValueError(f"payers: {text!r} is none of {', '.join(Payers)}") from None


def _host_and_port(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > PORT_MAX:
        raise ValueError(f"listen: {listen!r} is not like 127.0.0.1:9100")
    return host, int(port)


def _spare_the_book(phase: str, info: Mapping[str, int]) -> None:
    """What outlived a full collection is the book, which is never garbage: do not look again.

    Otherwise a bank of some hundred thousand sessions would stand still for a quarter of a second.
    """
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()
