"""Files for one reader: encrypted to the certificate that the reader gave, in a form that any computer opens.

The envelope is CMS (RFC 5652), AES-256, in DER. Who holds the certificate's key opens it:

    openssl cms -decrypt -inform DER -in FILE.p7m -inkey key.pem -out FILE
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from flows.errors import UsageError

SUFFIX = ".zip.p7m"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def sealed_for(certificate: Path, files: Mapping[str, bytes]) -> bytes:
    """Files by their path, as one zip, encrypted to a certificate (PEM, RSA).

    Raises UsageError where the file holds no such certificate.
    """
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7EnvelopeBuilder, PKCS7Options
    from cryptography.x509 import load_pem_x509_certificate

    try:
        reader = load_pem_x509_certificate(certificate.read_bytes())
        envelope = PKCS7EnvelopeBuilder().add_recipient(reader)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"--encrypt-for {certificate}: no certificate with an RSA key ({error})",
            hint="The reader makes one: openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj /CN=me "
            "-keyout key.pem -out certificate.pem",
        ) from error
    envelope = envelope.set_data(_zipped(files)).set_content_encryption_algorithm(AES256)
    return envelope.encrypt(Encoding.DER, [PKCS7Options.Binary])


def _zipped(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as held:
        for name, data in sorted(files.items()):
            held.writestr(zipfile.ZipInfo(name, _LONG_AGO), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
