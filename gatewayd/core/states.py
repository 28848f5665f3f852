"""The states of an attempt and the table of what may happen in each.

The table is literal: a trigger (an event's kind, for a few kinds with its variant) that is missing in a state's row is
illegal there. Which states count as kept, and which as not knowing, stands here too.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class IllegalTransition(Exception):
    """A bug: this event cannot happen in this state."""


class State(StrEnum):
    """Where an attempt stands."""

    STARTING = "starting"
    """A token is asked for."""
    NOT_STARTED = "not_started"
    """No token: refused or lost. Final, and harmless: no payer ever held one."""
    WITH_PAYER = "with_payer"
    """A token was handed over; the payer can pay with it, also after a no."""
    IN_DOUBT = "in_doubt"
    """It may be paid, by a claim, an inquiry or a verify without an answer: the bank must be asked."""
    VERIFYING = "verifying"
    """The bank is being asked to confirm, to keep the money."""
    VERIFIED = "verified"
    """Proven, and kept; ours too where the bank has no settle."""
    SETTLING = "settling"
    """The bank is being asked to pay out what it has confirmed."""
    SETTLED = "settled"
    """The bank pays out."""
    REVERSING = "reversing"
    """Kept money is being given back."""
    VERIFYING_TO_RETURN = "verifying_to_return"
    """The bank is being asked to confirm, so that held money can be given back."""
    OWED = "owed"
    """Money is ours that must not be kept."""
    RETURNING = "returning"
    """It is being given back."""
    GIVEN_BACK = "given_back"
    """The bank says that the money went back."""
    IN_REVIEW = "in_review"
    """Nothing is left that may be done without a person."""
    LAPSED = "lapsed"
    """The bank's time is over; what was taken goes back by itself."""


KEPT: Final = frozenset({State.VERIFIED, State.SETTLING, State.SETTLED, State.REVERSING})
"""Kept is an attempt from its proof until its money is given back: at most one of a payment."""
UNKNOWN: Final = frozenset({State.IN_DOUBT, State.VERIFYING, State.VERIFYING_TO_RETURN})
"""Money may have moved, and we do not know."""
CLAIMED: Final = "Returned:claim"
TO_KEEP: Final = "VerifyRequested:keep"
TO_RETURN: Final = "VerifyRequested:return"

ANYWHERE: Final = frozenset({"Returned:no", "Returned:unclear", "Returned:foreign"})
"""Notes that are legal in every state and move none."""

TRANSITIONS: Final[Mapping[State, Mapping[str, State]]] = {
    State.STARTING: {
        "Started": State.WITH_PAYER,
        "StartRefused": State.NOT_STARTED,
        "StartLost": State.NOT_STARTED,
    },
    State.NOT_STARTED: {},
    State.WITH_PAYER: {
        "HandedOver": State.WITH_PAYER,
        CLAIMED: State.IN_DOUBT,
        "ReferenceTaken": State.WITH_PAYER,
        TO_KEEP: State.VERIFYING,  # the only question that some banks answer
        "Asked:paid": State.IN_DOUBT,
        "Asked:verified": State.IN_DOUBT,
        "Asked:not_paid": State.WITH_PAYER,
        "Asked:pending": State.WITH_PAYER,
        "Asked:unknown": State.WITH_PAYER,
        "Asked:reversed": State.GIVEN_BACK,
        "LeftToReview": State.IN_REVIEW,
        "Lapsed": State.LAPSED,
    },
    State.IN_DOUBT: {
        "HandedOver": State.IN_DOUBT,
        CLAIMED: State.IN_DOUBT,
        "ReferenceTaken": State.IN_DOUBT,
        "ClaimRejected": State.WITH_PAYER,
        TO_KEEP: State.VERIFYING,
        TO_RETURN: State.VERIFYING_TO_RETURN,
        "Asked:paid": State.IN_DOUBT,
        "Asked:verified": State.IN_DOUBT,
        "Asked:not_paid": State.IN_DOUBT,  # perhaps asked before the payment: a verify decides
        "Asked:pending": State.IN_DOUBT,
        "Asked:unknown": State.IN_DOUBT,
        "Asked:reversed": State.GIVEN_BACK,
        "Authorized": State.IN_DOUBT,
        "LeftToReview": State.IN_REVIEW,
        "Lapsed": State.LAPSED,
    },
    State.VERIFYING: {
        CLAIMED: State.VERIFYING,
        "Verified": State.VERIFIED,
        "Mismatched": State.OWED,
        "Mismatched:already": State.IN_REVIEW,
        "VerifyRefused": State.WITH_PAYER,  # a no to a claim is not a no to the attempt
        "VerifyLost": State.IN_DOUBT,  # not knowing is not failing: ask again
    },
    State.VERIFIED: {
        CLAIMED: State.VERIFIED,
        "Authorized": State.VERIFIED,
        "LeftToReview": State.IN_REVIEW,  # proven, not wanted, and the bank does not take it back
        "SettleRequested": State.SETTLING,
        "ReverseRequested": State.REVERSING,
    },
    State.SETTLING: {
        CLAIMED: State.SETTLING,
        "Settled": State.SETTLED,
        "SettleRefused": State.GIVEN_BACK,
        "SettleLost": State.VERIFIED,
    },
    State.SETTLED: {
        CLAIMED: State.SETTLED,
        "ReverseRequested": State.REVERSING,
    },
    State.REVERSING: {
        CLAIMED: State.REVERSING,
        "Reversed": State.GIVEN_BACK,
        "ReverseRefused": State.VERIFIED,
        "ReverseLost": State.VERIFIED,
    },
    State.VERIFYING_TO_RETURN: {
        CLAIMED: State.VERIFYING_TO_RETURN,
        "Verified": State.OWED,
        "Mismatched": State.OWED,
        "Mismatched:already": State.IN_REVIEW,
        "VerifyRefused": State.WITH_PAYER,
        "VerifyLost": State.IN_DOUBT,
    },
    State.OWED: {
        CLAIMED: State.OWED,
        "ReverseRequested": State.RETURNING,
        "RefundRequested": State.RETURNING,
        "LeftToReview": State.IN_REVIEW,
    },
    State.RETURNING: {
        CLAIMED: State.RETURNING,
        "Reversed": State.GIVEN_BACK,
        "ReverseRefused": State.OWED,
        "ReverseLost": State.OWED,
        "Refunded": State.GIVEN_BACK,
        "RefundRefused": State.OWED,
        "RefundLost": State.IN_REVIEW,  # never repeated blindly
    },
    State.GIVEN_BACK: {CLAIMED: State.GIVEN_BACK},
    State.IN_REVIEW: {
        CLAIMED: State.IN_REVIEW,
        "ReverseRequested": State.RETURNING,  # an operator's doing
        "Asked:reversed": State.GIVEN_BACK,
    },
    State.LAPSED: {
        CLAIMED: State.IN_DOUBT,
        "Asked:paid": State.IN_DOUBT,  # it lapsed by a clock that was wrong
        "Asked:verified": State.IN_DOUBT,
        "Asked:not_paid": State.LAPSED,
        "Asked:pending": State.LAPSED,
        "Asked:unknown": State.LAPSED,
        "Asked:reversed": State.GIVEN_BACK,
    },
}
