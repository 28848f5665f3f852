"""A flag that one task waits for: what `asyncio.Event` is for many, at less than half its cost.

The loops that live as long as the process wake several times per payment, each for nobody but itself.
"""

import asyncio


class Bell:
    """Rung by whoever has something; heard by the one task that looks after it."""

    __slots__ = ("_is_rung", "_waiting")

    def __init__(self) -> None:
        self._is_rung = False
        self._waiting: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """There is something to do."""
        self._is_rung = True
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def hush(self) -> None:
        """What was rung for so far is being seen to."""
        self._is_rung = False

    async def heard(self) -> None:
        """Until it is rung; at once if it has been since it was last hushed."""
        if not self._is_rung:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
