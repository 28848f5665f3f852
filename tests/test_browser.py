"""A real browser pays: by script and without, over banks that hop through another host, and after a refusal."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from gatewayd.simulator.server import Hop
from tests.browser_stage import SESSION, Town, Visit, running_browser, town
from tests.stage import DRIVERS

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as chromium:
        yield chromium


async def choose(visit: Visit, choice: str) -> None:
    """A button of the bank's page."""
    await visit.page.click(f"button[value={choice}]")


async def pay_without_scripts(visit: Visit, url: str) -> None:
    """Every button by hand, until nothing more is to be pressed."""
    await visit.page.goto(url)
    while await visit.page.locator("button[value=paid]").count() == 0:
        await visit.page.click("button[type=submit], form button")
    await choose(visit, "paid")
    while "/done" not in visit.page.url:
        await visit.page.click("form button")


async def test_every_bank_is_paid_by_script_over_a_hop_through_another_host(
    browser: Browser,
) -> None:
    async with town(browser, hop=Hop(host="localhost")) as here, here.visit() as visit:
        for name in DRIVERS:
            await visit.page.goto(await here.order(gateways=[name]))
            await visit.page.wait_for_selector("button[value=paid]")
            assert visit.page.url.startswith("http://localhost:")
            await choose(visit, "paid")
            await visit.page.wait_for_url("**/done?*")
        assert ["paid"] * len(DRIVERS) == here.shop.statuses
        assert [] == visit.complaints


async def test_every_bank_is_paid_without_scripts_by_pressing_buttons(browser: Browser) -> None:
    hop = Hop(host="localhost", by="form")
    async with town(browser, hop=hop) as here, here.visit(scripts=False) as visit:
        for name in DRIVERS:
            await pay_without_scripts(visit, await here.order(gateways=[name]))
        assert ["paid"] * len(DRIVERS) == here.shop.statuses
        assert [] == visit.complaints


STRANGERS = {
    "script-src-elem": "const s = document.createElement('script'); s.textContent = 'window.x = 1';"
    " document.head.append(s);",
    "style-src-elem": "const s = document.createElement('style'); s.textContent = 'h1{color:red}';"
    " document.head.append(s);",
    "img-src": "const i = new Image(); i.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw=';",
    "connect-src": "fetch('/livez').catch(() => null);",
    "frame-src": "const f = document.createElement('iframe'); f.src = '/livez';"
    " document.body.append(f);",
}


async def test_the_policy_lets_through_what_is_ours_and_nothing_else(browser: Browser) -> None:
    async with town(browser) as here, here.visit() as visit:
        await visit.page.route("**/assets/handover.*", lambda route: route.fulfill(body=""))
        await visit.page.goto(await here.order())
        font = await visit.page.evaluate("getComputedStyle(document.body).fontFamily")
        assert "Vazirmatn" in font
        assert [] == visit.complaints
        for directive, stranger in STRANGERS.items():
            assert directive == await visit.page.evaluate(
                "() => new Promise(tell => { addEventListener('securitypolicyviolation',"
                f" event => tell(event.effectiveDirective), {{once: true}}); {stranger} }})"
            )
        assert None is await visit.page.evaluate("window.x ?? null")


async def test_a_return_from_another_site_needs_no_cookie_and_keeps_the_shops_own(
    browser: Browser,
) -> None:
    async with town(browser) as here, here.visit() as visit:
        await visit.page.goto(f"{here.shop.url}/basket")
        await visit.page.goto(await here.order(gateways=["saman"]))  # comes back by POST
        await visit.page.wait_for_selector("button[value=paid]")
        await choose(visit, "paid")
        await visit.page.wait_for_url("**/done?*")
        ((method, query, session),) = here.shop.arrivals
        assert ("GET", "7", "paid", "42") == (method, query["cart"], query["status"], session)
        assert [SESSION] == [cookie["name"] for cookie in await visit.context.cookies()]


@pytest.mark.parametrize("scripts", [True, False])
async def test_after_a_refusal_another_gateway_is_offered_and_paid(
    browser: Browser, *, scripts: bool
) -> None:
    async with town(browser) as here, here.visit(scripts=scripts) as visit:
        await refused(here, visit, scripts=scripts)
        await visit.page.click("form:nth-of-type(2) button")
        if not scripts:
            await visit.page.click("#handover button")
        await visit.page.wait_for_selector("button[value=paid]")
        await choose(visit, "paid")
        if not scripts and "/done" not in visit.page.url:
            await visit.page.click("form button")
        await visit.page.wait_for_url("**/done?*")
        assert ["paid"] == here.shop.statuses
        (row,) = [row for row in here.web.banks.book.ledger(here.web.clock.now) if row["verified"]]
        assert 150_000 == row["amount"]
        assert [] == visit.complaints


async def test_after_a_refusal_the_first_button_leads_back_to_the_shop(browser: Browser) -> None:
    async with town(browser) as here, here.visit() as visit:
        await refused(here, visit, scripts=True)
        await visit.page.click("form:nth-of-type(1) button")
        await visit.page.wait_for_url("**/done?*")
        assert ["failed"] == here.shop.statuses


async def refused(here: Town, visit: Visit, *, scripts: bool) -> None:
    """A customer whose card was refused at Saman looks at the offer."""
    await visit.page.goto(await here.order(gateways=["saman", "mellat"]))
    if not scripts:
        await visit.page.click("#handover button")
    await visit.page.wait_for_selector("button[value=decline]")
    await choose(visit, "decline")
    if not scripts:
        await visit.page.click("form button")
    await visit.page.wait_for_selector("input[value=another]", state="attached")


async def test_back_at_our_page_the_customer_is_handed_over_again_and_later_asked(
    browser: Browser,
) -> None:
    async with town(browser) as here, here.visit(scripts=False) as visit:
        await visit.page.goto(await here.order())
        await visit.page.click("#handover button")
        bank = visit.page.url
        await visit.back()
        await visit.page.click("#handover button")
        assert bank == visit.page.url
        here.web.clock.now += 21
        await visit.back()
        assert 0 == await visit.page.locator("#handover").count()
        await visit.page.click("form:nth-of-type(1) button")
        await visit.page.click("#handover button")
        assert bank == visit.page.url


async def test_a_hand_over_by_script_leaves_no_page_behind_that_catches_who_goes_back(
    browser: Browser,
) -> None:
    async with town(browser) as here, here.visit() as visit:
        await visit.page.goto(f"{here.shop.url}/basket")
        await visit.page.goto(await here.order())
        await visit.page.wait_for_selector("button[value=paid]")
        await visit.back()
        assert f"{here.shop.url}/basket" == visit.page.url
