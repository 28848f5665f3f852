"""What other ways of drawing would have brought: right where it can be known, and plain where it cannot."""

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.lives import FIRST_MS, created, creation_guards
from gatewayd import cli
from gatewayd.core import events as ev
from gatewayd.core.terms import Claim, CodeClass, Receipt, Redirect
from gatewayd.io.replaying import gateways, replay
from gatewayd.routing.evidence import CLIP, Estimate, Evidence
from gatewayd.routing.replay import ByBest, ByRouter, ByShare, Candidate, Replay, Way, read_weighed
from gatewayd.routing.router import Limits, Router, RoutingSettings
from tests.journals import journal, land, opened

LEVELS = {"saman": 0.9, "mellat": 0.6, "sadad": 0.4}
DAY = 86_400.0


def estimated(
    dice: random.Random,
    would: Mapping[str, float],
    draws: int = 800,
    levels: Mapping[str, float] = LEVELS,
) -> Estimate:
    """Draws with chances 0.5, 0.3 and 0.2 over a day, judged for a way with these chances."""
    evidence = Evidence(1_800.0)
    done = dict(zip(levels, (0.5, 0.3, 0.2), strict=True))
    for number in range(draws):
        (name,) = dice.choices(list(done), list(done.values()))
        evidence.add(
            number * DAY / draws,
            drawn_with=done[name],
            would=would[name],
            paid=dice.random() < levels[name],
        )
    estimate = evidence.estimate()
    assert estimate is not None
    return estimate


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    dice, would = random.Random(1), {"saman": 0.1, "mellat": 0.2, "sadad": 0.7}
    truth = sum(would[name] * LEVELS[name] for name in LEVELS)
    done = 0.5 * 0.9 + 0.3 * 0.6 + 0.2 * 0.4
    runs = [estimated(dice, would) for _ in range(300)]
    held = sum(abs(run.paid - truth) <= run.interval for run in runs)
    gained = sum(abs(run.gain - (truth - done)) <= run.gain_interval for run in runs)
    assert 0.90 < held / 300 <= 0.99
    assert 0.90 < gained / 300 <= 0.99
    assert truth == pytest.approx(sum(run.paid for run in runs) / 300, abs=0.01)


def test_what_was_done_is_told_from_nothing_and_clear_differences_are_told() -> None:
    dice = random.Random(2)
    same = estimated(dice, {"saman": 0.5, "mellat": 0.3, "sadad": 0.2})
    assert (0.0, 0.0) == pytest.approx((same.gain, same.gain_interval))
    assert "cannot tell it from what was done" == same.verdict
    assert "better" == estimated(dice, {"saman": 0.9, "mellat": 0.1, "sadad": 0.0}).verdict
    assert "worse" == estimated(dice, {"saman": 0.1, "mellat": 0.2, "sadad": 0.7}).verdict


def test_small_differences_few_draws_and_what_was_hardly_tried_are_said_to_be_unknown() -> None:
    dice = random.Random(3)
    level = dict.fromkeys(LEVELS, 0.8)
    some = {"saman": 0.4, "mellat": 0.4, "sadad": 0.2}
    assert "cannot tell it from" in estimated(dice, some, levels=level).verdict
    assert "too few" in estimated(dice, some, draws=60).verdict
    rare = Evidence(1_800.0)
    for number in range(2_000):
        rare.add(number * 40.0, drawn_with=0.99, would=0.2, paid=True)
    found = rare.estimate()
    assert found is not None
    assert "hardly tried" in found.verdict
    assert Evidence(60.0).estimate() is None


def test_no_draw_counts_for_more_than_the_clip() -> None:
    evidence = Evidence(60.0)
    for number in range(1_000):
        evidence.add(number * 10.0, drawn_with=0.5, would=0.5, paid=False)
    evidence.add(10_000.0, drawn_with=0.0001, would=1.0, paid=True)
    found = evidence.estimate()
    assert found is not None
    assert CLIP / (1_000 + CLIP) == pytest.approx(found.paid)
    assert 1 / 1_001 == pytest.approx(found.clipped)


def test_what_is_kept_grows_with_time_and_not_with_draws() -> None:
    evidence = Evidence(1_800.0)
    for number in range(10_000):
        evidence.add(number * DAY / 10_000, drawn_with=0.5, would=0.4, paid=True)
    assert 48 == len(evidence._blocks)


def test_only_those_that_could_be_drawn_are_read() -> None:
    text = "saman 0.861 0.3120, mellat 0.204 0.0040 open, sadad 0.500 0.1000"
    assert (Candidate("saman", 0.861, 0.312), Candidate("sadad", 0.5, 0.1)) == read_weighed(text)
    assert () == read_weighed("")


# --- a shop's journal


def payments(
    count: int, seed: int = 1, every_seconds: float = 5.0
) -> Iterator[tuple[int, list[ev.Event]]]:
    """A shop with a router: the first gateway is good, the others are not; every event with its payment."""
    dice = random.Random(seed)
    router = Router({name: Limits() for name in LEVELS}, RoutingSettings(), rng=dice)
    waiting: list[tuple[float, int, bool]] = []
    for number in range(1, count + 1):
        now = number * every_seconds
        while waiting and waiting[0][0] <= now:
            at, earlier, paid = waiting.pop(0)
            router.returned(at, earlier, "paid" if paid else "gateway")
            at_ms = FIRST_MS + int(at * 1000)
            yield earlier, returned(at_ms, earlier, paid=paid)
        ranking = router.rank(now)
        gateway = ranking.order[0]
        router.started(now, number, gateway, ok=True, seconds=0.3)
        waiting.append((now + 60.0, number, dice.random() < LEVELS[gateway]))
        at_ms = FIRST_MS + int(now * 1000)
        yield (
            number,
            [
                ev.StartRequested(
                    at_ms=at_ms,
                    attempt=1,
                    gateway=gateway,
                    bank_order=number,
                    settles=False,
                    probability=ranking.probability[gateway],
                    reason=ranking.reason,
                    weighed=ranking.weighed,
                ),
                ev.Started(
                    at_ms=at_ms + 300,
                    attempt=1,
                    redirect=Redirect(
                        method="GET", url="https://bank.example", token=f"{number:040x}"
                    ),
                ),
            ],
        )


