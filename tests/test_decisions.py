"""Each draw of a gateway is journaled and logged with its chance, its reason and what it was made from."""

from typing import Any

import orjson

from gatewayd.core.terms import Operation
from gatewayd.simulator.faults import Kind
from tests.shop import Shop, on_virtual_time
from tests.stage import DRIVERS


def decisions(shop: Shop, number: int) -> list[dict[str, Any]]:
    rows = shop.store.read(number)
    return [orjson.loads(row.body) for row in rows if row.kind == "StartRequested"]


@on_virtual_time
async def test_the_first_choice_is_kept_with_its_chance_and_what_it_was_weighed_against() -> None:
    async with Shop() as shop:
        number = await shop.create()
        await shop.arrive(number)
        (drawn,) = decisions(shop, number)
        told = [each.split(" ") for each in drawn["weighed"].split(", ")]
        assert sorted(DRIVERS) == sorted(name for name, *_ in told)
        assert 0.16 < drawn["probability"] < 0.17
        assert "weights" == drawn["reason"]
        (line,) = shop.log.of("started")
        assert ("weights", drawn["probability"]) == (line["drawn"], line["probability"])


@on_virtual_time
async def test_a_failover_says_so_and_keeps_no_weights_of_its_own() -> None:
    async with Shop() as shop:
        shop.fault(Kind.REFUSE, Operation.START)
        number = await shop.create()
        await shop.engine.cashier.arrive(number)
        first, *others = decisions(shop, number)
        assert "weights" == first["reason"]
        assert {("failover", "")} == {(each["reason"], each.get("weighed", "")) for each in others}


@on_virtual_time
async def test_a_gateway_that_is_cut_off_and_one_that_answers_again_are_logged() -> None:
    async with Shop("saman", "mellat") as shop:
        shop.fault(Kind.REFUSE, Operation.START, "saman")
        for _ in range(8):
            await shop.arrive(await shop.create())
        assert [("saman", "unreached")] == [
            (line["gateway"], line["failure"]) for line in shop.log.of("gateway cut off")
        ]
        shop.mend()
        await shop.wait(60.0)
        await shop.arrive(await shop.create())
        assert [{"gateway": "saman"}] == shop.log.of("gateway answers again")
