"""When payments need something next: each is noted once, for one time.

There is a note for every open payment, of which there may be hundreds of thousands, so a note is one number: the time
in milliseconds above, the payment's number below. What was noted for another time since, or struck out, is passed
over when its time comes.

Pure: what time it is comes in as an argument.
"""

import heapq
from typing import Final

NUMBER_BITS: Final = 48
"""A payment's number counts milliseconds since 2020: these last for nine thousand years."""
_NUMBER: Final = (1 << NUMBER_BITS) - 1
STALE_MIN: Final = 64
"""Notes that nobody means any more are cleared away when there are so many beside half as many as are meant."""


class Agenda:
    """One per engine."""

    def __init__(self) -> None:
        self._notes: dict[int, int] = {}
        self._heap: list[int] = []

    def note(self, number: int, due_ms: int) -> bool:
        """This payment needs something then, and not when it was noted for before. Whether it is now the first."""
        note = due_ms << NUMBER_BITS | number
        if self._notes.get(number) == note:
            return False
        self._notes[number] = note
        heapq.heappush(self._heap, note)
        if 2 * len(self._heap) > 3 * len(self._notes) + 2 * STALE_MIN:
            self._heap = sorted(self._notes.values())
        return self._heap[0] == note

    def strike(self, number: int) -> None:
        """This payment needs nothing that is known."""
        self._notes.pop(number, None)

    def take(self, now_ms: int) -> int | None:
        """A payment that is due, the longest due first; it is struck out. None if none is."""
        heap = self._heap
        while heap and heap[0] >> NUMBER_BITS <= now_ms:
            note = heapq.heappop(heap)
            number = note & _NUMBER
            if self._notes.get(number) == note:
                del self._notes[number]
                return number
        return None

    def first_ms(self) -> int | None:
        """Nothing is due before then; None: nothing is noted."""
        return self._heap[0] >> NUMBER_BITS if self._heap else None
