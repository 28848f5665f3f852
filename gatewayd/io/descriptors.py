"""Takes as many file descriptors as the system lets this process have.

Shells begin programs with 1,024, of which the system allows far more to whoever asks: a thousand customers' connections
would leave none for the banks.
"""

import resource
from contextlib import suppress
from typing import Final

WANTED: Final = 65_536
"""As the service unit gives."""
OWN: Final = 64
"""For the journal, its readers, logs, metrics and operators: some forty are open in a daemon at rest."""


def take_descriptors(wanted: int = WANTED) -> int:
    """Raise the soft limit to `wanted`, or as far as the hard one lets us; the limit that holds from here on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if most <= soft:
        return soft
    with suppress(OSError, ValueError):  # then it stays as it is
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return soft


def for_customers(wanted: int, limit: int, elsewhere: int) -> int:
    """How many of `wanted` connections customers may have, so that they never take those that banks need.

    `limit` is what the process may have, `elsewhere` how many connections it may open itself. Where there is not enough
    for all, customers have a quarter: without banks none of them could be served.
    """
    return max(1, min(wanted, max(limit - OWN - elsewhere, limit // 4)))


def limit() -> int:
    """How many descriptors this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return WANTED if soft == resource.RLIM_INFINITY else soft
