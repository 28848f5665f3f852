"""Events to bytes and back: JSON of the fields that differ from their defaults.

Rules:

* The body holds no time and no kind (they are columns) and nothing private (that stands in a side table).
* Writing and reading are driven by the events' own type hints, compiled once per kind: a journal is written and read
  far more often than events are added. A kind, field or value that is not known raises `UnknownEvent`: a journal
  written by a newer program must not be half understood.
* Writing never fails for what a browser or a bank sent. Lone surrogates and numbers beyond 64 bits, which orjson
  refuses, are written by the standard library; such a body begins with a blank, and is read back exactly.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import orjson

from gatewayd.core.events import KINDS, Event
from gatewayd.core.terms import Redirect
from gatewayd.core.values import plainer

_BESIDE: Final = frozenset({"at_ms", "private"})
_SHARED: Final = frozenset({"gateway", "key", "method", "shop", "url"})
"""Texts that a few thousand payments in memory have in common: kept once."""
_BY_STANDARD_LIBRARY: Final = b" "


class UnknownEvent(Exception):
    """The journal holds an event that this program does not know; it was written by a newer one, or damaged."""


def encode(event: Event) -> tuple[str, bytes, bytes | None]:
    """Kind, body, and the private part or None where there is none."""
    kind: type = type(event)
    private = getattr(event, "private", None)
    return kind.__name__, _to_json(_writer(kind)(event)), _to_json(private) if private else None


def decode(kind: str, at_ms: int, body: bytes, private: bytes | None) -> Event:
    """The event. An erased private part reads as an empty one."""
    cls = KINDS.get(kind)
    if cls is None:
        raise UnknownEvent(f"event kind {kind!r}")
    try:
        values = _from_json(body)
        known: type = cls
        for name, read in _readers(known):
            if name in values:
                values[name] = read(values[name])
        if private is not None:
            values["private"] = _from_json(private)
        return cls(at_ms=at_ms, **values)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnknownEvent(f"{kind}: {type(error).__name__} {error}") from None


def number_in(body: bytes, name: str) -> int:
    """The whole number with this name in an event's body, without the rest of it; UnknownEvent if there is none."""
    try:
        return int(_from_json(body)[name])
    except (KeyError, TypeError, ValueError) as error:
        raise UnknownEvent(f"no {name}: {type(error).__name__} {error}") from None


# --- JSON


def _to_json(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=_plain)
    except TypeError:
        return _BY_STANDARD_LIBRARY + json.dumps(value, default=_plain).encode()


def _plain(value: Any) -> Any:
    """What the JSON writers do not know: values inside tuples and in private parts, read-only mappings."""
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        kind: type = type(value)
        return _writer(kind)(value)
    raise TypeError(type(value).__name__)


def _from_json(text: bytes) -> dict[str, Any]:
    document = json.loads(text) if text.startswith(_BY_STANDARD_LIBRARY) else orjson.loads(text)
    if not isinstance(document, dict):
        raise TypeError(f"{type(document).__name__} instead of an object")
    return document


# --- writing


@cache
def _writer(cls: type) -> Callable[[Any], dict[str, Any]]:
    """Gives the fields that differ from their defaults; nested values become objects too."""
    hints = get_type_hints(cls)
    return plainer(
        [
            (field.name, _default(field), _field_writer(hints[field.name]))
            for field in fields(cls)
            if field.name not in _BESIDE
        ]
    )


def _default(field: Any) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _field_writer(hint: Any) -> Callable[[Any], dict[str, Any]] | None:
    hint = _without_none(hint)
    return _writer(hint) if isinstance(hint, type) and is_dataclass(hint) else None


# --- reading

_Read = Callable[[Any], Any]


@cache
def _readers(cls: type) -> tuple[tuple[str, _Read], ...]:
    """How the fields are read that JSON does not give as they are."""
    hints = get_type_hints(cls)
    found = (
        (field.name, _shared if field.name in _SHARED else _reader(hints[field.name]))
        for field in fields(cls)
    )
    return tuple((name, read) for name, read in found if read is not None)


def _reader(hint: Any) -> _Read | None:
    """How a field of this type is read from JSON; None: as it is."""
    inner = _without_none(hint)
    if inner is not hint:
        read = _reader(inner)
        return None if read is None else _or_none(read)
    if get_origin(hint) is tuple:
        read = _reader(get_args(hint)[0])
        return tuple if read is None else _each(read)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {member.value: member for member in hint}.__getitem__
    if isinstance(hint, type) and is_dataclass(hint):
        return _value_reader(hint)
    return None


@lru_cache(maxsize=4_096)
def _shared(text: Any) -> Any:
    """The same text, kept once."""
    return text


def _or_none(read: _Read) -> _Read:
    return lambda value: None if value is None else read(value)


def _each(read: _Read) -> _Read:
    return lambda values: tuple(map(read, values))


def _value_reader(cls: type) -> _Read:
    readers = _readers(cls)

    def read(document: dict[str, Any]) -> Any:
        for name, read_field in readers:
            if name in document:
                document[name] = read_field(document[name])
        return cls(**document)

    return _of_one_token(read) if cls is Redirect else read


def _of_one_token(read: _Read) -> _Read:
    """A redirect's form holds its token again, and else what a thousand others hold: each such text is kept once."""

    def lean(document: dict[str, Any]) -> Any:
        token, form = document["token"], document.get("fields")
        if form:
            document["fields"] = {
                name: token if text == token else _shared(text) for name, text in form.items()
            }
        return read(document)

    return lean


def _without_none(hint: Any) -> Any:
    """`X` of `X | None`; any other hint as it is."""
    if get_origin(hint) not in {Union, UnionType}:
        return hint
    inner = [part for part in get_args(hint) if part is not NoneType]
    assert len(inner) == 1, f"events hold one type or None, not {hint}"
    return inner[0]
