"""What customers read: complete in both languages, and written as people of each language write."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.web import pages
from gatewayd.web.texts import TEXTS, digits, money, preferred

TEMPLATES = Path(pages.__file__).parent / "templates"
USED = {
    name
    for template in TEMPLATES.glob("*.html")
    for name in re.findall(r"\bt\.(\w+)", template.read_text())
}
OF_INVOICES = set(
    re.findall(
        r"""['"](in_rial|in_toman|invoice|failed|wait|money_back|pay|pay_\w+|invoice_\w+)['"]""",
        (TEMPLATES.parent / "invoice_page.py").read_text(),
    )
) - {"pay_id", "invoice_action", "invoice_page"}
"""Chosen by the program."""
ARABIC = re.compile("[يكةىﻻٱ\u0640]")


def test_both_languages_have_the_same_texts() -> None:
    assert TEXTS["fa"].keys() == TEXTS["en"].keys()


def test_every_text_is_used_and_every_text_that_is_used_is_there() -> None:
    assert TEXTS["fa"].keys() == USED | OF_INVOICES | {"rial", "toman"}


@pytest.mark.parametrize("language", TEXTS)
def test_no_text_is_empty_or_padded(language: str) -> None:
    texts = TEXTS[language].values()
    assert [] == [text for text in texts if not text or text != " ".join(text.split())]


def test_persian_is_written_in_persian_letters_and_digits() -> None:
    texts = [text for name, text in TEXTS["fa"].items() if name != "direction"]
    assert [] == [text for text in texts if ARABIC.search(text)]
    assert [] == [text for text in texts if re.search("[0-9A-Za-z,;?]", text)]


def test_prefixes_and_suffixes_are_joined_by_a_narrow_space() -> None:
    assert [] == [
        text for text in TEXTS["fa"].values() if re.search(r"(\b|^)(می|نمی) |\w ها\b", text)
    ]


def test_english_is_written_in_english_letters() -> None:
    assert [] == [text for text in TEXTS["en"].values() if not text.isascii()]


@pytest.mark.parametrize(
    ("rial", "language", "text"),
    [
        (150_000, "fa", "۱۵٬۰۰۰ تومان (۱۵۰٬۰۰۰ ریال)"),
        (2_000_000_000, "fa", "۲۰۰٬۰۰۰٬۰۰۰ تومان (۲٬۰۰۰٬۰۰۰٬۰۰۰ ریال)"),
        (1_005, "fa", "۱٬۰۰۵ ریال"),
        (150_000, "en", "15,000 toman (150,000 rial)"),
        (1_005, "en", "1,005 rial"),
    ],
)
def test_an_amount_is_told_in_toman_and_in_rial(rial: int, language: str, text: str) -> None:
    assert text == money(rial, language).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("language", TEXTS)
def test_no_amount_is_torn_from_its_unit(language: str) -> None:
    assert 2 == len(money(150_000, language).split(" "))


@given(st.integers(1, 2**53))
def test_no_digit_of_an_amount_is_lost(rial: int) -> None:
    assert rial == int(digits(rial, "fa").replace("٬", ""))
    assert rial == int(digits(rial, "en").replace(",", ""))


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "fa"),
        ("", "fa"),
        ("*", "fa"),
        ("fa-IR,fa;q=0.9,en-US;q=0.8", "fa"),
        ("en-US,en;q=0.9,fa;q=0.8", "en"),
        ("EN", "en"),
        ("de-DE,de;q=0.9,en;q=0.8", "en"),
        ("de", "fa"),
        ("english", "fa"),
        (",;q=,en", "en"),
    ],
)
def test_a_browser_gets_the_first_of_its_languages_that_we_speak(
    header: str | None, language: str
) -> None:
    assert language == preferred(header)
