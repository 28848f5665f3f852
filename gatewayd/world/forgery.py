"""Returns that no bank ever sent: what can be made of an attempt's genuine address and of returns that one has seen."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gatewayd.simulator.bank import Session

KINDS: Final = (
    "empty",
    "garbage",
    "replayed",
    "replayed as ours",
    "token of another",
    "reference of another",
    "made up",
    "other amount",
    "other terminal",
    "no turned into yes",
    "shouted",
    "halved",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A genuine return of a paid payment, and whose it was."""

    session: Session
    fields: Mapping[str, str]


def forge(
    kind: str, ours: Session, said: Mapping[str, str], seen: Seen | None, dice: random.Random
) -> dict[str, str]:
    """The fields of a forged return to the attempt of `ours`, whose genuine return would be `said` just now.

    Without another payment's return the kinds that need one come down to what can be done with our own.
    """
    other = seen.fields if seen else said
    theirs = seen.session if seen else ours
    match kind:
        case "empty":
            return {}
        case "garbage":
            return {
                dice.choice(("RefNum", "Status", "token", "\ud800", "x" * 300)): dice.choice(
                    ("2", "OK", "'; --", "\ud800\x00", "9" * 40, "-0", "۱۲۳")
                )
                for _ in range(dice.randrange(1, 6))
            }
        case "replayed":
            return dict(other)
        case "replayed as ours":
            return _as_ours(other, theirs, ours)
        case "token of another":
            return _replaced(said, {ours.token: theirs.token})
        case "reference of another":
            return _replaced(_as_ours(other, theirs, ours), {})
        case "made up":
            numbers = {
                known: "".join(dice.choice("123456789") for _ in known)
                for known in (theirs.ref_num, theirs.rrn, theirs.trace_no)
                if known
            }
            return _replaced(_as_ours(other, theirs, ours), numbers)
        case "other amount":
            amount = dice.choice((ours.amount * 10, ours.amount - 1, 1))
            changed = {str(ours.amount): str(amount), f"{ours.amount:,}": f"{amount:,}"}
            return _replaced(_as_ours(other, theirs, ours), changed)
        case "other terminal":
            return _replaced(_as_ours(other, theirs, ours), {theirs.terminal: "99999999"})
        case "no turned into yes":
            yes = {name: value for name, value in other.items() if name in said}
            return _as_ours({**said, **yes}, theirs, ours)
        case "shouted":
            return {name.upper(): value for name, value in _as_ours(other, theirs, ours).items()}
        case _:
            return {name: value[: len(value) // 2] for name, value in other.items()}


def _as_ours(fields: Mapping[str, str], theirs: Session, ours: Session) -> dict[str, str]:
    """Another payment's return with everything in it that names our attempt, but for its reference."""
    return _replaced(
        fields,
        {
            theirs.token: ours.token,
            theirs.order: ours.order,
            str(theirs.amount): str(ours.amount),
            f"{theirs.amount:,}": f"{ours.amount:,}",
        },
    )


def _replaced(fields: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    return {name: changes.get(value, value) for name, value in fields.items()}
