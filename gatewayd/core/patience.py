"""How long and how often a bank is asked: the pauses between calls, and while it still gives back.

The plan of an attempt and that of a refund keep the same patience.
"""

from collections.abc import Iterator
from typing import Final

from gatewayd.core.attempt import Attempt
from gatewayd.core.settings import EngineSettings
from gatewayd.core.terms import Ask, Traits

REVERSE_ROOM_MS: Final = 120_000
"""A reverse that could be left until later begins only while the bank's window is open at least this long."""
ASK_WITHOUT_END_MS: Final = 24 * 3_600_000
"""What may have taken effect is asked about for this long; then a person takes over."""
TRIES_OF_A_DAY: Final = 10
"""Who was awake for a day has repeated a verify far more often. A machine that was off, or whose clock was set, has
not: it asks so often before a person has to."""
INQUIRY_PAUSES_MS: Final = (90_000, 180_000, 300_000, 600_000)
"""When an absent payer's bank is asked after the hand-over, then every ten minutes to the end."""
LAST_ASK_MS: Final = 180_000
"""The last question before the end of an attempt leaves this long to act on the answer."""


def reverse_open(attempt: Attempt, traits: Traits, now_ms: int, room_ms: int) -> bool:
    """Whether the bank still reverses, with `room_ms` to spare, counted from when we learnt of the payment."""
    within = traits.reverse_within_seconds
    return within is not None and now_ms + room_ms < attempt.since_ms + within * 1000


def again_ms(settings: EngineSettings, tries: int, tried_ms: int | None, now_ms: int) -> int:
    """When a call that was left without an answer is made again: growing pauses, none before the first."""
    if tries == 0 or tried_ms is None:
        return now_ms
    first = int(settings.repeat_first_seconds * 1000)
    longest = int(settings.repeat_max_seconds * 1000)
    return tried_ms + min(first << min(tries - 1, 20), longest)


def hardly_asked(attempt: Attempt) -> bool:
    """Whether an unanswered verify was repeated so seldom that the day for it was slept through."""
    return attempt.explained and attempt.tries < TRIES_OF_A_DAY


def asks_ms(handed_ms: int, ends_ms: int, traits: Traits) -> Iterator[int]:
    """The times at which an absent payer's bank is asked."""
    last_ms = ends_ms - LAST_ASK_MS
    if traits.ask is Ask.VERIFY:
        # Asking may capture, so it is done as rarely as the deadline allows: whoever paid since the last question
        # is still in time at the next.
        pause_ms = max(traits.verify_within_seconds * 1000 - LAST_ASK_MS, 60_000)
        yield from (due_ms for due_ms in range(handed_ms + pause_ms, ends_ms, pause_ms))
        return
    for pause_ms in INQUIRY_PAUSES_MS:
        if handed_ms + pause_ms < last_ms:
            yield handed_ms + pause_ms
    yield from range(handed_ms + 1_200_000, last_ms, 600_000)
    yield max(last_ms, handed_ms + 60_000)


def lapses_ms(attempt: Attempt, traits: Traits) -> int:
    """When the bank's time for this attempt is surely over."""
    handed_ms = attempt.handed_ms or attempt.began_ms
    return handed_ms + (traits.token_life_seconds + traits.verify_within_seconds) * 1000
