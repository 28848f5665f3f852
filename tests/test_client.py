"""The Python client, of both kinds: every call against the real listener, and what it does when answers are lost."""

import json
import socket
from datetime import UTC, datetime
from random import Random
from typing import Any, get_args, is_typeddict
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from gatewayd.client import (
    AsyncClient,
    Client,
    ClientError,
    NotGenuine,
    Policy,
    Refused,
    Unknown,
    Unreached,
    calls,
    read_return,
    read_webhook,
    shapes,
)
from gatewayd.client.trying import Answer, Done, Lost, Pause, Trying
from gatewayd.core.settings import PaymentSettings
from gatewayd.web.reference.document import build_document
from tests.client_stage import between, shop
from tests.hook_stage import HOOK_SECRET, NEW_SECRET
from tests.refund_stage import refund_stage
from tests.web_stage import OTHER_KEY, SECRET, web_stage

KINDS = pytest.mark.parametrize("kind", ["sync", "async"])
BUSY = Answer(status=503, body=b'{"code": "overloaded", "detail": "later"}', retry_after="3")
IN_USE = Answer(status=409, body=b'{"code": "idempotency_key_in_use", "detail": "wait"}')
NOT_THE_CLIENTS = {"Problem", "Liveness", "Readiness"}
WANTED: dict[str, Any] = {
    "amount": 150_000,
    "order_id": "o-1",
    "return_url": "https://shop.example/done",
}


@KINDS
async def test_a_payment_goes_through_its_whole_life(kind: str) -> None:
    async with refund_stage("saman") as web, shop(kind, web.base) as us:
        made = await us.do("create_payment", **WANTED, metadata={"cart": "سبد"})
        assert ("pending", {"cart": "سبد"}) == (made["status"], made["metadata"])
        await web.pay(made)
        seen = await us.do("get_payment", made["id"])
        assert "paid" == seen["status"]
        refund = await us.do("create_refund", made["id"], amount=50_000, reason="broken")
        assert (50_000, "broken") == (refund["amount"], refund["reason"])
        assert refund["id"] == (await us.do("get_refund", refund["id"]))["id"]
        assert [refund["id"]] == [each["id"] for each in await us.do("list_refunds", made["id"])]
        assert ["saman"] == [each["name"] for each in await us.do("list_gateways")]
        events = await us.do("list_events")
        types = [each["type"] for each in events]
        told = ["payment.created", "payment.processing", "payment.paid", "refund.created"]
        assert told == types[:4]
        assert events[1:] == await us.do("list_events", events[0]["id"])


@KINDS
async def test_a_payment_is_cancelled(kind: str) -> None:
    async with web_stage(only=["saman"]) as web, shop(kind, web.base) as us:
        made = await us.do("create_payment", **WANTED)
        assert "cancelled" == (await us.do("cancel_payment", made["id"]))["status"]


@KINDS
async def test_an_authorized_payment_is_captured(kind: str) -> None:
    async with web_stage(only=["mellat"]) as web, shop(kind, web.base) as us:
        made = await us.do("create_payment", **WANTED, capture="manual")
        await web.pay(made)
        assert "authorized" == (await us.do("get_payment", made["id"]))["status"]
        captured = await us.do("capture_payment", made["id"], amount=150_000)
        assert "paid" == captured["status"]


