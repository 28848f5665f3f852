"""One list of stories, played by every driver at its bank, in-process and over HTTP.

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
    ListsUnverified,
    Refundable,
    Reversible,
    Settleable,
)
from gatewayd.simulator.bank import GONE_BACK, Session, State
from gatewayd.simulator.faults import Kind
from tests.stage import DRIVERS, NOWHERE, Stage, Way, full_drivers, stage

Story = Callable[[Stage], Awaitable[None]]

NIGHT_SECONDS: Final = 12 * 3600
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
MAY_FIND: Final = {
    State.CREATED: {Finding.PENDING},
    State.WITH_PAYER: {Finding.PENDING},
    State.CANCELLED: {Finding.NOT_PAID},
    State.DECLINED: {Finding.NOT_PAID},
    State.EXPIRED: {Finding.NOT_PAID, Finding.PENDING},
    State.PAID: {Finding.PAID},
    State.VERIFIED: {Finding.VERIFIED},
    State.SETTLED: {Finding.VERIFIED},
    State.REVERSED: {Finding.REVERSED, Finding.NOT_PAID},
    State.AUTO_REVERSED: {Finding.REVERSED, Finding.NOT_PAID},
}
"""What an inquiry may truthfully find by where the session stands, besides not knowing."""


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


async def reverses_in_time(at: Stage) -> None:
    """What is verified and not settled goes back, and goes back once."""
    assert isinstance(at.driver, Reversible)
    it = await paid(at)
    receipt = await verify(at, it)
    assert isinstance(receipt, Receipt), receipt
    first = await at.run(at.driver.reverse(it.order, it.redirect.token, receipt))
    assert isinstance(first, GivenBack), first
    assert not first.already
    assert first.amount in {None, it.order.amount}
    assert State.REVERSED is it.session.state
    second = await at.run(at.driver.reverse(it.order, it.redirect.token, receipt))
    assert isinstance(second, GivenBack), second
    assert second.already
    after = await verify(at, it)
    assert not isinstance(after, Receipt) or after.already


async def reverse_reply_is_lost(at: Stage) -> None:
    """A reverse without an answer is asked again and is found done."""
    assert isinstance(at.driver, Reversible)
    it = await paid(at)
    receipt = await verify(at, it)
    assert isinstance(receipt, Receipt), receipt
    for operation in (Operation.REVERSE, Operation.REFUND):
        at.fault(Kind.DROP_REPLY, operation)
    lost = await at.run(at.driver.reverse(it.order, it.redirect.token, receipt))
    assert isinstance(lost, Lost), lost
    assert it.session.reversed
    at.mend()
    again = await at.run(at.driver.reverse(it.order, it.redirect.token, receipt))
    assert isinstance(again, GivenBack), again
    assert again.already


async def reverses_too_late(at: Stage) -> None:
    """After the window it is said to be back only if it is back."""
    assert isinstance(at.driver, Reversible)
    it = await paid(at)
    receipt = await verify(at, it)
    assert isinstance(receipt, Receipt), receipt
    assert at.terms.reverse_within_seconds is not None
    at.clock.now += at.terms.reverse_within_seconds + 1
    outcome = await at.run(at.driver.reverse(it.order, it.redirect.token, receipt))
    session = at.session(it.redirect)
    is_back = session.reversed or session.refunded == session.amount
    assert is_back == isinstance(outcome, GivenBack), outcome


async def settles_twice(at: Stage) -> None:
    """The second settle says so, and afterwards there is no reverse."""
    assert isinstance(at.driver, Settleable)
    it, receipt = await taken(at)
    again = await at.run(at.driver.settle(it.order, it.redirect.token, receipt))
    assert isinstance(again, Receipt), again
    assert again.already
    if isinstance(at.driver, Reversible):
        refused = await at.run(at.driver.reverse(it.order, it.redirect.token, receipt))
        assert isinstance(refused, Refusal), refused
        assert State.SETTLED is it.session.state


async def settle_reply_is_lost(at: Stage) -> None:
    """A settle without an answer is repeated and is found done."""
    assert isinstance(at.driver, Settleable)
    it = await paid(at)
    receipt = await verify(at, it)
    assert isinstance(receipt, Receipt), receipt
    at.fault(Kind.DROP_REPLY, Operation.SETTLE)
    lost = await at.run(at.driver.settle(it.order, it.redirect.token, receipt))
    assert isinstance(lost, Lost), lost
    assert State.SETTLED is it.session.state
    at.mend()
    again = await at.run(at.driver.settle(it.order, it.redirect.token, receipt))
    assert isinstance(again, Receipt), again
    assert again.already


async def settles_what_went_back(at: Stage) -> None:
    """A settle of what was reversed is a definite no."""
    assert isinstance(at.driver, Settleable)
    assert isinstance(at.driver, Reversible)
    it = await paid(at)
    receipt = await verify(at, it)
    assert isinstance(receipt, Receipt), receipt
    await at.run(at.driver.reverse(it.order, it.redirect.token, receipt))
    refused = await at.run(at.driver.settle(it.order, it.redirect.token, receipt))
    assert isinstance(refused, Refusal), refused
    assert CodeClass.NOT_PAID is refused.cause


async def never_settled(at: Stage) -> None:
    """Hours later the bank has settled by itself or given it back, and a settle tells which."""
    assert isinstance(at.driver, Settleable)
    it = await paid(at)
    receipt = await verify(at, it)
    assert isinstance(receipt, Receipt), receipt
    at.clock.now += NIGHT_SECONDS
    outcome = await at.run(at.driver.settle(it.order, it.redirect.token, receipt))
    match at.session(it.redirect).state:
        case State.SETTLED:
            assert isinstance(outcome, Receipt), outcome
        case State.REVERSED | State.AUTO_REVERSED:
            assert isinstance(outcome, Refusal), outcome
            assert CodeClass.NOT_PAID is outcome.cause
        case state:
            pytest.fail(f"{state}")


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


async def inquires_in_every_state(at: Stage) -> None:
    """An inquiry finds what the book says, or does not know; and it changes nothing."""
    assert isinstance(at.driver, Inquirable)
    order = at.order()
    fresh = await at.start(order)
    await inquire(at, order, fresh, None)
    for mix in ("cancel", "decline"):
        at.all_do(mix)
        order = at.order()
        redirect = await at.start(order)
        fields = await at.browse(redirect)
        assert fields is not None
        await inquire(at, order, redirect, at.driver.read_return(fields))
    at.all_do("paid")
    it = await paid(at)
    await inquire(at, it.order, it.redirect, it.claim)
    receipt = await verify(at, it)
    assert isinstance(receipt, Receipt), receipt
    await inquire(at, it.order, it.redirect, it.claim)
    if isinstance(at.driver, Reversible):
        await at.run(at.driver.reverse(it.order, it.redirect.token, receipt))
        await inquire(at, it.order, it.redirect, it.claim)
    it, _ = await taken(at)
    await inquire(at, it.order, it.redirect, it.claim)
    left = await paid(at)
    at.clock.now += at.terms.verify_within_seconds + 1
    await inquire(at, left.order, left.redirect, left.claim)
    at.clock.now += at.terms.token_life_seconds + 1
    await inquire(at, order, fresh, None)


async def inquire(at: Stage, order: Order, redirect: Redirect, claim: Claim | None) -> None:
    """One inquiry, held against the book."""
    assert isinstance(at.driver, Inquirable)
    before = at.book()
    outcome = await at.run(at.driver.inquire(order, redirect.token, claim))
    assert before == at.book()
    session = at.session(redirect)
    match outcome:
        case Inquiry():
            assert outcome.finding in MAY_FIND[session.state] | {Finding.UNKNOWN}, session.state
            check_inquiry(order, session, outcome)
        case Refusal(cause=CodeClass.NOT_PAID):
            assert session.state in GONE_BACK or session.paid_at is None
        case Refusal():
            assert outcome.cause in {CodeClass.UNKNOWN, CodeClass.OUR_FAULT}, outcome
        case _:
            pytest.fail(f"{outcome}")


def check_inquiry(order: Order, session: Session, found: Inquiry) -> None:
    """What it says of the payment is true."""
    assert found.receipt.amount in {None, order.amount}
    assert found.reference in {None, session.ref_num}


async def lists_what_nobody_verified(at: Stage) -> None:
    """The bank's list has what is paid and not verified, and nothing else."""
    assert isinstance(at.driver, ListsUnverified)
    assert () == await at.run(at.driver.list_unverified())
    it = await paid(at)
    listed = await at.run(at.driver.list_unverified())
    assert isinstance(listed, tuple), listed
    assert [(it.redirect.token, it.order.amount)] == [(row.token, row.amount) for row in listed]
    await verify(at, it)
    assert () == await at.run(at.driver.list_unverified())


