"""Finds card numbers, mobiles and IBANs in a text, whatever stands between their groups and in whatever digits.

A number is looked for in runs of groups of digits: it begins where a group begins and ends where a group ends, so that
parts of longer numbers, such as order numbers and times, are left alone. A single long group is searched for a card
at every place.
"""

import re
from typing import Final

CARD: Final = "[card]"
MOBILE: Final = "[mobile]"
IBAN: Final = "[iban]"
NUMBER: Final = "[number]"

_GAP: Final = "[\\s\u200b-\u200f\u2060\ufeff_./()\\\\‐-―⁃−-]"
"""What people and programs put between the groups of a number."""
_RUN: Final = re.compile(rf"\d(?:{_GAP}{{0,3}}\d)*")
_DIGITS: Final = re.compile(r"\d+")
_LETTERS: Final = re.compile(rf"[iI][rR]{_GAP}{{0,3}}\Z")
_MOBILE: Final = re.compile(r"(?:(?:00)?980?|0)9[0-9]{9}")
_LETTERS_REACH: Final = 5
_CARD_MIN, _CARD_MAX, _CARD_USUAL = 13, 19, 16
_IBAN_DIGITS: Final = 24
_RUN_DIGITS_MAX: Final = 64
"""A longer number is hidden whole instead of being searched."""
_PAYMENT: Final = "pay_"
_PAYMENT_DIGITS_MAX: Final = 15


def mask_numbers(text: str) -> str:
    """The text with these numbers hidden; a payment's id is left as it is."""
    pieces: list[str] = []
    position = 0
    for run in _RUN.finditer(text):
        for start, end, what in _numbers_in(text, run.start(), run.end()):
            pieces += text[position:start], what
            position = end
    pieces.append(text[position:])
    return "".join(pieces)


def _numbers_in(text: str, start: int, end: int) -> list[tuple[int, int, str]]:
    """Where in this run of groups something stands that must be hidden, and what it is."""
    groups = [(found.start(), found.end()) for found in _DIGITS.finditer(text, start, end)]
    digits = ["".join(str(int(digit)) for digit in text[begin:stop]) for begin, stop in groups]
    if sum(map(len, digits)) > _RUN_DIGITS_MAX:
        return [(start, end, NUMBER)]
    found: list[tuple[int, int, str]] = []
    first = 0
    if (
        text[max(0, start - len(_PAYMENT)) : start] == _PAYMENT
        and len(digits[0]) <= _PAYMENT_DIGITS_MAX
    ):
        first = 1
    while first < len(groups):
        begin = groups[first][0]
        letters = _letters_before(text, begin)
        for last in range(len(groups), first, -1):
            what = _kind("".join(digits[first:last]), groups=last - first, letters=letters < begin)
            if what is not None:
                if what == IBAN:
                    begin = letters
                elif what == MOBILE and text[max(0, begin - 1) : begin] == "+":
                    begin -= 1
                found.append((begin, groups[last - 1][1], what))
                first = last - 1
                break
        first += 1
    return found


def _kind(digits: str, *, groups: int, letters: bool) -> str | None:
    """What these digits are, if they must be hidden."""
    if len(digits) == _IBAN_DIGITS and (letters or groups == 1):
        return IBAN
    if _MOBILE.fullmatch(digits):
        return MOBILE
    if _CARD_MIN <= len(digits) <= _CARD_MAX and _passes_luhn(digits):
        return CARD
    places = range(len(digits) - _CARD_USUAL + 1) if groups == 1 else ()
    return CARD if any(_passes_luhn(digits[at : at + _CARD_USUAL]) for at in places) else None


def _letters_before(text: str, position: int) -> int:
    """Where the IR of an IBAN begins; the position itself if there is none."""
    before = _LETTERS.search(text, max(0, position - _LETTERS_REACH), position)
    return position if before is None else before.start()


def _passes_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit)
        if place % 2:
            number = number * 2 - 9 if number > 4 else number * 2  # noqa: PLR2004  # the cross sum above nine
        total += number
    return total % 10 == 0
