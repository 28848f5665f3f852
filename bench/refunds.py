"""A storm of refunds: parts of a few payments asked back by many at once, while banks lose replies and the daemon dies.

    python -m bench.refunds                       1,000 parts of 50 payments, a fifth of the banks' replies lost
    python -m bench.refunds --kills 3             the same, and the daemon is killed in between
    python -m bench.refunds --gateways zibal      only at a bank that can be asked what it did: the books must be equal

Every part is asked for with a key of its own, and asked for again with it until there is an answer. Afterwards the
banks may have given back what the journal says, no payment more than it was of, and where an answer was lost that no
bank can give again, no more than what finance is told to look at. Exit code 1 if not.
"""

import argparse
import asyncio
import json
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Console

from bench import processes
from bench.books import at_rest, heal, ledger, payments, set_fault
from bench.mortal import Daemon
from bench.patient import Customer
from bench.processes import KEY
from bench.wire import Connection

AMOUNT: Final = 1_000_000
LEAST: Final = 20_000
"""Rial; no bank refunds less than this."""
MOST: Final = 200_000
PAYERS_AT_A_TIME: Final = 8
SHOP_CONNECTIONS: Final = 64
"""What a shop's own program would open at most."""
QUIET_SECONDS: Final = 240.0
"""After the faults stop, this long at most until every refund has ended or is a person's."""
UNDER_WAY: Final = frozenset({"pending", "processing"})
REFUNDING: Final = {
    "    merchant_id: 11111111-2222-3333-4444-555555555555\n": (
        "    access_token: panel-token-of-the-bench\n"
        '    terminal_id: "4321"\n'
        "    refund_url: http://127.0.0.1:9100/zarinpal\n"
    ),
    "    merchant: zibal-demo\n": (
        "    access_token: platform-key-of-the-bench\n"
        '    account_id: "1234"\n'
        "    api_url: http://127.0.0.1:9100/zibal\n"
    ),
}
"""What the sample contracts need for refunds, after which line."""


def with_refunds(text: str) -> str:
    """The small configuration with contracts that refund."""
    for line, more in REFUNDING.items():
        assert line in text
        text = text.replace(line, line + more)
    return text