async def refunds_a_part(at: Stage) -> None:
    """A part goes back, and then the rest; the bank never gives back more than it took."""
    assert isinstance(at.driver, Refundable)
    it, receipt = await taken(at)
    token = it.redirect.token
    too_much = await at.run(at.driver.refund(it.order, token, receipt, 150_001, 901))
    assert isinstance(too_much, Refusal), too_much
    assert 0 == it.session.refunded
    first = await at.run(at.driver.refund(it.order, token, receipt, 50_000, 902))
    assert isinstance(first, GivenBack), first
    assert first.amount in {None, 50_000}
    assert 50_000 == it.session.refunded
    still_too_much = await at.run(at.driver.refund(it.order, token, receipt, 100_001, 903))
    assert isinstance(still_too_much, Refusal), still_too_much
    second = await at.run(at.driver.refund(it.order, token, receipt, 100_000, 904))
    assert isinstance(second, GivenBack), second
    assert 150_000 == it.session.refunded


async def asks_about_refunds(at: Stage) -> None:
    """A refund that happened is never said not to have happened, nor the other way round."""
    assert isinstance(at.driver, Refundable)
    it, receipt = await taken(at)
    token = it.redirect.token

    async def asked(order: int, given: GivenBack | None) -> GivenBack | Inquiry | Refusal | Lost:
        assert isinstance(at.driver, Refundable)
        flow = at.driver.inquire_refund(it.order, token, receipt, 50_000, order, given)
        return await at.run(flow)

    before = await asked(901, None)
    assert not isinstance(before, GivenBack), before
    given = await at.run(at.driver.refund(it.order, token, receipt, 50_000, 902))
    assert isinstance(given, GivenBack), given
    for known in (given, None):
        after = await asked(902, known)
        assert not (isinstance(after, Refusal) and after.cause in NO), after
        assert not isinstance(after, GivenBack) or after.amount in {None, 50_000}
    at.fault(Kind.DROP_REPLY, Operation.REFUND)
    lost = await at.run(at.driver.refund(it.order, token, receipt, 50_000, 903))
    assert isinstance(lost, Lost), lost
    at.mend()
    assert 100_000 == it.session.refunded
    after = await asked(903, None)
    assert not (isinstance(after, Refusal) and after.cause in NO), after


