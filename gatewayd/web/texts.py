"""What customers read, in Persian and English, and how numbers are written for reading.

Persian digits are for reading; what is to be copied or read to somebody (a tracking code) keeps plain ones. Where we do
not know whether money has moved, the text says so, says what happens next, and that paying again is not needed.
"""

from collections.abc import Mapping
from typing import Final

from gatewayd.core.money import RIAL_PER_TOMAN

_PERSIAN: Final = str.maketrans("0123456789,", "۰۱۲۳۴۵۶۷۸۹٬")

TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "fa": {
        "direction": "rtl",
        "rial": "ریال",
        "toman": "تومان",
        "amount": "مبلغ",
        "order": "شمارهٔ سفارش",
        "tracking": "کد رهگیری",
        "destination": "نشانی درگاه",
        "to_bank": "انتقال به درگاه پرداخت",
        "to_bank_text": (
            "در حال انتقال به صفحهٔ پرداخت هستید. اگر به‌صورت خودکار منتقل نشدید، دکمهٔ زیر را بزنید."
        ),
        "check_address": "پیش از وارد کردن اطلاعات کارت، نشانی صفحهٔ پرداخت را بررسی کنید.",
        "go_to_bank": "رفتن به درگاه پرداخت",
        "failed": "پرداخت انجام نشد",
        "failed_text": (
            "این پرداخت به نتیجه نرسید. می‌توانید به فروشگاه برگردید یا با درگاه دیگری دوباره پرداخت کنید."
        ),
        "money_back": "اگر مبلغی از حساب شما کم شده باشد، حداکثر تا ۷۲ ساعت به حسابتان برمی‌گردد.",
        "over": "این پرداخت پیش‌تر پایان یافته بود",
        "over_text": (
            "پیش از آنکه از بانک برگردید، مهلت این پرداخت تمام یا پرداخت لغو شده بود؛ سفارش شما با آن پرداخت نشده"
            " است."
        ),
        "over_paid": "سفارش شما با پرداخت دیگری پرداخت شده است. مبلغ این پرداخت نزد فروشگاه نمی‌ماند.",
        "over_review": (
            "اگر مبلغی از حساب شما کم شده باشد، برگشت آن را همکاران ما بررسی می‌کنند. لطفاً دوباره پرداخت نکنید و"
            " در صورت نیاز با پشتیبانی فروشگاه تماس بگیرید."
        ),
        "back_to_shop": "بازگشت به فروشگاه",
        "try_another": "پرداخت با درگاه دیگر",
        "choice": "پرداخت شما ناتمام است",
        "choice_text": "هنوز نتیجه‌ای از بانک نرسیده است. می‌خواهید پرداخت را ادامه دهید؟",
        "choice_paid": (
            "اگر مبلغ از حساب شما کم شده است، دوباره پرداخت نکنید؛ یا سفارش شما پرداخت‌شده ثبت می‌شود،"
            " یا مبلغ حداکثر تا ۷۲ ساعت به حسابتان برمی‌گردد."
        ),
        "go_on": "ادامه در همان درگاه",
        "wait": "در حال بررسی پرداخت",
        "wait_text": (
            "بانک هنوز پاسخ قطعی نداده است. لطفاً دوباره پرداخت نکنید. نتیجه معمولاً تا چند دقیقهٔ دیگر"
            " مشخص می‌شود و آن را به فروشگاه اعلام می‌کنیم."
        ),
        "wait_money": "اگر پرداخت نهایی نشود، مبلغی که از حسابتان کم شده است حداکثر تا ۷۲ ساعت برمی‌گردد.",
        "look_again": "بررسی دوباره",
        "no_gateway": "درگاه‌های پرداخت پاسخ نمی‌دهند",
        "no_gateway_text": "در این تلاش مبلغی از حساب شما کم نشد. چند لحظهٔ دیگر دوباره تلاش کنید.",
        "again": "تلاش دوباره",
        "unknown": "این نشانی معتبر نیست",
        "unknown_text": "پرداختی با این نشانی پیدا نشد. لطفاً از سایت فروشگاه دوباره شروع کنید.",
        "unknown_paid": (
            "اگر پرداخت کرده‌اید و از صفحهٔ بانک به اینجا رسیده‌اید، دوباره پرداخت نکنید و با پشتیبانی فروشگاه"
            " تماس بگیرید."
        ),
        "queue": "چند لحظه در صف بمانید",
        "queue_text": (
            "اکنون پرداخت‌های زیادی در جریان است. این صفحه تا چند ثانیهٔ دیگر خودبه‌خود ادامه می‌دهد و مبلغی از"
            " حساب شما کم نشده است."
        ),
        "busy": "چند لحظه صبر کنید",
        "busy_text": "الان نمی‌توانیم ادامه دهیم. چند لحظهٔ دیگر دکمهٔ زیر را بزنید.",
        "busy_return_text": (
            "پاسخ بانک رسیده است، اما در این لحظه نمی‌توانیم آن را ثبت کنیم. لطفاً دوباره پرداخت نکنید و چند"
            " لحظهٔ دیگر دکمهٔ زیر را بزنید."
        ),
        "invoice": "صورت‌حساب",
        "invoice_number": "شمارهٔ صورت‌حساب",
        "bill_to": "برای",
        "due": "مهلت پرداخت",
        "row": "شرح",
        "quantity": "تعداد",
        "unit_price": "بهای واحد",
        "row_amount": "مبلغ",
        "discount": "تخفیف",
        "tax": "مالیات",
        "in_toman": "مبلغ‌ها به تومان است.",
        "in_rial": "مبلغ‌ها به ریال است.",
        "total": "قابل پرداخت",
        "pay": "پرداخت",
        "pay_go_on": "ادامهٔ پرداخت",
        "invoice_begun": "پرداخت این صورت‌حساب آغاز شده و هنوز نتیجه‌ای از بانک نرسیده است.",
        "invoice_overdue": "مهلت پرداخت این صورت‌حساب گذشته است، اما هنوز می‌توانید آن را بپردازید.",
        "invoice_paid": "این صورت‌حساب پرداخت شده است",
        "invoice_paid_text": "پرداخت شما انجام شد. کد رهگیری را نگه دارید.",
        "invoice_cancelled": "این صورت‌حساب لغو شده است",
        "invoice_expired": "مهلت این صورت‌حساب به پایان رسیده است",
        "invoice_reversed": "مبلغ این صورت‌حساب برگشت داده شده است",
        "invoice_closed_text": "دیگر نمی‌توان آن را پرداخت کرد. در صورت نیاز از فروشگاه صورت‌حساب تازه بخواهید.",
        "invoice_wait_text": (
            "بانک هنوز پاسخ قطعی نداده است. لطفاً دوباره پرداخت نکنید. نتیجه معمولاً تا چند دقیقهٔ دیگر"
            " مشخص می‌شود و همین‌جا نشان داده می‌شود."
        ),
        "invoice_elsewhere": (
            "این سفارش از راه دیگری پرداخت شده یا در حال پرداخت است. برای آگاهی بیشتر با فروشگاه تماس بگیرید."
        ),
        "invoice_full": "هر کس که می‌توانست، پرداخت را آغاز کرده است. چند دقیقهٔ دیگر دوباره نگاه کنید.",
        "invoice_no_gateway": "اکنون درگاهی برای این پرداخت در دسترس نیست. با فروشگاه تماس بگیرید.",
        "invoice_failed_text": "این پرداخت به نتیجه نرسید. می‌توانید دوباره پرداخت کنید.",
        "paid_on": "زمان پرداخت",
        "pay_again": "پرداخت دیگر",
    },
    "en": {
        "direction": "ltr",
        "rial": "rial",
        "toman": "toman",
        "amount": "Amount",
        "order": "Order",
        "tracking": "Tracking code",
        "destination": "Going to",
        "to_bank": "Going to the payment page",
        "to_bank_text": (
            "You are being taken to the payment page. If nothing happens, press the button below."
        ),
        "check_address": (
            "Check the address of the payment page before you enter your card's details."
        ),
        "go_to_bank": "Go to the payment page",
        "failed": "The payment was not made",
        "failed_text": (
            "This payment did not succeed. You can go back to the shop or pay through another gateway."
        ),
        "money_back": (
            "If money has left your account, it will be back there within 72 hours at most."
        ),
        "over": "This payment was over already",
        "over_text": (
            "Its time was up, or it was cancelled, before you came back from the bank; your order is not paid by it."
        ),
        "over_paid": "Your order is paid by another payment. What you paid this time does not stay with the shop.",
        "over_review": (
            "If money has left your account, a person looks into giving it back. Please do not pay again, and ask"
            " the shop's support if you need to."
        ),
        "back_to_shop": "Back to the shop",
        "try_another": "Pay through another gateway",
        "choice": "Your payment is unfinished",
        "choice_text": "The bank has not told us a result yet. Do you want to go on with the payment?",
        "choice_paid": (
            "If money has left your account, do not pay again: either your order will be marked as paid,"
            " or the money will be back within 72 hours at most."
        ),
        "go_on": "Go on at the same gateway",
        "wait": "We are checking your payment",
        "wait_text": (
            "The bank has not given a definite answer yet. Please do not pay again. The result is usually clear"
            " within minutes, and we will tell the shop."
        ),
        "wait_money": (
            "If the payment does not go through, money that has left your account will be back within 72 hours"
            " at most."
        ),
        "look_again": "Check again",
        "no_gateway": "The payment gateways do not answer",
        "no_gateway_text": "This try took no money from your account. Try again in a moment.",
        "again": "Try again",
        "unknown": "This address is not valid",
        "unknown_text": (
            "There is no payment at this address. Please start again from the shop's site."
        ),
        "unknown_paid": (
            "If you have paid and came here from the bank's page, do not pay again; contact the shop's support."
        ),
        "queue": "Please wait a moment",
        "queue_text": (
            "Many people are paying just now. This page goes on by itself in a few seconds; nothing has been taken"
            " from your account."
        ),
        "busy": "One moment, please",
        "busy_text": "We cannot go on just now. Press the button below in a moment.",
        "busy_return_text": (
            "The bank's answer is here, but we cannot record it just now. Please do not pay again; press the"
            " button below in a moment."
        ),
        "invoice": "Invoice",
        "invoice_number": "Invoice number",
        "bill_to": "For",
        "due": "Pay by",
        "row": "What for",
        "quantity": "Qty",
        "unit_price": "Unit price",
        "row_amount": "Amount",
        "discount": "Discount",
        "tax": "Tax",
        "in_toman": "Amounts are in toman.",
        "in_rial": "Amounts are in rial.",
        "total": "To pay",
        "pay": "Pay",
        "pay_go_on": "Go on with the payment",
        "invoice_begun": (
            "A payment of this invoice was begun, and the bank has not told us a result yet."
        ),
        "invoice_overdue": "The date to pay this invoice by has passed, but you can still pay it.",
        "invoice_paid": "This invoice is paid",
        "invoice_paid_text": "Your payment was made. Keep the tracking code.",
        "invoice_cancelled": "This invoice was cancelled",
        "invoice_expired": "The time for this invoice is over",
        "invoice_reversed": "The money of this invoice was given back",
        "invoice_closed_text": (
            "It cannot be paid any more. Ask the shop for a new invoice if you need one."
        ),
        "invoice_wait_text": (
            "The bank has not given a definite answer yet. Please do not pay again. The result is usually clear"
            " within minutes, and will be shown here."
        ),
        "invoice_elsewhere": (
            "This order was paid, or is being paid, in another way. Ask the shop about it."
        ),
        "invoice_full": ("As many people as can pay have begun to. Look again in a few minutes."),
        "invoice_no_gateway": (
            "No gateway can take this payment just now. Please contact the shop."
        ),
        "invoice_failed_text": "This payment did not succeed. You can pay again.",
        "paid_on": "Paid on",
        "pay_again": "Pay once more",
    },
}


def digits(value: object, locale: str) -> str:
    """A number for reading."""
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text.translate(_PERSIAN) if locale == "fa" else text


def plain_money(rial: int, locale: str, *, in_toman: bool) -> str:
    """An amount without its unit, for a table that names it once."""
    return digits(rial // RIAL_PER_TOMAN if in_toman else rial, locale)


def money(rial: int, locale: str) -> str:
    """Toman as people count, and rial as the bank's page will say."""
    texts = TEXTS[locale]
    whole, rest = divmod(rial, RIAL_PER_TOMAN)
    in_rial = f"{digits(rial, locale)}\N{NO-BREAK SPACE}{texts['rial']}"
    if rest:
        return in_rial
    return f"{digits(whole, locale)}\N{NO-BREAK SPACE}{texts['toman']} ({in_rial})"


def preferred(accept_language: str | None) -> str:
    """The first of our languages that a browser asks for; Persian if it asks for none of them."""
    for wanted in (accept_language or "").split(","):
        language = wanted.partition(";")[0].strip().lower().partition("-")[0]
        if language in TEXTS:
            return language
    return "fa"
