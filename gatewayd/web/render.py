"""Payments, refunds, invoices and gateways as the API shows them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

import orjson
from aiohttp import web

from gatewayd.core import invoices
from gatewayd.core.invoices import Invoice, InvoiceStatus, Line, Paid
from gatewayd.core.money import Currency, from_rial
from gatewayd.core.payment import Attempt, Payment, attempt_of
from gatewayd.core.refunds import Refund, RefundState, RefundWay
from gatewayd.core.status import money_of, needs_review, returns_by_ms, status_of
from gatewayd.core.terms import Capture, Receipt
from gatewayd.engine.gateway import GatewaySettings
from gatewayd.engine.links import Links
from gatewayd.engine.telling import public_id, refund_id
from gatewayd.routing.router import GatewayHealth
from gatewayd.web import shapes


def json_answer(
    document: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON answer that nobody caches."""
    return web.Response(
        status=status,
        body=orjson.dumps(document),
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def when(at_ms: int | None) -> str | None:
    """As `moment`, for what may not have happened."""
    return None if at_ms is None else moment(at_ms)


def moment(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    seconds, rest_ms = divmod(at_ms, 1000)
    day, of_day = divmod(seconds, 86_400)
    minutes, second = divmod(of_day, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_day(day)}T{hour:02d}:{minute:02d}:{second:02d}.{rest_ms:03d}Z"


@lru_cache(maxsize=64)  # three times in every answer, and strftime costs a third of one
def _day(days: int) -> str:
    """The date, so many days after 1970-01-01."""
    return f"{datetime.fromtimestamp(days * 86_400, UTC):%Y-%m-%d}"


def payment_object(payment: Payment, links: Links) -> shapes.PaymentShape:
    """The payment; amounts in its own currency, `amount_rial` beside them."""
    kept = payment.kept
    shown = kept or payment.latest
    receipt = kept.receipt if kept else None
    return {
        "id": public_id(payment.number),
        "object": "payment",
        "status": status_of(payment),
        "money": money_of(payment),
        "returns_by": when(returns_by_ms(payment)),
        "amount": from_rial(payment.amount, payment.currency),
        "currency": payment.currency,
        "amount_rial": payment.amount,
        "order_id": payment.order_id,
        "invoice_id": payment.key if payment.key[:4] == invoices.ID else None,
        "pay_url": links.pay_url(payment.number),
        "tracking_code": str(payment.number),
        "gateway": shown.gateway if shown else None,
        "ref_num": receipt.ref_num if receipt else None,
        "rrn": receipt.rrn if receipt else None,
        "trace_no": receipt.trace_no if receipt else None,
        "card": kept.card if kept else None,
        "attempts": [_attempt(attempt) for attempt in payment.attempts],
        "capture": payment.hold.capture if payment.hold else Capture.AUTOMATIC,
        "capture_by": when(payment.hold.capture_by_ms) if payment.hold else None,
        "refunded_amount": from_rial(payment.refunded, payment.currency),
        "refundable_amount": from_rial(payment.refundable, payment.currency),
        "refunds": [refund_object(payment, refund) for refund in payment.refunds],
        "needs_review": needs_review(payment),
        "description": payment.description or None,
        "test": payment.test,
        "created_at": moment(payment.created_ms),
        "expires_at": moment(payment.expires_ms),
        "paid_at": when(payment.captured_ms),
        "metadata": payment.metadata,
    }


def _attempt(attempt: Attempt) -> shapes.AttemptShape:
    shown: shapes.AttemptShape = {
        "number": attempt.number,
        "gateway": attempt.gateway,
        "state": attempt.state,
        "bank_order": attempt.bank_order,
    }
    if attempt.no is not None:
        no = attempt.no
        shown["error"] = {"cause": no.cause, "code": no.code or None, "message": no.message or None}
    if attempt.returns_by_ms is not None:
        shown["returns_by"] = when(attempt.returns_by_ms)
    return shown


def refund_object(payment: Payment, refund: Refund) -> shapes.RefundShape:
    """A refund; amounts in its payment's currency."""
    manual = refund.state is RefundState.MANUAL
    given = refund.given
    return {
        "id": refund_id(payment.number, refund.number),
        "object": "refund",
        "payment_id": public_id(payment.number),
        "status": refund.status,
        "kind": RefundWay.MANUAL if manual else refund.way,
        "amount": from_rial(refund.amount, payment.currency),
        "currency": payment.currency,
        "amount_rial": refund.amount,
        "gateway": attempt_of(payment, refund.attempt).gateway,
        "reason": refund.reason or None,
        "reference": refund.reference or (given.reference if given else None),
        "returns_by": when(refund.returns_by_ms),
        "needs": refund_needs(payment, refund) if manual else None,
        "test": payment.test,
        "created_at": moment(refund.created_ms),
        "updated_at": moment(refund.changed_ms),
    }


def refund_needs(payment: Payment, refund: Refund) -> shapes.RefundNeedsShape:
    """What a person needs to give it back by hand, or to find out at the bank whether it has been."""
    attempt = attempt_of(payment, refund.attempt)
    receipt = attempt.receipt or Receipt()
    no = refund.no
    return {
        "why": refund.why,
        "ask_bank_first": refund.maybe_done,
        "answer": {"cause": no.cause, "code": no.code, "message": no.message} if no else None,
        "amount": from_rial(refund.amount, payment.currency),
        "amount_rial": refund.amount,
        "iban": refund.iban or None,
        "card": attempt.card,
        "gateway": attempt.gateway,
        "bank_order": attempt.bank_order,
        "refund_order": refund.refund_order,
        "ref_num": receipt.ref_num,
        "rrn": receipt.rrn,
        "trace_no": receipt.trace_no,
    }


def invoice_object(
    invoice: Invoice, paid: Paid, status: InvoiceStatus, links: Links, now_ms: int
) -> shapes.InvoiceShape:
    """An invoice; amounts in its own currency. `paid` and `status` are as things stand at `now_ms`, or stood."""
    currency = invoice.currency
    ended = status not in {InvoiceStatus.OPEN, InvoiceStatus.PROCESSING}
    return {
        "id": invoices.public_id(invoice.number),
        "object": "invoice",
        "status": status,
        "pay_url": links.invoice_url(invoice.number),
        "amount": from_rial(invoice.amount, currency),
        "currency": currency,
        "amount_rial": invoice.amount,
        "lines": [_line(line, currency) for line in invoice.lines],
        "description": invoice.description or None,
        "order_id": invoice.order_id,
        "payments": "one" if invoice.wanted == 1 else "many",
        "payments_max": invoice.wanted or None,
        "payments_paid": paid.payments,
        "paid_amount": from_rial(paid.amount, currency),
        "paid_amount_rial": paid.amount,
        "payment_id": None if paid.latest is None else public_id(paid.latest),
        "due_at": when(invoice.due_ms),
        "overdue": not ended and invoice.due_ms is not None and now_ms > invoice.due_ms,
        "expires_at": moment(invoice.expires_ms),
        "return_url": invoice.return_url or None,
        "locale": "en" if invoice.locale == "en" else "fa",
        "test": invoice.test,
        "created_at": moment(invoice.created_ms),
        "paid_at": when(invoice.paid_ms),
        "ended_at": when(invoice.ended_ms),
        "metadata": dict(invoice.metadata or {}),
    }


def _line(line: Line, currency: Currency) -> shapes.LineShape:
    return {
        "name": line.name,
        "quantity": line.quantity,
        "unit_price": from_rial(line.unit_price, currency),
        "discount": from_rial(line.discount, currency),
        "tax": from_rial(line.tax, currency),
        "amount": from_rial(line.amount, currency),
    }


def gateway_object(gateway: GatewaySettings, health: GatewayHealth) -> shapes.GatewayShape:
    """A gateway with its live health."""
    traits = gateway.traits
    return {
        "name": gateway.name,
        "object": "gateway",
        "driver": gateway.driver.driver,
        "test": gateway.test,
        "retired": gateway.retired,
        "score": round(health.score, 4),
        "weight": round(health.weight, 4),
        "share": round(health.share, 4),
        "breaker": health.breaker,
        "reasons": list(health.reasons),
        "window": {
            "started": health.started,
            "returned": health.returned,
            "paid": health.paid,
            "failed": health.failed,
        },
        "in_flight": health.in_flight,
        "token_success": round(health.token_health, 4),
        "token_seconds": round(health.token_seconds, 4),
        "return_seconds": round(health.return_seconds, 1),
        "load_tps": round(health.load, 4),
        "ceiling_tps": health.ceiling,
        "verify_within_seconds": traits.verify_within_seconds,
        "reverse_within_seconds": traits.reverse_within_seconds,
        "unverified": traits.unverified,
    }
