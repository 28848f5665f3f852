"""The banks over real HTTP: calls, faults down to the socket, pages with and without people."""

import asyncio
import errno
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pytest
from aiohttp import (
    ClientConnectionError,
    ClientOSError,
    ClientSession,
    ClientTimeout,
    FormData,
    ServerDisconnectedError,
    web,
)

from gatewayd.core.terms import Operation
from gatewayd.simulator import server
from gatewayd.simulator.bank import Session, State
from gatewayd.simulator.faults import Fault, Kind
from gatewayd.simulator.host import Banks
from gatewayd.simulator.incoming import read_fields
from gatewayd.simulator.payers import EVERYBODY_PAYS, Mix, Payers
from gatewayd.simulator.server import Hop, running_simulator, serve_simulator
from tests.banks import (
    CONTRACTS,
    MORNING,
    PAGE,
    RECEIPT,
    SAMAN,
    TERMINAL,
    TOKEN,
    VERIFY,
    Clock,
    token_request,
)
from tests.page_reading import Form, read_forms


@dataclass
class Site:
    """A running simulator, and a merchant and a browser in one."""

    base: str
    banks: Banks
    clock: Clock
    http: ClientSession
    warned: list[str] = field(default_factory=list)

    async def ask(self, path: str, document: object) -> dict[str, Any]:
        async with self.http.post(f"{self.base}/saman{path}", json=document) as reply:
            assert 200 == reply.status
            answer = await reply.json()
        assert isinstance(answer, dict)
        return answer

    async def start(self, amount: int = 150_000, **changes: Any) -> Session:
        answer = await self.ask(TOKEN, token_request(Amount=amount, **changes))
        session = self.banks.book.find("saman", answer["token"], self.clock.now)
        assert session is not None
        return session

    async def verify(self, session: Session) -> dict[str, Any]:
        document = {"RefNum": session.ref_num, "TerminalNumber": TERMINAL}
        return await self.ask(VERIFY, document)

    async def page(self, session: Session, **fields: str) -> tuple[int, str]:
        """What the browser sees that was handed over to the bank."""
        return await self.submit(
            Form("post", f"{self.base}/saman{PAGE}", {"Token": session.token, **fields})
        )

    async def submit(self, form: Form, button: tuple[str, str] = ("", "")) -> tuple[int, str]:
        url = form.action if "://" in form.action else self.base + form.action
        data = dict(form.fields)
        if button[0]:
            data[button[0]] = button[1]
        async with self.http.request(
            form.method, url, data=FormData(data), allow_redirects=False
        ) as reply:
            location = reply.headers.get("Location", "")
            return reply.status, location or await reply.text()

    def fault(self, kind: Kind, **changes: Any) -> None:
        self.banks.faults.add(Fault(driver="saman", kind=kind, **changes), self.clock.now)


@asynccontextmanager
async def site(
    contracts: Mapping[str, tuple[Mapping[str, str], ...]] = SAMAN,
    *,
    payers: Payers = Payers.AUTO,
    mix: Mix = EVERYBODY_PAYS,
    hop: Hop | None = None,
    **settings: Any,
) -> AsyncIterator[Site]:
    banks, clock = Banks(contracts, seed=7, mix=mix, **settings), Clock()
    warned: list[str] = []
    async with (
        running_simulator(
            banks, wall=clock.wall, payers=payers, hop=hop, warn=warned.append
        ) as base,
        ClientSession(timeout=ClientTimeout(total=30)) as http,
    ):
        yield Site(base, banks, clock, http, warned)


# --- merchants


async def test_a_payment_goes_all_the_way_over_http() -> None:
    async with site() as bank:
        session = await bank.start()
        status, page = await bank.page(session)
        (form,) = read_forms(page)
        assert (200, "post", session.callback_url) == (status, form.method, form.action)
        assert ("OK", session.ref_num) == (form.fields["State"], form.fields["RefNum"])
        assert (await bank.verify(session))["Success"] is True
        async with bank.http.get(f"{bank.base}/_simulator/ledger") as reply:
            assert [
                {
                    "driver": "saman",
                    "terminal": str(TERMINAL),
                    "token": session.token,
                    "order": 100000042,
                    "amount": 150_000,
                    "state": "verified",
                    "verified": True,
                    "reversed": False,
                    "refunded": 0,
                    "created_at": MORNING,
                }
            ] == await reply.json()


