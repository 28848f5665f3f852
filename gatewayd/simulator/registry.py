"""Which dialect each driver's bank speaks."""

from collections.abc import Mapping
from typing import Final

from gatewayd.simulator.bank import Dialect
from gatewayd.simulator.dialects.saman import Saman

DIALECTS: Final[Mapping[str, type[Dialect]]] = {
    "saman": Saman,
}
