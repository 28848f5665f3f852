"""What pretend payers do at a bank's page: by a script in the amount, else by a mix of chances.

Pure: the dice come in as an argument. A script is the last three digits of the amount in rial, so
that a test can order a certain story through any shop and any gateway.
"""

import random
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from itertools import accumulate
from typing import Final, Self

SWITCH_DOWN: Final = "91"
"""The switch code of an issuer or a switch that does not answer."""
NO_FUNDS: Final = "51"
WRONG_PIN: Final = "55"
NOT_ALLOWED: Final = "57"
"""The card may not do this, for instance because the merchant allows other cards only."""


class Payers(StrEnum):
    """Who stands at the payment page."""

    PAGE = "page"
    """A person with a browser: the page has buttons."""
    AUTO = "auto"
    """Pretend payers, who answer at once."""


class Outcome(StrEnum):
    """What a payer does."""

    PAID = "paid"
    CANCEL = "cancel"
    DECLINE = "decline"
    """Tries to pay, and the card is refused."""
    LEAVE = "leave"
    """Closes the tab without having paid."""


class Script(IntEnum):
    """The stories that the last three digits of the rial amount tell."""

    CANCELS = 101
    CLOSES_THE_TAB = 102
    """Pays, and never comes back."""
    REPLY_CUT = 103
    """Pays; the first verify takes effect, but its reply is cut."""
    RETURNS_TWICE = 104
    """Pays; the return is delivered a second time by the simulator itself."""
    IS_DECLINED = 105
    HTML_FIRST = 106
    """Pays; the first verify is answered by HTML and has no effect."""
    RETURNS_LATE = 107
    """Pays, and comes back after the bank's deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one payer does."""

    outcome: Outcome
    code: str = ""
    """The switch code of a decline."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Chances of what payers do, as weights."""

    weights: tuple[tuple[Outcome, float], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `paid=80,cancel=4,decline=6,leave=10` or a bare `paid`; ValueError says why not."""
        weights: dict[Outcome, float] = {}
        names = ", ".join(Outcome)
        for part in text.split(","):
            word, equals, number = (piece.strip() for piece in part.partition("="))
            try:
                outcome = Outcome(word)
            except ValueError:
                raise ValueError(f"mix: {word!r} is none of {names}") from None
            if outcome in weights:
                raise ValueError(f"mix: {word} is given twice")
            try:
                weight = float(number) if equals else 1.0
            except ValueError:
                raise ValueError(f"mix: {word}={number!r} is not a number") from None
            if not 0 <= weight <= WEIGHT_MAX:
                raise ValueError(f"mix: {word}={number} is not between 0 and {WEIGHT_MAX:g}")
            weights[outcome] = weight
        if not sum(weights.values()):
            raise ValueError("mix: somebody must do something, but all weights are 0")
        return cls(tuple(weights.items()))

    def draw(self, rng: random.Random) -> Outcome:
        """What the next payer does."""
        *sums, total = accumulate(weight for _, weight in self.weights)
        point = rng.random() * total
        for (outcome, _), upper in zip(self.weights, sums, strict=False):
            if point < upper:
                return outcome
        return next(outcome for outcome, weight in reversed(self.weights) if weight)

    def __str__(self) -> str:
        return ",".join(f"{outcome}={weight:g}" for outcome, weight in self.weights)


WEIGHT_MAX: Final = 1e9
EVERYBODY_PAYS: Final = Mix(((Outcome.PAID, 1.0),))
USUAL_MIX: Final = Mix.parse("paid=80,cancel=4,decline=6,leave=10")


def script_of(amount: int) -> Script | None:
    """The script that this amount of rial orders, if any."""
    ending = amount % 1000
    return Script(ending) if Script.CANCELS <= ending <= Script.RETURNS_LATE else None


def decide(amount: int, mix: Mix, rng: random.Random) -> Decision:
    """What the payer of `amount` rial does; a script needs no dice."""
    match script_of(amount):
        case Script.CANCELS:
            return Decision(outcome=Outcome.CANCEL)
        case Script.IS_DECLINED:
            return Decision(outcome=Outcome.DECLINE, code=NO_FUNDS)
        case None:
            outcome = mix.draw(rng)
            if outcome is Outcome.DECLINE:
                return Decision(outcome=outcome, code=rng.choice((NO_FUNDS, WRONG_PIN)))
            return Decision(outcome=outcome)
        case _:
            return Decision(outcome=Outcome.PAID)


CARD_PREFIXES: Final = ("621986", "610433", "603799", "589210", "502229", "627412")
"""Of six issuers, so that cards look different in lists."""


def draw_card(rng: random.Random) -> str:
    """A card number with a valid check digit."""
    digits = rng.choice(CARD_PREFIXES) + f"{rng.randrange(10**9):09d}"
    total = 0
    for place, digit in enumerate(digits):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return digits + str(-total % 10)
