"""Simulated customers reach every ending through pages and buttons alone, and journal and banks agree afterwards."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gatewayd.core.status import Status
from gatewayd.demo.compare import Place
from gatewayd.demo.customers import Ended
from gatewayd.demo.reading import payments_in
from gatewayd.simulator.faults import Fault, Kind
from tests.demo_stage import DemoStage, demo_stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[DemoStage]:
    async with demo_stage(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("mix", "ends"),
    [
        ("paid", {Ended.PAID}),
        ("cancel", {Ended.CANCELLED}),
        ("leave", {Ended.LEFT}),
        ("decline", {Ended.FAILED, Ended.CANCELLED}),  # ZarinPal tells the two not apart
    ],
)
async def test_a_customer_ends_as_the_dice_say(
    stage: DemoStage, mix: str, ends: set[Ended]
) -> None:
    assert await stage.customer(mix).visit() in ends
    assert stage.compared().settled


async def test_customers_whose_card_is_declined_try_another_gateway_and_pay(
    stage: DemoStage,
) -> None:
    customers = 24
    ends = [await stage.customer("decline=3,paid=1", seed=n).visit() for n in range(customers)]
    assert Ended.PAID in ends
    assert "declined" in {row["state"] for row in stage.banks.book.ledger(0)}
    assert customers < len(attempts(stage))
    assert stage.compared().settled


async def test_the_first_round_reaches_the_gateway_that_was_asked_for_and_pays(
    stage: DemoStage,
) -> None:
    names = [gateway.name for gateway in stage.setting.config.gateways]
    for name in names:
        assert Ended.PAID is await stage.customer("cancel").visit(gateway=name)
    found = stage.compared()
    assert set(names) == set(found.journal) == set(found.ledger)
    assert {Status.PAID} == set(found.statuses)
    assert found.settled


async def test_customers_before_dead_pages_leave(stage: DemoStage) -> None:
    stage.banks.faults.add(Fault(driver="*", kind=Kind.PAGE_DOWN), 0.0)
    assert {Ended.LEFT} == {await stage.customer("paid", seed=seed).visit() for seed in range(8)}
    assert {Status.PENDING} == set(stage.compared().statuses)


async def test_customers_before_a_dead_page_come_back_and_pay_at_another_gateway(
    tmp_path: Path,
) -> None:
    async with demo_stage(tmp_path, same_token_seconds=0.001) as stage:
        *dead, _ = stage.setting.config.gateways
        for gateway in dead:
            stage.banks.faults.add(Fault(driver=gateway.name, kind=Kind.PAGE_DOWN), 0.0)
        for seed in range(60):
            ended = await stage.customer("paid", seed=seed).visit()
            if ended is Ended.PAID and attempts(stage)[-1] > 1:
                break
        else:
            pytest.fail("nobody came back")
        assert stage.compared().settled


async def test_a_shop_whose_daemon_is_gone_makes_no_payment(stage: DemoStage) -> None:
    stage.daemon.stop()
    assert Ended.NO_PAYMENT is await stage.customer("paid").visit()


async def test_who_pays_and_closes_the_tab_has_a_time_by_which_the_money_moves(
    stage: DemoStage,
) -> None:
    customer = stage.customer("paid")
    for _ in range(12):
        pay_url = await stage.till.order(1_750_102, "cup")
        assert pay_url is not None
        page = await customer._browser.open(pay_url)
        bank = await customer._browser.submit(page, page.forms[0])
        await customer._browser.submit(bank, bank.forms[0], {"choice": "paid"})
    found = stage.compared()
    waiting = [*found.at(Place.RETURNING), *found.at(Place.TO_BE_ASKED)]
    assert 12 == len(waiting)
    assert all(each.by_ms is not None for each in waiting)
    assert found.settled


def attempts(stage: DemoStage) -> list[int]:
    """The number of every attempt in the journal, payment by payment."""
    journal = Path(stage.setting.config.service.journal.path)
    return [attempt.number for payment in payments_in(journal) for attempt in payment.attempts]
