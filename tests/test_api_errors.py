"""Whatever is wrong with a call is answered by a problem that names the field, and never by more than that."""

import gzip
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.web_stage import DEMO, LIVE_KEY, OTHER, Answer, Web, web_stage

LIMIT = 65_536


IBAN = "IR710570029971601460641001"
"""Its first two digits check the others."""


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with web_stage() as stage:
        yield stage


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The answer is a whole problem of this kind."""
    assert (status, "application/problem+json") == (answer.status, answer.headers["Content-Type"])
    assert "no-store" == answer.headers["Cache-Control"]
    document = answer.json
    assert isinstance(document, dict)
    assert (f"urn:gatewayd:problem:{code}", status, code) == tuple(
        document[name] for name in ("type", "status", "code")
    )
    assert document["title"]
    assert document["detail"]
    return document


# --- fields


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"amount": 0}, "amount", "Input should be greater than 0"),
        ({"amount": -150_000}, "amount", "Input should be greater than 0"),
        ({"amount": 150_000.0}, "amount", "must be a whole number"),
        ({"amount": True}, "amount", "must be a whole number"),
        ({"amount": "150000"}, "amount", "must be a whole number"),
        ({"amount": None}, "amount", "must be a whole number"),
        ({"amount": 999}, "amount", "must be 1000 to 2000000000 rial"),
        ({"amount": 2_000_000_001}, "amount", "must be 1000 to 2000000000 rial"),
        ({"amount": 2**64 - 1}, "amount", "must be 1000 to 2000000000 rial"),
        ({"amount": 99, "currency": "IRT"}, "amount", "must be 100 to 200000000 toman"),
        ({"amount": 200_000_001, "currency": "IRT"}, "amount", "must be 100 to 200000000 toman"),
        ({"currency": "USD"}, "currency", "Input should be 'IRR' or 'IRT'"),
        ({"currency": "USD", "amount": 5}, "currency", "Input should be 'IRR' or 'IRT'"),
        ({"currency": "irr"}, "currency", "Input should be 'IRR' or 'IRT'"),
        ({"return_url": "https://evil.example/"}, "return_url", "return hosts"),
        ({"return_url": "http://shop.example/"}, "return_url", "https"),
        ({"return_url": 7}, "return_url", "must be text"),
        ({"order_id": ""}, "order_id", "1 to 100 printable ASCII characters"),
        ({"order_id": "x" * 101}, "order_id", "1 to 100 printable ASCII characters"),
        ({"order_id": "سفارش"}, "order_id", "1 to 100 printable ASCII characters"),
        ({"order_id": "a\n"}, "order_id", "1 to 100 printable ASCII characters"),
        ({"order_id": 17}, "order_id", "must be text"),
        ({"gateways": ["saman", "melli"]}, "gateways", "no gateway named 'melli'"),
        ({"gateways": "saman"}, "gateways", "must be a list"),
        ({"gateways": [7]}, "gateways.0", "must be text"),
        ({"capture": "later"}, "capture", "Input should be"),
        ({"expires_in": 59}, "expires_in", "must be 60 to 86400 (seconds)"),
        ({"expires_in": 86_401}, "expires_in", "must be 60 to 86400 (seconds)"),
        ({"expires_in": "600"}, "expires_in", "must be a whole number"),
        ({"methods": ["cash"]}, "methods.0", "Input should be 'card', 'wallet' or 'credit'"),
        ({"locale": "de"}, "locale", "Input should be 'fa' or 'en'"),
        ({"description": "x" * 501}, "description", "at most 500 characters"),
        ({"description": "a\x00b"}, "description", "must not hold control characters"),
        ({"payer": "me"}, "payer", "must be an object"),
        ({"payer": {"mobile": "0912"}}, "payer.mobile", "such as 09121234567"),
        ({"payer": {"email": "me"}}, "payer.email", "must be an e-mail address"),
        ({"payer": {"national_id": "1"}}, "payer.national_id", "must be 10 digits"),
        ({"payer": {"allowed_cards": ["1"]}}, "payer.allowed_cards.0", "16 digits"),
        ({"payer": {"pin": "1"}}, "payer.pin", "there is no such field"),
        ({"splits": [{"iban": "IR1", "amount": 1}]}, "splits.0.iban", "IR and 24 digits"),
        ({"splits": [{"iban": f"{IBAN[:-1]}9", "amount": 1}]}, "splits.0.iban", "a digit is wrong"),
        ({"payer": {"check_mobile": True}}, "payer.check_mobile", "needs the mobile"),
        ({"payer": {"check_mobile": 1}}, "payer.check_mobile", "should be a valid boolean"),
        ({"splits": [{"iban": IBAN, "amount": 150_001}]}, "splits", "their sum"),
        ({"splits": [{"amount": 1}]}, "splits.0.iban", "is required"),
        ({"metadata": []}, "metadata", "must be an object"),
        ({"metadata": {"a": "x" * 8192}}, "metadata", "50 keys and 8192 bytes"),
        ({"metadata": {str(n): n for n in range(51)}}, "metadata", "50 keys and 8192 bytes"),
        ({"metadata": {"a": [[[[[[[[]]]]]]]]}}, "metadata", "nested 8 deep"),
        ({"amout": 1}, "amout", "there is no such field"),
        ({"x" * 500: 1}, "x" * 60, "there is no such field"),
    ],
)
async def test_a_bad_field_is_named_and_nothing_is_made(
    web: Web, changes: dict[str, Any], path: str, says: str
) -> None:
    answer = await web.call("POST", "/v1/payments", web.order(**changes))
    document = problem(answer, 422, answer.json["code"])
    assert path == document["param"]
    assert [path] == [error["path"] for error in document["errors"]]
    assert says in document["errors"][0]["detail"]
    assert f"{path}: " in document["detail"]
    assert 0 == web.tally.counts["created"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 999}, "amount_out_of_range"),
        ({"gateways": ["melli"]}, "gateway_unknown"),
        ({"capture": "manual", "gateways": ["saman"]}, "no_gateway"),
        ({"amount": 0}, "request_invalid"),
        ({"amount": 999, "capture": "later"}, "request_invalid"),
    ],
)
async def test_what_is_wrong_has_a_code_for_programs(
    web: Web, changes: dict[str, Any], code: str
) -> None:
    problem(await web.call("POST", "/v1/payments", web.order(**changes)), 422, code)


async def test_everything_that_is_wrong_is_named_at_once(web: Web) -> None:
    body = {"amount": 999, "return_url": "https://evil.example/", "gateways": ["x"], "foo": 1}
    document = problem(await web.call("POST", "/v1/payments", body), 422, "request_invalid")
    assert ["amount", "order_id", "return_url", "gateways", "foo"] == [
        error["path"] for error in document["errors"]
    ]
    assert {"amount_out_of_range", "gateway_unknown", "request_invalid"} == {
        error["code"] for error in document["errors"]
    }


async def test_a_flood_of_bad_fields_is_not_answered_by_a_flood(web: Web) -> None:
    body = web.order(**{f"x{n}": 1 for n in range(5_000)})
    document = problem(await web.call("POST", "/v1/payments", body), 422, "request_invalid")
    assert 20 == len(document["errors"])


async def test_what_was_sent_is_not_repeated(web: Web) -> None:
    body = web.order(
        amount="6219861034529007",
        payer={"mobile": "0912999", "allowed_cards": ["62198610345290"]},
        return_url="https://user:secret@shop.example/",
    )
    text = (await web.call("POST", "/v1/payments", body)).text
    assert [] == [each for each in ("6219", "0912999", "secret") if each in text]


# --- the body as a whole


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"amount": 1', b"\xff\xfe", b"amount=150000", b'{"a":NaN}', b"[" * 100_0],
)
async def test_what_is_no_json_is_refused(web: Web, body: bytes) -> None:
    headers = {"Authorization": "Bearer gwk_test_demo"}
    answer = await web.ask("POST", "/v1/payments", data=body, headers=headers)
    assert "JSON" in problem(answer, 400, "request_not_json")["detail"]


@pytest.mark.parametrize("document", [[], "text", 7, None, [{"amount": 1}]])
async def test_a_body_must_be_an_object(web: Web, document: object) -> None:
    headers = {"Authorization": "Bearer gwk_test_demo"}
    answer = await web.ask("POST", "/v1/payments", data=orjson.dumps(document), headers=headers)
    assert "must be a JSON object" in problem(answer, 400, "request_not_json")["detail"]


def padded(web: Web, size: int) -> bytes:
    body = orjson.dumps(web.order())
    return body + b" " * (size - len(body))


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 201), (LIMIT + 1, 413)])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_may_hold_64_kib(web: Web, size: int, status: int, *, chunked: bool) -> None:
    body = padded(web, size)

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:100]
        yield body[100:]

    answer = await web.ask(
        "POST",
        "/v1/payments",
        data=pieces() if chunked else body,
        headers={"Authorization": "Bearer gwk_test_demo"},
    )
    assert status == answer.status
    if status != 201:
        assert "65536" in problem(answer, 413, "request_too_large")["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (gzip.compress(b" " * 10_000_000, mtime=0), 413),
        (b"this is no gzip at all", 400),
    ],
)
async def test_a_packed_body_is_unpacked_no_further_than_its_limit(
    web: Web, body: bytes, status: int
) -> None:
    headers = {"Authorization": "Bearer gwk_test_demo", "Content-Encoding": "gzip"}
    answer = await web.ask("POST", "/v1/payments", data=body, headers=headers)
    assert status == answer.status
    assert "created" not in web.tally.counts


# --- who calls


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer gwk_test_wrong",
        "Bearer gwk_test_demo2",
        "Basic gwk_test_demo",
        "gwk_test_demo",
        "Bearer gwk_test_demo gwk_test_demo",
        "Bearer ü",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/payments"),
        ("GET", "/v1/payments"),
        ("GET", "/v1/payments/pay_1"),
        ("POST", "/v1/payments/pay_1/cancel"),
        ("GET", "/v1/gateways"),
    ],
)
async def test_nothing_is_told_without_a_key(
    web: Web, method: str, path: str, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await web.ask(method, path, headers=headers)
    problem(answer, 401, "auth_invalid")
    assert "Bearer" == answer.headers["WWW-Authenticate"]


async def test_the_scheme_may_be_written_in_any_case(web: Web) -> None:
    headers = {"Authorization": "bearer  gwk_test_demo "}
    assert 200 == (await web.ask("GET", "/v1/gateways", headers=headers)).status


# --- what no gateway can do


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"methods": ["wallet"]}, ["methods"]),
        ({"payer": {"national_id": "0012345679"}}, ["payer.national_id"]),
        (
            {"payer": {"mobile": "09121234567", "check_mobile": True}},
            ["payer.check_mobile"],
        ),
        (
            {"payer": {"national_id": "0012345679", "allowed_cards": ["6219861034529007"]}},
            ["payer.national_id", "payer.allowed_cards"],
        ),
        ({"payer": {"allowed_cards": ["6219861034529007"]}}, ["payer.allowed_cards"]),
        (
            {"gateways": ["mellat"], "splits": [{"iban": IBAN, "amount": 10_000}]},
            ["gateways", "splits"],
        ),
    ],
)
async def test_what_no_gateway_can_do_is_refused_before_it_starts(
    changes: dict[str, Any], paths: list[str]
) -> None:
    async with web_stage(only=["mellat", "zarinpal"] if "splits" in paths else ["saman"]) as web:
        answer = await web.call("POST", "/v1/payments", web.order(**changes))
        document = problem(answer, 422, "no_gateway")
        assert paths == [error["path"] for error in document["errors"]]


async def test_a_live_key_without_live_gateways_makes_no_payment(web: Web) -> None:
    answer = await web.call("POST", "/v1/payments", web.order(), key=LIVE_KEY)
    assert "amount" == problem(answer, 422, "no_gateway")["param"]


async def test_a_gateway_of_another_shop_is_unknown() -> None:
    shop = replace(DEMO, gateways=("saman",))
    async with web_stage(shops=(shop, OTHER)) as web:
        answer = await web.call("POST", "/v1/payments", web.order(gateways=["mellat"]))
        assert "gateways" == problem(answer, 422, "gateway_unknown")["param"]


# --- addresses and methods


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/refunds", "/v2/payments", "/metrics", "/assets/x"]
)
async def test_what_is_not_there_is_a_problem_too(web: Web, path: str) -> None:
    problem(await web.ask("GET", path), 404, "not_found")


BROWSERS = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "en"}


@pytest.mark.parametrize("path", ["/", "/pya/217466681880", "/I", "/favicon.png"])
async def test_a_person_with_a_browser_reads_a_page_and_no_problem(web: Web, path: str) -> None:
    """Who has mistyped a link, or looks what is at the registered domain."""
    answer = await web.ask("GET", path, headers=BROWSERS)
    assert (404, "text/html") == (answer.status, answer.headers["Content-Type"].partition(";")[0])
    assert "This address is not valid" in answer.text


async def test_the_api_speaks_of_problems_to_everybody(web: Web) -> None:
    problem(await web.ask("GET", "/v1/nothing", headers=BROWSERS), 404, "not_found")


async def test_a_wrong_method_is_told_the_right_ones(web: Web) -> None:
    answer = await web.ask("DELETE", "/v1/payments")
    problem(answer, 405, "method_not_allowed")
    assert {"GET", "HEAD", "POST"} == set(answer.headers["Allow"].split(","))


# --- failures of our own


async def test_a_bug_is_told_without_its_insides_and_can_be_found_in_the_log(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web.engine.cashier, "create", broken)
    answer = await web.call("POST", "/v1/payments", web.order())
    document = problem(answer, 500, "internal_error")
    (line,) = web.log.of("request failed")
    assert f"urn:gatewayd:request:{line['request']}" == document["instance"]
    assert ("/v1/payments", "RuntimeError") == (line["route"], line["error"])
    assert "inside" not in answer.text


async def broken(*_: object) -> None:
    raise RuntimeError("inside")


async def test_a_refusal_is_logged_by_code_and_never_by_what_was_sent(web: Web) -> None:
    answer = await web.call("POST", "/v1/payments", web.order(payer={"mobile": "0912777"}))
    (line,) = web.log.of("request refused")
    assert {
        "request": answer.json["instance"].rpartition(":")[2],
        "route": "/v1/payments",
        "status": 422,
        "code": "request_invalid",
    } == line


async def test_what_anybody_can_bring_about_is_not_logged(web: Web) -> None:
    await web.ask("GET", "/v1/gateways")
    await web.ask("GET", "/nowhere")
    await web.call("GET", "/v1/payments/pay_1")
    assert [] == web.log.lines
