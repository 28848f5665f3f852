"""ZarinPal v4: the addresses that a shop's plugin calls, and the page that it sends its customer to.

Calls are answered whatever the case of their path, with or without a slash at the end, and with two slashes where a
plugin is set to a host that ends with one. They are answered at the daemon's own host and at one that begins with
`sandbox.`. There a payment's authority begins with another letter, and only shops for tests are known: a plugin that is
set to its sandbox never moves money.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from gatewayd.core.payment import Payment
from gatewayd.engine.capturing import Verdict
from gatewayd.web.answers import Answered, responded
from gatewayd.web.asked import Request
from gatewayd.web.customer import nothing, prefetched, shown_pay, unknown
from gatewayd.web.facade import zarinpal_wire as wire
from gatewayd.web.facade.callbacks import ZARINPAL, ZARINPAL_SANDBOX, authority_of, face_of
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
from gatewayd.web.facade.giving_back import given_back
from gatewayd.web.facade.reading import read_document, text_of, whole_of
from gatewayd.web.facade.standing import Standing, standing_of
from gatewayd.web.facade.zarinpal_wire import Refused
from gatewayd.web.ports import ENGINE, SERVICE

UNVERIFIED_MAX: Final = 100
LOOKED_AT_MAX: Final = 1_000
"""Of all that a shop has not verified; those of its other faces are among them."""
FACES: Final = (ZARINPAL, ZARINPAL_SANDBOX)
Document = Mapping[str, Any]


async def call(request: web.Request) -> web.Response:
    """`POST /pg/v4/payment/{call}.json`"""
    act = _CALLS.get(request.match_info["call"].lower())
    if act is None:
        raise web.HTTPNotFound
    document = await read_document(request)
    try:
        return wire.done(await act(request, document))
    except Refused as refused:
        return wire.failed(refused)


async def start_page(request: Request) -> Answered:
    """`GET /pg/StartPay/{authority}`, also with `/ZarinGate` behind it, or by POST: some plugins have a form for it."""
    number = request.app[DESK].names.read_authority(request.match_info["authority"])
    if number is None:
        return unknown(request, "pay")
    return prefetched(request) or await shown_pay(request, number)


# --- calls


async def _request(request: web.Request, document: Document) -> Document:
    if await is_busy(request):
        raise Refused(wire.TOO_MANY)
    known = _known(request, document)
    wanted = wire.read_request(document, known.shop, request.app[SERVICE].payments)
    given: dict[str, Any] = {
        "amount": wanted.amount,
        "payer": wanted.payer,
        "splits": wanted.wages,
    }
    if not eligible(request, known, **given):
        raise _ineligible(request, known, wanted)
    if is_too_quick(request, known):
        raise Refused(wire.TOO_MANY)
    payment = await create(
        request,
        known,
        ZARINPAL_SANDBOX if _is_sandbox(request) else ZARINPAL,
        currency=wanted.currency,
        callback_url=wanted.callback_url,
        order_id=wanted.order_id,
        description=wanted.description,
        **given,
    )
    return wire.requested(authority_of(payment, request.app[DESK].names))


def _ineligible(request: web.Request, known: Known, wanted: wire.Wanted) -> Refused:
    """Which of the service's reasons it is that no gateway takes this."""
    if wanted.wages and eligible(
        request, known, amount=wanted.amount, payer=wanted.payer, splits=()
    ):
        return Refused(wire.NO_WAGES)
    if eligible(request, known, amount=wanted.amount, payer={}, splits=()):
        sentence = {"metadata.card_pan": "The card cannot be bound at any gateway of this shop."}
        return Refused(wire.INVALID, **sentence)
    return Refused(wire.TERMINAL_LIMIT)


