"""Manual capture as a shop's developer meets it over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from tests.web_stage import Answer, Web, web_stage


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with web_stage() as stage:
        yield stage


async def capture(
    web: Web, payment: Mapping[str, Any], key: str = "c-1", body: object = None
) -> Answer:
    path = f"/v1/payments/{payment['id']}/capture"
    return await web.call("POST", path, body, headers={"Idempotency-Key": key})


async def authorized(web: Web, **changes: Any) -> dict[str, Any]:
    payment = await web.create(capture="manual", **changes)
    back = await web.pay(payment)
    assert "authorized" == back.location.query["status"]
    return await web.show(payment)


def code_of(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json.get("code", "")


@pytest.mark.parametrize("gateway", ["mellat", "zarinpal", "zibal"])
async def test_a_payment_waits_for_its_capture_and_says_until_when(web: Web, gateway: str) -> None:
    payment = await authorized(web, gateways=[gateway])
    assert ("manual", "authorized", "at_bank") == (
        payment["capture"],
        payment["status"],
        payment["money"],
    )
    assert payment["capture_by"] > payment["created_at"]
    assert payment["paid_at"] is None
    answer = await capture(web, payment)
    assert (200, "paid") == (answer.status, answer.json["status"])
    assert answer.json["ref_num"]
    assert answer.json == await web.show(payment)


async def test_what_is_captured_automatically_says_so(web: Web) -> None:
    payment = await web.create()
    assert ("automatic", None) == (payment["capture"], payment["capture_by"])


async def test_a_repeat_with_the_same_key_captures_nothing_more(web: Web) -> None:
    payment = await authorized(web)
    first, again = await capture(web, payment), await capture(web, payment)
    assert ([200, 200], "true") == (
        [first.status, again.status],
        again.headers.get("Idempotent-Replayed"),
    )
    assert "paid" == (await web.show(payment))["status"]
    other_key = await capture(web, payment, "c-2")
    assert (200, "paid") == (other_key.status, other_key.json["status"])


async def test_many_captures_at_once_are_one(web: Web) -> None:
    payment = await authorized(web)
    answers = await asyncio.gather(*(capture(web, payment, f"c-{n}") for n in range(20)))
    assert {200} == {answer.status for answer in answers}
    number = int(payment["id"].removeprefix("pay_"))
    kinds = [row.kind for row in web.disk.store.read(number)]
    assert 1 == kinds.count("CaptureRequested")


async def test_a_capture_needs_a_key(web: Web) -> None:
    payment = await authorized(web)
    answer = await web.call("POST", f"/v1/payments/{payment['id']}/capture")
    assert (400, "idempotency_key_missing") == code_of(answer)
    assert "authorized" == (await web.show(payment))["status"]


@pytest.mark.parametrize("body", [{}, {"amount": 150_000}, None])
async def test_the_whole_amount_may_be_named(web: Web, body: object) -> None:
    answer = await capture(web, await authorized(web), body=body)
    assert (200, "paid") == (answer.status, answer.json["status"])


@pytest.mark.parametrize(
    "body", [{"amount": 149_999}, {"amount": "150000"}, {"amount": True}, {"part": 1}]
)
async def test_another_amount_takes_nothing(web: Web, body: object) -> None:
    payment = await authorized(web)
    assert (422, "request_invalid") == code_of(await capture(web, payment, body=body))
    assert "authorized" == (await web.show(payment))["status"]


async def test_what_cannot_be_captured_is_refused_with_the_reason(web: Web) -> None:
    plain = await web.create()
    await web.pay(plain)
    assert (200, "paid") == (
        (answer := await capture(web, plain, "c-1")).status,
        answer.json["status"],
    )
    unpaid = await web.create()
    assert (409, "capture_automatic") == code_of(await capture(web, unpaid, "c-2"))
    waiting = await web.create(capture="manual")
    assert (409, "payment_not_authorized") == code_of(await capture(web, waiting, "c-3"))
    nobody = await web.call(
        "POST", "/v1/payments/pay_1/capture", headers={"Idempotency-Key": "c-4"}
    )
    assert (404, "payment_not_found") == code_of(nobody)


async def test_after_its_time_a_capture_is_told_that_it_is_too_late(web: Web) -> None:
    payment = await authorized(web, gateways=["zibal"])
    web.clock.now += 29 * 60 + 1
    number = int(payment["id"].removeprefix("pay_"))
    web.engine.tending.consider(number)
    await web.engine.records.landed(number)
    answer = await capture(web, payment)
    assert (409, "capture_too_late") == code_of(answer)
    assert "expired" == answer.json["payment_status"]


async def test_no_gateway_that_could_prove_it_is_a_clear_problem() -> None:
    async with web_stage(only=["saman", "parsian", "sadad"]) as web:
        answer = await web.call("POST", "/v1/payments", web.order(capture="manual"))
        assert (422, "no_gateway") == code_of(answer)
        assert "capture" == answer.json["param"]
        assert 0 == web.tally.counts["created"]


async def test_named_gateways_that_cannot_prove_it_are_named(web: Web) -> None:
    body = web.order(capture="manual", gateways=["saman"])
    answer = await web.call("POST", "/v1/payments", body)
    assert (422, ["gateways", "capture"]) == (
        answer.status,
        [error["path"] for error in answer.json["errors"]],
    )


async def test_an_order_that_is_authorized_cannot_be_paid_again(web: Web) -> None:
    payment = await authorized(web, order_id="1042")
    answer = await web.call("POST", "/v1/payments", web.order(order_id="1042"))
    assert (409, "order_exists") == code_of(answer)
    assert (payment["id"], "authorized") == (
        answer.json["payment_id"],
        answer.json["payment_status"],
    )
