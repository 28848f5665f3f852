"""A sliding window of one gateway's payments, filed by the time they began, not by the time their outcome came.

Outcomes come a minute or more after the payment began, and for some they never come. Filed by start, a payment that
should have returned by now and has not is visible as missing; filed by arrival, a page that is down shows nothing.
"""

from collections import deque
from typing import Final

BUCKET_SECONDS: Final = 10.0
"""Well under the median time payers take (70 s), so that a change can be placed; finer gains nothing."""
WINDOW_SECONDS: Final = 600.0
"""Ten minutes: nearly every payer who comes back is back by then."""


class Bucket:
    """The payments that began within ten seconds, and what became of them so far."""

    __slots__ = ("delays", "failed", "index", "paid", "returned", "started")

    def __init__(self, index: int) -> None:
        self.index = index
        self.started = 0
        self.returned = 0
        self.paid = 0
        self.failed = 0
        self.delays: list[int] = []


class Window:
    """The buckets of the last ten minutes, empty ones left out."""

    def __init__(self) -> None:
        self.buckets: deque[Bucket] = deque()

    def begin(self, now: float) -> Bucket:
        """The bucket of a payment that begins now."""
        index = int(now // BUCKET_SECONDS)
        if not self.buckets or self.buckets[-1].index < index:
            self.buckets.append(Bucket(index))
        bucket = self.buckets[-1]
        bucket.started += 1
        return bucket

    def leave(self, now: float) -> list[Bucket]:
        """Takes out and returns the buckets that are older than the window."""
        oldest = int((now - WINDOW_SECONDS) // BUCKET_SECONDS)
        left = []
        while self.buckets and self.buckets[0].index < oldest:
            left.append(self.buckets.popleft())
        return left