def powers(name: str) -> set[Story]:
    """The stories that only some drivers can tell."""
    driver = full_drivers()[name]
    found: set[Story] = set()
    if isinstance(driver, Reversible) and driver.traits.reverse_within_seconds is not None:
        found |= {reverses_in_time, reverse_reply_is_lost, reverses_too_late}
    if isinstance(driver, Settleable):
        found |= {settles_twice, settle_reply_is_lost, settles_what_went_back, never_settled}
    if isinstance(driver, Inquirable):
        found |= {inquires_in_every_state}
    if isinstance(driver, ListsUnverified):
        found |= {lists_what_nobody_verified}
    if isinstance(driver, Refundable) and driver.traits.refunds:
        found |= {refunds_a_part, asks_about_refunds}
    return found


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


def stories(name: str) -> list[Story]:
    """All that this driver can tell, in a fixed order."""
    return [*EVERYBODYS, *sorted(powers(name), key=lambda story: story.__name__)]


@pytest.mark.parametrize(
    ("name", "story", "way"),
    [
        pytest.param(name, story, way, id=f"{name}-{story.__name__}-{way}")
        for name in DRIVERS
        for story in stories(name)
        for way in Way
    ],
)
async def test_scenario(name: str, story: Story, way: Way) -> None:
    async with stage(name, way) as at:
        await story(at)


SWITCHED: Final = (
    ("saman", {"duplicate_success": "true", "duplicate_detail": "present"}),
    ("saman", {"page_header": "on"}),
    ("saman", {"return_token": "absent"}),
    ("saman", {"return": "receipt"}),
    ("mellat", {"unsettled": "reverse"}),
    ("parsian", {"confirm_again": "-1533"}),
    ("sadad", {"late": "1105"}),
    ("sadad", {"numbers": "number"}),
    ("zibal", {"double_verify": "bare"}),
    ("zibal", {"unverified": "held"}),
    ("zarinpal", {"unverified": "auto_reverse"}),
)
"""Where the sources disagree, each driver lives with either."""


@pytest.mark.parametrize(
    ("name", "switches", "story"),
    [
        pytest.param(name, switches, story, id=f"{name}-{'-'.join(switches)}-{story.__name__}")
        for name, switches in SWITCHED
        for story in (
            pays,
            cancels,
            verifies_twice,
            verify_reply_is_lost,
            late_verify,
            never_settled,
        )
        if story is not never_settled or story in powers(name)
    ],
)
async def test_scenario_where_sources_disagree(
    name: str, switches: dict[str, str], story: Story
) -> None:
    if switches == {"return": "receipt"} and story is cancels:
        pytest.skip("this return does not say why it is not paid")
    async with stage(name, Way.IN_PROCESS, switches=switches) as at:
        await story(at)


@pytest.mark.parametrize("name", DRIVERS)
async def test_two_runs_of_one_seed_are_one_history(name: str) -> None:
    histories = []
    for _ in range(2):
        async with stage(name, Way.IN_PROCESS) as at:
            await taken(at)
            histories.append((at.book(), at.replies))
    assert histories[0] == histories[1]


def test_every_driver_has_its_wrong_credentials() -> None:
    assert set(DRIVERS) == set(WRONG) == set(full_drivers(NOWHERE))
