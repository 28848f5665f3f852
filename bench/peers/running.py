"""Starts the peers, each where it can be had: Django in an environment of its own, nginx from the system.

`Missing` says what is not there and what would bring it.
"""

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.processes import Program, free_port, server_cores, started

ENVIRONMENT: Final = Path(__file__).resolve().parent.parent.parent / "var" / "bench-peers"
PACKAGES: Final = ("az-iranian-bank-gateways>=2", "Django>=5.1,<6", "gunicorn>=23")
INSTALL_SECONDS: Final = 600
NGINX: Final = """\
daemon off;
worker_processes 1;
pid {where}/nginx.pid;
error_log {where}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {where}/body;
    proxy_temp_path {where}/proxy;
    fastcgi_temp_path {where}/fastcgi;
    uwsgi_temp_path {where}/uwsgi;
    scgi_temp_path {where}/scgi;
    keepalive_requests 1000000;
    upstream behind {{ server {behind}; keepalive 256; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://behind;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


class Missing(Exception):
    """A peer cannot be had here; the text says what to do."""


def environment() -> Path:
    """The Python of the peers' environment, made if it is not there. Missing if it cannot be made."""
    python = ENVIRONMENT / "bin" / "python"
    if (ENVIRONMENT / "done").exists():
        return python
    try:
        subprocess.run(
            [sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True, capture_output=True
        )
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", *PACKAGES],
            check=True,
            capture_output=True,
            timeout=INSTALL_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or b""
        raise Missing(
            f"Django is left out: {', '.join(PACKAGES)} cannot be installed into {ENVIRONMENT}"
            f" ({error}) {said.decode(errors='replace')[-300:]}"
        ) from None
    (ENVIRONMENT / "done").touch()
    return python


@contextlib.contextmanager
def django(banks: str) -> Iterator[Program]:
    """Django with az-iranian-bank-gateways under gunicorn, one synchronous worker, on the banks at that address."""
    python = environment()
    with tempfile.TemporaryDirectory() as where:
        ours = f"127.0.0.1:{free_port()}"
        command = [str(python), "-m", "gunicorn", "--workers", "1", "--bind", ours]
        with started(
            [*command, "--chdir", str(Path(__file__).parent), "django_shop:application"],
            ready=r"Booting worker",
            address=f"http://{ours}",
            cores=server_cores(),
            environment={"BANKS": banks, "OURS": f"http://{ours}", "DATA": f"{where}/shop.db"},
        ) as program:
            yield program


@contextlib.contextmanager
def nginx(behind: str) -> Iterator[Program]:
    """nginx, one worker, passing everything on to this address."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if binary is None:
        raise Missing("nginx is left out: it is not installed (Debian: apt install nginx-light)")
    with tempfile.TemporaryDirectory() as where:
        port = free_port()
        config = Path(where) / "nginx.conf"
        text = NGINX.format(where=where, port=port, behind=behind.removeprefix("http://"))
        config.write_text(text + "\n")
        with started(
            ["/bin/sh", "-c", f"echo starts; exec {binary} -e stderr -c {config}"],
            ready="starts",
            address=f"http://127.0.0.1:{port}",
            cores=server_cores(),
        ) as program:
            yield program
