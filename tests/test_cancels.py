"""A shop's cancel at every moment of a payment's life: before, while and after the money is taken."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from gatewayd.core.secret import Secret
from gatewayd.core.settings import Scope, ShopKey
from gatewayd.core.status import Status, needs_review
from gatewayd.core.terms import Lost, Operation
from gatewayd.engine.views import GoesBack
from gatewayd.simulator.bank import State
from tests.shop import Sent, Shop, on_virtual_time
from tests.stage import DRIVERS
from tests.web_stage import DEMO, OTHER, Answer, Web, web_stage

HOUR = 3_600.0
every_driver = pytest.mark.parametrize("driver", DRIVERS)
NARROW_KEY = "gwk_test_narrow"
NARROW = replace(
    DEMO,
    keys=(
        *DEMO.keys,
        ShopKey(
            id="narrow",
            secret=Secret(NARROW_KEY),
            scopes=(Scope.PAYMENTS_READ, Scope.PAYMENTS_WRITE),
        ),
    ),
)


# --- at the engine


@every_driver
@on_virtual_time
async def test_before_anybody_paid_it_closes_and_a_later_payer_gets_his_money_back(
    driver: str,
) -> None:
    async with Shop(driver) as shop:
        number = await shop.create()
        handover = await shop.arrive(number)
        await shop.engine.cashier.cancel(number)
        assert Status.CANCELLED is shop.status(number)
        view = await shop.come_back(shop.go(handover))
        assert isinstance(view, GoesBack)
        await shop.wait(5 * HOUR)
        assert Status.CANCELLED is shop.status(number)
        assert shop.session(number).state in {State.AUTO_REVERSED, State.REVERSED}
        shop.assert_settled(number)


@on_virtual_time
async def test_a_bank_that_never_says_what_became_of_a_reverse_ends_before_a_person() -> None:
    async with Shop("saman") as shop:
        number = await shop.create()
        handover = await shop.arrive(number)

        async def mute(sent: Sent) -> Lost | None:
            if sent.operation is Operation.VERIFY:
                await shop.engine.cashier.cancel(number)
            if sent.operation is Operation.REVERSE:
                return Lost(reached=True, cause="timeout after sending")
            return None

        shop.hook = mute
        await shop.come_back(shop.go(handover))
        await shop.wait(30 * HOUR)
        assert Status.PAID is shop.status(number)
        assert needs_review(shop.payment(number))
        shop.assert_finished(number)


# --- over HTTP


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with web_stage(shops=(NARROW, OTHER)) as stage:
        yield stage


async def cancel(
    web: Web, payment: Mapping[str, Any], key: str = "c-1", body: object = None
) -> Answer:
    path = f"/v1/payments/{payment['id']}/cancel"
    return await web.call("POST", path, body, headers={"Idempotency-Key": key})


async def paid(web: Web, gateway: str) -> dict[str, Any]:
    payment = await web.create(gateways=[gateway])
    await web.pay(payment)
    return await web.show(payment)


@pytest.mark.parametrize(
    ("body", "path", "detail"),
    [
        ({"amount": 1_000}, "amount", "there is no such field"),
        ({"reason": 7}, "reason", "must be text"),
    ],
)
async def test_nothing_is_cancelled_in_part(web: Web, body: object, path: str, detail: str) -> None:
    """Who sends a field that does not exist means something else than what would happen."""
    payment = await paid(web, "saman")
    answer = await cancel(web, payment, body=body)
    error = {"path": path, "code": "request_invalid", "detail": detail}
    assert (422, [error]) == (answer.status, answer.json["errors"])
    assert "paid" == (await web.show(payment))["status"]


async def test_why_the_shop_cancels_stands_in_the_refund(web: Web) -> None:
    payment = await paid(web, "saman")
    assert 200 == (await cancel(web, payment, body={"reason": "sold out"})).status
    refunds = (await web.call("GET", f"/v1/payments/{payment['id']}/refunds")).json["data"]
    assert ["sold out"] == [refund["reason"] for refund in refunds]


@pytest.mark.parametrize("gateway", ["saman", "parsian", "zarinpal"])
async def test_what_is_paid_is_undone_while_its_bank_reverses(web: Web, gateway: str) -> None:
    payment = await paid(web, gateway)
    answer = await cancel(web, payment)
    assert (200, "reversed") == (answer.status, answer.json["status"])
    assert answer.json["refunded_amount"] == payment["amount"]
    refunds = (await web.call("GET", f"/v1/payments/{payment['id']}/refunds")).json["data"]
    assert [("cancelled", "succeeded", "reversal")] == [
        (refund["reason"], refund["status"], refund["kind"]) for refund in refunds
    ]
    (session,) = [each for each in web.banks.book if each.paid_at is not None]
    assert State.REVERSED is session.state


@pytest.mark.parametrize("gateway", ["mellat", "sadad", "zibal"])
async def test_what_is_paid_and_not_reversed_by_its_bank_points_to_the_refunds(
    web: Web, gateway: str
) -> None:
    payment = await paid(web, gateway)
    answer = await cancel(web, payment)
    assert (409, "payment_paid") == (answer.status, answer.json["code"])
    assert f"/v1/payments/{payment['id']}/refunds" == answer.json["refunds_url"]
    assert "paid" == (await web.show(payment))["status"]


async def test_after_the_banks_window_it_points_to_the_refunds_too(web: Web) -> None:
    payment = await paid(web, "saman")
    web.clock.now += 49 * 60
    answer = await cancel(web, payment)
    assert (409, "payment_paid") == (answer.status, answer.json["code"])
    assert "paid" == (await web.show(payment))["status"]


async def test_ten_cancels_of_what_is_paid_are_one(web: Web) -> None:
    payment = await paid(web, "saman")
    answers = await asyncio.gather(*(cancel(web, payment, f"c-{n}") for n in range(10)))
    assert {200, 409} >= {answer.status for answer in answers}
    refunds = (await web.call("GET", f"/v1/payments/{payment['id']}/refunds")).json["data"]
    assert 1 == len(refunds)
    assert "reversed" == (await web.show(payment))["status"]


async def test_a_key_without_the_scope_for_refunds_cancels_only_what_is_not_paid(web: Web) -> None:
    payment = await paid(web, "saman")
    answer = await cancel(web, payment, key="c-1")
    assert 200 == answer.status
    other = await paid(web, "saman")
    path = f"/v1/payments/{other['id']}/cancel"
    headers = {"Idempotency-Key": "c-2"}
    refused = await web.call("POST", path, headers=headers, key=NARROW_KEY)
    assert (403, "scope_missing") == (refused.status, refused.json["code"])
    assert "paid" == (await web.show(other))["status"]
    unpaid = await web.create()
    path = f"/v1/payments/{unpaid['id']}/cancel"
    done = await web.call("POST", path, headers={"Idempotency-Key": "c-3"}, key=NARROW_KEY)
    assert (200, "cancelled") == (done.status, done.json["status"])
