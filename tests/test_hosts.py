"""Hosts and addresses are read one way, and what could be read two ways is refused."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.hosts import (
    base_url,
    host,
    is_host,
    is_loopback,
    listen_address,
    network,
    origin,
)


@pytest.mark.parametrize(
    "text",
    ["shop.example", "a", "localhost", "127.0.0.1", "::1", "xn--mgba3a4f16a.ir", "1.example"],
)
def test_plain_names_and_addresses_are_hosts(text: str) -> None:
    assert text == host(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "shop.example.",
        "Shop.example",
        "shop_1.example",
        "-shop.example",
        "shop-.example",
        "shop..example",
        "*.shop.example",
        "shop.example:443",
        "https://shop.example",
        "shop.example/",
        "user@shop.example",
        "[::1]",
        "fe80::1%eth0",
        "127.1",
        "0177.0.0.1",
        "256.1.1.1",
        "فروشگاه.ایران",
        "shop.example\n",
        "a" * 64,
        ".".join(["a" * 63] * 4),
    ],
)
def test_everything_else_is_no_host(text: str) -> None:
    assert not is_host(text)
    with pytest.raises(ValueError, match="a bare host"):
        host(text)


def test_loopback_is_only_what_certainly_is() -> None:
    for text in ("localhost", "127.0.0.1", "127.9.9.9", "::1"):
        assert is_loopback(text)
    for text in ("0.0.0.0", "::", "localhost.example", "10.0.0.1", "local", ""):
        assert not is_loopback(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("[::1]:8080", ("::1", 8080)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("pay.internal:65535", ("pay.internal", 65_535)),
    ],
)
def test_listening_addresses_are_host_and_port(text: str, expected: tuple[str, int]) -> None:
    assert expected == listen_address(text)


@pytest.mark.parametrize(
    "text",
    ["", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "::1:8080", "a:65536", "a:080", "a:-1", "a:x"],
)
def test_half_an_address_is_not_listened_on(text: str) -> None:
    with pytest.raises(ValueError, match=r"host|port|brackets"):
        listen_address(text)


@pytest.mark.parametrize("text", ["10.0.0.1", "10.0.0.0/8", "::1", "fd00::/8"])
def test_addresses_and_networks_are_networks(text: str) -> None:
    assert text == network(text)


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "proxy", "0.0.0.0/0", "::/0", "10.0.0.0/33"])
def test_everybody_and_nobody_are_no_network(text: str) -> None:
    with pytest.raises(ValueError, match=r"wanted|too many"):
        network(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://pay.shop.example", "https://pay.shop.example"),
        ("https://pay.shop.example/", "https://pay.shop.example"),
        ("https://pay.shop.example:8443", "https://pay.shop.example:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost", "http://localhost"),
    ],
)
def test_an_origin_loses_its_last_slash(text: str, expected: str) -> None:
    assert expected == origin(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pay.shop.example",
        "ftp://pay.shop.example",
        "https://",
        "https:///x",
        "https://Pay.shop.example",
        "HTTPS://pay.shop.example:x",
        "https://pay.shop.example:99999",
        "https://user@pay.shop.example",
        "https://:secret@pay.shop.example",
        "https://pay.shop.example?x",
        "https://pay.shop.example/#",
        "https://pay.shop.example/a b",
        "https://pay.shop.example\n",
        "https://[::1",
        "https://پرداخت.ایران",
        "http://pay.shop.example",
        "http://10.0.0.1",
        "https://127.1",
    ],
)
def test_what_banks_could_read_otherwise_is_no_address(text: str) -> None:
    for check in (base_url, origin):
        with pytest.raises(ValueError, match=r"must|wanted|not an address"):
            check(text)


def test_only_a_base_may_have_a_path() -> None:
    assert "http://127.0.0.1:9100/saman" == base_url("http://127.0.0.1:9100/saman")
    with pytest.raises(ValueError, match="without a path"):
        origin("https://pay.shop.example/gatewayd")


def reason(check: Callable[[str], object], text: str) -> str:
    """Why the check refuses the text; empty if it does not."""
    try:
        check(text)
    except ValueError as error:
        return str(error)
    return ""


@given(st.sampled_from(["", "https://", "http://127.0.0.1:"]), st.text(), st.text())
def test_any_text_is_right_or_wrong_and_is_never_repeated(a: str, b: str, c: str) -> None:
    for check in (base_url, origin, host, network, listen_address):
        assert "hunter2" not in reason(check, f"{a}{b}hunter2{c}")
