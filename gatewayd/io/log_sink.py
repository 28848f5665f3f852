"""Writes log lines to a descriptor, those of some milliseconds at once, and never stands still for whoever reads them.

* Lines wait for those that come with them; outside of a loop, and after an error line, they are written at once.
* A reader that does not read costs lines, not payments: what does not fit into the buffer is dropped and counted, and
  the next line that does get through is preceded by the count.
* It may be used from any thread.
"""

import asyncio
import os
import select
import threading
from collections.abc import Callable
from typing import Final

BUFFER_BYTES_MAX: Final = 4_194_304
"""Some ten thousand lines: what a daemon under full load logs in a few seconds."""
CHUNK_BYTES: Final = 4_096
"""As much as a pipe that is ready takes without waiting."""
GATHER_SECONDS: Final = 0.01
"""How long a line waits for others: a busy daemon's turns are so short that most would leave alone, at the cost of two
system calls each. A process that is killed takes the lines of so long with it."""
RETRY_SECONDS: Final = 0.05
CLOSE_MS: Final = 1_000
"""How long the last lines wait for their reader."""


class Sink:
    """A buffer in front of `descriptor`, which it does not close. `tell_dropped` makes the line that says how many."""

    def __init__(self, descriptor: int, tell_dropped: Callable[[int], bytes]) -> None:
        self._descriptor = descriptor
        self._tell_dropped = tell_dropped
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._bytes = 0
        self._rest = memoryview(b"")
        self._scheduled = False
        self._untold = 0
        self.dropped = 0
        """Lines that were lost, since the start."""
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLOUT)

    def write(self, line: bytes) -> None:
        """Take one line, its end included."""
        with self._lock:
            if self._bytes + len(line) > BUFFER_BYTES_MAX:
                self.dropped += 1
                self._untold += 1
                return
            self._lines.append(line)
            self._bytes += len(line)
            if self._scheduled:
                return
            try:
                asyncio.get_running_loop().call_later(GATHER_SECONDS, self._flush_later)
            except RuntimeError:
                self._write_out(0)
            else:
                self._scheduled = True

    def flush(self) -> None:
        """Write what can be written now."""
        with self._lock:
            self._write_out(0)

    def close(self) -> None:
        """Write everything, waiting a little for a slow reader."""
        with self._lock:
            self._write_out(CLOSE_MS)

    def _flush_later(self) -> None:
        with self._lock:
            self._scheduled = False
            if not self._write_out(0):
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._flush_later)
                self._scheduled = True

    def _write_out(self, wait_ms: int) -> bool:
        """Whether everything is out; what the reader has gone away from is out as well."""
        while self._rest or self._lines:
            if not self._rest:
                self._gather()
            try:
                if not self._ready.poll(wait_ms):
                    return False
                written = os.write(self._descriptor, self._rest[:CHUNK_BYTES])
            except BlockingIOError:
                return False
            except OSError:
                self._rest = memoryview(b"")
                self._bytes = sum(map(len, self._lines))
                return True
            self._rest = self._rest[written:]
            self._bytes -= written
        return True

    def _gather(self) -> None:
        if self._untold:
            told = self._tell_dropped(self._untold)
            self._untold = 0
            self._lines.insert(0, told)
            self._bytes += len(told)
        self._rest = memoryview(b"".join(self._lines))
        self._lines.clear()
