"""Customers back from banks: whatever they bring, once or often, a genuine payer is paid and sent to the shop."""

import asyncio
import gzip
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import example, given
from hypothesis import strategies as st

from gatewayd.simulator.inprocess import Return
from gatewayd.web import customer
from gatewayd.web.returned_fields import FIELD_CHARS_MAX, FIELDS_MAX, read_fields
from tests.stage import DRIVERS
from tests.test_pay_pages import is_page
from tests.web_stage import QUICK, SECRET, Answer, Web, web_stage

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with web_stage() as stage:
        yield stage


async def at_bank(web: Web, **changes: Any) -> tuple[dict[str, Any], Return]:
    """A payment whose payer has just paid at Saman, and how his browser comes back; he could go to Mellat too."""
    web.engine.router.force(web.clock.now, "mellat", "open")
    payment = await web.create(**{"gateways": ["saman", "mellat"], **changes})
    handover = await web.hand_over(payment)
    web.engine.router.force(web.clock.now, "mellat", "auto")
    return payment, web.play(handover)


def is_back(answer: Answer, payment: dict[str, Any], status: str) -> None:
    """The customer is sent to the shop with this status, and the signature is right."""
    assert (303, "no-store") == (answer.status, answer.headers["Cache-Control"])
    query = answer.location.query
    text = "|".join((payment["id"], payment["order_id"], status, query["timestamp"]))
    signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert "https://shop.example/done" == str(answer.location.with_query(None))
    assert (payment["id"], payment["order_id"], status, signature) == tuple(
        query[name] for name in ("payment_id", "order_id", "status", "signature")
    )


def verified(web: Web) -> list[tuple[bool, int]]:
    """What the banks have verified, by their own book."""
    return [(row["verified"], row["amount"]) for row in web.banks.book.ledger(web.clock.now)]


# --- the genuine return


@pytest.mark.parametrize("name", DRIVERS)
async def test_a_payer_of_every_bank_is_back_and_paid(web: Web, name: str) -> None:
    payment = await web.create(gateways=[name])
    is_back(await web.pay(payment), payment, "paid")
    assert [(True, 150_000)] == verified(web)


@pytest.mark.parametrize("method", ["get", "post"])
async def test_both_methods_bring_the_fields(web: Web, method: str) -> None:
    payment, back = await at_bank(web)
    moved = Return(method=method, url=back.url, fields=back.fields)
    if method == "get":
        answer = await web.ask("GET", back.url, params=dict(back.fields))
    else:
        answer = await web.come_back(moved)
    is_back(answer, payment, "paid")


PARTS = "multipart/form-data; boundary=" + '"a b"'


@pytest.mark.parametrize("kind", ["parts", "json", "slash"])
async def test_a_return_in_another_form_is_the_same_return(web: Web, kind: str) -> None:
    payment, back = await at_bank(web)
    data: bytes | dict[str, str] = dict(back.fields)
    headers = {
        "Content-Type": {"parts": PARTS, "json": "application/json"}.get(kind, FORM["Content-Type"])
    }
    if kind == "parts":
        disposition = 'Content-Disposition: form-data; name="%s"'
        parts = (
            f"--a b\r\n{disposition % each}\r\n\r\n{text}\r\n" for each, text in back.fields.items()
        )
        data = f"{''.join(parts)}--a b--\r\n".encode()
    elif kind == "json":
        data = orjson.dumps(data)
    url = back.url + "/" if kind == "slash" else back.url
    is_back(await web.ask("POST", url, data=data, headers=headers), payment, "paid")


async def test_a_return_many_times_at_once_and_again_is_verified_once(web: Web) -> None:
    payment, back = await at_bank(web)
    for answer in await asyncio.gather(*(web.come_back(back) for _ in range(12))):
        is_back(answer, payment, "paid")
    is_back(await web.come_back(back), payment, "paid")
    assert [1, 1] == [len(web.log.of(event)) for event in ("returned", "verified")]
    assert 12 == web.engine.returns.repeated


async def test_the_return_needs_no_cookie_and_sets_none(web: Web) -> None:
    _, back = await at_bank(web)
    answer = await web.come_back(back)
    assert "Set-Cookie" not in answer.headers


