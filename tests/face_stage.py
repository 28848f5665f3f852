"""A shop whose plugin speaks ZarinPal or Zibal, in front of the real listener, with customers and simulated banks."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from gatewayd.core.secret import Secret
from gatewayd.core.settings import Faces, ShopKey, ShopSettings, ZarinpalFace, ZibalFace
from tests.web_stage import DEMO, KEY, OTHER, Answer, Web, web_stage

MERCHANT: Final = "11111111-2222-3333-4444-555555555555"
OTHER_MERCHANT: Final = "99999999-2222-3333-4444-555555555555"
ZIBAL_MERCHANT: Final = "zibal-demo"
CALLBACK: Final = "https://shop.example/back?pid=8841"
TEST_ONLY: Final = (ShopKey(id="k1", secret=Secret(KEY)),)
WITH_FACES: Final = replace(
    DEMO,
    keys=TEST_ONLY,
    faces=Faces(
        zarinpal=ZarinpalFace(merchant_id=MERCHANT), zibal=ZibalFace(merchant=ZIBAL_MERCHANT)
    ),
)
OTHER_WITH_FACES: Final = replace(
    OTHER,
    faces=Faces(
        zarinpal=ZarinpalFace(merchant_id=OTHER_MERCHANT), zibal=ZibalFace(merchant="zibal-other")
    ),
)
BOTH: Final[tuple[ShopSettings, ...]] = (WITH_FACES, OTHER_WITH_FACES)


@dataclass
class Plugin:
    """What a shop's plugin does: calls with a merchant, and sends its customer to a page."""

    web: Web
    merchant: str

    async def post(self, path: str, document: Mapping[str, Any], **how: Any) -> Answer:
        """A call as plugins make it."""
        headers = {"Content-Type": "application/json", **how.pop("headers", {})}
        return await self.web.ask("POST", path, data=orjson.dumps(document), headers=headers, **how)

    async def customer(self, page: str) -> Answer:
        """The customer opens the page, pays at the bank, and is sent on; `page` is a path."""
        opened = await self.web.ask("GET", page)
        assert 200 == opened.status, opened.text
        return await self.web.come_back(self.web.play(opened.forms[0]))


@dataclass
class Zarinpal(Plugin):
    """A plugin for ZarinPal."""

    merchant: str = MERCHANT

    async def call(self, call: str, document: Mapping[str, Any], **how: Any) -> Answer:
        """One of the calls."""
        path = f"/pg/v4/payment/{call}.json"
        return await self.post(path, {"merchant_id": self.merchant, **document}, **how)

    async def request(self, **changes: Any) -> str:
        """A new payment; its authority."""
        plain = {"amount": 150_000, "description": "Order 7", "callback_url": CALLBACK}
        answer = await self.call("request", plain | changes)
        assert 200 == answer.status, answer.text
        assert 100 == answer.json["data"]["code"]
        return str(answer.json["data"]["authority"])

    async def pay(self, authority: str) -> dict[str, str]:
        """The customer pays; what the callback's query says."""
        return callback(await self.customer(f"/pg/StartPay/{authority}"))

    async def verify(self, authority: str, amount: Any = 150_000, **how: Any) -> Answer:
        """The shop's verify."""
        return await self.call("verify", {"authority": authority, "amount": amount}, **how)

    async def status(self, authority: str) -> str:
        """What an inquiry says."""
        answer = await self.call("inquiry", {"authority": authority})
        return str(answer.json["data"]["status"])


@dataclass
class Zibal(Plugin):
    """A plugin for Zibal."""

    merchant: str = ZIBAL_MERCHANT

    async def call(self, call: str, document: Mapping[str, Any], **how: Any) -> Answer:
        """One of the calls."""
        return await self.post(f"/v1/{call}", {"merchant": self.merchant, **document}, **how)

    async def request(self, **changes: Any) -> int:
        """A new payment; its trackId."""
        plain = {"amount": 150_000, "callbackUrl": CALLBACK, "orderId": "100045"}
        answer = await self.call("request", plain | changes)
        assert 100 == answer.json["result"], answer.text
        track_id = answer.json["trackId"]
        assert isinstance(track_id, int)
        return track_id

    async def pay(self, track_id: int) -> dict[str, str]:
        """The customer pays; what the callback's query says."""
        return callback(await self.customer(f"/start/{track_id}"))

    async def verify(self, track_id: Any, **more: Any) -> Answer:
        """The shop's verify."""
        return await self.call("verify", {"trackId": track_id, **more})

    async def status(self, track_id: int) -> int:
        """What an inquiry says."""
        return int((await self.call("inquiry", {"trackId": track_id})).json["status"])


def callback(answer: Answer) -> dict[str, str]:
    """The query with which a customer is sent back to the shop."""
    assert 303 == answer.status, answer.text
    assert "shop.example" == answer.location.host
    assert "/back" == answer.location.path
    query = dict(answer.location.query)
    assert "8841" == query.pop("pid")
    return query


def code(answer: Answer) -> int:
    """ZarinPal's code, wherever it stands."""
    document = answer.json
    assert {"data", "errors"} == set(document)
    if document["data"]:
        assert [] == document["errors"]
        return int(document["data"]["code"])
    assert [] == document["data"]
    return int(document["errors"]["code"])


@asynccontextmanager
async def face_stage(**how: Any) -> AsyncIterator[Web]:
    """A listener with both faces on."""
    async with web_stage(**{"shops": BOTH, **how}) as web:
        yield web
