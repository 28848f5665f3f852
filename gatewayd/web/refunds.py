"""Refunds in the shop's API: ask for one, list a payment's, look at one."""

import re
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from gatewayd.core.money import from_rial, to_rial
from gatewayd.core.payment import Payment
from gatewayd.core.refunds import REFUNDS_MAX
from gatewayd.core.settings import Scope
from gatewayd.core.status import status_of
from gatewayd.engine.refunding import Made, NotPaid, TooMany, TooMuch, Wanted
from gatewayd.engine.telling import refund_id
from gatewayd.journal.store import Holder
from gatewayd.web import typed
from gatewayd.web.api import own_payment, owns
from gatewayd.web.bodies import Int, Str, Text, complaints, read_object
from gatewayd.web.once import once, required
from gatewayd.web.ports import ENGINE, SERVICE, SHOPS
from gatewayd.web.problems import FieldError, Problem
from gatewayd.web.render import json_answer, refund_object

_ID: Final = re.compile(r"rfd_([1-9][0-9]{0,14})_([1-9][0-9]{0,2})\Z")


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))
class RefundBody:
    """The body of `POST /v1/payments/{id}/refunds`."""

    amount: Annotated[Int, Field(gt=0)] | None = None
    reason: Text | None = None
    iban: Annotated[Str, AfterValidator(typed.iban)] | None = None


_REFUND: Final = TypeAdapter(RefundBody)


async def create_refund(request: web.Request) -> web.Response:
    """`POST /v1/payments/{id}/refunds`"""
    app, engine = request.app, request.app[ENGINE]
    caller = app[SHOPS].caller(request, Scope.REFUNDS_WRITE)
    document = await read_object(request, app[SERVICE].web.body_max_bytes, may_miss=True)
    payment = await own_payment(request, caller)
    guard = required(request, caller, "refund", payment.number, document)
    wanted = _wanted(document, payment, caller.key)

    async def act() -> web.Response | Holder:
        made = await engine.refunding.create(payment.number, wanted, guard)
        assert made is not None, "payments are never removed"
        match made:
            case Made(payment=after):
                return again(after)
            case Holder():
                return made
            case _:
                raise _refused(made)

    def again(after: Payment) -> web.Response:
        made = after.refunds[-1]
        headers = {"Location": f"/v1/refunds/{refund_id(after.number, made.number)}"}
        return json_answer(refund_object(after, made), 201, headers)

    return await once(request, guard, act, again)


def _wanted(document: dict[str, Any], payment: Payment, key: str) -> Wanted:
    """What the shop wants back. Problem 422 naming each bad field."""
    try:
        body = _REFUND.validate_python(document)
    except ValidationError as error:
        raise complaints(error) from None
    return Wanted(
        amount=None if body.amount is None else to_rial(body.amount, payment.currency),
        key=key,
        reason=body.reason or "",
        iban=body.iban or "",
    )


def _refused(why: TooMuch | TooMany | NotPaid) -> Problem:
    payment = why.payment
    match why:
        case NotPaid():
            detail = "The payment is not paid, or was given back: there is nothing to refund."
            return Problem(409, "payment_not_paid", detail, payment_status=str(status_of(payment)))
        case TooMany():
            detail = f"A payment has {REFUNDS_MAX} refunds at most."
            return Problem(409, "too_many_refunds", detail)
        case TooMuch():
            left = from_rial(payment.refundable, payment.currency)
            code = "amount_exceeds_refundable"
            detail = f"{left} {payment.currency} of this payment may still be refunded"
            return Problem(
                422,
                "amount_exceeds_refundable",
                f"amount: {detail}",
                errors=[FieldError("amount", detail, code)],
                refundable_amount=left,
                refundable_amount_rial=payment.refundable,
            )


async def list_refunds(request: web.Request) -> web.Response:
    """`GET /v1/payments/{id}/refunds`: all of them, for a payment has few."""
    payment = await own_payment(request, request.app[SHOPS].caller(request, Scope.PAYMENTS_READ))
    data = [refund_object(payment, refund) for refund in reversed(payment.refunds)]
    url = f"/v1/payments/pay_{payment.number}/refunds"
    return json_answer({"object": "list", "data": data, "has_more": False, "url": url})


async def get_refund(request: web.Request) -> web.Response:
    """`GET /v1/refunds/{id}`"""
    caller = request.app[SHOPS].caller(request, Scope.PAYMENTS_READ)
    found = _ID.match(request.match_info["id"])
    made = None
    if found is not None:
        made = await request.app[ENGINE].refunding.find(int(found[1]), int(found[2]))
    if made is None or not owns(caller, made.payment):
        raise Problem(404, "refund_not_found", "There is no such refund.")
    return json_answer(refund_object(made.payment, made.refund))


def routes() -> list[web.RouteDef]:
    """The routes of refunds."""
    return [
        web.post("/v1/payments/{id}/refunds", create_refund),
        web.get("/v1/payments/{id}/refunds", list_refunds),
        web.get("/v1/refunds/{id}", get_refund),
    ]
