"""Payers at the banks' pages over real HTTP, pretend ones and people, and how they come back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from gatewayd.simulator import server
from gatewayd.simulator.bank import Session, State
from gatewayd.simulator.incoming import read_fields
from gatewayd.simulator.payers import Mix, Payers
from gatewayd.simulator.server import Hop
from tests.bank_site import site
from tests.banks import CONTRACTS, MORNING, PAGE
from tests.page_reading import Form, read_forms

# --- payers


async def test_a_bank_that_returns_by_get_redirects() -> None:
    async with site() as bank:
        session = await bank.start()
        status, location = await bank.page(session, GetMethod="true")
        assert 302 == status
        url, _, query = location.partition("?")
        assert "https://shop.example/return/7" == url
        fields = read_fields(query)
        assert ("fa", "OK", session.ref_num) == (
            fields["lang"],
            fields["State"],
            fields["RefNum"],
        )


async def test_who_leaves_sees_a_page_without_a_way_on() -> None:
    async with site(mix=Mix.parse("leave")) as bank:
        status, page = await bank.page(await bank.start())
        assert (200, []) == (status, read_forms(page))


@pytest.mark.parametrize(
    ("token", "status"), [("", 404), ("ffffffffffffffffffffffffffffffff", 404)]
)
async def test_an_unknown_token_leads_nowhere(token: str, status: int) -> None:
    async with site() as bank:
        form = Form("post", f"{bank.base}/saman{PAGE}", {"Token": token})
        answered, page = await bank.submit(form)
        assert (status, []) == (answered, read_forms(page))


async def test_a_second_visit_of_a_pretend_payer_finds_the_session_over() -> None:
    async with site() as bank:
        session = await bank.start()
        await bank.page(session)
        status, page = await bank.page(session)
        assert (410, []) == (status, read_forms(page))


@pytest.mark.parametrize(
    ("choice", "state", "word"),
    [
        ("paid", State.PAID, "OK"),
        ("decline", State.DECLINED, "Failed"),
        ("cancel", State.CANCELLED, "CanceledByUser"),
    ],
)
async def test_a_person_presses_a_button(choice: str, state: State, word: str) -> None:
    async with site(payers=Payers.PAGE) as bank:
        session = await bank.start()
        status, page = await bank.page(session)
        (form,) = read_forms(page)
        assert (200, State.WITH_PAYER) == (status, session.state)
        status, page = await bank.submit(form, ("choice", choice))
        (back,) = read_forms(page)
        assert (state, session.callback_url, word) == (
            session.state,
            back.action,
            back.fields["State"],
        )
        again, page = await bank.submit(form, ("choice", "paid"))
        assert (200, back.fields) == (again, read_forms(page)[0].fields)


async def test_a_person_closes_the_tab_and_may_open_it_again() -> None:
    async with site(payers=Payers.PAGE) as bank:
        session = await bank.start()
        (form,) = read_forms((await bank.page(session))[1])
        status, page = await bank.submit(form, ("choice", "leave"))
        assert (200, [], State.WITH_PAYER) == (status, read_forms(page), session.state)
        status, page = await bank.page(session)
        assert (200, 1) == (status, len(read_forms(page)))


@pytest.mark.parametrize(
    ("typed", "masked"),
    [
        ("6219861034529007", "621986******9007"),
        ("6219 8610 3452-9007", "621986******9007"),
        ("12345", None),
        ("۶۲۱۹۸۶۱۰۳۴۵۲۹۰۰۷", None),
        ("", None),
    ],
)
async def test_a_person_may_type_a_card(typed: str, masked: str | None) -> None:
    async with site(payers=Payers.PAGE) as bank:
        session = await bank.start()
        (form,) = read_forms((await bank.page(session))[1])
        form.fields["card"] = typed
        (back,) = read_forms((await bank.submit(form, ("choice", "paid")))[1])
        assert (masked == back.fields["SecurePan"]) == (masked is not None)
        assert session.card.isascii()
        assert 16 == len(session.card)


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"token": "x"}, 404), ({"driver": "melli"}, 404), ({"choice": "explode"}, 400), ({}, 400)],
)
async def test_a_button_that_makes_no_sense_does_nothing(
    changes: dict[str, str], status: int
) -> None:
    async with site(payers=Payers.PAGE) as bank:
        session = await bank.start()
        (form,) = read_forms((await bank.page(session))[1])
        form.fields.update(changes)
        answered, page = await bank.submit(form)
        assert (status, []) == (answered, read_forms(page))
        assert State.WITH_PAYER is session.state


async def test_a_missing_referer_is_warned_of_once() -> None:
    async with site({"mellat": CONTRACTS["mellat"]}) as bank:
        for number in range(3):
            session = bank.banks.book.open(
                Session(
                    driver="mellat",
                    terminal="7654321",
                    token=f"T{number}",
                    order=str(number),
                    amount=150_000,
                    callback_url="https://shop.example/",
                    created_at=MORNING,
                )
            )
            page = f"{bank.base}/mellat/pgwchannel/startpay.mellat"
            await bank.submit(Form("post", page, {"RefId": session.token}))
        warning = "mellat: a payer came with no Referer; the real bank may refuse"
        assert [warning] == bank.warned


# --- a return delivered twice


@dataclass
class Merchant:
    """Where returns arrive."""

    url: str = ""
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def merchant() -> AsyncIterator[Merchant]:
    shop = Merchant()

    async def handle(request: web.BaseRequest) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        shop.seen.append((request.method, request.rel_url.raw_query_string, form))
        shop.arrived.set()
        return web.Response(status=303, headers={"Location": "/nowhere"})

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        shop.url = f"http://127.0.0.1:{runner.addresses[0][1]}/return/7?lang=fa"
        yield shop
    finally:
        await runner.cleanup()


async def test_104_is_delivered_by_the_bank_itself_too() -> None:
    async with merchant() as shop, site() as bank:
        session = await bank.start(150_104, RedirectUrl=shop.url)
        (form,) = read_forms((await bank.page(session))[1])
        await shop.arrived.wait()
        assert [("POST", "lang=fa", form.fields)] == shop.seen
        await bank.submit(form)
        assert [("POST", "lang=fa", form.fields)] * 2 == shop.seen


async def test_104_by_get_is_delivered_by_get() -> None:
    async with merchant() as shop, site() as bank:
        session = await bank.start(150_104, RedirectUrl=shop.url)
        _, location = await bank.page(session, GetMethod="true")
        await shop.arrived.wait()
        assert [("GET", location.partition("?")[2], {})] == shop.seen


async def test_a_merchant_that_is_away_is_no_trouble_for_the_bank() -> None:
    async with site() as bank:
        session = await bank.start(150_104, RedirectUrl="http://127.0.0.1:1/")
        status, _ = await bank.page(session)
        assert (200, State.PAID) == (status, session.state)


# --- a page behind a hop


@pytest.mark.parametrize("by_link", [False, True])
async def test_a_redirect_brings_everything_to_the_other_host(*, by_link: bool) -> None:
    async with site(payers=Payers.PAGE, hop=Hop(host="localhost")) as bank:
        session = await bank.start()
        there = bank.base.replace("127.0.0.1", "localhost") + "/saman"
        if by_link:
            path = f"/OnlinePG/SendToken?token={session.token}"
            status, location = await bank.submit(Form("get", f"{bank.base}/saman{path}"))
            assert (302, there + path) == (status, location)
        else:
            status, location = await bank.page(session)
            assert (307, there + PAGE) == (status, location)
        assert State.CREATED is session.state
        method = "get" if by_link else "post"
        status, page = await bank.submit(Form(method, location, {"Token": session.token}))
        assert (200, 1, State.WITH_PAYER) == (status, len(read_forms(page)), session.state)


@pytest.mark.parametrize("by_link", [False, True])
async def test_a_form_brings_everything_to_the_other_host(*, by_link: bool) -> None:
    async with site(payers=Payers.PAGE, hop=Hop(host="localhost", by="form")) as bank:
        session = await bank.start()
        there = bank.base.replace("127.0.0.1", "localhost") + "/saman"
        if by_link:
            path = f"/OnlinePG/SendToken?token={session.token}"
            _, page = await bank.submit(Form("get", f"{bank.base}/saman{path}"))
            expected = Form("get", f"{there}/OnlinePG/SendToken", {"token": session.token})
        else:
            _, page = await bank.page(session, GetMethod="true")
            fields = {"Token": session.token, "GetMethod": "true"}
            expected = Form("post", there + PAGE, fields)
        (form,) = read_forms(page)
        assert expected == Form(form.method, form.action, form.fields)
        assert State.CREATED is session.state


async def test_too_many_repeats_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REPEATS_MAX", 0)
    async with merchant() as shop, site() as bank:
        session = await bank.start(150_104, RedirectUrl=shop.url)
        (form,) = read_forms((await bank.page(session))[1])
        await bank.submit(form)
        assert 1 == len(shop.seen)
