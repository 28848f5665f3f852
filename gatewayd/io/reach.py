"""Tries whether a bank can be reached from here: its name, its port, its certificate, its clock.

Nothing of the payment protocol is spoken, and no credential is sent.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from gatewayd.io.http_dial import ADDRESSES_MAX, client_context

HEAD_BYTES_MAX: Final = 16_384
"""Of the answer, only the Date is wanted."""
_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where to go, and what certificates are checked by."""

    url: str
    ca_file: str | None = None
    ciphers: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How far it is to a bank."""

    url: str
    fault: str = ""
    """Why it cannot be reached, beginning with `DNS`, `TCP` or `TLS`; empty if it can."""
    address: str = ""
    certificate_days: int | None = None
    """How long the certificate is still valid."""
    clock_ahead_seconds: float | None = None
    """Our clock minus the bank's, as far as it says (to the second)."""


class _Fault(Exception):
    """The way ends here."""


async def reach_all(
    ways: Iterable[Way], wall: Callable[[], float], seconds: float
) -> tuple[Reached, ...]:
    """Each way once, all at the same time."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(reach(way, wall, seconds)) for way in dict.fromkeys(ways)]
    return tuple(task.result() for task in tasks)


async def reach(way: Way, wall: Callable[[], float], seconds: float) -> Reached:
    """One bank, within `seconds` for each step. Never raises for what networks do."""
    url = way.url
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = await _resolve(host, port, seconds)
        address, reader, writer = await _connect(addresses, port, seconds)
    except _Fault as fault:
        return Reached(url=url, fault=str(fault))
    try:
        days = None
        if parts.scheme == "https":
            days = await _secure(writer, host, way, wall(), seconds)
        ahead = await _clock(reader, writer, host, wall, seconds)
    except _Fault as fault:
        return Reached(url=url, fault=str(fault), address=address)
    finally:
        writer.transport.abort()
    return Reached(url=url, address=address, certificate_days=days, clock_ahead_seconds=ahead)


async def _resolve(host: str, port: int, seconds: float) -> tuple[str, ...]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise _Fault(f"DNS: no answer in {seconds:g} s") from None
    except OSError as error:
        raise _Fault(f"DNS: {error.strerror or 'the name is not known'}") from None
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))[:ADDRESSES_MAX]


async def _connect(
    addresses: tuple[str, ...], port: int, seconds: float
) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
    """The first address that answers; the fault of the last if none does."""
    *others, last = addresses
    for address in others:
        with suppress(_Fault):
            return await _connect((address,), port, seconds)
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(last, port, limit=HEAD_BYTES_MAX)
            return last, reader, writer
    except TimeoutError:
        raise _Fault(f"TCP: no answer in {seconds:g} s") from None
    except OSError as error:
        # asyncio puts words of its own, with the address, in place of the system's
        raise _Fault(
            f"TCP: {os.strerror(error.errno) if error.errno else 'no connection'}"
        ) from None


async def _secure(
    writer: asyncio.StreamWriter, host: str, way: Way, now: float, seconds: float
) -> int | None:
    """The days that the certificate is still valid for."""
    try:
        context = client_context(way.ca_file, way.ciphers)
        async with asyncio.timeout(seconds):
            await writer.start_tls(context, server_hostname=host)
    except TimeoutError:
        raise _Fault(f"TLS: no answer in {seconds:g} s") from None
    except ssl.SSLCertVerificationError as error:
        raise _Fault(f"TLS: certificate: {error.verify_message}") from None
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror
        raise _Fault(f"TLS: {reason or 'the handshake failed'}") from None
    certificate = writer.get_extra_info("peercert") or {}
    until = certificate.get("notAfter")
    return int((ssl.cert_time_to_seconds(until) - now) // _DAY_SECONDS) if until else None


async def _clock(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    host: str,
    wall: Callable[[], float],
    seconds: float,
) -> float | None:
    """Our clock minus the Date of an answer; None if there is none. Not answering is no fault."""
    name = f"[{host}]" if ":" in host else host
    try:
        async with asyncio.timeout(seconds):
            writer.write(f"HEAD / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
        lines = (line.partition(b":") for line in head.split(b"\r\n"))
        dates = [value for key, _, value in lines if key.strip().lower() == b"date"]
        return wall() - parsedate_to_datetime(dates[0].decode("ascii").strip()).timestamp()
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    except (IndexError, ValueError, OverflowError):
        return None