async def test_looking_at_the_address_brings_nothing(web: Web) -> None:
    payment, back = await at_bank(web)
    answer = await web.ask("HEAD", back.url)
    assert (200, []) == (answer.status, web.log.of("returned"))
    is_back(await web.come_back(back), payment, "paid")


async def test_the_answer_that_is_still_out_is_processing() -> None:
    async with web_stage(engine=QUICK) as web:
        payment, back = await at_bank(web, amount=150_103)
        is_back(await web.come_back(back), payment, "processing")


# --- what is not genuine


@pytest.mark.parametrize(
    "name",
    [
        "1",
        "161448066000.1.00000000000000000000",
        "161448066000.0.x",
        "%D9%A1.1.00000000000000000000",
        "x" * 800,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unsigned_address_is_honestly_unknown_counted_and_not_journaled(
    web: Web, method: str, name: str
) -> None:
    answer = await web.ask(method, f"/return/{name}?State=OK&RefNum=1")
    is_page(answer, 404, "این نشانی معتبر نیست", "دوباره پرداخت نکنید")
    assert {"forged return": 1} == web.tally.counts
    assert [] == web.log.lines


async def test_the_signature_of_one_attempt_is_of_no_use_for_another(web: Web) -> None:
    _, back = await at_bank(web)
    name = back.url.rpartition("/")[2]
    number, _, mac = name.split(".")
    pay_id = (await web.create())["pay_url"].rpartition("/")[2]
    for other in (f"{number}.2.{mac}", f"{int(number) + 1}.1.{mac}", f"0{number}.1.{mac}", pay_id):
        assert 404 == (await web.ask("POST", f"/return/{other}", data=dict(back.fields))).status
    assert [] == web.log.of("returned")


async def test_a_signed_address_of_a_payment_that_is_not_in_the_journal_is_unknown(
    web: Web,
) -> None:
    """As after a restore of an older journal; nothing is known that could be asked."""
    links = web.engine.links
    is_page(await web.ask("GET", links.return_url(7, 1, "saman")), 404, "این نشانی معتبر نیست")
    is_page(await web.ask("GET", links.pay_url(7)), 404, "این نشانی معتبر نیست")
    payment = await web.create()
    never_begun = links.return_url(int(payment["tracking_code"]), 1, "saman")
    is_page(await web.ask("POST", never_begun), 404)
    assert {"forged view": 3, "created": 1} == web.tally.counts


async def test_who_only_says_that_he_paid_has_not_paid_and_may_still_pay(web: Web) -> None:
    payment, back = await at_bank(web)
    forged = {**back.fields, "RefNum": "made-up"}
    is_page(await web.ask("POST", back.url, data=forged), 200, "پرداخت انجام نشد")
    shown = await web.show(payment)
    assert ("pending", "not_paid") == (shown["status"], shown["attempts"][0]["error"]["cause"])
    is_back(await web.come_back(back), payment, "paid")


async def test_a_forged_no_does_not_shut_out_the_genuine_yes(web: Web) -> None:
    payment, back = await at_bank(web)
    no = {**back.fields, "State": "Failed", "Status": "3", "RefNum": ""}
    is_page(await web.ask("POST", back.url, data=no), 200, "پرداخت انجام نشد")
    is_back(await web.come_back(back), payment, "paid")


@pytest.mark.parametrize(
    ("name", "value"),
    [("Amount", "149999"), ("TerminalId", "13579247"), ("ResNum", "1"), ("Token", "x")],
)
async def test_a_return_that_names_another_payment_is_foreign(
    web: Web, name: str, value: str
) -> None:
    payment, back = await at_bank(web)
    assert name in back.fields
    answer = await web.ask("POST", back.url, data={**back.fields, name: value})
    assert (200, "foreign") == (answer.status, web.log.of("returned")[0]["standing"])
    assert "pending" == (await web.show(payment))["status"]
    assert [(False, 150_000)] == verified(web)
    is_back(await web.come_back(back), payment, "paid")


async def test_nobody_makes_the_journal_grow_without_bound(web: Web) -> None:
    payment = await web.create(gateways=["saman"])
    form = await web.hand_over(payment)
    url = web.engine.links.return_url(int(payment["tracking_code"]), 1, "saman")
    for number in range(30):
        await web.ask("POST", url, data={"x": str(number)})
    assert 20 == len(web.log.of("returned"))
    assert 10 == web.engine.returns.repeated
    assert form.action


# --- odd bodies

MULTIPART = b'--x\r\nContent-Disposition: form-data; name="State"\r\n\r\nOK\r\n--x--\r\n'


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"", FORM),
        (b"{}", {"Content-Type": "application/json"}),
        (b'{"State":"OK","RefNum":', {"Content-Type": "application/json; charset=utf-8"}),
        (MULTIPART, {"Content-Type": "multipart/form-data; boundary=x"}),
        (MULTIPART, {"Content-Type": "multipart/form-data"}),
        (b"x" * 65_537, FORM),
        (b"State=" + b"x" * 65_000, FORM),
        (b"State=\xff\xfe&\xc3=%ff%C3%28&RefNum=%ED%A0%80", FORM),
        (b"State=OK&State=Failed&RefNum=1&RefNum=2", FORM),
        (b"&".join(b"f%d=1" % number for number in range(10_000)), FORM),
        (b"&&&==&=&%&%zz=%00&;;;", FORM),
        (b"State=\x00\x01\x02", FORM),
        (b"State=OK", {"Content-Type": "text/plain"}),
        (b"State=OK", {"Content-Type": "nonsense"}),
        (b"no gzip", {**FORM, "Content-Encoding": "gzip"}),
        (gzip.compress(b"x=" + b"y" * 3_000_000, mtime=0), {**FORM, "Content-Encoding": "gzip"}),
    ],
)
async def test_an_odd_body_is_no_error_and_the_payer_is_still_paid(
    web: Web, body: bytes, headers: dict[str, str]
) -> None:
    payment, back = await at_bank(web)
    headers = {**headers, "Connection": "close"}  # what cannot be unpacked ends the connection
    odd = await web.ask("POST", back.url, data=body, headers=headers)
    assert odd.status in {200, 303}
    assert [] == web.log.of("request failed")
    is_back(await web.come_back(back), payment, "paid")


