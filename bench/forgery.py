"""Forged and replayed returns from outside: none may be paid, none may meet an error, none may make the journal grow.

    python -m bench.forgery                       300 returns of 12 kinds, over the six gateways

For every gateway a customer pays honestly, and somebody keeps what the browser carried. Others of the same amount go to
their banks and do not pay; to their genuine return addresses comes what the forger makes of it all. One address gets a
hundred returns, and some addresses are changed on the way. Exit code 1 if anything was won by it.
"""

import argparse
import asyncio
import random
import re
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from bench import processes
from bench.payer import GATEWAYS, Payer, Way
from gatewayd.simulator.bank import Session
from gatewayd.world.forgery import KINDS, Seen, forge

AMOUNT: Final = 150_000
"""One for all: a receipt of the same amount is the best that a forger can have."""
FLOOD: Final = 100
"""Different returns to one address."""
RETURNS_KEPT: Final = 20
"""What the journal keeps of them."""
STRAY: Final = 50
"""Returns to addresses that were changed on the way."""
TAKEN: Final = frozenset({"verified", "settled"})


@dataclass(frozen=True, slots=True)
class Known:
    """A way back, and what the bank knows of its payment."""

    way: Way
    session: Session


class Forger:
    """A payer with a pencil."""

    def __init__(self, payer: Payer, dice: random.Random) -> None:
        self._payer = payer
        self._dice = dice
        self._made = 0
        self.answers: Counter[int] = Counter()
        """Of the forged returns, by status."""

    async def at_bank(self, gateway: str, choice: str) -> Known:
        """A new payment, whose customer does `choice` at the bank; nobody has come back yet."""
        self._made += 1
        way = await self._payer.way_back(f"forged-{self._made}", gateway, AMOUNT, choice)
        row = (await self._payer.ledger())[-1]
        assert row["driver"] == gateway
        numbers = {name.lower(): value for name, value in way.fields.items()}
        session = Session(
            driver=gateway,
            terminal=str(row["terminal"]),
            token=row["token"],
            order=str(row["order"]),
            amount=row["amount"],
            callback_url="",
            created_at=0.0,
            ref_num=numbers.get("refnum", numbers.get("salereferenceid", "")),
            rrn=numbers.get("rrn", ""),
            trace_no=numbers.get("traceno", ""),
        )
        return Known(way, session)

    async def brings(self, way: Way, fields: dict[str, str]) -> None:
        """A return that is not as the bank made it, or not the first one."""
        self.answers[(await self._payer.come_back(way, fields)).status] += 1

    async def forges(self, kind: str, ours: Known, theirs: Known) -> None:
        """A return of this kind to the address of `ours`, made with what the honest `theirs` brought."""
        seen = Seen(theirs.session, theirs.way.fields)
        fields = forge(kind, ours.session, ours.way.fields, seen, self._dice)
        await self.brings(ours.way, fields)

    async def strays(self, way: Way) -> int:
        """A return to an address that was changed on the way; the status that it is answered with."""
        at = self._dice.randrange(len("/return/"), len(way.path))
        other = self._dice.choice([c for c in "0123456789abcXYZ" if c != way.path[at]])
        path = way.path[:at] + other + way.path[at + 1 :]
        return (await self._payer.come_back(way, way.fields, path=path)).status


async def attack(count: int, seed: int, console: Console) -> list[str]:
    """`count` forged returns and what goes with them; what is wrong afterwards."""
    dice, wrong = random.Random(seed), list[str]()
    with tempfile.TemporaryDirectory() as directory:
        where = Path(directory)
        with (
            processes.simulator("--payers", "page") as banks,
            processes.daemon(banks.address, directory=where) as daemon,
        ):
            payer = Payer(daemon.address, banks.address)
            forger = Forger(payer, dice)
            honest = {name: await forger.at_bank(name, "paid") for name in GATEWAYS}
            for known in honest.values():
                await payer.come_back(known.way, known.way.fields)
            victims: list[Known] = []
            for place in range(count):
                gateway = GATEWAYS[place // len(KINDS) % len(GATEWAYS)]
                victims.append(await forger.at_bank(gateway, dice.choice(("cancel", "decline"))))
                await forger.forges(KINDS[place % len(KINDS)], victims[-1], honest[gateway])
            said = dict(sorted(forger.answers.items()))
            console.print(f"{count} forged returns of {len(KINDS)} kinds were answered {said}")
            last = victims[-1].way
            for place in range(FLOOD):
                await forger.brings(last, {**last.fields, "made_up": str(place)})
            for known in honest.values():  # what was paid once is brought again
                await forger.brings(known.way, known.way.fields)
            strayed = Counter([await forger.strays(known.way) for known in victims[:STRAY]])
            console.print(f"returns to changed addresses were answered {dict(strayed)}")
            statuses = Counter([await payer.status(known.way.payment) for known in victims])
            paid = [await payer.status(known.way.payment) for known in honest.values()]
            ledger = await payer.ledger()
            metrics = daemon.metrics()
        with closing(sqlite3.connect(where / "journal.db")) as db:
            kept = db.execute(
                "SELECT count(*) FROM events WHERE kind = 'Returned' GROUP BY number"
            ).fetchall()
            (reviews,) = db.execute(
                "SELECT count(DISTINCT number) FROM events WHERE kind = 'ReviewRaised'"
            ).fetchone()
    most = max(times for (times,) in kept)
    counts = re.findall(r"^gatewayd_forged_total\S* (\S+)", metrics, re.MULTILINE)
    counted = sum(float(each) for each in counts)
    console.print(f"victims' payments: {dict(statuses)}; {reviews} payments need review")
    console.print(
        f"the journal keeps {sum(times for (times,) in kept)} returns, {most} of one payment at"
        f" most; {counted:.0f} on changed addresses were counted, and not journaled"
    )
    wrong += [f"{statuses[bad]} victims are {bad}" for bad in ("paid", "reversed") if statuses[bad]]
    wrong += [f"an honest payment is {status}" for status in paid if status != "paid"]
    wrong += [f"answered with {status}" for status in forger.answers if status >= 500]
    wrong += ["a changed address was taken for genuine"] * (set(strayed) != {404})
    if most > RETURNS_KEPT:
        wrong.append(f"{most} returns of one payment are in the journal")
    held = sum(row["state"] in TAKEN and not row["reversed"] for row in ledger)
    if held != len(honest):
        wrong.append(f"the banks keep {held} payments, and {len(honest)} were made")
    return wrong


def main() -> None:
    """Read the options, attack, tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    console = Console()
    wrong = asyncio.run(attack(options.count, options.seed, console))
    for line in wrong:
        console.print(f"WRONG: {line}", highlight=False, markup=False)
    console.print("nothing was won by it" if not wrong else f"{len(wrong)} things are wrong")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
