"""Authorities and trackIds: read back by us alone, and of the form that clients check."""

import re
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from gatewayd.engine.links import Links
from gatewayd.web.facade.names import TRACK_ID_MAX, Names

NUMBER: Final = 217_512_345_678
NAMES: Final = Names(Links(b"0123456789abcdef", "https://pay.shop.example", {}))
OTHERS: Final = Names(Links(b"another key of 16", "https://pay.shop.example", {}))


@given(st.integers(min_value=1, max_value=900_719_925_473))
def test_what_was_made_is_read_back(number: int) -> None:
    for sandbox in (False, True):
        assert number == NAMES.read_authority(NAMES.authority(number, sandbox=sandbox))
    assert number == NAMES.read_track_id(NAMES.track_id(number))
    assert NAMES.track_id(number) < TRACK_ID_MAX


def test_an_authority_looks_as_clients_check_it() -> None:
    assert re.fullmatch(r"A0{9}[0-9a-zA-Z]{26}", NAMES.authority(NUMBER))
    assert re.fullmatch(r"S0{9}[0-9a-zA-Z]{26}", NAMES.authority(NUMBER, sandbox=True))
    assert 36 == len(NAMES.authority(NUMBER))


def test_nobody_else_makes_an_authority() -> None:
    assert NAMES.read_authority(OTHERS.authority(NUMBER)) is None
    real = NAMES.authority(NUMBER)
    for place in range(1, 36):
        other = "1" if real[place] != "1" else "2"
        assert NAMES.read_authority(f"{real[:place]}{other}{real[place + 1 :]}") is None


@given(st.text(max_size=40))
def test_any_text_is_an_authority_of_ours_or_nothing(text: str) -> None:
    assert NAMES.read_authority(text) is None


def test_a_track_id_beside_ours_is_none() -> None:
    real = NAMES.track_id(NUMBER)
    for other in (real + 1, real - 1, 0, -real, TRACK_ID_MAX, 2**63):
        assert NAMES.read_track_id(other) is None
