"""A bank that refuses our contract: whose fault it is said to be, who is told, and how the gateway comes back."""

import asyncio

from gatewayd.core.status import Status
from gatewayd.core.terms import CodeClass, Operation
from gatewayd.gateways.contract import Reply
from gatewayd.simulator.speech import json_reply
from tests.shop import Sent, Shop, on_virtual_time


@on_virtual_time
async def test_a_contract_that_the_bank_refuses_takes_the_gateway_out_and_blames_nobody() -> None:
    async with Shop("saman", "mellat") as shop:
        before = shop.engine.router.snapshot(shop.clock.monotonic())["mellat"]
        shop.banks.dialects["mellat"] = type(shop.banks.dialects["mellat"])(())
        for _ in range(8):
            view = await shop.arrive(await shop.create())
            assert "saman" == view.attempt.gateway
        assert 1 == shop.calls(Operation.START, "mellat")
        (told,) = shop.log.of("gateway misconfigured")
        assert "mellat" == told["gateway"]
        health = shop.engine.router.snapshot(shop.clock.monotonic())["mellat"]
        assert (before.score, before.breaker) == (health.score, health.breaker)
        (refused,) = shop.log.of("start refused")
        assert CodeClass.MERCHANT_CONFIG == refused["cause"]


@on_virtual_time
async def test_a_contract_that_the_bank_refuses_at_a_verify_is_told_and_asked_again() -> None:
    async with Shop("zibal") as shop:
        number = await shop.create()
        back = shop.go(await shop.arrive(number))
        assert back is not None

        async def refuse(sent: Sent) -> Reply | None:
            return json_reply({"result": 115}) if sent.operation is Operation.VERIFY else None

        shop.hook = refuse
        await shop.come_back(back)
        assert Status.PROCESSING is shop.status(number)
        told = {"gateway": "zibal", "code": "115", "operation": "verify"}
        assert told in shop.log.of("gateway misconfigured")
        shop.hook = None
        await asyncio.sleep(120)
        assert Status.PAID is shop.status(number)


@on_virtual_time
async def test_a_contract_that_the_bank_takes_again_is_found_by_itself() -> None:
    async with Shop("saman", "mellat") as shop:
        right = shop.banks.dialects["mellat"]
        shop.banks.dialects["mellat"] = type(right)(())
        while not shop.log.of("gateway misconfigured"):
            await shop.arrive(await shop.create())
        shop.banks.dialects["mellat"] = right
        assert "saman" == (await shop.arrive(await shop.create())).attempt.gateway
        await asyncio.sleep(60)
        assert "mellat" == (await shop.arrive(await shop.create())).attempt.gateway
        assert [{"gateway": "mellat"}] == shop.log.of("gateway answers again")
        assert not shop.engine.router.is_taken_out("mellat")
