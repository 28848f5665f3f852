"""The shop's API, version 1: handlers that read a request, ask the engine, and render its answer."""

import re
from typing import Any, Final

import orjson
from aiohttp import web

from gatewayd.core.invoices import Invoice
from gatewayd.core.money import from_rial
from gatewayd.core.needs import Needs, needs_of, payer_of
from gatewayd.core.payment import Payment
from gatewayd.core.settings import Scope
from gatewayd.core.status import Status, status_of
from gatewayd.core.terms import Capture
from gatewayd.engine.capturing import Verdict
from gatewayd.engine.cashier import Draft
from gatewayd.engine.refunding import Made, Wanted
from gatewayd.engine.telling import public_id
from gatewayd.journal.filters import Filter
from gatewayd.journal.journal import replay, side
from gatewayd.journal.store import GuardKind, Holder, TooSlow
from gatewayd.web.admission import OVERLOADED
from gatewayd.web.answers import Answer, Answered, Head, responded
from gatewayd.web.asked import Request
from gatewayd.web.bodies import read_cancel, read_object, read_payment
from gatewayd.web.events import list_events, replay_events, resend_event
from gatewayd.web.lists import filters, read_limit, too_slow
from gatewayd.web.once import guard_of, once, required
from gatewayd.web.ports import ADMISSION, ENGINE, PAST, SERVICE, SHOPS, TALLY
from gatewayd.web.problems import FieldError, Problem, invalid, invalid_fields, refuse_others
from gatewayd.web.rates import RATES
from gatewayd.web.render import gateway_object, json_answer, payment_object
from gatewayd.web.shops import Caller
from gatewayd.web.times import read_time
from gatewayd.web.welcome import refused_at_once, welcome

_CREATED: Final = Head(201, {"Content-Type": "application/json", "Cache-Control": "no-store"})
CANCELLED: Final = "cancelled"
"""The reason of a refund that a cancel has led to, if the shop has given none."""
_ID: Final = re.compile(r"pay_([1-9][0-9]{0,14})\Z")


async def create_payment(request: Request) -> Answered:
    """`POST /v1/payments`"""
    app = request.app
    caller = app[SHOPS].caller(request, Scope.PAYMENTS_WRITE)
    if (not_now := await welcome(app)) is not None:
        detail = f"New payments are refused for a moment: {not_now.why}."
        seconds = not_now.retry_after_seconds
        raise Problem(503, "overloaded", detail, retry_after_seconds=seconds)
    service, engine = app[SERVICE], app[ENGINE]
    document = await read_object(request, service.web.body_max_bytes)
    known = frozenset(caller.shop.gateways or engine.gateways)
    guard = guard_of(request, caller, "create", document)

    async def act() -> Payment | Holder:
        draft = read_payment(document, caller, service.payments, known)
        _check_eligible(request, draft)
        pause_seconds = app[RATES].take(caller.shop)
        if pause_seconds is not None:
            detail = "This shop may not make so many payments in a minute."
            raise Problem(429, "too_many_payments", detail, retry_after_seconds=pause_seconds)
        made = await engine.cashier.create(draft, guard)
        if isinstance(made, Payment):
            app[TALLY].created(made)
            return made
        app[RATES].give_back(caller.shop)
        if made.guard.kind is GuardKind.ORDER:
            raise await _order_exists(request, made)
        return made

    def shown(payment: Payment) -> Answer:
        body = orjson.dumps(payment_object(payment, engine.links))
        return Answer(_CREATED, body, {"Location": f"/v1/payments/{public_id(payment.number)}"})

    def again(payment: Payment) -> web.Response:
        return shown(payment).response()

    async def act_once() -> web.Response | Holder:
        made = await act()
        return made if isinstance(made, Holder) else again(made)

    try:
        if guard is not None:
            return await once(request, guard, act_once, again, look_first=False)
        made = await act()
    except Problem as problem:
        if problem.code == "too_many_payments":
            app[TALLY].refused("shop's limit")
        raise
    assert not isinstance(made, Holder), "there was no key that somebody could hold"
    return shown(made)


def _check_eligible(request: Request, draft: Draft) -> None:
    needs = needs_of(
        payer=payer_of(draft.private.get("payer")),
        methods=draft.methods,
        splits=draft.splits,
        capture=draft.capture,
    )
    wishes: dict[str, Any] = {"amount": draft.amount, "test": draft.test, "only": draft.gateways}
    check_eligible(request, draft.shop, wishes, needs)


