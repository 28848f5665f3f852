"""The stories of drivers that can do more: settle, reverse, inquire, list and refund."""

from typing import Final

import pytest

from gatewayd.core.terms import (
    Claim,
    CodeClass,
    Finding,
    GivenBack,
    Inquiry,
    Lost,
    Operation,
    Order,
    Receipt,
    Redirect,
    Refusal,
)
from gatewayd.gateways.contract import (
    Inquirable,
    ListsUnverified,
    Refundable,
    Reversible,
    Settleable,
)
from gatewayd.simulator.bank import GONE_BACK, Session, State
from gatewayd.simulator.faults import Kind
from tests.stage import Stage, full_drivers
from tests.stories import NO, Story, paid, taken, verify

NIGHT_SECONDS: Final = 12 * 3600
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


async def reverses_what_was_refunded_in_part(at: Stage) -> None:
    """The bank gives back no more than it took, whichever way it is asked."""
    driver = at.driver
    assert isinstance(driver, Refundable)
    assert isinstance(driver, Reversible)
    it, receipt = await taken(at)
    token = it.redirect.token
    part = await at.run(driver.refund(it.order, token, receipt, 50_000, 902))
    assert isinstance(part, GivenBack), part
    rest = await at.run(driver.reverse(it.order, token, receipt))
    assert isinstance(rest, Refusal), rest
    assert (50_000, False) == (it.session.refunded, it.session.reversed)


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
        if isinstance(driver, Reversible) and driver.traits.reverse_within_seconds is not None:
            found.add(reverses_what_was_refunded_in_part)
    return found
