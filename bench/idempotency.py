"""One payment per key: thousands of POSTs at once with few Idempotency-Keys, against the real daemon.

    python -m bench.idempotency                 2,000 POSTs at once with 200 keys
    python -m bench.idempotency --kill          the same while the daemon is killed in the middle

What is refused for a moment (503, 409 while the first call runs, a dead connection) is sent again, as a shop would.
Exit code 1 unless there are exactly as many payments as keys and every key got the same answer every time.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from rich.console import Console

from bench import processes
from bench.books import payments
from bench.mortal import Daemon
from bench.processes import KEY, SHOP

AGAIN: Final = frozenset({409, 429, 503})
"""Nothing was done, or the first call still runs."""
TRIES_MAX: Final = 200


async def post(
    session: ClientSession, address: str, key: str, seen: Counter[str]
) -> tuple[str, bytes]:
    """The key and the answer, after as many tries as it takes."""
    body = json.dumps({"amount": 150_000, "order_id": f"order-{key}", "return_url": SHOP})
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": key}
    for _ in range(TRIES_MAX):
        try:
            async with session.post(f"{address}/v1/payments", data=body, headers=headers) as answer:
                seen[f"{answer.status}"] += 1
                said = await answer.read()
                if answer.status not in AGAIN or b"order_exists" in said:
                    return key, said
                await asyncio.sleep(float(answer.headers.get("Retry-After", 1)) * 0.2)
        except (ClientError, OSError, TimeoutError):
            seen["no answer"] += 1
            await asyncio.sleep(0.2)
    return key, b""


async def run(options: argparse.Namespace, console: Console) -> bool:
    """Whether it went well."""
    with (
        tempfile.TemporaryDirectory() as directory,
        processes.simulator() as banks,
    ):
        daemon = Daemon(Path(directory), banks.address, processes.free_port())
        daemon.start()
        try:
            await daemon.up()
            keys = [f"key-{n % options.keys}" for n in range(options.posts)]
            random.Random(options.seed).shuffle(keys)
            seen: Counter[str] = Counter()
            began = time.monotonic()
            async with (
                ClientSession(
                    connector=TCPConnector(limit=0), timeout=ClientTimeout(total=30)
                ) as session,
                asyncio.TaskGroup() as tasks,
            ):
                posting = [
                    tasks.create_task(post(session, daemon.address, key, seen)) for key in keys
                ]
                if options.kill:
                    await asyncio.sleep(0.3)
                    await daemon.die()
            took = time.monotonic() - began
            answers: dict[str, set[bytes]] = defaultdict(set)
            for task in posting:
                key, said = task.result()
                answers[key].add(said)
            made = await asyncio.to_thread(payments, daemon.address)
        finally:
            daemon.send(signal.SIGTERM)
            daemon.wait()
    same = sum(len(said) == 1 and b"" not in said for said in answers.values())
    console.print(f"{options.posts} POSTs with {options.keys} keys in {took:.1f} s: {dict(seen)}")
    console.print(f"{len(made)} payments; {same} keys got the same answer every time")
    keys_wanted: int = options.keys
    return len(made) == same == keys_wanted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=2_000)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.exit(0 if asyncio.run(run(options, Console())) else 1)


if __name__ == "__main__":
    main()