@pytest.mark.parametrize("name", ["parsian", "sadad", "zarinpal", "zibal"])
async def test_a_return_that_lost_its_fields_is_made_good_by_asking_the_bank(
    web: Web, name: str
) -> None:
    payment = await web.create(gateways=[name])
    back = web.play(await web.hand_over(payment))
    is_back(await web.ask("POST", back.url.partition("?")[0]), payment, "paid")


async def test_a_broken_off_body_leaves_everything_as_it_was(web: Web) -> None:
    payment, back = await at_bank(web)
    host, port = web.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    path = back.url.removeprefix(web.base)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nState=OK".encode())
    writer.close()
    await writer.wait_closed()
    assert b"" == await reader.read()
    is_back(await web.come_back(back), payment, "paid")


async def test_a_query_in_any_bytes_is_no_error(web: Web) -> None:
    payment, back = await at_bank(web)
    for query in ("%ff%fe=%C3", "a=%ED%A0%80", "=&&=", "%", "a=" + "x" * 7_000, "?&?=?"):
        assert 200 == (await web.ask("GET", f"{back.url}?{query}")).status
    is_back(await web.come_back(back), payment, "paid")


# --- when nothing can be recorded


async def test_while_nothing_can_be_recorded_the_page_carries_what_the_bank_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with web_stage(engine=QUICK) as web:
        monkeypatch.setattr(customer, "NOT_RECORDED_SECONDS", 0.0)
        payment, back = await at_bank(web)
        web.disk.free.clear()
        page = await web.come_back(back)
        is_page(page, 503, "پاسخ بانک رسیده است", "دوباره پرداخت نکنید")
        (form,) = page.forms
        assert ("post", dict(back.fields)) == (form.method, form.fields)
        web.disk.free.set()
        is_back(await web.submit(form), payment, "paid")


