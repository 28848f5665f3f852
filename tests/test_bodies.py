"""Any JSON as the body of a new payment gives a draft that obeys every limit, or a problem that names a field."""

import math
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewayd.core.money import RIAL_PER_TOMAN, Currency
from gatewayd.core.settings import PaymentSettings
from gatewayd.engine.cashier import Draft
from gatewayd.web import typed
from gatewayd.web.bodies import METADATA_BYTES_MAX, METADATA_KEYS_MAX, read_payment
from gatewayd.web.problems import Problem
from gatewayd.web.shops import Caller
from tests.web_stage import DEMO

CALLER = Caller(shop=DEMO, key="k1", test=True)
SETTINGS = PaymentSettings()
KNOWN = frozenset({"saman", "mellat"})
GOOD: dict[str, Any] = {
    "amount": 150_000,
    "order_id": "A-1",
    "return_url": "https://shop.example/done",
}
NAMES = (
    "amount currency order_id return_url description payer methods gateways capture splits"
    " expires_in metadata locale"
).split()

documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
NEAR_MISSES: list[Any] = [0, 1, 99, 100, 999, 1_000, 2_000_000_000, 2**63]
NEAR_MISSES += "IRT IRR fa card manual https://shop.example/x https://evil.example/".split()
NEAR_MISSES += ["09121234567", "x" * 600, ["saman"], ["card", "card"]]
NEAR_MISSES += [{"mobile": "09121234567"}, {"allowed_cards": ["1"]}, {"a": {"b": {"c": []}}}]
NEAR_MISSES += [[{"iban": "IR710570029971601460641001", "amount": 1_000}]]
near_misses = st.sampled_from(NEAR_MISSES)
bodies = st.dictionaries(
    st.sampled_from(NAMES) | st.text(max_size=10), near_misses | documents, max_size=6
)


def read(document: dict[str, Any]) -> Draft | Problem:
    try:
        return read_payment(document, CALLER, SETTINGS, KNOWN)
    except Problem as problem:
        return problem


def nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(depth - 1):
        document = {"a": document}
    return document


@given(bodies, st.booleans())
def test_any_object_gives_a_payment_or_a_problem_that_names_a_field(
    body: dict[str, Any], whole: bool
) -> None:
    document = {**GOOD, **body} if whole else body
    match read(document):
        case Draft() as draft:
            assert SETTINGS.amount_min <= draft.amount <= SETTINGS.amount_max
            assert SETTINGS.expires_in_min <= draft.expires_in_seconds <= SETTINGS.expires_in_max
            assert draft.return_url.startswith("https://shop.example")
            assert set() == {*draft.gateways} - KNOWN
            assert sum(split.amount for split in draft.splits) <= draft.amount
            assert ("demo", "k1", True) == (draft.shop, draft.key, draft.test)
            orjson.dumps({"event": draft.private})
        case Problem() as problem:
            assert 422 == problem.status
            assert problem.errors
            assert all(error.path and error.detail for error in problem.errors)
            names = tuple(name[:60] or '""' for name in (*document, *GOOD))
            assert all(error.path.startswith(names) for error in problem.errors)
            orjson.loads(problem.answer().body)  # type: ignore[arg-type]  # bytes


@given(st.integers(-10, 2**70), st.sampled_from(["IRR", "IRT"]))
@example(1_000, "IRR")
@example(2_000_000_000, "IRR")
@example(100, "IRT")
@example(200_000_000, "IRT")
def test_an_amount_is_taken_exactly_within_the_limits(amount: int, currency: str) -> None:
    rial = amount * (RIAL_PER_TOMAN if currency == "IRT" else 1)
    match read(GOOD | {"amount": amount, "currency": currency}):
        case Draft() as draft:
            assert (rial, Currency(currency)) == (draft.amount, draft.currency)
            assert SETTINGS.amount_min <= rial <= SETTINGS.amount_max
        case Problem() as problem:
            assert ["amount"] == [error.path for error in problem.errors]
            assert not SETTINGS.amount_min <= rial <= SETTINGS.amount_max


@given(st.floats() | st.booleans() | st.text() | st.none() | st.lists(st.integers()))
def test_nothing_but_a_whole_number_is_an_amount(amount: object) -> None:
    found = read(GOOD | {"amount": amount})
    assert isinstance(found, Problem)
    assert [("amount", "must be a whole number")] == [(e.path, e.detail) for e in found.errors]


