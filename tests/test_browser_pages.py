"""How our pages look in a real browser: nothing runs out of a phone's width, and everybody can read and press it."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from gatewayd.core.terms import Operation
from gatewayd.simulator.faults import Fault, Kind
from tests.browser_stage import Town, Visit, running_browser, town
from tests.invoice_stage import bill, pay
from tests.page_reading import Form, read_forms

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PAGES = (
    "handover",
    "choice",
    "offer",
    "wait",
    "no_gateway",
    "unknown",
    "busy",
    "invoice",
    "invoice_paid",
)
LOOKS: Mapping[str, dict[str, Any]] = {
    "phone": {"width": 360, "height": 740},
    "phone-dark": {"width": 360, "height": 740, "dark": True},
    "desktop": {"width": 1280, "height": 800},
}
LONG_ORDER = "W" * 80
CONTRAST_MIN = 4.5
TARGET_PIXELS_MIN = 24

MEASURE = """
() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const found = numbers(getComputedStyle(each).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const contrast = element => {
    const [a, b] = [light(numbers(getComputedStyle(element).color)), light(behind(element))];
    return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  };
  const texts = [...document.querySelectorAll("h1, p, dt, dd, bdi, button")];
  return {
    overflow: document.documentElement.scrollWidth - innerWidth,
    contrast: Math.min(...texts.map(contrast)),
    targets: [...document.querySelectorAll("button")].map(b => b.getBoundingClientRect().height),
    small: Math.min(...texts.map(each => parseFloat(getComputedStyle(each).fontSize))),
    unnamed: [...document.querySelectorAll("button")].filter(b => !b.textContent.trim()).length,
    headings: document.querySelectorAll("h1").length,
    title: document.title,
    direction: getComputedStyle(document.body).direction,
    language: document.documentElement.lang,
    ltr: [...document.querySelectorAll("dd bdi")].map(each => getComputedStyle(each).direction),
  };
}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as chromium:
        yield chromium


async def show(here: Town, visit: Visit, name: str, locale: str, patch: pytest.MonkeyPatch) -> None:
    """Bring the browser to this page; without scripts, so that it stays there."""
    if name == "unknown":
        await visit.page.goto(f"{here.web.base}/pay/1")
        return
    if name.startswith("invoice"):
        await show_invoice(here, visit, name, locale)
        return
    amount = 150_103 if name == "wait" else 1_234_567_890
    url = await here.order(
        gateways=["saman", "mellat"], locale=locale, amount=amount, order_id=f"{name}-{LONG_ORDER}"
    )
    if name == "no_gateway":
        fault = Fault(driver="*", kind=Kind.REFUSE, operation=Operation.START)
        here.web.banks.faults.add(fault, here.web.clock.now)
        await visit.page.goto(url)
        here.web.banks.faults.clear()
        return
    await visit.page.goto(url)
    form: Form = read_forms(await visit.page.content())[0]
    match name:
        case "choice":
            here.web.clock.now += 21
            await visit.page.goto(url)
        case "offer" | "wait":
            here.web.all_do("decline" if name == "offer" else "paid")
            back = here.web.play(form)
            await visit.page.goto(f"{back.url}?{urlencode(dict(back.fields))}")
            if name == "wait":
                await visit.page.goto(url)
        case "busy":
            patch.setattr(here.web.engine.cashier, "returned", broken)
            back = here.web.play(form)
            await visit.page.goto(f"{back.url}?{urlencode(dict(back.fields))}")
        case _:
            pass


async def show_invoice(here: Town, visit: Visit, name: str, locale: str) -> None:
    row = {"name": f"چای بهاره {'W' * 40}", "quantity": 12_345, "unit_price": 12_340}
    invoice = await bill(
        here.web,
        lines=[row | {"discount": 12_340, "tax": 10_000_000}, *([row] * 8)],
        description=f"Spring\n{'W' * 60}",
        due_at="2025-03-01T10:00:00+03:30",
        payer={"name": "Sara"},
        order_id=f"{name}-{LONG_ORDER}"[:90],
        locale=locale,
    )
    if name == "invoice_paid":
        here.web.all_do("paid")
        await pay(here.web, invoice)
    await visit.page.goto(invoice["pay_url"])


async def broken(*_: object) -> None:
    raise RuntimeError


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("locale", ["fa", "en"])
async def test_every_page_can_be_read_and_pressed_by_everybody(
    browser: Browser, locale: str, look: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        town(browser) as here,
        here.visit(scripts=False, locale=locale, **LOOKS[look]) as visit,
    ):
        for name in PAGES:
            with monkeypatch.context() as patch:
                await show(here, visit, name, locale, patch)
            await visit.page.screenshot(path=tmp_path / f"{name}-{locale}-{look}.png")
            seen = await visit.page.evaluate(MEASURE)
            assert (name, 0) == (name, max(0, seen["overflow"]))
            assert seen["contrast"] >= CONTRAST_MIN, name
            assert min(seen["targets"], default=TARGET_PIXELS_MIN) >= TARGET_PIXELS_MIN, name
            assert seen["small"] >= 14, name
            assert (0, 1, locale) == (seen["unnamed"], seen["headings"], seen["language"])
            assert seen["title"]
            assert ("rtl" if locale == "fa" else "ltr") == seen["direction"]
            assert set(seen["ltr"]) <= {"ltr"}
        assert [] == [each for each in visit.complaints if "Content Security" in each]


async def test_who_walks_by_keyboard_sees_where_he_is(browser: Browser) -> None:
    async with town(browser) as here, here.visit(scripts=False) as visit:
        await visit.page.goto(await here.order())
        await visit.page.keyboard.press("Tab")
        outline = await visit.page.evaluate(
            "() => [document.activeElement.tagName, getComputedStyle(document.activeElement).outlineWidth]"
        )
        assert ["BUTTON", "3px"] == outline
        await visit.page.keyboard.press("Enter")
        await visit.page.wait_for_selector("button[value=paid]")


@pytest.mark.parametrize("locale", ["fa", "en"])
async def test_the_reference_of_the_api_is_whole_without_scripts_or_other_hosts(
    browser: Browser, locale: str
) -> None:
    async with town(browser) as here, here.visit(scripts=False, width=1200, locale=locale) as visit:
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url))
        await visit.page.goto(f"{here.web.base}/reference")
        assert locale == await visit.page.locator("html").get_attribute("lang")
        assert await visit.page.locator("#createPayment").is_visible()
        wide = await visit.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 1200
        assert asked
        assert all(url.startswith(here.web.base) for url in asked)
        assert [] == visit.complaints
