"""Stories that the seeded world told first: each is a bug that it found, with fixed steps."""

import asyncio

import pytest

from gatewayd.core.states import State
from gatewayd.core.status import Status, needs_review
from gatewayd.core.terms import Operation
from gatewayd.engine.views import NoGateway, View
from gatewayd.journal.store import Holder, StoreError
from gatewayd.world.accounts import reckon
from gatewayd.world.history import History
from gatewayd.world.machine import LOOK_EVERY_SECONDS, Down
from tests.story_stage import AMOUNT, Story, told


@pytest.mark.parametrize("taken", [AMOUNT + 1_000, AMOUNT - 1_000])
def test_of_another_amount_than_ordered_all_that_was_taken_goes_back(taken: int) -> None:
    async def scene(story: Story) -> None:
        number = await story.order("zibal")
        attempt = await story.handed_over(number)
        await story.returns(number, attempt, story.at_bank(attempt, takes=taken))
        await story.passes(60.0)
        assert State.GIVEN_BACK is story.state(number)
        assert story.session(number).reversed
        assert needs_review(story.payment(number))

    told(scene)


def test_a_payment_proven_without_its_amount_is_paid_but_a_person_is_to_look() -> None:
    """The first verify took effect unheard, and the second says only that it had been asked before."""

    async def scene(story: Story) -> None:
        number = await story.order("saman")
        attempt = await story.handed_over(number)
        story.next_call(Operation.VERIFY, "lost_reply")
        await story.returns(number, attempt, story.at_bank(attempt))
        await story.passes(10.0)
        assert Status.PAID is story.status(number)
        assert needs_review(story.payment(number))

    told(scene, switches={"saman": {"duplicate_detail": "absent"}})


def test_a_payment_proven_again_with_its_amount_is_nobodys_worry() -> None:
    async def scene(story: Story) -> None:
        number = await story.order("saman")
        attempt = await story.handed_over(number)
        story.next_call(Operation.VERIFY, "lost_reply")
        await story.returns(number, attempt, story.at_bank(attempt))
        await story.passes(10.0)
        assert Status.PAID is story.status(number)
        assert not needs_review(story.payment(number))

    told(scene, switches={"saman": {"duplicate_detail": "present"}})


