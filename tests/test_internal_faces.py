"""The two faces that nobody outside sees: metrics for the monitoring, and orders of operators over a socket file."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application

from gatewayd.engine.posting import Posting
from gatewayd.engine.reading import MemoryReader
from gatewayd.web.internal import build_internal_app
from gatewayd.web.operators import build_operators_app
from gatewayd.web.ports import INVOICING, PAST
from tests.web_stage import Web, web_stage


@dataclass
class Desk:
    """An operator's end of the socket, beside everything else."""

    web: Web
    client: TestClient[Any, Any]

    async def ask(self, method: str, path: str, document: object = None) -> tuple[int, Any]:
        async with self.client.request(method, path, json=document) as reply:
            return reply.status, await reply.json(content_type=None)

    async def order(self, path: str, **words: object) -> tuple[int, Any]:
        return await self.ask("POST", path, {"by": "sara", "reason": "a call", **words})


def operators_app(web: Web) -> Application:
    reader = MemoryReader(web.disk.store)
    posting = Posting(web.engine.outbox, web.app[PAST].notices, web.log)
    return build_operators_app(
        web.engine.operating,
        web.engine.refunding,
        posting,
        reader.in_review,
        web.app[INVOICING].sight,
    )


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with (
        web_stage() as web,
        TestClient(TestServer(operators_app(web))) as client,
    ):
        yield Desk(web, client)


async def test_metrics_are_rendered_when_they_are_asked_for() -> None:
    rounds: list[int] = []

    def render() -> bytes:
        rounds.append(1)
        return b"up %d\n" % len(rounds)

    async with TestClient(TestServer(build_internal_app(render_metrics=render))) as client:
        for line in ("up 1\n", "up 2\n"):
            async with client.get("/metrics") as reply:
                assert line == await reply.text()
                assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        async with client.get("/livez") as reply:
            assert {"status": "ok"} == await reply.json()


async def test_open_payments_are_listed_and_told_without_their_secrets(desk: Desk) -> None:
    payment = await desk.web.create(gateways=["saman"], payer={"mobile": "09121234567"})
    form = await desk.web.hand_over(payment)
    number = payment["tracking_code"]
    status, listed = await desk.ask("GET", "/payments")
    assert (200, [payment["id"]]) == (status, [row["payment"] for row in listed])
    status, story = await desk.ask("GET", f"/payments/{number}")
    assert (200, payment["id"]) == (status, story["payment"]["payment"])
    assert ["Created", "StartRequested", "Started"] == [event["kind"] for event in story["events"]]
    assert [] == [secret for secret in (form.fields["Token"], "0912123") if secret in str(story)]


async def test_a_payment_that_never_was_is_not_told(desk: Desk) -> None:
    assert 404 == (await desk.ask("GET", "/payments/7"))[0]
    assert (409, "there is no such payment") == await detail(desk.order("/payments/7/ask"))


async def test_an_order_is_carried_out_and_its_word_comes_back(desk: Desk) -> None:
    payment = await desk.web.create(gateways=["saman"])
    await desk.web.pay(payment)
    status, answer = await desk.order(f"/payments/{payment['tracking_code']}/reverse")
    assert (200, ["said"]) == (status, list(answer))
    assert "reversed" == (await desk.web.show(payment))["status"]
    (row,) = desk.web.banks.book.ledger(desk.web.clock.now)
    assert row["reversed"]


async def test_an_order_that_makes_no_sense_is_refused_with_its_reason(desk: Desk) -> None:
    number = (await desk.web.create())["tracking_code"]
    for act, reason in (
        ("ask", "no attempt of it can be asked about: see its story"),
        ("reverse", "no attempt of it holds money: see its story"),
        ("resolve", "nothing about it needs review"),
    ):
        assert (409, reason) == await detail(desk.order(f"/payments/{number}/{act}"))


async def test_a_gateway_is_forced_and_left_to_the_router_again(desk: Desk) -> None:
    for to, breaker in (("open", "forced_open"), ("closed", "forced_closed"), ("auto", "closed")):
        status, answer = await desk.order("/gateways/saman", to=to)
        assert (200, ["said"]) == (status, list(answer))
        (health,) = (
            each
            for each in (await desk.web.call("GET", "/v1/gateways")).json["data"]
            if each["name"] == "saman"
        )
        assert breaker == health["breaker"]
    assert 409 == (await desk.order("/gateways/nobody", to="open"))[0]
    assert 422 == (await desk.order("/gateways/saman", to="explode"))[0]


async def test_the_kill_switch_is_thrown_and_thrown_back(desk: Desk) -> None:
    for mode, words in (("fixed", "contracts' own weights"), ("learned", "what was learnt")):
        status, answer = await desk.order("/routing", mode=mode)
        assert 200 == status
        assert words in answer["said"]
        assert {"fixed": "fixed", "learned": "weights"}[mode] == desk.web.engine.router.rank(
            desk.web.clock.now
        ).reason
    assert 422 == (await desk.order("/routing", mode="random"))[0]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "sara",
        {"by": "sara"},
        {"by": "", "reason": "x"},
        {"by": " ", "reason": "x"},
        {"by": 7, "reason": "x"},
        {"by": "x" * 501, "reason": "x"},
    ],
)
async def test_an_order_without_a_name_or_a_reason_is_not_carried_out(
    desk: Desk, document: object
) -> None:
    payment = await desk.web.create()
    path = f"/payments/{payment['tracking_code']}/reverse"
    status, answer = await desk.ask("POST", path, document)
    assert (422, "request_invalid") == (status, answer["code"])


async def detail(answer: Any) -> tuple[int, str]:
    status, document = await answer
    return status, document["detail"]
