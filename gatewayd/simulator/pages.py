"""The pages that payers see: plain HTML that works without scripts, everything in it escaped."""

from collections.abc import Mapping
from html import escape
from typing import Final

from gatewayd.core.money import RIAL_PER_TOMAN
from gatewayd.core.terms import Redirect
from gatewayd.simulator.bank import Session
from gatewayd.simulator.payers import Outcome

BANK_NAMES: Final[Mapping[str, str]] = {
    "saman": "پرداخت الکترونیک سامان",
    "mellat": "به‌پرداخت ملت",
    "parsian": "تجارت الکترونیک پارسیان",
    "sadad": "پرداخت الکترونیک سداد",
    "zarinpal": "زرین‌پال",
    "zibal": "زیبال",
}
BUTTONS: Final[Mapping[Outcome, str]] = {
    Outcome.PAID: "پرداخت · Pay",
    Outcome.DECLINE: "رمز نادرست · Wrong PIN",
    Outcome.CANCEL: "انصراف · Cancel",
    Outcome.LEAVE: "بستن صفحه · Close the tab",
}

_STYLE: Final = """
body{margin:0;background:#eef1f4;color:#1b2733;font:16px/1.8 Vazirmatn,Tahoma,sans-serif}
main{max-width:26rem;margin:3rem auto;padding:1.5rem 2rem;background:#fff;border-radius:.75rem;
box-shadow:0 1px 6px #0002}
h1{font-size:1.25rem;margin:.25rem 0}
small,dt{color:#5b6b7a}
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:1rem 0}
dd{margin:0;text-align:end}
form{display:grid;gap:.5rem}
input,button{font:inherit;padding:.6rem;border-radius:.5rem;border:1px solid #b8c4d0;width:100%;
box-sizing:border-box}
button{background:#f4f6f8;cursor:pointer}
button.paid{background:#0b6b3a;border-color:#0b6b3a;color:#fff}
"""


def payment_page(session: Session, *, action: str, card: str) -> str:
    """Amount, card and what a payer can do; `action` is where the buttons lead."""
    toman, rest = divmod(session.amount, RIAL_PER_TOMAN)
    buttons = "\n".join(
        f'<button name="choice" value="{outcome}" class="{outcome}">{label}</button>'
        for outcome, label in BUTTONS.items()
    )
    return _page(
        bank_name(session.driver),
        f"""
<small>شبیه‌ساز درگاه پرداخت · simulated payment page</small>
<dl>
<dt>مبلغ (ریال)</dt><dd><bdi dir="ltr">{session.amount:,}</bdi></dd>
<dt>مبلغ (تومان)</dt><dd><bdi dir="ltr">{toman:,}{f".{rest}" if rest else ""}</bdi></dd>
<dt>پایانه</dt><dd><bdi dir="ltr">{escape(session.terminal)}</bdi></dd>
<dt>شمارهٔ سفارش</dt><dd><bdi dir="ltr">{escape(session.order)}</bdi></dd>
</dl>
<form method="post" action="{escape(action)}">
<input type="hidden" name="driver" value="{escape(session.driver)}">
<input type="hidden" name="token" value="{escape(session.token)}">
<label>شمارهٔ کارت <input name="card" value="{escape(card)}" dir="ltr" inputmode="numeric"></label>
{buttons}
</form>""",
    )


def auto_post_page(redirect: Redirect, *, bank: str) -> str:
    """The form that brings a browser back: by a script where there are scripts, else by a button."""
    return _page(
        bank,
        f"""
<form method="{escape(redirect.method)}" action="{escape(redirect.url)}">
{_hidden(redirect.fields)}
<button class="paid">بازگشت به سایت پذیرنده · Back to the shop</button>
</form>
<script>document.forms[0].submit()</script>""",
    )


def message_page(text: str, *, bank: str) -> str:
    """A page that leads nowhere."""
    return _page(bank, f"<p>{escape(text)}</p>")


def bank_name(driver: str) -> str:
    """What payers know the driver's bank by."""
    return BANK_NAMES.get(driver, driver)


def _hidden(fields: Mapping[str, str]) -> str:
    return "\n".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in fields.items()
    )


def _page(title: str, content: str) -> str:
    return f"""<!doctype html>
<html lang="fa" dir="rtl">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(title)}</title><style>{_STYLE}</style></head>
<body><main><h1>{escape(title)}</h1>{content}
</main></body></html>"""
