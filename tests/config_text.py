"""A small configuration for tests to change."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gatewayd.io.config import Config, ConfigError, parse

PATH = Path("config.yaml")
LIVE_KEY = "gwk_live_0123456789abcdefghijkl"

SMALL = f"""\
public_url: https://pay.shop.example
shops:
  - name: main
    keys: [{{id: k1, secret: {LIVE_KEY}}}]
    return_secret: 0123456789abcdef
    return_hosts: [shop.example]
gateways:
  - name: saman-main
    driver: saman
    terminal_id: "12345678"
"""


def read(text: str = SMALL, **environ: str) -> Config:
    """The configuration, which must be right."""
    return parse(text.encode(), path=PATH, environ=environ)


def complaints(text: str, **environ: str) -> list[str]:
    """What is wrong with it, without the file's name; empty if nothing is."""
    try:
        read(text, **environ)
    except ConfigError as error:
        return [each.removeprefix(f"{PATH}:") for each in error.complaints]
    return []


def tree() -> Any:
    """SMALL as data."""
    return yaml.safe_load(SMALL)


def changed(path: str, value: object) -> str:
    """SMALL with the value at `path` (`shops.0.name`) set to another one."""
    data = tree()
    *way, last = (int(part) if part.isdecimal() else part for part in path.split("."))
    inner = data
    for part in way:
        inner = inner.setdefault(part, {}) if isinstance(inner, dict) else inner[part]
    inner[last] = value
    return written(data)


class _WithoutAliases(yaml.SafeDumper):
    """Writes out what stands in several places each time."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def written(data: object) -> str:
    """Data as YAML."""
    return yaml.dump(data, Dumper=_WithoutAliases, allow_unicode=True, sort_keys=False)


def with_gateways(*gateways: Mapping[str, object]) -> str:
    """SMALL with these gateways."""
    return changed("gateways", [dict(each) for each in gateways])
