"""Manual capture at every bank that can prove a payment without taking it: held, captured once or not at all."""

import asyncio

import pytest

from gatewayd.core import events as ev
from gatewayd.core.status import Money, Status, is_authorized, money_of, needs_review
from gatewayd.core.terms import Capture, Lost, Operation
from gatewayd.engine.capturing import Answer, Verdict
from gatewayd.engine.views import Back, Choice, NoGateway
from gatewayd.gateways.contract import Reply
from gatewayd.simulator.bank import TAKEN, State
from gatewayd.simulator.inprocess import InProcess, Return
from gatewayd.simulator.payers import Outcome
from tests.shop import Sent, Shop, handed, on_virtual_time

HOUR = 3_600.0
PROVING = ("mellat", "zarinpal", "zibal")
HELD_MINUTES = {"mellat": 150, "zarinpal": 16, "zibal": 29}
"""How long the shop has at least, since the customer has paid."""
every_driver = pytest.mark.parametrize("driver", PROVING)


async def authorized(shop: Shop, **more: int) -> int:
    """A payment that its customer has paid, and that waits for its capture."""
    number = await shop.create(capture=Capture.MANUAL, **more)  # type: ignore[arg-type]
    view = await shop.pay(number)
    assert isinstance(view, Back)
    assert Status.AUTHORIZED is shop.status(number)
    return number


async def captured(shop: Shop, number: int) -> Answer:
    answer = await shop.engine.capturing.capture(number)
    assert isinstance(answer, Answer)
    assert answer.payment == shop.payment(number), "what is answered is on the disk"
    return answer


def taken(shop: Shop, number: int) -> bool:
    """Whether the bank's own book says that the merchant has the money."""
    session = shop.session(number)
    settles = session.driver == "mellat"
    return session.state is (State.SETTLED if settles else State.VERIFIED)


