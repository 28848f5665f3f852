"""The operators' face: JSON over a socket file that only the daemon's own user can open.

The file's permissions are the authentication; the journal says who gave an order by the name that the operator gave.
"""

from dataclasses import asdict
from typing import Any, Final

import orjson
from aiohttp import web

from gatewayd.engine.operating import Operating, Refused
from gatewayd.web.problems import Problem
from gatewayd.web.render import json_answer

LIST_MAX: Final = 1_000
TEXT_CHARS_MAX: Final = 500


def build_operators_app(operating: Operating) -> web.Application:
    """The application behind the socket file."""

    async def payments(request: web.Request) -> web.Response:
        return json_answer(operating.open_payments(LIST_MAX))

    async def payment(request: web.Request) -> web.Response:
        found = await operating.story(int(request.match_info["number"]))
        if found is None:
            raise Problem(404, "payment_not_found", "There is no such payment.")
        summary, lines = found
        return json_answer({"payment": summary, "events": [asdict(line) for line in lines]})

    async def order(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        by, reason = _words(await request.read())
        acts = {"ask": operating.ask, "reverse": operating.reverse, "resolve": operating.resolve}
        return _said(await acts[request.match_info["act"]](number, by=by, reason=reason))

    async def gateway(request: web.Request) -> web.Response:
        by, to = _words(await request.read(), second="to")
        if to not in {"open", "closed", "auto"}:
            raise Problem(422, "request_invalid", "to: open, closed or auto")
        return _said(operating.force(request.match_info["name"], to, by=by))  # type: ignore[arg-type]  # just checked

    async def routing(request: web.Request) -> web.Response:
        by, mode = _words(await request.read(), second="mode")
        if mode not in {"learned", "fixed"}:
            raise Problem(422, "request_invalid", "mode: learned or fixed")
        return _said(operating.set_routing(mode, by=by))  # type: ignore[arg-type]  # just checked

    app = web.Application(middlewares=[_answers])
    app.add_routes(
        [
            web.get("/payments", payments),
            web.get(r"/payments/{number:[0-9]{1,15}}", payment),
            web.post(r"/payments/{number:[0-9]{1,15}}/{act:ask|reverse|resolve}", order),
            web.post("/gateways/{name}", gateway),
            web.post("/routing", routing),
        ]
    )
    return app


@web.middleware
async def _answers(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except Problem as problem:
        return problem.answer()
    except Refused as error:
        return Problem(409, "refused", str(error)).answer()
    return answer


def _words(body: bytes, second: str = "reason") -> tuple[str, str]:
    """Who orders, and why (or what)."""
    try:
        document = orjson.loads(body)
        by, what = document["by"], document[second]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Problem(422, "request_invalid", f"by and {second} are wanted") from None
    for name, text in (("by", by), (second, what)):
        if not isinstance(text, str) or not text.strip() or len(text) > TEXT_CHARS_MAX:
            raise Problem(422, "request_invalid", f"{name}: 1 to {TEXT_CHARS_MAX} characters")
    return by.strip(), what.strip()


def _said(text: str) -> web.Response:
    return json_answer({"said": text})
