"""The OpenAPI document tells the truth: about the calls, about what they answer, and in both languages."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from gatewayd.core.settings import PaymentSettings
from gatewayd.web.reference.document import build_document
from gatewayd.web.reference.operations import OPERATIONS
from gatewayd.web.reference.page import LOCALES, Document
from gatewayd.web.reference.words import FIELDS
from tests.web_stage import DEMO, LIVE_KEY, Answer, Web, web_stage


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return build_document(PaymentSettings())


@pytest_asyncio.fixture
async def web() -> AsyncIterator[Web]:
    async with web_stage() as stage:
        yield stage


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    assert [] == list(OpenAPIV31SpecValidator(document).iter_errors())


async def test_every_call_of_the_api_is_in_the_document_and_no_other(web: Web) -> None:
    served = {
        (route.method, route.resource.canonical)
        for route in web.app.router.routes()
        if route.resource is not None
        and route.method != "HEAD"
        and re.match(r"/(v1|livez|readyz)\b", route.resource.canonical)
    }
    assert served == {(each.method, each.path) for each in OPERATIONS}


def test_every_field_is_explained_in_both_languages(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"].values()
    assert set() == {name for schema in schemas for name in schema.get("properties", {})} - set(
        FIELDS
    )
    for name, (english, persian) in FIELDS.items():
        assert english.isascii() or "…" in english, name
        assert re.search("[\u0600-\u06ff]", persian), name


def conforms(document: dict[str, Any], call: str, answer: Answer) -> None:
    """The answer is as the document says that this call answers."""
    method, path = call.split()
    said = document["paths"][path][method.lower()]["responses"][str(answer.status)]
    ((kind, content),) = said["content"].items()
    assert answer.headers["Content-Type"].partition(";")[0] == kind
    schema = {**content["schema"], "components": document["components"]}
    Draft202012Validator(schema).validate(answer.json)
    for name in said.get("headers", {}):
        assert name in answer.headers or name == "Idempotent-Replayed"


async def test_what_is_answered_through_a_payments_life_is_as_the_document_says(
    web: Web, document: dict[str, Any]
) -> None:
    made = await web.call("POST", "/v1/payments", web.order(metadata={"cart": [1, None]}))
    conforms(document, "POST /v1/payments", made)
    payment = made.json
    await web.pay(payment)
    one = f"/v1/payments/{payment['id']}"
    conforms(document, "GET /v1/payments/{id}", await web.call("GET", one))
    key = {"Idempotency-Key": "r1"}
    refund = await web.call("POST", f"{one}/refunds", {"amount": 1_000}, headers=key)
    assert 201 == refund.status, refund.text
    conforms(document, "POST /v1/payments/{id}/refunds", refund)
    conforms(document, "GET /v1/payments/{id}/refunds", await web.call("GET", f"{one}/refunds"))
    conforms(
        document,
        "GET /v1/refunds/{id}",
        await web.call("GET", f"/v1/refunds/{refund.json['id']}"),
    )
    for path in ("/v1/payments", "/v1/events", "/v1/gateways", "/livez", "/readyz"):
        answer = await web.call("GET", path)
        assert 200 == answer.status, answer.text
        conforms(document, f"GET {path}", answer)
    event = (await web.call("GET", "/v1/events?limit=1")).json["data"][0]["id"]
    for path, call in (
        ("/v1/events/replay", "POST /v1/events/replay"),
        (f"/v1/events/{event}/resend", "POST /v1/events/{id}/resend"),
        (f"{one}/capture", "POST /v1/payments/{id}/capture"),
        (f"{one}/cancel", "POST /v1/payments/{id}/cancel"),
    ):
        answer = await web.call("POST", path, headers={"Idempotency-Key": "k"})
        assert answer.status in {200, 409}, answer.text
        conforms(document, call, answer)


def test_defaults_are_said_in_words_so_that_typed_clients_may_leave_fields_out(
    document: dict[str, Any],
) -> None:
    schemas = document["components"]["schemas"]
    fields = [field for each in schemas.values() for field in each.get("properties", {}).values()]
    assert [] == [field for field in fields if "default" in field]
    payment, payer = schemas["PaymentInput"]["properties"], schemas["Payer"]["properties"]
    assert payment["currency"]["description"].endswith(" `IRR` if left out.")
    assert payment["expires_in"]["description"].endswith(" `1200` if left out.")
    assert payer["check_mobile"]["description"].endswith(" `false` if left out.")
    assert "left out" not in payment["description"]["description"]


def test_whole_numbers_are_wide_unless_a_limit_keeps_them_small(document: dict[str, Any]) -> None:
    found: dict[str, list[bool]] = {}

    def look(part: object, name: str) -> None:
        if isinstance(part, dict):
            if part.get("type") in ("integer", ["integer", "null"]):
                found.setdefault(name, []).append(part.get("format") == "int64")
            for key, each in part.items():
                look(each, name if key in {"anyOf", "schema"} else key)
        elif isinstance(part, list):
            for each in part:
                look(each, each.get("name", name) if isinstance(each, dict) else name)

    look(document, "")
    assert {"amount", "amount_rial", "bank_order", "refundable_amount", "unit_price"} <= set(found)
    narrow = {name for name, wide in found.items() if not all(wide)}
    assert {"limit", "expires_in", "quantity"} == narrow
    assert [False, True] == sorted(set(found["quantity"])), (
        "asked for within a limit, told of at any"
    )


def test_no_object_has_the_name_that_makes_another_one_in_go(document: dict[str, Any]) -> None:
    names = set(document["components"]["schemas"])
    assert set() == names & {f"New{name}" for name in names}


async def test_an_event_that_is_not_there_is_not_found(web: Web, document: dict[str, Any]) -> None:
    answer = await web.call("GET", "/v1/events?after=evt_1_00000000")
    assert (404, "event_not_found") == (answer.status, answer.json["code"])
    conforms(document, "GET /v1/events", answer)


async def test_with_a_key_the_document_knows_the_shops_hosts_and_gateways(web: Web) -> None:
    plain = (await web.ask("GET", "/openapi.json")).json
    own = (await web.call("GET", "/openapi.json", key=LIVE_KEY)).json
    fields = own["components"]["schemas"]["PaymentInput"]["properties"]
    pattern = fields["return_url"]["pattern"]
    assert re.search(pattern, f"https://{DEMO.return_hosts[0]}/done?cart=7")
    assert not re.search(pattern, "https://elsewhere.example/done")
    assert not re.search(pattern, f"http://{DEMO.return_hosts[0]}/done")
    assert set(web.engine.gateways) == set(fields["gateways"]["items"]["enum"])
    assert DEMO.return_hosts[0] not in str(plain)
    assert 401 == (await web.call("GET", "/openapi.json", key="gwk_test_wrong")).status


@pytest.mark.parametrize("locale", LOCALES)
def test_the_page_names_every_call_and_every_object(locale: str) -> None:
    page = Document(PaymentSettings())
    text = page.page(locale).decode()
    for operation in OPERATIONS:
        assert f'id="{operation.name}"' in text
        words = operation.words[LOCALES.index(locale)]
        assert re.sub("`([^`]+)`", r"<code>\1</code>", words) in text
    for name in page.document["components"]["schemas"]:
        assert f'id="{name}"' in text
    assert set(re.findall(r'href="#(\w+)"', text)) <= set(re.findall(r'id="(\w+)"', text))
    assert "`" not in text
    assert "http://" not in text
    assert "https://" not in text, "nothing is loaded from elsewhere"


async def test_the_page_is_in_the_readers_language(web: Web) -> None:
    for path, accept, said in (
        ("/reference", "en-GB,en", 'lang="en"'),
        ("/reference", "fa", 'lang="fa" dir="rtl"'),
        ("/reference/en", "fa", 'lang="en" dir="ltr"'),
    ):
        answer = await web.ask("GET", path, headers={"Accept-Language": accept})
        assert 200 == answer.status
        assert f"<html {said}" in answer.text
    assert 404 == (await web.ask("GET", "/reference/de")).status
