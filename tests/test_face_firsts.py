"""Exactly one call hears as the first that a payment is verified, whoever asks, hangs up or is left unanswered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.web.facade import verifying
from gatewayd.web.facade.verifying import Firsts


def test_one_of_those_who_ask_at_once_is_first() -> None:
    firsts = Firsts()
    for _ in range(3):
        firsts.begin(7)
    ended = [firsts.end(7, verified=True, heard=True) for _ in range(3)]
    assert [True, False, False] == ended
    assert not firsts.is_owed(7)


def test_who_hung_up_leaves_it_to_the_next() -> None:
    firsts = Firsts()
    for _ in range(2):
        firsts.begin(7)
    assert [False, True] == [firsts.end(7, verified=True, heard=heard) for heard in (False, True)]
    assert not firsts.is_owed(7)


@pytest.mark.parametrize(("verified", "heard"), [(None, True), (None, False), (True, False)])
def test_who_was_not_told_is_owed_once(verified: bool | None, heard: bool) -> None:
    firsts = Firsts()
    firsts.begin(7)
    assert not firsts.end(7, verified=verified, heard=heard)
    assert not firsts.is_owed(7, heard=False)
    assert [True, False] == [firsts.is_owed(7), firsts.is_owed(7)]


def test_who_is_told_later_is_owed_no_more() -> None:
    firsts = Firsts()
    for verified, first in ((None, False), (True, True)):
        firsts.begin(7)
        assert first is firsts.end(7, verified=verified, heard=True)
    assert not firsts.is_owed(7)


def test_who_comes_when_it_is_verified_may_be_quicker_than_who_asked() -> None:
    firsts = Firsts()
    firsts.begin(7)
    assert [True, False] == [firsts.is_owed(7), firsts.is_owed(7)]
    assert not firsts.end(7, verified=True, heard=True)
    assert not firsts.is_owed(7)


def test_a_no_owes_nothing() -> None:
    firsts = Firsts()
    firsts.begin(7)
    assert not firsts.end(7, verified=False, heard=True)
    assert not firsts.is_owed(7)


def test_what_is_owed_is_bounded_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "OWED_MAX", 2)
    firsts = Firsts()
    for number in (1, 2, 3):
        firsts.begin(number)
        firsts.end(number, verified=None, heard=True)
    assert [False, True, True] == [firsts.is_owed(number) for number in (1, 2, 3)]


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_at_most_one_hears_it_first_and_one_does_if_anybody_waits(heard: list[bool]) -> None:
    firsts = Firsts()
    for _ in heard:
        firsts.begin(7)
    first = [firsts.end(7, verified=True, heard=each) for each in heard]
    assert any(heard) == (sum(first) == 1)
    assert any(heard) != firsts.is_owed(7)
