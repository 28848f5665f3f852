"""One call, one effect: what a shop is promised for an Idempotency-Key.

* The key is a guard that lands in the same transaction as the events of the call, so that after a crash there are both
  or neither. It is kept for seven days.
* The same key and body again: the same answer, made anew from the payment as it was when the first call's events
  landed. The same key with another body, or for another payment: 422. While the first call runs, others with its key
  wait for it, five seconds at most, and are then told so with 409.
* A refused call has done nothing, and is judged afresh when it comes again.
* A key belongs to its shop, to one kind of call, and to live or test payments; not to an API key, for a call may be
  repeated after the keys were changed.

A handler of a call that moves money or stops it is made of four lines:

    guard = required(request, caller, "refund", payment.number, document)

    async def act() -> web.Response | Holder:
        made = await cashier.refund(payment.number, …, guard)   # with takes=(guard,) at its append
        return made if isinstance(made, Holder) else _answer(made)

    return await once(request, guard, act, again=_answer)       # `again` gets the payment as it was then

In the engine the guard goes into the `takes` of the append with the call's first events; `Records.wait` gives the
`Holder` if somebody was first. Such an append is applied after it has landed: decide, append, wait, and look again.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import orjson
from aiohttp import web

from gatewayd.journal.journal import as_of, side
from gatewayd.journal.store import Guard, GuardKind, Holder, Row
from gatewayd.web.asked import Request
from gatewayd.web.ports import PAST
from gatewayd.web.problems import Problem
from gatewayd.web.shops import Caller

KEY_CHARS_MAX: Final = 255
WAIT_SECONDS: Final = 5.0
"""How long a call waits for another with its key; a refund's bank may take longer than anybody should be held."""
_CHARS: Final = rf"[\x21\x23-\x7e]{{1,{KEY_CHARS_MAX}}}"
KEY: Final = re.compile(f'"{_CHARS}"|{_CHARS}')
"""As a header's string stands between quotes, or, as most write it, without them."""

RUNNING: "web.AppKey[Running]" = web.AppKey("running")

T = TypeVar("T")
AsOf = Callable[[int, Sequence[Row], int], T]
"""From the events of what a number names to how it was with one of its versions."""
Act = Callable[[], Awaitable[web.Response | Holder]]
_End = asyncio.Future[web.Response | None]


class Running:
    """The calls with a key that run just now."""

    def __init__(self, wait_seconds: float = WAIT_SECONDS) -> None:
        self._wait_seconds = wait_seconds
        self._ends: dict[str, tuple[Guard, _End]] = {}

    async def answer_of_another(self, guard: Guard) -> web.Response | None:
        """What the call with this key that runs just now will answer; None if none runs, or it came to nothing.

        Problem 422 if it has another body, 409 if it takes too long.
        """
        if guard.key not in self._ends:
            return None
        loop = asyncio.get_running_loop()
        until = loop.time() + self._wait_seconds
        while (running := self._ends.get(guard.key)) is not None:
            other, end = running
            if other.detail != guard.detail:
                raise _reused()
            await asyncio.wait({end}, timeout=until - loop.time())
            if not end.done():
                detail = "The first call with this Idempotency-Key is still running."
                raise Problem(409, "idempotency_key_in_use", detail, retry_after_seconds=1)
            answer = end.result()
            if answer is not None:
                return answer
        return None

    @contextmanager
    def one(self, guard: Guard) -> Iterator["_End"]:
        """Inside, this is the call that runs, and there is no other; what is given takes its answer."""
        end: _End = asyncio.get_running_loop().create_future()
        self._ends[guard.key] = guard, end
        try:
            yield end
        finally:
            del self._ends[guard.key]
            if not end.done():
                end.set_result(None)


async def once(
    request: Request,
    guard: Guard,
    act: Act,
    again: Callable[[T], web.Response],
    *,
    as_it_was: AsOf[T] = as_of,  # type: ignore[assignment]  # mypy has no defaults for type variables
    look_first: bool = True,
) -> web.Response:
    """Do `act` once for this key. It gives its answer, or who holds the key; `again` makes the answer anew.

    `as_it_was` makes what `again` is given from the journal: the payment, or the invoice.

    `look_first` asks the journal before `act` is tried, which is needed wherever what was done before would make it
    refuse; a call that always appends can do without, and the journal is asked only if it is refused: what was made
    when it was right, and there was room, is shown all the same.
    """
    running = request.app[RUNNING]
    same = await running.answer_of_another(guard)
    if same is not None:
        return _marked(web.Response(status=same.status, body=same.body, headers=same.headers))
    with running.one(guard) as end:
        holder = await request.app[PAST].holder(guard.kind, guard.key) if look_first else None
        try:
            made = holder or await act()
        except Problem:
            holder = None if look_first else await request.app[PAST].holder(guard.kind, guard.key)
            if holder is None:
                raise
            made = holder
        if isinstance(made, Holder):
            made = await _repeated(request, guard, made, again, as_it_was)
        end.set_result(made)
    return made


async def _repeated(
    request: Request,
    guard: Guard,
    holder: Holder,
    again: Callable[[T], web.Response],
    as_it_was: AsOf[T],
) -> web.Response:
    """The answer of the first call."""
    if holder.guard.detail != guard.detail:
        raise _reused()
    rows = await request.app[PAST].rows(holder.number)
    return _marked(again(as_it_was(holder.number, rows, holder.version)))


def _marked(answer: web.Response) -> web.Response:
    answer.headers["Idempotent-Replayed"] = "true"
    return answer


def required(
    request: Request, caller: Caller, call: str, number: int, document: dict[str, Any]
) -> Guard:
    """The guard of a call about payment `number`; Problem 400 without a key."""
    guard = guard_of(request, caller, call, document, about=str(number))
    if guard is None:
        raise Problem(400, "idempotency_key_missing", "Send an Idempotency-Key with this call.")
    return guard


def guard_of(
    request: Request, caller: Caller, call: str, document: dict[str, Any], *, about: str = ""
) -> Guard | None:
    """The guard of this call's Idempotency-Key; None without one. `about` is what the address names."""
    value = request.headers.get("Idempotency-Key")
    if value is None:
        return None
    if not KEY.fullmatch(value):
        detail = f"1 to {KEY_CHARS_MAX} printable ASCII characters without blanks or quotes inside"
        raise Problem(400, "idempotency_key_invalid", f"Idempotency-Key: {detail}.")
    key = value.strip('"')
    try:
        body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # a quarter of the depth that is read is written
        raise Problem(400, "request_not_json", "The body is nested too deep.") from None
    return Guard(
        kind=GuardKind.IDEMPOTENCY,
        key=f"{side(caller.shop.name, test=caller.test)}|{call}|{key}",
        detail=hashlib.sha256(b"%b\n%b" % (about.encode(), body)).hexdigest(),
    )


def _reused() -> Problem:
    detail = "This Idempotency-Key was used with another body, or for another payment."
    return Problem(422, "idempotency_key_reused", detail)
