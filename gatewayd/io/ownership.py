"""Files that root makes in the folder of a service's own user belong to that user, as SQLite does it for its files.

Otherwise a journal that root has restored is one that the daemon cannot open.
"""

import os
from contextlib import suppress
from pathlib import Path


def give_to_owner(file: int, folder: Path) -> None:
    """Make the open `file` belong to whoever owns `folder`, if we are root and the file system knows owners."""
    if os.geteuid() == 0:
        with suppress(OSError):
            owner = folder.stat()
            os.fchown(file, owner.st_uid, owner.st_gid)
