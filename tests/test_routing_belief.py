"""One signal's level: falls and recoveries are believed as soon as the evidence outweighs how rare they are."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.routing.belief import Belief, Evidence

USUAL = 0.9


def evidence(parts: Sequence[tuple[int, int]], ripe: float = 1.0) -> list[Evidence]:
    """Ten seconds each: so many payments, so many of them good."""
    return [
        Evidence(10.0 * number, tried, good, ripe, tried / 10.0)
        for number, (tried, good) in enumerate(parts)
    ]


def after(parts: Sequence[tuple[int, int]], ripe: float = 1.0) -> Belief:
    signal = Belief()
    signal.follow(10.0 * len(parts), evidence(parts, ripe), USUAL, 1_000.0)
    return signal


def test_what_is_as_usual_is_believed_to_be_so_however_much_of_it_there_is() -> None:
    signal = after([(20, 18)] * 30)
    assert signal.fine > 0.97
    assert USUAL == pytest.approx(signal.mean, abs=0.005)
    assert signal.deviation < 0.03


def test_a_fall_to_nothing_is_believed_within_a_few_payments() -> None:
    signal = after([(20, 18)] * 10 + [(4, 0)] * 2)
    assert signal.fine < 0.1
    assert signal.mean < 0.2
    assert 100.0 == signal.fallen_at
    assert signal.left < 0.3


def test_a_few_failures_by_chance_are_no_fall() -> None:
    assert after([(20, 18)] * 10 + [(5, 3)]).fine > 0.9


def test_a_partial_fall_takes_more_evidence_and_its_size_is_found() -> None:
    early = after([(20, 18)] * 10 + [(10, 6)])
    late = after([(20, 18)] * 10 + [(10, 6)] * 10)
    assert early.fine > late.fine
    assert late.fine < 0.05
    assert 0.6 == pytest.approx(late.mean, abs=0.06)
    assert 1.0 == pytest.approx(late.fallen_load, abs=0.1)


def test_a_recovery_is_believed_as_soon_as_a_fall() -> None:
    assert after([(20, 18)] * 10 + [(10, 0)] * 10 + [(4, 4)]).fine > 0.5
    assert after([(20, 18)] * 10 + [(10, 0)] * 10 + [(1, 0)]).fine < 0.1


def test_nobody_is_missed_before_returns_are_due() -> None:
    assert after([(20, 18)] * 10 + [(20, 0)], ripe=1.0).fine < 0.01
    young = Belief()
    window = [*evidence([(20, 18)] * 10), Evidence(100.0, 20, 0, 0.02, 2.0)]
    young.follow(110.0, window, USUAL, 1_000.0)
    assert young.fine > 0.9


def test_what_was_in_doubt_does_not_count_for_the_usual_level() -> None:
    signal = after([(20, 18)] * 10 + [(20, 0)] * 10)
    signal.known = 1_000.0
    signal.good = 900.0
    for at in range(0, 200, 10):
        signal.learn(float(at), 20, 18 if at < 100 else 0)
    assert USUAL == pytest.approx(signal.good / signal.known, abs=0.01)


def test_a_young_gateway_learns_from_all_it_sees() -> None:
    signal = Belief()
    signal.learn(0.0, 50, 30)
    assert (50.0, 30.0) == (signal.known, signal.good)


def test_evidence_that_left_the_window_is_not_forgotten() -> None:
    signal = Belief()
    signal.follow(100.0, evidence([(20, 2)] * 10), USUAL, 1_000.0)
    for part in evidence([(20, 2)] * 10):
        signal.absorb(part)
    signal.follow(100.0, [], USUAL, 1_000.0)
    assert signal.fine < 0.01


def test_what_is_forgiven_is_judged_by_what_comes_after() -> None:
    parts = evidence([(20, 18)] * 10 + [(20, 10)] * 5)
    fine, still_bad = Belief(), Belief()
    for signal, good in ((fine, 18), (still_bad, 10)):
        signal.follow(150.0, parts, USUAL, 1_000.0)
        assert signal.fine < 0.1
        signal.forgive(160.0, 0.6)
        later = [Evidence(160.0 + 10 * number, 10, good / 2, 1.0, 1.0) for number in range(6)]
        signal.follow(230.0, [*parts, *later], USUAL, 1_000.0)
    assert fine.fine > 0.95
    assert still_bad.fine < 0.1


def test_knowledge_fades_the_faster_the_more_exact_it_is() -> None:
    much, little = Belief(), Belief()
    much.known, little.known = 100_000.0, 100.0
    for signal in (much, little):
        signal.fade(600.0)
    assert much.known < 2_000.0
    assert 90.0 < little.known < 100.0


def test_what_has_lasted_becomes_the_usual_level() -> None:
    signal = after([(20, 6)] * 20)
    signal.settle()
    assert 0.3 == pytest.approx(signal.good / signal.known, abs=0.05)


def test_a_restart_goes_on_from_what_was_believed() -> None:
    before = after([(20, 18)] * 10 + [(20, 0)] * 3)
    again = Belief()
    again.load(7.0, json.loads(json.dumps(before.dump())))
    assert before.mean == pytest.approx(again.mean)
    assert before.fine == pytest.approx(again.fine)


@given(
    st.lists(
        st.tuples(st.integers(0, 5_000), st.floats(0.0, 1.0), st.floats(0.02, 1.0)), max_size=20
    ),
    st.floats(0.01, 0.995),
)
def test_whatever_comes_the_chances_stay_chances(
    rows: list[tuple[int, float, float]], usual: float
) -> None:
    signal = Belief()
    window = [
        Evidence(10.0 * number, tried, int(tried * part * ripe), ripe, 1.0)
        for number, (tried, part, ripe) in enumerate(rows)
        if tried
    ]
    signal.follow(10.0 * len(rows), window, usual, 100.0)
    assert 1.0 == pytest.approx(sum(signal._now))
    assert 0.0 <= signal.mean <= 1.0
    assert 0.0 <= signal.deviation <= 1.0
