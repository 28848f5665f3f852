"""What happens to payments at any bank: the stories that every driver can tell, and their steps.

A story knows no driver: it reads the traits, the powers and the bank's own book. What a driver says
must be what the book says: money claimed that the bank has not taken, or the other way round, fails.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from gatewayd.core.secret import Secret
from gatewayd.core.terms import (
    AddressedBy,
    Ask,
    Claim,
    CodeClass,
    Finding,
    GivenBack,
    IfUnverified,
    Inquiry,
    Lost,
    Operation,
    Order,
    Receipt,
    Redirect,
    Refusal,
)
from gatewayd.gateways.contract import (
    Driver,
    Inquirable,
    Reversible,
    Settleable,
)
from gatewayd.simulator.bank import Session, State
from gatewayd.simulator.faults import Kind
from tests.stage import Stage

Story = Callable[[Stage], Awaitable[None]]

NO: Final = {CodeClass.NOT_PAID, CodeClass.CANCELLED, CodeClass.DECLINED}
"""What counts as a bank's definite no to a verify."""
WRONG: Final[dict[str, dict[str, Any]]] = {
    "saman": {"terminal_id": "13579247"},
    "mellat": {"password": Secret("87654321")},
    "parsian": {"pin": Secret("aB3dE5fG7hJ9kL1mN2pX")},
    "sadad": {"key": Secret("MjEwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAx")},
    "zarinpal": {"merchant_id": "11111111-2222-3333-4444-555555555556"},
    "zibal": {"merchant": "zibal-dema"},
}
"""Credentials that the bank does not know."""
SAYS_YES_AGAIN: Final = {"parsian"}
"""A repeated verify looks like the first; where the bank says that it was repeated, fine too."""


@dataclass(frozen=True)
class Paid:
    """A payment whose payer has come back."""

    order: Order
    redirect: Redirect
    claim: Claim
    session: Session


# --- steps


async def paid(at: Stage, amount: int = 150_000) -> Paid:
    """A payer has paid and come back, and says so."""
    order = at.order(amount)
    redirect = await at.start(order)
    fields = await at.browse(redirect)
    assert fields is not None
    claim = at.driver.read_return(fields)
    assert CodeClass.OK is claim.outcome
    check_binding(at, order, redirect, claim)
    return Paid(order, redirect, claim, at.session(redirect))


async def verify(at: Stage, it: Paid) -> Receipt | Refusal | Lost:
    """One verify by what the return brought."""
    outcome = await at.run(at.driver.verify(it.order, it.redirect.token, it.claim))
    if isinstance(outcome, Receipt):
        check_receipt(it.order, it.redirect, outcome)
    return outcome


async def taken(at: Stage, amount: int = 150_000) -> tuple[Paid, Receipt]:
    """A payment that is the merchant's for good."""
    it = await paid(at, amount)
    receipt = await verify(at, it)
    assert isinstance(receipt, Receipt), receipt
    if isinstance(at.driver, Settleable):
        settled = await at.run(at.driver.settle(it.order, it.redirect.token, receipt))
        assert isinstance(settled, Receipt), settled
        receipt = settled
    assert (State.SETTLED if at.driver.traits.settles else State.VERIFIED) is it.session.state
    return it, receipt


def check_binding(at: Stage, order: Order, redirect: Redirect, claim: Claim) -> None:
    """What a genuine return says is ours, and it says what a verify needs."""
    assert claim.token in {None, redirect.token}
    assert claim.bank_order in {None, order.bank_order}
    assert claim.amount in {None, order.amount}
    assert claim.token is not None or claim.bank_order is not None
    if claim.outcome is CodeClass.OK and at.driver.traits.addressed_by is AddressedBy.REFERENCE:
        assert claim.reference


def check_receipt(order: Order, redirect: Redirect, receipt: Receipt) -> None:
    """What the bank says of its own payment is what we know of it."""
    assert receipt.amount in {None, order.amount}
    assert receipt.token in {None, redirect.token}
    assert receipt.bank_order in {None, order.bank_order}
    assert receipt.ref_num


