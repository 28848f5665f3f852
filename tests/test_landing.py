"""The daemon is alive only as long as its journal lands."""

from gatewayd.io.landing import STUCK_SECONDS, LandingWatch


def test_a_quiet_journal_is_well() -> None:
    watch = LandingWatch(0.0)
    assert all(watch.lands(now * 5.0, commits=7, queued=0) for now in range(10))


def test_a_slow_journal_is_well() -> None:
    watch = LandingWatch(0.0)
    assert all(watch.lands(now * 5.0, commits=now, queued=100) for now in range(10))


def test_a_journal_in_which_nothing_lands_is_not() -> None:
    watch = LandingWatch(0.0)
    assert watch.lands(1.0, commits=1, queued=3)
    assert watch.lands(STUCK_SECONDS, commits=1, queued=4)
    assert not watch.lands(1.0 + STUCK_SECONDS, commits=1, queued=4)


def test_it_is_well_again_when_something_lands() -> None:
    watch = LandingWatch(0.0)
    assert not watch.lands(60.0, commits=0, queued=4)
    assert watch.lands(61.0, commits=1, queued=4)
