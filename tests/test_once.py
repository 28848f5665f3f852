"""An Idempotency-Key: one effect, the same answer, whatever comes at once or in between."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from gatewayd.core.secret import Secret
from gatewayd.core.settings import ShopKey, ShopLimits
from gatewayd.journal.memory import MemoryStore
from gatewayd.web.once import RUNNING
from tests.web_stage import DEMO, KEY, OTHER, OTHER_KEY, Answer, Web, web_stage

NEXT_KEY = "gwk_test_next"
TWO_KEYS = replace(DEMO, keys=(*DEMO.keys, ShopKey(id="k2", secret=Secret(NEXT_KEY))))


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with web_stage(shops=(TWO_KEYS, OTHER)) as stage:
        yield stage


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def create(web: Web, body: object, key: str = "k-1", *, api_key: str = KEY) -> Answer:
    return await web.call("POST", "/v1/payments", body, key=api_key, headers=keyed(key))


async def cancel(
    web: Web, payment: Mapping[str, Any], key: str = "c-1", body: object = None
) -> Answer:
    path = f"/v1/payments/{payment['id']}/cancel"
    return await web.call("POST", path, body, headers=keyed(key))


def code_of(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json.get("code", "")


def is_repeat(answer: Answer) -> bool:
    return answer.headers.get("Idempotent-Replayed") == "true"


# --- the same answer


async def test_many_posts_with_few_keys_make_a_payment_per_key(web: Web) -> None:
    bodies = {f"k-{n}": web.order() for n in range(20)}
    answers = await asyncio.gather(
        *(create(web, body, key) for _ in range(10) for key, body in bodies.items())
    )
    assert {201} == {answer.status for answer in answers}
    assert Counter({False: 20, True: 180}) == Counter(map(is_repeat, answers))
    assert {10} == set(Counter(answer.body for answer in answers).values())
    assert 20 == web.tally.counts["created"]


async def test_a_cancel_is_answered_the_same_whenever_it_is_repeated(web: Web) -> None:
    payment = await web.create()
    first = await cancel(web, payment)
    web.clock.now += 86_400
    again = await cancel(web, payment)
    assert (200, "cancelled", False) == (first.status, first.json["status"], is_repeat(first))
    assert (200, first.json, True) == (again.status, again.json, is_repeat(again))
    events = [row.kind for row in web.disk.store.read(int(payment["tracking_code"]))]
    assert ["Created", "CancelRequested", "Closed"] == events


async def test_a_cancel_that_came_too_late_is_judged_again(web: Web) -> None:
    payment = await web.create(gateways=["mellat"])
    await web.pay(payment)
    assert {(409, "payment_paid")} == {code_of(await cancel(web, payment)) for _ in range(2)}


async def test_a_key_stays_good_when_the_api_keys_are_changed(web: Web) -> None:
    body = web.order()
    first = await create(web, body)
    again = await create(web, body, api_key=NEXT_KEY)
    assert (first.json, True) == (again.json, is_repeat(again))


async def test_what_was_made_is_shown_again_although_it_could_not_be_made_any_more() -> None:
    store = MemoryStore()
    async with web_stage(only=["saman", "mellat"], store=store) as web:
        body = web.order(gateways=["saman"], amount=50_000)
        first = await create(web, body)
    less = replace(DEMO, limits=ShopLimits(amount_max=40_000))
    for changes in ({"only": ["mellat"]}, {"shops": (less, OTHER)}):
        async with web_stage(store=store, **changes) as web:
            again = await create(web, body)
            assert (201, True) == (again.status, is_repeat(again))
            assert first.json["id"] == again.json["id"]
            assert 422 == (await create(web, body, "another")).status
            assert (422, "idempotency_key_reused") == code_of(await create(web, web.order()))


# --- another body, another payment, another shop


async def test_a_key_is_not_good_for_another_body_or_another_payment(web: Web) -> None:
    one, two = await web.create(), await web.create()
    assert 200 == (await cancel(web, one)).status
    assert (422, "idempotency_key_reused") == code_of(await cancel(web, two))
    assert (422, "idempotency_key_reused") == code_of(await cancel(web, one, body={"why": "x"}))
    assert "pending" == (await web.show(two))["status"]


@pytest.mark.parametrize("depth", [100, 300, 900])
async def test_a_body_that_is_nested_deep_is_refused_with_a_key_too(web: Web, depth: int) -> None:
    deep: list[object] = []
    for _ in range(depth):
        deep = [deep]
    body = json.dumps({**web.order(), "more": deep}).encode()
    headers = {"Authorization": f"Bearer {KEY}", **keyed("deep")}
    answer = await web.ask("POST", "/v1/payments", data=body, headers=headers)
    wanted = (422, "request_invalid") if depth < 250 else (400, "request_not_json")
    assert wanted == code_of(answer)
    assert 201 == (await create(web, web.order(), "deep")).status


async def test_one_key_serves_two_kinds_of_calls(web: Web) -> None:
    payment = (await create(web, web.order(), "same")).json
    assert 200 == (await cancel(web, payment, "same")).status


async def test_a_shop_learns_nothing_of_anothers_keys(web: Web) -> None:
    mine = await create(web, web.order())
    body = web.order(return_url="https://other.example/")
    theirs = await create(web, body, api_key=OTHER_KEY)
    assert (201, 201, False) == (mine.status, theirs.status, is_repeat(theirs))
    assert mine.json["id"] != theirs.json["id"]


# --- while the first call runs


async def test_whoever_comes_meanwhile_waits_and_is_told_the_same(web: Web) -> None:
    web.disk.free.clear()
    body = web.order()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(create(web, body))
        await web.disk.waited.wait()
        second = tasks.create_task(create(web, body))
        web.disk.free.set()
    assert (201, first.result().json) == (second.result().status, second.result().json)
    assert [False, True] == [is_repeat(each.result()) for each in (first, second)]


async def test_whoever_waits_too_long_is_told_that_it_runs(web: Web) -> None:
    web.app[RUNNING]._wait_seconds = 0.01
    web.disk.free.clear()
    body = web.order()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(create(web, body))
        await web.disk.waited.wait()
        second = await create(web, body)
        assert (409, "idempotency_key_in_use") == code_of(second)
        assert "1" == second.headers["Retry-After"]
        assert (422, "idempotency_key_reused") == code_of(await create(web, web.order()))
        web.disk.free.set()
    assert 201 == first.result().status
    assert is_repeat(await create(web, body))


# --- crashes


async def test_after_a_crash_there_are_both_key_and_payment_or_neither() -> None:
    async with web_stage() as web:
        body, other = web.order(), web.order()
        first = await create(web, body, "k-1")
        second = await create(web, other, "k-2")
        await web.engine.pump.searched()
        store = web.disk.store
        (place,) = [
            n
            for n, (appends, _) in enumerate(store._batches)
            if any(each.number == int(second.json["tracking_code"]) for each in appends)
        ]
        found = store.crash(lost=len(store._batches) - place)
    async with web_stage(store=found, clock=web.clock) as web:
        web.clock.now += 1
        again = await create(web, body, "k-1")
        assert (first.json["id"], True) == (again.json["id"], is_repeat(again))
        anew = await create(web, other, "k-2")
        assert (201, False) == (anew.status, is_repeat(anew))
        assert first.json["id"] != anew.json["id"]


async def test_a_cancel_survives_a_crash_with_its_key() -> None:
    async with web_stage() as web:
        payment = await web.create()
        first = await cancel(web, payment)
        found = web.disk.store.crash()
    async with web_stage(store=found, clock=web.clock) as web:
        again = await cancel(web, payment)
        assert (first.json["status"], True) == (again.json["status"], is_repeat(again))
