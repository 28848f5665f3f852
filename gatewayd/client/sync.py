"""The client for programs that wait: one class, on the standard library alone.

It may be used from several threads: each call takes a connection that is free, or dials.
"""

import http.client
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack

from gatewayd.client import calls
from gatewayd.client.address import PLAIN_POLICY, Means, checked_api_key, read_address
from gatewayd.client.calls import Call
from gatewayd.client.shapes import (
    Event,
    Gateway,
    Invoice,
    InvoiceFilters,
    InvoiceInput,
    Payment,
    PaymentFilters,
    PaymentInput,
    Refund,
    RefundInput,
    Resending,
)
from gatewayd.client.trying import ANSWER_BYTES_MAX, Answer, Done, Lost, Policy, Trying, headers_of

T = TypeVar("T")

KEPT_MAX: Final = 8
"""Connections that are kept for the next call."""
KEPT_SECONDS: Final = 10.0
"""An older connection may have been closed at the other end."""
_Connection = http.client.HTTPConnection


class Client:
    """A shop's view of the daemon. Methods raise `ClientError`s; see there what each says."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        policy: Policy = PLAIN_POLICY,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], None] = time.sleep,
        means: Means | None = None,
    ) -> None:
        """`base_url` is the daemon's public address; `tls` is for a private authority."""
        self._address = read_address(base_url)
        self._api_key = checked_api_key(api_key)
        self._policy = policy
        self._tls = tls
        self._sleep = sleep
        self._means = means or Means()
        self._kept: deque[tuple[float, _Connection]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        while self._kept:
            self._kept.pop()[1].close()

    def create_payment(
        self, *, idempotency_key: str | None = None, **wanted: Unpack[PaymentInput]
    ) -> Payment:
        """Make a payment; send the customer to its `pay_url`."""
        return self._do(calls.create_payment(wanted, self._key(idempotency_key)))

    def get_payment(self, payment_id: str) -> Payment:
        """The payment as it is now."""
        return self._do(calls.get_payment(payment_id))

    def list_payments(self, **filters: Unpack[PaymentFilters]) -> Iterator[Payment]:
        """Payments, newest first, asked for page by page."""
        after: str | None = None
        while True:
            page = self._do(calls.list_payments(filters, after))
            yield from page["data"]
            after = calls.next_after(page)
            if after is None:
                return

    def capture_payment(
        self, payment_id: str, *, amount: int | None = None, idempotency_key: str | None = None
    ) -> Payment:
        """Take the money of an authorized payment; `amount`, if given, is all of it."""
        return self._do(calls.capture_payment(payment_id, amount, self._key(idempotency_key)))

    def cancel_payment(self, payment_id: str, *, idempotency_key: str | None = None) -> Payment:
        """Stop a payment, or undo it while its bank does that."""
        return self._do(calls.cancel_payment(payment_id, self._key(idempotency_key)))

    def create_refund(
        self, payment_id: str, *, idempotency_key: str | None = None, **wanted: Unpack[RefundInput]
    ) -> Refund:
        """Give back `amount` of a paid payment, or all that is left."""
        return self._do(calls.create_refund(payment_id, wanted, self._key(idempotency_key)))

    def list_refunds(self, payment_id: str) -> list[Refund]:
        """The payment's refunds, newest first."""
        return self._do(calls.list_refunds(payment_id))["data"]

    def get_refund(self, refund_id: str) -> Refund:
        """The refund as it is now."""
        return self._do(calls.get_refund(refund_id))

    def create_invoice(
        self, *, idempotency_key: str | None = None, **wanted: Unpack[InvoiceInput]
    ) -> Invoice:
        """Make an invoice; whoever opens its `pay_url` can pay it."""
        return self._do(calls.create_invoice(wanted, self._key(idempotency_key)))

    def get_invoice(self, invoice_id: str) -> Invoice:
        """The invoice as it is now."""
        return self._do(calls.get_invoice(invoice_id))

    def list_invoices(self, **filters: Unpack[InvoiceFilters]) -> Iterator[Invoice]:
        """Invoices, newest first, asked for page by page."""
        after: str | None = None
        while True:
            page = self._do(calls.list_invoices(filters, after))
            yield from page["data"]
            after = calls.next_after(page)
            if after is None:
                return

    def cancel_invoice(self, invoice_id: str, *, idempotency_key: str | None = None) -> Invoice:
        """Take no further payment for it; one that was begun for an invoice of one payment is cancelled as well."""
        return self._do(calls.cancel_invoice(invoice_id, self._key(idempotency_key)))

    def list_invoice_payments(self, invoice_id: str) -> Iterator[Payment]:
        """The payments that were begun for it, newest first, asked for page by page."""
        after: str | None = None
        while True:
            page = self._do(calls.list_invoice_payments(invoice_id, after))
            yield from page["data"]
            after = calls.next_after(page)
            if after is None:
                return

    def list_gateways(self) -> list[Gateway]:
        """The shop's gateways as the router sees them."""
        return self._do(calls.list_gateways())["data"]

    def list_events(self, after: str | None = None) -> Iterator[Event]:
        """What happened after the event `after`, in order, until there is no more; go on later from the last."""
        while True:
            page = self._do(calls.list_events(after))
            yield from page["data"]
            after = calls.next_after(page)
            if after is None:
                return

    def replay_events(self, after: str | None = None) -> Resending:
        """Have webhooks of everything after the event `after` sent again."""
        return self._do(calls.replay_events(after))

    def resend_event(self, event_id: str) -> Resending:
        """Have one event's webhook sent again."""
        return self._do(calls.resend_event(event_id))

    def _key(self, given: str | None) -> str:
        return self._means.make_key() if given is None else given

    def _do(self, call: Call[T]) -> T:
        clock = self._means.clock
        trying = Trying(call, self._policy, self._means.rng, clock())
        while True:
            took = self._send(call, trying.seconds(clock()))
            then = trying.after(took, clock())
            if isinstance(then, Done):
                return then.value
            self._sleep(then.seconds)

    def _send(self, call: Call[Any], seconds: float) -> Answer | Lost:
        sent = False
        connection: _Connection | None = None
        try:
            connection = self._connection(seconds)
            sent = True
            connection.request(
                call.method,
                self._address.prefix + call.target,
                body=call.body or None,
                headers=headers_of(call, self._api_key),
            )
            reply = connection.getresponse()
            body = reply.read(ANSWER_BYTES_MAX + 1)
            if len(body) > ANSWER_BYTES_MAX:
                connection.close()
                return Lost(why="the answer is too long", sent=True)
        except (OSError, http.client.HTTPException) as error:
            if connection is not None:
                connection.close()
            return Lost(why=type(error).__name__, sent=sent)
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        if reply.will_close or len(self._kept) >= KEPT_MAX:
            connection.close()
        else:
            self._kept.append((self._means.clock(), connection))
        return Answer(status=reply.status, body=body, retry_after=reply.headers.get("Retry-After"))

    def _connection(self, seconds: float) -> _Connection:
        """One that is free, or a new one; OSError if there is none to be had."""
        while True:
            try:
                since, kept = self._kept.pop()
            except IndexError:
                break
            if kept.sock is not None and self._means.clock() - since < KEPT_SECONDS:
                kept.sock.settimeout(seconds)
                return kept
            kept.close()
        where = self._address
        if where.scheme == "https":
            tls = self._tls or ssl.create_default_context()
            made: _Connection = http.client.HTTPSConnection(
                where.host, where.port, timeout=seconds, context=tls
            )
        else:
            made = _Connection(where.host, where.port, timeout=seconds)
        try:
            made.connect()
        except BaseException:
            made.close()
            raise
        return made
