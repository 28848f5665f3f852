"""The Python client in front of a daemon that is killed and restarted under it: no payment twice, none lost.

    python -m bench.client --payments 1000 --kills 5

Shops make payments by `gatewayd.client`, every second one by the client that waits and the others by the one for
asyncio; customers pay them; every tenth that is paid is refunded in part. Meanwhile the daemon is killed and started
again, spread over the run. Then the ids that the shops hold are compared with `GET /v1/payments` and with the banks'
own book. Exit code 1 if anything is twice, missing or in doubt, or if a client's call failed for good.
"""

import argparse
import asyncio
import contextlib
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench import processes
from bench.books import TAKEN, at_rest, compare, in_doubt, ledger
from bench.mortal import Daemon
from bench.patient import Customer
from bench.processes import KEY, SHOP
from gatewayd.client import AsyncClient, Client, ClientError, Policy
from gatewayd.client.shapes import Payment

MIX: Final = "paid=90,cancel=5,decline=5"
PATIENT: Final = Policy(tries_max=60, total_seconds=180.0, try_seconds=15.0, pause_max_seconds=2.0)
"""A kill takes the daemon away for as long as it takes to start, on a busy machine ten seconds and more."""
REFUND_EVERY: Final = 10
REFUNDED: Final = 20_000
QUIET_SECONDS: Final = 100.0


@dataclass
class Seen:
    """What the shops hold."""

    ids: dict[str, str] = field(default_factory=dict)
    """Of each order, the payment that the client gave."""
    refunds: dict[str, str] = field(default_factory=dict)
    """Of each refunded payment, the refund that the client gave."""
    wrong: list[str] = field(default_factory=list)
    tried_again: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    """Another payment was made."""


class Shop:
    """Both clients, called in the same way."""

    def __init__(self, address: str, seen: Seen) -> None:
        self._seen = seen
        self._waiting = Client(address, KEY, policy=PATIENT, sleep=self._sleep)
        self._asking = AsyncClient(address, KEY, policy=PATIENT, sleep=self._asleep)

    def _sleep(self, seconds: float) -> None:
        self._seen.tried_again += 1
        time.sleep(seconds)

    async def _asleep(self, seconds: float) -> None:
        self._seen.tried_again += 1
        await asyncio.sleep(seconds)

    async def do(self, number: int, name: str, *args: Any, **how: Any) -> Any:
        """This call, by the client whose turn it is."""
        if number % 2:
            return await asyncio.to_thread(getattr(self._waiting, name), *args, **how)
        call: Callable[..., Awaitable[Any]] = getattr(self._asking, name)
        return await call(*args, **how)

    async def everything(self) -> list[Payment]:
        """Every payment there is."""
        return [each async for each in self._asking.list_payments()]

    async def close(self) -> None:
        self._waiting.close()
        await self._asking.close()


async def one(shop: Shop, seen: Seen, daemon: Daemon, banks: str, number: int) -> None:
    """A payment from order to refund."""
    order = f"client-{number}"
    amount = 100_000 + 1_000 * (number % 90)
    try:
        made = await shop.do(
            number, "create_payment", amount=amount, order_id=order, return_url=SHOP
        )
        seen.ids[order] = made["id"]
        seen.more.set()
        customer = Customer(daemon.address, banks, random.Random(number))
        seen.ended[await customer.walk(made["pay_url"])] += 1
        shown = await shop.do(number, "get_payment", made["id"])
        if shown["status"] == "paid" and number % REFUND_EVERY == 0:
            refund = await shop.do(number, "create_refund", made["id"], amount=REFUNDED)
            seen.refunds[made["id"]] = refund["id"]
    except ClientError as error:
        seen.wrong.append(f"{order}: {type(error).__name__} {error}")


async def load(
    shop: Shop, seen: Seen, daemon: Daemon, banks: str, options: argparse.Namespace
) -> None:
    """All the payments, so many at a time."""
    numbers = iter(range(options.payments))

    async def till() -> None:
        for number in numbers:
            await one(shop, seen, daemon, banks, number)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(options.at_a_time):
            tasks.create_task(till())


async def kill(seen: Seen, daemon: Daemon, options: argparse.Namespace) -> None:
    """SIGKILL and a new start, each when the next part of the payments is made."""
    for blow in range(1, options.kills + 1):
        while len(seen.ids) < options.payments * blow // (options.kills + 1):
            seen.more.clear()
            await seen.more.wait()
        await daemon.die()


def judge(seen: Seen, found: list[Any], book: list[dict[str, Any]], payments: int) -> list[str]:
    """What is twice, lost or different."""
    wrong = [*seen.wrong, *compare(found, book)]
    there = Counter(each["order_id"] for each in found)
    wrong += [f"{order} was made {times} times" for order, times in there.items() if times > 1]
    by_id = {each["id"]: each for each in found}
    for order, payment_id in seen.ids.items():
        if payment_id not in by_id or by_id[payment_id]["order_id"] != order:
            wrong.append(f"{payment_id} of {order} is not listed")
    unknown = by_id.keys() - set(seen.ids.values())
    wrong += [f"{payment_id} is there, and no client was given it" for payment_id in unknown]
    if len(seen.ids) != payments:
        wrong.append(f"{len(seen.ids)} of {payments} payments were made")
    for payment_id, payment in by_id.items():
        refunds = [each["id"] for each in payment["refunds"]]
        expected = [seen.refunds[payment_id]] if payment_id in seen.refunds else []
        if refunds != expected:
            wrong.append(f"{payment_id} has the refunds {refunds}, the client {expected}")
    return wrong


async def run(options: argparse.Namespace) -> list[str]:
    """One run; what is wrong afterwards."""
    with (
        tempfile.TemporaryDirectory() as directory,
        processes.simulator("--mix", MIX, "--seed", str(options.seed)) as banks,
    ):
        daemon = Daemon(Path(directory), banks.address, processes.free_port())
        daemon.start()
        seen = Seen()
        shop = Shop(daemon.address, seen)
        try:
            await daemon.up()
            began = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(load(shop, seen, daemon, banks.address, options))
                tasks.create_task(kill(seen, daemon, options))
            took = time.monotonic() - began
            found, _ = await at_rest(shop.everything, in_doubt, QUIET_SECONDS)
            book = await asyncio.to_thread(ledger, banks.address)
        finally:
            await shop.close()
            with contextlib.suppress(OSError):
                daemon.send(signal.SIGTERM)
            code = daemon.wait()
        wrong = judge(seen, found, book, options.payments)
        if in_doubt(found):
            wrong.append(f"{in_doubt(found)} payments are in doubt {QUIET_SECONDS:.0f} s later")
        if code != 0:
            wrong.append(f"the daemon ended with {code} on SIGTERM")
        taken = sum(row["state"] in TAKEN and not row["reversed"] for row in book)
        print(f"{options.payments} payments in {took:.0f} s, {options.kills} kills")
        print(
            f"the clients hold {len(set(seen.ids.values()))} payments, the daemon lists {len(found)}"
        )
        print(f"statuses {dict(Counter(each['status'] for each in found))}; banks keep {taken}")
        print(f"customers saw {dict(seen.ended)}")
        print(f"refunds: {len(seen.refunds)} given to clients; tries repeated: {seen.tried_again}")
        return wrong


def main() -> None:
    """Read the options, run, tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--payments", type=int, default=1_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--at-a-time", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    wrong = asyncio.run(run(parser.parse_args()))
    for line in wrong[:40]:
        print(f"WRONG: {line}")
    print("no duplicate and no lost one" if not wrong else f"{len(wrong)} things are wrong")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
