"""Whatever may happen to payments, in whatever batches it lands: the journal is whole, and a crash takes back no more
than what nobody was told.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from bench.lives import is_finished
from gatewayd.core import events as ev
from gatewayd.core.payment import Payment
from gatewayd.core.values import changed
from gatewayd.io.journal_verify import verify
from gatewayd.io.sqlite_store import SqliteStore
from gatewayd.journal.journal import Journal, order_guard, replay, search_of
from gatewayd.journal.memory import MemoryStore
from gatewayd.journal.recovery import take_over
from gatewayd.journal.store import Append, Searches
from tests.histories import walk
from tests.journals import MANY, counted

GATEWAYS = ("plain", "settles")
CHOICES = st.lists(st.integers(0, 10_000), max_size=10)


@dataclass
class Play:
    """Some histories beside each other, landing on two stores at once."""

    disk: SqliteStore
    memory: MemoryStore = field(default_factory=MemoryStore)
    journal: Journal = field(
        default_factory=lambda: Journal(is_finished=is_finished, make_salt=counted)
    )
    landed: list[dict[int, Payment]] = field(default_factory=lambda: [{}])
    """After every batch, each payment as it was to be found."""

    def land(self, limit: int, *, searches: bool) -> None:
        batch = self.journal.take_batch(limit)
        columns = self.journal.take_searches(2) if searches else Searches()
        self._write(batch, columns)
        found = dict(self.landed[-1])
        for append in batch:
            payment = replay(append.number, self.memory.read(append.number))
            assert payment is not None
            found[append.number] = payment
        self.landed.append(found)

    def _write(self, batch: list[Append], columns: Searches) -> None:
        results = self.disk.write(batch, columns)
        assert results == self.memory.write(batch, columns)
        self.journal.batch_landed(results)


def histories(of_each: list[list[int]]) -> Iterator[tuple[int, ev.Event, Payment]]:
    """One event of each payment in turn, and the payment after it."""
    walks = []
    for number, choices in enumerate(of_each, 1):
        events, payments = walk(choices, GATEWAYS)
        walks.append([(number, *step) for step in zip(events, payments, strict=True)])
    for place in range(max(map(len, walks))):
        yield from (steps[place] for steps in walks if place < len(steps))


@given(
    of_each=st.lists(CHOICES, min_size=1, max_size=3),
    pauses=st.lists(st.integers(0, 5), min_size=1, max_size=10),
)
def test_every_history_lands_whole_and_comes_back(
    of_each: list[list[int]], pauses: list[int]
) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "journal.db"
        disk = SqliteStore(path, ballast_bytes=0, make_secret=counted)
        disk._db.execute("PRAGMA synchronous = OFF")  # nobody pulls the plug here
        try:
            play = Play(disk)
            for turn, (number, event, _) in enumerate(histories(of_each)):
                record(play, number, event)
                if pauses[turn % len(pauses)] == 0 or number in play.journal.locked:
                    play.land(1 + turn % 5, searches=turn % 3 == 0)
                    while number in play.journal.locked:
                        play.land(MANY, searches=False)
            while not play.journal.is_idle:
                play.land(MANY, searches=True)
            play.land(MANY, searches=True)
            for number, choices in enumerate(of_each, 1):
                last = walk(choices, GATEWAYS)[1][-1]
                wanted = changed(last, number=number, order_id=f"o{number}")
                assert wanted == replay(number, disk.read(number))
                assert disk.read(number) == play.memory.read(number)
            assert () == verify(path, is_finished=is_finished).problems
            crashes(play)
        finally:
            disk.close()


def record(play: Play, number: int, event: ev.Event) -> None:
    """As the engine would: a finished payment is read again, and a new one takes its order."""
    if isinstance(event, ev.Created):
        event = changed(event, order_id=f"o{number}")
        play.journal.append(number, event, takes=(order_guard(event.shop, event.order_id),))
        return
    if play.journal.get(number) is None:
        play.journal.adopt(number, play.memory.read(number))
    play.journal.append(number, event)


def crashes(play: Play) -> None:
    """After every batch a new process finds what had landed, and its search columns show nothing else."""
    for lost in range(len(play.landed)):
        found = play.memory.crash(lost=lost)
        wanted = play.landed[len(play.landed) - 1 - lost]
        again = Journal(is_finished=is_finished, make_salt=counted)
        take_over(found, again)
        assert wanted == {number: replay(number, found.read(number)) for number in wanted}
        still_open = {number for number, payment in wanted.items() if not is_finished(payment)}
        assert still_open == set(again.numbers())
        assert {number: search_of(payment) for number, payment in wanted.items()} == found._search
