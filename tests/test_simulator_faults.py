"""Faults as data: what is read, what strikes whom, and for how long."""

import random
from typing import Any

import pytest

from gatewayd.core.terms import Operation
from gatewayd.simulator import faults
from gatewayd.simulator.faults import BadFault, Fault, Faults, Kind, read_fault

DRIVERS = frozenset({"saman", "mellat"})


def strike(
    at_work: Faults,
    driver: str = "saman",
    operation: Operation | None = Operation.VERIFY,
    now: float = 0,
) -> Kind | None:
    fault = at_work.strike_call(driver, operation, now, random.Random(0))
    return fault.kind if fault else None


def at_work(*given: Fault, now: float = 0) -> Faults:
    a_set = Faults()
    for fault in given:
        a_set.add(fault, now)
    return a_set


def test_a_fault_is_read_with_everything_or_with_defaults() -> None:
    everything = {
        "driver": "saman",
        "kind": "slow",
        "operation": "verify",
        "probability": 0.5,
        "seconds": 60,
        "value": 3,
    }
    assert Fault(
        driver="saman",
        kind=Kind.SLOW,
        operation=Operation.VERIFY,
        probability=0.5,
        seconds=60,
        value=3,
    ) == read_fault(everything, DRIVERS)
    little = {"driver": "*", "kind": "refuse", "operation": None, "seconds": None}
    assert Fault(driver="*", kind=Kind.REFUSE) == read_fault(little, DRIVERS)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_can_be_ordered(kind: Kind) -> None:
    assert kind is read_fault({"driver": "*", "kind": kind, "value": 2}, DRIVERS).kind


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], ""),
        (None, ""),
        ({"kind": "hang"}, "driver"),
        ({"driver": "saman"}, "kind"),
        ({"driver": "melli", "kind": "hang"}, "driver"),
        ({"driver": 7, "kind": "hang"}, "driver"),
        ({"driver": "*", "kind": "explode"}, "kind"),
        ({"driver": "*", "kind": "hang", "operation": "token"}, "operation"),
        ({"driver": "*", "kind": "hang", "probability": 1.5}, "probability"),
        ({"driver": "*", "kind": "hang", "probability": -1}, "probability"),
        ({"driver": "*", "kind": "hang", "probability": "x"}, "probability"),
        ({"driver": "*", "kind": "hang", "seconds": 0}, "seconds"),
        ({"driver": "*", "kind": "hang", "seconds": 1e300}, "seconds"),
        ({"driver": "*", "kind": "slow", "value": -1}, "value"),
        ({"driver": "*", "kind": "capacity"}, "value"),
        ({"driver": "*", "kind": "page_down", "operation": "verify"}, "operation"),
        ({"driver": "*", "kind": "hang", "probabilty": 1}, "probabilty"),
    ],
)
def test_a_bad_order_names_the_field(document: Any, field: str) -> None:
    with pytest.raises(BadFault) as caught:
        read_fault(document, DRIVERS)
    assert field == caught.value.field
    assert str(caught.value)


def test_without_faults_nothing_strikes() -> None:
    assert strike(Faults()) is None


def test_a_fault_strikes_its_driver_only_or_all() -> None:
    one = at_work(Fault(driver="saman", kind=Kind.HANG))
    assert Kind.HANG is strike(one, "saman")
    assert strike(one, "mellat") is None
    assert Kind.HTML is strike(at_work(Fault(driver="*", kind=Kind.HTML)), "mellat")


def test_a_fault_strikes_its_operation_only_or_all() -> None:
    one = at_work(Fault(driver="*", kind=Kind.HANG, operation=Operation.VERIFY))
    assert Kind.HANG is strike(one, operation=Operation.VERIFY)
    assert strike(one, operation=Operation.START) is None
    assert strike(one, operation=None) is None
    every = at_work(Fault(driver="*", kind=Kind.HANG))
    assert Kind.HANG is strike(every, operation=None)


def test_a_fault_lasts_for_its_seconds() -> None:
    one = at_work(Fault(driver="*", kind=Kind.HANG, seconds=60), now=100)
    assert Kind.HANG is strike(one, now=159.9)
    assert strike(one, now=160) is None
    assert [] == one.listed(160)


def test_the_list_tells_what_was_ordered_and_what_is_left() -> None:
    one = at_work(Fault(driver="*", kind=Kind.SLOW, seconds=60, value=2), now=100)
    one.add(Fault(driver="saman", kind=Kind.HANG, operation=Operation.START), 110)
    assert [
        {
            "driver": "*",
            "kind": "slow",
            "operation": None,
            "probability": 1.0,
            "seconds": 60,
            "value": 2,
            "seconds_left": 50,
        },
        {
            "driver": "saman",
            "kind": "hang",
            "operation": "start",
            "probability": 1.0,
            "seconds": None,
            "value": None,
            "seconds_left": None,
        },
    ] == one.listed(110)
    one.clear()
    assert [] == one.listed(110)


def test_a_probability_is_met() -> None:
    one = at_work(Fault(driver="*", kind=Kind.HANG, probability=0.3))
    never = at_work(Fault(driver="*", kind=Kind.HANG, probability=0))
    rng = random.Random(11)
    struck = [one.strike_call("saman", None, 0, rng) for _ in range(10_000)]
    assert abs(sum(fault is not None for fault in struck) - 3_000) < 150
    assert not any(never.strike_call("saman", None, 0, rng) for _ in range(1_000))


def test_the_first_that_strikes_counts() -> None:
    two = at_work(
        Fault(driver="mellat", kind=Kind.HANG),
        Fault(driver="*", kind=Kind.HTML),
        Fault(driver="*", kind=Kind.ERROR500),
    )
    assert Kind.HTML is strike(two, "saman")
    assert Kind.HANG is strike(two, "mellat")


def test_capacity_lets_so_many_through_a_second() -> None:
    limited = at_work(Fault(driver="*", kind=Kind.CAPACITY, value=3))
    struck = [strike(limited, now=7 + number / 10) for number in range(15)]
    assert [None] * 3 + [Kind.CAPACITY] * 7 + [None] * 3 + [Kind.CAPACITY] * 2 == struck


def test_no_capacity_lets_nobody_through() -> None:
    assert Kind.CAPACITY is strike(at_work(Fault(driver="*", kind=Kind.CAPACITY, value=0)))


def test_payers_troubles_and_calls_troubles_do_not_mix() -> None:
    rng = random.Random(0)
    both = at_work(
        Fault(driver="*", kind=Kind.PAGE_DOWN), Fault(driver="saman", kind=Kind.BROWNOUT)
    )
    assert strike(both) is None
    assert both.strikes_payer(Kind.PAGE_DOWN, "mellat", 0, rng)
    assert both.strikes_payer(Kind.BROWNOUT, "saman", 0, rng)
    assert not both.strikes_payer(Kind.BROWNOUT, "mellat", 0, rng)
    calls = at_work(Fault(driver="*", kind=Kind.HANG))
    assert not calls.strikes_payer(Kind.PAGE_DOWN, "saman", 0, rng)
    assert not Faults().strikes_payer(Kind.PAGE_DOWN, "saman", 0, rng)


def test_there_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "FAULTS_MAX", 2)
    full = at_work(*[Fault(driver="*", kind=Kind.HANG, seconds=10)] * 2)
    with pytest.raises(BadFault, match="2 faults already"):
        full.add(Fault(driver="*", kind=Kind.HTML), 9)
    full.add(Fault(driver="*", kind=Kind.HTML), 10)
    assert ["html"] == [fault["kind"] for fault in full.listed(10)]
