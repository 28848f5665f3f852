"""What a plugin for ZarinPal asks beside the payment itself, and what it is refused."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gatewayd.simulator.faults import Fault, Kind
from tests.face_stage import BOTH, CALLBACK, OTHER_MERCHANT, Zarinpal, Zibal, code, face_stage
from tests.refund_stage import full_gateways
from tests.web_stage import DEMO, Web


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with face_stage() as made:
        yield made


@pytest.fixture
def shop(web: Web) -> Zarinpal:
    return Zarinpal(web)


# --- inquiry, the list, reverse


async def test_an_inquiry_follows_the_payment(web: Web, shop: Zarinpal) -> None:
    authority = await shop.request()
    seen = [await shop.status(authority)]
    await shop.pay(authority)
    seen.append(await shop.status(authority))
    await shop.verify(authority)
    seen.append(await shop.status(authority))
    assert ["IN_BANK", "PAID", "VERIFIED"] == seen
    answer = await shop.call("inquiry", {"authority": authority})
    assert {
        "data": {"status": "VERIFIED", "code": 100, "message": "Success", "amount": 150_000},
        "errors": [],
    } == answer.json


@pytest.mark.parametrize("name", ["zarinpal", "zibal"])
async def test_an_inquiry_finds_who_paid_and_closed_the_tab_and_takes_nothing(name: str) -> None:
    async with face_stage(only=[name]) as web:
        shop = Zarinpal(web)
        authority = await shop.request()
        page = await web.ask("GET", f"/pg/StartPay/{authority}")
        web.play(page.forms[0])
        assert "PAID" == await shop.status(authority)
        listed = (await shop.call("unVerified", {})).json["data"]["authorities"]
        assert [authority] == [row["authority"] for row in listed]
        assert [False] == [row["verified"] for row in web.banks.book.ledger(web.clock.now)]
        assert 100 == code(await shop.verify(authority))


async def test_what_waits_for_its_verify_is_listed_newest_first_and_per_shop(
    web: Web, shop: Zarinpal
) -> None:
    other = Zarinpal(web, OTHER_MERCHANT)
    assert [] == (await shop.call("unVerified", {})).json["data"]["authorities"]
    paid = [await shop.request(amount=15_000 + i, currency="IRT") for i in range(3)]
    for authority in paid:
        await shop.pay(authority)
    await shop.verify(paid[0], 15_000)
    await shop.request()
    answer = await shop.call("unVerified", {})
    rows = answer.json["data"]["authorities"]
    assert [paid[2], paid[1]] == [row["authority"] for row in rows]
    assert {
        "authority": paid[2],
        "amount": 15_002,
        "callback_url": CALLBACK,
        "referer": "https://shop.example/",
        "date": "2025-02-11 18:11:06",
    } == rows[0]
    assert [] == (await other.call("unVerified", {})).json["data"]["authorities"]


async def test_the_list_ends_at_a_hundred(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewayd.web.facade.zarinpal.UNVERIFIED_MAX", 2)
    shop = Zarinpal(web)
    for _ in range(3):
        await shop.pay(await shop.request())
    of_the_other_face = Zibal(web)
    for _ in range(3):
        await of_the_other_face.pay(await of_the_other_face.request())
    assert 2 == len((await shop.call("unVerified", {})).json["data"]["authorities"])


@pytest.mark.parametrize("name", ["saman", "mellat", "parsian", "zarinpal"])
async def test_what_is_verified_can_be_given_back_once(name: str) -> None:
    async with face_stage(only=[name]) as web:
        await reversed_once(web)


@pytest.mark.parametrize("name", ["mellat", "zarinpal", "zibal"])
async def test_a_contract_that_refunds_gives_back_what_it_cannot_reverse(name: str) -> None:
    async with face_stage(gateways=full_gateways(), only=[name]) as web:
        await reversed_once(web)


async def reversed_once(web: Web) -> None:
    """A payment is given back by its shop's order, once, and never before it is verified."""
    shop = Zarinpal(web)
    authority = await shop.request()
    assert -61 == code(await shop.call("reverse", {"authority": authority}))
    await shop.pay(authority)
    assert -61 == code(await shop.call("reverse", {"authority": authority}))
    await shop.verify(authority)
    answer = await shop.call("reverse", {"authority": authority})
    assert {"data": {"code": 100, "message": "Reversed"}, "errors": []} == answer.json
    assert "REVERSED" == await shop.status(authority)
    assert -61 == code(await shop.call("reverse", {"authority": authority}))
    assert -51 == code(await shop.verify(authority))
    (row,) = web.banks.book.ledger(web.clock.now)
    assert row["reversed"] or row["refunded"] == row["amount"]


@pytest.mark.parametrize("name", ["sadad", "zibal"])
async def test_where_nothing_is_given_back_it_stays_verified(name: str) -> None:
    async with face_stage(only=[name]) as web:
        shop = Zarinpal(web)
        authority = await shop.request()
        await shop.pay(authority)
        await shop.verify(authority)
        await stays_verified(web, shop, authority)


async def test_after_the_banks_time_and_without_refunds_it_stays_verified() -> None:
    async with face_stage(only=["parsian"]) as web:
        shop = Zarinpal(web)
        authority = await shop.request()
        await shop.pay(authority)
        await shop.verify(authority)
        web.clock.now += 3_600
        await stays_verified(web, shop, authority)


async def stays_verified(web: Web, shop: Zarinpal, authority: str) -> None:
    """The bank gives nothing back; nobody has to look at it."""
    refused = await shop.call("reverse", {"authority": authority})
    assert (401, -60) == (refused.status, code(refused))
    assert "VERIFIED" == await shop.status(authority)
    assert 101 == code(await shop.verify(authority))
    (found,) = (await web.call("GET", "/v1/payments")).json["data"]
    assert ("paid", False, 0) == (found["status"], found["needs_review"], found["refunded_amount"])


