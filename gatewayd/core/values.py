"""Changed copies of frozen, slotted values, made quickly.

A payment is copied some twenty times in its life, so what a copy costs is paid twenty times per payment.
`dataclasses.replace` runs the whole initialiser, through a `__setattr__` that refuses: for a value of thirty fields
that is more than ten times the cost of plain assignments. So a copy is made of a twin class of the same layout that
lets itself be written, by assignments that are generated once per class and set of changes (as dataclasses generate
their initialisers), and becomes the frozen class only then.
"""

from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, Final, TypeVar

T = TypeVar("T")


def changed(value: T, **changes: Any) -> T:
    """A copy of `value` with these fields changed; AttributeError for a field that it has not."""
    kind: type = type(value)
    key = (kind, *changes)
    change = _CHANGES.get(key)
    if change is None:
        change = _CHANGES[key] = _change(kind, tuple(changes))
    copy: T = change(value, *changes.values())
    return copy


def changer(kind: type[T], *names: str) -> Callable[..., T]:
    """What `changed` does with these names, for places where it is done all the time: a value, then theirs in order."""
    return _change(kind, names)


_CHANGES: Final[dict[tuple[Any, ...], Callable[..., Any]]] = {}
"""By class and names of what is changed: as many as there are calls of `changed` in the code."""


def _change(kind: type, names: tuple[str, ...]) -> Callable[..., Any]:
    """A function that makes a copy of a value with these fields changed to its further arguments."""
    all_names = [field.name for field in fields(kind)]
    for name in names:
        if name not in all_names:
            raise AttributeError(f"{kind.__name__} has no field {name}")
    lines = [f"def change({', '.join(['_value_', *names])}):", " _made_ = _new_(_twin_)"]
    lines += [
        f" _made_.{name} = {name if name in names else f'_value_.{name}'}" for name in all_names
    ]
    lines += [" _made_.__class__ = _kind_", " return _made_"]
    scope: dict[str, Any] = {"_new_": object.__new__, "_twin_": _twin(kind), "_kind_": kind}
    exec("\n".join(lines), scope)  # noqa: S102 - names of our own fields only
    made: Callable[..., Any] = scope["change"]
    return made


Column = tuple[str, Any, Callable[[Any], Any] | None]
"""A field's name, its default (MISSING for none), and what makes its value plain (None: it is)."""


def plainer(columns: Sequence[Column]) -> Callable[[Any], dict[str, Any]]:
    """A function that gives those of a value's fields that differ from their defaults.

    It is generated, because a loop over the columns costs a third more, and every event passes here.
    """
    scope: dict[str, Any] = {}
    lines = ["def plain(value):", " found = {}"]
    for place, (name, default, write) in enumerate(columns):
        scope[f"default{place}"], scope[f"write{place}"] = default, write
        given = "it" if write is None else f"None if it is None else write{place}(it)"
        lines.append(f" it = value.{name}")
        put = f"found[{name!r}] = {given}"
        if default is MISSING:
            lines.append(f" {put}")
        else:
            lines.append(f" if it is not default{place} and it != default{place}: {put}")
    exec("\n".join([*lines, " return found"]), scope)  # noqa: S102 - names of our own fields only
    made: Callable[[Any], dict[str, Any]] = scope["plain"]
    return made


def quick(kind: type[T]) -> type[T]:
    """Give a frozen, slotted dataclass an initialiser that costs a half to a fifth of the one it was given.

    That one sets every field through `object.__setattr__`, because the class refuses assignments; this one turns the
    new value into its writable twin, assigns, and turns it back. A payment's life makes some hundred values.
    """
    # No field is called like these.
    scope: dict[str, Any] = {"_kind_": kind, "_turn_": object.__setattr__, "_missing_": MISSING}
    parameters, lines = [], []
    keywords = False
    for each in fields(kind):  # type: ignore[arg-type] # it is a dataclass
        name = each.name
        if each.kw_only and not keywords:
            parameters.append("*")
            keywords = True
        if each.default is not MISSING:
            scope[f"_default_{name}"] = each.default
            parameters.append(f"{name}=_default_{name}")
        elif each.default_factory is not MISSING:
            scope[f"_make_{name}"] = each.default_factory
            parameters.append(f"{name}=_missing_")
            lines.append(f" if {name} is _missing_: {name} = _make_{name}()")
        else:
            parameters.append(name)
    plain: type = kind
    scope["_twin_"] = _twin(plain)
    lines.append(" _turn_(self, '__class__', _twin_)")
    lines += [f" self.{each.name} = {each.name}" for each in fields(kind)]  # type: ignore[arg-type] # as above
    lines.append(" self.__class__ = _kind_")
    if hasattr(kind, "__post_init__"):
        lines.append(" self.__post_init__()")
    source = "\n".join([f"def __init__(self, {', '.join(parameters)}):", *lines])
    exec(source, scope)  # noqa: S102 - names of our own fields only
    made = scope["__init__"]
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    plain.__init__ = made  # type: ignore[misc] # that is the point
    return kind


@cache
def _twin(kind: type) -> type:
    """A class of the same layout that lets itself be written."""
    writable = {
        "__slots__": (),
        "__setattr__": object.__setattr__,
        "__delattr__": object.__delattr__,  # one slot of the type holds both
    }
    return type(f"_Writable{kind.__name__}", (kind,), writable)
