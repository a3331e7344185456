"""
Certificates for tests, made by the command ``openssl``.

The package ``cryptography`` could make them too, but PyMySQL loads it where it is installed: tests and benchmarks would
then run with thirteen megabytes that no installation has.
"""

import subprocess
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make_authority(certificate: Path, key: Path) -> None:
    """Create an authority that signs other certificates."""
    _openssl(
        *("req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=Test authority"),
        *("-keyout", str(key), "-out", str(certificate)),
    )


def make_signed(certificate: Path, key: Path, *, authority: Path, authority_key: Path, address: str) -> None:
    """Create a certificate for an IP address."""
    request, extensions = certificate.with_suffix(".csr"), certificate.with_suffix(".ext")
    extensions.write_text(f"subjectAltName=IP:{address}\n")
    _openssl("req", *_KEY, "-subj", f"/CN={address}", "-keyout", str(key), "-out", str(request))
    _openssl(
        *("x509", "-req", "-in", str(request), "-days", "2", "-extfile", str(extensions)),
        *("-CA", str(authority), "-CAkey", str(authority_key), "-CAcreateserial", "-out", str(certificate)),
    )


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
