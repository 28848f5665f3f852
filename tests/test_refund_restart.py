"""A process that dies at any step of a refund, and the next one that finds only what was on disk.

The shop asks again with the same key. In the end there is one refund, and the bank gave back once what the journal
says, or a person is told to look whether it did.
"""

import pytest

from gatewayd.core.refunds import Refund, RefundState
from gatewayd.core.terms import Operation
from gatewayd.engine.refunding import Made, Wanted
from gatewayd.journal.store import Guard, GuardKind
from gatewayd.simulator.faults import Kind
from tests.shop import Shop
from tests.test_restart import HOUR, Scene, at_every_step, dies_at

AMOUNT = 150_000
PART = 60_000
KEY = Guard(kind=GuardKind.IDEMPOTENCY, key="demo|refund|one", detail="body")


async def paid(shop: Shop) -> Scene:
    scene = Scene(shop, amount=AMOUNT)
    await scene.paid()
    return scene


async def asks_back(scene: Scene, amount: int | None) -> None:
    """With one key, however often: who does not know looks for it first, as the API does."""
    assert scene.number is not None
    if scene.shop.store.holder(KEY.kind, KEY.key) is not None:
        return
    made = await scene.shop.engine.refunding.create(
        scene.number, Wanted(amount=amount, key="k1"), KEY
    )
    assert isinstance(made, Made), made
    await scene.shop.wait(5)


def only_refund(scene: Scene) -> Refund:
    assert scene.number is not None
    (refund,) = scene.shop.payment(scene.number).refunds
    return refund


def check(scene: Scene, amount: int) -> Refund:
    """The bank gave back once what the journal says, or a person is told to look."""
    assert scene.number is not None
    refund, session = only_refund(scene), scene.shop.session(scene.number)
    assert amount == refund.amount
    back = session.amount if session.reversed else session.refunded
    if refund.state is RefundState.MANUAL:
        assert back == 0 or (refund.maybe_done and back == amount)
    else:
        assert RefundState.SUCCEEDED is refund.state
        assert amount == back
    scene.shop.assert_finished(scene.number)
    return refund


@pytest.mark.parametrize("driver", ["saman", "parsian", "zarinpal", "zibal"])
def test_all_of_it_is_reversed_once_whenever_the_process_died(driver: str) -> None:
    async def with_death_at(step: int) -> bool:
        async with Shop(driver) as shop:
            scene = await paid(shop)
            died = await dies_at(step, scene, lambda same: asks_back(same, None))
            await asks_back(scene, None)
            await shop.wait(3 * HOUR)
            assert RefundState.SUCCEEDED is check(scene, AMOUNT).state
            return died

    at_every_step(with_death_at, stride=3)


@pytest.mark.parametrize("driver", ["mellat", "zarinpal", "zibal"])
def test_a_part_is_refunded_once_whenever_the_process_died(driver: str) -> None:
    async def with_death_at(step: int) -> bool:
        async with Shop(driver) as shop:
            scene = await paid(shop)
            died = await dies_at(step, scene, lambda same: asks_back(same, PART))
            await asks_back(scene, PART)
            await shop.wait(3 * HOUR)
            refund = check(scene, PART)
            if driver == "zibal":  # which alone can say what it did
                assert RefundState.SUCCEEDED is refund.state
            assert scene.number is not None
            return died

    at_every_step(with_death_at, stride=3)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Kind.DROP_REPLY, id="its answer is lost"),
        pytest.param(Kind.ERROR500, id="the request never arrives"),
    ],
)
def test_a_part_that_went_wrong_is_refunded_once_whenever_the_process_died(fault: Kind) -> None:
    async def with_death_at(step: int) -> bool:
        async with Shop("zibal") as shop:
            scene = await paid(shop)
            shop.fault(fault, Operation.REFUND)
            died = await dies_at(step, scene, lambda same: asks_back(same, PART))
            shop.mend()
            await asks_back(scene, PART)
            await shop.wait(3 * HOUR)
            assert RefundState.SUCCEEDED is check(scene, PART).state
            return died

    at_every_step(with_death_at, stride=3)
