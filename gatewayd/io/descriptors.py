"""Takes as many file descriptors as the system lets this process have.

Shells begin programs with 1,024, of which the system allows far more to whoever asks: a thousand customers' connections
would leave none for the banks.
"""

import resource
from contextlib import suppress
from typing import Final

WANTED: Final = 65_536
"""As the service unit gives."""


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
