"""The router as the engine sees it: orders, chances, cut-offs, limits, and what outlives a restart."""

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.routing.breaker import BreakerState
from gatewayd.routing.router import Limits, Router, RoutingSettings

SIX = ("saman", "mellat", "parsian", "sadad", "zarinpal", "zibal")


def router(
    names: Iterable[str] = SIX, seed: int = 1, limits: dict[str, Limits] | None = None
) -> Router:
    known = {name: (limits or {}).get(name, Limits()) for name in names}
    return Router(known, RoutingSettings(), rng=random.Random(seed))


def cut_off(known: Router, now: float, name: str) -> None:
    for number in range(3):
        known.started(now, (name, number), name, ok=False)


Step = tuple[str, int, float, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["pay", "fail", "return", "verify", "force", "take_out", "put_back"]),
        st.integers(0, 5),
        st.floats(0.0, 40.0),
        st.integers(0, 40),
    ),
    max_size=60,
)


def play(known: Router, history: list[Step]) -> float:
    """Lets things happen to a router; returns the time afterwards."""
    now = 0.0
    for number, (what, which, pause, other) in enumerate(history):
        now += pause
        name = SIX[which]
        match what:
            case "pay":
                for first in known.rank(now, amount=1_000).order[:1]:
                    known.started(now, number, first, ok=True, seconds=0.2, amount=1_000)
            case "fail":
                for _ in range(other % 4):
                    known.started(now, number, name, ok=False, seconds=other / 10)
            case "return":
                known.returned(now, other, ("paid", "payer", "issuer", "gateway")[other % 4])
            case "verify":
                known.verified(now, other, ok=other % 3 > 0)
            case "force":
                known.force(now, name, (("open", "closed", "auto", "auto"))[other % 4])
            case "take_out":
                known.take_out(now, name, "password")
            case _:
                known.put_back(now, name)
    return now


some_limits = st.dictionaries(
    st.sampled_from(SIX),
    st.builds(
        Limits,
        max_tps=st.none() | st.floats(0.1, 5.0),
        max_in_flight=st.none() | st.integers(1, 5),
        daily_amount=st.none() | st.integers(1, 20_000),
        max_share=st.floats(0.1, 1.0),
        weight=st.floats(0.1, 10.0),
        fee_bp=st.floats(0, 100),
    ),
)


@given(
    history=steps,
    limits=some_limits,
    seed=st.integers(0, 5),
    eligible=st.sets(st.sampled_from(SIX)),
)
@settings(max_examples=150, deadline=None)
def test_whatever_happened_every_ranking_is_whole(
    history: list[Step], limits: dict[str, Limits], seed: int, eligible: set[str]
) -> None:
    """Every eligible gateway once, none forced open; chances sum to one; usable before cut off; scores in [0, 1]."""
    known = router(seed=seed, limits=limits)
    now = play(known, history)
    health = known.snapshot(now)
    ranking = known.rank(now, eligible, amount=1_000)
    forced = {name for name in SIX if health[name].breaker is BreakerState.FORCED_OPEN}
    assert sorted(eligible - forced) == sorted(ranking.order)
    assert set(ranking.order) == set(ranking.probability)
    if ranking.order:
        assert 1.0 == pytest.approx(sum(ranking.probability.values()))
        assert ranking.probability[ranking.order[0]] > 0.0
    usable = [
        not any(reason.startswith(("taken out", "breaker open")) for reason in health[name].reasons)
        and ranking.probability[name] > 0.0
        for name in ranking.order
    ]
    cut = [health[name].breaker is BreakerState.OPEN for name in ranking.order]
    first_cut = cut.index(True) if True in cut else len(cut)
    assert ranking.reason in {"open", "taken_out"} or not any(usable[first_cut:])
    assert all(0.0 <= known_health.score <= 1.0 for known_health in health.values())
    assert 1.0 == pytest.approx(sum(known_health.weight for known_health in health.values()))


