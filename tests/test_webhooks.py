"""Webhooks as a shop gets them: signed, in order, again until they are taken, and never into our own network."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from gatewayd.core.secret import Secret
from gatewayd.core.signing import signatures
from gatewayd.engine.operating import Refused
from gatewayd.engine.posting import Posting
from gatewayd.engine.reading import MemoryReader
from gatewayd.journal.store import Told, TooSlow
from gatewayd.web.operators import build_operators_app
from gatewayd.web.ports import INVOICING, PAST
from tests.hook_stage import (
    HOOK_SECRET,
    NEW_SECRET,
    Hooks,
    hook_stage,
    hooks,
    outbox_of,
    pass_time,
    receiver,
    shop_of,
)
from tests.web_stage import DEMO, KEY, OTHER, OTHER_KEY, Web, all_gateways, web_stage

BOUGHT = ["payment.created", "payment.processing", "payment.paid"]


@pytest.fixture
async def there() -> AsyncIterator[Hooks]:
    async with hooks() as made:
        yield made


async def listed(web: Web, key: str = KEY) -> list[dict[str, Any]]:
    answer = await web.call("GET", "/v1/events?limit=100", key=key)
    data = answer.json["data"]
    assert isinstance(data, list)
    return data


# --- what arrives


async def test_a_receiver_is_told_in_order_what_the_list_of_events_says(there: Hooks) -> None:
    async with hook_stage(receiver(there.url)) as web:
        payment = await web.create(metadata={"cart": 7})
        await web.pay(payment)
        await there.until(lambda: len(there.taken) == 3)
        assert await listed(web) == there.taken
        assert BOUGHT == there.types(payment)
        assert [each["id"] for each in there.taken] == there.ids
        assert 0 == there.forged


async def test_each_payments_news_come_in_order_while_many_are_made(there: Hooks) -> None:
    async with hook_stage(receiver(there.url)) as web:

        async def buy() -> dict[str, Any]:
            payment = await web.create()
            await web.pay(payment)
            return payment

        payments = await asyncio.gather(*(buy() for _ in range(20)))
        await there.until(lambda: len(there.taken) == 60)
        assert {tuple(BOUGHT)} == {tuple(there.types(payment)) for payment in payments}


async def test_a_receiver_hears_only_of_what_it_wants_and_of_its_own_shop(there: Hooks) -> None:
    async with hook_stage(receiver(there.url, events=("payment.paid",))) as web:
        body = web.order(return_url="https://other.example/")
        await web.call("POST", "/v1/payments", body, key=OTHER_KEY)
        await web.pay(await web.create())
        await there.until(lambda: len(there.taken) == 1)
        assert ["payment.paid"] == there.types()
        assert {"demo"} == {each.partition("/")[0] for each in outbox_of(web).receivers}


async def test_live_and_test_payments_have_receivers_of_their_own() -> None:
    gateways = all_gateways()
    live = replace(gateways[0], test=False)
    async with hooks() as real, hooks() as trying:
        kept = (receiver(real.url, test=None), receiver(trying.url, name="trying"))
        async with hook_stage(*kept, gateways=(live, *gateways[1:])) as web:
            await web.create()
            key = DEMO.keys[1].secret
            assert key is not None
            await web.call("POST", "/v1/payments", web.order(), key=key.reveal())
            await real.until(lambda: len(real.taken) == 1)
            await trying.until(lambda: len(trying.taken) == 1)
            assert [False, True] == [each.taken[0]["data"]["test"] for each in (real, trying)]


async def test_both_secrets_are_good_while_they_are_changed(there: Hooks) -> None:
    async with hook_stage(receiver(there.url, NEW_SECRET, HOOK_SECRET)) as web:
        await web.create()
        await there.until(lambda: len(there.taken) == 1)
        there.secret = NEW_SECRET
        await web.create()
        await there.until(lambda: len(there.taken) == 2)
        assert 0 == there.forged


async def test_a_signature_by_another_secret_is_none(there: Hooks) -> None:
    there.secret = NEW_SECRET
    async with hook_stage(receiver(there.url)) as web:
        await web.create()
        await there.until(lambda: there.forged == 1)
        assert [] == there.taken


def test_the_signature_is_the_standards_own() -> None:
    header = signatures(
        [Secret(HOOK_SECRET)],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        b'{"test": 2432232314}',
    )
    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == header


# --- until it is taken


async def test_what_is_not_taken_comes_again_with_the_same_id(there: Hooks) -> None:
    there.answer = lambda _event: (500 if len(there.refused) < 2 else 200, {})
    async with hook_stage(receiver(there.url)) as web:
        await web.create()
        for refused, seconds in ((1, 6.1), (2, 361)):
            await there.until(lambda refused=refused: len(there.refused) == refused)  # type: ignore[misc]  # bound early
            await settled(web)
            pass_time(web, seconds)
        await there.until(lambda: len(there.taken) == 1)
        assert 1 == len(set(there.ids))
        assert 2 == len(web.log.of("webhook not taken"))


async def settled(web: Web) -> None:
    """Until nothing is out."""
    while any(each.sending for each in outbox_of(web).receivers.values()):  # noqa: ASYNC110  # nobody else asks
        await asyncio.sleep(0)


async def test_a_redirect_is_not_followed(there: Hooks) -> None:
    there.answer = lambda _event: (307, {"Location": there.url})
    async with hook_stage(receiver(there.url)) as web:
        await web.create()
        await there.until(lambda: len(there.refused) == 1)
        await settled(web)
        assert [307] == [fields["status"] for fields in web.log.of("webhook not taken")]
        assert 1 == len(there.ids)


async def test_a_receiver_that_says_when_is_asked_then(there: Hooks) -> None:
    there.answer = lambda _event: (503, {"Retry-After": "90"}) if not there.refused else (204, {})
    async with hook_stage(receiver(there.url)) as web:
        await web.create()
        await there.until(lambda: len(there.refused) == 1)
        await settled(web)
        (waiting,) = outbox_of(web).receivers.values()
        assert int((web.clock.now + 90) * 1000) == waiting.due_ms()
        pass_time(web, 90)
        await there.until(lambda: len(there.taken) == 1)


async def test_a_dead_receiver_holds_up_nobody_else(there: Hooks) -> None:
    async with hooks() as stuck:
        stuck.open.clear()
        async with hook_stage(receiver(stuck.url, name="stuck"), receiver(there.url)) as web:
            for _ in range(20):
                await web.create()
            await there.until(lambda: len(there.taken) == 20)
            await stuck.until(lambda: stuck.waiting == 8)
            assert [] == stuck.taken
            stuck.open.set()
            await stuck.until(lambda: len(stuck.taken) == 20)


async def test_a_receiver_that_is_gone_is_left_alone_and_people_are_told(there: Hooks) -> None:
    there.answer = lambda _event: (410, {})
    async with hook_stage(receiver(there.url)) as web:
        await web.create()
        await there.until(lambda: len(there.refused) == 1)
        await settled(web)
        await web.create()
        (row,) = outbox_of(web).summary()
        assert ("demo/main", "disabled", 1) == (row["receiver"], row["state"], row["waiting"])
        (line,) = web.log.of("webhook receiver disabled")
        assert ("error", "demo/main") == (
            next(level for level, said, _ in web.log.lines if "disabled" in said),
            line["receiver"],
        )
        there.answer = lambda _event: (204, {})
        outbox_of(web).enable("demo/main")
        await there.until(lambda: len(there.taken) == 2)
        assert 1 == len(there.refused)


# --- crashes and stops


async def test_what_was_delivered_before_a_stop_is_not_sent_again_and_the_rest_is(
    there: Hooks,
) -> None:
    async with hook_stage(receiver(there.url)) as web:
        await web.create()
        await there.until(lambda: len(there.taken) == 1)
        there.answer = lambda _event: (500, {})
        await web.create()
        await there.until(lambda: len(there.refused) == 1)
    there.answer = lambda _event: (204, {})
    async with hook_stage(receiver(there.url), store=web.disk.store, clock=web.clock) as web:
        await web.create(order_id="third")
        await there.until(lambda: len(there.taken) == 2)
        pass_time(web, 7)
        await there.until(lambda: len(there.taken) == 3)
        assert 3 == len({each["id"] for each in there.taken})


async def test_news_that_landed_just_before_a_crash_are_told_by_the_next_process(
    there: Hooks,
) -> None:
    there.open.clear()
    async with hook_stage(receiver(there.url)) as web:
        await web.create()
        found = web.disk.store.crash()
    there.open.set()
    taken = len(there.taken)
    async with hook_stage(receiver(there.url), store=found, clock=web.clock):
        await there.until(lambda: len(there.taken) > taken)
    assert {"payment.created"} == set(there.types())


async def test_a_new_receiver_is_told_of_what_happens_from_then_on(there: Hooks) -> None:
    async with web_stage() as web:
        await web.create()
    async with hook_stage(receiver(there.url), store=web.disk.store, clock=web.clock) as web:
        web.clock.now += 1
        payment = await web.create(order_id="later")
        await there.until(lambda: len(there.taken) == 1)
        assert ["payment.created"] == there.types(payment)


# --- again, by order


async def test_an_event_is_sent_again_when_its_shop_asks_and_nobody_else(there: Hooks) -> None:
    async with hook_stage(receiver(there.url)) as web:
        await web.create()
        await there.until(lambda: len(there.taken) == 1)
        (event,) = there.taken
        path = f"/v1/events/{event['id']}/resend"
        answer = await web.call("POST", path)
        assert (202, ["demo/main"]) == (answer.status, answer.json["receivers"])
        await there.until(lambda: len(there.taken) == 2)
        assert [event, event] == there.taken
        assert 404 == (await web.call("POST", path, key=OTHER_KEY)).status


async def test_everything_after_an_event_is_sent_again_in_order(there: Hooks) -> None:
    async with hook_stage(receiver(there.url)) as web:
        await web.pay(await web.create())
        await there.until(lambda: len(there.taken) == 3)
        answer = await web.call("POST", "/v1/events/replay", {"after": there.taken[0]["id"]})
        assert 202 == answer.status
        await there.until(lambda: len(there.taken) == 5)
        assert [*BOUGHT, *BOUGHT[1:]] == there.types()
        assert 202 == (await web.call("POST", "/v1/events/replay")).status
        await there.until(lambda: len(there.taken) == 8)


async def test_a_shop_without_receivers_is_told_so(there: Hooks) -> None:
    async with hook_stage(receiver(there.url)) as web:
        body = web.order(return_url="https://other.example/")
        await web.call("POST", "/v1/payments", body, key=OTHER_KEY)
        (event,) = await listed(web, OTHER_KEY)
        for path in ("/v1/events/replay", f"/v1/events/{event['id']}/resend"):
            answer = await web.call("POST", path, key=OTHER_KEY)
            assert (409, "no_webhooks") == (answer.status, answer.json["code"])


async def test_operators_send_again_replay_and_enable(there: Hooks) -> None:
    async with hook_stage(receiver(there.url)) as web:
        desk = Posting(web.engine.outbox, web.app[PAST].notices, web.log)
        await web.create()
        await there.until(lambda: len(there.taken) == 1)
        await desk.resend(there.taken[0]["id"], by="sara")
        await there.until(lambda: len(there.taken) == 2)
        await desk.replay("demo/main", "", by="sara")
        await there.until(lambda: len(there.taken) == 3)
        desk.enable("demo/main", by="sara")
        assert ["ok"] == [row["state"] for row in desk.receivers()]
        for wrong in (desk.resend("evt_9_00000000", by="s"), desk.replay("demo/x", "", by="s")):
            with pytest.raises(Refused):
                await wrong
    none = Posting(None, web.app[PAST].notices, web.log)
    assert [] == none.receivers()
    with pytest.raises(Refused):
        none.enable("demo/main", by="sara")


# --- our own network


async def test_nothing_is_sent_into_our_own_network_unless_the_shop_may(there: Hooks) -> None:
    shop = shop_of(receiver(there.url), private=False)
    async with web_stage(shops=(shop, OTHER)) as web:
        await web.create()
        (waiting,) = outbox_of(web).receivers.values()
        while waiting.failing_since_ms is None:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0)
        assert ["internal address"] == [f["cause"] for f in web.log.of("webhook not taken")]
    assert [] == there.ids


async def test_no_line_of_the_log_holds_an_address_a_secret_or_what_was_sent(there: Hooks) -> None:
    there.answer = lambda _event: (500, {})
    async with hook_stage(receiver(f"{there.url}?token=hidden")) as web:
        await web.create(metadata={"note": "private note"})
        await there.until(lambda: len(there.refused) == 1)
        await settled(web)
        text = "\n".join(str(line) for line in web.log.lines)
    assert "webhook not taken" in text
    for hidden in ("hidden", there.url, HOOK_SECRET, HOOK_SECRET[6:], "private note"):
        assert hidden not in text


def test_a_body_that_was_changed_on_its_way_is_seen() -> None:
    webhook, now = Webhook(HOOK_SECRET), 1
    header = signatures([Secret(HOOK_SECRET)], "evt_1", now, b"{}")
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(now), "webhook-signature": header}
    with pytest.raises(WebhookVerificationError):
        webhook.verify(b"{ }", headers)


async def test_operators_order_over_their_socket(there: Hooks) -> None:
    async with hook_stage(receiver(there.url)) as web:
        posting = Posting(web.engine.outbox, web.app[PAST].notices, web.log)
        reader = MemoryReader(web.disk.store)
        app = build_operators_app(
            web.engine.operating,
            web.engine.refunding,
            posting,
            reader.in_review,
            web.app[INVOICING].sight,
        )
        await web.create()
        await there.until(lambda: len(there.taken) == 1)
        event = there.taken[0]["id"]
        async with TestClient(TestServer(app)) as client:

            async def order(path: str, **words: str) -> tuple[int, str]:
                async with client.post(f"/webhooks/{path}", json={"by": "sara", **words}) as reply:
                    document = await reply.json(content_type=None)
                    return reply.status, document.get("said", document.get("detail"))

            assert (200, f"{event} goes to demo/main") == await order("resend", event=event)
            await there.until(lambda: len(there.taken) == 2)
            done = await order("demo/main/replay", after="beginning")
            assert (200, "everything after the beginning goes to demo/main again") == done
            await there.until(lambda: len(there.taken) == 3)
            assert 200 == (await order("demo/main/enable"))[0]
            assert (409, "there is no receiver 'demo/x'") == await order("demo/x/enable")
            assert 422 == (await order("resend"))[0]
            async with client.get("/webhooks") as reply:
                (row,) = await reply.json()
            assert ("demo/main", "ok") == (row["receiver"], row["state"])


async def test_a_journal_that_cannot_be_read_for_a_moment_stops_neither_payments_nor_webhooks(
    there: Hooks,
) -> None:
    async with hook_stage(receiver(there.url)) as web:
        outbox = outbox_of(web)
        working = outbox._notices

        async def broken(after: int, whose: str | None, limit: int) -> list[Told]:
            raise TooSlow("a reading took longer than 2 s")

        outbox._notices = broken
        await web.create()
        while not web.log.of("news not read"):  # noqa: ASYNC110  # as above
            await asyncio.sleep(0)
        outbox._notices = working
        pass_time(web, 1)
        await there.until(lambda: len(there.taken) == 1)
