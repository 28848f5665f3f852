"""The banks' own book: sessions, payers' money, deadlines and reversals behind every dialect.

Rules it obeys:

* It is the independent witness: it knows nothing of drivers, journal or engine, only what banks
  know.
* Time comes in as `now` (wall clock, seconds); deadlines are applied when a session is next looked
  at, as if they had passed on the minute. Windows are divided by the time scale, so that a
  half-hour deadline can be watched.
* A dialect translates: it reads a request, asks the book, and says the book's verdict in its bank's
  words.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Final, Protocol

from gatewayd.core.terms import NOTHING, IfUnverified, Operation, Redirect
from gatewayd.core.values import quick
from gatewayd.gateways.contract import Reply


class State(StrEnum):
    """Where a session stands at the bank."""

    CREATED = "created"
    WITH_PAYER = "with_payer"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    PAID = "paid"
    VERIFIED = "verified"
    SETTLED = "settled"
    REVERSED = "reversed"
    AUTO_REVERSED = "auto_reversed"
    EXPIRED = "expired"


OPEN = frozenset({State.CREATED, State.WITH_PAYER})
STRANGERS_CARD_ENDS: Final = "995"
"""Cards with this ending belong to somebody else than their payer says; Mellat's code for that."""
TAKEN = frozenset({State.VERIFIED, State.SETTLED})
GONE_BACK = frozenset({State.REVERSED, State.AUTO_REVERSED})


class Verdict(StrEnum):
    """What the book says to a merchant's request; each dialect has its own code for each."""

    OK = "ok"
    ALREADY = "already"
    """It had been done before: verified, settled, reversed."""
    NOT_PAID = "not_paid"
    """Created, with the payer, cancelled, declined or expired."""
    REVERSED = "reversed"
    """The money went back, on request."""
    LATE = "late"
    """The money went back by itself, or the window of what was asked is over."""
    NOT_VERIFIED = "not_verified"
    """A settle, reverse or refund of what nobody verified."""
    SETTLED = "settled"
    """A reverse of what is already settled."""
    TOO_MUCH = "too_much"
    """A refund beyond what is left, or of nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A bank's windows in seconds, counted from the payment, before the time scale."""

    token_life_seconds: float
    verify_within_seconds: float
    reverse_within_seconds: float | None
    """None: this bank has no reverse."""
    unverified: IfUnverified = IfUnverified.AUTO_REVERSE
    settles: bool = False
    reverse_from_verify: bool = False
    """The reverse window counts from the verify and not from the payment."""
    settles_itself_after_seconds: float | None = None
    """A verified, unsettled payment is settled by the bank after this long."""
    reverses_unsettled_after_seconds: float | None = None
    """A verified, unsettled payment goes back by itself after this long, counted from the verify."""


@dataclass(frozen=True, slots=True)
class Refunded:
    """A refund that took effect."""

    order: str
    """The merchant's number of the refund, where the bank has one."""
    reference: str
    amount: int
    at: float


@dataclass(slots=True, kw_only=True)
class Session:
    """One payment at one bank."""

    driver: str
    terminal: str
    token: str
    order: str
    """The merchant's order number as text; empty where the client sent none."""
    amount: int
    """Rial, whatever unit the client sent."""
    callback_url: str
    created_at: float
    state: State = State.CREATED
    paid_at: float | None = None
    verified_at: float | None = None
    verified: bool = False
    """The merchant's verify took effect; stays true when the money goes back later."""
    reversed: bool = False
    """The money went back, by either way."""
    ref_num: str = ""
    """The bank's reference of the payment; given when it is paid."""
    rrn: str = ""
    trace_no: str = ""
    card: str = ""
    """The pretend payer's full card number. A dialect that is told which card must pay sets it at
    the opening, and the payer uses that one."""
    decline: str = ""
    """Why it was declined: a two-digit switch code: 51 (no funds), 55 (PIN), 91 (issuer down)…"""
    refunds: list[Refunded] = field(default_factory=list)
    token_life_seconds: float | None = None
    """How long the token lives where the client chose that itself; None: as the terms say."""
    verify_asked: bool = False
    """A verify has come for it since it was paid; some scripts spoil only the first one."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What only this bank's dialect needs, such as the return method that the client asked for."""

    @property
    def refunded(self) -> int:
        """Rial given back by refunds."""
        return sum(refund.amount for refund in self.refunds)


