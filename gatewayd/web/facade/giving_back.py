"""A shop's reverse at a face, whatever carries it: all of a verified payment goes back, if its bank does that."""

from gatewayd.core.payment import Payment
from gatewayd.engine.engine import Engine
from gatewayd.web.facade.callbacks import face_of
from gatewayd.web.facade.verifying import VERIFY_SECONDS


async def given_back(engine: Engine, payment: Payment) -> bool | None:
    """Whether a verified payment's money goes back; False if its bank does not do that, None if not known yet."""
    key = face_of(payment)
    return await engine.refunding.undo(payment.number, key=key, seconds=VERIFY_SECONDS)
