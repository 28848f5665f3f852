"""The page of an invoice at its short address, `/i/{code}`: what is to be paid, a button, and what has become of it.

Looking at it changes nothing. The button begins a payment, or leads back to the one that is there; whether it may is
the engine's to say. A customer who comes back from paying brings the signed query that a shop would get; what he is
told stands in the payment all the same.
"""

import hmac
import re
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from yarl import URL

from gatewayd.core.invoices import Invoice, InvoiceStatus, invoice_of, public_id
from gatewayd.core.money import RIAL_PER_TOMAN
from gatewayd.core.payment import Payment
from gatewayd.core.settings import ShopSettings
from gatewayd.core.status import Status, status_of
from gatewayd.engine.invoice_paying import Begun, Elsewhere, NoGateways
from gatewayd.engine.invoice_sight import Seen
from gatewayd.engine.turns import Stopping
from gatewayd.journal.store import TooSlow
from gatewayd.web.asked import Request
from gatewayd.web.customer import busy, go, host_of, nothing, queue, unknown, unknown_page
from gatewayd.web.dates import moment, until
from gatewayd.web.pages import page
from gatewayd.web.ports import ADMISSION, ENGINE, INVOICING, SHOPS, TALLY, TURNSTILE
from gatewayd.web.rates import RATES, VISITORS
from gatewayd.web.returned_fields import read_fields
from gatewayd.web.shops import sign
from gatewayd.web.texts import TEXTS, plain_money
from gatewayd.web.turnstile import CUSTOMER
from gatewayd.web.welcome import welcome

