"""Generated requests against the running daemon: does every answer fit the OpenAPI document that it serves?

    python -m bench.schemas                  100 cases per call
    python -m bench.schemas --cases 2000

Requests are made by schemathesis from the document, as the document allows and as it forbids; it looks for server
errors, for answers of another status, type or shape than said, for forbidden data that is taken, and for keys that
are not needed; it also follows the links from payments that it made. One of its checks, whether everything that fits
the document is taken, is left out for six calls: what a shop's contracts with its banks allow together, the check
digits of an IBAN, the amount of one payment, what an invoice's rows come to and which days are over are in no document,
nor which Idempotency-Keys were used for something else before.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench import processes
from bench.processes import KEY

UNSAYABLE: Final = (
    "POST /v1/payments",
    "POST /v1/payments/{id}/cancel",
    "POST /v1/payments/{id}/capture",
    "POST /v1/payments/{id}/refunds",
    "POST /v1/invoices",
    "POST /v1/invoices/{id}/cancel",
)
SETTINGS: Final = """\
[[operations]]
include-name = "{call}"
checks.positive_data_acceptance.enabled = false
"""


def main() -> int:
    """Run it; the exit code is that of schemathesis: 0 if nothing was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100, help="per call")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    return run(chosen.cases, chosen.seed)


def run(cases: int, seed: int) -> int:
    """So many cases per call against a daemon and banks of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        processes.simulator() as banks,
        processes.daemon(banks.address) as daemon,
    ):
        settings = Path(folder) / "schemathesis.toml"
        settings.write_text("\n".join(SETTINGS.format(call=call) for call in UNSAYABLE))
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run"]
        command += [f"{daemon.address}/openapi.json", "-H", f"Authorization: Bearer {KEY}"]
        command += ["--max-examples", str(cases), "--seed", str(seed)]
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
