"""Reads a request's body, which a slow client has so long for and no longer."""

import asyncio

from gatewayd.web.asked import Asked, Request
from gatewayd.web.ports import SERVICE


async def read_body(request: Request) -> bytes:
    """All of it. TimeoutError where it does not come in time, and what aiohttp raises where it is none."""
    if isinstance(request, Asked) or request.content.is_eof():
        return await request.read()  # it is here: no timer for what is always so
    async with asyncio.timeout(request.app[SERVICE].web.body_seconds):
        return await request.read()
