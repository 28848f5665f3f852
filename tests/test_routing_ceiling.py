"""Trusted rates: what grows them, what is put down to our own load, and what turns out to be a real fall."""

import pytest

from gatewayd.routing.belief import Belief
from gatewayd.routing.ceiling import BELOW, Ceiling


class Signal(Belief):
    """A signal that says what a test wants it to say."""

    def __init__(self, fine: float, left: float = 1.0, load: float = 0.0) -> None:
        super().__init__()
        self.fine, self.left, self.fallen_load = fine, left, load
        self.forgiven: list[float] = []

    def forgive(self, until: float, believed: float) -> None:
        self.forgiven.append(until)


FINE = Signal(1.0)


def overrun() -> tuple[Ceiling, Signal]:
    """Two a second were fine, now 1.5 of 2 get through."""
    ceiling = Ceiling()
    ceiling.held(10.0, 2.0, 1.0, fine=1.0)
    signal = Signal(0.01, left=0.75, load=2.0)
    ceiling.judge(100.0, (FINE, signal))
    return ceiling, signal


def test_a_rate_that_was_held_without_trouble_is_trusted_and_one_in_trouble_is_not() -> None:
    ceiling = Ceiling()
    ceiling.held(10.0, 2.0, 1.0, fine=1.0)
    ceiling.held(10.0, 3.0, 1.0, fine=0.3)
    assert 2.0 == ceiling.tested


def test_trust_wears_off_but_never_below_a_fair_part() -> None:
    ceiling = Ceiling()
    ceiling.held(10.0, 4.0, 1.0, fine=1.0)
    for _ in range(1_000):
        ceiling.held(10.0, 0.0, 1.0, fine=1.0)
    assert 0.9 == ceiling.tested


def test_a_partial_fall_at_the_highest_rate_is_put_down_to_our_own_load() -> None:
    ceiling, signal = overrun()
    assert 1.5 == ceiling.cap
    assert 1.5 * BELOW == ceiling.limit()
    assert [130.0] == signal.forgiven
    assert [] == FINE.forgiven


@pytest.mark.parametrize(("left", "load"), [(0.75, 0.5), (0.1, 2.0), (1.2, 2.0)])
def test_a_fall_under_little_load_a_deep_one_and_a_rise_are_not(left: float, load: float) -> None:
    ceiling = Ceiling()
    ceiling.held(10.0, 2.0, 1.0, fine=1.0)
    ceiling.judge(100.0, (Signal(0.01, left=left, load=load), FINE))
    assert ceiling.cap is None


def test_if_less_load_changes_nothing_it_was_a_real_fall_and_the_limit_goes() -> None:
    ceiling, _ = overrun()
    ceiling.judge(200.0, (Signal(0.05, left=0.74, load=1.3), FINE))
    assert ceiling.cap is None


def test_if_less_load_made_it_better_but_not_well_the_limit_is_lowered() -> None:
    ceiling, _ = overrun()
    ceiling.judge(200.0, (Signal(0.05, left=0.93, load=1.3), FINE))
    assert 1.3 * 0.93 == pytest.approx(ceiling.cap)


def test_a_doubt_while_it_is_being_judged_is_waited_out() -> None:
    ceiling, _ = overrun()
    ceiling.judge(150.0, (Signal(0.3, left=0.7, load=1.3), FINE))
    assert 1.5 == ceiling.cap


def test_a_confirmed_limit_rises_when_pressed_faster_for_a_better_gateway() -> None:
    caps = []
    for gain in (0.0, 0.6):
        ceiling, _ = overrun()
        ceiling.lift(120.0, 1.35, gain, stress=0.5)
        assert 1.5 == ceiling.cap
        ceiling.judge(350.0, (FINE, FINE))
        ceiling.lift(120.0, 1.35, gain, stress=0.5)
        caps.append(ceiling.cap)
    assert [1.5 * 1.005, 1.5 * 1.05] == pytest.approx(caps)


def test_an_unused_limit_stays_and_one_that_was_exceeded_well_is_no_limit() -> None:
    ceiling, _ = overrun()
    ceiling.judge(350.0, (FINE, FINE))
    ceiling.lift(120.0, 0.5, 0.6, stress=0.5)
    assert 1.5 == ceiling.cap
    ceiling.held(10.0, 1.9, 1.0, fine=1.0)
    ceiling.lift(1.0, 0.5, 0.0, stress=0.5)
    assert 1.9 == ceiling.cap


def test_a_restart_keeps_what_was_learnt_about_capacity() -> None:
    ceiling, _ = overrun()
    again = Ceiling()
    again.load(ceiling.dump())
    assert (ceiling.cap, ceiling.tested) == (again.cap, again.tested)


def test_a_capacity_that_the_loads_show_is_the_limit_at_once() -> None:
    ceiling = Ceiling()
    ceiling.held(10.0, 3.0, 1.0, fine=1.0)
    ceiling.find(2.0)
    assert (2.0, 2.0, 2.0 * BELOW) == (ceiling.cap, ceiling.tested, ceiling.limit())
    ceiling.find(2.5)
    assert 2.0 == ceiling.cap
