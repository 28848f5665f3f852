"""What an event that shops are told of is called: its place in the order of all, and a digest of what it is about.

The place makes it a cursor. The digest keeps it from ever naming two things: a journal that was restored from a backup
gives places a second time, and a receiver that has seen an id would drop what is new.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Final

from gatewayd.journal.store import Told

ReadNotices = Callable[[int, str | None, int], Awaitable[list[Told]]]
"""What is to be told after a place, of a shop or (None) of all, so many at most."""
_ID: Final = re.compile(r"evt_([1-9][0-9]{0,17})_([0-9a-f]{8})\Z")


def event_id(told: Told) -> str:
    """`evt_1042_6fe21a77`"""
    notice = told.notice
    text = f"{told.number}|{notice.version}|{notice.type}|{notice.at_ms}"
    return f"evt_{told.seq}_{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"


async def find_told(text: str, whose: str | None, notices: ReadNotices) -> Told | None:
    """What this id names, if it is this shop's (None: anybody's); None for no id, and for what is not there."""
    seq = place_of(text)
    found = await notices(seq - 1, whose, 1) if seq is not None else []
    return found[0] if found and event_id(found[0]) == text else None


def place_of(text: str) -> int | None:
    """The place that an id names; None for what is no id. Whether it is that event's, its own `event_id` says."""
    found = _ID.match(text)
    return int(found[1]) if found else None
