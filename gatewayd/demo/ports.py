"""Ports for programs that are told theirs before they listen.

* The system hands out ports from its ephemeral range to every outgoing connection, so one that is free now may be gone
  before its program listens; these are drawn from below that range.
* All ports of one call are held until the last is found, by listening: two that only bind may have the same.
"""

import random
import socket
from contextlib import ExitStack
from typing import Final

HOST: Final = "127.0.0.1"
FIRST: Final = 10_000
"""Above the ports where services are used to listen."""
EPHEMERAL_FIRST: Final = 32_768
"""Where Linux's ephemeral range begins unless somebody moves it."""
DRAWS_MAX: Final = 100
"""With so many taken in a row, somebody listens everywhere."""


def free_ports(*wanted: int) -> tuple[int, ...]:
    """For each wanted port itself if nobody listens there, else (or for 0) any free one; OSError if there is none."""
    with ExitStack() as held:
        return tuple(_free(each, held) for each in wanted)


def _free(wanted: int, held: ExitStack) -> int:
    dice = random.SystemRandom()
    drawn = (dice.randrange(FIRST, EPHEMERAL_FIRST) for _ in range(DRAWS_MAX))
    for port in (wanted, *drawn) if wanted else drawn:
        probe = held.enter_context(socket.socket())
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            continue
        return port
    raise OSError("this machine has no free port")
