"""The seeded world: the same seed the same bytes, no rule broken, every trouble met, and broken engines are caught.

A deliberately broken engine is one function changed. What it breaks must be seen within 200 worlds; the options make
it likelier, so that few are needed.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gatewayd.core import holding, outcomes
from gatewayd.core import payment as payments
from gatewayd.core import plan as pl
from gatewayd.core.delivery import Delivery, Receiver
from gatewayd.core.payment import Payment
from gatewayd.core.terms import CodeClass, Lost, Refusal
from gatewayd.engine import acting, returns
from gatewayd.engine.acting import Acting
from gatewayd.engine.capturing import Capturing, Verdict
from gatewayd.engine.comparing import Comparing
from gatewayd.engine.returns import Returns
from gatewayd.journal.journal import Ticket
from gatewayd.web.facade.verifying import Firsts
from gatewayd.world import seeds as many
from gatewayd.world.machine import DEATHS
from gatewayd.world.options import BadOption, Options
from gatewayd.world.run import TIMED, run_world
from gatewayd.world.wire import KINDS

SEEDS = range(16)
SEEDS_MAX = 200
HALF = Options(hours=0.5, payments=30, panel_verifies=0.04, disk_full_an_hour=1.0)
PEOPLE = (
    "closes_the_tab dawdles returns_late returns_twice returns_reordered references_reused"
    " clicks_twice second_tab hangs_up forges shop_cancels shop_polls shop_repeats shop_holds"
    " shop_has_a_face shop_dallies shop_forgets shop_verifies_twice receiver_refuses"
    " receiver_dallies receiver_forgets_to_answer receiver_outage"
).split()
DISASTERS = (
    "panel_verifies other_amount settle_refused clock_jump reload disk_full fsync_error forcing"
).split() + [f"crash {death}" for death in DEATHS]


def test_no_rule_is_broken_and_every_trouble_is_met() -> None:
    met: Counter[str] = Counter()
    for seed in SEEDS:
        report = run_world(seed, HALF)
        assert () == report.violations, report.repeat
        met.update(report.counts)
    assert set() == {*KINDS, *PEOPLE, *DISASTERS} - set(met)


def test_banks_that_give_nothing_back_though_asked_in_time_leave_no_rial_in_doubt() -> None:
    met: Counter[str] = Counter()
    unkind = Options(
        hours=0.5, payments=30, shop_cancels=0.6, reverse_refused=0.5, reverse_late=0.5
    )
    for seed in SEEDS[:6]:
        report = run_world(seed, unkind)
        assert () == report.violations, report.repeat
        met.update(report.counts)
    assert {"reverse_refused", "reverse_late"} <= set(met)


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = run_world(7, HALF), run_world(7, HALF)
    assert first == second
    assert first.digest != run_world(8, HALF).digest


def test_the_same_bytes_whatever_python_hashes_by() -> None:
    """No set of text or of objects decides about any order."""
    program = (
        "from gatewayd.world.options import Options\n"
        "from gatewayd.world.run import run_world\n"
        "print([run_world(seed, Options(hours=0.2, payments=12)).digest for seed in range(2)])"
    )

    def digests(hash_seed: str) -> str:
        environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", program], env=environ, capture_output=True, check=True, text=True
        )
        return run.stdout

    assert digests("1") == digests("2")


def test_a_story_is_told_of_the_same_world() -> None:
    assert run_world(3, HALF).digest == run_world(3, HALF, stories=True).digest


def test_in_a_calm_world_everybody_pays_and_nobody_is_needed() -> None:
    report = run_world(1, Options.calm(payments=20))
    assert () == report.violations
    assert {"paid": 20} == report.statuses
    assert {"kept": 20} == report.fates
    assert {} == report.counts
    assert 0 == report.in_review


# --- broken engines


def caught(rules: set[str], **options: float) -> bool:
    """Whether one of these rules is seen to be broken within 200 worlds."""
    chosen = Options(**{"hours": 0.5, "payments": 30, **options})  # type: ignore[arg-type]  # all are numbers
    return any(
        rules & {violation.rule for violation in run_world(seed, chosen).violations}
        for seed in range(SEEDS_MAX)
    )


def test_a_verify_that_leaves_before_its_intent_is_journaled_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call = Acting.call

    async def hasty(self: Acting, number: int, action: pl.Action, ticket: Ticket | None) -> None:
        await call(self, number, action, None if isinstance(action, pl.Verify) else ticket)

    monkeypatch.setattr(Acting, "call", hasty)
    monkeypatch.setattr(Returns, "_verify_at_once", lambda *_: None)
    assert caught({"no request"})


def test_a_second_attempt_kept_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def can_keep(payment: Payment) -> bool:
        return payment.closed is None and not payment.stopping

    monkeypatch.setattr(Payment, "can_keep", property(can_keep))
    monkeypatch.setattr(payments, "TO_KEEP", "never")
    assert caught({"kept twice"}, second_tab=0.8, dawdles=0.3)


def lose_hope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a verify without an answer count as refused."""
    verify_event = outcomes.verify_event

    def hopeless(outcome: object, *args: object, **named: object) -> object:
        if isinstance(outcome, Lost):
            outcome = Refusal(cause=CodeClass.NOT_PAID, code="")
        return verify_event(outcome, *args, **named)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(outcomes, "verify_event", hopeless)


