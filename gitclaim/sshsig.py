"""Makes ssh keys and signatures where OpenSSH is not installed: ed25519, in OpenSSH's own formats.

The signature format is https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig, the key's that of
`ssh-keygen -t ed25519`: installing OpenSSH later changes nothing.
"""

import base64
from hashlib import sha512
from typing import Final

from gitclaim.errors import GitclaimError
from gitclaim.names import printable

_NAMESPACE: Final = b"git"
_TYPE: Final = b"ssh-ed25519"
_WIDTH: Final = 70


def make_key() -> tuple[str, str]:
    """A new key: the private half as OpenSSH stores it, and the line with the public one."""
    # Imported late: it takes longer than a whole take, and nobody with OpenSSH needs it.
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()} gitclaim\n"


def sign(key: str, data: bytes) -> str:
    """The armoured signature over these bytes, in git's namespace.

    Args:
        key: the private key as OpenSSH stores it, without a passphrase.
        data: what is signed.

    Raises:
        GitclaimError: the key can't be read, or is of another type.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    try:
        private = serialization.load_ssh_private_key(key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise GitclaimError(f"the clone's signing key can't be read: {printable(str(error))}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise GitclaimError("the clone's signing key is not ed25519", hint="install OpenSSH to use it")
    raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    terms = _string(_NAMESPACE) + _string(b"") + _string(b"sha512")
    signature = private.sign(b"SSHSIG" + terms + _string(sha512(data).digest()))
    blob = (
        b"SSHSIG"
        + (1).to_bytes(4)
        + _string(_string(_TYPE) + _string(raw))
        + terms
        + _string(_string(_TYPE) + _string(signature))
    )
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----"])


def _string(data: bytes) -> bytes:
    """A string of the ssh protocol (RFC 4251, section 5)."""
    return len(data).to_bytes(4) + data
