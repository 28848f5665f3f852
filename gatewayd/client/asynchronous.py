"""The client for asyncio: the same calls as the other's, on aiohttp."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp import ConnectionTimeoutError as DialTimeoutError
from yarl import URL

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


class AsyncClient:
    """A shop's view of the daemon. Methods raise `ClientError`s; see there what each says."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        policy: Policy = PLAIN_POLICY,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        means: Means | None = None,
    ) -> None:
        """`base_url` is the daemon's public address; `tls` is for a private authority."""
        read_address(base_url)
        self._base = base_url.rstrip("/")
        self._api_key = checked_api_key(api_key)
        self._policy = policy
        self._tls = tls
        self._sleep = sleep
        self._means = means or Means()
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def create_payment(
        self, *, idempotency_key: str | None = None, **wanted: Unpack[PaymentInput]
    ) -> Payment:
        """Make a payment; send the customer to its `pay_url`."""
        return await self._do(calls.create_payment(wanted, self._key(idempotency_key)))

    async def get_payment(self, payment_id: str) -> Payment:
        """The payment as it is now."""
        return await self._do(calls.get_payment(payment_id))

    async def list_payments(self, **filters: Unpack[PaymentFilters]) -> AsyncIterator[Payment]:
        """Payments, newest first, asked for page by page."""
        after: str | None = None
        while True:
            page = await self._do(calls.list_payments(filters, after))
            for each in page["data"]:
                yield each
            after = calls.next_after(page)
            if after is None:
                return

    async def capture_payment(
        self, payment_id: str, *, amount: int | None = None, idempotency_key: str | None = None
    ) -> Payment:
        """Take the money of an authorized payment; `amount`, if given, is all of it."""
        return await self._do(calls.capture_payment(payment_id, amount, self._key(idempotency_key)))

    async def cancel_payment(
        self, payment_id: str, *, idempotency_key: str | None = None
    ) -> Payment:
        """Stop a payment, or undo it while its bank does that."""
        return await self._do(calls.cancel_payment(payment_id, self._key(idempotency_key)))

    async def create_refund(
        self, payment_id: str, *, idempotency_key: str | None = None, **wanted: Unpack[RefundInput]
    ) -> Refund:
        """Give back `amount` of a paid payment, or all that is left."""
        return await self._do(calls.create_refund(payment_id, wanted, self._key(idempotency_key)))

    async def list_refunds(self, payment_id: str) -> list[Refund]:
        """The payment's refunds, newest first."""
        return (await self._do(calls.list_refunds(payment_id)))["data"]

    async def get_refund(self, refund_id: str) -> Refund:
        """The refund as it is now."""
        return await self._do(calls.get_refund(refund_id))

    async def create_invoice(
        self, *, idempotency_key: str | None = None, **wanted: Unpack[InvoiceInput]
    ) -> Invoice:
        """Make an invoice; whoever opens its `pay_url` can pay it."""
        return await self._do(calls.create_invoice(wanted, self._key(idempotency_key)))

    async def get_invoice(self, invoice_id: str) -> Invoice:
        """The invoice as it is now."""
        return await self._do(calls.get_invoice(invoice_id))

    async def list_invoices(self, **filters: Unpack[InvoiceFilters]) -> AsyncIterator[Invoice]:
        """Invoices, newest first, asked for page by page."""
        after: str | None = None
        while True:
            page = await self._do(calls.list_invoices(filters, after))
            for each in page["data"]:
                yield each
            after = calls.next_after(page)
            if after is None:
                return

    async def cancel_invoice(
        self, invoice_id: str, *, idempotency_key: str | None = None
    ) -> Invoice:
        """Take no further payment for it; one that was begun for an invoice of one payment is cancelled as well."""
        return await self._do(calls.cancel_invoice(invoice_id, self._key(idempotency_key)))

    async def list_invoice_payments(self, invoice_id: str) -> AsyncIterator[Payment]:
        """The payments that were begun for it, newest first, asked for page by page."""
        after: str | None = None
        while True:
            page = await self._do(calls.list_invoice_payments(invoice_id, after))
            for each in page["data"]:
                yield each
            after = calls.next_after(page)
            if after is None:
                return

    async def list_gateways(self) -> list[Gateway]:
        """The shop's gateways as the router sees them."""
        return (await self._do(calls.list_gateways()))["data"]

    async def list_events(self, after: str | None = None) -> AsyncIterator[Event]:
        """What happened after the event `after`, in order, until there is no more; go on later from the last."""
        while True:
            page = await self._do(calls.list_events(after))
            for each in page["data"]:
                yield each
            after = calls.next_after(page)
            if after is None:
                return

    async def replay_events(self, after: str | None = None) -> Resending:
        """Have webhooks of everything after the event `after` sent again."""
        return await self._do(calls.replay_events(after))

    async def resend_event(self, event_id: str) -> Resending:
        """Have one event's webhook sent again."""
        return await self._do(calls.resend_event(event_id))

    def _key(self, given: str | None) -> str:
        return self._means.make_key() if given is None else given

    async def _do(self, call: Call[T]) -> T:
        clock = self._means.clock
        trying = Trying(call, self._policy, self._means.rng, clock())
        while True:
            took = await self._send(call, trying.seconds(clock()))
            then = trying.after(took, clock())
            if isinstance(then, Done):
                return then.value
            await self._sleep(then.seconds)

    async def _send(self, call: Call[Any], seconds: float) -> Answer | Lost:
        if self._session is None:
            connector = TCPConnector(ssl=self._tls if self._tls is not None else True)
            self._session = ClientSession(connector=connector, cookie_jar=DummyCookieJar())
        try:
            async with self._session.request(
                call.method,
                URL(self._base + call.target, encoded=True),
                data=call.body or None,
                headers=headers_of(call, self._api_key),
                timeout=ClientTimeout(total=seconds, connect=seconds),
                allow_redirects=False,
            ) as reply:
                body = bytearray()
                async for part in reply.content.iter_any():
                    body += part
                    if len(body) > ANSWER_BYTES_MAX:
                        return Lost(why="the answer is too long", sent=True)
                retry_after = reply.headers.get("Retry-After")
                return Answer(status=reply.status, body=bytes(body), retry_after=retry_after)
        except (ClientConnectorError, DialTimeoutError) as error:
            return Lost(why=type(error).__name__, sent=False)
        except (ClientError, OSError) as error:
            return Lost(why=type(error).__name__, sent=True)