async def test_what_is_nowhere_is_404() -> None:
    async with site() as bank:
        for path in ("/", "/melli/pay", "/saman", "/saman/nowhere", "/_simulator", "/_simulator/x"):
            async with bank.http.get(bank.base + path) as reply:
                assert (path, 404) == (path, reply.status)


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_a_page_starts_nothing_for_other_methods(method: str) -> None:
    async with site() as bank:
        session = await bank.start()
        url = f"{bank.base}/saman/OnlinePG/SendToken?token={session.token}"
        async with bank.http.request(method, url) as reply:
            assert 405 == reply.status
        assert State.CREATED is session.state


async def test_a_client_that_waits_for_a_continue_gets_it() -> None:
    async with (
        site() as bank,
        bank.http.post(f"{bank.base}/saman{TOKEN}", json=token_request(), expect100=True) as reply,
    ):
        assert 1 == (await reply.json())["status"]


async def test_a_body_without_end_is_refused() -> None:
    async with (
        site() as bank,
        bank.http.post(f"{bank.base}/saman{TOKEN}", data=BytesIO(bytes(1_100_000))) as reply,
    ):
        assert 413 == reply.status


# --- faults at the socket


@pytest.mark.parametrize("kind", [Kind.REFUSE, Kind.RESET_AFTER_SEND])
async def test_a_reset_is_a_reset_and_nothing_has_happened(kind: Kind) -> None:
    async with site() as bank:
        bank.fault(kind)
        with pytest.raises(ClientOSError) as caught:
            await bank.ask(TOKEN, token_request())
        assert errno.ECONNRESET == caught.value.errno
        assert [] == bank.banks.book.ledger(MORNING)


async def test_a_cut_comes_after_the_effect() -> None:
    async with site() as bank:
        bank.fault(Kind.DROP_REPLY)
        with pytest.raises(ServerDisconnectedError):
            await bank.ask(TOKEN, token_request())
        assert 1 == len(bank.banks.book.ledger(MORNING))


async def test_a_held_call_holds_nobody_else_and_no_stop() -> None:
    async with site() as bank:
        bank.fault(Kind.HANG, operation=Operation.VERIFY)
        async with asyncio.TaskGroup() as tasks:
            held = tasks.create_task(bank.ask(VERIFY, {}))
            for _ in range(5):
                await bank.start()
            assert not held.done()
            held.cancel()
        bank.fault(Kind.HANG, operation=Operation.INQUIRE)
        left = asyncio.ensure_future(bank.ask(RECEIPT, {}))  # noqa: TID251  (outlives the bank)
        await bank.start()
    with pytest.raises(ClientConnectionError):
        await left


async def test_a_dripping_answer_is_whole_in_the_end() -> None:
    async with site() as bank:
        bank.fault(Kind.SLOW_DRIP, value=0.001)
        assert 1 == (await bank.ask(TOKEN, token_request()))["status"]
        bank.banks.faults.clear()
        bank.fault(Kind.SLOW, value=0.001)
        assert 1 == (await bank.ask(TOKEN, token_request()))["status"]


async def test_a_server_error_is_a_page() -> None:
    async with site() as bank:
        bank.fault(Kind.ERROR500)
        async with bank.http.post(f"{bank.base}/saman{TOKEN}", json=token_request()) as reply:
            assert (500, "text/html") == (reply.status, reply.content_type)


# --- payers


async def test_a_bank_that_returns_by_get_redirects() -> None:
    async with site() as bank:
        session = await bank.start()
        status, location = await bank.page(session, GetMethod="true")
        assert 302 == status
        url, _, query = location.partition("?")
        assert "https://shop.example/return/7" == url
        fields = read_fields(query)
        assert ("fa", "OK", session.ref_num) == (
            fields["lang"],
            fields["State"],
            fields["RefNum"],
        )


async def test_who_leaves_sees_a_page_without_a_way_on() -> None:
    async with site(mix=Mix.parse("leave")) as bank:
        status, page = await bank.page(await bank.start())
        assert (200, []) == (status, read_forms(page))


