"""The process takes the descriptors that it may have, and no more."""

import resource
from collections.abc import Iterator

import pytest

from gatewayd.io.descriptors import OWN, for_customers, limit, take_descriptors

LIMIT = resource.RLIMIT_NOFILE


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = resource.getrlimit(LIMIT)
    yield
    resource.setrlimit(LIMIT, before)


def test_the_limit_that_holds_is_known() -> None:
    _, hard = resource.getrlimit(LIMIT)
    resource.setrlimit(LIMIT, (256, hard))
    assert 256 == limit()


@pytest.mark.parametrize(
    ("wanted", "descriptors", "elsewhere", "expected"),
    [
        (16_384, 65_536, 384, 16_384),
        (16_384, 1_024, 384, 1_024 - 384 - OWN),
        (16_384, 256, 384, 64),
        (10, 256, 384, 10),
        (16_384, 2, 384, 1),
    ],
)
def test_customers_leave_banks_the_descriptors_that_they_need(
    wanted: int, descriptors: int, elsewhere: int, expected: int
) -> None:
    assert expected == for_customers(wanted, descriptors, elsewhere)


def test_the_soft_limit_is_raised_as_far_as_is_wanted() -> None:
    _, hard = resource.getrlimit(LIMIT)
    resource.setrlimit(LIMIT, (256, hard))
    assert 300 == take_descriptors(300)
    assert (300, hard) == resource.getrlimit(LIMIT)


def test_a_limit_that_is_high_enough_is_left_alone() -> None:
    before = resource.getrlimit(LIMIT)
    assert before[0] == take_descriptors(16)
    assert before == resource.getrlimit(LIMIT)


def test_no_more_is_taken_than_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 400))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: taken.append(limits))
    assert 400 == take_descriptors(65_536)
    assert [(400, 400)] == taken


def test_where_it_is_not_allowed_it_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: int, limits: tuple[int, int]) -> None:
        raise OSError(limits)

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refused)
    assert 256 == take_descriptors(65_536)
