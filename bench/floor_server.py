"""The minimal flow: what a payment costs at least, made of the same parts and without anything that makes it safe.

    python -m bench.floor_server http://127.0.0.1:9100

Three requests of shop and customer on aiohttp.web, two calls to one bank with aiohttp's client, three lines of
structlog; payments live in a dictionary. No journal, no routing, no check of anything, no metrics, no second chance.
"""

import argparse
import asyncio
import itertools
import sys
import time
from typing import Any, Final

import aiohttp
import orjson
import structlog
import uvloop
from aiohttp import web
from yarl import URL

from bench.processes import free_port

MERCHANT: Final = "zibal-demo"
PAGE: Final = (
    '<!doctype html><html lang="en"><body><form method="get" action="{}">'
    '<button type="submit">Pay</button></form></body></html>'
)
HTML: Final = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"}
JSON: Final = {"Content-Type": "application/json"}


class Flow:
    """Create, pay, return."""

    def __init__(self, ours: str, banks: str, client: aiohttp.ClientSession) -> None:
        self._ours = ours
        self._banks = banks
        self._request = URL(f"{banks}/zibal/v1/request")
        self._verify = URL(f"{banks}/zibal/v1/verify")
        self._client = client
        self._numbers = itertools.count(int(time.time() * 1000))
        self._payments: dict[str, dict[str, Any]] = {}
        self._log = structlog.get_logger()

    async def create(self, request: web.Request) -> web.Response:
        """`POST /v1/payments`"""
        document = orjson.loads(await request.read())
        number = str(next(self._numbers))
        self._payments[number] = document
        self._log.info("created", payment=number, amount=document["amount"])
        answer = {"id": number, "status": "pending", "pay_url": f"{self._ours}/pay/{number}"}
        return web.Response(status=201, body=orjson.dumps(answer), headers=JSON)

    async def pay(self, request: web.Request) -> web.Response:
        """`GET /pay/{id}`"""
        number = request.match_info["id"]
        payment = self._payments[number]
        answer = await self._ask(
            self._request,
            {
                "merchant": MERCHANT,
                "amount": payment["amount"],
                "callbackUrl": f"{self._ours}/return/{number}",
                "orderId": number,
            },
        )
        self._log.info("started", payment=number, token=answer["trackId"])
        page = PAGE.format(f"{self._banks}/zibal/start/{answer['trackId']}")
        return web.Response(body=page.encode(), headers=HTML)

    async def back(self, request: web.Request) -> web.Response:
        """`GET /return/{id}`"""
        number = request.match_info["id"]
        payment = self._payments.pop(number)
        track = int(request.query["trackId"])
        answer = await self._ask(self._verify, {"merchant": MERCHANT, "trackId": track})
        status = "paid" if answer["result"] == 100 else "failed"
        self._log.info("verified", payment=number, status=status)
        location = f"{payment['return_url']}?payment_id={number}&status={status}"
        return web.Response(status=303, headers={"Location": location})

    async def _ask(self, url: URL, document: dict[str, Any]) -> Any:
        async with self._client.post(url, data=orjson.dumps(document), headers=JSON) as answer:
            return orjson.loads(await answer.read())


async def serve(banks: str) -> None:
    """Until killed."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    port = free_port()
    ours = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=256),
        timeout=aiohttp.ClientTimeout(total=10),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as client:
        flow = Flow(ours, banks, client)
        app = web.Application()
        app.add_routes(
            [
                web.post("/v1/payments", flow.create),
                web.get("/pay/{id}", flow.pay),
                web.get("/return/{id}", flow.back),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1_024).start()
        print(ours, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve the flow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("banks")
    uvloop.run(serve(parser.parse_args().banks))


if __name__ == "__main__":
    main()
