"""A daemon that is killed and started again on the same journal and at the same address, and what it is asked."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench import processes
from bench.processes import KEY

SMALL_DISK: Final = "{{path: {}, low_water_bytes: 8388608, ballast_bytes: 2097152}}"


@dataclass
class Daemon:
    """A daemon that is started again on the same journal and the same address each time."""

    directory: Path
    banks: str
    port: int
    config: Path = processes.CONFIG
    disk: Path | None = None
    """Where the journal lies, if not in the directory."""
    process: subprocess.Popen[bytes] | None = None
    ended_full: int = 0
    """How often it stopped because its disk was full."""
    starts: list[float] = field(default_factory=list)
    """Seconds from each start to the first answer."""
    change: Callable[[str], str] = str
    """What is made of the configuration's text."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin, with a configuration of its own."""
        config = self.directory / "gatewayd.yaml"
        text = self.config.read_text().replace("http://127.0.0.1:9100", self.banks)
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        text = text.replace("listen:", "internal_listen: 127.0.0.1:0\nlisten:", 1)
        journal = str((self.disk or self.directory) / "journal.db")
        if self.disk is not None:
            journal = SMALL_DISK.format(journal)
        config.write_text(self.change(text.replace("var/simulated.db", journal)))
        with (self.directory / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gatewayd", "run", str(config)],
                stdout=log,
                stderr=log,
                cwd=processes.ROOT,
            )

    async def up(self) -> None:
        """Until it answers."""
        began = time.monotonic()
        while True:
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError(f"the daemon ended with {self.process.returncode}")
            with contextlib.suppress(OSError):
                await asyncio.to_thread(get_json, f"{self.address}/livez")
                self.starts.append(time.monotonic() - began)
                return
            await asyncio.sleep(0.05)

    async def die(self) -> None:
        """SIGKILL, and the next one."""
        self.send(signal.SIGKILL)
        await asyncio.to_thread(self.wait)
        self.start()
        await self.up()

    def send(self, number: signal.Signals) -> None:
        """To the process that runs now."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        """What it ended with."""
        assert self.process is not None
        return self.process.wait(60)


def get_json(url: str) -> Any:
    """What is there, with the shop's key."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())
