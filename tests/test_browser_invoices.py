"""Payment links in a real browser: opened, paid and come back to, in both languages, with scripts and without."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser_stage import running_browser, town
from tests.invoice_stage import bill, look, payments_of

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as chromium:
        yield chromium


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize(
    ("locale", "button", "told"),
    [
        ("fa", "پرداخت", "این صورت‌حساب پرداخت شده است"),
        ("en", "Pay", "This invoice is paid"),
    ],
)
async def test_a_customer_pays_by_a_link_and_reads_that_it_is_paid(
    browser: Browser, locale: str, button: str, told: str, *, scripts: bool
) -> None:
    async with town(browser) as here, here.visit(scripts=scripts, locale=locale) as visit:
        page, made = visit.page, await bill(here.web, locale=locale)
        await page.goto(made["pay_url"])
        assert locale == await page.locator("html").get_attribute("lang")
        await page.get_by_role("button", name=button, exact=True).click()
        if not scripts:
            await page.locator("#handover button").click()
        await page.locator("button[value=paid]").click()
        await page.wait_for_url(f"{made['pay_url']}**")
        assert told == await page.locator("h1").inner_text()
        (payment,) = await payments_of(here.web, made)
        assert payment["tracking_code"] in await page.content()
        assert ("paid", "paid") == (payment["status"], (await look(here.web, made))["status"])
        assert 0 == await page.locator("button").count()
        assert [] == [each for each in visit.complaints if "Content Security" in each]


async def test_two_tabs_lead_to_one_payment_and_the_second_sees_that_it_is_paid(
    browser: Browser,
) -> None:
    async with town(browser) as here, here.visit(scripts=False) as visit:
        made = await bill(here.web)
        first, second = visit.page, await visit.context.new_page()
        for tab in (first, second):
            await tab.goto(made["pay_url"])
        for tab in (first, second):
            await tab.get_by_role("button").click()
            await tab.locator("#handover").wait_for()
        assert 1 == len(await payments_of(here.web, made))
        await first.locator("#handover button").click()
        await first.locator("button[value=paid]").click()
        await first.wait_for_url(f"{made['pay_url']}**")
        await second.goto(made["pay_url"])
        assert 0 == await second.locator("button").count()
        assert 1 == len(await payments_of(here.web, made))


@pytest.mark.parametrize("locale", ["fa", "en"])
async def test_on_a_phone_names_have_a_line_of_their_own_and_numbers_are_whole(
    browser: Browser, locale: str
) -> None:
    lines = [
        {"name": "چای بهاره با عطر گل محمدی", "quantity": 3, "unit_price": 1_250_000},
        {"name": "One" + "VeryLongWord" * 4, "quantity": 1, "unit_price": 987_654_321},
    ]
    async with town(browser) as here, here.visit(scripts=False, width=320) as visit:
        made = await bill(here.web, locale=locale, lines=lines)
        await visit.page.goto(made["pay_url"])
        names = await visit.page.locator("tbody th").all()
        widths = [(await each.bounding_box() or {"width": 0})["width"] for each in names]
        assert [True, True] == [width > 250 for width in widths]
        heights = [
            round((await each.bounding_box() or {"height": 0})["height"])
            for each in await visit.page.locator("tbody td").all()
        ]
        assert 1 == len(set(heights))
        assert 320 == await visit.page.evaluate("document.documentElement.scrollWidth")
