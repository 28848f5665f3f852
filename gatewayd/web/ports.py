"""What the web needs of the rest beside the engine: reading the past, and knowing whether new payments are welcome."""

from collections.abc import Callable, Sequence
from typing import Protocol

from aiohttp import web

from gatewayd.core.payment import Payment
from gatewayd.core.settings import ServiceSettings
from gatewayd.engine.engine import Engine
from gatewayd.engine.invoicing import Invoicing
from gatewayd.engine.reading import InvoiceReader
from gatewayd.journal.filters import Filter
from gatewayd.journal.store import GuardKind, Holder, Row, Told
from gatewayd.web.admission import Admission
from gatewayd.web.load import Load
from gatewayd.web.overdue import Overdue
from gatewayd.web.registered import Registered
from gatewayd.web.shops import Shops
from gatewayd.web.turnstile import Turnstile


class Past(InvoiceReader, Protocol):
    """The journal's reader."""

    async def rows(self, number: int) -> list[Row]:
        """The events of a payment."""

    async def rows_of(self, numbers: Sequence[int]) -> dict[int, list[Row]]:
        """The events of several."""

    async def holder(self, kind: GuardKind, key: str) -> Holder | None:
        """Who has this guard; None if it is free."""

    async def notices(self, after_seq: int, shop: str | None, limit: int) -> list[Told]:
        """What is to be told, in order, after the one numbered `after_seq`."""

    async def find(self, wanted: Filter) -> list[int]:
        """Payments that fit, newest first."""


class Tally(Protocol):
    """What the web counts."""

    def forged(self, kind: str) -> None:
        """An address that we never gave out was asked for."""

    def refused(self, reason: str) -> None:
        """A new payment was refused because there was not enough of something."""

    def created(self, payment: Payment) -> None:
        """A payment was created."""

    def turned_away(self, why: str) -> None:
        """A connection was hung up on."""

    def asked_to_wait(self) -> None:
        """A customer was asked to wait before he is sent to a bank."""


ENGINE: web.AppKey[Engine] = web.AppKey("engine", Engine)
INVOICING: web.AppKey[Invoicing] = web.AppKey("invoicing", Invoicing)
SERVICE: web.AppKey[ServiceSettings] = web.AppKey("service", ServiceSettings)
SHOPS: web.AppKey[Shops] = web.AppKey("shops", Shops)
ADMISSION: web.AppKey[Admission] = web.AppKey("admission", Admission)
TURNSTILE: web.AppKey[Turnstile] = web.AppKey("turnstile", Turnstile)
LOAD: web.AppKey[Load] = web.AppKey("load", Load)
OVERDUE: web.AppKey[Overdue] = web.AppKey("overdue", Overdue)
REGISTERED: web.AppKey[Registered] = web.AppKey("registered", Registered)
PAST: web.AppKey[Past] = web.AppKey("past", Past)
TALLY: web.AppKey[Tally] = web.AppKey("tally", Tally)
WHY_NOT: web.AppKey[Callable[[], str | None]] = web.AppKey("why_not", Callable)  # type: ignore[arg-type]  # as above
"""Why new payments are refused just now; None while they are welcome."""
