"""Signing as the banks demand it: pure functions from key and text to signature.

What stands here is what banks ask for, not what is good: TripleDES in ECB mode is a signature only
because both sides keep the key. Errors never show a key or any part of it.
"""

import base64
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.padding import PKCS7

DES_BLOCK_BITS: Final = 64
TWO_KEY_BYTES: Final = 16
THREE_KEY_BYTES: Final = 24


def triple_des_key(text: str) -> bytes:
    """The 24 bytes behind a Base64 terminal key; one of 16 bytes is K1, K2 and means K1, K2, K1.

    ValueError for anything else. The text itself is never the key, though it is as long as one.
    """
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("is not Base64") from None
    if len(key) == TWO_KEY_BYTES:
        return key + key[: TWO_KEY_BYTES // 2]
    if len(key) != THREE_KEY_BYTES:
        raise ValueError(f"is Base64 of {len(key)} bytes instead of 16 or 24")
    return key


def sign_triple_des(key: bytes, text: str) -> str:
    """Base64 of the UTF-8 of `text`, PKCS#7 padded, encrypted by TripleDES in ECB mode.

    `key` is 24 bytes, as from `triple_des_key`.
    """
    padder = PKCS7(DES_BLOCK_BITS).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    encryptor = Cipher(TripleDES(key), modes.ECB()).encryptor()  # noqa: S305  (the bank's choice)
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def des_key(text: str) -> bytes:
    """The 8 bytes of a key of 16 hex digits. ValueError for anything else."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        raise ValueError("is not hexadecimal") from None
    if len(key) != TWO_KEY_BYTES // 2:
        raise ValueError(f"is of {len(key)} bytes instead of 8")
    return key


def encrypt_digits(key: bytes, digits: str) -> str:
    """An even number of digits, packed two to a byte, PKCS#5 padded and encrypted by DES in ECB mode: upper-case hex.

    `key` is 8 bytes, as from `des_key`. TripleDES with three equal keys is DES.
    """
    padder = PKCS7(DES_BLOCK_BITS).padder()
    padded = padder.update(bytes.fromhex(digits)) + padder.finalize()
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()  # noqa: S305  (the bank's choice)
    return (encryptor.update(padded) + encryptor.finalize()).hex().upper()