def test_whoever_comes_in_the_moment_the_disk_fails_meets_no_error_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between the failing of a commit and the end of the process nothing may be begun any more."""

    async def scene(story: Story) -> None:
        number = await story.order("saman")
        met: list[View | Exception] = []

        async def come() -> None:
            try:
                met.append(await story.asks(lambda engine: engine.cashier.arrive(number)))
            except Down as nobody:
                met.append(nobody)

        async def crowd() -> None:
            async with asyncio.TaskGroup() as comers:
                for _ in range(12):
                    comers.create_task(come())
                    await asyncio.sleep(0)  # at each step on the way down somebody comes

        def fail(*_: object) -> list[Holder | None]:
            story.loop.create_task(crowd())
            raise StoreError("the disk failed")

        monkeypatch.setattr(story.machine.store, "write", fail)
        with pytest.raises(Down):
            await story.order("saman")
        monkeypatch.undo()
        await story.passes(6.0)
        assert {Down, NoGateway} == {type(each) for each in met}
        await story.handed_over(number)

    told(scene)


def test_nobody_is_shown_what_was_recorded_while_he_waited_for_the_disk() -> None:
    """A shop asks just when one try has failed; the next one, recorded a step later, has not landed yet."""

    async def scene(story: Story) -> None:
        number = await story.order("saman", "sadad")
        story.next_call(Operation.START, "html_before")
        arriving = story.loop.create_task(story.handed_over(number))
        while not arriving.done():
            payment = await story.asks(lambda engine: engine.records.look(number))
            assert payment is not None
            assert payment.version <= story.payment(number).version
            await story.passes(0.0001)
        await arriving

    told(scene)


def test_a_no_is_believed_only_when_no_earlier_verify_can_still_arrive() -> None:
    """A question about an absent payer is lost, asked again, answered no; then he pays, and the first one arrives."""

    async def scene(story: Story) -> None:
        number = await story.order("sadad", expires=60)
        attempt = await story.handed_over(number)
        story.next_call(Operation.VERIFY, "late_effect")
        while story.state(number) is not State.IN_DOUBT:
            await story.passes(1.0)
        await story.passes(3.0)
        assert 2 == story.wire.sent.count(Operation.VERIFY)
        assert State.IN_DOUBT is story.state(number)
        story.at_bank(attempt)  # and never comes back
        await story.passes(70.0)
        assert Status.PAID is story.status(number)

    told(scene)


def test_a_no_after_which_nothing_strays_in_is_a_no() -> None:
    async def scene(story: Story) -> None:
        number = await story.order("sadad", expires=60)
        await story.handed_over(number)
        story.next_call(Operation.VERIFY, "timeout_before")
        await story.passes(2_800.0)
        assert Status.EXPIRED is story.status(number)

    told(scene)


def test_what_an_operator_gives_back_is_paid_until_it_has_gone_back() -> None:
    """The reverse takes effect unheard; it is asked for again until the bank says so."""

    async def scene(story: Story) -> None:
        number = await story.order("zarinpal")
        attempt = await story.handed_over(number)
        await story.returns(number, attempt, story.at_bank(attempt))
        story.next_call(Operation.REVERSE, "lost_reply")
        await story.asks(
            lambda engine: engine.operating.reverse(number, by="ops", reason="he called")
        )
        assert Status.PAID is story.status(number)
        await story.passes(10.0)
        assert Status.REVERSED is story.status(number)
        assert story.session(number).reversed

    told(scene)


def test_a_reverse_that_took_effect_unheard_is_asked_for_beyond_its_window() -> None:
    """A shop cancels while its payment is verified, and the bank falls silent after it gave the money back."""

    async def scene(story: Story) -> None:
        number = await story.order("zarinpal")
        attempt = await story.handed_over(number)
        fields = story.at_bank(attempt)
        returning = story.loop.create_task(story.returns(number, attempt, fields))
        await story.passes(0.01)
        await story.asks(lambda engine: engine.cashier.cancel(number))
        story.next_call(Operation.REVERSE, "lost_reply", *["timeout_before"] * 60)
        await returning
        await story.passes(1_900.0)
        assert Status.PROCESSING is story.status(number)
        await story.passes(3_600.0)
        assert Status.REVERSED is story.status(number)

    told(scene)


def test_a_payment_whose_shop_hung_up_while_it_was_made_expires_like_any_other() -> None:
    async def scene(story: Story) -> None:
        with pytest.raises(Down):
            await story.order("saman", expires=60, patience=0.0001)
        await story.passes(70.0)
        assert [Status.EXPIRED] == [story.status(number) for number in story.oracle.payments]

    told(scene)


def test_held_money_is_found_though_a_wrong_clock_ended_the_attempt_before_its_payer_paid() -> None:
    async def scene(story: Story) -> None:
        number = await story.order("zarinpal", expires=60)
        attempt = await story.handed_over(number)
        story.clock.skew = 3_600.0
        await story.passes(2 * LOOK_EVERY_SECONDS)
        assert Status.EXPIRED is story.status(number)
        story.at_bank(attempt)  # and never comes back
        await story.passes(5_400.0)
        assert State.GIVEN_BACK is story.state(number)
        assert story.session(number).reversed

    told(scene)


@pytest.mark.parametrize("switch", ["held", "auto_reverse"])
def test_money_that_a_bank_was_to_give_back_by_itself_is_found_if_it_did_not(switch: str) -> None:
    """The customer gives up here and pays there; nobody would ever have asked for it."""

    async def scene(story: Story) -> None:
        number = await story.order("zibal")
        attempt = await story.handed_over(number)
        await story.asks(lambda engine: engine.cashier.give_up(number))
        assert Status.CANCELLED is story.status(number)
        story.at_bank(attempt)  # and never comes back
        await story.passes(3_500.0)
        assert 1 == story.wire.sent.count(Operation.INQUIRE)  # when he gave up
        await story.passes(600.0)
        assert State.GIVEN_BACK is story.state(number)
        assert story.session(number).reversed or story.session(number).refunded
        assert 2 == story.wire.sent.count(Operation.INQUIRE)
        assert (Operation.VERIFY in story.wire.sent) is (switch == "held")
        assert Status.CANCELLED is story.status(number)

    told(scene, switches={"zibal": {"unverified": switch}})


def test_a_debit_that_another_payment_was_to_be_paid_by_is_a_persons_to_look_into() -> None:
    """A cancelled payment's reference, brought with a payment of another amount, at a bank that takes nothing back."""

    async def scene(story: Story) -> None:
        first = await story.order("saman")
        paid = await story.handed_over(first)
        await story.asks(lambda engine: engine.cashier.cancel(first))
        fields = story.at_bank(paid)
        second = await story.order("saman", amount=2 * AMOUNT)
        attempt = await story.handed_over(second)
        ours, theirs = story.session(second), story.session(first)
        changes = {theirs.token: ours.token, theirs.order: ours.order, str(AMOUNT): str(2 * AMOUNT)}
        told = {name: changes.get(value, value) for name, value in fields.items()}
        story.next_call(Operation.REVERSE, *["html_before"] * 2_000)
        await story.returns(second, attempt, told)
        await story.passes(30 * 3_600.0)
        assert State.IN_REVIEW is story.state(second)
        assert needs_review(story.payment(second))
        assert theirs.verified
        assert not theirs.reversed
        now, history = story.clock.true(), History(story.loop.time)
        assert {"in review": 1} == reckon(story.oracle, list(story.banks.book), history, now)
        assert [] == history.violations

    told(scene)
