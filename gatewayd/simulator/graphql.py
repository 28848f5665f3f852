"""Reads GraphQL as far as a bank's panel needs it: one operation, arguments, aliases, selections.

Fragments, directives and block strings are not read; whatever is not understood is a GraphqlError,
as it would be at a server.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

QUERY_CHARS_MAX: Final = 20_000
"""No client's query comes near this."""
DEPTH_MAX: Final = 16

_TOKEN: Final = re.compile(
    r'[$]?[_A-Za-z][_0-9A-Za-z]*|-?[0-9]+|"(?:[^"\\\n]|\\.)*"|[!(){}\[\]:=]', re.ASCII
)
_IGNORED: Final = re.compile(r"(?:[\s,\ufeff]|#[^\n]*)*")
_NAME: Final = re.compile(r"[_A-Za-z][_0-9A-Za-z]*", re.ASCII)
_WORDS: Final[Mapping[str, Any]] = {"true": True, "false": False, "null": None}


class GraphqlError(Exception):
    """What the `errors` of the answer say."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A field that the client asks for."""

    name: str
    alias: str
    """Under which it is answered; the name where the client gave no other."""
    arguments: Mapping[str, Any]
    """Variables are filled in."""
    fields: tuple["Selected", ...]


@dataclass(frozen=True, slots=True)
class GraphqlOperation:
    """A query or a mutation."""

    kind: str
    fields: tuple[Selected, ...]


def read_graphql(document: Mapping[str, Any]) -> GraphqlOperation:
    """The first operation of `{"query", "variables"}`; GraphqlError where there is none."""
    query, variables = document.get("query"), document.get("variables") or {}
    if not isinstance(query, str) or len(query) > QUERY_CHARS_MAX:
        raise GraphqlError("Syntax Error: no query")
    if not isinstance(variables, dict):
        raise GraphqlError("Variables must be an object")
    return _Reader(_tokens(query), variables).operation()


def choose(selection: tuple[Selected, ...], value: object) -> object:
    """What the client selected of `value`, which is nested objects and lists."""
    if isinstance(value, list):
        return [choose(selection, item) for item in value]
    if not isinstance(value, dict) or not selection:
        return value
    for field in selection:
        if field.name not in value:
            raise GraphqlError(f'Cannot query field "{field.name}"')
    return {field.alias: choose(field.fields, value[field.name]) for field in selection}


def _tokens(query: str) -> list[str]:
    tokens: list[str] = []
    place = _end_of_ignored(query, 0)
    while place < len(query):
        token = _TOKEN.match(query, place)
        if token is None:
            raise GraphqlError(f"Syntax Error: Unexpected character {query[place]!r}")
        tokens.append(token.group())
        place = _end_of_ignored(query, token.end())
    return tokens


def _end_of_ignored(query: str, place: int) -> int:
    ignored = _IGNORED.match(query, place)
    assert ignored is not None  # it matches nothing at all, too
    return ignored.end()


class _Reader:
    """A descent over tokens."""

    def __init__(self, tokens: list[str], variables: Mapping[str, Any]) -> None:
        self._tokens = tokens
        self._variables = variables
        self._place = 0

    def operation(self) -> GraphqlOperation:
        kind = "query"
        if self._peek() != "{":
            kind = self._name()
            if kind not in {"query", "mutation"}:
                raise GraphqlError(f"Syntax Error: Unexpected {kind}")
            while self._peek() != "{":  # the operation's name and the types of its variables
                self._next()
        return GraphqlOperation(kind, self._selection(0))

    def _selection(self, depth: int) -> tuple[Selected, ...]:
        if depth > DEPTH_MAX:
            raise GraphqlError("Syntax Error: too deep")
        self._expect("{")
        fields: list[Selected] = []
        while not self._skip("}"):
            alias = name = self._name()
            if self._skip(":"):
                name = self._name()
            arguments: dict[str, Any] = {}
            if self._skip("("):
                while not self._skip(")"):
                    argument = self._name()
                    self._expect(":")
                    arguments[argument] = self._value(depth)
            inner = self._selection(depth + 1) if self._peek() == "{" else ()
            fields.append(Selected(name, alias, arguments, inner))
        return tuple(fields)

    def _value(self, depth: int) -> object:
        if depth > DEPTH_MAX:
            raise GraphqlError("Syntax Error: too deep")
        token = self._next()
        if token.startswith("$"):
            return self._variables.get(token[1:])
        if token.startswith('"'):
            try:
                return orjson.loads(token)
            except orjson.JSONDecodeError:
                raise GraphqlError("Syntax Error: bad string") from None
        if token.lstrip("-").isdecimal():
            return int(token)
        if token == "[":
            items: list[object] = []
            while not self._skip("]"):
                items.append(self._value(depth + 1))
            return items
        if not _NAME.fullmatch(token):
            raise GraphqlError(f"Syntax Error: Unexpected {token}")
        return _WORDS.get(token, token)  # an enum's value is its name

    def _peek(self) -> str:
        if self._place >= len(self._tokens):
            raise GraphqlError("Syntax Error: Unexpected <EOF>")
        return self._tokens[self._place]

    def _next(self) -> str:
        token = self._peek()
        self._place += 1
        return token

    def _skip(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._place += 1
        return True

    def _expect(self, token: str) -> None:
        if not self._skip(token):
            raise GraphqlError(f"Syntax Error: Expected {token}, found {self._peek()}")

    def _name(self) -> str:
        token = self._next()
        if not _NAME.fullmatch(token):
            raise GraphqlError(f"Syntax Error: Expected Name, found {token}")
        return token
