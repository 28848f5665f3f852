"""What must hold between the values of a configuration, each of which is right by itself.

Rules yield (place, text): `complaints` for what must not run, `warnings` for what should not stay so.
"""

import ssl
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from gatewayd.core.hosts import base_url, is_internal, is_loopback, listen_address
from gatewayd.core.secret import Secret
from gatewayd.core.settings import ConnectionSettings, ServiceSettings, ShopSettings
from gatewayd.engine.gateway import GatewaySettings, contract_of, identity_of
from gatewayd.io.http_dial import client_context
from gatewayd.io.yaml_strict import Place

T = TypeVar("T")
Finding = tuple[Place, str]

TAKEN: Final = "another face has the same"
LITERAL: Final = "a secret in the file itself; better ${credential:…}, ${file:…} or ${env:…}"
RETURN_SECRET_CHARS_MIN: Final = 16
"""Whoever guesses it can tell the shop's browser page that a payment was paid."""


def complaints(
    service: ServiceSettings | None,
    gateways: Mapping[int, GatewaySettings],
    names: Container[str],
    path: Callable[[str], Path],
) -> Iterator[Finding]:
    """What must not run. `names`: of all gateways in the file, also of those that cannot be read."""
    if service:
        yield from _addresses(service)
        yield from _ranges(service)
        yield from _shops(service, names)
    yield from _gateways(gateways, path)


def _addresses(service: ServiceSettings) -> Iterator[Finding]:
    public, internal = listen_address(service.listen), listen_address(service.internal_listen)
    if public == internal and public[1] != 0:
        yield ("internal_listen",), "is the same as listen"


_IN_ORDER: Final = (
    ("payments", "amount_min", "amount_max"),
    ("payments", "expires_in_min", "expires_in_default"),
    ("payments", "expires_in_default", "expires_in_max"),
    ("invoices", "expires_in_default", "expires_in_max"),
    ("engine", "connect_seconds", "start_seconds"),
    ("engine", "start_seconds", "start_deadline_seconds"),
    ("engine", "repeat_first_seconds", "repeat_max_seconds"),
    ("overload", "lag_low_seconds", "lag_high_seconds"),
)


def _ranges(service: ServiceSettings) -> Iterator[Finding]:
    for section, low, high in _IN_ORDER:
        settings = getattr(service, section)
        if getattr(settings, low) > getattr(settings, high):
            yield (section, low), f"must be at most {high}"


# --- shops


def _shops(service: ServiceSettings, names: Container[str]) -> Iterator[Finding]:
    shop_names: Counter[str] = Counter()
    key_ids: Counter[str] = Counter()
    digests: Counter[bytes] = Counter()
    merchants: Counter[str] = Counter()
    for i, shop in enumerate(service.shops):
        place: Place = ("shops", i)
        yield from _again(shop_names, shop.name, (*place, "name"), "another shop has this name")
        for j, key in enumerate(shop.keys):
            at: Place = (*place, "keys", j)
            yield from _again(key_ids, key.id, (*at, "id"), "another key has this id")
            if (key.secret is None) == (key.sha256 is None):
                yield at, "either secret or sha256 is wanted"
                continue
            if key.test and key.secret is not None:
                yield (*at, "test"), "is for a key given by its sha256; a secret tells by itself"
            given = "sha256" if key.secret is None else "secret"
            yield from _again(digests, key.digest, (*at, given), "another key is the same")
        yield from _shop_limits(service, shop, place)
        yield from _receivers(shop, place)
        if not shop.is_for_tests and len(shop.return_secret.reveal()) < RETURN_SECRET_CHARS_MIN:
            wanted = f"at least {RETURN_SECRET_CHARS_MIN} random characters are wanted"
            yield (*place, "return_secret"), wanted
        for j, name in enumerate(shop.gateways):
            if name not in names:
                yield (*place, "gateways", j), "no gateway has this name"
        if (zarinpal := shop.faces.zarinpal) is not None:
            at_merchant: Place = (*place, "faces", "zarinpal", "merchant_id")
            yield from _again(merchants, zarinpal.merchant_id, at_merchant, TAKEN)
        if (zibal := shop.faces.zibal) is not None:
            at_merchant = (*place, "faces", "zibal", "merchant")
            yield from _again(merchants, zibal.merchant, at_merchant, TAKEN)


def _receivers(shop: ShopSettings, place: Place) -> Iterator[Finding]:
    names: Counter[str] = Counter()
    for i, receiver in enumerate(shop.webhooks):
        at: Place = (*place, "webhooks", i)
        yield from _again(names, receiver.name, (*at, "name"), "another of its receivers is so")
        parts = urlsplit(receiver.url)
        if parts.scheme == "http" and not shop.private_webhooks:
            yield (*at, "url"), "must begin with https, unless the shop has private_webhooks"
        try:
            internal = is_internal(parts.hostname or "")
        except ValueError:  # a name: looked up when it is used
            internal = parts.hostname == "localhost"
        if internal and not shop.private_webhooks:
            yield (*at, "url"), "is within our own network: that wants the shop's private_webhooks"


