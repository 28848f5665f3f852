"""What must never be read in a log is hidden in every place and every spelling; our own words stay readable."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gatewayd.core.secret import Secret
from gatewayd.core.terms import Payer
from gatewayd.io.masking import HIDDEN, ITEMS_MAX, TEXT_CHARS_MAX, Masker
from gatewayd.io.masking_numbers import mask_numbers

SAMPLE_CARDS = ("6219861034529007", "5022291070873466", "6037991199500590")
PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
LATIN = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")


def with_check_digit(digits: str) -> str:
    """The digits and the one that makes them pass as a card."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 if place % 2 else 2)
        total += number - 9 if number > 9 else number
    return f"{digits}{-total % 10}"


def grouped(digits: str, sizes: list[int], gap: str) -> str:
    """The digits in groups of these sizes and a last one."""
    groups, at = [], 0
    for size in sizes:
        groups.append(digits[at : at + size])
        at += size
    return gap.join(part for part in (*groups, digits[at:]) if part)


GAPS = st.sampled_from(["", " ", "-", " - ", ".", "_", "/", "\u200c", "\u00a0", "–"])
SCRIPTS = st.sampled_from([str.maketrans("", ""), PERSIAN, ARABIC])
SIZES = st.lists(st.integers(2, 6), max_size=4)
CARDS = st.text("0123456789", min_size=12, max_size=18).map(with_check_digit)
MOBILES = st.builds(
    lambda prefix, rest: f"{prefix}9{rest}",
    st.sampled_from(["0", "+98", "98", "0098", "+980"]),
    st.text("0123456789", min_size=9, max_size=9),
)
WORDS = st.text(st.characters(exclude_categories=["Nd", "Cs", "Cc"]), max_size=20)


@st.composite
def written(draw: st.DrawFn, numbers: st.SearchStrategy[str]) -> tuple[str, str]:
    """A number's digits, and the number as somebody may write it within a text."""
    number = draw(numbers)
    digits = number.removeprefix("+")
    text = grouped(digits, draw(SIZES), draw(GAPS)).translate(draw(SCRIPTS))
    plus = "+" if number.startswith("+") else ""
    return digits, f"{draw(WORDS)} {plus}{text} {draw(WORDS)}"


@st.composite
def placed(draw: st.DrawFn, text: str) -> dict[str, Any]:
    """Fields with the text somewhere in them."""
    value: Any = draw(
        st.sampled_from(
            [
                text,
                [text],
                {"a": {"b": [1, text]}},
                {text: 1},
                (None, {text}),
                text.encode(),
                ValueError(text),
                Path(text),
                StrEnum("Odd", {"NAME": text}).NAME,  # type: ignore[attr-defined]  # made on the spot
            ]
        )
    )
    key = draw(st.sampled_from(["event", "note", "x", "cause", "bank_order", "amount", text]))
    return {"event": "something", key: value}


def shown(masker: Masker, fields: Mapping[str, Any]) -> str:
    """What would be read, with all digits Latin."""
    return orjson.dumps(masker.fields(fields)).decode().translate(LATIN)


@given(data=st.data(), number=written(CARDS))
def test_no_card_is_ever_shown(data: st.DataObject, number: tuple[str, str]) -> None:
    digits, text = number
    out = shown(Masker(), data.draw(placed(text)))

    assert digits not in re.sub(r"[^0-9]", "", out)


@given(data=st.data(), number=written(MOBILES))
def test_no_mobile_is_ever_shown(data: st.DataObject, number: tuple[str, str]) -> None:
    digits, text = number
    out = shown(Masker(), data.draw(placed(text)))

    assert digits[-10:] not in re.sub(r"[^0-9]", "", out)


@given(
    data=st.data(),
    number=written(st.text("0123456789", min_size=24, max_size=24)),
    letters=st.sampled_from(["IR", "ir", "IR ", "IR-"]),
)
def test_no_iban_is_ever_shown(data: st.DataObject, number: tuple[str, str], letters: str) -> None:
    digits, text = number
    text = re.sub(r"(?=\d)", letters, text, count=1)
    out = shown(Masker(), data.draw(placed(text)))

    assert digits not in re.sub(r"[^0-9]", "", out)


@given(
    data=st.data(),
    secret=st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=6, max_size=40
    ),
    before=WORDS,
    after=WORDS,
)
def test_no_known_secret_is_ever_shown(
    data: st.DataObject, secret: str, before: str, after: str
) -> None:
    assume(secret not in HIDDEN)
    assume("something" not in secret)
    fields = data.draw(placed(f"{before}{secret}{after}"))
    out = Masker([Secret(secret)]).fields(fields)

    assert secret not in str(list(out.items()))


