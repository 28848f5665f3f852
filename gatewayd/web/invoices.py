"""Invoices in the shop's API: make one, look at it, list them and their payments, and stop one."""

import re
from typing import Any, Final

from aiohttp import web

from gatewayd.core.invoices import KEPT_STATUSES, Invoice, InvoiceStatus, as_it_was, public_id
from gatewayd.core.needs import needs_of, payer_of
from gatewayd.core.settings import Scope
from gatewayd.core.terms import Capture
from gatewayd.engine.invoice_sight import Seen
from gatewayd.engine.invoicing import InvoiceDraft
from gatewayd.journal.filters import Filter
from gatewayd.journal.invoices import invoice_as_of
from gatewayd.journal.journal import side
from gatewayd.journal.store import Holder, TooSlow
from gatewayd.web.api import check_eligible, owns, payment_number
from gatewayd.web.bodies import read_object
from gatewayd.web.invoice_bodies import read_invoice
from gatewayd.web.lists import filters, read_limit, too_slow
from gatewayd.web.once import guard_of, once, required
from gatewayd.web.ports import ENGINE, INVOICING, PAST, SERVICE, SHOPS
from gatewayd.web.problems import Problem, invalid, refuse_others
from gatewayd.web.render import invoice_object, json_answer, payment_object
from gatewayd.web.shops import Caller
from gatewayd.web.times import read_time
from gatewayd.web.welcome import welcome

_ID: Final = re.compile(r"inv_([1-9][0-9]{0,14})\Z")
_FILTERS: Final = frozenset(
    {"status", "order_id", "created_from", "created_to", "limit", "starting_after"}
)


async def create_invoice(request: web.Request) -> web.Response:
    """`POST /v1/invoices`"""
    app, engine = request.app, request.app[ENGINE]
    caller = app[SHOPS].caller(request, Scope.PAYMENTS_WRITE)
    if (not_now := await welcome(app)) is not None:
        detail = f"New invoices are refused for a moment: {not_now.why}."
        seconds = not_now.retry_after_seconds
        raise Problem(503, "overloaded", detail, retry_after_seconds=seconds)
    service = app[SERVICE]
    document = await read_object(request, service.web.body_max_bytes)
    known = frozenset(caller.shop.gateways or engine.gateways)
    now_ms = engine.deadlines.now_ms()
    guard = guard_of(request, caller, "invoice.create", document)

    async def act() -> web.Response | Holder:
        draft = read_invoice(document, caller, service.payments, service.invoices, known, now_ms)
        _check_eligible(request, draft)
        made = await app[INVOICING].create(draft, guard)
        return made if isinstance(made, Holder) else again(made)

    def again(made: Invoice) -> web.Response:
        headers = {"Location": f"/v1/invoices/{public_id(made.number)}"}
        return json_answer(_as_it_was(request, made), 201, headers)

    if guard is None:
        answer = await act()
        assert not isinstance(answer, Holder), "there was no key that somebody could hold"
        return answer
    return await once(request, guard, act, again, as_it_was=invoice_as_of)


def _check_eligible(request: web.Request, draft: InvoiceDraft) -> None:
    needs = needs_of(
        payer=payer_of(draft.private.get("payer")),
        methods=draft.methods,
        splits=(),
        capture=Capture.AUTOMATIC,
    )
    wishes: dict[str, Any] = {"amount": draft.amount, "test": draft.test, "only": draft.gateways}
    check_eligible(request, draft.shop, wishes, needs)


async def get_invoice(request: web.Request) -> web.Response:
    """`GET /v1/invoices/{id}`"""
    caller = request.app[SHOPS].caller(request, Scope.PAYMENTS_READ)
    return json_answer(_shown(request, await own_invoice(request, caller)))