@pytest.mark.parametrize(
    ("given_as", "taken_as"),
    [(None, 1_200), (60, 60), (86_400, 86_400)],
)
def test_the_lifetime_has_a_default(given_as: int | None, taken_as: int) -> None:
    body = GOOD if given_as is None else GOOD | {"expires_in": given_as}
    draft = read(body)
    assert isinstance(draft, Draft)
    assert taken_as == draft.expires_in_seconds


def test_null_means_not_given_where_a_field_may_be_left_out() -> None:
    left_out = dict.fromkeys(["description", "payer", "expires_in", "metadata"])
    assert read(GOOD) == read(GOOD | left_out)


@pytest.mark.parametrize(
    ("metadata", "taken"),
    [
        ({str(n): n for n in range(METADATA_KEYS_MAX)}, True),
        ({str(n): n for n in range(METADATA_KEYS_MAX + 1)}, False),
        ({"a": "x" * (METADATA_BYTES_MAX - len('{"a":""}'))}, True),
        ({"a": "x" * (METADATA_BYTES_MAX - len('{"a":""}') + 1)}, False),
        (nested(8), True),
        (nested(9), False),
        ({"a": [[[[[[[]]]]]]]}, True),
        ({"a": [[[[[[[[]]]]]]]]}, False),
    ],
)
def test_metadata_has_its_limits(metadata: dict[str, Any], *, taken: bool) -> None:
    assert taken == isinstance(read(GOOD | {"metadata": metadata}), Draft)


@pytest.mark.parametrize("name", ["metadata", "payer", "splits", "else"])
def test_what_is_nested_as_deep_as_json_is_read_is_refused(name: str) -> None:
    document = orjson.loads(
        orjson.dumps(GOOD)[:-1] + f',"{name}":'.encode() + b'{"a":' * 900 + b"1" + b"}" * 901
    )
    found = read(document)
    assert isinstance(found, Problem)
    assert {name} == {error.path.partition(".")[0] for error in found.errors}


def test_numbers_that_json_cannot_hold_never_arrive() -> None:
    assert isinstance(read(GOOD | {"amount": math.inf}), Problem)


# --- what people type

PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@given(
    st.from_regex(r"9[0-9]{9}", fullmatch=True),
    st.sampled_from(["", "0", "98", "+98", "0098", "+98 ", "0098-"]),
    st.sampled_from([PERSIAN, ARABIC, {}]),
)
def test_a_mobile_number_is_known_in_every_spelling(
    number: str, prefix: str, digits: dict[int, int]
) -> None:
    assert f"0{number}" == typed.mobile(f"{prefix}{number}".translate(digits))


@given(st.text(max_size=20))
@example("09121234567\n")
@example("0912123456七")
@example("²9121234567")
def test_what_becomes_a_number_is_plain_digits(text: str) -> None:
    for check, size in ((typed.mobile, 11), (typed.national_id, 10), (typed.card, 16)):
        try:
            plain = check(text)
        except ValueError:
            continue
        assert plain.isascii()
        assert plain.isdigit()
        assert size == len(plain)


@pytest.mark.parametrize("text", ["6219 8610 3452 9007", "6219-8610-3452-9007", "۶۲۱۹۸۶۱۰۳۴۵۲۹۰۰۷"])
def test_a_card_may_stand_in_groups(text: str) -> None:
    assert "6219861034529007" == typed.card(text)


@pytest.mark.parametrize("text", ["", "x", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\n", "a@b\x00"])
def test_what_is_no_address_is_no_email(text: str) -> None:
    with pytest.raises(ValueError, match="e-mail"):
        typed.email(text)


@pytest.mark.parametrize("text", ["", "نام‌خانوادگی", "two\nlines\tand a tab", "😀"])
def test_texts_may_be_in_any_language(text: str) -> None:
    assert text == typed.readable(text)


@pytest.mark.parametrize("character", ["\x00", "\x08", "\x0b", "\x1f", "\x7f", "\ufffe", "\uffff"])
def test_texts_hold_nothing_that_xml_cannot(character: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        typed.readable(f"a{character}b")
