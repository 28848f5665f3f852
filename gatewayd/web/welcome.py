"""Whether a new payment is welcome just now, whoever asks and in whatever words the answer is then given."""

from dataclasses import dataclass

from gatewayd.web.admission import OVERLOADED
from gatewayd.web.asked import Services
from gatewayd.web.ports import ADMISSION, ENGINE, TALLY, TURNSTILE, WHY_NOT
from gatewayd.web.turnstile import NEW_PAYMENT


@dataclass(frozen=True, slots=True)
class NotNow:
    """It is refused, and counted as such."""

    why: str
    retry_after_seconds: int


async def welcome(app: Services) -> NotNow | None:
    """Waits for a turn where there are many; None if the payment may be made."""
    engine, admission, turnstile = app[ENGINE], app[ADMISSION], app[TURNSTILE]
    why_not = app[WHY_NOT]() or admission.why_not(
        turnstile.in_progress, engine.pump.commit_seconds()
    )
    if why_not is None:
        if await turnstile.enter(NEW_PAYMENT):
            return None
        why_not = OVERLOADED
    app[TALLY].refused(why_not)
    return NotNow(why_not, admission.refused(engine.clock.monotonic()))
