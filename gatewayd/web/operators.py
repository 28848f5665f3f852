"""The operators' face: JSON over a socket file that only the daemon's own user can open.

The file's permissions are the authentication; the journal says who gave an order by the name that the operator gave.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final

import orjson
from aiohttp import web
from orjson import Fragment

from gatewayd.core.invoices import public_id as invoice_id
from gatewayd.engine.invoice_sight import Seen, Sight
from gatewayd.engine.operating import Operating, Refused
from gatewayd.engine.posting import Posting
from gatewayd.engine.refunding import Made, Refunding
from gatewayd.engine.telling import public_id as payment_id
from gatewayd.web.problems import Problem
from gatewayd.web.render import json_answer, moment, refund_needs, refund_object, when

LIST_MAX: Final = 1_000
TEXT_CHARS_MAX: Final = 500
BEGINNING: Final = "beginning"
"""In place of an event's id: before the first."""


def build_operators_app(
    operating: Operating,
    refunding: Refunding,
    posting: Posting,
    in_review: Callable[[int], Awaitable[list[int]]],
    invoices_in: Sight,
) -> web.Application:
    """The application behind the socket file. `in_review` finds payments that a person should look at."""

    async def payments(request: web.Request) -> web.Response:
        return json_answer(await operating.payments(LIST_MAX, await in_review(LIST_MAX)))

    async def payment(request: web.Request) -> web.Response:
        found = await operating.story(int(request.match_info["number"]))
        if found is None:
            raise Problem(404, "payment_not_found", "There is no such payment.")
        summary, lines = found
        return json_answer({"payment": summary, "events": [asdict(line) for line in lines]})

    async def order(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        by, reason = _words(await request.read())
        acts = {"ask": operating.ask, "reverse": operating.reverse, "resolve": operating.resolve}
        return _said(await acts[request.match_info["act"]](number, by=by, reason=reason))

    async def gateway(request: web.Request) -> web.Response:
        by, to = _words(await request.read(), second="to")
        if to not in {"open", "closed", "auto"}:
            raise Problem(422, "request_invalid", "to: open, closed or auto")
        return _said(operating.force(request.match_info["name"], to, by=by))  # type: ignore[arg-type]  # just checked

    async def routing(request: web.Request) -> web.Response:
        by, mode = _words(await request.read(), second="mode")
        if mode not in {"learned", "fixed"}:
            raise Problem(422, "request_invalid", "mode: learned or fixed")
        return _said(operating.set_routing(mode, by=by))  # type: ignore[arg-type]  # just checked

    async def refunds(request: web.Request) -> web.Response:
        made = await refunding.unfinished(await in_review(LIST_MAX))
        return json_answer([_refund(each) for each in made])

    async def refund(request: web.Request) -> web.Response:
        found = await refunding.find(*_place(request))
        if found is None:
            raise Problem(404, "refund_not_found", "There is no such refund.")
        return json_answer(_refund(found))

    async def finish(request: web.Request) -> web.Response:
        number, place = _place(request)
        body = await request.read()
        by, reason = _words(body)
        made = await refunding.resolve(
            number,
            place,
            done=request.match_info["act"] == "done",
            by=by,
            reason=reason,
            reference=_reference(body),
        )
        return json_answer(_refund(made))

    async def invoices(request: web.Request) -> web.Response:
        return json_answer([_invoice(each) for each in await invoices_in.open_ones(LIST_MAX)])

    async def invoice(request: web.Request) -> web.Response:
        found = await invoices_in.story(int(request.match_info["number"]))
        if found is None:
            raise Problem(404, "invoice_not_found", "There is no such invoice.")
        seen, rows = found
        lines = [
            {
                "version": row.version,
                "at_ms": row.at_ms,
                "kind": row.kind,
                "fields": Fragment(row.body),
            }
            for row in rows
        ]
        return json_answer({"invoice": _invoice(seen), "events": lines})

    async def receivers(request: web.Request) -> web.Response:
        return json_answer(posting.receivers())

    async def resend(request: web.Request) -> web.Response:
        by, event = _words(await request.read(), second="event")
        return _said(await posting.resend(event, by=by))

    async def replay(request: web.Request) -> web.Response:
        by, after = _words(await request.read(), second="after")
        after = "" if after == BEGINNING else after
        return _said(await posting.replay(_receiver(request), after, by=by))

    async def enable(request: web.Request) -> web.Response:
        by, _ = _words(await request.read(), second="by")
        return _said(posting.enable(_receiver(request), by=by))

    app = web.Application(middlewares=[_answers])
    place = r"/refunds/{number:[0-9]{1,15}}/{place:[0-9]{1,3}}"
    app.add_routes(
        [
            web.get("/refunds", refunds),
            web.get(place, refund),
            web.post(place + r"/{act:done|fail}", finish),
            web.get("/payments", payments),
            web.get(r"/payments/{number:[1-9][0-9]{0,14}}", payment),
            web.post(r"/payments/{number:[1-9][0-9]{0,14}}/{act:ask|reverse|resolve}", order),
            web.get("/invoices", invoices),
            web.get(r"/invoices/{number:[0-9]{1,15}}", invoice),
            web.post("/gateways/{name}", gateway),
            web.get("/webhooks", receivers),
            web.post("/webhooks/resend", resend),
            web.post("/webhooks/{shop}/{name}/replay", replay),
            web.post("/webhooks/{shop}/{name}/enable", enable),
            web.post("/routing", routing),
        ]
    )
    return app


@web.middleware
async def _answers(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except Problem as problem:
        return problem.answer()
    except Refused as error:
        return Problem(409, "refused", str(error)).answer()
    return answer


def _place(request: web.Request) -> tuple[int, int]:
    return int(request.match_info["number"]), int(request.match_info["place"])


def _refund(made: Made) -> dict[str, Any]:
    """A refund as shops see it, with what only operators are shown."""
    payment, refund = made.payment, made.refund
    return refund_object(payment, refund) | {
        "shop": payment.shop,
        "order_id": payment.order_id,
        "payment_amount_rial": payment.amount,
        "state": refund.state,
        "requests": refund.calls,
        "details": refund_needs(payment, refund),
        "by": refund.by or None,
        "said": refund.said or None,
    }


def _invoice(seen: Seen) -> dict[str, Any]:
    """An invoice as operators are shown it: nothing that a person wrote, and not where it is paid."""
    invoice, paid = seen.invoice, seen.paid
    return {
        "invoice": invoice_id(invoice.number),
        "shop": invoice.shop,
        "order_id": invoice.order_id,
        "amount_rial": invoice.amount,
        "status": str(seen.status),
        "wanted": invoice.wanted or None,
        "paid": paid.payments,
        "paid_rial": paid.amount,
        "payment": None if paid.latest is None else payment_id(paid.latest),
        "due_at": when(invoice.due_ms),
        "expires_at": moment(invoice.expires_ms),
    }


def _reference(body: bytes) -> str:
    """What the money went back by, if that was said."""
    text = orjson.loads(body).get("reference", "")
    if not isinstance(text, str) or len(text) > TEXT_CHARS_MAX:
        raise Problem(422, "request_invalid", f"reference: {TEXT_CHARS_MAX} characters at most")
    return text.strip()


def _words(body: bytes, second: str = "reason") -> tuple[str, str]:
    """Who orders, and why (or what)."""
    try:
        document = orjson.loads(body)
        by, what = document["by"], document[second]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Problem(422, "request_invalid", f"by and {second} are wanted") from None
    for name, text in (("by", by), (second, what)):
        if not isinstance(text, str) or not text.strip() or len(text) > TEXT_CHARS_MAX:
            raise Problem(422, "request_invalid", f"{name}: 1 to {TEXT_CHARS_MAX} characters")
    return by.strip(), what.strip()


def _receiver(request: web.Request) -> str:
    return f"{request.match_info['shop']}/{request.match_info['name']}"


def _said(text: str) -> web.Response:
    return json_answer({"said": text})
