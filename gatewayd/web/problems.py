"""Errors of the API as RFC 9457 problems: a stable `code` for programs, a sentence for people, the field at fault.

A problem never repeats what was sent: values may be secrets or a payer's data. Only names of fields are repeated, for
whoever misspelt one must find it.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

INVALID: Final = "request_invalid"
NAME_CHARS_MAX: Final = 60
"""How much is repeated of a name that somebody made up."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with a request."""

    path: str
    """The field, such as `amount` or `payer.mobile`."""
    detail: str
    code: str = INVALID


class Problem(Exception):
    """Raised by handlers; becomes the answer."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        retry_after_seconds: int | None = None,
        **more: Any,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retry_after_seconds = retry_after_seconds
        self.more = more

    def answer(self, request_id: str | None = None) -> web.Response:
        """The HTTP answer. By `request_id` a complaint about it is found in the log."""
        document: dict[str, Any] = {
            "type": f"urn:gatewayd:problem:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.more,
        }
        if request_id is not None:
            document["instance"] = f"urn:gatewayd:request:{request_id}"
        if self.errors:
            document["param"] = self.errors[0].path
            document["errors"] = [
                {"path": each.path, "code": each.code, "detail": each.detail}
                for each in self.errors
            ]
        headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        if self.status == web.HTTPUnauthorized.status_code:
            headers["WWW-Authenticate"] = "Bearer"
        return web.Response(status=self.status, body=orjson.dumps(document), headers=headers)


def invalid(path: str, detail: str) -> Problem:
    """A request whose field `path` is wrong."""
    return invalid_fields([FieldError(path, detail)])


def refuse_others(names: Iterable[str], known: Container[str], kind: str) -> None:
    """Problem 422 that names what is none of the `known` fields or filters."""
    for name in names:
        if name not in known:
            raise invalid(name[:NAME_CHARS_MAX], f"there is no such {kind}")


def invalid_fields(errors: Sequence[FieldError]) -> Problem:
    """A request with at least one wrong field. What they have in common names the problem."""
    codes = {error.code for error in errors}
    detail = "; ".join(f"{error.path}: {error.detail}" for error in errors)
    return Problem(422, codes.pop() if len(codes) == 1 else INVALID, detail, errors=errors)
