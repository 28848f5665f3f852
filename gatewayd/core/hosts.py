"""Hosts and addresses as people write them: what they must look like, and which are this machine.

Each check gives back what it was given, in the form that the rest of the program uses, or raises
ValueError with the reason; the reason never repeats the text.
"""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

PORT_MAX: Final = 65_535
_NAME_CHARS_MAX: Final = 253
_NAT64: Final = IPv6Network("64:ff9b::/96")
_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_NUMBERS = re.compile(r"[0-9.]+")
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")
_NOT_IN_ADDRESS = re.compile(r"[^\x21-\x7e]")


def is_host(text: str) -> bool:
    """Whether this is a bare host: a lower-case ASCII name or an address; no port, no brackets."""
    try:
        ip_address(text)
    except ValueError:
        shaped = _NAME.fullmatch(text) and not _NUMBERS.fullmatch(text)
        return bool(shaped) and len(text) <= _NAME_CHARS_MAX
    return "%" not in text


@lru_cache(
    maxsize=1_024
)  # the same few hosts in every payment, and parsing one costs as much as a request's head
def is_loopback(host: str) -> bool:
    """Whether this host is certainly this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_internal(address: str) -> bool:
    """Whether this address is not one of the public internet's, or carries an IPv4 address along that is not."""
    at = _behind(address)
    if isinstance(at, IPv6Address):
        carried = [at.sixtofour, *(at.teredo or ())]
        if at.is_site_local or any(each and is_internal(str(each)) for each in carried):
            return True
    return not at.is_global or at.is_multicast


def is_nobodys(address: str) -> bool:
    """Whether no receiver can be there, not even within our own network: link-local, multicast, unspecified, reserved.

    Clouds answer for their machines' credentials at link-local addresses.
    """
    at = _behind(address)
    reserved = at.is_reserved and not at.is_loopback
    return at.is_link_local or at.is_multicast or at.is_unspecified or reserved


def _behind(address: str) -> IPv4Address | IPv6Address:
    """The address; of an IPv6 address that only stands for an IPv4 one (mapped, NAT64), that one."""
    parsed = ip_address(address)
    if not isinstance(parsed, IPv6Address):
        return parsed
    if parsed in _NAT64:
        return IPv4Address(int(parsed) & 0xFFFF_FFFF)
    return parsed.ipv4_mapped or parsed


def host(text: str) -> str:
    """A bare host."""
    if not is_host(text):
        raise ValueError("a bare host in small letters is wanted: no https://, no port, no *")
    return text


def listen_address(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8080` or `[::1]:8080`; port 0 is any free one."""
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError("host and port are wanted, such as 127.0.0.1:8080")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 address is written in brackets, such as [::1]:8080")
    if not is_host(host):
        raise ValueError("the host is neither a name nor an address")
    if not _PORT.fullmatch(port) or int(port) > PORT_MAX:
        raise ValueError(f"the port is a number up to {PORT_MAX}")
    return host, int(port)


def listen(text: str) -> str:
    """An address to listen on."""
    listen_address(text)
    return text


def network(text: str) -> str:
    """An address or a network, but not everybody."""
    try:
        everybody = ip_network(text).prefixlen == 0
    except ValueError:
        raise ValueError("an address such as 10.0.0.1 or 10.0.0.0/8 is wanted") from None
    if everybody:
        raise ValueError("everybody is too many")
    return text


def base_url(text: str, *, allow_http: bool = False) -> str:
    """An http(s) address to append paths to, without a slash at its end.

    Plain http is for loopback only, unless `allow_http`.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("is not an address") from None
    if parts.scheme not in {"http", "https"} or not host or _NOT_IN_ADDRESS.search(text):
        raise ValueError("an address such as https://pay.shop.example is wanted")
    bare = (f"[{host}]" if ":" in host else host) + ("" if port is None else f":{port}")
    if parts.netloc != bare or not is_host(host):
        raise ValueError("the host must be a plain name in small letters, with a port at most")
    if "?" in text or "#" in text:
        raise ValueError("must end before any ? or #")
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise ValueError("must begin with https; http is for this very machine only")
    return text.rstrip("/")


def origin(text: str) -> str:
    """As `base_url`, without a path."""
    text = base_url(text)
    if urlsplit(text).path:
        raise ValueError("must be a host without a path")
    return text
