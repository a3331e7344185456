"""
Koha's password hashes.

Source: Koha, C4/Auth.pm checkpw_hash and Koha/AuthUtils.pm hash_password.
"""

import base64
import hashlib
import hmac

import bcrypt

# The bytes that bcrypt uses: Perl's truncates a longer password, Python's refuses it.
_BCRYPT_BYTES = 72

_UNUSABLE_HASH = "$2a$08$n1v6T3akM35zKbFBPklKoue05gX0nHy1Am9WBZ57f2ZupMAOMsP9u"
"""A hash without a known password: comparing with it takes as long for a login that does not exist."""


def matches(stored: str | None, password: str) -> bool:
    """Return whether *password* has the hash *stored*; a mismatch takes the same time wherever it is."""
    octets = password.encode()
    if not stored or "\0" in password:
        bcrypt.checkpw(octets[:_BCRYPT_BYTES].replace(b"\0", b""), _UNUSABLE_HASH.encode())
        return False
    if stored.startswith("$2"):
        return _matches_bcrypt(stored, octets)
    # Accounts from before Koha 3.14 have this hash until their next login.
    digest = base64.b64encode(hashlib.md5(octets, usedforsecurity=False).digest()).decode().rstrip("=")
    return hmac.compare_digest(stored.encode(), digest.encode())


def _matches_bcrypt(stored: str, octets: bytes) -> bool:
    try:
        return bcrypt.checkpw(octets[:_BCRYPT_BYTES], stored.encode())
    except ValueError:
        return False  # the stored text is not a hash, such as "!" for a disabled account
