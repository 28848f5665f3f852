"""Remembers beside the journal which contracts its open payments were made under.

A configuration that drops or re-keys a gateway with open attempts must not take over: nobody could verify, settle or
reverse them. The journal is only looked through where a contract is not as it was. One that drops a shop with open
payments must not take over either: nobody could send their customers back.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import orjson

from gatewayd.io.boot import FINGERPRINTS_KEY, left_open
from gatewayd.io.config import Config, ConfigError
from gatewayd.io.fingerprint import conflicts, fingerprint, same_contract, shops_gone
from gatewayd.io.store_thread import StoreThread
from gatewayd.journal.journal import Journal


async def check_contracts(config: Config, thread: StoreThread) -> Mapping[str, str]:
    """The fingerprints of the last start that still fit. ConfigError if open payments are left without a contract."""
    kept = await thread.named(FINGERPRINTS_KEY)
    stored: dict[str, str] = orjson.loads(kept) if kept else {}
    fitting = await asyncio.to_thread(_fitting, config, stored)
    if stored.keys() != fitting.keys():
        left = await asyncio.to_thread(left_open, Path(config.service.journal.path))
        problems = conflicts(config, left.attempts, stored)
        if problems:
            raise ConfigError(problems)
    return fitting


def check_shops(config: Config, journal: Journal) -> None:
    """ConfigError if a payment that is open in memory is of a shop that is not configured any more."""
    problems = shops_gone(config, Counter(payment.shop for payment in journal.payments()))
    if problems:
        raise ConfigError(problems)


async def keep_contracts(config: Config, fitting: Mapping[str, str], thread: StoreThread) -> None:
    """Remember this configuration's contracts; what fits already is not worked out again."""
    missing = [gateway for gateway in config.gateways if gateway.name not in fitting]
    made = {gateway.name: await asyncio.to_thread(fingerprint, gateway) for gateway in missing}
    if made or len(fitting) != len(config.gateways):
        await thread.name(FINGERPRINTS_KEY, orjson.dumps({**fitting, **made}))


def _fitting(config: Config, stored: Mapping[str, str]) -> dict[str, str]:
    return {
        gateway.name: stored[gateway.name]
        for gateway in config.gateways
        if gateway.name in stored and same_contract(gateway, stored[gateway.name])
    }