@pytest.mark.parametrize(
    ("token", "status"), [("", 404), ("ffffffffffffffffffffffffffffffff", 404)]
)
async def test_an_unknown_token_leads_nowhere(token: str, status: int) -> None:
    async with site() as bank:
        form = Form("post", f"{bank.base}/saman{PAGE}", {"Token": token})
        answered, page = await bank.submit(form)
        assert (status, []) == (answered, read_forms(page))


async def test_a_second_visit_of_a_pretend_payer_finds_the_session_over() -> None:
    async with site() as bank:
        session = await bank.start()
        await bank.page(session)
        status, page = await bank.page(session)
        assert (410, []) == (status, read_forms(page))


@pytest.mark.parametrize(
    ("choice", "state", "word"),
    [
        ("paid", State.PAID, "OK"),
        ("decline", State.DECLINED, "Failed"),
        ("cancel", State.CANCELLED, "CanceledByUser"),
    ],
)
async def test_a_person_presses_a_button(choice: str, state: State, word: str) -> None:
    async with site(payers=Payers.PAGE) as bank:
        session = await bank.start()
        status, page = await bank.page(session)
        (form,) = read_forms(page)
        assert (200, State.WITH_PAYER) == (status, session.state)
        status, page = await bank.submit(form, ("choice", choice))
        (back,) = read_forms(page)
        assert (state, session.callback_url, word) == (
            session.state,
            back.action,
            back.fields["State"],
        )
        again, page = await bank.submit(form, ("choice", "paid"))
        assert (200, back.fields) == (again, read_forms(page)[0].fields)


async def test_a_person_closes_the_tab_and_may_open_it_again() -> None:
    async with site(payers=Payers.PAGE) as bank:
        session = await bank.start()
        (form,) = read_forms((await bank.page(session))[1])
        status, page = await bank.submit(form, ("choice", "leave"))
        assert (200, [], State.WITH_PAYER) == (status, read_forms(page), session.state)
        status, page = await bank.page(session)
        assert (200, 1) == (status, len(read_forms(page)))


@pytest.mark.parametrize(
    ("typed", "masked"),
    [
        ("6219861034529007", "621986******9007"),
        ("6219 8610 3452-9007", "621986******9007"),
        ("12345", None),
        ("۶۲۱۹۸۶۱۰۳۴۵۲۹۰۰۷", None),
        ("", None),
    ],
)
async def test_a_person_may_type_a_card(typed: str, masked: str | None) -> None:
    async with site(payers=Payers.PAGE) as bank:
        session = await bank.start()
        (form,) = read_forms((await bank.page(session))[1])
        form.fields["card"] = typed
        (back,) = read_forms((await bank.submit(form, ("choice", "paid")))[1])
        assert (masked == back.fields["SecurePan"]) == (masked is not None)
        assert session.card.isascii()
        assert 16 == len(session.card)


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"token": "x"}, 404), ({"driver": "melli"}, 404), ({"choice": "explode"}, 400), ({}, 400)],
)
async def test_a_button_that_makes_no_sense_does_nothing(
    changes: dict[str, str], status: int
) -> None:
    async with site(payers=Payers.PAGE) as bank:
        session = await bank.start()
        (form,) = read_forms((await bank.page(session))[1])
        form.fields.update(changes)
        answered, page = await bank.submit(form)
        assert (status, []) == (answered, read_forms(page))
        assert State.WITH_PAYER is session.state


async def test_a_missing_referer_is_warned_of_once() -> None:
    async with site({"mellat": CONTRACTS["mellat"]}) as bank:
        for number in range(3):
            session = bank.banks.book.open(
                Session(
                    driver="mellat",
                    terminal="7654321",
                    token=f"T{number}",
                    order=str(number),
                    amount=150_000,
                    callback_url="https://shop.example/",
                    created_at=MORNING,
                )
            )
            page = f"{bank.base}/mellat/pgwchannel/startpay.mellat"
            await bank.submit(Form("post", page, {"RefId": session.token}))
        warning = "mellat: a payer came with no Referer; the real bank may refuse"
        assert [warning] == bank.warned


# --- a return delivered twice


