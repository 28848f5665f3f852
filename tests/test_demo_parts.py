"""The demo's smaller parts: its browser, its outages, what it watches, what it shows, where it finds its examples."""

import io
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path
from typing import Final

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from rich.console import Console

from gatewayd.core.status import Status
from gatewayd.demo import ports, tables
from gatewayd.demo.browser import NO_ANSWER, Browser, Form
from gatewayd.demo.compare import Comparison, Fault, Finding, Place, Sum
from gatewayd.demo.outages import DOWN, PAGE, outages
from gatewayd.demo.ports import EPHEMERAL_FIRST, FIRST, HOST, free_ports
from gatewayd.demo.setting import ANY_PORTS, set_up
from gatewayd.demo.watch import SLOT_SECONDS, SLOTS, Watch
from gatewayd.io.examples import example
from gatewayd.routing.router import Limits, Router, RoutingSettings
from tests.demo_stage import SilentLog

ROOT: Final = Path(__file__).parent.parent
DRIVERS: Final = ("saman", "mellat", "parsian", "sadad", "zarinpal", "zibal")
LONGEST: Final = 999_999_999_999
"""Rial: a demo of some hours."""


# --- the browser

PAGE_TEXT: Final = """<!doctype html><html><body>
<form method="post" action="/there?kept=1"><input type="hidden" name="a" value="&lt;1&gt;">
<button name="choice" value="paid">Pay</button><button name="choice" value="leave">No</button></form>
<input name="outside" value="x">
<form action="/here"><input name="b" value="2"><button>Go</button></form>
</body></html>"""


async def echo(request: web.Request) -> web.Response:
    """Says what arrived."""
    if request.path == "/page":
        return web.Response(text=PAGE_TEXT, content_type="text/html")
    if request.path == "/there":
        raise web.HTTPSeeOther("/arrived?method=" + request.method)
    return web.Response(text=PAGE_TEXT, status=418)


