"""What operators do with a journal as a file: nothing is overwritten, and nothing wrong goes unseen."""

import hashlib
import io
import stat
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from bench.lives import created, creation_guards
from gatewayd.core.payment import Payment
from gatewayd.io.boot import lock_path
from gatewayd.io.filelock import FileLock, Locked
from gatewayd.io.journal_tools import Damaged, NotDone, backup, export, rebuild_search, restore
from gatewayd.io.journal_verify import PROBLEMS_MAX, Problem, verify
from gatewayd.io.sqlite_schema import UnusableStore
from gatewayd.journal import chain
from tests.journals import MANY, begin, counted, journal, live, opened, payments, sql


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of three finished payments and one open one: 24 events."""
    path = tmp_path / "journal.db"
    with opened(path) as store:
        live(store, (1, 2, 3))
        begin(store, [4])
    return path


def other(count: int) -> bytes:
    return b"\x77" * count


# --- verify


def test_a_whole_journal_has_no_problems(path: Path) -> None:
    verified = verify(path)
    assert () == verified.problems
    assert (24, 4, 0) == (verified.events, verified.payments, verified.erased)


def test_a_journal_is_looked_at_while_a_daemon_writes_it(path: Path) -> None:
    with opened(path) as store:
        live(store, [5])
        assert () == verify(path).problems


def test_search_columns_that_are_still_on_their_way_are_no_problem(path: Path) -> None:
    with opened(path) as store:
        memory = journal()
        memory.append(5, created(5), takes=creation_guards(5))
        memory.batch_landed(store.write(memory.take_batch(MANY)))
    assert () == verify(path).problems


def test_how_far_it_is_can_be_shown(path: Path) -> None:
    shown: list[tuple[str, int, int]] = []
    verify(path, progress=lambda what, done, total: shown.append((what, done, total)))
    assert [("chain", 24, 24), ("payments", 24, 24)] == shown


def recomputed(path: Path, seq: int) -> None:
    """Give a changed event the hash that fits it: a forger's work, up to the next event."""
    ((previous,),) = sql(path, "SELECT hash FROM events WHERE seq = ?", seq - 1)
    ((writer, number, version, kind, at_ms, body, private),) = sql(
        path,
        "SELECT writer, number, version, kind, at_ms, body, private FROM events WHERE seq = ?",
        seq,
    )
    forged = chain.link(
        previous,
        writer=writer,
        seq=seq,
        number=number,
        version=version,
        kind=kind,
        at_ms=at_ms,
        body=body,
        private=private,
    )
    sql(path, "UPDATE events SET hash = ? WHERE seq = ?", forged, seq)


@pytest.mark.parametrize(
    "change",
    [
        "body = CAST(replace(CAST(body AS TEXT), '1', '2') AS BLOB)",
        "at_ms = at_ms + 1",
        "kind = 'Closed'",
        "writer = 'somebody'",
        "private = x'00112233445566778899aabbccddeeff'",
        "hash = zeroblob(32)",
    ],
)
@pytest.mark.parametrize("seq", [1, 10, 24])
def test_a_change_of_any_event_is_seen_at_its_place(path: Path, change: str, seq: int) -> None:
    sql(path, f"UPDATE events SET {change} WHERE seq = ?", seq)
    assert seq in {problem.seq for problem in verify(path).problems}


def test_a_change_with_the_hash_to_fit_it_is_seen_at_the_next_event(path: Path) -> None:
    sql(path, "UPDATE events SET at_ms = at_ms + 1 WHERE seq = 10")
    recomputed(path, 10)
    ((number,),) = sql(path, "SELECT number FROM events WHERE seq = 11")
    what = "the hash does not fit: it was changed, or what this writer wrote before it was"
    assert (Problem(what=what, seq=11, number=number),) == verify(path).problems


@pytest.mark.parametrize("seq", [1, 10, 24])
def test_a_removed_event_is_seen(path: Path, seq: int) -> None:
    sql(path, "DELETE FROM events WHERE seq = ?", seq)
    assert () != verify(path).problems


def test_events_cut_off_at_the_end_are_betrayed_by_what_was_derived_from_them(path: Path) -> None:
    sql(path, "DELETE FROM events WHERE seq > 20")
    assert {
        "events 21 to 24 are missing at the end",
        "payment 3: its search columns do not fit its events",
        "payment 4: a notice is left of events that are missing",
    } <= set(map(str, verify(path).problems))


def test_an_event_put_in_is_seen(path: Path) -> None:
    sql(path, "UPDATE events SET seq = seq + 100 WHERE seq > 10")
    sql(path, "UPDATE events SET seq = seq - 99 WHERE seq > 100")
    sql(
        path,
        "INSERT INTO events SELECT 11, writer, number, version + 1, kind, at_ms, body, private,"
        " hash FROM events WHERE number = 4 AND version = 3",
    )
    assert 11 in {problem.seq for problem in verify(path).problems}


