"""Which dialect each driver's bank speaks."""

from collections.abc import Mapping
from typing import Final

from gatewayd.simulator.bank import Dialect
from gatewayd.simulator.dialects.mellat import Mellat
from gatewayd.simulator.dialects.parsian import Parsian
from gatewayd.simulator.dialects.sadad import Sadad
from gatewayd.simulator.dialects.saman import Saman
from gatewayd.simulator.dialects.zarinpal import Zarinpal
from gatewayd.simulator.dialects.zibal import Zibal

DIALECTS: Final[Mapping[str, type[Dialect]]] = {
    "saman": Saman,
    "mellat": Mellat,
    "parsian": Parsian,
    "sadad": Sadad,
    "zarinpal": Zarinpal,
    "zibal": Zibal,
}
