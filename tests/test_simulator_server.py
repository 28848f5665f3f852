"""The banks over real HTTP: calls, faults down to the socket, their own addresses, start and stop."""

import asyncio
import errno
import gc
import signal
from io import BytesIO
from typing import Any

import pytest
from aiohttp import (
    ClientConnectionError,
    ClientOSError,
    ClientSession,
    ServerDisconnectedError,
)

from gatewayd.core.terms import Operation
from gatewayd.simulator.bank import State
from gatewayd.simulator.faults import Kind
from gatewayd.simulator.server import running_simulator, serve_simulator
from tests.bank_site import site
from tests.banks import (
    MORNING,
    RECEIPT,
    SAMAN,
    TERMINAL,
    TOKEN,
    VERIFY,
    Clock,
    token_request,
)
from tests.page_reading import read_forms

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
        ({"payers": "robots"}, "payers: 'robots' is none of page, auto"),
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


async def test_a_long_book_is_not_collected_again_and_again() -> None:
    ready: asyncio.Queue[str] = asyncio.Queue()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            serve_simulator(SAMAN, wall=Clock().wall, ready=ready.put_nowait, listen="127.0.0.1:0")
        )
        await ready.get()
        assert 0 == gc.get_freeze_count()
        gc.collect()
        frozen = gc.get_freeze_count()
        signal.raise_signal(signal.SIGTERM)
    assert frozen > 0
    assert 0 == gc.get_freeze_count()
