"""Finance at the operators' desk: what waits for a person, what he needs, and his word; by socket and by command."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web as aiohttp_web
from typer.testing import CliRunner

from gatewayd import cli
from gatewayd.core.terms import Operation
from gatewayd.engine.operating import Refused
from gatewayd.io.operator_client import socket_path
from gatewayd.simulator.faults import Kind
from tests.refund_stage import ask_back, at_rest, goes_wrong, later, made, paid, refund_stage, shown
from tests.test_internal_faces import operators_app
from tests.web_stage import Web

IBAN = "IR820540102680020817909002"


@dataclass
class Desk:
    """A daemon with its socket file, and the commands."""

    web: Web
    journal: Path

    async def says(self, *words: str, code: int = 0) -> str:
        """What a command prints; it ends with this exit code."""
        command = ["refund", *words, "--journal", str(self.journal)]
        wide = {"COLUMNS": "200"}
        told = await asyncio.to_thread(CliRunner().invoke, cli.app, command, env=wide)
        assert code == told.exit_code, told.output
        return told.output


@asynccontextmanager
async def desk(where: Path, *gateways: str) -> AsyncIterator[Desk]:
    async with refund_stage(*gateways) as web:
        runner = aiohttp_web.AppRunner(operators_app(web))
        await runner.setup()
        journal = where / "gatewayd.db"
        await aiohttp_web.UnixSite(runner, str(socket_path(journal))).start()
        try:
            yield Desk(web, journal)
        finally:
            await runner.cleanup()


async def by_hand(web: Web) -> dict[str, Any]:
    """A refund that its bank does not do."""
    payment = await paid(web)
    refund = await made(web, payment, amount=50_000, reason="too small", iban=IBAN)
    await at_rest(web, payment)
    await web.engine.pump.searched()
    return refund


async def test_what_waits_for_a_person_is_listed_with_why(tmp_path: Path) -> None:
    async with desk(tmp_path, "sadad") as office:
        refund = await by_hand(office.web)
        listed = await office.says("list")
        number = refund["payment_id"].removeprefix("pay_")
        assert office.web.engine.journal.get(int(number)) is None, "nothing keeps it in memory"

    assert refund["id"] in listed
    assert "50,000" in listed
    assert "this gateway cannot give it back" in listed


async def test_one_refund_is_shown_with_what_finance_needs(tmp_path: Path) -> None:
    async with desk(tmp_path, "sadad") as office:
        refund = await by_hand(office.web)
        told = await office.says("show", refund["id"])
        payment = await office.web.show({"id": refund["payment_id"]})

    for text in (IBAN, payment["rrn"], payment["ref_num"], "50,000 of 150,000 rial", "too small"):
        assert text in told


async def test_a_person_closes_it_and_it_is_gone_from_the_list(tmp_path: Path) -> None:
    async with desk(tmp_path, "sadad") as office:
        refund = await by_hand(office.web)
        told = await office.says(
            "done", refund["id"], "--reason", "sent", "--reference", "PAYA 7", "--by", "sara"
        )
        again = await office.says("done", refund["id"], "--reason", "again", code=1)
        await office.web.engine.pump.searched()
        listed = await office.says("list")
        after = await shown(office.web, refund)

    assert "PAYA 7" in told
    assert "sara" in told
    assert "it has succeeded already" in again
    assert refund["id"] not in listed
    assert ("succeeded", "manual", "PAYA 7") == (
        after["status"],
        after["kind"],
        after["reference"],
    )


async def test_a_person_says_that_it_does_not_go_back(tmp_path: Path) -> None:
    async with desk(tmp_path, "sadad") as office:
        refund = await by_hand(office.web)
        await office.says("fail", refund["id"], "--reason", "the customer kept it")
        after = await shown(office.web, refund)
        again = await ask_back(office.web, {"id": refund["payment_id"]})

    assert "failed" == after["status"]
    assert (201, 150_000) == (again.status, again.json["amount"])


async def test_what_the_bank_may_have_done_says_so_loudly(tmp_path: Path) -> None:
    async with desk(tmp_path, "mellat") as office:
        payment = await paid(office.web)
        goes_wrong(office.web, Kind.DROP_REPLY)
        refund = await made(office.web, payment, amount=50_000)
        await later(office.web, payment, 600)
        await office.web.engine.pump.searched()
        listed = await office.says("list")
        told = await office.says("show", refund["id"])

    assert "LOOK AT THE BANK FIRST" in listed
    assert "LOOK AT THE BANK FIRST" in told


@pytest.mark.parametrize("word", ["pay_7", "rfd_x_1", "rfd_7"])
async def test_what_is_no_refund_is_refused(tmp_path: Path, word: str) -> None:
    async with desk(tmp_path, "sadad") as office:
        assert "is no refund" in await office.says("show", word, code=1)
        assert "There is no such refund." in await office.says("show", "rfd_7_1", code=1)
        await office.says("done", "rfd_7_1", "--reason", "x", code=1)


async def test_a_person_does_not_say_what_a_bank_still_can(tmp_path: Path) -> None:
    async with desk(tmp_path, "zibal") as office:
        payment = await paid(office.web)
        goes_wrong(office.web, Kind.DROP_REPLY)
        goes_wrong(office.web, Kind.ERROR500, Operation.INQUIRE)
        refund = await made(office.web, payment, amount=50_000)
        await at_rest(office.web, payment)
        told = await office.says("done", refund["id"], "--reason", "I think so", code=1)
        listed = await office.says("list")

    assert "still being asked" in told
    assert refund["id"] in listed


async def test_what_was_never_asked_for_can_be_called_off(tmp_path: Path) -> None:
    async with desk(tmp_path, "mellat") as office:
        payment = await paid(office.web)
        goes_wrong(office.web, Kind.REFUSE)
        refund = await made(office.web, payment, amount=50_000)
        await at_rest(office.web, payment)
        wrong = await office.says("done", refund["id"], "--reason", "no", code=1)
        await office.says("fail", refund["id"], "--reason", "the shop changed its mind")
        office.web.banks.faults.clear()
        await later(office.web, payment, 3_600)
        (row,) = office.web.banks.book.ledger(office.web.clock.now)

    assert "has not done it yet" in wrong
    assert 0 == row["refunded"]


async def test_all_of_it_is_not_reversed_by_order_while_a_part_is_spoken_for(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, "zibal") as office:
        payment = await paid(office.web)
        await made(office.web, payment, amount=50_000)
        await later(office.web, payment, 60)
        number = int(payment["id"].removeprefix("pay_"))
        with pytest.raises(Refused):
            await office.web.engine.operating.reverse(number, by="sara", reason="x")


async def test_the_story_of_a_payment_tells_its_refunds(tmp_path: Path) -> None:
    async with desk(tmp_path, "zibal") as office:
        payment = await paid(office.web)
        refund = await made(office.web, payment, amount=50_000)
        await later(office.web, payment, 60)
        number = int(payment["id"].removeprefix("pay_"))
        told = await office.web.engine.operating.story(number)
        assert told is not None
        summary, lines = told

    assert [
        {"id": refund["id"], "amount_rial": 50_000, "status": "succeeded", "kind": "refund"}
    ] == summary["refunds"]
    assert ["RefundCreated", "RefundRequested", "Refunded", "RefundAsked"] == [
        line.kind for line in lines if "efund" in line.kind
    ]
