"""Which webhook goes out when: order per payment, retries, pauses, the end of it, and what a crash leaves."""

import random
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.core.delivery import (
    PAUSE_MAX_MS,
    STRUGGLING_MS,
    WAITING_MAX,
    Answer,
    Changes,
    Delivery,
    Receiver,
    Rules,
    Standing,
    Verdict,
)
from gatewayd.core.settings import WebhookSettings

NOW = 1_750_000_000_000
DAY = 86_400_000
RULES = Rules(
    retry_ms=tuple(int(each * 1000) for each in WebhookSettings().retry_seconds),
    jitter=0.2,
    disable_after_ms=5 * DAY,
    sending_max=8,
)
GOOD = Answer(status=204)
BAD = Answer(status=500)


def receiver(*unsettled: Delivery, cursor: int = 0, **rules: object) -> Receiver:
    changed: Rules = replace(RULES, **rules)  # type: ignore[arg-type]  # by name
    return Receiver(Standing(name="main/main", cursor=cursor), unsettled, changed)


def news(seq: int, number: int = 1, due_ms: int = NOW) -> Delivery:
    return Delivery(seq, number, seq, "payment.paid", due_ms, due_ms)


def sent(line: Receiver, now_ms: int = NOW) -> list[int]:
    """All that goes out now."""
    found = []
    while (delivery := line.next(now_ms)) is not None:
        found.append(delivery.seq)
    return found


def told(line: Receiver, *deliveries: Delivery) -> Receiver:
    line.take(deliveries, max(each.seq for each in deliveries))
    return line


# --- order and number


def test_the_next_news_of_a_payment_waits_for_the_one_before() -> None:
    line = told(receiver(), news(1), news(2), news(3, number=2))
    assert [1, 3] == sent(line)
    assert Verdict.DELIVERED is line.answered(1, GOOD, NOW, 0.0)
    assert [2] == sent(line)


def test_news_wait_as_well_while_the_one_before_is_tried_again() -> None:
    line = told(receiver(), news(1), news(2))
    sent(line)
    assert Verdict.AGAIN is line.answered(1, BAD, NOW, 0.0)
    assert [] == sent(line, NOW + 4_999)
    assert [1] == sent(line, NOW + 5_000)
    line.answered(1, GOOD, NOW + 5_000, 0.0)
    assert [2] == sent(line, NOW + 5_000)


def test_so_many_go_out_at_a_time_and_no_more() -> None:
    line = told(receiver(sending_max=3), *(news(n, number=n) for n in range(1, 9)))
    assert [1, 2, 3] == sent(line)
    assert None is line.due_ms()
    line.answered(2, GOOD, NOW, 0.0)
    assert [4] == sent(line)


def test_what_is_known_in_memory_is_bounded() -> None:
    line = told(receiver(), *(news(n, number=n) for n in range(1, WAITING_MAX)))
    assert 1 == line.room
    told(line, news(WAITING_MAX, number=WAITING_MAX))
    assert 0 == line.room


# --- retries


def test_a_delivery_is_tried_for_three_days_and_then_given_up() -> None:
    line, now, tries = told(receiver(), news(1), news(2)), NOW, []
    verdict = Verdict.AGAIN
    while verdict is Verdict.AGAIN:
        now = line.due_ms() or 0
        assert [1] == sent(line, now)
        tries.append(now - NOW)
        verdict = line.answered(1, BAD, now, 0.0)
    pauses = [round((b - a) / 1000) for a, b in pairwise(tries)]
    assert [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400] == pauses
    assert Verdict.GIVEN_UP is verdict
    assert 3 * DAY <= tries[-1] <= 4 * DAY
    assert [2] == sent(line, now)


@pytest.mark.parametrize(("dice", "pause_ms"), [(0.0, 5_000), (0.5, 5_500), (1.0, 6_000)])
def test_what_failed_together_does_not_come_back_together(dice: float, pause_ms: int) -> None:
    line = told(receiver(), news(1))
    sent(line)
    line.answered(1, BAD, NOW, dice)
    assert NOW + pause_ms == line.due_ms()


