"""Changed copies and quick initialisers: nobody can tell such a value from one that dataclasses made."""

from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest

from gatewayd.core.events import KINDS
from gatewayd.core.values import changed, quick


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    first: int
    second: str = "two"
    third: list[int] = field(default_factory=list)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    first: int
    second: str = "two"
    third: list[int] = field(default_factory=list)


@quick
@dataclass(frozen=True, slots=True)
class Checked:
    positive: int
    kind: str = "turn"
    twin: str = "missing"

    def __post_init__(self) -> None:
        if self.positive < 1:
            raise ValueError("not positive")


@pytest.mark.parametrize("given", [{"first": 1}, {"first": 2, "second": "x", "third": [1]}])
def test_a_quick_value_is_what_it_would_have_been(given: dict[str, Any]) -> None:
    made, plain = Quick(**given), Plain(**given)
    assert type(made) is Quick
    assert repr(plain).removeprefix("Plain") == repr(made).removeprefix("Quick")
    assert Quick(**given) == made
    assert replace(made, first=9) == changed(made, first=9)


def test_defaults_that_are_made_are_made_anew() -> None:
    assert Quick(first=1).third is not Quick(first=1).third


def test_a_quick_value_cannot_be_written() -> None:
    made = Quick(first=1)
    for name in ("first", "other"):
        with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
            setattr(made, name, 2)


@pytest.mark.parametrize("given", [{}, {"first": 1, "fourth": 4}])
def test_missing_and_unknown_fields_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Quick(**given)


def test_what_a_value_checks_is_still_checked() -> None:
    assert 1 == Checked(1).positive
    with pytest.raises(ValueError, match="not positive"):
        Checked(0)


def test_changing_what_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError):
        changed(Quick(first=1), fourth=4)


@pytest.mark.parametrize("kind", KINDS.values())
def test_every_event_takes_its_fields_by_name(kind: type) -> None:
    given = {each.name: object() for each in fields(kind)}
    made = kind(**given)
    assert [given[each.name] for each in fields(kind)] == [
        getattr(made, each.name) for each in fields(kind)
    ]
