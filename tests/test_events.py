"""GET /v1/events: what happened, in order, and nothing of it twice, passed over or of somebody else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gatewayd.core import events as ev
from gatewayd.core.news import INVOICES, NEWS, news_of, status_told
from gatewayd.core.status import Status
from gatewayd.engine.event_ids import event_id, place_of
from gatewayd.journal.store import Notice, Told
from tests.web_stage import KEY, LIVE_KEY, OTHER_KEY, Web, all_gateways, web_stage


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with web_stage() as stage:
        yield stage


async def events(web: Web, query: str = "?limit=100", key: str = KEY) -> list[dict[str, Any]]:
    answer = await web.call("GET", f"/v1/events{query}", key=key)
    assert 200 == answer.status, answer.text
    data = answer.json["data"]
    assert isinstance(data, list)
    return data


# --- what is told


def test_what_an_event_tells_beside_its_status_is_among_the_news() -> None:
    told = {kind.notice for kind in ev.KINDS.values()} - {""}
    assert {"payment.capture_due", *INVOICES} == told
    assert told < set(NEWS)


async def test_every_step_is_told_in_order_with_the_payment_as_it_was(web: Web) -> None:
    payment = await web.create()
    await web.pay(payment)
    found = await events(web)
    assert ["payment.created", "payment.processing", "payment.paid"] == [e["type"] for e in found]
    assert ["pending", "processing", "paid"] == [e["data"]["status"] for e in found]
    assert {"event"} == {each["object"] for each in found}
    assert payment == found[0]["data"]
    assert await web.show(payment) == found[-1]["data"]
    assert [payment["created_at"]] == [each["created_at"] for each in found[:1]]


async def test_a_person_who_is_needed_and_has_looked_is_news(web: Web) -> None:
    payment = await web.create()
    number = int(payment["tracking_code"])
    for event in (
        ev.ReviewRaised(at_ms=1, reason="one"),
        ev.ReviewRaised(at_ms=2, reason="two"),
        ev.ReviewResolved(at_ms=3, by="me", reason="seen"),
    ):
        web.engine.records.append(number, event)
        await web.engine.records.landed(number)
    found = [(e["type"], e["data"]["needs_review"]) for e in await events(web)][1:]
    assert [("payment.review_raised", True), ("payment.review_resolved", False)] == found


@pytest.mark.parametrize("status", Status)
def test_every_change_of_status_has_a_name_that_can_be_asked_for(status: Status) -> None:
    for before in (None, *Status):
        name = news_of(before, status)
        assert name in NEWS
        assert status is status_told(name)


# --- the cursor


async def test_pages_put_together_are_everything_once(web: Web) -> None:
    for _ in range(5):
        await web.pay(await web.create())
    everything = await events(web)
    found: list[dict[str, Any]] = []
    query = "?limit=4"
    for _ in range(10):
        answer = (await web.call("GET", f"/v1/events{query}")).json
        found += answer["data"]
        query = f"?limit=4&after={found[-1]['id']}"
        if not answer["has_more"]:
            break
    assert 15 == len(everything)
    assert everything == found
    assert [] == await events(web, query)


async def test_a_reader_who_follows_passes_nothing_over_while_much_happens(web: Web) -> None:
    found: list[dict[str, Any]] = []
    over = asyncio.Event()

    async def follow() -> None:
        query = "?limit=3"
        while True:
            was_over = over.is_set()
            page = await events(web, query)
            found.extend(page)
            if page:
                query = f"?limit=3&after={page[-1]['id']}"
            elif was_over:
                return

    async def buy() -> None:
        await web.pay(await web.create())

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        await asyncio.gather(*(buy() for _ in range(20)))
        over.set()
    assert [each["id"] for each in await events(web)] == [each["id"] for each in found]
    assert 60 == len(found)


@pytest.mark.parametrize(
    ("query", "param", "status"),
    [
        ("?after=evt_1", "after", 422),
        ("?after=evt_1_00000000", "after", 404),
        ("?after=evt_9999_00000000", "after", 404),
        ("?limit=0", "limit", 422),
        ("?limit=101", "limit", 422),
        (f"?limit={'0' * 5_000}1", "limit", 422),
        ("?before=x", "before", 422),
    ],
)
async def test_a_cursor_that_is_none_of_ours_is_refused(
    web: Web, query: str, param: str, status: int
) -> None:
    await web.create()
    answer = await web.call("GET", f"/v1/events{query}")
    assert (status, param) == (answer.status, answer.json["param"])


def test_an_id_names_one_thing_even_after_a_restored_backup() -> None:
    told = Told(1042, 217512345678, Notice(7, "main", "payment.paid", 1))
    again = replace(told, notice=replace(told.notice, at_ms=2))
    assert event_id(told) == event_id(replace(told))
    assert event_id(told) != event_id(again)
    assert 1042 == place_of(event_id(told)) == place_of(event_id(again))
    assert [None] * 3 == [place_of(text) for text in ("evt_0_00000000", "1042", "evt_1_0000000g")]


# --- apart


async def test_nobody_sees_another_shops_events_nor_test_events_with_a_live_key() -> None:
    gateways = all_gateways()
    live = replace(gateways[0], test=False)
    async with web_stage(gateways=(live, *gateways[1:])) as web:
        mine = await web.create()
        body = web.order(return_url="https://other.example/")
        theirs = (await web.call("POST", "/v1/payments", body, key=OTHER_KEY)).json
        real = (await web.call("POST", "/v1/payments", web.order(), key=LIVE_KEY)).json
        for key, payment in ((KEY, mine), (OTHER_KEY, theirs), (LIVE_KEY, real)):
            assert [payment["id"]] == [e["data"]["id"] for e in await events(web, key=key)]
        (first,) = await events(web)
        answer = await web.call("GET", f"/v1/events?after={first['id']}", key=OTHER_KEY)
        assert (404, "after") == (answer.status, answer.json["param"])
