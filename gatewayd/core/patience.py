"""How long and how often a bank is asked: the pauses between calls, and while it still gives back.

The plan of an attempt and that of a refund keep the same patience.
"""

from typing import Final

from gatewayd.core.attempt import Attempt
from gatewayd.core.settings import EngineSettings
from gatewayd.core.terms import Traits

REVERSE_ROOM_MS: Final = 120_000
"""A reverse that could be left until later begins only while the bank's window is open at least this long."""
ASK_WITHOUT_END_MS: Final = 24 * 3_600_000
"""What may have taken effect is asked about for this long; then a person takes over."""


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
