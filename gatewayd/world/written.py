"""Writes a world's whole journal into a real store, as it came, and has it verified as an operator would.

So the store in memory that worlds run on is held to the one on disk, over histories that nobody thought of; and the
hash chain is looked at, which memory has none of.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from gatewayd.io.journal_verify import verify
from gatewayd.io.sqlite_store import SqliteStore
from gatewayd.journal.memory import MemoryStore

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a directory of its own is made there


def problems(store: MemoryStore, dice: random.Random) -> Iterator[str]:
    """What a store on disk makes otherwise of all that this one was given, in words."""
    quick = str(_SHARED_MEMORY) if _SHARED_MEMORY.is_dir() else None
    is_open = set(store.open_numbers())
    with TemporaryDirectory(dir=quick) as place:
        path = Path(place) / "gatewayd.db"
        disk = SqliteStore(path, ballast_bytes=0, make_secret=dice.randbytes)
        try:
            for batch, searches in store.written():
                disk.write(batch, searches)
            for number in store.numbers():
                if disk.read(number) != store.read(number):
                    yield f"{number}: not the events that memory has"
            if [number for number, _ in disk.read_open()] != sorted(is_open):
                yield "others are open than in memory"
        finally:
            disk.close()
        for problem in verify(path, is_finished=lambda each: each.number not in is_open).problems:
            yield str(problem)
