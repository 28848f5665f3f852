"""Tells the service manager how the daemon is: a datagram of a few words, or nothing where nobody listens.

A message that cannot be delivered is no reason to fail: the manager will find out by its own means.
"""

import os
import socket
import time
from collections.abc import Mapping
from typing import Final

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
WATCHDOG: Final = "WATCHDOG=1"

_SEND_SECONDS: Final = 1.0
"""The manager reads at once; longer than this and the daemon would stand still for it."""


def notify(*words: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send these `NAME=value` words in one message; whether it went out."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    message = "\n".join(word.replace("\n", " ") for word in words)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.settimeout(_SEND_SECONDS)
        try:
            sender.connect("\0" + address[1:] if address.startswith("@") else address)
            sender.sendall(message.encode())
        except OSError:
            return False
    return True


def status(text: str) -> str:
    """The word for what `systemctl status` shows."""
    return f"STATUS={text}"


def reloading() -> tuple[str, str]:
    """The words for a reload that begins now; without the time the manager would wait for ever. READY ends it."""
    return "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1_000}"


def watchdog_seconds(environ: Mapping[str, str] = os.environ) -> float | None:
    """Within how many seconds the manager wants to hear WATCHDOG again and again; None if it does not watch us."""
    limit = environ.get("WATCHDOG_USEC", "")
    watched = environ.get("WATCHDOG_PID", "")
    if not limit.isdecimal() or (watched and watched != str(os.getpid())):
        return None
    return int(limit) / 1_000_000 or None
