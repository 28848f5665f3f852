"""What a return and a receipt are worth: every comparison that stands between a claim and money, in one place.

Rules:

* Whatever a browser brought and that names this payment at all must name it rightly: token, order, terminal, amount.
  One that differs makes it foreign, and no bank is bothered with it.
* A bank's receipt is compared field by field with what was ordered; a field that the bank leaves out is not compared.
* "Already verified" is a success only against an earlier verify of ours that was left without an answer, or where
  the contract says that the token binds the order.
* At verify only not paid, cancelled and declined are a no; at settle, reverse and refund only not paid. Every other
  answer is not knowing.
"""

from typing import Final

from gatewayd.core.cards import may_be
from gatewayd.core.events import Purpose, Standing, Wrong
from gatewayd.core.payment import Attempt
from gatewayd.core.terms import (
    AddressedBy,
    Claim,
    CodeClass,
    FirstAlready,
    Lost,
    Operation,
    Receipt,
    Refusal,
    Traits,
)

NOS: Final = frozenset(
    {
        CodeClass.CANCELLED,
        CodeClass.DECLINED,
        CodeClass.ISSUER,
        CodeClass.GATEWAY,
        CodeClass.NOT_PAID,
    }
)
"""Classes by which a return says that this try failed."""


def standing(
    claim: Claim, attempt: Attempt, *, amount: int, terminal: str, traits: Traits
) -> Standing:
    """What a return is worth. `amount` is the order's in rial, `terminal` the contract's or empty."""
    if attempt.token is None:
        return Standing.FOREIGN
    if claim.token is not None and claim.token != attempt.token:
        return Standing.FOREIGN
    if claim.bank_order is not None and claim.bank_order != attempt.bank_order:
        return Standing.FOREIGN
    if claim.outcome in NOS:
        return Standing.NO
    if claim.outcome is not CodeClass.OK:
        return Standing.UNCLEAR
    if claim.amount is not None and claim.amount != amount:
        return Standing.FOREIGN
    if not _same_terminal(claim.terminal, terminal):
        return Standing.FOREIGN
    if traits.addressed_by is AddressedBy.REFERENCE and not claim.reference:
        return Standing.UNCLEAR
    return Standing.CLAIM


def wrong(
    receipt: Receipt,
    attempt: Attempt,
    *,
    amount: int,
    terminal: str,
    traits: Traits,
    cards: tuple[str, ...] = (),
) -> Wrong | None:
    """How a verified receipt differs from the order; None: it is right. `cards`: only these may pay; empty: any."""
    if receipt.amount is not None and receipt.amount != amount:
        return Wrong.AMOUNT
    if receipt.token is not None and receipt.token != attempt.token:
        return Wrong.TOKEN
    if receipt.bank_order is not None and receipt.bank_order != attempt.bank_order:
        return Wrong.ORDER
    if not _same_terminal(receipt.terminal, terminal):
        return Wrong.TERMINAL
    claim = attempt.claim
    if (
        traits.addressed_by is AddressedBy.REFERENCE
        and claim is not None
        and receipt.ref_num is not None
        and receipt.ref_num != claim.reference
    ):
        return Wrong.REFERENCE
    if cards and receipt.card is not None and not may_be(receipt.card, cards):
        return Wrong.CARD
    if receipt.already and not attempt.explained and traits.first_already is FirstAlready.REVIEW:
        return Wrong.ALREADY
    return None


def unsaid(receipt: Receipt, traits: Traits) -> bool:
    """Whether the bank proved a payment without saying that it is of this order: a person should compare.

    It happens where an answer was lost and the bank repeats only that it had been asked before.
    """
    return not traits.order_bound and receipt.amount is None


def is_no(refusal: Refusal, operation: Operation) -> bool:
    """Whether this refusal is a definite no to `operation`; if not, nothing is known."""
    if refusal.cause is CodeClass.NOT_PAID:
        return True
    return operation is Operation.VERIFY and refusal.cause in {
        CodeClass.CANCELLED,
        CodeClass.DECLINED,
    }


def as_lost(refusal: Refusal) -> Lost:
    """A refusal that is no definite no, as what it is: not knowing."""
    return Lost(reached=True, cause=f"answered {refusal.cause} {refusal.code}".strip())


def outcome_for_router(cause: CodeClass) -> str:
    """What the router is told of a failed return: whose fault it was."""
    match cause:
        case CodeClass.ISSUER:
            return "issuer"
        case CodeClass.GATEWAY:
            return "gateway"
        case _:
            return "payer"


def keeps(purpose: Purpose) -> bool:
    """Whether a verify for `purpose` may end with kept money."""
    return purpose is Purpose.KEEP


def _same_terminal(said: str | None, ours: str) -> bool:
    """Terminals as numbers in text: leading zeros mean nothing; what was not said cannot differ."""
    return not said or not ours or said.lstrip("0") == ours.lstrip("0")