async def test_a_bug_does_not_lose_what_the_bank_sent(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError

    payment, back = await at_bank(web)
    with monkeypatch.context() as patch:
        patch.setattr(web.engine.cashier, "returned", broken)
        page = await web.come_back(back)
    is_page(page, 500, "پاسخ بانک رسیده است")
    is_back(await web.submit(page.forms[0]), payment, "paid")


async def test_no_bank_is_asked_before_the_question_has_landed(web: Web) -> None:
    payment, back = await at_bank(web)
    web.disk.free.clear()
    async with asyncio.TaskGroup() as tasks:
        coming = tasks.create_task(web.come_back(back))
        await web.disk.waited.wait()
        assert [(False, 150_000)] == verified(web)
        web.disk.free.set()
    is_back(coming.result(), payment, "paid")


# --- what is read


PIECES = (b"--x", b"--", b'Content-Disposition: form-data; name="a"', b"name=b", b"\r\n\r\n")
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=10,
)


class Arrived:
    """A body's stream whose end is there."""

    def is_eof(self) -> bool:
        return True


async def read(query: str, body: bytes, content_type: str = FORM["Content-Type"]) -> dict[str, str]:
    request = make_mocked_request(
        "POST", f"/return/x?{query}", headers={"Content-Type": content_type}
    )
    request._payload = Arrived()  # type: ignore[assignment]  # there is a body…
    request._read_bytes = body  # …and it has been read
    return await read_fields(request)


@given(
    st.text(max_size=200),
    st.one_of(
        st.binary(max_size=300),
        st.lists(st.sampled_from([*PIECES, b"x", b"\xff", b"\r\n"]), max_size=30).map(b"".join),
        JSON_VALUES.map(json.dumps).map(str.encode),
    ),
    st.sampled_from(["", *FORM.values(), "application/json", "multipart/form-data; boundary=x"]),
)
@example("a=\udcff&%ff=%ed%a0%80", b"\xed\xa0\x80=%ed%a0%80", "")
def test_whatever_comes_is_read_as_text_within_its_limits(
    query: str, body: bytes, content_type: str
) -> None:
    fields = asyncio.run(read(query, body, content_type))
    assert len(fields) <= FIELDS_MAX
    assert all(len(text) <= FIELD_CHARS_MAX for each in fields.items() for text in each)
    orjson.dumps(fields)


@pytest.mark.parametrize(
    ("query", "body", "fields"),
    [
        ("a=1", b"b=2", {"a": "1", "b": "2"}),
        ("a=1", b"a=2", {"a": "1"}),
        ("", b"a=1&a=2&A=3", {"a": "1", "A": "3"}),
        ("a=%2541%26b&c=x%2By", b"d=%2541+z", {"a": "%41&b", "c": "x+y", "d": "%41 z"}),
        ("a", b"b=", {"a": "", "b": ""}),
        ("", "نام=علی".encode(), {"نام": "علی"}),
        ("a=" + "x" * 5_000, b"", {"a": "x" * 4_096}),
        ("", b"&".join(b"f%d=1" % n for n in range(60)), {f"f{n}": "1" for n in range(60)}),
        ("a=1", b"&".join(b"f%d=1" % n for n in range(61)), {"a": "1"}),
        ("a=", b"a=&a=2&a=3", {"a": "2"}),
    ],
)
async def test_fields_are_read_once_and_the_first_wins(
    query: str, body: bytes, fields: dict[str, str]
) -> None:
    assert fields == await read(query, body)


@pytest.mark.parametrize(
    ("kind", "body", "fields"),
    [
        (
            "application/json",
            b'{"a":"x","b":5,"c":true,"d":null,"e":[1],"f":1.5}',
            {"a": "x", "b": "5", "c": "true"},
        ),
        ("application/json", b"[1]", {}),
        ("application/json", b"a=1", {}),
        (
            "Multipart/Form-Data; charset=x; Boundary=x",
            (
                b'--x\r\nContent-Disposition: form-data; filename="n"; name="a"\r\n\r\n1+2\r\n'
                b"--x\r\ncontent-disposition: form-data; name=b\r\n\r\n\r\n--x--"
            ),
            {"a": "1+2", "b": ""},
        ),
        ("multipart/form-data", b'--x\r\nX: ; name="a"\r\n\r\n1\r\n--x--', {}),
        ("multipart/mixed; boundary=x", b"--x", {"--x": ""}),
    ],
)
async def test_forms_in_parts_and_json_are_read(
    kind: str, body: bytes, fields: dict[str, str]
) -> None:
    assert fields == await read("", body, kind)