def _shop_limits(service: ServiceSettings, shop: ShopSettings, place: Place) -> Iterator[Finding]:
    least, most = service.payments.amounts_of(shop)
    if least > most and (shop.limits.amount_min or shop.limits.amount_max):
        yield (*place, "limits"), "leave no amount that could be paid"


def _again(seen: Counter[T], value: T, place: Place, text: str) -> Iterator[Finding]:
    seen[value] += 1
    if seen[value] > 1:
        yield place, text


# --- gateways


def _gateways(
    gateways: Mapping[int, GatewaySettings], path: Callable[[str], Path]
) -> Iterator[Finding]:
    names: Counter[str] = Counter()
    contracts: list[Any] = []
    for i, gateway in gateways.items():
        place: Place = ("gateways", i)
        yield from _again(names, gateway.name, (*place, "name"), "another gateway has this name")
        driver = gateway.driver
        contract = (driver.driver, identity_of(driver), driver.base_urls[0])
        if contract in contracts:
            yield place, "another gateway has the same contract: references would collide"
        contracts.append(contract)
        yield from _connections(gateway.connections, (*place, "connections"), path)
        yield from _bank_addresses(gateway, place)
    if sum(each.limits.min_share for each in gateways.values() if not each.retired) > 1:
        yield ("gateways",), "the limits' min_share add up to more than 1"


def _bank_addresses(gateway: GatewaySettings, place: Place) -> Iterator[Finding]:
    contract = contract_of(gateway.driver)
    for key, value in contract.items():
        if key.endswith("_url"):
            try:
                usable = base_url(value, allow_http=gateway.connections.allow_http)
            except ValueError as error:
                yield (*place, key), str(error)
                continue
            if usable != value:
                yield (*place, key), "must not end with a slash"
            if not gateway.test and (urlsplit(value).hostname or "").startswith("sandbox."):
                yield (*place, key), "is a sandbox: that is for gateways with test: true"
    if gateway.driver.driver == "zibal" and contract["merchant"] == "zibal" and not gateway.test:
        yield (*place, "merchant"), "is the sandbox's: that is for gateways with test: true"


def _connections(
    settings: ConnectionSettings, place: Place, path: Callable[[str], Path]
) -> Iterator[Finding]:
    if settings.warm > settings.connections_max:
        yield (*place, "warm"), "must be at most connections_max"
    if settings.ca_file is not None:
        try:
            client_context(str(path(settings.ca_file)), None)
        except ssl.SSLError:
            yield (*place, "ca_file"), "does not hold PEM certificates"
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a path"
            yield (*place, "ca_file"), f"cannot be read: {reason}"
    if settings.ciphers is not None:
        try:
            client_context(None, settings.ciphers)
        except (ssl.SSLError, ValueError):
            yield (*place, "ciphers"), "OpenSSL knows no such ciphers"


# --- warnings


def warnings(
    service: ServiceSettings,
    gateways: Mapping[int, GatewaySettings],
    references: Container[Place],
) -> Iterator[Finding]:
    """What works and should not stay so."""
    real = any(not gateway.test for gateway in gateways.values())
    if real and urlsplit(service.public_url).scheme == "http":
        yield ("public_url",), "http is for trying out: banks and browsers want https"
    behind_proxy = is_loopback(listen_address(service.listen)[0]) and not is_loopback(
        urlsplit(service.public_url).hostname or ""
    )
    if behind_proxy and not service.trusted_proxies:
        yield ("trusted_proxies",), "is empty: limits per address take all customers for one"
    if not is_loopback(listen_address(service.internal_listen)[0]):
        yield ("internal_listen",), "metrics and debugging can be reached from other machines"
    if all(gateway.retired for gateway in gateways.values()):
        yield ("gateways",), "all are retired: nothing can be paid"
    for i, shop in enumerate(service.shops):
        for j, key in enumerate(shop.keys):
            if not any(_serves(gateway, shop, test=key.is_test) for gateway in gateways.values()):
                kind = "with test: true" if key.is_test else "without test: true"
                yield ("shops", i, "keys", j), f"there is no gateway {kind} that this key may use"
        if not shop.is_for_tests:
            yield from _literals(shop, ("shops", i), references)
    for i, gateway in gateways.items():
        if gateway.test:
            continue
        if gateway.connections.allow_http:
            yield ("gateways", i, "connections", "allow_http"), "credentials may travel in clear"
        yield from _literals(gateway.driver, ("gateways", i), references)


def _serves(gateway: GatewaySettings, shop: ShopSettings, *, test: bool) -> bool:
    named = not shop.gateways or gateway.name in shop.gateways
    return named and gateway.test == test and not gateway.retired


def _literals(value: Any, place: Place, references: Container[Place]) -> Iterator[Finding]:
    """Secrets that stand in the file itself."""
    if isinstance(value, Secret):
        if place not in references:
            yield place, LITERAL
    elif isinstance(value, tuple):
        for i, each in enumerate(value):
            yield from _literals(each, (*place, i), references)
    elif is_dataclass(value):
        for each in fields(value):
            yield from _literals(getattr(value, each.name), (*place, each.name), references)