def check_eligible(request: Request, shop: str, wishes: dict[str, Any], needs: Needs) -> None:
    """Refuse before it starts what no gateway could take or enforce, and name the fields that rule the last one out.

    `wishes` are `amount`, `test` and `only`, as `Starting.eligible_for` has them.
    """
    eligible_for = request.app[ENGINE].starting.eligible_for
    if eligible_for(shop, **wishes, needs=needs):
        return
    asked = [(path, f"no gateway of this shop {says}", rest) for path, says, rest in needs.each()]
    errors = [
        FieldError(path, detail, "no_gateway")
        for path, detail, rest in asked
        if eligible_for(shop, **wishes, needs=rest)
    ]
    if wishes["only"] and eligible_for(shop, **{**wishes, "only": ()}, needs=needs):
        detail = "none of these takes the payment; others of this shop's gateways do"
        errors.insert(0, FieldError("gateways", detail, "no_gateway"))
    if not errors and asked and eligible_for(shop, **wishes):  # only together too much
        errors = [FieldError(path, detail, "no_gateway") for path, detail, _ in asked]
    if not errors:
        detail = "no gateway of this shop takes this amount with this key and all that is asked for"
        errors.append(FieldError("amount", detail, "no_gateway"))
    raise invalid_fields(errors)


async def _order_exists(request: Request, holder: Holder) -> Problem:
    """Another payment is there for the same order."""
    existing = replay(holder.number, await request.app[PAST].rows(holder.number))
    assert existing is not None, "a guard lands with its payment"
    return Problem(
        409,
        "order_exists",
        "There is a payment for this order that is open or paid.",
        payment_id=public_id(existing.number),
        payment_status=str(status_of(existing)),
        pay_url=request.app[ENGINE].links.pay_url(existing.number),
    )


async def get_payment(request: Request) -> web.Response:
    """`GET /v1/payments/{id}`"""
    payment = await own_payment(request, request.app[SHOPS].caller(request, Scope.PAYMENTS_READ))
    return json_answer(payment_object(payment, request.app[ENGINE].links))


async def cancel_payment(request: Request) -> web.Response:
    """`POST /v1/payments/{id}/cancel`"""
    app, engine = request.app, request.app[ENGINE]
    caller = app[SHOPS].caller(request, Scope.PAYMENTS_WRITE)
    document = await read_object(request, app[SERVICE].web.body_max_bytes, may_miss=True)
    number = (await own_payment(request, caller)).number
    guard = required(request, caller, "cancel", number, document)

    async def act() -> web.Response | Holder:
        reason = read_cancel(document)
        made = await engine.cashier.cancel(number, guard)
        assert made is not None, "payments are never removed"
        if isinstance(made, Holder):
            return made
        if status_of(made) is Status.PAID:
            return await undone(reason or CANCELLED)
        return again(made)

    async def undone(reason: str) -> web.Response | Holder:
        """What is paid is not stopped but undone, while its bank does that: a refund of all of it, by a reversal."""
        app[SHOPS].caller(request, Scope.REFUNDS_WRITE)
        wanted = Wanted(amount=None, key=caller.key, reason=reason)
        wait_seconds = app[SERVICE].engine.return_wait_seconds
        made = await engine.refunding.reverse(number, wanted, guard, seconds=wait_seconds)
        match made:
            case Holder():
                return made
            case Made(payment=after):
                return again(after)
            case _:
                detail = (
                    "The payment is paid, and its bank does not reverse it (any more); refund it."
                )
                raise Problem(
                    409, "payment_paid", detail, refunds_url=f"/v1/payments/pay_{number}/refunds"
                )

    def again(payment: Payment) -> web.Response:
        return json_answer(payment_object(payment, engine.links))

    return await once(request, guard, act, again)


async def capture_payment(request: Request) -> web.Response:
    """`POST /v1/payments/{id}/capture`"""
    app, engine = request.app, request.app[ENGINE]
    caller = app[SHOPS].caller(request, Scope.PAYMENTS_WRITE)
    document = await read_object(request, app[SERVICE].web.body_max_bytes, may_miss=True)
    payment = await own_payment(request, caller)
    _check_whole(document, payment)
    guard = required(request, caller, "capture", payment.number, document)

    async def act() -> web.Response | Holder:
        made = await engine.capturing.capture(payment.number, guard)
        assert made is not None, "payments are never removed"
        if isinstance(made, Holder):
            return made
        if made.verdict is Verdict.NOT_PAID and not made.begun:
            raise _not_capturable(made.payment)
        return again(made.payment)

    def again(payment: Payment) -> web.Response:
        return json_answer(payment_object(payment, engine.links))

    return await once(request, guard, act, again)


def _check_whole(document: dict[str, Any], payment: Payment) -> None:
    """Banks settle all of a payment or nothing, so an amount, if one is named, must be the payment's own."""
    refuse_others(document, {"amount"}, "field")
    whole = from_rial(payment.amount, payment.currency)
    if document and (type(document["amount"]) is not int or document["amount"] != whole):
        raise invalid("amount", f"must be the whole amount, {whole}: banks take all or nothing")