class Book:
    """All sessions of all banks, in the order of their beginning."""

    def __init__(
        self, terms: Mapping[str, Terms], rng: random.Random, *, time_scale: float = 1.0
    ) -> None:
        self.terms = dict(terms)
        self.rng = rng
        self.time_scale = time_scale
        self._sessions: list[Session] = []
        self._by_token: dict[tuple[str, str], Session] = {}
        self._by_reference: dict[tuple[str, str], Session] = {}
        self._by_order: dict[tuple[str, str, str], Session] = {}
        self._by_terminal: dict[tuple[str, str], list[Session]] = {}
        self._orders: set[tuple[str, str, str]] = set()

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions)

    # --- what the merchant's token request does

    def order_used(self, driver: str, terminal: str, order: str) -> bool:
        """Whether this terminal has seen this order number, also in a failed try."""
        return (driver, terminal, order) in self._orders

    def use_order(self, driver: str, terminal: str, order: str) -> None:
        """Remember an order number as used; banks that demand fresh ones do so for every try."""
        self._orders.add((driver, terminal, order))

    def open(self, session: Session) -> Session:
        """Enter a new session; its token must be new for its driver."""
        key = (session.driver, session.token)
        assert key not in self._by_token, "a bank never issues a token twice"
        self._sessions.append(session)
        self._by_token[key] = session
        self._by_order[session.driver, session.terminal, session.order] = session
        self._by_terminal.setdefault((session.driver, session.terminal), []).append(session)
        return session

    def find(self, driver: str, token: str, now: float) -> Session | None:
        """The session with this token, with every deadline up to `now` applied."""
        session = self._by_token.get((driver, token))
        return self._current(session, now) if session else None

    def find_reference(self, driver: str, reference: str, now: float) -> Session | None:
        """The session whose payment got this reference."""
        session = self._by_reference.get((driver, reference))
        return self._current(session, now) if session else None

    def find_order(self, driver: str, terminal: str, order: str, now: float) -> Session | None:
        """The latest session of this terminal with this order number."""
        session = self._by_order.get((driver, terminal, order))
        return self._current(session, now) if session else None

    def of_terminal(self, driver: str, terminal: str, now: float) -> list[Session]:
        """This terminal's sessions, oldest first."""
        return [self._current(s, now) for s in self._by_terminal.get((driver, terminal), ())]

    # --- what the payer does

    def arrive(self, session: Session, now: float) -> bool:
        """The payer opens the bank's page; False where the token is used up or too old."""
        self._current(session, now)
        if session.state not in OPEN:
            return False
        session.state = State.WITH_PAYER
        return True

    def pay(self, session: Session, now: float, *, card: str, reference: str) -> bool:
        """The payer's card is debited. `reference`: the bank's number of it, unique per driver."""
        self._current(session, now)
        if session.state not in OPEN:
            return False
        key = (session.driver, reference)
        assert key not in self._by_reference, "a bank never gives a reference twice"
        session.state, session.paid_at, session.card = State.PAID, now, card
        session.ref_num = reference
        session.rrn = session.rrn or self.digits(12)
        session.trace_no = session.trace_no or self.digits(6)
        self._by_reference[key] = session
        return True

    def cancel(self, session: Session, now: float) -> bool:
        """The payer presses cancel."""
        return self._end(session, now, State.CANCELLED)

    def decline(self, session: Session, now: float, code: str) -> bool:
        """The card is refused with the switch code `code`."""
        session.decline = code
        return self._end(session, now, State.DECLINED)

    # --- what the merchant does

    def verify(self, session: Session, now: float) -> Verdict:
        """The merchant confirms; takes effect only for what is paid and in time."""
        match self._current(session, now).state:
            case State.PAID:
                session.state, session.verified, session.verified_at = State.VERIFIED, True, now
                return Verdict.OK
            case State.VERIFIED | State.SETTLED:
                return Verdict.ALREADY
            case State.REVERSED:
                return Verdict.REVERSED
            case State.AUTO_REVERSED:
                return Verdict.LATE
            case _:
                return Verdict.NOT_PAID

    def settle(self, session: Session, now: float) -> Verdict:
        """The merchant takes what it verified."""
        match self._current(session, now).state:
            case State.VERIFIED:
                session.state = State.SETTLED
                return Verdict.OK
            case State.SETTLED:
                return Verdict.ALREADY
            case State.PAID:
                return Verdict.NOT_VERIFIED
            case State.REVERSED | State.AUTO_REVERSED:
                return Verdict.REVERSED
            case _:
                return Verdict.NOT_PAID

    def reverse(self, session: Session, now: float, *, unverified_too: bool = False) -> Verdict:
        """The merchant gives all of it back. `unverified_too`: also what was only paid."""
        terms = self.terms[session.driver]
        match self._current(session, now).state:
            case State.REVERSED | State.AUTO_REVERSED:
                return Verdict.ALREADY
            case State.SETTLED:
                return Verdict.SETTLED
            case State.PAID if not unverified_too:
                return Verdict.NOT_VERIFIED
            case State.PAID | State.VERIFIED:
                since = session.verified_at if terms.reverse_from_verify else session.paid_at
                within = terms.reverse_within_seconds
                if (
                    within is None
                    or since is None
                    or now - since > within / self.time_scale
                    or session.refunds
                ):
                    return Verdict.LATE
                session.state, session.reversed = State.REVERSED, True
                return Verdict.OK
            case _:
                return Verdict.NOT_PAID

    def refund(
        self, session: Session, now: float, amount: int, *, order: str = ""
    ) -> Refunded | Verdict:
        """Give `amount` rial back of what was taken; the sum never exceeds the payment."""
        terms = self.terms[session.driver]
        state = self._current(session, now).state
        if state in GONE_BACK:
            return Verdict.REVERSED
        if state not in TAKEN or (terms.settles and state is not State.SETTLED):
            return (
                Verdict.NOT_VERIFIED if state in TAKEN or state is State.PAID else Verdict.NOT_PAID
            )
        if amount <= 0 or session.refunded + amount > session.amount:
            return Verdict.TOO_MUCH
        refund = Refunded(order, self.digits(9), amount, now)
        session.refunds.append(refund)
        return refund

    # --- helpers of dialects

    def digits(self, count: int) -> str:
        """`count` random digits, the first of them not zero."""
        return str(self.rng.randrange(10 ** (count - 1), 10**count))

    def hexadecimal(self, count: int) -> str:
        """`count` random lower-case hexadecimal digits."""
        return f"{self.rng.getrandbits(4 * count):0{count}x}"

    def ledger(self, now: float) -> list[dict[str, Any]]:
        """The banks' own account of every session: the witness that a journal is compared with."""
        return [
            {
                "driver": session.driver,
                "terminal": session.terminal,
                "token": session.token,
                "order": int(session.order) if session.order.isdecimal() else session.order,
                "amount": session.amount,
                "state": str(self._current(session, now).state),
                "verified": session.verified,
                "reversed": session.reversed,
                "refunded": session.refunded,
                "created_at": session.created_at,
            }
            for session in self._sessions
        ]

    # --- deadlines

    def _end(self, session: Session, now: float, state: State) -> bool:
        self._current(session, now)
        if session.state not in OPEN:
            return False
        session.state = state
        return True

    def _current(self, session: Session, now: float) -> Session:
        """The session with every deadline up to `now` applied."""
        terms = self.terms[session.driver]
        if session.state in OPEN:
            life = session.token_life_seconds or terms.token_life_seconds
            if now - session.created_at > life / self.time_scale:
                session.state = State.EXPIRED
            return session
        if session.state is State.PAID and terms.unverified is IfUnverified.AUTO_REVERSE:
            assert session.paid_at is not None
            if now - session.paid_at > terms.verify_within_seconds / self.time_scale:
                session.state, session.reversed = State.AUTO_REVERSED, True
        after = terms.settles_itself_after_seconds
        if session.state is State.VERIFIED and after is not None:
            assert session.verified_at is not None
            if now - session.verified_at > after / self.time_scale:
                session.state = State.SETTLED
        after = terms.reverses_unsettled_after_seconds
        if session.state is State.VERIFIED and after is not None:
            assert session.verified_at is not None
            if now - session.verified_at > after / self.time_scale:
                session.state, session.reversed = State.AUTO_REVERSED, True
        return session


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What arrived at a bank, from a merchant's server or a payer's browser."""

    method: str
    path: str
    """As at the real host, in the case that the client wrote, beginning with a slash."""
    base_url: str
    """Where this bank was asked at, without a slash at the end: `http://127.0.0.1:9100/mellat`."""
    query: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    form: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    """The fields of a form body; empty for any other body."""
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    """Names in lower case."""
    body: bytes = b""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a merchant's request is, found out before anything takes effect."""

    operation: Operation | None
    """None for what moves nothing and no fault should name, such as a WSDL."""
    session: Session | None = None
    """The session it is about; None for a start or an unknown one."""