@given(history=steps, seed=st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_the_same_calls_with_the_same_dice_give_the_same_answers(
    history: list[Step], seed: int
) -> None:
    first, second = router(seed=seed), router(seed=seed)
    now = play(first, history)
    play(second, history)
    assert [first.rank(now) for _ in range(5)] == [second.rank(now) for _ in range(5)]
    assert first.snapshot(now) == second.snapshot(now)
    assert first.state(now) == second.state(now)


@given(history=steps, seed=st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_what_a_restart_takes_up_ranks_like_what_was_written_down(
    history: list[Step], seed: int
) -> None:
    before = router(seed=seed)
    now = play(before, history)
    after = router(seed=seed + 1)
    after.restore(now, json.loads(json.dumps(before.state(now))))
    old, new = before.snapshot(now), after.snapshot(now)
    assert {name: health.breaker for name, health in old.items()} == {
        name: health.breaker for name, health in new.items()
    }
    assert {name: health.reasons for name, health in old.items()} == {
        name: health.reasons for name, health in new.items()
    }


def test_each_comes_first_as_often_as_its_probability_says() -> None:
    known = router(limits={"saman": Limits(weight=3.0)})
    first = Counter(known.rank(1.0).order[0] for _ in range(2_000))
    chance = known.rank(1.0).probability
    assert dict(chance) == {name: pytest.approx(first[name] / 2_000, abs=0.01) for name in SIX}
    assert 3 * chance["mellat"] == pytest.approx(chance["saman"])


def test_the_order_after_the_first_is_drawn_too() -> None:
    known = router()
    second = Counter(known.rank(1.0).order[1] for _ in range(2_000))
    assert all(0.12 < second[name] / 2_000 < 0.21 for name in SIX)


def test_dropped_connections_cut_a_gateway_off_until_one_trial_succeeds() -> None:
    known = router()
    cut_off(known, 10.0, "mellat")
    assert "mellat" == known.rank(10.0).order[-1]
    assert 0.0 == known.rank(10.0).probability["mellat"]
    trial = known.rank(20.0)
    assert ("mellat", 1.0, "half_open") == (
        trial.order[0],
        trial.probability["mellat"],
        trial.reason,
    )
    assert "mellat" == known.rank(20.1).order[-1]
    known.started(20.5, "trial", "mellat", ok=True, seconds=0.4)
    assert BreakerState.CLOSED is known.snapshot(20.5)["mellat"].breaker
    assert known.rank(20.6).probability["mellat"] > 0.0


def test_a_trial_that_was_never_started_is_given_to_another_payment_after_ten_seconds() -> None:
    known = router()
    cut_off(known, 10.0, "mellat")
    assert "mellat" == known.rank(20.0).order[0]
    assert "mellat" == known.rank(29.9).order[-1]
    assert "mellat" == known.rank(30.0).order[0]


def test_with_all_cut_off_the_best_is_tried_all_the_same() -> None:
    known = router(("saman", "mellat"))
    for number in range(40):
        known.started(number, number, "saman", ok=True)
        known.started(number, -1 - number, "mellat", ok=True)
        known.returned(number + 30.0, number, "paid")
        known.returned(number + 30.0, -1 - number, "gateway")
    cut_off(known, 100.0, "saman")
    cut_off(known, 100.0, "mellat")
    ranking = known.rank(101.0)
    assert (("saman", "mellat"), "open") == (ranking.order, ranking.reason)
    assert {"saman": 1.0, "mellat": 0.0} == dict(ranking.probability)


def test_what_an_operator_forced_open_is_never_tried_and_forced_closed_always() -> None:
    known = router(("saman", "mellat"))
    known.force(0.0, "saman", "open")
    known.force(0.0, "mellat", "closed")
    cut_off(known, 1.0, "mellat")
    assert ("mellat",) == known.rank(2.0).order
    known.force(3.0, "mellat", "open")
    assert ((), "none") == (known.rank(4.0).order, known.rank(4.0).reason)
    known.force(5.0, "saman", "auto")
    assert ("saman",) == known.rank(5.0).order


def test_a_wrong_contract_is_tried_last_and_costs_neither_score_nor_breaker() -> None:
    known = router(("saman", "mellat"))
    before = known.snapshot(1.0)["saman"]
    known.take_out(1.0, "saman", "address not registered")
    assert ("mellat", "saman") == known.rank(1.0).order
    after = known.snapshot(1.0)["saman"]
    assert (before.score, before.breaker) == (after.score, after.breaker)
    assert ("taken out: address not registered",) == after.reasons
    assert ("saman",) == known.rank(1.0, ["saman"]).order
    known.put_back(2.0, "saman")
    assert () == known.snapshot(2.0)["saman"].reasons


def test_a_wrong_contract_is_tried_by_one_payment_now_and_then_ever_more_seldom() -> None:
    known = router(("saman", "mellat"))
    known.take_out(0.0, "saman", "address not registered")
    known.take_out(0.5, "saman", "address not registered")  # whoever was on the way there too
    first_at = []
    for now in range(0, 24 * 3_600, 10):
        ranking = known.rank(float(now))
        if ranking.order[0] == "saman":
            assert ("half_open", 1.0) == (ranking.reason, ranking.probability["saman"])
            assert "mellat" == ranking.order[1]
            known.take_out(now + 1.0, "saman", "address not registered")
            first_at.append(now)
    pauses = [later - now for now, later in itertools.pairwise([0, *first_at])]
    assert [60, 120, 240, 480, 960, 1_920, 3_600, 3_600] == pauses[:8]


def test_a_wrong_contract_is_right_again_with_the_first_token_that_was_asked_for_since() -> None:
    known = router(("saman", "mellat"))
    known.take_out(10.0, "saman", "password")
    known.started(11.0, "asked before", "saman", ok=True, seconds=2.0)
    assert known.is_taken_out("saman")
    known.started(12.0, "fails otherwise", "saman", ok=False, seconds=1.0)
    assert known.is_taken_out("saman")
    known.started(13.0, "asked since", "saman", ok=True, seconds=1.0)
    assert not known.is_taken_out("saman")
    known.take_out(14.0, "saman", "password")
    assert "mellat" == known.rank(73.9).order[0]
    assert "saman" == known.rank(74.0).order[0]


def test_a_wrong_contract_is_tried_at_once_after_a_restart() -> None:
    before, known = router(("saman", "mellat")), router(("saman", "mellat"))
    before.take_out(0.0, "saman", "password")
    known.restore(1.0, before.state(1.0), elapsed=1.0)
    assert ["saman", "mellat"] == [known.rank(1.0).order[0] for _ in range(2)]
    assert known.is_taken_out("saman")


def test_nobody_eligible_gives_an_empty_order() -> None:
    assert () == router().rank(0.0, []).order
    assert () == router(()).rank(0.0).order


@pytest.mark.parametrize("name", SIX)
def test_the_last_usable_gateway_is_first_however_bad_it_is(name: str) -> None:
    known = router()
    for number in range(200):
        known.started(number / 10, number, name, ok=True)
        known.returned(number / 10 + 1, number, "gateway")
    for other in SIX:
        if other != name:
            cut_off(known, 25.0, other)
    assert name == known.rank(25.1).order[0]


def test_no_more_than_max_tps_are_put_first_within_a_second() -> None:
    known = router(limits={"saman": Limits(max_tps=2.0, weight=1_000.0)})
    assert 2 == sum("saman" == known.rank(50.0).order[0] for _ in range(50))
    assert 1 == sum("saman" == known.rank(50.5).order[0] for _ in range(50))
    assert ("at its max_tps",) == known.snapshot(50.5)["saman"].reasons


def test_no_more_than_max_in_flight_payers_are_sent() -> None:
    known = router(limits={"saman": Limits(max_in_flight=2, weight=1_000.0)})
    for number in range(2):
        known.rank(0.0, ["saman"])
        known.started(0.0, number, "saman", ok=True)
    assert "saman" == known.rank(1.0).order[-1]
    assert ("saman", "limits") == (
        known.rank(1.0, ["saman"]).order[0],
        known.rank(1.0, ["saman"]).reason,
    )
    known.returned(20.0, 0, "payer")
    assert 1 == known.snapshot(20.0)["saman"].in_flight
    assert "saman" in {known.rank(20.0).order[0] for _ in range(3)}


def test_a_payer_who_never_comes_back_gives_his_place_back_in_time() -> None:
    known = router(limits={"saman": Limits(max_in_flight=1)})
    known.started(0.0, "away", "saman", ok=True)
    assert 1 == known.snapshot(599.0)["saman"].in_flight
    assert 0 == known.snapshot(606.0)["saman"].in_flight


def test_the_daily_amount_counts_what_was_paid_and_what_may_still_be() -> None:
    known = router(limits={"saman": Limits(daily_amount=1_000)})
    known.started(0.0, "first", "saman", ok=True, amount=600)
    assert 0.0 == known.rank(1.0, amount=500).probability["saman"]
    assert known.rank(1.0, amount=400).probability["saman"] > 0.0
    known.returned(30.0, "first", "payer")
    assert known.rank(31.0, amount=1_000).probability["saman"] > 0.0
    known.started(40.0, "second", "saman", ok=True, amount=600)
    known.returned(50.0, "second", "paid")
    known.verified(50.0, "second", ok=True)
    assert 0.0 == known.rank(86_000.0, amount=500).probability["saman"]
    assert known.rank(87_100.0, amount=500).probability["saman"] > 0.0


def test_attempts_are_bounded_in_number_and_age() -> None:
    known = Router({"saman": Limits()}, RoutingSettings(attempts_max=10), rng=random.Random(1))
    for number in range(50):
        known.started(0.0, number, "saman", ok=True)
    assert 10 == len(known._attempts)
    assert 10 == known.snapshot(1.0)["saman"].in_flight
    known.rank(2_000.0)
    assert 0 == len(known._attempts)


def test_outcomes_of_unknown_attempts_pass_unheard_and_words_that_mean_nothing_do_not() -> None:
    known = router()
    known.returned(1.0, "unknown", "paid")
    known.verified(1.0, "unknown", ok=True)
    with pytest.raises(KeyError):
        known.returned(1.0, "unknown", "perhaps")


def test_a_verify_that_gets_no_receipt_turns_a_paid_return_into_a_failure_and_back() -> None:
    known = router()
    known.started(0.0, 1, "saman", ok=True)
    known.returned(10.0, 1, "paid")
    known.verified(11.0, 1, ok=False)
    health = known.snapshot(11.0)["saman"]
    assert (1, 0, 1) == (health.returned, health.paid, health.failed)
    known.verified(12.0, 1, ok=True)
    known.verified(13.0, 1, ok=True)
    health = known.snapshot(13.0)["saman"]
    assert (1, 1, 0) == (health.returned, health.paid, health.failed)


def test_a_genuine_return_counts_after_a_forged_one() -> None:
    known = router()
    known.started(0.0, 1, "saman", ok=True)
    known.returned(1.0, 1, "payer")
    known.returned(50.0, 1, "paid")
    known.returned(51.0, 1, "payer")
    health = known.snapshot(51.0)["saman"]
    assert (1, 1, 0) == (health.returned, health.paid, health.failed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tps": 0.0},
        {"max_in_flight": -1},
        {"min_share": 0.5, "max_share": 0.4},
        {"weight": 0.0},
        {"fee_bp": -1.0},
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        Limits(**wrong)  # type: ignore[arg-type]  # the values' kinds are mixed


def test_the_kill_switch_draws_by_the_contracts_own_weights_and_keeps_breakers_and_limits() -> None:
    known = router(limits={"saman": Limits(weight=3.0), "zibal": Limits(max_tps=1.0)})
    for number in range(200):
        known.started(number / 10, number, "saman", ok=True)
        known.returned(number / 10 + 1, number, "gateway")
    assert known.rank(25.0).probability["saman"] < 0.2
    known.set_mode(25.0, "fixed")
    cut_off(known, 26.0, "mellat")
    known.rank(26.0, ["zibal"])
    ranking = known.rank(26.0)
    expected = {"saman": 0.5, "parsian": 1 / 6, "sadad": 1 / 6, "zarinpal": 1 / 6}
    assert expected | {"mellat": 0.0, "zibal": 0.0} == pytest.approx(dict(ranking.probability))
    assert "fixed" == ranking.reason
    again = router(limits={"saman": Limits(weight=3.0)})
    again.restore(0.0, json.loads(json.dumps(known.state(26.0))))
    assert "fixed" == again.rank(0.0).reason
    known.set_mode(27.0, "learned")
    assert known.rank(27.0).probability["saman"] < 0.2


def test_the_kill_switch_may_stand_in_the_configuration() -> None:
    known = Router(
        {name: Limits() for name in SIX}, RoutingSettings(mode="fixed"), rng=random.Random(1)
    )
    assert "fixed" == known.rank(0.0).reason
    assert dict.fromkeys(SIX, pytest.approx(1 / 6)) == dict(known.rank(0.0).probability)


def test_a_payers_own_gateway_is_preferred_with_a_chance_that_is_told() -> None:
    known = router()
    ranking = known.rank(0.0, favourite="sadad")
    assert "favourite" == ranking.reason
    assert 4 / 9 == pytest.approx(ranking.probability["sadad"])
    first = Counter(known.rank(0.0, favourite="sadad").order[0] for _ in range(900))
    assert 400 == pytest.approx(first["sadad"], abs=5)
    assert "weights" == known.rank(0.0, favourite="nobody").reason
    assert "weights" == known.rank(0.0, ["saman", "zibal"], favourite="sadad").reason


def test_a_payers_own_gateway_is_not_preferred_when_it_is_worse_or_cut_off() -> None:
    known = router()
    for number in range(200):
        known.started(number / 10, number, "sadad", ok=True)
        known.returned(number / 10 + 1, number, "gateway")
    cut_off(known, 25.0, "zibal")
    for name in ("sadad", "zibal"):
        assert "weights" == known.rank(25.0, favourite=name).reason
        assert known.rank(25.0).probability == known.rank(25.0, favourite=name).probability


def test_a_decision_is_told_with_what_it_was_made_from() -> None:
    known = router(("saman", "mellat", "sadad"))
    cut_off(known, 0.0, "mellat")
    known.take_out(0.0, "sadad", "password")
    told = [each.split(" ") for each in known.rank(0.0).weighed.split(", ")]
    assert [("saman", []), ("mellat", ["open"]), ("sadad", ["taken_out"])] == [
        (name, rest) for name, _, _, *rest in told
    ]
    assert all(0.0 <= float(score) <= 1.0 and float(weight) >= 0.0 for _, score, weight, *_ in told)


def test_tokens_that_fail_or_take_long_lower_the_score() -> None:
    known = router(("saman", "mellat", "sadad"))
    for number in range(40):
        known.started(number, number, "saman", ok=True, seconds=0.2)
        known.started(number, -number, "mellat", ok=True, seconds=6.0)
        known.started(number, None, "sadad", ok=number % 2 > 0, seconds=0.2)
    health = known.snapshot(40.0)
    assert health["saman"].score > health["mellat"].score + 0.02
    assert health["saman"].score > health["sadad"].score + 0.02
    assert any("tokens fail" in reason for reason in health["sadad"].reasons)


def test_a_state_of_another_version_is_passed_over() -> None:
    known = router()
    known.restore(0.0, {"version": 99})
    assert {BreakerState.CLOSED} == {health.breaker for health in known.snapshot(0.0).values()}
