"""
Koha's password hashes.

Source: Koha, C4/Auth.pm checkpw_hash and Koha/AuthUtils.pm hash_password.
"""

import base64
import hashlib
import hmac

import bcrypt

# What bcrypt looks at; Perl's cuts what is longer, Python's refuses it.
_BCRYPT_BYTES = 72

_NOBODY = "$2a$08$n1v6T3akM35zKbFBPklKoue05gX0nHy1Am9WBZ57f2ZupMAOMsP9u"
"""A hash that no password is known for, for comparing where there is no account: it takes as long."""


def matches(stored: str | None, password: str) -> bool:
    """Return whether *password* is the one whose hash is *stored*; in the same time whatever differs."""
    octets = password.encode()
    if not stored or "\0" in password:
        bcrypt.checkpw(octets[:_BCRYPT_BYTES].replace(b"\0", b""), _NOBODY.encode())
        return False
    if stored.startswith("$2"):
        return _matches_bcrypt(stored, octets)
    # What accounts from before 3.14 have until their next login.
    digest = base64.b64encode(hashlib.md5(octets, usedforsecurity=False).digest()).decode().rstrip("=")
    return hmac.compare_digest(stored.encode(), digest.encode())


def _matches_bcrypt(stored: str, octets: bytes) -> bool:
    try:
        return bcrypt.checkpw(octets[:_BCRYPT_BYTES], stored.encode())
    except ValueError:
        return False  # what is stored is no hash
