"""Knows whether the journal's files are still where they were opened.

Nothing fails when somebody deletes or moves a file that is open: it goes on being written, and is gone for good when
the process ends. So names are compared with what they stood for at the start.
"""

from pathlib import Path
from typing import Final

_SUFFIXES: Final = ("", "-wal")
"""The file and the log in front of it; without either a restart would not find everything."""


class Whereabouts:
    """Of one open journal."""

    def __init__(self, journal: Path) -> None:
        paths = [journal.with_name(journal.name + suffix) for suffix in _SUFFIXES]
        self._opened = {path: known for path in paths if (known := _identity(path)) is not None}

    def in_place(self) -> bool:
        """Whether the names still lead to the files that are written."""
        return all(_identity(path) == known for path, known in self._opened.items())


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
