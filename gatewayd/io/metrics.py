"""What the monitoring is told: one registry, and a cheap method for everything that is worth counting.

* Units are base units, one quantity per metric; labels come from short fixed lists, never from what a payer, a shop or
  a bank sent.
* Callers know nothing of Prometheus: they say what happened, in the words of their own ports.
"""

import platform
import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

from gatewayd import __version__
from gatewayd.core.delivery import Verdict
from gatewayd.core.payment import Payment
from gatewayd.core.status import Status
from gatewayd.core.terms import Operation
from gatewayd.io.families import Counter, Gauge, Histogram, Registry
from gatewayd.io.http_pool import PoolCounts
from gatewayd.io.process_figures import process_figures
from gatewayd.routing.breaker import BreakerState
from gatewayd.routing.router import GatewayHealth

CALL_SECONDS: Final = (0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 7.5, 10.0, 30.0)
COMMIT_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
COMMIT_EVENTS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
LAG_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Metrics:
    """All metrics of one daemon."""

    def __init__(self) -> None:
        registry = self._registry = Registry()
        self._watched: tuple[tuple[Gauge, Callable[[], float]], ...] = ()
        self._build = Gauge(
            "gatewayd_build_info", "What runs.", ("version", "python", "sqlite"), registry=registry
        )
        self._build.labels(__version__, platform.python_version(), sqlite3.sqlite_version).set(1)

        self._requests = Counter(
            "gatewayd_gateway_requests_total",
            "Calls to a bank, by how they ended: answered, server error, cancelled, or why they were lost.",
            ("gateway", "operation", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "gatewayd_gateway_request_duration_seconds",
            "How long calls to a bank took, however they ended.",
            ("gateway", "operation"),
            buckets=CALL_SECONDS,
            registry=registry,
        )
        self._connections = Gauge(
            "gatewayd_gateway_connections",
            "Connections to a bank and calls that wait for one.",
            ("gateway", "state"),
            registry=registry,
        )
        self._calls_out = Gauge(
            "gatewayd_gateway_calls_in_flight",
            "Steps of payments that wait for a bank.",
            registry=registry,
        )

        self._score = self._of_gateway("score_ratio", "How well it does, 0 to 1.")
        self._weight = self._of_gateway("weight_ratio", "The part of the payments it is to get.")
        self._share = self._of_gateway("share_ratio", "The part of the payments it got.")
        self._breaker = Gauge(
            "gatewayd_breaker_state",
            "1 for the state that a gateway's breaker is in.",
            ("gateway", "state"),
            registry=registry,
        )

        self._created = Counter("gatewayd_new_payments_total", "New payments.", registry=registry)
        self._payments = Counter(
            "gatewayd_payments_total",
            "Payments by the status that they reached and the gateway that was last.",
            ("status", "gateway"),
            registry=registry,
        )
        self._amount = Counter(
            "gatewayd_payment_amount_rials_total",
            "What these payments were of.",
            ("status", "gateway"),
            registry=registry,
        )
        self._refunds = Counter(
            "gatewayd_refunds_total",
            "Refunds created, and by the status that they reached.",
            ("status", "gateway"),
            registry=registry,
        )
        self._open_payments = Gauge(
            "gatewayd_open_payments", "Payments that are not over.", registry=registry
        )
        self._open_attempts = Gauge(
            "gatewayd_open_attempts",
            "Attempts of open payments, by state.",
            ("state",),
            registry=registry,
        )

        self._commit_seconds = Histogram(
            "gatewayd_journal_commit_duration_seconds",
            "How long a commit of the journal took.",
            buckets=COMMIT_SECONDS,
            registry=registry,
        )
        self._commit_events = Histogram(
            "gatewayd_journal_commit_events",
            "Events in one commit.",
            buckets=COMMIT_EVENTS,
            registry=registry,
        )
        self._queue = Gauge(
            "gatewayd_journal_queue_length", "Events that wait for a commit.", registry=registry
        )

        self._webhooks = Counter(
            "gatewayd_webhook_deliveries_total",
            "Deliveries of webhooks: delivered, again (not taken), given_up or disabled (with their receiver).",
            ("result",),
            registry=registry,
        )
        self._webhooks_waiting = Gauge(
            "gatewayd_webhook_waiting", "Webhooks that are not delivered yet.", registry=registry
        )
        self._webhook_age = Gauge(
            "gatewayd_webhook_oldest_pending_age_seconds",
            "For how long the oldest of them has waited.",
            registry=registry,
        )
        self._receivers = Gauge(
            "gatewayd_webhook_receivers",
            "Receivers of webhooks: ok, failing or disabled.",
            ("state",),
            registry=registry,
        )

        self._in_flight = Gauge(
            "gatewayd_http_requests_in_flight",
            "Requests of shops and customers.",
            registry=registry,
        )
        self._waiting = Gauge(
            "gatewayd_http_requests_waiting",
            "New payments and customers who wait for their turn.",
            registry=registry,
        )
        self._overloaded = Gauge(
            "gatewayd_overloaded",
            "1 while new payments are refused, or were a few seconds ago, because there are too many.",
            registry=registry,
        )
        self._turned_away = Counter(
            "gatewayd_connections_refused_total",
            "Connections of shops and customers that were hung up on, and why.",
            ("reason",),
            registry=registry,
        )
        self._asked_to_wait = Counter(
            "gatewayd_customers_asked_to_wait_total",
            "Customers who were shown a waiting page before they were sent to a bank.",
            registry=registry,
        )
        self._refused = Counter(
            "gatewayd_payments_refused_total",
            "New payments refused, and why.",
            ("reason",),
            registry=registry,
        )
        self._forged = Counter(
            "gatewayd_forged_total",
            "Addresses asked for that we never gave out.",
            ("kind",),
            registry=registry,
        )
        self._repeated = Counter(
            "gatewayd_repeated_returns_total",
            "Returns that brought nothing new.",
            registry=registry,
        )
        self._repeated_so_far = 0
        self._lag = Histogram(
            "gatewayd_loop_lag_seconds",
            "How late the event loop was.",
            buckets=LAG_SECONDS,
            registry=registry,
        )

    def render(self) -> bytes:
        """Everything in Prometheus' text format."""
        for gauge, ask in self._watched:
            gauge.set(ask())
        return process_figures() + self._registry.render()

    def exchanged(self, gateway: str, operation: Operation, outcome: str, seconds: float) -> None:
        """A call to a bank is over."""
        self._requests.labels(gateway, operation, outcome).inc()
        self._seconds.labels(gateway, operation).observe(seconds)

    def connections(self, counts: Mapping[str, PoolCounts]) -> None:
        """How the pools of connections stand."""
        for gateway, pool in counts.items():
            self._connections.labels(gateway, "open").set(pool.open)
            self._connections.labels(gateway, "idle").set(pool.idle)
            self._connections.labels(gateway, "waiting").set(pool.waiting)

    def created(self, payment: Payment) -> None:
        """A payment was created."""
        self._created.inc()

    def refunded(self, status: str, gateway: str) -> None:
        """A refund of a payment of this gateway was created, or has reached this status."""
        self._refunds.labels(status, gateway).inc()

    def reached(self, status: Status, gateway: str, amount: int) -> None:
        """A payment of `amount` rial has reached this status, last through this gateway (empty: through none)."""
        self._payments.labels(status, gateway).inc()
        self._amount.labels(status, gateway).inc(amount)

    def open_attempts(self, by_state: Mapping[str, int]) -> None:
        """How many attempts of open payments are in each state; states left out have none."""
        self._open_attempts.clear()
        for state, count in by_state.items():
            self._open_attempts.labels(state).set(count)

    def committed(self, events: int, seconds: float) -> None:
        """The journal has committed."""
        self._commit_events.observe(events)
        self._commit_seconds.observe(seconds)

    def refused(self, reason: str) -> None:
        """A new payment was refused because there was not enough of something."""
        self._refused.labels(reason).inc()

    def webhook_answered(self, verdict: Verdict) -> None:
        """A delivery of a webhook was answered, or was not."""
        self._webhooks.labels(verdict.value).inc()

    def webhooks(self, by_state: Mapping[str, int], waiting: int, age_seconds: float) -> None:
        """How the receivers of webhooks stand, how much waits for them, and for how long."""
        for state in ("ok", "failing", "disabled"):
            self._receivers.labels(state).set(by_state.get(state, 0))
        self._webhooks_waiting.set(waiting)
        self._webhook_age.set(age_seconds)

    def forged(self, kind: str) -> None:
        """An address that we never gave out was asked for."""
        self._forged.labels(kind).inc()

    def turned_away(self, why: str) -> None:
        """A connection was hung up on."""
        self._turned_away.labels(why).inc()

    def asked_to_wait(self) -> None:
        """A customer was asked to wait before he is sent to a bank."""
        self._asked_to_wait.inc()

    def watch(
        self,
        *,
        in_flight: Callable[[], float],
        waiting: Callable[[], float],
        overloaded: Callable[[], float],
    ) -> None:
        """From here on these are asked whenever the metrics are."""
        self._watched = (
            (self._in_flight, in_flight),
            (self._waiting, waiting),
            (self._overloaded, overloaded),
        )

    def loop_lag(self, seconds: float) -> None:
        """The loop did something this much later than it was asked to."""
        self._lag.observe(max(0.0, seconds))

    def gauges(
        self,
        *,
        health: Mapping[str, GatewayHealth],
        open_payments: int,
        queued_events: int,
        calls_out: int,
        repeated_returns: int,
    ) -> None:
        """How everything stands just now; `repeated_returns` is counted since the start."""
        for gateway, state in health.items():
            self._score.labels(gateway).set(state.score)
            self._weight.labels(gateway).set(state.weight)
            self._share.labels(gateway).set(state.share)
            for each in BreakerState:
                self._breaker.labels(gateway, each.value).set(each is state.breaker)
        self._open_payments.set(open_payments)
        self._queue.set(queued_events)
        self._calls_out.set(calls_out)
        self._repeated.inc(repeated_returns - self._repeated_so_far)
        self._repeated_so_far = repeated_returns

    def _of_gateway(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"gatewayd_gateway_{name}", meaning, ("gateway",), registry=self._registry)