async def test_a_reverse_without_an_answer_is_neither_yes_nor_no(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with face_stage(only=["saman"]) as web:
        shop = Zarinpal(web)
        authority = await shop.request()
        await shop.pay(authority)
        await shop.verify(authority)
        monkeypatch.setattr("gatewayd.web.facade.giving_back.VERIFY_SECONDS", 0.1)
        web.banks.faults.add(Fault(driver="saman", kind=Kind.ERROR500), web.clock.now)
        unknown = await shop.call("reverse", {"authority": authority})
        assert (503, -52) == (unknown.status, code(unknown))
        web.banks.faults.clear()
        web.clock.now += 60
        monkeypatch.setattr("gatewayd.web.facade.giving_back.VERIFY_SECONDS", 15.0)
        assert 100 == code(await shop.call("reverse", {"authority": authority}))
        assert "REVERSED" == await shop.status(authority)


async def test_fees_are_none(shop: Zarinpal) -> None:
    answer = await shop.call("feeCalculation", {"amount": 150_000, "currency": "IRR"})
    assert {
        "code": 100,
        "message": "Success",
        "amount": 150_000,
        "fee": 0,
        "fee_type": "Merchant",
        "suggested_amount": 150_000,
    } == answer.json["data"]
    assert -9 == code(await shop.call("feeCalculation", {}))


# --- what is refused


async def test_an_unknown_merchant_is_refused_at_every_call(web: Web) -> None:
    stranger = Zarinpal(web, "00000000-2222-3333-4444-555555555555")
    for call in ("request", "verify", "inquiry", "unVerified", "reverse", "feeCalculation"):
        refused = await stranger.call(call, {})
        assert (401, -10) == (refused.status, code(refused))


async def test_a_validation_error_names_every_field(web: Web, shop: Zarinpal) -> None:
    answer = await shop.call("request", {"amount": 10})
    assert 422 == answer.status
    assert {
        "data": [],
        "errors": {
            "code": -9,
            "message": "The input params invalid, validation error.",
            "validations": [
                {"amount": "The amount must be at least 1000."},
                {"description": "The description field is required."},
                {"callback_url": "The callback url field is required."},
            ],
        },
    } == answer.json
    for body in (b"", b"{", b"[]", b"x" * 70_000):
        broken = await web.ask("POST", "/pg/v4/payment/request.json", data=body)
        assert (422, ["merchant_id"]) == (
            broken.status,
            list(broken.json["errors"]["validations"][0]),
        )


async def test_a_foreign_callback_is_refused(shop: Zarinpal) -> None:
    answer = await shop.call(
        "request",
        {"amount": 150_000, "description": "d", "callback_url": "https://evil.example/back"},
    )
    assert (401, -14) == (answer.status, code(answer))


async def test_new_payments_wait_while_there_is_too_much_to_do(web: Web, shop: Zarinpal) -> None:
    authority = await shop.request()
    await shop.pay(authority)
    web.why_not.append("the disk is nearly full")
    refused = await shop.call("request", {})
    assert (429, -12) == (refused.status, code(refused))
    assert 1 == web.tally.counts["refused: the disk is nearly full"]
    assert 100 == code(await shop.verify(authority))


async def test_what_no_gateway_takes_is_refused_with_its_reason(web: Web) -> None:
    plain: dict[str, Any] = {
        "amount": 150_000,
        "description": "d",
        "callback_url": CALLBACK,
    }
    card = {"metadata": {"card_pan": "6219861034529007"}}
    wages = {"wages": [{"iban": "IR062960000000100324200001", "amount": 10_000}]}
    async with face_stage(only=["parsian"]) as one:
        shop = Zarinpal(one)
        assert -30 == code(await shop.call("request", {**plain, **wages}))
        assert -9 == code(await shop.call("request", {**plain, **card}))
    shop = Zarinpal(web)
    authority = await shop.request(**wages)
    await shop.pay(authority)
    verified = (await shop.verify(authority)).json["data"]
    assert [{"iban": "IR062960000000100324200001", "amount": 10_000}] == verified["wages"]


async def test_at_the_sandboxs_host_authorities_begin_with_s_and_only_tests_are_known(
    web: Web, shop: Zarinpal
) -> None:
    sandbox = {"Host": "sandbox.pay.shop.example"}
    plain = {"amount": 150_000, "description": "d", "callback_url": CALLBACK}
    made = await shop.call("request", plain, headers=sandbox)
    authority = made.json["data"]["authority"]
    assert re.fullmatch(r"S[0-9a-zA-Z]{35}", authority)
    assert {"Authority": authority, "Status": "OK"} == await shop.pay(authority)
    assert 100 == code(await shop.verify(authority, headers=sandbox))
    async with face_stage(shops=live()) as other:
        real = Zarinpal(other)
        assert -10 == code(await real.call("request", plain, headers=sandbox))
        assert -13 == code(await real.call("request", plain)), "no gateway for real money here"


def live() -> Any:
    """The shop with a key for real money."""
    return (replace(BOTH[0], keys=DEMO.keys),)


async def test_our_own_api_shows_a_faces_payment_too(web: Web, shop: Zarinpal) -> None:
    authority = await shop.request(metadata={"order_id": "100045"})
    await shop.pay(authority)
    await shop.verify(authority)
    found = (await web.call("GET", "/v1/payments?order_id=100045")).json["data"]
    assert ["paid"] == [each["status"] for each in found]