@pytest.fixture
async def site() -> AsyncIterator[tuple[Browser, str, list[web.Request]]]:
    seen: list[web.Request] = []

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        seen.append(request)
        return await echo(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as server, ClientSession() as session:
        yield Browser(session), f"http://{HOST}:{server.port}", seen


async def test_forms_are_read_with_their_fields_and_buttons(
    site: tuple[Browser, str, list[web.Request]],
) -> None:
    browser, address, _ = site
    page = await browser.open(f"{address}/page")
    assert (
        Form("post", "/there?kept=1", {"a": "<1>"}, {"choice": ["paid", "leave"]}),
        Form("get", "/here", {"b": "2"}),
    ) == page.forms
    assert page.forms[1] is page.form_with("b", "2")
    assert None is page.form_with("b", "3")


async def test_a_post_carries_fields_and_button_and_follows_to_a_get(
    site: tuple[Browser, str, list[web.Request]],
) -> None:
    browser, address, seen = site
    page = await browser.open(f"{address}/page")
    after = await browser.submit(page, page.forms[0], {"choice": "paid"})
    posted, arrived = seen[1:]
    assert {"a": "<1>", "choice": "paid"} == dict(await posted.post())
    assert ("1", f"{address}/") == (posted.query["kept"], posted.headers["Referer"])
    assert ("GET", "POST") == (arrived.method, arrived.query["method"])
    assert ("/arrived", 418, ()) == (after.url.path, after.status, after.forms)


async def test_a_get_carries_its_fields_in_the_address(
    site: tuple[Browser, str, list[web.Request]],
) -> None:
    browser, address, seen = site
    page = await browser.open(f"{address}/page")
    await browser.submit(page, page.forms[1])
    assert ("GET", "/here?b=2") == (seen[-1].method, seen[-1].path_qs)


async def test_where_nobody_answers_the_page_is_empty(unused_tcp_port: int) -> None:
    async with ClientSession() as session:
        page = await Browser(session).open(f"http://{HOST}:{unused_tcp_port}/")
    assert (NO_ANSWER, ()) == (page.status, page.forms)


# --- outages


@pytest.mark.parametrize("seconds", [1.0, 20.0, 600.0])
@pytest.mark.parametrize("seed", range(5))
def test_both_outages_fit_and_the_banks_are_well_before_the_end(seconds: float, seed: int) -> None:
    planned = list(outages(seconds, DRIVERS, random.Random(seed)))
    assert [DOWN, PAGE] == [outage.kinds for outage in planned]
    assert 2 == len({outage.driver for outage in planned})
    assert sum(each.after_seconds + each.seconds for each in planned) <= 0.8 * seconds


def test_without_an_end_outages_go_on_and_no_two_in_a_row_hit_one_bank() -> None:
    planned = list(islice(outages(None, DRIVERS, random.Random(3)), 40))
    assert set(DRIVERS) == {outage.driver for outage in planned}
    assert all(a.driver != b.driver for a, b in zip(planned[::2], planned[1::2], strict=True))


def test_an_outage_ends_by_itself_and_is_announced_by_name() -> None:
    for outage in outages(20.0, DRIVERS, random.Random(1)):
        assert {outage.seconds} == {fault.seconds for fault in outage.faults}
        assert {outage.driver} == {fault.driver for fault in outage.faults}
        assert outage.begins.startswith(f"{outage.driver}: ")
        assert outage.ends.startswith(f"{outage.driver}: ")


# --- watching and showing


def test_traffic_is_counted_per_gateway_and_shown_on_one_scale() -> None:
    now = 1000.0
    watch = Watch(SilentLog(), lambda: now)
    for slot, (saman, mellat) in enumerate([(8, 4), (0, 1), (4, 0)]):
        now = 1000.0 + slot * SLOT_SECONDS
        for _ in range(saman):
            watch.info("started", gateway="saman")
        for _ in range(mellat):
            watch.info("started", gateway="mellat")
    watch.info("created")
    for found in ("paid", "pending", "verified", "unknown"):
        watch.info("asked", finding=found)
    now += SLOT_SECONDS
    assert ["█ ▄", "▄▁ "] == [watch.line(name)[-3:] for name in ("saman", "mellat")]
    assert (12, 5, 1, 2) == (
        watch.started["saman"],
        watch.started["mellat"],
        watch.created,
        watch.found,
    )
    now += 100 * SLOT_SECONDS
    assert " " * SLOTS == watch.line("saman") == watch.line("nobody")


def shown(*parts: object, width: int = 80) -> list[str]:
    """What a terminal of that width would show."""
    file = io.StringIO()
    console = Console(file=file, width=width)
    for part in parts:
        console.print(part)
    return file.getvalue().splitlines()


def test_the_live_table_fits_into_eighty_columns() -> None:
    router = Router({name: Limits() for name in DRIVERS}, RoutingSettings(), rng=random.Random(1))
    watch = Watch(SilentLog(), lambda: 0.0)
    lines = shown(tables.live_table(router.snapshot(0.0), watch))
    assert not any("…" in line for line in lines)
    for name in DRIVERS:
        assert 1 == sum(name in line for line in lines)
    line = tables.plain_line(router.snapshot(0.0), watch)
    assert all(name in line for name in DRIVERS)
    assert line.startswith("0 payments; ")
    watch.info("asked", finding="paid")
    line = tables.plain_line(router.snapshot(0.0), watch)
    assert line.startswith("0 payments, 1 found paid whose payer never came back; ")


def finding(place: Place, **more: object) -> Finding:
    fields: dict[str, object] = {
        "place": place,
        "gateway": "zarinpal",
        "order": "172163200000123",
        "amount": LONGEST,
        "payment": 172_163_200_000,
    }
    return Finding(**fields | more)  # type: ignore[arg-type]  # the fields of a Finding


def comparison(*findings: Finding, ledger: int = 0) -> Comparison:
    return Comparison(
        statuses={Status.PAID: Sum(3, 7)},
        journal={"saman": Sum(1, LONGEST)},
        ledger={"saman": Sum(1, LONGEST + ledger)},
        findings=findings,
    )


def test_a_good_end_says_where_everything_is() -> None:
    found = comparison(
        *(finding(place, by_ms=5) for place in (Place.KEPT, Place.RETURNING, Place.TO_BE_ASKED))
    )
    lines = shown(tables.reckoning(found, lambda _: "24 Nov 23:50"))
    assert not any("…" in line for line in lines)
    assert any("back by 24 Nov 23:50" in line for line in lines)
    assert any("asked by 24 Nov 23:50" in line for line in lines)
    assert tables.verdict(found).startswith("Every rial is accounted for")


@pytest.mark.parametrize(
    ("bad", "ledger", "said"),
    [
        (finding(Place.UNACCOUNTED, fault=Fault.TAKEN_NOT_PAID, why="because"), 0, "unaccounted"),
        (finding(Place.IN_DOUBT, why="because"), 0, "still in doubt"),
        (finding(Place.IN_REVIEW, why="because"), 5, "the journal keeps"),
    ],
    ids=["contradiction", "doubt", "review"],
)
def test_a_bad_end_says_why(bad: Finding, ledger: int, said: str) -> None:
    found = comparison(bad, ledger=ledger)
    assert tables.verdict(found).startswith("NOT every rial")
    assert said in tables.verdict(found)
    text = "\n".join(shown(tables.reckoning(found, str), width=200))
    assert "because" in text


def test_of_many_complaints_the_first_are_told_and_the_rest_counted() -> None:
    bad = [finding(Place.UNACCOUNTED, why="because")] * (tables.SHOWN_MAX + 3)
    lines = shown(tables.reckoning(comparison(*bad), str), width=200)
    assert tables.SHOWN_MAX == sum("because" in line for line in lines)
    assert any("and 3 more" in line for line in lines)


# --- the setting


def test_a_port_that_is_taken_is_not_given(tmp_path: Path) -> None:
    first = set_up(tmp_path, ANY_PORTS)
    ports = {int(each.rpartition(":")[2]) for each in (first.daemon, first.banks, first.shop)}
    assert 3 == len(ports)


async def test_a_port_is_given_as_wanted_and_a_taken_one_is_not() -> None:
    (free,) = free_ports(0)
    assert (free,) == free_ports(free)
    async with TestServer(web.Application(), host=HOST, port=free):
        assert (free,) != free_ports(free)


def test_ports_are_none_that_the_system_gives_to_outgoing_connections() -> None:
    assert all(FIRST <= port < EPHEMERAL_FIRST for port in free_ports(*[0] * 50))


def test_no_two_ports_of_a_call_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """…although so few are drawn from that chance would give some twice: of all runs but a few in a million."""
    monkeypatch.setattr(ports, "EPHEMERAL_FIRST", FIRST + 80)
    found = ports.free_ports(*[0] * 40)
    assert 40 == len(set(found))


def test_the_daemon_of_the_demo_speaks_to_these_banks_and_journals_here(tmp_path: Path) -> None:
    setting = set_up(tmp_path, ANY_PORTS)
    service = setting.config.service
    assert {gateway.driver.base_urls for gateway in setting.config.gateways} == {
        (f"{setting.banks}/{name}",) for name in DRIVERS
    }
    assert tmp_path == Path(service.journal.path).parent
    assert (setting.daemon, f"http://{service.listen}") == (service.public_url, setting.daemon)
    assert "gwk_test_demo" == setting.api_key


# --- the examples


def test_a_checkout_uses_its_own_examples() -> None:
    assert ROOT / "config" / "simulated.yaml" == example("simulated.yaml")


def test_an_installed_package_brings_its_examples_along(tmp_path: Path) -> None:
    build = ("-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    subprocess.run((sys.executable, *build), cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    program = (
        "import gatewayd.demo.setting as s, pathlib, sys;"
        "from gatewayd.io.examples import example;"
        "print(example('simulated.yaml'));"
        "s.set_up(pathlib.Path(sys.argv[1]), s.ANY_PORTS)"
    )
    run = subprocess.run(
        (sys.executable, "-c", program, tmp_path),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert f"{site / 'gatewayd' / '_config' / 'simulated.yaml'}\n" == run.stdout
    for name in ("simulated.yaml", "gatewayd.yaml"):
        packed = (site / "gatewayd" / "_config" / name).read_text()
        assert (ROOT / "config" / name).read_text() == packed