@given(
    data=st.data(),
    key=st.sampled_from(
        "password userPassword user_password PIN pin2 terminalKey key api-key merchant_id MerchantID token Token "
        "Authorization X-Api-Key secret return_secret mobile CellNumber national_id nationalCode iban payer "
        "LoginAccount RefId cvv2 shop.key email".split()
    ),
    value=st.text("abcdefghijklmnop", min_size=12, max_size=12),
)
def test_what_is_called_a_secret_or_a_persons_is_hidden_whole(
    data: st.DataObject, key: str, value: str
) -> None:
    fields: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {key: value},
                {"x": {key: value}},
                {"x": [{"y": {key: [value]}}]},
                {"x": f"{key}={value}&y=1"},
                {"x": f"<{key}>{value}</{key}>"},
                {"x": f'{{"{key}": "{value}"}}'},
                {"x": f"{{'{key}': '{value} {value}'}}"},
                {"x": ValueError(f"bad {key}: {value}")},
            ]
        )
    )

    assert value not in shown(Masker(), fields)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("card 6219861034529007 refused", "card [card] refused"),
        ("۶۲۱۹-۸۶۱۰-۳۴۵۲-۹۰۰۷", "[card]"),
        ("x6219 8610 3452 9007y", "x[card]y"),
        ("12 6219861034529007 35", "12 [card] 35"),
        ("9996219861034529007", "[card]"),
        ("call 09123456789", "call [mobile]"),
        ("+98 (912) 345-6789", "[mobile]"),
        ("00989123456789", "[mobile]"),
        ("IR06 2960 0000 0010 0324 2000 01.", "[iban]."),
        ("062960000000100324200001", "[iban]"),
        ("write to ali.r@shop.example now", "write to [email] now"),
        ("Authorization: Bearer abc.def", "Authorization:[hidden]"),
        ("with Bearer abcdefgh.ijk", "with [hidden]"),
        ("key gwk_live_abcdef refused", "key [hidden] refused"),
        ("https://u:pw@bank.example/?token=abc&x=1", "https://u:[email]/?token=[hidden]&x=1"),
        (
            "<ns:userPassword>12345678</ns:userPassword>",
            "<ns:userPassword>[hidden]</ns:userPassword>",
        ),
        ('{"pin":"a\\"b","x":"y"}', '{"pin":[hidden],"x":"y"}'),
        ("1" * 65, "[number]"),
    ],
)
def test_the_rest_of_a_text_is_left(text: str, masked: str) -> None:
    assert masked == Masker().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "verify lost",
        "pay_217512345678",
        "pay_989123456789",
        "pay_217512345678/2 5",
        "TLS: certificate not trusted",
        "malformed reply: Token: missing",
        "malformed reply: authority: int instead of text"[:34],
        "http://127.0.0.1:8080",
        "185.143.233.120",
        "2026-11-21T22:03:12.123Z",
        "621986******9007",
        "100023 rial",
        "KeyError: 'amount'",
        "gatewayd/io/http.py:76",
    ],
)
def test_our_own_words_stay_readable(text: str) -> None:
    assert text == Masker().text(text)


def test_our_own_numbers_stay_numbers() -> None:
    fields = {
        "event": "paid",
        "payment": "pay_217512345678",
        "attempt": 2,
        "bank_order": int(SAMPLE_CARDS[0]),
        "amount": 9_120_000_000,
        "seconds": 0.123456789012345,
        "free_bytes": 68_719_476_736,
        "ok": True,
        "gateway": None,
    }

    assert fields == Masker().fields(fields)


@pytest.mark.parametrize("card", SAMPLE_CARDS)
def test_a_card_as_a_number_is_hidden_too(card: str) -> None:
    assert {"x": HIDDEN, "y": HIDDEN} == Masker().fields({"x": int(card), "y": float(card)})


def test_objects_are_shown_by_their_type_alone() -> None:
    @dataclass
    class Holder:
        name: str

    payer = Payer(name="Ali", mobile="09123456789")
    fields = {"a": payer, "b": Holder("x"), "c": Secret("hunter22"), "d": object(), "e": 2**80}

    expected = {"a": "<Payer>", "b": "<Holder>", "c": "<Secret>", "d": "<object>", "e": "<int>"}
    assert expected == Masker().fields(fields)


def test_everything_has_an_end() -> None:
    deep: list[Any] = []
    deep.append(deep)
    masked = Masker().fields({"deep": deep, "long": "x" * 100_000, "many": list(range(1000))})

    assert TEXT_CHARS_MAX + 1 == len(masked["long"])
    assert ITEMS_MAX == len(masked["many"])
    assert b"\xe2\x80\xa6" in orjson.dumps(masked["deep"])


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "<",
        "<a ",
        "@",
        "a@",
        "9",
        "9 ",
        "=",
        "pin=",
        "'",
        "pin='\\",
        ": ",
        "key",
        "IR",
        "_",
        "\n",
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    text = piece * (2 * TEXT_CHARS_MAX)

    assert len(Masker().text(text)) <= TEXT_CHARS_MAX + 1


@given(text=st.text(max_size=200))
def test_any_text_gives_a_text_that_needs_no_more_masking(text: str) -> None:
    once = mask_numbers(text)

    assert once == mask_numbers(once)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_any_value_becomes_one_that_json_has_a_word_for(value: Any) -> None:
    orjson.dumps(Masker().fields({"value": value}), default=None)


def test_short_secrets_do_not_eat_words() -> None:
    assert "paid" == Masker([Secret("aid")]).text("paid")


def test_a_secret_is_hidden_as_it_stands_in_a_url_and_in_xml() -> None:
    masker = Masker([Secret("p&ss/w<rd")])

    assert f"x={HIDDEN} {HIDDEN}" == masker.text("x=p%26ss%2Fw%3Crd p&amp;ss/w&lt;rd")
