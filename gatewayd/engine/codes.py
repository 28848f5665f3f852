"""Short addresses of invoices: twelve signs that a person can read out, and nobody can guess.

A code is the invoice's number with zeros before it, shuffled by a keyed permutation (Feistel, keyed BLAKE2b in each
round) and written in Crockford's base 32, which has no letters that are taken for digits. Nothing is stored for it. Of
the sixty bits about forty are the number's: a code that somebody makes up or mistypes is a number once in a hundred
thousand times, and that is an invoice's only if one was made in that very millisecond.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

SIGNS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH: Final = 12
ROUNDS: Final = 6
"""Four are enough that nobody can tell it from chance; two more cost two microseconds."""
_HALF_BITS: Final = 30
_HALF: Final = (1 << _HALF_BITS) - 1
NUMBER_MAX: Final = 2**43
"""Numbers are milliseconds: enough until the year 2298."""
_HEARD: Final = str.maketrans("oil" + "۰۱۲۳۴۵۶۷۸۹" + "٠١٢٣٤٥٦٧٨٩", "011" + "0123456789" * 2, "- ")
"""What is read for what, and what may stand between the signs."""


class Codes:
    """Makes and reads them."""

    def __init__(self, key: bytes) -> None:
        self._keyed = hashlib.blake2b(key=key, digest_size=4, person=b"invoice codes")

    def code(self, number: int) -> str:
        """The code of an invoice."""
        left, right = number >> _HALF_BITS, number & _HALF
        for turn in range(ROUNDS):
            left, right = right, left ^ self._mixed(turn, right)
        return "".join(_signs((left << _HALF_BITS) | right))

    def number(self, code: str) -> int | None:
        """The invoice's number; None for what is no code of ours."""
        plain = code.lower().translate(_HEARD)
        if len(plain) != LENGTH:
            return None
        value = 0
        for sign in plain:
            digit = SIGNS.find(sign)
            if digit < 0:
                return None
            value = value * len(SIGNS) + digit
        left, right = value >> _HALF_BITS, value & _HALF
        for turn in reversed(range(ROUNDS)):
            left, right = right ^ self._mixed(turn, left), left
        number = (left << _HALF_BITS) | right
        return number if 0 < number < NUMBER_MAX else None

    def _mixed(self, turn: int, half: int) -> int:
        keyed = self._keyed.copy()
        keyed.update(b"%d|%d" % (turn, half))
        return int.from_bytes(keyed.digest()) & _HALF


def _signs(value: int) -> Iterator[str]:
    for place in reversed(range(LENGTH)):
        yield SIGNS[(value >> (5 * place)) & 31]
