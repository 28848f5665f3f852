"""Several shops behind one daemon: keys with scopes and ends, limits, and nothing that one sees of another."""

import hashlib
from dataclasses import replace

import pytest

from gatewayd.core.secret import Secret
from gatewayd.core.settings import Scope, ShopKey, ShopLimits, ShopSettings
from gatewayd.web.rates import Rates
from tests.stage import Clock
from tests.web_stage import DEMO, KEY, OTHER, OTHER_KEY, Answer, Web, all_gateways, web_stage

SECOND = "gwk_test_second"
IN_2025 = "2025-02-11T14:41:07Z"
"""A second after the stage's clock."""


def shop_with(*keys: ShopKey, **changes: object) -> ShopSettings:
    return replace(DEMO, keys=(*DEMO.keys, *keys), **changes)  # type: ignore[arg-type]  # by name


def code_of(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json.get("code", "")


# --- keys


async def test_a_key_known_by_its_digest_alone_works() -> None:
    digest = hashlib.sha256(SECOND.encode()).hexdigest()
    shop = shop_with(ShopKey(id="second", sha256=digest, test=True))
    async with web_stage(shops=(shop,)) as web:
        assert 201 == (await web.call("POST", "/v1/payments", web.order(), key=SECOND)).status
        assert 401 == (await web.call("POST", "/v1/payments", web.order(), key=digest)).status


async def test_a_live_key_known_by_its_digest_reaches_no_test_gateway() -> None:
    key = "gwk_live_0123456789abcdefghijkl"
    shop = shop_with(ShopKey(id="second", sha256=hashlib.sha256(key.encode()).hexdigest()))
    async with web_stage(shops=(shop,)) as web:
        answer = await web.call("POST", "/v1/payments", web.order(), key=key)
        assert (422, "no_gateway") == code_of(answer)


async def test_keys_overlap_until_the_old_one_ends() -> None:
    old = ShopKey(id="old", secret=Secret(SECOND), not_after=IN_2025)
    async with web_stage(shops=(shop_with(old),)) as web:
        for key in (KEY, SECOND):
            assert 201 == (await web.call("POST", "/v1/payments", web.order(), key=key)).status
        web.clock.now += 1
        ended = await web.call("POST", "/v1/payments", web.order(), key=SECOND)
        assert (401, "auth_invalid") == code_of(ended)
        assert 201 == (await web.call("POST", "/v1/payments", web.order())).status


CALLS = {
    ("POST", "/v1/payments"): Scope.PAYMENTS_WRITE,
    ("GET", "/v1/payments"): Scope.PAYMENTS_READ,
    ("GET", "/v1/payments/pay_1"): Scope.PAYMENTS_READ,
    ("POST", "/v1/payments/pay_1/cancel"): Scope.PAYMENTS_WRITE,
    ("GET", "/v1/gateways"): Scope.GATEWAYS_READ,
    ("GET", "/v1/events"): Scope.EVENTS_READ,
}


@pytest.mark.parametrize(("call", "scope"), CALLS.items(), ids=[" ".join(call) for call in CALLS])
async def test_a_key_is_good_for_its_scopes_only(call: tuple[str, str], scope: Scope) -> None:
    others = tuple(each for each in Scope if each is not scope)
    good = ShopKey(id="good", secret=Secret("gwk_test_good"), scopes=(scope,))
    bad = ShopKey(id="bad", secret=Secret("gwk_test_bad1"), scopes=others)
    async with web_stage(shops=(shop_with(good, bad),)) as web:
        body = web.order() if call[0] == "POST" else None
        refused = await web.call(*call, body, key="gwk_test_bad1")
        assert (403, "scope_missing") == code_of(refused)
        assert str(scope) in refused.json["detail"]
        assert (await web.call(*call, body, key="gwk_test_good")).status in {200, 201, 404}


async def test_every_call_of_the_api_asks_for_a_scope() -> None:
    none = ShopKey(id="none", secret=Secret("gwk_test_none"), scopes=(Scope.REFUNDS_WRITE,))
    async with web_stage(shops=(shop_with(none),)) as web:
        asked = 0
        for route in web.app.router.routes():
            path = route.resource.canonical if route.resource else ""
            if not path.startswith("/v1/") or "refunds" in path or route.method == "HEAD":
                continue
            answer = await web.call(route.method, path.format(id="pay_1"), key="gwk_test_none")
            assert 403 == answer.status, path
            asked += 1
        assert asked >= len(CALLS)


# --- limits


async def test_a_shop_has_limits_of_its_own_on_amounts() -> None:
    shop = shop_with(limits=ShopLimits(amount_min=20_000, amount_max=30_000))
    async with web_stage(shops=(shop, OTHER)) as web:
        for amount, status in ((19_999, 422), (20_000, 201), (30_000, 201), (30_001, 422)):
            body = web.order(amount=amount)
            assert status == (await web.call("POST", "/v1/payments", body)).status
        toman = await web.call("POST", "/v1/payments", web.order(amount=3_001, currency="IRT"))
        assert "must be 2000 to 3000 toman" in toman.json["detail"]
        other = web.order(amount=30_001, return_url="https://other.example/")
        assert 201 == (await web.call("POST", "/v1/payments", other, key=OTHER_KEY)).status


async def test_a_shop_that_makes_too_many_payments_waits() -> None:
    shop = shop_with(limits=ShopLimits(payments_per_minute=2))
    async with web_stage(shops=(shop, OTHER)) as web:
        first = web.order()
        for body in (first, web.order()):
            headers = {"Idempotency-Key": body["order_id"]}
            assert 201 == (await web.call("POST", "/v1/payments", body, headers=headers)).status
        refused = await web.call("POST", "/v1/payments", web.order())
        assert (429, "too_many_payments") == code_of(refused)
        assert "30" == refused.headers["Retry-After"]
        headers = {"Idempotency-Key": first["order_id"]}
        again = await web.call("POST", "/v1/payments", first, headers=headers)
        assert (201, "true") == (again.status, again.headers["Idempotent-Replayed"])
        body = web.order(return_url="https://other.example/")
        assert 201 == (await web.call("POST", "/v1/payments", body, key=OTHER_KEY)).status
        web.clock.now += 30
        assert 201 == (await web.call("POST", "/v1/payments", web.order())).status


def test_a_quiet_shop_saves_up_a_minute_and_no_more() -> None:
    clock = Clock()
    rates = Rates(lambda: clock.now)
    shop = shop_with(limits=ShopLimits(payments_per_minute=3))
    assert [None, None, None, 20] == [rates.take(shop) for _ in range(4)]
    clock.now += 3_600
    assert [None, None, None, 20] == [rates.take(shop) for _ in range(4)]
    rates.give_back(shop)
    assert [None, 20] == [rates.take(shop) for _ in range(2)]


# --- apart


async def test_a_shop_uses_its_own_gateways_only() -> None:
    names = [each.name for each in all_gateways()]
    async with web_stage(shops=(shop_with(gateways=(names[0],)), OTHER)) as web:
        refused = await web.call("POST", "/v1/payments", web.order(gateways=[names[1]]))
        assert (422, "gateway_unknown") == code_of(refused)
        payment = await web.create()
        await web.hand_over(payment)
        assert names[0] == (await web.show(payment))["gateway"]


async def seen(web: Web, key: str) -> set[str]:
    listed = await web.call("GET", "/v1/payments?limit=100", key=key)
    return {each["id"] for each in listed.json["data"]}


async def test_a_shop_sees_no_payment_of_another() -> None:
    async with web_stage() as web:
        mine = await web.create()
        body = web.order(order_id=mine["order_id"], return_url="https://other.example/")
        theirs = (await web.call("POST", "/v1/payments", body, key=OTHER_KEY)).json
        assert ({mine["id"]}, {theirs["id"]}) == (await seen(web, KEY), await seen(web, OTHER_KEY))
        for method, path in (("GET", ""), ("POST", "/cancel")):
            answer = await web.call(
                method,
                f"/v1/payments/{mine['id']}{path}",
                key=OTHER_KEY,
                headers={"Idempotency-Key": "k"},
            )
            assert (404, "payment_not_found") == code_of(answer)
        assert "pending" == (await web.show(mine))["status"]


async def test_customers_see_the_name_of_their_own_shop() -> None:
    async with web_stage(shops=(shop_with(title="Tea and Sons"), OTHER), mix="decline") as web:
        payment = await web.create()
        page = await web.pay(payment)
        assert "Tea and Sons" in page.text