def untouched(at: Stage, it: Paid) -> None:
    """No money became the merchant's."""
    assert it.session is at.session(it.redirect)
    assert not it.session.verified


# --- stories


async def pays(at: Stage) -> None:
    """Start, pay, return, verify, and settle where the bank wants it."""
    it, receipt = await taken(at)
    assert not receipt.already
    assert [(at.name, it.order.bank_order, 150_000, True, False, 0)] == [
        (
            row["driver"],
            row["order"],
            row["amount"],
            row["verified"],
            row["reversed"],
            row["refunded"],
        )
        for row in at.book()
    ]


async def cancels(at: Stage) -> None:
    """The payer gives up at the bank."""
    await does_not_pay(at, "cancel", State.CANCELLED, {CodeClass.CANCELLED})


async def is_declined(at: Stage) -> None:
    """The payer's card is refused; a bank may say no more than that it is not paid."""
    await does_not_pay(at, "decline", State.DECLINED, {CodeClass.DECLINED, CodeClass.CANCELLED})


async def does_not_pay(at: Stage, mix: str, state: State, outcomes: set[CodeClass]) -> None:
    at.all_do(mix)
    order = at.order()
    redirect = await at.start(order)
    fields = await at.browse(redirect)
    assert fields is not None
    claim = at.driver.read_return(fields)
    check_binding(at, order, redirect, claim)
    assert claim.outcome in outcomes
    outcome = await at.run(at.driver.verify(order, redirect.token, claim))
    assert isinstance(outcome, Refusal), outcome
    if at.driver.traits.addressed_by is AddressedBy.TOKEN:
        assert outcome.cause in NO
    session = at.session(redirect)
    assert (state, False) == (session.state, session.verified)


async def returns_twice(at: Stage) -> None:
    """The same return arrives again, before and after the verify."""
    order = at.order(150_104)
    redirect = await at.start(order)
    fields = await at.browse(redirect)
    assert fields is not None
    claim = at.driver.read_return(fields)
    assert claim == at.driver.read_return(dict(sorted(fields.items())))
    it = Paid(order, redirect, claim, at.session(redirect))
    assert isinstance(await verify(at, it), Receipt)
    assert claim == at.driver.read_return(fields)
    await is_already_verified(at, it)


async def verifies_twice(at: Stage) -> None:
    """The second verify is no second payment."""
    it = await paid(at)
    first = await verify(at, it)
    assert isinstance(first, Receipt), first
    assert not first.already
    await is_already_verified(at, it)


async def is_already_verified(at: Stage, it: Paid) -> None:
    again = await verify(at, it)
    assert isinstance(again, Receipt), again
    assert again.already or at.name in SAYS_YES_AGAIN
    assert State.VERIFIED is it.session.state


async def verify_reply_is_lost(at: Stage) -> None:
    """The first verify took effect, and its reply was cut: ask again."""
    it = await paid(at, 150_103)
    lost = await verify(at, it)
    assert isinstance(lost, Lost), lost
    assert lost.reached
    assert it.session.verified
    await is_already_verified(at, it)


async def html_instead_of_a_token(at: Stage) -> None:
    """A page under maintenance is no answer, and the next start is a fresh one."""
    at.fault(Kind.HTML, Operation.START)
    lost = await at.run(at.driver.start(at.order()))
    assert isinstance(lost, Lost), lost
    assert lost.reached
    assert [] == at.book()
    at.mend()
    await pays(at)


async def html_instead_of_a_verify(at: Stage) -> None:
    """The first verify is answered by a page before any effect."""
    it = await paid(at, 150_106)
    lost = await verify(at, it)
    assert isinstance(lost, Lost), lost
    assert lost.reached
    untouched(at, it)
    receipt = await verify(at, it)
    assert isinstance(receipt, Receipt), receipt
    assert it.session.verified


