"""What is to be delivered to one receiver of webhooks, in which order, when again, and when no more.

Rules:

* News of one payment go out in order: the next one waits until the one before was delivered or given up.
* Each delivery has its own schedule of retries; a receiver that says `Retry-After` is not asked earlier. It is given up
  when the schedule is at its end.
* Where nothing gets through, deliveries go out one at a time, and when something does again, the others follow soon
  instead of waiting for their time.
* A receiver is disabled when it says that it is gone (410) or when nothing has got through for days; what it was to be
  told waits until a person enables it.
* What is known here is written down as a cursor and the deliveries behind it that are not settled. Nothing that was
  written down as delivered goes out again, unless it is asked for.

Pure: times come in as milliseconds since 1970, dice as numbers from 0 to 1.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gatewayd.core.values import changed

WAITING_MAX: Final = 10_000
"""Unsettled deliveries that one receiver may have in memory, a few megabytes; what comes later stays in the journal."""
STRUGGLING_AFTER: Final = 5
"""Failures in a row after which one delivery at a time is enough to find out."""
STRUGGLING_MS: Final = 30_000
"""After less than this nothing is brought forward: the first retries are due soon anyway."""
SPREAD_MS: Final = 10_000
"""Over which time the waiting deliveries follow when a receiver has recovered."""
RETRY_AFTER_MAX_MS: Final = 86_400_000
PAUSE_MAX_MS: Final = 3_600_000
"""How long a receiver that says "too many requests" can hold everything up."""
PAUSE_MS: Final = 5_000
"""…and for how long if it does not say."""

_GONE: Final = 410
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How deliveries are repeated."""

    retry_ms: tuple[int, ...]
    """The pauses after the first, second, … failure."""
    jitter: float
    """By which part a pause may be longer, so that what failed together does not come back together."""
    disable_after_ms: int
    """How long nothing may get through."""
    sending_max: int
    """Deliveries to one receiver at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a delivery."""

    status: int | None
    """HTTP's; None if there was no answer."""
    cause: str = ""
    """Why there was none, in fixed words."""
    retry_after_ms: int | None = None

    @property
    def good(self) -> bool:
        """Whether it was taken; a redirect is not."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own numbers


class Verdict(StrEnum):
    """What follows from an answer."""

    DELIVERED = "delivered"
    AGAIN = "again"
    GIVEN_UP = "given_up"
    DISABLED = "disabled"
    """The receiver, and with it everything that waits."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One piece of news for one receiver, not settled yet."""

    seq: int
    """Its place among all."""
    number: int
    """The payment."""
    version: int
    type: str
    """What happened, out of `core.news`."""
    at_ms: int
    """When it happened."""
    due_ms: int
    tries: int = 0
    first_ms: int | None = None
    """When it was tried first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is written down of a receiver, beside its unsettled deliveries."""

    name: str
    """`shop/receiver`"""
    cursor: int
    """Every piece of news up to this place is settled, was not wanted, or is among the unsettled deliveries."""
    failing_since_ms: int | None = None
    """Since when nothing has got through."""
    disabled_ms: int | None = None
    why: str = ""
    """Why it is disabled."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed since it was written down last."""

    standing: Standing
    unsettled: tuple[Delivery, ...]
    settled: tuple[int, ...]


