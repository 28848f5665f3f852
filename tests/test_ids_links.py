"""Numbers that never come back, and addresses that nobody can make up."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.engine.ids import EPOCH_MS, Ids, number_floor
from gatewayd.engine.links import Links
from tests.histories import T0

KEY = b"k" * 32


def ids(**last: int) -> Ids:
    return Ids(random.Random(7), **last)


def links(key: bytes = KEY) -> Links:
    return Links(key, "https://pay.shop.example", {"saman": "https://saman.shop.example/"})


@given(st.lists(st.integers(-10_000, 10_000), max_size=50))
def test_numbers_only_grow_wherever_the_clock_goes(steps: list[int]) -> None:
    made, now_ms, last = ids(), T0, (0, 0)
    for step in steps:
        now_ms += step
        numbers = made.number(now_ms), made.bank_order(now_ms)
        assert numbers[0] > last[0]
        assert numbers[1] > last[1]
        last = numbers


def test_numbers_go_on_from_the_highest_that_the_journal_holds() -> None:
    made = ids(last_number=T0, last_order=T0 * 1_000)
    assert T0 + 1 == made.number(T0)
    assert T0 * 1_000 + 1 == made.bank_order(T0)


def test_a_number_is_twelve_digits_today_and_a_bank_order_stays_exact_in_floating_point() -> None:
    assert 12 == len(str(ids().number(T0)))
    assert 15 == len(str(ids().bank_order(T0)))
    assert ids().bank_order(EPOCH_MS + 30 * 366 * 86_400_000) < 2**53


def test_two_daemons_of_one_moment_hardly_give_the_same_order() -> None:
    given_out = {Ids(random.Random(seed)).bank_order(T0) for seed in range(20)}
    assert len(given_out) > 15


def test_no_payment_since_a_time_has_a_number_below_its_floor() -> None:
    assert ids().number(T0) == number_floor(T0)


def test_our_own_addresses_are_read_back() -> None:
    made = links()
    assert 42 == made.read_pay(made.pay_url(42).removeprefix("https://pay.shop.example/pay/"))
    url = made.return_url(42, 3, "mellat")
    assert (42, 3) == made.read_return(url.removeprefix("https://pay.shop.example/return/"))


def test_a_gateway_with_a_host_of_its_own_gets_it_and_no_other() -> None:
    made = links()
    assert made.return_url(42, 1, "saman").startswith("https://saman.shop.example/return/42.1.")
    assert made.pay_url(42, "saman").startswith("https://saman.shop.example/pay/42.")
    for gateway in (None, "mellat"):
        assert made.pay_url(42, gateway).startswith("https://pay.shop.example/pay/42.")


def test_an_address_that_was_changed_is_not_ours() -> None:
    made = links()
    pay = made.pay_id(42)
    mac = pay.removeprefix("42.")
    changes = [
        f"43.{mac}",
        f"042.{mac}",
        f"٤٢.{mac}",
        pay[:-1],
        f"{pay}0",
        f"{pay}\n",
        "42",
        "42.",
        "",
    ]
    assert [None] * len(changes) == [made.read_pay(change) for change in changes]


def test_an_address_of_one_kind_is_none_of_the_other_and_none_of_another_key() -> None:
    made = links()
    back = made.return_url(42, 3, "mellat").rpartition("/")[2]
    mac = back.rpartition(".")[2]
    assert made.read_pay(f"42.{mac}") is None
    assert made.read_return(f"42.4.{mac}") is None
    assert made.read_return(f"4.23.{mac}") is None
    assert links(b"x" * 32).read_return(back) is None


@given(st.text(max_size=60))
def test_any_text_is_an_address_of_ours_or_none(text: str) -> None:
    assert links().read_pay(text) is None
    assert links().read_return(text) is None


fields = st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=4)


@given(fields, fields)
def test_two_sets_of_fields_have_the_same_digest_only_if_they_are_the_same(
    one: dict[str, str], other: dict[str, str]
) -> None:
    made = links()
    assert (one == other) is (made.digest(one) == made.digest(other))


def test_a_digest_does_not_depend_on_the_order_of_the_fields_but_on_the_key() -> None:
    one, other = {"a": "1", "b": "2"}, {"b": "2", "a": "1"}
    assert links().digest(one) == links().digest(other)
    assert links().digest(one) != links(b"x" * 32).digest(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "b\x00c\x01d"}, {"a": "b", "c": "d"}),
        ({"a": "1 b 1 c "}, {"a": "1", "b": "c"}),
        ({"ab": ""}, {"a": "b"}),
        ({}, {"": ""}),
    ],
)
def test_no_made_up_value_can_pass_for_other_fields(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert links().digest(one) != links().digest(other)


def test_fields_that_are_no_text_have_a_digest() -> None:
    assert links().digest({"a": "\ud800"}) != links().digest({"a": "?"})
