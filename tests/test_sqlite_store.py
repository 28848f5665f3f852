"""The store on disk: what it promises of crashes, full disks and failing ones."""

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gatewayd.io import sqlite_store
from gatewayd.io.journal_tools import backup, restore
from gatewayd.io.journal_verify import verify
from gatewayd.io.sqlite_schema import SCHEMA_VERSION, UnusableStore
from gatewayd.io.sqlite_store import CHECKPOINT_PAGES, SqliteStore
from gatewayd.journal.recovery import refresh_searches
from gatewayd.journal.store import Append, Guard, GuardKind, Holder, Row, StoreError
from tests.journals import begin, counted, journal, live, opened, sql

ROOT = Path(__file__).parent.parent
PAGE = 4_096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "journal.db"


def one(number: int, size: int = 100) -> list[Append]:
    """A batch of one event, `size` bytes long."""
    body = b'{"n":"%s"}' % (b"x" * size)
    return [Append(number=number, rows=(Row(1, "Created", 1, body),))]


def wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def ballast(path: Path) -> Path:
    return path.with_name(path.name + ".ballast")


# --- the file


def test_the_file_and_its_log_are_for_nobody_else_to_read(path: Path) -> None:
    with opened(path, ballast_bytes=PAGE) as store:
        store.write(one(1))
        for file in (path, wal(path), ballast(path)):
            assert 0o600 == stat.S_IMODE(file.stat().st_mode)