def _not_capturable(payment: Payment) -> Problem:
    """Why there is nothing to capture."""
    status = str(status_of(payment))
    hold = payment.hold
    if hold is None or hold.capture is not Capture.MANUAL:
        detail = "The payment was not made with capture: manual."
        return Problem(409, "capture_automatic", detail, payment_status=status)
    if hold.lapsed:
        detail = "The time for the capture is over; the money goes back to the customer."
        return Problem(409, "capture_too_late", detail, payment_status=status)
    detail = f"The payment is {status}; only what is authorized can be captured."
    return Problem(409, "payment_not_authorized", detail, payment_status=status)


async def list_payments(request: Request) -> web.Response:
    """`GET /v1/payments`"""
    caller = request.app[SHOPS].caller(request, Scope.PAYMENTS_READ)
    query = filters(request.query, _FILTERS)
    limit = read_limit(query.get("limit"))
    after = query.get("starting_after")
    await request.app[ENGINE].pump.searched_soon()
    wanted = Filter(
        shop=side(caller.shop.name, test=caller.test),
        order_id=query.get("order_id"),
        status=_status(query.get("status")),
        gateway=query.get("gateway"),
        created_from_ms=read_time(query.get("created_from"), "created_from"),
        created_to_ms=read_time(query.get("created_to"), "created_to"),
        before_number=payment_number(after, "starting_after") if after is not None else None,
        limit=limit + 1,
    )
    try:
        numbers = await request.app[PAST].find(wanted)
    except TooSlow:
        raise too_slow() from None
    engine = request.app[ENGINE]
    found = await engine.records.look_at(numbers[:limit], request.app[PAST].rows_of)
    data = [payment_object(payment, engine.links) for payment in found]
    return json_answer(
        {"object": "list", "data": data, "has_more": len(numbers) > limit, "url": "/v1/payments"}
    )


async def list_gateways(request: Request) -> web.Response:
    """`GET /v1/gateways`"""
    caller = request.app[SHOPS].caller(request, Scope.GATEWAYS_READ)
    engine = request.app[ENGINE]
    health = engine.router.snapshot(engine.clock.monotonic())
    allowed = caller.shop.gateways or engine.gateways
    data = [gateway_object(engine.gateways[name], health[name]) for name in allowed]
    return json_answer({"object": "list", "data": data, "has_more": False, "url": "/v1/gateways"})


async def live(request: Request) -> web.Response:
    """`GET /livez`: the loop turns."""
    return json_answer({"status": "ok"})


async def ready(request: Request) -> web.Response:
    """`GET /readyz`: whether new payments are welcome; not whether every bank is well."""
    engine = request.app[ENGINE]
    now = engine.clock.monotonic()
    routable = not all(engine.router.is_cut_off(now, name) for name in engine.gateways)
    why_not = refused_at_once(request.app)
    if why_not is None and request.app[ADMISSION].is_overloaded(now):
        why_not = OVERLOADED
    checks = {"accepting": why_not or "ok", "gateways": "ok" if routable else "none is usable"}
    good = why_not is None and routable
    document = {"status": "ok" if good else "unavailable", "checks": checks}
    return json_answer(document, 200 if good else 503)


_FILTERS: Final = frozenset(
    {
        "order_id",
        "status",
        "gateway",
        "created_from",
        "created_to",
        "limit",
        "starting_after",
    }
)


async def own_payment(request: Request, caller: Caller) -> Payment:
    """The payment of the address if it is this shop's; Problem 404 for any other."""
    found = _ID.match(request.match_info["id"])
    payment = await request.app[ENGINE].records.look(int(found[1])) if found else None
    if payment is None or not owns(caller, payment):
        raise Problem(404, "payment_not_found", "There is no such payment.")
    return payment


def owns(caller: Caller, made: Payment | Invoice) -> bool:
    """Whether this shop's keys of this kind see what was made."""
    return made.shop == caller.shop.name and made.test is caller.test


def _status(text: str | None) -> str | None:
    if text is not None and text not in set(Status):
        raise invalid("status", f"must be one of {', '.join(Status)}")
    return text


def payment_number(text: str, name: str) -> int:
    """The number in a payment's id; Problem 422 that names the field for anything else."""
    found = _ID.match(text)
    if found is None:
        raise invalid(name, "must be a payment's id, such as pay_217512345678")
    return int(found[1])


def routes() -> list[web.RouteDef]:
    """The API's routes."""
    return [
        web.post("/v1/payments", responded(create_payment)),
        web.get("/v1/payments", list_payments),
        web.get("/v1/payments/{id}", get_payment),
        web.post("/v1/payments/{id}/capture", capture_payment),
        web.post("/v1/payments/{id}/cancel", cancel_payment),
        web.get("/v1/gateways", list_gateways),
        web.get("/v1/events", list_events),
        web.post("/v1/events/replay", replay_events),
        web.post("/v1/events/{id}/resend", resend_event),
        web.get("/livez", live),
        web.get("/readyz", ready),
    ]
