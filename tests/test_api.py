"""The shop's API: payments are created once, shown, listed and cancelled; the gateways tell how they are."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gatewayd.core.settings import ShopSettings
from tests.web_stage import DEMO, KEY, LIVE_KEY, OTHER, OTHER_KEY, Web, all_gateways, web_stage

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
FIELDS = {
    "id", "object", "status", "money", "returns_by", "amount", "currency", "amount_rial",
    "order_id", "pay_url", "tracking_code", "gateway", "ref_num", "rrn", "trace_no", "card",
    "attempts", "refunded_amount", "needs_review", "created_at", "expires_at", "paid_at", "metadata",
}  # fmt: skip


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with web_stage() as stage:
        yield stage


# --- create


async def test_a_new_payment_is_answered_whole(web: Web) -> None:
    body = web.order(order_id="A-1", metadata={"cart": 7}, description="کفش")
    answer = await web.call("POST", "/v1/payments", body)
    payment = answer.json
    assert 201 == answer.status
    assert f"/v1/payments/{payment['id']}" == answer.headers["Location"]
    assert "application/json" == answer.headers["Content-Type"]
    assert "no-store" == answer.headers["Cache-Control"]
    assert set() == FIELDS - payment.keys()
    assert ("payment", "pending", "none") == tuple(
        payment[name] for name in ("object", "status", "money")
    )
    assert (150_000, "IRR", 150_000) == tuple(
        payment[name] for name in ("amount", "currency", "amount_rial")
    )
    assert ("A-1", {"cart": 7}, "کفش") == tuple(
        payment[name] for name in ("order_id", "metadata", "description")
    )
    assert payment["pay_url"].startswith(f"{web.base}/pay/{payment['tracking_code']}.")
    assert re.fullmatch(r"\d{12}", payment["tracking_code"])
    assert RFC_3339.fullmatch(payment["created_at"])
    assert ("2025-02-11T14:41:06.000Z", "2025-02-11T15:01:06.000Z", None) == tuple(
        payment[name] for name in ("created_at", "expires_at", "paid_at")
    )


async def test_amounts_in_toman_come_back_in_toman_with_the_rial_beside_them(web: Web) -> None:
    payment = await web.create(amount=15_000, currency="IRT")
    assert (15_000, "IRT", 150_000, 0) == tuple(
        payment[name] for name in ("amount", "currency", "amount_rial", "refunded_amount")
    )


async def test_what_is_shown_is_what_was_created(web: Web) -> None:
    payment = await web.create()
    assert payment == await web.show(payment)


async def test_the_whole_life_of_a_payment_is_seen_by_its_shop(web: Web) -> None:
    payment = await web.create(gateways=["saman"])
    await web.pay(payment)
    paid = await web.show(payment)
    assert ("paid", "ours", "saman") == (paid["status"], paid["money"], paid["gateway"])
    assert re.fullmatch(r"\d{6}\*+\d{4}", paid["card"])
    assert all(paid[name] for name in ("ref_num", "rrn", "trace_no", "paid_at"))
    assert [{"number": 1, "gateway": "saman", "state": "verified"}] == [
        {name: attempt[name] for name in ("number", "gateway", "state")}
        for attempt in paid["attempts"]
    ]
    assert isinstance(paid["attempts"][0]["bank_order"], int)


async def test_a_refused_attempt_says_why(web: Web) -> None:
    web.all_do("decline")
    payment = await web.create(gateways=["saman", "mellat"])
    await web.pay(payment)
    (attempt,) = (await web.show(payment))["attempts"]
    assert "declined" == attempt["error"]["cause"]
    assert {"cause", "code", "message"} == attempt["error"].keys()


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_the_body_is_json_whatever_its_content_type_says(web: Web, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    answer = await web.call("POST", "/v1/payments", web.order(), headers=headers)
    assert 201 == answer.status


async def test_what_people_type_is_brought_into_the_form_that_banks_take(web: Web) -> None:
    payer = {
        "mobile": "+98 ۹۱۲ ۱۲۳ ۴۵۶۷",
        "national_id": "۰۰۱۲۳۴۵۶۷۸",
        "email": "a@b.example",
        "name": "علی‌رضا",
        "allowed_cards": [],
    }
    payment = await web.create(payer=payer)
    kept = web.engine.records.get(int(payment["tracking_code"])).payer
    assert kept is not None
    assert ("09121234567", "0012345678", "a@b.example", "علی‌رضا", ()) == (
        kept.mobile,
        kept.national_id,
        kept.email,
        kept.name,
        kept.allowed_cards,
    )


# --- once only


@pytest.mark.parametrize("quoted", [False, True])
async def test_the_same_key_and_body_give_the_object_as_it_was_created(
    web: Web, *, quoted: bool
) -> None:
    body = web.order()
    first = await web.call("POST", "/v1/payments", body, headers={"Idempotency-Key": "k-1"})
    await web.pay(first.json)
    key = '"k-1"' if quoted else "k-1"
    again = await web.call(
        "POST",
        "/v1/payments",
        dict(reversed(body.items())),
        headers={"Idempotency-Key": key},
    )
    assert (201, first.json, "true") == (
        again.status,
        again.json,
        again.headers["Idempotent-Replayed"],
    )
    assert first.headers["Location"] == again.headers["Location"]
    assert "Idempotent-Replayed" not in first.headers
    assert "paid" == (await web.show(first.json))["status"]


async def test_the_same_key_with_another_body_is_refused(web: Web) -> None:
    headers = {"Idempotency-Key": "k-1"}
    await web.call("POST", "/v1/payments", web.order(), headers=headers)
    other = await web.call("POST", "/v1/payments", web.order(), headers=headers)
    assert (422, "idempotency_key_reused") == (other.status, other.json["code"])


async def test_of_two_at_once_one_creates_and_the_other_repeats(web: Web) -> None:
    body, headers = web.order(), {"Idempotency-Key": "k-1"}
    answers = await asyncio.gather(
        *(web.call("POST", "/v1/payments", body, headers=headers) for _ in range(8))
    )
    assert {201} == {answer.status for answer in answers}
    assert 1 == len({answer.body for answer in answers})
    assert 7 == sum("Idempotent-Replayed" in answer.headers for answer in answers)
    assert 1 == web.tally.counts["created"]


async def test_keys_of_two_shops_are_apart(web: Web) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = await web.call("POST", "/v1/payments", web.order(), headers=headers)
    body = web.order(return_url="https://other.example/")
    second = await web.call("POST", "/v1/payments", body, key=OTHER_KEY, headers=headers)
    assert (201, 201) == (first.status, second.status)
    assert first.json["id"] != second.json["id"]


@pytest.mark.parametrize(
    "key", ["", " ", "with blank", "ü", "\xa0nbsp", "x" * 256, 'q"uote', '"open', '""']
)
async def test_a_key_that_is_none_is_refused(web: Web, key: str) -> None:
    answer = await web.call("POST", "/v1/payments", web.order(), headers={"Idempotency-Key": key})
    assert (400, "idempotency_key_invalid") == (answer.status, answer.json["code"])


# --- one payment for an order


async def test_an_order_that_is_open_already_leads_to_its_payment(web: Web) -> None:
    payment = await web.create(order_id="A-1")
    answer = await web.call("POST", "/v1/payments", web.order(order_id="A-1"))
    assert (409, "order_exists") == (answer.status, answer.json["code"])
    assert (payment["id"], "pending", payment["pay_url"]) == tuple(
        answer.json[name] for name in ("payment_id", "payment_status", "pay_url")
    )


async def test_an_order_that_is_paid_stays_so(web: Web) -> None:
    payment = await web.create(order_id="A-1")
    await web.pay(payment)
    answer = await web.call("POST", "/v1/payments", web.order(order_id="A-1"))
    assert (409, payment["id"], "paid") == (
        answer.status,
        answer.json["payment_id"],
        answer.json["payment_status"],
    )


async def test_an_order_whose_payment_was_cancelled_may_be_paid_anew(web: Web) -> None:
    payment = await web.create(order_id="A-1")
    await web.call("POST", f"/v1/payments/{payment['id']}/cancel", headers={"Idempotency-Key": "c"})
    again = await web.create(order_id="A-1")
    assert payment["id"] != again["id"]


async def test_of_two_shops_at_once_for_one_order_both_are_served(web: Web) -> None:
    await web.create(order_id="A-1")
    body = web.order(order_id="A-1", return_url="https://other.example/")
    assert 201 == (await web.call("POST", "/v1/payments", body, key=OTHER_KEY)).status


async def test_of_many_at_once_for_one_order_one_is_made(web: Web) -> None:
    body = web.order()
    answers = await asyncio.gather(*(web.call("POST", "/v1/payments", body) for _ in range(8)))
    assert [201, *[409] * 7] == sorted(answer.status for answer in answers)
    made = {answer.json.get("id", answer.json.get("payment_id")) for answer in answers}
    assert 1 == len(made)


# --- whose it is


@pytest.mark.parametrize("how", ["GET", "POST"])
async def test_another_shops_payment_is_not_there(web: Web, how: str) -> None:
    payment = await web.create()
    path = f"/v1/payments/{payment['id']}" + ("/cancel" if how == "POST" else "")
    answer = await web.call(how, path, key=OTHER_KEY, headers={"Idempotency-Key": "c"})
    assert (404, "payment_not_found") == (answer.status, answer.json["code"])
    assert "pending" == (await web.show(payment))["status"]


@pytest.mark.parametrize(
    "name", ["pay_1", "pay_0", "pay_", "1", "pay_99999999999999999", "pay_-1", "pay_%DB%B1", "%00"]
)
async def test_a_payment_that_never_was_is_not_there(web: Web, name: str) -> None:
    answer = await web.call("GET", f"/v1/payments/{name}")
    assert (404, "payment_not_found") == (answer.status, answer.json["code"])


@pytest.fixture
async def both() -> AsyncIterator[Web]:
    """A shop with a test key and a live one, each with a gateway."""
    tests, live = all_gateways()[:2]
    async with web_stage(gateways=(tests, replace(live, test=False))) as stage:
        yield stage


async def test_test_keys_and_live_keys_see_each_their_own(both: Web) -> None:
    test = await both.create(order_id="A-1")
    made = await both.call("POST", "/v1/payments", both.order(order_id="A-1"), key=LIVE_KEY)
    live = made.json
    assert (201, True, False) == (made.status, test["test"], live["test"])
    for payment, key in ((test, LIVE_KEY), (live, KEY)):
        answer = await both.call("GET", f"/v1/payments/{payment['id']}", key=key)
        assert 404 == answer.status
    for payment, key in ((test, KEY), (live, LIVE_KEY)):
        listed = await both.call("GET", "/v1/payments?order_id=A-1", key=key)
        assert [payment["id"]] == [each["id"] for each in listed.json["data"]]


async def test_each_key_reaches_its_own_gateways_only(both: Web) -> None:
    test = await both.create()
    live = (await both.call("POST", "/v1/payments", both.order(), key=LIVE_KEY)).json
    await both.hand_over(test)
    await both.hand_over(live)
    assert ("saman", "mellat") == (
        (await both.show(test))["gateway"],
        (await both.show(live, LIVE_KEY))["gateway"],
    )


async def test_an_order_that_was_cancelled_by_a_live_key_is_free_for_it(both: Web) -> None:
    for _ in range(2):
        made = await both.call("POST", "/v1/payments", both.order(order_id="A-1"), key=LIVE_KEY)
        assert 201 == made.status
        await both.call(
            "POST",
            f"/v1/payments/{made.json['id']}/cancel",
            key=LIVE_KEY,
            headers={"Idempotency-Key": "c"},
        )


# --- cancel


async def test_a_cancelled_payment_ends_for_good(web: Web) -> None:
    payment = await web.create()
    form = await web.hand_over(payment)
    path = f"/v1/payments/{payment['id']}/cancel"
    for _ in range(2):
        answer = await web.call("POST", path, headers={"Idempotency-Key": "c"})
        assert (200, "cancelled") == (answer.status, answer.json["status"])
    page = await web.come_back(web.play(form))
    back = await web.submit(page.forms[0])
    assert (303, "cancelled") == (back.status, back.location.query["status"])


async def test_a_paid_payment_that_its_bank_does_not_reverse_is_not_cancelled(web: Web) -> None:
    payment = await web.create(gateways=["mellat"])
    await web.pay(payment)
    path = f"/v1/payments/{payment['id']}/cancel"
    answer = await web.call("POST", path, headers={"Idempotency-Key": "c"})
    assert (409, "payment_paid") == (answer.status, answer.json["code"])
    assert "paid" == (await web.show(payment))["status"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [({}, "idempotency_key_missing"), ({"Idempotency-Key": " "}, "idempotency_key_invalid")],
)
async def test_a_cancel_needs_its_key(web: Web, headers: dict[str, str], code: str) -> None:
    payment = await web.create()
    answer = await web.call("POST", f"/v1/payments/{payment['id']}/cancel", headers=headers)
    assert (400, code) == (answer.status, answer.json["code"])
    assert "pending" == (await web.show(payment))["status"]


# --- gateways


async def test_the_gateways_tell_how_they_are(web: Web) -> None:
    await web.pay(await web.create(gateways=["saman"]))
    document = (await web.call("GET", "/v1/gateways")).json
    assert ("list", False, "/v1/gateways") == tuple(
        document[name] for name in ("object", "has_more", "url")
    )
    gateways = {each["name"]: each for each in document["data"]}
    assert {"saman", "mellat", "parsian", "sadad", "zarinpal", "zibal"} == gateways.keys()
    saman = gateways["saman"]
    assert ("gateway", "saman", "closed", 1, 1) == (
        saman["object"],
        saman["driver"],
        saman["breaker"],
        saman["window"]["started"],
        saman["window"]["paid"],
    )
    assert 1.0 == pytest.approx(sum(each["weight"] for each in gateways.values()), abs=1e-3)
    assert all(0 <= each["score"] <= 1 and 0 <= each["share"] <= 1 for each in gateways.values())


async def test_a_shop_sees_the_gateways_that_it_may_use() -> None:
    shop: ShopSettings = replace(DEMO, gateways=("zibal", "saman"))
    async with web_stage(shops=(shop, OTHER)) as web:
        document = (await web.call("GET", "/v1/gateways")).json
        assert ["zibal", "saman"] == [each["name"] for each in document["data"]]


# --- health


async def test_it_is_live_and_ready(web: Web) -> None:
    live, ready = await web.ask("GET", "/livez"), await web.ask("GET", "/readyz")
    assert (200, {"status": "ok"}) == (live.status, live.json)
    assert (200, "ok") == (ready.status, ready.json["status"])


async def test_it_is_not_ready_while_new_payments_are_refused(web: Web) -> None:
    web.why_not.append("disk nearly full")
    ready = await web.ask("GET", "/readyz")
    assert (503, "unavailable", "disk nearly full") == (
        ready.status,
        ready.json["status"],
        ready.json["checks"]["accepting"],
    )
    assert 200 == (await web.ask("GET", "/livez")).status


async def test_one_sick_bank_does_not_make_it_unready_and_all_do(web: Web) -> None:
    names = [each.name for each in all_gateways()]
    web.engine.router.force(web.clock.now, names[0], "open")
    assert 200 == (await web.ask("GET", "/readyz")).status
    for name in names[1:]:
        web.engine.router.force(web.clock.now, name, "open")
    assert 503 == (await web.ask("GET", "/readyz")).status
