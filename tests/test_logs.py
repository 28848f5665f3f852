"""Log lines come out whole, masked whoever wrote them, several at once, and never at the cost of the loop."""

import asyncio
import logging
import os
import pty
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.secret import Secret
from gatewayd.engine.ports import Log
from gatewayd.io import log_sink
from gatewayd.io.log_sink import Sink
from gatewayd.io.logs import StandardHandler, open_log

WALL = 1_795_256_130.25


class Book:
    """A file that log lines are written to, and what stands in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT)

    @property
    def raw(self) -> bytes:
        return self.path.read_bytes()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.raw.splitlines()]


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path / "log")
    yield book
    os.close(book.descriptor)


@pytest.fixture
def say(book: Book) -> Iterator[Log]:
    with open_log(descriptor=book.descriptor, environ={}, wall=lambda: WALL) as say:
        yield say


def test_a_line_says_when_how_grave_and_what(say: Log, book: Book) -> None:
    say.info("verified", payment="pay_217512345678", attempt=1, gateway="saman")
    say.warning("verify lost", cause="timeout after sending")
    say.error("left to review")

    when = b'{"time":"2026-11-21T10:15:30.250Z","level":'
    assert [
        when
        + b'"info","event":"verified","payment":"pay_217512345678","attempt":1,"gateway":"saman"}',
        when + b'"warning","event":"verify lost","cause":"timeout after sending"}',
        when + b'"error","event":"left to review"}',
    ] == book.raw.splitlines()


def test_fields_called_like_our_own_do_not_replace_them(say: Log, book: Book) -> None:
    say.info("x", time="mine", level="high")

    line = book.lines[0]
    assert ("info", "mine", "high") == (line["level"], line["time_"], line["level_"])


def test_an_exception_is_told_with_its_traceback_and_without_its_secrets(
    say: Log, book: Book
) -> None:
    secret = str(os.getpid()) + "geheim"  # not as it stands in the source, which a traceback shows
    try:
        raise ValueError(f"password={secret} of 09123456789")
    except ValueError as error:
        say.error("failed", exc_info=error)
        say.error("failed", exc_info=True)
        say.error("failed", error=error)

    assert secret.encode() not in book.raw
    assert b"09123456789" not in book.raw
    assert all("ValueError: password=[hidden] of [mobile]" in str(line) for line in book.lines)
    assert book.lines[0]["exception"].startswith("Traceback")
    assert book.lines[0]["exception"] == book.lines[1]["exception"]


class Broken:
    """What cannot be looked at in any way."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


class BrokenError(Exception):
    """Neither can this."""

    __str__ = Broken.__str__


@pytest.mark.parametrize(
    "fields",
    [
        {"x": Broken()},
        {"x": BrokenError()},
        {"exc_info": BrokenError()},
        {"x": {Broken(): 1}},
        {"x": "half a pair \ud83d"},
        {"x\ud83d": 1},
        {"x": float("nan")},
        {"x": 10**5000},
    ],
    ids=["value", "error", "exc_info", "mapping", "text", "key", "float", "int"],
)
def test_whatever_is_logged_there_is_a_line(say: Log, book: Book, fields: dict[str, Any]) -> None:
    say.info("odd", **fields)

    assert 1 == len(book.lines)


@given(
    event=st.text(),
    fields=st.dictionaries(
        st.text().filter(lambda key: key not in {"event", "self"}),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters())
        | st.binary(),
    ),
)
def test_any_fields_make_exactly_one_line_of_json(event: str, fields: dict[str, Any]) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as pipe:
        with open_log(descriptor=writer, environ={}) as say:
            say.info(event, **fields)
        os.close(writer)
        lines = pipe.read().splitlines()

    assert 1 == len(lines)
    assert isinstance(orjson.loads(lines[0]), dict)


