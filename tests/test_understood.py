"""What was understood before is given again only for the very same events."""

from dataclasses import replace

from bench.lives import is_finished, life
from gatewayd.core.payment import Payment
from gatewayd.engine.understood import Understood
from gatewayd.journal.journal import Journal, replay
from gatewayd.journal.memory import MemoryStore
from gatewayd.journal.store import Row


def rows_of(number: int) -> list[Row]:
    """A paid payment's events."""
    store, journal = MemoryStore(), Journal(is_finished=is_finished, make_salt=bytes)
    for events, _ in life(number):
        journal.append(number, *events)
        journal.batch_landed(store.write(journal.take_batch(1)))
    return list(store.read(number))


def test_the_same_events_are_understood_once() -> None:
    understood, rows = Understood(replay), rows_of(1)
    assert understood.known(1, rows) is None
    payment = understood.understand(1, rows)
    assert replay(1, rows) == payment
    assert payment is understood.known(1, [replace(row) for row in rows])


def test_other_events_are_not_taken_for_those_that_are_known() -> None:
    understood, rows = Understood(replay), rows_of(1)
    understood.understand(1, rows)
    erased = [replace(row, private=None) for row in rows]
    assert understood.known(1, erased) is None, "a person was erased"
    assert understood.known(1, rows[:-1]) is None
    assert understood.known(2, rows) is None


def test_only_so_many_are_kept_and_what_was_asked_for_last_stays() -> None:
    understood, rows = Understood(replay, kept_max=2), {n: rows_of(n) for n in (1, 2, 3)}
    understood.understand(1, rows[1])
    understood.understand(2, rows[2])
    assert isinstance(understood.known(1, rows[1]), Payment)
    understood.understand(3, rows[3])
    assert [True, False, True] == [understood.known(n, rows[n]) is not None for n in (1, 2, 3)]


def test_no_events_make_no_payment() -> None:
    assert Understood(replay).understand(1, []) is None
