"""Fills `${env:NAME}`, `${file:path}` and `${credential:name}` into the configuration's texts.

What was filled in is never looked at again, so that a password may hold anything. `$${` stands for
a literal `${`. A reference that cannot be filled raises `Unresolved`, whose text names the source and
never what it holds.
"""

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BYTES_MAX: Final = 65_536
"""Keys and certificates are a tenth of this; more is the wrong file."""

_REFERENCE = re.compile(r"(?P<escaped>\$\$\{)|\$\{(?P<inside>[^{}]*)\}|(?P<open>\$\{)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL = re.compile(r"(?!\.)[A-Za-z0-9_.-]{1,255}")


class Unresolved(Exception):
    """A reference leads nowhere. The text is fit for a complaint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A text whose references are filled in."""

    text: str
    references: tuple[str, ...] = ()
    """`env:NAME` and the like, in the order of their standing."""
    secrets: tuple[str, ...] = ()
    """What came in by them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where references lead."""

    environ: Mapping[str, str]
    directory: Path
    """What a relative file is relative to: the configuration's own directory."""

    def fill(self, text: str) -> Filled:
        """`text` with all its references filled in."""
        parts: list[str] = []
        references: list[str] = []
        secrets: list[str] = []
        end = 0
        for match in _REFERENCE.finditer(text):
            parts.append(text[end : match.start()])
            end = match.end()
            if match["open"]:
                raise Unresolved(
                    "a reference begins with ${ and never ends; a literal one is written $${"
                )
            if match["escaped"]:
                parts.append("${")
                continue
            secret = self._look_up(match["inside"])
            parts.append(secret)
            references.append(match["inside"])
            secrets.append(secret)
        parts.append(text[end:])
        return Filled(text="".join(parts), references=tuple(references), secrets=tuple(secrets))

    def path(self, name: str) -> Path:
        """The file called `name`, seen from the configuration."""
        return self.directory / name

    def _look_up(self, inside: str) -> str:
        kind, _, name = inside.partition(":")
        match kind:
            case "env" if _VARIABLE.fullmatch(name):
                return self._variable(name)
            case "file" if name and name.isprintable():
                return _content(self.path(name), f"file {name}")
            case "credential" if _CREDENTIAL.fullmatch(name):
                return self._credential(name)
            case _:
                raise Unresolved(
                    "unknown reference; there are ${env:NAME}, ${file:path} and ${credential:name},"
                    " and $${ for a literal ${"
                )

    def _variable(self, name: str) -> str:
        value = self.environ.get(name)
        if value is None:
            raise Unresolved(f"the environment variable {name} is not set")
        if not value:
            raise Unresolved(f"the environment variable {name} is empty")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unresolved(f"the environment variable {name} is not UTF-8 text") from None
        return value

    def _credential(self, name: str) -> str:
        directory = self.environ.get("CREDENTIALS_DIRECTORY")
        if not directory:
            raise Unresolved(
                f"credential {name}: CREDENTIALS_DIRECTORY is not set;"
                " systemd sets it for units with LoadCredential=, by hand name the folder of these files"
            )
        return _content(Path(directory) / name, f"credential {name}")


def _content(path: Path, what: str) -> str:
    """The text of a small file without the newline at its end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Unresolved(f"{what} is not a regular file")
        with path.open("rb") as file:
            raw = file.read(BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise Unresolved(f"{what} cannot be read: {reason or 'not a path'}") from None
    if len(raw) > BYTES_MAX:
        raise Unresolved(f"{what} is larger than {BYTES_MAX} bytes")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Unresolved(f"{what} is not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise Unresolved(f"{what} is empty")
    return text
