"""Invoices by the Python client, of both kinds, against the real listener."""

import pytest

from gatewayd.client import shapes
from tests.client_stage import between, shop
from tests.invoice_stage import pay
from tests.web_stage import web_stage

KINDS = pytest.mark.parametrize("kind", ["sync", "async"])


@KINDS
async def test_an_invoice_goes_through_its_whole_life(kind: str) -> None:
    async with web_stage(only=["saman"]) as web, shop(kind, web.base) as us:
        line: shapes.LineInput = {"name": "چای", "unit_price": 75_000, "quantity": 2}
        made = await us.do("create_invoice", lines=[line], order_id="o-1", due_at="2025-03-01")
        assert ("open", 150_000) == (made["status"], made["amount"])
        await pay(web, made)
        seen = await us.do("get_invoice", made["id"])
        assert ("paid", 1) == (seen["status"], seen["payments_paid"])
        (payment,) = await us.do("list_invoice_payments", made["id"])
        assert (seen["payment_id"], made["id"]) == (payment["id"], payment["invoice_id"])
        other = await us.do("create_invoice", amount=200_000, payments="many")
        assert "cancelled" == (await us.do("cancel_invoice", other["id"]))["status"]
        assert [other["id"], made["id"]] == [e["id"] for e in await us.do("list_invoices")]
        assert [other["id"]] == [
            each["id"] for each in await us.do("list_invoices", status="cancelled")
        ]


@KINDS
async def test_an_invoice_is_made_once_although_the_answer_is_lost(kind: str) -> None:
    async with (
        web_stage(only=["saman"]) as web,
        between(web.base) as middle,
        shop(kind, middle.url) as us,
    ):
        middle.script = ["drop", "reset", "pass"]
        made = await us.do("create_invoice", amount=200_000)
        assert [made["id"]] == [each["id"] for each in await us.do("list_invoices")]
