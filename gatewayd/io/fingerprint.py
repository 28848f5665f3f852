"""Knows a gateway's contract again without keeping its credentials.

The daemon stores a fingerprint of each gateway beside its journal. A changed configuration may neither
drop nor re-key a gateway whose payments are still open, for nobody could verify or reverse them. Nor may
it drop a shop with open payments, for their customers could not be sent back to it.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import orjson
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gatewayd.engine.gateway import GatewaySettings, identity_of
from gatewayd.io.config import Config

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""Salted, and slow on purpose: banks give out passwords of eight digits, and backups travel."""


def fingerprint(gateway: GatewaySettings) -> str:
    """A salted digest of the driver and what its contract is known by; never twice the same."""
    return _HASHER.hash(_identity(gateway))


def same_contract(gateway: GatewaySettings, stored: str) -> bool:
    """Whether `stored` is the fingerprint of this very contract."""
    try:
        return _HASHER.verify(stored, _identity(gateway))
    except (VerificationError, InvalidHashError):
        return False


def conflicts(
    config: Config, open_by_gateway: Mapping[str, int], fingerprints: Mapping[str, str]
) -> list[str]:
    """Why this configuration must not take over from the last one; empty if it may.

    `open_by_gateway` counts attempts whose money is not settled one way or the other; `fingerprints`
    are those of the last start. A gateway that has none yet is only looked for by its name.
    """
    return list(_conflicts(config, open_by_gateway, fingerprints))


def _conflicts(
    config: Config, open_by_gateway: Mapping[str, int], fingerprints: Mapping[str, str]
) -> Iterator[str]:
    gateways = {gateway.name: gateway for gateway in config.gateways}
    for name, count in sorted(open_by_gateway.items()):
        if count <= 0:
            continue
        attempts = f"{count} open attempt{'s' * (count > 1)}"
        gateway = gateways.get(name)
        if gateway is None:
            yield (
                f"{config.path}: gateway {name} is gone and has {attempts};"
                " keep it with retired: true until they are closed"
            )
        elif name in fingerprints and not same_contract(gateway, fingerprints[name]):
            yield (
                f"{config.path}: gateway {name} has other credentials and {attempts} under the old"
                " ones; keep those with retired: true and give the new contract another name"
            )


def shops_gone(config: Config, open_by_shop: Mapping[str, int]) -> list[str]:
    """Why this configuration must not take over: shops whose payments are still open, by number, are not in it."""
    shops = {shop.name for shop in config.service.shops}
    return [
        f"{config.path}: shop {name} is gone and has {count} open payment{'s' * (count > 1)};"
        " keep it until they are closed"
        for name, count in sorted(open_by_shop.items())
        if count > 0 and name not in shops
    ]


def _identity(gateway: GatewaySettings) -> bytes:
    driver = gateway.driver
    return orjson.dumps([driver.driver, identity_of(driver)], option=orjson.OPT_SORT_KEYS)