@pytest.mark.parametrize(
    ("said_ms", "pause_ms"), [(1_000, 5_000), (60_000, 60_000), (10 * DAY, DAY)]
)
def test_a_receiver_says_from_when_on_it_may_be_asked_again(said_ms: int, pause_ms: int) -> None:
    line = told(receiver(), news(1))
    sent(line)
    line.answered(1, Answer(status=503, retry_after_ms=said_ms), NOW, 0.0)
    assert NOW + pause_ms == line.due_ms()


def test_too_many_requests_hold_up_everything_for_this_receiver_for_an_hour_at_most() -> None:
    line = told(receiver(), news(1), news(2, number=2), news(3, number=3))
    assert 1 == (line.next(NOW) or news(0)).seq
    line.answered(1, Answer(status=429, retry_after_ms=2 * PAUSE_MAX_MS), NOW, 0.0)
    assert [] == sent(line, NOW + PAUSE_MAX_MS - 1)
    assert [2, 3] == sent(line, NOW + PAUSE_MAX_MS)


@pytest.mark.parametrize(
    ("status", "good"), [(200, True), (299, True), (301, False), (100, False), (None, False)]
)
def test_only_a_plain_yes_is_a_yes(status: int | None, *, good: bool) -> None:
    assert good is Answer(status=status).good


# --- a receiver that is down


def test_where_nothing_gets_through_one_at_a_time_is_tried_and_the_rest_follows_soon_after() -> (
    None
):
    line, now = told(receiver(), *(news(n, number=n) for n in range(1, 21))), NOW
    for seq in sent(line):
        line.answered(seq, BAD, now, 0.0)
    at_a_time = set()
    while now < NOW + 2 * STRUGGLING_MS:
        now = line.due_ms() or 0
        out = sent(line, now)
        at_a_time.add(len(out))
        for seq in out:
            line.answered(seq, BAD, now, 0.0)
    assert {1} == at_a_time
    now = line.due_ms() or 0
    (seq,) = sent(line, now)
    line.answered(seq, GOOD, now, 0.0)
    while line.waiting:
        out = sent(line, now + 10_000)
        assert out
        for seq in out:
            line.answered(seq, GOOD, now + 10_000, 0.0)


def test_a_receiver_that_is_gone_is_not_asked_again() -> None:
    line = told(receiver(), news(1), news(2, number=2))
    sent(line)
    assert Verdict.DISABLED is line.answered(1, Answer(status=410), NOW, 0.0)
    assert Verdict.AGAIN is line.answered(2, Answer(status=410), NOW, 0.0)
    assert ([], None, 0) == (sent(line, NOW + DAY), line.due_ms(), line.room)
    assert "gone" in line.why


