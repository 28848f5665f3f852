"""When there is too much of something: new payments wait first, customers on their way back last."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from gatewayd.core.settings import OverloadSettings, WebSettings
from gatewayd.web.addresses import Addresses
from gatewayd.web.admission import DISK_SLOW
from gatewayd.web.load import Load
from gatewayd.web.ports import ADMISSION, LOAD
from gatewayd.web.server_log import SERVER_LOG
from tests.test_pay_pages import is_page
from tests.web_stage import PATIENCE_SECONDS, Answer, Web, web_stage

BOTH_LOOPS = True
FEW = WebSettings(connections_per_address_max=2)


@asynccontextmanager
async def held_up(
    web: Web, *requests: Awaitable[Answer]
) -> AsyncIterator[list["asyncio.Task[Answer]"]]:
    """These requests are in flight inside the block: each creates something, and the disk stands still."""

    async def answer(request: Awaitable[Answer]) -> Answer:
        return await request

    web.disk.free.clear()
    async with asyncio.TaskGroup() as tasks:
        under_way = [tasks.create_task(answer(request)) for request in requests]
        load = web.app[LOAD]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while load.in_flight < len(requests):  # noqa: ASYNC110  # nothing tells of an arrival
                await asyncio.sleep(0)
        try:
            yield under_way
        finally:
            web.disk.free.set()
    assert 0 == web.app[LOAD].in_flight


# --- per client


async def test_a_client_may_have_so_many_requests_in_flight_and_no_more() -> None:
    async with web_stage(limits=FEW) as web:
        creates = [web.call("POST", "/v1/payments", web.order()) for _ in range(2)]
        async with held_up(web, *creates) as under_way:
            refused = await web.call("GET", "/v1/gateways")
            assert (429, "too_many_requests", "1") == (
                refused.status,
                refused.json["code"],
                refused.headers["Retry-After"],
            )
        assert [201, 201] == [task.result().status for task in under_way]
        assert 200 == (await web.call("GET", "/v1/gateways")).status


async def test_a_customer_beyond_the_limit_gets_a_page_and_loses_nothing() -> None:
    async with web_stage(limits=FEW) as web:
        payment = await web.create()
        back = web.play(await web.hand_over(payment))
        creates = [web.call("POST", "/v1/payments", web.order()) for _ in range(2)]
        async with held_up(web, *creates):
            is_page(await web.ask("GET", payment["pay_url"]), 429, "چند لحظه صبر کنید")
            page = await web.come_back(back)
            is_page(page, 429, "پاسخ بانک رسیده است")
            assert dict(back.fields) == page.forms[0].fields
        paid = await web.submit(page.forms[0])
        assert (303, "paid") == (paid.status, paid.location.query["status"])


async def test_behind_a_trusted_proxy_each_client_counts_for_himself() -> None:
    async with web_stage(limits=FEW, trusted_proxies=("127.0.0.1",)) as web:

        def create(client: str) -> Awaitable[Answer]:
            headers = {"X-Forwarded-For": f"203.0.113.9, {client}"}
            return web.call("POST", "/v1/payments", web.order(), headers=headers)

        async def status(headers: dict[str, str]) -> int:
            return (await web.call("GET", "/v1/gateways", headers=headers)).status

        async with held_up(web, *(create("198.51.100.7") for _ in range(2))):
            assert 429 == await status({"X-Forwarded-For": "198.51.100.7"})
            assert 429 == await status({"X-Forwarded-For": "10.0.0.1, 198.51.100.7"})
            assert 200 == await status({"X-Forwarded-For": "198.51.100.7, 198.51.100.8"})
            assert 200 == await status({})


async def test_a_trusted_proxy_itself_is_not_limited() -> None:
    async with web_stage(limits=FEW, trusted_proxies=("127.0.0.0/8",)) as web:
        creates = [web.call("POST", "/v1/payments", web.order()) for _ in range(5)]
        async with held_up(web, *creates) as under_way:
            assert 200 == (await web.call("GET", "/v1/gateways")).status
        assert [201] * 5 == [task.result().status for task in under_way]


async def test_a_second_line_of_the_header_is_the_proxys_word() -> None:
    """Some proxies add a line of their own below the client's; `ClientSession` sends both as they stand here."""
    async with web_stage(limits=FEW, trusted_proxies=("127.0.0.1",)) as web:
        lines = [("X-Forwarded-For", "203.0.113.1"), ("X-Forwarded-For", "198.51.100.7")]
        bearer = ("Authorization", "Bearer gwk_test_demo")

        def create() -> Awaitable[Answer]:
            return web.call(
                "POST", "/v1/payments", web.order(), headers={"X-Forwarded-For": "198.51.100.7"}
            )

        async with held_up(web, create(), create()):
            assert 429 == (await web.ask("GET", "/v1/gateways", headers=[bearer, *lines])).status


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40))
def test_what_is_counted_in_is_counted_out(steps: list[tuple[str, bool]]) -> None:
    load = Load(FEW, Addresses(()))
    inside = {"a": 0, "b": 0, "c": 0}
    for client, comes in steps:
        if comes:
            assert (inside[client] < 2) == load.enter(client)
            inside[client] = min(2, inside[client] + 1)
        elif inside[client]:
            load.leave(client)
            inside[client] -= 1
        assert sum(inside.values()) == load.in_flight
    for client, count in inside.items():
        for _ in range(count):
            load.leave(client)
    assert (0, {}) == (load.in_flight, dict(load._of_client))