ONCE_BYTES: Final = 9
"""Of the name of a page, so that its button pressed twice makes one payment: nobody meets another's by chance."""
RESTS_MAX_SECONDS: Final = 30
"""A customer is not asked to wait longer than this before the page looks again."""
_ONCE: Final = re.compile(r"[0-9a-f]{1,64}")
_OTHER: Final = {"fa": ("en", "English"), "en": ("fa", "فارسی")}
_PAYMENT: Final = re.compile(r"pay_([1-9][0-9]{0,14})\Z")
_SECONDS: Final = re.compile(r"[0-9]{1,12}\Z")
_ENDS: Final = {
    InvoiceStatus.PAID: ("invoice_paid", ""),
    InvoiceStatus.CANCELLED: ("invoice_cancelled", "invoice_closed_text"),
    InvoiceStatus.EXPIRED: ("invoice_expired", "invoice_closed_text"),
    InvoiceStatus.REVERSED: ("invoice_reversed", "invoice_closed_text"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What is told above the invoice, and what there is to press."""

    heading: str
    note: str = ""
    button: str = ""
    look_again: bool = False
    shown: Payment | None = None
    """The payment that this is about."""


async def invoice_page(request: Request) -> web.StreamResponse:
    """`GET /i/{code}`"""
    comes_back = "payment_id" in request.query
    if not comes_back and not await request.app[TURNSTILE].enter(CUSTOMER):
        now = request.app[ENGINE].clock.monotonic()
        return queue(request, request.app[ADMISSION].refused(now))
    found = await _found(request)
    if not isinstance(found, tuple):
        return found
    seen, shop = found
    brought = await _brought(request, seen.invoice, shop)
    return await _page(request, seen, shop, brought)


async def invoice_action(request: Request) -> web.StreamResponse:
    """`POST /i/{code}`: the customer wants to pay."""
    found = await _found(request)
    if not isinstance(found, tuple):
        return found
    seen, shop = found
    app, engine = request.app, request.app[ENGINE]
    fields = await read_fields(request)
    once, lang = fields.get("once", ""), fields.get("lang", "")
    is_new = not (seen.invoice.wanted == 1 and seen.paid.live)
    if is_new:
        if (not_now := await welcome(app)) is not None:
            return queue(request, not_now.retry_after_seconds)
        if (pause_seconds := app[VISITORS].take(request)) is not None:
            app[TALLY].refused("address's limit")
            return queue(request, min(pause_seconds, RESTS_MAX_SECONDS))
        if (pause_seconds := app[RATES].take(shop)) is not None:
            app[TALLY].refused("shop's limit")
            return queue(request, min(pause_seconds, RESTS_MAX_SECONDS))
    try:
        made = await app[INVOICING].pay(
            seen.invoice.number,
            once=once if _ONCE.fullmatch(once) else "",
            locale=lang if lang in TEXTS else "",
        )
    except Stopping:
        return await busy(request, 503)
    if is_new and not (isinstance(made, Begun) and made.is_new):
        app[RATES].give_back(shop)
    match made:
        case Begun(payment=payment, is_new=is_new):
            if is_new:
                app[TALLY].created(payment)
            return go(f"/pay/{engine.links.pay_id(payment.number)}").response()
        case Elsewhere():
            refused = "invoice_elsewhere" if seen.invoice.wanted == 1 else "invoice_full"
            return await _page(request, seen, shop, None, refused=refused)
        case NoGateways():
            return await _page(request, seen, shop, None, refused="invoice_no_gateway")
        case _:
            return go(
                request.path if lang not in TEXTS else f"{request.path}?lang={lang}"
            ).response()


async def _found(request: Request) -> tuple[Seen, ShopSettings] | web.StreamResponse:
    """The invoice of the address and its shop; or what is answered instead."""
    number = request.app[ENGINE].links.read_invoice(request.match_info["code"])
    if number is None:
        return unknown(request, "invoice")
    try:
        seen = await request.app[INVOICING].sight.glance(number)
    except TooSlow:
        return await busy(request, 503)
    if seen is None:
        return unknown(request, "invoice")
    shop = request.app[SHOPS].by_name.get(seen.invoice.shop)
    return unknown_page(request) if shop is None else (seen, shop)


async def _brought(request: Request, invoice: Invoice, shop: ShopSettings) -> Payment | None:
    """The payment that a customer comes back from, if what he brings is genuine."""
    query = request.query
    found = _PAYMENT.match(query.get("payment_id", ""))
    status, timestamp = query.get("status", ""), query.get("timestamp", "")
    if found is None or status not in set(Status) or not _SECONDS.match(timestamp):
        return None
    payment = await request.app[ENGINE].records.look(int(found[1]))
    if payment is None or invoice_of(payment) != invoice.number:
        return None
    signature = sign(payment, Status(status), timestamp, shop)
    given = query.get("signature", "").encode(errors="replace")
    return payment if hmac.compare_digest(signature.encode(), given) else None


async def _page(
    request: Request,
    seen: Seen,
    shop: ShopSettings,
    brought: Payment | None,
    *,
    refused: str = "",
) -> web.Response:
    engine, invoice = request.app[ENGINE], seen.invoice
    locale = request.query.get("lang", "")
    if locale not in TEXTS:
        locale = brought.locale if brought is not None else invoice.locale
    said = await _said(request, seen, brought, locale)
    if refused:
        said = _Said(heading=said.heading, note=TEXTS[locale][refused])
    shown = said.shown
    paid_ms = shown.captured_ms if shown is not None else None
    other, other_name = _OTHER[locale]
    kept = [] if brought is None else [each for each in request.query.items() if each[0] != "lang"]
    in_toman = _in_toman(invoice)
    name = (invoice.payer or {}).get("name", "")
    answer = page(
        "invoice",
        locale=locale,
        title=shop.title or host_of(invoice.return_url or engine.service.public_url),
        status=409 if refused else 200,
        heading=said.heading,
        note=said.note,
        invoice=invoice,
        rows=_rows(invoice, locale, in_toman=in_toman),
        unit=TEXTS[locale]["in_toman" if in_toman else "in_rial"],
        payable=bool(said.button),
        button=said.button,
        second=shown is not None,
        look_again=said.look_again,
        action=request.path,
        once="" if invoice.wanted == 1 else request.app[INVOICING].name_of_page(ONCE_BYTES),
        lang=locale,
        tracking=str(shown.number) if shown is not None else "",
        paid_on=moment(paid_ms, locale) if paid_ms is not None else "",
        due=until(invoice.due_ms, locale) if invoice.due_ms is not None else "",
        bill_to=name,
        order_id="" if invoice.order_id == public_id(invoice.number) else invoice.order_id,
        other_url=str(URL.build(path=request.path, query=[*kept, ("lang", other)])),
        other_lang=other,
        other_name=other_name,
    )
    answer.headers["Content-Language"] = locale
    return answer


async def _said(request: Request, seen: Seen, brought: Payment | None, locale: str) -> _Said:
    """What the customer is told, and what he can do."""
    texts, invoice, status = TEXTS[locale], seen.invoice, seen.status
    one = invoice.wanted == 1
    shown = brought
    if one and seen.paid.latest is not None:
        shown = await request.app[ENGINE].records.look(seen.paid.latest)
    was = status_of(shown) if shown is not None else None
    payable = status is InvoiceStatus.OPEN and (
        seen.paid.live > 0 or request.app[ENGINE].deadlines.now_ms() < invoice.expires_ms
    )
    if was is Status.PAID and (one or brought is not None):
        return _Said(
            heading=texts["invoice_paid"],
            note=texts["invoice_paid_text"] if brought is not None else "",
            button=texts["pay_again"] if payable and not one else "",
            shown=shown,
        )
    if was in {Status.PROCESSING, Status.AUTHORIZED} or status is InvoiceStatus.PROCESSING:
        return _Said(
            heading=texts["wait"], note=texts["invoice_wait_text"], look_again=True, shown=shown
        )
    if not payable:
        heading, note = _ENDS.get(status, _ENDS[InvoiceStatus.EXPIRED])
        return _Said(heading=texts[heading], note=texts.get(note, ""))
    if one and seen.paid.live:
        return _Said(
            heading=texts["invoice"], note=texts["invoice_begun"], button=texts["pay_go_on"]
        )
    if was is not None and was is not Status.PENDING:
        note = f"{texts['invoice_failed_text']} {texts['money_back']}"
        return _Said(heading=texts["failed"], note=note, button=texts["pay"])
    now_ms = request.app[ENGINE].deadlines.now_ms()
    overdue = invoice.due_ms is not None and now_ms >= invoice.due_ms
    return _Said(
        heading=texts["invoice"],
        note=texts["invoice_overdue"] if overdue else "",
        button=texts["pay"],
    )


def _in_toman(invoice: Invoice) -> bool:
    """Whether every amount of it is whole in toman, as people count."""
    amounts = (
        part
        for line in invoice.lines
        for part in (line.unit_price, line.discount, line.tax, line.amount)
    )
    return not any(amount % RIAL_PER_TOMAN for amount in amounts)


def _rows(invoice: Invoice, locale: str, *, in_toman: bool) -> list[dict[str, Any]]:
    def amount(rial: int) -> str:
        return plain_money(rial, locale, in_toman=in_toman)

    return [
        {
            "name": line.name,
            "quantity": plain_money(line.quantity, locale, in_toman=False),
            "unit_price": amount(line.unit_price),
            "amount": amount(line.amount),
            "discount": amount(line.discount) if line.discount else "",
            "tax": amount(line.tax) if line.tax else "",
        }
        for line in invoice.lines
    ]


def routes() -> list[web.RouteDef]:
    """The routes of the page; whoever types its address from paper may do so in capitals."""
    return [
        route
        for path in ("/i/{code}", "/I/{code}")
        for route in (
            web.get(path, invoice_page, allow_head=False),
            web.head(path, nothing),
            web.post(path, invoice_action),
        )
    ]
