"""What `gatewayd check` says of a configuration that can be read: what is in it and around it.

Problems keep the daemon from being started or replaced; warnings should be looked at.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from gatewayd.core.secret import Secret
from gatewayd.engine.gateway import GatewaySettings
from gatewayd.io.boot import LeftOpen
from gatewayd.io.config import Config
from gatewayd.io.config_rules import LITERAL
from gatewayd.io.fingerprint import conflicts, shops_gone
from gatewayd.io.reach import Reached, Way, reach_all

REACH_SECONDS: Final = 3.0
"""For each step to a bank: what the daemon itself waits for a connection."""
SKEW_SECONDS_MAX: Final = 5.0
"""Bank deadlines are minutes; a clock that is off by more than seconds is not looked after."""
CERTIFICATE_DAYS_MIN: Final = 14
KEY_DAYS_MIN: Final = 14
NOTHING_LEFT: Final = LeftOpen()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found."""

    tables: tuple[Table, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the daemon may be started with this configuration."""
        return not self.problems

    def text(self, width: int = 100) -> str:
        """For a terminal of `width` columns, without colours."""
        out = StringIO()
        console = Console(file=out, width=width, color_system=None, highlight=False, markup=False)
        for table in self.tables:
            console.print(table)
        for kind, lines in (("warning", self.warnings), ("problem", self.problems)):
            for line in lines:
                console.print(f"{kind}: {line}", soft_wrap=True)
        console.print("this configuration can be used" if self.ok else "not to be used like this")
        return out.getvalue()


async def check(
    config: Config,
    *,
    wall: Callable[[], float],
    connect: bool = False,
    left: LeftOpen = NOTHING_LEFT,
) -> Report:
    """Everything about `config` beside what is `left` open in its journal.

    `connect`: also whether the banks can be reached from here.
    """
    tables = [_gateways(config), _windows(config)]
    now = wall()
    warnings = [
        *config.warnings,
        *_readable(config),
        *_early(config, now),
        *_shut(Path(config.service.journal.path)),
        *_expiring(config, now),
    ]
    problems = conflicts(config, left.attempts, left.fingerprints)
    problems += shops_gone(config, left.payments)
    if connect:
        reached = await reach_all(_origins(config.gateways), wall, REACH_SECONDS)
        tables.append(_ways(reached))
        problems += [
            f"{each.url} cannot be reached: {each.fault}" for each in reached if each.fault
        ]
        warnings += _doubtful(reached)
    return Report(tables=tuple(tables), problems=tuple(problems), warnings=tuple(warnings))


def _origins(gateways: Iterable[GatewaySettings]) -> Iterator[Way]:
    for gateway in gateways:
        for url in gateway.driver.base_urls:
            parts = urlsplit(url)
            connections = gateway.connections
            yield Way(
                url=f"{parts.scheme}://{parts.netloc}",
                ca_file=connections.ca_file,
                ciphers=connections.ciphers,
            )


# --- tables


def _gateways(config: Config) -> Table:
    table = Table("gateway", "driver", "for", "hosts", "credentials", title="Gateways")
    for i, gateway in enumerate(config.gateways):
        hosts = dict.fromkeys(urlsplit(url).netloc for url in gateway.driver.base_urls)
        table.add_row(
            gateway.name,
            gateway.driver.driver,
            ("tests" if gateway.test else "money") + ", retired" * gateway.retired,
            "\n".join(hosts),
            "\n".join(_credentials(gateway, config.references, f"gateways.{i}")),
        )
    return table


def _credentials(
    gateway: GatewaySettings, references: Mapping[str, tuple[str, ...]], path: str
) -> Iterator[str]:
    """The names of what the contract is known by, with where each comes from; no values."""
    driver: Any = gateway.driver
    for field in fields(driver):
        if field.default is MISSING or isinstance(getattr(driver, field.name), Secret):
            sources = ", ".join(references.get(f"{path}.{field.name}", ()))
            yield f"{field.name} from {sources}" if sources else field.name


def _windows(config: Config) -> Table:
    table = Table(
        "gateway", "token lives", "verify", "reverse", "unverified", "asked by", title="Windows"
    )
    for gateway in config.gateways:
        traits = gateway.driver.traits
        table.add_row(
            gateway.name,
            _duration(traits.token_life_seconds),
            _duration(traits.verify_within_seconds),
            _duration(traits.reverse_within_seconds),
            str(traits.unverified),
            str(traits.ask),
        )
    return table


def _duration(seconds: int | None) -> str:
    """`20 min`; a window that the bank does not have is `none`."""
    if seconds is None:
        return "none"
    minutes, rest = divmod(seconds, 60)
    return f"{seconds} s" if rest else f"{minutes} min"


def _ways(reached: Iterable[Reached]) -> Table:
    table = Table("address", "reached", "certificate", "our clock", title="Ways to the banks")
    for each in reached:
        days, ahead = each.certificate_days, each.clock_ahead_seconds
        table.add_row(
            each.url,
            each.fault or each.address,
            "" if days is None else f"{days} days",
            "" if ahead is None else f"{ahead:+.0f} s",
        )
    return table


# --- surroundings


def _readable(config: Config) -> Iterator[str]:
    """Files with secrets that others can read or change."""
    mode = _mode(config.path)
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield f"{config.path}: others than its owner can write it"
    if mode & stat.S_IROTH and any(each.endswith(LITERAL) for each in config.warnings):
        yield f"{config.path}: everybody on this machine can read it, and there are secrets in it"
    names = {name for names in config.references.values() for name in names}
    for name in sorted(names):
        kind, _, path = name.partition(":")
        if kind == "file" and _mode(config.path.parent / path) & stat.S_IROTH:
            yield f"{path}: everybody on this machine can read it"


def _mode(path: Path) -> int:
    """The permissions of a file; none if it is gone meanwhile."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _early(config: Config, now: float) -> Iterator[str]:
    """A clock that stands before what has already happened."""
    for path in (config.path, Path(config.service.journal.path)):
        try:
            written = path.stat().st_mtime
        except OSError:
            continue
        if written > now + SKEW_SECONDS_MAX:
            yield f"the clock is wrong: {path} was written {written - now:.0f} s after now"


def _shut(journal: Path) -> Iterator[str]:
    """A place where this user could not make the journal; a folder that is missing is made at the start."""
    folder = journal.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        yield f"journal: {folder} is not a folder"
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield f"journal: this user cannot write into {folder}; the daemon's must, or it ends with 74"


def _expiring(config: Config, now: float) -> Iterator[str]:
    """Keys that are no good any more, or will not be soon."""
    for shop in config.service.shops:
        for key in shop.keys:
            if key.ends_at is None:
                continue
            days = (key.ends_at - now) / 86_400
            if days <= 0:
                yield f"key {key.id} of {shop.name} is no good any more: take it out"
            elif days < KEY_DAYS_MIN:
                yield f"key {key.id} of {shop.name} ends in {days:.1f} days"


def _doubtful(reached: Iterable[Reached]) -> Iterator[str]:
    for each in reached:
        days = each.certificate_days
        if days is not None and days < CERTIFICATE_DAYS_MIN:
            yield f"{each.url}: its certificate ends in {days} days"
    ahead = [each.clock_ahead_seconds for each in reached if each.clock_ahead_seconds is not None]
    if ahead and abs(median(ahead)) > SKEW_SECONDS_MAX:
        yield f"the clock is wrong: it is {median(ahead):+.0f} s off the banks' clocks"
