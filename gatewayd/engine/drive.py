"""Drives a flow of calls to its end: the only place where a driver meets the world.

What the network does becomes `Lost`. Once any call of the flow has reached the bank, a later failure counts as
reached, for the flow as a whole may have happened. A malformed reply is Lost too: the bank did something.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from gatewayd.core.terms import Lost
from gatewayd.gateways.contract import Call, Flow, MalformedReply, Reply

T = TypeVar("T")


async def drive(flow: Flow[T], send: Callable[[Call], Awaitable[Reply | Lost]]) -> T | Lost:
    """The flow's outcome, or Lost."""
    reached = False
    try:
        call = next(flow)
        while True:
            answer = await send(call)
            if isinstance(answer, Lost):
                return Lost(reached=reached or answer.reached, cause=answer.cause)
            reached = True
            call = flow.send(answer)
    except StopIteration as stop:
        outcome: T = stop.value
        return outcome
    except MalformedReply as error:
        return Lost(reached=True, cause=f"malformed reply: {error}")
    finally:
        flow.close()
