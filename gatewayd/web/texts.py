"""What customers read, in Persian and English, and how numbers are written for reading.

Persian digits are for reading; what is to be copied or read to somebody (a tracking code) keeps plain ones.
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
        "to_bank": "انتقال به درگاه بانک",
        "to_bank_text": "در حال انتقال به صفحهٔ پرداخت بانک هستید. اگر خودکار منتقل نشدید، دکمهٔ زیر را بزنید.",
        "check_address": "پیش از وارد کردن مشخصات کارت، نشانی صفحهٔ بانک را بررسی کنید.",
        "go_to_bank": "رفتن به صفحهٔ بانک",
        "failed": "پرداخت انجام نشد",
        "failed_text": "این بار پرداخت به نتیجه نرسید. می‌توانید به فروشگاه برگردید یا با درگاه دیگری دوباره تلاش کنید.",
        "money_back": "اگر مبلغی از حساب شما کم شده باشد، بانک آن را خودکار برمی‌گرداند؛ حداکثر تا ۷۲ ساعت.",
        "back_to_shop": "بازگشت به فروشگاه",
        "try_another": "تلاش با درگاه دیگر",
        "choice": "پرداخت شما باز است",
        "choice_text": "هنوز نتیجه‌ای از بانک نرسیده است. پرداخت را ادامه می‌دهید؟",
        "go_on": "ادامه در همان درگاه",
        "wait": "در حال بررسی پرداخت",
        "wait_text": (
            "بانک هنوز پاسخ قطعی نداده است. لطفاً دوباره پرداخت نکنید؛ نتیجه تا چند دقیقهٔ دیگر روشن می‌شود و به فروشگاه"
            " اعلام خواهد شد."
        ),
        "look_again": "بررسی دوباره",
        "no_gateway": "درگاه‌های بانکی پاسخ نمی‌دهند",
        "no_gateway_text": "هیچ مبلغی از حساب شما کم نشده است. چند لحظهٔ دیگر دوباره تلاش کنید.",
        "again": "تلاش دوباره",
        "unknown": "این نشانی معتبر نیست",
        "unknown_text": "پرداختی با این نشانی پیدا نشد. از صفحهٔ فروشگاه دوباره شروع کنید.",
        "busy": "چند لحظه صبر کنید",
        "busy_text": (
            "پاسخ بانک را گرفتیم، اما همین حالا نمی‌توانیم آن را ثبت کنیم. دکمهٔ زیر را بزنید تا دوباره بررسی شود."
        ),
        "check_again": "بررسی دوباره",
    },
    "en": {
        "direction": "ltr",
        "rial": "rial",
        "toman": "toman",
        "amount": "Amount",
        "order": "Order",
        "tracking": "Tracking code",
        "to_bank": "Going to the bank's page",
        "to_bank_text": "You are being taken to the bank's payment page. If nothing happens, press the button.",
        "check_address": "Check the address of the bank's page before you enter your card's details.",
        "go_to_bank": "Go to the bank's page",
        "failed": "The payment was not made",
        "failed_text": "This try did not succeed. You can go back to the shop or try again with another gateway.",
        "money_back": "If money has left your account, the bank returns it by itself, within 72 hours at most.",
        "back_to_shop": "Back to the shop",
        "try_another": "Try another gateway",
        "choice": "Your payment is open",
        "choice_text": "The bank has not told us a result yet. Do you want to go on?",
        "go_on": "Go on at the same gateway",
        "wait": "We are checking your payment",
        "wait_text": (
            "The bank has not given a definite answer yet. Please do not pay again; the result will be clear within"
            " minutes, and the shop will be told."
        ),
        "look_again": "Look again",
        "no_gateway": "The banks' gateways do not answer",
        "no_gateway_text": "No money has left your account. Try again in a moment.",
        "again": "Try again",
        "unknown": "This address is not valid",
        "unknown_text": "There is no payment at this address. Start again from the shop's page.",
        "busy": "One moment, please",
        "busy_text": "We have the bank's answer but cannot record it just now. Press the button to check again.",
        "check_again": "Check again",
    },
}


def digits(value: object, locale: str) -> str:
    """A number for reading."""
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text.translate(_PERSIAN) if locale == "fa" else text


def money(rial: int, locale: str) -> str:
    """Toman as people count, and rial as the bank's page will say."""
    texts = TEXTS[locale]
    whole, rest = divmod(rial, RIAL_PER_TOMAN)
    in_rial = f"{digits(rial, locale)} {texts['rial']}"
    if rest:
        return in_rial
    return f"{digits(whole, locale)} {texts['toman']} ({in_rial})"