class Receiver:
    """The deliveries to one receiver."""

    def __init__(self, standing: Standing, unsettled: Iterable[Delivery], rules: Rules) -> None:
        self.name = standing.name
        self.cursor = standing.cursor
        self.failing_since_ms = standing.failing_since_ms
        self.disabled_ms = standing.disabled_ms
        self.why = standing.why
        self._rules = rules
        self._waiting: dict[int, Delivery] = {}
        self._stored: set[int] = set()
        """Deliveries that the disk has."""
        self._of_payment: dict[int, list[int]] = {}
        """The places of a payment's deliveries, in order; the first one is the one to go out."""
        self._heap: list[tuple[int, int]] = []
        self._sending: set[int] = set()
        self._again: set[int] = set()
        """Deliveries that are out, and were asked for once more meanwhile."""
        self._changed: dict[int, None] = {}
        self._standing = standing
        self._failures = 0
        self._paused_until_ms = 0
        for delivery in sorted(unsettled, key=lambda each: each.seq):
            self._stored.add(delivery.seq)
            self._put(delivery)

    # --- what there is

    @property
    def waiting(self) -> int:
        """Deliveries that are not settled, among those that are known here."""
        return len(self._waiting)

    @property
    def room(self) -> int:
        """How many more may come in."""
        return 0 if self.disabled_ms is not None else max(0, WAITING_MAX - len(self._waiting))

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest unsettled piece of news happened."""
        return min((each.at_ms for each in self._waiting.values()), default=None)

    @property
    def sending(self) -> int:
        """Deliveries that are out."""
        return len(self._sending)

    def get(self, seq: int) -> Delivery | None:
        """A delivery that is not settled."""
        return self._waiting.get(seq)

    # --- news

    def take(self, news: Sequence[Delivery], upto: int) -> None:
        """These are wanted; with them everything up to the place `upto` has been looked at."""
        for delivery in news:
            if delivery.seq not in self._waiting:
                self._put(delivery)
                self._changed[delivery.seq] = None
        self.cursor = max(self.cursor, upto)

    def send_again(self, delivery: Delivery) -> None:
        """Send this now, whether it was delivered before or waits for its time."""
        waiting = self._waiting.get(delivery.seq)
        if waiting is None:
            self._put(delivery)
            self._changed[delivery.seq] = None
        elif delivery.seq in self._sending:
            self._again.add(delivery.seq)
        else:
            self._reschedule(waiting, delivery.due_ms)

    def replay(self, after: int) -> None:
        """Everything after this place goes out again, in order."""
        for seq in [seq for seq in self._waiting if seq > after]:
            if seq in self._sending:
                self._again.add(seq)
            else:
                self._drop(seq)
        self.cursor = min(self.cursor, after)

    def enable(self, now_ms: int) -> None:
        """A person has seen to it: begin anew with what waits."""
        self.disabled_ms = self.failing_since_ms = None
        self.why = ""
        self._failures, self._paused_until_ms = 0, 0
        self._soon(now_ms, 0.0)

    # --- sending

    def next(self, now_ms: int) -> Delivery | None:
        """A delivery that is to go out now, and counts as being out from here on; None for none."""
        if self.disabled_ms is not None or now_ms < self._paused_until_ms:
            return None
        if len(self._sending) >= self._most:
            return None
        while self._heap and self._heap[0][0] <= now_ms:
            due_ms, seq = heapq.heappop(self._heap)
            delivery = self._waiting.get(seq)
            if delivery is None or delivery.due_ms != due_ms or not self._is_first(delivery):
                continue  # an older wish, or one whose turn comes with the end of the one before
            if seq in self._sending:
                continue
            self._sending.add(seq)
            return delivery
        return None

    def due_ms(self) -> int | None:
        """When `next` should be asked again, if nothing else happens."""
        if self.disabled_ms is not None or not self._heap or len(self._sending) >= self._most:
            return None
        return max(self._heap[0][0], self._paused_until_ms)

    @property
    def _most(self) -> int:
        return 1 if self._failures >= STRUGGLING_AFTER else self._rules.sending_max

    # --- answers

    def answered(self, seq: int, answer: Answer, now_ms: int, dice: float) -> Verdict:
        """What follows from the answer to a delivery that was out."""
        self._sending.discard(seq)
        delivery = self._waiting[seq]
        asked_again = seq in self._again
        self._again.discard(seq)
        if answer.good:
            self._drop(seq)
            if asked_again:
                self._put(changed(delivery, due_ms=now_ms, tries=0, first_ms=None))
            self._recovered(now_ms, dice)
            return Verdict.DELIVERED
        self._failures += 1
        if self.failing_since_ms is None:
            self.failing_since_ms = now_ms
        first_ms = delivery.first_ms if delivery.first_ms is not None else now_ms
        tries = delivery.tries + 1
        pause_ms = self._pause_ms(tries, answer, dice)
        if answer.status == _TOO_MANY:
            wanted_ms = PAUSE_MS if answer.retry_after_ms is None else answer.retry_after_ms
            self._paused_until_ms = now_ms + min(wanted_ms, PAUSE_MAX_MS)
        due_ms = now_ms + pause_ms
        self._waiting[seq] = changed(delivery, due_ms=due_ms, tries=tries, first_ms=first_ms)
        self._changed[seq] = None
        self._push(self._waiting[self._of_payment[delivery.number][0]])
        why = self._why_disabled(answer, now_ms)
        if why and self.disabled_ms is None:
            self.disabled_ms, self.why = now_ms, why
            return Verdict.DISABLED
        if tries > len(self._rules.retry_ms) and now_ms - first_ms >= sum(self._rules.retry_ms):
            self._drop(seq)
            return Verdict.GIVEN_UP
        return Verdict.AGAIN

    def _pause_ms(self, tries: int, answer: Answer, dice: float) -> int:
        schedule = self._rules.retry_ms
        pause_ms = schedule[min(tries, len(schedule)) - 1] * (1 + self._rules.jitter * dice)
        return max(int(pause_ms), min(answer.retry_after_ms or 0, RETRY_AFTER_MAX_MS))

    def _why_disabled(self, answer: Answer, now_ms: int) -> str:
        if answer.status == _GONE:
            return "it said that it is gone (410)"
        since_ms = self.failing_since_ms
        if since_ms is not None and now_ms - since_ms >= self._rules.disable_after_ms:
            return f"nothing got through for {self._rules.disable_after_ms // 3_600_000} hours"
        return ""

    def _recovered(self, now_ms: int, dice: float) -> None:
        since_ms = self.failing_since_ms
        if (
            self._failures >= STRUGGLING_AFTER
            and since_ms is not None
            and now_ms - since_ms >= STRUGGLING_MS
        ):
            self._soon(now_ms, dice)
        self._failures, self.failing_since_ms = 0, None

    def _soon(self, now_ms: int, dice: float) -> None:
        """Let everything that waits be due within a short time, the oldest first."""
        waiting = [each for each in self._waiting.values() if each.seq not in self._sending]
        step_ms = SPREAD_MS * (0.5 + dice / 2) / max(1, len(waiting))
        for place, delivery in enumerate(sorted(waiting, key=lambda each: each.seq)):
            due_ms = now_ms + int(place * step_ms)
            if delivery.due_ms > due_ms:
                self._reschedule(delivery, due_ms)

    # --- what is written down

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to write down."""
        return bool(self._changed) or self._now() != self._standing

    def changes(self) -> Changes:
        """What has changed since this was asked last; it lands as a whole or the process ends."""
        unsettled = tuple(self._waiting[seq] for seq in self._changed if seq in self._waiting)
        settled = tuple(
            seq for seq in self._changed if seq not in self._waiting and seq in self._stored
        )
        self._stored.difference_update(settled)
        self._stored.update(each.seq for each in unsettled)
        self._changed.clear()
        self._standing = self._now()
        return Changes(self._standing, unsettled, settled)

    def _now(self) -> Standing:
        return Standing(
            name=self.name,
            cursor=self.cursor,
            failing_since_ms=self.failing_since_ms,
            disabled_ms=self.disabled_ms,
            why=self.why,
        )

    # --- pieces

    def _put(self, delivery: Delivery) -> None:
        self._waiting[delivery.seq] = delivery
        places = self._of_payment.setdefault(delivery.number, [])
        places.append(delivery.seq)
        places.sort()
        if places[0] == delivery.seq:
            self._push(delivery)

    def _drop(self, seq: int) -> None:
        delivery = self._waiting.pop(seq)
        self._changed[seq] = None
        places = self._of_payment[delivery.number]
        places.remove(seq)
        if places:
            self._push(self._waiting[places[0]])
        else:
            del self._of_payment[delivery.number]

    def _reschedule(self, delivery: Delivery, due_ms: int) -> None:
        later = self._waiting[delivery.seq] = changed(delivery, due_ms=due_ms)
        self._changed[delivery.seq] = None
        self._push(later)

    def _push(self, delivery: Delivery) -> None:
        heapq.heappush(self._heap, (delivery.due_ms, delivery.seq))
        if len(self._heap) > 64 + 4 * len(self._waiting):
            self._heap = [
                (each.due_ms, each.seq)
                for each in self._waiting.values()
                if each.seq not in self._sending
            ]
            heapq.heapify(self._heap)

    def _is_first(self, delivery: Delivery) -> bool:
        places = self._of_payment[delivery.number]
        return places[0] == delivery.seq and not self._sending.intersection(places)
