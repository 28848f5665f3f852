"""Reads one YAML document into plain data and remembers on which line everything stands.

It is stricter than YAML, for each thing it refuses has cost somebody money or a night:

* A number is a number only in its plain decimal form. What has a leading zero, a plus, colons or a
  date's form stays the text that it is: merchant numbers keep their zeros, `12:30:45` is no number.
* Only `true` and `false` are truth values; `no`, `off` and `Yes` stay text.
* A key that stands twice, an anchor, an alias, a tag, a key that is no text and a second document
  are complaints.
* Size and depth are limited, and whatever the bytes are, the outcome is data or complaints, each
  with its line. No complaint repeats a value, for it may be a secret.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

import yaml
from yaml import events

BYTES_MAX: Final = 1_048_576
"""A configuration of a thousand gateways is a quarter of this."""
DEPTH_MAX: Final = 32
"""Lists and mappings within each other; the configuration needs five."""
COMPLAINTS_MAX: Final = 100
"""Nobody reads more at once."""

Place = tuple[str | int, ...]
"""The keys and list positions on the way to a value."""

_WHOLE = re.compile(r"-?(?:0|[1-9](?:_?[0-9])*)")
_DECIMAL = re.compile(r"-?(?:0|[1-9](?:_?[0-9])*)\.[0-9]+")
_ODD = re.compile(rf"{yaml.reader.Reader.NON_PRINTABLE.pattern}|[\x85\u2028\u2029]")
"""What YAML does not allow, and the line ends that it knows and editors do not count."""
_TAB = r"found character '\t' that cannot start any token"
_NOTHING = frozenset({"", "~", "null"})
_TRUTH = {"true": True, "false": False}
_WHOLE_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """Something wrong with the file. `line` counts from 1; `path` is empty where there is none."""

    line: int
    path: str
    text: str


@dataclass(slots=True)
class Document:
    """What a file says. `data` is made of dict, list, str, int, float, bool and None."""

    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    """For everything in `data` the line of its key or, in lists, of its beginning."""
    complaints: list[Complaint] = field(default_factory=list)
    spoilt: set[Place] = field(default_factory=set)
    """Where `data` is not what was meant, after a complaint about it."""
    complete: bool = False
    """Whether everything was read; if not, what is missing in `data` says nothing."""

    def line(self, place: Place) -> int:
        """The line of `place` or, if it is not there, of what it would be in."""
        while place not in self.lines:
            if not place:
                return 1
            place = place[:-1]
        return self.lines[place]


def spell(place: Place) -> str:
    """`gateways.1.timeout`; parts that cannot be printed are written escaped."""
    return ".".join(
        str(part) if isinstance(part, int) or part.isprintable() else repr(part) for part in place
    )


def read(raw: bytes) -> Document:
    """The one document in `raw`, as far as it can be read."""
    document = Document()
    text = _text(raw, document)
    if text is not None:
        _Builder(document).build(text)
    return document


def _text(raw: bytes, document: Document) -> str | None:
    def refuse(line: int, why: str) -> None:
        document.complaints.append(Complaint(line, "", why))

    if len(raw) > BYTES_MAX:
        refuse(1, f"the file is larger than {BYTES_MAX} bytes")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(raw.count(b"\n", 0, error.start) + 1, "this is not UTF-8 text")
        return None
    odd = _ODD.search(text)
    if odd:
        refuse(text.count("\n", 0, odd.start()) + 1, "there is a control character here")
        return None
    return text


class _Stop(Exception):
    """Reading on would only produce complaints about complaints."""


class _Builder:
    """Turns the parser's events into data. Not recursive by itself beyond DEPTH_MAX."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def build(self, text: str) -> None:
        try:
            self._document_in(yaml.parse(text, Loader=yaml.SafeLoader))
            self._document.complete = True
        except _Stop:
            pass
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line = mark.line + 1 if mark else self._last_line
            self._complain(line, (), f"not YAML: {_problem(error)}")
        except (yaml.YAMLError, ValueError, OverflowError):
            # PyYAML lets \U escapes beyond Unicode through to chr()
            self._complain(self._last_line, (), "not YAML: a character that does not exist")

    _last_line = 1

    def _document_in(self, stream: Iterator[events.Event]) -> None:
        numbered = self._watched(stream)
        for event in numbered:
            match event:
                case (
                    events.StreamStartEvent() | events.DocumentEndEvent() | events.StreamEndEvent()
                ):
                    pass
                case events.DocumentStartEvent() if self._document.lines:
                    self._complain(
                        self._last_line, (), "a second document begins here; one is read"
                    )
                    raise _Stop
                case events.DocumentStartEvent():
                    pass
                case _:
                    self._document.lines[()] = self._last_line
                    self._document.data = self._value(event, numbered, ())

    def _watched(self, stream: Iterator[events.Event]) -> Iterator[events.Event]:
        for event in stream:
            assert event.start_mark is not None, "the parser marks every event"
            self._last_line = event.start_mark.line + 1
            yield event

    def _value(self, event: events.Event, stream: Iterator[events.Event], place: Place) -> Any:
        if len(place) > DEPTH_MAX:
            self._complain(self._last_line, (), f"more than {DEPTH_MAX} levels deep")
            raise _Stop
        if getattr(event, "anchor", None) is not None and not isinstance(event, events.AliasEvent):
            self._complain(self._last_line, place, "anchors (&) are not read; write the value out")
        if getattr(event, "tag", None) is not None:
            self._complain(
                self._last_line, place, "tags (!) are not read; quote text that begins with one"
            )
        match event:
            case events.MappingStartEvent():
                return self._mapping(stream, place)
            case events.SequenceStartEvent():
                return self._sequence(stream, place)
            case events.ScalarEvent():
                return self._scalar(event, place)
            case _:
                self._complain(
                    self._last_line,
                    place,
                    "aliases (*) are not read; quote text that begins with one",
                )
                return None

    def _mapping(self, stream: Iterator[events.Event], place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in stream:
            if isinstance(event, events.MappingEndEvent):
                break
            line = self._last_line
            key = self._key(event, stream, place)
            inside = (*place, key)
            if key in found:
                first = self._document.lines[inside]
                self._complain(line, inside, f"stands twice, the first time in line {first}")
                self._value(next(stream), stream, inside)
                continue
            found[key] = None
            self._document.lines[inside] = line
            found[key] = self._value(next(stream), stream, inside)
        return found

    def _key(self, event: events.Event, stream: Iterator[events.Event], place: Place) -> str:
        if isinstance(event, events.ScalarEvent):
            self._value(event, stream, place)
            return str(event.value)
        self._complain(self._last_line, place, "a key must be text")
        raise _Stop

    def _sequence(self, stream: Iterator[events.Event], place: Place) -> list[Any]:
        found: list[Any] = []
        for event in stream:
            if isinstance(event, events.SequenceEndEvent):
                break
            inside = (*place, len(found))
            self._document.lines.setdefault(inside, self._last_line)
            found.append(self._value(event, stream, inside))
        return found

    def _scalar(self, event: events.ScalarEvent, place: Place) -> Any:
        try:
            event.value.encode()
        except UnicodeEncodeError:
            self._complain(self._last_line, place, "holds half a character (a lone surrogate)")
            return None
        return plain(event.value) if event.style is None else event.value

    def _complain(self, line: int, place: Place, text: str) -> None:
        self._document.complaints.append(Complaint(line, spell(place), text))
        self._document.spoilt.add(place)
        if len(self._document.complaints) >= COMPLAINTS_MAX:
            raise _Stop


def plain(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means."""
    if text in _NOTHING:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if _WHOLE.fullmatch(text) and len(text) <= len(str(_WHOLE_MAX)) * 2:
        whole = int(text)
        return whole if abs(whole) <= _WHOLE_MAX else text
    if _DECIMAL.fullmatch(text):
        decimal = float(text)
        return decimal if isfinite(decimal) else text
    return text


def _problem(error: yaml.MarkedYAMLError) -> str:
    """PyYAML's own words without what it quotes from the file, which may be part of a secret."""
    words = f"{error.problem or 'unreadable'}"
    if words == _TAB:
        return "there is a tab here; YAML indents with blanks"
    return re.sub(r"'(?!<)[^']{2,}'", "…", words)