# --- altogether


async def test_with_too_much_in_flight_new_payments_wait_and_all_else_goes_on() -> None:
    async with web_stage(limits=WebSettings(requests_in_flight_max=2)) as web:
        payment = await web.create()
        form = await web.hand_over(payment)
        creates = [web.call("POST", "/v1/payments", web.order()) for _ in range(2)]
        async with held_up(web, *creates) as under_way:
            refused = await web.call("POST", "/v1/payments", web.order())
            assert (503, "overloaded") == (refused.status, refused.json["code"])
            assert 5 <= int(refused.headers["Retry-After"]) <= 10
            assert "too many requests in flight" in refused.json["detail"]
            assert 200 == (await web.ask("GET", "/livez")).status
        assert [201, 201] == [task.result().status for task in under_way]
        assert {"created": 3, "refused: too many requests in flight": 1} == web.tally.counts
        paid = await web.come_back(web.play(form))
        assert "paid" == paid.location.query["status"]


@pytest.mark.parametrize("reason", ["disk nearly full", "stopping", "journal behind"])
async def test_while_new_payments_are_refused_old_ones_are_paid(reason: str) -> None:
    async with web_stage() as web:
        payment = await web.create()
        web.why_not.append(reason)
        refused = await web.call("POST", "/v1/payments", web.order())
        assert (503, "overloaded") == (refused.status, refused.json["code"])
        assert reason in refused.json["detail"]
        assert 1 == web.tally.counts[f"refused: {reason}"]
        paid = await web.pay(payment)
        assert "paid" == paid.location.query["status"]


async def test_a_stranger_learns_nothing_of_how_full_it_is() -> None:
    async with web_stage() as web:
        web.why_not.append("disk nearly full")
        refused = await web.call("POST", "/v1/payments", web.order(), key="gwk_test_wrong")
        assert (401, False) == (refused.status, "disk" in refused.text)


# --- too much at once

SHUT = OverloadSettings(wait_seconds=0.01)


def shut(web: Web) -> None:
    """From here on there is room for nobody who may wait."""
    web.app[ADMISSION].limit = 0.0


async def test_under_load_new_payments_are_refused_and_readyz_says_so_for_a_while() -> None:
    async with web_stage(overload=SHUT) as web:
        shut(web)
        refused = await web.call("POST", "/v1/payments", web.order())
        assert (503, "overloaded") == (refused.status, refused.json["code"])
        assert 5 <= int(refused.headers["Retry-After"]) <= 10
        ready = await web.ask("GET", "/readyz")
        assert (503, "overloaded") == (ready.status, ready.json["checks"]["accepting"])
        web.clock.now += SHUT.calm_seconds
        assert 200 == (await web.ask("GET", "/readyz")).status


async def test_while_a_commit_takes_too_long_readyz_says_so_before_anybody_is_refused() -> None:
    async with web_stage() as web:
        assert 200 == (await web.ask("GET", "/readyz")).status
        async with held_up(web, web.call("POST", "/v1/payments", web.order())):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (ready := await web.ask("GET", "/readyz")).status == 200:
                    web.clock.now += OverloadSettings().commit_seconds
            assert (503, DISK_SLOW) == (ready.status, ready.json["checks"]["accepting"])


