"""Opens the journal at the start of the daemon, and brings everything that was left open back into memory.

Order: the file lock, SQLite's version and the file's schema, the kinds of events in it, the end of the chain; then,
once there is an engine, every open payment by the partial index, and the search columns that a crash left behind.
Nothing here looks at finished payments, however many there are.
"""

import gc
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_bytes
from typing import Final

import orjson

from gatewayd.core.events import KINDS
from gatewayd.core.payment import Attempt, Payment
from gatewayd.core.settings import JournalSettings
from gatewayd.core.states import State
from gatewayd.io.clock import SystemClock
from gatewayd.io.filelock import FileLock
from gatewayd.io.sqlite_schema import UnusableStore, connect_to_read, is_there
from gatewayd.io.sqlite_store import OPEN_ROWS, SqliteStore, by_payment
from gatewayd.io.store_thread import StoreThread
from gatewayd.io.whereabouts import Whereabouts
from gatewayd.journal import codec
from gatewayd.journal.journal import DamagedJournal, Journal, replay
from gatewayd.journal.recovery import last_order, take_over
from gatewayd.journal.store import StoreError

FREEZE_FROM: Final = 10_000
"""From so many open payments on, looking for garbage among them would hold up the loop for a tenth of a second."""
FINGERPRINTS_KEY: Final = "fingerprints"
"""Under this the daemon keeps what its gateways' contracts are known by."""
_GONE: Final = frozenset({State.NOT_STARTED, State.GIVEN_BACK})
"""Nothing is asked about these any more. Of what has lapsed its bank may still be asked whether it gave it back."""


class Opened:
    """A journal that is ours until `close`."""

    def __init__(self, path: Path, store: SqliteStore, lock: FileLock, now_ms: int) -> None:
        self._store = store
        self._lock = lock
        self.whereabouts = Whereabouts(path)
        self.link_key = store.link_key
        """Signs what customers and banks carry about."""
        self.last_number = store.last_number()
        self.last_order = last_order(store)
        """The highest number that was ever used at a bank; 0 for none."""
        self.clock_behind_ms = max(0, store.last_at_ms() - now_ms)
        """By how much the wall clock is behind the last event: banks' deadlines would be missed by that."""
        self.thread = StoreThread(store, lambda: int(SystemClock().wall() * 1000))

    def adopt_into(self, journal: Journal) -> None:
        """Bring the open payments into memory and the search columns up to date, before anything is written.

        UnusableStore where an open payment cannot be understood.
        """
        gc.disable()  # everything that is made here stays
        try:
            with _understood():
                take_over(self._store, journal)
        finally:
            gc.enable()
        if len(journal) >= FREEZE_FROM:
            gc.freeze()

    def close(self) -> None:
        """Write what is queued, and let others have the journal."""
        self.thread.close()
        self._lock.release()


def lock_path(journal: Path) -> Path:
    """The lock file beside a journal."""
    return journal.with_name(journal.name + ".lock")


def open_journal(
    settings: JournalSettings,
    *,
    now_ms: int,
    make_secret: Callable[[int], bytes] = token_bytes,
) -> Opened:
    """The journal, locked. Locked if another process has it, UnusableStore, StoreError if the disk fails."""
    path = Path(settings.path)
    with ExitStack() as undo:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = undo.enter_context(FileLock(lock_path(path)))
        except OSError as error:
            raise StoreError(f"cannot make the journal's folder or lock: {error}") from error
        store = SqliteStore(path, ballast_bytes=settings.ballast_bytes, make_secret=make_secret)
        undo.callback(store.close)
        unknown = sorted(store.kinds - KINDS.keys())
        if unknown:
            raise UnusableStore(
                f"the journal holds events that this program does not know ({', '.join(unknown)}):"
                " use the gatewayd that wrote it, or a newer one"
            )
        with _understood():
            opened = Opened(path, store, lock, now_ms)
        undo.pop_all()
        return opened


@dataclass(frozen=True, slots=True)
class LeftOpen:
    """What a journal's last daemon left to the next."""

    attempts: Mapping[str, int] = field(default_factory=dict)
    """Per gateway, how many are not settled one way or the other, or are being given back."""
    payments: Mapping[str, int] = field(default_factory=dict)
    """Per shop, how many still need something."""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Of the gateways' contracts."""


def left_open(path: Path) -> LeftOpen:
    """What is open in a journal, in use or not; nothing for one that is not there yet.

    UnusableStore where it cannot be understood.
    """
    if not is_there(path):
        return LeftOpen()
    attempts: Counter[str] = Counter()
    payments: Counter[str] = Counter()
    with closing(connect_to_read(path)) as db:
        with _understood():
            for number, rows in by_payment(db.execute(OPEN_ROWS)):
                payment = replay(number, rows)
                assert payment is not None, "it has events"
                asked_back = {refund.attempt for refund in payment.refunds if refund.needs_bank}
                attempts.update(
                    each.gateway
                    for each in payment.attempts
                    if _is_open(payment, each) or each.number in asked_back
                )
                payments[payment.shop] += 1
        kept = db.execute("SELECT value FROM meta WHERE key = ?", (FINGERPRINTS_KEY,)).fetchone()
    return LeftOpen(attempts, payments, orjson.loads(kept[0]) if kept else {})


@contextmanager
def _understood() -> Iterator[None]:
    """Inside, an event that makes no sense is a journal that cannot be used."""
    try:
        yield
    except (DamagedJournal, codec.UnknownEvent, sqlite3.DatabaseError) as error:
        raise UnusableStore(
            f"the journal is damaged: {error}; `gatewayd journal verify` says more"
        ) from error


def _is_open(payment: Payment, attempt: Attempt) -> bool:
    """Whether its bank may still be asked for something, as far as that is no refund's."""
    going_back = attempt.giving_back or (payment.stopping and not payment.stop_refused)
    return attempt.state not in _GONE and (going_back or not attempt.captured)