async def _verify(request: web.Request, document: Document) -> Document:
    payment = await _payment(request, document)
    amount = whole_of(document.get("amount"))
    if amount is None:
        raise Refused(wire.INVALID, amount="The amount field is required and must be an integer.")
    if amount != wire.amount_of(payment):
        raise Refused(wire.WRONG_AMOUNT)
    done = await verify(request, payment)
    match done.verdict:
        case Verdict.CAPTURED | Verdict.ALREADY:
            return wire.verified(done.payment, first=done.first)
        case Verdict.UNKNOWN:
            raise Refused(wire.NOT_KNOWN)
        case Verdict.NOT_PAID | Verdict.REVERSED | Verdict.WRONG_AMOUNT:
            raise Refused(wire.NOT_PAID)


async def _inquiry(request: web.Request, document: Document) -> Document:
    payment = await asked(request, await _payment(request, document))
    return wire.inquired(payment, standing_of(payment))


async def _unverified(request: web.Request, document: Document) -> Document:
    known, names = _known(request, document), request.app[DESK].names
    shop, engine = known.shop.name, request.app[ENGINE]
    found = engine.capturing.unverified(shop, test=known.test, limit=LOOKED_AT_MAX)
    ours = [payment for payment in found if face_of(payment) in FACES][:UNVERIFIED_MAX]
    rows = [wire.unverified_row(payment, authority_of(payment, names)) for payment in ours]
    return {"code": 100, "message": "Success", "authorities": rows}


async def _reverse(request: web.Request, document: Document) -> Document:
    payment = await _payment(request, document)
    if standing_of(payment) is not Standing.VERIFIED:
        raise Refused(wire.NOT_REVERSIBLE)
    match await given_back(request.app[ENGINE], payment):
        case True:
            return {"code": 100, "message": "Reversed"}
        case False:
            raise Refused(wire.NOT_REVERSED)
        case None:
            raise Refused(wire.NOT_KNOWN)


async def _fee(request: web.Request, document: Document) -> Document:
    """What a plugin asks that shows fees: here there are none."""
    _known(request, document)
    amount = whole_of(document.get("amount"))
    if amount is None:
        raise Refused(wire.INVALID, amount="The amount field is required and must be an integer.")
    fees = {"fee": 0, "fee_type": "Merchant", "suggested_amount": amount}
    return {"code": 100, "message": "Success", "amount": amount, **fees}


_CALLS: Final[Mapping[str, Callable[[web.Request, Document], Awaitable[Document]]]] = {
    "request": _request,
    "verify": _verify,
    "inquiry": _inquiry,
    "unverified": _unverified,
    "reverse": _reverse,
    "feecalculation": _fee,
}


# --- pieces


def _known(request: web.Request, document: Document) -> Known:
    """The shop that calls; Refused if there is none, or none that may at this host."""
    known = request.app[DESK].zarinpal.get(wire.read_merchant(document))
    if known is None or (_is_sandbox(request) and not known.test):
        raise Refused(wire.NO_TERMINAL)
    return known


async def _payment(request: web.Request, document: Document) -> Payment:
    """The shop's payment that a call is about."""
    known = _known(request, document)
    authority = text_of(document.get("authority"))
    if not authority:
        raise Refused(wire.INVALID, authority="The authority field is required.")
    number = request.app[DESK].names.read_authority(authority)
    if number is None:
        raise Refused(wire.NO_AUTHORITY)
    payment = await own_payment(request, known, number, FACES)
    if payment is None:
        raise Refused(wire.NOT_YOURS)
    return payment


def _is_sandbox(request: web.Request) -> bool:
    return request.host.lower().startswith("sandbox.")


def routes() -> list[web.RouteDef]:
    """ZarinPal's routes."""
    page = (
        r"/{base:/*pg/+[Ss]tart[Pp]ay/+}{authority:[0-9A-Za-z]{1,64}}{rest:(?:/[A-Za-z]{0,20})?/?}"
    )
    return [
        web.post(r"/{base:/*pg/+v4/+payment/+}{call:[A-Za-z]{1,30}}.json{rest:/?}", call),
        web.get(page, responded(start_page), allow_head=False),
        web.post(page, responded(start_page)),
        web.head(page, nothing),
    ]