def test_events_in_another_order_are_seen(path: Path) -> None:
    sql(path, "UPDATE events SET seq = 99 WHERE seq = 10")
    sql(path, "UPDATE events SET seq = 10 WHERE seq = 11")
    sql(path, "UPDATE events SET seq = 11 WHERE seq = 99")
    assert {10, 11} <= {problem.seq for problem in verify(path).problems}


@pytest.mark.parametrize("change", ["body = x'7b7d'", "salt = x'00'"])
def test_a_changed_private_part_is_seen(path: Path, change: str) -> None:
    sql(path, f"UPDATE private SET {change} WHERE number = 2 AND version = 1")
    what = "the private part is not the one that was written"
    assert Problem(what=what, seq=2, number=2) in verify(path).problems


def test_erasing_a_person_leaves_the_journal_whole(path: Path) -> None:
    sql(path, "DELETE FROM private WHERE number = 2")
    verified = verify(path)
    assert () == verified.problems
    assert 3 == verified.erased


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE search SET status = 'paid' WHERE number = 4", "search columns do not fit"),
        ("DELETE FROM search WHERE number = 1", "search columns do not fit"),
        ("DELETE FROM payments WHERE number = 1", "not among the payments"),
        ("INSERT INTO payments VALUES (9, 1)", "payment is left of events that are missing"),
        (
            "INSERT INTO search VALUES (9, 'main', 'o', 'paid', '', 1, 1, 0)",
            "search columns is left of events that are missing",
        ),
        ("INSERT INTO guards VALUES ('order', 'x', 9, '', 1, 1)", "guard is left of events"),
        ("INSERT INTO outbox VALUES (99, 4, 9, 'main', 'payment.paid', 1)", "notice is left of"),
        ("INSERT INTO private VALUES (4, 9, x'', x'')", "private part is left of events"),
        ("UPDATE payments SET is_open = 0 WHERE number = 4", "open and not marked so"),
        ("UPDATE payments SET is_open = 1 WHERE number = 1", "finished and not marked so"),
    ],
)
def test_what_does_not_fit_the_events_is_seen(path: Path, statement: str, problem: str) -> None:
    sql(path, statement)
    verified = verify(path, is_finished=finished)
    assert [True] == [problem in str(found) for found in verified.problems]


def finished(payment: Payment) -> bool:
    return payment.kept is not None


def test_an_event_of_an_unknown_kind_is_named(path: Path) -> None:
    sql(path, "UPDATE events SET kind = 'Teleported' WHERE number = 4 AND version = 2")
    assert any("Teleported" in str(problem) for problem in verify(path).problems)


def test_a_file_with_a_broken_page_is_told_so(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[2 * 4096 : 3 * 4096] = b"\xa5" * 4096
    path.write_bytes(raw)
    assert () != verify(path).problems


def test_no_more_problems_are_told_than_anybody_reads(path: Path) -> None:
    with opened(path) as store:
        live(store, range(10, 40))
    sql(path, "UPDATE events SET at_ms = at_ms + 1")
    assert PROBLEMS_MAX == len(verify(path).problems)


@pytest.mark.parametrize("content", [None, b"", b"no database at all" * 100])
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "something"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnusableStore):
        verify(path)


# --- export


def exported(path: Path, *, private: bool = False) -> list[dict[str, object]]:
    out = io.BytesIO()
    count = export(path, out, private=private)
    lines = [orjson.loads(line) for line in out.getvalue().splitlines()]
    assert count == len(lines)
    return lines


def test_every_event_is_exported_in_order_and_nothing_private(path: Path) -> None:
    lines = exported(path)
    assert list(range(1, 25)) == [line["seq"] for line in lines]
    assert "Created" == lines[0]["kind"]
    out = io.BytesIO()
    export(path, out)
    assert b"0912" not in out.getvalue()
    assert b"621986" not in out.getvalue()


def test_an_export_can_be_checked_without_the_journal(path: Path) -> None:
    out = io.BytesIO()
    export(path, out)
    tail = chain.GENESIS
    for raw in out.getvalue().splitlines():
        line = orjson.loads(raw)
        body = raw[raw.index(b'"body":') + 7 : raw.index(b',"private_digest"')]
        digest = line["private_digest"]
        tail = chain.link(
            tail,
            writer=line["writer"],
            seq=line["seq"],
            number=line["number"],
            version=line["version"],
            kind=line["kind"],
            at_ms=line["at_ms"],
            body=body,
            private=None if digest is None else bytes.fromhex(digest),
        )
        assert tail.hex() == line["hash"]


