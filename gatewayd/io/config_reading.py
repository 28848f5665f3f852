"""One reading of one document: fills references in, makes settings of the data, gathers complaints.

A place that was complained of is not complained of again, nor is anything inside it: whoever repairs
the first complaint gets rid of the others.
"""

import re
from collections.abc import Hashable, Iterable
from dataclasses import fields
from functools import cache
from types import GenericAlias
from typing import Any, Final, TypeVar

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from gatewayd.core.settings import ServiceSettings
from gatewayd.engine.gateway import GatewayOptions, GatewaySettings
from gatewayd.gateways.registry import DRIVERS
from gatewayd.io.config_words import finding, known_keys, secret_keys, unknown_key, wording
from gatewayd.io.references import Sources, Unresolved
from gatewayd.io.yaml_strict import Complaint, Document, Place, plain, spell
from gatewayd.routing.router import RoutingSettings

T = TypeVar("T")

SECTIONS: Final = frozenset(
    {
        "payments",
        "invoices",
        "engine",
        "journal",
        "web",
        "overload",
        "routing",
        "limits",
        "labels",
        "connections",
        "webhooks",
    }
)
"""Mappings that may stand empty, as they do when every line in them is a comment."""

_BLOT_CHARS_MIN: Final = 4
"""What is shorter cannot be blotted out of a sentence without blotting out the sentence."""