@KINDS
async def test_a_list_is_read_over_all_its_pages(kind: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(calls.list_payments, "__defaults__", (2,))
    monkeypatch.setattr(calls.list_events, "__defaults__", (2,))
    async with web_stage(only=["saman"]) as web, shop(kind, web.base) as us:
        ids = [(await web.create())["id"] for _ in range(5)]
        listed = await us.do("list_payments", status="pending")
        assert ids == [each["id"] for each in reversed(listed)]
        assert [] == await us.do("list_payments", order_id="no such")
        assert ids == [each["data"]["id"] for each in await us.do("list_events")]


@KINDS
async def test_a_refusal_carries_what_is_wrong_and_is_not_repeated(kind: str) -> None:
    async with (
        web_stage(only=["saman"]) as web,
        between(web.base) as way,
        shop(kind, way.url) as us,
    ):
        with pytest.raises(Refused) as wrong:
            await us.do("create_payment", **{**WANTED, "amount": 1, "order_id": ""})
        assert (422, "request_invalid") == (wrong.value.status, wrong.value.code)
        assert ["amount", "order_id"] == [each["path"] for each in wrong.value.errors]
        made = await us.do("create_payment", **WANTED)
        with pytest.raises(Refused) as there:
            await us.do("create_payment", **WANTED)
        assert ("order_exists", made["id"]) == (
            there.value.code,
            there.value.document["payment_id"],
        )
        with pytest.raises(Refused) as missing:
            await us.do("get_payment", "pay_1/../x?y")
        assert (404, 4, []) == (missing.value.status, len(way.keys), us.slept)


@KINDS
async def test_another_shops_key_sees_nothing(kind: str) -> None:
    async with web_stage(only=["saman"]) as web, shop(kind, web.base, api_key=OTHER_KEY) as us:
        made = await web.create()
        with pytest.raises(Refused) as refused:
            await us.do("get_payment", made["id"])
        assert "payment_not_found" == refused.value.code
        with pytest.raises(Refused) as none:
            await us.do("replay_events")
        assert "no_webhooks" == none.value.code
        with pytest.raises(Refused):
            await us.do("resend_event", "evt_1_00000000")


@KINDS
async def test_answers_that_are_lost_make_one_payment(kind: str) -> None:
    async with (
        web_stage(only=["saman"]) as web,
        between(web.base) as way,
        shop(kind, way.url) as us,
    ):
        way.script[:] = ["drop", "reset", BUSY, IN_USE, "drop"]
        made = await us.do("create_payment", **WANTED)
        assert 6 == len(way.keys)
        assert 1 == len(set(way.keys))
        assert None is not way.keys[0]
        assert 5 == len(us.slept)
        assert us.slept[2] >= 3  # as Retry-After says
        assert [made["id"]] == [each["id"] for each in await us.do("list_payments")]


@KINDS
async def test_answers_that_are_lost_make_one_refund(kind: str) -> None:
    async with (
        refund_stage("saman") as web,
        between(web.base) as way,
        shop(kind, way.url) as us,
    ):
        made = await us.do("create_payment", **WANTED)
        await web.pay(made)
        way.script[:] = ["drop", "drop"]
        refund = await us.do("create_refund", made["id"], amount=10_000)
        assert [refund["id"]] == [each["id"] for each in await us.do("list_refunds", made["id"])]


@KINDS
async def test_what_nobody_answers_is_unknown_and_can_be_asked_again(kind: str) -> None:
    async with (
        web_stage(only=["saman"]) as web,
        between(web.base) as way,
        shop(kind, way.url, policy=Policy(tries_max=3)) as us,
    ):
        way.script[:] = ["drop", "reset", BUSY]
        with pytest.raises(Unknown) as lost:
            await us.do("create_payment", **WANTED)
        assert (503, 3, way.keys[0]) == (
            lost.value.status,
            lost.value.tries,
            lost.value.idempotency_key,
        )
        (there,) = await us.do("list_payments")
        again = await us.do("create_payment", **WANTED, idempotency_key=lost.value.idempotency_key)
        assert there["id"] == again["id"]


@KINDS
async def test_a_daemon_that_is_not_there_has_done_nothing(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    async with shop(kind, f"http://127.0.0.1:{port}", policy=Policy(tries_max=3)) as us:
        with pytest.raises(Unreached) as nobody:
            await us.do("create_payment", **WANTED)
        assert (3, 2) == (nobody.value.tries, len(us.slept))


@KINDS
async def test_a_try_that_takes_too_long_is_given_up(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:  # takes connections in, says nothing
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with shop(kind, url, policy=Policy(tries_max=2, try_seconds=0.05)) as us:
            with pytest.raises(Unknown) as lost:
                await us.do("cancel_payment", "pay_1")
            assert (2, None) == (lost.value.tries, lost.value.status)


@KINDS
async def test_an_answer_of_something_else_is_no_answer(kind: str) -> None:
    html = Answer(status=200, body=b"<html>welcome to the hotel</html>")
    async with (
        web_stage(only=["saman"]) as web,
        between(web.base) as way,
        shop(kind, way.url) as us,
    ):
        way.script[:] = [html, Answer(status=502, body=b"<html>"), Answer(status=204, body=b"")]
        assert [] == await us.do("list_payments")
        assert 4 == len(way.keys)


# --- the pure part


def trying(call: calls.Call[Any], policy: Policy = Policy()) -> Trying[Any]:  # noqa: B008  # frozen
    return Trying(call, policy, Random(3), 0.0)


def create() -> calls.Call[Any]:
    return calls.create_payment({"amount": 1, "order_id": "1", "return_url": "x"}, "key-1")


def refused(status: int, code: str = "some_code") -> Answer:
    return Answer(status=status, body=json.dumps({"code": code, "detail": "no"}).encode())


@pytest.mark.parametrize("status", [401, 403, 408, 413, 422, 500])
def test_a_refusal_from_before_the_key_was_looked_at_says_nothing_of_a_lost_try(
    status: int,
) -> None:
    again = trying(create())
    assert isinstance(again.after(Lost(why="reset", sent=True), 0), Pause)
    with pytest.raises(Unknown):
        again.after(refused(status), 0)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_first_refusal_is_a_no(status: int) -> None:
    with pytest.raises(Refused):
        trying(create()).after(refused(status), 0)


def test_a_refusal_with_the_key_in_view_is_a_no_also_after_a_lost_try() -> None:
    again = trying(create())
    again.after(Lost(why="reset", sent=True), 0)
    with pytest.raises(Refused):
        again.after(refused(409, "order_exists"), 0)


def test_a_fault_inside_leaves_a_change_in_doubt_but_not_a_look() -> None:
    with pytest.raises(Unknown):
        trying(create()).after(refused(500), 0)
    with pytest.raises(Refused):
        trying(calls.get_payment("pay_1")).after(refused(500), 0)


def test_a_pause_that_would_end_too_late_is_not_begun() -> None:
    busy = Answer(status=503, body=BUSY.body, retry_after="25")
    one = trying(create(), Policy(total_seconds=20))
    with pytest.raises(Refused) as end:
        one.after(busy, 0)
    assert ("overloaded", "key-1") == (end.value.code, end.value.idempotency_key)


def test_no_retry_after_is_waited_for_longer_than_the_policy_says() -> None:
    week = Answer(status=429, body=b"{}", retry_after="604800")
    pause = trying(create()).after(week, 0)
    assert isinstance(pause, Pause)
    assert 30 <= pause.seconds <= 30.2


ENDS = st.one_of(
    st.builds(Lost, why=st.just("x"), sent=st.booleans()),
    st.builds(refused, st.sampled_from([400, 401, 404, 409, 422, 429, 500, 502, 503, 504])),
    st.sampled_from([BUSY, IN_USE, Answer(status=200, body=b"{}"), Answer(status=201, body=b"[")]),
)


@given(st.lists(ENDS, min_size=8, max_size=8), st.integers(0, 2**32))
def test_however_it_goes_it_ends_in_time_and_no_doubt_is_told_as_a_no(
    ends: list[Answer | Lost], seed: int
) -> None:
    policy, now, doubt, tries = Policy(), 0.0, False, 0
    one = Trying(create(), policy, Random(seed), now)
    for end in ends:
        tries += 1
        doubt = doubt or (
            end.sent
            if isinstance(end, Lost)
            else end.status in {201, 500, 502, 504} or b"in_use" in end.body
        )
        then: Done[Any] | Pause | ClientError
        try:
            then = one.after(end, now)
        except ClientError as error:
            then = error
        if isinstance(then, ClientError):
            assert tries == then.tries
            no_all_the_same = then.status in {404, 409}
            assert (
                isinstance(then, Unknown) <= doubt <= (isinstance(then, Unknown) or no_all_the_same)
            )
            break
        if isinstance(then, Done):
            assert end == Answer(status=200, body=b"{}")
            break
        now += then.seconds
        assert now < policy.total_seconds
    assert tries <= policy.tries_max


@pytest.mark.parametrize("payment_id", ["", ".", ".."])
def test_an_id_that_is_none_calls_nothing(payment_id: str) -> None:
    with pytest.raises(ValueError, match="an id"):
        calls.get_payment(payment_id)


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX: y", "x" * 256])
def test_a_key_that_cannot_be_sent_is_refused_here(key: str) -> None:
    with pytest.raises(ValueError, match="idempotency key"):
        calls.cancel_payment("pay_1", key)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    "url", ["pay.shop.example", "ftp://x", "https://u:p@x", "https://x?y", "https://"]
)
def test_an_address_that_is_none_is_refused_at_once(kind: type[Client], url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        kind(url, "gwk_test_demo")
    with pytest.raises(ValueError, match="api_key") as wrong:
        kind("https://x", "gwk secret\n")
    assert "secret" not in str(wrong.value)


# --- the types


DOCUMENT = build_document(PaymentSettings())
OURS: dict[str, Any] = {
    name: kind
    for name, kind in vars(shapes).items()
    if isinstance(kind, type)
    and is_typeddict(kind)
    and name not in {"Page", "PaymentFilters", "InvoiceFilters"}
}


@pytest.mark.parametrize("name", OURS)
def test_the_types_have_the_fields_of_the_served_document(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    assert set(schema["properties"]) == OURS[name].__annotations__.keys()
    assert set(schema.get("required", ())) == OURS[name].__required_keys__


def test_every_object_that_the_documents_calls_speak_of_has_a_type() -> None:
    objects = {
        name
        for name, schema in DOCUMENT["components"]["schemas"].items()
        if schema.get("type") == "object"
    }
    assert set() == objects - set(OURS) - NOT_THE_CLIENTS


def test_every_call_of_the_document_is_there() -> None:
    listed = {
        f"{method} {path}"
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
        if path.startswith("/v1/")
    }
    made = [
        create(),
        calls.get_payment("{id}"),
        calls.list_payments({}, None),
        calls.capture_payment("{id}", None, "k"),
        calls.cancel_payment("{id}", "k"),
        calls.create_refund("{id}", {}, "k"),
        calls.list_refunds("{id}"),
        calls.get_refund("{id}"),
        calls.create_invoice({}, "k"),
        calls.get_invoice("{id}"),
        calls.list_invoices({}, None),
        calls.cancel_invoice("{id}", "k"),
        calls.list_invoice_payments("{id}", None),
        calls.list_gateways(),
        calls.list_events(None),
        calls.replay_events(None),
        calls.resend_event("{id}"),
    ]
    ours = {f"{each.method.lower()} {unquote(each.target.partition('?')[0])}" for each in made}
    assert listed == ours


def test_every_filter_and_status_of_the_document_is_there() -> None:
    named = {each["name"] for each in DOCUMENT["paths"]["/v1/payments"]["get"]["parameters"]}
    assert named - {"limit", "starting_after"} == shapes.PaymentFilters.__annotations__.keys()
    of_invoices = {each["name"] for each in DOCUMENT["paths"]["/v1/invoices"]["get"]["parameters"]}
    ours = shapes.InvoiceFilters.__annotations__.keys()
    assert of_invoices - {"limit", "starting_after"} == ours
    for name in (
        "PaymentStatus",
        "InvoiceStatus",
        "Money",
        "RefundStatus",
        "RefundKind",
        "Breaker",
    ):
        schema = DOCUMENT["components"]["schemas"][name]
        assert set(schema["enum"]) == set(get_args(getattr(shapes, name)))


# --- what is signed

NOW = 1_795_000_000
BODY = json.dumps({"id": "evt_1_00", "object": "event", "type": "payment.paid"}).encode()


def signed(secret: str, at: int = NOW, body: bytes = BODY) -> dict[str, str]:
    moment = datetime.fromtimestamp(at, UTC)
    return {
        "Webhook-Id": "evt_1_00",
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": Webhook(secret).sign("evt_1_00", moment, body.decode()),
    }


@pytest.mark.parametrize("secrets", [[HOOK_SECRET], [NEW_SECRET, HOOK_SECRET]])
@pytest.mark.parametrize("at", [NOW - 300, NOW, NOW + 300])
def test_a_webhook_that_another_library_signs_is_genuine(secrets: list[str], at: int) -> None:
    assert "payment.paid" == read_webhook(BODY, signed(HOOK_SECRET, at), secrets, now=NOW)["type"]


def test_a_webhook_signed_by_two_secrets_is_known_by_either() -> None:
    headers = signed(HOOK_SECRET)
    headers["Webhook-Signature"] += " " + signed(NEW_SECRET)["Webhook-Signature"]
    for secret in (HOOK_SECRET, NEW_SECRET):
        assert "evt_1_00" == read_webhook(BODY, headers, [secret], now=NOW)["id"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Webhook-Id": "evt_2_00"}, "webhook_signature"),
        ({"Webhook-Timestamp": str(NOW + 1)}, "webhook_signature"),
        ({"Webhook-Timestamp": str(NOW - 301)}, "webhook_time"),
        ({"Webhook-Timestamp": str(NOW + 301)}, "webhook_time"),
        ({"Webhook-Timestamp": "soon"}, "webhook_headers"),
        ({"Webhook-Signature": ""}, "webhook_headers"),
        ({"Webhook-Signature": "v1,ééé v2,x"}, "webhook_signature"),
    ],
)
def test_a_webhook_that_was_changed_is_not_genuine(change: dict[str, str], code: str) -> None:
    with pytest.raises(NotGenuine) as wrong:
        read_webhook(BODY, signed(HOOK_SECRET) | change, [HOOK_SECRET], now=NOW)
    assert code == wrong.value.code


def test_a_webhook_with_another_body_or_of_another_secret_is_not_genuine() -> None:
    for body, secret in ((BODY + b" ", HOOK_SECRET), (BODY, NEW_SECRET)):
        with pytest.raises(NotGenuine):
            read_webhook(body, signed(HOOK_SECRET), [secret], now=NOW)
    with pytest.raises(ValueError, match="no secret"):
        read_webhook(BODY, signed(HOOK_SECRET), [], now=NOW)


@KINDS
async def test_what_a_customer_brings_back_is_known_for_the_daemons(kind: str) -> None:
    async with web_stage(only=["saman"]) as web, shop(kind, web.base) as us:
        made = await us.do("create_payment", **{**WANTED, "order_id": "a|paid|1 &é"[:-1]})
        query = dict((await web.pay(made)).location.query)
        back = read_return(query, SECRET)
        assert (made["id"], "a|paid|1 &", "paid") == (back.payment_id, back.order_id, back.status)
        for name in query:
            with pytest.raises(NotGenuine):
                read_return(query | {name: "1"}, SECRET)
        with pytest.raises(NotGenuine):
            read_return({}, SECRET)
        parts = f"{query['order_id']}|{query['status']}|{query['timestamp']}".split("|")
        moved = query | {"order_id": parts[0], "status": parts[1], "timestamp": "|".join(parts[2:])}
        with pytest.raises(NotGenuine) as shifted:
            read_return(moved, SECRET)
        assert "return_fields" == shifted.value.code