def returned(at_ms: int, number: int, *, paid: bool) -> list[ev.Event]:
    claim = Claim(outcome=CodeClass.OK if paid else CodeClass.GATEWAY)
    standing = ev.Standing.CLAIM if paid else ev.Standing.NO
    events: list[ev.Event] = [
        ev.Returned(at_ms=at_ms, attempt=1, claim=claim, standing=standing, digest=f"{number:x}")
    ]
    if paid:
        receipt = Receipt(amount=1_500_000, bank_order=number, ref_num=f"r{number}")
        events += [
            ev.VerifyRequested(at_ms=at_ms, attempt=1, purpose=ev.Purpose.KEEP),
            ev.Verified(at_ms=at_ms, attempt=1, receipt=receipt),
        ]
    return events


def test_a_shops_own_draws_tell_what_other_ways_would_have_brought() -> None:
    limits = {name: Limits() for name in LEVELS}
    ways: dict[str, Way] = {
        "equal": ByShare(lambda _: 1.0),
        "best": ByBest(),
        "router": ByRouter(limits, RoutingSettings(), random.Random(7)),
    }
    count = 2_500
    played = Replay(ways, until=FIRST_MS / 1000 + count * 5.0, block_seconds=1_200.0)
    for number, events in payments(count):
        for event in events:
            played.see(event.at_ms, number, event)
    equal, best, router = (played.evidence[name].estimate() for name in ways)
    assert equal is not None
    assert best is not None
    assert router is not None
    assert "cannot tell: it would often draw what was hardly tried" == equal.verdict
    assert 0.9 == pytest.approx(best.paid, abs=best.interval)
    assert best.interval < 0.04
    assert abs(router.gain) < 0.05
    assert count == played.draws
    assert 230 < played.too_young < 250
    assert 0 == len(played._open)


def test_failovers_belong_to_the_draw_and_what_was_verified_to_be_given_back_is_not_paid() -> None:
    played = Replay({"equal": ByShare(lambda _: 1.0)}, until=1e12, block_seconds=60.0)
    drawn = ev.StartRequested(
        at_ms=0,
        attempt=1,
        gateway="saman",
        bank_order=1,
        settles=False,
        probability=0.5,
        reason="weights",
        weighed="saman 0.9 0.5, mellat 0.9 0.5",
    )
    receipt = Receipt(amount=1, bank_order=1, ref_num="r")
    for number, purpose in ((1, ev.Purpose.KEEP), (2, ev.Purpose.GIVE_BACK)):
        played.see(0, number, drawn)
        played.see(0, number, ev.StartLost(at_ms=0, attempt=1, cause="dial"))
        failover = ev.StartRequested(
            at_ms=0, attempt=2, gateway="mellat", bank_order=2, settles=False, reason="failover"
        )
        played.see(0, number, failover)
        played.see(0, number, ev.VerifyRequested(at_ms=0, attempt=2, purpose=purpose))
        played.see(0, number, ev.Verified(at_ms=0, attempt=2, receipt=receipt))
    played.see(2_000_000, 3, ev.StartLost(at_ms=2_000_000, attempt=1, cause="dial"))
    found = played.evidence["equal"].estimate()
    assert found is not None
    assert (2, 0.5) == (found.draws, found.paid)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of two hundred payments."""
    path = tmp_path / "journal.db"
    memory = journal()
    with opened(path) as store:
        for number in range(1, 201):
            memory.append(number, created(number), takes=creation_guards(number))
        land(memory, store)
        for number, events in payments(200, every_seconds=60.0):
            memory.append(number, *events)
        land(memory, store)
    return path


def test_a_journal_is_replayed_from_its_file(path: Path) -> None:
    assert ("mellat", "sadad", "saman") == gateways(path)
    found = replay(path, {"equal": ByShare(lambda _: 1.0)})
    assert 200 == found.draws
    equal = found.estimates["equal"]
    assert equal is not None
    assert found.draws == equal.draws + found.too_young + found.no_choice
    later = replay(path, {"equal": ByShare(lambda _: 1.0)}, since_ms=FIRST_MS + 6_000_000)
    assert 90 < later.draws < 110


def test_the_command_prints_a_line_for_each_way_and_says_when_it_cannot_tell(path: Path) -> None:
    told = CliRunner().invoke(cli.app, ["replay", str(path)], env={"COLUMNS": "200"})
    assert 0 == told.exit_code, told.output
    for way in ("what was done", "equal shares", "contract weights", "best score", "router"):
        assert way in told.output
    assert "cannot tell" in told.output
    since = datetime.fromtimestamp(FIRST_MS / 1000 + DAY, UTC).strftime("%Y-%m-%d")
    empty = CliRunner().invoke(cli.app, ["replay", str(path), "--since", since])
    assert "no draws to learn from" in empty.output


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    told = CliRunner().invoke(cli.app, ["replay", str(tmp_path / "nothing.db")])
    assert cli.EX_DATAERR == told.exit_code
