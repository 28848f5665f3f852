"""What plugins send is read as tolerantly as the services read it, and refused in the services' own words."""

from typing import Any, Final

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.money import Currency
from gatewayd.core.settings import PaymentSettings, ShopSettings
from gatewayd.core.terms import Split
from gatewayd.web.facade import zarinpal_wire, zibal_wire
from gatewayd.web.facade.reading import is_true, read_document, text_of, whole_of
from tests.web_stage import DEMO

MERCHANT: Final = "11111111-2222-3333-4444-555555555555"
IBAN: Final = "IR062960000000100324200001"
SETTINGS: Final = PaymentSettings()
PLAIN: Final = {
    "merchant_id": MERCHANT,
    "amount": 150_000,
    "description": "Order 100045",
    "callback_url": "https://shop.example/back?pid=8841",
}
ZIBAL: Final = {
    "merchant": "zibal-demo",
    "amount": 150_000,
    "callbackUrl": "https://shop.example/back",
}
JSONS: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


async def read(body: bytes, content_type: str) -> dict[str, Any]:
    """The document of this body."""
    request = make_mocked_request("POST", "/", headers={"Content-Type": content_type})
    request._read_bytes = body
    return await read_document(request)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"amount": 5, "metadata": {"mobile": "0912"}}', "application/json"),
        (b'{"amount": 5, "metadata": {"mobile": "0912"}}', "text/plain"),
        (
            b'{"amount": 5, "metadata": {"mobile": "0912"}}',
            "application/x-www-form-urlencoded",
        ),
        (b"amount=5&metadata%5Bmobile%5D=0912", "application/x-www-form-urlencoded"),
    ],
)
async def test_json_and_forms_are_read_whatever_they_call_themselves(
    body: bytes, content_type: str
) -> None:
    document = await read(body, content_type)
    assert "5" == text_of(document["amount"])
    assert {"mobile": "0912"} == document["metadata"]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"text"', b"\xff\xfe", b'{"a": "\\ud800"}'])
async def test_what_cannot_be_read_is_absent(body: bytes) -> None:
    for content_type in ("application/json", "multipart/form-data"):
        assert {} == await read(body, content_type)


async def test_a_form_with_absurdly_many_fields_is_absent() -> None:
    body = "&".join(f"f{i}=1" for i in range(500)).encode()
    assert {} == await read(body, "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        (152_200, 152_200),
        (152_200.0, 152_200),
        ("152200", 152_200),
        ("152200.0", 152_200),
        (" 15 ", 15),
        (0, 0),
        (1.5, None),
        ("1.5", None),
        (-1, None),
        (1e300, None),
        (10**30, None),
        (True, None),
        (None, None),
        ([1], None),
        ("1_000", None),
    ],
    ids=repr,
)
def test_whole_numbers_are_known_in_every_form(value: object, whole: int | None) -> None:
    assert whole == whole_of(value)


def test_yes_is_known_in_every_form() -> None:
    assert [True] * 4 == [is_true(each) for each in (True, "true", "1", 1)]
    assert [False] * 5 == [is_true(each) for each in (False, None, "0", 0, "no")]


# --- ZarinPal


def test_a_payment_is_read_with_all_that_it_has() -> None:
    wanted = zarinpal_wire.read_request(
        {
            **PLAIN,
            "amount": "15220.0",
            "currency": "IRT",
            "metadata": {
                "order_id": 7,
                "mobile": "+98 912 000 0000",
                "email": None,
                "card_pan": "6219861034529007",
                "auto_verify": True,
                "colour": {"any": "thing"},
            },
            "wages": [{"iban": IBAN, "amount": 5_000, "description": "a part"}],
        },
        DEMO,
        SETTINGS,
    )
    assert 152_200 == wanted.amount
    assert Currency.IRT is wanted.currency
    assert "7" == wanted.order_id
    assert {"mobile": "09120000000", "allowed_cards": ["6219861034529007"]} == wanted.payer
    assert (Split(iban=IBAN, amount=50_000),) == wanted.wages


def test_metadata_may_be_a_list_of_keys_and_values() -> None:
    metadata = [{"key": "order_id", "value": 7}, {"key": "mobile", "value": "9120000000"}, "odd"]
    wanted = zarinpal_wire.read_request({**PLAIN, "metadata": metadata}, DEMO, SETTINGS)
    assert ("7", {"mobile": "09120000000"}) == (wanted.order_id, wanted.payer)