Contract = Mapping[str, str]
"""One merchant's contract: the driver's configuration fields as text, secrets in clear."""


class Dialect(Protocol):
    """How one bank speaks. Tolerant in what it reads, exact in what it answers."""

    driver: ClassVar[str]

    @property
    def terms(self) -> Terms:
        """The bank's windows; a plain class attribute will do, unless a switch changes them."""

    def __init__(
        self, contracts: tuple[Contract, ...], switches: Mapping[str, str] = NOTHING
    ) -> None:
        """`switches` choose where sources disagree; each dialect documents its own."""

    def recognise(self, request: Request, book: Book, now: float) -> Asked | None:
        """What call of the merchant this is; None if it is none of this bank's services."""

    def answer(self, request: Request, book: Book, now: float) -> Reply:
        """Carry out a recognised call and answer as the bank would."""

    def open_page(self, request: Request, book: Book, now: float) -> Session | None:
        """The session whose payer this brings to the payment page; None if it brings none."""

    def is_page(self, request: Request) -> bool:
        """Whether this is the address of the payment page, with whatever token."""

    def pay(self, session: Session, book: Book, now: float, card: str) -> bool:
        """Debit the payer, with a reference as this bank forms it."""

    def send_back(self, session: Session, now: float) -> Redirect:
        """How the browser is sent back: the callback address, method and fields.

        `token` is the session's. The address keeps its own query; a `get` adds its fields to it.
        """


def is_of_the_owner(session: Session, card: str) -> bool:
    """Whether the card is of whom the merchant named, where the bank was told to look: national id or mobile."""
    return not session.extra.get("owner") or not card.endswith(STRANGERS_CARD_ENDS)
