"""A gateway with money on its way is neither dropped nor re-keyed, and its credentials are not kept."""

from dataclasses import replace

import pytest

from gatewayd.core.secret import Secret
from gatewayd.engine.gateway import GatewaySettings
from gatewayd.gateways.mellat import Mellat
from gatewayd.gateways.saman import Saman
from gatewayd.gateways.zarinpal import Zarinpal
from gatewayd.io.config import Config, ConfigError
from gatewayd.io.contract_keeping import check_shops
from gatewayd.io.fingerprint import conflicts, fingerprint, same_contract
from gatewayd.routing.router import Limits
from tests.config_text import SMALL, read
from tests.histories import created
from tests.journals import journal

MELLAT = Mellat(terminal_id=7_654_321, username="shop01", password=Secret("12345678"))
GATEWAY = GatewaySettings(name="mellat-main", driver=MELLAT)
UUID = "11111111-2222-3333-4444-555555555555"


def config(*gateways: GatewaySettings) -> Config:
    return replace(read(), gateways=gateways)


def test_a_fingerprint_knows_its_contract_again() -> None:
    assert same_contract(GATEWAY, fingerprint(GATEWAY))


def test_a_fingerprint_is_salted_and_holds_no_credential() -> None:
    first, second = fingerprint(GATEWAY), fingerprint(GATEWAY)
    assert first != second
    for part in ("12345678", "7654321", "shop01"):
        assert part not in first


@pytest.mark.parametrize(
    "driver",
    [
        replace(MELLAT, password=Secret("87654321")),
        replace(MELLAT, username="shop02"),
        replace(MELLAT, terminal_id=1),
        Saman(terminal_id="7654321"),
    ],
)
def test_other_credentials_are_another_contract(driver: Mellat | Saman) -> None:
    other = GatewaySettings(name="mellat-main", driver=driver)
    assert not same_contract(other, fingerprint(GATEWAY))


def test_what_may_change_any_time_is_no_part_of_a_contract() -> None:
    driver = replace(MELLAT, base_url="https://bpm2.shaparak.ir")
    other = replace(
        GATEWAY, driver=driver, limits=Limits(max_tps=1), retired=True, labels={"a": "b"}
    )
    assert same_contract(other, fingerprint(GATEWAY))


def test_a_new_panel_token_is_no_new_contract() -> None:
    old = GatewaySettings(name="z", driver=Zarinpal(merchant_id=UUID))
    driver = Zarinpal(merchant_id=UUID, access_token=Secret("t"), terminal_id="1")
    assert same_contract(GatewaySettings(name="z", driver=driver), fingerprint(old))


@pytest.mark.parametrize("stored", ["", "nonsense", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"])
def test_what_is_no_fingerprint_knows_nobody(stored: str) -> None:
    assert not same_contract(GATEWAY, stored)


def test_a_gateway_with_open_attempts_may_be_retired_but_not_dropped() -> None:
    prints = {"mellat-main": fingerprint(GATEWAY)}
    other = GatewaySettings(name="saman-main", driver=Saman(terminal_id="1"))
    assert [] == conflicts(config(replace(GATEWAY, retired=True)), {"mellat-main": 2}, prints)
    (conflict,) = conflicts(config(other), {"mellat-main": 2}, prints)
    assert "config.yaml: gateway mellat-main is gone and has 2 open attempts;" in conflict


def test_a_gateway_with_open_attempts_keeps_its_credentials() -> None:
    prints = {"mellat-main": fingerprint(GATEWAY)}
    rekeyed = replace(GATEWAY, driver=replace(MELLAT, password=Secret("new")))
    (conflict,) = conflicts(config(rekeyed), {"mellat-main": 1}, prints)
    assert "gateway mellat-main has other credentials and 1 open attempt under the old" in conflict
    assert "new" not in conflict.removesuffix("give the new contract another name")


def test_without_open_attempts_anything_may_change() -> None:
    prints = {"mellat-main": fingerprint(GATEWAY), "gone": "x"}
    rekeyed = replace(GATEWAY, driver=replace(MELLAT, password=Secret("new")))
    assert [] == conflicts(config(rekeyed), {"mellat-main": 0}, prints)
    assert [] == conflicts(config(rekeyed), {}, prints)


def test_a_gateway_without_a_fingerprint_is_only_looked_for_by_name() -> None:
    assert [] == conflicts(config(GATEWAY), {"mellat-main": 3}, {})


def test_a_configuration_without_a_shop_that_has_open_payments_does_not_take_over() -> None:
    memory = journal()
    memory.append(1, created())
    check_shops(read(SMALL.replace("name: main", "name: demo")), memory)
    with pytest.raises(ConfigError, match="shop demo is gone and has 1 open payment;"):
        check_shops(read(), memory)
