"""A browser without scripts and cookies, good enough to pay with: pages, their forms, their buttons."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import MappingProxyType
from typing import Final

from aiohttp import ClientError, ClientResponse, ClientSession
from yarl import URL

NO_ANSWER: Final = 0
"""The status of a page that did not come."""
NO_FIELDS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(slots=True)
class Form:
    """A form with what it would send."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    """Values of its named buttons, by the buttons' name."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a browser shows."""

    url: URL
    status: int
    forms: tuple[Form, ...] = ()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return str(self.url.origin())

    def form_with(self, name: str, value: str) -> Form | None:
        """The form that sends `name=value`."""
        return next((form for form in self.forms if form.fields.get(name) == value), None)


class Browser:
    """Opens pages and submits forms; where nobody answers it shows an empty page."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def open(self, url: str, *, referer: str = "") -> Page:
        """Go to an address."""
        return await self._go("GET", URL(url, encoded=True), NO_FIELDS, referer)

    async def submit(self, page: Page, form: Form, extra: Mapping[str, str] = NO_FIELDS) -> Page:
        """Press a form's button; `extra` is what that button adds."""
        target = page.url.join(URL(form.action, encoded=True)) if form.action else page.url
        fields = {**form.fields, **extra}
        if form.method == "post":
            return await self._go("POST", target, fields, page.origin)
        if fields:
            target = target.with_query(fields)
        return await self._go("GET", target, NO_FIELDS, page.origin)

    async def _go(self, method: str, url: URL, fields: Mapping[str, str], origin: str) -> Page:
        headers = {"Referer": f"{origin}/"} if origin else {}
        data = dict(fields) if method == "POST" else None
        try:
            async with self._session.request(method, url, data=data, headers=headers) as answer:
                return Page(answer.url, answer.status, await _forms(answer))
        except (ClientError, TimeoutError, OSError):
            return Page(url, NO_ANSWER)


async def _forms(answer: ClientResponse) -> tuple[Form, ...]:
    if answer.content_type != "text/html":
        return ()
    reader = _Reader()
    reader.feed(await answer.text())
    return tuple(reader.forms)


class _Reader(HTMLParser):
    """Finds forms."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        name, value = attributes.get("name", ""), attributes.get("value", "")
        match tag:
            case "form":
                self._inside = True
                method = attributes.get("method", "get").lower()
                self.forms.append(Form(method, attributes.get("action", "")))
            case "input" if self._inside and name:
                self.forms[-1].fields[name] = value
            case "button" if self._inside and name:
                self.forms[-1].choices.setdefault(name, []).append(value)
            case _:
                pass

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