class Reading:
    """From a document to settings, as far as it goes."""

    def __init__(self, document: Document, sources: Sources) -> None:
        self._document = document
        self._sources = sources
        self._secrets: set[str] = set()
        self._spoilt = set(document.spoilt)
        self.references: dict[Place, tuple[str, ...]] = {}
        """Which values came from elsewhere, and from where."""
        self.gateway_names: set[str] = set()
        """All that stand in the file, also of gateways that cannot be read."""
        self.complaints: list[Complaint] = list(document.complaints)

    def settings(
        self,
    ) -> tuple[ServiceSettings | None, dict[int, GatewaySettings], RoutingSettings | None]:
        """The service, the gateways by their position and the routing, as far as they are right."""
        if not self._document.complete:
            return None, {}, None
        data = self._filled(self._document.data, ())
        if not isinstance(data, dict):
            self.complain((), f"a mapping of settings is wanted, found {finding(data)}")
            return None, {}, None
        if isinstance(data.get("journal"), str):
            self._open_journal(data)
        gateways = self._gateways(data.pop("gateways", None))
        routing = self._read(RoutingSettings, data.pop("routing", {}), ("routing",))
        service = self._read(ServiceSettings, data, (), more=("gateways", "routing"))
        return service, gateways, routing

    def complain(self, place: Place, text: str) -> None:
        """Something is wrong at `place`."""
        if any(place[:length] in self._spoilt for length in range(len(place) + 1)):
            return
        self._spoilt.add(place)
        self.complaints.append(Complaint(self._document.line(place), spell(place), text))

    def blotted(self, text: str) -> str:
        """`text` without the secrets that were read."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "…")
        return text

    def _keep_secret(self, text: str) -> None:
        if len(text) >= _BLOT_CHARS_MIN:
            self._secrets.add(text)

    def _open_journal(self, data: dict[str, Any]) -> None:
        """`journal: path` is short for `journal: {path: path}`."""
        data["journal"] = {"path": data["journal"]}
        short, long = ("journal",), ("journal", "path")
        self._document.lines[long] = self._document.lines[short]
        if short in self.references:
            self.references[long] = self.references.pop(short)

    # --- references

    def _filled(self, value: Any, place: Place) -> Any:
        """`value` with its references filled in and its empty sections opened."""
        match value:
            case dict():
                return {
                    key: {}
                    if each is None and key in SECTIONS
                    else self._filled(each, (*place, key))
                    for key, each in value.items()
                }
            case list():
                return [self._filled(each, (*place, i)) for i, each in enumerate(value)]
            case str():
                return self._filled_text(value, place)
            case _:
                return value

    def _filled_text(self, text: str, place: Place) -> str:
        try:
            filled = self._sources.fill(text)
        except Unresolved as error:
            self.complain(place, str(error))
            return text
        if filled.references:
            self.references[place] = filled.references
        for secret in filled.secrets:
            self._keep_secret(secret)
        return filled.text

    # --- gateways

    def _gateways(self, entries: Any) -> dict[int, GatewaySettings]:
        if not isinstance(entries, list) or not entries:
            self.complain(("gateways",), "a list with at least one gateway is wanted")
            return {}
        found = ((i, self._gateway(entry, ("gateways", i))) for i, entry in enumerate(entries))
        return {i: gateway for i, gateway in found if gateway}

    def _gateway(self, entry: Any, place: Place) -> GatewaySettings | None:
        if not isinstance(entry, dict):
            self.complain(place, f"a mapping is wanted, found {finding(entry)}")
            return None
        if isinstance(entry.get("name"), str):
            self.gateway_names.add(entry["name"])
        shared = {each.name for each in fields(GatewayOptions)}
        own = {key: value for key, value in entry.items() if key not in {*shared, "driver"}}
        options = self._read(GatewayOptions, {k: entry[k] for k in entry if k in shared}, place)
        name = entry.get("driver")
        kind = DRIVERS.get(name) if isinstance(name, str) else None
        if kind is None:
            known = ", ".join(sorted(DRIVERS))
            self.complain((*place, "driver"), f"one of {known} is wanted")
            return None
        for key in secret_keys(kind) & own.keys():
            if isinstance(own[key], str):
                self._keep_secret(own[key])
        driver = self._read(kind, own, place, more=(*shared, "driver"))
        if options is None or driver is None:
            return None
        return GatewaySettings(driver=driver, **{key: getattr(options, key) for key in shared})

    # --- values

    def _read(
        self, kind: type[T], data: Any, place: Place, *, more: Iterable[str] = ()
    ) -> T | None:
        """`data` as a `kind`, or None after complaints. `more`: keys that others read there."""
        value: T | None
        value, wrong = _validated(kind, data)
        if self._numbers_from_references(data, place, wrong):
            value, wrong = _validated(kind, data)
        for error in wrong:
            inside = error["loc"][1:]
            if error["type"] == "unexpected_keyword_argument":
                known = known_keys(kind, inside[:-1]) | set(more if len(inside) == 1 else ())
                self.complain((*place, *inside), unknown_key(str(inside[-1]), known))
            else:
                self._complain_of_value(kind, error, data, place)
        return value

    def _complain_of_value(
        self, kind: type[Any], error: ErrorDetails, data: Any, place: Place
    ) -> None:
        inside = error["loc"][1:]
        found = _at(data, inside)
        if error["type"] == "too_short" and found:
            return  # it is long enough, only that its members are wrong, which is said at each
        text = wording(error, found)
        if error["type"] == "value_error":
            # who refuses a field says which: `terminal_id: must be digits`, `max_tps must be …`
            key, rest = re.split(":? ", text, maxsplit=1) if " " in text else (text, "")
            if key in known_keys(kind, inside):
                inside, text = (*inside, key), rest
        elif error["type"] != "missing":
            while inside and (*place, *inside) not in self._document.lines:
                inside = inside[:-1]  # pydantic adds parts for keys and for members of a union
        self.complain((*place, *inside), text)

    def _numbers_from_references(self, data: Any, place: Place, wrong: list[ErrorDetails]) -> bool:
        """Reads filled-in texts as numbers where numbers are wanted; whether any was."""
        changed = False
        for error in wrong:
            inside = error["loc"][1:]
            wanted = error["type"] in {"int_type", "float_type", "bool_type"}
            if wanted and (*place, *inside) in self.references:
                value = plain(_at(data, inside))
                if isinstance(value, (int, float)):
                    _at(data, inside[:-1])[inside[-1]] = value
                    changed = True
        return changed


def _validated(kind: Any, data: Any) -> tuple[Any, list[ErrorDetails]]:
    try:
        (value,) = _adapter(kind).validate_json(orjson.dumps([data]))
    except ValidationError as error:
        return None, error.errors(include_url=False, include_input=False)
    return value, []


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    # in a tuple, since an adapter's configuration reaches dataclasses only from around them
    one: Any = GenericAlias(tuple, (kind,))
    return TypeAdapter(one, config=ConfigDict(strict=True, extra="forbid"))


def _at(data: Any, inside: Place) -> Any:
    """What stands at `inside`; None where nothing does."""
    for part in inside:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data
