"""A running simulator for tests, with a merchant and a browser in one."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import (
    ClientSession,
    ClientTimeout,
    FormData,
)

from gatewayd.simulator.bank import Session
from gatewayd.simulator.faults import Fault, Kind
from gatewayd.simulator.host import Banks
from gatewayd.simulator.payers import EVERYBODY_PAYS, Mix, Payers
from gatewayd.simulator.server import Hop, running_simulator
from tests.banks import (
    PAGE,
    SAMAN,
    TERMINAL,
    TOKEN,
    VERIFY,
    Clock,
    token_request,
)
from tests.page_reading import Form


@dataclass
class Site:
    """A running simulator, and a merchant and a browser in one."""

    base: str
    banks: Banks
    clock: Clock
    http: ClientSession
    warned: list[str] = field(default_factory=list)

    async def ask(self, path: str, document: object) -> dict[str, Any]:
        async with self.http.post(f"{self.base}/saman{path}", json=document) as reply:
            assert 200 == reply.status
            answer = await reply.json()
        assert isinstance(answer, dict)
        return answer

    async def start(self, amount: int = 150_000, **changes: Any) -> Session:
        answer = await self.ask(TOKEN, token_request(Amount=amount, **changes))
        session = self.banks.book.find("saman", answer["token"], self.clock.now)
        assert session is not None
        return session

    async def verify(self, session: Session) -> dict[str, Any]:
        document = {"RefNum": session.ref_num, "TerminalNumber": TERMINAL}
        return await self.ask(VERIFY, document)

    async def page(self, session: Session, **fields: str) -> tuple[int, str]:
        """What the browser sees that was handed over to the bank."""
        return await self.submit(
            Form("post", f"{self.base}/saman{PAGE}", {"Token": session.token, **fields})
        )

    async def submit(self, form: Form, button: tuple[str, str] = ("", "")) -> tuple[int, str]:
        url = form.action if "://" in form.action else self.base + form.action
        data = dict(form.fields)
        if button[0]:
            data[button[0]] = button[1]
        async with self.http.request(
            form.method, url, data=FormData(data), allow_redirects=False
        ) as reply:
            location = reply.headers.get("Location", "")
            return reply.status, location or await reply.text()

    def fault(self, kind: Kind, **changes: Any) -> None:
        self.banks.faults.add(Fault(driver="saman", kind=kind, **changes), self.clock.now)


@asynccontextmanager
async def site(
    contracts: Mapping[str, tuple[Mapping[str, str], ...]] = SAMAN,
    *,
    payers: Payers = Payers.AUTO,
    mix: Mix = EVERYBODY_PAYS,
    hop: Hop | None = None,
    **settings: Any,
) -> AsyncIterator[Site]:
    banks, clock = Banks(contracts, seed=7, mix=mix, **settings), Clock()
    warned: list[str] = []
    async with (
        running_simulator(
            banks, wall=clock.wall, payers=payers, hop=hop, warn=warned.append
        ) as base,
        ClientSession(timeout=ClientTimeout(total=30)) as http,
    ):
        yield Site(base, banks, clock, http, warned)