def test_not_knowing_taken_for_a_no_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    lose_hope(monkeypatch)
    assert caught({"books"})


def test_a_reference_that_two_payments_may_have_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (acting, returns):
        monkeypatch.setattr(module, "reference_of", lambda *_: ())
    assert caught({"kept twice"}, forges=0.6, lost_reply=0.3)


def test_expiry_without_asking_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl._View, "_next_ask_ms", lambda *_: None)
    assert caught({"books"}, closes_the_tab=0.3)


@pytest.mark.parametrize("habit", ["shop_holds", "shop_has_a_face"])
def test_money_that_its_shop_did_not_ask_for_is_caught(
    monkeypatch: pytest.MonkeyPatch, habit: str
) -> None:
    monkeypatch.setattr(holding, "check", lambda *_, **__: None)
    monkeypatch.setattr(Payment, "waits", property(lambda _: False))
    monkeypatch.setattr(Payment, "may_verify", lambda *_: True)
    assert caught({"shop's word"}, **{habit: 1.0})


def test_an_outbox_that_skips_one_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Receiver.take

    def most(self: Receiver, news: Sequence[Delivery], upto: int) -> None:
        take(self, [each for each in news if each.seq % 20], upto)

    monkeypatch.setattr(Receiver, "take", most)
    assert caught({"webhooks"})


def test_an_outbox_that_forgets_in_a_crash_what_is_not_delivered_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes = Receiver.changes
    monkeypatch.setattr(Receiver, "changes", lambda self: replace(changes(self), unsettled=()))
    assert caught({"webhooks"}, receiver_refuses=0.5, crashes=10)


def test_an_outbox_that_does_not_wait_for_its_turn_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put = Receiver._put

    def hasty(self: Receiver, delivery: Delivery) -> None:
        put(self, delivery)
        self._push(delivery)

    monkeypatch.setattr(Receiver, "_put", hasty)
    monkeypatch.setattr(Receiver, "_is_first", lambda *_: True)
    assert caught({"webhooks"}, receiver_refuses=0.5)


def test_a_face_that_takes_not_knowing_for_verified_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    awaited = Capturing._awaited

    async def hopeful(self: Capturing, number: int, ends: float) -> Verdict:
        verdict = await awaited(self, number, ends)
        return Verdict.CAPTURED if verdict is Verdict.UNKNOWN else verdict

    monkeypatch.setattr(Capturing, "_awaited", hopeful)
    assert caught({"shop's word"}, shop_has_a_face=1.0, lost_reply=0.4)


def test_a_face_that_says_first_to_everybody_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Firsts, "is_owed", lambda *_, **__: True)
    assert caught({"told twice"}, shop_has_a_face=1.0)


def test_receipts_that_nobody_compares_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(_: Comparing) -> None:
        pass

    monkeypatch.setattr(Comparing, "look", look)
    assert caught({"receipts"}, receipts_repeat=0.8)


# --- many worlds


def test_many_worlds_come_to_one_table() -> None:
    told: list[str] = []
    assert 0 == many.main(3, 5, Options(hours=0.1, payments=6), told.append)
    assert any("seeds  3" in line for line in told)
    assert any("violations  0" in line for line in told)


def test_a_broken_rule_is_told_with_its_story_and_what_repeats_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lose_hope(monkeypatch)
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: {0})
    told: list[str] = []
    options = Options(hours=0.5, payments=30, lost_reply=0.5)
    assert 1 == many.main(1, 0, options, told.append)
    assert any("VIOLATION books" in line for line in told)
    assert told[-1].startswith("gatewayd world --seeds 1 --seed ")
    assert told[-1].endswith("--option hours=0.5 --option payments=30 --option lost_reply=0.5")


# --- options


def test_options_are_changed_by_name() -> None:
    options = Options().changed(["lost_reply=0.5", "payments=10"])
    assert 0.5 == options.lost_reply
    assert 10 == options.payments
    assert ["payments=10", "lost_reply=0.5"] == options.differing()


@pytest.mark.parametrize(
    "text", ["lost_reply", "nothing=1", "lost_reply=x", "lost_reply=2", "payments=0.5"]
)
def test_an_option_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(BadOption):
        Options().changed([text])


def test_every_option_has_its_reason_or_speaks_for_itself() -> None:
    names = {option.partition("=")[0] for option in Options.calm().differing()}
    assert {f"{name}_an_hour" for name in TIMED} | set(KINDS) <= names
