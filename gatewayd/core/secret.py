"""A string that hides itself in repr, logs, errors and tracebacks.

`reveal()` is the only way to the text, so that a search for it lists every place where a secret is
used.
"""

import hmac
from dataclasses import dataclass
from typing import Any

from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A password, key or token from the configuration."""

    _text: str

    def reveal(self) -> str:
        """The text itself; call it only where it goes onto the wire or into a hash."""
        return self._text

    def matches(self, other: str) -> bool:
        """Whether `other` is this secret, compared in constant time."""
        return hmac.compare_digest(self._text.encode(), other.encode())

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> CoreSchema:
        """Configuration gives a non-empty string; an existing Secret stays what it is."""
        from_text = core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(strict=True, min_length=1)
        )
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema(
                [core_schema.is_instance_schema(cls), from_text]
            ),
        )