@dataclass
class Merchant:
    """Where returns arrive."""

    url: str = ""
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def merchant() -> AsyncIterator[Merchant]:
    shop = Merchant()

    async def handle(request: web.BaseRequest) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        shop.seen.append((request.method, request.rel_url.raw_query_string, form))
        shop.arrived.set()
        return web.Response(status=303, headers={"Location": "/nowhere"})

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        shop.url = f"http://127.0.0.1:{runner.addresses[0][1]}/return/7?lang=fa"
        yield shop
    finally:
        await runner.cleanup()


async def test_104_is_delivered_by_the_bank_itself_too() -> None:
    async with merchant() as shop, site() as bank:
        session = await bank.start(150_104, RedirectUrl=shop.url)
        (form,) = read_forms((await bank.page(session))[1])
        await shop.arrived.wait()
        assert [("POST", "lang=fa", form.fields)] == shop.seen
        await bank.submit(form)
        assert [("POST", "lang=fa", form.fields)] * 2 == shop.seen


async def test_104_by_get_is_delivered_by_get() -> None:
    async with merchant() as shop, site() as bank:
        session = await bank.start(150_104, RedirectUrl=shop.url)
        _, location = await bank.page(session, GetMethod="true")
        await shop.arrived.wait()
        assert [("GET", location.partition("?")[2], {})] == shop.seen


async def test_a_merchant_that_is_away_is_no_trouble_for_the_bank() -> None:
    async with site() as bank:
        session = await bank.start(150_104, RedirectUrl="http://127.0.0.1:1/")
        status, _ = await bank.page(session)
        assert (200, State.PAID) == (status, session.state)


# --- a page behind a hop


@pytest.mark.parametrize("by_link", [False, True])
async def test_a_redirect_brings_everything_to_the_other_host(*, by_link: bool) -> None:
    async with site(payers=Payers.PAGE, hop=Hop(host="localhost")) as bank:
        session = await bank.start()
        there = bank.base.replace("127.0.0.1", "localhost") + "/saman"
        if by_link:
            path = f"/OnlinePG/SendToken?token={session.token}"
            status, location = await bank.submit(Form("get", f"{bank.base}/saman{path}"))
            assert (302, there + path) == (status, location)
        else:
            status, location = await bank.page(session)
            assert (307, there + PAGE) == (status, location)
        assert State.CREATED is session.state
        method = "get" if by_link else "post"
        status, page = await bank.submit(Form(method, location, {"Token": session.token}))
        assert (200, 1, State.WITH_PAYER) == (status, len(read_forms(page)), session.state)


@pytest.mark.parametrize("by_link", [False, True])
async def test_a_form_brings_everything_to_the_other_host(*, by_link: bool) -> None:
    async with site(payers=Payers.PAGE, hop=Hop(host="localhost", by="form")) as bank:
        session = await bank.start()
        there = bank.base.replace("127.0.0.1", "localhost") + "/saman"
        if by_link:
            path = f"/OnlinePG/SendToken?token={session.token}"
            _, page = await bank.submit(Form("get", f"{bank.base}/saman{path}"))
            expected = Form("get", f"{there}/OnlinePG/SendToken", {"token": session.token})
        else:
            _, page = await bank.page(session, GetMethod="true")
            fields = {"Token": session.token, "GetMethod": "true"}
            expected = Form("post", there + PAGE, fields)
        (form,) = read_forms(page)
        assert expected == Form(form.method, form.action, form.fields)
        assert State.CREATED is session.state


# --- the simulator's own addresses


async def test_contracts_are_shown() -> None:
    async with site() as bank, bank.http.get(f"{bank.base}/_simulator/contracts") as reply:
        assert {"saman": [{"terminal_id": "13579246"}]} == await reply.json()