async def test_under_load_who_comes_to_pay_gets_a_page_that_comes_back_by_itself() -> None:
    async with web_stage(overload=SHUT) as web:
        payment = await web.create()
        web.app[ADMISSION].limit, limit = 0.0, web.app[ADMISSION].limit
        page = await web.ask("GET", payment["pay_url"])
        is_page(page, 503, "چند لحظه در صف بمانید", comes_back=True)
        seconds = int(page.headers["Retry-After"])
        assert 5 <= seconds <= 10
        assert f'<meta http-equiv="refresh" content="{seconds}">' in page.text
        english = await web.ask("GET", payment["pay_url"], headers={"Accept-Language": "en"})
        assert "goes on by itself" in english.text
        assert 2 == web.tally.counts["asked to wait"]
        assert "pending" == (await web.show(payment))["status"]
        web.app[ADMISSION].limit = limit
        assert "paid" == (await web.pay(payment)).location.query["status"]


async def test_under_load_who_is_on_the_way_is_served_whatever_he_asks() -> None:
    """Coming back from a bank, reloading the hand-over page, asking for a payment, cancelling it."""
    async with web_stage(overload=SHUT) as web:
        payment, other = await web.create(), await web.create()
        back = web.play(await web.hand_over(payment))
        shut(web)
        assert 200 == (await web.ask("GET", payment["pay_url"])).status
        assert "paid" == (await web.come_back(back)).location.query["status"]
        assert "paid" == (await web.show(payment))["status"]
        headers = {"Idempotency-Key": "1"}
        cancel = await web.call("POST", f"/v1/payments/{other['id']}/cancel", headers=headers)
        assert (200, "cancelled") == (cancel.status, cancel.json["status"])


async def test_a_customer_whose_payment_is_over_does_not_wait_in_the_queue() -> None:
    async with web_stage(overload=SHUT) as web:
        payment = await web.create()
        headers = {"Idempotency-Key": "1"}
        await web.call("POST", f"/v1/payments/{payment['id']}/cancel", headers=headers)
        shut(web)
        assert 303 == (await web.ask("GET", payment["pay_url"])).status


async def test_a_burst_waits_for_its_turn_and_nobody_of_it_is_refused() -> None:
    async with web_stage(overload=OverloadSettings(wait_seconds=PATIENCE_SECONDS)) as web:
        web.app[ADMISSION].limit = 2.0
        async with asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(web.create()) for _ in range(12)]
        assert 12 == len({task.result()["id"] for task in made})


# --- slow clients

HEAD = b"POST %b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer gwk_test_demo\r\nContent-Length: 9\r\n\r\n"


async def test_a_body_that_does_not_come_ends_a_call_of_a_shop() -> None:
    async with web_stage(limits=WebSettings(body_seconds=0.05)) as web:
        assert b" 408 " in await first_line(web, HEAD % b"/v1/payments" + b"{")
        assert 200 == (await web.ask("GET", "/livez")).status


async def test_a_returning_browser_whose_form_does_not_come_is_answered_all_the_same() -> None:
    """What the form would have said is learnt from the bank."""
    async with web_stage(limits=WebSettings(body_seconds=0.05)) as web:
        payment = await web.create(gateways=["zibal"])
        back = web.play(await web.hand_over(payment))
        path = URL(back.url).path.encode()
        assert b" 303 " in await first_line(web, HEAD % path + b"t")


async def first_line(web: Web, request: bytes) -> bytes:
    """Of the answer to what is sent and not finished."""
    host, port = web.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    async with asyncio.timeout(PATIENCE_SECONDS):
        line = await reader.readline()
    writer.close()
    return line


# --- what is no HTTP


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /return/x?Token=secret-\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01secret",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /pay/x HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\nsecret",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_nobody_outside_fills_the_log_with_what_he_sends(
    request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with web_stage() as web:
        host, port = web.base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request_bytes)
        answer = await reader.readline()
        writer.close()
        assert int(answer.split()[1]) in {400, 404}
        assert 200 == (await web.ask("GET", "/livez")).status
        assert [] == web.log.lines
    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_points_to_a_bug_of_ours_is_still_said(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise RuntimeError
    except RuntimeError:
        SERVER_LOG.exception("Unhandled exception")
    assert ["Unhandled exception"] == [record.message for record in caplog.records]
