"""Hides in whatever is to be logged what must never be read there, and leaves our own ids readable.

* By name: what stands under a key that speaks of a secret or a person is hidden whole, at any depth.
* By form, in any text: card numbers, mobiles, IBANs and e-mail addresses, with any separators and in any digits;
  `password=…`, `<userPassword>…`, bearer tokens and API keys; and every secret that was made known.
* Objects are shown by their type alone: what their fields hold is not known here.
* It errs on the side of hiding. A payment's id (`pay_` and digits) and plain numbers under the keys of our own order
  numbers and amounts are never taken for cards.
* Whatever the text, the time it takes grows with its length only.
"""

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from gatewayd.core.secret import Secret
from gatewayd.io.masking_numbers import mask_numbers

TEXT_CHARS_MAX: Final = 8_192
"""Of one value; a longer one is cut."""
DEPTH_MAX: Final = 6
"""Levels of lists and mappings in each other."""
ITEMS_MAX: Final = 64
"""Of one list or mapping."""
SECRET_CHARS_MIN: Final = 6
"""A shorter secret would hide parts of ordinary words."""
INTEGER_MAX: Final = 2**63
SHORT: Final = 10**9
"""Nine digits are neither a card, a mobile nor an IBAN."""
HIDDEN: Final = "[hidden]"

_SECRETS: Final = (
    r"pass(?:word|wd|phrase)?s?|pwd|pin2?|cvv2?|otp|secrets?|tokens?|authori[sz]ation|auth(?:ority)?|bearer"
    r"|cookies?|credentials?|keys?|signature|sign|merchant_?id|login_?account|ref_?id"
)
_PERSONS: Final = (
    r"mobile|phone|cell(?:_?number)?|msisdn|e?mail|national_?(?:id|code)|(?:code_?)?mell?i|payer|pan"
    r"|card_?(?:number|no)|iban|sheba|full_?name"
)
_HIDING: Final = re.compile(
    rf"(?:.*[^a-z])?(?:{_SECRETS}|{_PERSONS})(?:[^a-z].*)?", re.IGNORECASE | re.DOTALL
)
_HUMPS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OUR_NUMBERS: Final = frozenset(
    {"amount", "amount_rial", "attempt", "bank_order", "payment", "refund_order", "seq", "version"}
)

_SUSPECT: Final = re.compile(r"[=:<@]|\d(?:\D{0,3}\d){9}|gwk_|[Bb]earer|whsec_")
"""No text without this holds anything to hide, known secrets aside."""
_PAYMENT: Final = re.compile(r"pay_[0-9]{1,15}")
_EQUALS: Final = re.compile(r"[=:]")
_NAME_BEFORE: Final = re.compile(r"""([\w.-]{1,64})["'\]]{0,2}\s{0,2}\Z""")
_NAME_REACH: Final = 68
_VALUE: Final = re.compile(
    r"""\s{0,2}(?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|(?:(?:[Bb]earer|[Bb]asic)\s+)?[^\s"'&,;<>)}\]]+)""",
    re.DOTALL,
)
_INNOCENT: Final = frozenset(
    {
        "bool",
        "dict",
        "empty",
        "float",
        "int",
        "list",
        "missing",
        "none",
        "nonetype",
        "not",
        "null",
        "str",
        "too",
    }
)
"""How our own complaints about a field go on: they name its type, never its value."""
_ELEMENT: Final = re.compile(r"<([\w:.-]{1,64})([^<>]{0,256}>)[^<]+")
_BARE: Final = re.compile(
    r"\b(?:gwk_(?:live|test)_|whsec_)\S+|\b(?:[Bb]earer|[Bb]asic)\s{1,3}\S{8,}"
)
_ADDRESS: Final = re.compile(r"[^\s@,;:<>()\[\]\"=]{1,64}@[^\s@,;:<>()\[\]\"/?#&]{1,255}")
_CLEAN_MAX: Final = 4_096
_CLEAN_CHARS_MAX: Final = 64