async def test_faults_are_ordered_listed_and_taken_back() -> None:
    async with site() as bank:
        faults = f"{bank.base}/_simulator/faults"
        order = {
            "driver": "saman",
            "kind": "error500",
            "operation": "start",
            "probability": 1,
            "seconds": 60,
        }
        async with bank.http.post(faults, json=order) as reply:
            assert 201 == reply.status
            made = await reply.json()
        assert {**order, "value": None, "seconds_left": 60} == made
        async with bank.http.get(faults) as reply:
            assert [made] == await reply.json()
        async with bank.http.post(f"{bank.base}/saman{TOKEN}", json=token_request()) as reply:
            assert 500 == reply.status
        async with bank.http.delete(faults) as reply:
            assert 204 == reply.status
        async with bank.http.get(faults) as reply:
            assert [] == await reply.json()
        await bank.start()


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", ""),
        (b"[]", ""),
        (b"{}", "driver"),
        (b'{"driver":"saman","kind":"explode"}', "kind"),
        (b'{"driver":"melli","kind":"hang"}', "driver"),
        (b'{"driver":"*","kind":"hang","probability":2}', "probability"),
        (b'{"driver":"*","kind":"hang","seconds":"soon"}', "seconds"),
    ],
)
async def test_a_bad_fault_is_400_and_names_the_field(body: bytes, named: str) -> None:
    async with (
        site() as bank,
        bank.http.post(f"{bank.base}/_simulator/faults", data=body) as reply,
    ):
        assert (400, "application/json") == (reply.status, reply.content_type)
        complaint = await reply.json()
        assert named == complaint["field"]
        assert named in complaint["error"]
        assert [] == bank.banks.faults.listed(MORNING)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/ledger"), ("DELETE", "/contracts"), ("PUT", "/faults")],
)
async def test_other_methods_are_405(method: str, path: str) -> None:
    async with site() as bank, bank.http.request(method, f"{bank.base}/_simulator{path}") as reply:
        assert (405, True) == (reply.status, "only" in (await reply.json())["error"])


# --- starting and stopping


async def test_what_goes_wrong_inside_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with site():
            raise ZeroDivisionError


async def test_a_taken_address_is_an_error() -> None:
    async with site() as bank:
        listen = bank.base.removeprefix("http://")
        with pytest.raises(OSError, match="address already in use"):
            async with running_simulator(bank.banks, wall=bank.clock.wall, listen=listen):
                pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_program_says_one_line_and_runs_until_it_is_told(number: int) -> None:
    lines: list[str] = []
    ready: asyncio.Queue[str] = asyncio.Queue()

    def say(line: str) -> None:
        lines.append(line)
        ready.put_nowait(line)

    async with asyncio.TaskGroup() as tasks, ClientSession() as http:
        tasks.create_task(
            serve_simulator(
                SAMAN,
                wall=Clock().wall,
                ready=say,
                listen="127.0.0.1:0",
                payers="auto",
                mix="paid",
                latency="0-1ms",
                time_scale=60,
            )
        )
        line = await ready.get()
        base = next(word for word in line.split() if word.startswith("http")).rstrip(":;")
        async with http.get(f"{base}/_simulator/contracts") as reply:
            assert {"saman"} == (await reply.json()).keys()
        signal.raise_signal(number)
    assert [line] == lines


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"mix": "payed"}, "mix: 'payed'"),
        ({"latency": "fast"}, "latency: 'fast'"),
        ({"payers": "robots"}, "'robots' is not a valid Payers"),
        ({"time_scale": 0}, "time scale"),
    ],
)
async def test_a_setting_that_makes_no_sense_is_named(
    settings: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        await serve_simulator(SAMAN, wall=Clock().wall, ready=print, listen=":0", **settings)


async def test_without_a_seed_every_run_has_other_tokens() -> None:
    tokens = set()
    for _ in range(2):
        ready: asyncio.Queue[str] = asyncio.Queue()
        async with asyncio.TaskGroup() as tasks, ClientSession() as http:
            tasks.create_task(
                serve_simulator(
                    SAMAN, wall=Clock().wall, ready=ready.put_nowait, listen="127.0.0.1:0"
                )
            )
            base = (await ready.get()).split()[3].rstrip(":;")
            async with http.post(f"{base}/saman{TOKEN}", json=token_request()) as reply:
                tokens.add((await reply.json())["token"])
            signal.raise_signal(signal.SIGTERM)
    assert 2 == len(tokens)


async def test_too_many_repeats_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REPEATS_MAX", 0)
    async with merchant() as shop, site() as bank:
        session = await bank.start(150_104, RedirectUrl=shop.url)
        (form,) = read_forms((await bank.page(session))[1])
        await bank.submit(form)
        assert 1 == len(shop.seen)
