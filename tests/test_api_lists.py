"""Lists of payments: newest first, in pages, by filters, and each shop's own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gatewayd.journal.store import Row, TooSlow
from gatewayd.web.ports import PAST
from tests.web_stage import OTHER_KEY, Web, web_stage


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with web_stage() as stage:
        yield stage


async def listed(web: Web, query: str = "", **how: Any) -> dict[str, Any]:
    """A list, asked for at once: what a shop made just now is in it."""
    answer = await web.call("GET", f"/v1/payments{query}", **how)
    assert 200 == answer.status, answer.text
    document = answer.json
    assert ("list", "/v1/payments") == (document["object"], document["url"])
    assert isinstance(document, dict)
    return document


def ids(document: dict[str, Any]) -> list[str]:
    return [payment["id"] for payment in document["data"]]


async def test_the_newest_comes_first_and_is_shown_whole(web: Web) -> None:
    made = [await web.create() for _ in range(3)]
    document = await listed(web)
    assert made[::-1] == document["data"]
    assert not document["has_more"]


async def test_a_shop_without_payments_has_an_empty_list(web: Web) -> None:
    await web.create()
    document = await listed(web, key=OTHER_KEY)
    assert ([], False) == (document["data"], document["has_more"])


async def test_ten_are_listed_unless_more_are_asked_for(web: Web) -> None:
    made = [payment["id"] for payment in await asyncio.gather(*(web.create() for _ in range(12)))]
    document = await listed(web)
    assert (sorted(made)[::-1][:10], True) == (ids(document), document["has_more"])
    document = await listed(web, "?limit=12")
    assert (sorted(made)[::-1], False) == (ids(document), document["has_more"])


async def test_pages_follow_each_other_without_gap_or_repeat(web: Web) -> None:
    made = [payment["id"] for payment in await asyncio.gather(*(web.create() for _ in range(7)))]
    seen: list[str] = []
    after, more = "", True
    while more:
        document = await listed(web, f"?limit=3{after}")
        seen += ids(document)
        more, after = document["has_more"], f"&starting_after={seen[-1]}"
    assert sorted(made)[::-1] == seen


async def test_payments_are_found_by_what_they_are(web: Web) -> None:
    paid = await web.create(gateways=["saman"], order_id="A-1")
    await web.pay(paid)
    web.clock.now += 3_600
    with_payer = await web.create(gateways=["mellat"])
    await web.hand_over(with_payer)
    web.clock.now += 3_600
    fresh = await web.create()
    for query, found in (
        ("?status=paid", [paid]),
        ("?status=pending", [fresh, with_payer]),
        ("?status=failed", []),
        ("?order_id=A-1", [paid]),
        ("?order_id=A-2", []),
        ("?gateway=mellat", [with_payer]),
        ("?gateway=nobody", []),
        ("?gateway=saman&status=paid&order_id=A-1", [paid]),
        ("?gateway=saman&status=pending", []),
        ("?created_from=2025-02-11T15:41:06Z", [fresh, with_payer]),
        ("?created_to=2025-02-11T15:41:06Z", [paid]),
        ("?created_from=2025-02-11T19:11:06%2B03:30&created_to=2025-02-11T16:41:06Z", [with_payer]),
        ("?created_from=2025-02-11T19:11:06+03:30", [fresh, with_payer]),
        ("?created_from=2025-02-12", []),
        ("?created_from=2025-02-11", [fresh, with_payer, paid]),
        (f"?created_from=2025-02-11&starting_after={fresh['id']}&limit=1", [with_payer]),
    ):
        assert (query, [payment["id"] for payment in found]) == (
            query,
            ids(await listed(web, query)),
        )


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=" + "9" * 30, "limit"),
        ("status=PAID", "status"),
        ("status=", "status"),
        ("starting_after=7", "starting_after"),
        ("starting_after=", "starting_after"),
        ("starting_after=pay_99999999999999999999", "starting_after"),
        ("created_from=yesterday", "created_from"),
        ("created_to=", "created_to"),
        ("created_to=2025-13-01", "created_to"),
        ("created_to=1739284866", "created_to"),
        ("colour=red", "colour"),
        ("Limit=5", "Limit"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_named(web: Web, query: str, path: str) -> None:
    answer = await web.call("GET", f"/v1/payments?{query}")
    assert (422, "request_invalid", path) == (
        answer.status,
        answer.json["code"],
        answer.json["param"],
    )


@pytest.mark.parametrize(
    "time", ["0001-01-01", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00+23:59"]
)
async def test_the_ends_of_the_calendar_are_times_too(web: Web, time: str) -> None:
    await listed(web, f"?created_from={time.replace('+', '%2B')}")


async def test_what_takes_too_long_to_find_is_no_error_of_ours(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find(*_: object, **__: object) -> list[int]:
        raise TooSlow

    monkeypatch.setattr(web.app[PAST], "find", find)
    answer = await web.call("GET", "/v1/payments")
    assert (503, "too_slow") == (answer.status, answer.json["code"])
    assert "Retry-After" in answer.headers


async def test_a_payment_that_cannot_be_read_in_time_is_no_error_of_ours_either(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rows(_: int) -> list[Row]:
        raise TooSlow("a reading took longer than 2 s")

    monkeypatch.setattr(web.engine.records, "_read_rows", rows)
    answer = await web.call("GET", "/v1/payments/pay_7")
    assert (503, "too_slow") == (answer.status, answer.json["code"])
    assert "Retry-After" in answer.headers
    page = await web.ask("GET", f"/pay/{web.engine.links.pay_id(7)}")
    assert (503, "text/html; charset=utf-8") == (page.status, page.headers["Content-Type"])
    assert [] == web.log.of("request failed")


@pytest.mark.parametrize("path", ["/v1/payments", "/v1/events"])
async def test_a_filter_that_stands_twice_is_refused(web: Web, path: str) -> None:
    """Only one would be looked at: who wants both would take a part for the whole."""
    answer = await web.call("GET", f"{path}?limit=5&limit=6")
    found = (answer.status, answer.json["errors"][0])
    error = {
        "path": "limit",
        "code": "request_invalid",
        "detail": "stands twice; one is looked at",
    }
    assert (422, error) == found
