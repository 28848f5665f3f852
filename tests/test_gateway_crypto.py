"""TripleDES signing against vectors that two independent libraries agree on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.gateways.crypto import des_key, encrypt_digits, sign_triple_des, triple_des_key

THREE_KEYS = "ASNFZ4mrze/+3LqYdlQyEA8eLTxLWml4"
TWO_KEYS = "ABEiM0RVZneImaq7zN3u/w=="
TWO_KEYS_AS_THREE = "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3"
ONE_KEY_THRICE = "ASNFZ4mrze8BI0VniavN7wEjRWeJq83v"
REQUEST = "Z9X8C7V6;1000000042;150000"


@pytest.mark.parametrize(
    ("key", "text", "signature"),
    [
        (THREE_KEYS, REQUEST, "dAm7RAMP28Nm4ryW3nUFqsgOM0IPr5lvksHKB87YK0A="),
        (THREE_KEYS, "AB12CD34;42;1000", "NYXIJ6XwnX38ZDL3Ta2Bs6vGxctQrHRk"),
        (
            THREE_KEYS,
            "0001B4107A2C9E55D1F04B8893AA6CE7F2D3450B918C76DE02F1",
            "uJZXyexAdgoN/YtnZKv2xtJU94E+aYow1pa62J4U5QX3SHRBWEVm5AlUQPKZvLPA0JjkmoXdqA8=",
        ),
        (TWO_KEYS, REQUEST, "wLU659zYQ9z6GRcewoFhrAYrbG4kjxyslMm9NfUhLAU="),
        (TWO_KEYS_AS_THREE, REQUEST, "wLU659zYQ9z6GRcewoFhrAYrbG4kjxyslMm9NfUhLAU="),
        (ONE_KEY_THRICE, REQUEST, "ZoXR+9upXHhHbTjCErLATAgcF7ctR8INyeph1Zyy0Ho="),
    ],
)
def test_triple_des_signs_as_the_bank_does(key: str, text: str, signature: str) -> None:
    assert signature == sign_triple_des(triple_des_key(key), text)


def test_a_terminal_key_is_decoded_before_use() -> None:
    assert triple_des_key(THREE_KEYS).hex() == "0123456789abcdeffedcba98765432100f1e2d3c4b5a6978"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ASNFZ4mrze/+3LqYdlQyEA8eLTxLWml", "Base64"),
        ("ASNFZ4mrze_+3LqYdlQyEA8eLTxLWml4", "Base64"),
        ("کلید", "Base64"),
        ("", "0 bytes"),
        ("ASNFZ4mrze8=", "8 bytes"),
        (THREE_KEYS + "ASNFZ4mrze8=", "32 bytes"),
    ],
)
def test_a_key_of_another_shape_is_refused_without_being_shown(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        triple_des_key(text)
    assert text[:8] not in str(caught.value) or not text


@given(st.text(max_size=100))
def test_any_text_can_be_signed_and_is_padded_to_whole_blocks(text: str) -> None:
    size = len(text.encode())
    signature = sign_triple_des(triple_des_key(THREE_KEYS), text)
    assert 4 * -(-(size // 8 + 1) * 8 // 3) == len(signature)


def test_digits_are_packed_and_encrypted_as_the_bank_reads_them() -> None:
    assert "FA5DD69CD4F79490" == encrypt_digits(des_key("133457799BBCDFF1"), "0012345679")


@pytest.mark.parametrize(
    ("key", "says"), [("133457799BBCDF", "7 bytes"), ("", "0 bytes"), ("XY" * 8, "hexadecimal")]
)
def test_a_des_key_is_sixteen_hex_digits(key: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        des_key(key)