@pytest.mark.parametrize("metadata", [None, [], {}, "text", 5])
def test_metadata_may_be_missing_or_anything(metadata: object) -> None:
    given_at_top = {"mobile": "09120000000", "email": "a@shop.example"}
    wanted = zarinpal_wire.read_request(
        {**PLAIN, **given_at_top, "metadata": metadata}, DEMO, SETTINGS
    )
    assert given_at_top == wanted.payer
    assert "" == wanted.order_id


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"amount": None}, ["amount"]),
        ({"amount": "many"}, ["amount"]),
        ({"amount": 999}, ["amount"]),
        ({"amount": 99, "currency": "IRT"}, ["amount"]),
        ({"currency": "USD"}, ["currency"]),
        ({"description": ""}, ["description"]),
        ({"description": "d" * 501}, ["description"]),
        ({"callback_url": None}, ["callback_url"]),
        ({"callback_url": "shop.example/back"}, ["callback_url"]),
        ({"callback_url": "javascript:alert(1)"}, ["callback_url"]),
        ({"callback_url": "https://shop.example/#x"}, ["callback_url"]),
        ({"metadata": {"card_pan": "621986XXXXXX9007"}}, ["metadata.card_pan"]),
        ({"metadata": {"order_id": "o" * 256}}, ["metadata.order_id"]),
        ({"amount": 5, "description": None}, ["amount", "description"]),
        ({"wages": "all"}, ["wages"]),
        ({"wages": [{"iban": "IR1", "amount": 20_000}]}, ["wages"]),
    ],
)
def test_every_wrong_field_is_named(change: dict[str, object], fields: list[str]) -> None:
    with pytest.raises(zarinpal_wire.Refused) as refused:
        zarinpal_wire.read_request({**PLAIN, **change}, DEMO, SETTINGS)
    assert -9 == refused.value.code
    assert fields == list(refused.value.validations)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"callback_url": "https://evil.example/back"}, -14),
        ({"callback_url": "https://shop.example.evil.example/"}, -14),
        ({"amount": 2_000_000_001}, -41),
        ({"wages": [{"iban": IBAN, "amount": 10_000}] * 6}, -35),
        ({"wages": [{"iban": IBAN, "amount": 9_999}]}, -36),
        ({"wages": [{"iban": IBAN, "amount": 149_000}]}, -34),
    ],
)
def test_a_business_reason_has_the_services_code(change: dict[str, object], code: int) -> None:
    with pytest.raises(zarinpal_wire.Refused) as refused:
        zarinpal_wire.read_request({**PLAIN, **change}, DEMO, SETTINGS)
    assert code == refused.value.code
    assert {} == refused.value.validations


@pytest.mark.parametrize("merchant", [None, "", "x", MERCHANT[:-1], 5, [MERCHANT]])
def test_a_merchant_that_is_none_is_a_validation_error(merchant: object) -> None:
    with pytest.raises(zarinpal_wire.Refused) as refused:
        zarinpal_wire.read_merchant({"merchant_id": merchant})
    assert ["merchant_id"] == list(refused.value.validations)


def test_a_merchant_is_known_in_any_case() -> None:
    assert "aaaaaaaa-2222-3333-4444-555555555555" == zarinpal_wire.read_merchant(
        {"merchant_id": " AAAAAAAA-2222-3333-4444-555555555555"}
    )


@given(st.dictionaries(st.sampled_from([*PLAIN, "metadata", "currency", "wages"]), JSONS))
def test_any_document_is_a_payment_or_a_refusal_of_zarinpals(document: dict[str, Any]) -> None:
    code = 0
    try:
        zarinpal_wire.read_request({**PLAIN, **document}, DEMO, SETTINGS)
    except zarinpal_wire.Refused as refused:
        code = refused.code
    assert code == 0 or zarinpal_wire.failed(zarinpal_wire.Refused(code)).status in {401, 422}


# --- Zibal


@pytest.mark.parametrize(
    ("given", "cards"),
    [
        ("6219861034529007", ["6219861034529007"]),
        ("6219861034529007, 5022291070873466", ["6219861034529007", "5022291070873466"]),
        ([], None),
        ("", None),
        (None, None),
    ],
)
def test_cards_of_a_zibal_payment_may_be_one_text(given: Any, cards: list[str] | None) -> None:
    wanted = zibal_wire.read_request({**ZIBAL, "allowedCards": given}, DEMO, SETTINGS)
    assert cards == wanted.payer.get("allowed_cards")


@pytest.mark.parametrize(
    "asked",
    [
        {"allowedCards": ["short"]},
        {"allowedCards": "short"},
        {"allowedCards": {"a": 1}},
        {"checkMobileWithCard": True},
        {"checkMobileWithCard": "1", "mobile": "12"},
    ],
)
def test_whoever_may_pay_and_cannot_be_read_is_not_made_anybody(asked: dict[str, Any]) -> None:
    with pytest.raises(zibal_wire.Refused) as refused:
        zibal_wire.read_request({**ZIBAL, **asked}, DEMO, SETTINGS)
    assert zibal_wire.INACTIVE == refused.value.result


