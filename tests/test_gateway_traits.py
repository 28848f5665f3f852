"""What a contract promises and what its class can do agree; where they differ, the traits rule."""

import pytest

from gatewayd.core.terms import AddressedBy, Ask, FirstAlready, IfUnverified
from gatewayd.engine.gateway import contract_of
from gatewayd.gateways.contract import (
    Driver,
    Inquirable,
    ListsUnverified,
    Refundable,
    Reversible,
    Settleable,
)
from gatewayd.gateways.registry import DRIVERS
from gatewayd.simulator.registry import DIALECTS
from tests import stage

CONTRACTS = {
    f"{name}-{kind}": driver
    for kind, drivers in (("plain", stage.plain_drivers()), ("full", stage.full_drivers()))
    for name, driver in drivers.items()
}

each_contract = pytest.mark.parametrize("driver", CONTRACTS.values(), ids=CONTRACTS.keys())


def test_every_driver_is_registered_under_its_own_name() -> None:
    assert {name: name for name in stage.DRIVERS} == {
        name: each.driver for name, each in DRIVERS.items()
    }
    assert set(DRIVERS) == set(DIALECTS)


@each_contract
def test_what_the_traits_promise_the_class_can_do(driver: Driver) -> None:
    traits = driver.traits
    promised = {
        "settle": (traits.settles, isinstance(driver, Settleable)),
        "reverse": (traits.reverse_within_seconds is not None, isinstance(driver, Reversible)),
        "refund": (traits.refunds, isinstance(driver, Refundable)),
        "inquire": (traits.ask is Ask.INQUIRY, isinstance(driver, Inquirable)),
        "list_unverified": (traits.lists_unverified, isinstance(driver, ListsUnverified)),
    }
    assert [] == [name for name, (yes, can) in promised.items() if yes and not can]


@pytest.mark.parametrize("name", stage.DRIVERS)
def test_what_a_class_can_do_some_contract_promises(name: str) -> None:
    """A power without any trait for it could never be used; an inquiry by reference needs none."""
    full = stage.full_drivers()[name]
    traits = full.traits
    assert isinstance(full, Settleable) == traits.settles
    assert isinstance(full, Reversible) == (traits.reverse_within_seconds is not None)
    assert isinstance(full, Refundable) == traits.refunds
    assert isinstance(full, ListsUnverified) == traits.lists_unverified


@each_contract
def test_windows_and_amounts_make_sense(driver: Driver) -> None:
    traits = driver.traits
    assert 0 < traits.amount_min < traits.amount_max
    assert 0 < traits.token_life_seconds <= 3600
    assert 0 < traits.verify_within_seconds <= 3600
    assert traits.reverse_within_seconds is None or traits.reverse_within_seconds > 0
    assert traits.payer_checks <= {"mobile", "national_id", "allowed_cards"}
    assert traits.methods


@each_contract
def test_what_is_held_can_be_given_back(driver: Driver) -> None:
    """Money that the bank keeps until we act would otherwise be nobody's."""
    traits = driver.traits
    if traits.unverified is IfUnverified.HELD:
        assert traits.reverse_within_seconds is not None or traits.refunds


@each_contract
def test_first_already_is_believed_only_where_the_token_binds_the_order(driver: Driver) -> None:
    traits = driver.traits
    if traits.first_already is FirstAlready.ACCEPT:
        assert traits.addressed_by is AddressedBy.TOKEN


@each_contract
def test_only_what_is_addressed_by_the_token_can_be_asked_by_a_verify(driver: Driver) -> None:
    traits = driver.traits
    if traits.ask is Ask.VERIFY:
        assert traits.addressed_by is AddressedBy.TOKEN


@pytest.mark.parametrize("name", stage.DRIVERS)
def test_no_window_is_longer_than_the_simulated_bank_s(name: str) -> None:
    ours = stage.full_drivers()[name].traits
    bank = DIALECTS[name]((contract_of(stage.full_drivers()[name]),)).terms
    assert ours.verify_within_seconds <= bank.verify_within_seconds
    if ours.reverse_within_seconds is not None:
        assert bank.reverse_within_seconds is not None
        assert ours.reverse_within_seconds <= bank.reverse_within_seconds
    assert ours.settles == bank.settles
    assert ours.unverified == bank.unverified


@pytest.mark.parametrize("name", stage.DRIVERS)
def test_secrets_do_not_show(name: str) -> None:
    """A driver is printed in errors and logs."""
    shown = repr(stage.full_drivers()[name])
    secrets = {"12345678", "aB3dE5fG7hJ9kL1mN2pQ", "ASNFZ4mrze/+3LqYdlQyEA8eLTxLWml4"}
    secrets |= {"report-password", "panel-token", "platform-key"}
    assert [] == [secret for secret in secrets if f"'{secret}'" in shown]
