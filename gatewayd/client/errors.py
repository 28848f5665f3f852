"""Why a call did not bring its answer: one family, whose three members say three different things.

`Refused` is the daemon's no: nothing was done. `Unreached`: nothing was sent, so nothing was done. `Unknown`: it may
have been done, and nobody has said; the same call with the same idempotency key finds out without doing it twice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gatewayd.client.shapes import FieldError


class ClientError(Exception):
    """Any failure of a call. It never holds what was sent, nor a secret."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int | None = None,
        errors: Sequence[FieldError] = (),
        document: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        tries: int = 0,
    ) -> None:
        super().__init__(f"{code}: {detail}" if status is None else f"{status} {code}: {detail}")
        self.code = code
        """Stable, for programs."""
        self.detail = detail
        self.status = status
        """Of the last answer, if there was one."""
        self.errors = tuple(errors)
        """The fields that are wrong."""
        self.document = dict(document or {})
        """All of the answer, such as `payment_id` and `pay_url` of `order_exists`."""
        self.idempotency_key = idempotency_key
        """What the call went under; None for a call without a key."""
        self.tries = tries


class Refused(ClientError):
    """The daemon said no, and has done nothing."""


class Unreached(ClientError):
    """The daemon could not be reached at all; it has done nothing."""


class Unknown(ClientError):
    """Whether it was done is not known. Call again with `idempotency_key`, or look; never take it for a no."""


class NotGenuine(ClientError):
    """A webhook or a returned query that the daemon has not signed, or signed too long ago."""