class Masker:
    """Masks texts and mappings; knows the secrets it was told of."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._secrets: tuple[str, ...] = ()
        self._clean: set[str] = set()
        self._hides: dict[str, bool] = {}
        self._open: set[str] = set()
        """Keys that hide nothing and hold nothing to be hidden themselves."""
        self.know(secrets)

    def know(self, secrets: Iterable[Secret]) -> None:
        """Hide these wherever they turn up, also as they stand in a URL or in XML."""
        known = set(self._secrets)
        for secret in secrets:
            text = secret.reveal()
            if len(text) >= SECRET_CHARS_MIN:
                known |= {text, quote(text, safe=""), escape(text)}
        self._secrets = tuple(sorted(known, key=len, reverse=True))
        self._clean.clear()
        self._open.clear()

    def fields(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """What may be written: these fields themselves where there is nothing to hide, which is nearly always."""
        if not self._open.issuperset(fields):
            return self._masked(fields)
        clean = self._clean
        for value in fields.values():
            kind = type(value)
            if kind is str:
                if value in clean or _PAYMENT.fullmatch(value):
                    continue
            elif (kind is int or kind is float) and -SHORT < value < SHORT:
                continue
            return self._masked(fields)
        return fields

    def _masked(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        masked: dict[str, Any] = {}
        for key, value in fields.items():
            name = self.text(key)
            if self._learn(key):
                masked[name] = HIDDEN
                continue
            if name is key and key in self._clean and len(self._open) < _CLEAN_MAX:
                self._open.add(key)
            ours = type(value) is int and key in _OUR_NUMBERS
            masked[name] = value if ours else self.value(value)
        return masked

    def value(self, value: Any, depth: int = 0) -> Any:
        """Text, numbers, lists and mappings, masked; of anything else its type."""
        match value:
            case bool() | None:
                return value
            case Enum():
                return self.value(value.value, depth + 1) if depth < DEPTH_MAX else "…"
            case str():
                return self.text(str(value))
            case int():
                return self._integer(value)
            case float():
                return self._integer(int(value)) if value.is_integer() else value
            case PurePath():
                return self.text(str(value))
            case BaseException():
                return self.text(describe(value))
            case Mapping() | list() | tuple() | set() | frozenset() if depth >= DEPTH_MAX:
                return "…"
            case Mapping():
                return {
                    self.text(str(key)): HIDDEN
                    if self._learn(str(key))
                    else self.value(each, depth + 1)
                    for key, each in list(value.items())[:ITEMS_MAX]
                }
            case list() | tuple() | set() | frozenset():
                return [self.value(each, depth + 1) for each in list(value)[:ITEMS_MAX]]
            case bytes() | bytearray():
                return self.text(value.decode("utf-8", "backslashreplace"))
            case _:
                return f"<{type(value).__name__}>"

    def text(self, text: str) -> str:
        """The text with everything hidden that must be."""
        if text in self._clean or _PAYMENT.fullmatch(text):
            return text
        whole = text
        if len(text) > 2 * TEXT_CHARS_MAX:
            text = text[: 2 * TEXT_CHARS_MAX]
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        if _SUSPECT.search(text) is not None:
            text = _ELEMENT.sub(self._element, text)
            text = self._named(text)
            text = _BARE.sub(HIDDEN, text)
            text = _ADDRESS.sub("[email]", text)
            text = mask_numbers(text)
        if len(text) > TEXT_CHARS_MAX:
            text = f"{text[:TEXT_CHARS_MAX]}…"
        if text == whole and len(text) <= _CLEAN_CHARS_MAX:
            if len(self._clean) >= _CLEAN_MAX:
                self._clean.clear()
            self._clean.add(text)
        return text

    def _integer(self, value: int) -> int | str:
        if abs(value) >= INTEGER_MAX:
            return "<int>"
        digits = str(value)
        return value if mask_numbers(digits) == digits else HIDDEN

    def _learn(self, key: str) -> bool:
        """Whether what stands under this key is hidden."""
        hides = self._hides.get(key)
        if hides is None:
            if len(self._hides) >= _CLEAN_MAX:
                self._hides.clear()
            hides = (
                _HIDING.fullmatch(_HUMPS.sub("_", key[-TEXT_CHARS_MAX:].replace("-", "_")))
                is not None
            )
            self._hides[key] = hides
        return hides

    def _element(self, found: re.Match[str]) -> str:
        return f"<{found[1]}{found[2]}{HIDDEN}" if self._learn(found[1]) else found[0]

    def _named(self, text: str) -> str:
        """Hide the values in `name=value` and `name: value`, quoted or not, where the name speaks of a secret."""
        pieces: list[str] = []
        position = 0
        for equals in _EQUALS.finditer(text):
            at = equals.end()
            if at <= position:
                continue
            name = _NAME_BEFORE.search(text, max(position, at - 1 - _NAME_REACH), at - 1)
            if name is None or not self._learn(name[1]) or name[1].endswith(("Error", "Exception")):
                continue
            value = _VALUE.match(text, at)
            if value is None or value[0].strip().lower() in _INNOCENT:
                continue
            pieces += text[position:at], HIDDEN
            position = value.end()
        pieces.append(text[position:])
        return "".join(pieces)


def describe(error: BaseException) -> str:
    """The type and what it says, where it can say it."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  # a broken __str__ must not cost the line
        return type(error).__name__
