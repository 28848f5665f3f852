"""The banks' part of an answer: what is taken off a browser's wait, and what never is."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bench.calls import Exchange, added, read, within

times = st.floats(0, 100)
parts = st.lists(st.tuples(times, times), max_size=6)


def test_a_call_inside_counts_whole_and_one_at_the_edge_by_what_is_inside() -> None:
    assert 2.0 == within(10.0, 20.0, [(12.0, 14.0)])
    assert 1.0 == within(10.0, 20.0, [(8.0, 11.0)])
    assert 1.0 == within(10.0, 20.0, [(19.0, 30.0)])
    assert 0.0 == within(10.0, 20.0, [(1.0, 9.0), (21.0, 22.0)])


def test_what_two_calls_share_counts_once() -> None:
    assert 5.0 == within(10.0, 20.0, [(14.0, 17.0), (12.0, 15.0), (13.0, 14.0)])


def test_a_bank_that_answered_before_the_request_was_seen_to_leave_takes_nothing_off() -> None:
    assert 0.0 == within(10.0, 20.0, [(14.0, 13.0)])


@given(times, times, parts)
def test_never_more_is_taken_off_than_the_browser_waited_nor_than_the_calls_took(
    sent: float, waited: float, calls: list[tuple[float, float]]
) -> None:
    found = within(sent, sent + waited, calls)
    assert 0.0 <= found <= waited + 1e-9
    assert found <= sum(max(0.0, last - first) for first, last in calls) + 1e-9


def test_each_request_is_freed_of_the_calls_of_its_own_payment_only() -> None:
    exchanges = [
        Exchange("create", "pay_1", 0.0, 1.0),
        Exchange("pay", "pay_1", 2.0, 5.0),
        Exchange("pay", "pay_2", 2.0, 5.0),
    ]
    calls = {"pay_1": [(3.0, 4.0)], "pay_3": [(2.0, 5.0)]}
    assert {
        "create": [(1.0, 0.0)],
        "pay": [(2.0, 1.0), (3.0, 0.0)],
    } == added(exchanges, calls)


def test_calls_are_read_by_payment(tmp_path: Path) -> None:
    noted = tmp_path / "calls"
    noted.write_text("pay_1 1000000000 1500000000\npay_2 5 6\npay_1 2000000000 2250000000\n")
    found = read(noted)
    assert [(1.0, 1.5), (2.0, 2.25)] == found["pay_1"]
    assert {"pay_1", "pay_2"} == found.keys()
