"""All banks at once: what is answered to merchants, and what becomes of payers at the pages.

The HTTP server and the seeded world both stand on this. It decides and changes the book, but awaits
nothing: delays, cuts and held connections are told to the caller, who carries them out.
"""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, assert_never
from urllib.parse import urlsplit

from gatewayd.core.terms import NOTHING, Operation, Redirect
from gatewayd.core.values import quick
from gatewayd.gateways.contract import Reply
from gatewayd.simulator.bank import OPEN, Asked, Book, Contract, Dialect, Request, Session, State
from gatewayd.simulator.faults import SLOW_SECONDS, Faults, Kind
from gatewayd.simulator.latency import AT_ONCE, Latency
from gatewayd.simulator.payers import (
    NOT_ALLOWED,
    SWITCH_DOWN,
    USUAL_MIX,
    Decision,
    Mix,
    Outcome,
    Script,
    decide,
    draw_card,
    script_of,
)
from gatewayd.simulator.registry import DIALECTS

COMPARES_REFERER: Final = frozenset({"mellat", "sadad", "zarinpal"})
"""Banks whose page wants to see, by the Referer, that the payer comes from the callback's host."""
LATE_BY_SECONDS: Final = 1.0
"""How far beyond the deadline a late return is."""

_HTML_HEADERS: Final = {"content-type": "text/html; charset=utf-8"}
_ERROR_500: Final = Reply(
    status=500,
    headers=_HTML_HEADERS,
    body=b"<html><head><title>Error</title></head><body><h1>Server Error</h1></body></html>",
)
_MAINTENANCE: Final = Reply(
    status=200,
    headers=_HTML_HEADERS,
    body="<!doctype html><html><body><h1>سامانه در حال به‌روزرسانی است</h1></body></html>".encode(),
)
_BUSY: Final = Reply(
    status=503,
    headers=_HTML_HEADERS,
    body=b"<html><body><h1>503 Service Unavailable</h1></body></html>",
)


class Ending(StrEnum):
    """How a merchant's call ends."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """Reset at the request line: the bank has seen nothing."""
    HELD = "held"
    """Never answered, and without effect."""
    RESET = "reset"
    """Reset after the whole request came, and without effect."""
    CUT = "cut"
    """It took effect, and the connection ends instead of an answer."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What becomes of a merchant's call; whatever effect it has is in the book already."""

    ending: Ending
    reply: Reply | None = None
    """Only for what is answered."""
    delay_seconds: float = 0.0
    """From the request to the first byte of the answer, or to the cut."""
    drip_seconds: float = 0.0
    """From the first byte of the answer to the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What a payer sees instead of a payment page; nobody is sent back from there."""

    status: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """How a payer leaves the payment page."""

    back: Redirect | None
    """None: the tab is closed."""
    twice: bool = False
    """The bank delivers the same return a second time by itself."""


