"""The demo's shop: every page in both languages, and nothing believed that is not signed."""

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from gatewayd.core.status import Status
from gatewayd.demo.browser import Browser
from gatewayd.demo.shop import GOODS, build_shop
from gatewayd.demo.shop_texts import TEXTS
from gatewayd.demo.till import Till
from gatewayd.simulator.payers import script_of
from tests.demo_stage import DemoStage, demo_stage
from tests.page_reading import read_forms


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[DemoStage]:
    async with demo_stage(tmp_path) as made:
        yield made


def test_both_languages_say_the_same_things() -> None:
    assert TEXTS["fa"].keys() == TEXTS["en"].keys()
    for texts in TEXTS.values():
        assert all(texts.values())
        assert set() == {str(status) for status in Status} - texts.keys()
        assert set() == {f"{status}_text" for status in Status} - texts.keys()


def test_no_price_is_a_script_of_the_simulated_banks() -> None:
    assert [] == [good.id for good in GOODS if script_of(good.price) or good.price % 1000]


@pytest.mark.parametrize(("locale", "direction"), [("fa", "rtl"), ("en", "ltr")])
async def test_the_goods_have_a_form_each_and_no_script(
    stage: DemoStage, locale: str, direction: str
) -> None:
    status, page = await stage.get(f"/?lang={locale}")
    assert 200 == status
    assert f'<html lang="{locale}" dir="{direction}">' in page
    *forms, bill = read_forms(page)
    assert [good.id for good in GOODS] == [form.fields["good"] for form in forms]
    assert f"/bill?lang={locale}" == bill.action
    assert "<script" not in page
    assert all(getattr(good, locale) in page for good in GOODS)


@pytest.mark.parametrize("locale", ["fa", "en"])
async def test_an_invoice_of_everything_is_paid_on_its_own_page(
    stage: DemoStage, locale: str
) -> None:
    browser = Browser(stage.session)
    shop = await browser.open(f"{stage.setting.shop}/?lang={locale}")
    invoice = await browser.submit(shop, shop.forms[-1])
    assert stage.setting.daemon == invoice.origin
    async with stage.session.get(invoice.url) as answer:
        text = await answer.text()
    assert all(getattr(good, locale) in text for good in GOODS)
    handover = await browser.submit(invoice, invoice.forms[0])
    bank = await browser.submit(handover, handover.forms[0])
    back = await browser.submit(bank, bank.forms[0], {"choice": "paid"})
    while back.origin == stage.setting.banks:
        back = await browser.submit(back, back.forms[0])
    assert (stage.setting.daemon, invoice.url.path) == (back.origin, back.url.path)
    assert "paid" == back.url.query["status"]
    assert () == back.forms


@pytest.mark.parametrize("locale", ["fa", "en"])
async def test_a_purchase_by_hand_ends_on_a_receipt(stage: DemoStage, locale: str) -> None:
    browser = Browser(stage.session)
    shop = await browser.open(f"{stage.setting.shop}/?lang={locale}")
    handover = await browser.submit(shop, shop.forms[4])
    bank = await browser.submit(handover, handover.forms[0])
    back = await browser.submit(bank, bank.forms[0], {"choice": "paid"})
    while back.origin == stage.setting.banks:
        back = await browser.submit(back, back.forms[0])
    assert (stage.setting.shop, 200) == (back.origin, back.status)
    _, page = await stage.get(back.url.raw_path_qs)
    assert f"<h1>{TEXTS[locale]['paid']}</h1>" in page
    assert back.url.query["order_id"] in page
    assert stage.compared().settled


@pytest.mark.parametrize(
    "change",
    [
        {"status": "paid"},
        {"order_id": "another"},
        {"payment_id": "pay_1"},
        {"timestamp": "1"},
        {"signature": ""},
        {"signature": "0" * 64},
        {"signature": "\u06f0"},
    ],
)
async def test_a_return_that_was_tampered_with_is_not_believed(
    stage: DemoStage, change: dict[str, str]
) -> None:
    browser = Browser(stage.session)
    page = await browser.open(f"{stage.setting.shop}/?lang=en")
    handover = await browser.submit(page, page.forms[0])
    bank = await browser.submit(handover, handover.forms[0])
    back = await browser.submit(bank, bank.forms[0], {"choice": "cancel"})
    while back.origin == stage.setting.banks:
        back = await browser.submit(back, back.forms[0])
    genuine = dict(back.url.query)
    assert 200 == (await stage.get(f"/return?{urlencode(genuine)}"))[0]
    status, page_text = await stage.get(f"/return?{urlencode(genuine | change)}")
    assert (400, True) == (status, TEXTS["en"]["forged"] in page_text)


async def test_what_is_not_sold_cannot_be_bought(stage: DemoStage) -> None:
    async with stage.session.post(f"{stage.setting.shop}/buy", data={"good": "moon"}) as answer:
        assert 404 == answer.status


class ToldTill(Till):
    """Believes every return and knows one payment."""

    payment: Mapping[str, Any] | None = None

    def is_genuine(self, query: Mapping[str, str]) -> bool:
        return True

    async def look(self, payment_id: str) -> Mapping[str, Any] | None:
        return self.payment

    async def order(self, *_: Any, **__: Any) -> str | None:
        return None


@pytest.fixture
async def told() -> AsyncIterator[tuple[TestClient[web.Request, web.Application], ToldTill]]:
    async with ClientSession() as session:
        till = ToldTill(session, daemon="", key="", return_url="", return_secret="", run="")
        async with TestClient(TestServer(build_shop(till))) as client:
            yield client, till


@pytest.mark.parametrize("locale", ["fa", "en"])
@pytest.mark.parametrize("status", list(Status))
async def test_every_status_has_a_receipt_and_data_are_escaped(
    told: tuple[TestClient[web.Request, web.Application], ToldTill], locale: str, status: Status
) -> None:
    client, till = told
    till.payment = {
        "status": str(status),
        "amount_rial": 1_750_000,
        "order_id": "<b>7</b>",
        "tracking_code": "184233114310",
        "gateway": "saman",
        "attempts": [{}, {}],
        "rrn": "14226761817",
        "card": "603799******1234",
        "returns_by": "2026-11-24T10:00:00.000Z",
    }
    answer = await client.get(f"/return?payment_id=pay_1&lang={locale}")
    page = await answer.text()
    assert 200 == answer.status
    assert TEXTS[locale][f"{status}_text"] in page
    assert "<b>7</b>" not in page
    assert '<bdi dir="ltr">603799******1234</bdi>' in page
    waits = status in {Status.PENDING, Status.PROCESSING}
    assert waits == (TEXTS[locale]["look_again"] in page)


async def test_a_daemon_that_does_not_answer_gives_an_honest_page(
    told: tuple[TestClient[web.Request, web.Application], ToldTill],
) -> None:
    client, _ = told
    bought = await client.post("/buy", data={"good": GOODS[0].id})
    billed = await client.post("/bill")
    returned = await client.get("/return?payment_id=pay_1")
    for answer in (bought, billed, returned):
        assert 503 == answer.status
        assert re.search(TEXTS["fa"]["sorry"], await answer.text())


async def test_a_till_without_a_daemon_says_so_instead_of_raising(unused_tcp_port: int) -> None:
    async with ClientSession() as session:
        till = Till(
            session,
            daemon=f"http://127.0.0.1:{unused_tcp_port}",
            key="gwk_test_demo",
            return_url="http://127.0.0.1/",
            return_secret="secret",
            run="test",
        )
        assert await till.order(1_750_000, "cup") is None
        assert await till.look("pay_1") is None
