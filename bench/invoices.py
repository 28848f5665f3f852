"""Payment links in front of a daemon that is killed and restarted under them: no invoice paid twice, none lost.

    python -m bench.invoices --invoices 80 --kills 5

A shop makes invoices by `gatewayd.client`, every fourth for two payments. Each is opened in two tabs at once, whose
customers press the button, pay, and try again whatever fails. Meanwhile the daemon is killed and started again. Then
invoices, payments, events and the banks' own book are compared, and the journal is verified. Exit code 1 if anything is
paid twice, missing, in doubt or told wrongly.
"""

import argparse
import asyncio
import contextlib
import random
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from bench import processes
from bench.books import at_rest, compare, in_doubt, ledger, payments
from bench.mortal import Daemon
from bench.patient import Customer
from bench.processes import KEY, SHOP
from gatewayd.client import AsyncClient, Policy
from gatewayd.client.shapes import Invoice
from gatewayd.io.journal_verify import verify

MIX: Final = "paid=85,cancel=10,decline=5"
PATIENT: Final = Policy(tries_max=60, total_seconds=180.0, try_seconds=15.0, pause_max_seconds=2.0)
TABS: Final = 2
TRIES: Final = 6
"""A customer who fails so often goes away."""
MANY_EVERY: Final = 4
QUIET_SECONDS: Final = 100.0
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


async def tab(daemon: Daemon, banks: str, path: str, name: int, ended: Counter[str]) -> None:
    """One customer at one invoice's page, until it is paid."""
    for attempt in range(TRIES):
        customer = Customer(daemon.address, banks, random.Random(name * TRIES + attempt))
        body = urlencode({"once": f"{name:06x}{attempt:02x}", "lang": "fa"}).encode()
        pressed = await customer.insist("POST", path, body, FORM)
        if pressed is None or not pressed.location.startswith("/pay/"):
            ended["nothing more to pay" if pressed else "gave up"] += 1
            return
        end = await customer.walk(daemon.address + pressed.location)
        ended[end] += 1
        if end == "paid":
            return
        await asyncio.sleep(0.3)


async def one(
    shop: AsyncClient, daemon: Daemon, banks: str, number: int, ended: Counter[str]
) -> Invoice:
    """An invoice, and whoever pays it."""
    amount, order_id = 100_000 + 1_000 * (number % 90), f"invoice-{number}"
    if number % MANY_EVERY:
        made = await shop.create_invoice(amount=amount, order_id=order_id, return_url=SHOP)
    else:
        made = await shop.create_invoice(
            amount=amount, order_id=order_id, return_url=SHOP, payments="many", payments_max=TABS
        )
    path = urlsplit(made["pay_url"]).path
    tabs = (tab(daemon, banks, path, number * TABS + each, ended) for each in range(TABS))
    await asyncio.gather(*tabs)
    return made


async def kill(daemon: Daemon, kills: int, pause_seconds: float) -> None:
    """SIGKILL and a new start, again and again."""
    for _ in range(kills):
        await asyncio.sleep(pause_seconds)
        await daemon.die()


def judge(
    made: list[Invoice],
    listed: list[Invoice],
    found: list[dict[str, Any]],
    told: Counter[str],
) -> list[str]:
    """What is twice, lost or different."""
    wrong: list[str] = []
    if {each["id"] for each in made} != {each["id"] for each in listed}:
        wrong.append(f"{len(made)} invoices were made, {len(listed)} are there")
    paid = Counter(each["invoice_id"] for each in found if each["status"] == "paid")
    for invoice in listed:
        name, times = invoice["id"], paid[invoice["id"]]
        wanted, is_paid = invoice["payments_max"] or 0, invoice["status"] == "paid"
        if times > wanted:
            wrong.append(f"{name} is paid {times} times, and wanted {wanted}")
        if is_paid is not (times == wanted):
            wrong.append(f"{name} is {invoice['status']} with {times} of {wanted} payments")
        if invoice["payments_paid"] != times:
            wrong.append(f"{name} says {invoice['payments_paid']} payments, there are {times}")
        if told[name] != is_paid:
            wrong.append(f"{name} is {invoice['status']}, its shop was told so {told[name]} times")
    return wrong


async def run(options: argparse.Namespace) -> list[str]:
    """One run; what is wrong afterwards."""
    with (
        tempfile.TemporaryDirectory() as directory,
        processes.simulator("--mix", MIX, "--seed", str(options.seed)) as banks,
    ):
        daemon = Daemon(Path(directory), banks.address, processes.free_port())
        daemon.start()
        shop, ended = AsyncClient(daemon.address, KEY, policy=PATIENT), Counter[str]()
        numbers, made = iter(range(options.invoices)), list[Invoice]()

        async def till() -> None:
            for number in numbers:
                made.append(await one(shop, daemon, banks.address, number, ended))

        try:
            await daemon.up()
            async with asyncio.TaskGroup() as tasks:
                for _ in range(options.at_a_time):
                    tasks.create_task(till())
                tasks.create_task(kill(daemon, options.kills, options.pause))
            found, _ = await at_rest(
                lambda: asyncio.to_thread(payments, daemon.address), in_doubt, QUIET_SECONDS
            )
            listed = [each async for each in shop.list_invoices()]
            events = [each async for each in shop.list_events()]
            book = await asyncio.to_thread(ledger, banks.address)
        finally:
            await shop.close()
            with contextlib.suppress(OSError):
                daemon.send(signal.SIGTERM)
            await asyncio.to_thread(daemon.wait)
        told = Counter(each["data"]["id"] for each in events if each["type"] == "invoice.paid")
        wrong = [*compare(found, book), *judge(made, listed, found, told)]
        wrong += map(str, verify(Path(directory) / "journal.db").problems)
        if in_doubt(found):
            wrong.append(f"{in_doubt(found)} payments are in doubt {QUIET_SECONDS:.0f} s later")
        print(f"{len(made)} invoices, {options.kills} kills; customers saw {dict(ended)}")
        print(f"payments {dict(Counter(each['status'] for each in found))}")
        print(f"invoices {dict(Counter(each['status'] for each in listed))}")
        return wrong


def main() -> int:
    """Run it; the exit code is 0 if nothing was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--invoices", type=int, default=80)
    parser.add_argument("--at-a-time", type=int, default=8)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--pause", type=float, default=3.0, help="seconds between two kills")
    parser.add_argument("--seed", type=int, default=1)
    wrong = asyncio.run(run(parser.parse_args()))
    for line in wrong:
        print(f"WRONG: {line}")
    print("nothing is wrong" if not wrong else f"{len(wrong)} things are wrong")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
