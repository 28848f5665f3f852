"""The lives of payments as events, for measuring and testing the journal: what the engine would record, without it."""

from collections.abc import Iterator
from typing import Final

from gatewayd.core import events as ev
from gatewayd.core.money import Currency
from gatewayd.core.payment import Payment
from gatewayd.core.terms import Claim, CodeClass, Receipt, Redirect
from gatewayd.journal.journal import order_guard, reference_guard
from gatewayd.journal.store import Guard, GuardKind

FIRST_MS: Final = 1_750_000_000_000
GATEWAYS: Final = ("saman-main", "mellat-main", "parsian-main", "zarinpal-main")
AMOUNT: Final = 1_500_000

Step = tuple[tuple[ev.Event, ...], tuple[Guard, ...]]
"""Events that land together, and the guards that they take."""


def life(number: int) -> Iterator[Step]:
    """A payment that goes well: created, started, returned and verified; five waits for the disk."""
    at_ms = FIRST_MS + number
    gateway = GATEWAYS[number % len(GATEWAYS)]
    yield (created(number),), creation_guards(number)
    yield (started(number, at_ms + 900)[:1], ())
    yield (started(number, at_ms + 900)[1:], ())
    reference = f"GmshtyjwK{number}"
    claim = Claim(
        outcome=CodeClass.OK,
        code="2",
        token=f"{number:040x}",
        bank_order=number * 1_000 + 7,
        amount=AMOUNT,
        reference=reference,
        terminal="13579246",
        rrn=f"{number:012d}",
        trace_no="123456",
    )
    yield (
        (
            ev.Returned(
                at_ms=at_ms + 70_000,
                attempt=1,
                claim=claim,
                standing=ev.Standing.CLAIM,
                digest=f"{number:016x}",
                private={
                    "State": "OK",
                    "Status": "2",
                    "RefNum": reference,
                    "ResNum": str(number * 1_000 + 7),
                    "TerminalId": "13579246",
                    "TraceNo": "123456",
                    "RRN": f"{number:012d}",
                    "SecurePan": "621986****8080",
                },
            ),
            ev.ReferenceTaken(at_ms=at_ms + 70_000, attempt=1),
            ev.VerifyRequested(at_ms=at_ms + 70_000, attempt=1, purpose=ev.Purpose.KEEP),
        ),
        (reference_guard(gateway, reference),),
    )
    receipt = Receipt(
        amount=AMOUNT,
        bank_order=number * 1_000 + 7,
        terminal="13579246",
        ref_num=reference,
        rrn=f"{number:012d}",
        trace_no="123456",
    )
    card = {"card": "621986****8080"}
    yield (ev.Verified(at_ms=at_ms + 70_400, attempt=1, receipt=receipt, private=card),), ()


def created(number: int) -> ev.Created:
    """As a shop asks for it."""
    at_ms = FIRST_MS + number
    return ev.Created(
        at_ms=at_ms,
        shop="main",
        key="k1",
        order_id=f"order-{number}",
        amount=AMOUNT,
        currency=Currency.IRR,
        return_url=f"https://shop.example/orders/{number}/paid?from=gateway",
        expires_ms=at_ms + 1_200_000,
        private={
            "payer": {"mobile": f"0912{number % 10_000_000:07d}"},
            "description": f"Order {number}",
            "metadata": {"cart": str(number)},
        },
    )


def creation_guards(number: int) -> tuple[Guard, ...]:
    """What a creation takes: its idempotency key and its order."""
    key = f"main|k1|create|{number * 2_654_435_761 % 2**32:08x}-{number}"
    return (
        Guard(kind=GuardKind.IDEMPOTENCY, key=key, detail=f"{number:064x}"),
        order_guard("main", f"order-{number}"),
    )


def started(number: int, at_ms: int) -> tuple[ev.Event, ...]:
    """The first attempt, up to its token."""
    gateway, token = GATEWAYS[number % len(GATEWAYS)], f"{number:040x}"
    redirect = Redirect(
        token=token,
        url="https://sep.shaparak.ir/OnlinePG/OnlinePG",
        method="post",
        fields={"Token": token, "GetMethod": "false"},
    )
    return (
        ev.StartRequested(
            at_ms=at_ms,
            attempt=1,
            gateway=gateway,
            bank_order=number * 1_000 + 7,
            settles=False,
            probability=0.2731,
        ),
        ev.Started(at_ms=at_ms + 200, attempt=1, redirect=redirect),
    )


def is_finished(payment: Payment) -> bool:
    """Paid and nothing else to do, or closed; what a plan would say without any deadline."""
    return payment.kept is not None or payment.closed is not None
