"""The demo as a newcomer runs it: all six gateways are used, it ends by itself or on Ctrl-C, and the books agree."""

import asyncio
import io
import re
import signal
import sys
from pathlib import Path

import pytest
from rich.console import Console

from gatewayd.demo.setting import ANY_PORTS
from gatewayd.demo.stage import run_demo

ROOT = Path(__file__).parent.parent
GATEWAYS = {"saman", "mellat", "parsian", "sadad", "zarinpal", "zibal"}
KEPT = re.compile(r"^ *(\w+) +(\d+) +(\d+) +([\d,]+) +([\d,]+) *$", re.MULTILINE)
"""A line of the table of what was kept: gateway, paid, taken, and the rial of each."""


def kept(text: str) -> dict[str, tuple[str, ...]]:
    """That table by gateway."""
    return {found[1]: found.groups()[1:] for found in KEPT.finditer(text)}


async def played(*, seconds: float) -> str:
    """What a demo of this length prints; its books agree."""
    file = io.StringIO()
    assert await run_demo(seconds=seconds, ports=ANY_PORTS, console=Console(file=file))
    return file.getvalue()


@pytest.mark.slow
async def test_all_six_gateways_are_used_an_outage_is_seen_and_the_books_agree() -> None:
    text = await played(seconds=5.0)
    if not kept(text).keys() >= GATEWAYS:  # a busy machine may serve too few customers in that
        text = await played(seconds=60.0)
    table = kept(text)
    assert GATEWAYS | {"together"} == table.keys()
    for paid, taken, journal, bank in table.values():
        assert (paid, journal) == (taken, bank)
        assert int(paid) > 0
    assert 1 == text.count("the bank is down; it refuses connections")
    assert 1 == text.count("the bank is back")
    assert 1 == text.count("the bank's page is dead; it still gives tokens")
    assert "Every rial is accounted for" in text


@pytest.mark.slow
async def test_ctrl_c_ends_it_orderly_with_the_comparison() -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gatewayd",
        "demo",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    seen = b""
    async for line in program.stdout:
        seen += line
        if b" payments; " in line:
            program.send_signal(signal.SIGINT)
            break
    rest, errors = await program.communicate()
    text = (seen + rest).decode()
    assert (0, b"") == (program.returncode, errors)
    assert "shop to click through" in text
    assert "Every rial is accounted for" in text
    assert "together" in kept(text)
