"""The six contracts of a world and its two shops; what sources disagree on is drawn, for both may be true somewhere."""

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gatewayd.core.secret import Secret
from gatewayd.core.settings import (
    EngineSettings,
    ReceiverSettings,
    ServiceSettings,
    ShopKey,
    ShopSettings,
    WebhookSettings,
)
from gatewayd.engine.gateway import GatewaySettings
from gatewayd.gateways.contract import Driver
from gatewayd.gateways.mellat import Mellat
from gatewayd.gateways.parsian import Parsian
from gatewayd.gateways.sadad import Sadad
from gatewayd.gateways.saman import Saman
from gatewayd.gateways.zarinpal import Zarinpal
from gatewayd.gateways.zibal import Zibal

ORIGIN: Final = "http://banks.test"
PUBLIC_URL: Final = "https://pay.shop.example"
SHOPS: Final = ("main", "stern")
"""The second offers no other gateway after a failure, and has a receiver of webhooks: one is enough to try them."""
TOLD: Final = frozenset({SHOPS[1]})
"""The shops that are told by webhooks, in the worlds where any is."""
RETRY_SECONDS: Final = (5.0, 60.0, 300.0, 900.0, 1_800.0, *(3_600.0,) * 3)
"""Soon enough that a receiver that is well again has heard everything before a world ends."""


def draw_drivers(dice: random.Random) -> dict[str, Driver]:
    """The contracts, each with or without what its bank sells on top."""
    with_token, with_key = dice.random() < 0.5, dice.random() < 0.5
    return {
        "saman": Saman(
            terminal_id="13579246",
            receipt_call=dice.random() < 0.5,
            base_url=f"{ORIGIN}/saman",
        ),
        "mellat": Mellat(
            terminal_id=7654321,
            username="shop01",
            password=Secret("12345678"),
            base_url=f"{ORIGIN}/mellat",
        ),
        "parsian": Parsian(
            pin=Secret("aB3dE5fG7hJ9kL1mN2pQ"),
            reverse_within_seconds=dice.choice((None, 900)),
            base_url=f"{ORIGIN}/parsian",
        ),
        "sadad": Sadad(
            merchant_id="000000140300001",
            terminal_id="Z9X8C7V6",
            key=Secret("ASNFZ4mrze/+3LqYdlQyEA8eLTxLWml4"),
            base_url=f"{ORIGIN}/sadad",
        ),
        "zarinpal": Zarinpal(
            merchant_id="11111111-2222-3333-4444-555555555555",
            base_url=f"{ORIGIN}/zarinpal",
            access_token=Secret("panel-token") if with_token else None,
            terminal_id="4321" if with_token else "",
            refund_url=f"{ORIGIN}/zarinpal",
        ),
        "zibal": Zibal(
            merchant="zibal-demo",
            access_token=Secret("platform-key") if with_key else None,
            account_id="1234" if with_key else "",
            base_url=f"{ORIGIN}/zibal",
            api_url=f"{ORIGIN}/zibal",
        ),
    }


def draw_switches(dice: random.Random, drivers: Mapping[str, Driver]) -> dict[str, dict[str, str]]:
    """How the banks behave where the documents leave it open."""
    saman = drivers["saman"]
    assert isinstance(saman, Saman)
    return {
        "saman": {
            "duplicate_success": dice.choice(("false", "true")),
            "duplicate_detail": dice.choice(("absent", "present")),
            "return_token": dice.choice(("absent", "present")),
            "return": "receipt" if saman.receipt_call and dice.random() < 0.5 else "classic",
        },
        "mellat": {"unsettled": dice.choice(("settle", "reverse"))},
        "parsian": {"confirm_again": dice.choice(("0", "-1533"))},
        "sadad": {"late": dice.choice(("101", "1105"))},
        "zarinpal": {
            "unverified": dice.choice(("held", "held", "auto_reverse")),
            "reverse": dice.choice(("allowed", "allowed", "refused", "no_ip")),
        },
        "zibal": {
            "double_verify": dice.choice(("as_asked", "bare")),
            "unverified": dice.choice(("auto_reverse", "auto_reverse", "held")),
        },
    }


def gateways(drivers: Mapping[str, Driver], retired: str | None) -> tuple[GatewaySettings, ...]:
    """All of them as the engine is given them; one may be retired."""
    return tuple(
        GatewaySettings(name=name, driver=driver, test=True, retired=name == retired)
        for name, driver in drivers.items()
    )


def draw_service(dice: random.Random, *, told: bool) -> ServiceSettings:
    """The service's settings, which a reload may change. `told`: one shop has a receiver of webhooks."""
    engine = EngineSettings(
        return_wait_seconds=dice.choice((2.0, 8.0)),
        repeat_first_seconds=dice.choice((0.5, 1.0, 2.0)),
        repeat_max_seconds=dice.choice((20.0, 60.0)),
        verify_seconds=dice.choice((6.0, 10.0)),
    )
    plain = ShopSettings(
        name=SHOPS[0],
        keys=(ShopKey(id="k1", secret=Secret("gwk_test_demo")),),
        return_secret=Secret("return-secret"),
        return_hosts=("shop.example",),
    )
    receiver = ReceiverSettings(
        url="https://shop.example/hooks",
        secrets=(Secret("whsec_d2ViaG9va3Mgb2YgdGhlIHdvcmxkLCAzMiBieXRlcyE="),),
        test=True,
    )
    stern = replace(plain, name=SHOPS[1], offer_retry=False, webhooks=(receiver,) if told else ())
    return ServiceSettings(
        public_url=PUBLIC_URL,
        shops=(plain, stern),
        engine=engine,
        webhooks=WebhookSettings(retry_seconds=RETRY_SECONDS),
    )