def test_what_is_acknowledged_is_on_the_disk(path: Path) -> None:
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "wal_autocheckpoint": 0,
        "mmap_size": 0,
        "user_version": SCHEMA_VERSION,
    }
    with opened(path) as store:
        found = {name: store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
    assert wanted == found


def test_its_keys_and_its_name_stay(path: Path) -> None:
    with opened(path) as store:
        first = (store.writer, store.link_key)
    other = SqliteStore(path, ballast_bytes=0, make_secret=lambda count: b"\xff" * count)
    with closing(other):
        assert first == (other.writer, other.link_key)


def test_small_values_are_kept_beside_it(path: Path) -> None:
    with opened(path) as store:
        assert None is store.named("router")
        store.name("router", b"1")
        store.name("router", b"2")
    with opened(path) as store:
        assert b"2" == store.named("router")


def test_the_kinds_of_events_in_it_are_known(path: Path) -> None:
    with opened(path) as store:
        begin(store, [1])
    with opened(path) as store:
        assert {"Created", "StartRequested", "Started"} == store.kinds


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE theirs (a)",
        "PRAGMA application_id = 7",
        "PRAGMA user_version = 7",
    ],
)
def test_another_programs_database_is_left_alone(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "theirs.db"
    sql(path, statement)
    before = path.read_bytes()
    with pytest.raises(UnusableStore):
        SqliteStore(path, ballast_bytes=0, make_secret=counted)
    assert before == path.read_bytes()


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_an_older_journal_is_brought_up_to_date_and_keeps_what_it_holds(
    path: Path, version: int
) -> None:
    key = Guard(kind=GuardKind.IDEMPOTENCY, key="main|create|abc")
    with opened(path) as store:
        begin(store, [1])
        new = sql(path, "SELECT sql FROM sqlite_master ORDER BY name")
        store.write([replace(one(2)[0], takes=(key,))])
    for statements in UNDONE[version - 1 :]:
        for statement in statements:
            sql(path, statement)
    sql(path, f"PRAGMA user_version = {version}")
    with opened(path) as store:
        assert [1, 2] == sorted(number for number, _ in store.read_open())
        assert [Holder(guard=key, number=2)] == store.write([replace(one(3)[0], takes=(key,))])
        assert len(new) == len(sql(path, "SELECT sql FROM sqlite_master"))


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_an_older_programs_backup_is_whole_and_can_be_restored(path: Path, version: int) -> None:
    with opened(path) as store:
        live(store, [1])
        begin(store, [2])
    for statements in UNDONE[version - 1 :]:
        for statement in statements:
            sql(path, statement)
    sql(path, f"PRAGMA user_version = {version}")
    assert () == verify(path).problems
    copy, target = path.with_name("backup.db"), path.with_name("again.db")
    backup(path, copy)
    assert () == restore(copy, target).problems
    with opened(target) as store:
        assert [2] == [number for number, _ in store.read_open()]
    assert () == verify(target).problems


UNDONE = (
    ("ALTER TABLE guards DROP COLUMN version",),
    ("DROP TABLE receivers", "DROP TABLE deliveries"),
    ("DROP INDEX search_by_status_and_gateway",),
    ("DROP TABLE receipts",),
    ("DROP TABLE invoices", "DROP TABLE invoice_payments"),
)
"""What takes each schema back to the one before, from the second on."""


def test_a_journal_of_a_newer_program_is_refused(path: Path) -> None:
    with opened(path):
        pass
    sql(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(UnusableStore, match=f"schema {SCHEMA_VERSION + 1}"):
        SqliteStore(path, ballast_bytes=0, make_secret=counted)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("not a database, and long enough to look at " * 50)
    with pytest.raises(UnusableStore, match="not a database"):
        SqliteStore(path, ballast_bytes=0, make_secret=counted)


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        SqliteStore(tmp_path / "file" / "journal.db", ballast_bytes=0, make_secret=counted)


@pytest.mark.parametrize(
    ("query", "values", "plan"),
    [
        (sqlite_store.OPEN_ROWS, (), "USING INDEX payments_open"),
        (sqlite_store.ROWS_OF_ONE, (1,), "USING INDEX events_of_payment (number=?)"),
        (sqlite_store._FORGET_GUARDS, (1, 1), "INDEX guards_to_forget (at_ms<?)"),
        (sqlite_store._UNSEARCHED, (1,), "USING INTEGER PRIMARY KEY (rowid>?)"),
    ],
)
def test_what_is_asked_often_is_answered_by_an_index(
    path: Path, query: str, values: tuple[int, ...], plan: str
) -> None:
    with opened(path):
        steps = [step for *_, step in sql(path, f"EXPLAIN QUERY PLAN {query}", *values)]
    assert any(plan in step for step in steps)
    assert not any(step in {"SCAN events", "SCAN e", "SCAN guards"} for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps)


# --- the write-ahead log


def test_the_log_does_not_grow_for_ever(path: Path) -> None:
    with opened(path) as store:
        for number in range(1, 300):
            store.write(one(number, size=60_000))
            store.fold_back()
        assert 0 < wal(path).stat().st_size < 2 * CHECKPOINT_PAGES * PAGE
        assert path.stat().st_size > 200 * 60_000


def test_a_long_reader_holds_nobody_up(path: Path) -> None:
    with opened(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as reader:
        store.write(one(1))
        reader.execute("BEGIN")
        assert 1 == reader.execute("SELECT count(*) FROM events").fetchone()[0]
        for number in range(2, 200):
            store.write(one(number, size=60_000))
            store.fold_back()
        assert 1 == reader.execute("SELECT count(*) FROM events").fetchone()[0]
        reader.execute("COMMIT")
        assert 199 == reader.execute("SELECT count(*) FROM events").fetchone()[0]


# --- crashes


def events_in(path: Path) -> list[tuple[object, ...]]:
    return sql(path, "SELECT seq, number, version, hash FROM events ORDER BY seq")


def test_a_log_cut_anywhere_gives_back_a_valid_beginning(path: Path, tmp_path: Path) -> None:
    with opened(path) as store:
        begin(store, [1])
        store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for number in (2, 3, 4):
            live(store, [number])
        before, log = path.read_bytes(), wal(path).read_bytes()
        everything = events_in(path)
    seen = set()
    lengths = {*range(0, len(log), len(log) // 60), 24, 32, len(log) - 1, len(log)}
    for length in sorted(lengths):
        found = after_crash(tmp_path / "crashed.db", before, log[:length])
        assert everything[: len(found)] == found
        seen.add(len(found))
    assert {3, len(everything)} <= seen
    assert len(seen) > 8, "many a batch was the last"


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_log_with_a_torn_page_ends_before_it(path: Path, tmp_path: Path, place: float) -> None:
    with opened(path) as store:
        begin(store, [1])
        store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        live(store, [2, 3])
        before, log = path.read_bytes(), bytearray(wal(path).read_bytes())
        everything = events_in(path)
    torn = int(len(log) * place)
    log[torn : torn + 512] = bytes(byte ^ 0xA5 for byte in log[torn : torn + 512])
    found = after_crash(tmp_path / "crashed.db", before, bytes(log))
    assert everything[: len(found)] == found
    assert 3 <= len(found) < len(everything)


def after_crash(path: Path, content: bytes, log: bytes) -> list[tuple[object, ...]]:
    """The events that a new process finds; it must find a whole journal, and be able to go on."""
    for left in path.parent.glob(path.name + "*"):
        left.unlink()
    path.write_bytes(content)
    wal(path).write_bytes(log)
    with opened(path) as store:
        found = events_in(path)
        assert () == verify(path).problems
        refresh_searches(store, journal())
        begin(store, [99])
    assert () == verify(path).problems
    return found


WRITES_FOR_EVER = """
import sys
from pathlib import Path
from tests.journals import live, opened
with opened(Path(sys.argv[1])) as store:
    for number in range(1, 1_000_000):
        live(store, [number])
        print(number, flush=True)
"""


def test_a_killed_process_leaves_all_that_it_acknowledged(path: Path) -> None:
    command = [sys.executable, "-c", WRITES_FOR_EVER, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().splitlines()]
    with opened(path) as store:
        assert () == verify(path).problems
        assert {7} == {len(store.read(number)) for number in acknowledged}


# --- a disk that is full


class Roomier(SqliteStore):
    """A store whose file may grow no further, until its ballast is dropped."""

    dropped = 0

    def limit(self) -> None:
        pages = self._db.execute("PRAGMA page_count").fetchone()[0]
        self._db.execute(f"PRAGMA max_page_count = {pages}")

    def _drop_ballast(self) -> bool:
        dropped = super()._drop_ballast()
        if dropped:
            self.dropped += 1
            self._db.execute("PRAGMA max_page_count = 1000")
        return dropped


def test_a_full_disk_drops_the_ballast_and_the_write_goes_on(path: Path) -> None:
    with closing(Roomier(path, ballast_bytes=PAGE, make_secret=counted)) as store:
        store.write(one(1))
        store.limit()
        assert [None] == store.write(one(2, size=50_000))
        assert 1 == store.dropped
        assert not ballast(path).exists()
        assert 2 == len(events_in(path))
    assert () == verify_chain(path)


def test_a_disk_that_stays_full_stops_everything_and_tears_nothing(path: Path) -> None:
    with closing(Roomier(path, ballast_bytes=0, make_secret=counted)) as store:
        store.write(one(1))
        store.limit()
        with pytest.raises(StoreError, match="full"):
            store.write(one(2, size=50_000))
    assert 1 == len(events_in(path))
    assert () == verify_chain(path)


def verify_chain(path: Path) -> tuple[str, ...]:
    """What is wrong with the chain; these events are no lives."""
    return tuple(problem.what for problem in verify(path).problems if "hash" in problem.what)


def test_a_full_disk_is_met_on_a_real_file_system_too(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", megabytes=4) as disk:
        path = disk / "journal.db"
        with opened(path, ballast_bytes=1_048_576) as store:
            assert ballast(path).exists()
            acknowledged = write_until_full(store)
            dropped_at = acknowledged.index(False)
        assert 0 < dropped_at < len(acknowledged) - 2, "the ballast made room for a while"
        assert len(acknowledged) == len(events_in(path))
        assert () == verify_chain(path)


def write_until_full(store: SqliteStore) -> list[bool]:
    """For each batch that was acknowledged whether the ballast was still there after it."""
    acknowledged: list[bool] = []

    def write_for_ever() -> None:
        while True:
            store.write(one(len(acknowledged) + 1, size=50_000))
            acknowledged.append(ballast(store.path).exists())

    with pytest.raises(StoreError, match="full"):
        write_for_ever()
    return acknowledged


@contextmanager
def small_disk(place: Path, *, megabytes: int) -> Iterator[Path]:
    """A file system of its own; only root may make one."""
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    if os.geteuid() != 0 or mount is None or subprocess.run(command, check=False).returncode:
        pytest.skip("file systems cannot be made here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_ballast_is_laid_again_when_there_is_room(path: Path) -> None:
    with opened(path, ballast_bytes=PAGE) as store:
        ballast(path).unlink()
        store.tidy(0)
        assert PAGE == ballast(path).stat().st_size


def test_ballast_is_not_laid_where_it_would_fill_the_disk(path: Path) -> None:
    with opened(path, ballast_bytes=2**60):
        assert not ballast(path).exists()


# --- a disk that fails

FAILS = """
import resource, sys
from pathlib import Path
from gatewayd.journal.store import StoreError
from tests.journals import live, opened
with opened(Path(sys.argv[1])) as store:
    live(store, [1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(sys.argv[1] + "-wal").stat().st_size,) * 2)
    try:
        live(store, range(2, 100))
    except StoreError as error:
        print(error)
"""


def test_a_failing_disk_stops_everything_and_leaves_what_was_acknowledged(path: Path) -> None:
    command = [sys.executable, "-c", FAILS, str(path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "the journal cannot be written: disk I/O error\n" == run.stdout
    with opened(path) as store:
        assert 7 == len(store.read(1))
        assert [] == store.read(2)
        assert () == verify(path).problems


def test_after_a_failure_the_next_batch_does_not_hang_on_a_chain_that_never_landed(
    path: Path,
) -> None:
    with opened(path) as store:
        begin(store, [1])
        with pytest.raises(StoreError, match="UNIQUE"):
            store.write([*one(2), *one(1)])
        begin(store, [3])
    assert () == verify(path).problems
    assert {1, 3} == {number for _, number, *_ in events_in(path)}
