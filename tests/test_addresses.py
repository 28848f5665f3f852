"""A client's address is what a trusted proxy says, and nothing that the client himself can write changes it."""

from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewayd.web.addresses import HOPS_MAX, REMEMBERED_MAX, Addresses

TRUSTED = ("127.0.0.1", "::1", "10.1.0.0/16", "fd00::/8")
OURS = Addresses(TRUSTED)
PROXY = "10.1.2.3"
CLIENT = "198.51.100.7"

addresses = st.ip_addresses().map(str)
strangers = addresses.filter(lambda address: not OURS.is_trusted(address))
proxies = st.one_of(
    st.sampled_from(["127.0.0.1", "::1"]),
    st.ip_addresses(network="10.1.0.0/16").map(str),
    st.ip_addresses(network="fd00::/8").map(str),
)
made_up = st.lists(
    st.one_of(st.text(max_size=20), addresses, proxies, st.just(CLIENT)), max_size=20
).map(",".join)


@pytest.mark.parametrize(
    ("peer", "lines", "client"),
    [
        (CLIENT, [], CLIENT),
        (CLIENT, ["203.0.113.9"], CLIENT),
        (PROXY, [], PROXY),
        (PROXY, [CLIENT], CLIENT),
        (PROXY, [f"203.0.113.9, {CLIENT}"], CLIENT),
        (PROXY, [f"{CLIENT}, 10.1.9.9"], CLIENT),
        (PROXY, [f"203.0.113.9 , {CLIENT},10.1.9.9 ,::1"], CLIENT),
        (PROXY, ["203.0.113.9", CLIENT], CLIENT),
        (PROXY, ["10.1.0.1, 10.1.0.2"], "10.1.0.1"),
        ("::ffff:127.0.0.1", [CLIENT], CLIENT),
        ("::1", ["2001:db8::7"], "2001:db8::7"),
        (PROXY, ["unknown"], "unknown"),
        (PROXY, [""], PROXY),
        (PROXY, [CLIENT, ","], CLIENT),
        ("", [CLIENT], ""),
    ],
)
def test_the_header_is_read_from_the_right_as_far_as_it_is_trusted(
    peer: str, lines: Sequence[str], client: str
) -> None:
    assert client == OURS.client(peer, lines)


@given(st.lists(made_up, max_size=4), strangers, st.lists(proxies, max_size=HOPS_MAX - 1), proxies)
@example(["198.51.100.9"], "203.0.113.1", [], "127.0.0.1")
def test_what_a_client_writes_before_his_proxy_changes_nothing(
    spoofed: list[str], client: str, between: list[str], peer: str
) -> None:
    appended = [*spoofed[:-1], ",".join([*spoofed[-1:], client, *between])]
    own_line = [*spoofed, ",".join([client, *between])]
    assert (client, client) == (OURS.client(peer, appended), OURS.client(peer, own_line))


@given(strangers, st.lists(made_up, max_size=4))
def test_a_stranger_is_who_he_is(peer: str, spoofed: list[str]) -> None:
    assert peer == OURS.client(peer, spoofed)


@given(proxies)
def test_every_address_of_a_trusted_network_is_a_proxys(address: str) -> None:
    assert OURS.is_trusted(address)


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.1.255.255", True),
        ("10.2.0.0", False),
        ("10.0.255.255", False),
        ("127.0.0.2", False),
        ("::ffff:10.1.0.1", True),
        ("::ffff:10.2.0.1", False),
        ("fdff::1", True),
        ("fe00::1", False),
        ("::2", False),
    ],
)
def test_trust_ends_where_the_network_ends(address: str, *, trusted: bool) -> None:
    assert trusted == OURS.is_trusted(address)


@pytest.mark.parametrize(
    "address", ["", "unknown", "10.1.2", "10.1.2.3:80", "localhost", "10.1.2.3\n"]
)
def test_what_is_no_address_is_not_trusted(address: str) -> None:
    assert not OURS.is_trusted(address)


def test_what_is_remembered_has_its_limit_and_stays_right() -> None:
    ours = Addresses(TRUSTED)
    for number in range(REMEMBERED_MAX + 10):
        assert not ours.is_trusted(str(ip_address(0x0B000000 + number)))
    assert REMEMBERED_MAX == len(ours._known)
    assert ours.is_trusted("10.1.0.1")


def test_an_odd_list_of_proxies_is_refused() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        Addresses(["nginx"])
