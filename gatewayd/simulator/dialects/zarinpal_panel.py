"""ZarinPal's panel as merchants' programs see it: sessions and refunds by GraphQL.

The address is `/api/v4/graphql/`, the key a Bearer token. Answers stand under the client's alias;
errors come with HTTP 200 as a list of messages, a wrong token with 401.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gatewayd.core.terms import Operation
from gatewayd.gateways.contract import Reply
from gatewayd.simulator.bank import (
    Asked,
    Book,
    Contract,
    Request,
    Session,
    State,
    Verdict,
)
from gatewayd.simulator.graphql import GraphqlError, Selected, choose, read_graphql
from gatewayd.simulator.speech import TEHRAN, json_object, json_reply, text_of, whole_of

DRIVER: Final = "zarinpal"
PATH: Final = "/api/v4/graphql"
REFUND_MIN: Final = 20_000
SESSIONS_MAX: Final = 100
METHODS: Final = frozenset({"PAYA", "CARD"})
REASONS: Final = frozenset(
    {"CUSTOMER_REQUEST", "DUPLICATE_TRANSACTION", "SUSPICIOUS_TRANSACTION", "OTHER"}
)
FAILED: Final = frozenset({State.CANCELLED, State.DECLINED, State.EXPIRED})
STATUSES: Final[Mapping[State, str]] = {
    State.CREATED: "PENDING",
    State.WITH_PAYER: "IN_BANK",
    State.PAID: "PAID",
    State.VERIFIED: "VERIFIED",
    State.SETTLED: "VERIFIED",
    State.REVERSED: "REVERSED",
    State.AUTO_REVERSED: "REVERSED",
    **dict.fromkeys(FAILED, "FAILED"),
}
"""What a session's state is called, by the inquiry as well."""
FILTERS: Final[Mapping[str, frozenset[str]]] = {
    "PAID": frozenset({"PAID"}),
    "VERIFIED": frozenset({"VERIFIED"}),
    "TRASH": frozenset({"FAILED"}),
    "ACTIVE": frozenset({"PAID", "VERIFIED", "REFUNDED"}),
    "REFUNDED": frozenset({"REFUNDED"}),
}
SHAPE: Final[Mapping[str, Any]] = {
    "id": None,
    "terminal_id": None,
    "status": None,
    "amount": None,
    "description": None,
    "created_at": None,
    "timeline": {"refund_status": None, "refund_amount": None, "refund_time": None},
}
"""What can be selected of a session."""
REFUSALS: Final[Mapping[Verdict, str]] = {
    Verdict.REVERSED: "The session has been reversed.",
    Verdict.NOT_VERIFIED: "The session is not verified.",
    Verdict.NOT_PAID: "The session is not paid.",
    Verdict.TOO_MUCH: "The amount is more than what is left of the session.",
}