async def cancel_invoice(request: web.Request) -> web.Response:
    """`POST /v1/invoices/{id}/cancel`"""
    app = request.app
    caller = app[SHOPS].caller(request, Scope.PAYMENTS_WRITE)
    document = await read_object(request, app[SERVICE].web.body_max_bytes, may_miss=True)
    refuse_others(document, (), "field")
    number = (await own_invoice(request, caller)).invoice.number
    guard = required(request, caller, "invoice.cancel", number, document)

    async def act() -> web.Response | Holder:
        made = await app[INVOICING].cancel(number, guard)
        assert made is not None, "invoices are never removed"
        if isinstance(made, Holder):
            return made
        if made.status in {InvoiceStatus.CANCELLED, InvoiceStatus.PROCESSING}:
            return json_answer(_shown(request, made))
        detail = f"The invoice is {made.status}; only an open one can be cancelled."
        raise Problem(409, "invoice_not_open", detail, invoice_status=str(made.status))

    def again(made: Invoice) -> web.Response:
        return json_answer(_as_it_was(request, made))

    return await once(request, guard, act, again, as_it_was=invoice_as_of)


async def list_invoices(request: web.Request) -> web.Response:
    """`GET /v1/invoices`"""
    app = request.app
    caller = app[SHOPS].caller(request, Scope.PAYMENTS_READ)
    query = filters(request.query, _FILTERS)
    limit, after = read_limit(query.get("limit")), query.get("starting_after")
    status = query.get("status")
    if status is not None and status not in KEPT_STATUSES:
        raise invalid("status", f"must be one of {', '.join(KEPT_STATUSES)}")
    wanted = Filter(
        shop=side(caller.shop.name, test=caller.test),
        status=status,
        order_id=query.get("order_id"),
        created_from_ms=read_time(query.get("created_from"), "created_from"),
        created_to_ms=read_time(query.get("created_to"), "created_to"),
        before_number=None if after is None else _number(after),
        limit=limit + 1,
    )
    try:
        numbers = await app[PAST].find_invoices(wanted)
        found = await app[INVOICING].sight.see_all(numbers[:limit])
    except TooSlow:
        raise too_slow() from None
    data = [_shown(request, each) for each in found]
    more = len(numbers) > limit
    return json_answer({"object": "list", "data": data, "has_more": more, "url": "/v1/invoices"})


async def list_invoice_payments(request: web.Request) -> web.Response:
    """`GET /v1/invoices/{id}/payments`"""
    app = request.app
    caller = app[SHOPS].caller(request, Scope.PAYMENTS_READ)
    query = filters(request.query, {"limit", "starting_after"})
    limit, after = read_limit(query.get("limit")), query.get("starting_after")
    before = None if after is None else payment_number(after, "starting_after")
    number = (await own_invoice(request, caller)).invoice.number
    try:
        found, more = await app[INVOICING].sight.payments_of(
            number, before_number=before, limit=limit
        )
    except TooSlow:
        raise too_slow() from None
    data = [payment_object(payment, app[ENGINE].links) for payment in found]
    url = f"/v1/invoices/{public_id(number)}/payments"
    return json_answer({"object": "list", "data": data, "has_more": more, "url": url})


async def own_invoice(request: web.Request, caller: Caller) -> Seen:
    """The invoice of the address if it is this shop's; Problem 404 for any other."""
    found = _ID.match(request.match_info["id"])
    sight = request.app[INVOICING].sight
    try:
        seen = await sight.see(int(found[1])) if found else None
    except TooSlow:
        raise too_slow() from None
    if seen is None or not owns(caller, seen.invoice):
        raise Problem(404, "invoice_not_found", "There is no such invoice.")
    return seen


def _shown(request: web.Request, seen: Seen) -> object:
    engine = request.app[ENGINE]
    now_ms = engine.deadlines.now_ms()
    return invoice_object(seen.invoice, seen.paid, seen.status, engine.links, now_ms)


def _as_it_was(request: web.Request, invoice: Invoice) -> object:
    """When its last event was written."""
    at_ms = invoice.ended_ms or invoice.created_ms
    return invoice_object(invoice, *as_it_was(invoice), request.app[ENGINE].links, at_ms)


def _number(text: str) -> int:
    found = _ID.match(text)
    if found is None:
        raise invalid("starting_after", "must be an invoice's id, such as inv_217512345678")
    return int(found[1])


def routes() -> list[web.RouteDef]:
    """The routes of invoices."""
    return [
        web.post("/v1/invoices", create_invoice),
        web.get("/v1/invoices", list_invoices),
        web.get("/v1/invoices/{id}", get_invoice),
        web.post("/v1/invoices/{id}/cancel", cancel_invoice),
        web.get("/v1/invoices/{id}/payments", list_invoice_payments),
    ]
