"""One call through all its tries: what its answer means, whether it is sent again, and when. No clock, no network.

* Sent again is what got no answer, 429, 502, 503, 504, and 409 while the first try still runs; always the same request
  under the same key. No other refusal is ever sent again.
* Pauses grow and are drawn between nothing and their size, so that many callers do not come back at once; a
  `Retry-After` is waited for on top. Tries and seconds are limited.
* After a try whose answer was lost only a refusal that the daemon gives with the key in view is a no. One that it gives
  before it looks at keys (too many requests, a key that has ended) says nothing of the lost try.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from random import Random
from typing import Any, Final, Generic, TypeVar, cast

from gatewayd import __version__
from gatewayd.client.calls import Call
from gatewayd.client.errors import ClientError, Refused, Unknown, Unreached

T = TypeVar("T")

ANSWER_BYTES_MAX: Final = 32 * 2**20
"""A hundred payments with all the metadata that they may hold are far less."""
AGAIN: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
IN_USE: Final = "idempotency_key_in_use"
AFTER_THE_KEY: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT})
"""Refusals that the daemon gives of what it finds, not of how it was asked."""
_DETAIL_CHARS_MAX: Final = 2_000
_SECONDS_DIGITS_MAX: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long and how often a call is tried."""

    tries_max: int = 8
    total_seconds: float = 60.0
    """No try begins later than this; a pause that would end later is not begun."""
    try_seconds: float = 20.0
    """One try, or without asyncio the longest silence in one; the daemon may have to wait for a bank."""
    first_pause_seconds: float = 0.2
    pause_max_seconds: float = 5.0
    retry_after_max_seconds: float = 30.0
    """No answer's `Retry-After` is waited for longer than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    retry_after: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether it is a yes."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """No answer. `sent` says whether the request may have arrived."""

    why: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """Send it again after so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The call's answer."""

    value: T


def headers_of(call: Call[Any], api_key: str) -> dict[str, str]:
    """The headers that this call is sent with."""
    headers = {
        "Authorization": f"Bearer {api_key}",
        "Accept": "application/json",
        "User-Agent": f"gatewayd-client/{__version__}",
    }
    if call.body:
        headers["Content-Type"] = "application/json"
    if call.key is not None:
        headers["Idempotency-Key"] = call.key
    return headers


class Trying(Generic[T]):
    """A call that is being tried."""

    def __init__(self, call: Call[T], policy: Policy, rng: Random, now: float) -> None:
        """`now` and the later ones are seconds of one monotonic clock."""
        self.call = call
        self._policy = policy
        self._rng = rng
        self._ends = now + policy.total_seconds
        self._tries = 0
        self._in_doubt = False
        """An earlier try may have done it."""

    def seconds(self, now: float) -> float:
        """How long the try that begins now may take."""
        return max(0.001, min(self._policy.try_seconds, self._ends - now))

    def after(self, took: Answer | Lost, now: float) -> Done[T] | Pause:
        """What comes after a try that brought this; ClientError if that is the end."""
        self._tries += 1
        least_seconds = 0.0
        match took:
            case Lost():
                self._in_doubt |= took.sent and self.call.changes_something
                end = self._lost(took)
            case Answer(body=body) if took.is_good:
                document = _object(body)
                if document is not None:
                    return Done(cast("T", document))
                self._in_doubt |= self.call.changes_something
                end = self._lost(Lost(why="the answer is no JSON object", sent=True))
            case _:
                refused, again = self._refused(took)
                if not again:
                    raise refused
                end = refused
                least_seconds = _read_seconds(took.retry_after)
        size = self._policy.first_pause_seconds * 2 ** min(self._tries - 1, 30)
        pause_seconds = self._rng.uniform(0, min(self._policy.pause_max_seconds, size))
        pause_seconds += min(least_seconds, self._policy.retry_after_max_seconds)
        if self._tries >= self._policy.tries_max or now + pause_seconds >= self._ends:
            raise end
        return Pause(pause_seconds)

    def _refused(self, answer: Answer) -> tuple[ClientError, bool]:
        """What this refusal means if it is the last word, and whether it need not be."""
        document = _object(answer.body) or {}
        code = document.get("code")
        from_daemon = isinstance(code, str)
        status = answer.status
        again = status in AGAIN or (status == HTTPStatus.CONFLICT and code == IN_USE)
        if self.call.changes_something:
            nothing_done = status == HTTPStatus.SERVICE_UNAVAILABLE and from_daemon
            nobody_knows = status >= HTTPStatus.INTERNAL_SERVER_ERROR and not nothing_done
            self._in_doubt |= nobody_knows or code == IN_USE
        known = not self._in_doubt or (
            status in AFTER_THE_KEY and from_daemon and code != IN_USE and self.call.key is not None
        )
        return self._error(
            Refused if known else Unknown,
            str(code) if from_daemon else f"http_{status}",
            _text(document.get("detail")) or "The answer does not say why.",
            status,
            document,
        ), again

    def _lost(self, lost: Lost) -> ClientError:
        if lost.sent or self._in_doubt:
            return self._error(Unknown, "answer_lost", f"No answer came: {lost.why}.")
        return self._error(Unreached, "unreached", f"The daemon was not reached: {lost.why}.")

    def _error(
        self,
        kind: type[ClientError],
        code: str,
        detail: str,
        status: int | None = None,
        document: Mapping[str, Any] | None = None,
    ) -> ClientError:
        errors = (document or {}).get("errors")
        return kind(
            code,
            detail,
            status=status,
            errors=errors if isinstance(errors, list) else (),
            document=document,
            idempotency_key=self.call.key,
            tries=self._tries,
        )


def _object(body: bytes) -> dict[str, Any] | None:
    """The JSON object; None for anything else."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _text(value: object) -> str:
    return value[:_DETAIL_CHARS_MAX] if isinstance(value, str) else ""


def _read_seconds(text: str | None) -> float:
    """What `Retry-After` says in seconds; as a date it is left aside, for clocks differ."""
    text = (text or "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > _SECONDS_DIGITS_MAX:
        return 0.0
    return float(text)
