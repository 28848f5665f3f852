"""Fields that people type: checked, and brought into the one form that the banks take. ValueError says what is wanted.

Digits may be Persian or Arabic, and may stand in groups.
"""

import re
from typing import Final

_DIGITS: Final = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
_BLANKS: Final = str.maketrans("", "", " -")
_UNREADABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
"""Controls but for line ends and tabs, and what XML cannot hold: some banks are told texts in XML."""
MOBILE: Final = re.compile(r"(?:\+98|0098|98|0)?(9[0-9]{9})")
NATIONAL_ID: Final = re.compile(r"[0-9]{10}")
CARD: Final = re.compile(r"[0-9]{16}")
IBAN: Final = re.compile(r"IR[0-9]{24}")
_IR: Final = "1827"
"""I and R as the check sum counts letters: A is 10."""
_IBAN_MODULUS: Final = 97
EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")


def readable(text: str) -> str:
    """Text without control characters."""
    if _UNREADABLE.search(text):
        raise ValueError("must not hold control characters")
    return text


def mobile(text: str) -> str:
    """Eleven digits, 09…"""
    found = MOBILE.fullmatch(_plain(text))
    if found is None:
        raise ValueError("must be an Iranian mobile number such as 09121234567")
    return f"0{found[1]}"


def national_id(text: str) -> str:
    """Ten digits."""
    plain = _plain(text)
    if not NATIONAL_ID.fullmatch(plain):
        raise ValueError("must be 10 digits")
    return plain


def card(text: str) -> str:
    """Sixteen digits."""
    plain = _plain(text)
    if not CARD.fullmatch(plain):
        raise ValueError("must be a card number of 16 digits")
    return plain


def iban(text: str) -> str:
    """`IR` and 24 digits, the first two of which check the others."""
    plain = _plain(text).upper()
    if not IBAN.fullmatch(plain):
        raise ValueError("must be IR and 24 digits")
    if int(f"{plain[4:]}{_IR}{plain[2:4]}") % _IBAN_MODULUS != 1:
        raise ValueError(
            "is not a number that exists: a digit is wrong, or two have changed places"
        )
    return plain


def email(text: str) -> str:
    """Something with one @ in it."""
    if not EMAIL.fullmatch(text):
        raise ValueError("must be an e-mail address")
    return text


def _plain(text: str) -> str:
    return text.translate(_DIGITS).translate(_BLANKS)