def test_a_zibal_payment_is_read_with_all_that_it_has() -> None:
    wanted = zibal_wire.read_request(
        {
            **ZIBAL,
            "amount": "200000",
            "orderId": 77,
            "mobile": "09120000000",
            "nationalCode": "0012345678",
            "allowedCards": ["6219861034529007", "short", 5],
            "description": "d" * 900,
            "linkToPay": "true",
            "percentMode": 0,
            "multiplexingInfos": [
                {"id": "self", "amount": 150_000},
                {"bankAccount": IBAN, "amount": 50_000},
            ],
        },
        DEMO,
        SETTINGS,
    )
    assert 200_000 == wanted.amount
    assert "77" == wanted.order_id
    assert 500 == len(wanted.description)
    assert wanted.link_to_pay
    assert {
        "mobile": "09120000000",
        "national_id": "0012345678",
        "allowed_cards": ["6219861034529007"],
    } == wanted.payer
    assert (Split(iban=IBAN, amount=50_000),) == wanted.splits


def test_a_zibal_split_in_percent_is_counted_in_rial() -> None:
    parts = [{"id": "self", "amount": 90}, {"bankAccount": IBAN, "amount": 10}]
    wanted = zibal_wire.read_request(
        {**ZIBAL, "percentMode": 1, "multiplexingInfos": parts}, DEMO, SETTINGS
    )
    assert (Split(iban=IBAN, amount=15_000),) == wanted.splits


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"callbackUrl": None}, 140),
        ({"callbackUrl": ""}, 140),
        ({"callbackUrl": "back"}, 106),
        ({"callbackUrl": "https://evil.example/back"}, 106),
        ({"amount": None}, 105),
        ({"amount": 1_000}, 105),
        ({"amount": -5}, 105),
        ({"amount": 2_000_000_001}, 113),
        ({"nationalCode": "12"}, 114),
        ({"percentMode": 2}, 107),
        ({"multiplexingInfos": "all"}, 108),
        ({"multiplexingInfos": [{"amount": 150_000}]}, 108),
        ({"multiplexingInfos": [{"walletID": 5, "amount": 150_000}]}, 108),
        ({"multiplexingInfos": [{"bankAccount": IBAN, "amount": 150_000}]}, 110),
        ({"multiplexingInfos": [{"id": "self", "amount": 1}]}, 111),
    ],
)
def test_a_zibal_refusal_has_the_services_result(change: dict[str, object], result: int) -> None:
    with pytest.raises(zibal_wire.Refused) as refused:
        zibal_wire.read_request({**ZIBAL, **change}, DEMO, SETTINGS)
    assert result == refused.value.result


def test_zibal_takes_a_little_more_than_a_thousand_rial() -> None:
    assert 1_001 == zibal_wire.read_request({**ZIBAL, "amount": 1_001}, DEMO, SETTINGS).amount


ZIBALS: Final = [*ZIBAL, "orderId", "multiplexingInfos", "allowedCards", "percentMode"]


@given(st.dictionaries(st.sampled_from(ZIBALS), JSONS))
def test_any_document_is_a_payment_or_a_refusal_of_zibals(document: dict[str, Any]) -> None:
    result = 100
    try:
        zibal_wire.read_request({**ZIBAL, **document}, DEMO, SETTINGS)
    except zibal_wire.Refused as refused:
        result = refused.result
    assert 200 == zibal_wire.said(result).status


def test_a_shop_may_take_plain_http_if_it_is_told_so() -> None:
    plain = {**PLAIN, "callback_url": "http://shop.example/back"}
    with pytest.raises(zarinpal_wire.Refused):
        zarinpal_wire.read_request(plain, DEMO, SETTINGS)
    lenient = ShopSettings(
        name="x",
        keys=DEMO.keys,
        return_secret=DEMO.return_secret,
        return_hosts=("shop.example",),
        allow_http=True,
    )
    assert "http://shop.example/back" == (
        zarinpal_wire.read_request(plain, lenient, SETTINGS).callback_url
    )


def test_answers_never_carry_what_was_sent() -> None:
    answer = zarinpal_wire.failed(zarinpal_wire.Refused(-9, amount="The amount field is wrong."))
    assert isinstance(answer, web.Response)
    assert answer.body == (
        b'{"data":[],"errors":{"code":-9,"message":"The input params invalid, validation error.",'
        b'"validations":[{"amount":"The amount field is wrong."}]}}'
    )
