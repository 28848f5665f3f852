"""A shop's receiver of webhooks that is as bad as they come: it fails, is late, and is killed by whoever started it.

    python -m bench.webhook_receiver PORT LOG [--fail 0.3] [--seed 1]

Each webhook is checked by the `standardwebhooks` package, and written down before it is answered, as one line of JSON:
when, which, of which payment, and the status. Exit code 0 on SIGTERM.
"""

import argparse
import asyncio
import json
import os
import random
import time
from pathlib import Path
from typing import Final

from aiohttp import web
from standardwebhooks.webhooks import Webhook

SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LATE_SECONDS: Final = (0.0, 0.15)
"""What most answers take."""
TOO_LATE_SECONDS: Final = 2.5
"""What one in a hundred takes: longer than it is waited for."""
TOO_LATE: Final = 0.01


def build(log: int, fail: float, rng: random.Random) -> web.Application:
    """The receiver's application."""
    webhook = Webhook(SECRET)

    async def take(request: web.Request) -> web.Response:
        came = time.time()
        body = await request.read()
        event = webhook.verify(body, dict(request.headers))
        assert event["id"] == request.headers["webhook-id"]
        fails, late = rng.random() < fail, rng.random() < TOO_LATE
        await asyncio.sleep(TOO_LATE_SECONDS if late else rng.uniform(*LATE_SECONDS))
        status = rng.choice((500, 502, 503, 429 if rng.random() < 0.05 else 500)) if fails else 200
        line = {
            "came": came,
            "at": time.time(),
            "id": event["id"],
            "payment": event["data"]["id"],
            "type": event["type"],
            "status": status,
            "late": late,
        }
        os.write(log, json.dumps(line).encode() + b"\n")
        headers = {"Retry-After": "1"} if status in {429, 503} else {}
        return web.Response(status=status, headers=headers)

    app = web.Application()
    app.router.add_post("/hooks", take)
    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("log", type=Path)
    parser.add_argument("--fail", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    log = os.open(options.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    app = build(log, options.fail, random.Random(options.seed))
    web.run_app(app, host="127.0.0.1", port=options.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
