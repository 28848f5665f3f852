"""Under load what was begun goes first: how much may be in progress, and who waits for a turn."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.settings import OverloadSettings, WebSettings
from gatewayd.web.addresses import Addresses
from gatewayd.web.admission import DISK_SLOW, TOO_MANY, Admission
from gatewayd.web.load import Load
from gatewayd.web.turnstile import CUSTOMER, NEW_PAYMENT, Turnstile

SETTINGS = OverloadSettings()
MANY = 2_000
LATE, EARLY = 10 * SETTINGS.lag_high_seconds, 0.0
BETWEEN = (SETTINGS.lag_low_seconds + SETTINGS.lag_high_seconds) / 2


def admission_after(*lags: float, in_progress: int = 500) -> Admission:
    admission = Admission(SETTINGS, MANY)
    for lag in lags:
        admission.lagged(lag, in_progress)
    return admission


# --- the limit


def test_while_the_loop_is_in_time_everybody_is_let_in() -> None:
    assert admission_after(*[0.001] * 100).has_room(MANY)


def test_a_single_stall_shuts_nobody_out() -> None:
    assert admission_after(*[EARLY] * 10, 5.0, *[EARLY] * 10).has_room(MANY)


def test_a_loop_that_stays_late_shrinks_the_limit_from_what_is_in_progress() -> None:
    admission = admission_after(*[LATE] * 3, in_progress=500)
    assert 0.9**3 * 500 <= admission.limit <= 0.9 * 500


def test_with_little_in_progress_nobody_is_shut_out_however_late_the_loop_is() -> None:
    admission = admission_after(*[LATE] * 500, in_progress=3)
    assert admission.has_room(SETTINGS.in_flight_min)
    assert not admission.has_room(SETTINGS.in_flight_min + 1)


def test_between_the_two_marks_the_limit_stays() -> None:
    admission = admission_after(*[LATE] * 5)
    for _ in range(50):
        admission.lagged(BETWEEN, 500)
    limit = admission.limit
    admission.lagged(BETWEEN, 500)
    assert limit == admission.limit < MANY


def test_when_it_is_in_time_again_the_limit_grows_back_to_where_it_was() -> None:
    assert MANY == admission_after(*[LATE] * 50, *[EARLY] * 200).limit


@given(st.lists(st.tuples(st.floats(-1, 100), st.integers(0, 3 * MANY)), max_size=200))
def test_the_limit_is_never_below_its_least_nor_above_its_most(
    measured: list[tuple[float, int]],
) -> None:
    admission = Admission(SETTINGS, MANY)
    for lag, in_progress in measured:
        admission.lagged(lag, in_progress)
        assert SETTINGS.in_flight_min <= admission.limit <= MANY


def test_a_most_below_the_least_is_obeyed() -> None:
    admission = Admission(SETTINGS, 2)
    for lag in [LATE] * 20 + [EARLY] * 20:
        admission.lagged(lag, 2)
        assert admission.limit <= 2


def test_too_much_in_progress_and_a_slow_commit_refuse_at_once() -> None:
    admission = Admission(SETTINGS, MANY)
    assert admission.why_not(MANY, SETTINGS.commit_seconds) is None
    assert TOO_MANY == admission.why_not(MANY + 1, 0.0)
    assert DISK_SLOW == admission.why_not(1, 2 * SETTINGS.commit_seconds)


def test_it_is_overloaded_until_it_has_refused_nobody_for_a_while() -> None:
    admission = Admission(SETTINGS, MANY)
    assert not admission.is_overloaded(0.0)
    admission.refused(100.0)
    assert admission.is_overloaded(100.0 + 0.9 * SETTINGS.calm_seconds)
    assert not admission.is_overloaded(100.0 + SETTINGS.calm_seconds)


def test_not_all_are_asked_to_come_again_at_the_same_time() -> None:
    admission, least = Admission(SETTINGS, MANY), SETTINGS.retry_after_seconds
    seconds = [admission.refused(1.0) for _ in range(60)]
    assert set(range(least, 2 * least + 1)) == set(seconds)


# --- waiting for a turn


class Hall:
    """A turnstile whose limit stands at `room`."""

    def __init__(self, room: int, **settings: float) -> None:
        self.load = Load(WebSettings(), Addresses(("10.0.0.0/8",)))
        self.admission = Admission(SETTINGS, MANY)
        self.admission.limit = room
        changed = OverloadSettings(**settings)  # type: ignore[arg-type]  # counts and seconds
        self.turnstile = Turnstile(changed, self.load, self.admission)
        self.entered: list[str] = []

    async def come(self, name: str, kind: int = NEW_PAYMENT) -> bool:
        self.load.enter("10.0.0.1")
        let_in = await self.turnstile.enter(kind)
        self.entered += [name] * let_in
        return let_in

    def leave(self) -> None:
        self.load.leave("10.0.0.1")


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_finds_no_room_waits_and_is_let_in_when_somebody_leaves() -> None:
    hall = Hall(1)
    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(hall.come(name))
        await settled()
        assert (["a"], 2, 1) == (hall.entered, hall.turnstile.waiting, hall.turnstile.in_progress)
        hall.leave()
        await settled()
        assert ["a", "b"] == hall.entered
        hall.leave()
        await settled()
        assert (["a", "b", "c"], 0) == (hall.entered, hall.turnstile.waiting)


async def test_customers_who_come_to_pay_go_before_new_payments() -> None:
    hall = Hall(1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hall.come("first"))
        await settled()
        tasks.create_task(hall.come("new"))
        tasks.create_task(hall.come("customer", CUSTOMER))
        await settled()
        for _ in range(2):
            hall.leave()
            await settled()
    assert ["first", "customer", "new"] == hall.entered


async def test_who_comes_later_does_not_overtake_who_waits() -> None:
    hall = Hall(1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hall.come("a"))
        tasks.create_task(hall.come("b"))
        await settled()
        hall.admission.limit = 2
        tasks.create_task(hall.come("c"))
        await settled()
        assert ["a"] == hall.entered
        hall.turnstile.let_in()
        await settled()
        assert ["a", "b"] == hall.entered
        hall.leave()


async def test_who_waits_too_long_is_refused_and_takes_no_place() -> None:
    hall = Hall(1, wait_seconds=0.01)
    assert await hall.come("a")
    assert not await hall.come("b")
    hall.leave()
    assert (0, 1) == (hall.turnstile.waiting, hall.turnstile.in_progress)


async def test_when_as_many_wait_as_may_the_next_is_refused_at_once() -> None:
    hall = Hall(1, waiting_max=1)
    assert await hall.come("a")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hall.come("b"))
        await settled()
        assert not await hall.come("c")
        hall.leave()  # c, which was refused
        hall.leave()  # a
    assert ["a", "b"] == hall.entered


async def test_who_could_not_be_let_in_in_time_is_refused_at_once() -> None:
    """With ten a second let in, who has eleven before him would wait for longer than a second."""
    hall = Hall(1, wait_seconds=1.0)
    assert await hall.come("first")
    async with asyncio.TaskGroup() as tasks:
        for number in range(12):
            tasks.create_task(hall.come(str(number)))
        await settled()
        for tick in range(200):
            hall.turnstile.measure(100.0 + tick * 0.1)
            if tick < 199:
                hall.turnstile._let_in = 1  # as if one had been let in since
        assert 12 == hall.turnstile.waiting
        assert not await hall.come("too late")
        hall.leave()
        for _ in range(2):
            hall.leave()
            await settled()
        assert 10 == hall.turnstile.waiting
        late = tasks.create_task(hall.come("in time"))
        await settled()
        assert not late.done()
        for _ in range(11):
            hall.leave()
            await settled()
        assert late.result()


async def test_who_hangs_up_while_he_waits_leaves_his_place() -> None:
    hall = Hall(1)
    assert await hall.come("a")
    async with asyncio.TaskGroup() as tasks:
        gone = tasks.create_task(hall.come("b"))
        tasks.create_task(hall.come("c"))
        await settled()
        gone.cancel()
        await settled()
        hall.leave()  # b
        hall.leave()  # a
    assert ["a", "c"] == hall.entered
