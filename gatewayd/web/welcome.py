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


def refused_at_once(app: Services) -> str | None:
    """Why new payments are refused just now without any waiting; None if they are not."""
    return app[WHY_NOT]() or app[ADMISSION].why_not(
        app[TURNSTILE].in_progress, app[ENGINE].pump.commit_seconds()
    )


async def welcome(app: Services) -> NotNow | None:
    """Waits for a turn where there are many; None if the payment may be made."""
    engine, admission = app[ENGINE], app[ADMISSION]
    why_not = refused_at_once(app)
    if why_not is None:
        if await app[TURNSTILE].enter(NEW_PAYMENT):
            return None
        why_not = OVERLOADED
    app[TALLY].refused(why_not)
    return NotNow(why_not, admission.refused(engine.clock.monotonic()))
