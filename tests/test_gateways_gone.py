"""A gateway that was dropped from the configuration, and the payments that had once been tried there."""

import pytest

from gatewayd.core.states import State
from gatewayd.core.status import Status
from gatewayd.core.terms import Capture, Lost, Operation
from gatewayd.engine.capturing import Stage, stage_of
from gatewayd.engine.views import Back, GoesBack, View
from gatewayd.gateways.contract import Reply
from tests.shop import Sent, Shop, on_virtual_time

GONE = "saman"


async def no_tokens_at_the_one(sent: Sent) -> Lost | Reply | None:
    lost = sent.gateway == GONE and sent.operation is Operation.START
    return Lost(reached=False, cause="connect refused") if lost else None


async def tried_there_first(shop: Shop) -> tuple[int, View]:
    """A payment whose first try was in vain at what is dropped then, and the hand-over to the next gateway."""
    shop.hook = no_tokens_at_the_one
    while True:
        number = await shop.create()
        view = await shop.arrive(number)
        if shop.payment(number).attempts[0].gateway == GONE:
            return number, view


async def dropped(shop: Shop) -> None:
    """The gateway goes; nothing is open there, so that the configuration is taken."""
    shop.gateways = tuple(each for each in shop.gateways if each.name != GONE)
    shop.hook = None
    await shop.restart()


@on_virtual_time
async def test_a_payment_that_got_no_token_there_is_paid_at_the_next() -> None:
    async with Shop(GONE, "mellat") as shop:
        number, view = await tried_there_first(shop)
        back = shop.go(view)  # type: ignore[arg-type] # it is a hand-over
        await dropped(shop)
        await shop.come_back(back)
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)


@on_virtual_time
async def test_a_payment_that_got_no_token_there_goes_on_and_expires() -> None:
    async with Shop(GONE, "mellat") as shop:
        number, _ = await tried_there_first(shop)
        await dropped(shop)
        view = await shop.engine.cashier.arrive(number)
        assert not isinstance(view, Back)
        await shop.engine.cashier.try_another(number)
        await shop.wait(3 * 3_600)
        assert Status.EXPIRED is shop.status(number)


@on_virtual_time
async def test_a_payment_whose_attempt_there_has_lapsed_is_closed_in_time() -> None:
    async with Shop("zibal") as shop:
        number = await shop.create(expires_in_seconds=7_200)
        await shop.arrive(number)
        await shop.wait(3_650)
        assert State.LAPSED is shop.payment(number).attempts[0].state
        assert Status.PENDING is shop.status(number)
        shop.gateways = (Shop("mellat").gateways[0],)
        await shop.restart()
        await shop.wait(3_600)
        assert Status.EXPIRED is shop.status(number)


@pytest.mark.parametrize("fields", [{}, {"RefNum": "another"}])
@on_virtual_time
async def test_who_comes_back_from_there_after_the_end_sees_what_became_of_it(
    fields: dict[str, str],
) -> None:
    async with Shop(GONE, "mellat") as shop:
        number = await shop.create(gateways=(GONE,))
        back = shop.go(await shop.arrive(number))
        await shop.engine.cashier.cancel(number)
        await shop.wait(3 * 3_600)
        await dropped(shop)
        kinds = shop.kinds(number)
        assert isinstance(await shop.come_back(back, **fields), Back | GoesBack)
        assert isinstance(await shop.engine.cashier.give_up(number), Back)
        assert isinstance(await shop.engine.cashier.try_another(number), Back)
        assert isinstance(await shop.engine.cashier.go_on(number), Back)
        assert kinds == shop.kinds(number)
        assert Status.CANCELLED is shop.status(number)


@on_virtual_time
async def test_what_its_shop_asks_about_later_is_answered_without_it() -> None:
    async with Shop("zarinpal", "zibal") as shop:
        number = await shop.create(capture=Capture.ON_VERIFY, holds_order=False)
        await shop.arrive(number)
        await shop.engine.cashier.cancel(number)
        await shop.wait(60)
        name = shop.payment(number).attempts[0].gateway
        shop.gateways = tuple(each for each in shop.gateways if each.name != name)
        await shop.restart()
        answered = await shop.engine.capturing.ask(number)
        assert answered is not None
        assert Stage.FAILED is stage_of(answered)
