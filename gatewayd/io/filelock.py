"""One daemon owns a journal: a lock file beside it, held for as long as the process lives.

The lock is the kernel's, not the file's existence, so that a crash leaves nothing behind that somebody must remove.
The file itself stays: removing it would let two processes lock two files of one name.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gatewayd.io.ownership import give_to_owner

_PID_BYTES: Final = 32


class Locked(Exception):
    """Another process holds it. The text names the file and, where it can be read, the process."""


class FileLock:
    """Holds `path` from its making until `release`. Locked if another process does, OSError if it cannot be made."""

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            give_to_owner(self._file, path.parent)
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, b"%d\n" % os.getpid(), 0)
        except BlockingIOError:
            holder = os.pread(self._file, _PID_BYTES, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            by = f" (process {holder})" if holder.isdigit() else ""
            raise Locked(f"{path} is held by another daemon{by}") from None
        except BaseException:
            os.close(self._file)
            raise

    def release(self) -> None:
        """Let others have it; once is enough, twice does no harm."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
