"""What both faces share: whose merchant this is, making a payment, and who is told first that it is verified.

The first call that is told of a verified payment is told so with another code than every later one, as at the services:
a shop that asks twice at once must not ship twice. That is remembered only while it matters: a shop whose payment was
verified on disk, and whose answer a crash took, is told "already verified", as at the services.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final

from aiohttp import web

from gatewayd.core.money import Currency
from gatewayd.core.needs import needs_of, payer_of
from gatewayd.core.payment import Payment
from gatewayd.core.settings import ShopSettings, ZarinpalFace, ZibalFace
from gatewayd.core.terms import Capture, Split
from gatewayd.engine.capturing import Verdict
from gatewayd.engine.cashier import Draft
from gatewayd.journal.store import Holder
from gatewayd.web.facade.callbacks import face_of
from gatewayd.web.facade.names import Names
from gatewayd.web.facade.standing import Standing, standing_of
from gatewayd.web.ports import ENGINE, SERVICE, TALLY
from gatewayd.web.rates import RATES
from gatewayd.web.welcome import welcome

VERIFY_SECONDS: Final = 15.0
"""How long a shop's verify waits for the bank: one lost answer and its repeat, and less than most clients wait."""
INQUIRY_SECONDS: Final = 3.0
"""How long an inquiry waits for a bank's."""
OWED_MAX: Final = 10_000
"""Payments of which a shop was told "not known yet", and is to be told that its verify was the first."""


@dataclass(frozen=True, slots=True)
class Known:
    """A shop, by the merchant that it calls itself at a face."""

    shop: ShopSettings
    test: bool


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of a shop's verify."""

    payment: Payment
    verdict: Verdict
    _: KW_ONLY
    first: bool
    """Nobody was told before that it is verified."""


class Firsts:
    """Who is the first to hear that a payment is verified: a shop that waits for its answer, and no other after it."""

    def __init__(self, owed: Iterable[int] = ()) -> None:
        """`owed` are payments whose shop has asked an earlier process, and was certainly not told."""
        self._asking: Counter[int] = Counter()
        self._told: set[int] = set()
        """Of those that are being asked about: somebody has heard."""
        self._owed: dict[int, None] = {}
        """Their shop has asked, and was not told."""
        for number in owed:
            self._owe(number)

    def begin(self, number: int) -> None:
        """A shop asks for a payment that was not verified."""
        self._asking[number] += 1

    def end(self, number: int, *, verified: bool | None, heard: bool) -> bool:
        """Its call ends; whether it is the first to hear that the payment is verified.

        `verified` is None where that is not known; `heard` says whether anybody still waits for the answer.
        """
        first = verified is True and heard and number not in self._told
        if first:
            self._told.add(number)
            self._owed.pop(number, None)
        self._asking[number] -= 1
        if not self._asking[number]:
            del self._asking[number]
            if verified is not False and number not in self._told:
                self._owe(number)
            self._told.discard(number)
        return first

    def is_owed(self, number: int, *, heard: bool = True) -> bool:
        """Whether a verified payment's shop was never told; it is told now, and the next is not first."""
        if not heard:
            return False
        owed = number in self._owed
        self._owed.pop(number, None)
        if number not in self._asking:
            return owed
        first = number not in self._told  # those who asked before are not answered yet
        self._told.add(number)
        return first

    def _owe(self, number: int) -> None:
        self._owed[number] = None
        if len(self._owed) > OWED_MAX:
            del self._owed[next(iter(self._owed))]


class Desk:
    """One per public listener."""

    def __init__(
        self, shops: Iterable[ShopSettings], names: Names, taken_over: Iterable[Payment] = ()
    ) -> None:
        """`taken_over` are the payments that an earlier process left open."""
        self.names = names
        self.firsts = Firsts(each.number for each in taken_over if _was_asked_for(each))
        zarinpal, zibal = dict[str, Known](), dict[str, Known]()
        for shop in shops:
            if shop.faces.zarinpal is not None:
                zarinpal[shop.faces.zarinpal.merchant_id] = _known(shop, shop.faces.zarinpal)
            if shop.faces.zibal is not None:
                zibal[shop.faces.zibal.merchant] = _known(shop, shop.faces.zibal)
        self.zarinpal: Mapping[str, Known] = zarinpal
        self.zibal: Mapping[str, Known] = zibal


_YES: Final = {
    Verdict.CAPTURED: True,
    Verdict.ALREADY: True,
    Verdict.NOT_PAID: False,
    Verdict.REVERSED: False,
    Verdict.WRONG_AMOUNT: False,
}
"""Whether a payment is verified, by what came of it."""
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
    firsts, number = request.app[DESK].firsts, payment.number
    match standing_of(payment):
        case Standing.VERIFIED:
            heard = not _has_hung_up(request)
            return Verified(payment, Verdict.CAPTURED, first=firsts.is_owed(number, heard=heard))
        case Standing.REVERSED:
            return Verified(payment, Verdict.REVERSED, first=False)
        case _:
            pass
    firsts.begin(number)
    verdict, first = Verdict.UNKNOWN, False
    try:
        answer = await request.app[ENGINE].capturing.verify(number, seconds=VERIFY_SECONDS)
        assert answer is not None, "payments are never removed"
        payment, verdict = answer.payment, answer.verdict
    finally:
        first = firsts.end(number, verified=_YES.get(verdict), heard=not _has_hung_up(request))
    return Verified(payment, verdict, first=first)


def _was_asked_for(payment: Payment) -> bool:
    """Whether a face's shop has asked for it, and no bank has said yes."""
    hold = payment.hold
    return bool(hold and hold.face and hold.asked_ms) and payment.captured_ms is None


def _has_hung_up(request: web.Request) -> bool:
    """Whether the plugin waits for this answer no more, as many do after ten seconds."""
    return request.transport is None or request.transport.is_closing()


async def asked(request: web.Request, payment: Payment) -> Payment:
    """The payment for an inquiry: where its customer is not back, its bank is asked first if that takes nothing."""
    if standing_of(payment) is not Standing.OPEN or not payment.attempts:
        return payment
    capturing = request.app[ENGINE].capturing
    return await capturing.ask(payment.number, seconds=INQUIRY_SECONDS) or payment


async def give_back(request: web.Request, payment: Payment) -> bool | None:
    """Give a verified payment's money back; False if its gateway does not, None if that is not known yet."""
    refunding = request.app[ENGINE].refunding
    return await refunding.undo(payment.number, key=face_of(payment), seconds=VERIFY_SECONDS)


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
