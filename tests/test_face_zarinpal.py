"""A plugin for ZarinPal v4 meets what it would meet there: through every bank, and whatever goes wrong."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Final

import pytest

from gatewayd.core.settings import EngineSettings
from gatewayd.simulator.faults import Fault, Kind
from tests.face_stage import CALLBACK, OTHER_MERCHANT, Zarinpal, callback, code, face_stage
from tests.stage import DRIVERS
from tests.web_stage import Web, web_stage

IMPATIENT: Final = EngineSettings(
    return_wait_seconds=0.2, ask_before_retry_seconds=0.2, repeat_first_seconds=0.05
)


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with face_stage() as made:
        yield made


@pytest.fixture
def shop(web: Web) -> Zarinpal:
    return Zarinpal(web)


def taken(web: Web) -> list[bool]:
    """What the banks have verified, by their own book."""
    return [row["verified"] for row in web.banks.book.ledger(web.clock.now)]


# --- the ordinary way


@pytest.mark.parametrize("name", DRIVERS)
async def test_a_payment_through_every_bank_is_paid_by_the_shops_verify(name: str) -> None:
    async with face_stage(only=[name]) as web:
        shop = Zarinpal(web)
        authority = await shop.request()
        assert {"Authority": authority, "Status": "OK"} == await shop.pay(authority)
        assert [False] == taken(web)
        first, second = await shop.verify(authority), await shop.verify(authority)
        assert [200, 200] == [first.status, second.status]
        assert [(100, "Paid"), (101, "Verified")] == [
            (each.json["data"]["code"], each.json["data"]["message"]) for each in (first, second)
        ]
        assert [True] == taken(web)
        assert first.json["data"].keys() == second.json["data"].keys()
        assert first.json["data"]["ref_id"] == second.json["data"]["ref_id"]


async def test_answers_have_the_services_shape_and_types() -> None:
    async with face_stage(only=["saman"]) as web:
        shop = Zarinpal(web)
        plain = {"amount": 150_000, "description": "Order 7", "callback_url": CALLBACK}
        metadata = {"mobile": "09120000000", "order_id": "100045"}
        made = await shop.call("request", {**plain, "metadata": metadata})
        authority = made.json["data"]["authority"]
        assert re.fullmatch(r"A[0-9a-zA-Z]{35}", authority)
        success = {"code": 100, "message": "Success", "fee_type": "Merchant", "fee": 0}
        assert {"data": {**success, "authority": authority}, "errors": []} == made.json
        await shop.pay(authority)
        data = (await shop.verify(authority)).json["data"]
        assert re.fullmatch(r"[0-9]{6}\*{6}[0-9]{4}", data["card_pan"])
        assert re.fullmatch(r"[0-9A-F]{64}", data["card_hash"])
        assert isinstance(data["ref_id"], int)
        (line,) = web.log.of("verified")
        assert line["payment"] == f"pay_{data['ref_id']}", "our tracking code"
        assert "100045" == data["order_id"]
        assert [] == data["wages"]
        assert ("Merchant", 0, "0") == (data["fee_type"], data["fee"], data["shaparak_fee"])


async def test_toman_stays_toman(web: Web, shop: Zarinpal) -> None:
    authority = await shop.request(amount="15220.0", currency="IRT")
    await shop.pay(authority)
    assert [152_200] == [row["amount"] for row in web.banks.book.ledger(web.clock.now)]
    assert -50 == code(await shop.verify(authority, 152_200))
    assert 100 == code(await shop.verify(authority, "15220"))


async def test_the_same_order_may_be_asked_for_again_and_again(web: Web, shop: Zarinpal) -> None:
    metadata = {"order_id": "100045"}
    first, second, third = [await shop.request(metadata=metadata) for _ in range(3)]
    assert 3 == len({first, second, third})
    await shop.pay(second)
    assert 100 == code(await shop.verify(second))
    await shop.pay(third)
    assert 100 == code(await shop.verify(third))
    assert -51 == code(await shop.verify(first))


async def test_a_form_body_and_a_path_in_another_case_are_fine(web: Web, shop: Zarinpal) -> None:
    form = {
        "merchant_id": shop.merchant,
        "amount": "150000",
        "description": "Order 7",
        "callback_url": CALLBACK,
        "metadata[order_id]": "100045",
    }
    made = await web.ask("POST", "/pg/v4/payment/REQUEST.json/", data=form)
    authority = made.json["data"]["authority"]
    page = await web.ask("GET", f"/pg/startpay/{authority}/ZarinGate")
    assert 200 == page.status
    await web.come_back(web.play(page.forms[0]))
    answer = await shop.call("VERIFY", {"authority": authority, "amount": 150_000})
    assert ("100045", 100) == (answer.json["data"]["order_id"], code(answer))


async def test_a_host_that_ends_with_a_slash_is_as_good(web: Web, shop: Zarinpal) -> None:
    authority = await shop.request()
    said = {"merchant_id": shop.merchant, "authority": authority}
    for path in ("//pg/v4/payment/inquiry.json", "/pg/v4/payment//inquiry.json"):
        assert "IN_BANK" == (await shop.post(path, said)).json["data"]["status"]
    assert authority == callback(await shop.customer(f"//pg/StartPay/{authority}"))["Authority"]


async def test_a_form_of_the_shops_may_lead_to_the_page(web: Web, shop: Zarinpal) -> None:
    authority = await shop.request()
    page = await web.ask("POST", f"/pg/StartPay/{authority}/ZarinGate/", data={"submit": "Pay"})
    assert 200 == page.status
    assert "OK" == callback(await web.come_back(web.play(page.forms[0])))["Status"]


async def test_there_are_no_other_calls(web: Web, shop: Zarinpal) -> None:
    assert 404 == (await shop.call("refund", {})).status
    assert 405 == (await web.ask("GET", "/pg/v4/payment/verify.json")).status


async def test_a_shop_without_a_face_has_none() -> None:
    async with web_stage() as web:
        assert 404 == (await Zarinpal(web).call("request", {})).status
        assert 404 == (await web.ask("GET", f"/pg/StartPay/A{'0' * 35}")).status


# --- the customer


@pytest.mark.parametrize("name", DRIVERS)
@pytest.mark.parametrize("mix", ["cancel", "decline"])
async def test_who_does_not_pay_goes_back_with_nok_and_is_never_verified(
    name: str, mix: str
) -> None:
    async with face_stage(only=[name], mix=mix) as web:
        shop = Zarinpal(web)
        authority = await shop.request()
        assert {"Authority": authority, "Status": "NOK"} == await shop.pay(authority)
        refused = await shop.verify(authority)
        assert (401, -51) == (refused.status, code(refused))
        assert {
            "code": -51,
            "message": "Session is not valid, session is not active paid try.",
            "validations": [],
        } == refused.json["errors"]
        assert "FAILED" == await shop.status(authority)
        assert [False] == taken(web)


async def test_the_customer_goes_back_again_as_he_did(web: Web, shop: Zarinpal) -> None:
    authority = await shop.request()
    page = await web.ask("GET", f"/pg/StartPay/{authority}")
    back = web.play(page.forms[0])
    first = await web.come_back(back)
    await shop.verify(authority)
    assert first.location == (await web.come_back(back)).location
    assert first.location == (await web.ask("GET", f"/pg/StartPay/{authority}")).location


async def test_the_callbacks_own_query_is_kept(web: Web, shop: Zarinpal) -> None:
    address = "https://shop.example/back?a=%D8%B3&Status=NOK&b=1%2B1"
    authority = await shop.request(callback_url=address)
    answer = await shop.customer(f"/pg/StartPay/{authority}")
    assert (
        f"https://shop.example/back?a=%D8%B3&b=1%2B1&Authority={authority}&Status=OK"
        == answer.headers["Location"]
    )


async def test_who_only_says_that_he_paid_is_found_out_by_the_verify() -> None:
    async with face_stage(only=["zibal"], mix="cancel") as web:
        shop = Zarinpal(web)
        authority = await shop.request()
        page = await web.ask("GET", f"/pg/StartPay/{authority}")
        back = web.play(page.forms[0])
        claimed = {**back.fields, "success": "1", "status": "2"}
        answer = await web.ask("GET", back.url.partition("?")[0], params=claimed)
        assert "OK" == answer.location.query["Status"]
        assert -51 == code(await shop.verify(authority))


async def test_head_and_prefetching_begin_nothing(web: Web, shop: Zarinpal) -> None:
    authority = await shop.request()
    page = f"/pg/StartPay/{authority}"
    assert 200 == (await web.ask("HEAD", page)).status
    assert 503 == (await web.ask("GET", page, headers={"Sec-Purpose": "prefetch"})).status
    assert [] == web.banks.book.ledger(web.clock.now)
    await shop.pay(authority)


async def test_a_made_up_authority_has_an_honest_page(web: Web) -> None:
    for authority in (f"A{'0' * 35}", "A1", "x"):
        assert 404 == (await web.ask("GET", f"/pg/StartPay/{authority}")).status
    assert 3 == web.tally.counts["forged pay"]


async def test_a_sick_bank_is_passed_by_before_the_customer_leaves(web: Web) -> None:
    shop = Zarinpal(web)
    for sick in ("saman", "mellat", "parsian", "sadad", "zarinpal"):
        web.banks.faults.add(Fault(driver=sick, kind=Kind.REFUSE), web.clock.now)
    authority = await shop.request()
    assert "OK" == (await shop.pay(authority))["Status"]
    assert 100 == code(await shop.verify(authority))
    assert {"zibal"} == {row["driver"] for row in web.banks.book.ledger(web.clock.now)}


# --- verify


async def test_another_amount_is_refused_and_the_right_one_is_as_good_as_before(
    web: Web, shop: Zarinpal
) -> None:
    authority = await shop.request()
    await shop.pay(authority)
    for amount in (149_999, 15_000, 1_500_000, 0):
        refused = await shop.verify(authority, amount)
        assert (401, -50) == (refused.status, code(refused))
    invalid = await shop.verify(authority, "much")
    assert (422, -9) == (invalid.status, code(invalid))
    assert ["amount"] == list(invalid.json["errors"]["validations"][0])
    assert [False] == taken(web)
    assert 100 == code(await shop.verify(authority))
    assert -50 == code(await shop.verify(authority, 149_999))


async def test_before_the_customer_has_paid_there_is_nothing_to_verify(
    web: Web, shop: Zarinpal
) -> None:
    authority = await shop.request()
    assert -51 == code(await shop.verify(authority))
    page = await web.ask("GET", f"/pg/StartPay/{authority}")
    assert -51 == code(await shop.verify(authority))
    assert "IN_BANK" == await shop.status(authority)
    await web.come_back(web.play(page.forms[0]))
    assert 100 == code(await shop.verify(authority))


@pytest.mark.parametrize("name", ["parsian", "sadad", "zarinpal", "zibal"])
async def test_who_paid_and_closed_the_tab_is_verified_where_the_bank_can_be_asked(
    name: str,
) -> None:
    async with face_stage(only=[name]) as web:
        shop = Zarinpal(web)
        authority = await shop.request()
        page = await web.ask("GET", f"/pg/StartPay/{authority}")
        web.play(page.forms[0])
        assert 100 == code(await shop.verify(authority))
        assert "VERIFIED" == await shop.status(authority)


async def test_an_authority_that_is_not_the_shops(web: Web, shop: Zarinpal) -> None:
    other = Zarinpal(web, OTHER_MERCHANT)
    authority = await shop.request()
    await shop.pay(authority)
    for call in ("verify", "inquiry", "reverse"):
        refused = await other.call(call, {"authority": authority, "amount": 150_000})
        assert (401, -53) == (refused.status, code(refused))
        for made_up in (f"A{'0' * 35}", authority[:-1] + "!", "A1", authority.lower()):
            unknown = await shop.call(call, {"authority": made_up, "amount": 150_000})
            assert (401, -54) == (unknown.status, code(unknown))
        absent = await shop.call(call, {"amount": 150_000})
        assert (422, -9) == (absent.status, code(absent))
    assert [False] == taken(web)


async def test_two_verifies_at_once_are_told_100_once(web: Web, shop: Zarinpal) -> None:
    authority = await shop.request()
    await shop.pay(authority)
    answers = await asyncio.gather(*(shop.verify(authority) for _ in range(8)))
    assert [100] + [101] * 7 == sorted(map(code, answers))
    assert 1 == len({answer.json["data"]["ref_id"] for answer in answers})
    assert 1 == len(web.log.of("verified"))


@pytest.mark.parametrize("name", DRIVERS)
async def test_an_answer_that_was_lost_is_asked_for_again_before_the_shop_is_told(
    name: str,
) -> None:
    async with face_stage(only=[name], engine=IMPATIENT) as web:
        shop = Zarinpal(web)
        authority = await shop.request(amount=150_103)
        await shop.pay(authority)
        async with asyncio.TaskGroup() as tasks:
            answer = tasks.create_task(shop.verify(authority, 150_103))
            while not answer.done():
                await asyncio.sleep(0.02)
                web.clock.now += 0.2
        assert 100 == code(await answer)


async def test_what_is_not_known_is_neither_yes_nor_no_and_the_next_is_the_first(
    web: Web, shop: Zarinpal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewayd.web.facade.verifying.VERIFY_SECONDS", 0.1)
    authority = await shop.request()
    await shop.pay(authority)
    web.banks.faults.add(Fault(driver="*", kind=Kind.ERROR500), web.clock.now)
    for _ in range(2):
        unknown = await shop.verify(authority)
        assert (503, -52) == (unknown.status, code(unknown))
        assert "5" == unknown.headers["Retry-After"]
        assert "PAID" == await shop.status(authority)
    web.banks.faults.clear()
    web.clock.now += 120
    monkeypatch.setattr("gatewayd.web.facade.verifying.VERIFY_SECONDS", 20.0)
    assert [100, 101] == [code(await shop.verify(authority)) for _ in range(2)]


async def test_a_session_that_expired_is_not_verified(web: Web, shop: Zarinpal) -> None:
    authority = await shop.request()
    await web.ask("GET", f"/pg/StartPay/{authority}")
    web.clock.now += 7_200
    await asyncio.sleep(1.1)
    assert -51 == code(await shop.verify(authority))
    assert "FAILED" == await shop.status(authority)
    answer = await web.ask("GET", f"/pg/StartPay/{authority}")
    assert "NOK" == answer.location.query["Status"]


@pytest.mark.parametrize("name", DRIVERS)
async def test_what_no_shop_verifies_goes_back(name: str) -> None:
    async with face_stage(only=[name]) as web:
        shop = Zarinpal(web)
        authority = await shop.request()
        await shop.pay(authority)
        for _ in range(4):
            web.clock.now += 1_200
            await asyncio.sleep(1.1)
        assert -51 == code(await shop.verify(authority))
        assert "REVERSED" == await shop.status(authority)
        web.clock.now += 1_200
        (row,) = web.banks.book.ledger(web.clock.now)
        assert row["reversed"]