class Banks:
    """Every driver's bank: one book, one set of faults, one crowd of payers."""

    def __init__(
        self,
        contracts: Mapping[str, tuple[Contract, ...]],
        *,
        seed: int,
        mix: Mix = USUAL_MIX,
        latency: Latency = AT_ONCE,
        time_scale: float = 1.0,
        switches: Mapping[str, Mapping[str, str]] | None = None,
        refuse_foreign_referer: bool = False,
    ) -> None:
        """ValueError for a driver whose bank nobody simulates, and for a contract it cannot read.

        `switches` are by driver. A foreign or missing Referer is only warned of, unless told.
        """
        unknown = sorted(contracts.keys() - DIALECTS.keys())
        if unknown:
            raise ValueError(f"no simulated bank for {', '.join(unknown)}")
        if not time_scale > 0:
            raise ValueError(f"time scale: {time_scale} is not above 0")
        self.contracts = contracts
        self.mix = mix
        self.faults = Faults()
        self.warnings: Counter[str] = Counter()
        """What a real bank might not have tolerated, and how often; a few fixed texts a driver."""
        self.dialects = {
            driver: _dialect(driver, of_driver, (switches or {}).get(driver, NOTHING))
            for driver, of_driver in contracts.items()
        }
        self.book = Book(
            {driver: dialect.terms for driver, dialect in self.dialects.items()},
            random.Random(f"{seed} book"),
            time_scale=time_scale,
        )
        self._latency = latency
        self._refuse_foreign_referer = refuse_foreign_referer
        self._payer_dice = random.Random(f"{seed} payers")
        self._fault_dice = random.Random(f"{seed} faults")

    # --- merchants

    def answer(self, driver: str, request: Request, now: float) -> Exchange | None:
        """Carry out a merchant's call; None if the request is no call at all."""
        dialect = self.dialects[driver]
        asked = dialect.recognise(request, self.book, now)
        if asked is None:
            return None
        fault = self.faults.strike_call(driver, asked.operation, now, self._fault_dice)
        kind = fault.kind if fault else self._scripted(asked)
        value = fault.value if fault and fault.value is not None else SLOW_SECONDS
        delay = self._latency.draw(self._fault_dice)
        match kind:
            case Kind.REFUSE:
                return Exchange(ending=Ending.REFUSED)
            case Kind.HANG:
                return Exchange(ending=Ending.HELD)
            case Kind.RESET_AFTER_SEND:
                return Exchange(ending=Ending.RESET, delay_seconds=delay)
            case Kind.ERROR500:
                return _answered(_ERROR_500, delay)
            case Kind.HTML:
                return _answered(_MAINTENANCE, delay)
            case Kind.CAPACITY:
                return _answered(_BUSY, delay)
            case _:
                pass
        reply = dialect.answer(request, self.book, now)
        match kind:
            case Kind.SLOW:
                return _answered(reply, delay + value)
            case Kind.SLOW_DRIP:
                return replace(_answered(reply, delay), drip_seconds=value)
            case Kind.DROP_REPLY:
                return Exchange(ending=Ending.CUT, delay_seconds=delay)
            case Kind.TRUNCATED:
                return _answered(replace(reply, body=reply.body[: len(reply.body) // 2]), delay)
            case Kind.EMPTY:
                return _answered(replace(reply, body=b""), delay)
            case Kind.WRONG_CHARSET:
                body = reply.body.decode("utf-8", "replace").encode("utf-16")
                return _answered(replace(reply, body=body), delay)
            case _:
                return _answered(reply, delay)

    def _scripted(self, asked: Asked) -> Kind | None:
        """The trouble that the amount orders for the first verify of what is paid."""
        session = asked.session
        if (
            asked.operation is not Operation.VERIFY
            or session is None
            or session.state is not State.PAID
            or session.verify_asked
        ):
            return None
        session.verify_asked = True
        match script_of(session.amount):
            case Script.REPLY_CUT:
                return Kind.DROP_REPLY
            case Script.HTML_FIRST:
                return Kind.HTML
            case _:
                return None

    # --- payers

    def is_page(self, driver: str, request: Request) -> bool:
        """Whether this is the address of that bank's payment page, with whatever token."""
        return self.dialects[driver].is_page(request)

    def open_page(
        self, driver: str, request: Request, now: float, *, check_referer: bool = True
    ) -> Session | Trouble:
        """Bring a payer to the page."""
        if self.faults.strikes_payer(Kind.PAGE_DOWN, driver, now, self._fault_dice):
            return Trouble(status=503, text="این صفحه در دسترس نیست · The page is down")
        session = self.dialects[driver].open_page(request, self.book, now)
        if session is None:
            return Trouble(status=404, text="نشست پرداخت پیدا نشد · No such payment session")
        if check_referer and not self._tolerates(driver, request, session):
            return Trouble(status=403, text="مبدأ درخواست ناشناس است · Foreign or missing Referer")
        if not self.book.arrive(session, now):
            return Trouble(status=410, text="این نشست پایان یافته است · This session is over")
        return session

    def decide(self, session: Session) -> Decision:
        """What the next pretend payer does."""
        return decide(session.amount, self.mix, self._payer_dice)

    def draw_card(self, session: Session) -> str:
        """The card that the payer of this session uses."""
        return session.card or draw_card(self._payer_dice)

    def act(
        self, session: Session, decision: Decision, now: float, *, card: str | None = None
    ) -> Leaving:
        """The payer does it; one who has done something before is sent back once more."""
        self.book.find(session.driver, session.token, now)
        script = script_of(session.amount)
        if session.state in OPEN:
            if decision.outcome is Outcome.LEAVE:
                return Leaving(back=None)
            self._carry_out(session, decision, now, card)
        paid = session.paid_at is not None
        if session.state is State.EXPIRED or (paid and script is Script.CLOSES_THE_TAB):
            return Leaving(back=None)
        return Leaving(
            back=self.dialects[session.driver].send_back(session, now),
            twice=script is Script.RETURNS_TWICE,
        )

    def _carry_out(
        self, session: Session, decision: Decision, now: float, card: str | None
    ) -> None:
        driver = session.driver
        outcome, code = decision.outcome, decision.code
        if outcome is Outcome.PAID and self.faults.strikes_payer(
            Kind.BROWNOUT, driver, now, self._fault_dice
        ):
            outcome, code = Outcome.DECLINE, SWITCH_DOWN
        match outcome:
            case Outcome.PAID:
                paid = self.dialects[driver].pay(
                    session, self.book, self._paid_at(session, now), card or self.draw_card(session)
                )
                if not paid:
                    self.book.decline(session, now, NOT_ALLOWED)
            case Outcome.CANCEL:
                self.book.cancel(session, now)
            case Outcome.DECLINE:
                self.book.decline(session, now, code)
            case Outcome.LEAVE:
                pass
            case _:
                assert_never(outcome)

    def _paid_at(self, session: Session, now: float) -> float:
        """Now; but so long ago that the deadline is over for who is to come back late."""
        if script_of(session.amount) is not Script.RETURNS_LATE:
            return now
        within = self.dialects[session.driver].terms.verify_within_seconds
        return now - within / self.book.time_scale - LATE_BY_SECONDS

    def _tolerates(self, driver: str, request: Request, session: Session) -> bool:
        if driver not in COMPARES_REFERER:
            return True
        seen = _host(request.headers.get("referer", ""))
        if seen == _host(session.callback_url):
            return True
        what = "a foreign" if seen else "no"
        self.warnings[f"{driver}: a payer came with {what} Referer; the real bank may refuse"] += 1
        return not self._refuse_foreign_referer


def _dialect(driver: str, contracts: tuple[Contract, ...], switches: Mapping[str, str]) -> Dialect:
    try:
        return DIALECTS[driver](contracts, switches)
    except KeyError as missing:
        raise ValueError(f"{driver}: a contract without {missing.args[0]}") from None


def _answered(reply: Reply, delay_seconds: float) -> Exchange:
    return Exchange(ending=Ending.ANSWERED, reply=reply, delay_seconds=delay_seconds)


def _host(url: str) -> str:
    """The host in lower case; nothing where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
