"""The two books, the daemon's and the banks', and how they disagree once everything has come to rest."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any, Final

from bench.mortal import get_json

TAKEN: Final = frozenset({"verified", "settled"})


def payments(address: str) -> list[dict[str, Any]]:
    """Every payment, by the API."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = get_json(f"{address}/v1/payments?limit=100{after}")
        found += page["data"]
        if not page["has_more"]:
            return found
        after = f"&starting_after={page['data'][-1]['id']}"


def compare(found: list[dict[str, Any]], ledger: list[dict[str, Any]]) -> list[str]:
    """How journal and banks disagree."""
    wrong: list[str] = []
    by_order = {row["order"]: row for row in ledger}
    paid = 0
    for payment in found:
        taken = [
            attempt
            for attempt in payment["attempts"]
            if (row := by_order.get(attempt["bank_order"])) is not None
            and row["state"] in TAKEN
            and not row["reversed"]
        ]
        expected = 1 if payment["status"] == "paid" else 0
        paid += expected
        if len(taken) != expected:
            states = [(a["gateway"], a["state"]) for a in payment["attempts"]]
            wrong.append(
                f"{payment['id']} is {payment['status']}, but the banks keep {len(taken)}: {states}"
            )
        if (
            payment["status"] == "paid"
            and taken
            and by_order[taken[0]["bank_order"]]["amount"] != payment["amount_rial"]
        ):
            wrong.append(f"{payment['id']}: the bank kept another amount")
    known = {attempt["bank_order"] for payment in found for attempt in payment["attempts"]}
    lost = [row for row in ledger if row["order"] not in known and row["state"] in TAKEN]
    wrong += [
        f"the banks keep order {row['order']} of {row['driver']}, which the journal does not know"
        for row in lost
    ]
    return wrong


def in_doubt(found: list[dict[str, Any]]) -> int:
    """Payments whose customer came back, and whose end is not known."""
    return sum(payment["status"] == "processing" for payment in found)


def ledger(banks: str) -> list[dict[str, Any]]:
    """The banks' book."""
    rows: list[dict[str, Any]] = get_json(f"{banks}/_simulator/ledger")
    return rows


Found = list[Any]
"""Payments as the API shows them."""


async def at_rest(
    look: Callable[[], Awaitable[Found]], unfinished: Callable[[Found], int], seconds_max: float
) -> tuple[Found, float]:
    """The payments once nothing is unfinished, or the patience is over; and how long that took."""
    began = time.monotonic()
    while True:
        found = await look()
        took = time.monotonic() - began
        if not unfinished(found) or took > seconds_max:
            return found, took
        await asyncio.sleep(1)


def set_fault(banks: str, **fault: Any) -> None:
    """Make the banks fail."""
    request = urllib.request.Request(
        f"{banks}/_simulator/faults",
        json.dumps(fault).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).read()


def heal(banks: str) -> None:
    """Take every fault back."""
    request = urllib.request.Request(f"{banks}/_simulator/faults", method="DELETE")
    urllib.request.urlopen(request, timeout=10).read()
