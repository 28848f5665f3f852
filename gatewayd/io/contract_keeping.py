"""Remembers beside the journal which contracts its open payments were made under.

A configuration that drops or re-keys a gateway with open attempts must not take over: nobody could verify, settle or
reverse them. The journal is only looked through where a contract is not as it was.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import orjson

from gatewayd.io.boot import FINGERPRINTS_KEY, open_by_gateway
from gatewayd.io.config import Config, ConfigError
from gatewayd.io.fingerprint import conflicts, fingerprint, same_contract
from gatewayd.io.store_thread import StoreThread


async def check_contracts(config: Config, thread: StoreThread) -> Mapping[str, str]:
    """The fingerprints of the last start that still fit. ConfigError if open payments are left without a contract."""
    kept = await thread.named(FINGERPRINTS_KEY)
    stored: dict[str, str] = orjson.loads(kept) if kept else {}
    fitting = await asyncio.to_thread(_fitting, config, stored)
    if stored.keys() != fitting.keys():
        open_attempts, _ = await asyncio.to_thread(
            open_by_gateway, Path(config.service.journal.path)
        )
        problems = conflicts(config, open_attempts, stored)
        if problems:
            raise ConfigError(problems)
    return fitting


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
