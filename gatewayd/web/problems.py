"""Errors of the API as RFC 9457 problems: a stable `code` for programs, a sentence for people, the field at fault.

A problem never repeats what was sent: values may be secrets or a payer's data.
"""

from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with a request."""

    path: str
    """The field, such as `amount` or `payer.mobile`."""
    detail: str


class Problem(Exception):
    """Raised by handlers; becomes the answer."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
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

    def answer(self) -> web.Response:
        """The HTTP answer."""
        document: dict[str, Any] = {
            "type": f"urn:gatewayd:problem:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.more,
        }
        if self.errors:
            document["param"] = self.errors[0].path
            document["errors"] = [{"path": e.path, "detail": e.detail} for e in self.errors]
        headers = {"Cache-Control": "no-store"}
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        if self.status == web.HTTPUnauthorized.status_code:
            headers["WWW-Authenticate"] = "Bearer"
        return web.Response(
            status=self.status,
            body=orjson.dumps(document),
            content_type="application/problem+json",
            headers=headers,
        )


def invalid(path: str, detail: str, code: str = "request_invalid") -> Problem:
    """A request whose field `path` is wrong."""
    return Problem(422, code, f"{path}: {detail}", errors=(FieldError(path, detail),))