class Storm:
    """One run."""

    def __init__(self, daemon: Daemon, banks: str, options: argparse.Namespace) -> None:
        self._daemon = daemon
        self._banks = banks
        self._options = options
        self._rng = random.Random(options.seed)
        self.answers: Counter[str] = Counter()
        self.refunds: dict[str, str] = {}
        """By idempotency key, the refund that was agreed to."""
        self.wrong: list[str] = []

    async def paid(self) -> list[str]:
        """The payments, by id."""
        orders = iter(range(self._options.payments))

        async def payer(number: int) -> None:
            one = Customer(self._daemon.address, self._banks, random.Random(number))
            for order in orders:
                gateway = self._options.gateways[order % len(self._options.gateways)]
                ended = await one.pay(f"storm-{order}", AMOUNT, gateways=[gateway])
                assert ended == "paid", ended

        await asyncio.gather(*(payer(number) for number in range(PAYERS_AT_A_TIME)))
        found = await asyncio.to_thread(payments, self._daemon.address)
        return [payment["id"] for payment in found if payment["status"] == "paid"]

    async def rages(self, ids: list[str]) -> None:
        """Every part is asked back, all at once."""
        parts = [
            (ids[place % len(ids)], f"part-{place}", self._rng.randrange(LEAST, MOST, 1_000))
            for place in range(self._options.parts)
        ]
        self._rng.shuffle(parts)
        due = iter(parts)

        async def shop() -> None:
            where = urlsplit(self._daemon.address)
            connection = Connection(where.hostname or "", where.port or 80)
            for payment, key, amount in due:
                await self.insist(connection, payment, key, amount)
                if self._rng.random() < 0.1:  # a shop that is not sure asks once more
                    await self.insist(connection, payment, key, amount)
            connection.close()

        await asyncio.gather(*(shop() for _ in range(SHOP_CONNECTIONS)))

    async def insist(self, connection: Connection, payment: str, key: str, amount: int) -> None:
        headers = {
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        body = json.dumps({"amount": amount, "reason": "a storm"}).encode()
        for _ in range(200):
            try:
                answer = await asyncio.wait_for(
                    connection.ask("POST", f"/v1/payments/{payment}/refunds", body, headers), 30
                )
            except (OSError, TimeoutError):
                connection.close()
                await asyncio.sleep(0.2)
                continue
            document = json.loads(answer.body)
            code = document.get("code", "agreed")
            if answer.status == 503 or code in {"idempotency_key_in_use", "too_many_requests"}:
                await asyncio.sleep(0.2)
                continue
            self.answers[f"{answer.status} {code}"] += 1
            if (
                answer.status == 201
                and self.refunds.setdefault(key, document["id"]) != document["id"]
            ):
                self.wrong.append(f"{key} made two refunds: {self.refunds[key]}, {document['id']}")
            return
        self.wrong.append(f"{key} was never answered")

    async def kills(self) -> None:
        for _ in range(self._options.kills):
            await asyncio.sleep(self._rng.uniform(0.3, 1.0))
            await self._daemon.die()

    async def calm(self) -> tuple[list[dict[str, Any]], float]:
        """The payments once every refund has ended or is a person's, and how long that took."""
        found, took = await at_rest(
            lambda: asyncio.to_thread(payments, self._daemon.address), under_way, QUIET_SECONDS
        )
        if busy := under_way(found):
            self.wrong.append(f"{busy} refunds are under way {took:.0f} s after the faults")
        return found, took

    def compare(self, found: list[dict[str, Any]], book: list[dict[str, Any]]) -> dict[str, int]:
        """Journal against the banks' book, rial by rial; the sums."""
        rows = {row["order"]: row for row in book}
        sums: Counter[str] = Counter()
        known = set()
        for payment in found:
            (row,) = [rows[each["bank_order"]] for each in payment["attempts"]]
            refunds = payment["refunds"]
            known |= {refund["id"] for refund in refunds}
            spoken_for = sum(each["amount"] for each in refunds if each["status"] != "failed")
            done = sum(each["amount"] for each in refunds if each["status"] == "succeeded")
            maybe = sum(
                each["amount"] for each in refunds if (each["needs"] or {}).get("ask_bank_first")
            )
            bank = row["amount"] if row["reversed"] else row["refunded"]
            sums.update(
                {
                    "paid": AMOUNT,
                    "gone back by the journal": done,
                    "gone back by the banks": bank,
                    "left to finance": spoken_for - done,
                    "of these perhaps gone back": maybe,
                }
            )
            for much, what in ((spoken_for, "asked back"), (bank, "given back by its bank")):
                if much > AMOUNT:
                    self.wrong.append(f"{payment['id']}: {much} rial {what}")
            if not done <= bank <= done + maybe:
                self.wrong.append(
                    f"{payment['id']} at {payment['gateway']}: {done} rial went back by the journal,"
                    f" {bank} by the bank, {maybe} may have"
                )
            if done != payment["refunded_amount"]:
                self.wrong.append(f"{payment['id']} does not add up its refunds")
        if known != set(self.refunds.values()):
            self.wrong.append("the journal's refunds are not those that the shop was told of")
        return dict(sums)


async def storm(options: argparse.Namespace, console: Console) -> list[str]:
    """One run; what is wrong afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        where = Path(directory)
        config = where / "refunding.yaml"
        config.write_text(with_refunds(processes.CONFIG.read_text()))
        with processes.simulator("--mix", "paid", "--seed", "1", config=config) as banks:
            daemon = Daemon(where, banks.address, processes.free_port(), config=config)
            daemon.start()
            await daemon.up()
            run = Storm(daemon, banks.address, options)
            ids = await run.paid()
            for operation in ("refund", "reverse"):
                for kind, chance in (("drop_reply", options.lost), ("refuse", 0.05)):
                    set_fault(
                        banks.address,
                        driver="*",
                        kind=kind,
                        operation=operation,
                        probability=chance,
                    )
            began = time.monotonic()
            await asyncio.gather(run.rages(ids), run.kills())
            raged = time.monotonic() - began
            heal(banks.address)
            found, took = await run.calm()
            book = ledger(banks.address)
            daemon.send(signal.SIGTERM)
            if daemon.wait() != 0:
                run.wrong.append("the daemon did not end well")
            log = (where / "daemon.log").read_text(errors="replace")
            run.wrong += [
                line[:300]
                for line in log.splitlines()
                if "action failed" in line or "Traceback" in line or "request failed" in line
            ][:5]
            sums = run.compare(found, book)
        statuses = Counter(each["status"] for payment in found for each in payment["refunds"])
        console.print(f"{len(ids)} payments, {options.parts} parts: {dict(run.answers)}")
        console.print(f"refunds: {dict(statuses)}; payments: {Counter(p['status'] for p in found)}")
        for name, rial in sums.items():
            console.print(f"{name:>28}: {rial:>12,} rial")
        console.print(f"the storm took {raged:.1f} s, everything had ended {took:.1f} s later")
        return run.wrong


def under_way(found: list[dict[str, Any]]) -> int:
    """Refunds that have not ended."""
    return sum(refund["status"] in UNDER_WAY for payment in found for refund in payment["refunds"])


def main() -> None:
    """Read the options, run, tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--payments", type=int, default=50)
    parser.add_argument("--parts", type=int, default=1_000)
    parser.add_argument("--lost", type=float, default=0.2, help="of the banks' replies")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gateways", nargs="+", default=["mellat", "zarinpal", "zibal"])
    console = Console(highlight=False)
    wrong = asyncio.run(storm(parser.parse_args(), console))
    for line in wrong[:40]:
        console.print(f"WRONG: {line}", markup=False)
    console.print(
        "no payment gave back more than it was of, and the books agree" if not wrong else ""
    )
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
