"""Koha's password hashes are understood."""

import base64
import hashlib

import bcrypt
import pytest

from koha_ill_sidecar.domain import passwords


def _bcrypt(password: str, prefix: bytes = b"2a") -> str:
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4, prefix=prefix)).decode()


@pytest.mark.parametrize("password", ["secret", "Пароль 密碼 ü", "x" * 70, " "])
def test_bcrypt(password: str) -> None:
    assert passwords.matches(_bcrypt(password), password)
    assert not passwords.matches(_bcrypt(password), "x" + password)


def test_bcrypt_looks_at_72_bytes_as_perls_does() -> None:
    assert passwords.matches(_bcrypt("x" * 72), "x" * 100)


def test_the_older_md5_without_padding() -> None:
    stored = base64.b64encode(hashlib.md5(b"secret", usedforsecurity=False).digest()).decode().rstrip("=")

    assert passwords.matches(stored, "secret")
    assert not passwords.matches(stored, "Secret")


@pytest.mark.parametrize("stored", [None, "", "!", "$2a$", "$2a$08$short", "x" * 5000])
@pytest.mark.parametrize("password", ["", "!", "secret", "\0", "sec\0ret", "x" * 5000])
def test_an_invalid_hash_matches_no_password(stored: str | None, password: str) -> None:
    assert not passwords.matches(stored, password)
