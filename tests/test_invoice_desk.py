"""Operators look at invoices: by socket and by command, and without what only the customer should have."""

import asyncio
from pathlib import Path

from aiohttp import web as aiohttp_web
from typer.testing import CliRunner

from gatewayd import cli
from gatewayd.io.operator_client import socket_path
from tests.invoice_stage import bill, pay, payments_of, settled
from tests.test_internal_faces import operators_app
from tests.web_stage import web_stage


async def test_an_operator_sees_what_is_open_and_what_became_of_one(tmp_path: Path) -> None:
    async with web_stage(only=["saman"]) as web:
        runner = aiohttp_web.AppRunner(operators_app(web))
        await runner.setup()
        journal = tmp_path / "gatewayd.db"
        await aiohttp_web.UnixSite(runner, str(socket_path(journal))).start()

        async def says(*words: str, code: int = 0) -> str:
            command = ["invoice", *words, "--journal", str(journal)]
            wide = {"COLUMNS": "200"}
            told = await asyncio.to_thread(CliRunner().invoke, cli.app, command, env=wide)
            assert code == told.exit_code, told.output
            return told.output

        try:
            name = "Leila Ahmadi"
            later = await bill(web, order_id="later", payer={"name": name})
            sooner = await bill(web, order_id="sooner", due_at="2025-02-20", payments="many")
            listed = await says("list")
            assert listed.index(sooner["id"]) < listed.index(later["id"])
            assert "0 of any" in listed
            await pay(web, later)
            await settled(web)
            (payment,) = await payments_of(web, later)
            told = await says("show", later["id"])
            for word in ("paid: 1 of 1", payment["id"], "InvoiceCreated", "InvoicePaid", "150,000"):
                assert word in told
            for secret in (name, later["pay_url"].rpartition("/")[2]):
                assert secret not in told + listed
            assert later["id"] not in await says("list")
            assert "no such invoice" in await says("show", "7", code=1)
            assert "is no invoice" in await says("show", "pay_7", code=1)
        finally:
            await runner.cleanup()
