"""What happened in a world, as one digest: two runs of a seed are the same if, and only if, all of it is the same."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LINES_AT_ONCE: Final = 256
"""Hashing one line after the other costs more than the hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Something that must never happen."""

    rule: str
    """Which of the rules was broken, in a few fixed words."""
    number: int
    """The payment; 0 for none in particular."""
    what: str
    at: float
    """Virtual seconds since the beginning."""


class History:
    """Takes down everything that anybody outside could notice."""

    def __init__(self, now: Callable[[], float], *, keep_lines: bool = False) -> None:
        """`keep_lines` keeps the text as well, to tell the story of a payment from it."""
        self._now = now
        self._hash = hashlib.sha256()
        self._told: list[str] = []
        """What is not hashed yet."""
        self._at, self._stamp = -1.0, ""
        self.lines: list[tuple[float, int, str]] | None = [] if keep_lines else None
        self.violations: list[Violation] = []
        self.counts: Counter[str] = Counter()
        """How often each trouble struck, by its name in the options, and each thing that people did."""

    def note(self, number: int, text: str) -> None:
        """Something happened to payment `number`, or to none in particular (0)."""
        now = self._now()
        if now != self._at:
            self._at, self._stamp = now, repr(now)
        self._told.append(f"{self._stamp} {number} {text}\n")
        if len(self._told) == LINES_AT_ONCE:
            self._take_down()
        if self.lines is not None:
            self.lines.append((now, number, text))

    def count(self, name: str) -> None:
        """One more of these."""
        self.counts[name] += 1

    def violated(self, rule: str, number: int, what: str) -> None:
        """A rule was broken."""
        self.note(number, f"VIOLATION {rule}: {what}")
        self.violations.append(Violation(rule=rule, number=number, what=what, at=self._now()))

    @property
    def digest(self) -> str:
        """Of everything so far."""
        self._take_down()
        return self._hash.hexdigest()

    def _take_down(self) -> None:
        self._hash.update("".join(self._told).encode(errors="backslashreplace"))
        self._told.clear()
