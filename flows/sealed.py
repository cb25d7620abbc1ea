"""Files for one reader: encrypted to the certificate that the reader gave, in a form that any computer opens.

The envelope is CMS (RFC 5652), AES-256, in DER. Who holds the certificate's key opens it:

    openssl cms -decrypt -inform DER -in FILE.p7m -inkey key.pem -out FILE
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from flows.errors import UsageError

SUFFIX = ".zip.p7m"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def enclose_for(certificate: Path) -> Callable[[bytes], bytes]:
    """What encrypts bytes to a certificate (PEM, RSA), each time by itself and in memory.

    Raises UsageError where the file holds no such certificate.
    """
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7EnvelopeBuilder, PKCS7Options
    from cryptography.x509 import load_pem_x509_certificate

    try:
        reader = load_pem_x509_certificate(certificate.read_bytes())
        envelope = PKCS7EnvelopeBuilder().add_recipient(reader).set_content_encryption_algorithm(AES256)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"--encrypt-for {certificate}: no certificate with an RSA key ({error})",
            hint="The reader makes one: openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj /CN=me "
            "-keyout key.pem -out certificate.pem",
        ) from error
    return lambda data: envelope.set_data(data).encrypt(Encoding.DER, [PKCS7Options.Binary])


def disclose_with(key: Path, certificate: Path) -> Callable[[bytes], bytes]:
    """What opens bytes encrypted to a certificate (both PEM, RSA); ValueError where they do not fit.

    Raises UsageError for files that hold no such key or certificate, as a key with a pass-phrase.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.hazmat.primitives.serialization.pkcs7 import pkcs7_decrypt_der
    from cryptography.x509 import load_pem_x509_certificate

    try:
        own = load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        hint = "A key with a pass-phrase: openssl pkey -in key.pem -out open.pem, and remove that after use."
        raise UsageError(
            f"--key {key}: no private key in PEM without a pass-phrase ({error})", hint=hint
        ) from error
    if not isinstance(own, RSAPrivateKey):
        raise UsageError(f"--key {key}: no RSA key")
    try:
        reader = load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"--certificate {certificate}: no certificate in PEM ({error})") from error
    return lambda data: pkcs7_decrypt_der(data, reader, own, [])


def sealed_for(certificate: Path, files: Mapping[str, bytes]) -> bytes:
    """Files by their path, as one zip, encrypted to a certificate (PEM, RSA); UsageError as `enclose_for`."""
    return enclose_for(certificate)(_zipped(files))


def _zipped(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as held:
        for name, data in sorted(files.items()):
            held.writestr(zipfile.ZipInfo(name, _LONG_AGO), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
