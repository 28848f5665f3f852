"""The network between the daemon and the banks: whatever a call can meet on its way, on dice.

What has left a machine takes effect at the bank whether or not that machine still lives: effects belong to the world,
waiting for the answer to the process.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from gatewayd.core.causes import LostCause
from gatewayd.core.terms import Lost, Operation
from gatewayd.core.values import changed
from gatewayd.gateways.contract import Call, Reply
from gatewayd.simulator.bank import Request, Session, State
from gatewayd.simulator.host import Banks
from gatewayd.simulator.incoming import read_request
from gatewayd.world.history import History
from gatewayd.world.loop import VirtualLoop
from gatewayd.world.options import Options
from gatewayd.world.oracle import Oracle, attempt_at

MOVES_MONEY: Final = frozenset(
    {Operation.VERIFY, Operation.SETTLE, Operation.REVERSE, Operation.REFUND}
)
KINDS: Final = (
    "refused",
    "connect_timeout",
    "reset_before",
    "reset_after",
    "timeout_before",
    "timeout_after",
    "late_effect",
    "lost_reply",
    "slow",
    "drip",
    "truncated",
    "empty",
    "html_before",
    "html_after",
    "wrong_charset",
    "error_500_before",
    "error_500_after",
)
"""The network's options, in the order in which a draw passes them."""
DIAL_SECONDS: Final = 3.0
URLS_KEPT: Final = 256
"""Calls go to a few dozen addresses, again and again."""
LATE_BY_SECONDS_MAX: Final = 45.0
"""How long a request may lie about somewhere before it takes effect at the bank."""
LATE_BY_DAYS: Final = 2
"""Longer than any bank reverses."""
_HTML: Final = b"<!doctype html><html><head><title>503</title></head><body>...</body></html>"
_ERROR: Final = Reply(status=500, body=b"<html><body><h1>Server Error</h1></body></html>")


@dataclass(slots=True)
class Outage:
    """A bank that is out of order for some time."""

    kind: str
    until: float


