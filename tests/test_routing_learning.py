"""What the router makes of what happens: silent outages, recoveries, payers' own faults, and capacities."""

import heapq
import random
from collections.abc import Callable

import pytest

from gatewayd.routing.router import Limits, Router, RoutingSettings

FOUR = ("saman", "mellat", "parsian", "sadad")
Fate = Callable[[float, str], str]


class Shop:
    """Customers at five payments a second; `fate` says what becomes of one ("" never returns)."""

    def __init__(self, seed: int = 1) -> None:
        self.dice = random.Random(seed)
        self.router = Router(
            {name: Limits() for name in FOUR}, RoutingSettings(), rng=random.Random(seed)
        )
        self.now = 0.0
        self.number = 0
        self.coming: list[tuple[float, int, str]] = []
        self.sent: list[tuple[float, str]] = []

    def run(self, seconds: float, fate: Fate, rate: float = 5.0) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += self.dice.expovariate(rate)
            while self.coming and self.coming[0][0] <= self.now:
                at, attempt, outcome = heapq.heappop(self.coming)
                self.router.returned(at, attempt, outcome)
            self.number += 1
            first = self.router.rank(self.now).order[0]
            self.router.started(self.now, self.number, first, ok=True, seconds=0.3)
            self.sent.append((self.now, first))
            outcome = fate(self.now, first)
            if outcome and self.dice.random() < 0.9:
                back = self.now + self.dice.lognormvariate(4.25, 0.7)
                heapq.heappush(self.coming, (back, self.number, outcome))

    def share(self, name: str, since: float) -> float:
        """The part of the payments since then that went to it."""
        lately = [to for at, to in self.sent if at >= since]
        return lately.count(name) / len(lately)


def fine(now: float, name: str) -> str:
    return "paid"


def test_a_page_that_nobody_comes_back_from_loses_its_share_within_two_minutes() -> None:
    shop = Shop()
    shop.run(900.0, fine)
    assert shop.share("saman", 600.0) > 0.1
    shop.run(120.0, lambda now, name: "" if name == "saman" else "paid")
    began = shop.now
    shop.run(60.0, lambda now, name: "" if name == "saman" else "paid")
    assert shop.share("saman", began) < 0.05
    health = shop.router.snapshot(shop.now)["saman"]
    assert health.score < 0.3
    assert any("do not come back" in reason for reason in health.reasons)


def test_a_recovered_gateway_has_half_of_its_fair_share_within_five_minutes() -> None:
    shop = Shop()
    shop.run(900.0, fine)
    shop.run(600.0, lambda now, name: "" if name == "saman" else "paid")
    shop.run(300.0, fine)
    began = shop.now
    shop.run(60.0, fine)
    assert shop.share("saman", began) > 0.5 / len(FOUR)


def test_payers_own_faults_and_their_banks_move_no_score() -> None:
    shop, other = Shop(), Shop()
    dice = random.Random(5)
    shop.run(900.0, lambda now, name: dice.choice(("paid", "payer", "issuer")))
    other.run(900.0, fine)
    for name in FOUR:
        mixed = shop.router.snapshot(shop.now)[name]
        clean = other.router.snapshot(other.now)[name]
        assert clean.score == pytest.approx(mixed.score, abs=0.06)
        assert mixed.score > 0.75


def test_most_payments_go_to_a_clearly_better_gateway() -> None:
    shop = Shop()
    dice = random.Random(5)

    def fate(now: float, name: str) -> str:
        return "paid" if dice.random() < (0.97 if name == "saman" else 0.7) else "gateway"

    shop.run(1_200.0, fate)
    assert shop.share("saman", 900.0) > 0.85
    assert all(shop.share(name, 600.0) > 0.0 for name in FOUR)


def test_a_gateway_that_fails_beyond_its_capacity_is_kept_below_it() -> None:
    shop = Shop()
    dice = random.Random(5)
    load = {"saman": 0.0}
    seen = {"at": 0.0}

    def fate(now: float, name: str) -> str:
        load["saman"] *= 0.5 ** ((now - seen["at"]) / 20.0)
        seen["at"] = now
        if name != "saman":
            return "paid" if dice.random() < 0.75 else "gateway"
        load["saman"] += 0.035
        return "paid" if dice.random() < 0.97 * min(1.0, 1.5 / load["saman"]) else "gateway"

    shop.run(3_600.0, fate)
    began = shop.now
    shop.run(600.0, fate)
    assert 0.15 < shop.share("saman", began) < 0.45


def test_a_hard_outage_costs_no_payment_and_few_customers_wait_for_it() -> None:
    """Whoever is sent to the dead bank gets a token from the next; after a few nobody is sent there but trials."""
    router = Router({name: Limits() for name in FOUR}, RoutingSettings(), rng=random.Random(4))
    failed = served = 0
    for number in range(3_000):
        now = number / 5.0
        for name in router.rank(now).order[:3]:
            ok = name != "saman" or now < 120.0
            router.started(now, number, name, ok=ok, seconds=0.3 if ok else 1.0)
            if ok:
                served += 1
                break
            failed += 1
        router.returned(now, number - 300, "paid")
    assert 3_000 == served
    assert failed < 20


def test_what_is_kept_does_not_grow_with_time() -> None:
    shop = Shop()
    shop.run(1_500.0, fine, rate=2.0)
    early = len(shop.router._attempts)
    shop.run(3_000.0, fine, rate=2.0)
    assert len(shop.router._attempts) < 1.3 * early
    assert all(len(known.known.window.buckets) <= 67 for known in shop.router._gateways.values())


def test_a_restart_keeps_what_was_learnt() -> None:
    shop = Shop()
    shop.run(900.0, fine)
    shop.run(240.0, lambda now, name: "" if name == "saman" else "paid")
    again = Router({name: Limits() for name in FOUR}, RoutingSettings(), rng=random.Random(2))
    again.restore(5.0, shop.router.state(shop.now), elapsed=3.0)
    before, after = shop.router.snapshot(shop.now), again.snapshot(6.0)
    for name in FOUR:
        assert before[name].score == pytest.approx(after[name].score, abs=0.02)
    assert after["saman"].weight < 0.1
