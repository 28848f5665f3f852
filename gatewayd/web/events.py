"""What happened to a shop's payments, in order: the objects that webhooks carry, for whoever missed some.

The order is that of the journal's disk, where one writer gives the places: an event that a reader can see is never
followed by one with a lower place, so that a cursor passes nothing over.
"""

from collections.abc import Callable, Sequence

import orjson
from aiohttp import web

from gatewayd.core.invoices import as_it_was
from gatewayd.core.news import is_of_invoice, is_of_refund
from gatewayd.core.settings import Scope
from gatewayd.engine.event_ids import event_id, find_told, place_of
from gatewayd.engine.links import Links
from gatewayd.journal.invoices import invoice_as_of
from gatewayd.journal.journal import as_of, side
from gatewayd.journal.store import Row, Told, TooSlow
from gatewayd.web.bodies import read_object
from gatewayd.web.lists import filters, read_limit
from gatewayd.web.ports import ENGINE, PAST, SERVICE, SHOPS
from gatewayd.web.problems import FieldError, Problem, invalid, refuse_others
from gatewayd.web.render import (
    invoice_object,
    json_answer,
    moment,
    payment_object,
    refund_object,
)
from gatewayd.web.shapes import EventShape, InvoiceShape, PaymentShape, RefundShape


async def list_events(request: web.Request) -> web.Response:
    """`GET /v1/events`"""
    caller = request.app[SHOPS].caller(request, Scope.EVENTS_READ)
    query = filters(request.query, {"after", "limit"})
    limit, whose = read_limit(query.get("limit")), side(caller.shop.name, test=caller.test)
    past, links = request.app[PAST], request.app[ENGINE].links
    after = query.get("after")
    seq = (await told_of(request, whose, after, "after")).seq if after is not None else 0
    try:
        found = await past.notices(seq, whose, limit + 1)
        rows = await past.rows_of(list({told.number for told in found[:limit]}))
    except TooSlow:
        detail = "The journal is busy; ask again, for fewer at once."
        raise Problem(503, "too_slow", detail, retry_after_seconds=1) from None
    data = [event_object(told, rows[told.number], links) for told in found[:limit]]
    return json_answer(
        {"object": "list", "data": data, "has_more": len(found) > limit, "url": "/v1/events"}
    )


async def resend_event(request: web.Request) -> web.Response:
    """`POST /v1/events/{id}/resend`"""
    caller = request.app[SHOPS].caller(request, Scope.EVENTS_WRITE)
    whose = side(caller.shop.name, test=caller.test)
    told = await told_of(request, whose, request.match_info["id"], "id")
    outbox = request.app[ENGINE].outbox
    names = outbox.resend(told) if outbox is not None else []
    if not names:
        raise _no_webhooks()
    return _going_out(names)


async def replay_events(request: web.Request) -> web.Response:
    """`POST /v1/events/replay`"""
    caller = request.app[SHOPS].caller(request, Scope.EVENTS_WRITE)
    document = await read_object(request, request.app[SERVICE].web.body_max_bytes, may_miss=True)
    refuse_others(document, {"after"}, "field")
    whose, after = side(caller.shop.name, test=caller.test), document.get("after")
    seq = (await told_of(request, whose, str(after), "after")).seq if after is not None else 0
    outbox = request.app[ENGINE].outbox
    names = outbox.receivers_of(whose) if outbox is not None else []
    if outbox is None or not names:
        raise _no_webhooks()
    for name in names:
        outbox.replay(name, seq)
    return _going_out(names)


def _going_out(names: list[str]) -> web.Response:
    return json_answer({"object": "resending", "receivers": names}, 202)


def _no_webhooks() -> Problem:
    return Problem(409, "no_webhooks", "This shop has no receiver of webhooks for such events.")


def event_object(told: Told, rows: Sequence[Row], links: Links) -> EventShape:
    """The event; `rows` are all events of what it is about, which is shown as it was then."""
    return {
        "id": event_id(told),
        "object": "event",
        "type": told.notice.type,
        "created_at": moment(told.notice.at_ms),
        "data": _data(told, rows, links),
    }


def _data(
    told: Told, rows: Sequence[Row], links: Links
) -> PaymentShape | RefundShape | InvoiceShape:
    """What it is about: the invoice, the payment, or the refund that its last event moved."""
    news, version = told.notice.type, told.notice.version
    if is_of_invoice(news):
        invoice = invoice_as_of(told.number, rows, version)
        return invoice_object(invoice, *as_it_was(invoice), links, told.notice.at_ms)
    payment = as_of(told.number, rows, version)
    if is_of_refund(news):
        (refund,) = [each for each in payment.refunds if each.version == payment.version]
        return refund_object(payment, refund)
    return payment_object(payment, links)


def event_renderer(links: Links) -> Callable[[Told, Sequence[Row]], bytes]:
    """Makes the bodies of webhooks."""
    return lambda told, rows: orjson.dumps(event_object(told, rows, links))


async def told_of(request: web.Request, whose: str, text: str, name: str) -> Told:
    """The event of this id; Problem 404 that names the field for one that is not this shop's, 422 for no id at all."""
    if place_of(text) is None:
        raise invalid(name, "must be an event's id, such as evt_1042_6fe21a77")
    told = await find_told(text, whose, request.app[PAST].notices)
    if told is None:
        detail = "is no event of this shop's; begin again without it"
        errors = [FieldError(name, detail, "event_not_found")]
        raise Problem(404, "event_not_found", f"{name}: {detail}", errors=errors)
    return told
