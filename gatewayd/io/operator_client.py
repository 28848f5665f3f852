"""Talks to the running daemon over the socket file beside its journal."""

import http.client
import socket
from pathlib import Path
from typing import Any, Final

import orjson

SECONDS: Final = 60.0
"""A bank that is asked may take its time."""


class NoDaemon(Exception):
    """Nobody answers at the socket file; the text says what to do."""


class Said(Exception):
    """The daemon refused; the text says why."""


def socket_path(journal: Path) -> Path:
    """Where the daemon that owns this journal listens for its operators."""
    return journal.with_name(journal.name + ".sock")


def ask_daemon(journal: Path, method: str, target: str, body: object = None) -> Any:
    """One exchange; the answer's JSON. NoDaemon, Said."""
    path = socket_path(journal)
    connection = _Connection(path)
    try:
        connection.request(method, target, orjson.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        reason = (
            f"no daemon answers at {path} ({type(error).__name__}); is it running, and is this its journal"
            " (--journal, or GATEWAYD_JOURNAL)?"
        )
        raise NoDaemon(reason) from None
    finally:
        connection.close()
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise Said(f"the daemon answers HTTP {answer.status}; its log says more") from None
    if answer.status >= http.client.BAD_REQUEST:
        raise Said(document.get("detail", f"HTTP {answer.status}"))
    return document


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket file."""

    def __init__(self, path: Path) -> None:
        super().__init__("gatewayd", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self._path))