async def no_answer_at_all(at: Stage) -> None:
    """Nothing that a broken bank answers to a verify is a yes or a no."""
    it = await paid(at)
    for kind in (Kind.ERROR500, Kind.HTML, Kind.RESET_AFTER_SEND):
        at.fault(kind, Operation.VERIFY)
        assert isinstance(await verify(at, it), Lost), kind
        at.mend()
        untouched(at, it)


async def half_an_answer(at: Stage) -> None:
    """A verify took effect, and what came of its answer cannot be read."""
    for kind in (Kind.TRUNCATED, Kind.EMPTY, Kind.WRONG_CHARSET):
        it = await paid(at)
        at.fault(kind, Operation.VERIFY)
        assert isinstance(await verify(at, it), Lost), kind
        at.mend()
        assert it.session.verified
        await is_already_verified(at, it)


async def start_reply_is_lost(at: Stage) -> None:
    """A lost start is harmless: nobody holds that token."""
    at.fault(Kind.DROP_REPLY, Operation.START)
    lost = await at.run(at.driver.start(at.order()))
    assert isinstance(lost, Lost), lost
    at.mend()
    assert [State.CREATED] == [row["state"] for row in at.book()]


async def wrong_amount(at: Stage) -> None:
    """A cheap payment verified for a dear order is either refused or shown for what it is."""
    it = await paid(at, 20_000)
    dear = replace(it.order, amount=2_000_000)
    outcome = await at.run(at.driver.verify(dear, it.redirect.token, it.claim))
    match outcome:
        case Receipt(amount=None):
            assert at.driver.traits.addressed_by is AddressedBy.REFERENCE
            assert outcome.ref_num == it.claim.reference  # the claimed order number is what binds
        case Receipt(amount=amount):
            assert amount == 20_000
        case Refusal():
            untouched(at, it)
        case _:
            pytest.fail(f"{outcome}")


async def another_order_s_token(at: Stage) -> None:
    """The return of one order does not pay another of the same amount."""
    cheap, dear = await paid(at), await paid(at)
    stolen = replace(dear.claim, reference=cheap.claim.reference)
    outcome = await at.run(at.driver.verify(dear.order, dear.redirect.token, stolen))
    if isinstance(outcome, Receipt):
        ours = cheap if at.driver.traits.addressed_by is AddressedBy.REFERENCE else dear
        assert ours.session.verified
        if ours is cheap:  # the reference is claimed, so that the engine sees it used twice
            assert cheap.claim.reference == outcome.ref_num
    else:
        untouched(at, cheap)
        untouched(at, dear)


async def expired_token(at: Stage) -> None:
    """A payer who comes too late finds no page, and nothing is paid."""
    order = at.order()
    redirect = await at.start(order)
    at.clock.now += at.terms.token_life_seconds + 1
    assert None is await at.browse(redirect)
    outcome = await at.run(at.driver.verify(order, redirect.token, None))
    assert isinstance(outcome, Refusal), outcome
    assert (State.EXPIRED, False) == (at.session(redirect).state, at.session(redirect).verified)


async def late_verify(at: Stage) -> None:
    """After the bank's window the money has gone back by itself, unless the bank holds it."""
    it = await paid(at)
    at.clock.now += at.terms.verify_within_seconds + 1
    outcome = await verify(at, it)
    if at.terms.unverified is IfUnverified.HELD:
        assert isinstance(outcome, Receipt), outcome
        assert it.session.verified
    else:
        assert isinstance(outcome, Refusal), outcome
        assert outcome.cause in NO
        assert State.AUTO_REVERSED is it.session.state


async def returns_late(at: Stage) -> None:
    """The payer paid in time and returns after the deadline."""
    it = await paid(at, 150_107)
    outcome = await verify(at, it)
    if at.terms.unverified is IfUnverified.HELD:
        assert isinstance(outcome, Receipt), outcome
    else:
        assert isinstance(outcome, Refusal), outcome
        assert CodeClass.NOT_PAID is outcome.cause
        assert State.AUTO_REVERSED is it.session.state


