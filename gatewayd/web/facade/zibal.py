"""Zibal v1: the addresses that a shop's plugin calls, and the page that it sends its customer to."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from gatewayd.core.money import Currency
from gatewayd.core.payment import Payment
from gatewayd.engine.capturing import Verdict
from gatewayd.web.answers import Answered, responded
from gatewayd.web.asked import Request
from gatewayd.web.customer import nothing, prefetched, shown_pay, unknown
from gatewayd.web.facade import zibal_wire as wire
from gatewayd.web.facade.callbacks import ZIBAL
from gatewayd.web.facade.desk import (
    DESK,
    Known,
    asked,
    create,
    eligible,
    is_busy,
    is_too_quick,
    own_payment,
    verify,
)
from gatewayd.web.facade.reading import is_true, read_document, whole_of
from gatewayd.web.facade.standing import standing_of
from gatewayd.web.facade.zibal_wire import Refused
from gatewayd.web.ports import SERVICE

FACES: Final = (ZIBAL,)
Document = Mapping[str, Any]
Act = Callable[[web.Request, Document], Awaitable[web.Response]]


def _call(act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that reads a document and answers with what `act` says or refuses."""

    async def handler(request: web.Request) -> web.Response:
        document = await read_document(request)
        try:
            return await act(request, document)
        except Refused as refused:
            return wire.said(refused.result)

    return handler


async def start_page(request: Request) -> Answered:
    """`GET /start/{trackId}`, also with `/direct` behind it, or by POST: some plugins have a form for it."""
    number = request.app[DESK].names.read_track_id(int(request.match_info["track_id"]))
    if number is None:
        return unknown(request, "pay")
    return prefetched(request) or await shown_pay(request, number)


async def alive(request: web.Request) -> web.Response:
    """`HEAD /v1/`: some clients ask whether the service is there."""
    return web.Response()


# --- calls


async def _request(request: web.Request, document: Document) -> web.Response:
    if await is_busy(request):
        raise Refused(wire.NOT_KNOWN)
    known = _known(request, document)
    wanted = wire.read_request(document, known.shop, request.app[SERVICE].payments)
    given: dict[str, Any] = {
        "amount": wanted.amount,
        "payer": wanted.payer,
        "splits": wanted.splits,
    }
    if not eligible(request, known, **given):
        raise _ineligible(request, known, wanted)
    if is_too_quick(request, known):
        raise Refused(wire.NOT_KNOWN)
    payment = await create(
        request,
        known,
        ZIBAL,
        currency=Currency.IRR,
        callback_url=wanted.callback_url,
        order_id=wanted.order_id,
        description=wanted.description,
        **given,
    )
    track_id = request.app[DESK].names.track_id(payment.number)
    answer: dict[str, Any] = {"trackId": track_id}
    if wanted.link_to_pay:
        answer["payLink"] = f"{request.app[SERVICE].public_url.rstrip('/')}/start/{track_id}"
    return wire.said(wire.SUCCESS, answer)


def _ineligible(request: web.Request, known: Known, wanted: wire.Wanted) -> Refused:
    """Which of the service's reasons it is that no gateway takes this."""
    alone: dict[str, Any] = {"amount": wanted.amount, "splits": ()}
    if wanted.splits and eligible(request, known, payer=wanted.payer, **alone):
        return Refused(wire.PART_INACTIVE)
    if eligible(request, known, payer={}, **alone):
        return Refused(wire.INACTIVE)  # no gateway binds a payment to a card
    return Refused(wire.AMOUNT_OVER)


async def _verify(request: web.Request, document: Document) -> web.Response:
    done = await verify(request, await _payment(request, document))
    match done.verdict:
        case Verdict.CAPTURED | Verdict.ALREADY:
            wanted = done.first or is_true(document.get("dataOnDoubleVerify"))
            data = wire.data_of(done.payment, standing_of(done.payment)) if wanted else None
            return wire.said(wire.SUCCESS if done.first else wire.ALREADY, data)
        case Verdict.UNKNOWN:
            return wire.said(wire.NOT_KNOWN)
        case Verdict.NOT_PAID | Verdict.REVERSED | Verdict.WRONG_AMOUNT:
            return wire.said(wire.NOT_PAID)


async def _inquiry(request: web.Request, document: Document) -> web.Response:
    payment = await asked(request, await _payment(request, document))
    return wire.said(wire.SUCCESS, wire.inquired(payment, standing_of(payment)))


# --- pieces


def _known(request: web.Request, document: Document) -> Known:
    """The shop that calls; Refused if there is none."""
    known = request.app[DESK].zibal.get(wire.read_merchant(document))
    if known is None:
        raise Refused(wire.NO_MERCHANT)
    return known


async def _payment(request: web.Request, document: Document) -> Payment:
    """The shop's payment that a call is about."""
    known = _known(request, document)
    number = request.app[DESK].names.read_track_id(whole_of(document.get("trackId")) or 0)
    payment = await own_payment(request, known, number, FACES) if number is not None else None
    if payment is None:
        raise Refused(wire.NO_TRACK)
    return payment


def routes() -> list[web.RouteDef]:
    """Zibal's routes. The version may be left out, as some plugins do, and any slash may come twice."""
    page = r"/{base:/*start/+}{track_id:[0-9]{1,16}}{rest:(?:/direct)?/?}"
    return [
        web.post(r"/{base:/*(?:v1/+)?}request{rest:/?}", _call(_request)),
        web.post(r"/{base:/*(?:v1/+)?}verify{rest:/?}", _call(_verify)),
        web.post(r"/{base:/*(?:v1/+)?}inquiry{rest:/?}", _call(_inquiry)),
        web.head("/v1/", alive),
        web.get(page, responded(start_page), allow_head=False),
        web.post(page, responded(start_page)),
        web.head(page, nothing),
    ]
