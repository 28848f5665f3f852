"""What happened can be read from the metrics, in Prometheus' own words."""

from typing import cast

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from gatewayd.core.causes import LostCause
from gatewayd.core.payment import Payment
from gatewayd.core.status import Status
from gatewayd.core.terms import Operation
from gatewayd.io.http import ANSWERED, Observer
from gatewayd.io.http_pool import PoolCounts
from gatewayd.io.metrics import Metrics
from gatewayd.routing.breaker import BreakerState
from gatewayd.routing.router import GatewayHealth

HEALTH = GatewayHealth(
    score=0.75,
    weight=0.5,
    share=0.4,
    breaker=BreakerState.HALF_OPEN,
    started=10,
    returned=9,
    paid=8,
    failed=1,
    in_flight=2,
    load=0.1,
    token_health=1.0,
    token_seconds=0.2,
    return_seconds=70.0,
    ceiling=None,
    reasons=(),
)


def families(metrics: Metrics) -> list[Metric]:
    return list(text_string_to_metric_families(metrics.render().decode()))


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """The sample of this name and exactly these labels."""
    for family in families(metrics):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


def test_calls_are_counted_by_how_they_ended_and_timed_whatever_the_end() -> None:
    metrics = Metrics()
    observer: Observer = metrics
    for outcome in (ANSWERED, ANSWERED, LostCause.REPLY_TIMEOUT):
        observer.exchanged("saman", Operation.VERIFY, outcome, 0.2)

    of_saman = {"gateway": "saman", "operation": "verify"}
    name = "gatewayd_gateway_requests_total"
    assert 2 == value(metrics, name, outcome="answered", **of_saman)
    assert 1 == value(metrics, name, outcome="timeout after sending", **of_saman)
    name = "gatewayd_gateway_request_duration_seconds"
    assert 3 == value(metrics, f"{name}_count", **of_saman)
    assert pytest.approx(0.6) == value(metrics, f"{name}_sum", **of_saman)
    assert 3 == value(metrics, f"{name}_bucket", le="0.2", **of_saman)


def test_the_gauges_show_how_everything_stands() -> None:
    metrics = Metrics()
    for repeated in (3, 5):
        metrics.gauges(
            health={"mellat": HEALTH},
            open_payments=7,
            queued_events=11,
            calls_out=2,
            repeated_returns=repeated,
        )

    assert 0.75 == value(metrics, "gatewayd_gateway_score_ratio", gateway="mellat")
    assert 0.5 == value(metrics, "gatewayd_gateway_weight_ratio", gateway="mellat")
    assert 0.4 == value(metrics, "gatewayd_gateway_share_ratio", gateway="mellat")
    states = {
        state.value: value(metrics, "gatewayd_breaker_state", gateway="mellat", state=state.value)
        for state in BreakerState
    }
    assert {"half_open"} == {state for state, shown in states.items() if shown == 1}
    assert [0, 0, 0, 0, 1] == sorted(shown for shown in states.values() if shown is not None)
    assert 7 == value(metrics, "gatewayd_open_payments")
    assert 11 == value(metrics, "gatewayd_journal_queue_length")
    assert 2 == value(metrics, "gatewayd_gateway_calls_in_flight")
    assert 5 == value(metrics, "gatewayd_repeated_returns_total")


def test_payments_are_counted_by_where_they_got() -> None:
    metrics = Metrics()
    metrics.created(cast("Payment", None))
    metrics.reached(Status.PAID, "zibal", 1_250_000)
    metrics.reached(Status.PAID, "zibal", 50_000)
    metrics.reached(Status.EXPIRED, "", 10_000)

    assert 1 == value(metrics, "gatewayd_new_payments_total")
    assert 2 == value(metrics, "gatewayd_payments_total", status="paid", gateway="zibal")
    name = "gatewayd_payment_amount_rials_total"
    assert 1_300_000 == value(metrics, name, status="paid", gateway="zibal")
    assert 1 == value(metrics, "gatewayd_payments_total", status="expired", gateway="")


def test_a_state_that_no_attempt_is_in_any_more_is_gone() -> None:
    metrics = Metrics()
    metrics.open_attempts({"handed_over": 3, "verifying": 1})
    metrics.open_attempts({"handed_over": 2})

    assert 2 == value(metrics, "gatewayd_open_attempts", state="handed_over")
    assert value(metrics, "gatewayd_open_attempts", state="verifying") is None


def test_commits_lag_and_refusals_are_counted() -> None:
    metrics = Metrics()
    metrics.committed(5, 0.003)
    metrics.loop_lag(0.02)
    metrics.loop_lag(-0.001)
    metrics.refused("disk nearly full")
    metrics.forged("return")
    metrics.watch(in_flight=lambda: 1, waiting=lambda: 7, overloaded=lambda: True)
    metrics.asked_to_wait()
    metrics.turned_away("too slow")
    metrics.connections({"sadad": PoolCounts(open=4, idle=3, waiting=1)})

    assert 5 == value(metrics, "gatewayd_journal_commit_events_sum")
    assert 1 == value(metrics, "gatewayd_journal_commit_duration_seconds_bucket", le="0.005")
    assert 2 == value(metrics, "gatewayd_loop_lag_seconds_count")
    assert 1 == value(metrics, "gatewayd_payments_refused_total", reason="disk nearly full")
    assert 1 == value(metrics, "gatewayd_forged_total", kind="return")
    assert 1 == value(metrics, "gatewayd_http_requests_in_flight")
    assert 3 == value(metrics, "gatewayd_gateway_connections", gateway="sadad", state="idle")


def test_names_carry_the_daemons_prefix_and_end_in_a_unit_or_what_they_count() -> None:
    ours = [each for each in families(Metrics()) if not each.name.startswith("process_")]

    assert all(each.name.startswith("gatewayd_") and each.documentation for each in ours)
    assert [] == [each.name for each in ours if each.name.endswith("_created")]


def test_two_daemons_in_one_process_do_not_share_their_metrics() -> None:
    one, other = Metrics(), Metrics()
    one.forged("pay")

    assert value(other, "gatewayd_forged_total", kind="pay") is None