async def just_in_time(at: Stage) -> None:
    """To the last second that the traits promise, the bank accepts what they promise."""
    traits = at.driver.traits
    order = at.order()
    redirect = await at.start(order)
    at.clock.now += min(traits.token_life_seconds, at.terms.token_life_seconds)
    fields = await at.browse(redirect)
    assert fields is not None
    it = Paid(order, redirect, at.driver.read_return(fields), at.session(redirect))
    at.clock.now += traits.verify_within_seconds
    receipt = await verify(at, it)
    assert isinstance(receipt, Receipt), receipt
    if traits.reverse_within_seconds is not None and isinstance(at.driver, Reversible):
        at.clock.now += traits.reverse_within_seconds - traits.verify_within_seconds
        given = await at.run(at.driver.reverse(order, redirect.token, receipt))
        assert isinstance(given, GivenBack), given


async def closes_the_tab(at: Stage) -> None:
    """The payer pays and never comes back; what can be known without him is known."""
    order = at.order(150_102)
    redirect = await at.start(order)
    assert None is await at.browse(redirect)
    session = at.session(redirect)
    claim = None
    match at.driver.traits.ask:
        case Ask.NOTHING:
            return
        case Ask.INQUIRY:
            assert isinstance(at.driver, Inquirable)
            found = await at.run(at.driver.inquire(order, redirect.token, None))
            assert isinstance(found, Inquiry), found
            assert Finding.PAID is found.finding
            assert not session.verified
            claim = Claim(outcome=CodeClass.OK, reference=found.reference)
        case Ask.VERIFY:
            pass
    receipt = await at.run(at.driver.verify(order, redirect.token, claim))
    assert isinstance(receipt, Receipt), receipt
    check_receipt(order, redirect, receipt)
    assert session.verified


async def nobody_has_paid_yet(at: Stage) -> None:
    """Asking while the payer is at the bank is no yes and does not end the attempt."""
    order = at.order()
    redirect = await at.start(order)
    if at.driver.traits.ask is Ask.VERIFY:
        early = await at.run(at.driver.verify(order, redirect.token, None))
        assert isinstance(early, Refusal), early
    fields = await at.browse(redirect)
    assert fields is not None
    it = Paid(order, redirect, at.driver.read_return(fields), at.session(redirect))
    assert isinstance(await verify(at, it), Receipt)


async def reused_order_number(at: Stage) -> None:
    """A second start with the same number gets another token, or is refused as our fault."""
    order = at.order()
    first = await at.start(order)
    second = await at.run(at.driver.start(order))
    match second:
        case Redirect():
            assert first.token != second.token
        case Refusal():
            assert CodeClass.OUR_FAULT is second.cause
        case _:
            pytest.fail(f"{second}")


async def wrong_credentials(at: Stage) -> None:
    """A contract that the bank does not know is a matter for the operator, at every call."""
    it = await paid(at)
    wrong = with_fields(at.driver, WRONG[at.name])
    refused = await at.run(wrong.start(at.order()))
    assert isinstance(refused, Refusal), refused
    assert CodeClass.MERCHANT_CONFIG is refused.cause
    outcome = await at.run(wrong.verify(it.order, it.redirect.token, it.claim))
    assert not isinstance(outcome, Receipt)
    assert not isinstance(outcome, Refusal) or outcome.cause not in NO - {CodeClass.NOT_PAID}
    untouched(at, it)


def with_fields(driver: Driver, fields: dict[str, Any]) -> Driver:
    """The driver with other credentials."""
    return replace(driver, **fields)  # type: ignore[type-var]


EVERYBODYS: Final[tuple[Story, ...]] = (
    pays,
    cancels,
    is_declined,
    returns_twice,
    verifies_twice,
    verify_reply_is_lost,
    html_instead_of_a_token,
    html_instead_of_a_verify,
    no_answer_at_all,
    half_an_answer,
    start_reply_is_lost,
    wrong_amount,
    another_order_s_token,
    expired_token,
    late_verify,
    returns_late,
    just_in_time,
    closes_the_tab,
    nobody_has_paid_yet,
    reused_order_number,
    wrong_credentials,
)
