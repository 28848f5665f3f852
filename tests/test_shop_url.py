"""Where customers may be sent back to, and what they carry there: no open redirect, a signature to be checked."""

import hashlib
import hmac
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from gatewayd.core.events import Closing
from gatewayd.core.money import Currency
from gatewayd.core.payment import Payment
from gatewayd.core.settings import ShopSettings
from gatewayd.web.shops import checked_return_url, shop_url
from tests.web_stage import DEMO, SECRET

NOW = 1_739_284_866.789
LOCAL = replace(DEMO, return_hosts=("127.0.0.1", "localhost", "::1", "shop.example"))
HTTP = replace(DEMO, allow_http=True)


def payment(return_url: str = "https://shop.example/done", order_id: str = "A-1") -> Payment:
    """One that was given up."""
    return Payment(
        number=161448066000,
        shop="demo",
        key="k1",
        test=True,
        order_id=order_id,
        amount=150_000,
        currency=Currency.IRR,
        return_url=return_url,
        locale="fa",
        created_ms=0,
        expires_ms=0,
        closed=Closing.FAILED,
    )


# --- which addresses


@pytest.mark.parametrize(
    ("url", "shop"),
    [
        ("https://shop.example", DEMO),
        ("https://shop.example/", DEMO),
        ("https://shop.example:8443/done?cart=7&x=a%20b", DEMO),
        ("https://SHOP.Example/Done", DEMO),
        ("https://shop.example?cart=7", DEMO),
        ("http://shop.example/", HTTP),
        ("http://127.0.0.1:5000/done", LOCAL),
        ("http://localhost/done", LOCAL),
        ("http://[::1]:5000/done", LOCAL),
        ("https://shop.example/a//b/../c;d=1?e=/f?g", DEMO),
    ],
)
def test_an_address_of_the_shop_is_taken_as_it_is(url: str, shop: ShopSettings) -> None:
    assert url == checked_return_url(url, shop)


def test_letters_outside_of_ascii_are_encoded() -> None:
    url = checked_return_url("https://shop.example/سفارش?نام=علی‌رضا&x=%20", DEMO)
    assert url.isascii()
    assert "/سفارش" == URL(url).path
    assert {"نام": "علی‌رضا", "x": " "} == dict(URL(url).query)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "absolute"),
        ("/done", "absolute"),
        ("//shop.example/done", "absolute"),
        ("shop.example/done", "absolute"),
        ("https:shop.example/done", "absolute"),
        ("https:///shop.example/done", "absolute"),
        ("ftp://shop.example/", "absolute"),
        ("javascript://shop.example/%0aalert(1)", "absolute"),
        ("data:text/html,x", "absolute"),
        ("https://evil.example/", "return hosts"),
        ("https://shop.example.evil.example/", "return hosts"),
        ("https://evil-shop.example/", "return hosts"),
        ("https://pay.shop.example/", "return hosts"),
        ("https://shop.example./", "return hosts"),
        ("https://evil.example/?https://shop.example/", "return hosts"),
        ("https://shop.example%2eevil.example/", "return hosts"),
        ("https://shop.example%00.evil.example/", "return hosts"),
        ("https://shop.example:x@evil.example/", "user name"),
        ("https://shop.example@evil.example/", "user name"),
        ("https://user:secret@shop.example/", "user name"),
        ("https://@shop.example/", "user name"),
        ("https://evil.example\\@shop.example/", "backslashes"),
        ("https://shop.example\\.evil.example/", "backslashes"),
        ("https:\\\\shop.example/", "backslashes"),
        ("https://shop.example/\n", "control characters"),
        ("https://shop.example/\r\nX: y", "control characters"),
        ("https://shop\t.example/", "control characters"),
        (" https://shop.example/", "blanks"),
        ("https://shop.example/a b", "blanks"),
        ("https://shop.example/\x7f", "control characters"),
        ("https://shop.example/#done", "fragment"),
        ("https://shop.example/#", "fragment"),
        ("https://shop.example:99999/", "is not an address"),
        ("https://shop.example:x/", "is not an address"),
        ("https://[shop.example]/", "is not an address"),
        ("https://[::1/", "is not an address"),
        ("https://ｓhop.example/", "ASCII"),
        ("https://shop。example/", "ASCII"),
        ("https://s\u212aop.example/", "ASCII"),
        ("https://shop.example\u2028/", "ASCII"),
        ("https://shop\u00ad.example/", "ASCII"),
        ("https://shop.example／@evil.example/", "is not an address"),
        ("http://shop.example/", "https"),
        ("https://shop.example/" + "x" * 2_000, "2000 characters"),
        ("https://shop.example/" + "س" * 500, "percent-encoded"),
        ("https://shop.example/\ud800", "is not text"),
    ],
)
def test_any_other_address_is_refused_with_its_rule(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        checked_return_url(url, DEMO)


@given(
    st.text(max_size=12),
    st.sampled_from(["", "@", "\\", "/", "//", ":", "?", "#", "%2f", "\t", ".", "\u3002", "%00"]),
    st.sampled_from(["shop.example", "evil.example", "127.0.0.1"]),
    st.text(max_size=12),
)
@example("shop.example", "@", "evil.example", "/")
def test_what_is_taken_is_on_the_list_by_another_readers_eyes_too(
    before: str, joint: str, host: str, after: str
) -> None:
    try:
        url = checked_return_url(f"https://{before}{joint}{host}{after}", DEMO)
    except ValueError:
        return
    assert URL(url, encoded=True).host in DEMO.return_hosts
    assert url.isascii()


# --- what is carried there


def test_the_customer_carries_the_status_and_its_signature() -> None:
    url = shop_url(payment(), DEMO, NOW)
    text = "pay_161448066000|A-1|failed|1739284866"
    signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert (
        "https://shop.example/done?payment_id=pay_161448066000&order_id=A-1&status=failed"
        f"&timestamp=1739284866&signature={signature}"
    ) == url


@pytest.mark.parametrize(
    ("return_url", "kept"),
    [
        ("https://shop.example", "https://shop.example?"),
        ("https://shop.example/", "https://shop.example/?"),
        ("https://shop.example/done?", "https://shop.example/done?"),
        ("https://shop.example/done?cart=7", "https://shop.example/done?cart=7&"),
        ("https://shop.example/done?cart=7&", "https://shop.example/done?cart=7&"),
        (
            "https://shop.example/?flag&a=%20+b&a=%FF;c",
            "https://shop.example/?flag&a=%20+b&a=%FF;c&",
        ),
        ("https://shop.example/?q=a=b?c/d", "https://shop.example/?q=a=b?c/d&"),
        ("https://shop.example/?status=x&a=1&order%5Fid=9", "https://shop.example/?a=1&"),
    ],
)
def test_the_shops_own_query_is_kept_to_the_letter(return_url: str, kept: str) -> None:
    before, found, _ = shop_url(payment(return_url), DEMO, NOW).partition("payment_id=")
    assert (kept, "payment_id=") == (before, found)


@given(st.from_regex(r"[\x21-\x7e]([\x20-\x7e]{0,98}[\x21-\x7e])?", fullmatch=True))
@example("a&status=paid|=#%?+ b")
def test_any_order_id_arrives_as_it_is_and_the_signature_is_over_it(order_id: str) -> None:
    query = urlsplit(shop_url(payment(order_id=order_id), DEMO, NOW)).query
    came = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True))
    names = ("payment_id", "order_id", "status", "timestamp")
    text = "|".join(came[name] for name in names)
    assert order_id == came["order_id"]
    assert hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest() == came["signature"]
    assert {*names, "signature"} == came.keys()
