"""The hash chain: each event names the one that the same writer wrote before it.

A row that was changed, removed or put in afterwards breaks the chain at that place, and `journal verify` says where.
What is private is bound by a salted digest only, so that it can be erased without breaking anything.
"""

import hashlib
from typing import Final

GENESIS: Final = bytes(32)
"""What the first event of a writer is chained to."""


def private_digest(salt: bytes, private: bytes) -> bytes:
    """What an event says of its private part."""
    return hashlib.sha256(salt + private).digest()[:16]


def link(
    previous: bytes,
    *,
    writer: str,
    seq: int,
    number: int,
    version: int,
    kind: str,
    at_ms: int,
    body: bytes,
    private: bytes | None,
) -> bytes:
    """The hash of an event. `private` is the digest of its private part."""
    head = f"{writer}|{seq}|{number}|{version}|{kind}|{at_ms}|{(private or b'').hex()}|"
    return hashlib.sha256(previous + head.encode() + body).digest()
