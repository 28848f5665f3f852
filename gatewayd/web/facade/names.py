"""What a face calls a payment: ZarinPal's authority and Zibal's trackId, made of the payment's number and a seal.

Nothing is stored for them. An authority carries 80 bits of seal, so that nobody can make one up. A trackId must stay
below 2**53, because shops read it in languages that count in floating point; that leaves four digits for the seal,
which is little, but Zibal's own trackIds carry none: what it opens is a payment page, and nothing else.
"""

import hmac
import re
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Final

from gatewayd.engine.links import Links

LIVE: Final = "A"
SANDBOX: Final = "S"
"""How an authority begins that was given out at the sandbox's host."""
TRACK_ID_MAX: Final = 2**53
_SIGNS: Final = digits + ascii_uppercase + ascii_lowercase
_SEAL_CHARS: Final = 14
"""80 bits in 62 signs."""
_NUMBER_CHARS: Final = 21
_CHECKS: Final = 10_000
_AUTHORITY: Final = re.compile(r"[AS]0{6}([0-9]{15})([0-9a-zA-Z]{14})")


class Names:
    """Makes and reads the names of payments."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def authority(self, number: int, *, sandbox: bool = False) -> str:
        """36 signs: a letter, the payment's number, the seal."""
        letter = SANDBOX if sandbox else LIVE
        return f"{letter}{number:0{_NUMBER_CHARS}}{self._seal(number)}"

    def read_authority(self, text: str) -> int | None:
        """The payment's number; None where this is no authority of ours."""
        found = _AUTHORITY.fullmatch(text)
        if found is None:
            return None
        number = int(found[1])
        return number if hmac.compare_digest(found[2], self._seal(number)) else None

    def track_id(self, number: int) -> int:
        """A whole number of at most sixteen digits: the payment's, and four of the seal's."""
        return number * _CHECKS + self._check(number)

    def read_track_id(self, track_id: int) -> int | None:
        """The payment's number; None where this is no trackId of ours."""
        if not 0 < track_id < TRACK_ID_MAX:
            return None
        number, check = divmod(track_id, _CHECKS)
        return number if check == self._check(number) else None

    def _seal(self, number: int) -> str:
        rest, signs = int.from_bytes(self._links.seal(f"authority|{number}")), ""
        for _ in range(_SEAL_CHARS):
            rest, sign = divmod(rest, len(_SIGNS))
            signs += _SIGNS[sign]
        return signs

    def _check(self, number: int) -> int:
        return int.from_bytes(self._links.seal(f"track|{number}")) % _CHECKS
