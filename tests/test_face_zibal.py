"""A plugin for Zibal v1 meets what it would meet there: through every bank, and whatever goes wrong."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from aiohttp import MultipartWriter

from gatewayd.simulator.faults import Fault, Kind
from gatewayd.web.facade.desk import DESK, Desk
from tests.face_stage import BOTH, CALLBACK, Zarinpal, Zibal, callback, face_stage
from tests.refund_stage import ask_back, at_rest, full_gateways
from tests.stage import DRIVERS
from tests.web_stage import Web, web_stage

ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")
IBAN: Final = "IR062960000000100324200001"
PLAIN: Final = {"amount": 150_000, "callbackUrl": CALLBACK}


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with face_stage() as made:
        yield made


@pytest.fixture
def shop(web: Web) -> Zibal:
    return Zibal(web)


def taken(web: Web) -> list[bool]:
    """What the banks have verified, by their own book."""
    return [row["verified"] for row in web.banks.book.ledger(web.clock.now)]


# --- the ordinary way


@pytest.mark.parametrize("name", DRIVERS)
async def test_a_payment_through_every_bank_is_paid_by_the_shops_verify(name: str) -> None:
    async with face_stage(only=[name]) as web:
        shop = Zibal(web)
        track_id = await shop.request()
        assert {
            "trackId": str(track_id),
            "success": "1",
            "status": "2",
            "orderId": "100045",
        } == await shop.pay(track_id)
        assert [False] == taken(web)
        answer = await shop.verify(track_id)
        said = answer.json
        assert (200, 100, 1, 150_000) == (
            answer.status,
            said["result"],
            said["status"],
            said["amount"],
        )
        assert [True] == taken(web)
        again = await shop.verify(track_id)
        assert (200, {"message": "previously verifed", "result": 201}) == (again.status, again.json)


async def test_answers_have_the_services_shape_and_types() -> None:
    async with face_stage(only=["saman"]) as web:
        shop = Zibal(web)
        made = await shop.call(
            "request", {**PLAIN, "orderId": "100045", "description": "Order 100045"}
        )
        track_id = made.json["trackId"]
        assert {"message": "success", "result": 100, "trackId": track_id} == made.json
        assert isinstance(track_id, int)
        assert track_id < 2**53
        await shop.pay(track_id)
        said = (await shop.verify(track_id)).json
        (line,) = web.log.of("verified")
        assert line["payment"] == f"pay_{said['refNumber']}", "our tracking code"
        assert isinstance(said["refNumber"], int)
        assert re.fullmatch(r"[0-9]{5}\*{4}[0-9]{2}", said["cardNumber"])
        assert ISO.fullmatch(said["paidAt"])
        assert {
            "message": "success",
            "result": 100,
            "refNumber": said["refNumber"],
            "paidAt": said["paidAt"],
            "status": 1,
            "amount": 150_000,
            "orderId": "100045",
            "description": "Order 100045",
            "cardNumber": said["cardNumber"],
            "multiplexingInfos": [],
        } == said
        again = (await shop.verify(str(track_id), dataOnDoubleVerify=True)).json
        assert {**said, "message": "previously verifed", "result": 201} == again
        inquiry = (await shop.call("inquiry", {"trackId": track_id})).json
        more = {
            "wage": 0,
            "shaparakFee": 0,
            "createdAt": inquiry["createdAt"],
            "verifiedAt": inquiry["verifiedAt"],
        }
        assert {**said, **more} == inquiry
        assert ISO.fullmatch(inquiry["createdAt"])
        assert ISO.fullmatch(inquiry["verifiedAt"])


async def test_the_same_order_may_be_asked_for_again_or_be_left_out(web: Web, shop: Zibal) -> None:
    tracks = [await shop.request(orderId="7"), await shop.request(orderId=7)]
    nameless = await shop.call("request", PLAIN)
    tracks.append(nameless.json["trackId"])
    assert 3 == len(set(tracks))
    assert ["7", "7", ""] == [(await shop.pay(track_id))["orderId"] for track_id in tracks]
    assert [100] * 3 == [(await shop.verify(track_id)).json["result"] for track_id in tracks]


async def test_the_page_of_a_nameless_order_names_none(web: Web, shop: Zibal) -> None:
    track_id = (await shop.call("request", PLAIN)).json["trackId"]
    nameless = await web.ask("GET", f"/start/{track_id}")
    named = await web.ask("GET", f"/start/{await shop.request()}")
    assert "شمارهٔ سفارش" not in nameless.text
    assert "100045" in named.text


async def test_a_pay_link_leads_to_the_page(web: Web, shop: Zibal) -> None:
    answer = await shop.call("request", {**PLAIN, "linkToPay": True, "sms": False})
    link = answer.json["payLink"]
    assert f"{web.base}/start/{answer.json['trackId']}" == link
    assert 200 == (await web.ask("GET", f"{link}/direct")).status


async def test_the_version_may_be_left_out_and_a_slash_come_twice(web: Web, shop: Zibal) -> None:
    mine = {"merchant": shop.merchant}
    made = await shop.post("/request", {**mine, **PLAIN})
    track = {**mine, "trackId": made.json["trackId"]}
    assert "1" == callback(await shop.customer(f"//start/{track['trackId']}"))["success"]
    results = [
        (await shop.post(path, track)).json["result"]
        for path in ("/inquiry", "/verify", "//v1/verify", "/v1//verify")
    ]
    assert [100, 100, 201, 201] == results


async def test_a_form_of_the_shops_may_lead_to_the_page(web: Web, shop: Zibal) -> None:
    with MultipartWriter("form-data") as form:
        form.append("Pay").set_content_disposition("form-data", name="submit")
    page = await web.ask("POST", f"/start/{await shop.request()}/direct", data=form)
    assert 200 == page.status
    assert "1" == callback(await web.come_back(web.play(page.forms[0])))["success"]


@pytest.mark.parametrize(
    ("own", "order", "orders"),
    [
        ("&orderId=7", None, ["7"]),
        ("&orderId=7", "100045", ["7", "100045"]),
        ("", None, [""]),
        ("&orderid=7&order%49d=8", None, ["8"]),
        ("&status=9&trackId=1&success=0", "\u06f7&7", ["\u06f7&7"]),
    ],
)
async def test_an_order_in_the_callbacks_own_query_is_found_there(
    web: Web, shop: Zibal, own: str, order: str | None, orders: list[str]
) -> None:
    named = {} if order is None else {"orderId": order}
    wanted = {**PLAIN, **named, "callbackUrl": CALLBACK + own}
    track_id = (await shop.call("request", wanted)).json["trackId"]
    query = (await shop.customer(f"/start/{track_id}")).location.query
    assert orders == query.getall("orderId")
    claim = {"trackId": [str(track_id)], "success": ["1"], "status": ["2"]}
    assert claim == {name: query.getall(name) for name in claim}


async def test_some_clients_ask_whether_the_service_is_there(web: Web) -> None:
    assert 200 == (await web.ask("HEAD", "/v1/")).status
    async with web_stage() as without:
        assert 404 == (await without.ask("HEAD", "/v1/")).status
        assert 404 == (await Zibal(without).call("request", PLAIN)).status


# --- the customer


@pytest.mark.parametrize("name", DRIVERS)
@pytest.mark.parametrize(("mix", "statuses"), [("cancel", {3}), ("decline", set(range(4, 13)))])
async def test_who_does_not_pay_goes_back_with_the_reason_and_is_never_verified(
    name: str, mix: str, statuses: set[int]
) -> None:
    async with face_stage(only=[name], mix=mix) as web:
        shop = Zibal(web)
        track_id = await shop.request()
        query = await shop.pay(track_id)
        assert ("0", str(track_id)) == (query["success"], query["trackId"])
        told = {3} if name == "zarinpal" else statuses  # ZarinPal says nok to both
        assert int(query["status"]) in told
        refused = await shop.verify(track_id)
        assert (200, {"message": "transaction failed", "result": 202}) == (
            refused.status,
            refused.json,
        )
        assert int(query["status"]) == await shop.status(track_id)
        assert [False] == taken(web)


async def test_a_track_id_that_is_not_the_shops(web: Web, shop: Zibal) -> None:
    other = Zibal(web, "zibal-other")
    track_id = await shop.request()
    await shop.pay(track_id)
    of_the_other_face = await Zarinpal(web).request()
    for made_up in (track_id + 1, 0, -5, "x", None, 2**62, of_the_other_face):
        for call in ("verify", "inquiry"):
            answer = await shop.call(call, {"trackId": made_up})
            assert {"message": "trackId not found", "result": 203} == answer.json
    assert 203 == (await other.verify(track_id)).json["result"]
    assert 404 == (await web.ask("GET", f"/start/{track_id + 1}")).status
    assert 404 == (await web.ask("GET", "/start/x")).status
    assert [False] == taken(web)


# --- verify and inquiry


async def test_an_inquiry_follows_the_payment(web: Web, shop: Zibal) -> None:
    track_id = await shop.request()
    created = (await shop.call("inquiry", {"trackId": track_id})).json
    assert (100, -1, None, None) == (
        created["result"],
        created["status"],
        created["paidAt"],
        created["refNumber"],
    )
    await shop.pay(track_id)
    assert 2 == await shop.status(track_id)
    await shop.verify(track_id)
    assert 1 == await shop.status(track_id)


async def test_before_the_customer_has_paid_there_is_nothing_to_verify(
    web: Web, shop: Zibal
) -> None:
    track_id = await shop.request()
    assert 202 == (await shop.verify(track_id)).json["result"]
    await shop.pay(track_id)
    assert 100 == (await shop.verify(track_id)).json["result"]


async def test_two_verifies_at_once_are_told_100_once(web: Web, shop: Zibal) -> None:
    track_id = await shop.request()
    await shop.pay(track_id)
    answers = await asyncio.gather(*(shop.verify(track_id) for _ in range(8)))
    assert [100] + [201] * 7 == sorted(answer.json["result"] for answer in answers)
    assert 1 == len(web.log.of("verified"))


async def test_what_is_not_known_is_neither_yes_nor_no_and_the_next_is_the_first(
    web: Web, shop: Zibal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewayd.web.facade.verifying.VERIFY_SECONDS", 0.1)
    track_id = await shop.request()
    await shop.pay(track_id)
    web.banks.faults.add(Fault(driver="*", kind=Kind.HTML), web.clock.now)
    unknown = await shop.verify(track_id)
    assert (503, -2) == (unknown.status, unknown.json["result"])
    assert 2 == await shop.status(track_id)
    web.banks.faults.clear()
    web.clock.now += 120
    monkeypatch.setattr("gatewayd.web.facade.verifying.VERIFY_SECONDS", 20.0)
    assert [100, 201] == [(await shop.verify(track_id)).json["result"] for _ in range(2)]


async def test_a_plugin_that_hung_up_is_told_100_at_its_next_call(web: Web, shop: Zibal) -> None:
    track_id = await shop.request()
    await shop.pay(track_id)
    web.disk.free.clear()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await shop.verify(track_id)
    async with asyncio.TaskGroup() as tasks:
        again = tasks.create_task(shop.verify(track_id))
        await asyncio.sleep(0.1)
        web.disk.free.set()
    assert 100 == (await again).json["result"]
    assert 201 == (await shop.verify(track_id)).json["result"]


async def test_a_daemon_that_takes_over_knows_whose_shop_was_not_told(
    web: Web, shop: Zibal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewayd.web.facade.verifying.VERIFY_SECONDS", 0.1)
    waiting, asked = await shop.request(), await shop.request()
    for track_id in (waiting, asked):
        await shop.pay(track_id)
    web.banks.faults.add(Fault(driver="*", kind=Kind.HTML), web.clock.now)
    assert -2 == (await shop.verify(asked)).json["result"]
    names = web.app[DESK].names
    numbers = [names.read_track_id(track_id) for track_id in (waiting, asked)]
    payments = [web.engine.journal.get(number) for number in numbers if number is not None]
    firsts = Desk(BOTH, names, [each for each in payments if each]).firsts
    assert [False, True] == [firsts.is_owed(number) for number in numbers if number is not None]


async def test_a_session_that_expired_is_not_verified(web: Web, shop: Zibal) -> None:
    track_id = await shop.request()
    await web.ask("GET", f"/start/{track_id}")
    web.clock.now += 7_200
    await asyncio.sleep(1.1)
    assert 202 == (await shop.verify(track_id)).json["result"]
    answer = await web.ask("GET", f"/start/{track_id}")
    assert "0" == answer.location.query["success"]


async def test_what_no_shop_verifies_goes_back(web: Web, shop: Zibal) -> None:
    track_id = await shop.request()
    await shop.pay(track_id)
    for _ in range(4):
        web.clock.now += 1_200
        await asyncio.sleep(1.1)
    assert 202 == (await shop.verify(track_id)).json["result"]
    assert 18 == await shop.status(track_id)


async def test_what_our_own_api_gave_back_is_told_as_refunded_and_never_verified_again() -> None:
    async with face_stage(gateways=full_gateways(), only=["mellat"]) as web:
        shop = Zibal(web)
        track_id = await shop.request()
        await shop.pay(track_id)
        await shop.verify(track_id)
        (payment,) = (await web.call("GET", "/v1/payments")).json["data"]
        assert 201 == (await ask_back(web, payment, {"amount": 50_000})).status
        assert 1 == await shop.status(track_id)
        assert 201 == (await ask_back(web, payment)).status
        assert 150_000 == (await at_rest(web, payment)).refunded
        assert 15 == await shop.status(track_id)
        assert 202 == (await shop.verify(track_id)).json["result"]


# --- what is refused


@pytest.mark.parametrize(("merchant", "result"), [("nobody", 102), ("", 104), ("ZIBAL-DEMO", 102)])
async def test_an_unknown_merchant_is_refused_at_every_call(
    web: Web, merchant: str, result: int
) -> None:
    stranger = Zibal(web, merchant)
    for call in ("request", "verify", "inquiry"):
        answer = await stranger.call(call, PLAIN)
        assert (200, result) == (answer.status, answer.json["result"])


async def test_a_request_that_is_wrong_is_refused_with_its_result(shop: Zibal) -> None:
    for change, result in (
        ({"amount": 1_000}, 105),
        ({"callbackUrl": "https://evil.example/"}, 106),
        ({"callbackUrl": None}, 140),
        ({"amount": 2_000_000_001}, 113),
    ):
        answer = await shop.call("request", {**PLAIN, **change})
        assert (200, result) == (answer.status, answer.json["result"])
        assert {"message", "result"} == set(answer.json)


async def test_new_payments_wait_while_there_is_too_much_to_do(web: Web, shop: Zibal) -> None:
    web.why_not.append("the disk is nearly full")
    answer = await shop.call("request", PLAIN)
    assert (503, -2) == (answer.status, answer.json["result"])


async def test_splits_go_where_a_gateway_can_split_and_are_refused_where_none_can(
    web: Web, shop: Zibal
) -> None:
    parts: dict[str, Any] = {
        "multiplexingInfos": [
            {"id": "self", "amount": 100_000},
            {"bankAccount": IBAN, "amount": 50_000},
        ]
    }
    track_id = await shop.request(**parts)
    await shop.pay(track_id)
    said = (await shop.verify(track_id)).json
    assert [{"bankAccount": IBAN, "amount": 50_000}] == said["multiplexingInfos"]
    async with face_stage(only=["parsian"]) as one:
        assert 109 == (await Zibal(one).call("request", {**PLAIN, **parts})).json["result"]
        mobile = {"mobile": "09120000000", "checkMobileWithCard": True}
        assert 103 == (await Zibal(one).call("request", {**PLAIN, **mobile})).json["result"]
        cards = {"allowedCards": ["6219861034529007"]}
        assert 103 == (await Zibal(one).call("request", {**PLAIN, **cards})).json["result"]
