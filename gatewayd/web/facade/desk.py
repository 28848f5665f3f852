"""What both faces share: whose merchant this is, making a payment and asking about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from gatewayd.core.money import Currency
from gatewayd.core.needs import needs_of, payer_of
from gatewayd.core.payment import Payment
from gatewayd.core.settings import ShopSettings, ZarinpalFace, ZibalFace
from gatewayd.core.terms import Capture, Split
from gatewayd.engine.cashier import Draft
from gatewayd.journal.store import Holder
from gatewayd.web.facade.callbacks import face_of
from gatewayd.web.facade.names import Names
from gatewayd.web.facade.standing import Standing, standing_of
from gatewayd.web.facade.verifying import Verified, firsts_after, verified
from gatewayd.web.lane import LaneHandler
from gatewayd.web.ports import ENGINE, SERVICE, TALLY
from gatewayd.web.rates import RATES
from gatewayd.web.welcome import welcome

INQUIRY_SECONDS: Final = 3.0
"""How long an inquiry waits for a bank's."""


@dataclass(frozen=True, slots=True)
class Known:
    """A shop, by the merchant that it calls itself at a face."""

    shop: ShopSettings
    test: bool


class Desk:
    """One per public listener."""

    def __init__(
        self, shops: Iterable[ShopSettings], names: Names, taken_over: Iterable[Payment] = ()
    ) -> None:
        """`taken_over` are the payments that an earlier process left open."""
        self.names = names
        self.firsts = firsts_after(taken_over)
        zarinpal, zibal = dict[str, Known](), dict[str, Known]()
        for shop in shops:
            if shop.faces.zarinpal is not None:
                zarinpal[shop.faces.zarinpal.merchant_id] = _known(shop, shop.faces.zarinpal)
            if shop.faces.zibal is not None:
                zibal[shop.faces.zibal.merchant] = _known(shop, shop.faces.zibal)
        self.zarinpal: Mapping[str, Known] = zarinpal
        self.zibal: Mapping[str, Known] = zibal


DESK: web.AppKey[Desk] = web.AppKey("desk", Desk)


async def is_busy(request: web.Request) -> bool:
    """Whether new payments are refused just now, whoever asks; waits for a turn where there are many."""
    return await welcome(request.app) is not None


def is_too_quick(request: web.Request, known: Known) -> bool:
    """Whether this shop has made as many payments as it may in a minute; if not, one more is counted."""
    app = request.app
    over = app[RATES].take(known.shop) is not None
    if over:
        app[TALLY].refused("shop's limit")
    return over


def eligible(
    request: web.Request,
    known: Known,
    *,
    amount: int,
    payer: Mapping[str, Any],
    splits: tuple[Split, ...],
) -> bool:
    """Whether any gateway of this shop could take this."""
    needs = needs_of(payer=payer_of(payer), methods=(), splits=splits, capture=Capture.ON_VERIFY)
    eligible_for = request.app[ENGINE].starting.eligible_for
    return bool(eligible_for(known.shop.name, amount=amount, test=known.test, needs=needs))


async def create(
    request: web.Request,
    known: Known,
    face: str,
    *,
    amount: int,
    currency: Currency,
    callback_url: str,
    order_id: str,
    description: str,
    payer: Mapping[str, Any],
    splits: tuple[Split, ...],
) -> Payment:
    """A new payment, on disk. The same order may be asked for as often as a shop likes, as at the services."""
    private: dict[str, Any] = {}
    if payer:
        private["payer"] = dict(payer)
    if description:
        private["description"] = description
    draft = Draft(
        shop=known.shop.name,
        key=face,
        order_id=order_id,
        amount=amount,
        currency=currency,
        return_url=callback_url,
        expires_in_seconds=request.app[SERVICE].payments.expires_in_default,
        test=known.test,
        splits=splits,
        private=private,
        capture=Capture.ON_VERIFY,
        face=face,
        holds_order=False,
    )
    made = await request.app[ENGINE].cashier.create(draft)
    assert not isinstance(made, Holder), "a face's payment takes no guard"
    request.app[TALLY].created(made)
    return made


async def verify(request: web.Request, payment: Payment) -> Verified:
    """A shop's verify, which asks the bank."""
    app = request.app
    return await verified(app[ENGINE], app[DESK].firsts, payment, lambda: _has_hung_up(request))


def _has_hung_up(request: web.Request) -> bool:
    """Whether the plugin waits for this answer no more, as many do after ten seconds.

    One that has closed its half and still listens looks the same, and is far rarer.
    """
    transport, connection = request.transport, request.protocol
    if transport is None or transport.is_closing():
        return True
    return isinstance(connection, LaneHandler) and connection.has_ended


async def asked(request: web.Request, payment: Payment) -> Payment:
    """The payment for an inquiry: where its customer is not back, its bank is asked first if that takes nothing."""
    if standing_of(payment) is not Standing.OPEN or not payment.attempts:
        return payment
    capturing = request.app[ENGINE].capturing
    return await capturing.ask(payment.number, seconds=INQUIRY_SECONDS) or payment


async def own_payment(
    request: web.Request, known: Known, number: int, faces: tuple[str, ...]
) -> Payment | None:
    """A payment that was asked for at one of these faces of this shop; None for any other."""
    payment = await request.app[ENGINE].records.look(number)
    if payment is None or face_of(payment) not in faces or payment.test is not known.test:
        return None
    return payment if payment.shop == known.shop.name else None


def _known(shop: ShopSettings, face: ZarinpalFace | ZibalFace) -> Known:
    """The shop at this face; for tests if the face says so, or else if the shop has test keys only."""
    return Known(shop, test=shop.is_for_tests if face.test is None else face.test)
