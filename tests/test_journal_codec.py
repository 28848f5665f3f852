"""Every event survives the disk, and nothing that is not understood is read."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core import events as ev
from gatewayd.core import invoice_events
from gatewayd.core.money import Currency
from gatewayd.core.terms import Claim, CodeClass, Redirect, Refusal
from gatewayd.journal.codec import UnknownEvent, decode, encode

# what aiohttp makes of bytes that are no UTF-8 is among it
TEXT = st.text(st.characters(exclude_categories=()).filter(lambda c: not "\ud800" <= c < "\udc80"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Anything that a field of this type may hold."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        return st.one_of([st.none() if part is NoneType else values_of(part) for part in inner])
    if origin is tuple:
        return st.lists(values_of(inner[0]), max_size=3).map(tuple)
    if origin is Mapping:
        return st.dictionaries(TEXT, JSON if inner[1] is Any else values_of(inner[1]), max_size=3)
    if issubclass(hint, Enum):
        return st.sampled_from(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return built(hint)
    if hint is float:
        return st.floats(0, 1)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: TEXT,
        int: st.integers(-(10**24), 10**24),
        bool: st.booleans(),
    }
    return plain[hint]


@cache
def built(cls: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls)
    return st.fixed_dictionaries(
        {field.name: values_of(hints[field.name]) for field in fields(cls)}
    ).map(lambda found: cls(**found))


@pytest.mark.parametrize("kind", ev.KINDS.values(), ids=ev.KINDS)
@given(data=st.data())
def test_every_event_is_read_back_as_it_was(kind: Any, data: st.DataObject) -> None:
    event = data.draw(built(kind))
    name, body, private = encode(event)
    assert event == decode(name, event.at_ms, body, private)


@pytest.mark.parametrize("kind", ev.KINDS.values(), ids=ev.KINDS)
def test_every_event_belongs_to_the_kinds_under_its_own_name(kind: type[ev.Event]) -> None:
    assert kind is ev.KINDS[kind.__name__]


def test_no_event_is_missing_from_the_kinds() -> None:
    there = {
        name
        for name, found in (vars(ev) | vars(invoice_events)).items()
        if isinstance(found, type) and issubclass(found, ev.Event)
    }
    assert set(ev.KINDS) == there - {
        "Event",
        "AttemptEvent",
        "RefundEvent",
        "InvoiceEvent",
        "InvoiceEnded",
    }


def test_a_body_holds_neither_time_nor_private_parts_nor_defaults() -> None:
    event = ev.Returned(
        at_ms=1_750_000_000_000,
        attempt=1,
        claim=Claim(outcome=CodeClass.OK, reference="abc"),
        standing=ev.Standing.CLAIM,
        digest="d",
        private={"RefNum": "abc"},
    )
    kind, body, private = encode(event)
    assert "Returned" == kind
    assert {
        "attempt": 1,
        "claim": {"outcome": "ok", "reference": "abc"},
        "standing": "claim",
        "digest": "d",
    } == orjson.loads(body)
    assert b'{"RefNum":"abc"}' == private


def test_an_event_without_a_private_part_has_none() -> None:
    assert None is encode(ev.HandedOver(at_ms=1, attempt=1))[2]


def test_an_erased_private_part_reads_as_an_empty_one() -> None:
    event = ev.Created(
        at_ms=1,
        shop="main",
        key="k",
        order_id="o",
        amount=1,
        currency=Currency.IRR,
        return_url="https://shop.example/",
        expires_ms=2,
        private={"payer": {"mobile": "09120000000"}},
    )
    kind, body, _ = encode(event)
    erased = decode(kind, 1, body, None)
    assert isinstance(erased, ev.Created)
    assert {} == erased.private


def test_texts_that_many_payments_share_are_kept_once() -> None:
    redirect = Redirect(
        token="the token",
        url="https://bank.example/pay page",
        method="post",
        fields={"Token": "the token", "GetMethod": "not at all"},
    )
    kind, body, private = encode(ev.Started(at_ms=1, attempt=1, redirect=redirect))
    first, second = decode(kind, 1, body, private), decode(kind, 1, body, private)
    assert isinstance(first, ev.Started)
    assert isinstance(second, ev.Started)
    assert redirect == first.redirect
    assert first.redirect.url is second.redirect.url
    assert first.redirect.fields["GetMethod"] is second.redirect.fields["GetMethod"]
    assert first.redirect.fields["Token"] is first.redirect.token


GOOD = encode(
    ev.VerifyRefused(
        at_ms=1, attempt=1, refusal=Refusal(cause=CodeClass.NOT_PAID, code="-2", message="no")
    )
)[1]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("VerifyRefuse", GOOD),
        ("Event", GOOD),
        ("VerifyRefused", b'{"attempt":1}'),
        ("VerifyRefused", GOOD.replace(b'"attempt":1', b'"attempt":1,"more":2')),
        ("VerifyRefused", GOOD.replace(b'"code"', b'"kode"')),
        ("VerifyRefused", GOOD.replace(b"not_paid", b"not_payed")),
        ("VerifyRefused", GOOD.replace(b'"attempt":1', b'"attempt":1,"at_ms":2')),
        ("VerifyRefused", b'{"attempt":1,"refusal":7}'),
        ("VerifyRefused", b"[]"),
        ("VerifyRefused", b" []"),
        ("VerifyRefused", GOOD[:-1]),
        ("VerifyRefused", b""),
    ],
)
def test_what_is_not_known_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(UnknownEvent):
        decode(kind, 1, body, None)


def test_a_damaged_private_part_is_refused() -> None:
    with pytest.raises(UnknownEvent):
        decode("HandedOver", 1, b'{"attempt":1}', b'{"a":1}')
    with pytest.raises(UnknownEvent):
        decode("Verified", 1, b'{"attempt":1,"receipt":{}}', b"[]")