@every_driver
@on_virtual_time
async def test_what_is_paid_is_held_and_not_taken(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await authorized(shop)
        payment = shop.payment(number)
        assert Money.AT_BANK is money_of(payment)
        assert payment.hold is not None
        assert payment.hold.capture_by_ms is not None
        assert payment.hold.authorized_ms is not None
        held_ms = payment.hold.capture_by_ms - payment.hold.authorized_ms
        assert held_ms >= HELD_MINUTES[driver] * 60_000 - 5_000
        await shop.wait((HELD_MINUTES[driver] - 1) * 60)
        assert not taken(shop, number)
        assert Status.AUTHORIZED is shop.status(number)
        assert isinstance(await shop.engine.cashier.arrive(number), Back)


@every_driver
@on_virtual_time
async def test_the_shop_captures_once_and_a_repeat_finds_it_done(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await authorized(shop)
        await shop.wait(600)
        answer = await captured(shop, number)
        assert Verdict.CAPTURED is answer.verdict
        assert Status.PAID is shop.status(number)
        assert taken(shop, number)
        sent = len(shop.sent)
        again = await captured(shop, number)
        assert (Verdict.ALREADY, True) == (again.verdict, again.begun)
        assert sent == len(shop.sent)
        await shop.wait(5 * HOUR)
        shop.assert_settled(number)
        shop.assert_finished(number)


@every_driver
@on_virtual_time
async def test_captures_at_once_are_one(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await authorized(shop)
        shop.forget_calls()
        answers = await asyncio.gather(*(captured(shop, number) for _ in range(5)))
        verdicts = sorted(answer.verdict for answer in answers)
        assert [Verdict.ALREADY] * 4 + [Verdict.CAPTURED] == verdicts
        assert 1 == len(shop.sent)
        assert 1 == shop.kinds(number).count("CaptureRequested")


@every_driver
@on_virtual_time
async def test_the_shop_is_warned_once_and_what_it_does_not_capture_goes_back(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await authorized(shop)
        await shop.wait(6 * HOUR)
        kinds = shop.kinds(number)
        assert 1 == kinds.count("CaptureDue")
        assert kinds.index("CaptureDue") < kinds.index("CaptureLapsed")
        told = [told.notice.type for told in shop.store.notices(0, "demo/test", 100)]
        assert "payment.capture_due" in told
        assert told.index("payment.authorized") < told.index("payment.capture_due")
        assert "payment.expired" == told[-1]
        payment = shop.payment(number)
        assert Status.EXPIRED is shop.status(number)
        assert ev.Closing.NOT_CAPTURED is payment.closed
        assert money_of(payment) in {Money.RETURNING, Money.RETURNED}
        assert not needs_review(payment)
        assert shop.session(number).state in {State.REVERSED, State.AUTO_REVERSED}
        shop.assert_settled(number)
        shop.assert_finished(number)


@every_driver
@on_virtual_time
async def test_a_capture_that_comes_too_late_is_told_so_and_takes_nothing(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await authorized(shop)
        await shop.wait(HELD_MINUTES[driver] * 60 + 60)
        answer = await captured(shop, number)
        assert (Verdict.NOT_PAID, False) == (answer.verdict, answer.begun)
        hold = answer.payment.hold
        assert hold is not None
        assert hold.lapsed
        await shop.wait(6 * HOUR)
        assert not taken(shop, number)
        assert Status.EXPIRED is shop.status(number)


@every_driver
@on_virtual_time
async def test_a_capture_in_the_last_moment_still_takes_it(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await authorized(shop)
        hold = shop.payment(number).hold
        assert hold is not None
        assert hold.capture_by_ms is not None
        await shop.wait((hold.capture_by_ms - shop.engine.deadlines.now_ms()) / 1000 - 1)
        assert Verdict.CAPTURED is (await captured(shop, number)).verdict
        await shop.wait(6 * HOUR)
        assert Status.PAID is shop.status(number)
        shop.assert_settled(number)


@every_driver
@on_virtual_time
async def test_a_cancel_gives_back_what_was_held(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await authorized(shop)
        await shop.engine.cashier.cancel(number)
        await shop.wait(HOUR)
        assert Status.CANCELLED is shop.status(number)
        assert not needs_review(shop.payment(number))
        answer = await captured(shop, number)
        assert (Verdict.NOT_PAID, False) == (answer.verdict, answer.begun)
        await shop.wait(5 * HOUR)
        assert shop.session(number).state in {State.REVERSED, State.AUTO_REVERSED}
        shop.assert_finished(number)


@every_driver
@on_virtual_time
async def test_a_capture_without_an_answer_is_not_known_and_comes_to_an_end(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await authorized(shop)
        lost = [3]

        async def nothing(sent: Sent) -> Lost | None:
            if sent.operation in {Operation.VERIFY, Operation.SETTLE} and lost[0]:
                lost[0] -= 1
                return Lost(reached=True, cause="timeout after sending")
            return None

        shop.hook = nothing
        answer = await shop.engine.capturing.capture(number, seconds=0.5)
        assert isinstance(answer, Answer)
        assert Verdict.UNKNOWN is answer.verdict
        assert Status.PROCESSING is shop.status(number)
        await shop.wait(120)
        assert Status.PAID is shop.status(number)
        assert Verdict.ALREADY is (await captured(shop, number)).verdict
        await shop.wait(5 * HOUR)
        shop.assert_settled(number)


@every_driver
@on_virtual_time
async def test_a_capture_of_what_the_bank_gave_back_meanwhile_says_so(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await authorized(shop)
        session = shop.session(number)
        session.state = State.REVERSED
        answer = await captured(shop, number)
        assert Verdict.NOT_PAID is answer.verdict
        assert Status.FAILED is shop.status(number)
        await shop.wait(5 * HOUR)
        assert Status.FAILED is shop.status(number)
        shop.assert_finished(number)


@pytest.mark.parametrize("driver", ["zarinpal", "zibal"])
@on_virtual_time
async def test_a_claim_that_the_bank_denies_is_not_authorized_and_the_customer_can_still_pay(
    driver: str,
) -> None:
    async with Shop(driver) as shop:
        number = await shop.create(capture=Capture.MANUAL)
        handover = await shop.arrive(number)
        back = shop.go(handover)
        assert back is not None
        session = shop.session(number)
        session.state = State.WITH_PAYER
        shop.hook = None
        await shop.come_back(back)
        assert Status.AUTHORIZED is not shop.status(number)
        assert 0 == shop.calls(Operation.VERIFY)
        session.state = State.PAID
        await shop.wait(300)
        assert Status.AUTHORIZED is shop.status(number)


@pytest.mark.parametrize("driver", ["zarinpal", "zibal"])
@on_virtual_time
async def test_a_claim_that_the_bank_denies_for_good_is_put_aside(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create(capture=Capture.MANUAL)
        back = shop.go(await shop.arrive(number))
        assert back is not None
        shop.session(number).state = State.DECLINED
        await shop.come_back(back)
        await shop.wait(120)
        assert "ClaimRejected" in shop.kinds(number)
        assert not is_authorized(shop.payment(number))
        await shop.wait(5 * HOUR)
        assert Status.FAILED is shop.status(number)
        shop.assert_finished(number)


@every_driver
@on_virtual_time
async def test_whoever_cancels_at_the_bank_closes_it(driver: str) -> None:
    async with Shop(driver) as shop:
        number = await shop.create(capture=Capture.MANUAL)
        await shop.come_back(shop.go(await shop.arrive(number), Outcome.CANCEL))
        assert Status.CANCELLED is shop.status(number)


@on_virtual_time
async def test_it_is_routed_to_no_bank_that_takes_what_it_proves() -> None:
    async with Shop("saman", "parsian", "sadad", "zibal") as shop:
        for _ in range(20):
            number = await shop.create(capture=Capture.MANUAL)
            assert "zibal" == (await shop.arrive(number)).attempt.gateway
    async with Shop("saman", "parsian", "sadad") as shop:
        number = await shop.create(capture=Capture.MANUAL)
        assert isinstance(await shop.engine.cashier.arrive(number), NoGateway)


# --- crashes


class Scene:
    """A customer and a shop that go on after a crash where they were; the process dies at one point."""

    def __init__(self, shop: Shop, number: int, *, wants: bool) -> None:
        self.shop, self.number, self.wants = shop, number, wants
        self.back: Return | None = None
        self.calls = 0

    async def played(self) -> None:
        """The customer pays and comes back; the shop captures, or never does."""
        if self.back is None:
            view = await self.shop.engine.cashier.arrive(self.number)
            if isinstance(view, Choice):
                view = await self.shop.engine.cashier.go_on(self.number)
            self.back = self.shop.go(handed(view))
        await self.shop.come_back(self.back)
        if self.wants:
            await self.shop.engine.capturing.capture(self.number)

    def dies_at_call(self, which: int, *, answered: bool) -> None:
        """Before this call reaches its bank, or after it has taken effect there."""

        async def dies(sent: Sent) -> Reply | Lost | None:
            self.calls += 1
            if self.calls != which:
                return None
            if answered:
                banks = InProcess(self.shop.banks, wall=self.shop.clock.wall, sleep=asyncio.sleep)
                await banks.send(sent.gateway, sent.operation, sent.call, 5.0)
            self.shop.die()
            return Lost(reached=answered, cause="the process died")

        self.shop.hook = dies

    async def until_dead(self, seconds: float) -> None:
        """Play, and die after that time if nothing has killed the process before."""
        playing = asyncio.get_running_loop().create_task(self.played())
        await asyncio.wait([playing], timeout=seconds)
        playing.cancel()
        await asyncio.wait([playing])
        self.shop.hook, self.shop.commit_seconds = None, 0.001
        await self.shop.restart(after=3.0)
        await self.shop.rest()


POINTS = [
    *(("before call", which) for which in range(1, 5)),
    *(("after call", which) for which in range(1, 5)),
    *(("commit", which) for which in range(1, 11)),
]
"""Eighteen at three banks, with a shop that captures and one that does not: more than a hundred crashes."""


@pytest.mark.parametrize("wants", [True, False], ids=["captured", "window over"])
@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point[0]} {point[1]}")
@every_driver
@on_virtual_time
async def test_a_crash_at_any_step_ends_captured_once_or_not_at_all_and_the_shop_knows_which(
    driver: str, point: tuple[str, int], *, wants: bool
) -> None:
    async with Shop(driver) as shop:
        number = await shop.create(capture=Capture.MANUAL)
        scene, seconds = Scene(shop, number, wants=wants), 30.0
        if point[0] == "commit":
            shop.commit_seconds, seconds = 0.1, 0.1 * point[1] + 0.05
        else:
            scene.dies_at_call(point[1], answered=point[0] == "after call")
        await scene.until_dead(seconds)
        if Status.PAID is not shop.status(number):
            await scene.played()
        await shop.wait(6 * HOUR)

        assert (Status.PAID if wants else Status.EXPIRED) is shop.status(number)
        told = await captured(shop, number)
        assert (Verdict.ALREADY if wants else Verdict.NOT_PAID) is told.verdict
        started = [each.number for each in told.payment.attempts if each.token is not None]
        books = [shop.session(number, attempt) for attempt in started]
        assert int(wants) == sum(book.state in TAKEN for book in books)
        shop.assert_settled(number)
        shop.assert_finished(number)
