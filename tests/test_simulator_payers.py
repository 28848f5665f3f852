"""What pretend payers do: scripts by amount, chances by mix."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.simulator.payers import (
    EVERYBODY_PAYS,
    USUAL_MIX,
    Decision,
    Mix,
    Outcome,
    Script,
    decide,
    draw_card,
    script_of,
)


class NoDice(random.Random):
    """Fails if it is asked."""

    def random(self) -> float:
        raise AssertionError("a script needs no dice")


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("paid", ((Outcome.PAID, 1.0),)),
        (
            "paid=80,cancel=4,decline=6,leave=10",
            (
                (Outcome.PAID, 80.0),
                (Outcome.CANCEL, 4.0),
                (Outcome.DECLINE, 6.0),
                (Outcome.LEAVE, 10.0),
            ),
        ),
        (" paid = 0.5 , leave ", ((Outcome.PAID, 0.5), (Outcome.LEAVE, 1.0))),
        ("cancel=1,paid=0", ((Outcome.CANCEL, 1.0), (Outcome.PAID, 0.0))),
    ],
)
def test_a_mix_is_read(text: str, weights: tuple[tuple[Outcome, float], ...]) -> None:
    assert weights == Mix.parse(text).weights


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "'' is none of paid, cancel, decline, leave"),
        ("payed=80", "'payed' is none of paid, cancel, decline, leave"),
        ("paid=80,", "'' is none of"),
        ("paid=80,paid=3", "paid is given twice"),
        ("paid=lots", "paid='lots' is not a number"),
        ("paid=", "paid='' is not a number"),
        ("paid=-1", "paid=-1 is not between 0 and 1e\\+09"),
        ("paid=nan", "is not between"),
        ("paid=inf", "is not between"),
        ("paid=0,leave=0", "all weights are 0"),
    ],
)
def test_a_mix_that_makes_no_sense_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Mix.parse(text)


def test_a_mix_is_written_as_it_is_read() -> None:
    assert "paid=80,cancel=4,decline=6,leave=10" == str(USUAL_MIX)
    assert Mix.parse(str(USUAL_MIX)) == USUAL_MIX


def test_draws_follow_the_weights() -> None:
    rng = random.Random(3)
    drawn = [USUAL_MIX.draw(rng) for _ in range(10_000)]
    for outcome, weight in USUAL_MIX.weights:
        assert abs(drawn.count(outcome) - 100 * weight) < 200


@given(st.integers())
def test_what_has_no_weight_is_never_drawn(seed: int) -> None:
    mix = Mix.parse("cancel=0,paid=1,leave=0")
    assert Outcome.PAID is mix.draw(random.Random(seed))


@pytest.mark.parametrize(
    ("ending", "script"),
    [
        (100, None),
        (101, Script.CANCELS),
        (102, Script.CLOSES_THE_TAB),
        (103, Script.REPLY_CUT),
        (104, Script.RETURNS_TWICE),
        (105, Script.IS_DECLINED),
        (106, Script.HTML_FIRST),
        (107, Script.RETURNS_LATE),
        (108, None),
        (0, None),
    ],
)
@pytest.mark.parametrize("thousands", [0, 1, 150, 2_000_000])
def test_the_last_three_digits_order_a_script(
    thousands: int, ending: int, script: Script | None
) -> None:
    assert script is script_of(thousands * 1000 + ending)


@pytest.mark.parametrize(
    ("ending", "decision"),
    [
        (101, Decision(outcome=Outcome.CANCEL)),
        (102, Decision(outcome=Outcome.PAID)),
        (103, Decision(outcome=Outcome.PAID)),
        (104, Decision(outcome=Outcome.PAID)),
        (105, Decision(outcome=Outcome.DECLINE, code="51")),
        (106, Decision(outcome=Outcome.PAID)),
        (107, Decision(outcome=Outcome.PAID)),
    ],
)
def test_a_script_needs_no_dice(ending: int, decision: Decision) -> None:
    assert decision == decide(150_000 + ending, Mix.parse("leave"), NoDice())


def test_every_other_amount_follows_the_mix() -> None:
    rng = random.Random(5)
    assert Decision(outcome=Outcome.PAID) == decide(150_000, EVERYBODY_PAYS, rng)
    assert Decision(outcome=Outcome.LEAVE) == decide(150_000, Mix.parse("leave"), rng)
    declines = {decide(150_000, Mix.parse("decline"), rng).code for _ in range(50)}
    assert {"51", "55"} == declines


@given(st.integers())
def test_a_card_has_a_valid_check_digit(seed: int) -> None:
    card = draw_card(random.Random(seed))
    assert 16 == len(card)
    digits = [int(digit) for digit in card]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[::2]]
    assert 0 == (sum(doubled) + sum(digits[1::2])) % 10