def test_a_receiver_that_takes_nothing_for_five_days_is_disabled_and_enabled_by_hand() -> None:
    line = told(receiver(), *(news(n, number=n) for n in range(1, 9)))
    now, verdict = NOW, Verdict.AGAIN
    while verdict is not Verdict.DISABLED:
        now = max(now + 1, line.due_ms() or now + DAY // 24)
        for seq in sent(line, now):
            verdict = line.answered(seq, BAD, now, 0.0)
        if line.waiting < 8:
            fresh = line.cursor + 1
            told(line, news(fresh, number=fresh, due_ms=now))
    assert 5 * DAY <= now - NOW < 6 * DAY
    assert [] == sent(line, now + DAY)
    line.enable(now + DAY)
    assert [] != sent(line, now + DAY)
    assert (None, "") == (line.disabled_ms, line.why)


def test_one_success_in_five_days_is_enough() -> None:
    line = receiver()
    for day in range(12):
        now = NOW + day * DAY // 2
        told(line, news(day + 1, number=day + 1, due_ms=now))
        out = line.next(now)
        assert out is not None
        verdict = line.answered(out.seq, GOOD if day == 6 else BAD, now, 0.0)
        assert Verdict.DISABLED is not verdict


# --- again, by order


def test_what_was_delivered_goes_out_again_when_it_is_asked_for() -> None:
    line = told(receiver(), news(1), news(2, number=2))
    for seq in sent(line):
        line.answered(seq, GOOD, NOW, 0.0)
    line.send_again(news(1))
    assert [1] == sent(line)


def test_what_waits_for_its_time_goes_out_now_when_it_is_asked_for() -> None:
    line = told(receiver(), news(1))
    sent(line)
    line.answered(1, BAD, NOW, 0.0)
    line.send_again(news(1, due_ms=NOW + 1))
    assert [1] == sent(line, NOW + 1)


def test_an_older_one_asked_for_while_a_newer_is_out_follows_it_whatever_comes_of_that() -> None:
    for answer in (GOOD, BAD):
        line = told(receiver(cursor=4), news(5))
        assert [5] == sent(line)
        line.send_again(news(3))
        assert [] == sent(line)
        line.answered(5, answer, NOW, 0.0)
        assert [3] == sent(line)


def test_what_is_asked_for_while_it_is_out_goes_out_once_more() -> None:
    line = told(receiver(), news(1), news(2))
    sent(line)
    line.send_again(news(1))
    line.answered(1, GOOD, NOW, 0.0)
    assert [1] == sent(line)
    line.replay(0)
    line.answered(1, GOOD, NOW, 0.0)
    told(line, news(1), news(2))
    for expected in (1, 2):
        assert [expected] == sent(line)
        line.answered(expected, GOOD, NOW, 0.0)
    assert 0 == line.waiting


def test_a_replay_begins_behind_an_event_and_leaves_what_is_out_alone() -> None:
    line = told(receiver(), *(news(n, number=n) for n in range(1, 6)))
    out = line.next(NOW)
    assert out is not None
    line.replay(0)
    assert (0, 1) == (line.cursor, line.waiting)
    told(line, *(news(n, number=n) for n in range(1, 6)))
    assert [2, 3, 4, 5] == sent(line)


# --- what is written down


class Disk:
    """What a crash leaves."""

    def __init__(self) -> None:
        self.standing = Standing(name="main/main", cursor=0)
        self.rows: dict[int, Delivery] = {}

    def write(self, changes: Changes) -> None:
        self.standing = changes.standing
        self.rows.update((each.seq, each) for each in changes.unsettled)
        for seq in changes.settled:
            del self.rows[seq]


def first(line: Receiver) -> int:
    delivery = line.next(NOW)
    assert delivery is not None
    return delivery.seq


def test_what_is_delivered_before_it_is_written_down_costs_no_row() -> None:
    line = told(receiver(), news(1), news(2))
    line.answered(first(line), GOOD, NOW, 0.0)
    changes = line.changes()
    assert ((news(2),), (), 2) == (changes.unsettled, changes.settled, changes.standing.cursor)
    assert not line.is_changed
    line.answered(first(line), GOOD, NOW, 0.0)
    changes = line.changes()
    assert ((), (2,)) == (changes.unsettled, changes.settled)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000))
def test_whatever_fails_and_crashes_each_is_delivered_in_order_and_none_twice_without_a_crash(
    seed: int,
) -> None:
    dice, disk, now = random.Random(seed), Disk(), NOW
    outbox = [news(n, number=dice.randrange(4)) for n in range(1, 40)]
    wanted: dict[int, list[int]] = defaultdict(list)
    for each in outbox:
        wanted[each.number].append(each.seq)
    arrived: dict[int, list[int]] = defaultdict(list)
    times: Counter[int] = Counter()
    crashes = 0
    line = Receiver(disk.standing, (), RULES)
    while line.cursor < len(outbox) or line.waiting:
        now += dice.randrange(1, 20_000)
        page = [each for each in outbox if each.seq > line.cursor][: dice.randrange(1, 10)]
        line.take(page, page[-1].seq if page else line.cursor)
        out = []
        while (delivery := line.next(now)) is not None:
            out.append(delivery)
        dice.shuffle(out)
        for each in out:
            answer = GOOD if dice.random() < 0.6 or each.tries > 6 else BAD
            if answer.good:
                times[each.seq] += 1
                if each.seq not in arrived[each.number]:
                    arrived[each.number].append(each.seq)
            line.answered(each.seq, answer, now, dice.random())
        if dice.random() < 0.5:
            disk.write(line.changes())
        if dice.random() < 0.03:
            crashes += 1
            line = Receiver(disk.standing, list(disk.rows.values()), RULES)
        now = max(now, min(line.due_ms() or now, now + DAY))
    assert {n: seqs for n, seqs in wanted.items() if seqs} == {
        n: seqs for n, seqs in arrived.items() if seqs
    }
    assert crashes or set(times.values()) == {1}
