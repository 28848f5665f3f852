"""Which class speaks for each driver that a configuration may name."""

from collections.abc import Mapping
from typing import Final

from gatewayd.gateways.contract import Driver
from gatewayd.gateways.mellat import Mellat
from gatewayd.gateways.parsian import Parsian
from gatewayd.gateways.sadad import Sadad
from gatewayd.gateways.saman import Saman
from gatewayd.gateways.zarinpal import Zarinpal
from gatewayd.gateways.zibal import Zibal

DRIVERS: Final[Mapping[str, type[Driver]]] = {
    "saman": Saman,
    "mellat": Mellat,
    "parsian": Parsian,
    "sadad": Sadad,
    "zarinpal": Zarinpal,
    "zibal": Zibal,
}