class Panel:
    """Answers those contracts that have an `access_token` and a `terminal_id`."""

    def __init__(self, contracts: tuple[Contract, ...]) -> None:
        self._by_token = {
            contract["access_token"]: contract
            for contract in contracts
            if contract.get("access_token")
        }
        self._tokens: dict[str, str] = {}
        """Authorities by the panel's session number."""

    def number(self, authority: str, book: Book) -> str:
        """A new session number, for a session that is being opened."""
        number = book.digits(9)
        while number in self._tokens:
            number = book.digits(9)
        self._tokens[number] = authority
        return number

    def recognise(self, request: Request, book: Book, now: float) -> Asked:
        """A refund and its session, or else a question."""
        try:
            operation = read_graphql(json_object(request))
        except GraphqlError:
            return Asked(operation=Operation.INQUIRE)
        refunds = [field for field in operation.fields if field.name == "AddRefund"]
        if not refunds:
            return Asked(operation=Operation.INQUIRE)
        number = text_of(refunds[0].arguments.get("session_id"))
        return Asked(operation=Operation.REFUND, session=self._find(number, book, now))

    def answer(self, request: Request, book: Book, now: float) -> Reply:
        """Carry out every field of the operation."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        contract = self._by_token.get(token.strip()) if scheme.lower() == "bearer" else None
        if contract is None:
            return json_reply({"message": "Unauthenticated."}, 401)
        try:
            operation = read_graphql(json_object(request))
            data = {
                field.alias: self._resolve(operation.kind, field, contract, book, now)
                for field in operation.fields
            }
        except GraphqlError as error:
            return json_reply({"errors": [{"message": str(error)}], "data": None})
        return json_reply({"data": data})

    def _resolve(
        self, kind: str, field: Selected, contract: Contract, book: Book, now: float
    ) -> object:
        match kind, field.name:
            case "query", "Session":
                return choose(field.fields, self._sessions(field.arguments, contract, book, now))
            case "mutation", "AddRefund":
                choose(field.fields, dict(SHAPE))  # so that a bad selection refunds nothing
                return choose(field.fields, self._refund(field.arguments, contract, book, now))
            case _:
                raise GraphqlError(f'Cannot query field "{field.name}" on type "{kind.title()}"')

    def _sessions(
        self, arguments: Mapping[str, Any], contract: Contract, book: Book, now: float
    ) -> list[dict[str, Any]]:
        """Newest first."""
        if text_of(arguments.get("terminal_id")) != contract.get("terminal_id"):
            raise GraphqlError("The terminal is not yours.")
        number, reference, rrn = (
            text_of(arguments.get(name)) for name in ("id", "reference_id", "rrn")
        )
        chosen = arguments.get("filter")
        if chosen is not None and text_of(chosen) not in FILTERS:
            raise GraphqlError("The filter is unknown.")
        rows = [
            session
            for session in reversed(book.of_terminal(DRIVER, contract["merchant_id"], now))
            if number in ("", session.extra["session_id"])
            and reference in ("", session.ref_num)
            and rrn in ("", session.rrn)
            and (chosen is None or _status(session) in FILTERS[text_of(chosen)])
        ]
        offset, limit = whole_of(arguments.get("offset")), whole_of(arguments.get("limit"))
        page = rows[offset : offset + min(limit or SESSIONS_MAX, SESSIONS_MAX)]
        return [_row(session, contract) for session in page]

    def _refund(
        self, arguments: Mapping[str, Any], contract: Contract, book: Book, now: float
    ) -> dict[str, Any]:
        session = self._find(text_of(arguments.get("session_id")), book, now)
        if session is None or session.terminal != contract["merchant_id"]:
            raise GraphqlError("The session is not found.")
        amount = whole_of(arguments.get("amount"))
        if amount < REFUND_MIN:
            raise GraphqlError(f"The amount must be at least {REFUND_MIN}.")
        if text_of(arguments.get("method") or "PAYA") not in METHODS:
            raise GraphqlError("The method is unknown.")
        if text_of(arguments.get("reason") or "OTHER") not in REASONS:
            raise GraphqlError("The reason is unknown.")
        refund = book.refund(session, now, amount)
        if isinstance(refund, Verdict):
            raise GraphqlError(REFUSALS[refund])
        return _row(session, contract)

    def _find(self, number: str, book: Book, now: float) -> Session | None:
        authority = self._tokens.get(number)
        return book.find(DRIVER, authority, now) if authority else None


def _status(session: Session) -> str:
    return "REFUNDED" if session.refunds else STATUSES[session.state]


def _row(session: Session, contract: Contract) -> dict[str, Any]:
    """A session with its latest refund."""
    timeline: dict[str, Any] = SHAPE["timeline"]
    if session.refunds:
        refund = session.refunds[-1]
        timeline = {
            "refund_status": "PENDING",
            "refund_amount": refund.amount,
            "refund_time": _time(refund.at),
        }
    return {
        "id": session.extra["session_id"],
        "terminal_id": contract.get("terminal_id"),
        "status": _status(session),
        "amount": session.amount,
        "description": session.extra["description"],
        "created_at": _time(session.created_at),
        "timeline": timeline,
    }


def _time(wall: float) -> str:
    return datetime.fromtimestamp(wall, TEHRAN).isoformat(timespec="seconds")