def test_private_parts_are_exported_when_asked_for(path: Path) -> None:
    created = exported(path, private=True)[0]
    private = created["private"]
    assert isinstance(private, dict)
    assert "09120000001" == private["payer"]["mobile"]
    salt = bytes.fromhex(str(created["salt"]))
    digest = hashlib.sha256(salt + orjson.dumps(private)).digest()[:16]
    assert digest.hex() == created["private_digest"]


# --- backup and restore


def test_a_backup_is_whole_and_for_nobody_else_to_read(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    backup(path, target)
    assert () == verify(target).problems
    assert 0o600 == stat.S_IMODE(target.stat().st_mode)
    assert [] == [found.name for found in tmp_path.iterdir() if "unfinished" in found.name]


def test_a_backup_is_of_one_moment_although_the_daemon_goes_on(path: Path, tmp_path: Path) -> None:
    target, steps = tmp_path / "backup.db", 0
    with opened(path) as store:
        live(store, range(1_000, 1_600))
        numbers = iter(range(2_000, 3_000))

        def write_meanwhile() -> None:
            nonlocal steps
            steps += 1
            live(store, [next(numbers)])
            store.fold_back()

        backup(path, target, pause=write_meanwhile)
        assert 2 <= steps
        assert 604 + steps == len(payments(store))
    verified = verify(target)
    assert () == verified.problems
    assert 604 == verified.payments


@pytest.mark.parametrize("work", [backup, restore])
def test_nothing_is_overwritten(
    path: Path, tmp_path: Path, work: Callable[[Path, Path], object]
) -> None:
    target = tmp_path / "there"
    target.write_text("precious")
    with pytest.raises(NotDone, match="there already"):
        work(path, target)
    assert "precious" == target.read_text()


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_nothing_is_restored_beside_what_is_left_of_another_journal(
    path: Path, tmp_path: Path, ending: str
) -> None:
    (tmp_path / f"new.db{ending}").touch()
    with pytest.raises(NotDone, match="there already"):
        restore(path, tmp_path / "new.db")


def test_a_failed_backup_leaves_nothing_behind(path: Path, tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        backup(path, tmp_path / "backup.db", pause=fail)
    assert [] == [found for found in tmp_path.iterdir() if found.name.startswith("backup")]


def test_where_there_is_no_journal_nothing_is_left_behind(tmp_path: Path) -> None:
    missing = tmp_path / "missing.db"
    with pytest.raises(UnusableStore, match="there is no journal"):
        rebuild_search(missing)
    with pytest.raises(UnusableStore, match="there is no journal"):
        restore(missing, tmp_path / "new.db")
    assert [] == list(tmp_path.iterdir())


def test_a_restored_journal_goes_on_under_a_name_of_its_own(path: Path, tmp_path: Path) -> None:
    saved, target = tmp_path / "backup.db", tmp_path / "new" / "journal.db"
    target.parent.mkdir()
    backup(path, saved)
    assert 24 == restore(saved, target, make_secret=other).events
    with opened(path) as old, opened(target) as new:
        assert old.writer != new.writer
        assert old.link_key == new.link_key
        assert payments(old) == payments(new)
        live(old, [5])
        live(new, [6])
    assert () == verify(target).problems
    writers = sql(target, "SELECT DISTINCT writer FROM events ORDER BY seq")
    assert [(counted(6).hex(),), (other(6).hex(),)] == writers


def test_a_damaged_backup_is_not_restored(path: Path, tmp_path: Path) -> None:
    sql(path, "UPDATE events SET at_ms = at_ms + 1 WHERE seq = 10")
    with pytest.raises(Damaged) as caught:
        restore(path, tmp_path / "new.db")
    assert 10 == caught.value.problems[0].seq
    assert not (tmp_path / "new.db").exists()


def test_nothing_is_restored_under_a_running_daemon(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.db"
    with FileLock(lock_path(target)), pytest.raises(Locked):
        restore(path, target)


# --- search columns


def test_search_columns_can_be_built_anew(path: Path) -> None:
    before = sql(path, "SELECT * FROM search ORDER BY number")
    sql(path, "UPDATE search SET status = 'nonsense', order_id = 'x' WHERE number < 3")
    sql(path, "DELETE FROM search WHERE number = 3")
    sql(path, "INSERT INTO search VALUES (99, 'main', 'o', 'paid', '', 1, 1, 0)")
    assert 4 == rebuild_search(path)
    assert before == sql(path, "SELECT * FROM search ORDER BY number")
    assert () == verify(path).problems
    with opened(path) as store:
        assert [] == store.unsearched()


def test_a_daemon_that_runs_builds_its_own_search_columns(path: Path) -> None:
    with FileLock(lock_path(path)), pytest.raises(Locked):
        rebuild_search(path)
