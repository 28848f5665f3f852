"""Finds the Chromium that the browser tests drive.

Debian's package is used as it is, for no browser of playwright's own is ever downloaded. Standard
library only: `tests/__main__.py` asks before anything is installed.
"""

import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = (
    "the browser tests need Chromium and found none of "
    + ", ".join(NAMES)
    + " on the PATH: apt-get install chromium"
)


def find() -> str | None:
    """The program's path, or None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path is not None), None)
