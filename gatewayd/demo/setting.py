"""What the demo runs with: the simulated contracts on free ports of this machine, and a journal of its own."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gatewayd.core.settings import JournalSettings
from gatewayd.demo.ports import HOST, free_ports
from gatewayd.io.config import Config, parse
from gatewayd.io.examples import example

SIMULATED_BANKS: Final = "127.0.0.1:9100"
"""Where `config/simulated.yaml` has the banks."""
LOW_WATER_BYTES: Final = 33_554_432
BALLAST_BYTES: Final = 1_048_576
"""Both small: the demo's journal holds some megabytes and is thrown away."""
RETURN_WAIT_SECONDS: Final = 3.0
"""Shorter than in production, so that an outage shows customers who are told `processing`."""
REPEAT_MAX_SECONDS: Final = 2.0
"""So that what an outage left in doubt is cleared up soon after it."""
SAME_TOKEN_SECONDS: Final = 2.0
"""So that a customer before a dead page, who tries again, is soon offered another gateway."""
DRAIN_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Which ports are wanted; one that is taken, or 0, means any free one."""

    daemon: int = 8080
    """As in the README's examples, which then work while the demo runs."""
    banks: int = 9100
    shop: int = 8090


ANY_PORTS: Final = Ports(daemon=0, banks=0, shop=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where everything is, and the daemon's configuration."""

    config: Config
    daemon: str
    """`http://127.0.0.1:8080`"""
    banks: str
    shop: str

    @property
    def api_key(self) -> str:
        """The shop's key."""
        secret = self.config.service.shops[0].keys[0].secret
        assert secret is not None, "the demo's key stands in its file"
        return secret.reveal()

    @property
    def return_secret(self) -> str:
        """What the shop's returns are signed with."""
        return self.config.service.shops[0].return_secret.reveal()


def set_up(directory: Path, ports: Ports) -> Setting:
    """The demo's setting, with the journal in `directory`."""
    daemon, banks, shop = (
        f"{HOST}:{port}" for port in free_ports(ports.daemon, ports.banks, ports.shop)
    )
    path = example("simulated.yaml")
    text = path.read_text().replace(SIMULATED_BANKS, banks)
    config = parse(text.encode(), path=path, environ={})
    service = config.service
    service = replace(
        service,
        listen=daemon,
        internal_listen=f"{HOST}:0",
        public_url=f"http://{daemon}",
        journal=JournalSettings(
            path=str(directory / "journal.db"),
            low_water_bytes=LOW_WATER_BYTES,
            ballast_bytes=BALLAST_BYTES,
        ),
        engine=replace(
            service.engine,
            return_wait_seconds=RETURN_WAIT_SECONDS,
            repeat_max_seconds=REPEAT_MAX_SECONDS,
        ),
        web=replace(
            service.web, same_token_seconds=SAME_TOKEN_SECONDS, drain_seconds=DRAIN_SECONDS
        ),
    )
    return Setting(
        config=replace(config, service=service),
        daemon=f"http://{daemon}",
        banks=f"http://{banks}",
        shop=f"http://{shop}",
    )
