"""Hosts and listening addresses as people write them, and which of them are this very machine."""

import re
from ipaddress import ip_address
from typing import Final

PORT_MAX: Final = 65_535
_NAME_MAX: Final = 253
_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_NUMBERS = re.compile(r"[0-9.]+")


def is_host(text: str) -> bool:
    """Whether this is a bare host: a lower-case ASCII name or an address; no port, no brackets."""
    try:
        ip_address(text)
    except ValueError:
        return (
            len(text) <= _NAME_MAX and bool(_NAME.fullmatch(text)) and not _NUMBERS.fullmatch(text)
        )
    return "%" not in text


def is_loopback(host: str) -> bool:
    """Whether this host is certainly this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def listen_address(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8080` or `[::1]:8080`; port 0 is any free one.

    ValueError with the reason if it is neither.
    """
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError("host and port are wanted, such as 127.0.0.1:8080")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 address is written in brackets, such as [::1]:8080")
    if not is_host(host):
        raise ValueError("the host is neither a name nor an address")
    if not re.fullmatch(r"0|[1-9][0-9]{0,4}", port) or int(port) > PORT_MAX:
        raise ValueError("the port is a number up to 65535")
    return host, int(port)
