"""The daemon's log: one JSON object a line on stderr, or lines for people where stderr is a terminal.

* Every line goes through the masker, whoever writes it: the engine, the standard library's loggers, a crash.
* Under a service manager that keeps a journal each line begins with its priority, `<3>` for an error.
* Lines of some milliseconds are written together; an error's at once.
"""

import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import orjson

from gatewayd.core.secret import Secret
from gatewayd.engine.ports import Log
from gatewayd.io.log_sink import Sink
from gatewayd.io.masking import Masker, describe

STDERR: Final = 2
_PRIORITIES: Final = {
    "debug": b"<7>",
    "info": b"<6>",
    "warning": b"<4>",
    "error": b"<3>",
    "critical": b"<2>",
}
_OURS: Final = frozenset({"time", "level", "event"})
AROUND_MAX: Final = 512
"""Events whose lines' beginnings are remembered: ours are some hundred, others' messages are endless."""
_AT_ONCE: Final = frozenset({"error", "critical"})


class Lines:
    """Makes lines out of events, and writes them."""

    def __init__(
        self,
        descriptor: int,
        *,
        masker: Masker,
        wall: Callable[[], float],
        priorities: bool,
        console: bool,
    ) -> None:
        self.sink = Sink(descriptor, self._tell_dropped)
        self._masker = masker
        self._wall = wall
        self._priorities = priorities
        self._console = _console() if console else None
        self._around: dict[tuple[str, object], tuple[bytes, bytes]] = {}
        self._second = -1
        self._stamp = b""

    def put(self, level: str, event: object, fields: Mapping[str, Any]) -> None:
        """Write a line. Whatever the fields are there is one, and nothing is raised."""
        try:
            line = self._line(level, event, fields)
        except Exception as error:  # noqa: BLE001  # a log line must never cost a payment
            excuse = {"error": type(error).__name__}
            line = self._line(level, "a log line could not be made", excuse)
        self.sink.write(line)
        if level in _AT_ONCE:
            self.sink.flush()

    def _line(self, level: str, event: object, fields: Mapping[str, Any]) -> bytes:
        if "exc_info" in fields:
            fields = _with_exception(fields)
        masked = self._masker.fields(fields)
        if not _OURS.isdisjoint(masked):
            masked = {f"{key}_" if key in _OURS else key: value for key, value in masked.items()}
        if self._console is not None:
            ours = {
                "level": level,
                "event": self._masker.value(event),
                "timestamp": self._now().decode(),
            }
            return f"{self._console(None, level, {**ours, **masked})}\n".encode(
                "utf-8", "backslashreplace"
            )
        before, after = self._around.get((level, event)) or self._learn(level, event)
        rest = _json(masked)
        between = b"," if masked else b""
        return b"%b%b%b%b%b\n" % (before, self._now(), after, between, rest[1:])

    def _learn(self, level: str, event: object) -> tuple[bytes, bytes]:
        """What stands around the time in lines that say this: the same few over and over."""
        priority = _PRIORITIES[level] if self._priorities else b""
        told = _json({"level": level, "event": self._masker.value(event)})
        around = priority + b'{"time":"', b'",' + told[1:-1]
        if isinstance(event, str):
            if len(self._around) >= AROUND_MAX:
                self._around.clear()
            self._around[level, event] = around
        return around

    def _now(self) -> bytes:
        second, milli = divmod(int(self._wall() * 1000), 1000)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        return b"%b.%03dZ" % (self._stamp, milli)

    def _tell_dropped(self, count: int) -> bytes:
        return self._line("warning", "log lines dropped", {"count": count})


class Logger:
    """Fulfils `engine.ports.Log`: a line is masked, written down and forgotten, with nothing bound or filtered.

    structlog, which does all that, cost a line twice as much as making it; it only dresses lines for people.
    """

    def __init__(self, lines: Lines) -> None:
        self._put = lines.put

    def info(self, event: str, **fields: Any) -> None:
        """What happened as it should."""
        self._put("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """What somebody should look at."""
        self._put("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """What somebody must look at."""
        self._put("error", event, fields)


class StandardHandler(logging.Handler):
    """Takes what the standard library's loggers say."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        level = level if level in _PRIORITIES else "warning"
        try:
            event = record.getMessage()
        except Exception as error:  # noqa: BLE001  # a wrong format string of somebody else's
            event = f"a log line of {record.name} could not be made: {type(error).__name__}"
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        self._lines.put(level, event, fields)


@contextmanager
def open_log(
    *,
    secrets: Iterable[Secret] = (),
    descriptor: int = STDERR,
    environ: Mapping[str, str] = os.environ,
    wall: Callable[[], float] = time.time,
) -> Iterator[Log]:
    """The log, for as long as the block runs; what other loggers, threads and crashes say goes there as well.

    The secrets are hidden wherever they turn up. Crashes that leave the block are still written through it.
    """
    lines = Lines(
        descriptor,
        masker=Masker(secrets),
        wall=wall,
        priorities=_goes_to_journal(descriptor, environ),
        console=os.isatty(descriptor),
    )
    log = Logger(lines)
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook, threading.excepthook, sys.unraisablehook
    root.handlers[:] = [StandardHandler(lines)]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda _, error, __: log.error("crashed", exc_info=error)
    threading.excepthook = lambda crash: log.error("thread crashed", exc_info=crash.exc_value)
    sys.unraisablehook = lambda crash: log.error("error ignored", exc_info=crash.exc_value)
    try:
        yield log
    finally:
        if sys.exc_info()[0] is None:
            sys.excepthook = before[2]
        root.handlers[:], threading.excepthook, sys.unraisablehook = before[0], before[3], before[4]
        root.setLevel(before[1])
        logging.captureWarnings(capture=False)
        lines.sink.close()


def _json(document: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:  # half of a surrogate pair is no UTF-8
        text = json.dumps(document, ensure_ascii=False)
        return text.encode("utf-8", "replace")


def _console() -> Callable[[Any, str, dict[str, Any]], str]:
    """What dresses lines for people."""
    import structlog  # noqa: PLC0415 - a service does without it

    return structlog.dev.ConsoleRenderer()


def _goes_to_journal(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Whether this very descriptor is the service manager's journal."""
    status = os.fstat(descriptor)
    return environ.get("JOURNAL_STREAM", "") == f"{status.st_dev}:{status.st_ino}"


def _with_exception(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with the traceback as text instead of `exc_info`."""
    rest = dict(fields)
    given = rest.pop("exc_info")
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        try:
            rest["exception"] = "".join(traceback.format_exception(error)).rstrip()
        except Exception:  # noqa: BLE001  # an exception that cannot even be printed
            rest["exception"] = describe(error)
    return rest
