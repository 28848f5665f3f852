"""Forged and replayed returns against the real daemon and the simulated banks, over HTTP."""

import asyncio
from io import StringIO

from rich.console import Console

from bench.forgery import attack


def test_nothing_is_won_by_three_hundred_forged_returns_of_twelve_kinds() -> None:
    said = StringIO()
    assert [] == asyncio.run(attack(300, 1, Console(file=said, width=200)))
    assert "300 forged returns of 12 kinds" in said.getvalue()
