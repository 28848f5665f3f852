"""Reads HTML pages as a browser without scripts does: forms, their fields and their buttons."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """A form and what submitting it sends."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    """Name and value; both empty where pressing adds nothing."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        match tag:
            case "form":
                self.forms.append(Form(found.get("method", "get"), found.get("action", "")))
            case "input":
                self.forms[-1].fields[found["name"]] = found.get("value", "")
            case "button":
                self.forms[-1].buttons.append((found.get("name", ""), found.get("value", "")))
            case _:
                pass


def read_forms(page: str) -> list[Form]:
    """The page's forms, in order."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.forms