@given(
    secret=st.text(
        'abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789!#%*+-_./"\\&<é ', min_size=12, max_size=30
    ),
    where=st.sampled_from(
        ["event", "value", "key", "list", "error", "standard", "argument", "trace"]
    ),
)
def test_no_known_secret_reaches_the_bytes_by_any_way(secret: str, where: str) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as pipe:
        with open_log(descriptor=writer, environ={}, secrets=[Secret(secret)]) as say:
            match where:
                case "event":
                    say.info(f"said {secret}!")
                case "value":
                    say.info("x", note=f"said {secret}!")
                case "key":
                    say.info("x", **{f"a{secret}": 1})
                case "list":
                    say.info("x", note=[{"a": ({secret},)}])
                case "error":
                    say.info("x", note=OSError(secret))
                case "standard":
                    logging.getLogger("asyncio").error(secret)
                case "argument":
                    logging.getLogger("aiohttp").warning("got %s", secret)
                case _:
                    try:
                        raise OSError(secret)
                    except OSError as error:
                        say.error("x", exc_info=error)
        os.close(writer)
        out = pipe.read()

    assert secret.encode() not in out
    assert secret not in str(orjson.loads(out))


def test_the_standard_librarys_loggers_go_the_same_way(
    say: Log, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = [each for each in logging.getLogger().handlers if isinstance(each, StandardHandler)]
    monkeypatch.setattr(logging.getLogger(), "handlers", ours)  # and not pytest's, which raise
    logging.getLogger("asyncio").warning("card %s", "6219861034529007")
    logging.getLogger("aiohttp").info("not worth a line")
    logging.getLogger("aiohttp").error("%d", "no number")
    logging.getLogger("x").log(35, "between")
    try:
        raise ValueError("pin: 4711x")
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error handling request")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("mind the gap", UserWarning, stacklevel=1)

    lines = book.lines
    assert ("warning", "card [card]", "asyncio") == (
        lines[0]["level"],
        lines[0]["event"],
        lines[0]["logger"],
    )
    assert "a log line of aiohttp could not be made: TypeError" == lines[1]["event"]
    assert ("warning", "error") == (lines[2]["level"], lines[3]["level"])
    assert (
        lines[3]["exception"].endswith("ValueError: pin: [hidden]")
        or "[hidden]" in lines[3]["exception"]
    )
    assert b"4711x" not in book.raw
    assert "mind the gap" in lines[4]["event"]


def test_everything_is_as_before_when_the_log_is_closed(book: Book) -> None:
    def state() -> tuple[Any, ...]:
        root = logging.getLogger()
        return (
            root.handlers[:],
            root.level,
            sys.excepthook,
            threading.excepthook,
            sys.unraisablehook,
        )

    before = state()
    with open_log(descriptor=book.descriptor, environ={}):
        assert before != state()

    assert before == state()


def test_a_thread_that_crashes_says_so_in_the_log(say: Log, book: Book) -> None:
    def crash() -> None:
        raise ValueError("token=abc12345")

    thread = threading.Thread(target=crash)
    thread.start()
    thread.join()

    assert "thread crashed" == book.lines[0]["event"]
    assert b"abc12345" not in book.raw


def test_a_crash_of_the_whole_program_is_masked_too() -> None:
    program = (
        "from gatewayd.io.logs import open_log\n"
        "with open_log():\n"
        "    raise ValueError('password=' + 'geheim' + '77')\n"
    )
    run = subprocess.run((sys.executable, "-c", program), capture_output=True, check=False)

    assert 1 == run.returncode
    assert b"geheim77" not in run.stderr
    assert ["crashed"] == [orjson.loads(line)["event"] for line in run.stderr.splitlines()]


def test_for_the_service_managers_journal_each_line_begins_with_its_priority(book: Book) -> None:
    status = os.fstat(book.descriptor)
    stream = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
    with open_log(descriptor=book.descriptor, environ=stream) as say:
        say.info("a")
        say.warning("b")
        say.error("c")

    assert [b'<6>{"', b'<4>{"', b'<3>{"'] == [line[:5] for line in book.raw.splitlines()]


def test_a_journal_that_is_somebody_elses_changes_nothing(book: Book) -> None:
    with open_log(descriptor=book.descriptor, environ={"JOURNAL_STREAM": "1:1"}) as say:
        say.info("a")

    assert b"{" == book.raw[:1]


def test_a_terminal_gets_lines_for_people() -> None:
    master, terminal = pty.openpty()
    with ExitStack() as stack:
        stack.callback(os.close, master)
        stack.callback(os.close, terminal)
        with open_log(descriptor=terminal, environ={}) as say:
            say.info("verified", payment="pay_217512345678", token="abc")
        shown = os.read(master, 4096).decode()

    assert "verified" in shown
    assert "pay_217512345678" in shown
    assert "{" not in shown
    assert "abc" not in shown


class Counting:
    """Counts the writes to descriptors."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.real: Callable[[int, Any], int] = os.write

    def __call__(self, descriptor: int, data: Any) -> int:
        self.writes.append(bytes(data))
        return self.real(descriptor, data)


async def test_lines_of_several_turns_are_written_together(
    say: Log, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting()
    monkeypatch.setattr("os.write", counting)
    monkeypatch.setattr(log_sink, "GATHER_SECONDS", 3600.0)
    for number in range(9):
        say.info("x", number=number)
        await asyncio.sleep(0)
    assert [] == counting.writes
    say.error("x", number=9)

    assert 1 == len(counting.writes)
    assert list(range(10)) == [line["number"] for line in book.lines]


async def test_an_error_takes_all_lines_before_it_along_at_once(say: Log, book: Book) -> None:
    say.info("a")
    say.error("b")

    assert ["a", "b"] == [line["event"] for line in book.lines]


async def test_a_line_alone_does_not_wait_for_others(
    say: Log, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, real = asyncio.Event(), os.write

    def write(descriptor: int, data: Any) -> int:
        written.set()
        return real(descriptor, data)

    monkeypatch.setattr("os.write", write)
    say.info("a")
    await asyncio.wait_for(written.wait(), 60)

    assert ["a"] == [line["event"] for line in book.lines]


async def test_closing_writes_what_is_left(book: Book) -> None:
    with open_log(descriptor=book.descriptor, environ={}) as say:
        say.info("a")

    assert 1 == len(book.lines)


async def test_a_reader_that_does_not_read_costs_lines_and_not_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_sink, "BUFFER_BYTES_MAX", 100_000)
    monkeypatch.setattr(log_sink, "GATHER_SECONDS", 0.0)
    monkeypatch.setattr(log_sink, "RETRY_SECONDS", 0.001)
    reader, writer = os.pipe()
    sink = Sink(writer, lambda count: b"dropped %d\n" % count)
    line = b"x" * 999 + b"\n"
    for _ in range(500):
        sink.write(line)
        await asyncio.sleep(0)
    dropped = sink.dropped
    assert dropped > 300
    got = b""
    while b"after\n" not in got:
        got += os.read(reader, 65_536)
        if len(got) > 60_000:
            sink.write(b"after\n")
        await asyncio.sleep(0.002)
    sink.close()
    os.close(writer)
    os.close(reader)

    lines = got.splitlines(keepends=True)
    assert 500 - dropped == lines.count(line)
    told = [int(each.split()[1]) for each in lines if each.startswith(b"dropped")]
    assert sink.dropped == sum(told)


async def test_a_reader_that_is_gone_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_sink, "GATHER_SECONDS", 0.0)
    reader, writer = os.pipe()
    sink = Sink(writer, lambda count: b"dropped %d\n" % count)
    os.close(reader)
    for _ in range(3):
        sink.write(b"x\n")
        await asyncio.sleep(0)
    sink.close()
    os.close(writer)

    assert 0 == sink._bytes


def test_threads_write_whole_lines(say: Log, book: Book) -> None:
    def write(name: int) -> None:
        for number in range(200):
            say.info("x", thread=name, number=number)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted((name, number) for name in range(4) for number in range(200)) == sorted(
        (line["thread"], line["number"]) for line in book.lines
    )
