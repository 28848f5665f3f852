"""Bounds on shares hold where they can, and give way evenly where they cannot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.routing.settings import Limits
from gatewayd.routing.shares import within


def test_what_is_within_its_bounds_is_only_scaled() -> None:
    assert [0.25, 0.75] == pytest.approx(within([1.0, 3.0], [Limits(), Limits()]))


def test_a_bound_is_kept_and_the_others_share_the_rest_in_proportion() -> None:
    limits = [Limits(max_share=0.3), Limits(), Limits(min_share=0.2)]
    assert [0.3, 0.5, 0.2] == pytest.approx(within([90.0, 9.0, 1.0], limits))


def test_bounds_that_cannot_all_hold_give_way_in_proportion() -> None:
    assert [0.25, 0.75] == pytest.approx(
        within([1.0, 1.0], [Limits(max_share=0.2), Limits(max_share=0.6)])
    )
    assert [0.5, 0.5] == pytest.approx(
        within([1.0, 9.0], [Limits(min_share=0.9), Limits(min_share=0.9)])
    )


@given(
    st.lists(
        st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 0.1), st.floats(0.5, 1.0)),
        min_size=2,
        max_size=6,
    )
)
def test_shares_sum_to_one_within_their_bounds(rows: list[tuple[float, float, float]]) -> None:
    limits = [Limits(min_share=low, max_share=high) for _, low, high in rows]
    shares = within([want for want, _, _ in rows], limits)
    assert 1.0 == pytest.approx(sum(shares))
    assert all(
        low - 1e-5 <= share <= high + 1e-5
        for share, (_, low, high) in zip(shares, rows, strict=True)
    )
