"""Reads the configuration file into frozen settings, or says everything that is wrong with it.

Each complaint is `file:line: path: what is wrong`; all of them come at once, in `ConfigError`. Secrets
never stand in one: neither what a reference brought in nor what a driver calls secret.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from gatewayd.core.hosts import listen_address
from gatewayd.core.secret import Secret
from gatewayd.core.settings import ServiceSettings
from gatewayd.engine.gateway import GatewaySettings
from gatewayd.io import config_rules
from gatewayd.io.config_reading import Reading
from gatewayd.io.references import Sources
from gatewayd.io.yaml_strict import BYTES_MAX, Complaint, read, spell
from gatewayd.routing.router import RoutingSettings


class ConfigError(Exception):
    """The configuration cannot be used; `complaints` are fit to be shown, one a line."""

    def __init__(self, complaints: Iterable[str]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("\n".join(self.complaints))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the daemon is told."""

    service: ServiceSettings
    gateways: tuple[GatewaySettings, ...]
    routing: RoutingSettings
    path: Path
    warnings: tuple[str, ...] = ()
    """What works and should not stay so; of the form of a complaint."""
    references: Mapping[str, tuple[str, ...]]
    """Which values came from elsewhere: `gateways.1.password` from `credential:mellat_password`."""


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in the file at `path`; ConfigError if it cannot be used."""
    try:
        with path.open("rb") as file:
            raw = file.read(BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise ConfigError([f"{path}:1: cannot be read: {reason or 'not a path'}"]) from None
    return parse(raw, path=path, environ=environ)


def parse(raw: bytes, *, path: Path, environ: Mapping[str, str]) -> Config:
    """The configuration in `raw`; `path` is what complaints name and what files are relative to."""
    document = read(raw)
    sources = Sources(environ=environ, directory=path.parent)
    reading = Reading(document, sources)
    service, gateways, routing = reading.settings()
    for place, text in config_rules.complaints(
        service, gateways, reading.gateway_names, sources.path
    ):
        reading.complain(place, text)
    if service is None or routing is None or reading.complaints:
        raise ConfigError(_lines(path, reading, reading.complaints))
    warnings = [
        Complaint(document.line(place), spell(place), text)
        for place, text in config_rules.warnings(service, gateways, reading.references)
    ]
    return Config(
        service=service,
        gateways=tuple(_with_absolute_path(each, sources) for each in gateways.values()),
        routing=routing,
        path=path,
        warnings=tuple(_lines(path, reading, warnings)),
        references={spell(place): names for place, names in reading.references.items()},
    )


def secrets_of(config: Config) -> Iterator[Secret]:
    """Every secret in the configuration, so that the log can hide them wherever they turn up."""
    for shop in config.service.shops:
        yield shop.return_secret
        yield from (secret for receiver in shop.webhooks for secret in receiver.secrets)
        yield from (key.secret for key in shop.keys if key.secret is not None)
    for gateway in config.gateways:
        kind: Any = gateway.driver
        values = (getattr(kind, each.name) for each in fields(kind))
        yield from (value for value in values if isinstance(value, Secret))


def overridden(config: Config, *, listen: str | None = None, journal: Path | None = None) -> Config:
    """The configuration with what the command line says instead; ConfigError for an address that is none."""
    service = config.service
    if listen is not None:
        try:
            listen_address(listen)
        except ValueError as error:
            raise ConfigError([f"--listen: {error}"]) from None
        service = replace(service, listen=listen)
    if journal is not None:
        service = replace(service, journal=replace(service.journal, path=str(journal)))
    return replace(config, service=service)


def _with_absolute_path(gateway: GatewaySettings, sources: Sources) -> GatewaySettings:
    name = gateway.connections.ca_file
    if name is None:
        return gateway
    path = str(sources.path(name).resolve())
    return replace(gateway, connections=replace(gateway.connections, ca_file=path))


def _lines(path: Path, reading: Reading, complaints: Iterable[Complaint]) -> list[str]:
    return [
        f"{path}:{each.line}: " + reading.blotted(f"{each.path}: " * bool(each.path) + each.text)
        for each in sorted(set(complaints))
    ]
