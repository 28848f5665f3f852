"""What operators see and order of webhooks: receivers, resending, replaying, enabling."""

from typing import Any

from gatewayd.engine.event_ids import ReadNotices, find_told
from gatewayd.engine.operating import Refused
from gatewayd.engine.outbox import Outbox, Unknown
from gatewayd.engine.ports import Log
from gatewayd.journal.store import Told


class Posting:
    """One per daemon; without an outbox it has no receivers."""

    def __init__(self, outbox: Outbox | None, notices: ReadNotices, log: Log) -> None:
        self._outbox = outbox
        self._notices = notices
        self._log = log

    def receivers(self) -> list[dict[str, Any]]:
        """How each stands."""
        return self._outbox.summary() if self._outbox is not None else []

    async def resend(self, event: str, *, by: str) -> str:
        """Send one event again to everybody who wants it; what was done in words."""
        told = await self._told(event)
        names = self._there().resend(told)
        if not names:
            raise Refused("no receiver of that shop wants such events")
        self._log.info("webhook sent again", webhook=event, by=by)
        return f"{event} goes to {', '.join(names)}"

    async def replay(self, receiver: str, after: str, *, by: str) -> str:
        """Send everything after an event again, in order; empty: from the very first on."""
        seq = (await self._told(after)).seq if after else 0
        try:
            self._there().replay(receiver, seq)
        except Unknown:
            raise Refused(f"there is no receiver {receiver[:80]!r}") from None
        self._log.info("webhooks replayed", receiver=receiver, after=after, by=by)
        return f"everything after {after or 'the beginning'} goes to {receiver} again"

    def enable(self, receiver: str, *, by: str) -> str:
        """Begin to deliver to a disabled receiver again."""
        try:
            self._there().enable(receiver)
        except Unknown:
            raise Refused(f"there is no receiver {receiver[:80]!r}") from None
        self._log.info("webhook receiver enabled by hand", receiver=receiver, by=by)
        return f"{receiver} is delivered to again"

    def _there(self) -> Outbox:
        if self._outbox is None:
            raise Refused("no shop has receivers of webhooks")
        return self._outbox

    async def _told(self, event: str) -> Told:
        told = await find_told(event, None, self._notices)
        if told is None:
            raise Refused(f"there is no event {event[:40]!r}")
        return told