class Wire:
    """One per world; each life of the daemon sends through it."""

    def __init__(
        self,
        *,
        loop: VirtualLoop,
        banks: Banks,
        bank_time: Callable[[], float],
        options: Options,
        dice: random.Random,
        history: History,
        oracle: Oracle,
    ) -> None:
        self._loop = loop
        self._banks = banks
        self._bank_time = bank_time
        self._options = options
        self._dice = dice
        self._history = history
        self._oracle = oracle
        chance, ladder = 0.0, []
        for kind in KINDS:
            chance += getattr(options, kind)
            ladder.append((chance, kind))
        self._ladder = tuple(ladder)
        self.outages: dict[str, Outage] = {}
        self.is_calm = False
        """The faults have stopped."""

    async def send(self, operation: Operation, call: Call, seconds: float) -> Reply | Lost:
        """One exchange within `seconds`."""
        driver, request = _arrives(call)
        number = self._look(driver, operation, request)
        match self.strikes(driver, operation):
            case "refused":
                return await self._lost(0.01, LostCause.REFUSED, reached=False)
            case "connect_timeout":
                return await self._lost(
                    min(seconds, DIAL_SECONDS), LostCause.CONNECT_TIMEOUT, reached=False
                )
            case "reset_before":
                return await self._lost(0.05, LostCause.REFUSED, reached=False)
            case "reset_after":
                return await self._lost(0.05, LostCause.CLOSED, reached=True)
            case "timeout_before":
                return await self._lost(seconds, LostCause.REPLY_TIMEOUT, reached=True)
            case "late_effect":
                late = seconds + self._dice.uniform(0.0, LATE_BY_SECONDS_MAX)
                self._take_effect(late, driver, request, operation, number)
                return await self._lost(seconds, LostCause.REPLY_TIMEOUT, reached=True)
            case "html_before":
                return await self._answer(Reply(status=200, body=_HTML))
            case "error_500_before":
                return await self._answer(_ERROR)
            case kind:
                return await self._reaches(kind, driver, request, operation, number, seconds)

    async def _reaches(
        self,
        kind: str,
        driver: str,
        request: Request,
        operation: Operation,
        number: int,
        seconds: float,
    ) -> Reply | Lost:
        """The request takes effect; what becomes of the answer is another matter."""
        there = self._dice.uniform(0.005, 0.15)
        back = self._dice.uniform(0.005, 0.15)
        if kind == "slow":
            there += self._dice.uniform(0.0, seconds)
            back += self._dice.uniform(0.0, seconds)
        effect = self._take_effect(there, driver, request, operation, number)
        if kind == "timeout_after" or there >= seconds:
            return await self._lost(seconds, LostCause.REPLY_TIMEOUT, reached=True)
        reply = await effect
        if there + back >= seconds or kind == "drip":
            return await self._lost(seconds - there, LostCause.STALLED, reached=True)
        await self._loop.sleep(back)
        match kind:
            case "lost_reply":
                return Lost(reached=True, cause=LostCause.CLOSED)
            case "truncated":
                return changed(reply, body=reply.body[: len(reply.body) // 2])
            case "empty":
                return changed(reply, body=b"")
            case "html_after":
                return Reply(status=200, body=_HTML)
            case "error_500_after":
                return _ERROR
            case "wrong_charset":
                return changed(reply, body=reply.body.decode("utf-8", "replace").encode("utf-16"))
            case _:
                return reply

    def _take_effect(
        self, delay: float, driver: str, request: Request, operation: Operation, number: int
    ) -> "asyncio.Future[Reply]":
        """The request arrives after `delay`, whoever still waits for it then."""
        effect: asyncio.Future[Reply] = self._loop.create_future()

        def arrive() -> None:
            now = self._bank_time()
            if operation in {Operation.SETTLE, Operation.REVERSE}:
                self._change_its_mind(operation, driver, request, now)
            exchange = self._banks.answer(driver, request, now)
            reply = exchange.reply if exchange else None
            if reply is None:
                reply = Reply(status=404, body=_HTML)
            self._history.note(
                number, f"{driver} answers {operation}: {reply.status} {reply.body!r}"
            )
            if not effect.done():
                effect.set_result(reply)

        self._loop.call_later(delay, arrive)
        return effect

    async def _lost(self, seconds: float, cause: LostCause, *, reached: bool) -> Lost:
        await self._loop.sleep(seconds)
        return Lost(reached=reached, cause=cause)

    async def _answer(self, reply: Reply) -> Reply:
        await self._loop.sleep(self._dice.uniform(0.01, 0.3))
        return reply

    # --- dice

    def strikes(self, driver: str, operation: Operation) -> str:
        """What goes wrong with this call; empty for nothing."""
        if self.is_calm:
            return ""
        outage = self.outages.get(driver)
        if outage is not None and self._loop.time() < outage.until:
            return outage.kind
        draw = self._dice.random()
        if draw >= self._ladder[-1][0]:
            return ""
        kind = next(kind for chance, kind in self._ladder if draw < chance)
        self._history.count(kind)
        return kind

    def _change_its_mind(
        self, operation: Operation, driver: str, request: Request, now: float
    ) -> None:
        """Sometimes a bank gives back what it is asked to settle, or does not give back what it is asked to."""
        session = self._session(driver, request, now)
        if session is None or session.state is not State.VERIFIED or self.is_calm:
            return
        if operation is Operation.SETTLE:
            if self._strikes("settle_refused"):
                session.state, session.reversed = State.AUTO_REVERSED, True
        elif self._strikes("reverse_refused"):
            session.state = State.SETTLED
        elif self._strikes("reverse_late"):
            session.paid_at = session.verified_at = now - LATE_BY_DAYS * 86_400.0

    def _strikes(self, trouble: str) -> bool:
        """Whether this trouble of the bank's own strikes now."""
        if self._dice.random() >= getattr(self._options, trouble):
            return False
        self._history.count(trouble)
        return True

    def _look(self, driver: str, operation: Operation, request: Request) -> int:
        """A call that can move money must have its request on the disk; the payment it is about, 0 if not known."""
        if operation not in MOVES_MONEY:
            return 0
        session = self._session(driver, request, self._bank_time())
        if session is None:
            return 0
        self._oracle.leaves(driver, operation, session)
        place = attempt_at(session)
        return place[0] if place else 0

    def _session(self, driver: str, request: Request, now: float) -> Session | None:
        asked = self._banks.dialects[driver].recognise(request, self._banks.book, now)
        return asked.session if asked else None


def _arrives(call: Call) -> tuple[str, Request]:
    target, origin = _aimed(call.url)
    return read_request(
        method=call.method,
        target=target,
        origin=origin,
        headers={name.lower(): value for name, value in call.headers.items()},
        body=call.body,
    )


@lru_cache(maxsize=URLS_KEPT)
def _aimed(url: str) -> tuple[str, str]:
    """Path with query, and whom they are asked of."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return target, f"{parts.scheme}://{parts.netloc}"
