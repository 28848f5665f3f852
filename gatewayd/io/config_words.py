"""Says what pydantic found wrong with the configuration: what is wanted, what is there, no values."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic_core import ErrorDetails

from gatewayd.core.secret import Secret
from gatewayd.io.yaml_strict import Place, plain

_BOUNDS = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters long",
    "string_pattern_mismatch": "must be like {pattern}",
    "too_short": "at least {min_length} is wanted",
    "too_long": "takes at most {max_length}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "value_error": "{error}",
}


def wording(error: ErrorDetails, value: Any) -> str:
    """What is wrong with `value`. Never says what it is."""
    kind = error["type"]
    match kind:
        case "missing":
            return "is missing"
        case "string_type":
            return f"text is wanted{_quotes(value)}"
        case "int_type" | "int_from_float" | "int_parsing_size":
            return f"a whole number is wanted{_number(value)}"
        case "float_type":
            return f"a number is wanted{_number(value)}"
        case "bool_type":
            hint = "; write true or false" if value in ("yes", "no", "on", "off") else ""
            return f"true or false is wanted, found {finding(value)}{hint}"
        case "tuple_type" | "list_type" | "set_type" | "frozen_set_type":
            return f"a list is wanted, found {finding(value)}"
        case "dataclass_type" | "dict_type" | "mapping_type":
            return f"a mapping is wanted, found {finding(value)}"
        case _ if kind in _BOUNDS:
            return _BOUNDS[kind].format(**error.get("ctx", {}))
        case _:
            return f"does not fit ({kind.replace('_', ' ')})"


def finding(value: Any) -> str:
    """What kind of thing stands there."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _quotes(value: Any) -> str:
    if isinstance(value, (bool, int, float)):
        return f", found {finding(value)}: put it in quotes"
    return f", found {finding(value)}"


def _number(value: Any) -> str:
    if isinstance(value, str):
        if isinstance(plain(value), (int, float)):
            return ", found text: take the quotes away"
        if value.isdecimal():
            return ", found text: it begins with a zero or is too long"
    return f", found {finding(value)}"


def unknown_key(key: str, known: set[str]) -> str:
    """For a key that nothing reads."""
    near = get_close_matches(key, known, n=1)
    return f"unknown key, did you mean {near[0]}?" if near else "unknown key"


def known_keys(kind: Any, place: Place) -> set[str]:
    """The keys that may stand at `place` within a value of the type `kind`; empty where any may."""
    kind = _core(kind)
    if not place:
        return {each.name for each in fields(kind)} if is_dataclass(kind) else set()
    first, rest = place[0], place[1:]
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return known_keys(hints[first], rest) if first in hints else set()
    inner = get_args(kind)
    return known_keys(inner[-1 if get_origin(kind) is Mapping else 0], rest) if inner else set()


def secret_keys(kind: type) -> frozenset[str]:
    """The fields of a dataclass that hold secrets."""
    return frozenset(name for name, hint in get_type_hints(kind).items() if _core(hint) is Secret)


def _core(hint: Any) -> Any:
    """The type behind Annotated and `… | None`."""
    if get_origin(hint) is Annotated:
        return _core(get_args(hint)[0])
    if get_origin(hint) in {Union, types.UnionType}:
        rest = [each for each in get_args(hint) if each is not types.NoneType]
        return _core(rest[0])
    return hint
